"""The tests of Keras' own layers, as models: converted and equal, or refused.

Keras installs its tests.  Each one calls ``run_layer_test`` with a layer, its options
and the shapes of its inputs.  Here that makes a model of the layer, with random weights
and inputs, that Keras saves and predicts, and that gru2np converts and predicts.

    python -m proof.keras_tests     writes docs/reference/keras-tests.md
"""

from __future__ import annotations

import argparse
import ast
import importlib
import logging
import os
import re
import sys
import tempfile
import unittest
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

import gru2np
from gru2np_runtime import Gru2npError, load
from proof import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = ROOT / "docs" / "reference" / "keras-tests.md"
SUFFIXES = (".keras", ".h5")
# Modes in which a layer is tried too, by class.
QUANTIZED = dict.fromkeys(
    ("Dense", "EinsumDense", "Embedding", "ReversibleEmbedding"), ("int8", "int4")
)
EQUAL, WRONG = "converted, equal", "converted, wrong"
REFUSED, REFUSED_INPUT = "refused", "input refused"
UNUSABLE = "no model of Keras"
OUTCOMES = (EQUAL, WRONG, REFUSED, REFUSED_INPUT, UNUSABLE)


@dataclass(frozen=True)
class Test:
    """One call of ``run_layer_test``.

    Attributes:
        name: of the test, with the number of the call in it.
        kind: the layer's class.
        options: of the layer.
        shapes: of its inputs: a tuple, or a list or dict of tuples; None with ``data``.
        dtypes: of its inputs, in the same structure; None for float32.
        data: its inputs, instead of shapes.
        arguments: of its call.
    """

    name: str
    kind: Any
    options: dict[str, Any]
    shapes: Any
    dtypes: Any
    data: Any
    arguments: dict[str, Any]

    def title(self, mode: str | None) -> str:
        """Its class, and how it is quantised."""
        return self.kind.__name__ + (f", {mode}" if mode else "")


@dataclass(frozen=True)
class Result:
    """What became of a test.

    Attributes:
        test: its name.
        layer: the name of the layer's class.
        suffix: of the file.
        outcome: one of ``OUTCOMES``.
        reason: why, without the names of layers; empty if it is equal.
    """

    test: str
    layer: str
    suffix: str
    outcome: str
    reason: str


@cache
def files() -> list[str]:
    """The files of Keras' tests of layers, as modules; none if Keras has none."""
    spec = find_spec("keras")
    if spec is None or spec.origin is None:
        return []
    root = Path(spec.origin).parent / "src" / "layers"
    return [
        "keras.src.layers." + ".".join(path.relative_to(root).with_suffix("").parts)
        for path in sorted(root.rglob("*_test.py"))
        if _methods(path)
    ]


def _methods(path: Path) -> set[str]:
    """The test methods of a file that call ``run_layer_test``."""
    tree = ast.parse(path.read_text("utf-8"))
    return {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.name.startswith("test")
        and any(
            isinstance(inner, ast.Attribute) and inner.attr == "run_layer_test"
            for inner in ast.walk(node)
        )
    }


def tests_of(module: str) -> list[Test]:
    """All calls of ``run_layer_test`` in a file of Keras' tests."""
    from keras.src import testing

    try:
        with mock.patch.dict(sys.modules, conftest=_conftest()):
            loaded = importlib.import_module(module)
    except ImportError:
        return []  # some need packages that are not there, such as grain
    methods = _methods(Path(str(loaded.__file__)))
    found: list[Test] = []

    def record(
        case: unittest.TestCase,
        layer_cls: Any,
        init_kwargs: Any,
        input_shape: Any = None,
        input_dtype: Any = None,
        input_sparse: bool = False,
        input_ragged: bool = False,
        input_data: Any = None,
        call_kwargs: Any = None,
        **checks: Any,
    ) -> None:
        if input_sparse or input_ragged or (input_shape is input_data is None):
            return
        name = f"{module.rpartition('.')[2]}.{case._testMethodName}#{len(found)}"
        arguments = dict(call_kwargs or {})
        found.append(
            Test(
                name,
                layer_cls,
                dict(init_kwargs or {}),
                input_shape,
                input_dtype,
                input_data,
                arguments,
            )
        )

    with mock.patch.object(testing.TestCase, "run_layer_test", record):
        for case in _cases(unittest.defaultTestLoader.loadTestsFromModule(loaded)):
            method = case._testMethodName
            if any(method.startswith(known) for known in methods):
                # What else a test checks is no matter here.
                case.run(unittest.TestResult())
    return found


def _conftest() -> ModuleType:
    """The module of marks that Keras' tests import, which Keras does not install."""
    module = ModuleType("conftest")

    def skip_if_backend(*names: str) -> Any:
        return lambda test: test

    vars(module).update(
        skip_if_backend=skip_if_backend, requires_trainable_backend=lambda test: test
    )
    return module


def _cases(suite: Any) -> Iterator[Any]:
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from _cases(item)
        else:
            yield item


