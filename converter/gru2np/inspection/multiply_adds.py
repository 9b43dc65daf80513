"""Multiply-adds of a layer, by the shapes of what it reads and gives.

Counted are the products of numbers with weights, and of tensors with each other
(matrix products, convolutions, attention), each a multiplication and an addition.  Not
counted is what goes number by number: biases, activations, normalization, merging,
pooling.  A wide GRU is nine tenths products; a model of pooling alone counts 0.
"""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np_runtime import Layer

    Shape = tuple[int, ...]
    Formula = Callable[[Any, Sequence[Shape], Sequence[Shape]], Any]


def sized(shape: Sequence[int | None], size: int) -> Shape:
    """A shape, sizes that are free set."""
    return tuple(size if n is None else n for n in shape)


def multiply_adds(
    layer: Layer, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> int:
    """Multiply-adds of one call of a layer; 0 where it makes no products.

    Args:
        layer: the runtime's layer.
        inputs: shapes of its inputs, every size known.
        outputs: shapes of its outputs.
    """
    formula = FORMULAS.get(layer.op)
    return 0 if formula is None else int(formula(layer, inputs, outputs))


def _dense(_: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    return prod(inputs[0]) * outputs[0][-1]


def _einsum_dense(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    x, kernel, _ = layer.terms()
    shape = layer.weight_shapes(inputs[0])["kernel"]
    # Letters of the kernel alone are what every number of x is multiplied by.
    return prod(inputs[0]) * prod(
        size for letter, size in zip(kernel, shape, strict=True) if letter not in x
    )


def _highway(_: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    return 2 * prod(inputs[0]) * inputs[0][-1]


def _maxout_dense(layer: Any, inputs: Sequence[Shape], _: Sequence[Shape]) -> Any:
    return prod(inputs[0]) * layer.pieces * layer.units


def _conv(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    kernel = layer.weight_shapes(inputs[0])["kernel"]
    return _places(layer, outputs[0]) * prod(kernel)


def _depthwise_conv(
    layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> Any:
    kernel = layer.weight_shapes(inputs[0])["depthwise_kernel"]
    return _places(layer, outputs[0]) * prod(kernel)


def _separable_conv(
    layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> Any:
    kernels = layer.weight_shapes(inputs[0])
    each = prod(kernels["depthwise_kernel"]) + prod(kernels["pointwise_kernel"])
    return _places(layer, outputs[0]) * each


def _conv_transpose(
    layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> Any:
    kernel = layer.weight_shapes(inputs[0])["kernel"]
    return _places(layer, inputs[0]) * prod(kernel)


def _locally_connected(
    layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> Any:
    return prod(inputs[0][:1]) * prod(layer.weight_shapes(inputs[0])["kernel"])


def _places(layer: Any, shape: Shape) -> int:
    """Rows and places of a convolution's input or output, channels left out."""
    first = getattr(layer, "data_format", "channels_last") == "channels_first"
    return shape[0] * int(prod(shape[2:] if first else shape[1:-1]))


def _recurrent(layer: Any, inputs: Sequence[Shape], _: Sequence[Shape]) -> Any:
    """Each cell: (features + units) * gates * units at every step."""
    batch, time, features = inputs[0]
    total = 0
    for _name, cell in layer.cells():
        total += cell.gate_count * cell.units * (features + cell.units)
        features = cell.units
    return batch * time * total


def _conv_lstm(layer: Any, inputs: Sequence[Shape], _: Sequence[Shape]) -> Any:
    kernels = layer.weight_shapes(inputs[0])
    state = layer.state_shape(inputs[0])
    each = prod(kernels["kernel"]) + prod(kernels["recurrent_kernel"])
    return inputs[0][1] * _places(layer, state) * each


def _bidirectional(layer: Any, inputs: Sequence[Shape], _: Sequence[Shape]) -> Any:
    return sum(multiply_adds(half, inputs[:1], ()) for half in layer.halves())


def _time_distributed(
    layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> Any:
    """The layer inside, as often as there are steps."""
    (inner,) = layer.layers.values()
    batch, time, *rest = inputs[0]
    own = (1, *rest)
    shapes = inner.output_shapes(own)
    results = [sized(shape, 1) for shape in shapes]
    return batch * time * multiply_adds(inner, [own], results)


def _graph(layer: Any, inputs: Sequence[Shape], _: Sequence[Shape]) -> Any:
    known, _weights = layer.infer_nodes(inputs)
    return sum(
        multiply_adds(
            layer.layers[node.layer],
            [sized(known[name][i], 1) for name, i in node.inputs],
            [sized(shape, 1) for shape in known[node.name]],
        )
        for node in layer.nodes
    )


def _attention(_: Any, inputs: Sequence[Shape], __: Sequence[Shape]) -> Any:
    """Scores and their use: every query with every key, and with every value."""
    query, value, key = inputs[0], inputs[1], inputs[-1]
    pairs = prod(query[:-2]) * query[-2] * key[-2]
    return pairs * (query[-1] + value[-1])


def _multi_head_attention(
    layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> Any:
    query, value, key = inputs[0], inputs[1], inputs[-1]
    kernels = layer.weight_shapes(*inputs)
    steps = {"query": query, "gate": query, "key": key, "value": value}
    total = prod(query[:-1]) * prod(kernels["attention_output/kernel"])
    for part, shape in steps.items():
        if f"{part}/kernel" in kernels:
            total += prod(shape[:-1]) * prod(kernels[f"{part}/kernel"])
    axes = layer.attention_axes or tuple(range(1, len(query) - 1))
    rest = prod(n for i, n in enumerate(query[:-1]) if i not in axes)
    pairs = prod(query[i] for i in axes) * prod(key[i] for i in axes)
    heads = layer.num_heads * (layer.key_dim + layer.value_dim)
    return total + rest * pairs * heads


def _dot(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    return prod(outputs[0]) * inputs[0][layer.axes[0]]


def _cosine(_: Any, inputs: Sequence[Shape], __: Sequence[Shape]) -> Any:
    """The product and the two squared lengths."""
    return 3 * prod(inputs[0])


def _matmul(layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]) -> Any:
    return prod(outputs[0]) * inputs[0][-2 if layer.transpose_first else -1]


def _reversible_embedding(
    layer: Any, inputs: Sequence[Shape], outputs: Sequence[Shape]
) -> Any:
    """Looking rows up is no product; the way back is one with the whole table."""
    return prod(outputs[0]) * layer.output_dim if len(inputs) > 1 else 0


# Layers that make products, by op; all others count 0.
FORMULAS: dict[str, Formula] = {
    "attention": _attention,
    "bidirectional": _bidirectional,
    "conv": _conv,
    "conv_lstm": _conv_lstm,
    "conv_transpose": _conv_transpose,
    "cosine": _cosine,
    "dense": _dense,
    "depthwise_conv": _depthwise_conv,
    "dot": _dot,
    "einsum_dense": _einsum_dense,
    "graph": _graph,
    "gru": _recurrent,
    "highway": _highway,
    "locally_connected": _locally_connected,
    "lstm": _recurrent,
    "matmul": _matmul,
    "maxout_dense": _maxout_dense,
    "multi_head_attention": _multi_head_attention,
    "reversible_embedding": _reversible_embedding,
    "rnn": _recurrent,
    "separable_conv": _separable_conv,
    "simple_rnn": _recurrent,
    "time_distributed": _time_distributed,
}
