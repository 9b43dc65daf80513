"""The graph on a page: its boxes, its edges, and where they stand."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np.inspection.inspect import inspecting
from gru2np.reports.graph import diagrams
from gru2np.reports.layout import layout
from report_pages import MASKED, MERGED, NESTED, WRAPPED


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


def test_a_merged_mask_is_an_edge_from_each_of_its_sources():
    (drawn,) = drawings_of(MERGED)
    starts = {
        drawn.boxes[start].title
        for start, end, dashed in drawn.edges
        if dashed and drawn.boxes[end].title == "add_lstm"
    }
    assert starts == {"x", "z"}


def test_layers_of_a_model_in_a_wrapper_have_their_keras_classes():
    _, inside = drawings_of(WRAPPED)
    assert inside.path == "stack/layer/"
    classes = [box.lines[0] for box in inside.boxes.values() if box.kind == "layer"]
    assert classes == ["Conv2D", "MaxPooling2D", "Flatten"]


def test_a_nested_model_is_a_box_with_a_drawing_of_its_own():
    drawn, *inside = drawings_of(NESTED)
    kinds = [box.title for box in drawn.boxes.values() if box.kind == "model"]
    assert sorted(kinds) == ["chain", "chain", "graph", "graph", "graph"]
    assert sorted(diagram.path for diagram in inside) == ["chain/", "graph/"]
