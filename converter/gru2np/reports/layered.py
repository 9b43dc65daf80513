"""A layered drawing: where boxes stand and which way edges go, top to bottom.

Sugiyama, Tagawa and Toda 1981: every box below all that it reads, few crossings
(barycentres, there and back), and then positions as near to the neighbours' as the
order leaves room for.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Edge = tuple[str, str]
    Point = tuple[float, float]

# Room beside a box, beside an edge that passes, and between two rows.
BESIDE, PASSING, BETWEEN = 22.0, 18.0, 38.0
# How far apart edges end at one box.
SLOT = 16.0
_SWEEPS = 8


@dataclass(frozen=True)
class Layout:
    """A drawing.

    Attributes:
        places: middle of every box.
        routes: points of every edge, from box to box.
        width: of the drawing.
        height: of it.
    """

    places: Mapping[str, Point]
    routes: Sequence[Sequence[Point]]
    width: float
    height: float


class _Rows:
    """Boxes by row, with a place held in every row that an edge passes."""

    def __init__(self, sizes: Mapping[str, Point], edges: Sequence[Edge]) -> None:
        self.sizes = dict(sizes)
        self.chains: list[list[str]] = []
        rank = ranks(list(sizes), edges)
        self.rows: list[list[str]] = [[] for _ in range(max(rank.values()) + 1)]
        for key in sizes:
            self.rows[rank[key]].append(key)
        self.above: dict[str, list[str]] = {key: [] for key in sizes}
        self.below: dict[str, list[str]] = {key: [] for key in sizes}
        for i, (start, end) in enumerate(edges):
            chain = [start]
            for row in range(rank[start] + 1, rank[end]):
                # No name of a box holds this letter.
                held = f"\0{i} {row}"
                self.sizes[held] = (0.0, 0.0)
                self.rows[row].append(held)
                self.above[held], self.below[held] = [], []
                chain.append(held)
            chain.append(end)
            self.chains.append(chain)
            for upper, lower in pairwise(chain):
                self.below[upper].append(lower)
                self.above[lower].append(upper)

    def untangle(self) -> None:
        """Order the rows so that few edges cross."""
        best, least = [list(row) for row in self.rows], self._crossings()
        for sweep in range(_SWEEPS):
            down = sweep % 2 == 0
            rows = self.rows[1:] if down else self.rows[-2::-1]
            neighbours = self.above if down else self.below
            place = {key: i for row in self.rows for i, key in enumerate(row)}
            for row in rows:
                middle = {
                    key: sum(place[other] for other in neighbours[key])
                    / len(neighbours[key])
                    if neighbours[key]
                    else float(place[key])
                    for key in row
                }
                row.sort(key=middle.__getitem__)
                place.update((key, i) for i, key in enumerate(row))
            crossings = self._crossings()
            if crossings < least:
                best, least = [list(row) for row in self.rows], crossings
        self.rows = best

    def _crossings(self) -> int:
        total = 0
        for upper, lower in pairwise(self.rows):
            place = {key: i for i, key in enumerate(lower)}
            ends = [sorted(place[other] for other in self.below[key]) for key in upper]
            for i, own in enumerate(ends):
                for others in ends[i + 1 :]:
                    total += sum(a > b for a in own for b in others)
        return total

    def positions(self) -> dict[str, float]:
        """The middle of everything, from left to right."""
        x: dict[str, float] = {}
        for row in self.rows:
            gaps = self._gaps(row)
            places = [0.0]
            for gap in gaps:
                places.append(places[-1] + gap)
            x.update((k, p - places[-1] / 2) for k, p in zip(row, places, strict=True))
        for sweep in range(4 * _SWEEPS):
            down = sweep % 2 == 0
            neighbours = self.above if down else self.below
            for row in self.rows if down else self.rows[::-1]:
                wanted = []
                for key in row:
                    near = [x[other] for other in neighbours[key]]
                    wanted.append(sum(near) / len(near) if near else x[key])
                x.update(zip(row, apart(wanted, self._gaps(row)), strict=True))
        return x

    def _gaps(self, row: Sequence[str]) -> list[float]:
        """How far the middles of neighbours in a row must be apart."""
        gaps = []
        for left, right in pairwise(row):
            passing = left.startswith("\0") and right.startswith("\0")
            room = PASSING if passing else BESIDE
            gaps.append((self.sizes[left][0] + self.sizes[right][0]) / 2 + room)
        return gaps


def ranks(keys: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """The row of every box: below all it reads, and no higher than it must.

    Args:
        keys: the boxes, each behind those it reads.
        edges: from a box to one behind it.
    """
    before: dict[str, list[str]] = {key: [] for key in keys}
    after: dict[str, list[str]] = {key: [] for key in keys}
    for start, end in edges:
        before[end].append(start)
        after[start].append(end)
    rank: dict[str, int] = {}
    for key in keys:
        rank[key] = max((rank[other] + 1 for other in before[key]), default=0)
    for key in reversed(keys):
        # What reads nothing stands right above whoever reads it first.
        if not before[key] and after[key]:
            rank[key] = min(rank[other] for other in after[key]) - 1
    return rank


def apart(wanted: Sequence[float], gaps: Sequence[float]) -> list[float]:
    """The places nearest to those wanted that keep the order and the gaps.

    Least squares under ``x[i + 1] - x[i] >= gaps[i]``: pool adjacent violators.
    """
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    pools: list[tuple[float, int]] = []
    for place, offset in zip(wanted, offsets, strict=False):
        mean, count = place - offset, 1
        while pools and pools[-1][0] > mean:
            other, more = pools.pop()
            mean = (mean * count + other * more) / (count + more)
            count += more
        pools.append((mean, count))
    flat = [mean for mean, count in pools for _ in range(count)]
    return [mean + offset for mean, offset in zip(flat, offsets, strict=False)]


def layout(sizes: Mapping[str, Point], edges: Sequence[Edge]) -> Layout:
    """Place boxes and edges.

    Args:
        sizes: width and height of every box, each behind those it reads.
        edges: from a box to one behind it.
    """
    rows = _Rows(sizes, edges)
    rows.untangle()
    x = rows.positions()
    size = rows.sizes
    left = min(x[key] - size[key][0] / 2 for key in x)
    right = max(x[key] + size[key][0] / 2 for key in x)
    y: dict[str, float] = {}
    top = 0.0
    for row in rows.rows:
        tall = max(size[key][1] for key in row)
        y.update((key, top + tall / 2) for key in row)
        # An edge passes a row straight, so that it touches no box of it.
        size.update((key, (0.0, tall)) for key in row if key.startswith("\0"))
        top += tall + BETWEEN
    places = {key: (x[key] - left, y[key]) for key in x}
    starts, ends = _slots(rows.chains, places, sizes)
    routes = []
    for i, chain in enumerate(rows.chains):
        (x0, y0), (x1, y1) = places[chain[0]], places[chain[-1]]
        routes.append(
            [
                (x0 + starts[i], y0 + size[chain[0]][1] / 2),
                *(
                    (places[key][0], places[key][1] + side * size[key][1] / 2)
                    for key in chain[1:-1]
                    for side in (-1, 1)
                ),
                (x1 + ends[i], y1 - size[chain[-1]][1] / 2),
            ]
        )
    boxes = {key: places[key] for key in sizes}
    return Layout(boxes, routes, right - left, top - BETWEEN)


def _slots(
    chains: Sequence[Sequence[str]],
    places: Mapping[str, Point],
    sizes: Mapping[str, Point],
) -> tuple[list[float], list[float]]:
    """How far from the middle of a box each edge leaves and arrives."""
    found: tuple[list[float], list[float]] = ([0.0] * len(chains), [0.0] * len(chains))
    for side, here, there in ((0, 0, 1), (1, -1, -2)):
        at: dict[str, list[int]] = {}
        for i, chain in enumerate(chains):
            at.setdefault(chain[here], []).append(i)
        for key, several in at.items():
            # The same neighbour twice, for data and mask, keeps one order at both ends.
            several.sort(key=lambda i: (places[chains[i][there]][0], i))
            step = min(SLOT, sizes[key][0] * 0.8 / len(several))
            for n, i in enumerate(several):
                found[side][i] = (n - (len(several) - 1) / 2) * step
    return found
