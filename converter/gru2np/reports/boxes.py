"""Boxes and edges of a drawing, their order, and how many of them become few.

A model of more boxes than a page holds is folded: neighbours stand in one box.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING

from gru2np.reports.markup import short_name
from gru2np.text import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    Edge = tuple[str, str, bool]

# A drawing of more boxes than this is folded to about FOLDED, its ends left whole.
MOST_BOXES, FOLDED, WHOLE_ENDS = 40, 24, 6


@dataclass(frozen=True)
class Box:
    """A box of a drawing.

    Attributes:
        key: names it in its drawing.
        kind: ``input``, ``layer``, ``model`` (a nested one), ``mask``, ``folded`` or
            ``output``.
        title: its first line.
        lines: those below.
        members: the nodes it stands for.
    """

    key: str
    kind: str
    title: str
    lines: tuple[str, ...] = ()
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagram:
    """One drawing.

    Attributes:
        path: of the nested model it shows; empty for the whole.
        boxes: by key, each behind those it reads.
        edges: start, end, and whether the tensor is a mask.
        inside: drawings of the models inside.
    """

    path: str
    boxes: Mapping[str, Box]
    edges: tuple[tuple[str, str, bool], ...]
    inside: tuple[Diagram, ...] = field(default=())

    def all(self) -> Iterator[Diagram]:
        """This drawing, and those of the models inside."""
        yield self
        for diagram in self.inside:
            yield from diagram.all()


def ordered(keys: Iterable[str], edges: Iterable[Edge]) -> list[str] | None:
    """The keys, each behind those it reads; None where they read each other."""
    keys = list(keys)
    place = {key: i for i, key in enumerate(keys)}
    waiting = dict.fromkeys(keys, 0)
    after: dict[str, list[str]] = {key: [] for key in keys}
    for start, end, _ in edges:
        waiting[end] += 1
        after[start].append(end)
    ready = [place[key] for key in keys if not waiting[key]]
    heapify(ready)
    order = []
    while ready:
        key = keys[heappop(ready)]
        order.append(key)
        for other in after[key]:
            waiting[other] -= 1
            if not waiting[other]:
                heappush(ready, place[other])
    return order if len(order) == len(keys) else None


def fold(drawn: Diagram) -> Diagram:
    """A drawing of few boxes: neighbours in the order of running are joined.

    Cuts are made where few tensors cross, so that whole blocks stand together; runs
    of one order never read each other in a circle.
    """
    keys = list(drawn.boxes)
    if len(keys) <= MOST_BOXES:
        return drawn
    place = {key: i for i, key in enumerate(keys)}
    crossing = [0] * (len(keys) + 1)
    for start, end, _ in drawn.edges:
        for i in range(place[start] + 1, place[end] + 1):
            crossing[i] += 1
    first, last = WHOLE_ENDS, len(keys) - WHOLE_ENDS
    size = max((last - first) / (FOLDED - 2 * WHOLE_ENDS), 1.0)
    cuts, at = [first], float(first)
    while last - cuts[-1] > 1.5 * size:
        at = cuts[-1] + size
        low, high = max(int(at - size / 3), cuts[-1] + 1), int(at + size / 3) + 1
        window = range(low, min(high, last - 1) + 1)
        cuts.append(min(window, key=lambda i: (crossing[i], abs(i - at))))
    cuts.append(last)
    group = {key: key for key in keys}
    boxes: dict[str, Box] = {key: drawn.boxes[key] for key in keys[:first]}
    for low, high in pairwise(cuts):
        own = [drawn.boxes[key] for key in keys[low:high]]
        joined = _joined(own)
        boxes[joined.key] = joined
        group.update((box.key, joined.key) for box in own)
    boxes.update((key, drawn.boxes[key]) for key in keys[last:])
    edges = dict.fromkeys(
        (group[start], group[end], mask)
        for start, end, mask in drawn.edges
        if group[start] != group[end]
    )
    return Diagram(drawn.path, boxes, tuple(edges))


def _joined(boxes: Sequence[Box]) -> Box:
    """One box for several."""
    if len(boxes) == 1:
        return boxes[0]
    layers = [box for box in boxes if box.members] or list(boxes)
    classes = Counter(box.lines[0] for box in layers if box.lines)
    kinds = [f"{kind} × {count}" for kind, count in classes.most_common(3)]
    if len(classes) > 3:
        kinds.append(f"{len(classes) - 3} more classes")
    first, final = short_name(layers[0].title, 14), short_name(layers[-1].title, 14)
    shapes = [box.lines[1] for box in layers if len(box.lines) > 1]
    return Box(
        f"\4{boxes[0].key}",
        "folded",
        f"{first} to {final}",
        (plural(len(layers), "layer"), *kinds, *shapes[-1:]),
        tuple(name for box in boxes for name in box.members),
    )
