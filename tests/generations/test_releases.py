"""Which releases may have saved a file, and which classes are Keras' own."""

import copy
import dataclasses
import json

import pytest

import goldens
import gru2np
from gru2np.convert import converted
from gru2np.generations import GENERATIONS, interpret
from gru2np.generations.architecture import STORED_AS
from gru2np.generations.releases import OPTIONAL_KEYS, Line, Writers, line
from gru2np.generations.saved_by import parsed
from gru2np.ir import GroupStore, RawModel, walk_keras
from gru2np.layers import LAYERS
from gru2np.layers.activations import NAMES
from gru2np.readers import open_model
from meanings import LINES
from modelfiles import fixture

RELEASES = [own for name in LINES for own in line(name).releases]
# Layers as files name them; operations have a table of their own.
CLASSES = [name for name in LAYERS if not name.startswith(("ops.", "tf."))]
NEWEST = {name: line(name).releases[-1] for name in LINES}


def raw(spec, version, backend="tensorflow", saved_by=None):
    """A file with one architecture and no weights."""
    return RawModel(
        config=spec,
        groups=GroupStore(()),
        paths=None,
        keras_version=version,
        backend=backend,
        tensorflow_version=None,
        saved_by=saved_by,
        container="hdf5",
        file_name="m.h5",
        sha256="",
    )


def sequential(*layers):
    """An architecture of (class, config)."""
    specs = [{"class_name": name, "config": dict(config)} for name, config in layers]
    return {"class_name": "Sequential", "config": {"name": "m", "layers": specs}}


def full(release, class_name):
    """A config with all keys that a release always writes."""
    known = line(release.line).classes(release)[class_name]
    found = {key: own[0] if own else None for key, own in known.always.items()}
    return {**found, "name": "layer"}


def why_custom(release, class_name, config):
    """Why a layer is none of Keras' own; empty if it is."""
    writers = Writers(line(release.line), [release])
    naming = writers.naming(lambda spec: spec["class_name"])
    spec = {"class_name": class_name, "config": config}
    own = naming(spec) == f"custom>{class_name}"
    assert own == bool(writers.why(spec))
    return writers.why(spec)


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_a_class_outside_a_release_is_custom(release):
    known = line(release.line).classes(release)
    config = {"name": "layer", "trainable": True, "dtype": "float32"}
    there = {*known, *(name for name, own in STORED_AS.items() if own in known)}
    for name in sorted(set(CLASSES) - there):
        assert "had none of this name" in why_custom(release, name, config)


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_a_layer_that_lacks_a_key_is_not_of_its_release(release):
    known = line(release.line).classes(release)
    for name in sorted(set(CLASSES) & set(known)):
        config = full(release, name)
        variants = known[name].variants
        assert not why_custom(release, name, config)
        for key in known[name].always.keys() - OPTIONAL_KEYS:
            rest = {k: v for k, v in config.items() if k != key}
            found = why_custom(release, name, rest)
            fits = any(own.always.keys() - OPTIONAL_KEYS <= {*rest} for own in variants)
            assert fits if not found else f"has no {key} for it" in found


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_no_function_outside_a_release_converts(release):
    generation = GENERATIONS[LINES[release.line]]
    meaning = generation.meaning(release, "tensorflow")
    assert {"linear", "tanh", "sigmoid", "relu", "softmax"} <= meaning.functions
    from spellings import convert

    for name in {*NAMES, "hard_sigmoid"}:
        found = convert("Activation", {"activation": name}, meaning=meaning)
        if name in meaning.functions:
            assert not isinstance(found, list), name
        else:
            (problem,) = found
            assert "a custom function" in problem.reason


def test_the_newest_release_is_one_that_fixtures_prove():
    proven = {"keras-1": "1.2.2", "keras-2": "2.3.1"}
    proven |= {"tf.keras": "2.21.0", "keras-3": "3.15.1"}
    assert {name: own.writes for name, own in NEWEST.items()} == proven
    versions = {
        json.loads(path.read_text("utf-8"))["keras_version"]
        for path in goldens.FIXTURES.glob("*/*/case.json")
    }
    assert set(proven.values()) <= versions


