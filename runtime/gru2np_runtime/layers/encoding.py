"""Categories: bins, vocabularies, and the vectors that stand for their places."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.layer import ACROSS, POINTWISE, Layer, no_products
from gru2np_runtime.layers.axes import (
    check_choice,
    check_minimum,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Shape

# What an ``int`` output is, and the ways to give it as a vector for each sample.
OUTPUTS = ("int", "one_hot", "multi_hot", "count")


class Encoding(Layer):
    """What layers of categories share: an index, or a vector for each sample.

    ``one_hot`` gives a vector for each index, ``multi_hot`` and ``count`` one for all
    indices of a sample (batch, indices): which of them occur, and how often.

    Args:
        output: ``int``, ``one_hot``, ``multi_hot`` or ``count``.
    """

    keeps_dtype = True
    rows_apart = True
    multiply_adds = no_products
    output: str = "int"

    def check(self) -> None:
        """The output is known."""
        check_choice(self.op, "output", self.output, OUTPUTS)

    def size(self) -> int:
        """How many categories there are."""
        raise NotImplementedError

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """The input's; (batch, ..., categories), a last axis of size 1 in its place."""
        x = shapes[0]
        if self.output == "int":
            return (x,)
        if self.output == "one_hot":
            single = len(x) > 1 and x[-1] == 1
            return ((*(x[:-1] if single else x), self.size()),)
        if len(x) != 2:
            raise ValueError(
                f"{self.op}: {self.output} takes (batch, indices), got {x}"
            )
        return ((x[0], self.size()),)

    def encoded(self, index: Array, counted: Array | None = None) -> Array:
        """The vectors of indices, those beyond the categories left out.

        Args:
            index: whole numbers from 0 on.
            counted: what each counts for; 1 if not given.
        """
        if self.output == "one_hot" and index.ndim > 1 and index.shape[-1] == 1:
            index = index[..., 0]
        vectors = index[..., None] == np.arange(self.size())
        found: Array = vectors
        if self.output == "multi_hot":
            found = vectors.any(axis=1)
        elif self.output == "count":
            weighted = vectors if counted is None else vectors * counted[..., None]
            found = weighted.sum(axis=1)
        return found.astype(self.result_dtype() or self.dtype)

    def over_time(self, *shapes: Shape) -> str:
        """Pointwise for every index alone."""
        alone = self.output == "int" or (
            self.output == "one_hot" and len(shapes[0]) > 1 and shapes[0][-1] != 1
        )
        return POINTWISE if alone and len(shapes[0]) > 1 else ACROSS


