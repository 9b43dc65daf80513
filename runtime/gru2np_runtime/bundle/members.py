"""The arrays that a manifest names: a weight, its scales, what a proof holds."""

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
# Scales stand beside their weight, behind a sign that no name of a weight holds.
SCALE = "#scale"
# What a weight may be made smaller to.
STORED = ("float16", "int8")


class Member:
    """An array of the bundle as the manifest declares it.

    Attributes:
        name: of the member, without ``.npy``.
        dtype: NumPy's name.
        shape: its sizes.
        sha256: of its numbers, little-endian and in C order.
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
        small: whether it was made smaller than Keras had saved it.
        scale: of an int8 weight, what its numbers are multiplied by: a float32 for
            each index of ``axis``.
        axis: the axis that the scales run along.
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
        """The weight, and its scales where it has some."""
        return (self,) if self.scale is None else (self, self.scale)

    def value(self, stored: Mapping[str, Array]) -> Array:
        """The weight's numbers; those of int8 times their scales, as float32.

        Raises:
            BundleError: a scale is no finite number of zero or more.
        """
        array = stored[self.name]
        if self.scale is None:
            return array
        scales = stored[self.scale.name]
        # The comparison is false for NaN as well.
        if not ((scales >= 0) & (scales < np.inf)).all():
            raise BundleError(
                f"member '{self.scale.name}.npy': expected finite scales of 0 or more"
            )
        along = [1] * array.ndim
        along[self.axis] = -1
        value: Array = array.astype(np.float32)
        value *= scales.reshape(along)
        value.flags.writeable = False
        return value


def is_hash(text: str) -> bool:
    """Whether a text is a SHA-256 as manifests have it."""
    return len(text) == 64 and _HEXADECIMAL.issuperset(text)


def digest(record: Record) -> str:
    """The SHA-256 of a record.

    Raises:
        BundleError: it is none.
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
        record: as the manifest has it.
        path: path of the layer and name of the weight.
        version: of the manifest; what is stored small was told otherwise in the first.

    Raises:
        BundleError: a rule is broken.
    """
    sha256, shape = digest(record), sizes(record)
    dtype = record.choice("dtype", DTYPES)
    scale, axis = None, 0
    own = None
    if version > 1 and "storage" in record.value:
        own = record.record("storage")
        stored = own.choice("dtype", STORED)
        if stored != dtype:
            raise BundleError(
                f"manifest: expected the weight's {dtype}, got {stored} - "
                f"at `{own.path}.dtype`"
            )
    if dtype == "int8":
        if own is None:
            own = record.record("scale" if version == 1 else "storage")
        axis = own.take("axis", int, "int")
        if not 0 <= axis < len(shape):
            raise wrong(f"an axis of {list(shape)}", axis, f"{own.path}.axis")
        scale = Member(f"{path}{SCALE}", "float32", (shape[axis],), digest(own))
    if own is not None:
        own.done()
    record.done()
    return WeightRecord(
        path, dtype, shape, sha256, small=own is not None, scale=scale, axis=axis
    )
