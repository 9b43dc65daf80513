"""Rules that relate different parts of a manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np_runtime.errors import BundleError
from gru2np_runtime.graph import Graph, walk

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.bundle.members import WeightRecord
    from gru2np_runtime.layer import Shape


def check_storage(
    storage: Mapping[str, Any] | None, weights: Sequence[WeightRecord]
) -> None:
    """Check that the stated storage dtype is that of the weights stored small."""
    kinds = {weight.dtype for weight in weights}
    stated = None if storage is None else storage["dtype"]
    small = {weight.dtype for weight in weights if weight.small}
    if small != {stated} - {None}:
        raise BundleError(
            f"manifest: expected the storage of weights of {', '.join(sorted(kinds))}, "
            f"got {stated} - at `$.storage`"
        )


def check_shapes(graph: Graph, weights: list[WeightRecord]) -> None:
    """Check that names and shapes of the weights are those that the layers expect."""
    try:
        _, expected = graph.infer_nodes()
    except ValueError as error:
        raise BundleError(f"manifest: {error} - at `$.graph`") from None
    flat = {
        f"{path}/{name}": shape
        for path, shapes in expected.items()
        for name, shape in shapes.items()
    }
    declared = {weight.path: weight.shape for weight in weights}
    for path in sorted(set(flat) ^ set(declared)):
        state = "is missing" if path in flat else "belongs to no layer"
        raise BundleError(f"manifest: weight {path!r} {state} - at `$.graph.layers`")
    for path, wanted in flat.items():
        if not _fits(declared[path], wanted):
            raise BundleError(
                f"manifest: weight {path!r}: expected shape {wanted}, "
                f"got {declared[path]} - at `$.graph.layers`"
            )


def check_graphs(graph: Graph) -> None:
    """Check every graph, nested graphs included.

    Shapes and dtypes of the outputs follow from the declared inputs, masks are boolean,
    and every layer is called.
    """
    for path, layer in walk(graph):
        if not isinstance(layer, Graph):
            continue
        where = f"`$.graph`, layer {path!r}" if path else "`$.graph`"
        try:
            shapes, dtypes = layer.infer_nodes()[0], layer.infer_dtypes()
        except ValueError as error:
            raise BundleError(f"manifest: {error} - at {where}") from None
        for port in layer.outputs:
            name, index = port.source or ("", 0)
            if index >= len(shapes.get(name, ())):
                raise BundleError(f"manifest: output {port.name!r} - at {where}")
            if port.shape != shapes[name][index]:
                raise BundleError(
                    f"manifest: output {port.name!r}: expected shape "
                    f"{list(shapes[name][index])}, got {list(port.shape)} - at {where}"
                )
            if port.dtype != dtypes[name]:
                raise BundleError(
                    f"manifest: output {port.name!r}: expected dtype {dtypes[name]}, "
                    f"got {port.dtype} - at {where}"
                )
        called = {node.layer for node in layer.nodes}
        for name in layer.layers:
            if name not in called:
                raise BundleError(
                    f"manifest: layer {name!r} is called nowhere - at {where}"
                )


def _fits(shape: Shape, wanted: Shape) -> bool:
    return len(shape) == len(wanted) and all(
        w in (None, n) for n, w in zip(shape, wanted)
    )
