"""Three stateful GRUs and a Dense, one time step per call, as in a control loop.

The model was saved by Keras 2.1.4 with ``stateful=True`` and ``hard_sigmoid`` gates.
``predict`` keeps the state in the model, as Keras does; ``step`` returns it.
"""

import tempfile
from pathlib import Path

import numpy as np

import gru2np
from gru2np_runtime import load

CASE = Path(__file__).parent.parent / "fixtures" / "keras-2.1" / "stateful_stack"


def main(calls=None):
    """Run the recorded calls both ways; the largest difference from Keras."""
    with np.load(CASE / "io.npz") as recorded:
        inputs, keras = recorded["calls.x0"], recorded["calls.y0"]
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "stack.npz"
        gru2np.export(CASE / "model.h5", bundle)
        model = load(bundle)
    model.summary()
    state = model.initial_state(batch_size=1)
    carried = stepped = 0.0
    for x, y in zip(inputs[:calls], keras[:calls], strict=True):
        carried = max(carried, float(np.abs(model.predict(x) - y).max()))
        guess, state = model.step(x[:, 0], state)
        stepped = max(stepped, float(np.abs(guess - y).max()))
    print(f"\n{len(inputs[:calls])} calls, largest difference from Keras 2.1.4:")
    print(f"  predict, the model keeps the state  {carried:.1e}")
    print(f"  step, you keep the state            {stepped:.1e}")
    model.reset_states()
    return carried, stepped


if __name__ == "__main__":
    main()
