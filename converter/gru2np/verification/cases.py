"""Inputs that find faults: several cases made from the graph, each for other faults.

A fault shows only if the inputs reach it: a mask that is ignored needs masked steps, a
wrong slope of an activation needs numbers on it, a lost state needs a second call.
Every case is drawn with the seed and its name, so that it can be drawn alone.
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
from gru2np_runtime.proof.replay import SATURATED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from gru2np.ir import Array
    from gru2np.verification.input_usage import Usage
    from gru2np.verification.mask_patterns import Pattern
    from gru2np_runtime.graph import Graph, Port


# The name of the case with the user's inputs.
GIVEN = "given"
# Landmarks of the file, and those that only its bundle has.
LANDMARKS, OTHERS = "landmarks", "bundle-landmarks"
# Inputs times this number saturate gates.
LARGE = 100.0
# Numbers of time steps; the first that fits is used.
LONG = (250, 100, 50)
# More rows than a kernel computes at once, and a prime number.
ODD = 17
# Multiplications that one case may cost: a few seconds.
WORK = 4e9
# At least one of this many numbers is a landmark.
SHARE = 4
# Elements of a row above which a batch of ODD rows is too large.
LARGE_ROW = 50_000


@dataclass(frozen=True)
class Drawn:
    """The inputs of one case.

    Attributes:
        name: of the case.
        description: what it tries, in a line.
        seed: it was drawn with; None for the user's inputs.
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
        graph: of the model.
        weights: of the model, by path.
        names: of its inputs.
        seed: each case is drawn from the seed and its name.
        only: draw only the case of this name.
        half: whether Keras computes in half precision; then sums of large numbers
            prove nothing.
        others: graphs that should be equal, with their weights: their landmarks are
            tried too.

    Raises:
        VerificationError: no inputs fit the model, or it has no case of that name.
    """
    maker = _Maker(graph, weights, names, seed, half, others)
    drawn = [
        Drawn(name, description, seed, make())
        for name, description, make in maker.cases()
        if only in (None, name)
    ]
    if not drawn:
        names = [name for name, _, _ in maker.cases()]
        raise VerificationError(
            f"this model has no case {only!r}: --case (case= in Python) takes one of "
            f"{', '.join(names)}"
        )
    return drawn


class _Maker:
    """Makes the cases of one model."""

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
        self.others = _only_in_others(graph, self.usages, self.pools, others, half)
        self.row = sum(prod(shape[1:]) for shape in self.typical)
        # Multiplications of a time step, estimated by the number of weights.
        _, needed = graph.infer_nodes(self.typical)
        self.parameters = sum(
            prod(n or 1 for n in shape)
            for path, shapes in needed.items()
            for shape in shapes.values()
            if graph.layers[path].op != "embedding"
        )

    def cases(self) -> Iterator[tuple[str, str, Callable[[], dict[str, Array]]]]:
        """Name and description of each case, and a function that draws it."""
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
                yield name, description, self._drawer(name, pattern=pattern)
        if self._fits(1):
            yield "one-step", "a single time step", self._drawer("one-step", steps=1)
        long = self._long()
        if long:
            text = f"{long} time steps"
            yield "long", text, self._drawer("long", rows=2, steps=long)
        floats = self._float_inputs()
        if floats and not all(
            0 in self.usages[port.name].mask_values for port in floats
        ):
            yield "zeros", "all numbers are zero", self._drawer("zeros", scale=0.0)
        if floats and not self.half:
            text = f"numbers {LARGE:.0f} times as large: gates saturate"
            yield SATURATED, text, self._drawer(SATURATED, scale=LARGE)
        tables = [usage.rows for usage in self.usages.values() if usage.rows]
        if tables:
            yield self._every_id(max(tables))
        if any(len(numbers) for numbers in self.pools.values()):
            yield self._landmarks(LANDMARKS, "breakpoints of layers", self.pools)
        if any(len(numbers) for numbers in self.others.values()):
            yield self._landmarks(
                OTHERS, "breakpoints of the bundle alone", self.others
            )
        if self.batch is None:
            yield "one-row", "a batch of one", self._drawer("one-row", rows=1)
            if self._work(ODD, 1) <= WORK and self.row <= LARGE_ROW:
                text = f"a batch of {ODD}"
                yield "odd-batch", text, self._drawer("odd-batch", rows=ODD)

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
        is_mask = any(node.mask == (port.name, 0) for node in self.graph.nodes)
        return bool(self.usages[port.name].mask_values) or is_mask

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
        """The most steps in LONG that fit the model and the budget of work."""
        typical = max((s[1] for s in self.typical if len(s) > 1), default=0)
        for steps in LONG:
            affordable = self._work(self._rows(2), steps) <= WORK
            if steps > 2 * typical and affordable and self._fits(steps):
                return steps
        return None

    def _fits(self, steps: int) -> bool:
        """Whether the time axis is free, and every layer accepts this many steps."""
        if not any(_has_free_time(port) for port in self.graph.inputs):
            return False
        try:
            known, _ = self.graph.infer_nodes(self._shapes(1, steps))
        except ValueError:
            return False
        sizes = [n for outputs in known.values() for shape in outputs for n in shape]
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
        """At least ``wanted`` rows in whole batches; three batches if stateful."""
        if self.batch is None:
            return wanted
        least = samples.ROWS if self.stateful else 1
        return self.batch * max(least, ceil(wanted / self.batch))

    def _drawer(
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
        """A function that draws a case.

        Args:
            name: of the case; part of its seed.
            rows: of the batch.
            steps: time steps; None for the default length.
            scale: a factor of all floats.
            pattern: of masked steps.
            ids: whether every row of a table is used.
            pools: the landmarks of each input, to put into it.
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
                    # If not all ids fit, the last one is included: faults are there.
                    array.flat[0] = usage.rows - 1
                if pattern is not None and self._is_masked(port):
                    mask(rng, array, usage, pattern, i)
                if pools is not None:
                    _insert(rng, array, pools[port.name], usage)
                arrays[name_of_input] = array
            return arrays

        return make

    def _every_id(self, count: int) -> tuple[str, str, Callable[[], dict[str, Array]]]:
        """Every row of the largest table once, or as many as the budget allows."""
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
        return "every-id", text, self._drawer("every-id", rows=rows, ids=True)

    def _rows_for(self, at: int, count: int) -> tuple[int, int]:
        """Rows for ``count`` numbers of an input, within the budget; and their size."""
        per_row = prod(self.typical[at][1:])
        most = int(min(WORK / max(self.parameters, 1), 20 * LARGE_ROW))
        return ceil(min(count, max(most, per_row)) / per_row), per_row

    def _landmarks(
        self, name: str, what: str, pools: Mapping[str, Array]
    ) -> tuple[str, str, Callable[[], dict[str, Array]]]:
        """Every landmark of each pool at least once, among random numbers."""
        rows, least = samples.ROWS, 1.0
        for at, port in enumerate(self.graph.inputs):
            count = len(pools[port.name])
            needed, per_row = self._rows_for(at, SHARE * count)
            rows = max(rows, needed)
            if count:
                least = min(least, needed * per_row / SHARE / count)
        total = sum(map(len, pools.values()))
        text = f"{total} numbers: {what}, and their neighbours"
        if least < 1:
            text = f"{int(least * total)} of {text}"
        return name, text, self._drawer(name, rows=rows, pools=pools)


