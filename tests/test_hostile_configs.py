"""Architectures with anything anywhere: an error of ours, never a crash or hang."""

import copy
import dataclasses
import random

import pytest

import goldens
import gru2np
from gru2np.convert import converted
from gru2np.generations import interpret
from gru2np.readers import open_model

# Models that between them hold every kind of record.
CASES = [
    "keras-2.2/mixed_stack",
    "keras-2.2/bidirectional",
    "keras-2.2/nested_deep",
    "keras-2.2/stacked_cells",
    "tf-keras-2.21/encoder_decoder",
    "keras-3.15/mask_merges_two",
    "keras-3.15/dict_inputs",
    "keras-3.15/time_distributed_model",
    "keras-3.15/convolution",
    "keras-3.15/normalised_stack",
]
VALUES = [
    None,
    True,
    0,
    -1,
    2**31,
    10**30,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "../../etc/passwd",
    "os",
    "tanh",
    [],
    {},
    [None],
    [[0]],
    {"class_name": "os.system", "config": "id"},
    {"class_name": "Functional", "config": {}},
]


def places(value, found):
    """Every container of the architecture with each of its keys."""
    keys = value if isinstance(value, dict) else range(len(value))
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], (dict, list)):
            places(value[key], found)
    return found


def convert(raw, config):
    """Convert under another architecture, weights matched; nothing is read."""
    changed = dataclasses.replace(raw, config=config)
    model, meaning = interpret(changed)
    return converted(changed, model, meaning)


@pytest.mark.parametrize("case", CASES)
def test_one_value_changed_anywhere(case):
    golden = goldens.Golden(goldens.FIXTURES / case)
    rng = random.Random(case)
    outcomes = {"converted": 0, "refused": 0}
    with open_model(*golden.files()) as raw:
        for _ in range(150):
            config = copy.deepcopy(dict(raw.config))
            container, key = rng.choice(places(config, []))
            if rng.random() < 0.2 and isinstance(container, dict):
                del container[key]
            else:
                container[key] = copy.deepcopy(rng.choice(VALUES))
            try:
                convert(raw, config)
                outcomes["converted"] += 1
            except gru2np.Gru2npError:
                outcomes["refused"] += 1
    # Initializers and the like may be anything; most of the rest may not.
    assert outcomes["refused"] > 20


@pytest.mark.parametrize("class_name", ["os.system", "Package>GRU", "builtins.eval"])
@pytest.mark.parametrize("module", [None, "os", "keras.layers", "my.package"])
def test_a_class_is_never_looked_up(class_name, module):
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "gru")
    with open_model(*golden.files()) as raw:
        config = copy.deepcopy(dict(raw.config))
        layers = config["config"]["layers"]
        layer = next(spec for spec in layers if spec["class_name"] == "GRU")
        layer["class_name"], layer["module"] = class_name, module
        with pytest.raises(gru2np.UnsupportedModelError) as refusal:
            convert(raw, config)
    assert class_name in str(refusal.value)


def test_a_users_class_of_a_built_in_name_is_refused():
    """Its module tells that it is not Keras' own."""
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "gru")
    with open_model(*golden.files()) as raw:
        config = copy.deepcopy(dict(raw.config))
        for spec in config["config"]["layers"]:
            if spec["class_name"] == "GRU":
                spec.update(module="my.package", registered_name="my>GRU")
        with pytest.raises(gru2np.UnsupportedModelError, match=r"my\.package>GRU"):
            convert(raw, config)
