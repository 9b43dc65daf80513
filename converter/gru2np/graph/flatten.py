"""From a Keras model to the runtime's graph: models laid flat, masks resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError, Problem, UnsupportedModelError
from gru2np.graph.assembly import Builder, Value
from gru2np.graph.calls import CALLS, live, untaken, with_named_inputs
from gru2np.graph.carrying import settled
from gru2np.graph.constants import constant_functions
from gru2np.graph.masks import Masks
from gru2np.graph.order import calls_by_depth, ordered_calls
from gru2np.graph.ports import input_port, structure
from gru2np.ir import leaves, walk_keras
from gru2np.layers.spec import ORDINARY, computed_in, dtype_name, named_type
from gru2np.layers.translate import Translator
from gru2np_runtime import layers as runtime
from gru2np_runtime.bundle.manifest import INPUT_DTYPES
from gru2np_runtime.bundle.manifest_writer import encode_name
from gru2np_runtime.graph import Graph, Port
from gru2np_runtime.layers.ops import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.ir import Call, KerasLayer, KerasModel, TensorRef
    from gru2np.layers.custom import Specs
    from gru2np.meaning import Meaning
    from gru2np_runtime.data import Structure

    Shape = tuple[int | None, ...]
    Ref = tuple[str, int]


# Numbers where a call takes tensors: they belong to the rows of one batch.
NUMBERS_HANDED_OVER = {
    "mask": "called with a mask of numbers, a row for each sample of one batch; make "
    "the mask an input of the model, or let a Masking layer find it",
    "initial_state": "called with initial states of numbers, a row for each sample of "
    "one batch; make them inputs of the model",
}


@dataclass
class Built:
    """A model as the runtime's graph, its weights not yet found.

    Attributes:
        graph: nodes nobody needs left in, since their weights take a place in files.
        titles: name and class in Keras, by layer path.
        weights: expected shapes by layer path and weight name.
        inputs: how the model takes its inputs.
        outputs: how it gives its outputs.
        notes: what the owner should know: where the file leaves a number open.
        warnings: what no comparison with Keras shows, since it does the same.
    """

    graph: Graph
    titles: dict[str, tuple[str, str]]
    weights: dict[str, dict[str, Shape]]
    inputs: Structure
    outputs: Structure
    notes: list[str]
    warnings: list[str]


def build(model: KerasModel, meaning: Meaning, specs: Specs) -> Built:
    """The graph of a model, its classes converted as ``specs`` say.

    Raises:
        ModelFileError: layers do not fit each other.
        UnsupportedModelError: something cannot be converted; everything at once.
    """
    translator = Translator(
        meaning,
        _floating(model),
        specs,
        lambda inner, own: finish(Builder(inner), own),
    )
    translator.translate(model)
    _give_up(translator.problems)
    builder = Builder(translator)
    graph = finish(builder, model)
    _give_up(translator.problems)
    names = [ref.layer for ref in model.inputs]
    inputs = structure(model.input_keys, model.single[0], names)
    names = [ref.layer for ref in model.outputs]
    outputs = structure(model.output_keys, model.single[1], names)
    notes = list(dict.fromkeys(translator.notes))
    return Built(
        graph,
        translator.titles,
        builder.weights,
        inputs,
        outputs,
        notes,
        constant_functions(graph, translator.titles),
    )


def _give_up(noted: Sequence[Problem]) -> None:
    # A layer's problem is met again at each of its calls, and is one all the same.
    problems = {str(problem): problem for problem in noted}
    if problems:
        raise UnsupportedModelError(list(problems.values()))


def _floating(model: KerasModel) -> str:
    """The floating point type of layers that name none, as in multi-backend Keras.

    It had one type for a whole model, and named it where a layer made an input.
    """
    named = {dtype_name(layer.config.get("dtype")) for _, layer in leaves(model)}
    return "float64" if "float64" in named and "float32" not in named else "float32"


def finish(builder: Builder, model: KerasModel) -> Graph:
    """The graph of the model; an empty one with its problems noted."""
    ports, bound = [], []
    for ref in model.inputs:
        layer = next((own for own in model.layers if own.name == ref.layer), None)
        if layer is None or layer.class_name != "InputLayer":
            raise ModelFileError(f"architecture: input {ref.layer!r} is no input layer")
        port = input_port(layer, builder.problems)
        if port is None:
            continue
        if port.name in builder.shapes:
            raise ModelFileError(f"architecture: input {ref.layer!r} stands twice")
        ports.append(port)
        builder.shapes[port.name] = (port.shape,)
        builder.dtypes[port.name] = port.dtype
        floating = dtype_name(layer.config.get("dtype", "float32")) or ""
        builder.floats[port.name] = floating.removeprefix("mixed_")
        bound.append(Value((port.name, 0), None))
    if builder.problems:
        return Graph([], [], [], {})
    outputs = lay(builder, model, "", bound, 0)
    results = []
    for ref, value in zip(model.outputs, outputs, strict=True):
        shape = builder.shapes[value.ref[0]][value.ref[1]]
        dtype = builder.dtypes[value.ref[0]]
        if dtype not in INPUT_DTYPES:
            reason = "outputs of this dtype are not supported; cast them to float32"
            builder.problems.append(
                Problem(ref.layer, "output", reason, "dtype", dtype)
            )
        results.append(Port(ref.layer, shape, dtype, value.ref))
    with_states = {node.layer for node in builder.nodes if len(node.inputs) > 1}
    layers = {
        path: settled(builder, path, path in with_states)
        for path in dict.fromkeys(node.layer for node in builder.nodes)
    }
    return Graph(ports, builder.nodes, results, layers)


def lay(
    builder: Builder,
    model: KerasModel,
    prefix: str,
    inputs: Sequence[Value],
    expansion: int,
) -> list[Value]:
    """Add the nodes of one call of a model; ``expansion`` counts its calls."""
    values: dict[tuple[str, int, int], Value] = {}
    for ref, value in zip(model.inputs, inputs, strict=True):
        values[ref.layer, ref.call, ref.output] = value
    # The order decides where attention takes masks away, and what states come first.
    rows = [builder.specs.get(own.class_name) for own in model.layers]
    takes = any(row is not None and row.call.takes_masks for row in rows)
    by_depth = takes and builder.meaning.attention.heads_take_masks
    again = [own for own in model.layers if _carries_over(own)]
    for layer in again if not builder.meaning.recurrent.stateful_calls_follow else ():
        reason = (
            "a stateful layer that is called several times; which call begins with "
            "whose states is not known of this Keras; give each call a layer of its own"
        )
        path = prefix + encode_name(layer.name)
        builder.problems.append(Problem(path, layer.class_name, reason, "stateful"))
    order = calls_by_depth if by_depth or again else ordered_calls
    for layer, index in order(model):
        call = layer.calls[index]
        row = builder.specs.get(layer.class_name)
        if row is not None and row.call.tensors:
            call = with_named_inputs(call, row.call.tensors)
        path = prefix + encode_name(layer.name)
        reader = f"layer {path!r}"
        given = [live(builder, _look_up(values, ref, reader)) for ref in call.inputs]
        if layer.model is None:
            given = [_cast(builder, path, value) for value in given]
        masks = call.mask if isinstance(call.mask, tuple) else (call.mask,)
        explicit = [
            None if ref is None else _look_up(values, ref, reader).ref
            for ref in masks or (None,)
        ]
        number = expansion * len(layer.calls) + index
        name = f"{path}#{number}" if number else path
        _check_tensors(builder, path, layer, call)
        _check_call(builder, path, layer, call)
        if layer.model is None:
            _check_first_mask(builder, layer, path, explicit[0] or given[0].mask)
            masks_of_call = Masks(builder, layer, path)
            caller = CALLS[masks_of_call.spec.call.kind]
            results = caller(masks_of_call, name, given, call, explicit)
        else:
            explicit += [None] * len(given)
            own = [value.mask for value in given]
            given = [
                Value(value.ref, mask or value.mask)
                for value, mask in zip(given, explicit, strict=False)
            ]
            if len(given) != len(layer.model.inputs):
                raise ModelFileError(
                    f"architecture: model {path!r} takes "
                    f"{len(layer.model.inputs)} inputs, got {len(given)}"
                )
            given = cast_for_model(builder, layer.model, name, given)
            changed = [
                ref
                for ref, before, mask in zip(call.inputs, own, explicit, strict=False)
                if mask not in (None, before)
            ]
            _check_marks(builder, model, path, changed)
            handed = [v.ref for v, mask in zip(given, explicit, strict=False) if mask]
            with untaken(builder, handed):
                results = lay(builder, layer.model, f"{path}/", given, number)
        for output, value in enumerate(results):
            values[layer.name, index, output] = value
    return [_look_up(values, ref, "an output of the model") for ref in model.outputs]


def _carries_over(layer: KerasLayer) -> bool:
    """Whether a layer's calls hand states to each other."""
    inside = any(own.config.get("stateful") is True for own in walk_keras([layer]))
    return inside and len(layer.calls) > 1


