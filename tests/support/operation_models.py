"""Random graphs of operations, held against what their Keras predicted."""

from __future__ import annotations

import masked_models
from masked_models import NotRecorded, wrong

SCRIPT = "random_ops.py"
# What may be refused, by a text of the message; any other refusal fails.
REFUSALS = [
    # An operation that may return its input itself, with its mask.
    "whether it passes depends on the version and backend of Keras",
    "several elements are the extreme, behind a function",
    # JAX reflects an axis again and again, TensorFlow raises.
    "pad: .* of an axis of size .* by reflect",
    # It depends on the backend, which a .keras archive does not name.
    "every axis of length 1 here",
]


def check(recorder, seed):
    """Whether the graph of a seed was compared; it may be refused as expected."""
    return masked_models.check(recorder, seed, REFUSALS, shrunk)


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
