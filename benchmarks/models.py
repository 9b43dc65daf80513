"""What is measured: models with random weights, and what they give in float64."""

from __future__ import annotations

import json
import zlib
from dataclasses import asdict, dataclass, replace
from itertools import cycle, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    Array = np.ndarray[Any, Any]
    # Layers, their directions (two where bidirectional), arrays in Keras' layout.
    Weights = list[list[dict[str, Array]]]

GATES = {"gru": 3, "lstm": 4, "simple_rnn": 1}
# Rows and steps that are compared with float64; all where there are fewer.
CHECKED_ROWS = 64
CHECKED_STEPS = 64
# Blocks that are.
CHECKED_BLOCKS = 3


@dataclass(frozen=True)
class Workload:
    """One model and the size of the data it is given.

    Attributes:
        name: names its folder, and its row in the report.
        title: for people.
        cell: ``gru``, ``lstm`` or ``simple_rnn``.
        layers: how many recurrent layers stand on each other.
        head: units of a Dense layer on the last step; 0 for none.
        sequences: whether the last recurrent layer gives every step.
        step: whether the state is carried over, and a call is of ``time`` steps.
        sessions: states of streams that are kept; a call is a step of ``batch`` of
            them.
        network: a model of ``networks.py``, which Keras makes; all but the batch is
            said there.
    """

    name: str
    title: str
    cell: str = "gru"
    units: int = 64
    features: int = 32
    time: int = 100
    batch: int = 1
    layers: int = 1
    bidirectional: bool = False
    head: int = 0
    sequences: bool = False
    step: bool = False
    sessions: int = 0
    network: str = ""

    @property
    def states(self) -> int:
        """How many state arrays a layer carries."""
        return 2 if self.cell == "lstm" else 1

    def inputs_of(self, layer: int) -> int:
        """Features that a recurrent layer reads."""
        return self.features if layer == 0 else self.width

    @property
    def width(self) -> int:
        """Features that a recurrent layer gives."""
        return self.units * (2 if self.bidirectional else 1)

    def returns_sequences(self, layer: int) -> bool:
        """Whether this recurrent layer gives every step."""
        return self.sequences or layer < self.layers - 1

    def to_json(self) -> dict[str, Any]:
        """A record that ``from_json`` takes back."""
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> Workload:
        """The workload of a record."""
        return cls(**record)


STEPS = [
    Workload(
        "step-stack", "3 x GRU64 + Dense2, 4 features", features=4, layers=3, head=2
    ),
    Workload(
        "step-gru20", "GRU20 + Dense1, 13 features", units=20, features=13, head=1
    ),
    Workload("step-gru256", "GRU256, 64 features", units=256, features=64),
]
STEPS = [replace(workload, time=1, step=True) for workload in STEPS]
BLOCKS = [
    Workload(
        f"blocks-stack-t{time}",
        f"3 x GRU64, 4 features, blocks of {time} steps",
        features=4,
        layers=3,
        sequences=True,
        time=time,
        step=True,
    )
    for time in (16, 64, 128, 512)
]


def _sequence(name: str, title: str, time: int, **options: Any) -> Workload:
    return Workload(
        f"{name}-t{time}", f"{title}, T = {time}", time=time, sequences=True, **options
    )


