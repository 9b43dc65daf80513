"""The new file, read again: it is the draft, and gives the numbers of the old model.

Reader and writer could share a mistake, so this is no proof: ``upgrade --verify`` is.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from gru2np.bundle import in_memory
from gru2np.convert import converted
from gru2np.errors import InputError, ModelFileError, UnsupportedModelError
from gru2np.generations import interpret
from gru2np.readers import open_model
from gru2np.verification.cases import draw
from gru2np.verification.comparison import compare
from gru2np.verification.samples import declared_batch, has_states
from gru2np.verification.settings import RECORDED
from gru2np_runtime import load
from gru2np_runtime.bundle.manifest_writer import graph_record
from gru2np_runtime.files.workspace import workspace
from gru2np_runtime.proof.replay import flat

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gru2np.convert import Conversion
    from gru2np.ir import Array
    from gru2np_runtime import Model
    from gru2np_runtime.graph import Graph


def faults(
    old: Conversion, data: bytes, graph: Graph, weight: Callable[[str], Array]
) -> Iterator[str]:
    """Where a new file is not what it should be, in words; nothing if it is right.

    Args:
        old: the old model.
        data: the new file.
        graph: that it should have.
        weight: gives the array that it should have of a weight, by path.
    """
    try:
        with _read(old, data) as new:
            yield from _changed(new, graph, weight)
    except (ModelFileError, UnsupportedModelError) as error:
        yield f"it cannot be read again: {error}"


@contextmanager
def _read(old: Conversion, data: bytes) -> Iterator[Conversion]:
    """The new file, converted."""
    with workspace() as folder:
        path = folder / "model.keras"
        path.write_bytes(data)
        with open_model(path, None) as raw:
            yield converted(raw, *interpret(raw), old.specs)


def _changed(
    new: Conversion, graph: Graph, weight: Callable[[str], Array]
) -> Iterator[str]:
    """The layers, calls and weights that are not those of the graph."""
    pair = (new.built.graph, graph)
    read, meant = (graph_record(one, lambda path: {}) for one in pair)
    if read != meant:
        yield "its graph is another one"
    for name in new.tensors:
        if not np.array_equal(new.array(name), weight(name), equal_nan=True):
            yield f"the weight {name} is another one"


def differences(old: Conversion, data: bytes) -> Iterator[str]:
    """The outputs that differ on the inputs that ``verify`` draws, in words.

    Args:
        old: the old model.
        data: the new file, which has no faults.

    Raises:
        VerificationError: no drawn inputs fit the model.
    """
    with _read(old, data) as new:
        models = [
            load(in_memory(one)[0], custom_objects=old.specs.objects)
            for one in (old, new)
        ]
    first = models[0]
    size = declared_batch(first.graph) if has_states(first.graph) else None
    drawn = draw(first.graph, first.weights, first.input_names, 0)
    for case in drawn:
        arrays = list(case.inputs.values())
        wanted, got = (_outputs(model, arrays, size) for model in models)
        if len(wanted) != len(got):
            yield f"one of the two refuses its inputs ({case.description})"
            continue
        for name, one, other in zip(first.output_names, wanted, got, strict=False):
            pair = compare(name, other, one, RECORDED)
            if not pair.agrees:
                why = f"by {pair.largest:.2g} ({case.description})"
                yield f"output {name} differs {why}"


def _outputs(model: Model, arrays: list[Array], size: int | None) -> list[Array]:
    """The outputs of a call that starts from the first states; empty if refused."""
    model.reset_states()
    inputs = dict(zip(model.input_names, arrays, strict=True))
    try:
        return flat(model.predict(inputs, size))
    except InputError:
        return []
