"""The child process: a real Keras loads the model and predicts.

It is run by path, with the folder of a request as its only argument.  It imports
nothing of gru2np, so that its outputs come from Keras alone.  It reads
``request.json`` and ``inputs.npz``, writes the arrays of each case, ``arrays0.npz`` and
so on, and last ``answer.json``, which holds the error if there was one.  ``progress``
gets a line for each step that is done.
"""

from __future__ import annotations

import sys
from pathlib import Path

# Python puts this folder first, but its modules must not hide others of their names.
_HERE = Path(__file__).resolve().parent
sys.path[:] = [
    entry for entry in sys.path if not entry or Path(entry).resolve() != _HERE
]

import importlib  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import re  # noqa: E402
import runpy  # noqa: E402
import shutil  # noqa: E402
import threading  # noqa: E402
import zipfile  # noqa: E402
from typing import Any  # noqa: E402

import numpy as np  # noqa: E402

CONFIG = "config.json"
_PART: dict[str, Any] = runpy.run_path(str(_HERE / "keras_child_part.py"))
Part, _flat = _PART["Part"], _PART["flat"]


class Stopped(Exception):
    """Keras failed; the message is the stage, the cause is the error of Keras."""


def answer(folder: Path) -> dict[str, Any]:
    """The answer to the request in the folder."""
    request = json.loads((folder / "request.json").read_text("utf-8"))
    try:
        keras = importlib.import_module(request["module"])
    except Exception as error:
        raise Stopped("import") from error
    _tell(folder, "imported")
    # For layers that name no dtype, and because predict casts inputs to floatx.
    keras.backend.set_floatx(request["floatx"])
    request["custom_objects"] = _objects(keras, request)
    model, plain = _load(keras, request, folder)
    _tell(folder, "loaded")
    if request["nudged"]:
        _nudge(model)
    part = _part(keras, model, request)
    cases = [
        _predicted(keras, model, part, request, folder, number)
        for number in range(request["cases"])
    ]
    if request["layers"]:
        # Loaded again, because predict has traced this one into a graph.
        model, _ = _load(keras, request, folder)
        part = _part(keras, model, request)
        recorder = Recorder(keras, model if part is None else part.model)
        for number, case in enumerate(cases):
            if "failed" not in case:
                try:
                    case["nodes"] = _record(
                        recorder, model, part, request, folder, number
                    )
                except Exception as error:
                    raise Stopped("predict") from error
            _tell(folder, "layers")
    return {
        "version": keras.__version__,
        "tensorflow": importlib.import_module("tensorflow").__version__,
        "plain": plain,
        "left_out": request["left_out"] if plain else [],
        "cases": cases,
    }


def _tell(folder: Path, done: str) -> None:
    """Tell the parent what is done, a line for each."""
    with (folder / "progress").open("a", encoding="utf-8") as file:
        file.write(f"{done}\n")


def _inputs(request: dict[str, Any], folder: Path, number: int) -> list[Any]:
    with np.load(folder / "inputs.npz") as data:
        return [data[f"case{number}_x{i}"] for i in range(len(request["names"]))]


def _predicted(
    keras: Any,
    model: Any,
    part: Any,
    request: dict[str, Any],
    folder: Path,
    number: int,
) -> dict[str, Any]:
    """A record of the outputs of a case, or of the error of Keras."""
    inputs = _inputs(request, folder, number)
    rows = request["batch_size"] or len(inputs[0])
    arrays: dict[str, Any] = {}
    _reset_states(keras, model)
    try:
        if part is None:
            x = _pack(inputs, request)
            result = model.predict(x, batch_size=max(rows, 1), verbose=0)
        else:
            result = part.predict(inputs, max(rows, 1))
        outputs = _named(result, arrays, "y")
    except Exception as error:
        return {"failed": f"{type(error).__name__}: {error}"}
    finally:
        _tell(folder, "case")
    np.savez(folder / f"arrays{number}.npz", **arrays)
    return {"outputs": outputs, "nodes": []}


