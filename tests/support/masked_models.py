"""Random models that use masks, of an old Keras, held against what it predicted."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

import gru2np
from goldens import ROOT, Golden
from gru2np_runtime import InputError, load
from random_models import checking
from random_models.checking import KERNELS, Rounded, held

MAKE = ROOT / "fixtures" / "make"
sys.path.append(str(MAKE))
from recipes import moved, pruned  # noqa: E402

# What may be refused, by a text of the message; any other refusal fails.
REFUSALS = [
    *checking.REFUSALS,
    # Keras gives numbers where the batch happens to be as large as something else.
    "so that the batch axis of one would be broadcast",
    # Keras gives a call the mask of another.
    "used the mask of another call",
    "on a tensor that another call reads too",
]


class Recorder:
    """The Keras of a generation, in a process of its own, which makes random models."""

    def __init__(
        self, generation: str, python: Path | str, script: str = "random_masked.py"
    ) -> None:
        self.generation = generation
        self.folder = tempfile.TemporaryDirectory()
        self.said = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115
        self.process = subprocess.Popen(
            [str(python), str(MAKE / script), generation],
            # Ours are not the packages of that Python.
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            text=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with self.folder, self.said, self.process:
            self.process.kill()

    def record(self, seed, *, float64=False, recipe=None):
        """The folder of a model: that of the seed, or of a recipe.

        Raises NotRecorded where this Keras will not run it, KerasEnded where its
        process is no more.
        """
        path = Path(self.folder.name) / str(seed)
        wanted = {"folder": str(path), "seed": seed, "float64": float64}
        if recipe is not None:
            wanted["recipe"] = recipe
        print(json.dumps(wanted), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            self.said.seek(0)
            said = self.said.read()[-3000:]
            raise KerasEnded(f"{said}\nthis Keras ended with exit code {code}")
        answer = json.loads(line)
        if "failed" in answer:
            raise NotRecorded(answer["failed"])
        return path


class KerasEnded(Exception):
    """The process of an old Keras is no more."""


class NotRecorded(Exception):
    """The old Keras would not build, run or save it."""


def judge(folder):
    """Problems of a model that is refused; None where its numbers are Keras' own.

    Raises AssertionError where they are not.
    """
    golden = Golden(folder)
    recipe = json.loads((folder / "recipe.json").read_text("utf-8"))
    model, _ = golden.files()
    out = io.BytesIO()
    try:
        gru2np.export(model, out)
    except gru2np.UnsupportedModelError as error:
        return [str(problem) for problem in error.problems] or [str(error)]
    calls = {
        f"call {i}": (golden.arrays(i, "x"), golden.arrays(i, "y"))
        for i in range(golden.calls)
    }
    apart = not recipe["stateful"] and '"time_major": true' not in json.dumps(recipe)
    for kernel in KERNELS:
        with mock.patch.dict(os.environ, GRU2NP_KERNEL=kernel):
            held(load(out.getvalue()), calls, recipe["dtype"], apart=apart)
    return None


def check(recorder, seed, refusals=REFUSALS, smaller=None):
    """Whether the model of a seed was compared; it may be refused as expected.

    Where rounding spoils the numbers, the same is tried in float64. A failure ends with
    the recipe of a smaller model that fails: ``smaller`` finds it, ``shrunk`` if None.
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
        # Numbers that the model refuses.
        problems = [str(error)]
    except AssertionError as error:
        recipe = json.loads((path / "recipe.json").read_text("utf-8"))
        smallest = json.dumps((smaller or shrunk)(recorder, recipe, seed))
        told = f"{recorder.generation} {seed}: {error}\n{smallest}"
        raise AssertionError(told) from None
    for problem in problems or ():
        expected = any(re.search(text, problem) for text in refusals)
        assert expected, f"{recorder.generation} {seed}: {problem}"
    return problems is None


def wrong(folder):
    """Whether the numbers of a model are not Keras' own."""
    try:
        judge(folder)
    except AssertionError:
        return True
    return False


# Smaller models


def shrunk(recorder, recipe, seed, fails=wrong, most=60):
    """A smaller model that fails in the same way.

    ``fails``: tells it of a folder; ``most``: how many are tried.
    """
    best, left = recipe, iter([*ends(recipe), *smaller_ones(recipe)])
    for _ in range(most):
        smaller = next(left, None)
        if smaller is None:
            break
        try:
            path = recorder.record(seed, recipe=smaller)
        except NotRecorded:
            continue
        if fails(path):
            best, left = smaller, smaller_ones(smaller)
    return best


def ends(recipe):
    """Recipes of one tensor and what it hangs on, the smallest first."""
    model = recipe["model"]
    for i in range(len(model["inputs"]), tensors_of(model)):
        if model["outputs"] != [i]:
            yield {**recipe, "model": pruned(model, [i])[0]}


def tensors_of(model):
    """How many tensors it has."""
    return len(model["inputs"]) + sum(call["gives"] for call in model["calls"])


def smaller_ones(recipe):
    """Recipes with a call, an option or an argument less."""
    model = recipe["model"]
    count = tensors_of(model)
    start = len(model["inputs"])
    for number, call in enumerate(model["calls"]):
        # Whoever takes what it gives takes what it is given.
        for i in call["of"] if call["gives"] == 1 else ():
            bypass = {j: i if j == start else j for j in range(count)}
            outputs = [i if o == start else o for o in model["outputs"]]
            calls = [moved(c, bypass) for c in model["calls"][number + 1 :]]
            calls = [*model["calls"][: number + 1], *calls]
            if min(outputs) >= len(model["inputs"]):
                yield {**recipe, "model": pruned({**model, "calls": calls}, outputs)[0]}
        start += call["gives"]
    for number, call in enumerate(model["calls"]):
        for less in less_of(call):
            calls = [*model["calls"][:number], less, *model["calls"][number + 1 :]]
            changed = {**model, "calls": calls}
            yield {**recipe, "model": pruned(changed, model["outputs"])[0]}


def less_of(call):
    """Calls with a part less."""
    for layer in lesser(call.get("layer")):
        yield {**call, "layer": layer}
    for part in ("options", "tensors"):
        for name in call.get(part, {}):
            yield {**call, part: {k: v for k, v in call[part].items() if k != name}}


KEPT = ("class", "units", "layer", "cell", "inputs", "calls", "outputs")


def lesser(layer):
    """Descriptions of the layer with less in them."""
    if not isinstance(layer, dict):
        return
    for name, value in layer.items():
        if name not in KEPT:
            yield {k: v for k, v in layer.items() if k != name}
        if isinstance(value, dict):
            for less in lesser(value):
                yield {**layer, name: less}
    if layer["class"] == "model":
        for smaller in smaller_ones({"model": layer}):
            if len(smaller["model"]["inputs"]) == len(layer["inputs"]):
                yield {**layer, **smaller["model"]}
