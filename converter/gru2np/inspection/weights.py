"""The content of a file of weights without an architecture, and what to do next."""

from __future__ import annotations

import shlex
from math import prod
from typing import TYPE_CHECKING

from gru2np.inspection.facts import OwnerFacts
from gru2np.inspection.layer_guesses import guess, segments
from gru2np.readers.weights_file import Owner

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.ir import StoredTensor
    from gru2np.readers.weights_file import StoredWeights


def owner_facts(stored: StoredWeights) -> tuple[OwnerFacts, ...]:
    """The owners of the arrays in a file, with the layer that each looks like.

    A list of arrays is cut by the shapes of layers.
    """
    flat = stored.flat
    owners = stored.owners() if flat is None else _cut(flat.arrays)
    return tuple(map(_of_owner, owners))


def _cut(arrays: Sequence[StoredTensor]) -> Iterator[Owner]:
    start = 0
    for count, _ in segments([tensor.shape for tensor in arrays]):
        own = tuple(arrays[start : start + count])
        start += count
        ends = dict.fromkeys((own[0].name, own[-1].name))
        yield Owner(" to ".join(ends), own)


def _of_owner(owner: Owner) -> OwnerFacts:
    return OwnerFacts(
        path=owner.path,
        arrays={_name(tensor): tensor.shape for tensor in owner.arrays},
        parameters=sum(prod(tensor.shape) for tensor in owner.arrays),
        looks_like=guess([tensor.shape for tensor in owner.arrays]),
    )


def _name(tensor: StoredTensor) -> str:
    """The name of an array in Keras if the file has it, else its name in the file."""
    return tensor.variable or tensor.name


def ways_on(file: str) -> tuple[str, ...]:
    """Three ways from weights to a bundle."""
    name = shlex.quote(file)
    return (
        "The code of the model is there: write its architecture, "
        'open("model.json", "w").write(model.to_json()), and run gru2np export '
        f"model.json --weights {name}.",
        "The model is there in Python: load the weights into it, and "
        'gru2np.export(model, "model.npz").',
        "Neither is there: build a model of the layers above in any Keras, with the "
        "activations that it had; its to_json() is the architecture. gru2np export "
        "says where weights and architecture do not fit.",
    )
