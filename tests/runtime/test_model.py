"""A model's door: what goes in, what is refused, what it says of itself."""

import threading

import numpy as np
import pytest

import goldens
from gru2np_runtime import InputError, layers, load

KERAS_3 = goldens.FIXTURES / "keras-3.15"


def case(name):
    golden = goldens.Golden(KERAS_3 / name)
    return golden, load(golden.bundle())


@pytest.fixture(scope="module")
def gru():
    return case("get_weights_explained")


def test_numbers_of_any_kind_are_cast(gru):
    _, model = gru
    x = np.arange(15).reshape(5, 3, 1)
    expected = model.predict(x.astype(np.float32))
    for given in (x, x.tolist(), x.astype(np.float16), x.astype(np.float64), [x]):
        np.testing.assert_array_equal(model.predict(given), expected)
    assert expected.dtype == np.float32


X = np.zeros((5, 3, 1), np.float32)
WRONG = {
    "rank": (X[..., 0], r"expected 3 axes \(None, 3, 1\), got 2 axes \(5, 3\)"),
    "time": (X[:, :2], r"axis 1: expected 3 in \(None, 3, 1\), got 2 in \(5, 2, 1\)"),
    "features": (np.zeros((5, 3, 2)), "axis 2: expected 1 in"),
    "object": (np.full((5, 3, 1), None), "expected numbers .*, got dtype object"),
    "string": (np.full((5, 3, 1), "1"), "expected numbers"),
    "complex": (X.astype(complex), "expected numbers .*, got dtype complex128"),
    "ragged": ([[[1.0]], [[1.0], [2.0]]], "input 'input_layer'"),
    "none": (None, "expected numbers"),
    "dict": ({"other": X}, r"expected inputs \['input_layer'\], got \['other'\]"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")
@pytest.mark.parametrize("kind", WRONG)
def test_wrong_data_is_refused(gru, kind):
    x, message = WRONG[kind]
    with pytest.raises(InputError, match=message):
        gru[1].predict(x)


def test_several_inputs_come_as_list_or_dict():
    golden, model = case("several_inputs_outputs")
    x = golden.arrays(0, "x")
    by_list = model.predict(x)
    by_name = model.predict(dict(zip(model.input_names, x)))
    for a, b, wanted in zip(by_list, by_name, golden.arrays(0, "y")):
        np.testing.assert_array_equal(a, b)
        golden.close(a, wanted)
    with pytest.raises(InputError, match="expected a list of 2 arrays or a dict"):
        model.predict(x[0])
    with pytest.raises(InputError, match="axis 0: expected batch size"):
        model.predict([x[0], x[1][:-1]])


def test_outputs_come_as_the_model_was_built():
    golden, model = case("dict_outputs")
    outputs = model.predict(dict(zip(model.input_names, golden.arrays(0, "x"))))
    assert sorted(outputs) == golden.facts["output_names"]


def test_any_batch_any_length_and_none_at_all():
    golden, model = case("masking_sequential")
    (x,) = golden.arrays(0, "x")
    y = model.predict(x)
    parts = [model.predict(x, batch_size=n) for n in (1, 2, len(x), 100)]
    for part in parts:
        np.testing.assert_allclose(part, y, atol=1e-6)
    assert model.predict(x[:0]).shape == (0, *y.shape[1:])
    if model.input_shapes[0][1] is None:
        assert model.predict(x[:, :1]).shape[0] == len(x)
    with pytest.raises(InputError, match="batch_size: expected at least 1"):
        model.predict(x, batch_size=0)


def test_a_declared_batch_binds_only_stateful_models():
    golden, model = case("fixed_batch")
    (x,) = golden.arrays(0, "x")[:1]
    assert model.input_shapes[0][0] is not None
    rows = goldens.flat(model.predict(golden.arrays(0, "x")))[0]
    again = [np.concatenate([a, a]) for a in golden.arrays(0, "x")]
    twice = goldens.flat(model.predict(again if len(again) > 1 else again[0]))[0]
    np.testing.assert_allclose(twice[: len(x)], rows, atol=1e-6)


def test_a_stateful_model_takes_its_own_batch_and_no_other():
    golden, model = case("stateful")
    (x,) = golden.arrays(0, "x")
    expected = [golden.arrays(call, "y")[0] for call in range(golden.calls)]
    golden.close(goldens.flat(model.predict(x))[0], expected[0])
    with pytest.raises(InputError, match=r"built for batches of \d+, got"):
        model.predict(x[:1])
    with pytest.raises(InputError, match="this stateful model was built for"):
        model.predict(x, batch_size=1)
    # What was refused has not moved the state.
    golden.close(goldens.flat(model.predict(golden.arrays(1, "x")))[0], expected[1])
    model.reset_states()
    golden.close(goldens.flat(model.predict(x))[0], expected[0])
    model.reset_states()
    # Looking inside does not move it either.
    model.activations(x)
    golden.close(goldens.flat(model.predict(x))[0], expected[0])
    # Two batches in one call are two calls.
    model.reset_states()
    both = np.concatenate([x, *golden.arrays(1, "x")])
    y = goldens.flat(model.predict(both, batch_size=len(x)))[0]
    golden.close(y, np.concatenate(expected[:2]))


def test_steps_take_the_batch_of_their_state():
    golden, model = case("lstm")
    x = golden.arrays(0, "x")[0]
    with pytest.raises(InputError, match="expected the state's batch size 1, got"):
        model.step(x[:, 0], model.initial_state(batch_size=1))


def test_states_that_do_not_fit_are_refused():
    _, model = case("simple_rnn_by_hand")
    with pytest.raises(InputError, match="is missing"):
        model.restore_state({})
    with pytest.raises(InputError, match="got 'other'"):
        model.restore_state({"other": []})
    name = next(iter(model.initial_state().arrays()))
    with pytest.raises(InputError, match="expected arrays of shape"):
        model.restore_state({name: [np.zeros((1, 4))]})


def test_each_step_is_a_fresh_array():
    _, model = case("simple_rnn_by_hand")
    state = model.initial_state()
    first, state = model.step(np.ones((1, 3)), state)
    kept = first.copy()
    model.step(np.ones((1, 3)), state)
    np.testing.assert_array_equal(first, kept)


def test_it_says_what_it_is(gru, capsys):
    _, model = gru
    model.summary()
    printed = capsys.readouterr().out
    assert "GRU" in printed
    assert "(None, 2)" in printed
    assert model.count_params() == 6 + 12 + 12 + 2 + 1
    layer = model.layers[0]
    assert model.get_layer(layer.name).weights["kernel"].shape == (1, 6)
    assert model.input_names == ["input_layer"]
    assert model.input_shapes == [(None, 3, 1)]
    assert model.output_shapes == [(None, 1)]
    with pytest.raises(InputError, match="no layer 'other'; the model has"):
        model.get_layer("other")


def test_one_model_serves_many_threads():
    golden, model = case("mask_bidirectional")
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


def test_nan_in_gives_nan_out_and_no_warning():
    golden, model = case("lstm")
    x = golden.arrays(0, "x")[0].copy()
    x[0] = np.nan
    for y in goldens.flat(model.predict(x)):
        assert np.isnan(y[0]).all()
        assert np.isfinite(y[1:]).all()


@pytest.mark.parametrize("scale", [1e4, 1e30, 1e37])
def test_huge_inputs_saturate_without_a_warning(scale):
    golden, model = case("gru")
    for y in goldens.flat(model.predict(golden.arrays(0, "x")[0] * np.float32(scale))):
        assert np.isfinite(y).all()


def test_numbers_beyond_float32_are_infinite_without_a_warning():
    golden, model = case("simple_rnn_by_hand")
    x = golden.arrays(0, "x")[0].astype(np.float64)
    x[0, 0, 0] = 1e300
    assert model.predict(x).dtype == np.float32


def test_ids_must_be_numbers_of_rows():
    golden, model = case("embedding")
    (ids,) = golden.arrays(0, "x")[:1]
    assert model.graph.inputs[0].dtype in ("int32", "float32")
    with pytest.raises(InputError, match="expected"):
        model.predict(np.full(ids.shape, 10**6))
    with pytest.raises(InputError):
        model.predict(np.full(ids.shape, np.nan))


def test_what_no_memory_holds_is_refused_by_the_layer_s_name():
    model = layers.UpSampling(size=(2**50,)).bind()
    with pytest.raises(InputError, match=r"up_sampling.*Unable to allocate"):
        model.predict(np.ones((1, 3, 3), "float32"))
