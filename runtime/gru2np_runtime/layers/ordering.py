"""Operations on the order of elements: extremes, sorting, sums so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layers.axes import (
    check_choice,
    check_minimum,
    normalize_axis,
    per_step_unless_time_in,
)
from gru2np_runtime.layers.operation import Operation, check_numbers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape

# Only some Keras releases promote sums and products of smaller integers.
NOT_PROMOTED = ("int32", "int64")


def no_nan(op: str, x: Array) -> Array:
    """x, which holds no NaN.

    Raises:
        InputError: it does; TensorFlow leaves NaN where it is among sorted numbers, JAX
            puts it last.
    """
    if x.dtype.kind == "f" and np.isnan(x).any():
        raise InputError(f"{op}: NaN in the input, which has no place in an order")
    return x


def _signed(x: Array, zero: float) -> Array:
    """x with another number for -0.0."""
    if x.dtype.kind != "f":
        return x
    small = x.dtype.type(zero) * np.finfo(x.dtype).tiny
    return np.where((x == 0) & np.signbit(x), -small, x)


class ArgExtreme(Operation):
    """The index of the largest or smallest element, the first of several.

    ``keras/src/backend/*/numpy.py``, argmax and argmin; ``tf.math.argmax``.

    Args:
        function: ``argmax`` or ``argmin``.
        axis: the axis, not the batch.
        keepdims: keep the axis, with size 1.
        signs_zeros: -0.0 is less than 0.0: since Keras 3.9.
        skips_nan: NaN is passed over, and all NaN give 0: on TensorFlow.  Else the
            first NaN is the extreme.
        refuses_ties: several extremes are an error.  TensorFlow's optimizer may take
            the extreme before a function, such as relu, that makes elements equal.
        number: the dtype of the output, int32 or int64.
    """

    op = "arg_extreme"
    function: str
    axis: int
    keepdims: bool = False
    signs_zeros: bool = False
    skips_nan: bool = False
    refuses_ties: bool = False
    number: str = "int32"

    def check(self) -> None:
        """Function and dtype are known."""
        check_choice(self.op, "function", self.function, ("argmax", "argmin"))
        check_choice(self.op, "number", self.number, ("int32", "int64"))

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x without the axis; with ``keepdims``, 1 along it."""
        axis = normalize_axis(self.axis, len(shapes[0]))
        kept = [1] if self.keepdims else []
        if shapes[0][axis] == 0:
            raise InputError(f"{self.function}: an axis of size 0")
        return ((*shapes[0][:axis], *kept, *shapes[0][axis + 1 :]),)

    def output_dtype(self, *dtypes: str) -> str:
        """``number``."""
        check_numbers(self.function, dtypes[0])
        return self.number

    discrete_output = True

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        self.output_shapes(x.shape)
        if self.signs_zeros:
            x = _signed(x, 1.0)
        largest = self.function == "argmax"
        if self.skips_nan and x.dtype.kind == "f":
            worst = x.dtype.type(-np.inf if largest else np.inf)
            x = np.where(np.isnan(x), worst, x)
        if self.refuses_ties:
            self._check_ties(x)
        found = (np.argmax if largest else np.argmin)(x, self.axis)
        if self.keepdims:
            found = np.expand_dims(found, self.axis)
        return np.asarray(found).astype(self.number)

    def _check_ties(self, x: Array) -> None:
        """Raise ``InputError`` where several elements are the extreme."""
        largest = self.function == "argmax"
        extreme = (np.max if largest else np.min)(x, axis=self.axis, keepdims=True)
        if x.size and ((x == extreme).sum(axis=self.axis) > 1).any():
            raise InputError(
                f"{self.function}: several elements are the extreme, behind a function "
                "that may have made them equal; TensorFlow's optimizer then takes one "
                "or another: take the extreme before that function"
            )

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the axis is time."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


def _stable_order(x: Array, axis: int, *, descending: bool) -> Array:
    """Indices in order, the first of equal elements first."""
    if not descending:
        return np.argsort(x, axis, kind="stable")
    turned = np.argsort(np.flip(x, axis), axis, kind="stable")
    return np.flip(x.shape[axis] - 1 - turned, axis)


class Ordered(Operation):
    """The elements along an axis in order, or the indices of that order.

    Equal elements stay in their order.  ``keras/src/ops/numpy.py``, Sort and Argsort;
    ``tf.sort`` and ``tf.argsort``.

    Args:
        function: ``sort`` or ``argsort``, whose output is int32.
        axis: the axis, not the batch.
        descending: the largest first.
    """

    op = "ordered"
    function: str
    axis: int = -1
    descending: bool = False

    def check(self) -> None:
        """The function is known."""
        check_choice(self.op, "function", self.function, ("sort", "argsort"))

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x."""
        normalize_axis(self.axis, len(shapes[0]))
        return (shapes[0],)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of x, or int32."""
        check_numbers(self.function, dtypes[0])
        return "int32" if self.function == "argsort" else dtypes[0]

    @property
    def discrete_output(self) -> bool:  # type: ignore[override]
        """For indices."""
        return self.function == "argsort"

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = no_nan(self.function, inputs[0])
        order = _stable_order(x, self.axis, descending=self.descending)
        if self.function == "argsort":
            return order.astype(np.int32)
        return np.take_along_axis(x, order, self.axis)

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the axis is time."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


class TopK(Operation):
    """The k largest elements of the last axis, largest first, or their indices.

    ``tf.math.top_k``; ``keras/src/ops/math.py``, TopK.

    Args:
        k: how many.
        function: ``values`` or ``indices``.
        signs_zeros: -0.0 is less than 0.0: on JAX.
        number: the dtype of the indices.
    """

    op = "top_k"
    k: int
    function: str = "values"
    signs_zeros: bool = False
    number: str = "int32"

    def check(self) -> None:
        """``k`` is positive, the names known."""
        check_minimum(self.op, "k", [self.k], 1)
        check_choice(self.op, "function", self.function, ("values", "indices"))
        check_choice(self.op, "number", self.number, ("int32", "int64"))

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x, with k along the last axis."""
        if len(shapes[0]) < 2:
            raise ValueError(f"top_k: expected two axes or more, got {shapes[0]}")
        if shapes[0][-1] is not None and shapes[0][-1] < self.k:
            raise InputError(f"top_k: {self.k} of {shapes[0][-1]} elements")
        return ((*shapes[0][:-1], self.k),)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of x, or that of the indices."""
        check_numbers(self.op, dtypes[0])
        return self.number if self.function == "indices" else dtypes[0]

    @property
    def discrete_output(self) -> bool:  # type: ignore[override]
        """For indices."""
        return self.function == "indices"

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ..., n)."""
        x = no_nan(self.op, inputs[0])
        self.output_shapes(x.shape)
        by = _signed(x, 1.0) if self.signs_zeros else x
        order = _stable_order(by, -1, descending=True)[..., : self.k]
        if self.function == "indices":
            return order.astype(self.number)
        return np.take_along_axis(x, order, -1)

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless time is the last axis."""
        return per_step_unless_time_in([-1], len(shapes[0]))


CUMULATIVE: dict[str, Any] = {"cumprod": np.multiply, "cumsum": np.add}


class Cumulative(Operation):
    """The sum or product of the elements up to each one, along an axis.

    ``keras/src/ops/numpy.py``, Cumsum and Cumprod; ``tf.math.cumsum``.

    Args:
        function: ``cumsum`` or ``cumprod``.
        axis: the axis, not the batch.
        exclusive: without the element itself.
        reverse: from the end on.
    """

    op = "cumulative"
    function: str
    axis: int
    exclusive: bool = False
    reverse: bool = False

    def check(self) -> None:
        """The function is known."""
        check_choice(self.op, "function", self.function, tuple(CUMULATIVE))

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The shape of x."""
        normalize_axis(self.axis, len(shapes[0]))
        return (shapes[0],)

    def output_dtype(self, *dtypes: str) -> str:
        """The dtype of x."""
        if not dtypes[0].startswith("float") and dtypes[0] not in NOT_PROMOTED:
            raise ValueError(f"{self.function} of {dtypes[0]} is not supported")
        return dtypes[0]

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = np.moveaxis(inputs[0], self.axis, -1)
        x = x[..., ::-1] if self.reverse else x
        function = CUMULATIVE[self.function]
        with np.errstate(all="ignore"):
            y = function.accumulate(x, axis=-1, dtype=x.dtype)
        if self.exclusive:
            first = np.full_like(y[..., :1], function.identity)
            y = np.concatenate([first, y[..., :-1]], axis=-1)
        y = y[..., ::-1] if self.reverse else y
        return np.moveaxis(y, -1, self.axis)

    def over_time(self, *shapes: Shape) -> str:
        """Per step unless the axis is time."""
        return per_step_unless_time_in([self.axis], len(shapes[0]))


LAYERS = {layer.op: layer for layer in (ArgExtreme, Cumulative, Ordered, TopK)}
