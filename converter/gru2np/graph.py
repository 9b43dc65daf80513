"""From a Keras model to the runtime's graph: models laid flat, masks resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError, Problem, UnsupportedModelError
from gru2np.layers._spec import dtype_name
from gru2np.layers.recurrent import written_out
from gru2np.masks import Masks, Value
from gru2np.ordering import ordered_calls
from gru2np.ports import input_port, structure
from gru2np.translation import Translator
from gru2np_runtime._graph import Graph, Node, Port
from gru2np_runtime._manifest import encode_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.ir import Call, KerasLayer, KerasModel, Meaning, TensorRef
    from gru2np_runtime import Layer
    from gru2np_runtime._data import Structure

    Shape = tuple[int | None, ...]
    Ref = tuple[str, int]

MAX_NODES = 20_000


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
    """

    graph: Graph
    titles: dict[str, tuple[str, str]]
    weights: dict[str, dict[str, Shape]]
    inputs: Structure
    outputs: Structure
    notes: list[str]


def build(model: KerasModel, meaning: Meaning) -> Built:
    """The graph of a model.

    Raises:
        ModelFileError: layers do not fit each other.
        UnsupportedModelError: something cannot be converted; everything at once.
    """
    translator = Translator(meaning, _floating(model))
    translator.translate(model, "")
    _give_up(translator)
    builder = Builder(translator)
    graph = builder.finish(model)
    _give_up(translator)
    names = [ref.layer for ref in model.inputs]
    inputs = structure(model.input_keys, model.single[0], names)
    names = [ref.layer for ref in model.outputs]
    outputs = structure(model.output_keys, model.single[1], names)
    notes = list(dict.fromkeys(translator.notes))
    return Built(graph, translator.titles, builder.weights, inputs, outputs, notes)


def _give_up(translator: Translator) -> None:
    # A layer's problem is met again at each of its calls, and is one all the same.
    problems = {str(problem): problem for problem in translator.problems}
    if problems:
        raise UnsupportedModelError(list(problems.values()))


def _floating(model: KerasModel) -> str:
    """The floating point type of layers that name none, as in multi-backend Keras.

    It had one type for a whole model, and named it where a layer made an input.
    """
    layers = list(model.layers)
    named = set()
    while layers:
        layer = layers.pop()
        named.add(dtype_name(layer.config.get("dtype")))
        layers.extend(layer.model.layers if layer.model is not None else ())
    return "float64" if "float64" in named and "float32" not in named else "float32"


