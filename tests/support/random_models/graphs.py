"""Strategies of the calls of a model, and of models inside of models."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from random_models import layers
from random_models.drawing import VOCABULARY, Graph, count
from random_models.layers import UNITS, Tensor, rarely

MERGES = [
    *("Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply"),
    "Subtract",
]


def masked(graph):
    """A Masking, or an Embedding where there are ids."""
    index = graph.draw(st.sampled_from(graph.of_kind("sequence", "ids")))
    if graph.tensors[index].kind == "ids":
        size = graph.draw(UNITS)
        layer = {"class": "Embedding", "input_dim": VOCABULARY, "output_dim": size}
        if graph.draw(st.booleans()):
            layer["mask_zero"] = True
        graph.call(layer, [index], [Tensor("sequence", size)])
        return
    layer = {"class": "Masking", "mask_value": graph.context.mask_value}
    graph.call(layer, [index], [graph.tensors[index]])


def pointwise(graph):
    index = graph.pick("sequence", "vector")
    tensor = graph.tensors[index]
    layer, features = layers.pointwise(
        graph.draw, graph.context, tensor.features, tensor.kind
    )
    graph.call(layer, [index], [Tensor(tensor.kind, features)])


def outputs_of(spec, sizes, states):
    """Tensors of a recurrent layer or of a Bidirectional."""
    inside = spec.get("layer", spec)
    kind = "sequence" if inside.get("return_sequences") else "vector"
    given = [Tensor(kind, size) for size in sizes]
    if inside.get("return_state"):
        given.extend(Tensor("vector", size) for size in states)
    return given


def over_time(graph, *, both=True, **options):
    """A recurrent layer or a Bidirectional; its tensors and the sizes of its states."""
    if both and graph.draw(st.booleans()):
        layer, sizes, states = layers.bidirectional(
            graph.draw, graph.context, **options
        )
    else:
        layer, size, states = layers.recurrent(graph.draw, graph.context, **options)
        sizes = [size]
    return layer, outputs_of(layer, sizes, states), states


def recurrent(graph):
    layer, given, _ = over_time(graph)
    graph.call(layer, [graph.pick("sequence")], given)


def mask_argument(graph):
    layer, given, _ = over_time(graph)
    graph.call(layer, [graph.pick("sequence")], given, mask=graph.pick("mask"))


def initial_state(graph):
    """A recurrent layer that starts from vectors, made to fit where none does."""
    index = graph.pick("sequence")
    layer, given, sizes = over_time(graph)
    states = []
    for size in sizes:
        fitting = [i for i in graph.of_kind("vector") if _size(graph, i) == size]
        if not fitting:
            dense = {"class": "Dense", "units": size}
            graph.call(dense, [graph.pick("vector")], [Tensor("vector", size)])
            fitting = [len(graph.tensors) - 1]
        states.append(graph.draw(st.sampled_from(fitting)))
    graph.call(layer, [index], given, initial_state=states)


def _size(graph, index):
    return graph.tensors[index].features


def merge(graph):
    index = graph.pick("sequence", "vector")
    others = graph.alike(index)
    class_name = graph.draw(st.sampled_from(MERGES))
    count = 1 if class_name == "Subtract" else graph.draw(st.sampled_from([1, 2]))
    of = [index] + [graph.draw(st.sampled_from(others)) for _ in range(count)]
    tensor = graph.tensors[index]
    if class_name == "Concatenate":
        tensor = replace(tensor, features=tensor.features * len(of))
    graph.call({"class": class_name}, of, [tensor])


def concatenation(graph):
    kind = graph.tensors[graph.pick("sequence", "vector")].kind
    of = [graph.pick(kind) for _ in range(graph.draw(st.sampled_from([2, 3])))]
    size = sum(_size(graph, i) for i in of)
    graph.call({"class": "Concatenate"}, of, [Tensor(kind, size)])


def arithmetic(graph):
    index = graph.pick("sequence", "vector")
    name = graph.draw(st.sampled_from(["add", "subtract", "multiply"]))
    call = {"operator": name, "of": [index]}
    if graph.draw(st.booleans()):
        call["number"] = 0.5
    else:
        call["of"].append(graph.draw(st.sampled_from(graph.alike(index))))
    graph.calls.append(call)
    graph.tensors.append(graph.tensors[index])


def last_step(graph):
    index = graph.pick("sequence")
    graph.calls.append({"operator": "last", "of": [index]})
    graph.tensors.append(Tensor("vector", _size(graph, index)))


def pooling(graph):
    index = graph.pick("sequence")
    kind = graph.draw(st.sampled_from(["GlobalAveragePooling1D", "GlobalMaxPooling1D"]))
    graph.call({"class": kind}, [index], [Tensor("vector", _size(graph, index))])


def convolution(graph):
    layer = {
        "class": "Conv1D",
        "filters": graph.draw(UNITS),
        "kernel_size": graph.draw(st.sampled_from([2, 3, 1])),
        "padding": graph.draw(st.sampled_from(["causal", "same"])),
    }
    index = graph.pick("sequence")
    graph.call(layer, [index], [Tensor("sequence", layer["filters"])])


def repeated(graph):
    index = graph.pick("vector")
    layer = {"class": "RepeatVector", "n": graph.context.time}
    graph.call(layer, [index], [Tensor("sequence", _size(graph, index))])


def shared(graph):
    """Another call of a layer that has been called with one tensor."""
    calls = [
        (number, call)
        for number, call in enumerate(graph.calls)
        if isinstance(call.get("layer"), dict) and set(call) == {"layer", "of"}
    ]
    number, call = graph.draw(st.sampled_from(calls[::-1]))
    of = [graph.draw(st.sampled_from(graph.alike(i)[::-1])) for i in call["of"]]
    start = len(graph.inputs) + sum(count(graph, c) for c in graph.calls[:number])
    given = graph.tensors[start : start + count(graph, call)]
    graph.call(number, of, given)


def nested(graph):
    """A model of its own, called once or twice."""
    indices = [graph.pick("sequence", "vector")]
    if rarely(graph.draw):
        indices.append(graph.pick("sequence", "vector"))
    model, given = submodel(graph, [graph.tensors[i] for i in indices])
    graph.call(model, indices, given)


def submodel(graph, tensors, *, single=False):
    """A nested model for such tensors, and what it gives."""
    context = replace(graph.context, depth=graph.context.depth + 1, stateful=False)
    own = Graph(graph.draw, context)
    for tensor in tensors:
        own.input(tensor.kind, tensor.features)
    grow(own, [list(KINDS)] * graph.draw(st.sampled_from([1, 2, 3])))
    outputs = chosen(own, single=single)
    spec = {"class": "model", **own.described(outputs)}
    given = [own.tensors[i] for i in outputs]
    in_a_row = all(
        isinstance(call.get("layer"), dict)
        and call["of"] == [i]
        and set(call) == {"layer", "of"}
        and count(own, call) == 1
        for i, call in enumerate(own.calls)
    )
    if in_a_row and outputs == [len(own.calls)] and graph.draw(st.booleans()):
        spec["sequential"] = True
    return spec, given


def time_distributed(graph):
    """A layer or model for each of several sequences."""
    index = graph.pick("sequences")
    sequence = Tensor("sequence", _size(graph, index))
    inside = graph.draw(st.sampled_from(["recurrent", "model", "each step"]))
    if inside == "recurrent":
        layer, (tensor,), _ = over_time(graph, several=False, fixed={"stateful": False})
    elif inside == "model":
        layer, (tensor,) = submodel(graph, [sequence], single=True)
    else:
        layer, size = layers.each_step(
            graph.draw, graph.context, sequence.features, "sequence"
        )
        tensor = Tensor("sequence", size)
    # Vectors of every sequence are a sequence, of a length of their own.
    kind = "sequences" if tensor.kind == "sequence" else "pair"
    graph.call(
        {"class": "TimeDistributed", "layer": layer},
        [index],
        [Tensor(kind, tensor.features)],
    )


# What may be called: the kinds of tensors that it needs, and more.
KINDS = {
    "masked": (masked, [("sequence", "ids")]),
    "recurrent": (recurrent, [("sequence",)]),
    "pointwise": (pointwise, [("sequence", "vector")]),
    "merge": (merge, [("sequence", "vector")]),
    "concatenation": (concatenation, [("sequence", "vector")]),
    "initial_state": (initial_state, [("sequence",), ("vector",)]),
    "mask_argument": (mask_argument, [("sequence",), ("mask",)]),
    "arithmetic": (arithmetic, [("sequence", "vector")]),
    "last_step": (last_step, [("sequence",)]),
    "pooling": (pooling, [("sequence",)]),
    "convolution": (convolution, [("sequence",)]),
    "repeated": (repeated, [("vector",)]),
    "shared": (shared, [("sequence", "vector")]),
    "nested": (nested, [("sequence", "vector")]),
    "time_distributed": (time_distributed, [("sequences",)]),
}


def possible(graph, name):
    if name is None:
        # Ids alone are no sequence yet.
        return bool(graph.of_kind("sequence"))
    _, needed = KINDS[name]
    if not all(graph.of_kind(*kinds) for kinds in needed):
        return False
    if name == "repeated":
        return graph.context.time is not None
    if name == "shared":
        return any(
            isinstance(call.get("layer"), dict) and set(call) == {"layer", "of"}
            for call in graph.calls
        )
    return name != "nested" or graph.context.depth < 2


def grow(graph, plan):
    """A call for each list of kinds in the plan; None among them is no call."""
    for kinds in plan:
        names = [name for name in kinds if possible(graph, name)]
        name = graph.draw(st.sampled_from(names))
        if name is not None:
            KINDS[name][0](graph)


def chosen(graph, *, single=False):
    """Outputs: every tensor that no call takes, and sometimes one that a call takes."""
    made = range(len(graph.inputs), len(graph.tensors))
    if single:
        return [made[-1]]
    used = {i for call in graph.calls for i in call["of"]}
    used |= {i for call in graph.calls for i in call.get("initial_state", ())}
    outputs = [i for i in made[::-1] if i not in used]
    if rarely(graph.draw):
        outputs.append(graph.draw(st.sampled_from(made)))
    return list(dict.fromkeys(outputs))
