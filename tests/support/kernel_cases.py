"""Random recurrent layers with odd sizes, for the compiled kernel.

Run as a program, it compares a library with the plain recurrence in float64: so it can
run under a sanitizer, in a process of its own.
"""

from __future__ import annotations

import itertools
import sys
from typing import Any

import numpy as np

from gru2np_runtime import layers
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.kernels.c import chain as c_chain
from gru2np_runtime.kernels.c import library as c_library
from gru2np_runtime.kernels.c import plans as c_plans
from gru2np_runtime.kernels.c.chain import CompiledChain
from gru2np_runtime.kernels.plain.recurrent import Recurrence
from gru2np_runtime.model import Model
from gru2np_runtime.plan import Small, Weights
from gru2np_runtime.run.dispatch import make_plan

STORAGES = ("float32", "float16", "int8")
# What a number may differ from float64 with the same weights.  Beside int8 weights, few
# rows keep 16 bits of each number.
EXACT, IN_16_BITS = 2e-6, 1e-4
FEW_ROWS = 16
HARD = {"function": "hard_sigmoid", "slope": 0.2}


class Case:
    """A layer with random weights, inputs and options, all from one seed.

    Args:
        rng: draws in the place of a generator with the seed.
    """

    def __init__(self, seed: int, storage: str = "float32", rng: Any = None) -> None:
        rng = np.random.default_rng(seed) if rng is None else rng

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
        shapes = self.layer.weight_shapes((None, None, self.features))
        plain = {
            name: (rng.normal(size=shape) * scale).astype(np.float32)
            for name, shape in shapes.items()
        }
        self.weights = stored(plain, storage)
        self.difference = IN_16_BITS if storage == "int8" else EXACT
        shape = (self.batch, self.time)
        if options["time_major"]:
            shape = shape[::-1]
        self.x = rng.normal(size=(*shape, self.features)).astype(np.float32)
        if seed % 5 == 0:
            self.x = np.asfortranarray(self.x)
        if seed % 7 == 0:
            self.x = unaligned(self.x)
            self.weights = stored({k: unaligned(w) for k, w in plain.items()}, storage)
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
        packed = c_plans.pack_recurrent(library, self.layer, self.weights, width)
        plan = c_plans.CompiledRecurrence(self.layer, self.weights, packed)
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
            np.testing.assert_allclose(y, wanted, EXACT, self.difference)


# Layers of every kind, and the rows they are given in one batch: what a broken sensor
# or a wrong scale makes of an input, and nothing of it may reach another row.
KINDS = (
    (layers.GRU, {}),
    (layers.GRU, {"reset_after": False, "recurrent_activation": HARD}),
    (layers.LSTM, {}),
    (layers.LSTM, {"recurrent_activation": HARD}),
    (layers.SimpleRNN, {"activation": "sigmoid"}),
)
ROWS = (0.5, np.nan, np.inf, -np.inf, 1e-42, 3e38, -0.0, -30.0)
MOST_UNITS = 70


def check_units(library, width, units, storage="float32") -> None:
    """Layers of so many units, with every array as large as the library asks for."""
    rng = np.random.default_rng(units)
    features, time = units % 9 + 1, units % 4 + 1
    x = rng.normal(size=(len(ROWS), time, features)).astype(np.float32)
    x[:, 0, 0] = ROWS
    for cls, options in KINDS:
        layer = cls(units=units, return_sequences=True, **options)
        weights = stored(random_weights(layer, features, rng), storage)
        plain = Recurrence(layer, weights)
        with np.errstate(all="ignore"):
            (wanted,), after = plain.advance(x, None, plain.begin(len(x), ()))
        packed = c_plans.pack_recurrent(library, layer, weights, width)
        for rows in (1, len(ROWS)):
            most = IN_16_BITS if storage == "int8" else 1e-5
            y, states = run_apart(library, packed, x[:rows], len(after.states))
            near(y, wanted[:rows], most)
            for state, expected in zip(states, after.states):
                near(state, expected[:rows], most)
            parts = [(layer.op, packed, len(states))]
            near(chain_apart(library, parts, x[:rows]), wanted[:rows], most)
        check_sessions(library, parts, x, wanted, rng)


def check_sessions(library, parts, x, wanted, rng) -> None:
    """Sessions from zero: near the outputs wanted, and to the bit as each is alone."""
    order = rng.permutation(len(x))
    rows = rng.permutation(2 * len(x))[: len(x)]
    y, slabs = sessions_apart(library, parts, x[order], rows)
    near(y, wanted[order])
    unused = np.setdiff1d(np.arange(2 * len(x)), rows)
    for slab in slabs:
        np.testing.assert_array_equal(slab[unused], 0.0)
    for place, row in zip(order, rows):
        one, alone = sessions_apart(library, parts, x[place, None], np.array([0]))
        assert one.tobytes() == y[np.flatnonzero(order == place)].tobytes()
        for slab, other in zip(slabs, alone):
            assert other[0].tobytes() == slab[row].tobytes()


