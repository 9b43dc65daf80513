"""Which stored array belongs to which layer: one way for each kind of store.

Legacy HDF5 files hold one list of arrays for each layer of the model, so that order
is all there is.  Files since Keras 3 name every variable by its owner's path, and
checkpoints of TensorFlow by the attributes that lead to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.weights.names import agrees, by_name
from gru2np.weights.naming import ObjectNaming, PathNaming
from gru2np.weights.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from gru2np.ir import (
        FlatStore,
        KerasModel,
        ObjectStore,
        PathStore,
        RawModel,
        Shape,
        StoredTensor,
    )
    from gru2np.layers.custom import Specs
    from gru2np.weights.slots import Slot

    Expected = Mapping[str, Shape]
    Pairs = list[tuple[Slot, StoredTensor]]


def pairs_of(
    model: KerasModel, expected: Mapping[str, Expected], raw: RawModel, specs: Specs
) -> tuple[Pairs, list[str]]:
    """Every array that a layer wants, with the stored one; and what is wrong.

    Args:
        model: the model.
        expected: weight shapes by layer path and weight name.
        raw: the file.
        specs: how classes are converted.
    """
    if raw.objects is not None:
        naming = ObjectNaming(model, raw.objects)
        return _by_attribute(model, Slots(expected, specs, naming), naming)
    slots = Slots(expected, specs, PathNaming())
    if raw.flat is not None:
        return _in_one_list(model, slots, raw.flat)
    if raw.groups is not None:
        return _by_order(model, slots, raw)
    return _by_path(model, slots, raw)


def _by_order(
    model: KerasModel, slots_of: Slots, raw: RawModel
) -> tuple[Pairs, list[str]]:
    """The layers that have weights and the groups that have arrays, by position.

    That is how Keras reads such files.
    """
    assert raw.groups is not None
    wanted = []
    for layer, path, _ in slots_of.layers(model):
        slots = [slot for slot in slots_of.of(layer, path, "") if slot.in_groups]
        if slots:
            wanted.append((layer, slots))
    groups = [(name, arrays) for name, arrays in raw.groups.groups if arrays]
    if len(groups) != len(wanted):
        return [], [
            f"expected {len(wanted)} layers with weights "
            f"({', '.join(layer.name for layer, _ in wanted)}), got {len(groups)} "
            f"({', '.join(name for name, _ in groups)})"
        ]
    pairs: Pairs = []
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
            matched, misnamed = _in_group(slots, arrays)
            pairs += matched
            problems += misnamed
    return pairs, problems


def _in_group(
    slots: Sequence[Slot], arrays: Sequence[StoredTensor]
) -> tuple[Pairs, list[str]]:
    """The arrays of a group: names decide, and the order where they say nothing."""
    # A group holds the trainable weights, then the others.
    ordered = sorted(slots, key=lambda slot: not slot.trainable)
    pairs = by_name(slots, arrays) or list(zip(ordered, arrays, strict=True))
    # The arrays of one layer alone have one order, however they are called.
    if len({slot.leaf for slot in slots}) == 1:
        return pairs, []
    misnamed = next((pair for pair in pairs if not agrees(*pair)), None)
    if misnamed is None:
        return pairs, []
    return pairs, [
        f"{misnamed[0].path}: expected an array of this name, got "
        f"{misnamed[1].name}; layers that were frozen when the model was "
        "saved changed the order of its arrays, and the names do not tell"
    ]


def _by_path(
    model: KerasModel, slots_of: Slots, raw: RawModel
) -> tuple[Pairs, list[str]]:
    """The layers that have weights and the arrays at their paths."""
    assert raw.paths is not None
    stored = list(raw.paths.paths())
    foreign = list(raw.paths.foreign_paths())
    owners = _slots_by_path(model, slots_of, stored)
    elsewhere = _by_shape(owners, raw.paths, [*stored, *foreign]) if foreign else {}
    pairs: Pairs = []
    problems = []
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
    problems += _foreign(foreign) if problems else []
    problems += [
        f"nothing in the architecture owns the arrays at {path}/vars"
        for path in stored
        if path not in owners and path not in elsewhere.values()
    ]
    return pairs, problems


def _slots_by_path(
    model: KerasModel, slots_of: Slots, stored: Collection[str]
) -> dict[str, list[Slot]]:
    """The slots of a model by the paths at which the file has their arrays."""
    owners: dict[str, list[Slot]] = {}
    for layer, path, at in slots_of.layers(model):
        for slot in slots_of.of(layer, path, at):
            # Keras 2 held the layers inside a layer in private attributes.
            outer, _, last = slot.stored.rpartition("/")
            private = f"{outer}/_{last}"
            hidden = slot.stored not in stored and private in stored
            owners.setdefault(private if hidden else slot.stored, []).append(slot)
    return owners


def _foreign(paths: Sequence[str]) -> list[str]:
    """What is said of arrays that a class of the user's own has named."""
    if not paths:
        return []
    places = [f"{path}/vars" for path in paths]
    more = f" and {len(places) - 10} more" if len(places) > 10 else ""
    return [
        f"the file has arrays at {', '.join(places[:10])}{more}, named by "
        "attributes as a class of your own names them, and names and shapes leave "
        "open which layer each is of: load them into that class, set the weights of "
        "the model of the architecture from its layers', and save that"
    ]


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
    return any(not leaf.misfits(form, named) for form in leaf.forms)


def _in_one_list(
    model: KerasModel, slots_of: Slots, flat: FlatStore
) -> tuple[Pairs, list[str]]:
    """By name, or in the order of ``get_weights()``: layer by layer."""
    by_layer = [
        [slot for slot in slots_of.of(layer, path, "") if slot.in_groups]
        for layer, path, _ in slots_of.layers(model)
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
    model: KerasModel, slots_of: Slots, naming: ObjectNaming
) -> tuple[Pairs, list[str]]:
    """Layers by their position in the model, arrays by the names of attributes."""
    if naming.problems:
        return [], naming.problems
    problems: list[str] = []
    names = {layer.name for layer in model.layers}
    pairs: Pairs = []
    for layer, path, at in slots_of.layers(model):
        for slot in slots_of.of(layer, path, at):
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
