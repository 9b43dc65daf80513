"""Work that is cut into pieces gives what Keras gave, also where pieces are tiny.

Fixtures are far smaller than the pieces of real use: here one window, one sample and
one number at a time.
"""

import pytest

import goldens
from gru2np_runtime import load
from gru2np_runtime.layers import scores as _scores
from gru2np_runtime.layers import windows as _windows

CUT = ("conv", "pool", "attention", "separable")
CASES = [
    golden
    for golden in goldens.all_goldens()
    if not goldens.refused(golden) and any(word in golden.name for word in CUT)
]


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: golden.name)
def test_tiny_pieces_give_what_keras_gave(golden, monkeypatch):
    for name in ("ROWS", "PIECE", "TAPS"):
        monkeypatch.setattr(_windows, name, 1)
    monkeypatch.setattr(_scores, "SCORES", 1)
    model = load(golden.bundle())
    for call in range(golden.calls):
        inputs = dict(zip(model.input_names, golden.arrays(call, "x")))
        outputs = goldens.flat(model.predict(inputs))
        for y, wanted in zip(outputs, golden.arrays(call, "y")):
            golden.close(y, wanted, f"call {call}")


def test_there_are_cases():
    assert len(CASES) > 50
