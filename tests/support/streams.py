"""Models that stream, random ones and fixtures, and sequences cut at random."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import goldens
from goldens import flat
from gru2np_runtime import InputError, Model, layers, load
from gru2np_runtime.data import Structure
from gru2np_runtime.graph import Graph, Node, Port
from kernel_cases import HARD, stored
from layer_examples import weights_of
from spatial_examples import window

FEATURES = 5


def cases(*generations):
    """Fixtures of these, or of all."""
    return [
        golden
        for golden in goldens.all_goldens()
        if not goldens.refused(golden)
        and (goldens.EVERY or golden.folder.parent.name in generations)
    ]


class Streaming:
    """A model with random layers and options, and inputs for it, all from one seed.

    Args:
        seed: of everything.
        chain: consecutive recurrent and Dense layers alone, which a kernel fuses.
        rows: of the inputs; random by default.
        storage: of the kernels of recurrent and Dense layers.
        rng: draws in the place of a generator with the seed.
    """

    def __init__(
        self,
        seed: int,
        *,
        chain: bool = False,
        rows: int = 0,
        storage: str = "float32",
        rng: Any = None,
    ) -> None:
        rng = np.random.default_rng(seed) if rng is None else rng
        self.rng = rng
        self.chain = chain
        self.rows = rows or int(rng.choice([1, 1, 2, 3, 40]))
        self.time = int(rng.integers(20, 50))
        self.masked = not chain and self.chance()
        self.dtype = "float32" if chain or rng.integers(4) else "float64"
        self.parts: dict[str, layers.Layer] = {}
        self.nodes: list[Node] = []
        self.weights: dict[str, np.ndarray] = {}
        self.ports = [Port("x", (None, None, FEATURES), self.dtype)]
        self.source, self.shape = ("x", 0), self.ports[0].shape
        self.every = self.chance()
        self.recurrent: list[str] = []
        if self.masked:
            self.ports.append(Port("mask", (None, None), "bool"))
        if not chain and self.chance():
            options = {"strides": (1,), "dilation": (int(rng.integers(1, 3)),)}
            self.add(
                layers.Conv(
                    filters=4,
                    padding="causal",
                    **window(1, **options),
                    dtype=self.dtype,
                )
            )
        count = int(rng.integers(1, 4))
        for i in range(count):
            self.add_recurrent(every=self.every or i < count - 1, first=i == 0)
            if not chain and self.chance():
                self.add(layers.LayerNormalization(dtype=self.dtype))
            elif self.chance():
                self.add(layers.Dense(units=int(rng.integers(1, 9)), dtype=self.dtype))
        outputs = [Port("y", self.shape, self.dtype, self.source), *self.state_ports()]
        names = [port.name for port in outputs]
        graph = Graph(self.ports, self.nodes, outputs, self.parts)
        self.model = Model(
            graph,
            stored(self.weights, storage),
            inputs=Structure("list", [port.name for port in self.ports]),
            outputs=Structure("list", names) if names[1:] else None,
        )
        self.inputs = self.drawn(self.rows, self.time)

    def chance(self) -> bool:
        return bool(self.rng.integers(2))

    def add(self, layer, states=(), mask=None) -> None:
        """A layer behind the last one."""
        name = f"{len(self.parts)}_{layer.op}"
        self.parts[name] = layer
        ports = {port.name: port.shape for port in self.ports}
        shapes = [self.shape, *(ports[state] for state in states)]
        for key, value in weights_of(layer, shapes, self.rng).items():
            self.weights[f"{name}/{key}"] = (0.3 * value).astype(self.dtype)
        inputs = [self.source, *((state, 0) for state in states)]
        self.nodes.append(Node(name, name, inputs, mask))
        self.source, self.shape = (name, 0), layer.output_shapes(*shapes)[0]

    def add_recurrent(self, *, every: bool, first: bool) -> None:
        """A GRU, an LSTM or a SimpleRNN with whatever options stream."""
        rng = self.rng
        cls = (layers.GRU, layers.LSTM, layers.SimpleRNN)[rng.integers(3)]
        known = ["tanh", "tanh", "relu", "sigmoid"]
        options = {
            "activation": str(rng.choice(known if self.chain else [*known, "elu"])),
            "use_bias": self.chance(),
            "return_sequences": every,
            "return_state": self.chance(),
            "dtype": self.dtype,
        }
        if cls is layers.GRU:
            options["reset_after"] = self.chance()
        if cls is not layers.SimpleRNN:
            options["recurrent_activation"] = "sigmoid" if self.chance() else HARD
        rules = ["previous", "state", "zero"] + ["zero_in_input_order"] * every
        options["masked_output"] = str(rng.choice(rules))
        if cls is layers.LSTM and options["masked_output"] == "state":
            options["masked_state"] = int(rng.integers(2))
        layer = cls(units=int(rng.integers(1, 40)), **options)
        states = []
        if first and not self.chain and self.chance():
            states = [f"state_{i}" for i in range(len(layer.state_sizes()))]
            shape = (None, layer.units)
            self.ports += [Port(name, shape, self.dtype) for name in states]
        self.add(layer, states, ("mask", 0) if self.masked else None)
        self.recurrent.append(self.source[0])

    def state_ports(self) -> list[Port]:
        """Outputs with the states of the last recurrent layer, if it returns them."""
        node = next(n for n in reversed(self.nodes) if n.name in self.recurrent)
        layer = self.parts[node.name]
        if self.chain or not layer.return_state:
            return []
        shape = (None, layer.units)
        return [
            Port(f"after_{i}", shape, self.dtype, (node.name, 1 + i))
            for i in range(len(layer.state_sizes()))
        ]

    def drawn(self, rows: int, time: int) -> list[np.ndarray]:
        """Random inputs."""
        arrays = []
        for port in self.ports:
            sizes = (rows, time)[: 2 if port.name in ("x", "mask") else 1]
            shape = (*sizes, *port.shape[len(sizes) :])
            if port.name == "mask":
                arrays.append(self.rng.integers(0, 2, shape).astype(bool))
            else:
                arrays.append(self.rng.normal(size=shape).astype(port.dtype))
        return arrays

    def at(self, inputs, time):
        """One time step of inputs."""
        pairs = zip(inputs, self.model.stream.per_step_inputs)
        return [x[:, time] if over else x for x, over in pairs]


def cut(rng, time: int, least: int = 1) -> list[slice]:
    """Where a sequence is cut at random, into parts of so many steps or more."""
    begin, parts = 0, []
    while begin < time:
        end = begin + int(rng.integers(least, 20))
        end = time if end > time - least else end
        parts.append(slice(begin, end))
        begin = end
    return parts


def run_parts(model, inputs, parts, state, *, steps=True):
    """The outputs of parts of a sequence, joined where they have every step.

    Args:
        model: to run.
        inputs: whole sequences, and what has no time axis.
        parts: slices of the time axis.
        state: before the first part.
        steps: run a part of one step with ``step``.
    """
    over_time = model.stream.per_step_inputs
    found = []
    for part in parts:
        single = steps and part.stop - part.start == 1
        where = part.start if single else part
        given = [x[:, where] if over else x for x, over in zip(inputs, over_time)]
        call = model.step if single else model.advance
        y, state = call(dict(zip(model.input_names, given)), state)
        every = model.stream.per_step_outputs
        pairs = zip(flat(y), every)
        found.append([z[:, None] if single and over else z for z, over in pairs])
    return joined(model, *found)


def joined(model, *found):
    """The outputs of consecutive parts of a sequence, as those of one part."""
    return [
        np.concatenate(ys, axis=1) if over else ys[-1]
        for ys, over in zip(zip(*found), model.stream.per_step_outputs)
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
