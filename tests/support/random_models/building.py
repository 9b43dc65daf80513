"""Models of a real Keras from plain descriptions.

A layer is a dict: its class, its options, and descriptions of the layers inside.  A
model is a dict of ``inputs``, ``calls`` and ``outputs``; tensors are numbered, inputs
first, then what each call gives.  A call names its layer, or the call whose layer it
shares, and the tensors it takes.
"""

from __future__ import annotations

import gc
import os
from functools import cache
from importlib import import_module

import numpy as np

# Both are read when TensorFlow and Keras are first imported: inside of a test.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")

SCALE = 0.6


def build(recipe):
    """The model of a recipe, every weight and statistic of it random."""
    keras = package(recipe["keras"])
    # For layers inside of others, and for the data that predict is given.
    policy(keras, recipe["dtype"])
    batch = recipe["rows"] if recipe.get("stateful") else None
    model = model_of(keras, recipe["model"], recipe["dtype"], batch)
    randomize(model, np.random.RandomState(recipe["seed"]))
    return model


def policy(keras, dtype):
    keras.backend.set_floatx(dtype)
    if keras.__name__ == "keras":
        keras.config.set_dtype_policy(dtype)
    else:
        keras.mixed_precision.set_global_policy(dtype)


@cache
def package(name):
    """A Keras, imported; what it is made of is no garbage to look through later."""
    keras = import_module(name)
    gc.freeze()
    return keras


def forget(name):
    """Drop what a Keras keeps of the model of an example."""
    package(name).backend.clear_session()
    policy(package(name), "float32")


def layer_of(keras, spec, dtype):
    """The layer that a dict describes."""
    if spec["class"] == "model":
        return model_of(keras, spec, dtype, None)
    options = {
        key: inner(keras, value, dtype)
        for key, value in spec.items()
        if key not in ("class", "layer", "cell", "cells")
    }
    inside = [
        inner(keras, spec[key], dtype)
        for key in ("layer", "cell", "cells")
        if key in spec
    ]
    return getattr(keras.layers, spec["class"])(*inside, **options)


def inner(keras, value, dtype):
    if isinstance(value, dict) and "class" in value:
        return layer_of(keras, value, dtype)
    if isinstance(value, list):
        return [inner(keras, item, dtype) for item in value]
    return value


def model_of(keras, spec, dtype, batch):
    """The functional model, or the Sequential, that a dict describes."""
    if spec.get("sequential"):
        layers = [layer_of(keras, call["layer"], dtype) for call in spec["calls"]]
        (source,) = spec["inputs"]
        return keras.Sequential([input_of(keras, source, dtype, batch), *layers])
    tensors = [input_of(keras, source, dtype, batch) for source in spec["inputs"]]
    inputs = list(tensors)
    made = []
    for call in spec["calls"]:
        if "operator" in call:
            made.append(None)
            tensors.append(operate(keras, call, tensors))
            continue
        shared = isinstance(call["layer"], int)
        made.append(
            made[call["layer"]] if shared else layer_of(keras, call["layer"], dtype)
        )
        given = [tensors[i] for i in call["of"]]
        options = {}
        if "mask" in call:
            options["mask"] = tensors[call["mask"]]
        if "initial_state" in call:
            states = [tensors[i] for i in call["initial_state"]]
            options["initial_state"] = states if len(states) > 1 else states[0]
        result = made[-1](given if len(given) > 1 else given[0], **options)
        tensors.extend(flat(result))
    outputs = [tensors[i] for i in spec["outputs"]]
    return keras.Model(
        inputs if len(inputs) > 1 else inputs[0],
        outputs if len(outputs) > 1 else outputs[0],
    )


def input_of(keras, source, dtype, batch):
    own = {"ids": "int32", "mask": "bool"}.get(source["kind"], dtype)
    if keras.__name__ == "keras" and batch:
        return keras.Input(batch_shape=(batch, *source["shape"]), dtype=own)
    return keras.Input(shape=source["shape"], batch_size=batch, dtype=own)


OPERATORS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "last": lambda a, _: a[:, -1],
    "tail": lambda a, _: a[:, 1:],
}


def operate(keras, call, tensors):
    operands = [tensors[i] for i in call["of"]]
    other = operands[1] if len(operands) > 1 else call.get("number")
    return OPERATORS[call["operator"]](operands[0], other)


def flat(tensors):
    """The tensors of a call in order, states in lists among them."""
    if not isinstance(tensors, (list, tuple)):
        return [tensors]
    return [item for tensor in tensors for item in flat(tensor)]


def randomize(model, random):
    """Random numbers for every weight; variances stay positive."""
    arrays = []
    for variable, array in zip(model.weights, model.get_weights(), strict=True):
        name = getattr(variable, "path", None) or variable.name
        if "variance" in name:
            arrays.append((random.rand(*array.shape) + 0.5).astype(array.dtype))
        else:
            arrays.append((random.randn(*array.shape) * SCALE).astype(array.dtype))
    model.set_weights(arrays)
