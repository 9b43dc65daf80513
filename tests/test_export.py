"""Export: the same bytes each time, safe names, all problems at once, no leftovers."""

import copy
import dataclasses
import io
import json
import pickle
import shutil
import zipfile

import h5py
import numpy as np
import pytest

import goldens
import gru2np
from gru2np.convert import converted
from gru2np.generations import interpret
from gru2np.readers import open_model
from gru2np_runtime import load
from gru2np_runtime.bundle.manifest_writer import encode_name
from modelfiles import with_keys

KERAS_2 = goldens.FIXTURES / "keras-2.2"
KERAS_3 = goldens.FIXTURES / "keras-3.15"


def bundle_of(folder):
    return goldens.Golden(folder).bundle()


@pytest.mark.parametrize("case", ["gru", "mask_bidirectional", "nested_deep"])
@pytest.mark.parametrize("generation", [KERAS_2, KERAS_3], ids=lambda p: p.name)
def test_the_same_export_twice_is_the_same_bytes(generation, case):
    assert bundle_of(generation / case) == bundle_of(generation / case)


def test_a_pickled_model_comes_back_whole():
    golden = goldens.Golden(KERAS_3 / "mixed_stack")
    model = load(golden.bundle())
    again = pickle.loads(pickle.dumps(model))
    x = golden.arrays(0, "x")
    inputs = dict(zip(model.input_names, x, strict=True))
    expected = goldens.flat(model.predict(inputs))
    for y, wanted in zip(goldens.flat(again.predict(inputs)), expected, strict=True):
        np.testing.assert_array_equal(y, wanted)
    assert str(again) == str(model)


def test_a_pickled_stateful_model_keeps_its_state():
    golden = goldens.Golden(KERAS_3 / "stateful")
    model = load(golden.bundle())
    model.predict(dict(zip(model.input_names, golden.arrays(0, "x"), strict=True)))
    again = pickle.loads(pickle.dumps(model))
    inputs = dict(zip(model.input_names, golden.arrays(1, "x"), strict=True))
    for y, wanted in zip(
        goldens.flat(again.predict(inputs)), golden.arrays(1, "y"), strict=True
    ):
        golden.close(y, wanted)


