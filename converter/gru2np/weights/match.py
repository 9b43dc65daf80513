"""Which stored array is which weight of which layer.

Legacy HDF5 files hold one list of arrays for each layer of the model, so that order
is all there is; files since Keras 3 name every variable by its owner's path.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np.errors import ModelFileError
from gru2np.ir import PLAIN, StoredTensor
from gru2np.layers.spec import FLOATING
from gru2np.weights.names import agrees, by_name
from gru2np.weights.slots import Slots
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from gru2np.ir import Form, KerasModel, PathStore, RawModel, Shape
    from gru2np.layers.custom import Specs
    from gru2np.weights.slots import Leaf, Slot

    Expected = Mapping[str, Shape]
    Pairs = list[tuple[Slot, StoredTensor]]


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
    slots = Slots(expected, specs)
    if raw.groups is not None:
        pairs, problems = _by_order(model, slots, raw)
    else:
        pairs, problems = _by_path(model, slots, raw)
    arrays: dict[Leaf, dict[str, StoredTensor]] = {}
    for slot, tensor in pairs:
        if not slot.used:
            continue
        arrays.setdefault(slot.leaf, {})[slot.name] = tensor
        if tensor.dtype not in FLOATING:
            problems.append(
                f"{slot.path}: expected floating point numbers, got {tensor.dtype}"
            )
    weights = {}
    for leaf, tensors in arrays.items():
        form = next(
            (form for form in leaf.forms if not _misfits(leaf, form, tensors)), None
        )
        if form is None:
            problems.extend(_misfits(leaf, leaf.forms[0], tensors))
        else:
            weights.update(_joined(leaf, form, tensors))
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise ModelFileError(
            f"{raw.file_name}: the weights do not fit the architecture:{lines}"
        )
    return weights


def _misfits(leaf: Leaf, form: Form, stored: Mapping[str, StoredTensor]) -> list[str]:
    """What is wrong with the arrays of a layer, if this is how they are kept."""
    problems = []
    for name, shape in form.arrays(leaf.weights).items():
        tensor = stored.get(name)
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
    leaf: Leaf, form: Form, stored: Mapping[str, StoredTensor]
) -> dict[str, StoredTensor]:
    """The weights of a layer by their paths, made of their arrays as they are read."""
    found = {}
    for name, shape in leaf.weights.items():
        tensors = [stored[source] for source in form.sources(name)]
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
    model: KerasModel, slots_of: Slots, raw: RawModel
) -> tuple[Pairs, list[str]]:
    """The layers that have weights and the groups that have arrays, by position.

    That is how Keras reads such files.
    """
    assert raw.groups is not None
    wanted = []
    for layer in model.layers:
        every = slots_of.of(layer, encode_name(layer.name), "")
        slots = [slot for slot in every if slot.in_groups]
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
    owners = _slots_by_path(model, slots_of, set(raw.paths.paths()))
    pairs: Pairs = []
    problems = []
    for path, slots in owners.items():
        # A layer's own trainable variables stand first, whatever its flag says.
        tensors = raw.paths.variables(path)
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
    problems += _foreign(raw.paths) if problems else []
    problems += [
        f"nothing in the architecture owns the arrays at {path}/vars"
        for path in raw.paths.paths()
        if path not in owners
    ]
    return pairs, problems


def _slots_by_path(
    model: KerasModel, slots_of: Slots, stored: Collection[str]
) -> dict[str, list[Slot]]:
    """The slots of a model by the paths at which the file has their arrays."""
    owners: dict[str, list[Slot]] = {}
    for layer in model.layers:
        for slot in slots_of.of(layer, encode_name(layer.name), layer.path):
            # Keras 2 held the layers inside a layer in private attributes.
            outer, _, last = slot.stored.rpartition("/")
            private = f"{outer}/_{last}"
            hidden = slot.stored not in stored and private in stored
            owners.setdefault(private if hidden else slot.stored, []).append(slot)
    return owners


def _foreign(paths: PathStore) -> list[str]:
    """What is said of arrays that a class of the user's own has named."""
    places = [f"{path}/vars" for path in paths.foreign_paths()]
    if not places:
        return []
    more = f" and {len(places) - 10} more" if len(places) > 10 else ""
    return [
        f"the file has arrays at {', '.join(places[:10])}{more}, named by "
        "attributes as a class of your own names them: load them into that class, "
        "set the weights of the model of the architecture from its layers', and "
        "save that"
    ]
