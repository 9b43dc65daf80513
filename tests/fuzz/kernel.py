"""The target that runs the compiled kernel through its Python door.

Bytes choose layers, options, sizes, vectors, threads, storage, layouts and cuts;
NumPy's kernel must give the same numbers, and sanitizers end the process where memory
is touched that is not the kernel's.
"""

from __future__ import annotations

import copy
import os
import random
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

from goldens import flat
from gru2np_runtime import InputError
from gru2np_runtime.kernels.c import library as c_library
from gru2np_runtime.kernels.c import plans as c_plans
from gru2np_runtime.kernels.c import threads as c_threads
from kernel_cases import IN_16_BITS, ROWS, STORAGES, Case, near
from streams import Streaming, cut, joined

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gru2np_runtime import Model
    from tests.fuzz.mutation import Change
    from tests.fuzz.oracle import Watch

    Arrays = list[np.ndarray]

# The library that is run; by default the installed one.
LIBRARY = "GRU2NP_FUZZ_LIBRARY"
SEEDS, SEED_BYTES = 24, 96
# What is not a number, and none so large that the order of a sum decides.
SPECIAL = tuple(number for number in ROWS if not 1e30 < number < np.inf)
# Multiplications worth a thread: so few that small layers run on several, or as it is.
WORTH = (500, c_threads.WORTH)


class Drawn:
    """A generator whose choices are the bytes of an input; arrays have a seed of them.

    Weights of two axes are small enough that errors do not grow from step to step.
    """

    def __init__(self, data: bytes) -> None:
        self._left = iter(data)
        self._generator = np.random.default_rng(self._next() << 8 | self._next())

    def _next(self) -> int:
        return next(self._left, 0)

    def integers(self, low: int, high: int | None = None, size: Any = None) -> Any:
        """As ``Generator.integers``."""
        if isinstance(size, int) and size < 5:
            return [self.integers(low, high) for _ in range(size)]
        if size is not None:
            return self._generator.integers(low, high, size)
        low, high = (0, low) if high is None else (low, high)
        number = self._next()
        if high - low > 1 << 8:
            number = number << 8 | self._next()
        return low + number % (high - low)

    def choice(self, values: Any) -> Any:
        """One of some values."""
        return values[self.integers(len(values))]

    def normal(self, size: Any) -> np.ndarray:
        """Normal numbers."""
        shape = np.atleast_1d(size)
        drawn = self._generator.normal(size=size)
        return drawn * 1.5 / np.sqrt(shape[0]) if len(shape) == 2 else drawn

    def permutation(self, count: int) -> np.ndarray:
        """As ``Generator.permutation``."""
        return self._generator.permutation(count)


class Kernel:
    """Runs random models on the compiled kernel and on NumPy's.

    An input is the numbers that are drawn.

    Raises:
        RuntimeError: there is no compiled kernel.
    """

    def __init__(self) -> None:
        c_library.LIBRARY = os.environ.get(LIBRARY, c_library.LIBRARY)
        found = c_library.open_library(c_library.LIBRARY)
        if isinstance(found, str):
            raise RuntimeError(found)
        self.library = found
        self.levels = c_library.level(found) + 1

    def seeds(self) -> Iterator[bytes]:
        """Bytes of a fixed generator."""
        rng = random.Random(0)
        for _ in range(SEEDS):
            yield rng.randbytes(SEED_BYTES)

    def changed(self, data: bytes, rng: random.Random, blind: Change) -> bytes:
        """Any bytes are an input."""
        return blind(data)

    def run(self, data: bytes, watch: Watch) -> bool:
        """Run an input.

        Raises:
            AssertionError: the kernels differ, or an input was changed.
        """
        draw = Drawn(data)
        storage, level = draw.choice(STORAGES), draw.integers(self.levels)
        worth = draw.choice(WORTH)
        with (
            mock.patch.object(c_plans, "widest_level", return_value=level),
            mock.patch.object(c_threads, "WORTH", worth),
            mock.patch.dict(os.environ, GRU2NP_THREADS="3", GRU2NP_KERNEL="c"),
            np.errstate(all="ignore"),
        ):
            if draw.integers(4) == 0:
                Case(draw.integers(330), storage, rng=draw).check(self.library, level)
            else:
                Pair(draw, storage).check()
        return True


