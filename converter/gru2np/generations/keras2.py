"""Keras 2: multi-backend 2.0 to 2.3, tf.keras, and the tf-keras package."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gru2np.generations import architecture, records, tensorflow_ops
from gru2np.generations.classes import MULTI_BACKEND
from gru2np.generations.forms import flipped, fused
from gru2np.generations.keras1.layers import spelled
from gru2np.generations.keras1.rows import File
from gru2np.generations.values import plain
from gru2np.ir import PLAIN, Call, KerasModel, TensorRef
from gru2np.meaning import (
    AttentionRules,
    MaskRules,
    Meaning,
    NumberRules,
    Recurrence,
    WindowRules,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np.ir import Form, RawModel

    Version = tuple[int, int, int]
    Forms = tuple[Form, ...]

# Options that Keras 3 spells otherwise, by class.
RENAMED = {
    "LeakyReLU": {"alpha": "negative_slope"},
    "InputLayer": {"batch_input_shape": "batch_shape"},
}
# Options that some version did not write, with the meaning of their absence.
ABSENT: dict[str, dict[str, object]] = {
    # cuDNN has these functions alone.
    "CuDNNGRU": {"reset_after": True, "recurrent_activation": "sigmoid"},
    "CuDNNLSTM": {"recurrent_activation": "sigmoid"},
    # The option came with Keras 2.1.5; before, the reset gate always came first.
    "GRU": {"reset_after": False},
    "GRUCell": {"reset_after": False},
}
# The layers of cuDNN are these, their weights kept in another form.
CUDNN = {"CuDNNGRU": "GRU", "CuDNNLSTM": "LSTM"}
# Layers that Keras 2 kept from Keras 1, options and all (keras/legacy/layers.py).
KEPT = frozenset({"Highway", "MaxoutDense", "Merge"})
# Means of windows that Theano took over the padding too, until Keras 2.1.5.
MEANS = frozenset({"AveragePooling1D", "AveragePooling2D"})
CONV_LSTMS = frozenset({"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
# How each backend of multi-backend Keras interpolates; only TensorFlow 1's is known.
BILINEAR = {
    "cntk": "bilinear of CNTK",
    "tensorflow": "bilinear_from_corner",
    "theano": "bilinear of Theano",
}
# Layers whose kernels Theano turns around, with the number of their spatial axes.
CONVOLUTIONS = {"Conv1D": 1, "Conv2D": 2, "Conv3D": 3, "ConvLSTM2D": 2}

# Where padding ``same`` begins on backends other than TensorFlow; see ``Meaning``.
SAME_PADDING = {"theano": "half", "cntk": "unclear"}

# Packages whose classes are Keras' own.
BUILT_IN = frozenset({"keras", "tensorflow", "tf_keras"})
# Layers that take (batch, time, features) and whose first weight is a kernel.
OVER_TIME = frozenset({"Bidirectional", "GRU", "LSTM", "RNN", "SimpleRNN"})
# Layers that may stand before them and leave the shape as it is.
SHAPELESS = frozenset(
    {"Activation", "Dropout", "GaussianDropout", "GaussianNoise", "Masking"}
)


def interpret(raw: RawModel, version: Version, text: str) -> tuple[KerasModel, Meaning]:
    """The model in one spelling, and what this Keras meant."""
    in_tensorflow = text.endswith("-tf") or version >= (2, 4, 0)
    backend = "tf.keras" if in_tensorflow else raw.backend or "tensorflow"
    spelling = architecture.Spelling(
        spell=lambda name, options: _spelled(name, options, version, backend),
        calls=calls,
        class_name=lambda spec: _class_name(spec, backend),
        output_base_apart=False,
    )
    model = _with_input_shape(
        architecture.Walker(spelling).model(plain(raw.config)), raw
    )
    # TensorFlow 1.13 to 2.1 all say 2.2.4-tf; only 1.x left this dtype open.
    tensorflow_1 = in_tensorflow and version < (2, 3, 0) and _has_open_dtype(model)
    # Of these, 1.15 and later wrote whether an input is ragged.
    early = text == "2.2.4-tf" and not any("ragged" in x.config for x in model.layers)
    return model, meaning(version, text, backend, tensorflow_1, early)


def meaning(
    version: Version,
    text: str,
    backend: str,
    tensorflow_1: bool = False,
    tensorflow_1_13: bool = False,
) -> Meaning:
    """What a Keras 2 meant, as its sources say and running it showed.

    Args:
        version: as numbers.
        text: as the file has it.
        backend: of multi-backend Keras, or ``tf.keras``.
        tensorflow_1: whether it is certainly TensorFlow 1.
        tensorflow_1_13: whether it may be TensorFlow 1.13.
    """
    in_tensorflow = backend == "tf.keras"
    writer = f"tf.keras {text}" if in_tensorflow else f"Keras {text}"
    if backend not in ("tf.keras", "tensorflow"):
        writer += f" on {'CNTK' if backend == 'cntk' else backend.capitalize()}"
    # tf.keras 1.13 began to, for a last output too, and wrote that into the halves.
    zeroes = in_tensorflow and version >= (2, 2, 4)
    # Keras 2.3 handed its loop over to TensorFlow's; Theano's always repeated.
    repeats = in_tensorflow or version >= (2, 3, 0) or backend == "theano"
    return Meaning(
        writer=writer,
        recurrent=Recurrence(
            masked_output="previous" if repeats else "state",
            unrolled_masked_output="previous",
            unrolled_ignores_zero=False,
            fused_ignores_zero=text == "2.2.4-tf",
            bidirectional_zeroes=zeroes,
            bidirectional_keeps_zero=tensorflow_1_13,
            # Measured with two calls of predict: Keras 2.0.8 to 2.1.3 and TensorFlow 2
            # carry the states over, Keras 2.1.4 to 2.3.1 and TensorFlow 1.15 do not.
            bidirectional_forgets=tensorflow_1
            or (not in_tensorflow and version >= (2, 1, 4)),
            stateful_forgets=False,
            # Measured on TensorFlow 2.4 and 2.10.  Sessions read the states of all
            # calls before they write those of any; 2.2.4-tf may be one or the other.
            stateful_calls_follow=in_tensorflow and version >= (2, 3, 0),
            stateful_keeps_over_initial=in_tensorflow,
        ),
        masks=MaskRules(
            merged="and",
            merges_skip_masked=False,
            explicit_spreads=True,
            # Measured on TensorFlow 2.4, 2.10, 2.15 and tf-keras 2.21.
            casts_drop=False,
            second_tensor_drops=False,
            in_time=_masks_in_time(version, in_tensorflow),
            own_layers_masked_in_time=in_tensorflow,
            # Measured on TensorFlow 2.4, 2.10, 2.15 and tf-keras 2.21.
            idle_casts=True,
            idle_operations=False,
        ),
        attention=AttentionRules(
            softmax_uses_mask=in_tensorflow,
            masked_scores="added",
            fused_heads=False,
            # Measured on TensorFlow 2.4 and 2.10; it came with use_causal_mask.
            heads_use_masks=version >= (2, 10, 0),
            heads_take_masks=False,
            passes_mask=True,
            misplaces_mask=False,
        ),
        windows=WindowRules(
            same_padding=SAME_PADDING.get(backend, "even"),
            same_pooling="whole" if backend == "theano" else "even",
            full_padding=backend == "theano",
            other_convolutions=backend not in SAME_PADDING,
        ),
        numbers=NumberRules(
            hard_sigmoid_slope=0.2,
            least_unit_norm=1e-6,
            least_epsilon_ranks=_fused_ranks(version, backend),
            # Multi-backend Keras left channels_first to other kernels.
            least_epsilon_channels_first=in_tensorflow,
            dots_of_any_rank=False,
            whole_numbers="kept",
            # It looked at every number.
            categories_leave_out=False,
            bin_number="int64",
            lookup_whole=False,
            # Measured on TensorFlow 2.4 and 2.10.
            rounds_to_half=True,
        ),
        # Measured: TensorFlow 2.4 wrote causal, 2.10 and tf-keras 2.21 do not.
        unsaid=frozenset({"causal" if in_tensorflow else "mask"}),
        unknown=frozenset(
            {"numbers.least_epsilon_ranks"}
            if (2, 11, 0) <= version < (2, 12, 0)
            else ()
        ),
        uncertain=frozenset(),
    )


def _masks_in_time(version: Version, in_tensorflow: bool) -> str:
    if in_tensorflow:
        return "folded"
    return "folded_in_free_batches" if version >= (2, 2, 0) else "kept"


def _fused_ranks(version: Version, backend: str) -> tuple[int, ...]:
    """Where BatchNormalization ran in TensorFlow's kernel, which had a least epsilon.

    Measured on Keras 2.0 to 2.3 and TensorFlow 1.15 to 2.21; those since 2.12 have it
    no more.  Images in volumes came with 2.5.
    """
    if backend == "tensorflow":
        return (4,) if version >= (2, 2, 0) else ()
    if backend != "tf.keras" or version >= (2, 12, 0):
        return ()
    return (4, 5) if version >= (2, 5, 0) else (4,)


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


def _class_name(spec: Mapping[str, Any], backend: str) -> str:
    name = records.text(spec.get("class_name"), "class_name")
    module = spec.get("module")
    # A user's class may carry a built-in's name; its module tells.
    if isinstance(module, str) and module.split(".")[0] not in BUILT_IN:
        return f"{module}>{name}"
    known = backend == "tf.keras" or name in MULTI_BACKEND | architecture.MODEL_CLASSES
    if not known:
        return f"custom>{name}"
    return tensorflow_ops.class_name(spec) if name in tensorflow_ops.CLASSES else name


def _spelled(
    class_name: str, options: dict[str, Any], version: Version, backend: str
) -> architecture.Spelled:
    if class_name.startswith(("ops.", "tf.")):
        # What an operation of TensorFlow is called with are all its options.
        return architecture.Spelled(class_name, {})
    if class_name in KEPT:
        return spelled(class_name, options, File(version, False, "", {}))
    renamed = {**RENAMED.get(class_name, {}), "batch_input_shape": "batch_shape"}
    config = {renamed.get(key, key): _renamed(value) for key, value in options.items()}
    absent = ABSENT.get(class_name, {}).keys() - config.keys()
    config = {**ABSENT.get(class_name, {}), **config}
    if class_name in MEANS and backend == "theano" and version < (2, 1, 5):
        config["counts_padding"] = True
    if class_name in CONV_LSTMS:
        # tf_keras 2.21 layers/rnn/base_conv_rnn.py hands the option to nobody.
        config["zeroes_masked"] = False
    if class_name == "UpSampling2D" and config.get("interpolation") == "bilinear":
        config["interpolation"] = BILINEAR.get(backend, "bilinear")
    if class_name == "TimeDistributed" and "int" in str(config.get("dtype")):
        # TensorFlow 1 noted the type of the input; the layer inside has its own.
        del config["dtype"]
    stacked = class_name in ("StackedRNNCells", "RNN")
    if stacked and backend != "tf.keras" and (2, 0, 9) <= version <= (2, 2, 2):
        config["reverse_state_order"] = True
    canonical = CUDNN.get(class_name, class_name)
    forms = _forms(canonical, config, backend)
    return architecture.Spelled(canonical, config, forms, frozenset(absent))


def _renamed(value: Any) -> Any:
    """An option's value; of a layer that stands for an activation, respelled."""
    if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
        return value
    renamed = RENAMED.get(str(value.get("class_name")), {})
    options = {renamed.get(key, key): item for key, item in value["config"].items()}
    return {**value, "config": options}


