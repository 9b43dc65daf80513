"""Keras 2: multi-backend 2.0 to 2.3, tf.keras, and the tf-keras package."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gru2np.generations import _graph, _records
from gru2np.generations._values import plain
from gru2np.ir import Call, KerasModel, Meaning, TensorRef

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np.ir import RawModel

    Version = tuple[int, int, int]

# Options that Keras 3 spells otherwise, by class.
RENAMED = {
    "LeakyReLU": {"alpha": "negative_slope"},
    "InputLayer": {"batch_input_shape": "batch_shape"},
}
# Options that some version did not write, with the meaning of their absence.
ABSENT: dict[str, dict[str, object]] = {
    # The option came with Keras 2.1.5; before, the reset gate always came first.
    "GRU": {"reset_after": False},
    "GRUCell": {"reset_after": False},
}

# Packages whose classes are Keras' own.
BUILT_IN = frozenset({"keras", "tensorflow", "tf_keras"})
# Layers that hold an operation of TensorFlow: refused by name, their calls unread.
TENSORFLOW_OPS = frozenset({"SlicingOpLambda", "TFOpLambda", "TensorFlowOpLayer"})
# Layers that take (batch, time, features) and whose first weight is a kernel.
OVER_TIME = frozenset({"Bidirectional", "GRU", "LSTM", "RNN", "SimpleRNN"})
# Layers that may stand before them and leave the shape as it is.
SHAPELESS = frozenset(
    {"Activation", "Dropout", "GaussianDropout", "GaussianNoise", "Masking"}
)


def interpret(raw: RawModel, version: Version, text: str) -> tuple[KerasModel, Meaning]:
    """The model in one spelling, and what this Keras meant."""
    in_tensorflow = text.endswith("-tf") or version >= (2, 4, 0)
    spelling = _graph.Spelling(
        config=lambda name, options: _config(name, options, version, in_tensorflow),
        calls=_calls,
        class_name=_class_name,
        output_base_apart=False,
    )
    model = _with_input_shape(_graph.Walker(spelling).model(plain(raw.config)), raw)
    # TensorFlow 1.13 to 2.1 all say 2.2.4-tf; only 1.x left this dtype open.
    tensorflow_1 = in_tensorflow and version < (2, 3, 0) and _has_open_dtype(model)
    return model, meaning(version, text, in_tensorflow, tensorflow_1)


def meaning(
    version: Version, text: str, in_tensorflow: bool, tensorflow_1: bool = False
) -> Meaning:
    """What a Keras 2 meant, as its sources say and running it showed."""
    writer = f"{'tf.keras' if in_tensorflow else 'Keras'} {text}"
    # tf.keras 1.14 began to; 1.13 wrote the same version and cannot be told apart.
    zeroes = in_tensorflow and version >= (2, 2, 4)
    # Keras 2.3 handed its loop over to TensorFlow's.
    repeats = in_tensorflow or version >= (2, 3, 0)
    return Meaning(
        keras=writer,
        hard_sigmoid_slope=0.2,
        masked_output="previous" if repeats else "state",
        unrolled_masked_output="previous",
        unrolled_ignores_zero=False,
        explicit_mask_spreads=True,
        bidirectional_zeroes=zeroes,
        stateful_forgets=False,
        stateful_keeps_over_initial=in_tensorflow,
        # Measured with two calls of predict: Keras 2.0.8 to 2.1.3 and TensorFlow 2
        # carry the states over, Keras 2.1.4 to 2.3.1 and TensorFlow 1.15 do not.
        bidirectional_forgets=tensorflow_1
        or (not in_tensorflow and version >= (2, 1, 4)),
        fused_rnn_ignores_zero=text == "2.2.4-tf",
        merged_mask="and",
        merges_skip_masked=False,
        tensor_arguments_drop_mask=False,
        softmax_uses_mask=in_tensorflow,
    )


def _with_input_shape(model: KerasModel, raw: RawModel) -> KerasModel:
    """The model with the input shape that Keras 2 forgot.

    Sequential models that began with an InputLayer were saved without it until 2.2.4
    and beyond; the first weights then say how many features there are.
    """
    first = model.layers[0]
    if first.class_name != "InputLayer" or first.config.get("batch_shape") is not None:
        return model
    layer = next((x for x in model.layers[1:] if x.class_name not in SHAPELESS), first)
    groups = raw.groups.groups if raw.groups is not None else ()
    arrays = next((arrays for _, arrays in groups if arrays), ())
    shape: list[int | None] | None = None
    if layer.class_name == "Embedding":
        shape = [None, None]
    elif layer.class_name in OVER_TIME and arrays and len(arrays[0].shape) == 2:
        shape = [None, None, arrays[0].shape[0]]
    config = {**first.config, "batch_shape": shape}
    return replace(model, layers=(replace(first, config=config), *model.layers[1:]))


def _has_open_dtype(model: KerasModel) -> bool:
    """Whether a layer inside a wrapper says ``"dtype": null``, as in TensorFlow 1."""
    return any(
        child.config.get("dtype", "") is None
        for layer in model.layers
        for _, child in layer.children
    )


def _class_name(spec: Mapping[str, Any]) -> str:
    name = _records.text(spec.get("class_name"), "class_name")
    module = spec.get("module")
    # A user's class may carry a built-in's name; its module tells.
    if isinstance(module, str) and module.split(".")[0] not in BUILT_IN:
        return f"{module}>{name}"
    return name


def _config(
    class_name: str, options: dict[str, Any], version: Version, in_tensorflow: bool
) -> dict[str, Any]:
    renamed = {**RENAMED.get(class_name, {}), "batch_input_shape": "batch_shape"}
    config = {renamed.get(key, key): value for key, value in options.items()}
    for key, value in ABSENT.get(class_name, {}).items():
        config.setdefault(key, value)
    stacked = class_name in ("StackedRNNCells", "RNN")
    if stacked and not in_tensorflow and (2, 0, 9) <= version <= (2, 2, 2):
        config["reverse_state_order"] = True
    return config


def _calls(where: str, spec: Mapping[str, Any]) -> tuple[Call, ...]:
    """``[[[layer, call, output, keywords], ...], ...]``: a list of calls."""
    if spec.get("class_name") in TENSORFLOW_OPS:
        return ()
    calls = []
    value = _records.array(spec.get("inbound_nodes", []), f"{where}.inbound_nodes")
    for i, call in enumerate(value):
        at = f"{where}.inbound_nodes[{i}]"
        refs = _references(call, at, 0)
        keywords: dict[str, Any] = {}
        for ref in refs:
            if len(ref) == 4:
                keywords.update(_records.record(ref[3], at))
        mask = keywords.pop("mask", None)
        calls.append(
            Call(
                inputs=tuple(_records.reference(ref, at) for ref in refs),
                mask=_mask(mask, f"{at}.mask"),
                keywords={k: v for k, v in keywords.items() if v is not None},
            )
        )
    return tuple(calls)


def _references(value: object, where: str, depth: int) -> list[list[Any]]:
    """The references of a call, lists in lists (states of a stack) laid flat."""
    items = _records.array(value, where)
    if items and isinstance(items[0], str):
        return [items]
    if depth > _graph.MAX_DEPTH:
        raise _records.fail(where, "[layer, call, output]", "deeper lists")
    return [ref for item in items for ref in _references(item, where, depth + 1)]


def _mask(value: object, where: str) -> TensorRef | tuple[TensorRef | None, ...] | None:
    if isinstance(value, list) and not (value and isinstance(value[0], str)):
        return tuple(v and _records.reference(v, where) for v in value)
    return None if value is None else _records.reference(value, where)
