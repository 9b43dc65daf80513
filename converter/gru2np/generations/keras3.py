"""Keras 3, on any backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.errors import UnsupportedModelError
from gru2np.generations import architecture, quantization, records
from gru2np.generations.architecture import MODEL_CLASSES
from gru2np.generations.releases import line as line_of
from gru2np.generations.values import plain
from gru2np.ir import Call, KerasModel, TensorRef
from gru2np.meaning import (
    AttentionRules,
    MaskRules,
    Meaning,
    NumberRules,
    Recurrence,
    WindowRules,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gru2np.generations.releases import Release, Version, Writers
    from gru2np.ir import RawModel

LAYER_OPTIONS = frozenset({"batch_shape", "layers", "trainable"})
OPS_WITH_DTYPE = frozenset(
    [
        *("Arange", "Cast", "ConvertToTensor", "Cumprod", "Cumsum", "Full"),
        *("FullLike", "OneHot", "Ones", "OnesLike", "Prod", "Zeros", "ZerosLike"),
    ]
)
# Modules of the operations of Keras; some activation functions are operations too.
OPS = ("keras.src.ops", "keras.ops", "keras.src.activations")

# The assumed backend if a file names none, and the others that are possible.
ASSUMED = "tensorflow"
BACKENDS = ("jax", "torch", "numpy", "openvino")
BUILT_IN = frozenset({"keras"})
# The backends' names in messages.
BACKEND_NAMES = {
    "jax": "JAX",
    "numpy": "NumPy",
    "openvino": "OpenVINO",
    "tensorflow": "TensorFlow",
    "torch": "PyTorch",
}

# Layers that keep the mask of their input on TensorFlow and drop it on JAX, measured.
DROPPING_ON_JAX = frozenset(
    {"RandomBrightness", "RandomContrast", "RandomFlip", "SpectralNormalization"}
)


def line(text: str | None) -> str:
    """The line of Keras of a version."""
    return "keras-3"


def writer(text: str, backend: str) -> str:
    """A Keras of this generation, in words."""
    return f"Keras {text}"


def read(
    raw: RawModel, version: Version, backend: str | None, writers: Writers
) -> tuple[KerasModel, tuple[Release, ...], str | None]:
    """The model in one spelling, the releases that may have saved it, its backend."""
    spelling = architecture.Spelling(
        spell=lambda name, options: _spelled(name, options, raw, version),
        calls=lambda where, spec: _calls(where, spec, version),
        class_name=writers.naming(_class_name),
        why_custom=writers.why,
        output_base_apart=True,
    )
    model = architecture.Walker(spelling).model(plain(raw.config))
    return model, writers.remaining(), backend


def _spelled(
    class_name: str, options: dict[str, Any], raw: RawModel, version: Version
) -> architecture.Spelled:
    # Files of weights by path have the LoRA adapters merged into the kernels; legacy
    # groups do not (keras/src/layers/core/dense.py, save_own_variables).
    container = "paths" if raw.paths is not None else "groups" if raw.groups else ""
    config, forms = quantization.spelled(class_name, options, version, container)
    return architecture.Spelled(class_name, config, forms)


def meaning(release: Release, backend: str) -> Meaning:
    """The behaviour of a release of Keras 3 on a backend, from running it."""
    version, known = release.version, line_of(release.line)
    jax, facts = backend == "jax", known.operations(release, backend)
    measured = bool(facts)
    return Meaning(
        writer=f"{release} on {BACKEND_NAMES[backend]}",
        recurrent=Recurrence(
            masked_output="state" if jax else "previous",
            unrolled_masked_output="previous",
            unrolled_ignores_zero=jax,
            fused_ignores_zero=False,
            bidirectional_zeroes=True,
            bidirectional_keeps_zero=False,
            bidirectional_forgets=False,
            # Measured on 3.3 to 3.10: on JAX, predict does not keep states.
            stateful_forgets=jax,
            # Measured on 3.15.  On JAX they do within a call of predict (measured on
            # 3.10), but the next call of predict starts from zero.
            stateful_calls_follow=not jax,
            first_mask_stays=False,
            stateful_keeps_over_initial=False,
        ),
        masks=MaskRules(
            merged="or" if version >= (3, 4, 0) else "drop",
            merges_skip_masked=version >= ((3, 6, 0) if jax else (3, 4, 0)),
            explicit_spreads=version >= (3, 11, 0),
            # Measured on 3.0, 3.3, 3.4, 3.5, 3.10, 3.13, 3.14 and 3.15.
            casts_drop=(3, 5, 0) <= version < (3, 14, 0),
            # Its files have every mask argument of a call, and calls use it.
            models_mark_inputs=False,
            second_tensor_drops=True,
            in_time="steps",
            custom_layers_masked_in_time=False,
            by_class=_masks_by_class(known.masks(release), version, backend),
            # Measured on TensorFlow with 3.0 to 3.15, on JAX with 3.0 to 3.13.  On JAX,
            # masks are stored outside the tensors since 3.6.
            idle_casts=(not jax or version >= (3, 6, 0)) if measured else None,
            idle_operations=(jax and version >= (3, 6, 0)) if measured else None,
        ),
        attention=AttentionRules(
            softmax_uses_mask=True,
            masked_scores="zeroed" if version >= (3, 10, 0) else "added",
            fused_heads=version >= (3, 7, 0),
            heads_use_masks=True,
            heads_take_masks=version >= (3, 8, 0),
            passes_mask=version >= (3, 4, 0),
            misplaces_mask=version < (3, 12, 0),
        ),
        windows=WindowRules(
            same_padding="even",
            same_pooling="even",
            full_padding=False,
            other_convolutions=True,
        ),
        numbers=NumberRules(
            hard_sigmoid_slope=1 / 6,
            least_unit_norm=1e-12 if version >= (3, 6, 0) else 1e-6,
            least_epsilon_ranks=(),
            least_epsilon_channels_first=False,
            dots_of_any_rank=True,
            integer_inputs="promoted",
            categories_leave_out=True,
            bin_dtype="int32",
            lookup_gives_integers=True,
            # Measured: JAX 0.5.3 rounds; 0.4.30 does not if a cast back comes next.
            # No file names the version of JAX.
            rounds_to_half=True if backend == "tensorflow" else None,
            argmax_signs_zeros=facts.get("argmax_signs_zeros"),
            argmax_skips_nan=facts.get("argmax_skips_nan"),
            top_k_signs_zeros=facts.get("top_k_signs_zeros"),
            logsumexp_squeezes=facts.get("logsumexp_squeezes"),
        ),
        unsaved_arguments=frozenset(),
        # Measured on 3.0, 3.3, 3.10 and 3.15: every layer runs with training=False.
        ignored_arguments=frozenset({"training"}),
        functions=known.functions(release),
    )


def _masks_by_class(
    measured: Mapping[str, str], version: Version, backend: str
) -> Mapping[str, str]:
    """``MaskRules.by_class`` on a backend; the tables were measured on TensorFlow.

    Until 3.6 a mask was an attribute of the tensor, so layers that return a tensor of
    another layer kept it.  Measured on JAX with 3.0, 3.3 and 3.5: there they do not.
    """
    if backend == "tensorflow" or version >= (3, 6, 0):
        return measured

    def rule(name: str, word: str) -> str:
        if backend == "jax" and name in DROPPING_ON_JAX:
            return "stops"
        passing = name.startswith("Random") or name == "SpectralNormalization"
        return "unmeasured" if passing else word

    return {name: rule(name, word) for name, word in measured.items()}


def _class_name(spec: Mapping[str, Any]) -> str:
    name = records.text(spec.get("class_name"), "class_name")
    custom = records.custom_class(spec, BUILT_IN)
    if custom:
        return custom
    module, config = spec.get("module"), spec.get("config")
    if isinstance(module, str):
        if module.startswith(OPS):
            return f"ops.{name}"
    # HDF5 files have no modules.  There every layer has one of these options, and no
    # op has any, except ``dtype`` of the ops that support it.
    elif (
        isinstance(config, dict)
        and not LAYER_OPTIONS & set(config)
        and ("dtype" not in config or name in OPS_WITH_DTYPE)
    ):
        return f"ops.{name}"
    registered = spec.get("registered_name")
    if isinstance(registered, str) and ">" in registered:
        return registered
    return name


def _tensor(value: object, where: str) -> TensorRef | None:
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = records.record(value.get("config"), where)
        return records.reference(config.get("keras_history"), where)
    return None


def _calls(where: str, spec: Mapping[str, Any], version: Version) -> tuple[Call, ...]:
    """``[{"args": [...], "kwargs": {...}}, ...]``: a list of calls."""
    calls = []
    names = _input_names(spec, version)
    value = records.array(spec.get("inbound_nodes", []), f"{where}.inbound_nodes")
    for i, item in enumerate(value):
        at = f"{where}.inbound_nodes[{i}]"
        call = records.record(item, at)
        inputs: list[TensorRef] = []
        constants: list[tuple[int, Any]] = []
        arguments: dict[int | str, TensorRef] = {}
        positional = records.array(call.get("args"), at)
        left_out = False
        for position, argument in enumerate(positional):
            refs = _tensors(argument, at, names)
            left_out = left_out or (bool(refs) and None in positional[:position])
            inputs.extend(refs)
            if not refs and argument is not None:
                constants.append((position, argument))
            if isinstance(argument, dict) and refs:
                arguments[position] = refs[0]
        keywords = dict(records.record(call.get("kwargs", {}), at))
        masks = keywords.get("mask")
        if isinstance(masks, dict) and set(masks) == set(names):
            # A mask for each input that is called by name, in the same order.
            keywords["mask"] = [masks[name] for name in names]
        # Numbers stay in the keywords, which are refused with a fitting reason.
        tensors = [
            keywords.pop(name)
            if name in keywords and not _holds_numbers(keywords[name])
            else None
            for name in ("mask", "initial_state")
        ]
        mask = _mask(tensors[0], at)
        # Tensors of initial_state follow the sequence, as in older files.
        inputs.extend(_states(tensors[1], at))
        for name, value in keywords.items():
            tensor = _tensor(value, at)
            if tensor is not None:
                arguments[name] = tensor
        calls.append(
            Call(
                inputs=tuple(inputs),
                mask=mask,
                constants=tuple(constants),
                keywords={k: v for k, v in keywords.items() if v is not None},
                arguments=arguments,
                left_out=left_out,
            )
        )
    return tuple(calls)


def _input_names(spec: Mapping[str, Any], version: Version) -> tuple[str, ...]:
    """The names of a model's inputs, as its calls flatten them; of a layer, none.

    Keras flattens a dict of inputs in the order of its keys, and finds the inputs of a
    list by their names; 3.4 to 3.6 ignored these names (``models/functional.py``).
    """
    config = spec.get("config")
    if spec.get("class_name") not in MODEL_CLASSES or not isinstance(config, dict):
        return ()
    inputs = config.get("input_layers")
    if isinstance(inputs, dict):
        return tuple(sorted(inputs))
    if not isinstance(inputs, list) or not inputs:
        return ()
    refs = [inputs] if isinstance(inputs[0], str) else inputs
    names = [ref[0] for ref in refs if isinstance(ref, list) and ref]
    found = tuple(name for name in names if isinstance(name, str))
    return tuple(sorted(found)) if (3, 4, 0) <= version < (3, 7, 0) else found


def _structure(value: object, where: str) -> Iterator[TensorRef]:
    """The tensors of nested lists, in their order.

    Raises:
        UnsupportedModelError: something else is among them.
    """
    for item in value if isinstance(value, list) else ():
        one = _tensor(item, where)
        if one is not None:
            yield one
        elif isinstance(item, list) and item:
            yield from _structure(item, where)
        else:
            raise UnsupportedModelError(
                f"{where}: a model called with something else than tensors among its "
                "inputs is not supported"
            )


def _tensors(value: object, where: str, names: tuple[str, ...] = ()) -> list[TensorRef]:
    """The tensors of an argument: one, or a flat list.

    Args:
        value: the argument.
        where: it is, for messages.
        names: of the inputs, if a model is called; it takes a dict by these, and lists
            in lists.
    """
    one = _tensor(value, where)
    if one is not None:
        return [one]
    if isinstance(value, dict) and any(_tensor(v, where) for v in value.values()):
        by_name = {key: _tensor(item, where) for key, item in value.items()}
        found = [ref for ref in map(by_name.get, names) if ref is not None]
        if len(found) == len(by_name) == len(names):
            return found
        raise UnsupportedModelError(
            f"{where}: a dict of tensors whose keys are not those of the inputs of a "
            "model is not supported; call the layer with a list, and save the model "
            "again"
        )
    if names and isinstance(value, list) and any(isinstance(v, list) for v in value):
        return list(_structure(value, where))
    if not isinstance(value, list):
        return []
    tensors = [_tensor(item, where) for item in value]
    if any(tensors) and not all(tensors):
        raise UnsupportedModelError(
            f"{where}: a call with tensors and constants in one list is not supported; "
            "call it with tensors alone, and save the model again"
        )
    return [tensor for tensor in tensors if tensor is not None]


def _holds_numbers(value: object) -> bool:
    """Whether a value has anything but tensors, such as numbers."""
    if isinstance(value, list):
        return any(_holds_numbers(item) for item in value)
    return value is not None and _tensor(value, "") is None


def _mask(value: object, where: str) -> TensorRef | tuple[TensorRef | None, ...] | None:
    if isinstance(value, list):
        return tuple(_tensor(item, where) for item in value)
    return _tensor(value, where)


def _states(value: object, where: str) -> list[TensorRef]:
    """Initial states: a tensor, a list, or a list for each cell of a stack."""
    if isinstance(value, list):
        return [ref for item in value for ref in _states(item, where)]
    return _tensors(value, where)