def _check_marks(
    builder: Builder, model: KerasModel, path: str, changed: Sequence[TensorRef]
) -> None:
    """Note where a mask that a model is called with becomes that of its input.

    tf.keras (TensorFlow 2.10 ``keras/engine/functional.py``, ``_run_internal_graph``)
    writes the mask into the tensor, for whatever reads it after that.

    Args:
        builder: of the graph; takes problems.
        model: that holds the call.
        path: of the model that is called.
        changed: the inputs to which the call gives masks that they do not have.
    """
    if not builder.meaning.masks.models_mark_inputs:
        return
    read = [ref for own in model.layers for call in own.calls for ref in call.inputs]
    if any(read.count(ref) > 1 for ref in changed):
        reason = (
            "a model called with a mask, whose input something else reads too: in "
            "tf.keras the mask is that of the input from then on; give the mask to a "
            "layer inside of the model, or build the model on a tensor of its own"
        )
        builder.problems.append(Problem(path, "Functional", reason, "mask"))


def _check_first_mask(
    builder: Builder, layer: KerasLayer, path: str, mask: Ref | None
) -> None:
    """Note where Keras gives a call inside of a model the mask of another call.

    Multi-backend Keras 2 (``keras/engine/network.py``, ``run_internal_graph``) writes
    the mask of the first run of a model into the arguments of a call that has some,
    such as initial states, and keeps it for good; of a model in a model, that run is
    the one in which the outer model is built.
    """
    row = builder.specs.get(layer.class_name)
    inside = path.count("/")
    if not builder.meaning.recurrent.first_mask_stays or not inside or row is None:
        return
    has_arguments = any(len(call.inputs) > 1 or call.keywords for call in layer.calls)
    if not row.uses_mask or not has_arguments:
        return
    first = builder.first_masks.setdefault(path, mask)
    if first != mask or (mask is not None and inside > 1):
        reason = (
            "called with initial states or options inside of a model that is called "
            "again, or in a model in a model: this Keras gave it the mask of another "
            "call; call it in the outermost model, or without a mask"
        )
        builder.problems.append(Problem(path, layer.class_name, reason))


