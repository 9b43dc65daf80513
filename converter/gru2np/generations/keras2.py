"""Keras 2: multi-backend 2.0 to 2.3, tf.keras, and the tf-keras package."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gru2np.errors import UnsupportedModelError
from gru2np.generations import (
    architecture,
    computed_sizes,
    records,
    tensorflow_ops,
)
from gru2np.generations.forms import flipped, fused
from gru2np.generations.keras1.layers import spelled
from gru2np.generations.keras1.rows import File
from gru2np.generations.releases import line as line_of
from gru2np.generations.releases import numbers
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

    from gru2np.generations.releases import Release, Version, Writers
    from gru2np.ir import Form, RawModel

    Forms = tuple[Form, ...]

# Options that have another name in Keras 3, by class.
RENAMED = {
    "LeakyReLU": {"alpha": "negative_slope"},
    "InputLayer": {"batch_input_shape": "batch_shape"},
}
# Options that some releases did not write, with the values they stand for.
ABSENT: dict[str, dict[str, object]] = {
    # cuDNN has only these functions.
    "CuDNNGRU": {"reset_after": True, "recurrent_activation": "sigmoid"},
    "CuDNNLSTM": {"recurrent_activation": "sigmoid"},
    # The option came with Keras 2.1.5; before, the reset gate always came first.
    "GRU": {"reset_after": False},
    "GRUCell": {"reset_after": False},
}
# The layers of cuDNN compute the same as these; their weights have another form.
CUDNN = {"CuDNNGRU": "GRU", "CuDNNLSTM": "LSTM"}
# Layers that Keras 2 kept from Keras 1, with their options (keras/legacy/layers.py).
KEPT = frozenset({"Highway", "MaxoutDense", "Merge"})
# Layers whose means counted the padding on Theano, until Keras 2.1.5.
MEANS = frozenset({"AveragePooling1D", "AveragePooling2D"})
CONV_LSTMS = frozenset({"ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"})
# Bilinear interpolation by backend of multi-backend Keras; only TensorFlow's is known.
BILINEAR = {
    "cntk": "bilinear of CNTK",
    "tensorflow": "bilinear_from_corner",
    "theano": "bilinear of Theano",
}
# Layers whose kernels Theano flips, with the number of their spatial axes.
CONVOLUTIONS = {"Conv1D": 1, "Conv2D": 2, "Conv3D": 3, "ConvLSTM2D": 2}

# ``WindowRules.same_padding`` of the backends other than TensorFlow.
SAME_PADDING = {"theano": "half", "cntk": "unclear"}

# Layers that do not cast integers and booleans; TimeDistributed leaves that to the
# layer inside, which has its own dtype.
UNCAST = frozenset(
    [
        *("Activation", "Cropping1D", "Dropout", "Flatten", "GlobalMaxPooling1D"),
        *("MaxPooling1D", "Permute", "RepeatVector", "Reshape", "SpatialDropout1D"),
        *("TimeDistributed", "UpSampling1D", "ZeroPadding1D"),
    ]
)
# Packages of Keras itself.
BUILT_IN = frozenset({"keras", "tensorflow", "tf_keras"})
# Layers of inputs (batch, time, features) whose first weight is a kernel.
OVER_TIME = frozenset({"Bidirectional", "GRU", "LSTM", "RNN", "SimpleRNN"})
# Layers before them that do not change the shape.
SHAPELESS = frozenset(
    {"Activation", "Dropout", "GaussianDropout", "GaussianNoise", "Masking"}
)

# The assumed backend if a file names none, and the others that are possible.
ASSUMED = "tensorflow"
BACKENDS = ("theano", "cntk")


def line(text: str | None) -> str:
    """The line of Keras of a version."""
    in_tensorflow = text is None or text.endswith("-tf") or numbers(text) >= (2, 4, 0)
    return "tf.keras" if in_tensorflow else "keras-2"


def writer(text: str, backend: str) -> str:
    """A Keras of this generation, in words."""
    if line(text) == "tf.keras":
        return f"tf.keras {text}"
    if backend == "tensorflow":
        return f"Keras {text}"
    return f"Keras {text} on {'CNTK' if backend == 'cntk' else backend.capitalize()}"


def read(
    raw: RawModel, version: Version, backend: str | None, writers: Writers
) -> tuple[KerasModel, tuple[Release, ...], str | None]:
    """The model in one spelling, the releases that may have saved it, its backend."""
    in_tensorflow = writers.line.name == "tf.keras"
    saved_on = "tf.keras" if in_tensorflow else backend or ASSUMED
    spelling = architecture.Spelling(
        spell=lambda name, options: _spelled(name, options, version, saved_on),
        calls=calls,
        class_name=writers.naming(_class_name),
        why_custom=writers.why,
        output_base_apart=False,
    )
    model = _with_input_shape(
        architecture.Walker(spelling).model(plain(raw.config)), raw
    )
    model = computed_sizes.resolved(model)
    releases = writers.remaining()
    inside = [child for layer in model.layers for _, child in layer.children]
    if in_tensorflow and inside:
        # Only TensorFlow 1 wrote null as the dtype of a layer inside a wrapper.
        is_1 = any(child.config.get("dtype", "") is None for child in inside)
        exact = tuple(x for x in releases if (x.version < (2, 0, 0)) == is_1)
        releases = exact or releases
    return model, releases, "tensorflow" if in_tensorflow else backend


def meaning(release: Release, backend: str) -> Meaning:
    """The behaviour of a release of Keras 2, from its sources and from running it.

    Args:
        release: with the version of TensorFlow, if it is of ``tf.keras``.
        backend: of multi-backend Keras.
    """
    version, known = release.version, line_of(release.line)
    in_tensorflow = release.line == "tf.keras"
    tensorflow_1 = in_tensorflow and version < (2, 0, 0)
    # Since tf.keras 1.13, at first for a last output too, as the halves' files state.
    zeroes = in_tensorflow and version >= (1, 13, 0)
    # Since Keras 2.3 the loop is TensorFlow's; Theano's always repeated the output.
    repeats = in_tensorflow or version >= (2, 3, 0) or backend == "theano"
    return Meaning(
        writer=str(release) if in_tensorflow else writer(release.name, backend),
        recurrent=Recurrence(
            masked_output="previous" if repeats else "state",
            unrolled_masked_output="previous",
            unrolled_ignores_zero=False,
            fused_ignores_zero=in_tensorflow and (2, 0, 0) <= version < (2, 2, 0),
            bidirectional_zeroes=zeroes,
            bidirectional_keeps_zero=zeroes and version < (1, 15, 0),
            # Measured with two calls of predict: Keras 2.0.8 to 2.1.3 and TensorFlow 2
            # keep the states, Keras 2.1.4 to 2.3.1 and TensorFlow 1.15 do not.
            bidirectional_forgets=tensorflow_1
            or (not in_tensorflow and version >= (2, 1, 4)),
            stateful_forgets=False,
            # Measured on TensorFlow 2.0, 2.1, 2.2, 2.4, 2.10 and 2.11.  Until 2.0 it
            # read the states of all calls before it wrote any.
            stateful_calls_follow=in_tensorflow and version >= (2, 1, 0),
            # Measured on Keras 2.2 and TensorFlow 1.13, 1.15 and 2.4; the sources of
            # Keras 2.0 to 2.3 and TensorFlow 1.4 to 1.14 say the same.
            first_mask_stays=not in_tensorflow or version < (1, 15, 0),
            stateful_keeps_over_initial=in_tensorflow,
        ),
        masks=MaskRules(
            merged="and",
            merges_skip_masked=False,
            explicit_spreads=True,
            # Measured on TensorFlow 2.4, 2.10, 2.15 and tf-keras 2.21.
            casts_drop=False,
            # Measured on TensorFlow 1.15, 2.4 and 2.10.
            models_mark_inputs=in_tensorflow,
            second_tensor_drops=False,
            in_time=_masks_in_time(version, in_tensorflow),
            custom_layers_masked_in_time=in_tensorflow,
            by_class=known.masks(release),
            # Measured on TensorFlow 2.4, 2.10, 2.15 and tf-keras 2.21.
            idle_casts=True,
            idle_operations=False,
        ),
        attention=AttentionRules(
            softmax_uses_mask=in_tensorflow,
            masked_scores="added",
            fused_heads=False,
            # Measured on TensorFlow 2.4 and 2.10; new together with use_causal_mask.
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
            least_epsilon_ranks=_fused_ranks(version, in_tensorflow, backend),
            # Multi-backend Keras used other kernels for channels_first.
            least_epsilon_channels_first=in_tensorflow,
            dots_of_any_rank=False,
            integer_inputs="kept",
            # It read every integer.
            categories_leave_out=False,
            bin_dtype="int64",
            lookup_gives_integers=False,
            # Measured on TensorFlow 2.4 and 2.10.
            rounds_to_half=True,
            # Measured on TensorFlow 2.4 and tf-keras 2.21.
            argmax_signs_zeros=False,
            argmax_skips_nan=True,
            top_k_signs_zeros=False,
            logsumexp_squeezes=False,
        ),
        # Measured: TensorFlow 2.4 wrote causal, 2.10 and tf-keras 2.21 do not.
        unsaved_arguments=frozenset({"causal" if in_tensorflow else "mask"}),
        ignored_arguments=frozenset(),
        functions=known.functions(release),
    )


def _masks_in_time(version: Version, in_tensorflow: bool) -> str:
    if in_tensorflow:
        return "folded"
    return "folded_in_free_batches" if version >= (2, 2, 0) else "kept"


def _fused_ranks(
    version: Version, in_tensorflow: bool, backend: str
) -> tuple[int, ...]:
    """Ranks at which BatchNormalization used TensorFlow's fused kernel.

    That kernel had a least epsilon.  Measured on Keras 2.0 to 2.3 and TensorFlow 1.15
    to 2.21: removed in 2.12; rank 5 since 2.6.
    """
    if not in_tensorflow:
        return (4,) if backend == "tensorflow" and version >= (2, 2, 0) else ()
    if version >= (2, 12, 0):
        return ()
    return (4, 5) if version >= (2, 6, 0) else (4,)


def _with_input_shape(model: KerasModel, raw: RawModel) -> KerasModel:
    """The model with the input shape that Keras 2 did not save.

    Sequential models that begin with an InputLayer were saved without its shape until
    2.2.4 and later; the shape of the first weight gives the number of features.
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


