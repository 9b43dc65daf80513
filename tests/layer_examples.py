"""One or more examples of every layer that is not recurrent, with input shapes.

Shapes are without the batch axis; T stands for the number of time steps.
"""

from __future__ import annotations

import numpy as np

from gru2np_runtime import layers

T = "T"
FIRST = {"data_format": "channels_first"}


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
        (layers.BroadcastTo(shape=(None, None, 4)), [(T, 1)]),
        (layers.Cast(number="int32"), [(T, 4)]),
        (layers.Concatenate(**d), [*both, (T, 1)]),
        (layers.Concatenate(axis=1, **d), both),
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
        (layers.GlobalAveragePooling(**d), [(T, 4)]),
        (layers.GlobalAveragePooling(keepdims=True, **FIRST, **d), [(4, T)]),
        (layers.GlobalMaxPooling(**d), [(T, 4)]),
        (layers.GlobalMaxPooling(keepdims=True, **d), [(T, 4)]),
        (layers.Identity(**d), [(T, 4)]),
        (layers.LayerNormalization(**d), [(T, 4)]),
        (layers.LayerNormalization(axes=(1, 2), scale=False, **d), [(5, 4)]),
        (layers.LayerNormalization(rms_scaling=True, **d), [(T, 4)]),
        (layers.LogicalAnd(), [(T,), (T,)]),
        (layers.LogicalOr(), [(T, 1), (T, 4)]),
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
        (layers.RepeatVector(n=3, **d), [(4,)]),
        (layers.Reshape(target_shape=(-1, 2), **d), [(T, 4)]),
        (layers.Reshape(target_shape=(2, 2), **d), [(4,)]),
        (layers.Subtract(**d), both),
        (layers.UpSampling(size=(3,), **d), [(T, 4)]),
        (layers.Where(otherwise=1.0, **d), [(T,), (T, 4)]),
        (layers.Where(**d), [(T, 1), (T, 4), (T, 4)]),
        (layers.ZeroPadding(padding=[(1, 2)], **d), [(T, 4)]),
        (layers.ZeroPadding(padding=[(0, 2)], **FIRST, **d), [(4, T)]),
        (layers.ZerosLike(), [(T, 4)]),
    ]


def sized(shapes, batch, steps):
    """The shapes with a batch axis and a number of steps; None leaves them open."""
    return [(batch, *(steps if n == T else n for n in shape)) for shape in shapes]


def inputs_of(layer, shapes, rng):
    """Arrays of these shapes that are legal inputs of the layer."""
    if layer.op == "embedding":
        return [rng.integers(0, layer.input_dim, shape) for shape in shapes]
    arrays = [rng.normal(size=shape).astype(layer.dtype) for shape in shapes]
    if layer.op.startswith("logical") or layer.op == "any":
        return [array > 0 for array in arrays]
    if layer.op == "where":
        arrays[0] = arrays[0] > 0
    return arrays


def weights_of(layer, shapes, rng):
    """Random weights of the layer; variances are positive."""
    expected = layer.weight_shapes(*shapes)
    weights = {
        name: rng.normal(size=shape).astype(layer.dtype)
        for name, shape in expected.items()
    }
    if "moving_variance" in weights:
        weights["moving_variance"] = np.abs(weights["moving_variance"])
    return weights


def identity(example):
    layer, shapes = example
    return f"{layer.op}-{'-'.join(map(str, shapes))}".replace(" ", "")
