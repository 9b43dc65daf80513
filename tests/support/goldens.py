"""The fixtures: models saved by real Keras, with the outputs it gave."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures"
# Where ``make matrix`` puts bundles for Pythons that cannot run the converter.
BUNDLES = os.environ.get("GRU2NP_BUNDLES")
# ``make proof`` takes every case where ``make test`` takes some.
EVERY = os.environ.get("GRU2NP_EVERY_FIXTURE") == "1"
# What Keras wrote on another machine may differ by this much.
ATOL, RTOL = 2e-5, 1e-4


class Golden:
    """One case: a model file, the inputs of each call and Keras' own outputs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"{folder.parent.name}/{folder.name}"
        self.facts = json.loads((folder / "case.json").read_text("utf-8"))
        self.atol = self.facts.get("atol", ATOL)
        self.rtol = self.facts.get("rtol", RTOL)
        self.calls = self.facts["calls"]
        self.saved_by = self.facts.get("saved_by")

    def files(self):
        """Paths of the model and, where they stand apart, of its weights."""
        architecture = self.folder / "architecture.json"
        if architecture.exists():
            names = ("weights.h5", "model.weights.json", "checkpoint")
            found = map(self.folder.joinpath, names)
            return architecture, next(path for path in found if path.exists())
        names = ("model.h5", "model.keras", "model.json", "model")
        return next(p for p in map(self.folder.joinpath, names) if p.exists()), None

    def bundle(self) -> bytes:
        """The bundle's bytes: exported here, or by ``make matrix`` beforehand."""
        if BUNDLES:
            return (Path(BUNDLES) / f"{self.name}.npz").read_bytes()
        import gru2np

        model, weights = self.files()
        out = io.BytesIO()
        gru2np.export(model, out, weights=weights, saved_by=self.saved_by)
        return out.getvalue()

    def arrays(self, call: int, kind: str):
        """Inputs (``x``) or outputs (``y``) of a call, in the model's order."""
        with np.load(self.folder / "io.npz") as data:
            if f"calls.{kind}0" in data.files:
                return [data[f"calls.{kind}0"][call]]
            count = sum(name.startswith(f"call{call}.{kind}") for name in data.files)
            return [data[f"call{call}.{kind}{i}"] for i in range(count)]

    def taps(self):
        """Outputs of layers in between, by layer name."""
        with np.load(self.folder / "io.npz") as data:
            prefix = "call0.tap."
            return {n[len(prefix) :]: data[n] for n in data.files if prefix in n}

    def close(self, y, expected, what: str = "") -> None:
        """Assert that y is what Keras gave: numbers, shape and type."""
        __tracebackhide__ = True
        assert y.shape == expected.shape, f"{self.name} {what}"
        wanted = np.float64 if expected.dtype == np.float64 else np.float32
        if expected.dtype.kind == "f" or expected.dtype.kind == "V":
            assert y.dtype == wanted, f"{self.name} {what}"
        else:
            assert y.dtype == expected.dtype, f"{self.name} {what}"
        np.testing.assert_allclose(
            y, expected, rtol=self.rtol, atol=self.atol, err_msg=f"{self.name} {what}"
        )


def loaded(case: str):
    """A case such as ``keras-2.2/gru``, and its model as the runtime loads it."""
    from gru2np_runtime import load

    golden = Golden(FIXTURES / case)
    return golden, load(golden.bundle())


def flat(outputs):
    """The arrays of what ``predict`` gave, in order."""
    if isinstance(outputs, dict):
        return list(outputs.values())
    return outputs if isinstance(outputs, list) else [outputs]


def refused(golden: Golden):
    """Why a case is refused; None if it is not."""
    return golden.facts.get("refused")


def some(cases: list[Golden], step: int):
    """Every so-manyth case; all of them in ``make proof``."""
    return cases if EVERY else cases[::step]


def parts():
    """Every case of a refused model of which a part is converted."""
    return [golden for golden in all_goldens() if "part" in golden.facts]


def all_goldens():
    """Every case of every generation that needs no class from outside, by name."""
    found = [Golden(path.parent) for path in sorted(FIXTURES.glob("*/*/case.json"))]
    return [golden for golden in found if "custom" not in golden.facts]
