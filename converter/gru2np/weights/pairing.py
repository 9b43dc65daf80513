"""Which stored array belongs to which layer: one function for each kind of store.

Legacy HDF5 files have one list of arrays for each layer of the model, so the order
decides.  Files since Keras 3 name every variable by its owner's path, and checkpoints
of TensorFlow by the attributes that lead to it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.text import listed
from gru2np.weights.names import agrees, by_name
from gru2np.weights.naming import ObjectNaming, PathNaming
from gru2np.weights.slots import Slots

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from gru2np.ir import (
        FlatStore,
        KerasLayer,
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
    """Every array that a layer expects, with the stored one; and all problems.

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

    Keras reads such files in the same way.
    """
    assert raw.groups is not None
    layers = [(layer, slots) for layer, slots in _by_layer(model, slots_of) if slots]
    groups = [(name, arrays) for name, arrays in raw.groups.groups if arrays]
    if len(groups) != len(layers):
        return [], [
            f"expected {len(layers)} layers with weights "
            f"({', '.join(layer.name for layer, _ in layers)}), got {len(groups)} "
            f"({', '.join(name for name, _ in groups)})"
        ]
    pairs: Pairs = []
    problems = []
    for (layer, slots), (name, arrays) in zip(layers, groups, strict=True):
        # In one file the names are equal; nested models had none before Keras 2.2.3.
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


def _by_layer(
    model: KerasModel, slots_of: Slots
) -> Iterator[tuple[KerasLayer, list[Slot]]]:
    """The layers of a model with the slots that legacy groups have."""
    for layer, path, _ in slots_of.layers(model):
        slots = [slot for slot in slots_of.of(layer, path, "") if slot.in_groups]
        yield layer, slots


def _in_group(
    slots: Sequence[Slot], arrays: Sequence[StoredTensor]
) -> tuple[Pairs, list[str]]:
    """The arrays of a group by name, or by order if the names do not decide."""
    # A group holds the trainable weights, then the others.
    ordered = sorted(slots, key=lambda slot: not slot.trainable)
    pairs = by_name(slots, arrays) or list(zip(ordered, arrays, strict=True))
    # The arrays of a single layer always have the same order.
    if len({slot.leaf for slot in slots}) == 1:
        return pairs, []
    misnamed = next((pair for pair in pairs if not agrees(*pair)), None)
    if misnamed is None:
        return pairs, []
    return pairs, [
        f"{misnamed[0].path}: expected an array of this name, got "
        f"{misnamed[1].name}; layers that were frozen when the model was saved change "
        "the order of its arrays, and the names do not show it"
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
        # A layer's trainable variables come first, whatever its ``trainable`` is.
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
                f"{_quantised(tensors)}"
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


def _quantised(tensors: Sequence[StoredTensor]) -> str:
    """The reason of too many arrays, if some hold bytes."""
    if not any(tensor.dtype in ("int8", "uint8") for tensor in tensors):
        return ""
    return (
        "; they are quantised, which the architecture does not say, so that Keras "
        "itself cannot load the file: save the model before quantize()"
    )


def _slots_by_path(
    model: KerasModel, slots_of: Slots, stored: Collection[str]
) -> dict[str, list[Slot]]:
    """The slots of a model by the paths of their arrays in the file."""
    owners: dict[str, list[Slot]] = {}
    for layer, path, at in slots_of.layers(model):
        for slot in slots_of.of(layer, path, at):
            private = _private(slot)
            hidden = slot.stored not in stored and private in stored
            owners.setdefault(private if hidden else slot.stored, []).append(slot)
    return owners


def _foreign(paths: Sequence[str]) -> list[str]:
    """The problem of arrays under the attributes of a custom model class."""
    if not paths:
        return []
    names = listed([f"{path}/vars" for path in paths], 10)
    return [
        f"the file has arrays at {names}, named by the attributes of a custom class, "
        "and names and shapes do not show which layer each belongs to: load them into "
        "that class, copy the weights of its layers into the model of the "
        "architecture, and save that model"
    ]


def _by_shape(
    owners: Mapping[str, Sequence[Slot]], paths: PathStore, present: Sequence[str]
) -> dict[str, str]:
    """The paths in the file of a subclassed model, by the paths of an architecture.

    Such a model names its layers by the attributes of its class.  Empty unless names
    and shapes leave exactly one assignment.
    """
    stored = {path: paths.variables(path) for path in present}
    candidates = {
        path: {other for other, tensors in stored.items() if _fits(slots, tensors)}
        for path, slots in owners.items()
    }
    for path, slots in owners.items():
        name = slots[0].owners[0][0]
        same_name = {
            other
            for other in candidates[path]
            if name in other.split("/") or paths.owner(other) == name
        }
        candidates[path] = same_name or candidates[path]
    assigned: dict[str, str] = {}
    while True:
        certain = (path for path, others in candidates.items() if len(others) == 1)
        chosen = next(certain, None)
        if chosen is None:
            break
        (assigned[chosen],) = candidates.pop(chosen)
        for others in candidates.values():
            others.discard(assigned[chosen])
    return assigned if len(assigned) == len(owners) == len(stored) else {}


def _fits(slots: Sequence[Slot], tensors: Sequence[StoredTensor]) -> bool:
    """Whether arrays have the shapes that an owner expects, in their order."""
    if len(slots) != len(tensors):
        return False
    named = {slot.name: t for slot, t in zip(slots, tensors, strict=True)}
    leaf = slots[0].leaf
    return any(not leaf.misfits(form, named) for form in leaf.forms)


def _in_one_list(
    model: KerasModel, slots_of: Slots, flat: FlatStore
) -> tuple[Pairs, list[str]]:
    """By name, or in the order of ``get_weights()``: layer by layer."""
    by_layer = [slots for _, slots in _by_layer(model, slots_of)]
    slots = [slot for layer_slots in by_layer for slot in layer_slots]
    if len(slots) != len(flat.arrays):
        expected = f"{len(slots)} arrays ({', '.join(slot.path for slot in slots)})"
        return [], [f"expected {expected}, got {len(flat.arrays)}"]
    if flat.named:
        named = by_name(slots, flat.arrays)
        if named is None:
            return [], ["the names of the arrays do not name their layers"]
        return named, []
    # For each layer the trainable weights, then the others.
    ordered = [
        slot
        for layer_slots in by_layer
        for slot in sorted(layer_slots, key=lambda slot: not slot.trainable)
    ]
    return list(zip(ordered, flat.arrays, strict=True)), list(_unclear(by_layer))


def _unclear(by_layer: Sequence[Sequence[Slot]]) -> Iterator[str]:
    """Problems of layers whose order of arrays differs between Keras releases."""
    for slots in by_layer:
        several = len({slot.leaf for slot in slots}) > 1
        if several and not all(slot.trainable for slot in slots):
            yield (
                f"{slots[0].owners[0][0]}: it has inner layers with weights that are "
                "not trainable, whose position in get_weights() differs between Keras "
                "releases: save the weights with Keras, model.save_weights()"
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
    matched = {tensor.name for _, tensor in pairs}
    problems.extend(
        f"nothing in the architecture owns the array {tensor.name}"
        for tensor in naming.store.everything()
        if tensor.name not in matched
    )
    return pairs, problems


def _attribute(objects: ObjectStore, slot: Slot) -> StoredTensor | None:
    """The array of a slot, or None."""
    name = slot.name.rpartition("/")[2]
    for path in (slot.stored, _private(slot)):
        tensor = objects.variables(path).get(name)
        if tensor is not None:
            return tensor
    return None


def _private(slot: Slot) -> str:
    """The path of a slot's owner in Keras 2, where inner layers were private."""
    outer, _, last = slot.stored.rpartition("/")
    return f"{outer}/_{last}"


def _of_another(slot: Slot, tensor: StoredTensor, names: set[str]) -> Iterator[str]:
    """The problem of a variable with the name of another layer of the architecture."""
    components = tensor.variable.split("/")
    around = {name for owner in slot.owners for name in owner}
    if components[0] in names and not around & set(components):
        yield (
            f"{slot.path}: expected an array of layer {slot.owners[0][0]!r}, got "
            f"{tensor.variable} at {tensor.name}"
        )
