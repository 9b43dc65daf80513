"""Draw a diagram as SVG; the style of the page gives the colours."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from gru2np.reports.layout import layout
from gru2np.reports.markup import Markup, element, number, short_name
from gru2np.text import plural, shorten

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.reports.graph import Box, Diagram

    Point = tuple[float, float]
    # CSS class and text of a line in a box.
    Line = tuple[str, str]
    Notes = Mapping[str, Line]

# Widths of letters in usual fonts, for a font size of 1.
_WIDE, _NARROW, _BOLD = 1.05, 0.56, 0.60
_TITLE_SIZE, _LINE_SIZE, _LEADING = 13.0, 12.0, 16.0
_LEAST_WIDTH, _PAD, _MARGIN = 92.0, 12.0, 6.0
# The most letters of a title and of a line.
_TITLE_LETTERS, _LINE_LETTERS = 24, 30
_OUTPUT_HEIGHT, _ARROW = 26.0, 7.0
# From the best to the worst; a box of several layers shows the worst.
_VERDICTS = ("agree", "rounding", "differ")


def draw(diagram: Diagram, notes: Notes | None = None) -> Markup:
    """The SVG, in a frame that scrolls if the page is narrower.

    Args:
        diagram: what to draw.
        notes: for each node, a verdict and a line to add to its box.
    """
    lines = {key: _lines(box, notes or {}) for key, box in diagram.boxes.items()}
    sizes = {key: _size(box, lines[key]) for key, box in diagram.boxes.items()}
    placed = layout(sizes, [(start, end) for start, end, _ in diagram.edges])
    width, height = placed.width + 2 * _MARGIN, placed.height + 2 * _MARGIN
    drawn = [
        _edge(route, mask)
        for route, (_, _, mask) in zip(placed.routes, diagram.edges, strict=True)
    ]
    drawn += [
        _box(box, lines[key], placed.positions[key], sizes[key])
        for key, box in diagram.boxes.items()
    ]
    calls = sum(len(box.nodes) for box in diagram.boxes.values())
    label = f"Graph of {plural(calls, 'layer call')}; the table of layers lists them"
    picture = element(
        "svg",
        element("title", label),
        element("g", *drawn, transform=f"translate({_MARGIN} {_MARGIN})"),
        class_="graph",
        role="img",
        aria_label=label,
        view_box=f"0 0 {number(width)} {number(height)}",
        width=number(width),
        height=number(height),
        style=f"--natural:{number(width)}px",
    )
    frame = {"class_": "scroll", "role": "region", "aria_label": label}
    return element("div", picture, tabindex="0", **frame)


def _lines(box: Box, notes: Notes) -> list[Line]:
    lines = [("title", short_name(box.title, _TITLE_LETTERS))]
    lines += [("line", shorten(line, _LINE_LETTERS)) for line in box.lines]
    several = [notes[name] for name in box.nodes if name in notes]
    if several:
        verdict, text = max(several, key=lambda note: _VERDICTS.index(note[0]))
        lines.append((f"note {verdict}", text))
    return lines


def _text_width(kind: str, text: str) -> float:
    """An estimate of the width of a line."""
    title = kind == "title"
    size, letter = (_TITLE_SIZE, _BOLD) if title else (_LINE_SIZE, _NARROW)
    wide = sum(unicodedata.east_asian_width(sign) in "WF" for sign in text)
    return size * (wide * _WIDE + (len(text) - wide) * letter)


def _size(box: Box, lines: Sequence[Line]) -> Point:
    width = max(_text_width(*line) for line in lines) + 2 * _PAD
    if box.kind == "output":
        return width, _OUTPUT_HEIGHT
    return max(width, _LEAST_WIDTH), len(lines) * _LEADING + _PAD + 2


def _box(box: Box, lines: Sequence[Line], position: Point, size: Point) -> Markup:
    x, y = position
    round_ = {"output": size[1] / 2, "input": 7.0}.get(box.kind, 4.0)
    shapes = [_rectangle(position, size, round_)]
    if box.kind in ("folded", "model"):
        # A second sheet shows that there are layers inside.
        shapes.insert(0, _rectangle((x + 4, y + 4), size, round_))
    first = y - (len(lines) - 1) * _LEADING / 2 + 4.3
    texts = [
        element("text", text, class_=kind, x=float(x), y=first + i * _LEADING)
        for i, (kind, text) in enumerate(lines)
    ]
    verdict = [kind.split()[-1] for kind, _ in lines if kind.startswith("note")]
    title = element("title", short_name(box.title, 300))
    kind = " ".join(["box", box.kind, *verdict])
    return element("g", title, *shapes, *texts, class_=kind)


def _rectangle(middle: Point, size: Point, radius: float) -> Markup:
    (x, y), (width, height) = middle, size
    corner = {"x": float(x - width / 2), "y": float(y - height / 2)}
    return element("rect", **corner, width=width, height=height, rx=radius)


def _edge(route: Sequence[Point], mask: bool) -> Markup:
    """A smooth line from top to bottom, with an arrow."""
    (x, y), *rest = route
    tip_x, tip_y = rest[-1]
    rest[-1] = tip_x, tip_y - _ARROW + 1
    path = f"M{number(x)} {number(y)}"
    for to_x, to_y in rest:
        middle = (y + to_y) / 2
        points = (x, middle, to_x, middle, to_x, to_y)
        path += "C" + " ".join(map(number, points))
        x, y = to_x, to_y
    arrow = f"M{number(tip_x)} {number(tip_y)}l-3.6 {number(-_ARROW)}h7.2z"
    return element(
        "g",
        element("path", d=path, class_="way"),
        element("path", d=arrow, class_="head"),
        class_="edge mask" if mask else "edge",
    )
