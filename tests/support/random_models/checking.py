"""One example from end to end: built, saved, exported, loaded, compared."""

from __future__ import annotations

import io
import json
import os
import re
import tempfile
from collections import Counter
from pathlib import Path
from unittest import mock

import jsonschema
import numpy as np
from hypothesis import reject

import gru2np
from goldens import ROOT
from gru2np_runtime import InputError, kernel, load
from gru2np_runtime.bundle.container import MANIFEST, read_members
from random_models.building import build, flat, forget
from streams import run_parts

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((ROOT / "docs" / "bundle.schema.json").read_text("utf-8"))
)
TOLERANCES = {"float32": (2e-5, 1e-4), "float64": (1e-10, 1e-9)}
# What may be refused, by a text of the message; any other refusal fails.
REFUSALS = [
    "a mask made inside TimeDistributed is not supported",
    "a mask of whole steps, or of a model inside TimeDistributed, is not supported",
    "a stateful layer inside a wrapper is not supported",
    "tf.keras uses the initial states of a stateful layer on some calls",
    "uses the initial states of a stateful layer on some calls and not on others",
]
# Every example runs on each that is there.
KERNELS = sorted({"numpy", kernel()})
# What became of the examples, for the summary at the end.
OUTCOMES = Counter()


class NotBuilt(Exception):
    """Keras itself would not build, run or save the model."""


class Rounded(AssertionError):
    """Numbers further apart than they should be, but of one size and near."""


def check(recipe):
    """Assert that a bundle of the model gives what Keras' own ``predict`` gives.

    Some models let the rounding of float32 grow until it shows.  They are built again
    in float64, where only an error of ours remains.
    """
    try:
        check_in(recipe)
    except Rounded:
        if recipe["dtype"] == "float64":
            raise
        OUTCOMES["again in float64"] += 1
        check_in({**recipe, "dtype": "float64"})


def check_in(recipe):
    """The same in the recipe's own dtype."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"model.{recipe['container']}"
            try:
                calls = recorded(recipe, path)
            except NotBuilt as error:
                OUTCOMES[f"Keras itself: {str(error)[:150]}"] += 1
                reject()
            data = exported(path)
        if data is not None:
            manifest = json.loads(bytes(read_members(data)[MANIFEST]))
            SCHEMA.validate(manifest)
            for wanted in KERNELS:
                with mock.patch.dict(os.environ, GRU2NP_KERNEL=wanted):
                    compare(recipe, load(data), calls)
                OUTCOMES[f"compared, {wanted}"] += 1
    finally:
        forget(recipe["keras"])


def recorded(recipe, path):
    """Inputs and outputs of each call of the saved model."""
    try:
        model = build(recipe)
        if recipe["keras"] == "tf_keras":
            # Its graphs take seconds to trace; eager calls run the same layers.
            model.compile(run_eagerly=True)
        calls = []
        for inputs in drawn_calls(recipe):
            given = inputs if len(inputs) > 1 else inputs[0]
            outputs = model.predict(given, batch_size=len(inputs[0]), verbose=0)
            calls.append((inputs, [np.asarray(y) for y in flat(outputs)]))
        model.save(path)
    except Exception as error:
        raise NotBuilt(f"{type(error).__name__}: {error}") from error
    return calls


def exported(path):
    """The bundle's bytes; None where the refusal is an expected one."""
    out = io.BytesIO()
    try:
        gru2np.export(path, out)
    except gru2np.UnsupportedModelError as error:
        for problem in error.problems:
            if not any(re.search(text, str(problem)) for text in REFUSALS):
                raise
        OUTCOMES["refused as expected"] += 1
        return None
    return out.getvalue()


def drawn_calls(recipe):
    """The inputs of each call: one for every kind of padding."""
    random = np.random.RandomState(recipe["seed"] + 1)
    for padding in PADDINGS:
        yield [
            drawn(random, source, padding, recipe)
            for source in recipe["model"]["inputs"]
        ]


def drawn(random, source, padding, recipe):
    steps = recipe["steps"]
    kind = source["kind"]
    sizes = (steps if size is None else size for size in source["shape"])
    shape = (recipe["rows"], *sizes)
    if kind == "vector":
        return random.randn(*shape).astype(recipe["dtype"])
    # A sequence of sequences is padded in its innermost steps.
    leading = shape if kind in ("ids", "mask") else shape[:-1]
    valid = PADDINGS[padding](random, leading)
    if kind == "mask":
        return valid
    if kind == "ids":
        return (random.randint(1, source["size"], shape) * valid).astype("int32")
    x = random.randn(*shape)
    x[~valid] = recipe["mask_value"]
    return x.astype(recipe["dtype"])


