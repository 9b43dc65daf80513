"""Write the model of each folder as a bundle: ``python bundles.py FOLDER...``."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gru2np import storage
from gru2np_runtime import __version__, layers
from gru2np_runtime.bundle.container import MANIFEST, Writer, encode_manifest
from gru2np_runtime.bundle.manifest import FORMAT, MANIFEST_VERSION, SOURCE
from gru2np_runtime.bundle.manifest_writer import graph_record
from gru2np_runtime.bundle.members import SCALE
from gru2np_runtime.graph import Graph, Node, Port
from models import Workload, read_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime import Layer
    from models import Array

CELLS = {"gru": layers.GRU, "lstm": layers.LSTM, "simple_rnn": layers.SimpleRNN}


def recurrent(workload: Workload, number: int) -> Layer:
    """One recurrent layer of the stack, as the runtime has it."""
    options = {
        "units": workload.units,
        "return_sequences": workload.returns_sequences(number),
    }
    cell = CELLS[workload.cell]
    if not workload.bidirectional:
        return cell(**options)
    halves = {
        "forward_layer": cell(**options),
        "backward_layer": cell(go_backwards=True, **options),
    }
    return layers.Bidirectional(layers=halves)


def write_bundle(folder: Path, workload: Workload, kind: str = "") -> None:
    """Write ``model.npz``; ``kind``: small weights, ``model.float16.npz``."""
    given, head = read_weights(folder)
    built: dict[str, Layer] = {}
    weights: dict[str, dict[str, Array]] = {}
    for number, directions in enumerate(given):
        name = f"recurrent_{number}"
        built[name] = recurrent(workload, number)
        prefixes = ("forward_layer/", "backward_layer/")
        if not workload.bidirectional:
            prefixes = ("",)
        for prefix, arrays in zip(prefixes, directions, strict=True):
            weights[name + "/" + prefix] = arrays
    if head is not None:
        built["dense"] = layers.Dense(units=workload.head)
        weights["dense/"] = head
    sources = ["x", *built]
    nodes = [
        Node(name, name, [(source, 0)])
        for name, source in zip(built, sources[:-1], strict=True)
    ]
    last = workload.head or workload.width
    shape = (None, *((None,) if workload.sequences else ()), last)
    graph = Graph(
        [Port("x", (None, None, workload.features), "float32")],
        nodes,
        [Port("y", shape, "float32", (sources[-1], 0))],
        built,
    )
    name = f"model.{kind}.npz" if kind else "model.npz"
    with (folder / name).open("wb") as file:
        writer = Writer(file)
        records: dict[str, dict[str, Any]] = {}
        for prefix, arrays in weights.items():
            record = records.setdefault(prefix.rstrip("/"), {})
            op = "dense" if prefix == "dense/" else workload.cell
            for name, array in arrays.items():
                record[name] = _write_array(writer, prefix + name, array, op, kind)
        manifest = _manifest(workload, graph, records)
        if kind:
            manifest["storage"] = storage.unknown(kind, ["y"])
        writer.add(MANIFEST, encode_manifest(manifest))
        writer.close()


def _write_array(
    writer: Writer, path: str, array: Array, op: str, kind: str
) -> dict[str, Any]:
    """Write a weight, small if that is asked for, and return its record."""
    stored = storage.Stored(array)
    if kind:
        stored = storage.stored(array, path.rpartition("/")[2], op, kind)
    data = writer.add_array(path, stored.array)
    record: dict[str, Any] = {
        "shape": list(array.shape),
        "dtype": stored.array.dtype.name,
        "sha256": hashlib.sha256(data).hexdigest(),
    }
    if stored.array is not array:
        record["storage"] = {"dtype": kind}
    if stored.scales is not None:
        data = writer.add_array(path + SCALE, stored.scales)
        digest = hashlib.sha256(data).hexdigest()
        record["storage"] |= {"axis": stored.axis, "sha256": digest}
    return record


def _manifest(
    workload: Workload, graph: Graph, records: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    def describe(path: str) -> dict[str, Any]:
        return {"weights": records.get(path, {})}

    return {
        "format": FORMAT,
        "version": MANIFEST_VERSION,
        "producer": f"gru2np {__version__}",
        "name": workload.name,
        "source": dict.fromkeys(SOURCE),
        "inputs": {"kind": "one", "names": ["x"]},
        "outputs": {"kind": "one", "names": ["y"]},
        "graph": graph_record(graph, describe),
    }


def export(folder: Path) -> None:
    """Write ``model.npz`` from the file that Keras saved."""
    try:
        import gru2np

        gru2np.export(folder / "model.keras", folder / "model.npz")
    except Exception as error:
        (folder / "model.npz.error").write_text(str(error)[:200], "utf-8")


def main(folders: list[str]) -> None:
    """Write the bundle of each folder."""
    for folder in map(Path, folders):
        record = json.loads((folder / "workload.json").read_text("utf-8"))
        workload = Workload.from_json(record)
        if workload.network:
            export(folder)
        else:
            for kind in ("", *storage.KINDS):
                write_bundle(folder, workload, kind)


if __name__ == "__main__":
    main(sys.argv[1:])
