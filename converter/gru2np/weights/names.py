"""Arrays of a legacy group, matched to weights by name.

The order in a group depends on which layers were frozen when the file was saved.  The
architecture does not always state that: for a frozen nested model, for a half of a
Bidirectional, for a wrapper whose flag was not passed to its layer.  The names do.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gru2np.ir import StoredTensor
    from gru2np.weights.slots import Slot

    # Names that an owner may have had, from the outermost model to the layer itself.
    Owners = tuple[tuple[str, ...], ...]
    # Components of an array's path, its weight's name, and the number after that.
    Named = tuple[tuple[str, ...], str, int]


def by_name(
    slots: Sequence[Slot], tensors: Sequence[StoredTensor]
) -> list[tuple[Slot, StoredTensor]] | None:
    """Every slot with its array; None if the names are ambiguous or unknown."""
    known = {_last(slot) for slot in slots}
    by_owner: dict[tuple[str, ...], list[tuple[str, int, StoredTensor]]] = {}
    for tensor in tensors:
        parsed = _parse(tensor.name, known)
        if parsed is None:
            return None
        owner, name, number = parsed
        by_owner.setdefault(owner, []).append((name, number, tensor))
    slots_by_owner: dict[tuple[str, ...], list[Slot]] = {}
    for slot in slots:
        best = _best(slot.owners, by_owner)
        if best is None:
            return None
        slots_by_owner.setdefault(best, []).append(slot)
    pairs = []
    for owner, owned in slots_by_owner.items():
        for name in dict.fromkeys(_last(slot) for slot in owned):
            same = [slot for slot in owned if _last(slot) == name]
            # Cells of a stack share an owner: kernel, kernel_1, in their order.
            items = sorted((n, t.name, t) for w, n, t in by_owner[owner] if w == name)
            if len(items) != len(same):
                return None
            pairs += [(slot, item[2]) for slot, item in zip(same, items, strict=True)]
    return pairs if len(pairs) == len(tensors) else None


def agrees(slot: Slot, tensor: StoredTensor) -> bool:
    """Whether the name of an array, if it has one, is that of the weight."""
    last = tensor.name.rpartition("/")[2]
    known = {_last(slot)}
    return not re.match(r"[a-z]", last) or _parse(tensor.name, known) is not None


def _last(slot: Slot) -> str:
    return slot.name.rpartition("/")[2]


def _parse(path: str, known: Iterable[str]) -> Named | None:
    """``outer/gru/kernel_1:0`` is (outer, gru), kernel, 1.

    Before Keras 2 the layer's name was a prefix of the weight's: ``gru_1_W_z`` is
    (gru_1), W_z.
    """
    *owner, last = path.split("/")
    match = re.fullmatch(r"(.+?)(?:_(\d{1,9}))?(?::\d+)?(?:_(\d{1,9}))?", last)
    if match is None:
        return None
    number = int(match[2] or match[3] or 0)
    if match[1] in known:
        return tuple(owner), match[1], number
    # The longest name first: b_carry before b.
    for name in sorted(known, key=len, reverse=True):
        if match[1].endswith(f"_{name}"):
            return (match[1][: -len(name) - 1],), name, number
    return None


def _best(owners: Owners, paths: Iterable[tuple[str, ...]]) -> tuple[str, ...] | None:
    """The only path that fits the owner best; None if there are several, or none."""
    scores: dict[tuple[str, ...], tuple[bool, ...]] = {}
    for path in paths:
        components = set(path)
        # From the innermost name, so that the name of the layer counts most.
        scores[path] = tuple(
            any(name in components for name in names) for names in reversed(owners)
        )
    top = max(scores.values())
    best = [path for path, score in scores.items() if score == top]
    return best[0] if len(best) == 1 and any(top) else None
