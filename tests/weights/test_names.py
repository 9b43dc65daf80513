"""Arrays that are matched by the names they were stored under."""

import io

import numpy as np
import pytest

import gru2np
from gru2np_runtime import load
from legacy_models import saved


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
        weights = model.get_layer(name).weights
        assert (weights["kernel"] == numbers[0]).all()
        assert (weights["bias"] == numbers[1]).all()


def test_ambiguous_names_that_contradict_the_order_are_refused(tmp_path):
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
