"""Plots without scripts: SVG that stretches to the page, with text around it in HTML.

Lines keep their width when they are stretched (``vector-effect``), so that a page is
readable on a phone, on a screen and on paper.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.reports.markup import Markup, element, number, percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]

# The size of a plot before it is stretched.
_WIDTH, _HEIGHT = 600.0, 100.0
# With fewer decades a logarithmic axis would exaggerate small differences.
_LEAST_DECADES = 3
# Larger numbers overflow in sums and powers of ten; they are outside every axis.
_HUGE = 1e300
# The number of bars of a histogram grows with that of numbers, within these.
_LEAST_BARS, _MOST_BARS = 7, 41
# The legend of a mark or a line, by its CSS class.
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
        kind: its CSS class.
        values: one for each x; NaN leaves a gap.
    """

    kind: str
    values: Sequence[float]


class LogAxis:
    """A logarithmic axis over whole decades; zeros are at its start.

    Args:
        values: to show; zeros, NaN and infinities do not widen the axis.

    Attributes:
        marks: the labelled numbers, with their labels.
    """

    def __init__(self, values: Iterable[float]) -> None:
        powers = [math.log10(v) for v in values if 0 < v < _HUGE] or [-9.0, -6.0]
        self.high = math.ceil(max(powers) + 1e-9)
        self.low = min(math.floor(min(powers)), self.high - _LEAST_DECADES)
        step = -(-(self.high - self.low) // 6)
        decades = range(self.low, self.high + 1, step)
        self.marks = [(10.0**decade, _power(decade)) for decade in decades]

    def at(self, value: float) -> float:
        """The position of a number, from 0 to 1."""
        if not 0 < value < _HUGE:
            return float(value >= _HUGE)
        return _part(math.log10(value), self.low, self.high)


class LinearAxis:
    """An axis from just below the least number to just above the largest.

    Args:
        values: to show; NaN and infinities do not widen the axis.

    Attributes:
        marks: the labelled numbers, with their labels.
    """

    def __init__(self, values: Iterable[float]) -> None:
        finite = [v for v in values if abs(v) < _HUGE] or [0.0, 1.0]
        low, high = min(finite), max(finite)
        margin = 0.06 * (high - low)
        if not _apart(low, high):
            margin = 0.5 * max(abs(low), 1.0)
        self.low, self.high = low - margin, high + margin
        self.marks = [(v, Markup(f"{v:.4g}")) for v in self._ticks()]

    def _ticks(self) -> list[float]:
        """Two to four round numbers."""
        size = self.high - self.low
        power = 10.0 ** math.floor(math.log10(size / 2))
        step = next(s * power for s in (5, 2.5, 2, 1, 0.5) if size / (s * power) >= 2)
        ticks = range(math.ceil(self.low / step), math.floor(self.high / step) + 1)
        return [tick * step for tick in ticks]

    def at(self, value: float) -> float:
        """The position of a number, from 0 to 1."""
        return _part(value, self.low, self.high)


def _part(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


def _apart(low: float, high: float) -> bool:
    """Whether two numbers differ by more than rounding."""
    return high - low > max(1e-9 * max(abs(low), abs(high)), 1e-30)


def _power(exponent: int) -> Markup:
    if exponent == 0:
        return Markup("1")
    return element("span", "10", element("sup", str(exponent).replace("-", "−")))


def lines(
    series: Sequence[Series],
    label: str,
    *,
    log: bool = False,
    steps: range | None = None,
    masked: Sequence[bool] | None = None,
) -> Markup:
    """Lines over the time steps of a sequence.

    Args:
        series: of equal length, drawn one over the other.
        label: a description for screen readers.
        log: whether the axis is logarithmic.
        steps: the numbers of the steps; by default from 0.
        masked: whether each step is masked, drawn at the bottom.
    """
    count = len(series[0].values)
    steps = range(count) if steps is None else steps
    values = [float(v) for line in series for v in line.values]
    axis = LogAxis(values) if log else LinearAxis(values)
    shapes = [
        element("path", d=f"M0 {_y(axis, v)}H{number(_WIDTH)}", class_="tick")
        for v, _ in axis.marks
    ]
    shapes += [
        element("path", d=_path(line.values, axis), class_=line.kind) for line in series
    ]
    if masked is not None:
        shapes.append(element("path", d=_masked_path(masked), class_="mask"))
    ys = [
        element("span", name, style=f"top:{percent(1 - axis.at(v))}")
        for v, name in axis.marks
    ]
    xs = [f"{steps[0]:,}", "time step", *([f"{steps[-1]:,}"] if count > 1 else [])]
    return element(
        "div",
        element("div", *ys, class_="ys", aria_hidden="true"),
        _picture(label, shapes),
        element(
            "div", *(element("span", x) for x in xs), class_="xs", aria_hidden="true"
        ),
        class_="plot",
    )


def _picture(label: str, shapes: Sequence[Markup], kind: str | None = None) -> Markup:
    return element(
        "svg",
        element("title", label),
        *shapes,
        class_=kind,
        role="img",
        aria_label=label,
        view_box=f"0 0 {number(_WIDTH)} {number(_HEIGHT)}",
        preserve_aspect_ratio="none",
    )


def legend(keys: Iterable[tuple[str, str]]) -> Markup:
    """A legend.

    Args:
        keys: CSS class and text of each line or mark.
    """
    spans = [
        element("span", element("i", class_=kind), label, class_="key")
        for kind, label in keys
    ]
    return element("p", *spans, class_="legend")


def _y(axis: LogAxis | LinearAxis, value: float) -> str:
    return number(_HEIGHT * (1 - axis.at(value)))


def _path(values: Sequence[float], axis: LogAxis | LinearAxis) -> str:
    """A line through the values, with gaps at NaN."""
    width, last = _WIDTH / max(len(values) - 1, 1), len(values) - 1
    path, drawing = "", False
    for i, value in enumerate(values):
        if value != value:
            drawing = False
            continue
        x = i * width if last else _WIDTH / 2
        path += f"{'L' if drawing else 'M'}{number(x)} {_y(axis, float(value))}"
        if not drawing and (i == last or values[i + 1] != values[i + 1]):
            # A line of length 0 with round ends is a dot.
            path += "h0"
        drawing = True
    return path


def _masked_path(masked: Sequence[bool]) -> str:
    """A line at the bottom of the plot under every masked step."""
    last = len(masked) - 1
    width = _WIDTH / max(last, 1)
    return "".join(
        f"M{number(max(i - 0.5, 0) * width)} {number(_HEIGHT)}"
        f"H{number(min(i + 0.5, last) * width)}"
        for i, hidden in enumerate(masked)
        if hidden
    )


def histogram(array: Array, label: str) -> Markup:
    """A histogram of an array, from the least to the largest number."""
    wide = array.astype(np.float64, copy=False)
    finite = wide[np.abs(wide) < _HUGE]
    if not finite.size:
        return element("span", "no numbers", class_="muted")
    low, high = float(finite.min()), float(finite.max())
    if not _apart(low, high):
        # Equal numbers give one bar in the middle.
        axis = LinearAxis([low])
        low, high = axis.low, axis.high
    bars = min(max(2 * math.isqrt(finite.size) + 1, _LEAST_BARS), _MOST_BARS)
    counts, _ = np.histogram(finite, bins=bars, range=(low, high))
    heights, width = counts / counts.max(), _WIDTH / bars
    outline = "".join(
        f"M{number(i * width + 1)} {number(_HEIGHT)}"
        f"V{number(_HEIGHT * (1 - height))}"
        f"h{number(width - 2)}V{number(_HEIGHT)}z"
        for i, height in enumerate(heights.tolist())
        if height
    )
    shapes = [element("path", d=outline, class_="bars")]
    if low < 0 < high:
        at = number(_WIDTH * -low / (high - low))
        shapes.append(element("path", d=f"M{at} 0V{number(_HEIGHT)}", class_="zero"))
    return _picture(label, shapes, "histogram")
