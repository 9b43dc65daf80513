"""From a Keras model to the runtime's graph: models flattened, masks resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError, UnsupportedModelError
from gru2np.graph.assembly import Builder, Value
from gru2np.graph.calls import (
    CALLS,
    explicit_masks,
    with_named_inputs,
    with_second_mask,
    without_dropped_mask,
)
from gru2np.graph.constants import constant_functions
from gru2np.graph.mask_sources import UNUSABLE
from gru2np.graph.masks import LayerCall
from gru2np.graph.order import calls_by_depth, in_file_order, ordered_calls
from gru2np.graph.ports import input_port, structure
from gru2np.graph.rows import SAMPLES
from gru2np.ir import leaves, walk_keras
from gru2np.layers.recurrent import is_stateful, with_one_masked_output
from gru2np.layers.spec import FUSED, ORDINARY, computed_in, dtype_name, named_type
from gru2np.layers.translate import Translator
from gru2np_runtime import layers as runtime
from gru2np_runtime.bundle.manifest import INPUT_DTYPES
from gru2np_runtime.bundle.manifest_writer import encode_name
from gru2np_runtime.graph import Graph, Port
from gru2np_runtime.layers.ops import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gru2np.errors import Problem
    from gru2np.graph.assembly import Ref
    from gru2np.ir import KerasLayer, KerasModel, Shape, TensorRef
    from gru2np.layers.custom import Specs
    from gru2np.meaning import Meaning
    from gru2np_runtime import Layer
    from gru2np_runtime.data import Structure
    from gru2np_runtime.graph import Node

    # The tensors of one call of a model: layer, call of it, output of that.
    Values = dict[tuple[str, int, int], Value]


# Arguments that may be arrays instead of tensors: they fit one batch only.
NUMBERS_IN_CALLS = {
    "mask": "called with a mask of numbers, a row for each sample of one batch; make "
    "the mask an input of the model, or use a Masking layer",
    "initial_state": "called with initial states of numbers, a row for each sample of "
    "one batch; make them inputs of the model",
}
UNKNOWN_ARGUMENT = "an argument of the call that this version does not know"


@dataclass
class Built:
    """A model as the runtime's graph; its weights are not matched yet.

    Attributes:
        graph: with nodes that no output needs, because files have their weights too.
        titles: name and class in Keras, by layer path.
        weights: expected shapes by layer path and weight name.
        inputs: the structure of the inputs.
        outputs: the structure of the outputs.
        notes: where the file leaves open what the model computes.
        warnings: doubts that no comparison with Keras can resolve, because an
            installed Keras reads the file in the same way.
    """

    graph: Graph
    titles: dict[str, tuple[str, str]]
    weights: dict[str, dict[str, Shape]]
    inputs: Structure
    outputs: Structure
    notes: list[str]
    warnings: list[str]


def build(model: KerasModel, meaning: Meaning, specs: Specs) -> Built:
    """The graph of a model, its classes converted by ``specs``.

    Raises:
        ModelFileError: layers do not fit each other.
        UnsupportedModelError: something cannot be converted; lists all problems.
    """
    builder = builder_of(model, meaning, specs)
    translator = builder.translator
    graph = assemble(builder, model)
    _raise_problems(translator.problems)
    names = [ref.layer for ref in model.outputs]
    if model.seams is not None:
        names = list(model.seams.names)
    inputs = structure(
        model.input_keys, model.single[0], [ref.layer for ref in model.inputs]
    )
    outputs = structure(model.output_keys, model.single[1], names)
    return Built(
        graph,
        translator.titles,
        builder.weights,
        inputs,
        outputs,
        list(dict.fromkeys(translator.notes)),
        constant_functions(graph, translator.titles),
    )


def builder_of(model: KerasModel, meaning: Meaning, specs: Specs) -> Builder:
    """An empty graph for a model, its layers translated.

    Raises:
        UnsupportedModelError: layers cannot be converted; lists all problems.
    """
    seams = model.seams
    translator = Translator(
        meaning,
        default_dtype(model) if seams is None else seams.default_dtype,
        specs,
        lambda inner, nested: assemble(Builder(inner), nested),
    )
    translator.translate(model)
    _raise_problems(translator.problems)
    return Builder(translator)


def _raise_problems(problems: Sequence[Problem]) -> None:
    # A layer's problem is noted at each of its calls, and reported once.
    unique = {str(problem): problem for problem in problems}
    if unique:
        raise UnsupportedModelError(list(unique.values()))


def default_dtype(model: KerasModel) -> str:
    """The floating point dtype of layers that state none, as in multi-backend Keras.

    There a model has one dtype, and only layers that create an input state it.
    """
    named = {dtype_name(layer.config.get("dtype")) for _, layer in leaves(model)}
    return "float64" if "float64" in named and "float32" not in named else "float32"


def assemble(builder: Builder, model: KerasModel) -> Graph:
    """The graph of a model; an empty one if it has problems, which are noted.

    Raises:
        ModelFileError: layers do not fit each other.
    """
    ports, values = flattened(builder, model)
    if not values:
        return Graph([], [], [], {})
    outputs = [
        _output(builder, ref, value)
        for ref, value in _output_values(builder, model, values)
    ]
    with_states = {node.layer for node in builder.nodes if len(node.inputs) > 1}
    layers = {
        path: _final_layer(builder, path, path in with_states)
        for path in dict.fromkeys(node.layer for node in builder.nodes)
    }
    return Graph(ports, builder.nodes, outputs, layers)


def flattened(builder: Builder, model: KerasModel) -> tuple[list[Port], list[Value]]:
    """Add the nodes of a model; returns its inputs, and the values of its outputs.

    There are no values if its inputs have problems, which are noted.

    Raises:
        ModelFileError: layers do not fit each other.
    """
    ports = [port for port in _inputs(builder, model) if port is not None]
    if builder.problems:
        return ports, []
    return ports, flatten(builder, model, "", _input_values(model, ports), 0)


def _inputs(builder: Builder, model: KerasModel) -> Iterator[Port | None]:
    """Add the inputs of a model to the graph; None for one that has a problem."""
    layers = {layer.name: layer for layer in model.layers[::-1]}
    for ref in model.inputs:
        layer = layers.get(ref.layer)
        if layer is None or layer.class_name != "InputLayer":
            raise ModelFileError(f"architecture: input {ref.layer!r} is no input layer")
        port = input_port(layer, builder.problems)
        if port is not None:
            if port.name in builder.shapes:
                raise ModelFileError(f"architecture: input {ref.layer!r} appears twice")
            builder.shapes[port.name] = (port.shape,)
            builder.dtypes[port.name] = port.dtype
            floating = dtype_name(layer.config.get("dtype", "float32")) or ""
            builder.floats[port.name] = floating.removeprefix("mixed_")
        yield port


def _input_values(model: KerasModel, ports: Sequence[Port]) -> list[Value]:
    """The inputs of a graph; those of a part of a model may have masks."""
    masks = {} if model.seams is None else model.seams.masks
    masked = {encode_name(name): encode_name(mask) for name, mask in masks.items()}
    return [
        Value((port.name, 0), (masked[port.name], 0) if port.name in masked else None)
        for port in ports
    ]


def _output_values(
    builder: Builder, model: KerasModel, values: Sequence[Value]
) -> Iterator[tuple[TensorRef, Value]]:
    """The outputs of a graph; those of a part of a model may be masks."""
    positions = frozenset() if model.seams is None else model.seams.output_masks
    for i, (ref, value) in enumerate(zip(model.outputs, values, strict=True)):
        mask = None if value.mask in UNUSABLE else value.mask
        if i not in positions:
            yield ref, value
        elif mask is not None:
            yield ref, Value(mask, None)
        else:
            reason = UNUSABLE.get(value.mask or ("", 0), "its output has no mask")
            builder.refuse(ref.layer, "output", f"{reason}: leave out its mask")


def _output(builder: Builder, ref: TensorRef, value: Value) -> Port:
    dtype = builder.dtypes[value.ref[0]]
    if dtype not in INPUT_DTYPES:
        reason = "outputs of this dtype are not supported; cast them to float32"
        builder.refuse(ref.layer, "output", reason, "dtype", dtype)
    rows = builder.rows.get(value.ref[0], SAMPLES)
    if rows is None or rows.axis != 0:
        reason = (
            "an output whose samples are not along axis 0, along which predict of "
            "Keras joins batches; transpose it back, or leave it out"
        )
        builder.refuse(ref.layer, "output", reason)
    return Port(ref.layer, builder.shape(value.ref), dtype, value.ref)


def _final_layer(builder: Builder, path: str, with_states: bool) -> Layer:
    """A layer after all its calls are known: with or without masks and states."""
    masked = path in builder.masked
    layer = with_one_masked_output(builder.layers[path], masked, with_states)
    forgets = builder.meaning.recurrent.stateful_keeps_over_initial
    if is_stateful(layer) and with_states and forgets:
        reason = (
            "tf.keras uses the initial states of a stateful layer on some calls "
            "and not on others, which is not supported"
        )
        builder.refuse(path, layer.op, reason, "stateful", True)
    return layer


def flatten(
    builder: Builder,
    model: KerasModel,
    prefix: str,
    inputs: Sequence[Value],
    number: int,
) -> list[Value]:
    """Add the nodes of one call of a model; returns its outputs.

    Args:
        builder: of the graph.
        model: that is called.
        prefix: of the paths of its layers.
        inputs: of the call.
        number: of the call, counted from 0.
    """
    values: Values = {
        (ref.layer, ref.call, ref.output): value
        for ref, value in zip(model.inputs, inputs, strict=True)
    }
    start = len(builder.nodes)
    nodes: dict[tuple[str, int], list[Node]] = {}
    for layer, index in _order(builder, model, prefix):
        first = len(builder.nodes)
        path = prefix + encode_name(layer.name)
        call = _read_call(builder, layer, path, number, index, values)
        outputs = _call_model(call, model) if layer.model else _call_layer(call)
        for output, value in enumerate(outputs):
            values[layer.name, index, output] = value
            if value.mask is not None:
                builder.carried[value.ref] = value.mask
        nodes[layer.name, index] = builder.nodes[first:]
    several = [layer.name for layer in model.layers if _carries_states(layer)]
    builder.nodes[start:] = in_file_order(model, nodes, several)
    return [_look_up(values, ref, "an output of the model") for ref in model.outputs]


def _order(
    builder: Builder, model: KerasModel, prefix: str
) -> Iterable[tuple[KerasLayer, int]]:
    """The calls of a model, in the order of its Keras if that changes the outputs.

    The order decides which calls come after attention that drops masks, and which of
    several calls has the first states.
    """
    specs = [builder.specs.of(layer) for layer in model.layers]
    takes_masks = any(spec is not None and spec.call.takes_masks for spec in specs)
    several = [layer for layer in model.layers if _carries_states(layer)]
    if not builder.meaning.recurrent.stateful_calls_follow:
        reason = (
            "a stateful layer that is called several times; the order in which its "
            "calls pass states on is not known for this Keras; use one layer for each "
            "call"
        )
        for layer in several:
            path = prefix + encode_name(layer.name)
            builder.refuse(path, layer.class_name, reason, "stateful")
    by_depth = takes_masks and builder.meaning.attention.heads_take_masks
    return calls_by_depth(model) if by_depth or several else ordered_calls(model)


def _carries_states(layer: KerasLayer) -> bool:
    """Whether a layer's calls pass states to each other."""
    inside = any(inner.config.get("stateful") is True for inner in walk_keras([layer]))
    return inside and len(layer.calls) > 1