def _class_name(spec: Mapping[str, Any]) -> str:
    name = records.text(spec.get("class_name"), "class_name")
    custom = records.custom_class(spec, BUILT_IN)
    if custom:
        return custom
    return tensorflow_ops.class_name(spec) if name in tensorflow_ops.CLASSES else name


def _spelled(
    class_name: str, options: dict[str, Any], version: Version, backend: str
) -> architecture.Spelled:
    if class_name.startswith(("ops.", "tf.")):
        # The options of an operation of TensorFlow are the arguments of its call.
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
        # tf_keras 2.21 layers/rnn/base_conv_rnn.py ignores the option.
        config["zeroes_masked"] = False
    if class_name == "UpSampling2D" and config.get("interpolation") == "bilinear":
        config["interpolation"] = BILINEAR.get(backend, "bilinear")
    if _is_input_dtype(class_name, config.get("dtype"), version, backend):
        config["input_dtype"] = config.pop("dtype")
    stacked = class_name in ("StackedRNNCells", "RNN")
    if stacked and backend != "tf.keras" and (2, 0, 9) <= version <= (2, 2, 2):
        config["reverse_state_order"] = True
    canonical = CUDNN.get(class_name, class_name)
    forms = _forms(canonical, config, backend)
    return architecture.Spelled(canonical, config, forms, frozenset(absent))


