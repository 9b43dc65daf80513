"""What a model amplifies is judged by its layers."""

from __future__ import annotations

import numpy as np

from gru2np.verification.comparison import Float64, Tolerance, compare
from gru2np.verification.evidence import Case

ONE = Tolerance(1e-6, 0.0)


def far_apart(name, float64=None):
    got, expected = np.array([1.5], np.float32), np.array([1.0], np.float32)
    return compare(name, got, expected, ONE).judged(float64)


def judged(outputs, layers):
    case = Case("typical", "", 0, 1, {}, {}, {}, tuple(outputs), tuple(layers))
    return case.judged_by_layers()


def test_what_a_model_amplifies_is_right_if_its_layers_are():
    chaos = Float64(0.5, 0.4, moved=0.3)
    right = compare("layer", np.ones(1), np.ones(1), ONE)
    assert judged([far_apart("y", chaos)], [right]).agrees
    assert not judged([far_apart("y", chaos)], [right, far_apart("layer")]).agrees
    assert not judged([far_apart("y")], [right]).agrees
    # A layer that does so says nothing against a model that agrees.
    assert judged([right], [far_apart("layer", chaos)]).layers[0].agrees
    assert not judged([right], [far_apart("layer")]).layers[0].agrees
