"""What a manifest says of proof and of storage, and its strict reader."""

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
    """An output as the reference gave it.

    Attributes:
        largest: how far the runtime was from it when the proof was recorded.
        allowed: how far it may be on any machine.
    """

    __slots__ = ("allowed", "largest")

    def __init__(self, member: Member, largest: float, allowed: float) -> None:
        super().__init__(member.name, member.dtype, member.shape, member.sha256)
        self.largest = largest
        self.allowed = allowed


class ProofCase:
    """Inputs, and the outputs that belong to them, by name.

    Attributes:
        name: one word, different for every case.
        description: a line for people.
        calls: how many calls the rows make, the states of a stateful model carried
            from each to the next, beginning at zero.
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
    """What a bundle carries to show that it is right.

    Attributes:
        reference: what gave the outputs: a Keras with its version.
        runtime: what it was compared with when it was recorded.
        seed: the inputs were drawn with; None where they were given.
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
    """Where an array of a proof is: ``proof#0/inputs/x``.

    The sign stands in no layer's name, so that no weight is there.
    """
    return f"proof#{case}/{kind}/{encode_name(name)}"


def read_proof(
    record: Record, inputs: Mapping[str, Port], outputs: Mapping[str, Port]
) -> Proof:
    """A proof for a model of these inputs and outputs.

    Raises:
        BundleError: a rule is broken.
    """
    cases: list[ProofCase] = []
    names = set()
    for position, own in enumerate(record.records("cases")):
        name = own.string("name")
        if name in names:
            raise BundleError(f"manifest: case {name!r} is twice - at `{own.path}`")
        names.add(name)
        given = _arrays(own, "inputs", inputs, position)
        wanted = _arrays(own, "outputs", outputs, position)
        cases.append(
            ProofCase(
                name,
                own.string("description"),
                _calls(own, given),
                {name: member for name, (member, _) in given.items()},
                {name: _proved(*array) for name, array in wanted.items()},
            )
        )
        own.done()
    if not cases:
        raise BundleError(f"manifest: expected a case - at `{record.path}.cases`")
    reference, runtime = record.string("reference"), record.string("runtime")
    seed = record.take("seed", object, "int or null")
    if seed is not None and not _is_whole(seed, 0):
        raise wrong("int of 0 or more, or null", seed, f"{record.path}.seed")
    record.done()
    return Proof(reference, runtime, seed, cases)


def _calls(case: Record, inputs: Mapping[str, tuple[Member, Record]]) -> int:
    calls = case.take("calls", int, "int")
    rows = {member.shape[0] for member, _ in inputs.values()}
    if not _is_whole(calls, 1) or (calls > 1 and any(n % calls for n in rows)):
        raise BundleError(
            f"manifest: expected calls of equal size, got {calls} for {sorted(rows)} "
            f"rows - at `{case.path}.calls`"
        )
    return int(calls)


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _arrays(
    case: Record, kind: str, ports: Mapping[str, Port], position: int
) -> dict[str, tuple[Member, Record]]:
    """One array for each port, of its dtype and a shape that fits."""
    group, found = case.record(kind), {}
    for name, port in ports.items():
        array = Record(group.take(name, dict, "object"), f"{group.path}[{name!r}]")
        shape = sizes(array)
        # A declared batch size binds stateful models only; ``predict`` sees to it.
        pairs = list(zip(shape, port.shape))[1:]
        fits = all(wanted in (None, size) for size, wanted in pairs)
        if len(shape) != len(port.shape) or not fits:
            raise BundleError(
                f"manifest: expected a shape like {list(port.shape)}, "
                f"got {list(shape)} - at `{array.path}.shape`"
            )
        dtype = array.choice("dtype", (port.dtype,))
        path = member_name(position, kind, name)
        found[name] = Member(path, dtype, shape, digest(array)), array
        if kind == "inputs":
            array.done()
    group.done()
    return found


def _proved(member: Member, record: Record) -> ProvedOutput:
    largest, allowed = (
        number(record, key) for key in ("largest_difference", "allowed")
    )
    if largest > allowed:
        raise BundleError(
            f"manifest: expected at most what is allowed - at "
            f"`{record.path}.largest_difference`"
        )
    record.done()
    return ProvedOutput(member, largest, allowed)


def read_storage(record: Record, outputs: Sequence[str]) -> dict[str, Any]:
    """How weights are stored and what that costs, as the manifest has it.

    Raises:
        BundleError: a rule is broken.
    """
    record.choice("dtype", STORED)
    record.string("inputs")
    _read_costs(record.record("outputs"), outputs)
    if "saturated" in record.value:
        _read_costs(record.record("saturated"), outputs)
    record.done()
    return dict(record.value)


def _read_costs(costs: Record, outputs: Sequence[str]) -> None:
    for name in outputs:
        own = Record(costs.take(name, dict, "object"), f"{costs.path}[{name!r}]")
        for key in ("largest_difference", "relative", "root_mean_square"):
            number(own, key)
        own.done()
    costs.done()


def number(record: Record, key: str) -> float:
    """A number of zero or more, and finite.

    Raises:
        BundleError: it is none.
    """
    value = record.take(key, object, "number")
    path = f"{record.path}.{key}"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise wrong("number", value, path)
    # The comparison is false for NaN, and an int may be too large for a float.
    if not 0 <= value < 1e308:
        raise BundleError(f"manifest: expected 0 or more - at `{path}`")
    return float(value)
