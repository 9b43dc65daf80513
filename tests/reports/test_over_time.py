"""States over time on a page: which are shown, and no peak is lost."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gru2np.inspection.inspect import inspecting
from gru2np.reports.over_time import MOST_POINTS, MOST_STEPS, states, thinned
from report_pages import (
    STACK,
    Reader,
    recorded,
    verified,
)


def test_a_layer_that_differs_is_named_and_its_case_is_shown(tmp_path):
    found = recorded(wrong=("lstm", "one-row"))
    found_text = verified(found, tmp_path / "page.html").text
    assert re.search(
        r"first layer that differs is\s+lstm\s+\(LSTM\), case one-row", found_text
    )
    with inspecting(STACK) as (_, opened):
        shown = Reader("".join(states(found.evidence, opened)))
    # The layer that differs comes first, in its case, by the units furthest apart.
    units = [text for text in shown.texts if text.startswith("unit ")]
    assert "LSTM, one-row, row 0." in shown.texts
    assert shown.texts.index("LSTM, one-row, row 0.") < shown.text.index(
        "GRU, all-rows"
    )
    count = found.evidence.cases[0].nodes[1].ours[0].shape[-1]
    assert units[:3] == [f"unit {i}" for i in range(count)[-3:]]


def test_a_layer_of_one_output_shows_the_states_before_it(tmp_path):
    page = verified(recorded(), tmp_path / "page.html")
    last = recorded().evidence.cases[0].nodes[3]
    assert last.theirs[0].ndim == 2
    assert "Keras gives only the last state" in page.text
    labels = [value for _, key, value in page.attributes if key == "aria-label"]
    own = [text for text in labels if text.startswith("Unit") and "gru_1 " in text]
    numbers = [re.findall(r"Keras (\S+), the runtime (\S+)", text)[0] for text in own]
    assert len(numbers) == min(3, last.theirs[0].shape[1])
    for theirs, ours in numbers:
        assert np.isclose(last.theirs[0], float(theirs), rtol=1e-5).any()
        assert float(ours) == pytest.approx(float(theirs), rel=1e-4)


def test_no_peak_is_lost_where_a_sequence_is_longer_than_a_line():
    values = np.zeros(10_007)
    values[[3, 5_001, 10_006]] = 1, 2, 3
    found = thinned(values)
    assert len(found) <= MOST_POINTS
    assert sorted(found[found > 0]) == [1, 2, 3]
    assert thinned(values[:MOST_STEPS]).tolist() == values[:MOST_STEPS].tolist()
