"""What Keras 3 means otherwise, said in other words: one function for each attribute.

A function changes the draft so that the attribute of the runtime's layer is that of the
old model, or its weights make up for it; it returns in words what it wrote, or None:
there is no exact form.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.ir import KerasLayer
from gru2np.upgrading.draft import (
    changed,
    edited,
    inside,
    named,
    reading,
    spliced,
    unique,
)
from gru2np.upgrading.gone import ZEROS, with_zeros
from gru2np.upgrading.halves import HALVES, apart
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np.ir import Array, KerasModel
    from gru2np.upgrading.comparing import AttributeDiffers
    from gru2np.upgrading.draft import Draft

    # The attributes of a layer of the runtime are those of its class.
    Layer = Any
    Rewrite = Callable[[Draft, AttributeDiffers, Layer], str | None]

# The gates in the columns of the kernels, by class.
COLUMNS = {"gru": "zrh", "lstm": "ifco", "simple_rnn": "h", "conv_lstm": "ifco"}
COLUMNS |= {f"{name}_cell": gates for name, gates in COLUMNS.items()}
# The gates that an activation is applied to, by option; LSTM applies its activation to
# the new state too, which no weight scales.
RECURRENT = {"activation": "h", "recurrent_activation": "zrifo"}
# Layers whose activation is applied to what these weights give.
LINEAR: dict[str, tuple[str, ...]] = {
    "conv": ("kernel", "bias"),
    "conv_transpose": ("kernel", "bias"),
    "dense": ("kernel", "bias"),
    "depthwise_conv": ("kernel", "bias"),
    "einsum_dense": ("kernel", "bias"),
    "locally_connected": ("kernel", "bias"),
    "separable_conv": ("pointwise_kernel", "bias"),
}
RECURRENT_WEIGHTS = ("kernel", "recurrent_kernel", "bias")
OLD_HARD_SIGMOID = {"function": "hard_sigmoid", "slope": 0.2}
HARD_SIGMOID = {"function": "hard_sigmoid", "slope": 1 / 6}
# hard_sigmoid of Keras 3 is that of older Kerases of 1.2 times as much.
STEEPER = 1.2


def _hard_sigmoid(draft: Draft, found: AttributeDiffers, layer: Layer) -> str | None:
    """Weights before hard_sigmoid are scaled: clip(0.2 x + 0.5) is that of Keras 3."""
    if (found.before, found.after) != (OLD_HARD_SIGMOID, HARD_SIGMOID):
        return None
    if layer.op == "activation":
        return _rescaled(draft, found)
    names, scaled = LINEAR.get(layer.op, ()), [True]
    if layer.op in COLUMNS:
        names = RECURRENT_WEIGHTS
        gates = RECURRENT[found.attribute]
        scaled = [gate in gates for gate in COLUMNS[layer.op]]
    if not names or not any(scaled):
        return None
    for name in names:
        draft.change(f"{found.new}/{name}", lambda array: _scaled(array, scaled))
    draft.settled.add((found.path, found.attribute))
    return "weights before hard_sigmoid are multiplied by 1.2"


def _scaled(array: Array, gates: Sequence[bool]) -> Array:
    """The array with some of its gates' columns scaled."""
    factors = np.repeat(np.where(gates, STEEPER, 1.0), array.shape[-1] // len(gates))
    scaled: Array = (array * factors.astype(array.dtype)).astype(array.dtype)
    return scaled


def _rescaled(draft: Draft, found: AttributeDiffers) -> str | None:
    """A layer Rescaling before the activation."""

    def change(model: KerasModel, name: str) -> KerasModel:
        layer = named(model, encode_name(name))
        scale = unique(model, f"{name}_scaled")
        options = {"scale": STEEPER, "offset": 0.0, "dtype": layer.config.get("dtype")}
        before = KerasLayer("Rescaling", scale, options, training={}, calls=layer.calls)
        after = replace(layer, calls=reading(scale, len(layer.calls)))
        return spliced(model, name, [before, after])

    if inside(draft.model, found.new) is None:
        return None
    draft.model = changed(draft.model, found.new, change)
    draft.settled |= {(found.path, found.attribute), (found.path, "inputs")}
    return "the input of hard_sigmoid is multiplied by 1.2"


def _option(key: str) -> Rewrite:
    """The option has the value of the old attribute."""

    def rewrite(draft: Draft, found: AttributeDiffers, _layer: Layer) -> str | None:
        return _set(draft, found.new, key, found.before)

    return rewrite


def _set(draft: Draft, path: str, key: str, value: Any) -> str:
    def edit(layer: KerasLayer) -> KerasLayer:
        return replace(layer, config={**layer.config, key: value})

    draft.model = edited(draft.model, path, edit)
    return f"{key} is {value}"


def _masked_output(draft: Draft, found: AttributeDiffers, layer: Layer) -> str | None:
    """``zero_output_for_mask`` as it was; where Bidirectional forces it, two layers."""
    zero = str(found.before).startswith("zero")
    if found.before == "state" or zero == str(found.after).startswith("zero"):
        return None
    outer, _, half = found.new.rpartition("/")
    if half not in HALVES:
        return _set(draft, found.new, "zero_output_for_mask", zero)
    if "/" in outer or not apart(draft, outer, found.path.rpartition("/")[0]):
        return None
    return "two layers and a merge"


def _padding(draft: Draft, found: AttributeDiffers, layer: Layer) -> str | None:
    """Zeros that Theano put elsewhere, as a layer of their own before one without."""
    zeros = layer.op in PADDED or getattr(layer, "counts_padding", False)
    shifted = layer.padding == "same" and layer.before
    if not zeros or not shifted or inside(draft.model, found.new) is None:
        return None
    sizes = getattr(layer, "kernel_size", None) or layer.pool_size
    dilation = getattr(layer, "dilation", None) or (1,) * len(sizes)
    fields = [(n - 1) * d + 1 for n, d in zip(sizes, dilation, strict=True)]
    widths = [[b, n - 1 - b] for b, n in zip(layer.before, fields, strict=True)]
    pad = partial(with_zeros, widths=widths)
    draft.model = changed(draft.model, found.new, pad)
    keys = ("before", "counts_padding", "padding", "inputs")
    draft.settled |= {(found.path, key) for key in keys}
    return ZEROS


def _least_epsilon(draft: Draft, found: AttributeDiffers, layer: Layer) -> str:
    """The epsilon that its Keras used, which had a least one for some ranks."""
    keys = ("epsilon", "least_epsilon", "least_epsilon_ranks")
    draft.settled |= {(found.path, key) for key in keys}
    epsilon = layer.epsilon
    if _ranks(draft, found.path) & set(layer.least_epsilon_ranks):
        epsilon = max(epsilon, layer.least_epsilon)
    return _set(draft, found.new, "epsilon", epsilon)


def _any_rank(draft: Draft, found: AttributeDiffers, _layer: Layer) -> str | None:
    """Dot of two inputs of rank 3 at most, which all Kerases contract alike."""
    if max(_ranks(draft, found.path), default=0) > 3:
        return None
    draft.settled.add((found.path, found.attribute))
    return ""


def _ranks(draft: Draft, path: str) -> set[int]:
    """The ranks of the inputs of a layer."""
    known, _ = draft.before.infer_nodes()
    known |= {port.name: (port.shape,) for port in draft.before.inputs}
    nodes = [node for node in draft.before.nodes if node.layer == path]
    return {len(known[name][output]) for node in nodes for name, output in node.inputs}


def _constant_kind(draft: Draft, found: AttributeDiffers, layer: Layer) -> str | None:
    """Numbers that took the dtype of the tensor beside them, which is float32."""
    pair = found.before, found.after
    if pair not in (("float", "float32"), ("int", "int32")) or layer.dtype != "float32":
        return None
    draft.settled.add((found.path, found.attribute))
    return ""


def _masked_scores(draft: Draft, found: AttributeDiffers, layer: Layer) -> str | None:
    """Attention and softmax without any mask, which all Kerases compute alike."""
    nodes = [node for node in draft.before.nodes if node.layer == found.path]
    hidden = getattr(layer, "causal", False) or getattr(layer, "sliding_window", 0)
    if not nodes or hidden or any(node.mask is not None for node in nodes):
        return None
    draft.settled.add((found.path, found.attribute))
    return ""


# Layers that Theano padded, which Keras pads with zeros.
PADDED = ("conv",)
# By attribute of the runtime's layer.
REWRITES: dict[str, Rewrite] = {
    "activation": _hard_sigmoid,
    "any_rank": _any_rank,
    "before": _padding,
    "constant_kind": _constant_kind,
    "counts_padding": _padding,
    "epsilon": _option("epsilon"),
    "function": _hard_sigmoid,
    "least_epsilon": _least_epsilon,
    "least_epsilon_ranks": _least_epsilon,
    "masked_output": _masked_output,
    "masked_scores": _masked_scores,
    "padding": _padding,
    "recurrent_activation": _hard_sigmoid,
    "stateful": _option("stateful"),
}
