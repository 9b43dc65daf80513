"""Searches that take hours: ``make proof`` writes docs/reference/proof.md."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Fixtures, random models and the fuzz are those of the tests.
sys.path.insert(0, str(ROOT / "tests" / "support"))
