"""Fixtures that run step by step, and sessions of what Keras was given."""

from __future__ import annotations

import numpy as np
import pytest

import goldens
from goldens import flat
from gru2np_runtime import InputError, layers, load
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.model import Model
from kernel_cases import HARD

CASES = [
    golden
    for golden in goldens.all_goldens()
    if not goldens.refused(golden)
    and (goldens.EVERY or golden.folder.parent.name == "keras-3.15")
]


class Streamed:
    """A model and what its sessions are given: recorded rows, repeated over time."""

    def __init__(self, model, inputs) -> None:
        self.model = model
        self.inputs = inputs
        self.over_time = model.stream.per_step_inputs

    @classmethod
    def of(cls, golden):
        """A case; None where the model has no sessions because it has no steps."""
        model = load(golden.bundle())
        try:
            model.initial_state(1)
        except InputError as error:
            reason = str(error)
        else:
            return cls(model, golden.arrays(0, "x"))
        with pytest.raises(InputError) as refused:
            model.streams(1)
        assert str(refused.value) == reason
        return None

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


class RecurrentCase:
    """A recurrent layer with random weights and options, a mask and initial states."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)

        def chance() -> bool:
            return bool(rng.integers(2))

        cls = (layers.GRU, layers.LSTM, layers.SimpleRNN)[seed % 3]
        self.features, self.units = (int(n) for n in rng.integers(1, 40, 2))
        options = {"activation": str(rng.choice(["tanh", "relu", "sigmoid", "elu"]))}
        if cls is layers.GRU:
            options["reset_after"] = chance()
        if cls is not layers.SimpleRNN:
            options["recurrent_activation"] = "sigmoid" if chance() else HARD
        for name in ("return_sequences", "return_state", "use_bias"):
            options[name] = chance()
        rules = ("previous", "state", "zero")
        options["masked_output"] = rules[rng.integers(3)]
        if cls is layers.LSTM and options["masked_output"] == "state":
            options["masked_state"] = int(rng.integers(2))
        self.masked, self.from_inputs = chance(), chance()
        self.dtype = "float32" if seed % 4 else "float64"
        self.layer = cls(units=self.units, dtype=self.dtype, **options)
        scale = 0.5 / np.sqrt(max(self.features, self.units))
        shapes = self.layer.weight_shapes((None, None, self.features))
        self.weights = {
            f"rnn/{name}": (rng.normal(size=shape) * scale).astype(self.dtype)
            for name, shape in shapes.items()
        }

    def model(self):
        """The layer as a model."""
        units, shape = self.units, (None, None, self.features)
        ports = [Port("x", shape, self.dtype)]
        if self.masked:
            ports.append(Port("mask", (None, None), "bool"))
        states = [f"state{i}" for i, _ in enumerate(self.layer.state_sizes())]
        states = states if self.from_inputs else []
        ports += [Port(name, (None, units), self.dtype) for name in states]
        inputs = [("x", 0), *((name, 0) for name in states)]
        mask = ("mask", 0) if self.masked else None
        shapes = self.layer.output_shapes(shape)
        outputs = [
            Port(f"y{i}", y, self.dtype, ("rnn", i)) for i, y in enumerate(shapes)
        ]
        nodes = [Node("rnn", "rnn", inputs, mask)]
        return Model(Graph(ports, nodes, outputs, {"rnn": self.layer}), self.weights)

    def inputs(self, rng, sessions, time):
        """Random inputs of all sessions."""
        arrays = [rng.normal(size=(sessions, time, self.features)).astype(self.dtype)]
        if self.masked:
            arrays.append(rng.integers(0, 2, (sessions, time)).astype(bool))
        if self.from_inputs:
            count = len(self.layer.state_sizes())
            states = rng.normal(size=(count, sessions, self.units))
            arrays += list(states.astype(self.dtype))
        return arrays

    def one_step(self, arrays):
        """The first time step, without the time axis."""
        over_time = 1 + self.masked
        return [x[:, 0] if i < over_time else x for i, x in enumerate(arrays)]