def results(test: Test, seed: int = 0, saved_by: str | None = None) -> Iterator[Result]:
    """What becomes of a test in each container."""
    import keras

    rng = np.random.default_rng([seed, *test.name.encode()])
    layer = test.kind.__name__
    modes = QUANTIZED.get(layer, ())
    if "_from_" in str(test.options.get("dtype")):
        modes = ()
    for mode in (None, *modes):
        keras.backend.clear_session()
        title = test.title(mode)
        try:
            model, x = _model(test, rng)
            if mode is not None:
                model.quantize(mode)
            expected = [np.asarray(y) for y in keras.tree.flatten(_predict(model, x))]
        except Exception as error:
            yield Result(test.name, title, ".keras", UNUSABLE, _plain(error))
            continue
        yield from _saved(model, x, expected, test, mode, saved_by)


def _saved(
    model: Any,
    x: list[Any],
    expected: list[Any],
    test: Test,
    mode: str | None,
    saved_by: str | None,
) -> Iterator[Result]:
    """What becomes of a model in each container.

    Args:
        model: of Keras.
        x: its inputs.
        expected: what Keras predicts of them.
        test: that the model is of.
        mode: in which it is quantised, or None.
        saved_by: the Keras as which its files are read, or None for that they name.
    """
    import keras

    title = test.title(mode)
    for suffix in SUFFIXES:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"model{suffix}"
            try:
                model.save(path)
            except Exception as error:
                yield Result(test.name, title, suffix, UNUSABLE, _plain(error))
                continue
            if mode is not None and test.options.get("lora_rank"):
                # An archive merges the adapters, and quantises the sum again.
                loaded = keras.models.load_model(path)
                expected = [*map(np.asarray, keras.tree.flatten(_predict(loaded, x)))]
            found = _compared(path, x, expected, _tolerance(test), saved_by)
            yield Result(test.name, title, suffix, *found)


def _tolerance(test: Test) -> float:
    """What the numbers may differ by, of the largest."""
    policy = str(test.options.get("dtype"))
    return 2e-2 if "bfloat16" in policy else 2e-3 if "float16" in policy else 1e-5


def _compared(
    path: Path,
    x: list[Any],
    expected: list[Any],
    tolerance: float,
    saved_by: str | None,
) -> tuple[str, str]:
    bundle = path.with_suffix(".npz")
    try:
        gru2np.export(path, bundle, saved_by=saved_by)
    except gru2np.UnsupportedModelError as error:
        reasons = dict.fromkeys(problem.reason for problem in error.problems)
        return REFUSED, "; ".join(reasons) or _plain(error)
    except Gru2npError as error:
        return REFUSED, _plain(error)
    try:
        found = load(bundle).predict(x[0] if len(x) == 1 else x)
    except Gru2npError as error:
        return REFUSED_INPUT, _plain(error)
    flat = _flat(found)
    shapes = [y.shape for y in expected]
    if [y.shape for y in flat] != shapes:
        return WRONG, f"shapes {[y.shape for y in flat]} for {shapes}"
    differences = _differences(expected, flat, tolerance)
    return (WRONG, differences[0]) if differences else (EQUAL, "")


def _differences(expected: list[Any], found: list[Any], tolerance: float) -> list[str]:
    words = []
    for y, z in zip(expected, found, strict=True):
        y, z = np.asarray(y, np.float64), np.asarray(z, np.float64)
        size = np.abs(y[np.isfinite(y)]).max(initial=0.0)
        close = np.isclose(z, y, rtol=0, atol=1e-6 + tolerance * size, equal_nan=True)
        if not close.all():
            words.append(f"{(~close).sum()} of {close.size} numbers differ")
    return words


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [y for key in sorted(value) for y in _flat(value[key])]
    if isinstance(value, (list, tuple)):
        return [y for item in value for y in _flat(item)]
    return [np.asarray(value)]


def _predict(model: Any, x: list[Any]) -> Any:
    return model.predict(x[0] if len(x) == 1 else x, verbose=0, batch_size=len(x[0]))


def _model(test: Test, rng: np.random.Generator) -> tuple[Any, list[Any]]:
    """A model of the layer with random weights, and arrays for its inputs."""
    import keras

    arrays = _arrays(test, rng)
    flat = keras.tree.flatten(arrays)
    tried: list[Exception] = []
    for batch in (None, flat[0].shape[0]):
        try:
            inputs = keras.tree.map_structure(
                lambda a, batch=batch: keras.Input(
                    batch_shape=(batch, *a.shape[1:]), dtype=a.dtype.name
                ),
                arrays,
            )
            layer = test.kind(**test.options)
            arguments, extra = {}, []
            for key, value in test.arguments.items():
                if hasattr(value, "shape") and hasattr(value, "dtype"):
                    array = np.asarray(value)
                    extra.append(array)
                    value = keras.Input(
                        batch_shape=(batch, *array.shape[1:]), dtype=array.dtype.name
                    )
                arguments[key] = value
            named = isinstance(inputs, dict)
            y = layer(**inputs, **arguments) if named else layer(inputs, **arguments)
            given = [v for v in arguments.values() if isinstance(v, keras.KerasTensor)]
            ports = [*keras.tree.flatten(inputs), *given]
            model = keras.Model(ports if len(ports) > 1 else ports[0], y)
            _randomize(model, rng)
            return model, [*flat, *extra]
        except Exception as error:
            tried.append(error)
    raise tried[0]


