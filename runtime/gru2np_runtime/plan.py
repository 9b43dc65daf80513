"""Plans: a layer with its weights packed, ready to run.

A plan is immutable and shared by threads; whatever changes from step to step is a
``Carry``, which belongs to the call or to the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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

    # True where ``begin`` and ``advance`` exist.
    carries = False

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

    def how(self) -> str:
        """Which way the layer runs, to read; see ``Model.plan``."""
        return "plain"


class CarryingPlan(Plan):
    """A plan of a layer that runs forward in time with a state."""

    carries = True
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


def child(weights: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The weights of the child layer of that name."""
    prefix = name + "/"
    return {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
