"""Masks on their way from call to call."""

from __future__ import annotations

import copy
import io

import numpy as np
import pytest

import goldens
import gru2np
from conversions import built, converted_with, opened, records_of
from gru2np.errors import UnsupportedModelError
from gru2np_runtime import load
from meanings import meaning_of
from shared_files import CASES, needs_cases


@needs_cases
def test_the_mask_of_an_input_is_kept_after_an_initial_state():
    folder = CASES / "mask_behind_initial_state"
    bundle = io.BytesIO()
    gru2np.export(folder / "m.keras", bundle)
    model = load(bundle.getvalue())
    with np.load(folder / "io.npz") as data:
        feed = dict(zip(model.input_names, [data["x"], data["y"]], strict=True))
        outputs = goldens.flat(model.predict(feed))
        assert len(outputs) == 7
        for i, y in enumerate(outputs):
            np.testing.assert_allclose(y, data[f"o{i}"], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("case", "text"),
    [
        ("keras-2.2/mask_with_states_in_models", "used the mask of another call"),
        ("tf-2.10/mask_marked_by_model", "on a tensor that another call reads too"),
    ],
)
def test_masks_of_other_calls_are_refused_by_what_they_are(case, text):
    with pytest.raises(UnsupportedModelError, match=text):
        gru2np.export(goldens.FIXTURES / case / "model.h5", io.BytesIO())


def test_a_cast_of_numbers_drops_their_mask_where_keras_does():
    """Before a layer of another type, in releases 3.5 to 3.13."""
    drops = {"3.4.0": False, "3.5.0": True, "3.13.0": True, "3.14.0": False}
    for version, expected in drops.items():
        assert meaning_of("keras-3", version).masks.casts_drop == expected
    kept = built("keras-3.15/mask_at_casts").graph
    lost = built("keras-3.15/mask_at_casts", masks={"casts_drop": True}).graph
    masked = [[n.name for n in g.nodes if n.mask is not None] for g in (kept, lost)]
    assert masked == [["gru_half", "gru_same", "gru_added"], ["gru_same"]]


def test_a_mask_stops_at_an_operation():
    with opened("keras-3.15/masked_operation") as raw:
        graph = converted_with(raw, raw.config).built.graph
    masked = [node.mask is not None for node in graph.nodes if node.layer == "gru"]
    assert masked == [True, False, False]


def test_a_cast_to_the_same_type_passes_the_mask_in_tf_keras_only():
    with opened("tf-keras-2.21/masked_cast") as raw:
        config = copy.deepcopy(dict(raw.config))
        graph = converted_with(raw, config).built.graph
        assert [
            node.mask is not None for node in graph.nodes if node.layer == "gru"
        ] == [True]
        (cast,) = records_of(config, "TFOpLambda")
        cast["inbound_nodes"][0][3]["dtype"] = "float64"
        graph = converted_with(raw, config).built.graph
        assert all(node.mask is None for node in graph.nodes)
