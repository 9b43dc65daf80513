"""Models of Lambda layers: files of Keras 3 and of Keras 2 with the code of a function.

A node is (name, class, options, inputs); a model needs no weights.
"""

import base64
import io
import json
import marshal
import zipfile

import h5py
import numpy as np

METADATA = {"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}
FLOAT32 = {
    "module": "keras",
    "class_name": "DTypePolicy",
    "config": {"name": "float32"},
    "registered_name": None,
}


def code_of(function):
    """The bytecode of a function as Keras stores it."""
    return base64.b64encode(marshal.dumps(function.__code__)).decode()


def by_code(function):
    """A function as Keras 3 writes one without a name."""
    config = {"code": code_of(function), "defaults": None, "closure": None}
    return {"class_name": "__lambda__", "config": config}


def by_name(name):
    """A function as Keras 3 writes one with a name."""
    function = {"module": "builtins", "class_name": "function", "config": name}
    return {**function, "registered_name": "function"}


def source(shape=(None, None, 3), dtype="float32", name="x"):
    """An input of Keras 3."""
    options = {"batch_shape": list(shape), "dtype": dtype, "sparse": False}
    more = {"ragged": False, "name": name, "optional": False}
    return name, "InputLayer", {**options, **more}, ()


def own(name, inputs=("x",), function=None, **options):
    """A Lambda layer of Keras 3; its function by name, by default one without."""
    nothing = by_code(lambda x: x)
    config = {
        "name": name,
        "trainable": True,
        "dtype": FLOAT32,
        "function": nothing if function is None else by_name(function),
        "arguments": {},
        **options,
    }
    return name, "Lambda", config, inputs


def masking(name="masking", inputs=("x",), **options):
    """A Masking layer of Keras 3."""
    config = {"name": name, "trainable": True, "dtype": FLOAT32, "mask_value": 0.0}
    return name, "Masking", {**config, **options}, inputs


def time_distributed(name, node, inputs=("x",)):
    """A TimeDistributed layer of Keras 3 around another node."""
    layer = record(*node[:3])
    config = {"name": name, "trainable": True, "dtype": FLOAT32, "layer": layer}
    return name, "TimeDistributed", config, inputs


def record(name, class_name, config):
    """A layer as Keras 3 writes it, without its calls."""
    given = {"module": "keras.layers", "class_name": class_name, "config": config}
    return {**given, "registered_name": None}


def _call(inputs):
    """A call as Keras 3 writes it, of one tensor or of a list."""
    tensors = [
        {
            "class_name": "__keras_tensor__",
            "config": {"shape": [None], "dtype": "float32", "keras_history": [*parts]},
        }
        for parts in (_tensor(name) for name in inputs)
    ]
    return {"args": [tensors[0] if len(tensors) == 1 else tensors], "kwargs": {}}


def _tensor(name):
    """Layer, call and output of ``layer``, ``layer#call`` or ``layer#call#output``."""
    layer, *numbers = name.split("#")
    call, output = (*map(int, numbers), 0, 0)[:2]
    return layer, call, output


def config_of(nodes, outputs, name="m"):
    """The architecture of Keras 3; a node given again is called again."""
    layers = {}
    for node, class_name, options, inputs in nodes:
        found = layers.setdefault(
            node, {**record(node, class_name, options), "name": node}
        )
        calls = found.setdefault("inbound_nodes", [])
        if inputs:
            calls.append(_call(inputs))
    ports = [[node, 0, 0] for node, kind, *_ in nodes if kind == "InputLayer"]
    ends = [[*_tensor(output)] for output in outputs]
    return {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {
            "name": name,
            "trainable": True,
            "layers": [*layers.values()],
            "input_layers": ports[0] if len(ports) == 1 else ports,
            "output_layers": ends[0] if len(ends) == 1 else ends,
        },
        "registered_name": "Functional",
    }


def keras_3(*nodes, outputs=None):
    """The bytes of a ``.keras`` file; the last node is the output unless others are."""
    config = config_of(nodes, outputs or (nodes[-1][0],))
    return packed(config)


def packed(config, weights=None):
    """The bytes of a ``.keras`` file of an architecture."""
    out, empty = io.BytesIO(), io.BytesIO()
    with h5py.File(empty, "w") as file:
        file.create_group("vars")
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("metadata.json", json.dumps(METADATA))
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("model.weights.h5", weights or empty.getvalue())
    return out.getvalue()


def keras_2(*layers, shape=(None, None, 3), version="2.15.0"):
    """The bytes of an ``.h5`` file of a Sequential model of (class, options)."""
    first = {"batch_input_shape": list(shape), "dtype": "float32", "sparse": False}
    records = [
        {
            "class_name": "InputLayer",
            "config": {**first, "ragged": False, "name": "x"},
        },
        *({"class_name": kind, "config": options} for kind, options in layers),
    ]
    config = {"class_name": "Sequential", "config": {"name": "m", "layers": records}}
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file.attrs["keras_version"] = version
        file.attrs["backend"] = "tensorflow"
        file.attrs["model_config"] = json.dumps(config)
        top = file.create_group("model_weights")
        names = [record["config"]["name"] for record in records]
        top.attrs["layer_names"] = np.array([name.encode() for name in names])
        top.attrs["backend"], top.attrs["keras_version"] = "tensorflow", version
        for name in names:
            top.create_group(name).attrs["weight_names"] = np.array([], "S1")
    return out.getvalue()


def own_2(name, function, **options):
    """A Lambda layer of Keras 2 with the code of a function."""
    config = {
        "name": name,
        "trainable": True,
        "dtype": "float32",
        "function": {
            "class_name": "__tuple__",
            "items": [code_of(function), None, None],
        },
        "function_type": "lambda",
        "module": "tests",
        "output_shape": None,
        "output_shape_type": "raw",
        "output_shape_module": None,
        "arguments": {},
    }
    return "Lambda", {**config, **options}
