"""What type checkers say of a user's program: mypy, and pyright as editors run it."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from goldens import ROOT

PROGRAM = Path(__file__).with_name("program.py")
CHECKERS = {
    "mypy": ["--follow-imports=silent"],
    "basedpyright": ["--pythonpath", sys.executable],
}


@pytest.mark.parametrize("checker", CHECKERS)
def test_every_error_is_one_that_is_expected(checker):
    """A comment of the program that no error needs is an error for both."""
    if find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed: pip install --group lint")
    done = subprocess.run(
        [sys.executable, "-m", checker, *CHECKERS[checker], str(PROGRAM)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_are_errors_to_expect():
    lines = PROGRAM.read_text("utf-8").splitlines()
    wrong = [line for line in lines if "# type: ignore[" in line]
    assert len(wrong) > 20
    assert all("# pyright: ignore[" in line for line in wrong if "summary" not in line)
