"""The sections on a model itself: its file, its graph, its layers and weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np import storage
from gru2np.inspection.meaning import activation_text
from gru2np.inspection.render import BACKENDS, CONTAINERS
from gru2np.reports.blocks import MOST, note, row_head, several_lines, tables
from gru2np.reports.diagram import MOST_DRAWINGS
from gru2np.reports.drawing import draw, label_of
from gru2np.reports.markup import (
    Markup,
    element,
    join,
    name,
    quantity,
    short_name,
)
from gru2np.reports.plots import histogram
from gru2np.text import (
    difference,
    plural,
    readable,
    shorten,
    size_text,
)
from gru2np_runtime.data import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from gru2np.inspection.cost import Cost, Costs
    from gru2np.inspection.facts import LayerFacts
    from gru2np.inspection.report import Opened, Report
    from gru2np.reports.boxes import Diagram

# Pictures of more weights than these nobody looks through.
MOST_WEIGHTS = 200
_MOST_TENSORS, _OPTION_LETTERS = 12, 200


def title_of(report: Report) -> str:
    """The file's name, without its folder."""
    return shorten(readable(Path(report.file).name), 80)


def source_facts(report: Report) -> list[tuple[str, Markup | str]]:
    """What file it is and who wrote it; names without folders."""
    source = report.source
    rows: list[tuple[str, Markup | str]] = []
    if report.written_by is not None:
        backend = str(source.get("backend") or "")
        named = backend.lower() in report.written_by.lower()
        on = "" if named else f" on {BACKENDS.get(backend, backend)}"
        said = source.get("saved_by")
        more = "" if said is None else f", {said} by its owner's word"
        rows.append(("Saved by", report.written_by + on + more))
    container = str(source.get("container") or "")
    kind = CONTAINERS.get(container, container)
    if report.kind == "bundle":
        rows.append(("Container", f"gru2np bundle, {size_text(report.size)}"))
        made_of = Path(str(source.get("file_name"))).name
        rows.append(("Made of", f"{shorten(made_of, 80)} ({kind})"))
        if report.storage is not None:
            rows.append(("Stored", storage.costs(report.storage)))
        if report.proof is not None:
            cases = plural(len(report.proof["cases"]), "case")
            beside = shorten(str(report.proof["reference"]), 80)
            rows.append(("Proof", f"{cases} beside {beside}"))
    elif container:
        rows.append(("Container", f"{kind}, {size_text(report.size)}"))
    if source.get("sha256"):
        rows.append(("SHA-256", element("code", str(source["sha256"]))))
    for label, tensors in (("Input", report.inputs), ("Output", report.outputs)):
        lines: list[Markup | str] = [
            join([name(own.name), f" {shape_text(own.shape)} {own.dtype}"])
            for own in tensors[:_MOST_TENSORS]
        ]
        if len(tensors) > _MOST_TENSORS:
            lines.append(f"and {len(tensors) - _MOST_TENSORS} more")
        if lines:
            many = "s" if len(tensors) > 1 else ""
            rows.append((label + many, several_lines(lines)))
    return rows


def graph(
    drawn: Diagram, notes: Mapping[str, tuple[str, str]] | None = None
) -> Iterator[Markup]:
    """The drawing of a model, and those of the models inside."""
    drawings = list(drawn.all())
    for one in drawings[:MOST_DRAWINGS]:
        label = label_of(one)
        if one.path:
            yield element("h3", "Inside ", name(one.path.rstrip("/")))
        yield element(
            "div",
            draw(one, label, notes),
            class_="scroll",
            role="region",
            aria_label=label,
            tabindex="0",
        )
    said = []
    everything = [own for one in drawings for own in one.boxes.values()]
    if any(mask for one in drawings for _, _, mask in one.edges):
        said.append("Dashed lines are masks.")
    if any(box.kind == "folded" for box in everything):
        said.append("Neighbouring layers share a box; the table names every one.")
    if len(drawings) > MOST_DRAWINGS:
        left = plural(len(drawings) - MOST_DRAWINGS, "more nested model")
        said.append(f"Not drawn: {left}.")
    if said:
        yield note(" ".join(said))


def layers(report: Report, costs: Costs | None) -> Iterator[Markup]:
    """The table of layers."""
    rows = [row for layer in report.layers for row in _layer_rows(layer, costs, 0)]
    head = [
        ("Layer", ""),
        ("Class", "wide"),
        ("Output shape", "shape"),
        ("Parameters", "n"),
        ("Multiply-adds", "n"),
    ]
    shown = rows[:MOST]
    known = [i for i in range(len(head)) if i < 2 or any(row[i] for row in shown)]
    cells = [[row[i] for i in known] for row in shown]
    yield from tables("layer", [head[i] for i in known], cells, len(rows))
    if costs is not None:
        yield note(_cost_note(costs))


