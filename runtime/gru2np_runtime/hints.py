"""What to do about a mistake, for the end of an error message.

Imported only when an error is raised: the start must be fast.
"""

from __future__ import annotations

import difflib
from itertools import islice
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Shape = Sequence[int | None]

# Names beside a missing file that are searched for one like it.
MOST_NAMES = 1000
# What a value is, by the kind of its dtype, and what to give instead.
_KINDS = {
    "U": ("text", "give numbers: np.asarray(x, dtype='float32')"),
    "S": ("bytes", "give numbers: np.asarray(x, dtype='float32')"),
    "c": ("complex numbers", "give real ones: x.real, or both in an axis of their own"),
    "M": ("dates", "give numbers: x.astype('int64')"),
    "m": ("durations", "give numbers: x.astype('int64')"),
    "V": (
        "records",
        "give an array: np.lib.recfunctions.structured_to_unstructured(x)",
    ),
    "O": ("Python objects", "give numbers: np.asarray(x, dtype='float32')"),
}


def nearest(name: object, known: Iterable[str]) -> str:
    """``: did you mean 'units'?`` for a name like a known one, else an empty text."""
    # Later names win: sorted, so that the answer hangs on the names alone.
    spelled = {one.casefold(): one for one in sorted(known)}
    found = difflib.get_close_matches(str(name).casefold(), spelled, n=1)
    return f": did you mean {spelled[found[0]]!r}?" if found else ""


def like_path(path: str) -> str:
    """A guess which file beside a missing one is meant, or an empty text."""
    name = Path(path).name
    try:
        names = [p.name for p in islice(Path(path).parent.iterdir(), MOST_NAMES)]
    except (OSError, ValueError):
        return ""
    return "" if name in names else nearest(name, names)


def no_numbers(value: Any, dtype: np.dtype[Any]) -> str:
    """What a value is that holds no numbers, and what to give instead."""
    if value is None:
        return "None: give an array, x = np.load('x.npy')"
    if isinstance(value, str):
        return f"the text {value[:40]!r}: a file is read with np.load(path)"
    what, instead = _KINDS.get(dtype.kind, ("no numbers", "give an array"))
    return f"{what} (dtype {dtype}): {instead}"


def no_array(error: Exception) -> str:
    """Why NumPy makes no array of a value, and what to do."""
    if isinstance(error, ValueError) and "inhomogeneous" in str(error):
        return (
            "lists of different lengths: pad the sequences to one length with the "
            "value that the model masks, as in np.pad(x, ((0, n), (0, 0)))"
        )
    line = str(error).partition("\n")[0]
    return (
        f"what NumPy cannot read ({type(error).__name__}: {line}): convert it first, "
        "as in x.detach().cpu().numpy() for a tensor of PyTorch"
    )


def axes(shape: Shape, got: Sequence[int], *, call: str) -> str:
    """What to do about an array with too many or too few axes.

    Args:
        shape: expected, batch axis first.
        got: shape of the array.
        call: the method that was called: predict, step or advance.
    """
    # Without a batch axis, or without the last axis of size 1, it would fit.
    ways = []
    if _fits(shape[1:], got):
        ways.append("x[None] adds the batch axis")
    if shape[-1:] == (1,) and _fits(shape[:-1], got):
        ways.append("x[..., None] adds the last axis")
    if call == "step" and _fits(shape, (*got[:1], *got[2:])):
        ways.append("step takes one time step, x[:, t], and advance(x, state) several")
    elif call == "advance" and _fits((*shape[:1], *shape[2:]), got):
        ways.append("advance takes several time steps, x[:, None] is one")
    elif got[:1] == (1,) and _fits(shape, got[1:]):
        ways.append("x[0] takes off the first axis")
    elif len(got) == len(shape) + 1:
        ways.append("a list of arrays is one more axis: np.concatenate(x) joins them")
    return "; ".join(ways) or "model.input_shapes lists the shapes"


def sizes(shape: Shape, got: Sequence[int]) -> str:
    """What to do about an array with an axis of another size than the model's."""
    for first in range(len(got)):
        for second in range(first + 1, len(got)):
            swapped = list(got)
            swapped[first], swapped[second] = got[second], got[first]
            if _fits(shape[1:], swapped[1:]):
                return (
                    f"axes {first} and {second} seem to be swapped: "
                    f"np.swapaxes(x, {first}, {second})"
                )
    return "model.input_shapes lists the shapes"


