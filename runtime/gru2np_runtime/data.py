"""Inputs and outputs of a model: structure, checks, casts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

import numpy as np

from gru2np_runtime.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray
    from typing_extensions import TypeAlias, TypeVar

    from gru2np_runtime.graph import Port
    from gru2np_runtime.layer import Array, Shape

    # One array, a list of arrays, or arrays by name; of any type, as a caller gave it.
    Data: TypeAlias = Any
    # The same, of types that NumPy reads as arrays.
    Inputs: TypeAlias = ArrayLike | Sequence[ArrayLike] | Mapping[str, ArrayLike]
    # What is known of the outputs of a model before ``Model.giving``: only the bundle
    # says whether they are one array, as most are, a list or a dict.  A type checker
    # refuses what no array can do, and lets a program look for a list or a dict.
    Outputs: TypeAlias = NDArray[Any] | Any
    # Arrays to write to, as the model gives them.
    Outs: TypeAlias = (
        NDArray[Any]
        | list[NDArray[Any]]
        | tuple[NDArray[Any], ...]
        | dict[str, NDArray[Any]]
    )
    Output = TypeVar("Output", covariant=True, default=Outputs)
else:
    from typing import TypeVar

    Output = TypeVar("Output", covariant=True)


# What a model gives, by the kind of its structure.
KINDS: dict[str, type] = {"one": np.ndarray, "list": list, "dict": dict}


class Structure(Generic[Output]):
    """Whether a model takes or returns one array, a list, or a dict.

    Attributes:
        kind: ``one``, ``list`` or ``dict``.
        names: of the arrays, in order; the keys of a dict.
    """

    __slots__ = ("kind", "names")

    def __init__(self, kind: str, names: Sequence[str]) -> None:
        self.kind = kind
        self.names = list(names)

    def pack(self, arrays: Sequence[Array]) -> Output:
        """The arrays in this structure."""
        packed: Any = arrays
        if self.kind == "one":
            packed = arrays[0]
        elif self.kind == "dict":
            packed = dict(zip(self.names, arrays))
        else:
            packed = list(arrays)
        output: Output = packed
        return output

    def unpack_out(
        self, out: Data, shapes: Sequence[Shape], dtypes: Sequence[str]
    ) -> list[Array]:
        """The arrays to write to, in order.

        Args:
            out: in this structure.
            shapes: of the outputs; a size of None is one that is known too late.
            dtypes: of the outputs.

        Raises:
            InputError: an array is missing or does not fit.
        """
        values = [out] if self.kind == "one" else out
        if self.kind == "dict" and isinstance(out, dict) and set(out) == {*self.names}:
            values = [out[name] for name in self.names]
        if not isinstance(values, (list, tuple)) or len(values) != len(self.names):
            kind = "dict" if self.kind == "dict" else "list"
            raise InputError(
                f"out: expected a {kind} of arrays for the outputs {self.names}, got "
                f"a {type(out).__name__}: give what a call without out returned"
            )
        for name, array, shape, dtype in zip(self.names, values, shapes, dtypes):
            check_out(array, name, shape, dtype)
        return list(values)


def unpack(
    x: Data,
    names: Sequence[str],
    ports: Sequence[Port],
    shapes: Sequence[Shape] | None = None,
    *,
    call: str = "predict",
    time_major: bool = False,
) -> list[Array]:
    """One checked array for each input, in order.

    Args:
        x: an array, a list, or a dict by name.
        names: of the inputs.
        ports: the inputs.
        shapes: of the inputs, if they are not those of the ports.
        call: the method that takes them, for messages.
        time_major: axis 0 of some inputs is time, so that its size may differ.

    Raises:
        InputError: x does not fit; the message names the input and the axis.
    """
    if isinstance(x, dict):
        missing = [name for name in names if name not in x]
        unknown = [name for name in x if name not in names]
        if missing or unknown:
            raise InputError(
                f"expected inputs {list(names)}, got {sorted(x, key=str)}"
                f"{_hints().names(names, x)}"
            )
        values = [x[name] for name in names]
    elif len(ports) > 1:
        if not isinstance(x, (list, tuple)) or len(x) != len(ports):
            count = len(x) if isinstance(x, (list, tuple)) else "one array"
            raise InputError(
                f"expected a list of {len(ports)} arrays or a dict, "
                f"for inputs {list(names)}, got {count}: {_hints().several(names)}"
            )
        values = list(x)
    else:
        values = [x]
        rank = len(ports[0].shape if shapes is None else shapes[0])
        if isinstance(x, list) and len(x) == 1 and _rank(x[0]) == rank:
            values = x
    if shapes is None:
        shapes = [port.shape for port in ports]
    arrays = [
        _checked(name, value, shape, port.dtype, call)
        for name, port, value, shape in zip(names, ports, values, shapes)
    ]
    first = arrays[0].shape[0]
    for name, array in zip(names, arrays):
        if array.shape[0] != first and not time_major:
            raise InputError(
                f"input {name!r}, axis 0: expected batch size {first} "
                f"as input {names[0]!r} has, got {array.shape[0]}"
            )
    return arrays


def _rank(value: Data) -> int | None:
    """The number of axes; None of what is no array."""
    try:
        return np.ndim(value)
    except Exception:
        return None


def check_out(array: Data, name: str, shape: Shape, dtype: Any) -> None:
    """Check an array that an output is to be written to.

    Args:
        array: what the caller gave.
        name: of the output.
        shape: of the output; a size of None is one that is known too late.
        dtype: of the output.

    Raises:
        InputError: the output cannot be written there as it is.
    """
    if None in shape:
        raise InputError(
            f"out: the shape of output {name!r}, {shape_text(shape)}, is known only "
            "when it is computed: call without out"
        )
    if not isinstance(array, np.ndarray):
        got = f"a {type(array).__name__}"
    elif array.shape != tuple(shape) or array.dtype != dtype:
        got = f"{shape_text(array.shape)} of {array.dtype}"
    elif not array.flags.writeable:
        got = "one that is read-only"
    else:
        return
    raise InputError(
        f"out: expected an array {shape_text(shape)} of {dtype} for output {name!r}, "
        f"got {got}: out = np.empty({shape_text(shape)}, {str(dtype)!r})"
    )


def _checked(name: str, value: Data, shape: Shape, dtype: str, call: str) -> Array:
    array = as_array(value, f"input {name!r}", dtype)
    if array.ndim != len(shape):
        raise InputError(
            f"input {name!r}: expected {len(shape)} axes {shape_text(shape)}, "
            f"got {array.ndim} axes {shape_text(array.shape)}: "
            f"{_hints().axes(shape, array.shape, call=call)}"
        )
    # A declared batch size binds only stateful models, which check it themselves.
    for axis in range(1, len(shape)):
        if shape[axis] not in (None, array.shape[axis]):
            raise InputError(
                f"input {name!r}, axis {axis}: expected {shape[axis]} in "
                f"{shape_text(shape)}, got {array.shape[axis]} in "
                f"{shape_text(array.shape)}: {_hints().sizes(shape, array.shape)}"
            )
    return cast(array, f"input {name!r}", dtype)


def as_array(value: Data, what: str, dtype: str) -> Array:
    """The numbers of a value as an array, in its own dtype.

    Args:
        value: what NumPy reads as an array.
        what: names the value in messages.
        dtype: the one that is expected, for messages.

    Raises:
        InputError: it holds no numbers, or masked ones.
    """
    try:
        array = np.asarray(value)
    # Tensors of other packages raise many kinds of errors.
    except Exception as error:
        raise InputError(
            f"{what}: expected an array ({dtype}), got {_hints().no_array(error)}"
        ) from None
    if array.dtype.kind not in "biuf":
        raise InputError(
            f"{what}: expected numbers ({dtype}), got "
            f"{_hints().no_numbers(value, array.dtype)}"
        )
    # NumPy drops the mask, and a masked number stands for none.
    mask = getattr(value, "mask", None) if isinstance(value, np.ndarray) else None
    if mask is not None and np.any(mask):
        raise InputError(
            f"{what}: expected numbers ({dtype}), got masked ones: fill them with "
            "x.filled(value), where value is what the model masks"
        )
    return array


def cast(array: Array, what: str, dtype: str) -> Array:
    """Numbers in the dtype of an input.

    Numbers beyond the range of float32 become infinite, as in Keras.  Keras cuts off
    fractions for an integer input, and lets large numbers overflow; both are refused.

    Raises:
        InputError: an integer input cannot hold a number.
    """
    if array.dtype == dtype:
        return array
    with np.errstate(over="ignore", invalid="ignore"):
        numbers: Array = array.astype(dtype)
    if numbers.dtype.kind in "iu" and not (numbers == array).all():
        raise InputError(
            f"{what}: expected whole numbers ({dtype}), got "
            f"{_hints().not_whole(array, numbers, dtype)}"
        )
    return numbers


def whole_number(value: object, what: str, least: int) -> int:
    """A size that a caller gave.

    Raises:
        InputError: it is no integer, or too small or too large.
    """
    index = None if isinstance(value, bool) else getattr(value, "__index__", None)
    try:
        number = None if index is None else int(index())
    except TypeError:  # an array of several numbers
        number = None
    if number is None or not least <= number < 2**31:
        shown = getattr(value, "shape", None) and f"an array {value.shape}"  # type: ignore[attr-defined]
        raise InputError(
            f"{what}: expected an integer from {least}, got "
            f"{shown or repr(value)[:40]}: {what}={max(least, 1)}"
        )
    return number


def _hints() -> Any:
    """Imported only for an error: the start must be fast."""
    from gru2np_runtime import hints

    return hints


def shape_text(shape: Sequence[int | None]) -> str:
    """A shape as Keras prints it: ``(None,)``, ``(None, 20, 3)``."""
    inner = ", ".join(str(n) for n in shape)
    return f"({inner},)" if len(shape) == 1 else f"({inner})"
