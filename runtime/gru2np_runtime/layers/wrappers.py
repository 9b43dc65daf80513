"""Bidirectional and TimeDistributed: layers around another layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.graph import Graph
from gru2np_runtime.layer import ACROSS, PER_STEP, Layer, sized, stored
from gru2np_runtime.layers.recurrent import Recurrent, check_states

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np_runtime.layer import Array, Shape, Sizes

MERGES: dict[str, Callable[[Array, Array], Array]] = {
    "concat": lambda f, b: np.concatenate([f, b], axis=-1),
    "sum": lambda f, b: f + b,
    "mul": lambda f, b: f * b,
    "ave": lambda f, b: (f + b) * 0.5,
}


HALVES = ("forward_layer", "backward_layer")


class Wrapper(Layer):
    """A layer that runs one or two child layers over the time axis."""

    is_sequence = True
    # Each child layer states those of its weights.
    storage_axes = stored()


class Bidirectional(Wrapper):
    """Two recurrent layers, one of them in reverse, and their outputs merged.

    The child layers are ``forward_layer`` and ``backward_layer``, with opposite
    ``go_backwards``; the output sequence of the second is reversed in time before the
    merge.  Outputs: merged, or both with ``merge_mode="none"``; then, with
    ``return_state``, forward and backward states.  Schuster and Paliwal 1997; Keras
    3.15 ``keras/src/layers/rnn/bidirectional.py``.
    """

    op = "bidirectional"
    takes_several = True
    merge_mode: str = "concat"

    def check(self) -> None:
        """Both halves are recurrent, with equal outputs and opposite directions."""
        if set(self.layers) != set(HALVES):
            raise ValueError(
                "bidirectional: expected child layers forward_layer and "
                f"backward_layer, got {[*self.layers]}"
            )
        self.order_layers(HALVES)
        if self.merge_mode != "none" and self.merge_mode not in MERGES:
            raise ValueError(
                f"bidirectional: merge_mode is {self.merge_mode!r}, expected one of "
                f"{', '.join((*MERGES, 'none'))}"
            )
        forward, backward = self.halves()
        for name in ("return_sequences", "return_state", "stateful", "time_major"):
            if getattr(forward, name) != getattr(backward, name):
                raise ValueError(f"bidirectional: the halves differ in {name}")
        if forward.go_backwards == backward.go_backwards:
            raise ValueError("bidirectional: both halves run in the same direction")

    def halves(self) -> tuple[Recurrent, Recurrent]:
        """The forward and the backward layer."""
        forward = self.layers["forward_layer"]
        backward = self.layers["backward_layer"]
        if not isinstance(forward, Recurrent) or not isinstance(backward, Recurrent):
            raise ValueError("bidirectional: both child layers must be recurrent")
        return forward, backward

    @property
    def stateful(self) -> bool:
        """Whether the halves keep their states from call to call."""
        return self.halves()[0].stateful

    @property
    def return_sequences(self) -> bool:
        """Whether the halves return all time steps."""
        return self.halves()[0].return_sequences

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """Weight shapes of both halves, by ``name of the half/weight``."""
        return {
            f"{name}/{weight}": shape
            for name in HALVES
            for weight, shape in self.layers[name].weight_shapes(shapes[0]).items()
        }

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The merged output, or both; then the states with ``return_state``."""
        halves = self.halves()
        sizes = (*halves[0].state_sizes(), *halves[1].state_sizes())
        check_states(self.op, shapes[1:], sizes)
        forward, *forward_states = self.layers["forward_layer"].output_shapes(shapes[0])
        backward, *backward_states = self.layers["backward_layer"].output_shapes(
            shapes[0]
        )
        outputs: tuple[Shape, ...] = (forward, backward)
        if self.merge_mode == "concat":
            outputs = ((*forward[:-1], (forward[-1] or 0) + (backward[-1] or 0)),)
        elif self.merge_mode != "none":
            if forward != backward:
                raise ValueError(
                    "bidirectional: expected halves with outputs of equal shapes for "
                    f"merge_mode={self.merge_mode!r}, got {forward} and {backward}"
                )
            outputs = (forward,)
        return (*outputs, *forward_states, *backward_states)

    def merged(self, forward: Array, backward: Array) -> tuple[Array, ...]:
        """The outputs of both halves, merged by ``merge_mode``."""
        if self.merge_mode == "none":
            return forward, backward
        return (MERGES[self.merge_mode](forward, backward),)

    def over_time(self, *shapes: Shape) -> str:
        """All time steps at once: one half starts at the end."""
        return ACROSS

    @property
    def independent_rows(self) -> bool:  # type: ignore[override]
        """Whether both halves compute rows independently."""
        return all(half.independent_rows for half in self.halves())

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """The sum over both halves."""
        return sum(half.multiply_adds(inputs[:1], ()) for half in self.halves())

    def state_shapes(self, shape: Shape) -> tuple[Shape, ...]:
        """The states of the forward layer, then those of the backward layer."""
        forward, backward = self.halves()
        return (*forward.state_shapes(shape), *backward.state_shapes(shape))