def _nudge(model: Any) -> None:
    """Change each weight of a model except zeros in its last digit, up or down."""
    rng = np.random.default_rng(0)
    weights = model.get_weights()
    for i, array in enumerate(weights):
        if array.dtype.kind == "f":
            ends = rng.choice([-np.inf, np.inf], array.shape).astype(array.dtype)
            weights[i] = np.where(array == 0, array, np.nextafter(array, ends))
    model.set_weights(weights)


def _reset_states(keras: Any, model: Any) -> None:
    """Set the states of stateful layers to zero, as after loading."""
    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.RNN) and layer.stateful:
            reset = getattr(layer, "reset_state", None) or layer.reset_states
            reset()


def _load(keras: Any, request: dict[str, Any], folder: Path) -> tuple[Any, bool]:
    """The model from its file, or if that fails from a copy with the plain config."""
    try:
        if request["must_be_plain"]:
            return _load_plain(keras, request, folder), True
        try:
            return _load_file(keras, request, Path(request["model"])), False
        except Exception:
            try:
                return _load_plain(keras, request, folder), True
            except Exception:
                pass
            raise
    except Exception as error:
        raise Stopped("load") from error


def _objects(keras: Any, request: dict[str, Any]) -> dict[str, Any]:
    """The custom objects that the user's file defines for this Keras."""
    if request["objects"] is None:
        return {}
    # It may import files beside it.
    sys.path.insert(0, str(Path(request["objects"]).parent))
    try:
        found = runpy.run_path(request["objects"])["keras_custom_objects"]
        objects = dict(found(keras) if callable(found) else found)
        missing = [name for name in request["needed"] if name not in objects]
        if missing:
            raise LookupError(
                f"keras_custom_objects has no {', '.join(missing)}, which the model "
                f"needs; it has {', '.join(objects) or 'nothing'}"
            )
    except Exception as error:
        raise Stopped("objects") from error
    return objects


def _load_file(keras: Any, request: dict[str, Any], path: Path) -> Any:
    own = dict(request["custom_objects"])
    if request["left_out"]:
        own.update(_placeholders(keras, request, path))
    if request["weights"]:
        model = keras.models.model_from_json(
            path.read_text("utf-8"), custom_objects=own
        )
        if request["weights"].endswith(".npz"):
            with np.load(request["weights"]) as data:
                arrays = [data[f"arr_{number}"] for number in range(len(data.files))]
            model.set_weights(arrays)
            return model
        loaded = model.load_weights(request["weights"])
        if loaded is not None:
            # Weights that a checkpoint lacks would keep their initial numbers.
            loaded.assert_existing_objects_matched()
        return model
    return keras.models.load_model(
        path, custom_objects=own, compile=False, safe_mode=True
    )


def _load_plain(keras: Any, request: dict[str, Any], folder: Path) -> Any:
    """Load a copy of the file with the plain configuration."""
    path = Path(request["model"])
    copy = folder / f"plain{path.suffix}"
    if request["left_out"] and request["container"] == "json+hdf5":
        _without_weights(Path(request["weights"]), folder / "kept.h5", request)
        name = "kept.weights.h5" if ".weights." in request["weights"] else "kept.h5"
        request = {
            **request,
            "weights": str((folder / "kept.h5").rename(folder / name)),
        }
    config = (folder / CONFIG).read_text("utf-8")
    if request["container"] == "hdf5":
        import h5py

        shutil.copyfile(path, copy)
        with h5py.File(copy, "r+") as file:
            del file.attrs["model_config"]
            file.attrs["model_config"] = config
        _without_weights(copy, copy, request)
    elif request["container"] == "keras":
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
            for name in old.namelist():
                if name != CONFIG:
                    with old.open(name) as source, new.open(name, "w") as target:
                        shutil.copyfileobj(source, target)
            new.writestr(CONFIG, config)
    else:
        copy.write_text(config, "utf-8")
    return _load_file(keras, request, copy)


