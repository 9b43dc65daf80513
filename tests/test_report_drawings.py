"""Pictures of pages: where boxes and lines stand, and what plots leave out."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gru2np.inspection.inspect import inspecting
from gru2np.reports.graph import diagrams
from gru2np.reports.layout import layout
from gru2np.reports.over_time import MOST_POINTS, MOST_STEPS, thinned
from gru2np.reports.plots import LogAxis, Series, histogram, lines
from report_pages import MASKED, NESTED


@pytest.mark.parametrize("seed", range(30))
def test_boxes_are_apart_and_lines_touch_only_their_ends(seed):
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
        for name, (x, y) in drawn.places.items()
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


def drawings_of(model):
    with inspecting(model) as (_, opened):
        return list(diagrams(opened.graph, opened.titles))


def test_masks_are_dashed_edges_and_not_boxes():
    (drawn,) = drawings_of(MASKED)
    titles = [box.title for box in drawn.boxes.values()]
    assert "not_equal" not in titles
    assert "any" not in titles
    ends = {
        (drawn.boxes[start].title, drawn.boxes[end].title)
        for start, end, dashed in drawn.edges
        if dashed
    }
    assert ends == {("input_layer", n) for n in ("all", "last", "gru", "apart")}


def test_a_nested_model_is_a_box_with_a_drawing_of_its_own():
    drawn, *inside = drawings_of(NESTED)
    kinds = [box.title for box in drawn.boxes.values() if box.kind == "model"]
    assert sorted(kinds) == ["chain", "chain", "graph", "graph", "graph"]
    assert sorted(diagram.path for diagram in inside) == ["chain/", "graph/"]


def test_an_axis_holds_its_numbers_within_whole_decades():
    axis = LogAxis([0.0, 3e-7, 2e-5, float("inf"), float("nan")])
    assert (axis.low, axis.high) == (-7, -4)
    assert axis.at(1e-7) == 0
    assert axis.at(1e-4) == pytest.approx(1)
    assert axis.at(0) == axis.at(float("nan")) == 0
    assert axis.at(float("inf")) == 1
    places = [axis.at(value) for value in (3e-7, 1e-6, 2e-5)]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "values",
    [
        [-1.7e308, 1.0, 1.7e308],
        [1.0, 1.0000000000000002],
        [1e20, 1e20],
        [0.0, 5e-324],
        [0.0],
        [float("nan"), float("inf")],
    ],
)
def test_numbers_at_the_ends_of_their_range_are_drawn(values):
    with np.errstate(all="raise"):
        for kind in ("runtime", "error"):
            drawn = lines([Series(kind, values)], "what", log=kind == "error")
            assert "nan" not in drawn
            assert "inf" not in drawn
        assert "nan" not in histogram(np.array(values), "what")


def test_a_histogram_counts_every_number():
    numbers = np.repeat([-2.0, 0.5, 3.0], [1, 4, 2])
    path = re.search(r'class="bars"', histogram(numbers, "x"))
    assert path
    tops = re.findall(r"V([\d.]+)h", histogram(numbers, "x"))
    # 7 bars from -2 to 3: heights 1, 4 and 2 of 4.
    assert [100 - float(top) for top in tops] == [25, 100, 50]


def test_no_peak_is_lost_where_a_sequence_is_longer_than_a_line():
    values = np.zeros(10_007)
    values[[3, 5_001, 10_006]] = 1, 2, 3
    found = thinned(values)
    assert len(found) <= MOST_POINTS
    assert sorted(found[found > 0]) == [1, 2, 3]
    assert thinned(values[:MOST_STEPS]).tolist() == values[:MOST_STEPS].tolist()
