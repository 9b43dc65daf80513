"""Plans: a layer with its weights packed, ready to run; and chains of several.

Plans and chains are immutable and shared by threads; whatever changes from step to step
is a ``Carry`` or a ``Stepper``, which belongs to the call or to the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Layer

    # Plans of the layers inside a layer, by name.
    Parts = Mapping[str, "Plan"]


class Carry:
    """What a layer takes from one time step to the next.

    Attributes:
        states: arrays of shape (batch, ...), in Keras' order (h; h, c).
        previous: the output of the last step, where masked steps repeat it.
    """

    __slots__ = ("previous", "states")

    def __init__(self, states: Sequence[Array], previous: Array | None = None) -> None:
        self.states = list(states)
        self.previous = previous

    def copy(self) -> Carry:
        """A carry that shares no memory with this one."""
        previous = None if self.previous is None else self.previous.copy()
        return Carry([state.copy() for state in self.states], previous)


class Plan:
    """The plain plan: ``Layer.forward`` with its weights."""

    # The kernel that fuses the layer with its neighbours, a row of ``run.fuse``; empty
    # where none does, or where any kernel takes the layer beside others of its own.
    kernel: ClassVar[str] = ""

    def __init__(self, layer: Layer, weights: Mapping[str, Array]) -> None:
        self.layer = layer
        self.weights = weights

    def run(self, inputs: Sequence[Array], mask: Array | None) -> tuple[Array, ...]:
        """Run the layer on whole inputs."""
        if mask is None:
            outputs = self.layer.forward(self.weights, *inputs)
        else:
            outputs = self.layer.forward(self.weights, *inputs, mask=mask)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def fused(self) -> tuple[Plan, ...] | None:
        """What a chain runs for this layer; None where no chain can hold it."""
        return (self,) if self.kernel else None

    def how(self) -> str:
        """Which way the layer runs, to read; see ``Model.plan``."""
        return "plain"


class CarryingPlan(Plan):
    """A plan of a layer that runs forward in time with a state."""

    # Where (batch, time, ...) has its batch; 1 for layers that are time-major.
    batch_axis = 0

    def run(self, inputs: Sequence[Array], mask: Array | None) -> tuple[Array, ...]:
        """Run the layer on whole inputs, from the initial state they give."""
        carry = self.begin(inputs[0].shape[self.batch_axis], inputs[1:])
        return self.advance(inputs[0], mask, carry)[0]

    def begin(self, batch_size: int, states: Sequence[Array]) -> Carry:
        """The carry before the first step; zeros where no states are given."""
        raise NotImplementedError

    def resume(self, states: Sequence[Array]) -> Carry:
        """The carry in the middle of a sequence, from the states seen there."""
        return Carry(states)

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """Run on the time steps of x (batch, time, ...), and give the carry after."""
        raise NotImplementedError

    def state_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the states without the batch axis."""
        raise NotImplementedError


class Link:
    """One layer of a chain.

    Attributes:
        node: the name of the call, by which states are kept.
        plan: of the layer; of the one inside, where that is all that runs.
    """

    __slots__ = ("node", "plan")

    def __init__(self, node: str, plan: Plan) -> None:
        self.node = node
        self.plan = plan


class Chain:
    """Layers one after the other, fused by ``run.fuse`` and packed for one kernel.

    Attributes:
        dtype: of inputs, states and outputs; how weights are packed is the kernel's.
        features: of the input.
    """

    def __init__(self, dtype: str, features: int) -> None:
        self.dtype = np.dtype(dtype)
        self.features = features

    def takes(self, x: Array) -> bool:
        """Whether ``run`` can run on x; never where the kernel only steps."""
        return False

    def run(self, x: Array) -> Array:
        """x: (batch, time, features), whole sequences from zero states."""
        raise NotImplementedError

    def stepper(self, carries: Mapping[str, Carry | None], rows: int) -> Stepper:
        """Buffers for so many rows of a state, which from now on lives in them.

        Args:
            carries: by node; those of the chain look into the buffers from now on.
            rows: of the state.
        """
        raise NotImplementedError


class Stepper:
    """One state of a chain, in buffers that its kernel moves on in place.

    Attributes:
        chain: whose state it is.
        shape: of the input of a step, (rows, features).
    """

    __slots__ = ("chain", "shape")

    def __init__(self, chain: Chain, rows: int) -> None:
        self.chain = chain
        self.shape = (rows, chain.features)

    def step(self, x: Array) -> Array:
        """One step; x: (rows, features), in the chain's dtype; gives a fresh array."""
        raise NotImplementedError

    def take(self, carry: Carry | None, buffers: Sequence[Array]) -> None:
        """Move a layer's states, if any are there yet, into buffers of their shapes."""
        if carry is None:
            return
        for buffer, state in zip(buffers, carry.states):
            buffer[...] = state
        carry.states = list(buffers)
        carry.previous = None


def child(weights: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The weights of the child layer of that name."""
    prefix = name + "/"
    return {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
