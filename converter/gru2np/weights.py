"""Which stored array is which weight of which layer.

Legacy HDF5 files hold one list of arrays for each layer of the model, so that order
is all there is; files since Keras 3 name every variable by its owner's path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError
from gru2np.layers import LAYERS
from gru2np.weight_names import agrees, by_name
from gru2np_runtime._manifest import encode_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.ir import KerasLayer, KerasModel, RawModel, StoredTensor

    Shape = tuple[int | None, ...]
    Expected = Mapping[str, Shape]
    Owners = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Slot:
    """A weight that a layer wants.

    Attributes:
        path: in the bundle: layer path and weight name.
        shape: expected, None where any size fits.
        stored: path of the owner's variables in a ``.weights.h5``.
        owner: name of the layer that owns them; empty where it is a cell's.
        owners: names that it and the layers around it may have had, outermost first.
        trainable: stands among the trainable weights of a legacy group.
    """

    path: str
    shape: Shape
    stored: str
    owner: str
    owners: tuple[tuple[str, ...], ...]
    trainable: bool


def find(
    model: KerasModel, expected: Mapping[str, Expected], raw: RawModel
) -> dict[str, StoredTensor]:
    """The stored array of every weight, by its path in the bundle; nothing is read.

    Args:
        model: the model.
        expected: weight shapes by layer path and weight name.
        raw: the file.

    Raises:
        ModelFileError: arrays are missing, left over or of other shapes; all at once.
    """
    if raw.groups is not None:
        pairs, problems = _by_order(model, expected, raw)
    else:
        pairs, problems = _by_path(model, expected, raw)
    for slot, tensor in pairs:
        if len(slot.shape) != len(tensor.shape) or any(
            wanted not in (None, size)
            for wanted, size in zip(slot.shape, tensor.shape, strict=True)
        ):
            problems.append(
                f"{slot.path}: expected shape {slot.shape}, got {tensor.shape} "
                f"at {tensor.name}"
            )
        elif tensor.dtype not in ("float16", "bfloat16", "float32", "float64"):
            problems.append(
                f"{slot.path}: expected floating point numbers, got {tensor.dtype}"
            )
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise ModelFileError(
            f"{raw.file_name}: the weights do not fit the architecture:{lines}"
        )
    return {slot.path: tensor for slot, tensor in pairs}


def _by_order(
    model: KerasModel, expected: Mapping[str, Expected], raw: RawModel
) -> tuple[list[tuple[Slot, StoredTensor]], list[str]]:
    """The layers with weights beside the groups with arrays, by position as in Keras.

    Within a group names decide, and the order where they say nothing.
    """
    assert raw.groups is not None
    wanted = []
    for layer in model.layers:
        slots = list(_slots(layer, encode_name(layer.name), "", expected, ()))
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
            several = len({slot.path.rpartition("/")[0] for slot in slots}) > 1
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
    model: KerasModel, expected: Mapping[str, Expected], raw: RawModel
) -> tuple[list[tuple[Slot, StoredTensor]], list[str]]:
    assert raw.paths is not None
    owners: dict[str, list[Slot]] = {}
    for layer in model.layers:
        path = encode_name(layer.name)
        for slot in _slots(layer, path, layer.path, expected, ()):
            owners.setdefault(slot.stored, []).append(slot)
    pairs: list[tuple[Slot, StoredTensor]] = []
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
    problems.extend(
        f"nothing in the architecture owns the arrays at {path}/vars"
        for path in raw.paths.paths()
        if path not in owners
    )
    return pairs, problems


def _slots(
    layer: KerasLayer,
    path: str,
    stored: str,
    expected: Mapping[str, Expected],
    owners: Owners,
) -> Iterator[Slot]:
    """The weights of a layer, in the order its variables were made."""
    if layer.model is not None:
        # A nested model counts by its leaves' own flags, never by its own.
        for own in layer.model.layers:
            inside = f"{path}/{encode_name(own.name)}"
            names = (*owners, (layer.name,))
            yield from _slots(own, inside, f"{stored}/{own.path}", expected, names)
    elif layer.class_name != "InputLayer":
        shapes = expected.get(path, {})
        yield from _layer_slots(layer, path, stored, shapes, "", False, owners)


def _layer_slots(
    layer: KerasLayer,
    path: str,
    stored: str,
    expected: Expected,
    prefix: str,
    frozen: bool,
    owners: Owners,
    names: tuple[str, ...] = (),
) -> Iterator[Slot]:
    """A layer's own weights, then those of the layers inside it.

    Args:
        layer: the layer.
        path: of the runtime layer that owns the weights.
        stored: attribute path of the layer's variables.
        expected: shapes of all weights of that runtime layer.
        prefix: of this layer's weights among them.
        frozen: a wrapper around it is not trainable.
        owners: names of what is around it.
        names: that it may have had itself, if not its own.
    """
    owners = (*owners, names or (layer.name,))
    frozen = frozen or layer.config.get("trainable", True) is False
    if layer.model is not None:
        # A model inside a wrapper: its layers' weights below the wrapper's prefix.
        for own in layer.model.layers:
            name, at = encode_name(own.name), f"{stored}/{own.path}"
            if own.class_name == "InputLayer":
                continue
            inside = f"{prefix}{name}/"
            yield from _layer_slots(own, path, at, expected, inside, False, owners)
        return
    if layer.children:
        for position, (attribute, child) in enumerate(_runs(layer)):
            yield from _layer_slots(
                child,
                path,
                f"{stored}/{attribute}",
                expected,
                prefix + _prefix(layer, attribute, position),
                frozen,
                owners,
                _half_names(attribute, child),
            )
        return
    spec = LAYERS[layer.class_name]
    owner = f"{stored}/{spec.variables}" if spec.variables else stored
    for name, shape in expected.items():
        rest = name[len(prefix) :]
        if name.startswith(prefix) and "/" not in rest:
            trainable = rest not in spec.non_trainable and not frozen
            name_of_owner = "" if spec.variables else layer.name
            at = f"{path}/{name}"
            yield Slot(at, shape, owner, name_of_owner, owners, trainable)


def _half_names(attribute: str, child: KerasLayer) -> tuple[str, ...]:
    """Names of a half of Bidirectional: its layer's, with the direction before it."""
    direction = attribute.removesuffix("layer")
    if direction not in ("forward_", "backward_"):
        return ()
    return (direction + child.name.removeprefix(direction),)


def _runs(layer: KerasLayer) -> Sequence[tuple[str, KerasLayer]]:
    """The layers inside, stacks of cells laid flat with their joined attributes."""
    found: list[tuple[str, KerasLayer]] = []
    for attribute, child in layer.children:
        if child.class_name == "StackedRNNCells":
            found += [(f"{attribute}/{a}", cell) for a, cell in _runs(child)]
        else:
            found.append((attribute, child))
    return found


def _prefix(layer: KerasLayer, attribute: str, position: int) -> str:
    """Where the weights of a layer inside stand in the runtime layer."""
    if layer.class_name in ("RNN", "StackedRNNCells"):
        return "" if attribute == "cell" else f"cell_{position}/"
    return f"{attribute}/"
