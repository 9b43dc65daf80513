"""Layers that Keras 3 does not have, built of layers that it has."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gru2np.ir import Call, KerasLayer, KerasModel, Numbers, TensorRef, leaves
from gru2np.layers.arithmetic import BINARY
from gru2np.upgrading.draft import (
    changed,
    named,
    operation,
    reading,
    spliced,
    unique,
)
from gru2np.upgrading.options import COMPARED
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np.ir import Array
    from gru2np.upgrading.draft import Draft


def _thresholded_relu(layer: KerasLayer) -> KerasLayer:
    config = {key: x for key, x in layer.config.items() if key != "theta"}
    config |= {"max_value": None, "negative_slope": 0.0}
    config["threshold"] = layer.config.get("theta", 1.0)
    return replace(layer, class_name="ReLU", config=config)


# The tensors that Highway is made of, beside its two Dense: 1 - t and two products.
PARTS = ("rest", "kept", "changed")
ZEROS = "zeros before and after, and no padding"
# Operations on two tensors, either of which may be an array.
PRODUCTS = ("Dot", "Matmul", "Tensordot")
ARITHMETIC = frozenset(f"ops.{name}" for name in (*BINARY, *PRODUCTS))
# Classes with another name and other options in Keras 3.
RESPELLED: dict[str, Callable[[KerasLayer], KerasLayer]] = {
    "ThresholdedReLU": _thresholded_relu,
}


def respelled(model: KerasModel, dtype: str, *, freezes: bool) -> KerasModel:
    """The model with every layer in Keras 3's spelling.

    Args:
        model: the model.
        dtype: of layers that state none.
        freezes: a layer that is not trainable freezes what is inside it, as in all
            Kerases before 3; Keras 3 trains the layers inside one that it opened.
    """
    layers = tuple(_respelled(layer, dtype, freezes) for layer in model.layers)
    return replace(model, layers=layers)


def _respelled(layer: KerasLayer, dtype: str, freezes: bool) -> KerasLayer:
    change = RESPELLED.get(layer.class_name)
    layer = layer if change is None else change(layer)
    config = {key: x for key, x in layer.config.items() if key not in COMPARED}
    if not layer.class_name.startswith("ops."):
        # What is inside a layer has its dtype.
        dtype = config["dtype"] = config.get("dtype") or dtype
    children = tuple(
        (name, _respelled(child, dtype, freezes)) for name, child in layer.children
    )
    if freezes and layer.training.get("trainable") is False:
        children = tuple((name, _frozen(child)) for name, child in children)
    model = layer.model and respelled(layer.model, dtype, freezes=freezes)
    layer = replace(layer, config=config, children=children, model=model)
    return _with_arrays(layer) if layer.class_name in ARITHMETIC else layer


def _frozen(layer: KerasLayer) -> KerasLayer:
    """A layer that is not trainable, and nothing inside it either."""
    children = tuple((name, _frozen(child)) for name, child in layer.children)
    model = layer.model
    if model is not None:
        model = replace(model, layers=tuple(map(_frozen, model.layers)))
    training = {**layer.training, "trainable": False}
    return replace(layer, training=training, children=children, model=model)


def _with_arrays(layer: KerasLayer) -> KerasLayer:
    """An operation whose constants are arrays, where TensorFlow took lists too."""
    calls = []
    for call in layer.calls:
        constants = []
        for position, value in call.constants:
            if isinstance(value, list) and not isinstance(value, Numbers):
                kind = np.asarray(value).dtype.kind
                value = Numbers(value)
                value.dtype = {"b": "bool", "i": "int32"}.get(kind, "float32")
            constants.append((position, value))
        calls.append(replace(call, constants=tuple(constants)))
    return replace(layer, calls=tuple(calls))


def built(draft: Draft, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Build the layers that Keras 3 does not have, of several that it has.

    Args:
        draft: the draft.
        shapes: of the old weights, by path.
    """
    _in_full(draft)
    for path, layer in list(leaves(draft.model)):
        old = draft.origins.get(path)
        known = layer.class_name in BUILT
        if not known or old is None or _function(layer) == "hard_sigmoid":
            continue
        own = {
            name.removeprefix(f"{old}/"): shape
            for name, shape in shapes.items()
            if name.startswith(f"{old}/")
        }
        model = draft.model
        draft.model = changed(model, path, partial(_built, draft, path, old, own))
        draft.settled |= {(old, key) for key in ("op", "inputs", "mask")}
        draft.say(old, "several layers do what it did")


def _built(
    draft: Draft,
    path: str,
    old: str,
    shapes: Mapping[str, tuple[int, ...]],
    model: KerasModel,
    name: str,
) -> KerasModel:
    """The model with one of its layers built of several."""
    layer = named(model, encode_name(name))
    place = _Place(draft, model, path, old, shapes)
    return BUILT[layer.class_name](place, layer)


def _function(layer: KerasLayer) -> Any:
    return layer.config.get("activation")


class _Place(NamedTuple):
    """Where a layer is built.

    Attributes:
        draft: the draft.
        model: the model that holds it.
        path: of the layer.
        old: its path in the old model.
        shapes: of its weights.
    """

    draft: Draft
    model: KerasModel
    path: str
    old: str
    shapes: Mapping[str, tuple[int, ...]]

    def name(self, word: str) -> str:
        """The name of a new layer."""
        return unique(self.model, f"{self.path.rpartition('/')[2]}_{word}")

    def take(self, layer: str, weights: Mapping[str, str], change: Any = None) -> None:
        """Give old weights to a new layer, by its names of them."""
        at = self.path.rpartition("/")[0]
        prefix = f"{at}/{layer}" if at else layer
        for new, old in weights.items():
            if old in self.shapes:
                self.draft.taken[f"{prefix}/{new}"] = f"{self.old}/{old}"
                if change is not None:
                    self.draft.change(f"{prefix}/{new}", change)


