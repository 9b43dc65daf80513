"""Indices of calls: where nested models count theirs from 1, they are moved to 0."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.ir import Call, KerasLayer, TensorRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def count_from_zero(
    layers: list[KerasLayer],
    outputs: tuple[TensorRef, ...],
    *,
    output_base_apart: bool,
) -> tuple[list[KerasLayer], tuple[TensorRef, ...]]:
    """Count every layer's calls from 0.

    A nested model that was built with an input owns a hidden first call, so its
    calls count from 1 in some places of some generations: where the highest
    index is the number of calls, they do.
    """
    calls = {layer.name: len(layer.calls) for layer in layers if layer.model}
    inner = [ref for layer in layers for ref in _references(layer.calls)]
    shared = inner if output_base_apart else [*inner, *outputs]
    bases = _bases(shared, calls)
    output_bases = _bases(outputs, calls) if output_base_apart else bases
    moved = [
        replace(layer, calls=tuple(_moved(call, bases) for call in layer.calls))
        for layer in layers
    ]
    return moved, tuple(_move(ref, output_bases) for ref in outputs)


def _move(ref: TensorRef, bases: Mapping[str, int]) -> TensorRef:
    return replace(ref, call=ref.call - bases.get(ref.layer, 0))


def _moved(call: Call, bases: Mapping[str, int]) -> Call:
    mask = call.mask
    if isinstance(mask, TensorRef):
        mask = _move(mask, bases)
    elif mask is not None:
        mask = tuple(ref and _move(ref, bases) for ref in mask)
    return replace(
        call,
        inputs=tuple(_move(ref, bases) for ref in call.inputs),
        mask=mask,
        arguments={key: _move(ref, bases) for key, ref in call.arguments.items()},
    )


def _references(calls: Iterable[Call]) -> Iterable[TensorRef]:
    for call in calls:
        yield from call.references()


def _bases(refs: Iterable[TensorRef], calls: Mapping[str, int]) -> dict[str, int]:
    highest: dict[str, int] = {}
    for ref in refs:
        if ref.layer in calls:
            highest[ref.layer] = max(highest.get(ref.layer, 0), ref.call)
    return {name: int(top == calls[name] > 0) for name, top in highest.items()}
