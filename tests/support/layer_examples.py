"""One or more examples of every layer that is not recurrent, with input shapes.

Shapes are without the batch axis; T stands for the number of time steps.
"""

from __future__ import annotations

import numpy as np

import element_examples
import spatial_examples
from gru2np_runtime import layers
from gru2np_runtime.run.dispatch import make_plan

T = "T"
INT8 = {"low": -127.0, "high": 127.0, "epsilon": 1e-7}
FIRST = {"data_format": "channels_first"}
WHOLE = (None, None, None)
TWO = {"constant": [2.0], "constant_kind": "int"}
VECTOR = {
    "constant": [1.0, 2.0, 3.0, 4.0],
    "constant_shape": [4],
    "constant_kind": "float",
}
ROWS = {
    "constant": [1.0, 2.0, 3.0, 4.0, 5.0],
    "constant_shape": [5, 1],
    "constant_kind": "float32",
}


def conv(**options):
    sizes = {"kernel_size": (3,), "strides": (1,), "dilation": (1,)}
    return layers.Conv(**{"filters": 4, **sizes, **options})


def pool(kind, **options):
    return kind(**{"pool_size": (2,), "strides": (2,), "padding": "same", **options})


def examples(dtype):
    """(layer, shapes of its inputs) with every option away from its default."""
    d = {"dtype": dtype}
    softmax = {"function": "softmax", "axis": 1}
    both = [(T, 4), (T, 4)]
    return [
        *spatial_examples.examples(dtype),
        *element_examples.examples(),
        (layers.Activated(function="elu"), [(T, 4)]),
        (layers.Activated(function=softmax), [(T, 4)]),
        (layers.Activation(function="relu", **d), [(T, 4)]),
        (layers.Activation(function=softmax, **d), [(T, 4)]),
        (layers.Activation(function="glu", **d), [(T, 4)]),
        (layers.Add(**d), both),
        (layers.Add(**d), [(T, 4), (4,), (2, T, 4)]),
        (layers.Any(axes=(-1,)), [(T, 4)]),
        (layers.Any(axes=(1, 2), keepdims=True), [(T, 4)]),
        (layers.Average(**d), [*both, (T, 1)]),
        (pool(layers.AveragePooling, **d), [(T, 4)]),
        (pool(layers.AveragePooling, pool_size=(3,), **FIRST, **d), [(4, T)]),
        (layers.BatchNormalization(**d), [(T, 4)]),
        (layers.BatchNormalization(axis=1, scale=False, **d), [(3, T)]),
        (layers.BatchNormalization(center=False, **d), [(4,)]),
        (layers.BatchNormalizationOverAxes(axes=[-1, 1], **d), [(5, T, 4)]),
        (layers.BatchNormalizationOverAxes(axes=[2, 3], **d), [(T, 3, 4)]),
        (layers.Binary(function="add"), [(T, 4), (1, 4)]),
        (layers.Binary(function="less_equal"), both),
        (layers.Binary(function="power", **TWO), [(T, 4)]),
        (layers.Binary(function="divide", constant_first=True, **VECTOR), [(T, 4)]),
        (layers.Binary(function="maximum", **ROWS), [(5, 4)]),
        (layers.BroadcastTo(shape=(None, None, 4)), [(T, 1)]),
        (layers.Cast(number="int32"), [(T, 4)]),
        (layers.Clip(lower=-0.5, upper=0.5), [(T, 4)]),
        (layers.Concatenate(**d), [*both, (T, 1)]),
        (layers.Concatenate(axis=1, **d), both),
        (layers.Cosine(**d), [(4,), (4,)]),
        (conv(padding="valid", kernel_size=(1,), use_bias=False, **d), [(T, 3)]),
        (conv(padding="same", strides=(2,), activation="tanh", **d), [(T, 3)]),
        (conv(padding="causal", dilation=(2,), groups=2, **d), [(T, 6)]),
        (conv(padding="causal", strides=(2,), **d), [(T, 3)]),
        (conv(padding="same", **FIRST, **d), [(3, T)]),
        (
            conv(
                kernel_size=(2, 3),
                strides=(1, 2),
                dilation=(2, 1),
                padding="same",
                groups=2,
                **d,
            ),
            [(T, 5, 4)],
        ),
        (layers.Cropping(cropping=[(0, 0)], **d), [(T, 4)]),
        (layers.Cropping(cropping=[(1, 2)], **FIRST, **d), [(T, 4)]),
        (layers.Dense(units=3, activation="tanh", **d), [(T, 4)]),
        (layers.Dense(units=3, use_bias=False, **d), [(4,)]),
        (layers.Dense(units=4, activation="glu", **d), [(T, 4)]),
        (layers.Dense(units=4, activation=softmax, **d), [(T, 4)]),
        (layers.Dot(axes=(1, 1), **d), [(4,), (4,)]),
        (layers.Dot(axes=(2, 2), normalize=True, **d), both),
        (layers.Dot(axes=(2, 1), **d), [(T, 4), (4, 3)]),
        (layers.Dot(axes=(-1, -1), **d), [(T, 4), (4,)]),
        (layers.Embedding(input_dim=9, output_dim=3, **d), [(T,)]),
        (layers.Embedding(input_dim=9, output_dim=3, **d), [()]),
        (layers.ExpandDims(axis=-1), [(T,)]),
        (layers.ExpandDims(axis=1), [(4,)]),
        (layers.Flatten(**d), [(T, 4)]),
        (layers.Flatten(**FIRST, **d), [(T, 4, 2)]),
        (layers.GetItem(items=[WHOLE, WHOLE, (1, None, 2)]), [(T, 4)]),
        (layers.GetItem(items=[WHOLE, (-1,)]), [(T, 4)]),
        (layers.GetItem(items=[WHOLE, (-1, None, None)]), [(T, 4)]),
        (layers.GetItem(items=[WHOLE, (), (None,), (-1,), ()]), [(T, 3, 4)]),
        (layers.GetItem(items=[(None,), (None, None, -1), (3, 0, -2)]), [(T, 4)]),
        (layers.GlobalAveragePooling(**d), [(T, 4)]),
        (layers.GlobalAveragePooling(keepdims=True, **FIRST, **d), [(4, T)]),
        (layers.GlobalMaxPooling(**d), [(T, 4)]),
        (layers.GlobalMaxPooling(keepdims=True, **d), [(T, 4)]),
        (layers.Highway(activation="tanh", **d), [(T, 4)]),
        (layers.Highway(use_bias=False, **d), [(4,)]),
        (layers.MaxoutDense(units=3, pieces=2, **d), [(T, 4)]),
        (layers.MaxoutDense(units=3, pieces=2, use_bias=False, **d), [(4,)]),
        (layers.ParametricSoftplus(**d), [(5, 4)]),
        (layers.ParametricSoftplus(shared_axes=[1], **d), [(T, 4)]),
        (layers.SReLU(**d), [(5, 4)]),
        (layers.SReLU(shared_axes=[1], left_is_capped=True, **d), [(T, 4)]),
        (layers.Identity(**d), [(T, 4)]),
        (layers.Joined(axis=-1), [*both, (T, 1)]),
        (layers.LayerNormalization(**d), [(T, 4)]),
        (layers.LayerNormalization(axes=(1, 2), scale=False, **d), [(5, 4)]),
        (layers.LayerNormalization(rms_scaling=True, **d), [(T, 4)]),
        (layers.LogicalAnd(), [(T,), (T,)]),
        (layers.LogicalOr(), [(T, 1), (T, 4)]),
        (layers.Matmul(transpose_second=True), both),
        (layers.Matmul(transpose_first=True), [(T, 3), (T, 4)]),
        (layers.Masking(mask_value=1.0, **d), [(T, 4)]),
        (pool(layers.MaxPooling, **d), [(T, 4)]),
        (pool(layers.MaxPooling, padding="valid", pool_size=(1,), **d), [(T, 4)]),
        (
            pool(layers.MaxPooling, pool_size=(2, 3), strides=(2, 1), **d),
            [(T, 5, 4)],
        ),
        (layers.Maximum(**d), both),
        (layers.Minimum(**d), both),
        (layers.Multiply(**d), [(T, 4), (1, 4)]),
        (layers.NotEqual(value=0.1), [(T, 4)]),
        (layers.OnesLike(number="bool"), [(T, 4)]),
        (layers.PReLU(shared_axes=(1,), **d), [(T, 4)]),
        (layers.PReLU(**d), [(4,)]),
        (layers.Permute(dims=(2, 1), **d), [(T, 4)]),
        (layers.Reduction(function="max", axes=(-1,), keepdims=True), [(T, 4)]),
        (layers.Reduction(function="logsumexp", axes=(2,)), [(T, 4)]),
        (layers.Reduction(function="all", axes=(1, -1)), [(T, 4)]),
        (layers.Reduction(function="std", axes=(1,)), [(T, 4)]),
        (layers.RepeatVector(n=3, **d), [(4,)]),
        (layers.Reshape(target_shape=(-1, 2), **d), [(T, 4)]),
        (layers.Reshape(target_shape=(2, 2), **d), [(4,)]),
        (layers.Reshaped(target_shape=(-1, 2)), [(T, 4)]),
        (layers.Select(), [(T, 1), (T, 4), (T, 4)]),
        (layers.Select(x=[0.5], constant_kind="float"), [(T, 4), (T, 4)]),
        (layers.Split(axis=2, sections=1), [(T, 4)]),
        (layers.Squeeze(axes=(-1,)), [(T, 1)]),
        (layers.Squeeze(axes=(1,)), [(1, 4)]),
        (layers.Stack(axis=-1), both),
        (layers.Stack(axis=1), both),
        (layers.Subtract(**d), both),
        (layers.Transpose(dims=(2, 1)), [(T, 4)]),
        (layers.Transpose(dims=(1, 3, 2)), [(T, 4, 3)]),
        (layers.Unary(function="rsqrt"), [(T, 4)]),
        (layers.Unary(function="logical_not"), [(T, 4)]),
        (layers.UpSampling(size=(3,), **d), [(T, 4)]),
        (layers.Where(otherwise=1.0, **d), [(T,), (T, 4)]),
        (layers.Where(**d), [(T, 1), (T, 4), (T, 4)]),
        (layers.ZeroPadding(padding=[(1, 2)], **d), [(T, 4)]),
        (layers.ZeroPadding(padding=[(0, 2)], **FIRST, **d), [(4, T)]),
        (layers.Attention(use_scale=True, **d), [(5, 4), (T, 4)]),
        (layers.Attention(score="additive", **d), [(5, 4), (T, 3), (T, 4)]),
        (
            layers.Attention(score="concat", causal=True, **d),
            [(5, 4), (T, 4)],
        ),
        (layers.CategoryEncoding(num_tokens=5, output="one_hot", **d), [(T, 2)]),
        (layers.CategoryEncoding(num_tokens=5, output="count", **d), [(4,), (4,)]),
        (layers.Discretization(boundaries=(-0.5, 0.5), **d), [(T, 4)]),
        (
            layers.Discretization(boundaries=(0.0,), output="multi_hot", **d),
            [(4,)],
        ),
        (
            layers.EinsumDense(
                equation="abc,cd->abd", output_shape=(None, 5), bias_axes="d", **d
            ),
            [(T, 4)],
        ),
        (
            layers.EinsumDense(equation="...a,ab->...b", output_shape=(5,), **d),
            [(T, 4)],
        ),
        (layers.QuantizedDense(units=3, activation="tanh", **INT8, **d), [(T, 4)]),
        (
            layers.QuantizedDense(units=3, use_bias=False, adapted=True, **INT8, **d),
            [(4,)],
        ),
        (
            layers.QuantizedEinsumDense(
                equation="abc,cd->abd",
                output_shape=(None, 5),
                bias_axes="d",
                adapted=True,
                **INT8,
                **d,
            ),
            [(T, 4)],
        ),
        (
            layers.QuantizedReversibleEmbedding(
                input_dim=5, output_dim=3, tie_weights=False, **INT8, **d
            ),
            [(T,), (T, 3)],
        ),
        (
            layers.QuantizedReversibleEmbedding(
                input_dim=5, output_dim=3, logit_soft_cap=2.0, **INT8, **d
            ),
            [(T,)],
        ),
        (layers.GroupNormalization(groups=2, **d), [(T, 4)]),
        (layers.GroupNormalization(groups=-1, axis=1, **d), [(4, T)]),
        (layers.IntegerLookup(vocabulary=(3, 1), outside=2, **d), [(T,)]),
        (layers.IntegerLookup(vocabulary=(3, 1), output="count", **d), [(4,)]),
        (
            layers.MultiHeadAttention(num_heads=2, key_dim=3, value_dim=4, **d),
            [(5, 4), (T, 3)],
        ),
        (
            layers.MultiHeadAttention(
                num_heads=4,
                key_value_heads=2,
                key_dim=3,
                value_dim=3,
                use_gate=True,
                sliding_window=2,
                causal=True,
                output_shape=(2, 3),
                masked_scores="zeroed",
                **d,
            ),
            [(5, 4), (T, 3), (T, 2)],
        ),
        (layers.Rescaling(scale=(2.0,), offset=(1.0,), **d), [(T, 4)]),
        (layers.Rescaling(scale=(1.0, 2.0, 3.0, 4.0), **d), [(T, 4)]),
        (layers.ReversibleEmbedding(input_dim=9, output_dim=3, **d), [(T,)]),
        (
            layers.ReversibleEmbedding(
                input_dim=9,
                output_dim=3,
                tie_weights=False,
                logit_soft_cap=2.0,
                **d,
            ),
            [(T,), (T, 3)],
        ),
        (layers.RMSNormalization(**d), [(T, 4)]),
        (layers.Softmax(axes=(-1,), **d), [(T, 4)]),
        (layers.Softmax(axes=(1, 2), masked_scores="zeroed", **d), [(5, 4)]),
        (layers.Standardization(**d), [(T, 4)]),
        (
            layers.Standardization(
                constants_shape=(), mean=(1.0,), variance=(2.0,), invert=True, **d
            ),
            [(T, 4)],
        ),
        (layers.UnitNormalization(least_norm=1e-6, **d), [(T, 4)]),
        (layers.ZerosLike(), [(T, 4)]),
    ]


