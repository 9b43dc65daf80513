"""Values along time, computed one segment after the other; see ``_segments``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.layers.windows import count, pads
from gru2np_runtime.run.dispatch import make_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np_runtime.layer import Array, Layer
    from gru2np_runtime.plan import Carry, CarryingPlan, Plan

    # Gives the steps from the first number to before the second, (batch, steps, ...).
    Reader = Callable[[int, int], Array]

# Segments that a value keeps: its own, its neighbours that windows reach into, and one
# that is still in use when the next comes.
KEPT = 4


class Timeline:
    """A node's outputs along time.

    Attributes:
        length: how many time steps there are.
    """

    def __init__(self, length: int, steps: int) -> None:
        self.length = length
        self.steps = steps
        self._kept: dict[int, tuple[Array, ...]] = {}

    def compute(self, number: int, start: int, stop: int) -> tuple[Array, ...]:
        """The outputs of segment ``number``, the steps from start to before stop."""
        raise NotImplementedError

    def segment(self, number: int) -> tuple[Array, ...]:
        """The outputs of a segment: kept, or computed now."""
        found = self._kept.get(number)
        if found is None:
            start = number * self.steps
            stop = min(start + self.steps, self.length)
            found = self.keep(number, self.compute(number, start, stop))
        return found

    def keep(self, number: int, outputs: tuple[Array, ...]) -> tuple[Array, ...]:
        """Remember a segment, and forget the oldest."""
        self._kept[number] = outputs
        if len(self._kept) > KEPT:
            del self._kept[next(iter(self._kept))]
        return outputs

    def span(self, index: int, start: int, stop: int) -> Array:
        """Output ``index`` from start to before stop, not all of them in one segment.

        Raises:
            ValueError: these are no steps of it.
        """
        if not 0 <= start < stop <= self.length:
            raise ValueError(f"no steps {start} to {stop} of {self.length}")
        size = self.steps
        pieces = [
            self.segment(number)[index][
                :, max(start - number * size, 0) : stop - number * size
            ]
            for number in range(start // size, (stop - 1) // size + 1)
        ]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)


class Given(Timeline):
    """An input."""

    def __init__(self, x: Array, steps: int) -> None:
        super().__init__(x.shape[1], steps)
        self.x = x

    def span(self, index: int, start: int, stop: int) -> Array:
        """The steps, where they lie."""
        return self.x[:, start:stop]


class Pointwise(Timeline):
    """A layer that treats every step alone."""

    def __init__(
        self,
        plan: Plan,
        inputs: Sequence[Reader],
        mask: Reader | None,
        length: int,
        steps: int,
    ) -> None:
        super().__init__(length, steps)
        self.plan, self.inputs, self.mask = plan, inputs, mask

    def compute(self, number: int, start: int, stop: int) -> tuple[Array, ...]:
        """The layer on these steps."""
        mask = None if self.mask is None else self.mask(start, stop)
        return self.plan.run([read(start, stop) for read in self.inputs], mask)


class Running(Timeline):
    """A layer with a state, in the order it runs: maybe from the end."""

    def __init__(
        self,
        plan: CarryingPlan,
        x: Reader,
        mask: Reader | None,
        length: int,
        steps: int,
        states: Sequence[Array],
    ) -> None:
        super().__init__(length, steps)
        self.plan, self.x, self.mask = plan, x, mask
        self.backwards = getattr(plan.layer, "go_backwards", False)
        self.states = states
        # What each segment starts from, as far as the layer has run.
        self.carries: list[Carry] = []
        self.end: tuple[Array, ...] = ()

    def compute(self, number: int, start: int, stop: int) -> tuple[Array, ...]:
        """The layer on these steps, run up to there if it has not been."""
        while number and len(self.carries) <= number:
            at = max(len(self.carries) - 1, 0)
            self.keep(at, self._advance(at))
        return self._advance(number)

    def last(self) -> tuple[Array, ...]:
        """All outputs at the end of time; sequences of the last segment only."""
        while not self.end:
            at = max(len(self.carries) - 1, 0)
            self.keep(at, self._advance(at))
        return self.end

    def _advance(self, number: int) -> tuple[Array, ...]:
        start = number * self.steps
        stop = min(start + self.steps, self.length)
        if self.backwards:
            start, stop = self.length - stop, self.length - start
        x = self.x(start, stop)
        mask = None if self.mask is None else self.mask(start, stop)
        if not self.carries:
            self.carries.append(self.plan.begin(x.shape[0], self.states))
        outputs, carry = self.plan.advance(x, mask, self.carries[number])
        if len(self.carries) == number + 1:
            self.carries.append(carry)
        if (number + 1) * self.steps >= self.length:
            self.end = outputs
        return outputs


class Backwards:
    """A timeline turned round."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline

    def span(self, index: int, start: int, stop: int) -> Array:
        """The steps that are these from the other end."""
        length = self.timeline.length
        return np.flip(self.timeline.span(index, length - stop, length - start), axis=1)


