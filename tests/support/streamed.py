"""Fixtures that run step by step, and sessions of what Keras was given."""

from __future__ import annotations

import numpy as np

import goldens
from goldens import flat
from gru2np_runtime import InputError, load


def _streams(golden) -> bool:
    try:
        load(golden.bundle()).initial_state(1)
    except InputError:
        return False
    return True


CASES = [
    golden
    for golden in goldens.all_goldens()
    if not goldens.refused(golden)
    and (goldens.EVERY or golden.folder.parent.name == "keras-3.15")
    and _streams(golden)
]


class Streamed:
    """A model and what its sessions are given: recorded rows, repeated over time."""

    def __init__(self, golden) -> None:
        self.model = load(golden.bundle())
        self.inputs = golden.arrays(0, "x")
        self.over_time = self.model.stream.per_step_inputs

    def row(self, session: int):
        return [x[session % len(x)] for x in self.inputs]

    def at(self, sessions, times):
        """One time step of each session, at a time of its own."""
        return [
            np.stack(
                [
                    x[s % len(x), (s + t) % x.shape[1]] if over else x[s % len(x)]
                    for s, t in zip(sessions, times)
                ]
            )
            for x, over in zip(self.inputs, self.over_time)
        ]

    def block(self, sessions, start, stop):
        """The same time steps of each session."""
        steps = [self.at(sessions, [t] * len(sessions)) for t in range(start, stop)]
        return [
            np.stack([step[i] for step in steps], axis=1) if over else steps[0][i]
            for i, over in enumerate(self.over_time)
        ]

    def step_alone(self, session, time):
        """Every output of a session in streams of its own, single steps."""
        streams = self.model.streams(1)
        ids = [streams.open()]
        return [flat(streams.step(ids, self.at([session], [t]))) for t in range(time)]

    def blocks_alone(self, session, cuts):
        """The same in blocks."""
        streams = self.model.streams(1)
        ids = [streams.open()]
        return [flat(streams.advance(ids, self.block([session], *cut))) for cut in cuts]