def sized(shapes, batch, steps):
    """The shapes with a batch axis and a number of steps; None leaves them open."""
    return [(batch, *(steps if n == T else n for n in shape)) for shape in shapes]


def inputs_of(layer, shapes, rng):
    """Arrays of these shapes that are legal inputs of the layer."""
    if layer.op.endswith("embedding"):
        ids = rng.integers(0, layer.input_dim, shapes[0])
        return [ids, *(rng.normal(size=s).astype(layer.dtype) for s in shapes[1:])]
    if layer.op in ("category_encoding", "integer_lookup"):
        ids = rng.integers(0, 5, shapes[0])
        return [ids, *(rng.normal(size=s).astype(layer.dtype) for s in shapes[1:])]
    arrays = [rng.normal(size=shape).astype(layer.dtype) for shape in shapes]
    if layer.op in element_examples.WITH_INDICES:
        arrays[-1] = rng.integers(0, 2, shapes[-1])
    if layer.op.startswith("logical") or layer.op == "any":
        return [array > 0 for array in arrays]
    if layer.op in ("select", "where") and not getattr(layer, "condition", ()):
        arrays[0] = arrays[0] > 0
    return arrays


def weights_of(layer, shapes, rng):
    """Random weights of the layer; variances are positive."""
    expected = layer.weight_shapes(*shapes)
    weights = {
        name: rng.normal(size=shape).astype(layer.dtype)
        for name, shape in expected.items()
    }
    for name in {"moving_variance", "variance"} & set(weights):
        weights[name] = np.abs(weights[name])
    return weights


def identity(example):
    layer, shapes = example
    return f"{layer.op}-{'-'.join(map(str, shapes))}".replace(" ", "")


def run_random(layer, shapes, seed=0, mask=None):
    """Random inputs and weights of a layer, and its first output."""
    rng = np.random.default_rng(seed)
    inputs = inputs_of(layer, shapes, rng)
    weights = weights_of(layer, shapes, rng)
    return inputs, weights, make_plan(layer, weights).run(inputs, mask)[0]


def run_operation(layer, *arrays):
    """The output of a layer without weights, of the dtype that it states."""
    (y,) = make_plan(layer, {}).run(list(arrays), None)
    assert y.dtype == layer.output_dtype(*(x.dtype.name for x in arrays))
    return y
