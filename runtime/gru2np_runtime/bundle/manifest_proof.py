"""The records of proof and storage in a manifest, and their strict readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np_runtime.bundle.manifest_writer import encode_name
from gru2np_runtime.bundle.members import STORED, Member, digest, sizes
from gru2np_runtime.bundle.record import Record, wrong
from gru2np_runtime.errors import BundleError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np_runtime.graph import Port


class ProvedOutput(Member):
    """A recorded output of the reference.

    Attributes:
        largest: largest difference of the runtime when the proof was recorded.
        allowed: largest difference allowed on any machine.
    """

    __slots__ = ("allowed", "largest")

    def __init__(self, member: Member, largest: float, allowed: float) -> None:
        super().__init__(member.name, member.dtype, member.shape, member.sha256)
        self.largest = largest
        self.allowed = allowed


class ProofCase:
    """Inputs and their recorded outputs, by name.

    Attributes:
        name: one word, different for every case.
        description: a line for people.
        calls: number of calls that the rows are split into; a stateful model starts
            from zero states and keeps them from call to call.
        inputs: by name of the input.
        outputs: by name of the output.
    """

    __slots__ = ("calls", "description", "inputs", "name", "outputs")

    def __init__(
        self,
        name: str,
        description: str,
        calls: int,
        inputs: dict[str, Member],
        outputs: dict[str, ProvedOutput],
    ) -> None:
        self.name = name
        self.description = description
        self.calls = calls
        self.inputs = inputs
        self.outputs = outputs


class Proof:
    """The proof in a bundle: cases to replay.

    Attributes:
        reference: the Keras and version that gave the outputs.
        runtime: the runtime and version that was compared with it when recorded.
        seed: of the random inputs; None if the user gave the inputs.
        cases: at least one.
    """

    __slots__ = ("cases", "reference", "runtime", "seed")

    def __init__(
        self, reference: str, runtime: str, seed: int | None, cases: list[ProofCase]
    ) -> None:
        self.reference = reference
        self.runtime = runtime
        self.seed = seed
        self.cases = cases

    def members(self) -> Iterator[Member]:
        """The arrays of all cases, in order."""
        for case in self.cases:
            yield from case.inputs.values()
            yield from case.outputs.values()


def member_name(case: int, kind: str, name: str) -> str:
    """Name of the member with an array of a proof: ``proof#0/inputs/x``.

    No layer's name contains ``#``, so no weight has this name.
    """
    return f"proof#{case}/{kind}/{encode_name(name)}"


def read_proof(
    record: Record, inputs: Mapping[str, Port], outputs: Mapping[str, Port]
) -> Proof:
    """The proof of a model with these inputs and outputs.

    Raises:
        BundleError: a rule is broken.
    """
    cases: list[ProofCase] = []
    names = set()
    for position, case in enumerate(record.records("cases")):
        name = case.string("name")
        if name in names:
            raise BundleError(
                f"manifest: two cases are named {name!r} - at `{case.path}`"
            )
        names.add(name)
        x = _arrays(case, "inputs", inputs, position)
        y = _arrays(case, "outputs", outputs, position)
        cases.append(
            ProofCase(
                name,
                case.string("description"),
                _calls(case, x),
                {name: member for name, (member, _) in x.items()},
                {name: _proved(*array) for name, array in y.items()},
            )
        )
        case.refuse_unknown()
    if not cases:
        raise BundleError(f"manifest: expected a case - at `{record.path}.cases`")
    reference, runtime = record.string("reference"), record.string("runtime")
    seed = record.take("seed", object, "int or null")
    if seed is not None and not _is_integer(seed, 0):
        raise wrong("int of 0 or more, or null", seed, f"{record.path}.seed")
    record.refuse_unknown()
    return Proof(reference, runtime, seed, cases)


def _calls(case: Record, inputs: Mapping[str, tuple[Member, Record]]) -> int:
    calls = case.take("calls", int, "int")
    rows = {member.shape[0] for member, _ in inputs.values()}
    if not _is_integer(calls, 1) or (calls > 1 and any(n % calls for n in rows)):
        raise BundleError(
            f"manifest: expected calls of equal size, got {calls} for {sorted(rows)} "
            f"rows - at `{case.path}.calls`"
        )
    return int(calls)


def _is_integer(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _arrays(
    case: Record, kind: str, ports: Mapping[str, Port], position: int
) -> dict[str, tuple[Member, Record]]:
    """The array of each port, with its record; dtype and shape fit the port."""
    group, arrays = case.record(kind), {}
    for name, port in ports.items():
        array = Record(group.take(name, dict, "object"), f"{group.path}[{name!r}]")
        shape = sizes(array)
        # A declared batch size binds only stateful models; ``predict`` checks it.
        pairs = list(zip(shape, port.shape))[1:]
        fits = all(wanted in (None, size) for size, wanted in pairs)
        if len(shape) != len(port.shape) or not fits:
            raise BundleError(
                f"manifest: expected a shape like {list(port.shape)}, "
                f"got {list(shape)} - at `{array.path}.shape`"
            )
        dtype = array.choice("dtype", (port.dtype,))
        path = member_name(position, kind, name)
        arrays[name] = Member(path, dtype, shape, digest(array)), array
        if kind == "inputs":
            array.refuse_unknown()
    group.refuse_unknown()
    return arrays


def _proved(member: Member, record: Record) -> ProvedOutput:
    largest, allowed = (
        number(record, key) for key in ("largest_difference", "allowed")
    )
    if largest > allowed:
        raise BundleError(
            f"manifest: expected at most what is allowed - at "
            f"`{record.path}.largest_difference`"
        )
    record.refuse_unknown()
    return ProvedOutput(member, largest, allowed)


def read_storage(record: Record, outputs: Sequence[str]) -> dict[str, Any]:
    """The record of how weights are stored and what error that causes.

    Raises:
        BundleError: a rule is broken.
    """
    record.choice("dtype", STORED)
    record.string("inputs")
    _read_costs(record.record("outputs"), outputs)
    if "saturated" in record.value:
        _read_costs(record.record("saturated"), outputs)
    record.refuse_unknown()
    return dict(record.value)


def _read_costs(costs: Record, outputs: Sequence[str]) -> None:
    for name in outputs:
        cost = Record(costs.take(name, dict, "object"), f"{costs.path}[{name!r}]")
        for key in ("largest_difference", "relative", "root_mean_square"):
            number(cost, key)
        cost.refuse_unknown()
    costs.refuse_unknown()


def number(record: Record, key: str) -> float:
    """A finite number of 0 or more.

    Raises:
        BundleError: the value is not one.
    """
    value = record.take(key, object, "number")
    path = f"{record.path}.{key}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong("number", value, path)
    # The comparison is false for NaN.  An int may be too large for a float.
    if not 0 <= value < 1e308:
        raise BundleError(f"manifest: expected 0 or more - at `{path}`")
    return float(value)