class Builder:
    """Lays one model flat, its layers translated beforehand.

    Attributes:
        meaning: of the model's Keras.
        problems: what cannot be converted, noted as it is met.
        notes: where the file leaves a number open.
        remarks: notes that hold for layers with a mask, by path.
        layers: runtime layers by path.
        nodes: in topological order.
        shapes: of the outputs of every input and node.
        weights: expected shapes by layer path.
        masked: paths of layers that use a mask.
        input_dtypes: by input name.
    """

    def __init__(self, translator: Translator) -> None:
        self.meaning = translator.meaning
        self.problems = translator.problems
        self.notes = translator.notes
        self.remarks = translator.remarks
        self.layers = dict(translator.layers)
        self.nodes: list[Node] = []
        self.shapes: dict[str, tuple[Shape, ...]] = {}
        self.weights: dict[str, dict[str, Shape]] = {}
        self.masked: set[str] = set()
        self.input_dtypes: dict[str, str] = {}

    def finish(self, model: KerasModel) -> Graph:
        """The graph of the model; an empty one with its problems noted."""
        ports, bound = [], []
        for ref in model.inputs:
            layer = next((own for own in model.layers if own.name == ref.layer), None)
            if layer is None or layer.class_name != "InputLayer":
                raise ModelFileError(
                    f"architecture: input {ref.layer!r} is no input layer"
                )
            port = input_port(layer, self.problems)
            if port is None:
                continue
            ports.append(port)
            self.shapes[port.name] = (port.shape,)
            self.input_dtypes[port.name] = port.dtype
            bound.append(Value((port.name, 0), None))
        if self.problems:
            return Graph([], [], [], {})
        outputs = self.lay(model, "", bound, 0)
        results = []
        for ref, value in zip(model.outputs, outputs, strict=True):
            shape = self.shapes[value.ref[0]][value.ref[1]]
            results.append(Port(ref.layer, shape, self.dtype_of(value.ref), value.ref))
        with_states = {node.layer for node in self.nodes if len(node.inputs) > 1}
        layers = {
            path: self._written_out(path, path in with_states)
            for path in dict.fromkeys(node.layer for node in self.nodes)
        }
        return Graph(ports, self.nodes, results, layers)

    def _written_out(self, path: str, with_states: bool) -> Layer:
        layer = written_out(self.layers[path], path in self.masked, with_states)
        uncertain = self.meaning.uncertain
        stateful = bool(getattr(layer, "stateful", False))
        if stateful and with_states and self.meaning.stateful_keeps_over_initial:
            reason = (
                "tf.keras uses the initial states of a stateful layer on some calls "
                "and not on others, which is not supported"
            )
            self.problems.append(Problem(path, layer.op, reason, "stateful", True))
        if stateful and "stateful_forgets" in uncertain:
            self.notes.append(
                f"layer {path!r} is stateful: its state is carried from call to call, "
                "as on TensorFlow; on JAX predict did not, and the file does not name "
                "its backend"
            )
        if path in self.masked:
            self.notes.extend(
                f"layer {own!r}: {text}"
                for own, text in self.remarks.items()
                if own == path or own.startswith(f"{path}/")
            )
        masked = getattr(layer, "masked_output", "zero") in ("previous", "state")
        masked = masked and path in self.masked and (with_states or stateful)
        if masked and "masked_output" in uncertain:
            self.notes.append(
                f"layer {path!r}: before the first valid step its output is zero, "
                "as on TensorFlow; JAX gives the initial state, and the file does "
                "not name its backend"
            )
        return layer

    def dtype_of(self, ref: Ref) -> str:
        """The dtype of a tensor, found by walking back to what decides it."""
        nodes = {node.name: node for node in self.nodes}
        name, cast = ref[0], None
        while name in nodes:
            layer = self.layers[nodes[name].layer]
            result = layer.result_dtype()
            if result is not None:
                return cast if cast and result.startswith("float") else result
            if layer.casts_floats and cast is None:
                cast = layer.dtype
            name = nodes[name].inputs[0][0]
        dtype = self.input_dtypes.get(name, "float32")
        return cast if cast and dtype.startswith("float") else dtype

    def lay(
        self, model: KerasModel, prefix: str, inputs: Sequence[Value], expansion: int
    ) -> list[Value]:
        """Add the nodes of one call of a model; ``expansion`` counts its calls."""
        values: dict[tuple[str, int, int], Value] = {}
        for ref, value in zip(model.inputs, inputs, strict=True):
            values[ref.layer, ref.call, ref.output] = value
        for layer, index in ordered_calls(model):
            call = layer.calls[index]
            path = prefix + encode_name(layer.name)
            reader = f"layer {path!r}"
            given = [_look_up(values, ref, reader) for ref in call.inputs]
            masks = call.mask if isinstance(call.mask, tuple) else (call.mask,)
            explicit = [
                None if ref is None else _look_up(values, ref, reader).ref
                for ref in masks
            ]
            number = expansion * len(layer.calls) + index
            if layer.model is None:
                name = f"{path}#{number}" if number else path
                self._check_call(path, layer, call)
                results = Masks(self, layer, path).call(name, given, explicit[0])
            else:
                explicit += [None] * len(given)
                given = [
                    Value(value.ref, mask or value.mask)
                    for value, mask in zip(given, explicit, strict=False)
                ]
                if len(given) != len(layer.model.inputs):
                    raise ModelFileError(
                        f"architecture: model {path!r} takes "
                        f"{len(layer.model.inputs)} inputs, got {len(given)}"
                    )
                results = self.lay(layer.model, f"{path}/", given, number)
            for output, value in enumerate(results):
                values[layer.name, index, output] = value
        return [
            _look_up(values, ref, "an output of the model") for ref in model.outputs
        ]

    def _check_call(self, path: str, layer: KerasLayer, call: Call) -> None:
        """Note arguments of a call that the graph cannot hold."""
        if isinstance(call.mask, tuple) and any(call.mask):
            reason = "a list of masks is not supported"
            self.problems.append(Problem(path, layer.class_name, reason, "mask"))
        for key, value in call.keywords.items():
            if key != "training":
                reason = "an argument of the call that this version does not know"
            elif value is True:
                reason = "called with training=True, so its outputs are random"
            else:
                continue
            self.problems.append(Problem(path, layer.class_name, reason, key, value))

    def add(
        self,
        name: str,
        path: str,
        inputs: Sequence[Ref],
        mask: Ref | None = None,
        layer: Layer | None = None,
    ) -> Ref:
        """Add a node; its first output.

        Raises:
            ModelFileError: the inputs do not fit the layer.
        """
        if layer is not None:
            self.layers[path] = layer
        layer = self.layers[path]
        if len(self.nodes) >= MAX_NODES:
            raise ModelFileError(
                f"architecture: expected at most {MAX_NODES} layer calls, got more: "
                "models nested in one another multiply"
            )
        node = Node(name, path, inputs, mask)
        shapes = [self.shapes[source][index] for source, index in inputs]
        try:
            expected, self.shapes[name] = layer.infer(*shapes)
        except (IndexError, TypeError, ValueError) as error:
            raise ModelFileError(
                f"layer {name!r} ({layer.op}) does not take inputs of shape "
                f"{', '.join(map(str, shapes))}: {error}"
            ) from None
        if self.weights.setdefault(path, expected) != expected:
            raise ModelFileError(
                f"layer {name!r} ({layer.op}): its calls need different weights: "
                f"{self.weights[path]} and {expected}"
            )
        if mask is not None:
            self.masked.add(path)
        self.nodes.append(node)
        return name, 0


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
