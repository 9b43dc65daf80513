"""What the Keras of today makes of upgraded files: upgraded.json beside the fixtures.

Every fixture that is converted, and every model of other people that lies beside the
repository, is upgraded to a ``.keras``, opened by the Keras that is installed, and run
on the inputs of the Keras that saved it.  Its outputs are held against those that this
older Keras gave.

    python -m proof.upgrading                 writes fixtures/upgraded.json
    python -m proof.upgrading --cases NAME... prints a line of JSON for each
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import goldens
import gru2np
from gru2np.layers.spec import HALF
from gru2np.verification.comparison import Tolerance, compare
from gru2np.verification.settings import RECORDED
from proof import ROOT
from shared_files import ENTRIES, MODELS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from gru2np.ir import Array

RECORD = ROOT / "fixtures" / "upgraded.json"
EQUAL, REFUSED = "equal", "refused"
WRONG, CLOSED, FAILING = "wrong", "does not open", "fails in predict"
CRASHED = "fails in upgrade"
OUTCOMES = (EQUAL, REFUSED, WRONG, CLOSED, FAILING, CRASHED)
# The first part of the names of models of other people.
OTHERS = "models"
# As ``tests/test_real_models.py`` has it.
WIDER = {f"{OTHERS}/textgenrnn_cudnn/hacker_news_cudnn_full.h5": Tolerance(5e-5, 1e-4)}
# Cases of one process: what Keras keeps of its models is given back.
LIFE = 60
# What a message says of one model alone.
OWN_WORDS = re.compile(r"'[^']*'|\"[^\"]*\"|/\S+|(?<!Keras )\b\d+(\.\d+)?(e-?\d+)?")


@dataclass(frozen=True)
class Call:
    """One call of a model: its inputs, and the outputs of the Keras that saved it."""

    inputs: Sequence[Array]
    outputs: Sequence[Array]


@dataclass(frozen=True)
class Case:
    """A file to upgrade, and what is known of it.

    Attributes:
        model: the file.
        weights: its weights, if they stand apart.
        saved_by: the Keras that saved it, where the file does not say so.
        keys: of its inputs, if they are a dict.
        calls: one after the other, with the states of stateful layers carried over.
        tolerance: by which the outputs may differ.
    """

    model: Path
    weights: Path | None
    saved_by: str | None
    keys: Sequence[str] | None
    calls: Sequence[Call]
    tolerance: Tolerance


def names() -> list[str]:
    """Every file that is converted."""
    fixtures = [one.name for one in goldens.all_goldens() if not goldens.refused(one)]
    return [*fixtures, *_others()]


def _others() -> dict[str, Mapping[str, Any]]:
    return {
        f"{OTHERS}/{entry['folder']}/{entry['model']}": entry
        for entry in ENTRIES
        if entry["status"] in ("full", "derived")
    }


def case_of(name: str) -> Case:
    """The case of a name."""
    if name.startswith(f"{OTHERS}/"):
        return _other(name, _others()[name])
    golden = goldens.Golden(goldens.FIXTURES / name)
    model, weights = golden.files()
    calls = [
        Call(golden.arrays(call, "x"), golden.arrays(call, "y"))
        for call in range(golden.calls)
    ]
    is_dict = golden.facts["structure"]["inputs"] == "dict"
    return Case(
        model,
        weights,
        golden.saved_by,
        golden.facts["input_names"] if is_dict else None,
        calls,
        Tolerance(golden.atol, golden.rtol),
    )


def _other(name: str, entry: Mapping[str, Any]) -> Case:
    folder = MODELS / entry["folder"]
    with np.load(folder / entry["oracle"]) as data:
        oracle = {key: data[key] for key in data.files}
    inputs = [oracle[key] for key in entry["inputs"]]
    # Outputs of a first call, then those of one from the states that it left.
    calls = [
        Call(inputs, [oracle[key] for key in entry[kind]])
        for kind in ("outputs_first_call", "outputs")
        if entry.get(kind)
    ]
    weights = folder / entry["weights"] if entry["weights"] else None
    tolerance = WIDER.get(name, RECORDED)
    return Case(folder / entry["model"], weights, None, None, calls, tolerance)


def outcome(name: str) -> dict[str, Any]:
    """What becomes of a file, and why."""
    with tempfile.TemporaryDirectory() as folder:
        return _outcome(case_of(name), Path(folder) / "upgraded.keras")


def _outcome(case: Case, path: Path) -> dict[str, Any]:
    try:
        gru2np.upgrade(case.model, path, weights=case.weights, saved_by=case.saved_by)
    except gru2np.UnsupportedModelError as error:
        reasons = [_reason(problem) for problem in error.problems]
        return {"outcome": REFUSED, "reasons": sorted(set(reasons)) or [_said(error)]}
    except Exception as error:
        return {"outcome": CRASHED, "why": _said(error)}
    outputs = [y.dtype.name for call in case.calls for y in call.outputs]
    with _floats("float64" if "float64" in outputs else "float32"):
        return _run(path, case)


def _run(path: Path, case: Case) -> dict[str, Any]:
    try:
        model = opened(path)
    except Exception as error:
        return {"outcome": CLOSED, "why": _said(error)}
    try:
        found = [predicted(model, case, call) for call in case.calls]
    except Exception as error:
        return {"outcome": FAILING, "why": _said(error)}
    return judged(case, found)


@contextmanager
def _floats(kind: str) -> Iterator[None]:
    """Keras with this float type, to which its ``predict`` casts all inputs."""
    import keras

    before = keras.backend.floatx()
    keras.backend.set_floatx(kind)
    try:
        yield
    finally:
        keras.backend.set_floatx(before)


def opened(path: Path) -> Any:
    """The model in the Keras that is installed."""
    import keras

    keras.backend.clear_session()
    return keras.models.load_model(path, compile=False)


def predicted(model: Any, case: Case, call: Call) -> list[Array]:
    """The outputs of a call, in the order in which those of a dict are recorded."""
    inputs: Any = list(call.inputs)
    if case.keys is not None:
        inputs = dict(zip(case.keys, call.inputs, strict=True))
    elif len(inputs) == 1:
        inputs = inputs[0]
    y = model.predict(inputs, batch_size=max(len(call.inputs[0]), 1), verbose=0)
    if isinstance(y, dict):
        return [y[key] for key in sorted(y)]
    return list(y) if isinstance(y, (list, tuple)) else [y]


def judged(case: Case, found: Sequence[Sequence[Array]]) -> dict[str, Any]:
    """Whether outputs are those of the Keras that saved the file."""
    worst = 0.0
    for call, outputs in zip(case.calls, found, strict=True):
        if len(outputs) < len(call.outputs):
            why = f"{len(outputs)} outputs, expected {len(call.outputs)}"
            return {"outcome": WRONG, "why": why}
        for got, expected in zip(outputs, call.outputs, strict=False):
            half = got.dtype.name in HALF
            pair = compare(
                "",
                got.astype(np.float32) if half else got,
                expected.astype(np.float32) if expected.dtype.kind == "V" else expected,
                case.tolerance,
                expected_dtype=got.dtype.name if half else None,
            )
            if not pair.agrees:
                return {"outcome": WRONG, "why": pair.why}
            worst = max(worst, pair.largest)
    return {"outcome": EQUAL, "difference": float(f"{worst:.2g}")}


def _reason(problem: gru2np.Problem) -> str:
    """Why a layer is refused, without what is true of this model alone."""
    option = f", option {problem.option}" if problem.option else ""
    return f"{problem.class_name}{option}: {_plain(problem.reason)}"


def _said(error: Exception) -> str:
    """The class and the first telling line of an error."""
    text = re.sub("\x1b[^m]*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    told = [line for line in lines if "Exception encountered" not in line] or lines
    return f"{type(error).__name__}: {_plain(told[0]) if told else ''}"[:240]


def _plain(text: str) -> str:
    return OWN_WORDS.sub("...", text)


def check(name: str) -> int:
    """Hold a file to the rule: equal as it is recorded, or refused."""
    found = outcome(name)
    expected = json.loads(RECORD.read_text("utf-8"))["files"].get(name, found)
    assert found["outcome"] in (EQUAL, REFUSED), f"{name}: {found}"
    assert found["outcome"] == expected["outcome"], f"{name}: {found}, was {expected}"
    return int(found["outcome"] == EQUAL)


def _together(cases: Sequence[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What becomes of each file, in one process of its own."""
    command = (sys.executable, "-m", "proof.upgrading", "--cases", *cases)
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('["')]
    for line in lines:
        name, found = json.loads(line)
        yield name, found
    if len(lines) < len(cases):
        said = done.stderr[-3000:]
        raise RuntimeError(f"the process ended at {cases[len(lines)]}:\n{said}")


