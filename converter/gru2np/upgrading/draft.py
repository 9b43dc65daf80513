"""A model on its way to Keras 3, and where each of its layers comes from."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from gru2np.generations.architecture import Paths
from gru2np.ir import PLAIN, Call, KerasLayer, TensorRef
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping, Sequence

    from gru2np.ir import Array, KerasModel
    from gru2np_runtime.graph import Graph, Ref

# Keras 3.15 keras/src/ops/operation.py refuses a slash; TensorFlow refuses others as
# names of scopes.
NAME = re.compile(r"[A-Za-z0-9.][A-Za-z0-9_.>-]*", re.ASCII)


@dataclass
class Draft:
    """A model in the spelling of Keras 3, being changed until it means the same.

    Attributes:
        model: the model.
        before: the graph of the old model.
        origins: the paths of the old model's layers, by their paths in this one.
        weights: what is made of an old weight, by its path in this model.
        moved: old paths of layers that were built anew, by their new paths.
        taken: old paths of weights that another layer has now, by their new paths.
        outputs: outputs of old layers, as (path, number), by the new layer and number
            that give them now.
        settled: what differs from the old graph and was made up for, as (old path,
            attribute), or ``inputs`` or ``mask`` for the attribute.
        plain: layers that were added to stop a mask, and change nothing else.
        masks: masks of the old graph that were built, by their place there.
        words: what was written in other words, by old path.
        notes: what the user should know besides.
    """

    model: KerasModel
    before: Graph
    origins: dict[str, str]
    weights: dict[str, Callable[[Array], Array]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)
    taken: dict[str, str] = field(default_factory=dict)
    outputs: dict[tuple[str, int], tuple[str, int]] = field(default_factory=dict)
    settled: set[tuple[str, str]] = field(default_factory=set)
    plain: set[str] = field(default_factory=set)
    masks: dict[Ref, TensorRef] = field(default_factory=dict)
    words: dict[str, list[str]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def source(self, path: str) -> str:
        """The path of the old weight that a weight of this model is made of."""
        if path in self.taken:
            return self.taken[path]
        known = {**self.origins, **self.moved}
        parts = path.split("/")
        for end in range(len(parts) - 1, 0, -1):
            prefix = "/".join(parts[:end])
            if prefix in known:
                return "/".join([known[prefix], *parts[end:]])
        return path

    def change(self, path: str, change: Callable[[Array], Array]) -> None:
        """Change a weight, after all changes so far."""
        first = self.weights.get(path)
        self.weights[path] = change if first is None else lambda x: change(first(x))

    def say(self, path: str, words: str) -> None:
        """Note what was written in other words, of an old layer."""
        said = self.words.setdefault(path, [])
        if words not in said:
            said.append(words)

    def rename(self, path: str, new: str) -> None:
        """Give the changes of a layer's weights to another layer."""
        tables: tuple[dict[str, Any], ...] = (self.weights, self.taken)
        for table in tables:
            for at in [at for at in table if at.startswith(f"{path}/")]:
                table[new + at[len(path) :]] = table.pop(at)

    def name(self, path: str) -> str:
        """The path of an old layer in this model."""
        return next(new for new, old in self.origins.items() if old == path)

    def add(self, layer: KerasLayer) -> None:
        """Add a layer to the outermost model, which is then no Sequential."""
        layers = (*self.model.layers, layer)
        self.model = replace(self.model, layers=layers, sequential=False)


def renamed(
    model: KerasModel,
    draft: Draft,
    clashes: Container[str],
    new: str = "",
    old: str = "",
) -> KerasModel:
    """The model with names that Keras 3 takes: letters, digits, ``_``, ``-``, ``.``.

    Args:
        model: the model, or one nested in it.
        draft: gets the new paths, and a note on each name.
        clashes: names that Keras 3 may give to operations of its own.
        new: prefix of the new paths of the model's layers.
        old: the same of the old ones.
    """
    names: dict[str, str] = {}
    layers = []
    for layer in model.layers:
        name = layer.name
        if not NAME.fullmatch(name) or name in clashes:
            legal = f"{name}_layer" if name in clashes else _legal(name)
            name = unique(model, legal, names.values())
            names[layer.name] = name
            why = (
                "Keras 3 has this name for an operation on masks"
                if layer.name in clashes
                else "Keras 3 does not take this name"
            )
            draft.notes.append(f"layer {layer.name!r} is now {name!r}: {why}")
        at, before = new + encode_name(name), old + encode_name(layer.name)
        if before in draft.origins:
            del draft.origins[before]
            draft.origins[at] = before
        inner = layer.model and renamed(
            layer.model, draft, clashes, f"{at}/", f"{before}/"
        )
        layers.append(replace(_with_names(layer), name=name, model=inner))

    def ref(tensor: TensorRef) -> TensorRef:
        return replace(tensor, layer=names.get(tensor.layer, tensor.layer))

    return replace(
        model,
        layers=tuple(with_refs(layer, ref) for layer in layers),
        inputs=tuple(map(ref, model.inputs)),
        outputs=tuple(map(ref, model.outputs)),
    )


