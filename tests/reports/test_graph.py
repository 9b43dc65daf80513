"""The graph on a page: which boxes and edges it has."""

from __future__ import annotations

from gru2np.inspection.inspect import inspecting
from gru2np.reports.graph import MOST_BOXES, diagrams
from report_pages import (
    MASKED,
    MERGED,
    NESTED,
    WRAPPED,
    inspected,
    tall,
)


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


def test_a_large_model_is_folded(tmp_path):
    page = inspected(tall(tmp_path), tmp_path / "page.html")
    boxes = [
        value for tag, key, value in page.attributes if (tag, key) == ("g", "class")
    ]
    assert 5 < sum(value.startswith("box") for value in boxes) <= MOST_BOXES
    rows = page.tags.count("tr")
    assert rows > 500
    assert "details" in page.tags
    assert (tmp_path / "page.html").stat().st_size < 600_000