def _cast(builder: Builder, path: str, value: Value) -> Value:
    """What a layer is given, without its mask where Keras casts the numbers anew."""
    policy, meaning = builder.policies.get(path), builder.meaning
    given = builder.floats[value.ref[0]]
    if value.mask is None or not given or policy in (None, given):
        return value
    return Value(value.ref, None) if meaning.masks.casts_drop else value


def _check_tensors(builder: Builder, path: str, layer: KerasLayer, call: Call) -> None:
    """Every call is one of a layer that takes tensors, and has some.

    Raises:
        ModelFileError: it has none, or the layer is an input.
        UnsupportedModelError: what it has instead has been noted as a problem.
    """
    if layer.class_name == "InputLayer":
        raise ModelFileError(
            f"architecture: layer {path!r} (InputLayer): expected an input, which "
            "nothing is handed to, got one that is called"
        )
    if call.left_out:
        reason = (
            "a tensor by position behind an argument that is left out is not "
            "supported; name it, as in mask=..."
        )
        builder.problems.append(Problem(path, layer.class_name, reason))
        _give_up(builder.problems)
    if not call.inputs:
        _check_call(builder, path, layer, call)
        _give_up(builder.problems)
        raise ModelFileError(
            f"architecture: layer {path!r} ({layer.class_name}): expected calls with "
            "tensors, got one without"
        )