def _highway(place: _Place, layer: KerasLayer) -> KerasModel:
    """Highway: ``t * activation(x W + b) + (1 - t) * x``, t another Dense."""
    carry, new = place.name("carry"), place.name("transformed")
    options = {
        "units": place.shapes["kernel"][-1],
        "use_bias": layer.config.get("use_bias", True),
        "dtype": layer.config.get("dtype"),
    }
    training = {"trainable": layer.training.get("trainable", True)}
    place.take(carry, {"kernel": "carry_kernel", "bias": "carry_bias"})
    place.take(new, {"kernel": "kernel", "bias": "bias"})

    def dense(name: str, activation: Any) -> KerasLayer:
        config = {**options, "activation": activation}
        return KerasLayer("Dense", name, config, training=training, calls=layer.calls)

    layers = [dense(carry, "sigmoid"), dense(new, layer.config.get("activation"))]
    ends = []
    for i, call in enumerate(layer.calls):
        x, t, y = call.inputs[0], TensorRef(carry, i, 0), TensorRef(new, i, 0)
        taken = [one.name for one in layers]
        names = [unique(place.model, place.name(word), taken) for word in PARTS]
        rest, kept, changed_ = (TensorRef(name, 0, 0) for name in names)
        layers += [
            operation("Subtract", rest.layer, [t], constants=((0, 1.0),)),
            operation("Multiply", kept.layer, [x, rest]),
            operation("Multiply", changed_.layer, [y, t]),
        ]
        ends.append(Call((changed_, kept)))
    config = {"dtype": layer.config.get("dtype")}
    layers.append(KerasLayer("Add", layer.name, config, training={}, calls=tuple(ends)))
    return spliced(place.model, layer.name, layers)


def _maxout_dense(place: _Place, layer: KerasLayer) -> KerasModel:
    """MaxoutDense: the largest of several linear layers, side by side in one."""
    pieces, _features, units = place.shapes["kernel"]
    linear, parts = place.name("linear"), place.name("pieces")
    config = {
        "units": pieces * units,
        "activation": "linear",
        "use_bias": layer.config.get("use_bias", True),
        "dtype": layer.config.get("dtype"),
    }
    training = {"trainable": layer.training.get("trainable", True)}
    place.take(linear, {"kernel": "kernel", "bias": "bias"}, _side_by_side)
    calls = layer.calls
    reshape = {"target_shape": [pieces, units], "dtype": layer.config.get("dtype")}
    layers = [
        KerasLayer("Dense", linear, config, training=training, calls=calls),
        KerasLayer(
            "Reshape", parts, reshape, training={}, calls=reading(linear, len(calls))
        ),
        KerasLayer(
            "GlobalMaxPooling1D",
            layer.name,
            {"dtype": layer.config.get("dtype"), "keepdims": False},
            training={},
            calls=reading(parts, len(calls)),
        ),
    ]
    return spliced(place.model, layer.name, layers)


def _side_by_side(array: Array) -> Array:
    """The kernel (features, pieces * units), or the bias (pieces * units,)."""
    if array.ndim == 2:
        return array.reshape(-1)
    flat: Array = array.transpose(1, 0, 2).reshape(array.shape[1], -1)
    return flat


def with_zeros(
    model: KerasModel, name: str, *, widths: Sequence[Sequence[int]]
) -> KerasModel:
    """The model with zeros before and after what one layer reads, which adds none.

    Args:
        model: that holds the layer.
        name: of the layer, a convolution or a pooling.
        widths: steps before and after, for each axis of its windows.
    """
    layer = named(model, encode_name(name))
    before = unique(model, f"{name}_padding")
    rank = len(widths)
    options = {
        "padding": list(widths[0]) if rank == 1 else [list(x) for x in widths],
        "data_format": layer.config.get("data_format") or "channels_last",
        "dtype": layer.config.get("dtype"),
    }
    zeros = KerasLayer(
        f"ZeroPadding{rank}D", before, options, training={}, calls=layer.calls
    )
    config = {**layer.config, "padding": "valid"}
    calls = reading(before, len(layer.calls))
    return spliced(model, name, [zeros, replace(layer, config=config, calls=calls)])


def _in_full(draft: Draft) -> None:
    """Convolutions of every position where a kernel and the input overlap."""
    for path, layer in list(leaves(draft.model)):
        old = draft.origins.get(path)
        if old is None or layer.config.get("padding") != "full":
            continue
        known: Any = draft.before.layers[old]
        dilation = known.dilation or (1,) * len(known.kernel_size)
        sizes = zip(known.kernel_size, dilation, strict=True)
        more = [(n - 1) * d for n, d in sizes]
        pad = partial(with_zeros, widths=[[n, n] for n in more])
        draft.model = changed(draft.model, path, pad)
        draft.settled |= {(old, key) for key in ("before", "inputs", "padding")}
        draft.say(old, ZEROS)


# Classes that Keras 3 does not have, by the function that builds them.
BUILT: dict[str, Callable[[_Place, KerasLayer], KerasModel]] = {
    "Highway": _highway,
    "MaxoutDense": _maxout_dense,
}
