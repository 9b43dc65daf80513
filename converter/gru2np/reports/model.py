"""The sections on a model: its file, graph, layers and weights."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.inspection.render import (
    class_text,
    extras,
    layer_name,
    option_text,
    origin,
    with_inside,
)
from gru2np.reports.blocks import note, row_head, several_lines, tables
from gru2np.reports.drawing import draw
from gru2np.reports.graph import diagrams
from gru2np.reports.markup import Markup, element, join, name, short_name
from gru2np.reports.plots import histogram
from gru2np.text import difference, plural, quantity, readable, shorten
from gru2np_runtime.data import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    from gru2np.inspection.cost import Cost, Costs
    from gru2np.inspection.facts import LayerFacts
    from gru2np.inspection.inspect import Opened, Report

# The most drawings, histograms, and inputs or outputs in a page.
MOST_DRAWINGS, MOST_WEIGHTS, _MOST_TENSORS = 12, 200, 12


def title_of(path: str) -> str:
    """The name of the file without its folder."""
    return shorten(readable(Path(path).name), 80)


def file_facts(report: Report) -> list[tuple[str, Markup | str]]:
    """Labels and values: file, Keras, inputs and outputs; names without folders."""
    rows: list[tuple[str, Markup | str]] = [
        (label.capitalize(), shorten(text, 200))
        for label, text in (*origin(report), *extras(report))
    ]
    if report.source.get("sha256"):
        rows.append(("SHA-256", element("code", str(report.source["sha256"]))))
    for label, tensors in (("Input", report.inputs), ("Output", report.outputs)):
        lines: list[Markup | str] = [
            join([name(x.name), f" {shape_text(x.shape)} {x.dtype}"])
            for x in tensors[:_MOST_TENSORS]
        ]
        if len(tensors) > _MOST_TENSORS:
            lines.append(f"and {len(tensors) - _MOST_TENSORS} more")
        if lines:
            many = "s" if len(tensors) > 1 else ""
            rows.append((label + many, several_lines(lines)))
    return rows


def drawings(
    opened: Opened, notes: Mapping[str, tuple[str, str]] | None = None
) -> Iterator[Markup]:
    """The drawing of a model, then those of nested models.

    Args:
        opened: the model.
        notes: for each node, a verdict and a line to add to its box.
    """
    drawn = list(islice(diagrams(opened.graph, opened.titles), MOST_DRAWINGS + 1))
    for diagram in drawn[:MOST_DRAWINGS]:
        if diagram.path:
            yield element("h3", "Inside ", name(diagram.path.rstrip("/")))
        yield draw(diagram, notes)
    texts = []
    if any(mask for diagram in drawn for _, _, mask in diagram.edges):
        texts.append("Dashed lines are masks.")
    boxes = [box for diagram in drawn for box in diagram.boxes.values()]
    if any(box.kind == "folded" for box in boxes):
        texts.append("Neighbouring layers share a box; the table lists each of them.")
    if len(drawn) > MOST_DRAWINGS:
        texts.append("More nested models are not drawn.")
    if texts:
        yield note(" ".join(texts))


def layers(report: Report, costs: Costs | None) -> Iterator[Markup]:
    """The table of layers."""
    rows = [
        _layer_row(layer, depth, costs)
        for top in report.layers
        for depth, layer in with_inside(top)
    ]
    head = [
        ("Layer", ""),
        ("Class", "wide"),
        ("Output shape", "shape"),
        ("Parameters", "n"),
        ("Multiply-adds", "n"),
    ]
    known = [i for i in range(len(head)) if i < 2 or any(row[i] for row in rows)]
    cells = [[row[i] for i in known] for row in rows]
    yield from tables("layer", [head[i] for i in known], cells, len(rows))
    if costs is not None:
        yield note(_cost_note(costs))


def _cost_note(costs: Costs) -> str:
    text = (
        "Multiply-adds count products with weights and products of tensors, for one "
        "sample."
    )
    everything = [costs.total, *costs.layers.values()]
    if any(cost.per_step for cost in everything):
        text += " T is the number of time steps."
    sizes = {cost.at for cost in everything if cost.at is not None}
    if sizes:
        text += f" Free sizes are counted as {min(sizes)}."
    return text


def _layer_row(
    layer: LayerFacts, depth: int, costs: Costs | None
) -> list[Markup | str]:
    options = ", ".join(option_text(key, layer.options[key]) for key in layer.notable)
    remarks = [shorten(options, 200)] if options else []
    if layer.calls > 1:
        remarks.append(f"{layer.calls} calls")
    if layer.mask is not None:
        remarks.append(f"mask of {short_name(layer.mask, 40)}")
    small = element("small", " · ".join(remarks)) if remarks else None
    shapes = [shape_text(shape) for shape in layer.output_shapes]
    if len(shapes) > 3:
        shapes[2:] = [f"and {len(shapes) - 2} more"]
    cost = costs.layers.get(layer.path) if costs and depth == 0 else None
    return [
        row_head(name(layer_name(layer, depth)), inside=depth > 0),
        join([short_name(class_text(layer, depth)), small]),
        several_lines(shapes),
        f"{layer.parameters:,}" if layer.parameters else "",
        "" if cost is None else cost_text(cost),
    ]


def cost_text(cost: Cost) -> str:
    """A cost, if necessary by the number of time steps T."""
    if cost.at is not None:
        return f"{quantity(cost.once)} at {cost.at}"
    if not cost.per_step:
        return quantity(cost.once) if cost.once else ""
    text = f"{quantity(cost.per_step)} · T"
    if cost.once:
        sign = "+" if cost.once > 0 else "-"
        text += f" {sign} {quantity(abs(cost.once))}"
    return text


def weights(report: Report, opened: Opened) -> Iterator[Markup]:
    """A table of weights with a histogram of each."""
    paths = [f"{layer.path}/{key}" for layer in report.layers for key in layer.weights]
    paths = [path for path in paths if path in opened.paths]
    if not paths:
        yield element("p", "The model has no weights.")
        return
    head = [
        ("Weight", ""),
        ("Shape", "shape"),
        ("Histogram", "picture"),
        ("Mean", "n"),
        ("Deviation", "n"),
    ]
    rows = [_weight_row(path, opened.read(path)) for path in paths[:MOST_WEIGHTS]]
    yield from tables("weight", head, rows, len(paths))


def _weight_row(path: str, array: NDArray[Any]) -> list[Markup | str]:
    layer, _, weight = path.rpartition("/")
    head = row_head(several_lines([name(weight, 40), element("small", name(layer))]))
    shape = f"{shape_text(array.shape)} {array.dtype.name}"
    if array.dtype.kind not in "fiub":
        return [head, shape, "", "", ""]
    values = array.reshape(-1)
    # The mean of squares would overflow in half precision.
    values = values if values.dtype.itemsize >= 4 else values.astype(np.float32)
    finite = values[np.isfinite(values)]
    if finite.size < values.size:
        text = f"{plural(values.size - finite.size, 'number')} not finite"
        shape = join([shape, element("small", text, class_="warning")])
    if not finite.size:
        return [head, shape, "", "", ""]
    low, high = float(finite.min()), float(finite.max())
    with np.errstate(over="ignore", invalid="ignore"):
        mean = float(finite.mean(dtype=np.float64))
        deviation = float(finite.std(dtype=np.float64))
    label = f"From {low:.4g} to {high:.4g}, mean {mean:.3g}"
    ends = [element("span", _short(x)) for x in (low, high)]
    picture = join([histogram(finite, label), element("span", *ends, class_="ends")])
    return [head, shape, picture, _short(mean), _short(deviation)]


def _short(value: float) -> str:
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:.3f}"
    return difference(value)