def recorded(cases: Sequence[str], jobs: int) -> dict[str, Any]:
    """What becomes of each file, by its name."""
    parts = [cases[start : start + LIFE] for start in range(0, len(cases), LIFE)]
    found: dict[str, Any] = {}
    with ThreadPoolExecutor(jobs) as pool:
        for rows in pool.map(lambda part: list(_together(part)), parts):
            found.update(rows)
            print(f"{len(found)} of {len(cases)}", file=sys.stderr, flush=True)
    return found


def tell(cases: Iterable[str]) -> None:
    """Print a line of JSON for each case."""
    import keras  # noqa: F401  # what it prints as it starts stands before all lines

    for name in cases:
        print(json.dumps([name, outcome(name)]), flush=True)


def main() -> None:
    """Upgrade all files, or those of whose names words are parts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="words of names; nothing is written")
    parser.add_argument("--cases", nargs="+", default=[])
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    if options.cases:
        tell(options.cases)
        return
    words = options.only
    chosen = [one for one in names() if not words or any(w in one for w in words)]
    found = recorded(chosen, options.jobs)
    if words:
        for name, one in found.items():
            print(name, one)
        return
    from importlib.metadata import version

    table = {"keras": version("keras"), "files": found}
    RECORD.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    warnings.simplefilter("ignore")
    logging.getLogger("absl").setLevel(logging.ERROR)
    main()
