"""Upgrade: from a saved model of any Keras to a file of the newest one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from gru2np.errors import Problem, UnsupportedModelError
from gru2np.generations.quantization import MODE
from gru2np.graph.flatten import build, default_dtype
from gru2np.graph.prune import needed
from gru2np.ir import walk_keras
from gru2np.layers import LAYERS
from gru2np.text import listed
from gru2np.upgrading import target
from gru2np.upgrading.checking import faults
from gru2np.upgrading.comparing import AttributeDiffers, Comparison
from gru2np.upgrading.draft import Draft, numbered, renamed
from gru2np.upgrading.gone import built, respelled
from gru2np.upgrading.masking import with_masks
from gru2np.upgrading.options import unkept, unwritten
from gru2np.upgrading.order import UnclearOrder, ordered
from gru2np.upgrading.rewriting import REWRITES
from gru2np.upgrading.weights import NEW
from gru2np.upgrading.writing import write
from gru2np_runtime.graph import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.convert import Conversion
    from gru2np.ir import Array, KerasModel

WAY_ON = "run it as it was meant, without Keras: gru2np export writes a bundle of it"
# The most faults that an error shows.
MOST = 5
# Rounds of rewriting: a change of one layer may show a difference of another.
ROUNDS = 8


def upgraded(conversion: Conversion) -> tuple[bytes, Draft]:
    """The file of a converted model, and what was changed.

    Raises:
        UnsupportedModelError: the model has no exact form in Keras 3; all reasons.
    """
    titles = conversion.built.titles
    dtype = default_dtype(conversion.model)
    model, before = respelled(conversion.model, dtype), conversion.built.graph
    draft = Draft(model, before, {path: path for path in titles})
    draft.model = renamed(model, draft)
    built(draft, {path: one.shape for path, one in conversion.tensors.items()})
    problems = list(_not_there(draft.model))
    if problems:
        raise _refused(problems)
    draft.notes += _notes(draft.model)
    _rewrite(conversion, draft)

    def weight(path: str) -> Array:
        array = conversion.array(draft.source(path))
        change = draft.weights.get(path)
        return array if change is None else change(array)

    try:
        model = numbered(ordered(numbered(draft.model), conversion.specs))
    except UnclearOrder as error:
        raise _refused([Problem("model", "Functional", str(error))]) from None
    memory = io.BytesIO()
    write(memory, model, conversion.specs, weight)
    graph = needed(build(model, target.meaning(), conversion.specs).graph)
    run = bool(draft.settled or draft.weights)
    found = list(faults(conversion, memory.getvalue(), graph, weight, run=run))
    if found:
        what = "the file that was written is not what the model is: a fault of gru2np"
        problems = [Problem("model", "Functional", text) for text in found[:MOST]]
        raise UnsupportedModelError(problems, [WAY_ON], what=what)
    return memory.getvalue(), draft


def _notes(model: KerasModel) -> Iterator[str]:
    """What an upgraded model does not keep."""
    yield "compile options and the state of the optimizer are not kept"
    lost: dict[str, list[str]] = {}
    for layer in walk_keras(model.layers):
        if layer.config.get(MODE) is not None:
            yield f"layer {layer.name!r}: its quantised weights are written in full"
        if layer.model is None and not layer.class_name.startswith("ops."):
            for key in unkept(layer):
                lost.setdefault(key, []).append(layer.name)
    for key, names in lost.items():
        yield f"training differs: {key} of {listed(names, 5)} has no form in Keras 3"


def _refused(problems: Sequence[Problem]) -> UnsupportedModelError:
    what = f"this model has no exact form in Keras {target.release().writes}"
    return UnsupportedModelError(problems, [WAY_ON], what=what)


def _not_there(model: KerasModel) -> Iterator[Problem]:
    """Classes and options that Keras 3 does not have."""
    for layer in walk_keras(model.layers):
        name = layer.class_name
        if layer.model is not None:
            continue
        if name == "InputLayer":
            if layer.config.get("batch_shape") is None:
                yield Problem(layer.name, name, "the file does not state its shape")
            continue
        if name.startswith("ops."):
            if target.operation(name) is None:
                yield Problem(layer.name, name, "Keras 3 has no such operation")
                continue
        elif name not in target.written()["layers"]:
            yield Problem(layer.name, name, "Keras 3 has no such layer")
            continue
        for variable in LAYERS[name].weights.unused if LAYERS[name].weights else ():
            option = variable.option
            if variable.name not in NEW and (
                not option or layer.config.get(option) is True
            ):
                reason = f"its variable {variable.name} acts in training only"
                yield Problem(layer.name, name, f"{reason}, and is not carried over")
        for key, value in unwritten(layer):
            yield Problem(layer.name, name, "Keras 3 has no such option", key, value)


def _rewrite(conversion: Conversion, draft: Draft) -> None:
    """Change the draft until Keras 3 means by it what the old model meant.

    Raises:
        UnsupportedModelError: it has no exact form.
    """
    layers = dict(walk(draft.before))
    tried: set[Any] = set()
    for _ in range(ROUNDS):
        after = needed(
            build(numbered(draft.model), target.meaning(), conversion.specs).graph
        )
        comparison = Comparison(draft, after, conversion.built.titles)
        found = [x for x in comparison.differences() if not _settled(draft, x)]
        if not found:
            return
        attributes = [x for x in found if isinstance(x, AttributeDiffers)]
        # It may take a layer apart, after all other changes of it.
        attributes.sort(key=lambda x: x.attribute == "masked_output")
        problems = []
        for one in attributes:
            key = one.path, one.attribute
            rewrite = None if key in tried else REWRITES.get(one.attribute)
            tried.add(key)
            words = rewrite and rewrite(draft, one, layers[one.path])
            if words is None:
                reason = (
                    f"{one.attribute}: it means {one.before!r}, Keras 3 means "
                    f"{one.after!r}, and there is no other exact form"
                )
                problems.append(Problem(one.path, layers[one.path].op, reason))
            elif words:
                draft.say(one.path, words)
        if not attributes:
            problems += with_masks(draft, found, tried)
        if problems:
            raise _refused(problems)
    raise AssertionError("the draft and the model never agreed")


def _settled(draft: Draft, found: Any) -> bool:
    if isinstance(found, AttributeDiffers):
        return (found.path, found.attribute) in draft.settled
    return (found.path, "mask" if found.mask else "inputs") in draft.settled