def _with_names(layer: KerasLayer) -> KerasLayer:
    """A layer whose inner layers have names that Keras 3 takes."""
    children = tuple(
        (at, replace(_with_names(child), name=_legal(child.name)))
        for at, child in layer.children
    )
    return replace(layer, children=children)


def _legal(name: str) -> str:
    name = re.sub(r"[^A-Za-z0-9_.>-]", "_", name)
    return name if NAME.fullmatch(name) else f"layer{name}"


def numbered(model: KerasModel) -> KerasModel:
    """The model with the weight paths and forms of Keras 3."""
    paths = Paths("layers")
    layers = []
    for layer in model.layers:
        operation = layer.class_name.startswith("ops.")
        name = layer.class_name
        if layer.model is not None:
            name = "Sequential" if layer.model.sequential else "Functional"
        path = "" if operation else paths.next(name)
        layers.append(replace(_plain(layer), path=path))
    sequential = model.sequential and _is_chain(model)
    return replace(model, layers=tuple(layers), sequential=sequential)


def _is_chain(model: KerasModel) -> bool:
    """Whether each layer reads the one before it; in Keras 1, the first may merge."""
    before = [(TensorRef(layer.name, 0, 0),) for layer in model.layers]
    read = [tuple(call.inputs for call in layer.calls) for layer in model.layers]
    return read == [(), *((refs,) for refs in before[:-1])]


def _plain(layer: KerasLayer) -> KerasLayer:
    """A layer whose weights are stored as Keras 3 stores them, and those inside it."""
    children = tuple((name, _plain(child)) for name, child in layer.children)
    model = layer.model and numbered(layer.model)
    return replace(layer, children=children, forms=(PLAIN,), model=model)


def edited(
    model: KerasModel, path: str, edit: Callable[[KerasLayer], KerasLayer]
) -> KerasModel:
    """The model with one layer edited.

    Args:
        model: the outermost model.
        path: of the layer in the runtime's graph; it may be inside others.
        edit: gives the new layer.
    """
    first, _, rest = path.partition("/")
    layer = named(model, first)
    return with_layer(model, _edited(layer, rest, edit))


def _edited(
    layer: KerasLayer, path: str, edit: Callable[[KerasLayer], KerasLayer]
) -> KerasLayer:
    if not path:
        return edit(layer)
    if layer.model is not None:
        return replace(layer, model=edited(layer.model, path, edit))
    first, _, rest = path.partition("/")
    cell = re.fullmatch(r"cell_(\d+)", first)
    if cell is not None and layer.class_name == "RNN":
        return _edited(layer, f"cell/{path}", edit)
    names = [name for name, _ in layer.children]
    at = names[int(cell[1])] if cell is not None else first
    children = tuple(
        (name, _edited(child, rest, edit) if name == at else child)
        for name, child in layer.children
    )
    return replace(layer, children=children)


def changed(
    model: KerasModel, path: str, change: Callable[[KerasModel, str], KerasModel]
) -> KerasModel:
    """The model, after a change of the model that holds the layer at a path.

    Args:
        model: the outermost model.
        path: of the layer; it is not inside a wrapper.
        change: takes the model that holds the layer, and the layer's name.
    """
    first, _, rest = path.partition("/")
    layer = named(model, first)
    if rest:
        assert layer.model is not None
        return with_layer(
            model, replace(layer, model=changed(layer.model, rest, change))
        )
    return change(model, layer.name)


def named(model: KerasModel, component: str) -> KerasLayer:
    """The layer of a model by its name as a component of a path."""
    return next(x for x in model.layers if encode_name(x.name) == component)


def inside(model: KerasModel, path: str) -> KerasLayer | None:
    """The layer at a path, also in nested models; None if there is none."""
    first, _, rest = path.partition("/")
    layer = next((x for x in model.layers if encode_name(x.name) == first), None)
    if not rest or layer is None or layer.model is None:
        return None if rest else layer
    return inside(layer.model, rest)


