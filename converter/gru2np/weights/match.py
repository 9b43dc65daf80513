"""Which stored array is which weight of which layer.

Legacy HDF5 files hold one list of arrays for each layer of the model, so that order
is all there is; files since Keras 3 name every variable by its owner's path, and
checkpoints of TensorFlow by the attributes that lead to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np.errors import ModelFileError
from gru2np.ir import PLAIN, StoredTensor
from gru2np.weights.names import agrees, by_name
from gru2np.weights.slots import Attributes, Objects, Slots

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.ir import (
        FlatStore,
        Form,
        KerasModel,
        ObjectStore,
        PathStore,
        RawModel,
    )
    from gru2np.layers.custom import Specs
    from gru2np.weights.slots import Leaf, Slot

    Shape = tuple[int | None, ...]
    Expected = Mapping[str, Shape]


def find(
    model: KerasModel, expected: Mapping[str, Expected], raw: RawModel, specs: Specs
) -> dict[str, StoredTensor]:
    """The stored array of every weight, by its path in the bundle; nothing is read.

    Args:
        model: the model.
        expected: weight shapes by layer path and weight name.
        raw: the file.
        specs: how classes are converted.

    Raises:
        ModelFileError: arrays are missing, left over or of other shapes; all at once.
    """
    if raw.objects is not None:
        naming = Objects(model, raw.objects)
        pairs, problems = _by_attribute(model, Slots(expected, specs, naming), naming)
    elif raw.flat is not None:
        slots = Slots(expected, specs, Attributes())
        pairs, problems = _in_one_list(model, slots, raw.flat)
    elif raw.groups is not None:
        pairs, problems = _by_order(model, Slots(expected, specs, Attributes()), raw)
    else:
        pairs, problems = _by_path(model, Slots(expected, specs, Attributes()), raw)
    arrays: dict[Leaf, dict[str, StoredTensor]] = {}
    for slot, tensor in pairs:
        if not slot.used:
            continue
        arrays.setdefault(slot.leaf, {})[slot.name] = tensor
        if tensor.dtype not in ("float16", "bfloat16", "float32", "float64"):
            problems.append(
                f"{slot.path}: expected floating point numbers, got {tensor.dtype}"
            )
    found = {}
    for leaf, own in arrays.items():
        form = next(
            (form for form in leaf.forms if not _misfits(leaf, form, own)), None
        )
        if form is None:
            problems.extend(_misfits(leaf, leaf.forms[0], own))
        else:
            found.update(_joined(leaf, form, own))
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise ModelFileError(
            f"{raw.file_name}: the weights do not fit the architecture:{lines}"
        )
    return found


def _misfits(leaf: Leaf, form: Form, own: Mapping[str, StoredTensor]) -> list[str]:
    """What is wrong with the arrays of a layer, if this is how they are kept."""
    problems = []
    for name, shape in form.arrays(leaf.weights).items():
        tensor = own.get(name)
        if tensor is None:
            problems.append(f"{leaf.path}{name}: expected shape {shape}, got no array")
        elif len(shape) != len(tensor.shape) or any(
            wanted not in (None, size)
            for wanted, size in zip(shape, tensor.shape, strict=True)
        ):
            problems.append(
                f"{leaf.path}{name}: expected shape {shape}, got {tensor.shape} "
                f"at {tensor.name}"
            )
    return problems


def _joined(
    leaf: Leaf, form: Form, own: Mapping[str, StoredTensor]
) -> dict[str, StoredTensor]:
    """The weights of a layer by their paths, made of their arrays as they are read."""
    found = {}
    for name, shape in leaf.weights.items():
        tensors = [own[source] for source in form.sources(name)]
        found[f"{leaf.path}{name}"] = (
            tensors[0] if form is PLAIN else _weight(form, name, shape, tensors)
        )
    return found


def _weight(
    form: Form, name: str, shape: Shape, tensors: Sequence[StoredTensor]
) -> StoredTensor:
    first = tensors[0]
    if None in shape:
        # Arrays without memory of their own tell the shape before any is read.
        empty = [np.broadcast_to(np.float32(), tensor.shape) for tensor in tensors]
        shape = form.join(name, empty).shape
    return StoredTensor(
        name=" and ".join(tensor.name for tensor in tensors),
        shape=tuple(size or 0 for size in shape),
        dtype=first.dtype,
        read=lambda: form.join(name, [tensor.read() for tensor in tensors]),
        form=form.words,
    )


def _by_order(
    model: KerasModel, wanting: Slots, raw: RawModel
) -> tuple[list[tuple[Slot, StoredTensor]], list[str]]:
    """The layers with weights beside the groups with arrays, by position as in Keras.

    Within a group names decide, and the order where they say nothing.
    """
    assert raw.groups is not None
    wanted = []
    for layer, path, _ in wanting.layers(model):
        own = wanting.of(layer, path, "")
        slots = [slot for slot in own if slot.in_groups]
        if slots:
            wanted.append((layer, slots))
    groups = [(name, arrays) for name, arrays in raw.groups.groups if arrays]
    if len(groups) != len(wanted):
        return [], [
            f"expected {len(wanted)} layers with weights "
            f"({', '.join(layer.name for layer, _ in wanted)}), got {len(groups)} "
            f"({', '.join(name for name, _ in groups)})"
        ]
    pairs: list[tuple[Slot, StoredTensor]] = []
    problems = []
    for (layer, slots), (name, arrays) in zip(wanted, groups, strict=True):
        # One file spells a name once; a model inside had none before Keras 2.2.3.
        if raw.container == "hdf5" and layer.model is None and layer.name != name:
            problems.append(f"expected the weights of {layer.name!r}, got {name!r}")
        elif len(slots) != len(arrays):
            problems.append(
                f"layer {layer.name!r} ({layer.class_name}): expected {len(slots)} "
                f"arrays ({', '.join(slot.path for slot in slots)}), got {len(arrays)}"
            )
        else:
            # A group holds the trainable weights, then the others.
            ordered = sorted(slots, key=lambda slot: not slot.trainable)
            named = by_name(slots, arrays)
            matched = named or list(zip(ordered, arrays, strict=True))
            # The arrays of one layer alone have one order, however they are called.
            several = len({slot.leaf for slot in slots}) > 1
            strange = next((pair for pair in matched if not agrees(*pair)), None)
            if several and strange is not None:
                problems.append(
                    f"{strange[0].path}: expected an array of this name, got "
                    f"{strange[1].name}; layers that were frozen when the model was "
                    "saved changed the order of its arrays, and the names do not tell"
                )
            pairs.extend(matched)
    return pairs, problems


def _by_path(
    model: KerasModel, wanting: Slots, raw: RawModel
) -> tuple[list[tuple[Slot, StoredTensor]], list[str]]:
    assert raw.paths is not None
    owners: dict[str, list[Slot]] = {}
    there = list(raw.paths.paths())
    for layer, path, at in wanting.layers(model):
        for slot in wanting.of(layer, path, at):
            # Keras 2 held the layers inside a layer in private attributes.
            outer, _, last = slot.stored.rpartition("/")
            private = f"{outer}/_{last}"
            hidden = slot.stored not in there and private in there
            stored = private if hidden else slot.stored
            owners.setdefault(stored, []).append(slot)
    pairs: list[tuple[Slot, StoredTensor]] = []
    problems = []
    beside = list(raw.paths.beside())
    elsewhere = _by_shape(owners, raw.paths, [*there, *beside]) if beside else {}
    for path, slots in owners.items():
        # A layer's own trainable variables stand first, whatever its flag says.
        tensors = raw.paths.variables(elsewhere.get(path, path))
        owner = raw.paths.owner(path) if raw.container == "keras" else None
        if owner is not None and slots[0].owner not in ("", owner):
            problems.append(
                f"expected the arrays of layer {slots[0].owner!r} at {path}/vars, "
                f"got those of {owner!r}"
            )
        elif len(tensors) != len(slots):
            problems.append(
                f"expected {len(slots)} arrays at {path}/vars "
                f"({', '.join(slot.path for slot in slots)}), got {len(tensors)}"
            )
        else:
            pairs.extend(zip(slots, tensors, strict=True))
    others = [f"{path}/vars" for path in beside] if problems else []
    if others:
        more = f" and {len(others) - 10} more" if len(others) > 10 else ""
        problems.append(
            f"the file has arrays at {', '.join(others[:10])}{more}, named by "
            "attributes as a class of your own names them, and names and shapes leave "
            "open which layer each is: load them into that class, set the weights of "
            "the model of the architecture from its layers', and save that"
        )
    problems.extend(
        f"nothing in the architecture owns the arrays at {path}/vars"
        for path in there
        if path not in owners and path not in elsewhere.values()
    )
    return pairs, problems


def _by_shape(
    owners: Mapping[str, Sequence[Slot]], paths: PathStore, there: Sequence[str]
) -> dict[str, str]:
    """Where a subclassed model has what the layers of an architecture want.

    Such a model names its layers by the attributes of its class.  Names and shapes must
    leave one way only; else nothing is given.
    """
    stored = {path: paths.variables(path) for path in there}
    left = {
        path: {other for other, tensors in stored.items() if _fits(slots, tensors)}
        for path, slots in owners.items()
    }
    for path, slots in owners.items():
        name = slots[0].owners[0][0]
        called = {
            other
            for other in left[path]
            if name in other.split("/") or paths.owner(other) == name
        }
        left[path] = called or left[path]
    found: dict[str, str] = {}
    while True:
        one = next((path for path, others in left.items() if len(others) == 1), None)
        if one is None:
            break
        (found[one],) = left.pop(one)
        for others in left.values():
            others.discard(found[one])
    return found if len(found) == len(owners) == len(stored) else {}


def _fits(slots: Sequence[Slot], tensors: Sequence[StoredTensor]) -> bool:
    """Whether arrays have the shapes that an owner wants, in their order."""
    if len(slots) != len(tensors):
        return False
    named = {slot.name: t for slot, t in zip(slots, tensors, strict=True)}
    leaf = slots[0].leaf
    return any(not _misfits(leaf, form, named) for form in leaf.forms)


def _in_one_list(
    model: KerasModel, wanting: Slots, flat: FlatStore
) -> tuple[list[tuple[Slot, StoredTensor]], list[str]]:
    """By name, or in the order of ``get_weights()``: layer by layer."""
    by_layer = [
        [slot for slot in wanting.of(layer, path, "") if slot.in_groups]
        for layer, path, _ in wanting.layers(model)
    ]
    slots = [slot for own in by_layer for slot in own]
    if len(slots) != len(flat.arrays):
        expected = f"{len(slots)} arrays ({', '.join(slot.path for slot in slots)})"
        return [], [f"expected {expected}, got {len(flat.arrays)}"]
    if flat.named:
        named = by_name(slots, flat.arrays)
        if named is None:
            return [], ["the names of the arrays do not say which layer each is of"]
        return named, []
    # Of each layer the trainable weights, then the others.
    ordered = [
        slot for own in by_layer for slot in sorted(own, key=lambda s: not s.trainable)
    ]
    return list(zip(ordered, flat.arrays, strict=True)), list(_unclear(by_layer))


def _unclear(by_layer: Sequence[Sequence[Slot]]) -> Iterator[str]:
    """Layers whose arrays Kerases give in different orders."""
    for own in by_layer:
        if len({slot.leaf for slot in own}) > 1 and not all(s.trainable for s in own):
            yield (
                f"{own[0].owners[0][0]}: layers inside with weights that are not "
                "trained, whose place in get_weights() is not the same in every Keras: "
                "give the weights as a file of Keras"
            )


def _by_attribute(
    model: KerasModel, wanting: Slots, naming: Objects
) -> tuple[list[tuple[Slot, StoredTensor]], list[str]]:
    """Layers by their position in the model, arrays by the names of attributes."""
    if naming.problems:
        return [], naming.problems
    problems: list[str] = []
    names = {layer.name for layer in model.layers}
    pairs: list[tuple[Slot, StoredTensor]] = []
    for layer, path, at in wanting.layers(model):
        for slot in wanting.of(layer, path, at):
            tensor = _attribute(naming.store, slot)
            if tensor is not None:
                pairs.append((slot, tensor))
                problems.extend(_of_another(slot, tensor, names))
            elif slot.used:
                problems.append(f"expected the array of {slot.path}, got none")
    taken = {tensor.name for _, tensor in pairs}
    problems.extend(
        f"nothing in the architecture owns the array {tensor.name}"
        for tensor in naming.store.everything()
        if tensor.name not in taken
    )
    return pairs, problems


def _attribute(objects: ObjectStore, slot: Slot) -> StoredTensor | None:
    """The array of a slot, its owner perhaps a private attribute as in Keras 2."""
    outer, _, last = slot.stored.rpartition("/")
    name = slot.name.rpartition("/")[2]
    for path in (slot.stored, f"{outer}/_{last}"):
        tensor = objects.variables(path).get(name)
        if tensor is not None:
            return tensor
    return None


def _of_another(slot: Slot, tensor: StoredTensor, names: set[str]) -> Iterator[str]:
    """A variable that was named after another layer of the architecture."""
    components = tensor.variable.split("/")
    around = {name for owner in slot.owners for name in owner}
    if components[0] in names and not around & set(components):
        yield (
            f"{slot.path}: expected an array of layer {slot.owners[0][0]!r}, got "
            f"{tensor.variable} at {tensor.name}"
        )
