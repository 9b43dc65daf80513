"""The weights of a model, each computed from its stored arrays when it is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np.errors import ModelFileError
from gru2np.ir import PLAIN, StoredTensor
from gru2np.layers.spec import FLOATING
from gru2np.weights.pairing import pairs_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.ir import Form, KerasModel, RawModel, Shape
    from gru2np.layers.custom import Specs
    from gru2np.weights.slots import Leaf, Slot

    Expected = Mapping[str, Shape]
    Pairs = list[tuple[Slot, StoredTensor]]


# The integers that quantised kernels are stored in.
WHOLE = ("int8", "uint8")


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
        ModelFileError: arrays are missing, left over or of other shapes; lists all.
    """
    pairs, problems = pairs_of(model, expected, raw, specs)
    arrays: dict[Leaf, dict[str, StoredTensor]] = {}
    for slot, tensor in pairs:
        if not slot.used:
            continue
        arrays.setdefault(slot.leaf, {})[slot.name] = tensor
    weights = {}
    for leaf, tensors in arrays.items():
        form = next(
            (form for form in leaf.forms if not leaf.misfits(form, tensors)), None
        )
        if form is None:
            problems.extend(leaf.misfits(leaf.forms[0], tensors))
            continue
        misfits = list(_other_numbers(leaf, form, tensors))
        problems.extend(misfits)
        if not misfits:
            weights.update(_joined(leaf, form, tensors))
    if problems:
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise ModelFileError(
            f"{raw.file_name}: the weights do not fit the architecture:{lines}"
        )
    return weights


def _other_numbers(
    leaf: Leaf, form: Form, stored: Mapping[str, StoredTensor]
) -> Iterator[str]:
    """The problems of arrays that hold integers instead of floats, or floats."""
    for name, tensor in stored.items():
        whole = name in form.whole
        if tensor.dtype not in (WHOLE if whole else FLOATING):
            expected = " or ".join(WHOLE) if whole else "floating point numbers"
            yield f"{leaf.path}{name}: expected {expected}, got {tensor.dtype}"


def _joined(
    leaf: Leaf, form: Form, stored: Mapping[str, StoredTensor]
) -> dict[str, StoredTensor]:
    """The weights of a layer by path, computed from their arrays when they are read."""
    weights = {}
    for name, shape in leaf.weights.items():
        tensors = [stored[source] for source in form.sources(name)]
        weights[f"{leaf.path}{name}"] = (
            tensors[0] if form is PLAIN else _weight(form, name, shape, tensors)
        )
    return weights


def _weight(
    form: Form, name: str, shape: Shape, tensors: Sequence[StoredTensor]
) -> StoredTensor:
    if None in shape:
        # Arrays of one broadcast element give the shape before any array is read.
        empty = [np.broadcast_to(np.float32(), tensor.shape) for tensor in tensors]
        shape = form.join(name, shape, empty).shape
    dtypes = [tensor.dtype for tensor in tensors if tensor.dtype in FLOATING]
    return StoredTensor(
        name=" and ".join(tensor.name for tensor in tensors),
        shape=tuple(size or 0 for size in shape),
        dtype=dtypes[0] if dtypes else "int8",
        read=lambda: form.join(name, shape, [tensor.read() for tensor in tensors]),
        form=form.words,
    )
