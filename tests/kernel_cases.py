"""Random recurrent layers with odd sizes, for the compiled kernel.

Run as a program, it compares a library with the plain recurrence in float64: so it can
run under a sanitizer, in a process of its own.
"""

from __future__ import annotations

import sys

import numpy as np

from gru2np_runtime import _compiled, _kernel, layers
from gru2np_runtime._recurrence import Recurrence

HARD = {"function": "hard_sigmoid", "slope": 0.2}


class Case:
    """A layer with random weights, inputs and options, all from one seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)

        def chance() -> bool:
            return bool(rng.integers(2))

        cls = (layers.GRU, layers.LSTM, layers.SimpleRNN)[seed % 3]
        self.features, self.units = (int(n) for n in rng.integers(1, 80, 2))
        self.batch, self.time = int(rng.integers(1, 14)), int(rng.integers(1, 40))
        if seed % 11 == 0:
            self.batch, self.time = int(rng.integers(90, 300)), int(rng.integers(1, 4))
        options = {
            "activation": str(rng.choice(["tanh", "tanh", "relu", "linear", "sigmoid"]))
        }
        if cls is layers.GRU:
            options["reset_after"] = chance()
        if cls is not layers.SimpleRNN:
            options["recurrent_activation"] = "sigmoid" if chance() else HARD
        for name in ("return_state", "go_backwards", "time_major", "use_bias"):
            options[name] = chance()
        rules = ("previous", "state", "zero", "zero_in_input_order")
        options["masked_output"] = rules[rng.integers(4)]
        last = options["masked_output"] != "zero_in_input_order"
        options["return_sequences"] = chance() or not last
        if cls is layers.LSTM and options["masked_output"] == "state":
            options["masked_state"] = int(rng.integers(2))
        self.layer = cls(units=self.units, **options)
        # Small enough that errors do not grow from step to step.
        scale = 0.7 / np.sqrt(max(self.features, self.units))
        if options["activation"] in ("relu", "linear"):
            scale *= 0.3
        self.weights = {
            name: (rng.normal(size=shape) * scale).astype(np.float32)
            for name, shape in self.layer.weight_shapes(
                (None, None, self.features)
            ).items()
        }
        shape = (self.batch, self.time)
        if options["time_major"]:
            shape = shape[::-1]
        self.x = rng.normal(size=(*shape, self.features)).astype(np.float32)
        if seed % 5 == 0:
            self.x = np.asfortranarray(self.x)
        self.mask = rng.integers(0, 2, shape).astype(bool) if chance() else None
        states = [
            rng.normal(size=(self.batch, self.units)).astype(np.float32)
            for _ in self.layer.state_sizes()
        ]
        self.states = states if chance() else []
        self.previous = states[0] * 0.5 if chance() else None

    def run(self, plan, x):
        """Outputs and the arrays of the carry after."""
        carry = plan.begin(self.batch, self.states)
        carry.previous = self.previous
        outputs, after = plan.advance(x, self.mask, carry)
        return [*outputs, *after.states, after.previous]

    def reference(self):
        """What the plain recurrence gives in float64."""
        weights = {name: w.astype(np.float64) for name, w in self.weights.items()}
        return self.run(Recurrence(self.layer, weights), self.x.astype(np.float64))

    def compiled(self, library, width):
        """What a library gives with vectors of one width."""
        packed = _compiled.pack_recurrent(library, self.layer, self.weights, width)
        plan = _compiled.CompiledRecurrence(self.layer, self.weights, packed)
        return self.run(plan, self.x)

    def check(self, library, width) -> None:
        """The library is as near to float64 as float32 can be, and changes no input."""
        held = [s.copy() for s in self.states], self.x.copy()
        got = self.compiled(library, width)
        for state, before in zip(self.states, held[0]):
            np.testing.assert_array_equal(state, before)
        np.testing.assert_array_equal(self.x, held[1])
        expected = self.reference()
        assert len(got) == len(expected)
        for y, wanted in zip(got, expected):
            assert y.shape == wanted.shape
            assert y.dtype == np.float32
            np.testing.assert_allclose(y, wanted, rtol=2e-6, atol=2e-6)


if __name__ == "__main__":
    found = _kernel.open_library(sys.argv[1])
    if isinstance(found, str):
        sys.exit(found)
    for number in range(int(sys.argv[2])):
        for width in range(_kernel.level(found) + 1):
            Case(number).check(found, width)
    print("checked", sys.argv[2])
