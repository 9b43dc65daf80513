"""Keras 1, on Theano and on TensorFlow.

Facts are from the sources of Keras 1.0.5 to 1.2.2, ``keras/layers`` and
``keras/engine/topology.py``, and from running them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gru2np.generations import architecture, records
from gru2np.generations.keras1.images import ordering
from gru2np.generations.keras1.layers import spelled
from gru2np.generations.keras1.rows import File
from gru2np.generations.keras2 import calls
from gru2np.generations.releases import line as line_of
from gru2np.generations.values import plain
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
    from gru2np.ir import KerasModel, RawModel, StoredTensor

# The assumed backend of a model without weights, and the other that is possible.
ASSUMED = "tensorflow"
BACKENDS = ("theano",)


def line(text: str | None) -> str:
    """The line of Keras of a version."""
    return "keras-1"


def writer(text: str, backend: str) -> str:
    """A Keras of this generation, in words."""
    return f"Keras {text} on {'Theano' if backend == 'theano' else 'TensorFlow'}"


def read(
    raw: RawModel, version: Version, backend: str | None, writers: Writers
) -> tuple[KerasModel, tuple[Release, ...], str | None]:
    """The model in one spelling, the releases that may have saved it, its backend."""
    tensors = _tensors(raw)
    if tensors:
        # The file names no backend, but TensorFlow's variables are called ``W:0``.
        numbered = any(":" in tensor.name for tensor in tensors)
        backend = "tensorflow" if numbered else "theano"
    theano = backend == "theano"
    # A model has one dtype, which only inputs and weights state.
    dtype = tensors[0].dtype if tensors else "float32"
    config = plain(raw.config)
    shapes = {_last(tensor.name): tensor.shape for tensor in tensors}
    file = File(version, theano, dtype, shapes, ordering(config))
    spelling = architecture.Spelling(
        spell=lambda name, options: spelled(name, options, file),
        calls=calls,
        class_name=writers.naming(_class_name),
        why_custom=writers.why,
        output_base_apart=False,
    )
    model = architecture.Walker(spelling).model(config)
    return _from_inputs(model), writers.remaining(), backend


def meaning(release: Release, backend: str) -> Meaning:
    """The behaviour of a release of Keras 1 on a backend."""
    known = line_of(release.line)
    theano = backend == "theano"
    return Meaning(
        writer=writer(release.name, backend),
        recurrent=Recurrence(
            masked_output="previous" if theano else "state",
            unrolled_masked_output="previous",
            unrolled_ignores_zero=False,
            fused_ignores_zero=False,
            bidirectional_zeroes=False,
            bidirectional_keeps_zero=False,
            bidirectional_forgets=False,
            stateful_forgets=False,
            stateful_calls_follow=False,
            first_mask_stays=False,
            stateful_keeps_over_initial=False,
        ),
        masks=MaskRules(
            merged="and",
            merges_skip_masked=False,
            explicit_spreads=True,
            casts_drop=False,
            models_mark_inputs=False,
            second_tensor_drops=False,
            in_time="kept",
            custom_layers_masked_in_time=False,
            by_class=known.masks(release),
            # It has no operations.
            idle_casts=False,
            idle_operations=False,
        ),
        attention=AttentionRules(
            softmax_uses_mask=False,
            masked_scores="added",
            fused_heads=False,
            heads_use_masks=True,
            heads_take_masks=False,
            passes_mask=True,
            misplaces_mask=False,
        ),
        windows=WindowRules(
            same_padding="half" if theano else "even",
            same_pooling="whole" if theano else "even",
            full_padding=theano,
            other_convolutions=not theano,
        ),
        numbers=NumberRules(
            hard_sigmoid_slope=0.2,
            least_unit_norm=1e-6,
            least_epsilon_ranks=(),
            least_epsilon_channels_first=False,
            dots_of_any_rank=False,
            integer_inputs="kept",
            categories_leave_out=False,
            bin_dtype="int64",
            lookup_gives_integers=False,
            rounds_to_half=False,
            # It had no operations in graphs.
            argmax_signs_zeros=False,
            argmax_skips_nan=None,
            top_k_signs_zeros=None,
            logsumexp_squeezes=False,
        ),
        unsaved_arguments=frozenset({"mask"}),
        ignored_arguments=frozenset(),
        functions=known.functions(release),
    )


def _from_inputs(model: KerasModel) -> KerasModel:
    """The model with input layers as its inputs.

    If a layer returned its input unchanged, Keras 1 wrote that layer as the model's
    input: it knew a tensor by the last layer that returned it.
    """
    layers = {layer.name: layer for layer in model.layers}
    inputs = []
    for ref in model.inputs:
        seen = set()
        while ref.layer in layers and ref not in seen:
            seen.add(ref)
            calls = layers[ref.layer].calls
            if not calls or len(calls[0].inputs) != 1:
                break
            ref = calls[0].inputs[0]
        inputs.append(ref)
    return replace(model, inputs=tuple(inputs))


def _tensors(raw: RawModel) -> list[StoredTensor]:
    groups = raw.groups.groups if raw.groups is not None else ()
    return [tensor for _, arrays in groups for tensor in arrays]


def _last(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]


def _class_name(spec: Mapping[str, Any]) -> str:
    return records.text(spec.get("class_name"), "class_name")
