"""One time step at a time: which tensors have the time axis, and the state.

A tensor is *per step* if it has the time axis of the inputs.  A tensor without it is
constant, or it changes with every step, such as the last output of a recurrent layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.custom import CustomFunction
from gru2np_runtime.data import as_array, shape_text
from gru2np_runtime.errors import InputError, plain
from gru2np_runtime.layer import (
    ACROSS,
    CARRIED,
    LAST,
    PER_STEP,
    Layer,
    is_custom,
)
from gru2np_runtime.layers.recurrent import Recurrent
from gru2np_runtime.plan import Carry, CarryingPlan
from gru2np_runtime.run.fuse import fuse, fuse_single
from gru2np_runtime.text import html_table, shown_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np_runtime.graph import Node
    from gru2np_runtime.layer import Array, Shape
    from gru2np_runtime.plan import Chain, Plan, Stepper
    from gru2np_runtime.run.execution import GraphPlan


class State:
    """The state of a model between two time steps; made by ``Model.initial_state``.

    Attributes:
        batch_size: rows of every step.

    The other attributes are for tools; do not change them:

    Attributes:
        carries: what each node with a state carries to the next step; None where its
            initial state is an input that has not been read yet.
        stepper: the buffers of a model that is one chain; None before the first step.
        node_steppers: the buffers of single layers of other models, by node.
        checked: the stream that the carries fit; None before the first step.
    """

    __slots__ = ("batch_size", "carries", "checked", "node_steppers", "stepper")

    def __init__(self, carries: Mapping[str, Carry | None], batch_size: int) -> None:
        self.carries = dict(carries)
        self.batch_size = batch_size
        # The states in the carries are views of the buffers.
        self.stepper: Stepper | None = None
        self.node_steppers: dict[str, Stepper] = {}
        self.checked: Stream | None = None

    def _rows(self) -> list[tuple[str, str]]:
        """Name and shapes of the states of each layer, to print."""
        return [
            (
                plain(shown_path(name)),
                "the initial state is an input"
                if carry is None
                else ", ".join(shape_text(array.shape) for array in carry.states),
            )
            for name, carry in self.carries.items()
        ]

    def __repr__(self) -> str:
        layers = "".join(f"; {name} {shapes}" for name, shapes in self._rows())
        return f"<gru2np state: batch size {self.batch_size}{layers}>"

    def _repr_html_(self) -> str:
        title = f"state, batch size {self.batch_size}"
        return html_table(title, ("layer", "shapes"), self._rows())

    def __reduce__(self) -> tuple[object, ...]:
        return State, (self.copy().carries, self.batch_size)

    def copy(self) -> State:
        """A deep copy, which later steps do not change."""
        carries = {k: c if c is None else c.copy() for k, c in self.carries.items()}
        return State(carries, self.batch_size)

    def arrays(self) -> dict[str, list[Array]]:
        """Copies of the states by node, (batch, units) each, in Keras' order.

        A layer whose initial state is an input is included after the first step.
        """
        return {
            name: [array.copy() for array in carry.states]
            for name, carry in self.carries.items()
            if carry is not None
        }


class Stream:
    """How a graph runs step by step.

    Attributes:
        per_step_inputs: for each input, whether it has the time axis.
        per_step_outputs: the same for each output.
        per_step: the values with the time axis.
        time_dependent: names of inputs and nodes that change from step to step, with
            or without the time axis.
        end_dependent: values with the time axis that change at earlier steps too when
            the sequence continues.
        carried: names of the nodes with a state.
        step_shapes: of the inputs of a step, which lack the time axis.
        block_shapes: of the inputs of a block of steps, of any length.
        chain: the whole graph as one chain, if it is one.
        single: otherwise, chains of single layers by node.
        tile: rows of sessions that run together; None before ``run.slabs`` tried it.

    Raises:
        InputError: the graph cannot run step by step; the message names the layer.
    """

    def __init__(self, plan: GraphPlan) -> None:
        self.plan = plan
        graph = plan.graph
        self.shapes, _ = graph.infer_nodes()
        sources = self._time_sources()
        self.per_step_inputs = [port.name in sources for port in graph.inputs]
        if not any(self.per_step_inputs):
            raise InputError(self._no_time_message())
        self.time_dependent = {p.name for p in graph.inputs if p.name in sources}
        self.per_step: set[tuple[str, int]] = {(n, 0) for n in self.time_dependent}
        self.end_dependent: set[tuple[str, int]] = set()
        self.carried: list[str] = []
        for node in graph.nodes:
            self._classify(node)
        self.per_step_outputs = [port.source in self.per_step for port in graph.outputs]
        self.step_shapes: list[Shape] = []
        self.block_shapes: list[Shape] = []
        for port, per_step in zip(graph.inputs, self.per_step_inputs):
            batch, *rest = port.shape
            self.step_shapes.append((batch, *rest[per_step:]))
            self.block_shapes.append(
                (batch, None, *rest[1:]) if per_step else port.shape
            )
        self.chain = plan.chain or fuse(graph, plan.plans)
        carrying = [node for node in graph.nodes if node.name in self.carried]
        self.single = {} if self.chain else fuse_single(carrying, plan.plans)
        self.tile: int | None = None

    def _time_sources(self) -> set[str]:
        """Names of the inputs and nodes whose time axis reaches a layer over time."""
        graph = self.plan.graph
        time_sources: set[str] = set()
        for node in reversed(graph.nodes):
            layer = graph.layers[node.layer]
            shapes = [self.shapes[name][i] for name, i in node.inputs]
            if layer.is_sequence:
                sources = [node.inputs[0], *([node.mask] if node.mask else [])]
            elif node.name in time_sources and layer.over_time(*shapes) == PER_STEP:
                rank = max(len(shape) for shape in shapes)
                sources = [
                    ref
                    for ref, shape in zip(node.inputs, shapes)
                    if len(shape) == rank and shape[1:2] != (1,)
                ]
            else:
                continue
            time_sources.update(name for name, _ in sources)
        return time_sources

    def _no_time_message(self) -> str:
        for node in self.plan.graph.nodes:
            layer = self.plan.graph.layers[node.layer]
            if layer.is_sequence:
                source = node.inputs[0][0]
                return (
                    "this model cannot run step by step: the time axis of layer "
                    f"{node.name!r} ({layer.op}) is computed in the model, by "
                    f"{source!r}; no input has it; predict(x) runs whole sequences"
                )
        return (
            "this model cannot run step by step: it has no layer that works over time; "
            "predict(x) runs it"
        )

    def _classify(self, node: Node) -> None:
        """Add the node's outputs to the sets; raises InputError if it cannot step."""
        layer = self.plan.graph.layers[node.layer]
        plan = self.plan.plans[node.layer]
        shapes = [self.shapes[name][i] for name, i in node.inputs]
        per_step = [ref in self.per_step for ref in node.inputs]
        if any(name in self.time_dependent for name, _ in node.references()):
            self.time_dependent.add(node.name)
        if not any(per_step):
            if node.mask in self.per_step:
                raise _blocked(
                    node, layer.op, "its mask has a time axis, its input has none"
                )
            return
        rule = layer.over_time(*shapes)
        if rule == ACROSS:
            raise _blocked(node, layer.op, _why_across(layer))
        if rule == LAST:
            # Its output at a step is its output for the sequence that ends there.
            return
        if rule == PER_STEP:
            for ref, shape, has_time in zip(node.inputs, shapes, per_step):
                if not has_time and not _broadcasts(shape, shapes, per_step):
                    raise _blocked(
                        node,
                        layer.op,
                        f"its input {ref[0]!r} is a sequence computed in the model",
                    )
            outputs = {(node.name, i) for i in range(len(self.shapes[node.name]))}
            if any(self._depends_on_end(ref) for ref in node.references()):
                self.end_dependent |= outputs
            self.per_step |= outputs
            return
        for name, _ in node.inputs[1:]:
            if name in self.time_dependent:
                raise _blocked(
                    node, layer.op, f"its initial state {name!r} changes with time"
                )
        if any(self._depends_on_end(ref) for ref in node.references()):
            raise _blocked(
                node, layer.op, "its input changes when the sequence goes on"
            )
        if not isinstance(plan, CarryingPlan):
            raise _blocked(node, layer.op, "it can run whole sequences only")
        self.carried.append(node.name)
        if rule == CARRIED and getattr(layer, "return_sequences", True):
            self.per_step.add((node.name, 0))

    def _depends_on_end(self, ref: tuple[str, int]) -> bool:
        """Whether the value changes at earlier steps too when the sequence goes on."""
        latest = ref[0] in self.time_dependent and ref not in self.per_step
        return latest or ref in self.end_dependent

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step, which reads initial states from inputs."""
        carries: dict[str, Carry | None] = {}
        for node in self.plan.graph.nodes:
            if node.name in self.carried:
                plan = self._carrying(node)
                from_input = len(node.inputs) > 1
                carries[node.name] = None if from_input else plan.begin(batch_size, ())
        return State(carries, batch_size)

    def check_state(self, state: State) -> None:
        """Check once that a state is one of this graph, or of an equal one.

        Raises:
            InputError: it is no state, or that of another model.
        """
        if type(state) is not State:
            from gru2np_runtime.hints import no_state

            raise InputError(f"state: expected a State, got {no_state(state)}")
        if state.checked is self:
            return
        for node in self.plan.graph.nodes:
            if node.name in self.carried and (carry := state.carries.get(node.name)):
                self._check_arrays(node, carry.states)
        if set(state.carries) != set(self.carried):
            raise InputError(
                f"state: expected one of the layers {sorted(self.carried)}, got one of "
                f"{sorted(state.carries)}: state = model.initial_state(batch_size)"
            )
        state.checked = self

    def _check_arrays(self, node: Node, states: Sequence[Array]) -> None:
        """Check the shapes of the states of a layer."""
        expected = self._carrying(node).state_shapes()
        # A size of 0 is one that only the input decides.
        fits = len(states) == len(expected) and all(
            len(a.shape) == len(shape) + 1
            and all(n in (0, m) for n, m in zip(shape, a.shape[1:]))
            for a, shape in zip(states, expected)
        )
        if not fits:
            raise InputError(
                f"state of layer {node.name!r}: expected arrays of shape "
                f"{[('batch', *shape) for shape in expected]}, "
                f"got {[a.shape for a in states]}: give what state.arrays() gave"
            )

    def restore_state(self, arrays: Mapping[str, Sequence[Array]]) -> State:
        """The state with the arrays of ``State.arrays``."""
        carries: dict[str, Carry | None] = {}
        batch_size: int | None = None
        if not isinstance(arrays, Mapping):
            raise InputError(
                "state: expected arrays by layer, as state.arrays() gives them, got "
                f"{type(arrays).__name__}"
            )
        unknown = sorted(map(str, set(arrays) - set(self.carried)))
        if unknown:
            raise InputError(
                f"state: expected layers {sorted(self.carried)}, got {unknown[0]!r}: "
                "give what state.arrays() gave"
            )
        for node in self.plan.graph.nodes:
            if node.name not in self.carried:
                continue
            if node.name not in arrays:
                if len(node.inputs) > 1:
                    carries[node.name] = None
                    continue
                raise InputError(
                    f"state: layer {node.name!r} is missing: give what state.arrays() "
                    "gave"
                )
            plan, layer = self._carrying(node), self.plan.graph.layers[node.layer]
            given = arrays[node.name]
            if not isinstance(given, (list, tuple)):
                raise InputError(
                    f"state of layer {node.name!r}: expected a list of arrays, as "
                    f"state.arrays() gives it, got {type(given).__name__}"
                )
            what, dtype = f"state of layer {node.name!r}", plan.layer.dtype
            states = [np.array(as_array(a, what, dtype), dtype) for a in given]
            self._check_arrays(node, states)
            for array in states:
                if batch_size not in (None, array.shape[0]):
                    raise InputError(
                        f"state of layer {node.name!r}: expected batch size "
                        f"{batch_size}, got {array.shape[0]}: give what "
                        "state.arrays() gave"
                    )
                batch_size = array.shape[0]
            carries[node.name] = plan.resume(states)
            cells = layer.cells() if isinstance(layer, Recurrent) else ()
            if node.mask is not None and any(is_custom(cell) for _, cell in cells):
                raise InputError(
                    f"state of layer {node.name!r}: a masked step repeats the last "
                    "output of a custom cell, which the arrays do not hold: keep the "
                    "state itself, state.copy()"
                )
        return State(carries, batch_size or 0)

    def step(
        self, inputs: Sequence[Array], state: State, outs: Sequence[Array] | None = None
    ) -> list[Array]:
        """Run one time step, and update the state.

        Args:
            inputs: without time axis.
            state: of the steps before.
            outs: what ``output_shapes`` says, to write the outputs to.
        """
        if self.chain is not None:
            stepper = self._stepper(self.chain, state)
            stepper.out = None if outs is None else outs[0]
            return [stepper.step(inputs[0], stepper.out)]
        arrays = [
            x[:, None] if per_step else x
            for x, per_step in zip(inputs, self.per_step_inputs)
        ]
        results = [
            y[:, 0] if per_step else y
            for y, per_step in zip(self.advance(arrays, state), self.per_step_outputs)
        ]
        return [np.array(y) for y in results] if outs is None else _write(results, outs)

    def advance_block(
        self, inputs: Sequence[Array], state: State, outs: Sequence[Array] | None = None
    ) -> list[Array]:
        """Run a block of time steps, and update the state.

        Args:
            inputs: those with the time axis of the same length, from 1 on.
            state: of the steps before.
            outs: as for ``step``.
        """
        if self.chain is not None and self.chain.runs_sequences:
            stepper = self._stepper(self.chain, state)
            return [stepper.advance(inputs[0], None if outs is None else outs[0])]
        results = self.advance(inputs, state)
        return list(results) if outs is None else _write(results, outs)

    def time_steps(self, names: Sequence[str], inputs: Sequence[Array]) -> int:
        """The number of time steps of a block.

        Args:
            names: of the inputs, for messages.
            inputs: of ``block_shapes``.

        Raises:
            InputError: the outputs of a block are not those of its steps, there is no
                step, or the inputs have different numbers of them.
        """
        for port in self.plan.graph.outputs:
            if port.source in self.end_dependent:
                raise InputError(
                    "this model cannot run in blocks of time steps: its output "
                    f"{port.name!r} changes at earlier steps too when the sequence "
                    "goes on; step(x, state) runs one step, predict(x) whole sequences"
                )
        times: list[tuple[str, int]] = [
            (name, x.shape[1])
            for name, x, per_step in zip(names, inputs, self.per_step_inputs)
            if per_step
        ]
        first, time = times[0]
        if time == 0:
            raise InputError(
                f"input {first!r}, axis 1: expected at least one time step, got 0: "
                "no call is needed where x.shape[1] is 0"
            )
        for name, other in times:
            if other != time:
                raise InputError(
                    f"input {name!r}, axis 1: expected {time} time steps as input "
                    f"{first!r} has, got {other}"
                )
        return time

    def output_shapes(self, batch_size: int, time: int | None) -> list[Shape]:
        """Shapes of the outputs of a block, or of a step where ``time`` is None."""
        shapes: list[Shape] = []
        for port, per_step in zip(self.plan.graph.outputs, self.per_step_outputs):
            rest = port.shape[1 + per_step :]
            steps = (time,) if per_step and time is not None else ()
            shapes.append((batch_size, *steps, *rest))
        return shapes

    def _stepper(self, chain: Chain, state: State) -> Stepper:
        """The buffers of the state of a chain."""
        stepper = state.stepper
        if stepper is None or stepper.chain is not chain:
            stepper = chain.stepper(state.carries, state.batch_size)
            state.stepper = stepper
        return stepper

    def advance(self, arrays: Sequence[Array], state: State) -> tuple[Array, ...]:
        """Run some time steps, inputs (batch, time, ...), and update the state."""

        def run(
            node: Node, plan: Plan, values: list[Array], mask: Array | None
        ) -> tuple[Array, ...]:
            if node.name not in self.carried or not isinstance(plan, CarryingPlan):
                return plan.run(values, mask)
            carry = state.carries[node.name]
            if carry is None:
                carry = plan.begin(state.batch_size, values[1:])
                state.carries[node.name] = carry
            if node.name in self.single and values[0].shape[1] == 1:
                y = self._single_stepper(node.name, state).step(values[0][:, 0])
                return (y[:, None] if (node.name, 0) in self.per_step else y,)
            outputs, after = plan.advance(values[0], mask, carry)
            if state.stepper is None and node.name not in state.node_steppers:
                state.carries[node.name] = after
            else:
                # Steps go on in the buffers that these are views of.
                for kept, new in zip(carry.states, after.states):
                    kept[...] = new
            return outputs

        return self.plan.outputs(self.plan.values(arrays, run=run, release=True))

    def _single_stepper(self, name: str, state: State) -> Stepper:
        """The buffers of the state of a single layer."""
        stepper = state.node_steppers.get(name)
        if stepper is None or stepper.chain is not self.single[name]:
            stepper = self.single[name].stepper(state.carries, state.batch_size)
            state.node_steppers[name] = stepper
        return stepper

    def _carrying(self, node: Node) -> CarryingPlan:
        plan = self.plan.plans[node.layer]
        if not isinstance(plan, CarryingPlan):
            raise TypeError(f"{node.layer} has no carrying plan")
        return plan


def _write(results: Sequence[Array], outs: Sequence[Array]) -> list[Array]:
    for y, out in zip(results, outs):
        out[...] = y
    return list(outs)


def _broadcasts(
    shape: Shape, shapes: Sequence[Shape], per_step: Sequence[bool]
) -> bool:
    """Whether an input without time axis broadcasts to every time step."""
    rank = max(len(s) for s, has_time in zip(shapes, per_step) if has_time)
    return len(shape) < rank or shape[1] == 1


def _why_across(layer: Layer) -> str:
    """Why a layer needs all time steps at once; what its author can do about it."""
    if is_custom(layer) and type(layer).over_time is Layer.over_time:
        return (
            "its class does not say how it treats time: override over_time to return "
            '"pointwise" if it computes every time step by itself'
        )
    for value in layer.attributes().values():
        if isinstance(value, CustomFunction) and not value.per_step:
            return (
                f"its function {value.own_name!r} does not say that it computes every "
                "time step by itself: if it does, decorate it with "
                "gru2np_runtime.per_step"
            )
    return "it needs all time steps at once"


def _blocked(node: Node, op: str, reason: str) -> InputError:
    return InputError(
        f"this model cannot run step by step: layer {node.name!r} ({op}): {reason}; "
        "predict(x) runs whole sequences"
    )