def _forms(class_name: str, config: Mapping[str, Any], backend: str) -> Forms:
    """How a file may keep the weights of a layer, told apart by their shapes.

    Keras 2 converts between GRU and CuDNNGRU, and LSTM and CuDNNLSTM, when it loads the
    weights of the one into the other; so any file may hold either.
    """
    if class_name == "GRU" and config.get("reset_after") is True:
        return (PLAIN, fused(3))
    if class_name == "LSTM":
        return (PLAIN, fused(4))
    if backend == "theano" and class_name in CONVOLUTIONS:
        return (flipped(PLAIN, CONVOLUTIONS[class_name]),)
    return (PLAIN,)


def calls(where: str, spec: Mapping[str, Any]) -> tuple[Call, ...]:
    """``[[[layer, call, output, keywords], ...], ...]``: a list of calls."""
    if spec.get("class_name") in tensorflow_ops.CLASSES:
        return tensorflow_ops.calls(where, spec)
    calls = []
    value = records.array(spec.get("inbound_nodes", []), f"{where}.inbound_nodes")
    for i, call in enumerate(value):
        at = f"{where}.inbound_nodes[{i}]"
        refs = _references(call, at, 0)
        keywords: dict[str, Any] = {}
        for ref in refs:
            if len(ref) == 4:
                keywords.update(records.record(ref[3], at))
        # Numbers stay among the keywords, where they are refused by what they are.
        numbers = _holds_numbers(keywords.get("mask"))
        mask = None if numbers else keywords.pop("mask", None)
        inputs = tuple(records.reference(ref, at) for ref in refs)
        arguments: dict[int | str, TensorRef] = {
            name: records.reference(value, at)
            for name, value in keywords.items()
            if _is_reference(value)
        }
        # All that stand by position are in the first argument.
        if len(inputs) == 1:
            arguments[0] = inputs[0]
        calls.append(
            Call(
                inputs=inputs,
                mask=_mask(mask, f"{at}.mask"),
                keywords={k: v for k, v in keywords.items() if v is not None},
                arguments=arguments,
            )
        )
    return tuple(calls)


