"""Write graphs as manifest records, and names as components of paths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gru2np_runtime.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np_runtime.layer import Layer


def encode_name(name: str) -> str:
    """A layer's name as a component of a path; different names stay different."""
    encoded = "".join(
        c if c.isascii() and (c.isalnum() or c in "_-. ") else _percent(c) for c in name
    )
    if not encoded.strip("."):
        encoded = "".join(_percent(c) for c in encoded)
    return encoded


def _percent(character: str) -> str:
    return "".join(
        f"%{byte:02X}" for byte in character.encode("utf-8", "surrogatepass")
    )


def graph_record(
    graph: Graph, describe: Callable[[str], Mapping[str, Any]], path: str = ""
) -> dict[str, Any]:
    """The manifest record of a graph.

    Args:
        graph: the graph.
        describe: more keys for a layer's record, by full path: weights, Keras name.
        path: prefix of the layers' paths, empty or ending with ``/``.
    """
    nodes = []
    for node in graph.nodes:
        record: dict[str, Any] = {
            "name": node.name,
            "layer": node.layer,
            "inputs": [list(ref) for ref in node.inputs],
        }
        if node.mask is not None:
            record["mask"] = list(node.mask)
        nodes.append(record)
    return {
        "inputs": [
            {"name": port.name, "shape": list(port.shape), "dtype": port.dtype}
            for port in graph.inputs
        ],
        "nodes": nodes,
        "outputs": [
            {
                "name": port.name,
                "shape": list(port.shape),
                "dtype": port.dtype,
                "source": list(port.source or ()),
            }
            for port in graph.outputs
        ],
        "layers": {
            name: layer_record(layer, describe, path + name)
            for name, layer in graph.layers.items()
        },
    }


def layer_record(
    layer: Layer, describe: Callable[[str], Mapping[str, Any]], path: str
) -> dict[str, Any]:
    """The manifest record of a layer; see ``graph_record``."""
    record = {"op": layer.op, "weights": {}, **describe(path)}
    if isinstance(layer, Graph):
        record["graph"] = graph_record(layer, describe, f"{path}/")
        return record
    record["attributes"] = {k: json_value(v) for k, v in layer.attributes().items()}
    if layer.layers:
        record["layers"] = {
            name: layer_record(child, describe, f"{path}/{name}")
            for name, child in layer.layers.items()
        }
    return record


def json_value(value: Any) -> Any:
    """A value for JSON; numbers that are not finite become strings."""
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if value != value else "inf" if value > 0 else "-inf"
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    if isinstance(value, dict):
        return {key: json_value(item) for key, item in value.items()}
    return value
