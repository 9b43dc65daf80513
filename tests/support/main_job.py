"""What users do first, in an environment where the built wheels are installed."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import numpy as np

import goldens

if TYPE_CHECKING:
    from pathlib import Path

DEMO = goldens.ROOT / "examples" / "demo"
RUN = """
import sys
import numpy as np
from gru2np_runtime import __file__ as package, kernel, load

model = load("digits.npz")
x = np.load("pictures.npy")
state = model.initial_state(batch_size=len(x))
steps = []
for t in range(x.shape[1]):
    y, state = model.step(x[:, t], state)
    steps.append(y)
np.save("steps.npy", np.stack(steps, 1))
print(np.__version__, kernel(), package)
"""


def run(command: list[str | Path], folder: Path, python: Path) -> str:
    """What a command prints, where only the environment's programs are on the path."""
    path = str(python.parent)
    assert not any(shutil.which(name, path=path) for name in ("cc", "gcc", "clang"))
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={"PATH": path, "HOME": str(folder), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def main_job(python: Path, folder: Path, *, bundle: bytes | None = None) -> list[str]:
    """Export, verify, predict and step the model of the demo.

    Args:
        python: the environment's Python.
        folder: an empty folder for the files.
        bundle: the exported model, where the runtime is installed alone.

    Returns:
        The version of NumPy, the kernel that ran, and where the runtime is installed.
    """
    for name in ("digits.h5", "keras-predictions.npy", "pictures.npy"):
        shutil.copy(DEMO / name, folder)
    if bundle is None:
        program = python.parent / "gru2np"
        run([program, "export", "digits.h5"], folder, python)
        recorded = ("--input", "pictures.npy", "--expected", "keras-predictions.npy")
        assert "agree" in run(
            [program, "verify", "digits.h5", *recorded], folder, python
        )
    else:
        (folder / "digits.npz").write_bytes(bundle)
    predict = ("predict", "digits.npz", "-i", "pictures.npy", "-o", "whole.npy")
    run([python, "-I", "-m", "gru2np_runtime", *predict], folder, python)
    facts = run([python, "-I", "-c", RUN], folder, python).split()
    expected = np.load(folder / "keras-predictions.npy")
    for name in ("whole.npy", "steps.npy"):
        np.testing.assert_allclose(
            np.load(folder / name), expected, atol=goldens.ATOL, rtol=goldens.RTOL
        )
    return facts
