"""One time step at a time: which tensors carry time, and the state between steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS, CARRIED, LAST, POINTWISE
from gru2np_runtime.plan import Carry, CarryingPlan
from gru2np_runtime.run.fuse import fuse, fuse_single

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.graph import Node
    from gru2np_runtime.layer import Array, Shape
    from gru2np_runtime.plan import Plan, Stepper
    from gru2np_runtime.run.execution import GraphPlan


class State:
    """Where a model stands in a sequence; made by ``Model.initial_state``.

    Attributes:
        batch_size: rows of every step.
    """

    __slots__ = ("_carries", "_single", "_stepper", "batch_size")

    def __init__(self, carries: Mapping[str, Carry | None], batch_size: int) -> None:
        self._carries = dict(carries)
        self.batch_size = batch_size
        # Buffers of a model that is a chain; the carries look into them.
        self._stepper: Stepper | None = None
        # The same for single layers of other graphs, by node.
        self._single: dict[str, Stepper] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return State, (self.copy()._carries, self.batch_size)

    def copy(self) -> State:
        """A state that later steps do not change."""
        carries = {k: c if c is None else c.copy() for k, c in self._carries.items()}
        return State(carries, self.batch_size)

    def arrays(self) -> dict[str, list[Array]]:
        """Copies of the states by node, (batch, units) each, in Keras' order.

        A layer whose state comes from an input is there after the first step.
        """
        return {
            name: [array.copy() for array in carry.states]
            for name, carry in self._carries.items()
            if carry is not None
        }


class Stream:
    """How a graph runs step by step.

    Raises:
        InputError: it cannot; the message names the layer in the way.
    """

    def __init__(self, plan: GraphPlan) -> None:
        self.plan = plan
        graph = plan.graph
        self.shapes, _ = graph.infer_nodes()
        demanded = self._demanded()
        self.per_step_inputs = [port.name in demanded for port in graph.inputs]
        if not any(self.per_step_inputs):
            raise InputError(self._no_time())
        # The values that carry the time axis; all others are settled.
        self.per_step: set[tuple[str, int]] = {
            (port.name, 0)
            for port, carries_time in zip(graph.inputs, self.per_step_inputs)
            if carries_time
        }
        self.moving = {port.name for port in graph.inputs if port.name in demanded}
        # Of the values that carry time, those that its end would change.
        self.late: set[tuple[str, int]] = set()
        self.carried: list[str] = []
        for node in graph.nodes:
            self._classify(node)
        self.per_step_outputs = [port.source in self.per_step for port in graph.outputs]
        self.chain = plan.chain or fuse(graph, plan.plans)
        carrying = [node for node in graph.nodes if node.name in self.carried]
        # Chains of single layers, by node, where the graph is none.
        self.single = {} if self.chain else fuse_single(carrying, plan.plans)

    def _demanded(self) -> set[str]:
        """Names from which time reaches a layer that works over time, walking back."""
        graph = self.plan.graph
        demanded: set[str] = set()
        for node in reversed(graph.nodes):
            layer = graph.layers[node.layer]
            shapes = [self.shapes[name][i] for name, i in node.inputs]
            if layer.is_sequence:
                sources = [node.inputs[0], *([node.mask] if node.mask else [])]
            elif node.name in demanded and layer.over_time(*shapes) == POINTWISE:
                rank = max(len(shape) for shape in shapes)
                sources = [
                    ref
                    for ref, shape in zip(node.inputs, shapes)
                    if len(shape) == rank and shape[1:2] != (1,)
                ]
            else:
                continue
            demanded.update(name for name, _ in sources)
        return demanded

    def _no_time(self) -> str:
        for node in self.plan.graph.nodes:
            layer = self.plan.graph.layers[node.layer]
            if layer.is_sequence:
                source = node.inputs[0][0]
                return (
                    "this model cannot run step by step: the time axis of layer "
                    f"{node.name!r} ({layer.op}) is made inside the model, by "
                    f"{source!r}; no input carries it"
                )
        return (
            "this model cannot run step by step: it has no layer that works over time"
        )

    def _classify(self, node: Node) -> None:
        layer = self.plan.graph.layers[node.layer]
        plan = self.plan.plans[node.layer]
        shapes = [self.shapes[name][i] for name, i in node.inputs]
        per_step = [ref in self.per_step for ref in node.inputs]
        if any(name in self.moving for name, _ in node.references()):
            self.moving.add(node.name)
        if not any(per_step):
            if node.mask in self.per_step:
                raise _in_the_way(node, layer.op, "its mask has time, its input none")
            return
        rule = layer.over_time(*shapes)
        if rule == ACROSS:
            raise _in_the_way(node, layer.op, "it needs all time steps at once")
        if rule == LAST:
            # What it gives at a step is what it would give had the sequence ended.
            return
        outputs = len(self.shapes[node.name])
        if rule == POINTWISE:
            for ref, shape, carries_time in zip(node.inputs, shapes, per_step):
                if not carries_time and not _broadcasts(shape, shapes, per_step):
                    raise _in_the_way(
                        node,
                        layer.op,
                        f"its input {ref[0]!r} is a whole sequence made inside",
                    )
            own = {(node.name, i) for i in range(outputs)}
            if any(self._is_late(ref) for ref in node.references()):
                self.late |= own
            self.per_step |= own
            return
        for name, _ in node.inputs[1:]:
            if name in self.moving:
                raise _in_the_way(
                    node, layer.op, f"its initial state {name!r} changes with time"
                )
        if any(self._is_late(ref) for ref in node.references()):
            raise _in_the_way(node, layer.op, "the end of time changes its input")
        if not isinstance(plan, CarryingPlan):
            raise _in_the_way(node, layer.op, "it has no stepwise form")
        self.carried.append(node.name)
        if rule == CARRIED and getattr(layer, "return_sequences", True):
            self.per_step.add((node.name, 0))

    def _is_late(self, ref: tuple[str, int]) -> bool:
        moving = ref[0] in self.moving and ref not in self.per_step
        return moving or ref in self.late

    def initial_state(self, batch_size: int) -> State:
        """The state before the first step; initial states from inputs come later."""
        carries: dict[str, Carry | None] = {}
        for node in self.plan.graph.nodes:
            if node.name in self.carried:
                plan = self._carrying(node)
                alone = len(node.inputs) == 1
                carries[node.name] = plan.begin(batch_size, ()) if alone else None
        return State(carries, batch_size)

    def restore_state(self, arrays: Mapping[str, Sequence[Array]]) -> State:
        """The state that ``State.arrays`` gave."""
        carries: dict[str, Carry | None] = {}
        batch_size: int | None = None
        unknown = sorted(set(arrays) - set(self.carried))
        if unknown:
            raise InputError(
                f"state: expected layers {sorted(self.carried)}, got {unknown[0]!r}"
            )
        for node in self.plan.graph.nodes:
            if node.name not in self.carried:
                continue
            if node.name not in arrays:
                if len(node.inputs) > 1:
                    carries[node.name] = None
                    continue
                raise InputError(f"state: layer {node.name!r} is missing")
            plan = self._carrying(node)
            wanted = plan.state_shapes()
            states = [np.array(a, plan.layer.dtype) for a in arrays[node.name]]
            # A size of 0 is one that only the input tells.
            fits = len(states) == len(wanted) and all(
                len(a.shape) == len(own) + 1
                and all(n in (0, m) for n, m in zip(own, a.shape[1:]))
                for a, own in zip(states, wanted)
            )
            if not fits:
                raise InputError(
                    f"state of layer {node.name!r}: expected arrays of shape "
                    f"{[('batch', *shape) for shape in wanted]}, "
                    f"got {[a.shape for a in states]}"
                )
            for array in states:
                if batch_size not in (None, array.shape[0]):
                    raise InputError(
                        f"state of layer {node.name!r}: expected batch size "
                        f"{batch_size}, got {array.shape[0]}"
                    )
                batch_size = array.shape[0]
            carries[node.name] = plan.resume(states)
        return State(carries, batch_size or 0)

    def step(self, inputs: Sequence[Array], state: State) -> list[Array]:
        """Run one time step, and move the state on."""
        if self.chain is not None:
            stepper = state._stepper
            if stepper is None or stepper.chain is not self.chain:
                stepper = self.chain.stepper(state._carries, state.batch_size)
                state._stepper = stepper
            return [stepper.step(inputs[0])]
        arrays = [
            x[:, None] if carries_time else x
            for x, carries_time in zip(inputs, self.per_step_inputs)
        ]
        return [
            np.array(y[:, 0] if carries_time else y)
            for y, carries_time in zip(
                self.advance(arrays, state), self.per_step_outputs
            )
        ]

    def advance(self, arrays: Sequence[Array], state: State) -> tuple[Array, ...]:
        """Run some time steps, (batch, time, ...), and move the state on."""

        def run(
            node: Node, plan: Plan, values: list[Array], mask: Array | None
        ) -> tuple[Array, ...]:
            if node.name not in self.carried or not isinstance(plan, CarryingPlan):
                return plan.run(values, mask)
            carry = state._carries[node.name]
            if carry is None:
                carry = plan.begin(state.batch_size, values[1:])
                state._carries[node.name] = carry
            if node.name in self.single and values[0].shape[1] == 1:
                y = self._stepper(node.name, state).step(values[0][:, 0])
                return (y[:, None] if (node.name, 0) in self.per_step else y,)
            state._single.pop(node.name, None)
            outputs, state._carries[node.name] = plan.advance(values[0], mask, carry)
            return outputs

        return self.plan.outputs(self.plan.values(arrays, run=run, release=True))

    def _stepper(self, name: str, state: State) -> Stepper:
        """The buffers of a single layer in a state."""
        stepper = state._single.get(name)
        if stepper is None or stepper.chain is not self.single[name]:
            stepper = self.single[name].stepper(state._carries, state.batch_size)
            state._single[name] = stepper
        return stepper

    def _carrying(self, node: Node) -> CarryingPlan:
        plan = self.plan.plans[node.layer]
        if not isinstance(plan, CarryingPlan):
            raise TypeError(f"{node.layer} has no carrying plan")
        return plan


def _broadcasts(
    shape: Shape, shapes: Sequence[Shape], per_step: Sequence[bool]
) -> bool:
    """Whether a settled input stands beside every time step alike."""
    rank = max(len(s) for s, carries_time in zip(shapes, per_step) if carries_time)
    return len(shape) < rank or shape[1] == 1


def _in_the_way(node: Node, op: str, reason: str) -> InputError:
    return InputError(
        f"this model cannot run step by step: layer {node.name!r} ({op}): {reason}"
    )
