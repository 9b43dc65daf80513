"""Keras 1, on Theano and on TensorFlow.

Facts are from the sources of Keras 1.0.5 to 1.2.2, ``keras/layers`` and
``keras/engine/topology.py``, and from running them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gru2np.generations import architecture, records
from gru2np.generations.keras1.images import ordering
from gru2np.generations.keras1.layers import LAYERS, OTHERS, spelled
from gru2np.generations.keras1.rows import File
from gru2np.generations.keras2 import calls
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

    from gru2np.ir import KerasModel, RawModel, StoredTensor

    Version = tuple[int, int, int]


def interpret(raw: RawModel, version: Version, text: str) -> tuple[KerasModel, Meaning]:
    """The model in one spelling, and what this Keras meant."""
    tensors = _tensors(raw)
    # Keras 1 names no backend; only TensorFlow numbers the outputs of its variables.
    theano = bool(tensors) and not any(":" in tensor.name for tensor in tensors)
    # One type for a whole model, which only inputs and weights name.
    dtype = tensors[0].dtype if tensors else "float32"
    config = plain(raw.config)
    shapes = {_last(tensor.name): tensor.shape for tensor in tensors}
    file = File(version, theano, dtype, shapes, ordering(config))
    spelling = architecture.Spelling(
        spell=lambda name, options: spelled(name, options, file),
        calls=calls,
        class_name=_class_name,
        output_base_apart=False,
    )
    model = architecture.Walker(spelling).model(config)
    return _from_inputs(model), meaning(text, theano if tensors else None)


def oldest(config: Mapping[str, Any]) -> tuple[Version, str]:
    """The oldest Keras 1: its architectures once did not name their version."""
    return (1, 0, 0), "1"


def meaning(text: str, theano: bool | None) -> Meaning:
    """What a Keras 1 meant; without weights, nothing tells its backend."""
    backend = {True: " on Theano", False: " on TensorFlow", None: ""}[theano]
    return Meaning(
        writer=f"Keras {text}{backend}",
        recurrent=Recurrence(
            masked_output="previous" if theano else "state",
            unrolled_masked_output="previous",
            unrolled_ignores_zero=False,
            fused_ignores_zero=False,
            bidirectional_zeroes=False,
            bidirectional_keeps_zero=False,
            bidirectional_forgets=False,
            stateful_forgets=False,
            stateful_keeps_over_initial=False,
        ),
        masks=MaskRules(
            merged="and",
            merges_skip_masked=False,
            explicit_spreads=True,
            second_tensor_drops=False,
            in_time="kept",
            own_layers_masked_in_time=False,
            idle_operations="unknown",
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
            same_padding={True: "half", False: "even", None: "unclear"}[theano],
            same_pooling="whole" if theano else "even",
            full_padding=theano is True,
            other_convolutions=theano is False,
        ),
        numbers=NumberRules(
            hard_sigmoid_slope=0.2,
            least_unit_norm=1e-6,
            least_epsilon_ranks=(),
            least_epsilon_channels_first=False,
            dots_of_any_rank=False,
            whole_numbers="kept",
            categories_leave_out=False,
            bin_number="int64",
            lookup_whole=False,
        ),
        unsaid=frozenset({"mask"}),
        unheeded=frozenset(),
        unknown=frozenset(),
        uncertain=frozenset(),
    )


def _from_inputs(model: KerasModel) -> KerasModel:
    """The model with input layers as its inputs.

    A layer that gave its input back as it was took the input's place: Keras 1 knew a
    tensor by the last layer that returned it.
    """
    layers = {layer.name: layer for layer in model.layers}
    inputs = []
    for ref in model.inputs:
        seen = set()
        while ref.layer in layers and ref not in seen:
            seen.add(ref)
            given = [call.inputs for call in layers[ref.layer].calls[:1]]
            if not given or len(given[0]) != 1:
                break
            ref = given[0][0]
        inputs.append(ref)
    return replace(model, inputs=tuple(inputs))


def _tensors(raw: RawModel) -> list[StoredTensor]:
    groups = raw.groups.groups if raw.groups is not None else ()
    return [tensor for _, arrays in groups for tensor in arrays]


def _last(name: str) -> str:
    return name.rpartition("/")[2].partition(":")[0]


def _class_name(spec: Mapping[str, Any]) -> str:
    name = records.text(spec.get("class_name"), "class_name")
    if name in architecture.MODEL_CLASSES or name in LAYERS or name in OTHERS:
        return name
    # A layer of the user's own, even if a later Keras has one of the same name.
    return f"custom>{name}"