def _is_input_dtype(
    class_name: str, dtype: object, version: Version, backend: str
) -> bool:
    """Whether a layer's dtype is that of its input, and not a policy.

    Measured on Keras 2.0.0 to 2.2.4 and TensorFlow 1.13 to 2.4: a first layer writes
    the dtype of the model's input, and in TensorFlow 1 every layer that of its own
    input.  Layers that do not cast return that dtype.  Embedding of Keras before 2.0.6
    always wrote int32, and computed in floating point.
    """
    if dtype not in ("bool", "int32", "int64", "uint8"):
        return False
    if class_name == "Embedding":
        return backend != "tf.keras" and version < (2, 0, 6)
    return class_name in UNCAST


def _renamed(value: Any) -> Any:
    """An option's value; the options of a layer used as an activation are renamed."""
    if not isinstance(value, dict) or not isinstance(value.get("config"), dict):
        return value
    renamed = RENAMED.get(str(value.get("class_name")), {})
    options = {renamed.get(key, key): item for key, item in value["config"].items()}
    return {**value, "config": options}


def _forms(class_name: str, config: Mapping[str, Any], backend: str) -> Forms:
    """The forms in which a file may store the weights of a layer; shapes decide.

    Keras 2 converts between GRU and CuDNNGRU, and LSTM and CuDNNLSTM, when it loads the
    weights of one into the other, so any file may have either form.
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
        if isinstance(call, dict):
            raise UnsupportedModelError(
                f"{at}: a layer called with a dict of tensors is not supported; "
                "call it with a list"
            )
        refs = _references(call, at, 0)
        keywords: dict[str, Any] = {}
        for ref in refs:
            if len(ref) == 4:
                keywords.update(records.record(ref[3], at))
        # Numbers stay in the keywords, which are refused with a fitting reason.
        numbers = _holds_numbers(keywords.get("mask"))
        mask = None if numbers else keywords.pop("mask", None)
        states = keywords.get("initial_state")
        if isinstance(states, list) and states and all(map(_is_reference, states)):
            # tf.keras 1.13 to 2.3, of operations: the first states follow the inputs.
            refs = [*refs, *keywords.pop("initial_state")]
        inputs = tuple(records.reference(ref, at) for ref in refs)
        arguments: dict[int | str, TensorRef] = {
            name: records.reference(value, at)
            for name, value in keywords.items()
            if _is_reference(value)
        }
        # All positional tensors are in the first argument.
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
    """Whether a value has numbers in place of references to tensors."""
    if not isinstance(value, list):
        return isinstance(value, (bool, int, float))
    if value and isinstance(value[0], str):
        return False
    return any(_holds_numbers(item) for item in value)


def _references(value: object, where: str, depth: int) -> list[list[Any]]:
    """The references of a call; nested lists (states of a stack) are flattened."""
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
