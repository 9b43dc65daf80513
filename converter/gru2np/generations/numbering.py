"""Indices of calls: those of nested models may count from 1, and then are moved to 0.

A nested model that was built with an input has a hidden first call.  Measured on real
Keras, with nested models called twice and three times:

- Keras 1, 2, tf.keras and tf-keras count the calls of a functional model from 1
  everywhere, and those of a Sequential too, except one without an input in TensorFlow
  1.15 and 2.0, which counts from 0;
- Keras 3 counts from 0 in ``inbound_nodes``, and from 1 in ``output_layers`` if the
  model is functional.  It subtracts one there, and a negative index means the last
  call in Python.

Keras writes no call that nothing reads.  So a wrong index leaves a call unread or names
one that does not exist, and both are refused.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError
from gru2np.ir import Call, KerasLayer, TensorRef

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    Bases = Mapping[str, int]


def count_from_zero(
    layers: list[KerasLayer],
    outputs: tuple[TensorRef, ...],
    *,
    output_base_apart: bool,
) -> tuple[list[KerasLayer], tuple[TensorRef, ...]]:
    """Count every layer's calls from 0.

    Args:
        layers: of a model, with their calls.
        outputs: of the model.
        output_base_apart: see ``Spelling.output_base_apart``.

    Raises:
        ModelFileError: an index names no call, or a call is read by nothing.
    """
    inner = [ref for layer in layers for ref in _references(layer.calls)]
    models = {layer.name: layer for layer in layers if layer.model is not None}
    functional = {
        name: 1
        for name, layer in models.items()
        if layer.model is not None and not layer.model.sequential
    }
    bases: Bases = {}
    output_bases: Bases = functional
    if not output_base_apart:
        bases = output_bases = {**_bases([*inner, *outputs], models), **functional}
    _check(layers, ((inner, bases), (outputs, output_bases)))
    moved = [
        replace(layer, calls=tuple(_moved(call, bases) for call in layer.calls))
        for layer in layers
    ]
    return moved, tuple(_move(ref, output_bases) for ref in outputs)


def _check(
    layers: list[KerasLayer], read: Iterable[tuple[Iterable[TensorRef], Bases]]
) -> None:
    """Refuse an index of no call, and a call of several that nothing reads."""
    # Inputs have no calls; an unknown name is refused where it is read.
    calls = {layer.name: len(layer.calls) for layer in layers if layer.calls}
    unread = {name: set(range(count)) for name, count in calls.items()}
    for refs, bases in read:
        for ref in refs:
            count, base = calls.get(ref.layer), bases.get(ref.layer, 0)
            if count is None:
                continue
            if not base <= ref.call < base + count:
                raise ModelFileError(
                    f"architecture: layer {ref.layer!r} is called {count} times, "
                    f"counted from {base} here: expected an index of at least {base} "
                    f"and below {base + count}, got {ref.call}"
                )
            unread[ref.layer].discard(ref.call - base)
    for name, indices in unread.items():
        if indices and calls[name] > 1:
            raise ModelFileError(
                f"architecture: expected something that reads each of the "
                f"{calls[name]} calls of layer {name!r}, got nothing for number "
                f"{min(indices) + 1}: an index of a call is wrong"
            )


def _move(ref: TensorRef, bases: Bases) -> TensorRef:
    return replace(ref, call=ref.call - bases.get(ref.layer, 0))


def _moved(call: Call, bases: Bases) -> Call:
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


def _bases(
    refs: Iterable[TensorRef], models: Mapping[str, KerasLayer]
) -> dict[str, int]:
    """The first index of each model: 1 if the highest index is the number of calls."""
    highest: dict[str, int] = {}
    for ref in refs:
        if ref.layer in models:
            highest[ref.layer] = max(highest.get(ref.layer, 0), ref.call)
    return {
        name: int(top == len(models[name].calls) > 0) for name, top in highest.items()
    }
