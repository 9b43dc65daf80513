"""How tf.keras 2.12 to 2.14 call the layers of a model in ``.weights.h5``.

Everything since calls the layers of a model ``layers/gru``, ``layers/gru_1`` and so
on.  These three call the list ``_layer_checkpoint_dependencies``.  In 2.14 a layer
takes one number as since; in 2.12 and 2.13 one that has weights takes two, for it
stood in the list twice: ``gru``, ``gru_2``, ``gru_4``.

Every layer has a group, with weights or without, so the second of a class is the
second group of that class, whatever its number.  A layer that the model shares with a
model inside it has its group in one of the two; then the groups of a class move up.
That is found later and never passes for right: every layer with weights must have a
group with as many arrays, and every array an owner, so that, their order being
the same, each gets its own or one is left without.
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
    """What stands beside layer lists in these files, by the names used since.

    Raises:
        ModelFileError: the list of layers is there twice, by its old and new names.
    """
    if {LAYERS, DEPENDENCIES} <= set(names):
        raise broken(where, f"one list of layers, {DEPENDENCIES}", f"{LAYERS} too")
    return {LAYERS if name == DEPENDENCIES else name: name for name in names}


def numbered_since(names: Sequence[str], where: str) -> dict[str, str]:
    """The items of such a list by the names that they have since.

    Raises:
        ModelFileError: two of them would have one name.
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
                expected = f"one {shown(since)} by its place among its class"
                raise broken(where, expected, f"{spelled[since]!r} and {name!r}")
            spelled[since] = name
    return spelled
