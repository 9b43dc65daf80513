"""The meaning of each number of ``get_weights()``: GRU(2) on one feature, Dense(1).

The command line shows the same: ``gru2np inspect model.h5``.
"""

import tempfile
from pathlib import Path

import numpy as np

import gru2np
from gru2np_runtime import load

CASE = Path(__file__).parent.parent / "fixtures" / "keras-2.2" / "get_weights_explained"


def main():
    """Print the parts of the arrays, and compare predictions with Keras."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "model.npz"
        gru2np.export(CASE / "model.h5", bundle)
        model = load(bundle)
    gru, dense = model.layers
    kernel, recurrent_kernel, bias = (
        gru.weights[name] for name in ("kernel", "recurrent_kernel", "bias")
    )
    print(f"kernel {kernel.shape}, recurrent_kernel {recurrent_kernel.shape}", end="")
    print(f", bias {bias.shape}: reset_after={gru.layer.reset_after}\n")
    for gate, columns in (("z", slice(0, 2)), ("r", slice(2, 4)), ("h", slice(4, 6))):
        print(f"{gate}, columns {columns.start} and {columns.stop - 1}")
        print(f"  from the input feature     {kernel[0, columns]}")
        for unit in range(2):
            print(
                f"  from unit {unit} one step back  {recurrent_kernel[unit, columns]}"
            )
        print(f"  bias with the input        {bias[0, columns]}")
        print(f"  bias with the state        {bias[1, columns]}")
    print(f"\nDense: {dense.weights['kernel'].ravel()} and {dense.weights['bias']}")
    with np.load(CASE / "io.npz") as recorded:
        x, keras = recorded["call0.x0"], recorded["call0.y0"]
    difference = float(np.abs(model.predict(x) - keras).max())
    print(f"largest difference from Keras 2.2.4: {difference:.1e}")
    return difference


if __name__ == "__main__":
    main()