def _check_call(builder: Builder, path: str, layer: KerasLayer, call: Call) -> None:
    """Note arguments of a call that the graph cannot hold."""
    spec = builder.specs.get(layer.class_name)
    listed = isinstance(call.mask, tuple) and any(call.mask)
    if listed and layer.model is None and (spec is None or spec.call.kind == ORDINARY):
        reason = "a list of masks is not supported"
        builder.problems.append(Problem(path, layer.class_name, reason, "mask"))
    if call.names and call.mask is not None:
        reason = "an argument of the call that this version does not know"
        builder.problems.append(Problem(path, layer.class_name, reason, "mask"))
    named = spec is not None and bool(spec.call.tensors)
    if not named and not layer.class_name.startswith("ops."):
        # Operations read theirs themselves.
        for position, value in call.constants:
            # Of all that may stand there, training=False alone is such a value.
            if value is False:
                continue
            reason = f"argument {position} of the call is no tensor of the model"
            name = f"argument {position}"
            builder.problems.append(
                Problem(path, layer.class_name, reason, name, value)
            )
    for key, value in call.keywords.items():
        if spec is not None and key in spec.call.options:
            continue
        if key in NUMBERS_HANDED_OVER:
            reason = NUMBERS_HANDED_OVER[key]
        elif key != "training":
            reason = "an argument of the call that this version does not know"
        elif not value:
            continue
        elif "training" in builder.meaning.unheeded:
            builder.notes.append(
                f"layer {path!r} ({layer.class_name}) is called with training=True; "
                "predict does not heed that in this Keras, and neither does the bundle"
            )
            continue
        else:
            reason = "called with training=True, so its outputs are random"
        builder.problems.append(Problem(path, layer.class_name, reason, key, value))


def _look_up(
    values: Mapping[tuple[str, int, int], Value], ref: TensorRef, reader: str
) -> Value:
    value = values.get((ref.layer, ref.call, ref.output))
    if value is None:
        raise ModelFileError(
            f"architecture: {reader} reads output {ref.output} of call {ref.call} of "
            f"{ref.layer!r}, which nothing in the model gives"
        )
    return value


def cast_for_model(
    builder: Builder, model: KerasModel, name: str, given: Sequence[Value]
) -> list[Value]:
    """Whole numbers as a model inside another declares its inputs.

    Args:
        builder: of the graph; takes a node for each cast.
        model: that is called.
        name: of the call.
        given: what it is called with.
    """
    inner = {own.name: own.config.get("dtype") for own in model.layers}
    results = []
    for i, (ref, value) in enumerate(zip(model.inputs, given, strict=True)):
        declared = inner.get(ref.layer)
        floating = dtype_name(declared)
        if floating is not None:
            declared = computed_in(floating)
        have = builder.dtypes[value.ref[0]]
        if have.startswith("float") or declared in (None, have):
            results.append(value)
            continue
        number = named_type(declared)
        if number not in NUMBERS:
            reason = "inputs of this dtype"
            builder.problems.append(
                Problem(f"{name}/{ref.layer}", "InputLayer", reason, "dtype", declared)
            )
            results.append(value)
            continue
        path = f"{name}#input_{i}"
        cast = runtime.Cast(number=number)
        results.append(
            Value(builder.add(path, path, [value.ref], layer=cast), value.mask)
        )
    return results