def _without_weights(path: Path, copy: Path, request: dict[str, Any]) -> None:
    """Take the weights of left out layers from a copy of a legacy file."""
    import h5py

    if copy != path:
        shutil.copyfile(path, copy)
    with h5py.File(copy, "r+") as file:
        groups = file.get("model_weights", file)
        for name in set(request["left_out"]) & set(groups):
            attributes = groups[name].attrs
            for key in list(attributes):
                if key.startswith("weight_names"):
                    del attributes[key]
            attributes["weight_names"] = np.array([], "S1")


def _placeholders(keras: Any, request: dict[str, Any], path: Path) -> dict[str, Any]:
    """A class for each name of a left out layer's class.

    Each has the name of the class that it stands for, because Keras 3 finds the weights
    of other layers by the names of classes.
    """
    text = (path.parent / CONFIG).read_text("utf-8")
    names = set(re.findall(r'"class_name": "(gru2np\.left_out>[^"]+)"', text))
    return {name: _placeholder(keras, name.rpartition(">")[2]) for name in names}


def _placeholder(keras: Any, name: str) -> Any:
    tensorflow = importlib.import_module("tensorflow")

    class LeftOut(keras.layers.Layer):  # type: ignore[misc]
        """Has no weights, takes any inputs, and gives zeros of given shapes."""

        def __init__(self, outputs: Any, **options: Any) -> None:
            super().__init__(**options)
            self.outputs = outputs
            self.supports_masking = True

        def call(self, inputs: Any, *more: Any, **options: Any) -> Any:
            first = _flat(inputs)[0]
            rows = tensorflow.shape(first)[0]
            tensors = [
                tensorflow.zeros([rows if n is None else n for n in shape], dtype)
                for shape, dtype in self.outputs
            ]
            return tensors if len(tensors) > 1 else tensors[0]

        def compute_mask(self, inputs: Any, mask: Any = None) -> None:
            return None

        def load_own_variables(self, store: Any) -> None:
            pass

    return type(name, (LeftOut,), {})


def _pack(inputs: list[Any], request: dict[str, Any]) -> Any:
    """The inputs as one array, a list or a dict, as the model takes them."""
    if request["kind"] == "dict":
        return dict(zip(request["names"], inputs, strict=True))
    return inputs if request["kind"] == "list" else inputs[0]


