"""Format a report as text, within the width of a terminal."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gru2np.errors import way_on
from gru2np.inspection.choices import activation_text
from gru2np.readers.safe.damage import shown
from gru2np.storage import costs
from gru2np.text import (
    paragraph,
    plural,
    readable,
    size_text,
    table,
)
from gru2np_runtime.custom import CustomFunction
from gru2np_runtime.data import shape_text
from gru2np_runtime.errors import plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gru2np.inspection.facts import LayerFacts, OwnerFacts
    from gru2np.inspection.gates import Gates
    from gru2np.inspection.inspect import Report

CONTAINERS = {
    "checkpoint": "TensorFlow checkpoint",
    "weights.h5": ".weights.h5",
    "npz": "list of arrays",
    "savedmodel": "SavedModel folder",
    "json+checkpoint": "architecture JSON with a TensorFlow checkpoint",
    "json+npz": "architecture JSON with a list of arrays",
    "tfjs": "TensorFlow.js folder",
    "hdf5": "HDF5",
    "keras": ".keras archive",
    "json+hdf5": "architecture JSON with HDF5 weights",
    "json+weights.h5": "architecture JSON with .weights.h5",
}
BACKENDS = {
    "cntk": "CNTK",
    "jax": "JAX",
    "tensorflow": "TensorFlow",
    "theano": "Theano",
    "torch": "PyTorch",
}
# The most elements of weights that are printed, over all recurrent layers.
MOST_VALUES = 150


def render(
    report: Report, width: int = 88, heading: Callable[[str], str] = str
) -> Iterator[str]:
    """The lines of a report.

    Args:
        report: to format.
        width: of the terminal.
        heading: styles a heading.
    """
    yield heading(report.file)
    yield from _head(report, width)
    if report.kind == "weights":
        yield from ["", heading("Arrays")]
        yield from _owners(report.owners, width)
        yield from ["", heading("What to do next")]
        for number, way in enumerate(report.ways_on, 1):
            yield from paragraph(way, width, f"  {number}. ")
        return
    if report.layers:
        yield from ["", heading("Layers")]
        yield from _layers(report.layers, width)
    if report.meaning:
        yield from ["", heading("Meaning")]
        for sentence in report.meaning:
            yield from _item(sentence, width)
    if report.gates:
        yield from ["", heading("Gates")]
        yield from _gates(report.gates, width)
        yield from ["", heading("Equations")]
        yield from _equations(report.gates, width)
    if not report.convertible:
        yield from ["", heading("Cannot be converted")]
        problems = [str(problem) for problem in report.problems]
        for problem in problems or [report.refusal or ""]:
            yield from _item(problem, width)
        for sentence in way_on(report.problems, report.ways_on):
            yield from paragraph(sentence, width, "")


def _item(text: str, width: int) -> Iterator[str]:
    """An item of a list; its text may hold a list too, of lines that begin with -."""
    for number, line in enumerate(text.splitlines()):
        if line.startswith("  - "):
            yield from paragraph(line[4:], width, "      - ")
        else:
            yield from paragraph(line, width, "    " if number else "  - ")


def origin(report: Report) -> Iterator[tuple[str, str]]:
    """Labels and texts: the Keras that saved the model, and its container."""
    source = report.source
    if report.written_by is not None:
        backend = str(source.get("backend") or "")
        # TensorFlow is part of the name of its tf.keras.
        has_backend = backend.lower() in report.written_by.lower()
        on = "" if has_backend else f" on {BACKENDS.get(backend, backend)}"
        saved_by = source.get("saved_by")
        more = "" if saved_by is None else f", by --saved-by {saved_by}"
        yield "saved by", report.written_by + on + more
    container = str(source.get("container") or "")
    kind, size = CONTAINERS.get(container, container), size_text(report.size)
    if report.kind == "bundle":
        yield "container", f"gru2np bundle, {size}"
        yield "source", f"{Path(str(source.get('file_name'))).name} ({kind})"
    elif container:
        if container == "keras" and Path(report.file).is_dir():
            kind = ".keras directory"
        yield "container", f"{kind}, {size}"


def extras(report: Report) -> Iterator[tuple[str, str]]:
    """Labels and texts: the part of a model, the storage of a bundle, its proof."""
    if report.storage is not None:
        yield "stored", costs(report.storage)
    if report.part is not None:
        pairs = (("from", report.part["inputs"]), ("to", report.part["outputs"]))
        ends = [f"{word} {', '.join(names)}" for word, names in pairs if names]
        yield "part", " ".join(ends)
    if report.proof is not None:
        cases = plural(len(report.proof["cases"]), "case")
        yield "proof", f"{cases}, reference {report.proof['reference']}"


def _head(report: Report, width: int) -> Iterator[str]:
    rows = list(origin(report))
    if report.kind == "weights":
        count = plural(report.parameters or 0, "number")
        rows.append(("weights", f"{count}, without an architecture"))
    if report.name is not None:
        facts = [plural(len(report.layers), "layer")]
        if report.parameters is not None:
            facts.append(plural(report.parameters, "parameter"))
        rows.append(("model", f"{report.name}: {', '.join(facts)}"))
    for label, tensors, structure in (
        ("input", report.inputs, report.input_structure),
        ("output", report.outputs, report.output_structure),
    ):
        kind = f"{label} {structure}" if structure in ("list", "dict") else label
        for i, tensor in enumerate(tensors):
            text = f"{tensor.name} {shape_text(tensor.shape)} {tensor.dtype}"
            rows.append(("" if i else kind, text))
    for label, text in (*rows, *extras(report)):
        yield from paragraph(text, width, f"  {label:11}  ")


def _owners(owners: Sequence[OwnerFacts], width: int) -> list[str]:
    rows = [
        (
            owner.path,
            ", ".join(shape_text(shape) for shape in owner.arrays.values()),
            owner.looks_like or "-",
        )
        for owner in owners
    ]
    return table(("owner", "shapes", "looks like"), rows, width=width)


def _layers(layers: Sequence[LayerFacts], width: int) -> list[str]:
    rows: list[list[str]] = []
    before: tuple[str, ...] = ()
    for layer in layers:
        remarks = []
        if layer.calls > 1:
            remarks.append(f"{layer.calls} calls")
        if before and layer.inputs and layer.inputs != before:
            remarks.append(f"reads {', '.join(map(readable, layer.inputs))}")
        if layer.mask is not None:
            remarks.append(f"mask of {readable(layer.mask)}")
        for depth, part in with_inside(layer):
            rows.append(_row(part, [] if depth else remarks, depth))
        before = (layer.path,)
    header = ["layer", "class", "output shape", "parameters", "options"]
    # A model that cannot be converted has no shapes.
    known = [i for i in range(len(header)) if i < 2 or any(row[i] for row in rows)]
    return table(
        [header[i] for i in known],
        [[row[i] for i in known] for row in rows],
        right=frozenset({known.index(3)}) if 3 in known else frozenset(),
        width=width,
    )


def _row(layer: LayerFacts, remarks: Sequence[str], depth: int) -> list[str]:
    options = [option_text(name, layer.options[name]) for name in layer.notable]
    shapes = " ".join(shape_text(shape) for shape in layer.output_shapes[:2])
    if len(layer.output_shapes) > 2:
        shapes += f" +{len(layer.output_shapes) - 2}"
    count = "" if layer.parameters is None else f"{layer.parameters:,}"
    name = "  " * depth + readable(layer_name(layer, depth))
    return [
        name,
        class_text(layer, depth),
        shapes,
        count,
        ", ".join([*options, *remarks]),
    ]


def with_inside(layer: LayerFacts, depth: int = 0) -> Iterator[tuple[int, LayerFacts]]:
    """A layer and all layers inside it, each with its depth."""
    yield depth, layer
    for child in layer.inside:
        yield from with_inside(child, depth + 1)


def layer_name(layer: LayerFacts, depth: int) -> str:
    """The path of a layer; for a layer inside another, its last part."""
    return layer.path.rpartition("/")[2] if depth else layer.path


def class_text(layer: LayerFacts, depth: int) -> str:
    """The class of a layer; for a layer inside another, without its package."""
    return layer.class_name.rpartition(">")[2] if depth else layer.class_name


def option_text(name: str, value: object) -> str:
    """An option of a layer and its value; long texts are shortened."""
    if isinstance(value, CustomFunction) or (
        isinstance(value, dict) and "function" in value
    ):
        value = activation_text(value)
    if isinstance(value, str):
        return f"{name}={shown(value, 24).strip(chr(39))}"
    return f"{name}={value:g}" if isinstance(value, float) else f"{name}={value}"


def _gates(gates: Sequence[Gates], width: int) -> Iterator[str]:
    legends = dict.fromkeys(
        ", ".join(f"{gate} {name}" for gate, name in cell.names.items())
        for cell in gates
    )
    size = max(
        len(shape_text(shape)) for cell in gates for shape in cell.shapes.values()
    )
    numbers = sum(prod(shape) for cell in gates for shape in cell.shapes.values())
    for number, cell in enumerate(gates):
        if number:
            yield ""
        yield plain(
            f"  {readable(cell.layer)}: {cell.class_name}, "
            f"{plural(cell.units, 'unit')}, {plural(cell.features, 'feature')}"
        )
        columns = ", ".join(_columns(gate, *cell.columns[gate]) for gate in cell.names)
        for name, shape in cell.shapes.items():
            yield f"    {name:17} {shape_text(shape):{size}}  columns {columns}"
        for row, meaning in enumerate(cell.bias_rows):
            yield f"    {'':17} {'':{size}}  row {row}: {meaning}"
        if cell.values and numbers <= MOST_VALUES:
            yield ""
            yield from _values(cell, width)
    yield ""
    for legend in legends:
        yield from paragraph(legend, width, "  ")


def _columns(gate: str, start: int, stop: int) -> str:
    return f"{start} {gate}" if stop == start + 1 else f"{start}-{stop - 1} {gate}"


def _values(cell: Gates, width: int) -> Iterator[str]:
    """A table of every element of small weights, with names of rows and columns."""
    rows: list[tuple[str, Any]] = []
    for i, row in enumerate(cell.values["kernel"]):
        rows.append((f"kernel, x[{i}]", row))
    for i, row in enumerate(cell.values["recurrent_kernel"]):
        rows.append((f"recurrent_kernel, h[{i}]", row))
    bias = cell.values.get("bias", [])
    two = bool(cell.bias_rows)
    for i, row in enumerate(bias if two else [bias] if bias else []):
        rows.append((f"bias, row {i}" if two else "bias", row))
    label = max(len(name) for name, _ in rows)
    fit = max((width - 4 - label) // (9 * cell.units), 1)
    gates = list(cell.names)
    for start in range(0, len(gates), fit):
        chosen = gates[start : start + fit]
        titles = [f"{gate}[{unit}]" for gate in chosen for unit in range(cell.units)]
        yield " " * (4 + label) + "".join(title.rjust(9) for title in titles)
        for name, row in rows:
            low, high = cell.columns[chosen[0]][0], cell.columns[chosen[-1]][1]
            numbers = "".join(f"{value:9.4f}" for value in row[low:high])
            yield f"    {name:{label}}{numbers}"


def _equations(gates: Sequence[Gates], width: int) -> Iterator[str]:
    yield from paragraph(NOTATION, width, "  ")
    kinds: dict[tuple[str, ...], list[Gates]] = {}
    for cell in gates:
        kinds.setdefault(cell.equations, []).append(cell)
    for lines, cells in kinds.items():
        yield ""
        yield from paragraph(
            ", ".join(readable(cell.layer) for cell in cells), width, "  "
        )
        reset_after = cells[0].reset_after
        if reset_after is not None:
            yield from paragraph(RESET_AFTER[reset_after], width, "  ")
        yield from (f"      {line}" for line in lines)


NOTATION = (
    "One time step: x is the input, h the state, W the kernel, U the recurrent_kernel "
    "and b the bias. The letter after W, U or b is the gate whose columns are used. "
    "* multiplies element by element."
)
RESET_AFTER = {
    True: "reset_after=True: r multiplies the product of h and Uh, so the bias has two "
    "rows: b0 for the input, b1 for the state.",
    False: "reset_after=False: r multiplies h before the product with Uh, so the bias "
    "has one row.",
}