def _lengths(random, shape):
    return random.randint(1, shape[-1] + 1, shape[:-1])[..., None]


def _whole_rows(random, shape):
    valid = random.rand(*shape) < 0.6
    valid[0] = False
    return valid


PADDINGS = {
    "none": lambda random, shape: np.ones(shape, bool),
    "right": lambda random, shape: np.broadcast_to(
        np.arange(shape[-1]) < _lengths(random, shape), shape
    ),
    "left": lambda random, shape: np.broadcast_to(
        np.arange(shape[-1])[::-1] < _lengths(random, shape), shape
    ),
    "holes": lambda random, shape: random.rand(*shape) < 0.6,
    "rows": _whole_rows,
}


def compare(recipe, model, calls):
    """The whole, one row of it, and step by step where the model runs forward."""
    calls = {
        f"padding {name}": call for name, call in zip(PADDINGS, calls, strict=True)
    }
    apart = not (recipe.get("stateful") or recipe.get("time_major"))
    held(model, calls, recipe["dtype"], apart=apart)


def held(model, calls, dtype, *, apart):
    """A model held against what was recorded.

    ``calls``: inputs and outputs of each, by what is said of it; ``apart``: whether
    every row and every call stands alone, so that they are tried again, row by row and
    step by step.
    """
    atol, rtol = TOLERANCES[dtype]

    def close(got, expected, what):
        got = flat(got)
        assert len(got) == len(expected), what
        for i, (y, wanted) in enumerate(zip(got, expected, strict=True)):
            assert y.shape == wanted.shape, f"{what}, output {i}"
            assert y.dtype == wanted.dtype, f"{what}, output {i}"
            where = f"{what}, output {i}"
            try:
                np.testing.assert_allclose(
                    y, wanted, rtol=rtol, atol=atol, err_msg=where
                )
            except AssertionError as error:
                scale = np.max(np.abs(wanted), initial=1.0, where=np.isfinite(wanted))
                if np.allclose(y, wanted, rtol=0, atol=1e-2 * scale, equal_nan=True):
                    raise Rounded(str(error)) from None
                raise

    for what, (inputs, outputs) in calls.items():
        close(predict(model, inputs), outputs, what)
    if not apart:
        return
    for inputs, outputs in calls.values():
        row = len(inputs[0]) - 1
        alone = predict(model, [x[row:] for x in inputs])
        close(alone, [y[row:] for y in outputs], "one row")
    for inputs, _ in calls.values():
        if not step_by_step(model, inputs, close):
            break


def predict(model, inputs):
    return model.predict(dict(zip(model.input_names, inputs, strict=True)))


def step_by_step(model, inputs, close):
    """At every step, the output of the sequence so far, and the whole from two blocks.

    Returns:
        Whether there are steps.
    """
    try:
        state = model.initial_state(len(inputs[0]))
    except InputError:
        return False
    OUTCOMES["sequences run step by step"] += 1
    stream = model.stream
    over_time = stream.per_step_inputs
    timed = [
        (x, shape)
        for x, shape, over in zip(inputs, model.input_shapes, over_time, strict=True)
        if over
    ]
    if len({x.shape[1] for x, _ in timed}) > 1:
        return False
    fixed = any(shape[1] is not None for _, shape in timed)
    steps = timed[0][0].shape[1]
    for t in range(steps):
        now = [x[:, t] if o else x for x, o in zip(inputs, over_time, strict=True)]
        y, state = model.step(dict(zip(model.input_names, now, strict=True)), state)
        if fixed and t + 1 < steps:
            continue
        so_far = [
            x[:, : t + 1] if o else x for x, o in zip(inputs, over_time, strict=True)
        ]
        expected = [
            wanted[:, -1] if over else wanted
            for wanted, over in zip(
                flat(predict(model, so_far)), stream.per_step_outputs, strict=True
            )
        ]
        close(y, expected, f"step {t}")
    ends = {port.source for port in model.graph.outputs} & stream.end_dependent
    if steps > 1 and not ends:
        OUTCOMES["sequences run in blocks"] += 1
        parts = [slice(0, (steps + 1) // 2), slice((steps + 1) // 2, steps)]
        state = model.initial_state(len(inputs[0]))
        whole = flat(predict(model, inputs))
        close(run_parts(model, inputs, parts, state), whole, "blocks")
    return True
