"""Products summed over axes: equations, constants and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from gru2np_runtime import InputError, layers
from layer_examples import run_operation

EQUATIONS = [
    "abc,adc->abd",
    "abc,adc->adb",
    "abc,abc->ab",
    "abc,abc->a",
    "abc,adc->abdc",
    "abc,ad->abcd",
    "abcd,aecd->acbe",
    "abc,adc->ac",
]


@pytest.mark.parametrize("equation", EQUATIONS)
def test_a_product_is_numpys(equation):
    rng = np.random.default_rng(0)
    sizes = dict(zip("abcde", (2, 3, 4, 3, 5)))
    if "adc" in equation or "ad" in equation:
        sizes["d"] = 6
    terms = equation.split("->")[0].split(",")
    arrays = [rng.normal(size=[sizes[c] for c in term]) for term in terms]
    y = run_operation(layers.Einsum(equation=equation), *arrays)
    np.testing.assert_allclose(y, np.einsum(equation, *arrays), rtol=1e-12)


@pytest.mark.parametrize(
    "equation",
    [
        "abc",
        "ab,ab,ab->ab",
        "abb->ab",
        "abc->abd",
        "ab->bb",
        "abc->bca",
        "abc,dbc->ad",
        "abc->b",
        "...a->a",
        "a1->a",
    ],
)
def test_equations_that_are_not_legal(equation):
    with pytest.raises(ValueError, match="einsum"):
        layers.Einsum(equation=equation)


@pytest.mark.parametrize(
    ("layer", "shapes"),
    [
        (layers.Einsum(equation="abc,adc->abd"), [(None, 2, 3), (None, 2, 4)]),
        (layers.Einsum(equation="abc,adc->abd"), [(None, 2, 3)]),
        (layers.Einsum(equation="abc->ab"), [(None, 2)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(layer, shapes):
    with pytest.raises(ValueError, match="einsum"):
        layer.output_shapes(*shapes)


def contraction(**options):
    numbers = {"constant": [1, 2, 3, 4, 5, 6], "constant_shape": [3, 2]}
    given = {"axes": [-1], "constant_axes": [0], **numbers, **options}
    return layers.Contraction(**given)


def test_a_contraction_is_numpys():
    x = np.arange(12, dtype="float32").reshape(2, 2, 3)
    y = run_operation(contraction(), x)
    np.testing.assert_allclose(y, x @ np.float32([[1, 2], [3, 4], [5, 6]]))


@pytest.mark.parametrize(
    "options",
    [
        {"constant": [1]},
        {"axes": [1, 2]},
        {"constant_axes": [2]},
        {"axes": [1, 2], "constant_axes": [0, 0]},
    ],
)
def test_constants_that_do_not_fit(options):
    with pytest.raises(ValueError, match="contraction"):
        contraction(**options)


def test_sizes_are_checked():
    with pytest.raises(InputError, match="an axis of size 4"):
        contraction().output_shapes((None, 2, 4))
    with pytest.raises(ValueError, match="batch axis"):
        contraction(axes=[0]).output_shapes((None, 2, 3))
    with pytest.raises(ValueError, match="not supported"):
        contraction().output_dtype("int32")
