"""Plots on a page: axes, lines and histograms of any numbers."""

from __future__ import annotations

import re

import numpy as np
import pytest

from gru2np.reports.plots import LogAxis, Series, histogram, lines


def test_an_axis_holds_its_numbers_within_whole_decades():
    axis = LogAxis([0.0, 3e-7, 2e-5, float("inf"), float("nan")])
    assert (axis.low, axis.high) == (-7, -4)
    assert axis.at(1e-7) == 0
    assert axis.at(1e-4) == pytest.approx(1)
    assert axis.at(0) == axis.at(float("nan")) == 0
    assert axis.at(float("inf")) == 1
    places = [axis.at(value) for value in (3e-7, 1e-6, 2e-5)]
    assert places == sorted(places)


@pytest.mark.parametrize(
    "values",
    [
        [-1.7e308, 1.0, 1.7e308],
        [1.0, 1.0000000000000002],
        [1e20, 1e20],
        [0.0, 5e-324],
        [0.0],
        [float("nan"), float("inf")],
    ],
)
def test_numbers_at_the_ends_of_their_range_are_drawn(values):
    with np.errstate(all="raise"):
        for kind in ("runtime", "error"):
            drawn = lines([Series(kind, values)], "what", log=kind == "error")
            assert "nan" not in drawn
            assert "inf" not in drawn
        assert "nan" not in histogram(np.array(values), "what")


def test_a_histogram_counts_every_number():
    numbers = np.repeat([-2.0, 0.5, 3.0], [1, 4, 2])
    path = re.search(r'class="bars"', histogram(numbers, "x"))
    assert path
    tops = re.findall(r"V([\d.]+)h", histogram(numbers, "x"))
    # 7 bars from -2 to 3: heights 1, 4 and 2 of 4.
    assert [100 - float(top) for top in tops] == [25, 100, 50]
