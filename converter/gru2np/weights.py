"""Which stored array is which weight of which layer.

Legacy HDF5 files hold one list of arrays for each layer of the model, so that order
is all there is; files since Keras 3 name every variable by its owner's path.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError
from gru2np.layers import LAYERS
from gru2np_runtime._manifest import encode_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.ir import KerasLayer, KerasModel, RawModel, StoredTensor

    Shape = tuple[int | None, ...]
    Expected = Mapping[str, Shape]


@dataclass(frozen=True)
class Slot:
    """A weight that a layer wants.

    Attributes:
        path: in the bundle: layer path and weight name.
        shape: expected, None where any size fits.
        stored: path of the owner's variables in a ``.weights.h5``.
        owner: name of the layer that owns them; empty where it is a cell's.
        trainable: stands among the trainable weights of a legacy group.
    """

    path: str
    shape: Shape
    stored: str
    owner: str
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
    """Positions: the layers with weights beside the groups with arrays, as in Keras."""
    assert raw.groups is not None
    wanted = []
    for layer in model.layers:
        slots = list(_slots(layer, encode_name(layer.name), "", expected))
        # A group holds the trainable weights, then the others.
        ordered = sorted(slots, key=lambda slot: not slot.trainable)
        if ordered:
            wanted.append((layer, ordered))
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
            pairs.extend(zip(slots, arrays, strict=True))
    return pairs, problems


def _by_path(
    model: KerasModel, expected: Mapping[str, Expected], raw: RawModel
) -> tuple[list[tuple[Slot, StoredTensor]], list[str]]:
    assert raw.paths is not None
    owners: dict[str, list[Slot]] = {}
    for layer in model.layers:
        for slot in _slots(layer, encode_name(layer.name), layer.path, expected):
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
    frozen: bool = False,
) -> Iterator[Slot]:
    """The weights of a top-level layer, in the order its variables were made."""
    if layer.model is not None:
        yield from _model_slots(layer.model, f"{path}/", stored, expected, frozen)
        return
    if layer.class_name == "InputLayer":
        return
    yield from _layer_slots(layer, path, stored, expected.get(path, {}), "", frozen)


def _model_slots(
    model: KerasModel,
    prefix: str,
    stored: str,
    expected: Mapping[str, Expected],
    frozen: bool,
) -> Iterator[Slot]:
    """A nested model counts by its leaves' own flags, never by its own."""
    for layer in model.layers:
        path, inside = prefix + encode_name(layer.name), f"{stored}/{layer.path}"
        yield from _slots(layer, path, inside, expected, frozen)


def _layer_slots(
    layer: KerasLayer,
    path: str,
    stored: str,
    expected: Expected,
    prefix: str,
    frozen: bool,
) -> Iterator[Slot]:
    """A layer's own weights, then those of the layers inside it.

    Args:
        layer: the layer.
        path: of the runtime layer that owns the weights.
        stored: attribute path of the layer's variables.
        expected: shapes of all weights of that runtime layer.
        prefix: of this layer's weights among them.
        frozen: a wrapper around it is not trainable.
    """
    frozen = frozen or layer.config.get("trainable", True) is False
    if layer.model is not None:
        # A model inside a wrapper: its layers' weights below the wrapper's prefix.
        for own in layer.model.layers:
            name, at = encode_name(own.name), f"{stored}/{own.path}"
            if own.class_name == "InputLayer":
                continue
            yield from _layer_slots(own, path, at, expected, f"{prefix}{name}/", False)
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
            )
        return
    spec = LAYERS[layer.class_name]
    owner = f"{stored}/{spec.variables}" if spec.variables else stored
    for name, shape in expected.items():
        rest = name[len(prefix) :]
        if name.startswith(prefix) and "/" not in rest:
            trainable = rest not in spec.non_trainable and not frozen
            name_of_owner = "" if spec.variables else layer.name
            yield Slot(f"{path}/{name}", shape, owner, name_of_owner, trainable)


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
