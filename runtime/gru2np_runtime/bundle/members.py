"""The arrays that a manifest names: weights, their scales, arrays of a proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.bundle.container import DTYPES
from gru2np_runtime.bundle.record import Record, wrong
from gru2np_runtime.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array

_HEXADECIMAL = frozenset("0123456789abcdef")
# The scales are named as their weight with this added; no weight's name contains #.
SCALE = "#scale"
# The dtypes of small storage.
STORED = ("float16", "int8")


class Member:
    """An array of the bundle as the manifest declares it.

    Attributes:
        name: of the member, without ``.npy``.
        dtype: NumPy's name.
        shape: every size known.
        sha256: of the data, little-endian and in C order.
    """

    __slots__ = ("dtype", "name", "sha256", "shape")

    def __init__(
        self, name: str, dtype: str, shape: tuple[int, ...], sha256: str
    ) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.sha256 = sha256


class WeightRecord(Member):
    """A weight as the manifest declares it.

    Attributes:
        small: whether it is stored in a smaller dtype than Keras saved.
        scale: of an int8 weight, its factors: one float32 for each index of ``axis``.
        axis: the axis of the scales.
    """

    __slots__ = ("axis", "scale", "small")

    def __init__(
        self,
        name: str,
        dtype: str,
        shape: tuple[int, ...],
        sha256: str,
        *,
        small: bool = False,
        scale: Member | None = None,
        axis: int = 0,
    ) -> None:
        super().__init__(name, dtype, shape, sha256)
        self.small = small
        self.scale = scale
        self.axis = axis

    @property
    def path(self) -> str:
        """Path of the layer and name of the weight, joined with ``/``."""
        return self.name

    def members(self) -> tuple[Member, ...]:
        """The weight, and its scales if it has some."""
        return (self,) if self.scale is None else (self, self.scale)

    def value(self, stored: Mapping[str, Array]) -> Array:
        """The weight; int8 becomes float32, multiplied with its scales if it has some.

        Raises:
            BundleError: a scale is not a finite number of 0 or more.
        """
        array = stored[self.name]
        if self.scale is None:
            return array if self.dtype != "int8" else _floats(array)
        scales = stored[self.scale.name]
        # The comparison is false for NaN as well.
        if not ((scales >= 0) & (scales < np.inf)).all():
            raise BundleError(
                f"member '{self.scale.name}.npy': expected finite scales of 0 or more"
            )
        shape = [1] * array.ndim
        shape[self.axis] = -1
        value: Array = array.astype(np.float32)
        value *= scales.reshape(shape)
        value.flags.writeable = False
        return value


def _floats(array: Array) -> Array:
    """Whole numbers as float32, in which layers compute."""
    value: Array = array.astype(np.float32)
    value.flags.writeable = False
    return value


def is_hash(text: str) -> bool:
    """Whether a text is a SHA-256 in lower-case hexadecimal."""
    return len(text) == 64 and _HEXADECIMAL.issuperset(text)


def digest(record: Record) -> str:
    """The SHA-256 of a record.

    Raises:
        BundleError: the value is not one.
    """
    text = record.string("sha256")
    if not is_hash(text):
        raise BundleError(f"manifest: illegal name or hash - at `{record.path}`")
    return text


def sizes(record: Record) -> tuple[int, ...]:
    """The shape of a record, every size known."""
    return tuple(n for n in record.shape("shape", known=True) if n is not None)


def read_weight(record: Record, path: str, version: int) -> WeightRecord:
    """A weight's record, checked.

    Args:
        record: of the weight.
        path: path of the layer and name of the weight.
        version: of the manifest; version 1 has other keys for small storage.

    Raises:
        BundleError: a rule is broken.
    """
    sha256, shape = digest(record), sizes(record)
    dtype = record.choice("dtype", DTYPES)
    scale, axis = None, 0
    storage = None
    if version > 1 and "storage" in record.value:
        storage = record.record("storage")
        stored = storage.choice("dtype", STORED)
        if stored != dtype:
            raise BundleError(
                f"manifest: expected the weight's {dtype}, got {stored} - "
                f"at `{storage.path}.dtype`"
            )
    if dtype == "int8" and version == 1:
        storage = record.record("scale")
    # Without a record of storage, int8 holds the weight as it is: whole numbers.
    if dtype == "int8" and storage is not None:
        axis = storage.take("axis", int, "int")
        if not 0 <= axis < len(shape):
            raise wrong(f"an axis of {list(shape)}", axis, f"{storage.path}.axis")
        scale = Member(f"{path}{SCALE}", "float32", (shape[axis],), digest(storage))
    if storage is not None:
        storage.refuse_unknown()
    record.refuse_unknown()
    return WeightRecord(
        path, dtype, shape, sha256, small=storage is not None, scale=scale, axis=axis
    )
