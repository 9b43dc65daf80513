"""A SimpleRNN that runs ten time steps: Input(10, 3), SimpleRNN(5), Dense(2)."""

import tempfile
from pathlib import Path

import numpy as np

import gru2np
from gru2np_runtime import load

CASE = Path(__file__).parent.parent / "fixtures" / "keras-3.15" / "simple_rnn_by_hand"


def main():
    """Run each step with gru2np and by hand; returns the largest differences."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "model.npz"
        gru2np.export(CASE / "model.keras", bundle)
        model = load(bundle)
    rnn, dense = (layer.weights for layer in model.layers)
    with np.load(CASE / "io.npz") as recorded:
        x, keras = recorded["call0.x0"], recorded["call0.y0"]
    state = model.initial_state(batch_size=len(x))
    h = np.zeros((len(x), 5))
    for t in range(10):
        y, state = model.step(x[:, t], state)
        h = np.tanh(x[:, t] @ rnn["kernel"] + rnn["bias"] + h @ rnn["recurrent_kernel"])
        by_hand = h @ dense["kernel"] + dense["bias"]
        print(f"step {t}: first row {y[0]}, by hand {by_hand[0]}")
    (carried,) = next(iter(state.arrays().values()))
    differences = (
        float(np.abs(y - keras).max()),
        float(np.abs(y - by_hand).max()),
        float(np.abs(carried - h).max()),
    )
    print(f"largest difference from Keras 3.15 at the end: {differences[0]:.1e}")
    return differences


if __name__ == "__main__":
    main()