def check_blocks(library, width, units, storage="float32") -> None:
    """Two layers of so many units in blocks: as the whole, whatever the numbers are."""
    rng = np.random.default_rng(units)
    time, features = 19, units % 9 + 1
    rows = 97 if units in (2, 18) else (1, len(ROWS))[units % 2]
    x = rng.normal(size=(rows, time, features)).astype(np.float32)
    x[: len(ROWS), 3, 0] = ROWS[: min(rows, len(ROWS))]
    x[0, 3, 0] = ROWS[units % len(ROWS)]
    cls, options = KINDS[units % len(KINDS)]
    parts, inputs = [], features
    for i in range(2):
        layer = cls(units=units, return_sequences=True, **options)
        weights = stored(random_weights(layer, inputs, rng), storage)
        packed = c_plans.pack_recurrent(library, layer, weights, width)
        parts.append((str(i), packed, len(layer.state_sizes())))
        inputs = units
    for return_sequences in (True, False):
        chain = CompiledChain(parts, return_sequences=return_sequences)
        whole = chain.stepper({}, rows).advance(x)
        stepper, begin, found = chain.stepper({}, rows), 0, []
        for end in (2, 17, time):
            found.append(stepper.advance(x[:, begin:end]))
            begin = end
        y = np.concatenate(found, axis=1) if return_sequences else found[-1]
        np.testing.assert_array_equal(y, whole)
        stepper = chain.stepper({}, rows)
        out = np.empty((rows, units), np.float32)
        for t in range(time):
            stepper.step(x[:, t], out)
        # A block widens the weights of its inputs.
        most = 3 * IN_16_BITS if storage == "int8" else 1e-5
        near(out, whole[:, -1] if return_sequences else whole, most)


def random_weights(layer, features, rng):
    shapes = layer.weight_shapes((None, None, features))
    return {
        name: (rng.normal(size=shape) * 0.2).astype(np.float32)
        for name, shape in shapes.items()
    }


def small_gru():
    """A layer with weights, ready to run on the kernel that was chosen."""
    gru = layers.GRU(units=5, return_sequences=True)
    return gru.bind(**random_weights(gru, 3, np.random.default_rng(3)))


def chain_model(*, return_sequences=False, storage="float32"):
    """LSTM, Dense, GRU, SimpleRNN and Dense: every layer that a chain can hold."""
    parts = {
        "lstm": layers.LSTM(units=7, return_sequences=True),
        "softmax": layers.Dense(units=9, activation="softmax"),
        "gru": layers.GRU(units=11, reset_after=False, return_sequences=True),
        "rnn": layers.SimpleRNN(units=50, return_sequences=return_sequences),
        "dense": layers.Dense(units=3, activation="sigmoid"),
    }
    rng = np.random.default_rng(0)
    weights, nodes, source, shape = {}, [], ("x", 0), (None, None, 5)
    for name, layer in parts.items():
        for key, size in layer.weight_shapes(shape).items():
            values = rng.normal(size=size) * 0.2
            weights[f"{name}/{key}"] = values.astype(np.float32)
        shape = layer.output_shapes(shape)[0]
        nodes.append(Node(name, name, [source]))
        source = (name, 0)
    inputs = [Port("x", (None, None, 5), "float32")]
    outputs = [Port("y", shape, "float32", source)]
    return Model(Graph(inputs, nodes, outputs, parts), stored(weights, storage))


def near(y, wanted, most=1e-5):
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=most)


def stored(weights, storage):
    """Weights whose matrices are stored so; the others keep their float32."""
    if storage == "float32":
        return weights
    small = {}
    for name, array in weights.items():
        if not name.endswith("kernel") or array.shape[2:] or array.dtype != np.float32:
            continue
        if storage == "float16":
            small[name] = Small(array.astype(np.float16))
        else:
            scales = np.abs(array).max(axis=0) / np.float32(127)
            numbers = np.rint(array / np.where(scales > 0, scales, 1))
            small[name] = Small(numbers.astype(np.int8), scales)
    wide = {name: widened(weight) for name, weight in small.items()}
    return Weights({**weights, **wide}, small)


def unaligned(array):
    """The same numbers in C order, none of them at a multiple of its size."""
    y = np.frombuffer(bytearray(array.nbytes + 1), array.dtype, array.size, 1)
    y = y.reshape(array.shape)
    y[...] = array
    assert not array.size or not y.flags.aligned
    return y


def widened(weight):
    """A small weight in float32."""
    wide = weight.array.astype(np.float32)
    return wide if weight.scales is None else wide * weight.scales


def place(array):
    return array.__array_interface__["data"][0]