class TimeDistributed(Wrapper):
    """A layer applied to each time step: time is folded into the batch.

    The child layer is ``layer``; for a model it has the op ``graph``.
    """

    op = "time_distributed"

    def check(self) -> None:
        """There is one child layer, ``layer``."""
        if set(self.layers) != {"layer"}:
            raise ValueError(
                "time_distributed: expected one child layer, 'layer'; "
                f"got {[*self.layers]}"
            )

    @property
    def keeps_integers(self) -> bool:  # type: ignore[override]
        """As the child layer; a model keeps integers if it declares such an input."""
        inner = self.layers["layer"]
        declared = declared_dtypes(inner, "inputs")
        if declared:
            return not declared[0].startswith("float")
        return inner.keeps_dtype or inner.keeps_integers

    def output_dtype(self, *dtypes: str) -> str:
        """The output dtype of the child layer."""
        inner = self.layers["layer"]
        declared = declared_dtypes(inner, "outputs")
        if declared:
            return declared[0]
        kept = self.keeps_integers and not dtypes[0].startswith("float")
        return inner.output_dtype(dtypes[0] if kept else self.dtype)

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """Weight shapes of the child layer, by ``layer/weight``."""
        inner = self.layers["layer"].weight_shapes(_without_time(shapes[0]))
        return {f"layer/{name}": shape for name, shape in inner.items()}

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, time, ...), with the output shape of the child layer."""
        inner = self.layers["layer"].output_shapes(_without_time(shapes[0]))
        return tuple((shape[0], shapes[0][1], *shape[1:]) for shape in inner)

    def breakpoints(self) -> tuple[float, ...]:
        """As the child layer, whose input has the same numbers."""
        return self.layers["layer"].breakpoints()

    def special_values(self) -> tuple[float, ...]:
        """As the child layer."""
        return self.layers["layer"].special_values()

    def typical_input(
        self, weights: Mapping[str, Array], rank: int
    ) -> tuple[Array, Array] | None:
        """As the child layer, for each time step."""
        prefix = "layer/"
        inner = {
            name[len(prefix) :]: array
            for name, array in weights.items()
            if name.startswith(prefix)
        }
        pair = self.layers["layer"].typical_input(inner, rank - 1)
        return pair and (_with_time(pair[0]), _with_time(pair[1]))

    @property
    def only_special_values(self) -> bool:  # type: ignore[override]
        """As the child layer."""
        return self.layers["layer"].only_special_values

    @property
    def discrete_output(self) -> bool:  # type: ignore[override]
        """As the child layer."""
        return self.layers["layer"].discrete_output

    def preimage(self, number: float) -> float | None:
        """As the child layer."""
        return self.layers["layer"].preimage(number)

    def over_time(self, *shapes: Shape) -> str:
        """Per step."""
        return PER_STEP

    @property
    def independent_rows(self) -> bool:  # type: ignore[override]
        """As the child layer, whose rows are the time steps."""
        return self.layers["layer"].independent_rows

    def multiply_adds(self, inputs: Sequence[Sizes], outputs: Sequence[Sizes]) -> int:
        """Those of the child layer times samples and time steps."""
        inner = self.layers["layer"]
        batch, time, *rest = inputs[0]
        step = (1, *rest)
        results = [sized(shape) for shape in inner.output_shapes(step)]
        return batch * time * inner.multiply_adds([step], results)


def declared_dtypes(layer: Layer, side: str) -> list[str]:
    """The dtypes of a graph's ``inputs`` or ``outputs``; empty for other layers."""
    if not isinstance(layer, Graph):
        return []
    ports = layer.inputs if side == "inputs" else layer.outputs
    return [port.dtype for port in ports]


def _with_time(x: Array) -> Array:
    """An array that broadcasts to a time step, reshaped to broadcast to a sequence."""
    return x[:, None] if x.ndim > 1 else x


def _without_time(shape: Shape) -> Shape:
    if len(shape) < 3:
        raise ValueError(f"expected (batch, time, ...), got {shape}")
    return (None, *shape[2:])


LAYERS = {layer.op: layer for layer in (Bidirectional, TimeDistributed)}
