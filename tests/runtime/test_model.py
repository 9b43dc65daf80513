"""A model: the data that it takes and refuses, its outputs and its summary."""

import pickle
import threading

import numpy as np
import pytest

import goldens
from goldens import loaded
from gru2np_runtime import InputError, layers, load

KERAS_3 = goldens.FIXTURES / "keras-3.15"


def test_a_pickled_model_comes_back_whole():
    golden = goldens.Golden(KERAS_3 / "mixed_stack")
    model = load(golden.bundle())
    again = pickle.loads(pickle.dumps(model))
    x = golden.arrays(0, "x")
    inputs = dict(zip(model.input_names, x))
    expected = goldens.flat(model.predict(inputs))
    for y, wanted in zip(goldens.flat(again.predict(inputs)), expected):
        np.testing.assert_array_equal(y, wanted)
    assert str(again) == str(model)


def test_any_batch_any_length_and_none_at_all():
    golden, model = loaded("keras-3.15/masking_sequential")
    (x,) = golden.arrays(0, "x")
    y = model.predict(x)
    parts = [model.predict(x, batch_size=n) for n in (1, 2, len(x), 100)]
    for part in parts:
        np.testing.assert_allclose(part, y, atol=1e-6)
    assert model.predict(x[:0]).shape == (0, *y.shape[1:])
    if model.input_shapes[0][1] is None:
        assert model.predict(x[:, :1]).shape[0] == len(x)
    with pytest.raises(InputError, match="batch_size: expected an integer from 1"):
        model.predict(x, batch_size=0)


def test_steps_have_the_batch_size_of_their_state():
    golden, model = loaded("keras-3.15/lstm")
    x = golden.arrays(0, "x")[0]
    with pytest.raises(InputError, match="expected the state's batch size 1, got"):
        model.step(x[:, 0], model.initial_state(batch_size=1))


def test_states_that_do_not_fit_are_refused():
    _, model = loaded("keras-3.15/simple_rnn_by_hand")
    with pytest.raises(InputError, match="is missing"):
        model.restore_state({})
    with pytest.raises(InputError, match="got 'other'"):
        model.restore_state({"other": []})
    name = next(iter(model.initial_state().arrays()))
    with pytest.raises(InputError, match="expected arrays of shape"):
        model.restore_state({name: [np.zeros((1, 4))]})


def test_each_step_is_a_fresh_array():
    _, model = loaded("keras-3.15/simple_rnn_by_hand")
    state = model.initial_state()
    first, state = model.step(np.ones((1, 3)), state)
    kept = first.copy()
    model.step(np.ones((1, 3)), state)
    np.testing.assert_array_equal(first, kept)


def test_one_model_serves_many_threads():
    golden, model = loaded("keras-3.15/mask_bidirectional")
    inputs = dict(zip(model.input_names, golden.arrays(0, "x")))
    wanted = goldens.flat(model.predict(inputs))
    wrong = []

    def work():
        for _ in range(5):
            for y, expected in zip(goldens.flat(model.predict(inputs)), wanted):
                if not np.array_equal(y, expected):
                    wrong.append(y)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.parametrize(
    ("case", "gives"),
    [
        ("gru", np.ndarray),
        ("several_inputs_outputs", list),
        ("dict_outputs", dict),
    ],
)
def test_a_program_says_what_a_model_gives(case, gives):
    """For type checkers; it is true, or an error."""
    golden, model = loaded(f"keras-3.15/{case}")
    inputs = dict(zip(model.input_names, golden.arrays(0, "x")))
    assert type(model.giving(gives).predict(inputs)) is gives
    for other in {np.ndarray, list, dict, int, None} - {gives}:
        way = rf"got one that gives {gives.__name__} .*: model.giving\({gives.__name__}"
        with pytest.raises(InputError, match=way):
            model.giving(other)


def test_nan_in_gives_nan_out_and_no_warning():
    golden, model = loaded("keras-3.15/lstm")
    x = golden.arrays(0, "x")[0].copy()
    x[0] = np.nan
    for y in goldens.flat(model.predict(x)):
        assert np.isnan(y[0]).all()
        assert np.isfinite(y[1:]).all()


@pytest.mark.parametrize("scale", [1e4, 1e30, 1e37])
def test_huge_inputs_saturate_without_a_warning(scale):
    golden, model = loaded("keras-3.15/gru")
    for y in goldens.flat(model.predict(golden.arrays(0, "x")[0] * np.float32(scale))):
        assert np.isfinite(y).all()


def test_ids_must_be_numbers_of_rows():
    golden, model = loaded("keras-3.15/embedding")
    (ids,) = golden.arrays(0, "x")[:1]
    assert model.graph.inputs[0].dtype in ("int32", "float32")
    with pytest.raises(InputError, match="expected"):
        model.predict(np.full(ids.shape, 10**6))
    with pytest.raises(InputError):
        model.predict(np.full(ids.shape, np.nan))


def test_an_array_beyond_memory_is_refused_with_the_layer():
    model = layers.UpSampling(size=(2**50,)).bind()
    with pytest.raises(InputError, match=r"up_sampling.*Unable to allocate"):
        model.predict(np.ones((1, 3, 3), "float32"))