def inlined(draft: Draft, path: str) -> str:
    """Replace a nested model of the outermost model by its layers; returns why not."""
    outer = named(draft.model, path)
    name, inner = outer.name, outer.model
    if inner is None:
        return f"it is inside {name!r}"
    if any(call.mask is not None for call in outer.calls):
        return f"the model {name!r} is called with a mask"
    model = replace(draft.model, sequential=False)
    names: dict[str, str] = {}
    for layer in inner.layers:
        if layer.class_name != "InputLayer":
            new = unique(model, f"{name}_{layer.name}", names.values())
            names[layer.name] = new
    inputs = {ref.layer: i for i, ref in enumerate(inner.inputs)}
    counts = {layer.name: len(layer.calls) for layer in inner.layers}

    def of_call(number: int) -> Callable[[TensorRef], TensorRef]:
        def ref(old: TensorRef) -> TensorRef:
            if old.layer in inputs:
                return outer.calls[number].inputs[inputs[old.layer]]
            call = number * counts[old.layer] + old.call
            return TensorRef(names[old.layer], call, old.output)

        return ref

    added = []
    for layer in inner.layers:
        if layer.name in names:
            calls = tuple(
                call
                for number in range(len(outer.calls))
                for call in with_refs(layer, of_call(number)).calls
            )
            added.append(replace(layer, name=names[layer.name], calls=calls))

    def end(old: TensorRef) -> TensorRef:
        while old.layer == name:
            old = of_call(old.call)(inner.outputs[old.output])
        return old

    layers: list[KerasLayer] = []
    for layer in model.layers:
        layers.extend(added if layer.name == name else (layer,))
    moved = tuple(with_refs(layer, end) for layer in layers)
    ends = tuple(map(end, model.outputs))
    draft.model = replace(model, layers=moved, outputs=ends)
    paths = {
        f"{path}/{encode_name(old)}": encode_name(new) for old, new in names.items()
    }
    for table in (draft.origins, draft.moved):
        for at in list(table):
            first = "/".join(at.split("/")[:2])
            if first in paths:
                table[paths[first] + at[len(first) :]] = table.pop(at)
    for at, new in paths.items():
        draft.rename(at, new)
    draft.say(path, "written as its layers, which have masks of their own")
    return ""


def with_layer(model: KerasModel, layer: KerasLayer) -> KerasModel:
    """The model with another layer of the same name."""
    layers = tuple(layer if x.name == layer.name else x for x in model.layers)
    return replace(model, layers=layers)


def spliced(
    model: KerasModel,
    name: str,
    layers: Sequence[KerasLayer],
    outputs: Mapping[int, tuple[str, int]] | None = None,
) -> KerasModel:
    """The model with other layers in the place of one.

    Args:
        model: that holds the layer.
        name: of the layer.
        layers: in its place.
        outputs: the new layer and output for each output of the old layer; None if the
            new layers have one of the old name.
    """
    kept: list[KerasLayer] = []
    for layer in model.layers:
        kept.extend(layers if layer.name == name else (layer,))

    def ref(old: TensorRef) -> TensorRef:
        if outputs is None or old.layer != name:
            return old
        layer, output = outputs[old.output]
        return TensorRef(layer, old.call, output)

    added = {layer.name for layer in layers}
    moved = [x if x.name in added else with_refs(x, ref) for x in kept]
    ends = tuple(map(ref, model.outputs))
    sequential = model.sequential and len(kept) == len(model.layers)
    return replace(model, layers=tuple(moved), outputs=ends, sequential=sequential)


def with_refs(layer: KerasLayer, ref: Callable[[TensorRef], TensorRef]) -> KerasLayer:
    """A layer whose calls read other tensors."""
    return replace(layer, calls=tuple(_call(call, ref) for call in layer.calls))


def _call(call: Call, ref: Callable[[TensorRef], TensorRef]) -> Call:
    mask = call.mask
    if isinstance(mask, tuple):
        mask = tuple(one and ref(one) for one in mask)
    elif mask is not None:
        mask = ref(mask)
    return replace(
        call,
        inputs=tuple(map(ref, call.inputs)),
        mask=mask,
        arguments={key: ref(value) for key, value in call.arguments.items()},
    )


def reading(name: str, calls: int) -> tuple[Call, ...]:
    """Calls that read the output of each call of a layer."""
    refs = [TensorRef(name, i, 0) for i in range(calls)]
    return tuple(Call((ref,), arguments={0: ref}) for ref in refs)


def operation(
    class_name: str,
    name: str,
    inputs: Sequence[TensorRef],
    options: Mapping[str, Any] | None = None,
    constants: tuple[tuple[int, Any], ...] = (),
) -> KerasLayer:
    """An operation of Keras 3, called once.

    Args:
        class_name: its class, such as ``Multiply``.
        name: of the layer.
        inputs: the tensors, in order.
        options: of its constructor.
        constants: arguments of the call that are no tensors, by position.
    """
    call = Call(tuple(inputs), constants=constants)
    config = dict(options or {})
    return KerasLayer(f"ops.{class_name}", name, config, training={}, calls=(call,))


def unique(model: KerasModel, name: str, others: Iterable[str] = ()) -> str:
    """The name, with a number if a layer of the model or one of others has it."""
    names = {layer.name for layer in model.layers} | set(others)
    number, free = 1, name
    while free in names:
        free, number = f"{name}_{number}", number + 1
    return free