def _arrays(test: Test, rng: np.random.Generator) -> Any:
    import keras
    from keras.src.testing.test_case import map_shape_dtype_structure

    if test.data is not None:
        return keras.tree.map_structure(np.asarray, test.data)

    def array(shape: Any, dtype: Any) -> Any:
        sizes = tuple(n or 3 for n in shape)
        # As Keras' tests draw them; numbers from -1 to 3, ids from 0.
        numbers = rng.uniform(-1, 3, sizes)
        return (numbers if "float" in str(dtype) else np.abs(numbers)).astype(dtype)

    shapes = test.shapes
    if isinstance(shapes, dict):
        return {
            re.sub("_shape$", "", key): array(
                shape, (test.dtypes or {}).get(key, "float32")
            )
            for key, shape in shapes.items()
        }
    dtypes = test.dtypes
    if dtypes is None:
        dtypes = keras.tree.map_shape_structure(lambda _: "float32", shapes)
    return map_shape_dtype_structure(array, shapes, dtypes)


def _randomize(model: Any, rng: np.random.Generator) -> None:
    for weight in model.weights:
        if "float" not in str(weight.dtype):
            if str(weight.dtype) in ("int8", "uint8"):
                weight.assign(rng.integers(0, 100, weight.shape))
            continue
        if weight.name == "g_idx":
            continue  # which group of a quantised kernel a row is of
        positive = any(
            word in weight.name for word in ("variance", "std", "renorm", "scale")
        )
        low = 0.2 if positive else -1.0
        weight.assign(rng.uniform(low, 1.0, weight.shape))
    for layer in model.layers:
        # Normalization computes with copies of its variables.
        if hasattr(layer, "finalize_state"):
            layer.finalize_state()


def _plain(error: Exception) -> str:
    """The first line of an error, without names, shapes and numbers."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:160] if lines else ''}"


def check(module: str, seed: int) -> int:
    """Hold a file of Keras' tests to the rule: right, or refused."""
    found = [result for test in tests_of(module) for result in results(test, seed)]
    wrong = [result for result in found if result.outcome == WRONG]
    assert not wrong, "\n".join(map(str, wrong))
    return sum(result.outcome in (EQUAL, REFUSED) for result in found)


def page(found: list[Result], version: str) -> str:
    """The page: outcomes by container, and refusals by reason."""
    lines = [
        "# The tests of Keras' own layers",
        "",
        "Written by `python -m proof.keras_tests`: every call of `run_layer_test` in",
        f"the tests that Keras {version} installs, as a model with random weights and",
        "inputs, saved and predicted by Keras, and converted.",
        "",
        "| outcome | `.keras` | `.h5` |",
        "|---|---:|---:|",
    ]
    counts = Counter((result.outcome, result.suffix) for result in found)
    for outcome in OUTCOMES:
        numbers = " | ".join(str(counts[outcome, suffix]) for suffix in SUFFIXES)
        lines.append(f"| {outcome} | {numbers} |")
    for outcome in (WRONG, REFUSED, REFUSED_INPUT, UNUSABLE):
        rows: dict[tuple[str, str], set[str]] = {}
        for result in found:
            if result.outcome == outcome:
                key = (result.layer, result.reason)
                rows.setdefault(key, set()).add(result.test)
        if not rows:
            continue
        lines += ["", f"## {outcome[0].upper()}{outcome[1:]}", ""]
        lines += ["| layer | tests | reason |", "|---|---:|---|"]
        lines += [
            f"| {layer} | {len(names)} | {reason.replace('|', chr(92) + '|')} |"
            for (layer, reason), names in sorted(rows.items())
        ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Run the tests of all files, or of those whose names hold a word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="words of the files' names")
    parser.add_argument("-o", "--output", type=Path, default=PAGE)
    parser.add_argument("--saved-by", help="the Keras as which a newer one is read")
    arguments = parser.parse_args()
    import keras

    found = []
    for module in files():
        if arguments.only and not any(word in module for word in arguments.only):
            continue
        for test in tests_of(module):
            found += results(test, saved_by=arguments.saved_by)
        print(f"{len(found):5} {module}", file=sys.stderr, flush=True)
    arguments.output.write_text(page(found, keras.__version__), "utf-8")
    outcomes = {result.outcome for result in found}
    # That nothing was compared is no success.
    return 0 if EQUAL in outcomes and WRONG not in outcomes else 1


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    warnings.simplefilter("ignore")
    logging.getLogger("absl").setLevel(logging.ERROR)
    sys.exit(main())
