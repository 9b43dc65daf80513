"""Model files of Keras 2, put together layer by layer."""

import json

import h5py
import numpy as np

from modelfiles import with_keys


def sequential(*layers):
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
