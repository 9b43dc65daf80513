"""Calls of attention: several tensors, each with a mask, joined into one.

The runtime's layers take one mask of scores; which masks a Keras looked at, and what
it did to them, is decided here by the meaning of the model.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.graph.assembly import Value
from gru2np.layers import spec
from gru2np_runtime import layers as runtime
from gru2np_runtime.activations import axes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from gru2np.graph.assembly import Builder
    from gru2np.graph.masks import Masks
    from gru2np.ir import Call
    from gru2np_runtime import Layer

    Ref = tuple[str, int]
    Refs = Sequence[Ref | None]
    Caller = Callable[[Masks, str, Sequence[Value], Call, Refs], list[Value]]


def with_named_inputs(call: Call, tensors: Sequence[str]) -> Call:
    """A call with the tensors that its row names as inputs, in the row's order.

    Args:
        call: as it was written.
        tensors: names of the arguments, in the order in which they may stand.
    """
    places = dict(call.arguments)
    if not places and len(call.inputs) == 1:
        # A model without calls hands on what came before.
        places = {0: call.inputs[0]}
    found = {}
    for position, name in enumerate(tensors):
        ref = places.get(name, places.get(position))
        if ref is not None:
            found[name] = ref
    # Keras itself takes nothing but tensors by position.
    keywords = {f"argument {position}": value for position, value in call.constants}
    keywords.update(call.keywords)
    return replace(
        call,
        inputs=tuple(found.values()),
        names=tuple(found),
        left_out=False,
        keywords={key: value for key, value in keywords.items() if key not in found},
    )


def ordinary(
    masks: Masks,
    name: str,
    inputs: Sequence[Value],
    call: Call,
    explicit: Sequence[Ref | None],
) -> list[Value]:
    """A call with inputs, and perhaps a mask."""
    return masks.call(name, inputs, explicit[0])


def attention(
    masks: Masks,
    name: str,
    inputs: Sequence[Value],
    call: Call,
    explicit: Sequence[Ref | None],
) -> list[Value]:
    """A call of Attention or AdditiveAttention.

    Keras 3.15 ``keras/src/layers/attention/attention.py``, and those before it.

    Args:
        masks: the call, as for any layer.
        name: of its node.
        inputs: query, value and perhaps key.
        call: its arguments.
        explicit: the masks of its mask argument, if it has one.
    """
    meaning = masks.builder.meaning
    if call.mask is not None and not isinstance(call.mask, tuple):
        masks.refuse("expected a list of masks, one for each input")
    listed = isinstance(call.mask, tuple)
    given = list(explicit) if listed else [value.mask for value in inputs]
    query_mask, value_mask = [masks.usable(mask) for mask in [*given, None, None][:2]]
    layer = _called(masks, call)
    causal = bool(getattr(layer, "causal", False))
    if value_mask is not None and not causal and meaning.attention.misplaces_mask:
        masks.refuse(
            "this Keras laid the mask of the value over the batch, so that every "
            "batch gave other numbers"
        )
    steps = value_mask and _expanded(masks, f"{name}#keys", value_mask, 1)
    attended = name if query_mask is None else f"{name}#attended"
    y = masks.builder.add(
        attended, masks.path, [value.ref for value in inputs], steps, layer
    )
    if query_mask is not None:
        zeroed = runtime.Where(otherwise=0.0, dtype=layer.dtype)
        # The node of the layer's own name gives the layer's output.
        y = masks.builder.add(
            name, f"{masks.path}#zeroed", [query_mask, y], layer=zeroed
        )
    spread = query_mask
    if listed and not meaning.masks.explicit_spreads:
        spread = inputs[0].mask
    passes = spread if meaning.attention.passes_mask else None
    scores = [Value((attended, 1), None)]
    return [Value(y, passes), *(scores if getattr(layer, "return_scores", 0) else [])]


def heads(
    masks: Masks,
    name: str,
    inputs: Sequence[Value],
    call: Call,
    explicit: Sequence[Ref | None],
) -> list[Value]:
    """A call of MultiHeadAttention or GroupQueryAttention.

    Keras 3.15 ``keras/src/layers/attention/multi_head_attention.py``, and those before.

    Args:
        masks: the call, as for any layer.
        name: of its node.
        inputs: those that ``call.names`` name.
        call: its arguments.
        explicit: unused; these layers have no argument ``mask``.
    """
    meaning, builder = masks.builder.meaning, masks.builder
    rules = meaning.attention
    given = dict(zip(call.names, inputs, strict=True))
    if "query" not in given or "value" not in given:
        masks.refuse("expected a query and a value")
        return [Value(inputs[0].ref, None)]
    tensors = [given[key] for key in ("query", "value", "key") if key in given]
    rank = len(builder.shapes[tensors[0].ref[0]][tensors[0].ref[1]])
    takes = rules.heads_take_masks and masks.spec.call.takes_masks
    implicit = given["query"].mask if rules.heads_use_masks else None
    found: list[Ref] = []
    for key, axis in (("query", -1), ("value", 1), ("key", 1)):
        own = given[key].mask if key in given and rules.heads_use_masks else None
        argument = given.get(f"{key}_mask")
        # An argument for the query is overwritten by the mask that comes with it.
        if argument is not None and not (takes and key == "query"):
            own = _boolean(masks, f"{name}#{key}_mask", argument.ref)
        own = masks.usable(own)
        if own is not None:
            found.append(_expanded(masks, f"{name}#{key}", own, axis))
    if found and rank != 3:
        masks.refuse("masks of inputs with several axes of steps are not supported")
    if "attention_mask" in given:
        whole = given["attention_mask"].ref
        size = len(builder.shapes[whole[0]][whole[1]])
        if size < 3 or (found and size != 3):
            masks.refuse(
                f"an attention_mask of {size} axes beside masks of its inputs"
                if found
                else "expected an attention_mask (batch, queries, keys)"
            )
            return [Value(inputs[0].ref, None)]
        found.append(_boolean(masks, f"{name}#attention_mask", whole))
    layer = _called(masks, call, rank)
    y = builder.add(
        name,
        masks.path,
        [value.ref for value in tensors],
        _all(masks, name, found),
        layer,
    )
    if takes:
        builder.taken.update(_root(builder, value.ref) for value in tensors)
    scores = [Value((name, 1), None)] if getattr(layer, "return_scores", 0) else []
    return [Value(y, implicit), *scores]


def reversible_embedding(
    masks: Masks,
    name: str,
    inputs: Sequence[Value],
    call: Call,
    explicit: Sequence[Ref | None],
) -> list[Value]:
    """A call of ReversibleEmbedding, forward or back."""
    reverse = call.keywords.get("reverse", False)
    if not isinstance(reverse, bool):
        masks.refuse(f"expected true or false for reverse, got {reverse!r}")
    if reverse is not True:
        return masks.call(name, inputs, explicit[0])
    # A second input is what is turned back.
    y = masks.builder.add(name, masks.path, [inputs[0].ref, inputs[0].ref])
    return [Value(y, None)]


def softmax(
    masks: Masks,
    name: str,
    inputs: Sequence[Value],
    call: Call,
    explicit: Sequence[Ref | None],
) -> list[Value]:
    """A call of Softmax, which leaves out what is masked.

    Keras 3.15 ``keras/src/layers/activations/softmax.py``, and those before it.
    """
    builder, meaning = masks.builder, masks.builder.meaning
    mask = masks.usable(explicit[0] or inputs[0].mask)
    if mask is None or not meaning.attention.softmax_uses_mask:
        return masks.call(name, inputs, explicit[0])
    shape, own = (builder.shapes[node][i] for node, i in (inputs[0].ref, mask))
    if len(shape) != len(own):
        masks.refuse(
            f"a mask of shape {own} for scores of shape {shape}, so that the batch of "
            "one would meet another axis of the other"
        )
        return [Value(inputs[0].ref, None)]
    layer = builder.layers[masks.path]
    robust = masks.layer.config.get("robust_masking", False) is True
    if isinstance(layer, runtime.Activation):
        builder.layers[masks.path] = runtime.Softmax(
            axes=axes_of(layer.function),
            masked_scores="replaced" if robust else meaning.attention.masked_scores,
            dtype=layer.dtype,
        )
    return masks.call(name, inputs, explicit[0])


def live(builder: Builder, value: Value) -> Value:
    """A tensor without its mask, where attention before has taken that away."""
    gone = bool(builder.taken) and _root(builder, value.ref) in builder.taken
    return Value(value.ref, None) if gone else value


@contextmanager
def untaken(builder: Builder, refs: Sequence[Ref]) -> Iterator[None]:
    """Tensors to which a call gives masks of their own, as long as the call lasts."""
    hidden = builder.taken & {_root(builder, ref) for ref in refs}
    builder.taken -= hidden
    yield
    builder.taken |= hidden


def _root(builder: Builder, ref: Ref) -> Ref:
    """The tensor that layers which change nothing gave on."""
    nodes = {node.name: node for node in builder.nodes}
    while ref[0] in nodes:
        node = nodes[ref[0]]
        layer = builder.layers[node.layer]
        linear = isinstance(layer, runtime.Activation) and layer.function == "linear"
        if not isinstance(layer, runtime.Identity) and not linear:
            break
        ref = node.inputs[0]
    return ref


def _called(masks: Masks, call: Call, rank: int = 3) -> Layer:
    """The layer with the options that stand in its call."""
    builder, meaning = masks.builder, masks.builder.meaning
    layer = builder.layers[masks.path]
    attributes = layer.attributes()
    scores = call.keywords.get("return_attention_scores", False)
    causal = call.keywords.get("use_causal_mask", False)
    for key, value in (
        ("return_attention_scores", scores),
        ("use_causal_mask", causal),
    ):
        if not isinstance(value, bool):
            masks.refuse(f"expected true or false for {key}")
    attributes["return_scores"] = scores is True
    attributes["causal"] = causal is True or bool(
        masks.layer.config.get("causal", False)
    )
    if "masked_scores" in attributes and meaning.attention.fused_heads:
        dropout = bool(masks.layer.training.get("dropout", 0.0))
        if not (dropout or attributes["return_scores"] or rank != 3):
            attributes["masked_scores"] = "replaced"
    called = type(layer)(**attributes)
    before = masks.path in {node.layer for node in builder.nodes}
    if before and called.attributes() != layer.attributes():
        masks.refuse("called several times, in different ways")
    return called


def _expanded(masks: Masks, name: str, mask: Ref, axis: int) -> Ref:
    layer = runtime.ExpandDims(axis=axis)
    return masks.builder.add(f"{name}_axis", f"{name}_axis", [mask], layer=layer)


def _boolean(masks: Masks, name: str, ref: Ref) -> Ref:
    if masks.builder.dtypes[ref[0]] == "bool":
        return ref
    return masks.builder.add(name, name, [ref], layer=runtime.NotEqual(value=0.0))


def _all(masks: Masks, name: str, found: Sequence[Ref]) -> Ref | None:
    """Where all of the masks are true."""
    both = None
    for i, mask in enumerate(found):
        if both is None or both == mask:
            both = mask
            continue
        path = f"{name}#mask_{i}"
        both = masks.builder.add(path, path, [both, mask], layer=runtime.LogicalAnd())
    return both


# What reads a call, by the kind that its layer's row names.
CALLS: dict[str, Caller] = {
    spec.ATTENTION: attention,
    spec.HEADS: heads,
    spec.ORDINARY: ordinary,
    spec.REVERSIBLE: reversible_embedding,
    spec.SCORES: softmax,
}
