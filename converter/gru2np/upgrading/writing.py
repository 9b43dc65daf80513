"""Writes a model in the spelling of Keras 3 as a ``.keras`` file, without Keras."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import h5py

from gru2np.readers.members import CONFIG, METADATA, WEIGHTS
from gru2np.readers.weights_h5 import variables_of
from gru2np.upgrading import target
from gru2np.upgrading.calls import node_of
from gru2np.upgrading.options import options_of, policy
from gru2np.upgrading.weights import NEW, variables
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import BinaryIO

    from gru2np.graph.assembly import Builder
    from gru2np.ir import Array, KerasLayer, KerasModel, TensorRef
    from gru2np.layers.custom import Specs
    from gru2np_runtime.graph import Graph

# Two files of one model are equal, so neither has the date of its making.
DATE = "1980-01-01@00:00:00"
EPOCH = (1980, 1, 1, 0, 0, 0)


def write(
    file: BinaryIO,
    model: KerasModel,
    specs: Specs,
    weight: Callable[[str], Array],
) -> Graph:
    """Write a model and its weights.

    Args:
        file: open for bytes.
        model: in the spelling of Keras 3.
        specs: how its classes are converted.
        weight: gives the array of a weight by its path in a bundle of the model.

    Returns:
        The graph of the model.
    """
    builder, graph = target.graph_of(model, specs)
    metadata = {"keras_version": target.release().writes, "date_saved": DATE}
    config = _Architecture(specs, builder, model).record()
    members = {
        METADATA: json.dumps(metadata).encode(),
        CONFIG: json.dumps(config).encode(),
        WEIGHTS[0]: _weights(model, specs, builder, weight),
    }
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), data)
    return graph


def _weights(
    model: KerasModel,
    specs: Specs,
    builder: Builder,
    weight: Callable[[str], Array],
) -> bytes:
    """The file of the weights."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        for path, owner, arrays in variables(model, specs, builder.weights):
            group = file.create_group(variables_of(path))
            group.attrs["name"] = owner
            for i, slot in enumerate(arrays):
                array = weight(slot.path) if slot.used else NEW[slot.name]
                group.create_dataset(str(i), data=array, track_times=False)
    return memory.getvalue()


class _Architecture:
    """The records of a model's layers.

    Args:
        specs: how classes are converted.
        builder: of a graph that the model is in.
        model: the model.
        prefix: of the paths of its layers in that graph.
    """

    def __init__(
        self, specs: Specs, builder: Builder, model: KerasModel, prefix: str = ""
    ) -> None:
        self.specs = specs
        self.builder = builder
        self.model = model
        self.prefix = prefix

    def record(self) -> dict[str, Any]:
        """The record of the model."""
        model = self.model
        own = {"name": model.name, "trainable": model.config.get("trainable", True)}
        if model.sequential:
            layers = [self._layer(layer) for layer in model.layers]
            shape = model.layers[0].config["batch_shape"]
            config = {
                **own,
                "dtype": policy(model.config.get("dtype") or "float32"),
                "layers": layers,
                "build_input_shape": shape,
            }
            record = _record("keras", "Sequential", None, config)
            return {**record, "build_config": {"input_shape": shape}}
        config = {
            **own,
            "layers": [self._called(layer) for layer in model.layers],
            "input_layers": _ports(model.inputs, model.input_keys, model.single[0]),
            "output_layers": _ports(
                map(self._as_output, model.outputs),
                model.output_keys,
                model.single[1],
            ),
        }
        module = "keras.src.models.functional"
        record = _record(module, "Functional", "Functional", config)
        return {**record, "build_config": {"input_shape": None}}

    def _as_output(self, ref: TensorRef) -> TensorRef:
        """An output of the model, as ``output_layers`` counts calls.

        A functional model has a hidden call there, that of its own inputs.
        """
        inner = self._layer_of(ref).model
        hidden = inner is not None and not inner.sequential
        return replace(ref, call=ref.call + hidden)

    def _layer_of(self, ref: TensorRef) -> KerasLayer:
        return next(x for x in self.model.layers if x.name == ref.layer)

    def _called(self, layer: KerasLayer) -> dict[str, Any]:
        """The record of a layer with its calls."""
        calls = [node_of(layer, call, self._tensor) for call in layer.calls]
        return {**self._layer(layer), "name": layer.name, "inbound_nodes": calls}

    def _layer(self, layer: KerasLayer) -> dict[str, Any]:
        """The record of a layer without its calls."""
        if layer.model is not None:
            prefix = f"{self.prefix}{encode_name(layer.name)}/"
            inner = _Architecture(self.specs, self.builder, layer.model, prefix)
            record = inner.record()
            record["config"]["name"] = layer.name
            return record
        config = options_of(layer)
        for attribute, child in layer.children:
            if attribute.startswith("cells/"):
                config.setdefault("cells", []).append(self._inside(child))
            else:
                key = "layer" if attribute == "forward_layer" else attribute
                config[key] = self._inside(child)
        module, class_name, registered = target.home(layer.class_name)
        record = _record(module, class_name, registered, config)
        calls = () if layer.class_name.startswith("ops.") else layer.calls[:1]
        if calls and len(calls[0].references()) == 1:
            shape = self._tensor(calls[0].inputs[0])["config"]["shape"]
            record["build_config"] = {"input_shape": shape}
        return record

    def _inside(self, layer: KerasLayer) -> dict[str, Any]:
        """The record of a layer inside another."""
        if layer.model is not None:
            builder, _ = target.graph_of(layer.model, self.specs)
            return _Architecture(self.specs, builder, layer.model).record()
        return self._layer(layer)

    def _tensor(self, ref: TensorRef) -> dict[str, Any]:
        """The record of a tensor."""
        shape, dtype = self._described(self.model, self.prefix, 0, ref)
        history = [ref.layer, ref.call, ref.output]
        config = {"shape": list(shape), "dtype": dtype, "keras_history": history}
        return {"class_name": "__keras_tensor__", "config": config}

    def _described(
        self, model: KerasModel, prefix: str, number: int, ref: TensorRef
    ) -> tuple[Sequence[int | None], str]:
        """The shape and the dtype of a tensor.

        Args:
            model: that it is in.
            prefix: of the paths of its layers.
            number: of the call of the model, counted from 0.
            ref: the tensor.
        """
        layer = next(layer for layer in model.layers if layer.name == ref.layer)
        if layer.class_name == "InputLayer":
            options = options_of(layer)
            return options["batch_shape"], options["dtype"]
        path = prefix + encode_name(layer.name)
        index = number * len(layer.calls) + ref.call
        if layer.model is not None:
            output = layer.model.outputs[ref.output]
            return self._described(layer.model, f"{path}/", index, output)
        name = f"{path}#{index}" if index else path
        shapes = self.builder.shapes[name]
        if ref.output >= len(shapes):  # an operation of two nodes: indices
            return shapes[0], "int32"
        dtype = self.builder.floats.get(name) or self.builder.dtypes[name]
        return shapes[ref.output], dtype


def _record(
    module: str | None, class_name: str, registered: str | None, config: dict[str, Any]
) -> dict[str, Any]:
    return {
        "module": module,
        "class_name": class_name,
        "config": config,
        "registered_name": registered,
    }


def _ports(
    refs: Iterable[TensorRef], keys: Sequence[str] | None, single: bool
) -> list[Any] | dict[str, Any]:
    """The inputs or outputs of a model: one, a list or a dict."""
    tensors = [[ref.layer, ref.call, ref.output] for ref in refs]
    if keys is not None:
        return dict(zip(keys, tensors, strict=True))
    return tensors[0] if single else tensors