def _read_call(
    builder: Builder,
    layer: KerasLayer,
    path: str,
    number: int,
    index: int,
    values: Values,
) -> LayerCall:
    """A call with its tensors looked up and its arguments checked.

    Args:
        builder: of the graph.
        layer: that is called.
        path: of the layer.
        number: of the call of its model, counted from 0.
        index: of the call in its model.
        values: the tensors of the model so far.
    """
    written = layer.calls[index]
    spec = builder.specs.of(layer)
    if spec is not None and spec.call.tensors:
        written = with_named_inputs(written, spec.call.tensors)
    if spec is not None and spec.call.masked_second:
        written = with_second_mask(written)
    reader = f"layer {path!r}"
    inputs = [
        without_dropped_mask(builder, _look_up(values, ref, reader))
        for ref in written.inputs
    ]
    if layer.model is None:
        inputs = [_without_cast_mask(builder, path, value) for value in inputs]
    masks = written.mask if isinstance(written.mask, tuple) else (written.mask,)
    explicit = [
        None if ref is None else _look_up(values, ref, reader).ref
        for ref in masks or (None,)
    ]
    number = number * len(layer.calls) + index
    call = LayerCall(builder, layer, path, number, written, inputs, explicit)
    _check_tensors(call)
    _check_arguments(call)
    return call


