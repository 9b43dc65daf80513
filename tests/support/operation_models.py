"""Random graphs of operations, held against what their Keras predicted."""

from __future__ import annotations

import json
import re

from gru2np_runtime import InputError
from masked_models import NotRecorded, judge, wrong
from random_models.checking import Rounded

SCRIPT = "random_ops.py"
# What may be refused, by a text of the message; any other refusal fails.
REFUSALS = [
    # An operation that may return its input itself, with its mask.
    "whether it passes depends on the version and backend of Keras",
    "several elements are the extreme, behind a function",
    # JAX reflects an axis again and again, TensorFlow raises.
    "pad: .* of an axis of size .* by reflect",
]


def check(recorder, seed):
    """Whether the graph of a seed was compared; it may be refused as expected.

    Where rounding spoils the numbers, the same is tried in float64. A failure ends with
    the recipe of a smaller graph that fails.
    """
    path = recorder.record(seed)
    try:
        try:
            problems = judge(path)
        except Rounded:
            recipe = json.loads((path / "recipe.json").read_text("utf-8"))
            try:
                path = recorder.record(seed, float64=True, recipe=recipe)
            except NotRecorded:
                # This Keras has a step in float32 alone: nothing to compare.
                return False
            problems = judge(path)
    except InputError as error:
        # What TensorFlow's optimizer moves, and numbers that are none.
        problems = [str(error)]
    except AssertionError as error:
        recipe = json.loads((path / "recipe.json").read_text("utf-8"))
        smallest = json.dumps(shrunk(recorder, recipe, seed))
        told = f"{recorder.generation} {seed}: {error}\n{smallest}"
        raise AssertionError(told) from None
    for problem in problems or ():
        expected = any(re.search(text, problem) for text in REFUSALS)
        assert expected, f"{recorder.generation} {seed}: {problem}"
    return problems is None


def shrunk(recorder, recipe, seed, most=40):
    """A recipe of one output, with the steps before it, that still fails."""
    tried = 0
    given = len(recipe["inputs"])
    for number in range(1, len(recipe["steps"]) + 1):
        for output in (given, given + 1):
            smaller = {**recipe, "steps": recipe["steps"][:number], "outputs": [output]}
            tried += 1
            if tried > most:
                return recipe
            try:
                path = recorder.record(seed, recipe=smaller)
            except NotRecorded:
                continue
            if wrong(path):
                return smaller
        given += 2 if recipe["steps"][number - 1][0] in ("top_k", "filled") else 1
    return recipe
