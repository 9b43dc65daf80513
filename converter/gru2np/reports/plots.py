"""Plots that need no script: SVG stretched to its place, text as text beside it.

Lines keep their width however far they are stretched (``vector-effect``), so that one
page reads well on a phone, on a desk and on paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.reports.markup import Markup, element, number

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

# The room a plot is drawn in, before it is stretched.
_WIDTH, _HEIGHT = 600.0, 100.0
# Decades of a logarithmic axis: fewer are a magnifying glass.
_LEAST_DECADES = 3
# Sums and powers of ten of larger numbers overflow: they are beyond every axis.
_HUGE = 1e300
# Bars of a histogram: as many as the numbers fill.
_LEAST_BARS, _MOST_BARS = 7, 41
# What a mark or a line stands for, by its class in the style.
KEYS = {
    "bar": "Keras to the runtime",
    "error": "Keras to the runtime",
    "keras": "Keras to float64",
    "runtime": "the runtime to float64",
    "bound": "allowed",
}


@dataclass(frozen=True)
class Series:
    """A line of a plot.

    Attributes:
        kind: its class in the style.
        values: one for each place on the x axis; NaN leaves a gap.
    """

    kind: str
    values: Sequence[float]


class LogAxis:
    """A logarithmic axis over whole decades that holds some numbers, 0 at its start.

    Args:
        values: what must find room; zeros, NaN and infinities need none.
    """

    def __init__(self, values: Sequence[float]) -> None:
        sound = [v for v in values if 0 < v < _HUGE]
        low = math.floor(math.log10(min(sound))) if sound else -9
        high = math.ceil(math.log10(max(sound)) + 1e-9) if sound else -6
        self.low, self.high = min(low, high - _LEAST_DECADES), high

    def at(self, value: float) -> float:
        """Where a number stands, from 0 to 1."""
        if value != value or value <= 0:
            return 0.0
        if math.isinf(value):
            return 1.0
        place = (math.log10(value) - self.low) / (self.high - self.low)
        return min(max(place, 0.0), 1.0)

    def decades(self) -> list[int]:
        """The powers of ten to name: not more than fit."""
        step = -(-(self.high - self.low) // 6)
        return list(range(self.low, self.high + 1, step))


def power(exponent: int) -> Markup:
    """A power of ten."""
    if exponent == 0:
        return Markup("1")
    return element("span", "10", element("sup", str(exponent).replace("-", "−")))


def lines(
    series: Sequence[Series],
    label: str,
    *,
    log: bool = False,
    first: int = 0,
    last: int | None = None,
    masked: Sequence[bool] | None = None,
) -> Markup:
    """Lines over the steps of a sequence.

    Args:
        series: of one length, from the back to the front.
        label: what a reader hears who cannot see it.
        log: a logarithmic axis, zeros at its foot.
        first: the number of the first step.
        last: of the last; counted from the values if not given.
        masked: the steps that are masked, drawn along the foot.
    """
    values = [float(v) for own in series for v in own.values]
    axis = LogAxis(values) if log else None
    low, high = _range(values)
    steps = max(len(own.values) for own in series)

    def y(value: float) -> float:
        place = axis.at(value) if axis else (value - low) / (high - low)
        return _HEIGHT * (1 - min(max(place, 0.0), 1.0))

    grid = []
    if axis is not None:
        grid = [10.0**decade for decade in axis.decades()]
        names = [power(decade) for decade in axis.decades()]
    else:
        grid = _ticks(low, high)
        names = [Markup(_plain(value)) for value in grid]
    shapes = [
        element("path", d=f"M0 {number(y(value))}H{number(_WIDTH)}", class_="tick")
        for value in grid
    ]
    shapes += [
        element("path", d=_path(own.values, y, steps), class_=own.kind)
        for own in series
    ]
    if masked is not None:
        shapes.append(element("path", d=_runs(masked), class_="mask"))
    picture = element(
        "svg",
        element("title", label),
        *shapes,
        role="img",
        aria_label=label,
        view_box=f"0 0 {number(_WIDTH)} {number(_HEIGHT)}",
        preserve_aspect_ratio="none",
    )
    ys = [
        element("span", name, style=f"top:{number(y(value))}%")
        for name, value in zip(names, grid, strict=True)
    ]
    end = first + steps - 1 if last is None else last
    xs = [element("span", f"{first:,}"), element("span", "time step")]
    if steps > 1:
        xs.append(element("span", f"{end:,}"))
    return element(
        "div",
        element("div", *ys, class_="ys", aria_hidden="true"),
        picture,
        element("div", *xs, class_="xs", aria_hidden="true"),
        class_="plot",
    )


def legend(keys: Iterable[tuple[str, str]]) -> Markup:
    """What each line or mark is.

    Args:
        keys: its class in the style, and the words.
    """
    spans = [
        element("span", element("i", class_=kind), label, class_="key")
        for kind, label in keys
    ]
    return element("p", *spans, class_="legend")


def _range(values: Sequence[float]) -> tuple[float, float]:
    sound = [v for v in values if abs(v) < _HUGE]
    low, high = (min(sound), max(sound)) if sound else (0.0, 1.0)
    if not _spread(low, high):
        margin = 0.5 * max(abs(low), 1.0)
        return low - margin, high + margin
    margin = 0.06 * (high - low)
    return low - margin, high + margin


def _spread(low: float, high: float) -> bool:
    """Whether two numbers are far enough apart to be told from each other."""
    return high - low > max(1e-9 * max(abs(low), abs(high)), 1e-30)


def _ticks(low: float, high: float) -> list[float]:
    """Three or four round numbers between two."""
    size = 10.0 ** math.floor(math.log10((high - low) / 2))
    step = next(s * size for s in (5, 2.5, 2, 1, 0.5) if (high - low) / (s * size) >= 2)
    start = math.ceil(low / step)
    return [i * step for i in range(start, math.floor(high / step) + 1)]


def _plain(value: float) -> str:
    return f"{value:.4g}" if abs(value) > 1e-30 else "0"


def _runs(masked: Sequence[bool]) -> str:
    """A line along the foot of the plot under every masked step."""
    width = _WIDTH / max(len(masked) - 1, 1)
    parts = []
    for i, hidden in enumerate(masked):
        if hidden:
            left, right = max(i - 0.5, 0), min(i + 0.5, len(masked) - 1)
            parts.append(f"M{number(left * width)} {number(_HEIGHT)}")
            parts.append(f"H{number(right * width)}")
    return "".join(parts)


def _path(values: Sequence[float], y: Any, steps: int) -> str:
    """A line through the values, broken where there is none."""
    width = _WIDTH / max(steps - 1, 1)
    parts: list[str] = []
    for i, value in enumerate(values):
        if value != value:
            continue
        x = _WIDTH / 2 if steps == 1 else i * width
        before = i > 0 and values[i - 1] == values[i - 1]
        after = i + 1 < len(values) and values[i + 1] == values[i + 1]
        parts.append(f"{'L' if before else 'M'}{number(x)} {number(y(float(value)))}")
        if not before and not after:
            # A line of no length and round ends is a dot.
            parts.append("h0")
    return "".join(parts)


def histogram(array: Array, label: str) -> Markup:
    """How the numbers of an array are spread from the least to the largest."""
    wide = array.astype(np.float64, copy=False)
    sound = wide[np.abs(wide) < _HUGE]
    if not sound.size:
        return element("span", "no numbers", class_="muted")
    low, high = float(sound.min()), float(sound.max())
    # Equal numbers are one bar in the middle.
    edges = (low, high) if _spread(low, high) else _range([low, high])
    bars = min(max(2 * math.isqrt(sound.size) + 1, _LEAST_BARS), _MOST_BARS)
    counts, _ = np.histogram(sound, bins=bars, range=edges)
    tallest, width = int(counts.max()), _WIDTH / bars
    outline = "".join(
        f"M{number(i * width + 1)} {number(_HEIGHT)}"
        f"V{number(_HEIGHT * (1 - count / tallest))}"
        f"h{number(width - 2)}V{number(_HEIGHT)}z"
        for i, count in enumerate(counts.tolist())
        if count
    )
    shapes = [element("path", d=outline, class_="bars")]
    if low < 0 < high:
        at = number(_WIDTH * -low / (high - low))
        shapes.append(element("path", d=f"M{at} 0V{number(_HEIGHT)}", class_="zero"))
    return element(
        "svg",
        element("title", label),
        *shapes,
        class_="histogram",
        role="img",
        aria_label=label,
        view_box=f"0 0 {number(_WIDTH)} {number(_HEIGHT)}",
        preserve_aspect_ratio="none",
    )