def _look_up(
    values: Mapping[tuple[str, int, int], Value], ref: TensorRef, reader: str
) -> Value:
    value = values.get((ref.layer, ref.call, ref.output))
    if value is None:
        raise ModelFileError(
            f"architecture: {reader} reads output {ref.output} of call {ref.call} of "
            f"{ref.layer!r}, which is not in the model"
        )
    return value


def _without_cast_mask(builder: Builder, path: str, value: Value) -> Value:
    """An input of a layer, without its mask if a cast of the input drops it."""
    policy, floating = builder.policies.get(path), builder.floats[value.ref[0]]
    cast = floating and policy not in (None, floating)
    return (
        Value(value.ref, None) if cast and builder.meaning.masks.casts_drop else value
    )


def _call_layer(call: LayerCall) -> list[Value]:
    _check_first_mask(call, call.explicit[0] or call.inputs[0].mask)
    return CALLS[call.spec.call.kind](call)


def _call_model(call: LayerCall, model: KerasModel) -> list[Value]:
    """Flatten a call of a nested model.

    Args:
        call: of it.
        model: that holds the call.
    """
    builder, inner = call.builder, call.layer.model
    assert inner is not None
    if len(call.inputs) != len(inner.inputs):
        raise ModelFileError(
            f"architecture: model {call.path!r} takes {len(inner.inputs)} inputs, got "
            f"{len(call.inputs)}"
        )
    explicit = [*call.explicit, *([None] * len(call.inputs))]
    pairs = list(zip(call.inputs, explicit, strict=False))
    inputs = [Value(value.ref, mask or value.mask) for value, mask in pairs]
    inputs = cast_for_model(builder, inner, call.name, inputs)
    marked = [
        ref
        for ref, (value, mask) in zip(call.written.inputs, pairs, strict=True)
        if mask not in (None, value.mask)
    ]
    _check_marks(call, model, marked)
    masked = [value.ref for value, mask in zip(inputs, explicit, strict=False) if mask]
    with explicit_masks(builder, masked):
        return flatten(builder, inner, f"{call.path}/", inputs, call.number)


