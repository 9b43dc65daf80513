"""Models with custom objects equal what Keras of every generation gave for them."""

import io

import numpy as np
import pytest

import goldens
import gru2np
from custom_models import (
    ATTENTION,
    CELLS,
    FUNCTIONS,
    OWN,
    STEPS,
    bundle_of,
    cases,
    golden,
    instead,
    model_of,
)
from gru2np_runtime import InputError, load

# tf.keras makes of a mask there what the size of the batch makes of it.
REFUSED = {"tf-keras-2.21/custom_in_time"}
COMPARED = [case for case in cases() if case not in REFUSED]


def close(case, y, wanted):
    """Integers are of the dtype that the function of NumPy gives."""
    golden(case).close(y if y.dtype.kind == "f" else y.astype(wanted.dtype), wanted)


def test_every_kind_of_every_generation_is_compared():
    kinds = {case.rpartition("/")[2] for case in COMPARED}
    assert kinds >= {"custom_layers", "custom_cells", "custom_steps"}
    assert kinds >= {"custom_functions", "custom_attention", "custom_in_time"}
    assert {case.partition("/")[0] for case in COMPARED} == {
        *("keras-1.2", "keras-2.2", "tf-2.10", "tf-keras-2.21", "keras-3.15")
    }


@pytest.mark.parametrize("case", COMPARED)
def test_every_call_equals_keras(kernel, case):
    model, found = model_of(case), golden(case)
    for call in range(found.calls):
        inputs = dict(zip(model.input_names, found.arrays(call, "x"), strict=True))
        outputs = goldens.flat(model.predict(inputs))
        for y, wanted in zip(outputs, found.arrays(call, "y"), strict=True):
            close(case, y, wanted)


@pytest.mark.parametrize("case", cases("custom_steps"))
def test_step_by_step_with_masks_equals_keras(kernel, case):
    model = model_of(case)
    (x,), (wanted,) = golden(case).arrays(0, "x"), golden(case).arrays(0, "y")
    assert (x == 0).all(axis=-1).any()
    state = model.initial_state(len(x))
    for t in range(x.shape[1]):
        if t == 3:
            before = state.copy()
        y, state = model.step(x[:, t], state)
        golden(case).close(y, wanted[:, t])
    for t in range(3, x.shape[1]):
        y, before = model.step(x[:, t], before)
        golden(case).close(y, wanted[:, t])


@pytest.mark.parametrize("case", cases("custom_steps"))
def test_in_blocks_of_steps_and_rows_it_equals_keras(kernel, case):
    model, found = model_of(case), golden(case)
    (x,), (wanted,) = found.arrays(0, "x"), found.arrays(0, "y")
    found.close(model.predict(x, batch_size=2), wanted)
    for end in (1, 4):
        found.close(model.predict(x[:, :end]), wanted[:, :end])


def test_the_state_of_a_masked_custom_cell_is_not_restored_from_arrays():
    model = model_of(STEPS)
    x = golden(STEPS).arrays(0, "x")[0]
    _, state = model.step(x[:, 0], model.initial_state(len(x)))
    with pytest.raises(InputError, match=r"'leaky'.*custom cell.*state\.copy\(\)"):
        model.restore_state(state.arrays())


def test_step_names_the_function_that_does_not_say_per_step():
    model = model_of(STEPS, {"scaled": lambda x, factor: x * factor})
    with pytest.raises(InputError, match=r"'scaled'.*decorate it.*per_step"):
        model.initial_state(2)
    model = model_of(STEPS, {"swoosh": lambda x: OWN["swoosh"](x)})
    with pytest.raises(InputError, match=r"'dense'.*'swoosh'.*per_step"):
        model.initial_state(2)


def test_a_function_in_a_recurrent_layer_needs_no_per_step():
    def swoosh(x):
        return x / (1 + np.exp(-x)) + 0.1

    model, x = model_of(FUNCTIONS, {"swoosh": swoosh}), golden(FUNCTIONS).arrays(0, "x")
    golden(FUNCTIONS).close(
        goldens.flat(model.predict(x[0]))[1], golden(FUNCTIONS).arrays(0, "y")[1]
    )


@pytest.mark.parametrize("case", [CELLS, FUNCTIONS, ATTENTION])
def test_another_formula_gives_other_numbers(case):
    """Or the comparisons above would not see a custom object that is not used."""
    name = {CELLS: "LeakyIntegrator", ATTENTION: "AttentionWithContext"}.get(case)
    if name is None:
        more = {"swoosh": np.tanh}
    else:
        forward = OWN[name].forward

        def doubled(self, weights, *inputs, mask=None):
            y = forward(self, weights, *inputs, mask=mask)
            return (2 * y[0], *y[1:]) if isinstance(y, tuple) else 2 * y

        more = instead(name, forward=doubled)
    y = goldens.flat(model_of(case, more).predict(golden(case).arrays(0, "x")[0]))
    assert np.abs(y[0] - golden(case).arrays(0, "y")[0]).max() > 1e-2


@pytest.mark.parametrize("store", ["float16", "int8"])
def test_stored_smaller_it_is_near(store):
    out = bundle_of(CELLS, store=store)
    y = load(out, custom_objects=OWN).predict(golden(CELLS).arrays(0, "x")[0])
    for found, wanted in zip(y, golden(CELLS).arrays(0, "y"), strict=True):
        assert np.abs(found - wanted).max() < 0.05


def test_one_function_by_its_name_serves_several_layers():
    """Keras 3 writes it; the layers scaled and each/layer have one."""
    own = {k: v for k, v in OWN.items() if k not in ("scaled", "scaled_inside")}
    out = io.BytesIO()
    own["scaled"] = OWN["scaled"]
    gru2np.export(golden(FUNCTIONS).files()[0], out, custom_objects=own)
    y = load(out.getvalue(), custom_objects=own).predict(
        golden(FUNCTIONS).arrays(0, "x")[0]
    )
    golden(FUNCTIONS).close(y[1], golden(FUNCTIONS).arrays(0, "y")[1])
