"""Files of other people, next to the repository on some machines."""

import json

import pytest

from goldens import ROOT

CASES = ROOT.parent / "shared" / "cases"
MODELS = ROOT.parent / "shared" / "models"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="shared/cases is not here")

_INDEX = MODELS / "index.json"
# Models that other people trained, with the outputs of their Keras.
ENTRIES = json.loads(_INDEX.read_text("utf-8")) if _INDEX.exists() else []
