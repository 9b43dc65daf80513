"""Which numbers are drawn around the boundary values of layers."""

from __future__ import annotations

import numpy as np

from gru2np.verification.input_usage import Usage
from gru2np.verification.landmarks import pool


def test_both_sides_of_a_boundary_are_drawn_and_nothing_that_counts_as_zero():
    found = pool(Usage(breakpoints=[3.5]), "float32", half=False)
    at = np.float32(3.5)
    sides = [np.nextafter(at, np.float32(s)) for s in (0, 9)]
    assert {at, *sides} <= {*found}
    assert found.min() < 2
    assert found.max() >= 7
    beside_zero = pool(Usage(mask_values=[0.0]), "float32", half=False)
    least = np.abs(beside_zero[beside_zero != 0]).min()
    assert least == np.finfo(np.float32).tiny
    coarse = pool(Usage(breakpoints=[3.5]), "float32", half=True)
    assert at not in coarse
    assert coarse.min() < 3.4
    assert coarse.max() > 3.6


def test_integers_stay_within_their_type_and_legal_values():
    found = pool(Usage(vocabulary=[7, 2**40]), "int32", half=False)
    assert found.tolist() == [6, 7, 8]
    closed = pool(Usage(vocabulary=[7, 9], only_vocabulary=True), "int64", half=False)
    assert closed.tolist() == [7, 9]
    ids = Usage(rows=5, limit=5, breakpoints=[4.0, 9.0])
    assert pool(ids, "int32", half=False).tolist() == [3, 4]
    assert (
        pool(Usage(rows=5, limit=5, mask_values=[0.0]), "int32", half=False).size == 0
    )