class CategoryEncoding(Encoding):
    """Whole numbers as vectors.

    Keras 3.15 ``keras/src/layers/preprocessing/category_encoding.py``.

    Args:
        num_tokens: how many categories there are.
        leaves_out: numbers of no category give zeros; else they are an error.
    """

    op = "category_encoding"
    ids = "num_tokens"
    takes_several = True
    num_tokens: int
    leaves_out: bool = False

    def check(self) -> None:
        """There is a category, and vectors are what it gives."""
        super().check()
        check_minimum(self.op, "num_tokens", [self.num_tokens], 1)
        check_choice(self.op, "output", self.output, OUTPUTS[1:])

    def size(self) -> int:
        """How many categories there are."""
        return self.num_tokens

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """(batch, ..., num_tokens)."""
        if len(shapes) > 2 or (len(shapes) == 2 and self.output != "count"):
            raise ValueError(f"{self.op}: weights are for count alone")
        if len(shapes) == 2 and len(shapes[1]) != 2:
            raise ValueError(f"{self.op}: expected a weight for each index")
        return super().output_shapes(shapes[0])

    def result_dtype(self) -> str | None:
        """That of the layer."""
        return self.dtype

    def turns(self) -> tuple[float, ...]:
        """Where numbers begin that are left out."""
        return (self.num_tokens,) if self.leaves_out else ()

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...), and what each counts for."""
        x = inputs[0]
        outside = ~((x >= 0) & (x < (np.inf if self.leaves_out else self.num_tokens)))
        if outside.any():
            raise InputError(
                f"{self.op}: expected numbers from 0 to {self.num_tokens - 1}, "
                f"got {x[outside][0]}"
            )
        counted = inputs[1].astype(self.dtype) if len(inputs) > 1 else None
        return self.encoded(np.trunc(x), counted)


class Discretization(Encoding):
    """The bin of each number: how many boundaries it has reached.

    Keras 3.15 ``keras/src/layers/preprocessing/discretization.py``.

    Args:
        boundaries: in rising order.
        number: the type of the bins where ``output`` is ``int``.
    """

    op = "discretization"
    keeps_dtype = False
    boundaries: tuple[float, ...]
    number: str = "int32"

    def check(self) -> None:
        """The boundaries rise."""
        super().check()
        check_choice(self.op, "number", self.number, ("int32", "int64"))
        if any(not a <= b for a, b in zip(self.boundaries, self.boundaries[1:])):
            raise ValueError(f"{self.op}: boundaries that do not rise")

    def size(self) -> int:
        """One more than there are boundaries."""
        return len(self.boundaries) + 1

    def result_dtype(self) -> str | None:
        """Whole numbers, or that of the layer."""
        return self.number if self.output == "int" else self.dtype

    def turns(self) -> tuple[float, ...]:
        """The boundaries."""
        return self.boundaries

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        bins = np.searchsorted(np.array(self.boundaries, x.dtype), x, side="right")
        return bins.astype(self.number) if self.output == "int" else self.encoded(bins)


class IntegerLookup(Encoding):
    """The place of whole numbers in a vocabulary.

    First stands the mask's number, if there is one; then ``outside`` places of numbers
    that the vocabulary lacks, by their remainder; then the vocabulary.  Keras 3.15
    ``keras/src/layers/preprocessing/index_lookup.py``.

    Args:
        vocabulary: the numbers, each once.
        outside: places of numbers that are not in it; with none, they are an error.
        mask_token: a list of the number that is masked, or of none.
        padded: categories in all; 0: as many as there are places.
        whole: vectors are int64 too, as Keras 3 makes them.
    """

    op = "integer_lookup"
    renumbers = True
    vocabulary: tuple[int, ...]
    outside: int = 1
    mask_token: tuple[int, ...] = ()
    padded: int = 0
    whole: bool = False

    def check(self) -> None:
        """No number stands twice, and all have a place."""
        super().check()
        check_minimum(self.op, "outside", [self.outside], 0)
        check_minimum(self.op, "vocabulary", [len(self.vocabulary)], 1)
        if len({*self.vocabulary, *self.mask_token}) < len(self.vocabulary) + len(
            self.mask_token
        ):
            raise ValueError(f"{self.op}: a number stands twice in the vocabulary")
        if len(self.mask_token) > 1 or (self.mask_token and self.output != "int"):
            raise ValueError(f"{self.op}: illegal mask_token {self.mask_token}")
        if self.padded and self.padded < self._places():
            raise ValueError(f"{self.op}: {self._places()} places in {self.padded}")

    def _places(self) -> int:
        return len(self.mask_token) + self.outside + len(self.vocabulary)

    def size(self) -> int:
        """How many places there are."""
        return self.padded or self._places()

    def result_dtype(self) -> str | None:
        """Whole numbers, or that of the layer."""
        return "int64" if self.whole or self.output == "int" else self.dtype

    def knows(self) -> tuple[float, ...]:
        """The vocabulary, and the number that is masked."""
        return (*self.mask_token, *self.vocabulary)

    @property
    def refuses_others(self) -> bool:  # type: ignore[override]
        """Where there is no place for them."""
        return not self.outside

    def origin(self, number: float) -> float | None:
        """A number that is given this place."""
        if self.output != "int":
            return None
        lost = range(self.outside, self.outside + len(self.vocabulary) + 2)
        strangers = {n % self.outside: n for n in lost} if self.outside else {}
        known = {*self.knows()}
        for remainder in strangers:
            while strangers[remainder] in known:
                strangers[remainder] += self.outside
        places = (
            *self.mask_token,
            *(strangers[i] for i in range(self.outside)),
            *self.vocabulary,
        )
        at = int(number)
        return places[at] if at == number and 0 <= at < len(places) else None

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        """x: (batch, ...)."""
        x = inputs[0]
        if x.dtype.kind == "f":
            raise InputError(f"{self.op}: expected whole numbers, got {x.dtype}")
        x = x.astype(np.int64)
        known = np.array(self.vocabulary, np.int64)
        order = np.argsort(known)
        at = np.minimum(np.searchsorted(known[order], x), len(known) - 1)
        found = known[order][at] == x
        first = len(self.mask_token)
        masked = x == self.mask_token[0] if self.mask_token else np.zeros_like(found)
        if not self.outside and not (found | masked).all():
            raise InputError(
                f"{self.op}: {x[~(found | masked)][0]} is not in the vocabulary"
            )
        lost = x % self.outside if self.outside else np.zeros_like(x)
        index = np.where(found, order[at] + first + self.outside, lost + first)
        index = np.where(masked, 0, index)
        return index if self.output == "int" else self.encoded(index)


LAYERS = {
    layer.op: layer for layer in (CategoryEncoding, Discretization, IntegerLookup)
}