def _named(result: Any, arrays: dict[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Add the arrays of a result to the others; gives a record of each."""
    if isinstance(result, dict):
        items = list(result.items())
    else:
        items = [(None, item) for item in _flat(result)]
    records = []
    for i, (key, item) in enumerate(items):
        array = np.asarray(item)
        dtype = array.dtype.name
        if dtype in ("float16", "bfloat16"):
            array = array.astype(np.float32)  # NumPy has no bfloat16
        arrays[f"{prefix}{i}"] = array
        records.append({"key": key, "array": f"{prefix}{i}", "dtype": dtype})
    return records


def _part(keras: Any, model: Any, request: dict[str, Any]) -> Any:
    """The part of the model that is asked for; None for the whole model."""
    if request["part"] is None:
        return None
    try:
        return Part(keras, model, request["part"])
    except Exception as error:
        raise Stopped("part") from error


class Frame:
    """One call of a model: numbers the calls of its layers as the file does.

    Calls run in another order than that of the file if one branch is deeper than
    another.
    """

    def __init__(self, model: Any, path: list[str], number: int) -> None:
        self.path = path
        self.number = number
        members = getattr(model, "operations", None) or model.layers
        self.members = {id(operation) for operation in members}
        self.order: dict[int, list[int]] = {}
        depths = getattr(model, "_nodes_by_depth", None) or {}
        for depth in sorted(depths, reverse=True):
            for node in depths[depth]:
                operation: Any = getattr(node, "operation", None) or node.layer
                calls = [id(inbound) for inbound in operation._inbound_nodes]
                self.order.setdefault(id(operation), []).append(calls.index(id(node)))
        for operation_id, calls in self.order.items():
            # A nested model has one more call, which is in no model.
            self.order[operation_id] = [sorted(calls).index(call) for call in calls]
        self.counts: dict[int, int] = {}

    def next_call(self, operation: Any) -> tuple[list[str], int]:
        """Path and number of the call that begins now, counted over the whole model."""
        order = self.order.get(id(operation), [0])
        count = self.counts.get(id(operation), 0)
        self.counts[id(operation)] = count + 1
        number = self.number * len(order) + order[count]
        return [*self.path, operation.name], number


class Recorder:
    """Records the outputs of every layer call of a model."""

    def __init__(self, keras: Any, model: Any) -> None:
        self.keras = keras
        self.model = model
        self.frames: list[Frame] = []
        self.outputs: dict[tuple[tuple[str, ...], int], list[Any]] = {}
        self.kinds: dict[tuple[str, ...], tuple[str, bool]] = {}
        layer_class = keras.layers.Layer
        _instrument(layer_class, self, ())
        if hasattr(keras, "Operation"):
            # Layers are operations too, but they are instrumented already.
            _instrument(keras.Operation, self, layer_class)

    def call(self, original: Any, operation: Any, args: Any, kwargs: Any) -> Any:
        """Run a call, and record its outputs if the layer is one of the model's."""
        whole, frames = operation is self.model, self.frames[-1:]
        if not whole and not any(id(operation) in frame.members for frame in frames):
            return original(operation, *args, **kwargs)
        path, number = ([], 0) if whole else frames[0].next_call(operation)
        if isinstance(operation, self.keras.Model):
            self.frames.append(Frame(operation, path, number))
            try:
                return original(operation, *args, **kwargs)
            finally:
                self.frames.pop()
        result = original(operation, *args, **kwargs)
        batches = self.outputs.setdefault((tuple(path), number), [])
        batches.append([np.asarray(tensor) for tensor in _flat(result)])
        is_layer = isinstance(operation, self.keras.layers.Layer)
        self.kinds[tuple(path)] = type(operation).__name__, is_layer
        return result


def _record(
    recorder: Recorder,
    model: Any,
    part: Any,
    request: dict[str, Any],
    folder: Path,
    number: int,
) -> list[dict[str, Any]]:
    """Run a case eagerly, batch by batch, and record the outputs of every layer."""
    inputs = _inputs(request, folder, number)
    recorder.outputs, recorder.kinds = {}, {}
    _reset_states(recorder.keras, model)
    rows = max(request["batch_size"] or len(inputs[0]), 1)
    convert = importlib.import_module("tensorflow").convert_to_tensor
    for start in range(0, len(inputs[0]), rows):
        batch = [convert(x[start : start + rows]) for x in inputs]
        if part is None:
            recorder.model(_pack(batch, request), training=False)
        else:
            part.call(batch)
    arrays: dict[str, Any] = {}
    nodes = [
        {
            "path": list(path),
            "call": call,
            "class_name": recorder.kinds[path][0],
            "is_layer": recorder.kinds[path][1],
            "batches": [
                _named(outputs, arrays, f"node{i}_{batch}_")
                for batch, outputs in enumerate(batches)
            ],
        }
        for i, ((path, call), batches) in enumerate(recorder.outputs.items())
    ]
    np.savez(folder / f"nodes{number}.npz", **arrays)
    return nodes


def _instrument(kind: Any, recorder: Recorder, excluded: Any) -> None:
    """Record the calls of a class of Keras, except for its subclasses ``excluded``."""
    original = kind.__call__

    def recorded(self: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(self, excluded):
            return original(self, *args, **kwargs)
        return recorder.call(original, self, args, kwargs)

    kind.__call__ = recorded


def main(folder: Path) -> int:
    """Answer the request in a folder; the exit code is 1 if Keras failed."""
    try:
        result = answer(folder)
    except Stopped as stopped:
        cause = stopped.__cause__
        error = f"{type(cause).__name__}: {cause}"
        result = {"failed": str(stopped), "error": error}
    (folder / "answer.json").write_text(json.dumps(result), "utf-8")
    return int("failed" in result)


def _end_with_parent() -> None:
    """End when the parent does: it holds the other end of standard input open."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(main(Path(sys.argv[1])))