def _only_in_others(
    graph: Graph,
    usage_here: Mapping[str, Usage],
    pools: Mapping[str, Array],
    others: Sequence[tuple[Graph, Mapping[str, Array]]],
    half: bool,
) -> dict[str, Array]:
    """The landmarks of other graphs that this one does not have, by input."""
    ports = {port.name: port for port in graph.inputs}
    missing = {name: array[:0] for name, array in pools.items()}
    for other, weights in others:
        known = usages(other, weights)
        for port in other.inputs:
            if port.name in ports and port.dtype == ports[port.name].dtype:
                more = pool(known[port.name], port.dtype, half=half)
                more = legal(usage_here[port.name], more)
                both = np.concatenate([missing[port.name], more])
                missing[port.name] = np.setdiff1d(both, pools[port.name])
    return missing


def _insert(
    rng: np.random.Generator, array: Array, numbers: Array, usage: Usage
) -> None:
    """Put numbers at random positions of an array, each at least once if they fit.

    If steps can be masked, some whole steps are filled with one of the numbers.
    """
    free = np.ones(array.shape, bool)
    if len(numbers) and usage.mask_values and array.ndim > 2:
        whole = rng.random(array.shape[:2]) < 1 / SHARE
        array[whole] = rng.choice(numbers, (int(whole.sum()), *(1,) * (array.ndim - 2)))
        free[whole] = False
    positions = rng.permutation(np.flatnonzero(free))
    positions = positions[: ceil(len(positions) / 2) if len(numbers) else 0]
    array.flat[positions] = np.resize(rng.permutation(numbers), len(positions))


def _kind(port: Port) -> str:
    if port.dtype.startswith("float"):
        return "normal numbers"
    return "booleans" if port.dtype == "bool" else "integers"


def _has_free_time(port: Port) -> bool:
    """Whether axis 1 is time, with any number of steps."""
    shape = port.shape
    return 2 <= len(shape) <= 3 and shape[1] is None and None not in shape[2:]