NAMES = {
    "gru": "gru",
    "two words": "two words",
    "a/b": "a%2Fb",
    "é": "%C3%A9",
    "..": "%2E%2E",
    ".": "%2E",
    "a#1": "a%231",
    "100%": "100%25",
    'quote"\n': "quote%22%0A",
    "v1.2": "v1.2",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_are_safe_components(name):
    assert encode_name(name) == NAMES[name]


def test_layers_keep_their_own_names():
    model = load(bundle_of(KERAS_2 / "slash_names"))
    names = [layer.name for layer in model.layers]
    assert any("/" in name for name in names)
    assert model.get_layer(names[0]).name == names[0]


def architecture(*layers):
    """A Sequential of Keras 2 as JSON, from (class name, options)."""
    specs = [{"class_name": name, "config": options} for name, options in layers]
    specs[0]["config"]["batch_input_shape"] = [None, None, 3]
    config = {"name": "model", "layers": specs}
    return {"class_name": "Sequential", "config": config, "keras_version": "2.2.4"}


def saved(folder, config, arrays=()):
    """A model file of Keras 2.2.4 with these arrays, one group for each layer."""
    path = folder / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(with_keys(config))
        file.attrs["keras_version"] = "2.2.4"
        file.attrs["backend"] = "tensorflow"
        group = file.create_group("model_weights")
        names = [name for name, _ in arrays]
        group.attrs["layer_names"] = np.array(names, dtype="S6000")
        for name, weights in arrays:
            own = group.create_group(name)
            own.attrs["weight_names"] = np.array(list(weights), dtype="S6000")
            for key, value in weights.items():
                own[key] = value
    return path


def refusal(path):
    with pytest.raises(gru2np.Gru2npError) as caught:
        gru2np.export(path, io.BytesIO())
    return caught.value


def test_all_problems_come_at_once(tmp_path):
    config = architecture(
        ("Lambda", {"name": "code", "function": "..."}),
        ("GRU", {"name": "gru", "units": 2, "reset_after": False, "colour": "red"}),
        ("MyAttention", {"name": "attention"}),
        ("ConvLSTM2DCell", {"name": "conv"}),
        ("Dense", {"name": "dense", "units": 2, "activation": "my_function"}),
    )
    error = refusal(saved(tmp_path, config))
    assert isinstance(error, gru2np.UnsupportedModelError)
    found = {(p.layer, p.class_name, p.option) for p in error.problems}
    assert found == {
        ("code", "Lambda", None),
        ("gru", "GRU", "colour"),
        ("attention", "MyAttention", None),
        ("conv", "ConvLSTM2DCell", None),
        ("dense", "Dense", "activation"),
    }
    assert "5 problems" in str(error)
    assert "colour='red'" in str(error)


KERNELS = {
    "kernel:0": np.ones((3, 6), np.float32),
    "recurrent_kernel:0": np.ones((2, 6), np.float32),
    "bias:0": np.ones(6, np.float32),
}
GRU = ("GRU", {"name": "gru", "units": 2})


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ([], r"expected 1 layers with weights \(gru\), got 0"),
        ([("other", KERNELS)], "expected the weights of 'gru', got 'other'"),
        (
            [("gru", {"kernel:0": KERNELS["kernel:0"]})],
            r"expected 3 arrays \(gru/kernel, gru/recurrent_kernel, gru/bias\), got 1",
        ),
        (
            [("gru", {**KERNELS, "bias:0": np.ones((2, 6), np.float32)})],
            r"gru/bias: expected shape \(6,\), got \(2, 6\)",
        ),
        (
            [("gru", {**KERNELS, "bias:0": np.ones(6, np.int32)})],
            "expected floating point numbers, got int32",
        ),
    ],
)
def test_weights_that_do_not_fit_are_told(tmp_path, arrays, text):
    error = refusal(saved(tmp_path, architecture(GRU), arrays))
    assert isinstance(error, gru2np.ModelFileError)
    with pytest.raises(gru2np.ModelFileError, match=text):
        raise error


def test_arrays_that_another_layer_owns_are_refused(tmp_path):
    """Files since Keras 3.6 name the owner: two Dense layers, their groups swapped."""
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(KERAS_3 / "time_distributed_model" / "model.keras") as source:
        weights = io.BytesIO(source.read("model.weights.h5"))
        with h5py.File(weights, "r+") as file:
            group = file["layers/time_distributed_1/layer/layers"]
            group.move("dense", "other")
            group.move("dense_1", "dense")
            group.move("other", "dense_1")
        with zipfile.ZipFile(path, "w") as target:
            for name in ("metadata.json", "config.json"):
                target.writestr(name, source.read(name))
            target.writestr("model.weights.h5", weights.getvalue())
    with pytest.raises(gru2np.ModelFileError, match="got those of 'dense_2'"):
        gru2np.export(path, io.BytesIO())


def nested(*names):
    """A nested Sequential of two Dense layers of one shape; its arrays' names."""
    dense = [
        {"class_name": "Dense", "config": {"name": name, "units": 3}}
        for name in ("first", "second")
    ]
    dense[0]["config"]["batch_input_shape"] = [None, 3]
    inner = {
        "class_name": "Sequential",
        "config": {"name": "inner", "layers": dense},
    }
    outer = {"name": "outer", "layers": [inner]}
    spec = {"class_name": "Sequential", "config": outer, "keras_version": "2.2.4"}
    shapes = {"kernel": (3, 3), "bias": (3,)}
    arrays = {
        name: np.full(shapes[name.split("/")[-1].split(":")[0]], i, np.float32)
        for i, name in enumerate(names)
    }
    return spec, [("inner", arrays)]


def test_names_decide_where_a_frozen_layer_changed_the_order(tmp_path):
    """The first layer was frozen when the file was saved: its arrays stand last."""
    names = ("second/kernel:0", "second/bias:0", "first/kernel:0", "first/bias:0")
    out = io.BytesIO()
    gru2np.export(saved(tmp_path, *nested(*names)), out)
    model = load(out.getvalue())
    for name, numbers in (("first", (2, 3)), ("second", (0, 1))):
        weights = next(own for own in model.layers if own.name == name).weights
        assert (weights["kernel"] == numbers[0]).all()
        assert (weights["bias"] == numbers[1]).all()


