"""Masks, states and half precision on their way from call to call.

What Keras gives is recorded: the cases of ``fixtures/make/catalogue/passing.py``.  Here
is what they cannot show: where a file is refused, and what is said of one.
"""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest

import goldens
import gru2np
from gru2np.convert import converted
from gru2np.errors import UnsupportedModelError
from gru2np.generations import interpret
from gru2np.meaning import Readings
from gru2np.readers import open_model
from gru2np_runtime import layers, load
from meanings import meaning_of

CASES = goldens.ROOT.parent / "shared" / "cases"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="shared/cases is not here")


def built(case, **groups):
    """The conversion of a case, some fields of its meaning replaced."""
    with open_model(*goldens.Golden(goldens.FIXTURES / case).files()) as raw:
        model, readings = interpret(raw)
        meaning = readings.assumed
        for name, fields in groups.items():
            fields = dataclasses.replace(getattr(meaning, name), **fields)
            meaning = dataclasses.replace(meaning, **{name: fields})
        if groups:
            readings = Readings(meaning, meaning.writer, (), ())
        return converted(raw, model, readings, None).built


@needs_cases
def test_the_mask_of_an_input_goes_on_behind_an_initial_state():
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


@needs_cases
@pytest.mark.parametrize(
    ("name", "text"),
    [("mask", "make the mask an input"), ("state", "make them inputs of the model")],
)
def test_numbers_handed_to_a_call_are_refused_in_plain_words(name, text):
    with pytest.raises(UnsupportedModelError, match=f"one batch; {text}"):
        gru2np.export(CASES / "const_mask_and_state" / f"{name}.h5", io.BytesIO())


def test_stateful_calls_whose_order_is_not_known_are_refused():
    case, none = "keras-3.15/stateful_shared", {"stateful_calls_follow": False}
    with pytest.raises(UnsupportedModelError, match="calls pass states on") as caught:
        built(case, recurrent=none)
    # The model inside as well: what it holds is called again with it.
    for name in ("gru", "lstm", "chain", "inner", "both"):
        assert f"'{name}'" in str(caught.value)
    for version in ("2.0.4", "2.1.4"):
        found = meaning_of("tf.keras", version)
        assert found.recurrent.stateful_calls_follow == (version == "2.1.4")
    found = meaning_of("keras-2", "2.3.1")
    assert not found.recurrent.stateful_calls_follow
    for backend, follow in (("tensorflow", True), ("jax", False)):
        found = meaning_of("keras-3", "3.10.0", backend)
        assert found.recurrent.stateful_calls_follow == follow


def test_where_the_backend_decides_about_a_cast_to_half_it_is_said_or_refused():
    (text,) = built("keras-3.15/half_casts").warnings
    assert "the file names no backend" in text
    assert "which some releases of JAX round" in text
    unsure = {"rounds_to_half": None}
    with pytest.raises(UnsupportedModelError, match="which some releases of JAX round"):
        built("keras-3.15/half_casts", numbers=unsure)


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


def test_an_operation_that_rounds_at_every_step_is_refused():
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15/half_casts")
    with open_model(*golden.files()) as raw:
        model, readings = interpret(raw)
        # The cast back is none any more: what comes next computes in half precision.
        changed = tuple(
            dataclasses.replace(own, config={**own.config, "dtype": "float16"})
            if own.config.get("dtype") == "float32" and own.class_name == "ops.Cast"
            else own
            for own in model.layers
        )
        model = dataclasses.replace(model, layers=changed)
        with pytest.raises(UnsupportedModelError, match="rounds at every step"):
            converted(raw, model, readings, None)


@pytest.mark.parametrize(
    ("half", "x", "y"),
    [
        # Halfway between two: to the even one.
        ("float16", [1 + 2**-11, 1 + 3 * 2**-11], [1, 1 + 2**-9]),
        ("bfloat16", [1 + 2**-8, 1 + 3 * 2**-8], [1, 1 + 2**-6]),
        # The largest, and what is beyond it.
        ("float16", [65519, 65520, -70000], [65504, np.inf, -np.inf]),
        ("bfloat16", [3.3895314e38, 3.4e38], [3.3895314e38, np.inf]),
        ("float16", [2**-24, 2**-25, -0.0], [2**-24, 0, -0.0]),
        ("float16", [np.nan, np.inf], [np.nan, np.inf]),
        ("bfloat16", [np.nan, -np.inf, -0.0], [np.nan, -np.inf, -0.0]),
    ],
)
def test_rounding_to_half_precision(half, x, y):
    found = layers.Cast(number=half).forward({}, np.array(x, np.float32))
    np.testing.assert_array_equal(found, np.array(y, np.float32))
    np.testing.assert_array_equal(np.signbit(found), np.signbit(np.float32(y)))
    assert found.dtype == np.float32


def test_a_nan_of_any_bits_stays_one():
    bits = np.array([0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001], np.uint32)
    found = layers.Cast(number="bfloat16").forward({}, bits.view(np.float32))
    assert np.isnan(found).all()


def test_a_cast_of_numbers_drops_their_mask_where_keras_does():
    """Before a layer of another type, in releases 3.5 to 3.13."""
    drops = {"3.4.0": False, "3.5.0": True, "3.13.0": True, "3.14.0": False}
    for version, expected in drops.items():
        assert meaning_of("keras-3", version).masks.casts_drop == expected
    kept = built("keras-3.15/mask_at_casts").graph
    lost = built("keras-3.15/mask_at_casts", masks={"casts_drop": True}).graph
    masked = [[n.name for n in g.nodes if n.mask is not None] for g in (kept, lost)]
    assert masked == [["gru_half", "gru_same", "gru_added"], ["gru_same"]]
