"""Inputs that find faults, made from the graph: several cases, each with its aim.

A fault shows only where the inputs reach it: a mask that is ignored needs masked
steps, a slope of an activation needs numbers on it, a state needs a second call.
Every case is drawn with a seed and its own name, so that one alone can be drawn again.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from math import ceil, prod
from typing import TYPE_CHECKING

import numpy as np

from gru2np.errors import VerificationError
from gru2np.verification import samples
from gru2np.verification.input_usage import usages
from gru2np.verification.landmarks import legal, pool
from gru2np.verification.mask_patterns import PATTERNS, mask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gru2np.ir import Array
    from gru2np.verification.input_usage import Usage
    from gru2np.verification.mask_patterns import Pattern
    from gru2np_runtime.graph import Graph, Port


# The name of the case whose inputs were given.
GIVEN = "given"
SATURATED = "saturated"
# The cases of numbers at which layers turn: those of the file, and those that only a
# bundle of it has.
LANDMARKS, OTHERS = "landmarks", "bundle-landmarks"
# Each of these exceeds what a sum of gates takes before it saturates.
LARGE = 100.0
LONG = (250, 100, 50)
# More rows than any kernel computes at once, and a number that nothing divides.
ODD = 17
# Multiplications that one case may cost; more than seconds is too much to wait for.
WORK = 4e9
# Of so many numbers at least one is one at which a layer turns.
SHARE = 4
# Numbers of one row from which on more rows than a few are too many.
LARGE_ROW = 50_000


@dataclass(frozen=True)
class Drawn:
    """The inputs of one case.

    Attributes:
        name: of the case.
        description: what it tries, in a line.
        seed: it was drawn with; None where the arrays were given.
        inputs: arrays by input name.
    """

    name: str
    description: str
    seed: int | None
    inputs: Mapping[str, Array]


def draw(
    graph: Graph,
    weights: Mapping[str, Array],
    names: Sequence[str],
    seed: int,
    only: str | None = None,
    *,
    half: bool = False,
    others: Sequence[tuple[Graph, Mapping[str, Array]]] = (),
) -> list[Drawn]:
    """The cases that fit a model, the same for the same seed.

    Args:
        graph: the model's.
        weights: the model's, by path.
        names: of its inputs.
        seed: of all cases; each is drawn apart, from the seed and its name.
        only: the name of the one case that is wanted.
        half: Keras computes in half precision, which leaves nothing certain of the
            sums of large numbers.
        others: graphs that ought to be the same, with their weights: where they turn
            is tried too.

    Raises:
        VerificationError: no inputs fit the model, or it has no such case.
    """
    maker = _Maker(graph, weights, names, seed, half, others)
    found = [
        Drawn(name, description, seed, make())
        for name, description, make in maker.cases()
        if only in (None, name)
    ]
    if not found:
        known = ", ".join(name for name, _, _ in maker.cases())
        raise VerificationError(f"this model has no case {only!r}: it has {known}")
    return found


class _Maker:
    """What the cases of one model have in common."""

    def __init__(
        self,
        graph: Graph,
        weights: Mapping[str, Array],
        names: Sequence[str],
        seed: int,
        half: bool,
        others: Sequence[tuple[Graph, Mapping[str, Array]]],
    ) -> None:
        self.graph = graph
        self.weights = weights
        self.names = names
        self.seed = seed
        self.half = half
        self.batch = samples.declared_batch(graph)
        self.stateful = samples.has_states(graph)
        self.typical = samples.shapes(graph, self.batch or samples.ROWS)
        self.usages = usages(graph, weights)
        self.pools = {
            port.name: pool(self.usages[port.name], port.dtype, half=half)
            for port in graph.inputs
        }
        self.others = _only_there(graph, self.usages, self.pools, others, half)
        self.row = sum(prod(shape[1:]) for shape in self.typical)
        # Numbers that each step is multiplied with, as far as weights tell it.
        _, needed = graph.infer_nodes(self.typical)
        self.parameters = sum(
            prod(n or 1 for n in shape)
            for path, shapes in needed.items()
            for shape in shapes.values()
            if graph.layers[path].op != "embedding"
        )

    def cases(self) -> Iterator[tuple[str, str, Callable[[], dict[str, Array]]]]:
        """Name, description, and what draws it."""
        calls = f", {samples.ROWS} calls, states carried" if self.stateful else ""
        masks = any(self._is_masked(port) for port in self.graph.inputs)
        padded = "; steps masked at both ends and inside" if masks else ""
        kinds = self._kinds()
        yield (
            "typical",
            f"{kinds}{padded}{calls}",
            lambda: samples.draw(self.graph, self.weights, self.names, self.seed),
        )
        if masks:
            for name, (description, pattern) in PATTERNS.items():
                yield name, description, self._drawn(name, pattern=pattern)
        if self._fits(1):
            yield "one-step", "a single time step", self._drawn("one-step", steps=1)
        long = self._long()
        if long:
            text = f"{long} time steps"
            yield "long", text, self._drawn("long", rows=2, steps=long)
        floats = self._float_inputs()
        if floats and not all(
            0 in self.usages[port.name].mask_values for port in floats
        ):
            yield "zeros", "nothing but zeros", self._drawn("zeros", scale=0.0)
        if floats and not self.half:
            text = f"numbers {LARGE:.0f} times as large: gates saturate"
            yield SATURATED, text, self._drawn(SATURATED, scale=LARGE)
        tables = [usage.rows for usage in self.usages.values() if usage.rows]
        if tables:
            yield self._every_id(max(tables))
        if any(len(numbers) for numbers in self.pools.values()):
            yield self._numbers(LANDMARKS, "at which layers turn", self.pools)
        if any(len(numbers) for numbers in self.others.values()):
            yield self._numbers(OTHERS, "at which only the bundle turns", self.others)
        if self.batch is None:
            yield "one-row", "a batch of one", self._drawn("one-row", rows=1)
            if self._work(ODD, 1) <= WORK and self.row <= LARGE_ROW:
                text = f"a batch of {ODD}"
                yield "odd-batch", text, self._drawn("odd-batch", rows=ODD)

    def _kinds(self) -> str:
        kinds = {
            "ids" if self.usages[port.name].rows else _kind(port)
            for port in self.graph.inputs
        }
        return " and ".join(sorted(kinds))

    def _is_masked(self, port: Port) -> bool:
        """Whether steps of an input can be marked as padding."""
        if len(port.shape) < 2:
            return False
        given = any(node.mask == (port.name, 0) for node in self.graph.nodes)
        return bool(self.usages[port.name].mask_values) or given

    def _float_inputs(self) -> list[Port]:
        ports = self.graph.inputs
        return [
            port
            for port in ports
            if port.dtype.startswith("float") and not self.usages[port.name].rows
        ]

    def _work(self, rows: int, steps: int) -> float:
        return float(self.parameters) * rows * steps

    def _long(self) -> int | None:
        """As many steps as the model takes, and as there is time for."""
        usual = max((s[1] for s in self.typical if len(s) > 1), default=0)
        for steps in LONG:
            affordable = self._work(self._rows(2), steps) <= WORK
            if steps > 2 * usual and affordable and self._fits(steps):
                return steps
        return None

    def _fits(self, steps: int) -> bool:
        """Whether time is free, and every layer takes so many steps."""
        if not any(_has_free_time(port) for port in self.graph.inputs):
            return False
        try:
            known, _ = self.graph.infer_nodes(self._shapes(1, steps))
        except ValueError:
            return False
        sizes = [n for found in known.values() for shape in found for n in shape]
        return all(n is None or n > 0 for n in sizes)

    def _shapes(self, rows: int, steps: int | None) -> list[tuple[int, ...]]:
        pairs = zip(self.graph.inputs, self.typical, strict=True)
        return [
            (rows, steps, *shape[2:])
            if steps is not None and _has_free_time(port)
            else (rows, *shape[1:])
            for port, shape in pairs
        ]

    def _rows(self, wanted: int) -> int:
        """Rows in whole batches, three of them where states are carried."""
        if self.batch is None:
            return wanted
        least = samples.ROWS if self.stateful else 1
        return self.batch * max(least, ceil(wanted / self.batch))

    def _drawn(
        self,
        name: str,
        *,
        rows: int = samples.ROWS,
        steps: int | None = None,
        scale: float = 1.0,
        pattern: Pattern | None = None,
        ids: bool = False,
        pools: Mapping[str, Array] | None = None,
    ) -> Callable[[], dict[str, Array]]:
        """What draws a case.

        Args:
            name: of the case; seeds it.
            rows: of the batch.
            steps: in time; as many as usual if not given.
            scale: numbers are so many times as large.
            pattern: of masked steps.
            ids: every row of a table is asked for.
            pools: numbers that each input has to hold.
        """

        def make() -> dict[str, Array]:
            rng = np.random.default_rng([self.seed, zlib.crc32(name.encode())])
            arrays = {}
            shapes = self._shapes(self._rows(rows), steps)
            triples = zip(self.names, self.graph.inputs, shapes, strict=True)
            for i, (name_of_input, port, shape) in enumerate(triples):
                usage = self.usages[port.name]
                array = samples.array(rng, port, shape, usage)
                if array.dtype.kind == "f" and usage.rows is None:
                    array *= scale
                if ids and usage.rows is not None:
                    order = rng.permutation(usage.rows)
                    array[...] = np.resize(order, shape)
                    # Where not all fit: a table's end is where faults are.
                    array.flat[0] = usage.rows - 1
                if pattern is not None and self._is_masked(port):
                    mask(rng, array, usage, pattern, i)
                if pools is not None:
                    _scatter(rng, array, pools[port.name], usage)
                arrays[name_of_input] = array
            return arrays

        return make

    def _every_id(self, count: int) -> tuple[str, str, Callable[[], dict[str, Array]]]:
        """Every row of the largest table once, or as many as there is time for."""
        at = next(
            i
            for i, port in enumerate(self.graph.inputs)
            if self.usages[port.name].rows == count
        )
        rows, per_row = self._rows_for(at, count)
        shown = min(count, rows * per_row)
        text = f"every id, 0 to {count - 1}"
        if shown < count:
            text = f"{rows * per_row} of {count} ids"
        return "every-id", text, self._drawn("every-id", rows=rows, ids=True)

    def _rows_for(self, at: int, count: int) -> tuple[int, int]:
        """Rows that so many numbers of an input take, or there is time for."""
        per_row = prod(self.typical[at][1:])
        most = int(min(WORK / max(self.parameters, 1), 20 * LARGE_ROW))
        return ceil(min(count, max(most, per_row)) / per_row), per_row

    def _numbers(
        self, name: str, what: str, pools: Mapping[str, Array]
    ) -> tuple[str, str, Callable[[], dict[str, Array]]]:
        """Every number of each pool at least once, among ordinary ones."""
        rows, least = samples.ROWS, 1.0
        for at, port in enumerate(self.graph.inputs):
            count = len(pools[port.name])
            needed, per_row = self._rows_for(at, SHARE * count)
            rows = max(rows, needed)
            if count:
                least = min(least, needed * per_row / SHARE / count)
        total = sum(map(len, pools.values()))
        text = f"{total} numbers {what}, or just beside"
        if least < 1:
            text = f"{int(least * total)} of {text}"
        return name, text, self._drawn(name, rows=rows, pools=pools)


def _only_there(
    graph: Graph,
    usage_here: Mapping[str, Usage],
    pools: Mapping[str, Array],
    others: Sequence[tuple[Graph, Mapping[str, Array]]],
    half: bool,
) -> dict[str, Array]:
    """What of the pools of other graphs is in none of this one's, by input."""
    ports = {port.name: port for port in graph.inputs}
    found = {name: array[:0] for name, array in pools.items()}
    for other, weights in others:
        known = usages(other, weights)
        for port in other.inputs:
            if port.name in ports and port.dtype == ports[port.name].dtype:
                more = pool(known[port.name], port.dtype, half=half)
                more = legal(usage_here[port.name], more)
                both = np.concatenate([found[port.name], more])
                found[port.name] = np.setdiff1d(both, pools[port.name])
    return found


def _scatter(
    rng: np.random.Generator, array: Array, numbers: Array, usage: Usage
) -> None:
    """Put numbers into an array in many places, each at least once if there is room.

    Where steps can be masked, some steps are nothing but one of the numbers.
    """
    free = np.ones(array.shape, bool)
    if len(numbers) and usage.mask_values and array.ndim > 2:
        whole = rng.random(array.shape[:2]) < 1 / SHARE
        array[whole] = rng.choice(numbers, (int(whole.sum()), *(1,) * (array.ndim - 2)))
        free[whole] = False
    places = rng.permutation(np.flatnonzero(free))
    places = places[: ceil(len(places) / 2)] if len(numbers) else places[:0]
    array.flat[places] = np.resize(rng.permutation(numbers), len(places))


def _kind(port: Port) -> str:
    if port.dtype.startswith("float"):
        return "normal numbers"
    return "booleans" if port.dtype == "bool" else "whole numbers"


def _has_free_time(port: Port) -> bool:
    """Whether axis 1 holds as many time steps as one likes."""
    shape = port.shape
    return 2 <= len(shape) <= 3 and shape[1] is None and None not in shape[2:]
