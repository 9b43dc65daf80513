"""Ways around layers that cannot be converted: the parts before and behind them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.graph.parts import needs_of
from gru2np.graph.stated import stated
from gru2np.graph.tracing import Tracer
from gru2np.ir import walk_keras
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from gru2np.errors import Problem
    from gru2np.ir import KerasLayer, KerasModel, RawModel, Shape, TensorRef
    from gru2np.layers.custom import Specs
    from gru2np.meaning import Meaning

# A hint is not worth minutes, which a hostile file could take.
MOST_LAYERS = 2000
MOST_TOLD = 50


def ways_around(model: KerasModel, names: Iterable[str]) -> list[str]:
    """How to convert a model without some of its layers, a sentence for each part.

    Args:
        model: the whole model.
        names: of the layers, or paths of layers inside them.
    """
    layers = {encode_name(layer.name): layer for layer in model.layers}
    gone = {layers[n.split("/")[0]].name for n in names if n.split("/")[0] in layers}
    inputs = any(x.class_name == "InputLayer" and x.name in gone for x in model.layers)
    if inputs or _large(model):
        # No cut takes the place of an input.
        return []
    before = [_name(model, ref) for ref in _before(model, gone)]
    behind = [_name(model, ref) for ref in _behind(model, gone)]
    it = "it" if len(gone) == 1 else "them"
    return [
        f"convert the part of the model {where} {it}: {option} {','.join(tensors)}"
        for where, option, tensors in (
            ("before", "--outputs", before),
            ("behind", "--inputs", behind),
        )
        if tensors
    ]


def with_inputs(
    problems: Sequence[Problem],
    raw: RawModel,
    model: KerasModel,
    meaning: Meaning,
    specs: Specs,
) -> list[Problem]:
    """The problems; those of custom layers also say what the layer is called with.

    Whoever writes a layer again must know that, and the code is not there to tell.
    """
    if _large(model):
        return list(problems)
    tracer = Tracer(model, meaning, specs)
    layers = {encode_name(layer.name): layer for layer in model.layers}
    told = []
    for number, problem in enumerate(problems):
        layer = layers.get(problem.layer)
        # A function in an option gets other arrays than the layer.
        is_layer = bool(problem.custom) and problem.option is None
        if number < MOST_TOLD and is_layer and layer is not None and layer.calls:
            shapes = [_shape(tracer, raw, ref) for ref in layer.calls[0].inputs]
            if shapes and None not in shapes:
                text = " and ".join(str(shape) for shape in shapes)
                reason = f"{problem.reason}; it is called with {text}"
                problem = replace(problem, reason=reason)
        told.append(problem)
    return told


def _large(model: KerasModel) -> bool:
    return sum(1 for _ in walk_keras(model.layers)) > MOST_LAYERS


def _shape(tracer: Tracer, raw: RawModel, ref: TensorRef) -> Shape | None:
    """The shape of a tensor, from the layers before it or from the file."""
    traced = tracer.trace([ref])
    return stated(raw, ref)[0] if traced is None else traced[0].shape


def _before(model: KerasModel, gone: set[str]) -> list[TensorRef]:
    """The tensors that layers read, and that do not depend on such layers."""
    inputs = {x.name for x in model.layers if x.class_name == "InputLayer"}
    read = _read_by(layer for layer in model.layers if layer.name in gone)
    return [
        ref
        for ref in read
        if ref.layer not in inputs and gone.isdisjoint(needs_of(model, [ref]).calls)
    ]


def _behind(model: KerasModel, gone: set[str]) -> list[TensorRef]:
    """The tensors of layers that make the outputs independent of such layers."""
    others = _read_by(layer for layer in model.layers if layer.name not in gone)
    ends = [ref for ref in others if ref.layer in gone]
    # An output of the model that becomes an input of the part is no output of it.
    needs = needs_of(model, [ref for ref in model.outputs if ref not in ends], ends)
    found = [ref for ref in ends if ref in needs.ends]
    return found if gone.isdisjoint(needs.calls) else []


def _read_by(layers: Iterable[KerasLayer]) -> list[TensorRef]:
    refs = (
        ref for layer in layers for call in layer.calls for ref in call.references()
    )
    return list(dict.fromkeys(refs))


def _name(model: KerasModel, ref: TensorRef) -> str:
    """A tensor as ``--outputs`` takes it."""
    layer = next((x for x in model.layers if x.name == ref.layer), None)
    several = layer is not None and len(layer.calls) > 1
    call = f"#{ref.call}" if several else ""
    return f"{encode_name(ref.layer)}{call}" + (f":{ref.output}" if ref.output else "")
