"""Reading a model's architecture, for all generations.

A generation provides a ``Spelling``.  This module walks models, nested models and the
layers inside wrappers, with limits on depth and number against hostile files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from gru2np.errors import Problem, UnsupportedModelError
from gru2np.generations.numbering import count_from_zero
from gru2np.generations.records import (
    array,
    fail,
    record,
    reference,
    references,
    snake_case,
    text,
)
from gru2np.generations.training import split
from gru2np.ir import PLAIN, Call, Form, KerasLayer, KerasModel, TensorRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

MODEL_CLASSES = frozenset({"Sequential", "Functional", "Model"})
# Options of a model that describe its graph.
GRAPH = frozenset({"layers", "input_layers", "output_layers"})
# Options that describe layers inside a layer.
CHILDREN = ("layer", "backward_layer", "cell", "cells")
# Classes by the name in files, if Keras defines them under another name.
STORED_AS = {"GroupQueryAttention": "GroupedQueryAttention"}
MAX_DEPTH = 50
MAX_LAYERS = 20_000


class Spelled(NamedTuple):
    """A layer's class, options and forms of weights, in the one spelling.

    Attributes:
        class_name: its class.
        options: its options, by the names of Keras 3.
        forms: how a file may store its weights.
        absent: options that the file leaves out and that got the default of its Keras.
        training: options that act in training only and that Keras 3 does not have
            under these names.
    """

    class_name: str
    options: dict[str, Any]
    forms: tuple[Form, ...] = (PLAIN,)
    absent: frozenset[str] = frozenset()
    training: Mapping[str, Any] = {}


@dataclass(frozen=True)
class Spelling:
    """How one generation writes an architecture.

    Attributes:
        spell: a layer in the one spelling, from class name and options.
        calls: a layer's calls from its record, indices as written.
        class_name: the class in a layer's record; op nodes are ``ops.<class>``, and
            custom classes have ``>`` in their names.
        why_custom: why the class in a layer's record is custom; empty if it is not.
        output_base_apart: ``output_layers`` counts nested models' calls from another
            number than ``inbound_nodes`` does (Keras 3).
    """

    spell: Callable[[str, dict[str, Any]], Spelled]
    calls: Callable[[str, Mapping[str, Any]], tuple[Call, ...]]
    class_name: Callable[[Mapping[str, Any]], str]
    why_custom: Callable[[Mapping[str, Any]], str]
    output_base_apart: bool


class Paths:
    """Attribute paths of the items of a list: ``layers/gru``, ``layers/gru_1``."""

    def __init__(self, attribute: str) -> None:
        self.attribute = attribute
        self.counts: dict[str, int] = {}

    def next(self, class_name: str) -> str:
        """The path of the next item."""
        # Of a custom class, package>Name, only the name.
        class_name = class_name.rpartition(">")[2]
        name = snake_case(STORED_AS.get(class_name, class_name))
        count = self.counts.get(name, 0)
        self.counts[name] = count + 1
        return f"{self.attribute}/{name}" + (f"_{count}" if count else "")


class Walker:
    """Reads one architecture, and counts its layers to limit them."""

    def __init__(self, spelling: Spelling) -> None:
        self.spelling = spelling
        self.count = 0

    def model(self, spec: object, where: str = "$", depth: int = 0) -> KerasModel:
        """A model from ``{"class_name", "config"}``.

        Raises:
            ModelFileError: the record is not in Keras' form.
            UnsupportedModelError: the model is of a custom class.
        """
        value = record(spec, where)
        class_name = self.spelling.class_name(value)
        if class_name not in MODEL_CLASSES:
            raise UnsupportedModelError(
                [
                    Problem(
                        str(value.get("name", "model")),
                        class_name,
                        "the model is of a custom class, whose code is not in the "
                        "file; rebuild it as a Sequential or functional model, set "
                        "its weights and save that",
                    )
                ]
            )
        if depth > MAX_DEPTH:
            raise fail(where, f"models nested at most {MAX_DEPTH} deep", class_name)
        if class_name == "Sequential":
            return self._sequential(value, where, depth)
        return self._functional(record(value.get("config"), where), where, depth)

    def layer(self, spec: object, where: str, depth: int) -> KerasLayer:
        """One layer with the layers inside it, without calls and path."""
        self.count += 1
        if self.count > MAX_LAYERS or depth > MAX_DEPTH:
            raise fail(where, f"at most {MAX_LAYERS} layers", "more")
        value = record(spec, where)
        class_name = self.spelling.class_name(value)
        config = value.get("config")
        if class_name in MODEL_CLASSES:
            model = self.model(value, where, depth + 1)
            name = value.get("name") or model.name
            return KerasLayer(
                class_name, text(name, where), {}, training={}, model=model
            )
        options = dict(record(config, f"{where}.config"))
        # Cells in old files have no name.
        unnamed = class_name if ".config." in where and "Cell" in class_name else None
        name = text(
            value.get("name") or options.get("name") or unnamed, f"{where}.name"
        )
        children = tuple(self._children(options, f"{where}.config", depth + 1))
        spelled = self.spelling.spell(class_name, options)
        deciding, training = split(spelled.options)
        layer = KerasLayer(
            spelled.class_name,
            name,
            deciding,
            training={**training, **spelled.training},
            children=children,
            forms=spelled.forms,
            absent=spelled.absent,
            written=class_name,
            why_custom=self.spelling.why_custom(value),
        )
        return _with_backward_half(layer) if class_name == "Bidirectional" else layer

    def _children(
        self, options: dict[str, Any], where: str, depth: int
    ) -> Iterator[tuple[str, KerasLayer]]:
        """The layers inside a layer by attribute; removed from its options."""
        for key in CHILDREN:
            inner = options.get(key)
            if isinstance(inner, dict) and "class_name" in inner:
                del options[key]
                yield key, self.layer(inner, f"{where}.{key}", depth)
            elif key == "cells" and isinstance(inner, list):
                del options[key]
                paths = Paths("cells")
                for i, cell in enumerate(inner):
                    child = self.layer(cell, f"{where}.cells[{i}]", depth)
                    yield paths.next(child.class_name), child

    def _sequential(
        self, value: Mapping[str, Any], where: str, depth: int
    ) -> KerasModel:
        config = value.get("config")
        if isinstance(config, list):
            options: dict[str, Any] = {}
            specs = config
        else:
            options = record(config, f"{where}.config")
            specs = array(options.get("layers"), f"{where}.config.layers")
        name = options.get("name", "sequential")
        built = options.get("build_input_shape")
        at = f"{where}.config.layers"
        if not specs:
            raise fail(at, "at least one layer", [])
        branches = self._branches(specs[0], at, depth)
        layers = [self.layer(spec, f"{at}[{i}]", depth) for i, spec in enumerate(specs)]
        if layers[0].class_name == "InputLayer":
            chained = [layers.pop(0)]
        else:
            chained = [layer for branch in branches for layer in branch.layers]
            chained = chained or _inputs_of(layers[0], built)
        inputs = [ref for branch in branches for ref in branch.inputs]
        inputs = inputs or [TensorRef(layer.name, 0, 0) for layer in chained]
        ends = [ref for branch in branches for ref in branch.outputs] or inputs
        paths = Paths("layers")
        for layer in layers:
            path = paths.next(layer.class_name)
            unique = layer.name
            if layer.model is not None and unique in {other.name for other in chained}:
                # Before Keras 2.2.3 nested models had no names.
                unique = f"{unique}_{len(chained)}"
            calls = (Call(tuple(ends)),)
            chained.append(replace(layer, name=unique, calls=calls, path=path))
            ends = [TensorRef(unique, 0, 0)]
        _check_names(chained, where)
        single = (len(inputs) == 1, True)
        model_inputs, outputs = tuple(inputs), tuple(ends)
        return KerasModel(
            str(name),
            tuple(chained),
            model_inputs,
            outputs,
            single=single,
            sequential=True,
            config=_without_graph(options),
        )

    def _branches(self, first: object, where: str, depth: int) -> list[KerasModel]:
        """The models that a first layer of Keras 1 merges; none in other models.

        Its config holds them.  In the file, their layers are in one list with those of
        the model.
        """
        options = record(first, where).get("config")
        specs = options.get("layers") if isinstance(options, dict) else None
        if self.spelling.class_name(record(first, where)) != "Merge" or not specs:
            return []
        branches = []
        for i, spec in enumerate(array(specs, where)):
            at = f"{where}[0].config.layers[{i}]"
            if self.spelling.class_name(record(spec, at)) not in MODEL_CLASSES:
                spec = {"class_name": "Sequential", "config": [spec]}
            branches.append(self.model(spec, at, depth + 1))
        return branches

    def _functional(self, config: dict[str, Any], where: str, depth: int) -> KerasModel:
        paths = Paths("layers")
        layers = []
        for i, spec in enumerate(array(config.get("layers"), f"{where}.config.layers")):
            at = f"{where}.config.layers[{i}]"
            layer = self.layer(spec, at, depth)
            calls, unread = self._calls(at, record(spec, at))
            # Op nodes are no layers: they take no number in the list of layers.
            op = layer.class_name.startswith(("ops.", "tf."))
            path = "" if op else paths.next(layer.class_name)
            if op:
                layer, calls = _with_arguments(layer, calls, at)
            layers.append(replace(layer, calls=calls, path=path, unread=unread))
        if not layers:
            raise fail(f"{where}.config.layers", "at least one layer", [])
        _check_names(layers, where)
        inputs, input_keys, one_input = self._ports(config, "input_layers", where)
        outputs, output_keys, one_output = self._ports(config, "output_layers", where)
        layers, outputs = count_from_zero(
            layers, outputs, output_base_apart=self.spelling.output_base_apart
        )
        return KerasModel(
            str(config.get("name", "model")),
            tuple(layers),
            inputs,
            outputs,
            input_keys,
            output_keys,
            (one_input, one_output),
            sequential=False,
            config=_without_graph(config),
        )

    def _calls(
        self, where: str, spec: Mapping[str, Any]
    ) -> tuple[tuple[Call, ...], UnsupportedModelError | None]:
        """The calls of a layer; of those that are not supported, tensors and error.

        A part of the model may not need the layer: see ``KerasLayer.unread``.
        """
        try:
            return self.spelling.calls(where, spec), None
        except UnsupportedModelError as error:
            inbound = array(spec.get("inbound_nodes", []), where)
            return tuple(Call(tuple(references(call))) for call in inbound), error

    def _ports(
        self, config: Mapping[str, Any], key: str, where: str
    ) -> tuple[tuple[TensorRef, ...], tuple[str, ...] | None, bool]:
        """Tensors, the keys of a dict, and whether it is one bare tensor."""
        value = config.get(key)
        at = f"{where}.config.{key}"
        if isinstance(value, dict):
            if not value:
                raise fail(at, "at least one tensor", value)
            # Keras flattens a dict in the order of its keys.
            keys = tuple(sorted(value))
            refs = tuple(reference(value[k], f"{at}.{k}") for k in keys)
            return refs, keys, False
        items = array(value, at)
        if not items:
            raise fail(at, "at least one tensor", items)
        if isinstance(items[0], str):
            return (reference(items, at),), None, True
        if any(not isinstance(item, list) or not item for item in items) or any(
            not isinstance(item[0], str) for item in items
        ):
            raise UnsupportedModelError(
                f"{at}: inputs or outputs nested in one another are not supported; "
                "build the model with a flat list or dict"
            )
        refs = tuple(reference(v, f"{at}[{i}]") for i, v in enumerate(items))
        # Every Keras returns a list of one output as the tensor.
        return refs, None, len(refs) == 1


def _without_graph(options: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if key not in GRAPH}


def _with_arguments(
    layer: KerasLayer, calls: tuple[Call, ...], where: str
) -> tuple[KerasLayer, tuple[Call, ...]]:
    """The op with the arguments of its only call as options, as most files have it."""
    if len(calls) != 1:
        return layer, calls
    twice = set(layer.config) & set(calls[0].keywords)
    if twice:
        raise fail(where, "an argument once", min(twice))
    config = {**layer.config, **calls[0].keywords}
    return replace(layer, config=config), (replace(calls[0], keywords={}),)


def _check_names(layers: Iterable[KerasLayer], where: str) -> None:
    seen = set()
    for layer in layers:
        if layer.name in seen:
            raise fail(where, "layers of different names", layer.name)
        seen.add(layer.name)


def _inputs_of(first: KerasLayer, built: object) -> list[KerasLayer]:
    """The input layers of a Sequential model whose file has none."""
    inner: list[KerasLayer] = []
    if first.model is not None:
        names = {ref.layer for ref in first.model.inputs}
        inner = [layer for layer in first.model.layers if layer.name in names]
    inputs = []
    for layer in inner or [first]:
        shape = layer.config.get("batch_shape", built)
        dtype = layer.config.get("input_dtype", layer.config.get("dtype"))
        options = {"batch_shape": shape, "dtype": dtype or "float32"}
        name = layer.name if len(inner) > 1 else f"{first.name}_input"
        inputs.append(KerasLayer("InputLayer", name, options, training={}))
    return inputs


def _with_backward_half(layer: KerasLayer) -> KerasLayer:
    """Bidirectional with both halves: files often hold only the forward one."""
    children = dict(layer.children)
    forward = children.get("layer")
    if forward is None:
        raise fail(layer.name, "a layer inside Bidirectional", None)
    backward = children.get("backward_layer")
    if backward is None:
        reverse = not forward.config.get("go_backwards", False)
        config = {**forward.config, "go_backwards": reverse}
        backward = replace(forward, config=config, absent=frozenset())
    halves = (("forward_layer", forward), ("backward_layer", backward))
    return replace(layer, children=halves)