SESSIONS = [
    replace(
        STEPS[0],
        name=f"sessions-{batch}-of-{sessions}",
        title=f"{batch:,} of {sessions:,} sessions",
        batch=batch,
        sessions=sessions,
    )
    for sessions in (1, 100, 1000, 10_000)
    for batch in sorted({sessions, max(1, sessions // 4)}, reverse=True)
]


SEQUENCES = [
    _sequence(name, title, time, **options)
    for name, title, options in (
        ("gru64", "GRU64", {}),
        ("gru256", "GRU256", {"units": 256}),
        ("rnn64", "SimpleRNN64", {"cell": "simple_rnn"}),
        ("lstm64", "LSTM64", {"cell": "lstm"}),
        ("bigru128", "Bidirectional GRU128", {"units": 128, "bidirectional": True}),
    )
    for time in (100, 1000)
]
SEQUENCES.append(
    Workload("stack-t100", "3 x GRU64 + Dense2, T = 100", features=4, layers=3, head=2)
)
BATCHES = [
    Workload(
        f"gru{units}-b{batch}",
        f"GRU{units} + Dense10, batch {batch}, T = 50",
        units=units,
        time=50,
        batch=batch,
        head=10,
    )
    for batch in (32, 256, 4096)
    for units in (64, 128, 512)
]
# One sample of what a network is given.
NETWORKS_INPUTS = {"crnn": (32, 128, 1), "transformer": (64, 64)}
NETWORKS = [
    Workload(f"{name}-b{batch}", f"{title}, batch {batch}", batch=batch, network=name)
    for name, title in (
        ("crnn", "CRNN, picture of 32 x 128"),
        ("transformer", "Transformer encoder, T = 64"),
    )
    for batch in (1, 8)
]


def weights_of(workload: Workload) -> tuple[Weights, dict[str, Array] | None]:
    """Random weights in Keras' layout; the same for every time and batch size."""
    key = (workload.cell, workload.units, workload.features, workload.layers)
    rng = np.random.default_rng(zlib.crc32(repr(key).encode()))
    layers = []
    for layer in range(workload.layers):
        features = workload.inputs_of(layer)
        directions = 2 if workload.bidirectional else 1
        layers.append([_cell(workload, features, rng) for _ in range(directions)])
    if not workload.head:
        return layers, None
    shape = (workload.width, workload.head)
    kernel = rng.normal(0, workload.width**-0.5, shape).astype(np.float32)
    bias = rng.normal(0, 0.1, workload.head).astype(np.float32)
    return layers, {"kernel": kernel, "bias": bias}


def _cell(
    workload: Workload, features: int, rng: np.random.Generator
) -> dict[str, Array]:
    units, gates = workload.units, GATES[workload.cell]
    # Orthogonal blocks, as Keras starts with, made smaller so that nothing is chaotic.
    blocks = [np.linalg.qr(rng.normal(size=(units, units)))[0] for _ in range(gates)]
    rows = (2, gates * units) if workload.cell == "gru" else (gates * units,)
    arrays = {
        "kernel": rng.normal(0, features**-0.5, (features, gates * units)),
        "recurrent_kernel": 0.9 * np.concatenate(blocks, axis=1),
        "bias": rng.normal(0, 0.1, rows),
    }
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def data_of(workload: Workload) -> Array:
    """x: (batch, time, features) or the network's.

    Stepped (steps, batch, features); in blocks (blocks, batch, time, features).
    """
    rng = np.random.default_rng(7)
    shape = (workload.batch, workload.time, workload.features)
    if workload.network:
        shape = (workload.batch, *NETWORKS_INPUTS[workload.network])
    if workload.step:
        shape = (CHECKED_STEPS, workload.batch, workload.features)
        if workload.time > 1:
            shape = (
                CHECKED_BLOCKS,
                workload.batch,
                workload.time,
                workload.features,
            )
    return rng.normal(size=shape).astype(np.float32)


def sessions_of_calls(workload: Workload) -> Iterator[Array]:
    """Which sessions each call is of: the same for what is checked, then others.

    All of them stand in order; some are drawn anew.
    """
    rng = np.random.default_rng(11)
    everyone = np.arange(workload.sessions)
    if workload.batch == workload.sessions:
        yield from repeat(everyone)
    drawn = [rng.permutation(everyone)[: workload.batch] for _ in range(16)]
    yield from repeat(drawn[0], CHECKED_STEPS)
    yield from cycle(drawn)


def write_data(folder: Path, workload: Workload) -> None:
    """Write ``workload.json``, ``weights.npz``, ``x.npy`` and float64's ``y.npy``.

    The weights and ``y.npy`` of a network are Keras' own, see ``networks.py``.
    """
    from peers.by_hand import Naive

    (folder / "workload.json").write_text(json.dumps(workload.to_json()), "utf-8")
    x = data_of(workload)
    if workload.network:
        np.save(folder / "x.npy", x)
        return
    layers, head = weights_of(workload)
    arrays = {
        f"{i}/{j}/{name}": array
        for i, directions in enumerate(layers)
        for j, weights in enumerate(directions)
        for name, array in weights.items()
    }
    arrays |= {f"head/{name}": array for name, array in (head or {}).items()}
    np.savez(folder / "weights.npz", **arrays)
    np.save(folder / "x.npy", x)
    naive = Naive(workload, layers, head, np.float64)
    if workload.step:
        step = naive.begin()
        rows = x[:, :CHECKED_ROWS].astype(np.float64)
        y = np.stack([step(given) for given in rows])
    else:
        y = naive.run(x[:CHECKED_ROWS].astype(np.float64))
    np.save(folder / "y.npy", y)


def read_weights(folder: Path) -> tuple[Weights, dict[str, Array] | None]:
    """What ``weights_of`` gave, from its file."""
    layers: Weights = []
    head: dict[str, Array] = {}
    with np.load(folder / "weights.npz") as file:
        for key in file.files:
            place, _, name = key.rpartition("/")
            if place == "head":
                head[name] = file[key]
                continue
            i, j = map(int, place.split("/"))
            while len(layers) <= i:
                layers.append([])
            while len(layers[i]) <= j:
                layers[i].append({})
            layers[i][j][name] = file[key]
    return layers, head or None
