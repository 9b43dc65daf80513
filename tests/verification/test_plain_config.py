"""Architectures as they are handed to Keras: without code, and complete."""

from __future__ import annotations

import json
from dataclasses import replace

import goldens
from conversions import converted_with
from gru2np.convert import convert
from gru2np.ir import GroupStore
from gru2np.readers import open_model
from gru2np.verification import plain_config
from modelfiles import model_of, with_keys


def test_branches_in_the_first_layer_are_handed_to_keras_as_they_are():
    """Keras 2 still had Merge of Keras 1, with the branches inside its options."""
    branch = {"activation": "tanh", "batch_input_shape": [None, 3]}
    merge = {
        "class_name": "Merge",
        "config": {
            "name": "merge",
            "mode": "sum",
            "layers": [
                {"class_name": "Activation", "config": {"name": name, **branch}}
                for name in ("a", "b")
            ],
        },
    }
    last = {"class_name": "Activation", "config": {"name": "c", "activation": "relu"}}
    config = {"class_name": "Sequential", "config": [merge, last]}
    config = with_keys(config, "keras-2", "2.0.8")
    last = config["config"][1]
    case = goldens.Golden(goldens.FIXTURES / "keras-2.0" / "kept_layers")
    with open_model(*case.files()) as raw:
        conversion = converted_with(replace(raw, groups=GroupStore(())), config)
        conversion = replace(conversion, raw=replace(raw, config=config))
    handed, _ = plain_config.plain(conversion, keras2=True)
    assert handed["config"][1] == last


OLD = "keras-2.1/mixed_stack"


def test_what_names_code_outside_of_keras_is_seen():
    evil = {"module": "os", "class_name": "function", "config": "system"}
    assert plain_config.foreign({"config": [{"kernel_initializer": evil}]})
    mine = {"class_name": "function", "config": "mine", "module": None}
    assert plain_config.foreign({"bias_constraint": mine})
    assert not plain_config.foreign({"compile_config": {"loss": evil}})
    for module in ("keras.utils", "kerasevil", "keras.src.saving", 3):
        assert plain_config.foreign({"module": module, "class_name": "X"})
    for module in ("keras.layers", "keras", "keras.src.ops.numpy", None):
        assert not plain_config.foreign({"module": module, "class_name": "X"})
    eval_ = {"module": "builtins", "class_name": "function", "config": "eval"}
    assert plain_config.foreign(eval_)
    assert not plain_config.foreign({**eval_, "config": "tanh"})


def plain(name):
    with convert(model_of(name)) as conversion:
        return plain_config.plain(conversion, keras2=True)


def test_a_plain_configuration_writes_out_what_old_files_leave_out():
    config, written = plain(OLD)
    assert written == ["GRU reset_after=False"]
    text = json.dumps(config)
    assert "reset_after" in text
    assert "initializer" not in text
    config, _ = plain("keras-2.2/sequential_input_layer")
    first = config["config"]["layers"][0]["config"]
    assert len(first["batch_input_shape"]) == 3