def _fits(shape: Shape, got: Sequence[int]) -> bool:
    return len(shape) == len(got) and all(n in (None, m) for n, m in zip(shape, got))


def names(expected: Sequence[str], got: Iterable[object]) -> str:
    """What to do about the keys of a dict that are no names of inputs."""
    keys = list(got)
    missing = [name for name in expected if name not in keys]
    guesses = (nearest(key, missing) for key in keys if key not in expected)
    return next(filter(None, guesses), f": {_keyed(expected)}")


def _keyed(expected: Sequence[str]) -> str:
    return f"predict({{{', '.join(f'{name!r}: ...' for name in expected)}}})"


def several(expected: Sequence[str]) -> str:
    """How several inputs are given."""
    return f"predict([{', '.join(['...'] * len(expected))}]) or {_keyed(expected)}"


def not_whole(array: Array, cast: Array, dtype: str) -> str:
    """The first number that an integer input cannot hold, and what to do."""
    number = array[~(cast == array)].reshape(-1)[0]
    if not np.isfinite(number):
        return f"{number}: replace it first, as in np.where(np.isfinite(x), x, 0)"
    if number == np.trunc(number):
        side = "max" if number > 0 else "min"
        limit = getattr(np.iinfo(dtype), side)
        return f"{number}: np.iinfo({dtype!r}).{side} is {limit}"
    return f"{number}: round first, as in np.rint(x).astype({dtype!r})"


def no_state(state: object) -> str:
    """What was given for a state, and how to get one."""
    if isinstance(state, dict):
        return "a dict: state = model.restore_state(arrays) makes a state of arrays"
    kind = "None" if state is None else f"a {type(state).__name__}"
    return f"{kind}: state = model.initial_state(batch_size) is the first one"


def unnamed_attribute(kind: Any, value: object) -> str:
    """What to write instead of an attribute without a name."""
    first = next(iter(_attributes(kind)), "name")
    return (
        f"{kind.op}: expected attributes by name, got {value!r} without one: "
        f"{kind.__name__}({first}={value!r})"
    )


def unknown_attribute(kind: Any, name: str) -> str:
    """An attribute that a layer does not have, and those that it has."""
    known = _attributes(kind)
    return (
        f"{kind.op}: unknown attribute {name!r}{nearest(name, known) or ':'} "
        f"{kind.__name__} has {', '.join(f'{one}=' for one in known) or 'none'}"
    )


def _attributes(kind: Any) -> list[str]:
    """The attributes of a layer, those first that have no default."""
    return sorted(kind.attribute_kinds(), key=lambda name: hasattr(kind, name))


def weight(layer: Any, name: str, expected: Shape, arrays: Mapping[str, Array]) -> str:
    """What to do about a weight of another shape than the layer's, or an empty text.

    Args:
        layer: the layer.
        name: of the weight.
        expected: its shape, None for the size that the input decides.
        arrays: all weights by name.
    """
    array = arrays[name]
    got = array.shape
    if name == "recurrent_kernel" and arrays["kernel"].shape == expected:
        return ": kernel= and recurrent_kernel= seem to be swapped"
    rows = (2, *expected) if len(expected) == 1 else expected
    if name == "bias" and hasattr(layer, "reset_after"):
        if layer.reset_after and got in ((rows[1],), (1, rows[1])):
            given = "bias" if len(got) == 1 else "bias[0]"
            return (
                f": one row is of reset_after=False: {type(layer).__name__}(..., "
                f"reset_after=False).bind(bias={given}, ...)"
            )
        if not layer.reset_after and got == rows:
            return (
                f": two rows are of reset_after=True: {type(layer).__name__}(..., "
                "reset_after=True)"
            )
    if _fits(expected, got[::-1]):
        return f": it is transposed: {name}={name}.T"
    if None not in expected and array.size == prod(n or 0 for n in expected):
        return f": {name}.reshape{expected} if the order of its numbers is that"
    gates = getattr(layer, "gate_count", 0)
    if gates > 1 and len(got) == len(expected) == 2:
        return (
            f": {gates} gates of units={getattr(layer, 'units', '...')} are "
            f"{expected[1]} columns"
        )
    return ""