LATER = {
    "1.2.3": "1.2.2",
    "2.3.2": "2.3.1",
    "2.21.1": "2.21.0",
    "2.99.0": "2.21.0",
    "3.15.2": "3.15.1",
    "3.16.0": "3.15.1",
    "3.99.0": "3.15.1",
}


@pytest.mark.parametrize(("text", "newest"), LATER.items())
def test_a_release_that_nobody_tried_is_refused(text, newest):
    with pytest.raises(gru2np.UnsupportedModelError) as refusal:
        interpret(raw(sequential(("Flatten", {"name": "f"})), text))
    assert f"saved by Keras {text}, which is newer" in str(refusal.value)
    assert f"--saved-by {newest}" in str(refusal.value)


def test_its_owner_may_say_that_it_means_the_same():
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "gru")
    with open_model(*golden.files()) as found:
        later = dataclasses.replace(found, keras_version="3.16.0")
        with pytest.raises(gru2np.UnsupportedModelError):
            interpret(later)
        said = dataclasses.replace(later, saved_by="3.15.1")
        assert converted(said, *interpret(said)).raw.source()["saved_by"] == "3.15.1"


# A line of three releases, of which the one between could not be installed.
BETWEEN = Line(
    "keras-2",
    {
        "releases": {"2.0.0": {"writes": "2.0.0"}, "2.2.0": {"writes": "2.2.0"}},
        "classes": {
            "Old": {
                "there": [["2.0.0", "2.0.0"]],
                "keys": {"name": [["2.0.0", "2.0.0"]]},
            },
            "Dense": {
                "there": [["2.0.0", "2.2.0"]],
                "keys": {
                    "name": [["2.0.0", "2.2.0"]],
                    "old": [["2.0.0", "2.0.0", 1]],
                    "new": [["2.2.0", "2.2.0", 2]],
                },
                "sometimes": {"hint": [["2.2.0", "2.2.0"]]},
            },
            "Same": {
                "there": [["2.0.0", "2.2.0"]],
                "keys": {"name": [["2.0.0", "2.2.0"]]},
                "sometimes": {"hint": [["2.2.0", "2.2.0"]]},
            },
        },
        "functions": {"tanh": [["2.0.0", "2.2.0"]]},
    },
)
BOTH = ["2.0.0", "2.2.0"]


def remaining(text, *layers):
    """The releases that may have written the layers, and which are the author's own."""
    writers = Writers(BETWEEN, BETWEEN.writers(text))
    naming = writers.naming(lambda spec: spec["class_name"])
    own = [
        name
        for name, keys in layers
        if naming({"class_name": name, "config": dict.fromkeys(keys)})[:7] == "custom>"
    ]
    return [release.name for release in writers.remaining()], own


@pytest.mark.parametrize(
    ("layers", "left", "own"),
    [
        ([], BOTH, []),
        ([("Same", ["name"])], BOTH, []),
        ([("Dense", ["name", "old"])], ["2.0.0"], []),
        ([("Dense", ["name", "new"])], ["2.2.0"], []),
        ([("Dense", ["name"])], BOTH, ["Dense"]),
        ([("Same", ["name", "hint"])], ["2.2.0"], []),
        ([("Same", ["name", "unheard"])], BOTH, []),
        ([("Old", ["name"]), ("Same", ["name"])], ["2.0.0"], []),
        ([("New", ["name"])], BOTH, ["New"]),
    ],
)
def test_a_release_between_two_is_read_as_the_one_that_fits(layers, left, own):
    assert remaining("2.1.0", *layers) == (left, own)


