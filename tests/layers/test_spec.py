"""Rows of the layers' tables: they say everything, and nobody asks for classes."""

from __future__ import annotations

import ast
import dataclasses

import pytest

import goldens
from gru2np.graph.calls import CALLS
from gru2np.graph.masks import SKIP_MASKED
from gru2np.layers import LAYERS, mask_rules
from gru2np.layers.dtype_rules import ANY
from gru2np.layers.mask_rules import Merges
from gru2np.layers.spec import IN_LAYER, LayerSpec, operation, recurrent, unmasked

CONVERTER = goldens.ROOT / "converter" / "gru2np"
# What comes after the rows reads them.
AFTER = [
    *sorted((CONVERTER / "graph").glob("*.py")),
    *sorted((CONVERTER / "weights").glob("*.py")),
    CONVERTER / "storage.py",
    CONVERTER / "verification" / "samples.py",
    CONVERTER / "verification" / "input_usage.py",
]


def convert(config):
    """A function as a row has it; never called."""


FACTS = [field.name for field in dataclasses.fields(LayerSpec)]


@pytest.mark.parametrize("missing", FACTS)
def test_a_row_that_leaves_a_fact_out_is_no_row(missing):
    facts = dataclasses.asdict(unmasked(convert, mask_rules.KEEPS, None, ANY))
    del facts[missing]
    with pytest.raises(TypeError, match=f"argument: '{missing}'"):
        LayerSpec(**facts)


@pytest.mark.parametrize(
    ("row", "missing"),
    [
        (lambda: unmasked(convert, mask_rules.KEEPS, dtypes=ANY), "weights"),
        (lambda: unmasked(convert, weights=IN_LAYER, dtypes=ANY), "mask"),
        (lambda: unmasked(convert, mask_rules.KEEPS, IN_LAYER), "dtypes"),
        (lambda: operation(convert), "mask"),
        (lambda: recurrent(convert, dtypes=ANY), "weights"),
        (lambda: recurrent(convert, IN_LAYER), "dtypes"),
    ],
)
def test_nor_is_one_of_a_kind_of_layers(row, missing):
    with pytest.raises(TypeError, match=f"argument: '{missing}'"):
        row()


@pytest.mark.parametrize("class_name", sorted(LAYERS))
def test_what_a_row_names_is_there(class_name):
    row = LAYERS[class_name]
    assert row.call.kind in CALLS
    if isinstance(row.mask, Merges):
        assert row.mask.masked in SKIP_MASKED
    elif isinstance(row.mask, str):
        assert row.mask in {
            *(mask_rules.IN_TIME, mask_rules.KEEPS, mask_rules.QUERY),
            *(mask_rules.MEASURED, mask_rules.MOVES, mask_rules.SEQUENCE),
            mask_rules.STOPS,
        }


@pytest.mark.parametrize("path", AFTER, ids=lambda path: path.stem)
def test_only_rows_name_classes(path):
    tree = ast.parse(path.read_text("utf-8"))
    named = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and node.value in LAYERS
    }
    assert named == set()
