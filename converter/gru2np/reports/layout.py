"""A layered layout: positions of boxes and routes of edges, from top to bottom.

Every box is in a row below all boxes that it reads.  In sweeps down and up the rows,
boxes move to the mean of their neighbours, so that few edges cross.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean as mean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Edge = tuple[str, str]
    Point = tuple[float, float]
    Neighbours = Mapping[str, Sequence[str]]

# Space between boxes of a row, between two edges that pass a row, and between rows.
GAP, EDGE_GAP, ROW_GAP = 22.0, 18.0, 38.0
# Distance between the ends of edges at one box.
END_GAP = 16.0
_SWEEPS = 40
# Prefix of the key of a point where an edge passes a row; no key of a box has it.
_POINT = "\0"


@dataclass(frozen=True)
class Layout:
    """The positions of a drawing.

    Attributes:
        positions: the middle of every box.
        routes: the points of every edge, from box to box.
        width: of the drawing.
        height: of the drawing.
    """

    positions: Mapping[str, Point]
    routes: Sequence[Sequence[Point]]
    width: float
    height: float


def layout(sizes: Mapping[str, Point], edges: Sequence[Edge]) -> Layout:
    """Place boxes and edges.

    Args:
        sizes: width and height of every box, in topological order.
        edges: from a box to a later one.
    """
    ranks = _ranks(list(sizes), edges)
    chains = [_chain(i, edge, ranks) for i, edge in enumerate(edges)]
    for chain in chains:
        ranks |= {key: ranks[chain[0]] + i for i, key in enumerate(chain)}
    rows: list[list[str]] = [[] for _ in range(max(ranks.values()) + 1)]
    for key, rank in ranks.items():
        rows[rank].append(key)
    widths = {key: sizes[key][0] if key in sizes else 0.0 for key in ranks}
    x = _across(rows, chains, widths)
    y: dict[str, float] = {}
    heights: dict[str, float] = {}
    top = 0.0
    for row in rows:
        tall = max(sizes[key][1] for key in row if key in sizes)
        y |= dict.fromkeys(row, top + tall / 2)
        # An edge passes a row vertically, so that it touches no box.
        heights |= {key: sizes[key][1] if key in sizes else tall for key in row}
        top += tall + ROW_GAP
    left = min(x[key] - widths[key] / 2 for key in x)
    width = max(x[key] + widths[key] / 2 for key in x) - left
    positions = {key: (x[key] - left, y[key]) for key in x}
    boxes = {key: positions[key] for key in sizes}
    return Layout(
        boxes, _routes(chains, positions, heights, widths), width, top - ROW_GAP
    )


def _ranks(keys: Sequence[str], edges: Sequence[Edge]) -> dict[str, int]:
    """The row of every box: below all boxes that it reads."""
    before, after = _neighbours(keys, edges)
    rank: dict[str, int] = {}
    for key in keys:
        rank[key] = max((rank[other] + 1 for other in before[key]), default=0)
    for key in reversed(keys):
        # A box that reads nothing goes directly above the first that reads it.
        if not before[key] and after[key]:
            rank[key] = min(rank[other] for other in after[key]) - 1
    return rank


def _neighbours(
    keys: Sequence[str], edges: Sequence[Edge]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """The keys before and after each key, along the edges."""
    before: dict[str, list[str]] = {key: [] for key in keys}
    after: dict[str, list[str]] = {key: [] for key in keys}
    for start, end in edges:
        before[end].append(start)
        after[start].append(end)
    return before, after


def _chain(number: int, edge: Edge, ranks: Mapping[str, int]) -> list[str]:
    """The ends of an edge, and a point in every row between them."""
    start, end = edge
    between = range(ranks[start] + 1, ranks[end])
    return [start, *(f"{_POINT}{number} {row}" for row in between), end]


def _across(
    rows: list[list[str]],
    chains: Sequence[Sequence[str]],
    widths: Mapping[str, float],
) -> dict[str, float]:
    """The x of the middle of every box and point; sorts the rows by it."""
    steps = [step for chain in chains for step in pairwise(chain)]
    above, below = _neighbours(list(widths), steps)
    x = {key: float(i) for row in rows for i, key in enumerate(row)}
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        near = above if down else below
        for row in rows if down else rows[::-1]:
            wanted = {k: mean([x[n] for n in near[k]] or [x[k]]) for k in row}
            row.sort(key=wanted.__getitem__)
            x |= _spread(row, wanted, widths)
    return x


def _spread(
    row: Sequence[str], wanted: Mapping[str, float], widths: Mapping[str, float]
) -> dict[str, float]:
    """The positions closest to the wanted ones that keep order and gaps of a row.

    By least squares: boxes that would overlap form a group, placed at its mean.
    """
    offsets = {row[0]: 0.0}
    for left, right in pairwise(row):
        offsets[right] = offsets[left] + _gap(left, right, widths)
    groups: list[tuple[float, int]] = []
    for key in row:
        position, count = wanted[key] - offsets[key], 1
        while groups and groups[-1][0] > position:
            other, more = groups.pop()
            position = (position * count + other * more) / (count + more)
            count += more
        groups.append((position, count))
    positions = [position for position, count in groups for _ in range(count)]
    return {
        key: position + offsets[key]
        for key, position in zip(row, positions, strict=True)
    }


def _gap(left: str, right: str, widths: Mapping[str, float]) -> float:
    """The least distance between the middles of two neighbours in a row."""
    points = left.startswith(_POINT) and right.startswith(_POINT)
    return (widths[left] + widths[right]) / 2 + (EDGE_GAP if points else GAP)


def _routes(
    chains: Sequence[Sequence[str]],
    positions: Mapping[str, Point],
    heights: Mapping[str, float],
    widths: Mapping[str, float],
) -> list[list[Point]]:
    """The points of every edge, vertical past each row, from border to border."""
    starts = _ends([(chain[0], chain[1]) for chain in chains], positions, widths)
    ends = _ends([(chain[-1], chain[-2]) for chain in chains], positions, widths)
    routes = []
    for chain, start, end in zip(chains, starts, ends, strict=True):
        sides = [(key, side) for key in chain for side in (-0.5, 0.5)][1:-1]
        points = [
            (positions[key][0], positions[key][1] + side * heights[key])
            for key, side in sides
        ]
        points[0], points[-1] = (start, points[0][1]), (end, points[-1][1])
        routes.append(points)
    return routes


def _ends(
    ends: Sequence[tuple[str, str]],
    positions: Mapping[str, Point],
    widths: Mapping[str, float],
) -> list[float]:
    """The x at which each edge meets its box, by the next point of the edge."""
    at: dict[str, list[int]] = {}
    for i, (key, _) in enumerate(ends):
        at.setdefault(key, []).append(i)
    x = [0.0] * len(ends)
    for key, several in at.items():
        # Data and mask from one neighbour have the same order at both ends.
        several.sort(key=lambda i: (positions[ends[i][1]][0], i))
        gap = min(END_GAP, widths[key] * 0.8 / len(several))
        for n, i in enumerate(several):
            x[i] = positions[key][0] + (n - (len(several) - 1) / 2) * gap
    return x
