"""Convert the Keras models for LiteRT and for Keras' own ONNX export.

Runs in a process of its own: ``python convert.py FOLDER...``.  A conversion that fails
leaves its message in a file beside the one it would have made.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from models import Workload
from peers.keras_tensorflow import build

if TYPE_CHECKING:
    from collections.abc import Callable


def litert(model: Any, path: Path, *, small: bool = False) -> None:
    """Write a LiteRT model of fixed shapes; ``small``: dynamic-range quantised."""
    import tensorflow as tf

    specs = [
        tf.TensorSpec(tensor.shape, tf.float32, name=tensor.name)
        for tensor in model.inputs
    ]
    function = tf.function(
        lambda *inputs: model(list(inputs) if len(inputs) > 1 else inputs[0]),
        input_signature=specs,
    )
    # Given the model too, it leaves variables that LiteRT's loops do not find.
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function.get_concrete_function()]
    )
    if small:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    path.write_bytes(converter.convert())


def small_litert(model: Any, path: Path) -> None:
    """Write a LiteRT model with weights of int8."""
    litert(model, path, small=True)


def exported(model: Any, path: Path) -> None:
    """Write what Keras exports; it wants the model to have been called."""
    import numpy as np

    inputs = [np.zeros(tensor.shape, np.float32) for tensor in model.inputs]
    model(inputs if len(inputs) > 1 else inputs[0])
    model.export(path, format="onnx", verbose=False)


def saved(model: Any, path: Path) -> None:
    """Write Keras' own file."""
    model.save(path)


def exact(model: Any, path: Path) -> None:
    """Write what Keras gives in float64; the models made by hand have it already."""
    import numpy as np

    import networks

    record = json.loads(path.with_name("workload.json").read_text("utf-8"))
    x = np.load(path.with_name("x.npy"))
    np.save(path, networks.exact(Workload.from_json(record), x))


CONVERSIONS: dict[str, Callable[[Any, Path], None]] = {
    "model.tflite": litert,
    "small.tflite": small_litert,
    "exported.onnx": exported,
    "model.keras": saved,
    "y.npy": exact,
}


def main(folders: list[str]) -> None:
    """Convert what is asked for in each folder's ``wanted.json``."""
    for folder in map(Path, folders):
        record = json.loads((folder / "workload.json").read_text("utf-8"))
        model = build(Workload.from_json(record), folder)
        for name in json.loads((folder / "wanted.json").read_text("utf-8")):
            path = folder / name
            error = path.with_name(path.name + ".error")
            if path.exists() or error.exists():
                continue
            try:
                CONVERSIONS[name](model, path)
            except Exception as caught:
                path.unlink(missing_ok=True)
                line = str(caught).strip().splitlines()[:1] or [""]
                error.write_text(f"{type(caught).__name__}: {line[0][:200]}", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
