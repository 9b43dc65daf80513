"""A report as text, within the width of a terminal."""

import json

import pytest

import gru2np
from goldens import FIXTURES, all_goldens, some

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


def test_names_in_a_file_give_a_terminal_no_commands(tmp_path):
    """A terminal takes some characters as commands; a report shows ? for them."""
    codes = "a\x1b[2J\x9b1m\u202eb"
    text = (FIXTURES / "keras-2.2" / "gru_json" / "architecture.json").read_text()
    config = json.loads(text)
    config["config"]["name"] = codes
    for layer in config["config"]["layers"]:
        layer["config"]["name"] += codes
    path = tmp_path / "a.json"
    path.write_text(json.dumps(config))
    report = gru2np.inspect(path, FIXTURES / "keras-2.2" / "gru_json" / "weights.h5")
    assert codes in report.name
    assert str(report).count("a?[2J?1m?b") > 1
    assert all(line.isprintable() for line in str(report).split("\n"))