def test_a_file_that_fits_neither_of_two_releases_is_refused():
    with pytest.raises(gru2np.UnsupportedModelError, match="of different releases"):
        remaining("2.1.0", ("Dense", ["name", "new"]), ("Old", ["name"]))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("2.0.0", ["2.0.0"]),
        ("2.0.1", BOTH),
        ("2.2.0rc1", BOTH),
        ("2.2.0", ["2.2.0"]),
    ],
)
def test_what_a_version_in_a_file_may_be(text, names):
    assert [own.name for own in BETWEEN.writers(text)] == names


@pytest.mark.parametrize(("text", "how"), [("1.9.0", "older"), ("2.2.1", "newer")])
def test_a_release_beyond_those_that_were_tried(text, how):
    with pytest.raises(gru2np.UnsupportedModelError, match=how):
        BETWEEN.writers(text)


SAID = {
    "3.5": ("3.5", False, None, 3),
    "3.5.0-jax": ("3.5.0", False, "jax", 3),
    "2.2.4-tf": ("2.2.4-tf", False, None, 2),
    "2.2.4-theano": ("2.2.4", False, "theano", 2),
    "tf-1.15": ("1.15", True, None, 2),
}


@pytest.mark.parametrize("text", SAID)
def test_what_an_owner_may_say(text):
    said = parsed(text)
    found = said.version, said.tensorflow, said.backend, said.generation
    assert found == SAID[text]


@pytest.mark.parametrize("text", ["", "3", "3.5-mxnet", "tf-1.15-jax", "3.5 "])
def test_what_is_no_keras(text, tmp_path):
    with pytest.raises(ValueError, match="expected a version of Keras"):
        gru2np.export(fixture("keras-2.2/gru"), tmp_path / "m.npz", saved_by=text)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("case", "saved_by", "says"),
    [
        ("keras-2.2/gru", "2.3.1", "the file was saved by Keras 2.2.4"),
        ("keras-2.2/gru", "2.2.4-theano", "the file was saved on tensorflow"),
        ("keras-2.2/gru", "3.5", "none of the releases"),
        ("tf-2.10/gru", "tf-2.9", "the file was saved by TensorFlow 2.10.1"),
    ],
)
def test_saved_by_is_compared_with_the_file(case, saved_by, says, tmp_path):
    with pytest.raises(gru2np.Gru2npError, match=says):
        gru2np.export(fixture(case), tmp_path / "m.npz", saved_by=saved_by)
    assert not list(tmp_path.iterdir())


def test_a_tensorflow_of_many_may_be_named():
    """TensorFlow 1.13 to 2.1 all call their Keras 2.2.4-tf."""
    said = gru2np.inspect(fixture("tf-2.0/mask_bidirectional"), saved_by="tf-2.0")
    assert said.source["saved_by"] == "tf-2.0"
    assert "on TensorFlow, by --saved-by tf-2.0" in str(said)
    with pytest.raises(gru2np.ModelFileError, match=r"saved_by says tf-2\.10"):
        gru2np.inspect(fixture("tf-2.0/mask_bidirectional"), saved_by="tf-2.10")


def test_a_layer_keeps_the_name_of_its_class_in_the_file():
    golden = goldens.Golden(goldens.FIXTURES / "keras-1.2-theano" / "mask_through")
    with open_model(*golden.files()) as found:
        model, _ = interpret(found)
    written = {layer.written: layer.class_name for layer in walk_keras(model.layers)}
    assert written["TimeDistributedDense"] == "Dense"


KERAS_3 = goldens.FIXTURES / "keras-3.15"


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


def test_the_keys_of_an_architecture_show_its_release():
    """Numbers hang on the version, but all that write its keys mean the same."""
    assert without_version().meaning.writer == "Keras 3.13.0 to 3.15.1"


def test_where_versions_of_keras_3_disagree_an_architecture_is_refused():
    with pytest.raises(gru2np.UnsupportedModelError, match="--saved-by"):
        without_version(["optional", "ragged"])


def test_saved_by_decides_the_version():
    dropped = ["optional", "ragged"]
    assert without_version(dropped, "3.6.0").meaning.masks.merged == "or"
    assert without_version(dropped, "3.3.0").meaning.masks.merged == "drop"
