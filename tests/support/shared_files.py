"""Files of other people, next to the repository on some machines."""

import pytest

from goldens import ROOT

CASES = ROOT.parent / "shared" / "cases"
MODELS = ROOT.parent / "shared" / "models"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="shared/cases is not here")