def cast_for_model(
    builder: Builder, model: KerasModel, name: str, inputs: Sequence[Value]
) -> list[Value]:
    """The inputs of a nested model; integers and booleans are cast to its dtypes.

    Args:
        builder: of the graph; gets a node for each cast.
        model: that is called.
        name: of the call.
        inputs: of the call.
    """
    declared = {layer.name: layer.config.get("dtype") for layer in model.layers}
    return [
        _cast(builder, f"{name}/{ref.layer}", f"{name}#input_{i}", value, dtype)
        for i, (ref, value) in enumerate(zip(model.inputs, inputs, strict=True))
        for dtype in (declared.get(ref.layer),)
    ]


def _cast(
    builder: Builder, path: str, name: str, value: Value, declared: object
) -> Value:
    """A tensor in the dtype of an input; a node casts it if it has another.

    Args:
        builder: of the graph.
        path: of the input, for messages.
        name: of the node.
        value: the tensor.
        declared: dtype or policy of the input, or None.
    """
    floating = dtype_name(declared)
    target = declared if floating is None else computed_in(floating)
    dtype = builder.dtypes[value.ref[0]]
    if dtype.startswith("float") or target in (None, dtype):
        return value
    number = named_type(target)
    if number not in NUMBERS:
        reason = "inputs of this dtype are not supported"
        builder.refuse(path, "InputLayer", reason, "dtype", target)
        return value
    cast = runtime.Cast(number=number)
    return Value(builder.add(name, name, [value.ref], layer=cast), value.mask)


