"""A custom function as a layer, in place of a Lambda layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.custom import raising, read_only, real_numbers
from gru2np_runtime.errors import CustomObjectError
from gru2np_runtime.layer import ACROSS, PER_STEP, Layer, no_products

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.attributes import Arguments
    from gru2np_runtime.custom import CustomFunction
    from gru2np_runtime.layer import Array, Shape

DTYPES = ("bool", "float32", "float64", "int32", "int64", "uint8")


class Function(Layer):
    """A custom function of the inputs.

    The function gets one array, or a list if the layer has several inputs; then the
    arguments by name, and the mask if it has a parameter ``mask``.

    Args:
        function: returns one array, or a list or tuple of arrays, the batch first.
        arguments: of every call, by name.
        results: shapes of the outputs.
        number: dtype of the outputs.
    """

    op = "function"
    takes_several = True
    keeps_integers = True
    multiply_adds = no_products
    function: CustomFunction
    arguments: Arguments
    results: tuple[tuple[int | None, ...], ...]
    number: str = "float32"

    def check(self) -> None:
        """The dtype of the outputs is one of ``DTYPES``."""
        if self.number not in DTYPES:
            raise ValueError(
                f"function: number is {self.number!r}, expected one of "
                f"{', '.join(DTYPES)}"
            )

    @property
    def independent_rows(self) -> bool:  # type: ignore[override]
        """Whether the function says so."""
        return bool(self.function.per_step)

    def over_time(self, *shapes: Shape) -> str:
        """Per step if the function says so."""
        return PER_STEP if self.function.per_step else ACROSS

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """As the function gave them at export, for the batch of the first input."""
        if not all(self.results):
            raise ValueError("function: expected results with a batch axis")
        return tuple((shapes[0][0], *shape[1:]) for shape in self.results)

    def output_dtype(self, *dtypes: str) -> str:
        """As the function gave them at export."""
        return self.number

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> tuple[Array, ...]:
        """The results of the function, in the dtype ``number``.

        Raises:
            CustomObjectError: it failed, or returned something else than at export.
        """
        arrays = self.compute(inputs, mask)
        shapes = [array.shape for array in arrays]
        fits = len(arrays) == len(self.results) and all(
            len(shape) == len(result) and all(n in (None, m) for n, m in pairs)
            for shape, result in zip(shapes, self.results)
            for pairs in [list(zip(result[1:], shape[1:]))]
        )
        if not fits:
            raise CustomObjectError(
                f"custom function {self.function.own_name!r}: expected results of "
                f"shapes {list(self.results)} as at export, got {shapes}"
            )
        what = f"custom function {self.function.own_name!r}"
        for array in arrays:
            if array.dtype.kind != np.dtype(self.number).kind:
                raise CustomObjectError(
                    f"{what}: expected results of {self.number} as at export, got "
                    f"{array.dtype}"
                )
        return tuple(real_numbers(what, array, self.number) for array in arrays)

    def compute(self, inputs: tuple[Array, ...], mask: Array | None) -> list[Array]:
        """The results as the function returns them, as arrays.

        Raises:
            CustomObjectError: it failed.
        """
        x = inputs[0] if len(inputs) == 1 else list(inputs)
        more = {"mask": read_only(mask)} if self.function.takes_mask else {}
        result = self.function.call(x, {**self.arguments, **more})
        several = isinstance(result, (list, tuple))
        with raising(f"custom function {self.function.own_name!r}"):
            return [np.asarray(y) for y in (result if several else [result])]


LAYERS = {Function.op: Function}
