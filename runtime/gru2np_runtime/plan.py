"""Plans run one layer with packed weights; chains run several.

Plans and chains are immutable and shared by threads.  What changes from step to step is
a ``Carry`` or a ``Stepper``, which belongs to a call or to the user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from gru2np_runtime.custom import raising, read_only, real_numbers
from gru2np_runtime.errors import CustomObjectError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np_runtime.layer import Array, Layer

    # Plans of the layers inside a layer, by name.
    Parts = Mapping[str, "Plan"]


class Small:
    """A weight as the bundle stores it, if that is smaller than float32.

    Attributes:
        array: float16, or int8.
        scales: of int8, float32, one for each index of the last axis; else None.
    """

    __slots__ = ("array", "scales")

    def __init__(self, array: Array, scales: Array | None = None) -> None:
        self.array = array
        self.scales = scales


class Weights(dict[str, "Array"]):
    """Weights by path, some of which are stored small.

    Attributes:
        small: these, as they are stored, by path.
    """

    def __init__(
        self, weights: Mapping[str, Array], small: Mapping[str, Small]
    ) -> None:
        super().__init__(weights)
        self.small = dict(small)


class Carry:
    """What one layer carries from one time step to the next.

    Attributes:
        states: arrays of shape (batch, ...), in Keras' order (h; h, c).
        previous: the previous output, which masked steps may repeat; None for zeros.
    """

    __slots__ = ("previous", "states")

    def __init__(self, states: Sequence[Array], previous: Array | None = None) -> None:
        self.states = list(states)
        self.previous = previous

    def copy(self) -> Carry:
        """A deep copy."""
        previous = None if self.previous is None else self.previous.copy()
        return Carry([state.copy() for state in self.states], previous)


class Plan:
    """The plain plan of any layer: ``Layer.forward`` with its weights."""

    # The kernel that fuses the layer with others, a key of ``run.fuse.PACKERS``; empty
    # if there is none, or if the layer fits the chains of every kernel.
    kernel: ClassVar[str] = ""

    def __init__(self, layer: Layer, weights: Mapping[str, Array]) -> None:
        self.layer = layer
        self.weights = weights

    def run(self, inputs: Sequence[Array], mask: Array | None) -> tuple[Array, ...]:
        """Run the layer; inputs: (batch, ...) each."""
        if mask is None:
            outputs = self.layer.forward(self.weights, *inputs)
        else:
            outputs = self.layer.forward(self.weights, *inputs, mask=mask)
        return outputs if isinstance(outputs, tuple) else (outputs,)

    def fused(self) -> tuple[Plan, ...] | None:
        """The plans that a chain runs for the layer; None if no chain can."""
        return (self,) if self.kernel else None

    def description(self) -> str:
        """How the layer runs, for the table of ``Model.plan``."""
        return "plain"


class CustomPlan(Plan):
    """The plain plan of a custom layer, whose results are checked."""

    def run(self, inputs: Sequence[Array], mask: Array | None) -> tuple[Array, ...]:
        """Run the layer on arrays that it cannot change.

        Raises:
            CustomObjectError: it failed, or returned something else than it states.
        """
        what = f"custom layer {type(self.layer).__name__}"
        with raising(what):
            outputs = super().run([*map(read_only, inputs)], read_only(mask))
        expected = self.layer.infer(*(x.shape for x in inputs))[1]
        shapes = [getattr(y, "shape", type(y).__name__) for y in outputs]
        fits = len(shapes) == len(expected) and all(
            isinstance(shape, tuple)
            and len(shape) == len(sizes)
            and all(n in (None, m) for n, m in zip(sizes, shape))
            for sizes, shape in zip(expected, shapes)
        )
        if not fits:
            raise CustomObjectError(
                f"{what}: expected an array, or a tuple of arrays, of the shapes "
                f"{list(expected)} that its output_shapes states, got {shapes}"
            )
        dtype = np.dtype(self.layer.output_dtype(*(x.dtype.name for x in inputs)))
        for y in outputs:
            if y.dtype.kind in "biuf" and y.dtype.kind != dtype.kind:
                raise CustomObjectError(
                    f"{what}: expected outputs of {dtype}, got {y.dtype}: state "
                    f'gives_dtype = "{y.dtype}" in the class, or convert them'
                )
        return tuple(real_numbers(what, y, dtype) for y in outputs)


class CarryingPlan(Plan):
    """A plan of a layer that runs forward in time with a state."""

    # Axis of the batch in the first input; 1 for time-major layers.
    batch_axis = 0

    def run(self, inputs: Sequence[Array], mask: Array | None) -> tuple[Array, ...]:
        """Run whole sequences; ``inputs[1:]`` are the initial states, if any."""
        carry = self.begin(inputs[0].shape[self.batch_axis], inputs[1:])
        return self.advance(inputs[0], mask, carry)[0]

    def begin(self, batch_size: int, states: Sequence[Array]) -> Carry:
        """The carry before the first step; zeros if ``states`` is empty."""
        raise NotImplementedError

    def resume(self, states: Sequence[Array]) -> Carry:
        """The carry in the middle of a sequence, from the states there."""
        return Carry(states)

    def advance(
        self, x: Array, mask: Array | None, carry: Carry
    ) -> tuple[tuple[Array, ...], Carry]:
        """Run the time steps of x (batch, time, ...); returns outputs and carry."""
        raise NotImplementedError

    def state_shapes(self) -> list[tuple[int, ...]]:
        """Shapes of the states without the batch axis."""
        raise NotImplementedError


class Link:
    """One layer of a chain.

    Attributes:
        node: name of the node, the key of its states.
        plan: of the layer, or of the layer inside a wrapper.
    """

    __slots__ = ("node", "plan")

    def __init__(self, node: str, plan: Plan) -> None:
        self.node = node
        self.plan = plan


class Chain:
    """Consecutive layers, fused by ``run.fuse`` and packed for one kernel.

    Attributes:
        dtype: of inputs, states and outputs; packed weights may have another.
        features: size of the input's last axis.
        units: size of the output's last axis.
        states: node and units of each state array, where the chain gathers.
    """

    # Whether ``run`` and ``Stepper.advance`` are there; else only single steps are.
    runs_sequences: ClassVar[bool] = False
    # Whether ``advance_rows`` is there.
    gathers: ClassVar[bool] = False
    states: Sequence[tuple[str, int]] = ()

    def __init__(self, dtype: str, features: int, units: int) -> None:
        self.dtype = np.dtype(dtype)
        self.features = features
        self.units = units

    def accepts(self, x: Array) -> bool:
        """Whether ``run`` can run on x."""
        raise NotImplementedError

    def run(self, x: Array) -> Array:
        """Run whole sequences from zero states; x: (batch, time, features)."""
        raise NotImplementedError

    def locate(self, slabs: Sequence[Array]) -> Any:
        """What ``advance_rows`` takes for slabs.

        Args:
            slabs: one for each of ``states``, (any number, units), contiguous.
        """
        raise NotImplementedError

    def advance_rows(
        self, x: Array, slabs: Any, rows: Array, *, last_only: bool
    ) -> Array:
        """Run some time steps from states in rows of slabs, which it updates.

        What a row gives does not depend on the other rows, on their number, or on how
        many time steps are in one call, to the bit.

        Args:
            x: (rows, time, features), in the dtype of the chain; one time step or more.
            slabs: what ``locate`` gave for them.
            rows: int64, for each row of x its row in the slabs, each one once.
            last_only: whether to return the last time step alone.

        Returns:
            (rows, time, units), or (rows, units).
        """
        raise NotImplementedError

    def stepper(self, carries: Mapping[str, Carry | None], rows: int) -> Stepper:
        """Buffers for one state, which is moved into them.

        Args:
            carries: by node; from now on, their states are views of the buffers.
            rows: batch size of the state.
        """
        raise NotImplementedError


class Stepper:
    """One state of a chain, in buffers that the kernel updates in place.

    Attributes:
        chain: the chain.
        dtype: of inputs and outputs.
        shape: of the input of a step, (rows, features).
        output_shape: of the output of a step, (rows, units).
        out: an array of that shape that steps write to; None if they return new ones.
    """

    __slots__ = ("chain", "dtype", "out", "output_shape", "shape")

    def __init__(self, chain: Chain, rows: int) -> None:
        self.chain = chain
        self.dtype = chain.dtype
        self.shape = (rows, chain.features)
        self.output_shape = (rows, chain.units)
        self.out: Array | None = None

    def step(self, x: Array, out: Array | None = None) -> Array:
        """One step, written to ``out`` or to a new array, which is returned.

        Args:
            x: (rows, features), in the chain's dtype; may share memory with ``out``.
            out: ``output_shape``, in the chain's dtype, of any layout.
        """
        raise NotImplementedError

    def takes_block(self, x: Array) -> bool:
        """Whether ``advance`` can run on x; else the input is checked, or refused."""
        shape, (rows, features) = x.shape, self.shape
        return (
            len(shape) == 3
            and shape[0] == rows
            and shape[2] == features
            and shape[1] > 0
            and x.dtype == self.dtype
            and self.chain.runs_sequences
        )

    def block_output_shape(self, time: int) -> tuple[int, ...]:
        """Of the output of so many steps."""
        raise NotImplementedError

    def advance(self, x: Array, out: Array | None = None) -> Array:
        """Some steps, written to ``out`` or to a new array, which is returned.

        Args:
            x: (rows, time, features), in the chain's dtype; may share memory with
                ``out``.
            out: ``block_output_shape``, in the chain's dtype, of any layout.
        """
        raise NotImplementedError

    def move_states(self, carry: Carry | None, buffers: Sequence[Array]) -> None:
        """Copy the states of a carry into buffers, and make them views of these."""
        if carry is None:
            return
        for buffer, state in zip(buffers, carry.states):
            buffer[...] = state
        carry.states = list(buffers)
        carry.previous = None


def child(weights: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The weights of the child layer of that name."""
    below = _below(weights, name)
    small = small_of(weights)
    return Weights(below, _below(small, name)) if small else below


def small_of(weights: Mapping[str, Array]) -> Mapping[str, Small]:
    """The weights that are stored small, as they are stored; by path."""
    return weights.small if isinstance(weights, Weights) else {}


def _below(arrays: Mapping[str, Any], name: str) -> dict[str, Any]:
    prefix = name + "/"
    return {k[len(prefix) :]: v for k, v in arrays.items() if k.startswith(prefix)}
