"""Models exported and loaded again, or refused."""

import io

import numpy as np
import pytest

import gru2np
from gru2np_runtime import load

REFUSED = (gru2np.ModelFileError, gru2np.UnsupportedModelError)


def exported(model, **options):
    """The model as the runtime loads it, and what ``export`` returned."""
    out = io.BytesIO()
    about = gru2np.export(model, out, **options)
    return load(out.getvalue()), about


def refused(model, *, kind=REFUSED, **options):
    """The error with which a model is refused."""
    with pytest.raises(kind) as caught:
        gru2np.export(model, io.BytesIO(), **options)
    return caught.value


def refusal(model, weights=None, **options):
    """Its text."""
    return str(refused(model, weights=weights, **options))


def assert_same_weights(model, other):
    """Assert that two models have the same weights, bit by bit."""
    assert model.weights.keys() == other.weights.keys()
    for path, weight in other.weights.items():
        np.testing.assert_array_equal(model.weights[path], weight)
