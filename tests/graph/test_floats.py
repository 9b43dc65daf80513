"""Half precision: where it is refused, and what is said of it."""

from __future__ import annotations

import dataclasses

import pytest

import goldens
from conversions import built
from gru2np.convert import converted
from gru2np.errors import UnsupportedModelError
from gru2np.generations import interpret
from gru2np.readers import open_model


def test_a_cast_to_half_that_depends_on_the_backend():
    (text,) = built("keras-3.15/half_casts").warnings
    assert "the file names no backend" in text
    assert "which some releases of JAX round" in text
    unsure = {"rounds_to_half": None}
    with pytest.raises(UnsupportedModelError, match="which some releases of JAX round"):
        built("keras-3.15/half_casts", numbers=unsure)


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
            converted(raw, model, readings)
