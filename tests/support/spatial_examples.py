"""Examples of every layer over spatial axes, with input shapes; see layer_examples."""

from __future__ import annotations

from gru2np_runtime import layers

T = "T"
FIRST = {"data_format": "channels_first"}


def window(rank, **options):
    """Options of a kernel over so many axes, of different sizes along each."""
    sizes = {
        "kernel_size": (3, 2, 1)[:rank],
        "strides": (2, 1, 2)[:rank],
        "dilation": (1,) * rank,
    }
    return {**sizes, **options}


def examples(dtype):
    """(layer, shapes of its inputs) with every option away from its default."""
    d = {"dtype": dtype}
    same, dilated = {"padding": "same"}, {"strides": (1, 1), "dilation": (2, 3)}
    film = [(T, 5, 6, 2)]
    return [
        (layers.AdaptiveAveragePooling(output_size=(3,), **d), [(T, 4)]),
        (layers.AdaptiveMaxPooling(output_size=(7, 2), **d), [(T, 5, 4)]),
        (layers.AdaptiveMaxPooling(output_size=(2, 3), **FIRST, **d), [(4, 5, T)]),
        (layers.Conv(filters=4, **window(3, **same), **d), [(T, 5, 4, 3)]),
        (layers.ConvLSTM(filters=3, **window(2), **d), film),
        (
            layers.ConvLSTM(
                filters=3,
                return_sequences=True,
                recurrent_activation="softmax",
                use_bias=False,
                **window(2, **same, **dilated),
                **d,
            ),
            film,
        ),
        (
            layers.ConvLSTM(
                filters=3,
                return_sequences=True,
                go_backwards=True,
                **window(1, **FIRST),
                **d,
            ),
            [(T, 2, 6)],
        ),
        (layers.ConvTranspose(filters=4, **window(1), **d), [(T, 3)]),
        (
            layers.ConvTranspose(
                filters=4,
                output_padding=(1, 0),
                **window(2, kernel_size=(2, 3), **same, **FIRST),
                **d,
            ),
            [(3, T, 5)],
        ),
        (
            layers.ConvTranspose(
                filters=4, use_bias=False, **window(2, **dilated), **d
            ),
            [(T, 5, 3)],
        ),
        (layers.DepthwiseConv(depth_multiplier=2, **window(2), **d), [(T, 5, 3)]),
        (layers.DepthwiseConv(**window(1, padding="causal"), **d), [(T, 3)]),
        (
            layers.LocallyConnected(
                filters=2, kernel_size=(3, 2), strides=(1, 2), activation="tanh", **d
            ),
            [(5, 4, 3)],
        ),
        (
            layers.LocallyConnected(
                filters=2, kernel_size=(3,), strides=(2,), dense=True, **same, **d
            ),
            [(5, 4)],
        ),
        (layers.Resizing(sizes=(3, 8), interpolation="lanczos3", **d), [(T, 5, 3)]),
        (layers.Resizing(factors=(3, 2), **FIRST, **d), [(3, T, 5)]),
        (
            layers.SeparableConv(
                filters=4, depth_multiplier=2, **window(2, **same, **FIRST), **d
            ),
            [(3, T, 5)],
        ),
        (layers.SeparableConv(filters=4, use_bias=False, **window(1), **d), [(T, 3)]),
    ]