def _check_marks(
    call: LayerCall, model: KerasModel, marked: Sequence[TensorRef]
) -> None:
    """Refuse a model called with a mask on a tensor that other calls read too.

    tf.keras (TensorFlow 2.10 ``keras/engine/functional.py``, ``_run_internal_graph``)
    writes the mask into the tensor, for every later reader.

    Args:
        call: of a nested model.
        model: that holds the call.
        marked: the inputs that get a mask from the call only.
    """
    if not call.builder.meaning.masks.models_mark_inputs:
        return
    reads = [
        ref for layer in model.layers for read in layer.calls for ref in read.inputs
    ]
    if any(reads.count(ref) > 1 for ref in marked):
        reason = (
            "a model called with a mask, on a tensor that another call reads too: in "
            "tf.keras the tensor keeps the mask from then on; pass the mask to a layer "
            "inside the model, or call the model on a tensor that nothing else reads"
        )
        call.builder.refuse(call.path, "Functional", reason, "mask")


def _check_first_mask(call: LayerCall, mask: Ref | None) -> None:
    """Refuse a call inside a model if Keras uses the mask of another call for it.

    Multi-backend Keras 2 (``keras/engine/network.py``, ``run_internal_graph``) writes
    the mask of the first run of a model into the arguments of calls that have some,
    such as initial states, and uses it in all later runs.  For a model in a nested
    model, the first run is the one that builds the outer model.
    """
    builder, depth = call.builder, call.path.count("/")
    if not builder.meaning.recurrent.first_mask_stays or not depth:
        return
    calls = call.layer.calls
    has_arguments = any(len(other.inputs) > 1 or other.keywords for other in calls)
    if not call.spec.uses_mask or not has_arguments:
        return
    first = builder.first_masks.setdefault(call.path, mask)
    if first != mask or (mask is not None and depth > 1):
        call.refuse(
            "called with initial states or options inside a model that is called "
            "again, or in a model in a model: this Keras used the mask of another "
            "call; call it in the outermost model, or without a mask"
        )


def _check_tensors(call: LayerCall) -> None:
    """Check that a call has tensors, and that its layer is not an input.

    Raises:
        ModelFileError: it has none, or the layer is an input.
        UnsupportedModelError: its other arguments are not supported.
    """
    class_name = call.layer.class_name
    if class_name == "InputLayer":
        raise ModelFileError(
            f"architecture: layer {call.path!r} (InputLayer): expected an input "
            "without calls, got one that is called"
        )
    if call.written.left_out:
        call.refuse(
            "a positional tensor after an omitted argument is not supported; name it, "
            "as in mask=..."
        )
        _raise_problems(call.builder.problems)
    if not call.inputs:
        _check_arguments(call)
        _raise_problems(call.builder.problems)
        raise ModelFileError(
            f"architecture: layer {call.path!r} ({class_name}): expected calls with "
            "tensors, got one without"
        )


def _check_arguments(call: LayerCall) -> None:
    """Refuse arguments of a call that the graph cannot hold."""
    written, layer = call.written, call.layer
    spec = call.builder.specs.of(layer)
    listed = isinstance(written.mask, tuple) and any(written.mask)
    if listed and layer.model is None and (spec is None or spec.call.kind == ORDINARY):
        call.refuse("a list of masks is not supported", "mask")
    fused = spec is not None and spec.call.kind == FUSED
    if written.names and written.mask is not None and not fused:
        call.refuse(UNKNOWN_ARGUMENT, "mask")
    named = spec is not None and bool(spec.call.tensors)
    if not named and not layer.class_name.startswith("ops."):
        # Operations read their own constants.
        _check_constants(call)
    for key, value in written.keywords.items():
        if spec is None or key not in spec.call.options:
            _check_keyword(call, key, value)


def _check_constants(call: LayerCall) -> None:
    for position, value in call.written.constants:
        # Only training=False can be ignored.
        if value is not False:
            reason = f"argument {position} of the call is not a tensor of the model"
            call.refuse(reason, f"argument {position}", value)


def _check_keyword(call: LayerCall, key: str, value: object) -> None:
    if key in NUMBERS_IN_CALLS:
        call.refuse(NUMBERS_IN_CALLS[key], key, value)
    elif key != "training":
        call.refuse(UNKNOWN_ARGUMENT, key, value)
    elif value and "training" in call.builder.meaning.ignored_arguments:
        call.builder.notes.append(
            f"layer {call.path!r} ({call.layer.class_name}) is called with "
            "training=True; predict of this Keras ignores that, and so does "
            "the bundle"
        )
    elif value:
        call.refuse(
            "called with training=True, so its outputs are random; save the model "
            "again without it",
            key,
            value,
        )
