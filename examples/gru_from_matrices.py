"""A GRU from three arrays: with gru2np, by hand, and by hand with two mistakes."""

import numpy as np

from gru2np_runtime import layers

UNITS, FEATURES = 6, 4


def sigmoid(x):
    """The logistic function."""
    return 1 / (1 + np.exp(-x))


def by_hand(x, h, kernel, recurrent_kernel, bias, *, swapped=False, summed=False):
    """One step by hand; each of the two options is a common mistake."""
    if summed:  # both bias rows before the reset gate
        bias = np.stack([bias[0] + bias[1], np.zeros_like(bias[1])])
    x_z, x_r, x_h = np.split(x @ kernel + bias[0], 3)
    h_z, h_r, h_h = np.split(h @ recurrent_kernel + bias[1], 3)
    z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
    hh = np.tanh(x_h + r * h_h)
    return (1 - z) * h + z * hh if swapped else z * h + (1 - z) * hh


def main():
    """Run a sequence in four ways, and compare the last states."""
    rng = np.random.default_rng(6)
    weights = {
        "kernel": rng.normal(size=(FEATURES, 3 * UNITS)),
        "recurrent_kernel": rng.normal(size=(UNITS, 3 * UNITS)),
        "bias": rng.normal(size=(2, 3 * UNITS)),
    }
    sequence = rng.normal(size=(8, FEATURES))
    gru = layers.GRU(units=UNITS, reset_after=True, dtype="float64").bind(**weights)
    state = gru.initial_state(batch_size=1)
    for x in sequence:
        h, state = gru.step(x[None], state)
    right = h[0]
    rows = {"gru2np, as Keras": right}
    for name, mistake in (
        ("by hand, right", {}),
        ("z and 1 - z swapped", {"swapped": True}),
        ("bias rows summed", {"summed": True}),
    ):
        h = np.zeros(UNITS)
        for x in sequence:
            h = by_hand(x, h, *weights.values(), **mistake)
        rows[name] = h
    for name, h in rows.items():
        error = np.abs(h - right).max()
        print(f"{name:22} {np.array2string(h, precision=4)}  off by {error:.0e}")
    return rows


if __name__ == "__main__":
    main()
