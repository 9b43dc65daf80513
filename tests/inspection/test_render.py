"""A report as text, within the width of a terminal."""

import json

import pytest

import gru2np
from goldens import all_goldens, some

CASES = [
    g
    for g in all_goldens()
    if g.folder.parent.name in ("keras-2.2", "keras-3.15")
    # Its weights do not fit its architecture: an error, and no report.
    and g.folder.name != "quantised_heads"
]


@pytest.mark.parametrize("width", [80, 100])
def test_reports_fit_the_terminal(width):
    from gru2np.inspection.render import render

    assert CASES
    for golden in some(CASES, 4 if width == 80 else 7):
        report = gru2np.inspect(*golden.files())
        json.dumps(report.as_dict(), allow_nan=False)
        for line in list(render(report, width))[1:]:
            assert len(line) <= width, f"{golden.name}: {line}"
