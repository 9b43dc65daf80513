"""Long inputs in segments of time, for models that cannot run forward in time.

A bidirectional layer needs the end before it can give the beginning, a convolution
looks ahead.  Here every value is computed for one segment of time after the other, from
what it needs around it, and forgotten again; where segments of a recurrent layer meet,
its state is kept.  What runs backwards, or stands below it, is computed more than once:
that is the price of memory that does not grow with the input.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.layer import LAST, POINTWISE
from gru2np_runtime.plan import CarryingPlan
from gru2np_runtime.run.execution import in_dtype_of
from gru2np_runtime.run.timelines import (
    Backwards,
    Given,
    Merged,
    Pointwise,
    Running,
    Windowed,
    windows_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np_runtime.graph import Node
    from gru2np_runtime.layer import Array, Layer, Shape
    from gru2np_runtime.plan import Plan
    from gru2np_runtime.run.execution import GraphPlan
    from gru2np_runtime.run.timelines import Reader, Timeline

    Ref = tuple[str, int]


class NotInSegments(Exception):
    """A graph, or an input of it, that has to run whole."""


def run(plan: GraphPlan, arrays: Sequence[Array], steps: int) -> list[Array] | None:
    """The graph's outputs; None where it has to run whole.

    Args:
        plan: of the graph.
        arrays: the inputs, (batch, time, ...) where their time is not declared.
        steps: time steps in a segment.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        try:
            return _Call(plan, arrays, steps).outputs()
        except (NotInSegments, IndexError, ValueError):
            # Sizes that do not fit: whole, the layer in question says so.
            return None


