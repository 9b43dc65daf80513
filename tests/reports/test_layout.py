"""Where the boxes and lines of a drawing are."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np.reports.layout import layout


@pytest.mark.parametrize("seed", range(30))
def test_boxes_do_not_overlap_and_lines_touch_only_their_ends(seed):
    random = np.random.default_rng(seed)
    names = [f"n{i}" for i in range(random.integers(2, 16))]
    sizes = {
        n: (float(random.integers(40, 200)), float(random.integers(20, 80)))
        for n in names
    }
    edges = [
        (names[j], names[i])
        for i in range(1, len(names))
        for j in sorted(set(random.integers(0, i, random.integers(1, 4)).tolist()))
    ]
    drawn = layout(sizes, edges)
    spans = {
        name: (
            x - sizes[name][0] / 2,
            x + sizes[name][0] / 2,
            y - sizes[name][1] / 2,
            y + sizes[name][1] / 2,
        )
        for name, (x, y) in drawn.positions.items()
    }
    for name, (left, right, top, bottom) in spans.items():
        assert left >= -1e-6
        assert right <= drawn.width + 1e-6
        for other, (left2, right2, top2, bottom2) in spans.items():
            if name < other:
                apart = (
                    right <= left2 or right2 <= left or bottom <= top2 or bottom2 <= top
                )
                assert apart, (name, other)
    for (start, end), route in zip(edges, drawn.routes, strict=True):
        assert route[0][1] == spans[start][3]
        assert route[-1][1] == spans[end][2]
        # Between the rows lines bend; past a row they go straight down, beside boxes.
        for (x1, y1), (x2, y2) in zip(route[1:-1:2], route[2:-1:2], strict=True):
            assert x1 == x2
            for left, right, top, bottom in spans.values():
                if top < y2 and y1 < bottom:
                    assert x1 < left or x1 > right
