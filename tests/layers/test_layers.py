"""Files of equal names on both sides: a layer's spelling and its meaning."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

import gru2np.layers
import gru2np_runtime.layers
from goldens import all_goldens, refused
from gru2np.convert import interpret
from gru2np.layers import FAMILIES, LAYERS
from gru2np.layers.custom import Specs
from gru2np.layers.translate import Translator
from gru2np.readers import open_model
from gru2np_runtime.layers import FAMILY

FILES = {
    class_name: family.__name__.rpartition(".")[2]
    for family in FAMILIES
    for class_name in family.LAYERS
}
# Rows that make layers of several files, each with its reason.
SEVERAL = {
    "SpectralNormalization": "it is the layer inside, which may be any",
    "ops.Matmul": "with a constant it is a contraction",
    "ops.NotEqual": "what masks are made of is not the function of two tensors",
}


class Noting(Translator):
    """Notes the runtime classes that each Keras class became."""

    def __init__(self, meaning, made):
        super().__init__(meaning, "float32", Specs(), lambda *_: None)
        self.made = made

    def layer(self, path, layer):
        translated = super().layer(path, layer)
        if translated is not None:
            self.made.setdefault(layer.class_name, set()).add(type(translated))
        return translated


@pytest.fixture(scope="module")
def made():
    """What the fixtures' layers became, until every row has been seen."""
    found = {}
    # Those first that hold the most classes.
    order = ("keras-3.15", "keras-1.2", "keras-2.2", "tf-keras-2.21")
    goldens = sorted(all_goldens(), key=lambda own: own.folder.parent.name not in order)
    for golden in goldens:
        if refused(golden) or set(found) >= set(LAYERS):
            continue
        with open_model(*golden.files()) as raw:
            model, readings = interpret(raw)
            Noting(readings.assumed, found).translate(model)
    return found


def families(package):
    """The files of a package that hold a table of layers."""
    folder = Path(package.__file__).parent
    names = [path.stem for path in folder.glob("*.py") if path.stem != "__init__"]
    modules = {name: import_module(f"{package.__name__}.{name}") for name in names}
    return {name for name, module in modules.items() if hasattr(module, "LAYERS")}


def test_both_sides_have_the_same_files():
    runtime = families(gru2np_runtime.layers)
    assert runtime == {path.partition(".")[0] for path in FAMILY.values()}
    # No class of Keras is a custom function.
    assert set(FILES.values()) == runtime - {"custom"}
    # Functions that stand as options or in a layer of their own; and what merges all.
    assert families(gru2np.layers) - runtime <= {"activations", "translate"}


@pytest.mark.parametrize("class_name", sorted(LAYERS))
def test_a_row_is_in_the_file_of_the_layer_that_it_makes(made, class_name):
    files = {kind.__module__.rpartition(".")[2] for kind in made[class_name]}
    if class_name in SEVERAL:
        assert len(files) > 1
    else:
        assert files == {FILES[class_name]}


@pytest.mark.parametrize("class_name", sorted(LAYERS))
def test_a_row_has_weights_where_what_it_makes_has_some(made, class_name):
    weights = LAYERS[class_name].weights
    if weights is None or weights.inside is None:
        kept = {bool(kind.storage_axes) for kind in made[class_name]}
        assert kept == {weights is not None}


def test_no_class_is_in_two_families():
    assert sum(len(family.LAYERS) for family in FAMILIES) == len(LAYERS)
