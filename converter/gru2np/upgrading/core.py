"""Upgrade: from a saved model of any Keras to a file of the newest one."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from gru2np.errors import Problem, UnsupportedModelError, VerificationError
from gru2np.generations import generation_of
from gru2np.generations.quantization import MODE
from gru2np.graph.flatten import build, default_dtype
from gru2np.graph.prune import needed
from gru2np.ir import walk_keras
from gru2np.layers import LAYERS
from gru2np.layers.custom import LAMBDA
from gru2np.text import listed, readable
from gru2np.upgrading import target
from gru2np.upgrading.checking import differences, faults
from gru2np.upgrading.comparing import AttributeDiffers, Comparison, TensorDiffers
from gru2np.upgrading.draft import Draft, inside, numbered, renamed
from gru2np.upgrading.gone import built, respelled
from gru2np.upgrading.masking import with_masks
from gru2np.upgrading.options import FUNCTIONS, unkept, unwritten
from gru2np.upgrading.order import UnclearOrder, ordered
from gru2np.upgrading.reasons import reason
from gru2np.upgrading.rewriting import REWRITES
from gru2np.upgrading.weights import NEW
from gru2np.upgrading.writing import write
from gru2np_runtime.graph import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.convert import Conversion
    from gru2np.ir import Array, KerasModel
    from gru2np.layers.custom import Specs
    from gru2np_runtime.graph import Graph

WAY_ON = "run it as it was meant, without Keras: gru2np export writes a bundle of it"
# The most faults that an error shows.
MOST = 5
LIST_WITH_MASK = "Keras 3 does not run an RNN of a list of one cell with a mask"
# Rounds of rewriting: a change of one layer may show a difference of another.
ROUNDS = 8


def upgraded(conversion: Conversion) -> tuple[bytes, Draft]:
    """The file of a converted model, and what was changed.

    Raises:
        UnsupportedModelError: the model has no exact form in Keras 3; all reasons.
    """
    clashes: set[str] = set()
    draft, model = _drafted(conversion, clashes)
    if clashes:
        draft, model = _drafted(conversion, clashes)

    def weight(path: str) -> Array:
        array = conversion.array(draft.source(path))
        change = draft.weights.get(path)
        return array if change is None else change(array)

    memory = io.BytesIO()
    graph = needed(write(memory, model, conversion.specs, weight))
    file = memory.getvalue()
    found = list(faults(conversion, file, graph, weight))
    if (draft.words or draft.settled) and not found:
        try:
            found = list(differences(conversion, file))
        except VerificationError as error:
            draft.notes.append(f"the new file was not run beside the old one: {error}")
    if found:
        what = "the file that was written is not what the model is: a fault of gru2np"
        problems = [Problem("model", "Functional", text) for text in found[:MOST]]
        raise UnsupportedModelError(problems, [WAY_ON], what=what)
    return file, draft


def _drafted(conversion: Conversion, clashes: set[str]) -> tuple[Draft, KerasModel]:
    """The draft of the upgraded model, and the model with its layers in Keras' order.

    Args:
        conversion: of the old model.
        clashes: names that no layer may have; gets those that it finds.

    Raises:
        UnsupportedModelError: it has no exact form.
    """
    titles = conversion.built.titles
    freezes = generation_of(conversion.raw) < 3
    dtype = default_dtype(conversion.model)
    model = respelled(conversion.model, dtype, freezes=freezes)
    draft = Draft(model, conversion.built.graph, {path: path for path in titles})
    draft.model = renamed(model, draft, clashes)
    built(draft, {path: one.shape for path, one in conversion.tensors.items()})
    problems = [*_replaced(model, conversion.specs), *_not_there(draft.model)]
    if problems:
        raise _refused(problems)
    draft.notes += _notes(draft.model)
    _rewrite(conversion, draft)
    try:
        model = ordered(numbered(draft.model), conversion.specs, clashes)
    except UnclearOrder as error:
        raise _refused([Problem("model", "Functional", str(error))]) from None
    return draft, numbered(model)


def _notes(model: KerasModel) -> Iterator[str]:
    """What an upgraded model does not keep."""
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


def _replaced(model: KerasModel, specs: Specs) -> Iterator[Problem]:
    """Custom objects in the place of Keras' own, or of a Lambda.

    The new file would mean Keras' own.
    """
    for layer in walk_keras(model.layers):
        name = layer.class_name
        if layer.model is not None or target.is_own(name):
            continue
        if name == LAMBDA:
            reason = "its code is in the file, and another file cannot hold it"
            yield Problem(layer.name, name, f"{reason}: make it a class of your own")
        elif specs.replaces(layer):
            reason = "a custom object replaces it, and the new file names Keras' own"
            yield Problem(layer.name, name, reason)
    for name in sorted(specs.functions.keys() & specs.used & FUNCTIONS):
        reason = "a custom object replaces it, and the new file names Keras' own"
        yield Problem("model", "function", reason, "activation", name)


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
        if target.is_own(name) or name == LAMBDA:
            continue
        if name.startswith("ops."):
            if target.operation(name) is None:
                yield Problem(layer.name, name, "Keras 3 has no such operation")
                continue
        elif name not in target.written()["layers"]:
            yield Problem(layer.name, name, "Keras 3 has no such layer")
            continue
        weights = LAYERS[name].weights
        for variable in () if weights is None else weights.unused:
            option = variable.option
            if variable.name not in NEW and (
                not option or layer.config.get(option) is True
            ):
                text = (
                    f"its variable {variable.name} acts in training only, and cannot "
                    "be written yet"
                )
                yield Problem(layer.name, name, text)
        for key, value, text in unwritten(layer):
            yield Problem(layer.name, name, text, key, value)


def _rewrite(conversion: Conversion, draft: Draft) -> None:
    """Change the draft until Keras 3 means by it what the old model meant.

    Raises:
        UnsupportedModelError: it has no exact form.
    """
    layers, titles = dict(walk(draft.before)), conversion.built.titles
    tried: set[Any] = set()
    for _ in range(ROUNDS):
        after = needed(
            build(numbered(draft.model), target.meaning(), conversion.specs).graph
        )
        comparison = Comparison(
            draft.before, after, titles, draft.origins, draft.plain, draft.outputs
        )
        found = [x for x in comparison.differences() if not _settled(draft, x)]
        if not found:
            problems = list(_not_run(after, draft, titles))
            if problems:
                raise _refused(problems)
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
                problems.append(_problem(one.path, titles, reason(one)))
            elif words:
                draft.say(one.path, words)
        if not attributes:
            tensors = [x for x in found if isinstance(x, TensorDiffers)]
            problems += [
                _problem(path, titles, text)
                for path, text in with_masks(draft, tensors, tried)
            ]
        if problems:
            raise _refused(problems)
    text = f"after {ROUNDS} rounds of changes Keras 3 still means something else by it"
    raise _refused([Problem("model", "Functional", text)])


def _problem(path: str, titles: Mapping[str, tuple[str, str]], text: str) -> Problem:
    """A problem of an old layer, or of one inside it."""
    owner = path
    while owner not in titles and "/" in owner:
        owner = owner.rpartition("/")[0]
    name, class_name = titles.get(owner, (path, "Functional"))
    return Problem(name + readable(path[len(owner) :]), class_name, text)


def _not_run(
    after: Graph, draft: Draft, titles: Mapping[str, tuple[str, str]]
) -> Iterator[Problem]:
    """What Keras 3 means as the old model did, and fails to run.

    Its stack of one cell does not return states as it takes them, which a mask needs:
    Keras 3.15 ``keras/src/layers/rnn/stacked_rnn_cells.py``.
    """
    for node in after.nodes:
        layer = inside(draft.model, node.layer)
        lists = [
            child
            for one in walk_keras([] if layer is None else [layer])
            for _, child in one.children
            if child.class_name == "StackedRNNCells" and len(child.children) == 1
        ]
        if node.mask is not None and lists:
            path = draft.origins.get(node.layer, node.layer)
            yield _problem(path, titles, LIST_WITH_MASK)


def _settled(draft: Draft, found: AttributeDiffers | TensorDiffers) -> bool:
    if isinstance(found, AttributeDiffers):
        return (found.path, found.attribute) in draft.settled
    return (found.path, "mask" if found.mask else "inputs") in draft.settled
