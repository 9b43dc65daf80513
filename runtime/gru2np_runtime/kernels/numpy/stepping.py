"""A stack of layers one time step further, in the buffers of one state.

The values of the stack stand in one vector: the input, a one, the output of the first
layer, a one, and so on.  What a layer reads, ``[input, 1]`` or ``[input, 1, h]``, is
then one contiguous slice, and its product with a packed matrix needs no copies and
adds the bias.  Several rows stand units-major, (size, rows), in the same order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.kernels.numpy.packed import elementwise
from gru2np_runtime.kernels.numpy.recurrence import FastRecurrence
from gru2np_runtime.kernels.numpy.steps import (
    LSTM,
    Dense,
    Recurrent,
    ResetAfter,
    ResetBefore,
    SimpleRNN,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np_runtime.kernels.numpy.steps import Advance
    from gru2np_runtime.layer import Array
    from gru2np_runtime.plan import Carry, Plan
    from gru2np_runtime.run.execution import GraphPlan

STEPPED = {"lstm": LSTM, "simple_rnn": SimpleRNN}


class Slot:
    """What one layer of the stack reads and writes.

    Attributes:
        given: [input, 1].
        both: [input, 1, output].
        value: the output.
        biased: [1, output].
        tail: () for a single row, else (rows,).
    """

    __slots__ = ("biased", "both", "given", "tail", "value")

    def __init__(self, vector: Array, start: int, features: int, units: int) -> None:
        middle = start + features
        self.given = vector[start : middle + 1]
        self.both = vector[start : middle + 1 + units]
        self.value = vector[middle + 1 : middle + 1 + units]
        self.biased = vector[middle : middle + 1 + units]
        self.tail = vector.shape[1:]

    def empty(self, size: int) -> Array:
        """A buffer beside the vector."""
        return np.empty((size, *self.tail), self.value.dtype)

    def ones(self, size: int) -> Array:
        """A constant."""
        return np.ones((size, *self.tail), self.value.dtype)

    def product(self, operand: Array, matrix: Array) -> tuple[Any, Array]:
        """A callable and its first argument; the second is where the product goes."""
        return (matrix.T.dot, operand) if self.tail else (operand.dot, matrix)


class Chain:
    """A model that is a stack of recurrent and Dense layers; immutable."""

    def __init__(self, nodes: Sequence[tuple[str, Plan]], dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self.layers: list[tuple[str, Recurrent | Dense]] = []
        self.layers.extend((name, _stepped(plan)) for name, plan in nodes)
        self.features = self.layers[0][1].features
        self.size = self.features + sum(1 + own.units for _, own in self.layers) + 1

    def runner(self, carries: dict[str, Carry | None], rows: int) -> Runner:
        """Buffers for a state, which from now on lives in them."""
        return Runner(self, carries, rows)


class Runner:
    """One state of a chain, and the functions that take it one step further.

    Attributes:
        chain: whose state it is.
        shape: of the input of a step.
    """

    __slots__ = ("advances", "chain", "given", "result", "shape")

    def __init__(
        self, chain: Chain, carries: dict[str, Carry | None], rows: int
    ) -> None:
        self.chain = chain
        self.shape = (rows, chain.features)
        tail = () if rows == 1 else (rows,)
        vector = np.ones((chain.size, *tail), chain.dtype)
        self.given = _outside(vector[: chain.features])
        self.advances: list[Advance] = []
        self.result: Callable[[], Array]
        start = 0
        for i, (name, own) in enumerate(chain.layers):
            slot = Slot(vector, start, own.features, own.units)
            start += own.features + 1
            if i + 1 == len(chain.layers) and isinstance(own, Dense):
                self.result = own.result(slot)
                break
            states = own.states(slot)
            self.advances.append(own.advance(slot, states))
            self.result = _outside(slot.value).copy
            carry = carries.get(name)
            if carry is None:
                continue
            outside = [_outside(state) for state in states]
            for now, before in zip(outside, carry.states):
                now[...] = before
            carry.states = outside
            carry.previous = None

    def step(self, x: Array) -> Array:
        """One step; x: (rows, features), in the dtype of the chain."""
        self.given[...] = x
        # exp may overflow on its way to a gate that is shut.
        with np.errstate(over="ignore", invalid="ignore"):
            for advance in self.advances:
                advance()
            return self.result()


def _outside(buffer: Array) -> Array:
    """A buffer as (rows, size)."""
    return buffer.T if buffer.ndim == 2 else buffer[None]


def _stepped(plan: Plan) -> Recurrent | Dense:
    if not isinstance(plan, FastRecurrence):
        return Dense(plan)
    if plan.layer.op == "gru":
        after = getattr(plan.layer, "reset_after", True)
        return ResetAfter(plan) if after else ResetBefore(plan)
    return STEPPED[plan.layer.op](plan)


def chain_of(plan: GraphPlan) -> Chain | None:
    """The graph as a chain; None if it is anything else."""
    graph = plan.graph
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        return None
    port = graph.inputs[0]
    nodes: list[tuple[str, Plan]] = []
    before = (port.name, 0)
    for node in graph.nodes:
        own = plan.plans[node.layer]
        if node.inputs != (before,) or node.mask is not None:
            return None
        before = (node.name, 0)
        # Every layer casts, those too that do nothing else.
        if own.layer.dtype != port.dtype:
            return None
        if own.layer.op == "identity":
            continue
        inner = own
        if own.layer.op == "time_distributed":
            inner = getattr(own, "inner", own)
        if type(inner.layer).op != "dense" and not isinstance(inner, FastRecurrence):
            return None
        if inner.layer.dtype != port.dtype or not _one_dtype(inner, port.dtype):
            return None
        nodes.append((node.name, inner))
    if not nodes or graph.outputs[0].source != before:
        return None
    # A function along the units needs them on the last axis, as the result has them.
    inside = [own for _, own in nodes[:-1] if own.layer.op == "dense"]
    if not all(elementwise(own.layer.activation) for own in inside):  # type: ignore[attr-defined]
        return None
    return Chain(nodes, port.dtype)


def links_of(plan: GraphPlan, carried: Sequence[str]) -> dict[str, Chain]:
    """Chains of one layer, by node, for a graph that is not one chain."""
    links: dict[str, Chain] = {}
    for node in plan.graph.nodes:
        own = plan.plans[node.layer]
        if node.name not in carried or not isinstance(own, FastRecurrence):
            continue
        if node.mask is None and not own.layer.return_state:
            links[node.name] = Chain([(node.name, own)], own.layer.dtype)
    return links


def _one_dtype(plan: Plan, dtype: str) -> bool:
    return all(array.dtype == dtype for array in plan.weights.values())
