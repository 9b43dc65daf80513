"""Replay a proof: run the recorded inputs here, compare with the recorded outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.errors import InputError
from gru2np_runtime.graph import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np_runtime.bundle.manifest_proof import ProofCase
    from gru2np_runtime.graph import Graph
    from gru2np_runtime.layer import Array
    from gru2np_runtime.model import Model
    from gru2np_runtime.run.stream import Stream

# Rounding of another machine: absolute tolerance, and relative to max|y|.
ROUNDING = {"float32": (2e-5, 1e-4), "float64": (1e-11, 1e-9)}
# How far kernels may be from each other beyond that, as a share of the measured cost of
# small storage.  int8 weights keep 8 bits; beside them the C kernel keeps 16 bits of
# the numbers of few rows, and beside float16 all.
KERNELS = {"float16": 0.0, "int8": 1 / 32}
# The case whose cost is measured by itself.
SATURATED = "saturated"
# At this many first steps, the sequence so far is run as a whole as well.
BEGINNING = 3


class Compared:
    """One output compared with the expected one.

    Attributes:
        case: name of the case.
        output: name of the output.
        numbers: number of compared elements.
        largest: largest absolute difference; infinite if only one side is NaN or
            infinite, or if the shapes differ.
        allowed: the largest difference that counts as equal.
        how: ``whole``, or ``step`` and its number.
    """

    __slots__ = ("allowed", "case", "how", "largest", "numbers", "output")

    def __init__(
        self, case: str, output: str, got: Array, wanted: Array, allowed: float
    ) -> None:
        self.case = case
        self.output = output
        self.numbers = wanted.size
        self.largest = difference(got, wanted)
        self.allowed = allowed
        self.how = "whole"

    def at_step(self, step: int) -> Compared:
        """This comparison, marked as one of a time step."""
        self.how = f"step {step}"
        return self

    @property
    def agrees(self) -> bool:
        """Whether the largest difference is allowed."""
        return self.largest <= self.allowed

    @property
    def ratio(self) -> float:
        """The largest difference by the allowed one; infinite if not allowed."""
        if self.agrees:
            return self.largest / self.allowed if self.allowed else 0.0
        return float("inf")

    def __str__(self) -> str:
        at = "" if self.how == "whole" else f", {self.how}"
        return (
            f"case {self.case!r}, output {self.output!r}{at}: "
            f"difference {short(self.largest)} of {short(self.allowed)} allowed"
        )


def short(number: float) -> str:
    """A difference with two digits: ``3.1e-7``."""
    digits, _, power = f"{number:.1e}".partition("e")
    if number == 0 or not power:
        return "0" if number == 0 else digits
    return digits if int(power) == 0 else f"{digits}e{int(power)}"


def difference(got: Array, wanted: Array) -> float:
    """The largest absolute difference of two arrays; NaN equals NaN."""
    if got.shape != wanted.shape:
        return float("inf")
    if not got.size:
        return 0.0
    ours, theirs = got.astype(np.float64), wanted.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.abs(ours - theirs)
        # Different int64 may be equal as float64.
        distance[(distance == 0) & (got != wanted)] = 1.0
        distance[(got == wanted) | (np.isnan(ours) & np.isnan(theirs))] = 0.0
    distance[np.isnan(distance)] = np.inf
    return float(distance.max())


def rounding(graph: Graph, wanted: Array) -> float:
    """How much another machine, or another order of sums, may change an output."""
    if wanted.dtype.kind != "f":
        return 0.0
    atol, rtol = ROUNDING[computes_in(graph)]
    return atol + rtol * _largest(wanted)


def between_kernels(model: Model, case: str, output: str, wanted: Array) -> float:
    """How much the other kernel may change an output, beyond rounding.

    Args:
        model: that gives the output.
        case: its name.
        output: its name.
        wanted: the expected output.
    """
    if model.storage is None or wanted.dtype.kind != "f":
        return 0.0
    absolute, relative = stated_cost(model.storage, case, output)
    cost = absolute + relative * _largest(wanted)
    return KERNELS[model.storage["dtype"]] * cost


def _largest(array: Array) -> float:
    return float(np.abs(array[np.isfinite(array)]).max(initial=0.0))


def stated_cost(
    storage: Mapping[str, Any], case: str, output: str
) -> tuple[float, float]:
    """The cost of small storage that a bundle states: absolute, relative to max|y|.

    One of the two is 0.

    Args:
        storage: ``Model.storage``.
        case: its name.
        output: its name.
    """
    key = SATURATED if case == SATURATED and SATURATED in storage else "outputs"
    cost = storage[key][output]
    # An output of zeros only has no relative difference.
    absolute = 0.0 if cost["relative"] else cost["largest_difference"]
    return absolute, cost["relative"]


def computes_in(graph: Graph) -> str:
    """The least precise float dtype that a model computes in."""
    computed = {
        layer.dtype
        for _, layer in walk(graph)
        if layer.op != "graph" and not layer.keeps_dtype and layer.gives_dtype is None
    }
    return "float64" if computed == {"float64"} else "float32"


def outputs_of(model: Model, inputs: Mapping[str, Array], calls: int) -> list[Array]:
    """The outputs in order; a stateful model starts from zero states.

    ``calls`` splits the rows into that many batches of equal size.
    """
    rows = {len(x) for x in inputs.values()}
    model.reset_states()
    size = max(rows) // calls if calls > 1 else None
    result = flat(model.predict(dict(inputs), size))
    model.reset_states()
    return result


def flat(result: Any) -> list[Array]:
    """The arrays that a model returned, as a list in order."""
    if isinstance(result, dict):
        return list(result.values())
    return result if isinstance(result, list) else [result]


def compare_whole(
    model: Model,
    case: ProofCase,
    inputs: Mapping[str, Array],
    expected: Mapping[str, Array],
) -> Iterator[Compared]:
    """Each output of a case, from whole sequences."""
    got = outputs_of(model, inputs, case.calls)
    for array, (name, wanted) in zip(got, expected.items()):
        allowed = case.outputs[name].allowed
        allowed += between_kernels(model, case.name, name, wanted)
        yield Compared(case.name, name, array, wanted, allowed)


class Steps:
    """A model that runs step by step, compared with outputs of whole sequences.

    The output of a step is the output for the sequence so far.  The last step is
    compared with the recorded output; the others too, if the recorded output has them.
    Some are also compared with the runtime's output for the whole sequence so far.

    Attributes:
        recorded: for each output, whether the recorded output has every step.

    Raises:
        InputError: the model cannot run step by step; the message names the layer.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.stream: Stream = model.stream
        self.graph = self.stream.plan.graph
        self.recorded = [
            per_step and port.source not in self.stream.end_dependent
            for port, per_step in zip(self.graph.outputs, self.stream.per_step_outputs)
        ]

    def compare(
        self,
        case: ProofCase,
        inputs: Mapping[str, Array],
        expected: Mapping[str, Array],
    ) -> Iterator[Compared]:
        """Each output at each step for which there is an expected one.

        None if the sequences of the inputs have no steps or different lengths.
        """
        rows = len(next(iter(inputs.values()))) // case.calls
        arrays = [x[:rows] for x in inputs.values()]
        wanted = {name: y[:rows] for name, y in expected.items()}
        has_time = self.stream.per_step_inputs
        lengths = {x.shape[1] for x, per_step in zip(arrays, has_time) if per_step}
        steps = min(lengths)
        if len(lengths) > 1 or not steps or not rows:
            return
        chosen = {*range(BEGINNING), steps // 2, steps - 2} if self._is_free() else ()
        self.model.reset_states()
        state = self.model.initial_state(rows)
        for t in range(steps):
            now = [x[:, t] if per_step else x for x, per_step in zip(arrays, has_time)]
            y, state = self.model.step(self._by_name(now), state)
            outputs = flat(y)
            for i, (name, whole) in enumerate(wanted.items()):
                last = whole[:, t] if self.stream.per_step_outputs[i] else whole
                if t + 1 == steps or self.recorded[i]:
                    allowed = case.outputs[name].allowed
                    allowed += between_kernels(self.model, case.name, name, whole)
                    compared = Compared(case.name, name, outputs[i], last, allowed)
                    yield compared.at_step(t)
            if t in chosen and t + 1 < steps:
                yield from self._so_far(case, arrays, outputs, t)

    def _by_name(self, arrays: Sequence[Array]) -> dict[str, Array]:
        return dict(zip(self.model.input_names, arrays))

    def _is_free(self) -> bool:
        """Whether sequences may have any length."""
        shapes = zip(self.model.input_shapes, self.stream.per_step_inputs)
        return all(shape[1] is None for shape, per_step in shapes if per_step)

    def _so_far(
        self,
        case: ProofCase,
        arrays: Sequence[Array],
        outputs: Sequence[Array],
        t: int,
    ) -> Iterator[Compared]:
        """Step t compared with the runtime's output for the first t + 1 steps."""
        has_time = self.stream.per_step_inputs
        shorter = [
            x[:, : t + 1] if per_step else x for x, per_step in zip(arrays, has_time)
        ]
        try:
            wanted = outputs_of(self.model, self._by_name(shorter), 1)
        except InputError:
            # The sequence is too short for a window: there is no expected output.
            return
        for i, (name, array) in enumerate(zip(case.outputs, wanted)):
            last = array[:, -1] if self.stream.per_step_outputs[i] else array
            allowed = rounding(self.graph, last)
            allowed += between_kernels(self.model, case.name, name, last)
            yield Compared(case.name, name, outputs[i], last, allowed).at_step(t)
