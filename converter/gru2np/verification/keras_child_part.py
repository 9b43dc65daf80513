"""A part of a model in the child process: the tensors of a loaded model, as a model.

``keras_child.py`` runs this file; it imports nothing of gru2np either.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np


def flat(result: Any) -> list[Any]:
    """The tensors of a result; a stack of cells gives its states in nested lists."""
    if isinstance(result, (list, tuple)):
        return [tensor for item in result for tensor in flat(item)]
    return [result]


class Part:
    """A model of some tensors of a loaded model; they may carry masks as inputs.

    Attributes:
        model: from tensors of the loaded model to others; None where Keras cannot make
            it.  Then its layers are called one by one.
    """

    def __init__(self, keras: Any, whole: Any, part: dict[str, Any]) -> None:
        self.keras = keras
        self.inputs = part["inputs"]
        names = [item["name"] for item in self.inputs]
        tensors: list[Any] = []
        # For each tensor the array that it gets, and that of its mask or None.
        self.fed: list[tuple[int, int | None]] = []
        for i, item in enumerate(self.inputs):
            found = [_tensor(keras, whole, tensor) for tensor in item["tensors"]]
            if item["own"] is not None:
                found = [whole.inputs[item["own"]]]
            masks = [x["mask_of"] for x in self.inputs]
            mask = masks.index(item["name"]) if item["name"] in masks else None
            if part["whole"] and item["carried"] is not None:
                _check_mask(found[0], item)
            tensors += found
            self.fed += [(i, mask)] * len(found)
        assert len(set(names)) == len(names)
        given = [_tensor(keras, whole, tensor) for tensor in part["outputs"]]
        unique = {id(tensor): tensor for tensor in given}
        self.whole, self.tensors, self.wanted = whole, tensors, list(unique.values())
        try:
            self.model = keras.Model(tensors, self.wanted)
        except ValueError:
            # Keras 3 takes an input for every call of the layer that gives it.
            self.model = None
        # For each output its tensor, and whether it is the mask of that.
        order = list(unique)
        self.given = [
            (order.index(id(tensor)), item["mask"])
            for tensor, item in zip(given, part["outputs"], strict=True)
        ]

    def call(self, inputs: list[Any]) -> list[Any]:
        """The outputs of one batch."""
        convert = importlib.import_module("tensorflow").convert_to_tensor
        tensors = [convert(x) for x in inputs]
        masks = [None if mask is None else tensors[mask] for _, mask in self.fed]
        options = {"mask": masks} if any(mask is not None for mask in masks) else {}
        fed = [tensors[position] for position, _ in self.fed]
        if self.model is None:
            result = self._by_layers(fed, masks)
        else:
            result = flat(self.model(fed, training=False, **options))
        outputs = []
        for position, is_mask in self.given:
            tensor = result[position]
            if is_mask:
                tensor = getattr(tensor, "_keras_mask", None)
                if tensor is None:
                    raise ValueError("an output has no mask in this Keras")
            outputs.append(tensor)
        return outputs

    def _by_layers(self, fed: list[Any], masks: list[Any]) -> list[Any]:
        """The outputs of one batch, from calls of the layers in the model's order."""
        known: dict[Any, Any] = {}
        for symbolic, tensor, mask in zip(self.tensors, fed, masks, strict=True):
            if mask is not None:
                tensor._keras_mask = mask
            known[id(symbolic)] = tensor
        graph = getattr(self.whole, "_functional", None) or self.whole
        depths = graph._nodes_by_depth
        for node in (node for depth in sorted(depths)[::-1] for node in depths[depth]):
            outputs = flat(node.outputs)
            if node.is_input or all(id(output) in known for output in outputs):
                continue
            if hasattr(node, "operation"):
                read = {id(tensor) for tensor in node.input_tensors}
                call, values = node.operation, node.arguments.fill_in
                ready = known
            else:
                read = {int(key) for key in node.flat_input_ids}
                call, values = node.layer, node.map_arguments
                # Each reader takes one away.
                ready = {str(key): [value] * 99 for key, value in known.items()}
            if read <= known.keys():
                arguments, options = values(ready)
                results = flat(call(*arguments, **options))
                for output, value in zip(outputs, results, strict=True):
                    known.setdefault(id(output), value)
        return [known[id(tensor)] for tensor in self.wanted]

    def predict(self, inputs: list[Any], rows: int) -> list[Any]:
        """The outputs of all rows, batch by batch."""
        batches = [
            self.call([x[start : start + rows] for x in inputs])
            for start in range(0, max(len(inputs[0]), 1), rows)
        ]
        return [
            np.concatenate([np.asarray(x) for x in parts])
            for parts in zip(*batches, strict=True)
        ]


def _check_mask(tensor: Any, item: dict[str, Any]) -> None:
    """Check that a tensor carries a mask if, and only if, the bundle says so."""
    carried = getattr(tensor, "_keras_mask", None) is not None
    if carried != item["carried"]:
        words = {True: "a mask", False: "no mask"}
        raise ValueError(
            f"{item['name']!r} carries {words[carried]} in Keras, and "
            f"{words[item['carried']]} in the bundle"
        )


def _tensor(keras: Any, model: Any, wanted: dict[str, Any]) -> Any:
    """A tensor of a loaded model, or of a model nested in it."""
    name, *inner = wanted["path"]
    graph = getattr(model, "_functional", None) or model
    members = getattr(graph, "operations", None) or graph.layers
    operation = next(member for member in members if member.name == name)
    inside = 1
    for calls in wanted["calls"][1:]:
        inside *= max(calls, 1)
    node = _node(graph, operation, wanted["call"] // inside)
    if inner:
        lower = {
            **wanted,
            "path": inner,
            "calls": wanted["calls"][1:],
            "call": wanted["call"] % inside,
        }
        nested = keras.Model(operation.inputs, _tensor(keras, operation, lower))
        read = getattr(node, "input_tensors", None)
        return nested(flat(read if hasattr(node, "operation") else node.keras_inputs))
    if hasattr(node, "operation"):
        return flat(node.output_tensors)[wanted["index"]]
    return flat(node.outputs)[wanted["index"]]


def _node(graph: Any, operation: Any, call: int) -> Any:
    """The node of a call of a layer, counted as the file does."""
    nodes = [
        node
        for nodes in graph._nodes_by_depth.values()
        for node in nodes
        if (getattr(node, "operation", None) or getattr(node, "layer", None))
        is operation
    ]
    all_nodes = [id(node) for node in operation._inbound_nodes]
    return sorted(nodes, key=lambda node: all_nodes.index(id(node)))[call]
