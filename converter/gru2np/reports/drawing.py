"""The drawing of a diagram, as SVG that the page's own style colours."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from gru2np.reports.layered import layout
from gru2np.reports.markup import Markup, element, number, short_name
from gru2np.text import plural, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.reports.boxes import Box, Diagram

    Point = tuple[float, float]
    Notes = Mapping[str, tuple[str, str]]

# Letters as wide as they come in the fonts of systems, for a size of 1.
_WIDE, _USUAL, _BOLD = 1.05, 0.56, 0.60
_TITLE_SIZE, _LINE_SIZE, _LEADING = 13.0, 12.0, 16.0
_LEAST_WIDTH, _PAD, _MARGIN = 92.0, 12.0, 6.0
# Longer titles and lines are shortened in the middle.
_TITLE_LETTERS, _LINE_LETTERS = 24, 30
# Height of a box that has only a title: inputs of masks, outputs.
_PILL = 26.0
_PILLS = frozenset({"mask", "output"})


def text_width(text: str, size: float, letter: float = _USUAL) -> float:
    """About how wide a text is in a font of that size."""
    wide = sum(unicodedata.east_asian_width(own) in "WF" for own in text)
    return size * (wide * _WIDE + (len(text) - wide) * letter)


def draw(diagram: Diagram, label: str, notes: Notes | None = None) -> Markup:
    """The SVG.

    Args:
        diagram: what to draw.
        label: what a reader hears who cannot see it.
        notes: by node, a class of the style and a line to add to its box.
    """
    texts = {key: _texts(box, notes or {}) for key, box in diagram.boxes.items()}
    sizes = {key: _size(box, texts[key]) for key, box in diagram.boxes.items()}
    edges = [(start, end) for start, end, _ in diagram.edges]
    placed = layout(sizes, edges)
    width, height = placed.width + 2 * _MARGIN, placed.height + 2 * _MARGIN
    lines = [
        _edge(route, dashed)
        for route, (_, _, dashed) in zip(placed.routes, diagram.edges, strict=True)
    ]
    boxes = [
        _box(box, texts[key], placed.places[key], sizes[key])
        for key, box in diagram.boxes.items()
    ]
    body = element("g", *lines, *boxes, transform=f"translate({_MARGIN} {_MARGIN})")
    return element(
        "svg",
        element("title", label),
        body,
        class_="graph",
        role="img",
        aria_label=label,
        view_box=f"0 0 {number(width)} {number(height)}",
        width=number(width),
        height=number(height),
        style=f"--natural:{number(width)}px",
    )


def label_of(diagram: Diagram) -> str:
    """What a drawing is, in words."""
    layers = sum(len(box.members) or 0 for box in diagram.boxes.values())
    masks = sum(mask for _, _, mask in diagram.edges)
    dashed = f", {plural(masks, 'mask')} dashed" if masks else ""
    return (
        f"Graph of {plural(layers, 'layer call')} in "
        f"{plural(len(diagram.boxes), 'box').replace('boxs', 'boxes')}{dashed}; "
        "the table of layers says the same in words"
    )


def _texts(box: Box, notes: Notes) -> list[tuple[str, str]]:
    """Class and text of every line of a box."""
    lines = [("title", short_name(box.title, _TITLE_LETTERS))]
    lines += [("line", shorten(line, _LINE_LETTERS)) for line in box.lines]
    found = [notes[name] for name in box.members if name in notes]
    if found:
        # Of several layers in a box the worst is told, and so it is sorted.
        kind, text = max(found, key=lambda note: _GRAVITY.index(note[0]))
        lines.append((f"note {kind}", text))
    return lines


_GRAVITY = ("agree", "rounding", "differ")


def _size(box: Box, texts: Sequence[tuple[str, str]]) -> Point:
    widths = [
        text_width(text, _TITLE_SIZE, _BOLD)
        if kind == "title"
        else text_width(text, _LINE_SIZE)
        for kind, text in texts
    ]
    if box.kind in _PILLS:
        return max(widths) + 2 * _PAD, _PILL
    return (
        max(max(widths) + 2 * _PAD, _LEAST_WIDTH),
        len(texts) * _LEADING + _PAD + 2,
    )


def _box(
    box: Box, texts: Sequence[tuple[str, str]], place: Point, size: Point
) -> Markup:
    (x, y), (width, height) = place, size
    left, top = x - width / 2, y - height / 2
    worst = [kind.split()[-1] for kind, _ in texts if kind.startswith("note")]
    classes = " ".join(["box", box.kind, *worst])
    round_ = height / 2 if box.kind in _PILLS else 7.0 if box.kind == "input" else 4.0
    shapes = []
    if box.kind in ("folded", "model"):
        # A second sheet behind: there is more inside.
        shapes.append(_rectangle(left + 4, top + 4, width, height, round_, "behind"))
    shapes.append(_rectangle(left, top, width, height, round_, None))
    first = y - (len(texts) - 1) * _LEADING / 2 + 4.3
    lines = [
        element("text", text, class_=kind, x=float(x), y=first + i * _LEADING)
        for i, (kind, text) in enumerate(texts)
    ]
    return element(
        "g",
        element("title", short_name(box.title, 300)),
        *shapes,
        *lines,
        class_=classes,
    )


def _rectangle(
    x: float, y: float, width: float, height: float, radius: float, kind: str | None
) -> Markup:
    return element(
        "rect",
        x=float(x),
        y=float(y),
        width=float(width),
        height=float(height),
        rx=float(radius),
        class_=kind,
    )


def _edge(route: Sequence[Point], dashed: bool) -> Markup:
    """A smooth line from top to bottom, with a head."""
    (x, y), *rest = route
    parts = [f"M{number(x)} {number(y)}"]
    head = 7.0
    for i, (to_x, to_y) in enumerate(rest):
        end = to_y - (head - 1 if i == len(rest) - 1 else 0)
        bend = (end - y) / 2
        if abs(to_x - x) < 0.5:
            parts.append(f"L{number(to_x)} {number(end)}")
        else:
            points = (x, y + bend, to_x, end - bend, to_x, end)
            parts.append("C" + " ".join(map(number, points)))
        x, y = to_x, end
    tip_x, tip_y = rest[-1]
    tip = f"M{number(tip_x)} {number(tip_y)}l-3.6 {number(-head)}h7.2z"
    kind = "edge mask" if dashed else "edge"
    return element(
        "g",
        element("path", d="".join(parts), class_="way"),
        element("path", d=tip, class_="head"),
        class_=kind,
    )