def test_names_that_contradict_the_order_and_leave_a_choice_are_refused(tmp_path):
    names = ("x/kernel:0", "y/kernel:0", "x/bias:0", "y/bias:0")
    with pytest.raises(gru2np.ModelFileError, match="the names do not show it"):
        gru2np.export(saved(tmp_path, *nested(*names)), io.BytesIO())


def test_a_number_of_endless_digits_is_no_crash(tmp_path):
    names = [f"{name}_{'9' * 5000}:0" for name in ("x/kernel", "x/bias")]
    names += ["y/kernel:0", "y/bias:0"]
    spec, ((layer, _),) = nested("first/kernel:0")
    shapes = [(3, 3), (3,)] * 2
    arrays = {n: np.zeros(s, np.float32) for n, s in zip(names, shapes, strict=True)}
    with pytest.raises(gru2np.ModelFileError):
        gru2np.export(saved(tmp_path, spec, [(layer, arrays)]), io.BytesIO())


def test_a_model_without_layers_is_refused(tmp_path):
    config = {"name": "m", "layers": [], "input_layers": [["x", 0, 0]]}
    config["output_layers"] = [["x", 0, 0]]
    spec = {"class_name": "Model", "config": config, "keras_version": "2.2.4"}
    with pytest.raises(gru2np.ModelFileError, match="at least one layer"):
        gru2np.export(saved(tmp_path, spec), io.BytesIO())


def without_version(drop=(), saved_by=None):
    """The conversion of a model of masked merges whose file names no version."""
    with open_model(KERAS_3 / "mask_merges_two" / "model.keras") as raw:
        config = copy.deepcopy(dict(raw.config))
        for spec in config["config"]["layers"]:
            for key in drop:
                spec["config"].pop(key, None)
        raw = dataclasses.replace(
            raw, keras_version=None, config=config, saved_by=saved_by
        )
        return converted(raw, *interpret(raw))


def test_an_architecture_of_keras_3_tells_its_age_by_its_keys():
    """Numbers hang on the version, but all that write its keys mean the same."""
    assert without_version().meaning.writer == "Keras 3.13.0 to 3.15.1"


def test_where_versions_of_keras_3_disagree_an_architecture_is_refused():
    with pytest.raises(gru2np.UnsupportedModelError, match="--saved-by"):
        without_version(["optional", "ragged"])


def test_its_owner_says_which_version_saved_it():
    dropped = ["optional", "ragged"]
    assert without_version(dropped, "3.6.0").meaning.masks.merged == "or"
    assert without_version(dropped, "3.3.0").meaning.masks.merged == "drop"


def test_a_graph_that_waits_for_itself_is_refused(tmp_path):
    def dense(name, source):
        return {
            "class_name": "Dense",
            "name": name,
            "config": {"name": name, "units": 3},
            "inbound_nodes": [[[source, 0, 0, {}]]],
        }

    config = {
        "name": "model",
        "layers": [dense("a", "b"), dense("b", "a")],
        "input_layers": [["a", 0, 0]],
        "output_layers": [["b", 0, 0]],
    }
    spec = {"class_name": "Model", "config": config, "keras_version": "2.2.4"}
    error = refusal(saved(tmp_path, spec))
    assert isinstance(error, gru2np.ModelFileError)


def test_models_that_multiply_are_bounded(tmp_path):
    """A model called twice in a model called twice, and so on: 2 ** 40 calls."""
    inner = {
        "class_name": "Activation",
        "config": {"name": "a", "activation": "tanh"},
        "name": "a",
    }
    shape = {"batch_input_shape": [None, 3], "name": "x", "dtype": "float32"}
    x = {"class_name": "InputLayer", "config": shape, "name": "x", "inbound_nodes": []}
    for depth in range(40):
        first, second = ([[["x", 0, 0, {}]]], [[[f"m{depth}", 1, 0, {}]]])
        calls = first + second if depth else first
        config = {
            "name": f"m{depth + 1}",
            "layers": [x, {**inner, "inbound_nodes": calls}],
            "input_layers": [["x", 0, 0]],
            "output_layers": [[inner["name"], len(calls) if depth else 0, 0]],
        }
        inner = {"class_name": "Model", "config": config, "name": f"m{depth + 1}"}
    spec = {**inner, "keras_version": "2.2.4"}
    error = refusal(saved(tmp_path, spec))
    assert isinstance(error, gru2np.ModelFileError)


