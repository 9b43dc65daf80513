"""Names of the layers of a model in ``.weights.h5`` of tf.keras 2.12 to 2.14.

All later releases call the layers of a model ``layers/gru``, ``layers/gru_1`` and so
on.  These three call the list ``_layer_checkpoint_dependencies``.  In 2.14 a layer
has one number, as in later releases.  In 2.12 and 2.13 a layer with weights takes two,
because it was in the list twice: ``gru``, ``gru_2``, ``gru_4``.

Every layer has a group, with weights or without, so the second of a class is the
second group of that class, whatever its number.  A layer that the model shares with a
nested model has its group in one of the two; then later groups of the class move up.
That is always found later: every layer with weights must have a group with the same
number of arrays, and every array an owner.  The order is the same, so either each
layer gets its own arrays, or one gets none.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from gru2np.readers.safe.damage import broken, shown

if TYPE_CHECKING:
    from collections.abc import Sequence

LAYERS = "layers"
DEPENDENCIES = "_layer_checkpoint_dependencies"

# Layers of one class; more digits than any model has layers are part of a name.
_NUMBERED = re.compile(r"(.+)_([1-9][0-9]{0,5})", re.DOTALL)


def as_since(names: Sequence[str], where: str) -> dict[str, str]:
    """The names in a group of these files, by the names of later releases.

    Raises:
        ModelFileError: the group has the list of layers under both names.
    """
    if {LAYERS, DEPENDENCIES} <= set(names):
        raise broken(where, f"one list of layers, {DEPENDENCIES}", f"{LAYERS} too")
    return {LAYERS if name == DEPENDENCIES else name: name for name in names}


def numbered_since(names: Sequence[str], where: str) -> dict[str, str]:
    """The items of a list of layers, by the names of later releases.

    Raises:
        ModelFileError: two items would get the same name.
    """
    classes: dict[str, list[tuple[int, str]]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name)
        base, number = (match[1], int(match[2])) if match else (name, 0)
        classes.setdefault(base, []).append((number, name))
    spelled: dict[str, str] = {}
    for base, items in classes.items():
        for rank, (_, name) in enumerate(sorted(items)):
            since = f"{base}_{rank}" if rank else base
            if since in spelled:
                expected = f"one {shown(since)} by its position in its class"
                raise broken(where, expected, f"{spelled[since]!r} and {name!r}")
            spelled[since] = name
    return spelled