class _Call:
    """One call: the values along time, and those that are settled."""

    def __init__(self, plan: GraphPlan, arrays: Sequence[Array], steps: int) -> None:
        self.plan, self.steps = plan, steps
        self.timelines: dict[Ref, tuple[Timeline, int]] = {}
        self.settled: dict[Ref, Callable[[], Array]] = {}
        self.shapes, _ = plan.graph.infer_nodes()
        for port, array in zip(plan.graph.inputs, arrays):
            if len(port.shape) > 1 and port.shape[1] is None:
                self.timelines[port.name, 0] = Given(array, steps), 0
            else:
                self._settle((port.name, 0), array)
        for node in plan.graph.nodes:
            self._place(node, plan.plans[node.layer])

    def outputs(self) -> list[Array]:
        """The outputs, segment by segment where they have a time axis."""
        results: dict[Ref, Array] = {}
        sources = [p.source for p in self.plan.graph.outputs if p.source is not None]
        along = {ref: self.timelines[ref] for ref in sources if ref in self.timelines}
        longest = max((timeline.length for timeline, _ in along.values()), default=0)
        for start in range(0, longest, self.steps):
            for ref, (timeline, index) in along.items():
                stop = min(start + self.steps, timeline.length)
                if start >= stop:
                    continue
                y = timeline.span(index, start, stop)
                if start == 0:
                    shape = (y.shape[0], timeline.length, *y.shape[2:])
                    results[ref] = np.empty(shape, y.dtype)
                results[ref][:, start:stop] = y
        return [
            results[ref] if ref in results else self.settled[ref]() for ref in sources
        ]

    def _settle(self, ref: Ref, value: Array) -> None:
        self.settled[ref] = lambda: value

    def _place(self, node: Node, plan: Plan) -> None:
        """Say where a node's values come from."""
        layer: Any = plan.layer
        if not any(ref in self.timelines for ref in node.references()):
            inputs = [in_dtype_of(layer, self.settled[ref]()) for ref in node.inputs]
            mask = None if node.mask is None else self.settled[node.mask]()
            for i, y in enumerate(plan.run(inputs, mask)):
                self._settle((node.name, i), y)
            return
        if node.inputs[0] not in self.timelines or getattr(layer, "time_major", False):
            raise NotInSegments(node.name)
        if isinstance(plan, CarryingPlan):
            self._place_running(node, plan)
            return
        shapes = [self.shapes[name][i] for name, i in node.inputs]
        rule = layer.over_time(*shapes)
        if rule == LAST:
            if node.mask is not None or len(node.inputs) > 1:
                raise NotInSegments(node.name)
            timeline, index = self.timelines[node.inputs[0]]
            x = timeline.span(index, timeline.length - 1, timeline.length)
            for i, y in enumerate(plan.run([in_dtype_of(layer, x)], None)):
                self._settle((node.name, i), y)
        elif rule == POINTWISE:
            self._place_pointwise(node, plan, shapes)
        else:
            found = windows_of(layer, plan.weights) if node.mask is None else None
            if found is None:
                raise NotInSegments(node.name)
            length, read = self._reader(layer, node.inputs[0])
            self._along(node, Windowed(found, read, length, self.steps), 1)

    def _place_pointwise(self, node: Node, plan: Plan, shapes: list[Shape]) -> None:
        lengths, readers = set(), []
        rank = max(len(shape) for shape in shapes)
        for ref, shape in zip(node.inputs, shapes):
            if ref in self.timelines:
                length, read = self._reader(plan.layer, ref)
                lengths.add(length)
                if len(shape) != rank:
                    raise NotInSegments(node.name)
            elif len(shape) < rank or shape[1] == 1:
                read = _constant(in_dtype_of(plan.layer, self.settled[ref]()))
            else:
                raise NotInSegments(node.name)
            readers.append(read)
        mask, own = self._mask(node)
        if len(lengths | own) != 1:
            raise NotInSegments(node.name)
        timeline = Pointwise(plan, readers, mask, lengths.pop(), self.steps)
        self._along(node, timeline, len(self.shapes[node.name]))

    def _place_running(self, node: Node, plan: CarryingPlan) -> None:
        layer: Any = plan.layer
        if any(ref in self.timelines for ref in node.inputs[1:]):
            raise NotInSegments(node.name)
        length, read = self._reader(layer, node.inputs[0])
        mask, own = self._mask(node)
        if own - {length}:
            raise NotInSegments(node.name)
        states = [in_dtype_of(layer, self.settled[ref]()) for ref in node.inputs[1:]]
        halves: list[tuple[CarryingPlan, list[Array]]] = [(plan, states)]
        if layer.op == "bidirectional":
            both: Any = plan
            split = both.split if states else 0
            halves = [(both.forward, states[:split]), (both.backward, states[split:])]
        runs = []
        for half, given in halves:
            kept = getattr(half.layer, "masked_output", "")
            turned = getattr(half.layer, "go_backwards", False)
            if half.batch_axis:
                raise NotInSegments(node.name)
            if mask is not None and turned and kept == "zero_in_input_order":
                # Zeros stand where another step is masked.
                raise NotInSegments(node.name)
            runs.append(Running(half, read, mask, length, self.steps, given))
        every = getattr(layer, "return_sequences", True)
        if layer.op != "bidirectional":
            (only,) = runs
            if every:
                self._along(node, only, 1)
            self._finally(node, int(every), lambda: only.last()[int(every) :])
            return
        forward, backward = runs
        merge = layer.merged
        if every:
            turned_back = Backwards(backward)
            timeline = Merged(merge, forward, turned_back, self.steps)
            first = 2 if layer.merge_mode == "none" else 1
            self._along(node, timeline, first)
        else:
            first = 0

        def after() -> tuple[Array, ...]:
            (y, *states), (y_back, *states_back) = forward.last(), backward.last()
            outputs = () if every else merge(y, y_back)
            return (*outputs, *states, *states_back)

        self._finally(node, first, after)

    def _finally(
        self, node: Node, first: int, after: Callable[[], tuple[Array, ...]]
    ) -> None:
        """Outputs from the first on are known at the end of time, once asked for."""
        known: list[tuple[Array, ...]] = []

        def output(i: int) -> Callable[[], Array]:
            def get() -> Array:
                if not known:
                    known.append(after())
                return known[0][i]

            return get

        for i in range(first, len(self.shapes[node.name])):
            self.settled[node.name, i] = output(i - first)

    def _along(self, node: Node, timeline: Timeline, count: int) -> None:
        for i in range(count):
            self.timelines[node.name, i] = timeline, i

    def _reader(self, layer: Layer, ref: Ref) -> tuple[int, Reader]:
        """Length of a value along time, and how a layer reads a span of it."""
        timeline, index = self.timelines[ref]
        return timeline.length, lambda start, stop: in_dtype_of(
            layer, timeline.span(index, start, stop)
        )

    def _mask(self, node: Node) -> tuple[Reader | None, set[int]]:
        """How a node's mask is read, and its length along time."""
        if node.mask is None:
            return None, set()
        if node.mask not in self.timelines:
            raise NotInSegments(node.name)
        timeline, index = self.timelines[node.mask]
        return lambda a, b: timeline.span(index, a, b), {timeline.length}


def _constant(value: Array) -> Reader:
    return lambda _start, _stop: value