def test_a_failed_export_leaves_the_old_output(tmp_path):
    out = tmp_path / "model.npz"
    out.write_bytes(b"old")
    with pytest.raises(gru2np.UnsupportedModelError):
        gru2np.export(saved(tmp_path, architecture(("Lambda", {"name": "code"}))), out)
    assert out.read_bytes() == b"old"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.h5", "model.npz"]


def test_an_interrupted_export_leaves_nothing(tmp_path, monkeypatch):
    from gru2np_runtime.bundle.container import Writer

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Writer, "close", interrupt)
    with pytest.raises(KeyboardInterrupt):
        gru2np.export(KERAS_2 / "gru" / "model.h5", tmp_path / "model.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", [".h5", ".keras", ".txt", ""])
def test_the_suffix_says_nothing(tmp_path, suffix):
    for source in (KERAS_2 / "gru" / "model.h5", KERAS_3 / "gru" / "model.keras"):
        path = tmp_path / f"model{suffix}"
        shutil.copy(source, path)
        out = io.BytesIO()
        gru2np.export(path, out)
        assert load(out.getvalue()).layers


@pytest.mark.tensorflow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # Keras' own
def test_a_live_model_is_saved_and_read(tmp_path):
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    model = keras.Sequential([keras.layers.Input((None, 3)), keras.layers.GRU(4)])
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape) for w in model.get_weights()])
    gru2np.export(model, tmp_path / "model.npz")
    x = rng.normal(size=(2, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(
        load(tmp_path / "model.npz").predict(x),
        model.predict(x, verbose=0),
        rtol=1e-5,
        atol=1e-6,
    )


def test_a_layer_called_with_too_many_tensors_is_refused(tmp_path):
    """Extra inputs are never dropped in silence."""
    x = {
        "class_name": "InputLayer",
        "name": "x",
        "config": {"name": "x", "batch_input_shape": [None, 3], "dtype": "float32"},
        "inbound_nodes": [],
    }
    twice = [[["x", 0, 0, {}], ["x", 0, 0, {}]]]
    flat = {
        "class_name": "Activation",
        "name": "a",
        "config": {"name": "a", "activation": "tanh"},
        "inbound_nodes": twice,
    }
    config = {
        "name": "model",
        "layers": [x, flat],
        "input_layers": [["x", 0, 0]],
        "output_layers": [["a", 0, 0]],
    }
    spec = {"class_name": "Model", "config": config, "keras_version": "2.2.4"}
    with pytest.raises(gru2np.ModelFileError, match="expected one input, got 2"):
        gru2np.export(saved(tmp_path, spec), io.BytesIO())


def test_initial_states_that_do_not_fit_are_refused(tmp_path):
    """One state for an LSTM, which has two."""

    def input_layer(name, *shape):
        config = {"name": name, "batch_input_shape": [None, *shape]}
        return {
            "class_name": "InputLayer",
            "name": name,
            "config": {**config, "dtype": "float32"},
            "inbound_nodes": [],
        }

    lstm = {
        "class_name": "LSTM",
        "name": "lstm",
        "config": {"name": "lstm", "units": 2},
        "inbound_nodes": [[["x", 0, 0, {}], ["h", 0, 0, {}]]],
    }
    config = {
        "name": "model",
        "layers": [input_layer("x", None, 3), input_layer("h", 2), lstm],
        "input_layers": [["x", 0, 0], ["h", 0, 0]],
        "output_layers": [["lstm", 0, 0]],
    }
    spec = {"class_name": "Model", "config": config, "keras_version": "2.2.4"}
    with pytest.raises(gru2np.ModelFileError, match="expected initial states"):
        gru2np.export(saved(tmp_path, spec), io.BytesIO())