def _cost_note(costs: Costs) -> str:
    text = (
        "Multiply-adds are those of products with weights and of tensors with each "
        "other, for one sample."
    )
    everything = [costs.total, *costs.layers.values()]
    if any(cost.per_step for cost in everything):
        text += " T is the number of time steps."
    sizes = {cost.at for cost in everything if cost.at is not None}
    if sizes:
        text += f" Where a size is free, it was counted at {min(sizes)}."
    return text


def _layer_rows(
    layer: LayerFacts, costs: Costs | None, depth: int
) -> Iterator[list[Markup | str]]:
    path = layer.path if depth == 0 else layer.path.rpartition("/")[2]
    options = ", ".join(_option(key, layer.options[key]) for key in layer.notable)
    remarks = [shorten(options, _OPTION_LETTERS)] if options else []
    if layer.calls > 1:
        remarks.append(f"{layer.calls} calls")
    if layer.mask is not None:
        remarks.append(f"mask of {short_name(layer.mask, 40)}")
    small = element("small", " · ".join(remarks)) if remarks else None
    shapes = [shape_text(shape) for shape in layer.output_shapes[:3]]
    if len(layer.output_shapes) > 3:
        shapes[2:] = [f"and {len(layer.output_shapes) - 2} more"]
    cost = costs.layers.get(layer.path) if costs and depth == 0 else None
    kind = layer.class_name.rpartition(">")[2] if depth else layer.class_name
    yield [
        row_head(name(path), inside=depth > 0),
        join([short_name(kind), small]),
        several_lines(shapes),
        f"{layer.parameters:,}" if layer.parameters else "",
        "" if cost is None else cost_text(cost),
    ]
    for child in layer.inside:
        yield from _layer_rows(child, costs, depth + 1)


def _option(key: str, value: Any) -> str:
    if isinstance(value, dict) and "function" in value:
        value = activation_text(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{key}={shorten(text, 40)}"


def cost_text(cost: Cost) -> str:
    """A cost in the number of time steps T."""
    if cost.at is not None:
        return f"{quantity(cost.once)} at {cost.at}"
    if not cost.per_step:
        return quantity(cost.once) if cost.once else ""
    text = f"{quantity(cost.per_step)} · T"
    if cost.once:
        sign = "+" if cost.once > 0 else "-"
        text += f" {sign} {quantity(abs(cost.once))}"
    return text


def weights(report: Report, own: Opened) -> Iterator[Markup]:
    """How the numbers of every weight are spread."""
    paths = [
        path
        for layer in report.layers
        for path in (f"{layer.path}/{weight}" for weight in layer.weights)
        if path in own.paths
    ]
    if not paths:
        yield element("p", "The model has no weights.")
        return
    head = [
        ("Weight", ""),
        ("Shape", "shape"),
        ("Spread", "picture"),
        ("Mean", "n"),
        ("Deviation", "n"),
    ]
    rows = [_weight_row(path, own.read(path)) for path in paths[:MOST_WEIGHTS]]
    yield from tables("weight", head, rows, len(paths))


def _weight_row(path: str, array: NDArray[Any]) -> list[Markup | str]:
    layer, _, weight = path.rpartition("/")
    head = row_head(several_lines([name(weight, 40), element("small", name(layer))]))
    shape = f"{shape_text(array.shape)} {array.dtype.name}"
    if array.dtype.kind not in "fiub":
        return [head, shape, "", "", ""]
    values = array.reshape(-1)
    # Squares of half precision would overflow.
    values = values if values.dtype.itemsize >= 4 else values.astype(np.float32)
    sound = values[np.isfinite(values)]
    warning = None
    if sound.size < values.size:
        text = f"{plural(values.size - sound.size, 'number')} not finite"
        warning = element("small", text, class_="warning")
    if not sound.size:
        return [head, join([shape, warning]), "", "", ""]
    low, high = float(sound.min()), float(sound.max())
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(sound.mean(dtype=np.float64))
        spread = float(sound.std(dtype=np.float64))
    ends = [element("span", _short(low)), element("span", _short(high))]
    said = f"From {low:.4g} to {high:.4g}, mean {mean:.3g}"
    picture = join([histogram(sound, said), element("span", *ends, class_="ends")])
    return [head, join([shape, warning]), picture, _short(mean), _short(spread)]


def _short(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3f}"
    return difference(value)