def run_apart(library, packed, x, count):
    """Outputs and states of a call whose arrays lie apart from each other."""
    rows, time, _ = x.shape
    x = x.copy()
    states = [np.zeros((rows, packed.units), np.float32) for _ in range(count)]
    last = np.zeros((rows, packed.units), np.float32)
    y = np.empty((rows, time, packed.units), np.float32)
    size = library.gru2np_workspace(packed.address, rows, time)
    arrays = (states[0], states[-1], last, y, np.empty(size, np.float32))
    row, step, _ = (stride // 4 for stride in x.strides)
    y_row, y_step, _ = (stride // 4 for stride in y.strides)
    call = c_plans._CALL.pack(
        place(x),
        0,
        *map(place, arrays),
        rows,
        time,
        row,
        step,
        0,
        0,
        y_row,
        y_step,
        0,
        0,
    )
    library.gru2np_run(packed.address, call)
    np.testing.assert_array_equal(last, y[:, -1])
    return y, states


def chain_apart(library, parts, x, *, return_sequences=True):
    """Outputs of a chain whose arrays lie apart from each other."""
    rows, time, _ = x.shape
    x = x.copy()
    chain = CompiledChain(parts, return_sequences=return_sequences)
    states, work = (np.empty(n, np.float32) for n in chain.workspace(rows, time))
    y = np.empty((rows, time if return_sequences else 1, chain.units), np.float32)
    strides = [stride // 4 for array in (x, y) for stride in array.strides[:2]]
    if not return_sequences:
        strides[3] = 0
    places = [place(array) for array in (x, states, y, work)]
    library.gru2np_chain(chain.call(places, (rows, time), strides, zero_states=True))
    return y


def sessions_apart(library, parts, x, rows):
    """Outputs and slabs of sessions in arrays that lie apart from each other.

    Args:
        rows: of the slabs, which have two for each session and start from zero.
    """
    count, time, _ = x.shape
    x, rows = x.copy(), rows.astype(np.int64)
    chain = CompiledChain(parts, return_sequences=True)
    slabs = [np.zeros((2 * count, n), np.float32) for _, n in chain.states]
    sizes = chain.workspace(max(2, min(count, c_chain.CHUNK)), time)
    states, work = (np.empty(n + c_chain.ALIGNMENT, np.float32) for n in sizes)
    y = np.empty((count, time, chain.units), np.float32)
    strides = [stride // 4 for array in (x, y) for stride in array.strides[:2]]
    places = [place(array) for array in (x, states, y, work)]
    slab_places = np.array([place(slab) for slab in slabs], np.uintp)
    call = chain.call(places, (count, time), strides)
    call += c_chain._SESSIONS.pack(place(slab_places), place(rows))
    library.gru2np_sessions(call)
    return y, slabs


def check_chain(library, width, storage="float32") -> None:
    """Layers of every kind in one call, for batches and times around whole tiles."""
    rng = np.random.default_rng(width)
    for return_sequences in (False, True):
        chain = (
            layers.LSTM(units=7, return_sequences=True),
            layers.Dense(units=9, activation="softmax"),
            layers.GRU(units=11, reset_after=False, return_sequences=True),
            layers.SimpleRNN(units=50, return_sequences=True),
            layers.Dense(units=3, activation="sigmoid"),
        )
        bound, parts, features = [], [], 5
        for layer in chain:
            weights = stored(random_weights(layer, features, rng), storage)
            bound.append((layer, weights))
            features = layer.units
            count = {"lstm": 2, "dense": 0}.get(layer.op, 1)
            pack = c_plans.pack_recurrent if count else c_plans.pack_dense
            parts.append((layer.op, pack(library, layer, weights, width), count))
        for rows, time in ((1, 1), (1, 65), (2, 33), (97, 2), (200, 1)):
            x = rng.normal(size=(rows, time, 5)).astype(np.float32)
            wanted = x
            for layer, weights in bound:
                wanted = make_plan(layer, weights, fast=False).run([wanted], None)[0]
            if not return_sequences:
                wanted = wanted[:, -1:]
            near(
                chain_apart(library, parts, x, return_sequences=return_sequences),
                wanted,
                3 * IN_16_BITS if storage == "int8" else 1e-5,
            )
            if return_sequences:
                check_sessions(library, parts, x, wanted, rng)
            check_unaligned(CompiledChain(parts, return_sequences=return_sequences), x)


def check_unaligned(chain, x) -> None:
    """Inputs that the library cannot read where they are."""
    np.testing.assert_array_equal(chain.run(unaligned(x)), chain.run(x))
    y = []
    for given in (x, unaligned(x)):
        slabs = [np.zeros((len(x), n), np.float32) for _, n in chain.states]
        rows = np.arange(len(x))
        located = chain.locate(slabs)
        y.append(chain.advance_rows(given, located, rows, last_only=False))
    np.testing.assert_array_equal(*y)


def main(path, cases) -> None:
    """Check a library with all its widths."""
    found = c_library.open_library(path)
    if isinstance(found, str):
        sys.exit(found)
    for width, storage in itertools.product(
        range(c_library.level(found) + 1), STORAGES
    ):
        for number in range(cases):
            Case(number, storage).check(found, width)
        check_chain(found, width, storage)
        for units in range(1, MOST_UNITS + 1):
            check_units(found, width, units, storage)
            check_blocks(found, width, units, storage)
    print("checked", cases, "cases with widths up to", 4 << c_library.level(found))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