class Pair:
    """A model on both kernels, and what it is given."""

    def __init__(self, draw: Drawn, storage: str) -> None:
        rows = draw.choice([0, 0, 0, 1, 2, 5, 16, 17, 97])
        chain = draw.integers(3) > 0
        case = Streaming(0, chain=chain, rows=rows, storage=storage, rng=draw)
        self.draw, self.rows, self.time = draw, case.rows, case.time
        self.model = case.model
        with mock.patch.dict(os.environ, GRU2NP_KERNEL="numpy"):
            self.other = copy.deepcopy(case.model)
        self.most = 5 * IN_16_BITS if storage == "int8" else 1e-5
        self.inputs = [self._special(x) for x in case.inputs]

    def _special(self, x: np.ndarray) -> np.ndarray:
        """What a broken sensor gives, in one place, or in none."""
        if x.dtype.kind == "f" and x.size and self.draw.integers(4) == 0:
            x = x.copy()
            x.flat[self.draw.integers(x.size)] = self.draw.choice(SPECIAL)
        return x

    def check(self) -> None:
        """Run it in one way; no way changes its inputs."""
        given = [laid_out(x, self.draw) for x in self.inputs]
        held = [x.copy() for x in given]
        ways = [self.whole, self.parts, self.sessions]
        reason = no_steps(self.other)
        assert no_steps(self.model) == reason
        (self.whole if reason else self.draw.choice(ways))(given)
        for x, before in zip(given, held, strict=True):
            np.testing.assert_array_equal(x, before)

    def whole(self, given: Arrays) -> None:
        """All rows at once, and in batches."""
        wanted = flat(self.other.predict(named(self.other, self.inputs)))
        self.compare(flat(self.model.predict(named(self.model, given))), wanted)
        size = self.draw.integers(1, 50)
        batches = self.model.predict(named(self.model, given), batch_size=size)
        self.compare(flat(batches), wanted)

    def parts(self, given: Arrays) -> None:
        """In steps and blocks."""
        parts = cut(self.draw, self.time)
        expected = self.in_parts(self.other, self.inputs, parts, layouts=False)
        self.compare(self.in_parts(self.model, given, parts, layouts=True), expected)

    def compare(self, found: Arrays, wanted: Arrays) -> None:
        """As near as float32 can be, or as 16 bits can."""
        assert len(found) == len(wanted)
        for y, expected in zip(found, wanted, strict=True):
            assert y.shape == expected.shape
            assert y.dtype == expected.dtype
            near(y, expected, self.most)

    def in_parts(
        self, model: Model, inputs: Arrays, parts: list[slice], *, layouts: bool
    ) -> Arrays:
        """Steps and blocks, whose outputs go into arrays of any layout."""
        state, found = model.initial_state(self.rows), []
        over_time = model.stream.per_step_inputs
        outputs = model.stream.per_step_outputs
        dtypes = [port.dtype for port in model.graph.outputs]
        for part in parts:
            single = part.stop - part.start == 1
            where = part.start if single else part
            given = [
                x[:, where] if over else x
                for x, over in zip(inputs, over_time, strict=True)
            ]
            call = model.step if single else model.advance
            out = None
            if layouts and self.draw.integers(2):
                time = None if single else part.stop - part.start
                shapes = model.stream.output_shapes(self.rows, time)
                empty = map(np.zeros, shapes, dtypes)
                outs = [laid_out(y, self.draw, out=True) for y in empty]
                out = outs[0] if len(outs) == 1 else outs
            y, state = call(named(model, given), state, out)
            assert out is None or y is out
            pairs = zip(flat(y), outputs, strict=True)
            found.append([z[:, None] if single and over else z for z, over in pairs])
        return joined(model, *found)

    def sessions(self, given: Arrays) -> None:
        """All at once in any order, and one alone to the bit."""
        order = self.draw.permutation(self.rows)
        found = advanced(self.model, given, order)
        self.compare(found, advanced(self.other, self.inputs, order))
        row = self.draw.integers(self.rows)
        place = int(np.flatnonzero(order == row)[0])
        alone = advanced(self.model, given, np.array([row]))
        for y, one in zip(found, alone, strict=True):
            assert y[place].tobytes() == one[0].tobytes()


def no_steps(model: Model) -> str:
    """Why a model has no single steps; empty if it has."""
    try:
        model.initial_state(1)
    except InputError as error:
        return str(error)
    return ""


def advanced(model: Model, inputs: Arrays, rows: np.ndarray) -> Arrays:
    """A block of some rows as sessions, opened in another order."""
    streams = model.streams(1)
    ids = [streams.open() for _ in rows][::-1]
    return flat(streams.advance(ids, named(model, [x[rows] for x in inputs])))


def named(model: Model, inputs: Arrays) -> dict[str, np.ndarray]:
    """Inputs by their names."""
    return dict(zip(model.input_names, inputs, strict=True))


def laid_out(x: np.ndarray, draw: Drawn, *, out: bool = False) -> np.ndarray:
    """The same numbers elsewhere in memory: any strides, byte order, alignment.

    Args:
        x: the numbers.
        draw: chooses the layout.
        out: whether it is to be written to: then in its own dtype.
    """
    kind = draw.choice(["c", "f", "apart", "back", "odd", "bytes", "wide"])
    if kind == "f":
        return np.asfortranarray(x)
    if kind == "apart":
        y = np.zeros([2 * size for size in x.shape], x.dtype)
        y = y[tuple(slice(None, None, 2) for _ in x.shape)]
    elif kind == "back":
        y = np.zeros_like(x)[tuple(slice(None, None, -1) for _ in x.shape)]
    elif kind == "odd":
        y = np.frombuffer(bytearray(x.nbytes + 1), x.dtype, x.size, 1)
        y = y.reshape(x.shape)
    elif kind == "bytes" and not out:
        return x.astype(x.dtype.newbyteorder(">"))
    elif kind == "wide" and not out and x.dtype == np.float32:
        return x.astype(np.float64)
    else:
        return x
    y[...] = x
    return y