class Merged(Timeline):
    """Both halves of a bidirectional layer."""

    def __init__(
        self,
        merge: Callable[[Array, Array], tuple[Array, ...]],
        forward: Timeline,
        backward: Backwards,
        steps: int,
    ) -> None:
        super().__init__(forward.length, steps)
        self.merge, self.forward, self.backward = merge, forward, backward

    def compute(self, number: int, start: int, stop: int) -> tuple[Array, ...]:
        """The halves on these steps, merged."""
        forward = self.forward.span(0, start, stop)
        return self.merge(forward, self.backward.span(0, start, stop))


class Windows:
    """A layer over windows of time.

    Attributes:
        plan: of the layer as it is.
        inside: of the layer without padding.
        size: steps of a window, gaps included.
        stride: steps from one window to the next.
        padding: the layer's.
        before: zeros in front, where the layer says so.
        zeros: whether padding is zeros; else windows are smaller at the ends.
    """

    def __init__(
        self, layer: Any, weights: Mapping[str, Array], size: int, zeros: bool
    ) -> None:
        self.plan = make_plan(layer, weights)
        self.size, self.stride = size, layer.strides[0]
        self.padding, self.zeros = layer.padding, zeros
        self.before = layer.before[0] if layer.before else None
        attributes = {**layer.attributes(), "padding": "valid", "before": ()}
        without = type(layer)(layers=layer.layers, **attributes)
        self.inside = make_plan(without, weights)


def windows_of(layer: Layer, weights: Mapping[str, Array]) -> Windows | None:
    """A layer's windows, if it has them along time alone."""
    window = layer.window()
    return None if window is None else Windows(layer, weights, *window)


class Windowed(Timeline):
    """A layer over windows of time.

    Raises:
        ValueError: its ends cannot be told from its middle.
    """

    def __init__(self, windows: Windows, x: Reader, length: int, steps: int) -> None:
        own = windows
        super().__init__(count(length, own.size, own.stride, own.padding), steps)
        self.windows, self.x, self.given = windows, x, length
        padding = pads(length, own.size, own.stride, own.padding, own.before)
        self.before = padding[0]
        if not own.zeros and padding[0]:
            raise ValueError("padding in front of smaller windows")

    def compute(self, number: int, start: int, stop: int) -> tuple[Array, ...]:
        """The layer on what these windows see."""
        own = self.windows
        first = start * own.stride - self.before
        end = (stop - 1) * own.stride - self.before + own.size
        x = self.x(max(first, 0), min(end, self.given))
        if end > self.given and not own.zeros:
            # All windows from here to the end, with what they lack as it was.
            return tuple(y[:, : stop - start] for y in own.plan.run([x], None))
        missing = max(-first, 0), max(end - self.given, 0)
        if any(missing):
            x = np.pad(x, [(0, 0), missing, *[(0, 0)] * (x.ndim - 2)])
        return own.inside.run([x], None)
