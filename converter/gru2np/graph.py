"""From a Keras model to the runtime's graph: models laid flat, masks resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.attention import CALLS, live
from gru2np.carrying import settled
from gru2np.errors import ModelFileError, Problem, UnsupportedModelError
from gru2np.layers._spec import dtype_name
from gru2np.masks import Masks, Value
from gru2np.ordering import calls_by_depth, ordered_calls
from gru2np.ports import input_port, structure
from gru2np.translation import Translator
from gru2np.whole_numbers import cast_for_model, untaken
from gru2np_runtime._bundle.manifest import INPUT_DTYPES
from gru2np_runtime._bundle.manifest_writer import encode_name
from gru2np_runtime._errors import Unsupported
from gru2np_runtime._graph import Graph, Node, Port

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.ir import Call, KerasLayer, KerasModel, Meaning, TensorRef
    from gru2np.layers.custom import Specs
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


def build(model: KerasModel, meaning: Meaning, specs: Specs) -> Built:
    """The graph of a model, its classes converted as ``specs`` say.

    Raises:
        ModelFileError: layers do not fit each other.
        UnsupportedModelError: something cannot be converted; everything at once.
    """
    translator = Translator(meaning, _floating(model), specs)
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
        specs: how classes are converted.
        problems: what cannot be converted, noted as it is met.
        notes: where the file leaves a number open.
        remarks: notes that hold for layers with a mask, by path.
        titles: name and class in Keras, by layer path.
        layers: runtime layers by path.
        nodes: in topological order.
        shapes: of the outputs of every input and node.
        weights: expected shapes by layer path.
        masked: paths of layers that use a mask.
        dtypes: of the outputs of every input and node.
        taken: tensors whose masks are no more: see ``Meaning.heads_take_masks``.
    """

    def __init__(self, translator: Translator) -> None:
        self.meaning = translator.meaning
        self.specs = translator.specs
        self.problems = translator.problems
        self.notes = translator.notes
        self.remarks = translator.remarks
        self.titles = translator.titles
        self.layers = dict(translator.layers)
        self.nodes: list[Node] = []
        self.shapes: dict[str, tuple[Shape, ...]] = {}
        self.weights: dict[str, dict[str, Shape]] = {}
        self.masked: set[str] = set()
        self.dtypes: dict[str, str] = {}
        self.taken: set[Ref] = set()

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
            self.dtypes[port.name] = port.dtype
            bound.append(Value((port.name, 0), None))
        if self.problems:
            return Graph([], [], [], {})
        outputs = self.lay(model, "", bound, 0)
        results = []
        for ref, value in zip(model.outputs, outputs, strict=True):
            shape = self.shapes[value.ref[0]][value.ref[1]]
            dtype = self.dtypes[value.ref[0]]
            if dtype not in INPUT_DTYPES:
                reason = "outputs of this dtype are not supported; cast them to float32"
                self.problems.append(
                    Problem(ref.layer, "output", reason, "dtype", dtype)
                )
            results.append(Port(ref.layer, shape, dtype, value.ref))
        with_states = {node.layer for node in self.nodes if len(node.inputs) > 1}
        layers = {
            path: settled(self, path, path in with_states)
            for path in dict.fromkeys(node.layer for node in self.nodes)
        }
        return Graph(ports, self.nodes, results, layers)

    def lay(
        self, model: KerasModel, prefix: str, inputs: Sequence[Value], expansion: int
    ) -> list[Value]:
        """Add the nodes of one call of a model; ``expansion`` counts its calls."""
        values: dict[tuple[str, int, int], Value] = {}
        for ref, value in zip(model.inputs, inputs, strict=True):
            values[ref.layer, ref.call, ref.output] = value
        # Only where attention takes masks away does the order decide anything.
        heads = any(own.class_name == "MultiHeadAttention" for own in model.layers)
        by_depth = heads and self.meaning.heads_take_masks
        order = calls_by_depth if by_depth else ordered_calls
        for layer, index in order(model):
            call = layer.calls[index]
            path = prefix + encode_name(layer.name)
            reader = f"layer {path!r}"
            given = [live(self, _look_up(values, ref, reader)) for ref in call.inputs]
            masks = call.mask if isinstance(call.mask, tuple) else (call.mask,)
            explicit = [
                None if ref is None else _look_up(values, ref, reader).ref
                for ref in masks or (None,)
            ]
            number = expansion * len(layer.calls) + index
            name = f"{path}#{number}" if number else path
            if layer.model is None:
                self._check_call(path, layer, call)
                masks_of_call = Masks(self, layer, path)
                special = CALLS.get(layer.class_name)
                if special is None:
                    results = masks_of_call.call(name, given, explicit[0])
                else:
                    results = special(masks_of_call, name, given, call, explicit)
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
                given = cast_for_model(self, layer.model, name, given)
                results = self.lay(layer.model, f"{path}/", given, number)
            for output, value in enumerate(results):
                values[layer.name, index, output] = value
        return [
            _look_up(values, ref, "an output of the model") for ref in model.outputs
        ]

    def _check_call(self, path: str, layer: KerasLayer, call: Call) -> None:
        """Note arguments of a call that the graph cannot hold."""
        spec = self.specs.get(layer.class_name)
        listed = isinstance(call.mask, tuple) and any(call.mask)
        if listed and layer.class_name not in CALLS:
            reason = "a list of masks is not supported"
            self.problems.append(Problem(path, layer.class_name, reason, "mask"))
        for key, value in call.keywords.items():
            if spec is not None and key in spec.keywords:
                continue
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
        dtypes = [self.dtypes[source] for source, _ in inputs]
        try:
            expected, self.shapes[name] = layer.infer(*shapes)
            self.dtypes[name] = layer.output_dtype(*dtypes)
        except (IndexError, TypeError, ValueError) as error:
            pairs = zip(dtypes, shapes, strict=True)
            given = [f"{dtype} {shape}" for dtype, shape in pairs]
            text = (
                f"layer {name!r} ({layer.op}) does not take inputs of shape "
                f"{', '.join(given)}: {error}"
            )
            # Operations of this project do less than those of Keras; layers do not.
            misfit = layer.casts_floats and not isinstance(error, Unsupported)
            raise (
                ModelFileError(text) if misfit else UnsupportedModelError(text)
            ) from None
        if self.weights.setdefault(path, expected) != expected:
            raise ModelFileError(
                f"layer {name!r} ({layer.op}): its calls need different weights: "
                f"{self.weights[path]} and {expected}"
            )
        if mask is not None:
            self.masked.add(path)
        reason = untaken(layer, node, self.dtypes, self.meaning)
        if reason is not None:
            class_name = self.titles.get(path, ("", layer.op))[1]
            self.problems.append(Problem(path, class_name, reason))
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