def _is_reference(value: object) -> bool:
    """Whether a keyword's value is a tensor: a list that begins with a name."""
    return (
        isinstance(value, list)
        and len(value) in (3, 4)
        and isinstance(value[0], str)
        and all(type(index) is int and index >= 0 for index in value[1:3])
    )


def _holds_numbers(value: object) -> bool:
    """Whether numbers stand where the references of tensors should."""
    if not isinstance(value, list):
        return isinstance(value, (bool, int, float))
    if value and isinstance(value[0], str):
        return False
    return any(_holds_numbers(item) for item in value)


def _references(value: object, where: str, depth: int) -> list[list[Any]]:
    """The references of a call, lists in lists (states of a stack) laid flat."""
    items = records.array(value, where)
    if items and isinstance(items[0], str):
        return [items]
    if depth > architecture.MAX_DEPTH:
        raise records.fail(where, "[layer, call, output]", "deeper lists")
    return [ref for item in items for ref in _references(item, where, depth + 1)]


def _mask(value: object, where: str) -> TensorRef | tuple[TensorRef | None, ...] | None:
    if isinstance(value, list) and not (value and isinstance(value[0], str)):
        return tuple(
            None if item is None else records.reference(item, where) for item in value
        )
    return None if value is None else records.reference(value, where)
