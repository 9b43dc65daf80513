"""A model while it is drawn, and what its calls give."""

from __future__ import annotations

from hypothesis import strategies as st

from random_models import layers
from random_models.layers import SMALL, Tensor

VOCABULARY = 6


class Graph:
    """A model while it is drawn: its inputs and calls, and the tensors they give."""

    def __init__(self, draw, context):
        self.draw = draw
        self.context = context
        self.inputs = []
        self.calls = []
        self.tensors = []

    def input(self, kind, features=None):
        """One more input; all inputs come before the calls."""
        time = self.context.time
        features = features or self.draw(SMALL)
        shapes = {
            "vector": [features],
            "sequence": [time, features],
            "sequences": [2, time, features],
            "ids": [time],
            "mask": [time],
        }
        source = {"kind": kind, "shape": shapes[kind]}
        if kind == "ids":
            source["size"] = VOCABULARY
        self.inputs.append(source)
        self.tensors.append(Tensor(kind, features))

    def call(self, layer, of, given, **arguments):
        """One more call, and the tensors that it gives."""
        self.calls.append({"layer": layer, "of": list(of), **arguments})
        self.tensors.extend(given)

    def of_kind(self, *kinds):
        return [i for i, tensor in enumerate(self.tensors) if tensor.kind in kinds]

    def pick(self, *kinds):
        """A tensor of these kinds, mostly one of the last."""
        found = self.of_kind(*kinds)[::-1]
        return self.draw(st.sampled_from([*found[:1] * 3, *found]))

    def alike(self, index):
        """The tensors of the kind and size of this one."""
        return [i for i, t in enumerate(self.tensors) if t == self.tensors[index]]

    def described(self, outputs):
        return {"inputs": self.inputs, "calls": self.calls, "outputs": outputs}


def count(graph, call):
    """How many tensors a call gave."""
    if "operator" in call:
        return 1
    layer = call["layer"]
    if isinstance(layer, int):
        return count(graph, graph.calls[layer])
    if layer["class"] == "model":
        return len(layer["outputs"])
    inside = layer.get("layer", layer)
    first = 2 if layer.get("merge_mode", "concat") is None else 1
    if not inside.get("return_state"):
        return first
    return first + len(states(layer))


def states(layer):
    """Sizes of the states of a layer that keeps some."""
    if layer["class"] == "Bidirectional":
        back = layer.get("backward_layer", layer["layer"])
        return [*states(layer["layer"]), *states(back)]
    if layer["class"] != "RNN":
        return layers.states_of(layer)
    inside = layer["cell"]
    if isinstance(inside, dict):
        inside = inside.get("cells", [inside])
    return [size for one in inside for size in layers.states_of(one)]
