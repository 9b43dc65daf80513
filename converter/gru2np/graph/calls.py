"""Calls of attention: several tensors, each with a mask, combined into one.

The runtime's layers have one mask of scores.  Here the meaning of the model decides
which masks its Keras read, and how it combined them.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

from gru2np.graph.assembly import Value
from gru2np.graph.masks import LayerCall
from gru2np.graph.rows import SAMPLES
from gru2np.layers import spec
from gru2np_runtime import layers as runtime
from gru2np_runtime.activations import axes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gru2np.graph.assembly import Builder, Ref
    from gru2np.ir import Call


def with_named_inputs(call: Call, tensors: Sequence[str]) -> Call:
    """A call with the tensors that its row names as inputs, in the row's order.

    Args:
        call: as written.
        tensors: names of the arguments, in the order of their positions.
    """
    arguments = dict(call.arguments)
    if not arguments and len(call.inputs) == 1:
        # In a Sequential model without calls, a layer reads the one before it.
        arguments = {0: call.inputs[0]}
    named = {}
    for position, name in enumerate(tensors):
        ref = arguments.get(name, arguments.get(position))
        if ref is not None:
            named[name] = ref
    # Keras has only tensors as positional arguments.
    keywords = {f"argument {position}": value for position, value in call.constants}
    keywords.update(call.keywords)
    return replace(
        call,
        inputs=tuple(named.values()),
        names=tuple(named),
        left_out=False,
        keywords={key: value for key, value in keywords.items() if key not in named},
    )


def with_second_mask(call: Call) -> Call:
    """A call whose second argument by position, if it is a tensor, is its mask."""
    mask = call.arguments.get(1)
    if mask is None or call.mask is not None or len(call.inputs) != 2:
        return call
    arguments = {key: ref for key, ref in call.arguments.items() if key != 1}
    return replace(call, inputs=call.inputs[:1], mask=mask, arguments=arguments)


def attention(call: LayerCall) -> list[Value]:
    """A call of Attention or AdditiveAttention: query, value and perhaps key.

    Keras 3.15 ``keras/src/layers/attention/attention.py``, and those before it.
    """
    builder, meaning = call.builder, call.builder.meaning
    listed = isinstance(call.written.mask, tuple)
    if call.written.mask is not None and not listed:
        call.refuse("expected a list of masks, one for each input")
    masks = list(call.explicit) if listed else [value.mask for value in call.inputs]
    query_mask, value_mask = [call.usable(mask) for mask in [*masks, None, None][:2]]
    layer = _with_call_options(call)
    if value_mask and not layer.causal and meaning.attention.misplaces_mask:
        call.refuse(
            "this Keras applied the mask of the value along the batch axis, so that "
            "the outputs depended on the batch"
        )
    steps = value_mask and _expanded(call, "keys", value_mask, 1)
    attended = call.name if query_mask is None else f"{call.name}#attended"
    y = builder.add(attended, call.path, call.refs, steps, layer)
    if query_mask is not None:
        y = call.zeroed(query_mask, y)
    spread = query_mask
    if listed and not meaning.masks.explicit_spreads:
        spread = call.inputs[0].mask
    passes = spread if meaning.attention.passes_mask else None
    scores = [Value((attended, 1), None)] if layer.return_scores else []
    return [Value(y, passes), *scores]


def heads(call: LayerCall) -> list[Value]:
    """A call of MultiHeadAttention or GroupQueryAttention, its inputs by name.

    Keras 3.15 ``keras/src/layers/attention/multi_head_attention.py``, and those before.
    """
    builder, rules = call.builder, call.builder.meaning.attention
    named = dict(zip(call.written.names, call.inputs, strict=True))
    if "query" not in named or "value" not in named:
        call.refuse("expected a query and a value")
        return [Value(call.refs[0], None)]
    tensors = [named[key] for key in ("query", "value", "key") if key in named]
    rank = len(builder.shape(tensors[0].ref))
    drops = rules.heads_take_masks and call.spec.call.takes_masks
    masks = _masks_of_heads(call, named, drops)
    if masks and rank != 3:
        call.refuse("masks of inputs with several axes of steps are not supported")
    if "attention_mask" in named:
        whole = named["attention_mask"].ref
        size = len(builder.shape(whole))
        if size < 3 or (masks and size != 3):
            call.refuse(
                f"an attention_mask of {size} axes together with masks of its inputs"
                if masks
                else "expected an attention_mask (batch, queries, keys)"
            )
            return [Value(call.refs[0], None)]
        masks.append(_boolean(call, "attention_mask", whole))
    layer = _with_call_options(call, rank)
    refs = [value.ref for value in tensors]
    y = builder.add(call.name, call.path, refs, _all(call, masks), layer)
    if drops:
        builder.dropped_masks.update(_source(builder, ref) for ref in refs)
    scores = [Value((call.name, 1), None)] if layer.return_scores else []
    return [Value(y, named["query"].mask if rules.heads_use_masks else None), *scores]


def _masks_of_heads(
    call: LayerCall, named: Mapping[str, Value], drops: bool
) -> list[Ref]:
    """The masks of query, value and key, each with the axes of scores.

    Args:
        call: of several heads.
        named: its inputs by the names of the arguments.
        drops: whether the layer removes the masks of its inputs.
    """
    uses = call.builder.meaning.attention.heads_use_masks
    masks: list[Ref] = []
    for key, axis in (("query", -1), ("value", 1), ("key", 1)):
        mask = named[key].mask if key in named and uses else None
        argument = named.get(f"{key}_mask")
        # The implicit mask of the query replaces its argument.
        if argument is not None and not (drops and key == "query"):
            mask = _boolean(call, f"{key}_mask", argument.ref)
        mask = call.usable(mask)
        if mask is not None:
            masks.append(_expanded(call, key, mask, axis))
    return masks


def reversible_embedding(call: LayerCall) -> list[Value]:
    """A call of ReversibleEmbedding, forward or back."""
    reverse = call.written.keywords.get("reverse", False)
    if not isinstance(reverse, bool):
        call.refuse(f"expected true or false for reverse, got {reverse!r}")
    if reverse is not True:
        return call.add()
    # The runtime's layer computes the reverse from a second input.
    x = call.refs[0]
    return [Value(call.builder.add(call.name, call.path, [x, x]), None)]


def softmax(call: LayerCall) -> list[Value]:
    """A call of Softmax, which skips masked positions.

    Keras 3.15 ``keras/src/layers/activations/softmax.py``, and those before it.
    """
    builder, rules = call.builder, call.builder.meaning.attention
    x = call.inputs[0]
    mask = call.usable(call.explicit[0] or x.mask)
    if mask is None or not rules.softmax_uses_mask:
        return call.add()
    shape, mask_shape = builder.shape(x.ref), builder.shape(mask)
    if len(shape) != len(mask_shape):
        call.refuse(
            f"a mask of shape {mask_shape} for scores of shape {shape}, so that the "
            "batch axis of one would be broadcast against another axis of the other"
        )
        return [Value(x.ref, None)]
    layer = builder.layers[call.path]
    robust = call.layer.config.get("robust_masking", False) is True
    if isinstance(layer, runtime.Activation):
        builder.layers[call.path] = runtime.Softmax(
            axes=axes_of(layer.function),
            masked_scores="replaced" if robust else rules.masked_scores,
            dtype=layer.dtype,
        )
    return call.add()


# Functions that make no two numbers equal, or work along an axis.
EXACT = ("identity", "linear", "log_softmax", "negative", "softmax")


def extreme(call: LayerCall) -> list[Value]:
    """A call of Argmax or Argmin, whose ties may be another function's.

    TensorFlow's optimizer (``OptimizeMaxOrMinOfMonotonic`` of Grappler) takes the
    extreme before a function that keeps the order, if nothing else reads its output:
    measured on TensorFlow 2.4, 2.10 and tf-keras 2.21.
    """
    builder, layer = call.builder, call.builder.layers[call.path]
    assert isinstance(layer, runtime.ArgExtreme)
    source = _source(builder, call.refs[0])[0]
    before = {node.name: builder.layers[node.layer] for node in builder.nodes}
    found = before.get(source)
    alone = isinstance(found, (runtime.Unary, runtime.Activation))
    function = getattr(found, "function" if alone else "activation", "linear")
    name = function if isinstance(function, str) else function.get("function")
    if found is None or found.is_sequence or name in EXACT:
        kept = {**layer.attributes(), "refuses_ties": False}
        builder.layers[call.path] = runtime.ArgExtreme(**kept)
    return call.add()


def two_kinds(call: LayerCall) -> list[Value]:
    """A call of TopK: a node for the values, and one for their indices."""
    layer = call.builder.layers[call.path]
    indices = type(layer)(**{**layer.attributes(), "function": "indices"})
    values = call.builder.add(call.name, call.path, call.refs)
    return [
        Value(values, None),
        Value(call.node("indices", call.refs, indices), None),
    ]


def reshaped(call: LayerCall) -> list[Value]:
    """A call of Reshape with -1 as its first size, which may fold axes into the rows.

    With null for the first and -1 for a size after it, or with as many elements, the
    batch stays.
    """
    builder = call.builder
    layer = builder.layers[call.path]
    if isinstance(layer, runtime.Reshaped) and -1 not in layer.target_shape:
        shape = builder.shape(call.refs[0])[1:]
        known = prod(size for size in shape if size is not None)
        wanted, free = prod(layer.target_shape), None in shape
        usual = builder.rows.get(call.refs[0][0], SAMPLES) == SAMPLES
        # With a free size, the batch stays for one length, which the runtime checks;
        # for every length where the sizes that are known hold whole rows.
        if not usual or (known % wanted == 0 if free else known != wanted):
            sizes = ((-1,), *((size,) for size in layer.target_shape))
            builder.layers[call.path] = runtime.Shaped(sizes=sizes)
    return call.add()


def squeezing(call: LayerCall) -> list[Value]:
    """A call of Logsumexp, which some Kerases leave without axes of length 1."""
    values = call.add()
    layer = call.builder.layers[call.path]
    assert isinstance(layer, runtime.Reduction)
    squeezes = call.builder.meaning.numbers.logsumexp_squeezes
    left = not layer.keepdims and 1 in call.builder.shape(values[0].ref)[1:]
    if left and squeezes is not False:
        drops = "drops" if squeezes else "may drop, which nobody has measured,"
        call.refuse(
            f"on its backend, this Keras {drops} every axis of length 1 here, and not "
            "those alone that it sums, so that the shape depends on the sizes; sum "
            "with keepdims=True"
        )
    return values


def fused(call: LayerCall) -> list[Value]:
    """A call of DotProductAttention, its tensors by name and perhaps a mask."""
    named = dict(zip(call.written.names, call.inputs, strict=True))
    if not {"query", "key", "value"} <= set(named):
        call.refuse("expected a query, a key and a value")
        return [Value(call.refs[0], None)]
    order = ("query", "key", "value", "bias")
    refs = [named[name].ref for name in order if name in named]
    mask = call.explicit[0]
    if mask is not None:
        refs.append(_boolean(call, "mask", mask))
    return [Value(call.builder.add(call.name, call.path, refs), None)]


def without_dropped_mask(builder: Builder, value: Value) -> Value:
    """A tensor, without its mask if an earlier call of attention has dropped it."""
    dropped = builder.dropped_masks
    is_dropped = bool(dropped) and _source(builder, value.ref) in dropped
    return Value(value.ref, None) if is_dropped else value


@contextmanager
def explicit_masks(builder: Builder, refs: Sequence[Ref]) -> Iterator[None]:
    """Inside, the masks of tensors that a call has explicit masks for count again."""
    hidden = builder.dropped_masks & {_source(builder, ref) for ref in refs}
    builder.dropped_masks -= hidden
    yield
    builder.dropped_masks |= hidden


def _source(builder: Builder, ref: Ref) -> Ref:
    """The tensor before all layers that change nothing."""
    nodes = {node.name: node for node in builder.nodes}
    while ref[0] in nodes:
        node = nodes[ref[0]]
        layer = builder.layers[node.layer]
        linear = isinstance(layer, runtime.Activation) and layer.function == "linear"
        if not isinstance(layer, runtime.Identity) and not linear:
            break
        ref = node.inputs[0]
    return ref


def _with_call_options(
    call: LayerCall, rank: int = 3
) -> runtime.Attention | runtime.MultiHeadAttention:
    """The layer with the options of its call."""
    builder, layer = call.builder, call.builder.layers[call.path]
    assert isinstance(layer, (runtime.Attention, runtime.MultiHeadAttention))
    attributes = layer.attributes()
    attributes["return_scores"] = _flag(call, "return_attention_scores")
    causal = _flag(call, "use_causal_mask")
    attributes["causal"] = causal or bool(call.layer.config.get("causal", False))
    if "masked_scores" in attributes and builder.meaning.attention.fused_heads:
        dropout = bool(call.layer.training.get("dropout", 0.0))
        if not (dropout or attributes["return_scores"] or rank != 3):
            attributes["masked_scores"] = "replaced"
    called = type(layer)(**attributes)
    before = call.path in {node.layer for node in builder.nodes}
    if before and called.attributes() != layer.attributes():
        call.refuse("called several times, in different ways")
    return called


def _flag(call: LayerCall, key: str) -> bool:
    value = call.written.keywords.get(key, False)
    if not isinstance(value, bool):
        call.refuse(f"expected true or false for {key}")
    return value is True


def _expanded(call: LayerCall, label: str, mask: Ref, axis: int) -> Ref:
    return call.node(f"{label}_axis", [mask], runtime.ExpandDims(axis=axis))


def _boolean(call: LayerCall, label: str, ref: Ref) -> Ref:
    if call.builder.dtypes[ref[0]] == "bool":
        return ref
    return call.node(label, [ref], runtime.NotEqual(value=0.0))


def _all(call: LayerCall, masks: Sequence[Ref]) -> Ref | None:
    """The conjunction of the masks, or None."""
    result = None
    for i, mask in enumerate(masks):
        if result is None or result == mask:
            result = mask
            continue
        result = call.node(f"mask_{i}", [result, mask], runtime.LogicalAnd())
    return result


# The function for a call, by the kind in its layer's row.
CALLS: dict[str, Callable[[LayerCall], list[Value]]] = {
    spec.ATTENTION: attention,
    spec.EXTREME: extreme,
    spec.FUSED: fused,
    spec.HEADS: heads,
    spec.ORDINARY: LayerCall.add,
    spec.RESHAPES: reshaped,
    spec.REVERSIBLE: reversible_embedding,
    spec.SCORES: softmax,
    spec.SQUEEZES: squeezing,
    spec.TWO_KINDS: two_kinds,
}
