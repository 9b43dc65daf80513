"""What a verification found, for a person, a program and an exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gru2np.verification.comparison import worst

if TYPE_CHECKING:
    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Evidence


@dataclass(frozen=True)
class Verification:
    """What a verification found.

    Attributes:
        model: name of the model file.
        written_by: the Keras that wrote it.
        bundle: name of the bundle, None where the model was exported in memory.
        runtime: the runtime, in words.
        evidence: every case with its arrays, and the Keras that was asked.
        not_compared: names of layer calls that only one side has.
        notes: what a reader of the result should know.
        assumptions: what both sides take for granted, so that it is not proved.
        missed: numbers at which layers turn and that no case reached.
    """

    model: str
    written_by: str
    bundle: str | None
    runtime: str
    evidence: Evidence = field(repr=False)
    not_compared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    missed: tuple[str, ...] = ()

    @property
    def reference(self) -> str:
        """What the runtime was compared with, in words."""
        reference = self.evidence.reference
        return "recorded outputs" if reference is None else str(reference)

    @property
    def drawn(self) -> int | None:
        """The seed the cases were drawn with; None where inputs were given."""
        return self.evidence.cases[0].seed

    @property
    def outputs(self) -> tuple[Comparison, ...]:
        """Of each output the worst comparison of all cases."""
        cases = self.evidence.cases
        return tuple(worst(pair for case in cases for pair in case.compared))

    @property
    def layers(self) -> tuple[Comparison, ...] | None:
        """Of each layer call the worst, in topological order; None if not asked for."""
        if self.evidence.cases[0].layers is None:
            return None
        cases = self.evidence.cases
        return tuple(worst(pair for case in cases for pair in case.layers or ()))

    @property
    def agrees(self) -> bool:
        """Whether every output is equal within its tolerance, in every case."""
        return all(case.agrees for case in self.evidence.cases)

    @property
    def first_departure(self) -> Comparison | None:
        """The first layer call, in topological order, that departs in any case."""
        return next(
            (pair for pair in self.layers or () if not pair.agrees),
            None,
        )

    @property
    def worst(self) -> Comparison:
        """The output that is furthest from equal, measured by its tolerance."""
        return max(self.outputs, key=lambda pair: pair.badness)

    def as_json(self) -> dict[str, Any]:
        """The verification as ``verify --json`` prints it, one object.

        ``agree``, ``first_departure`` (a name or null) and ``notes`` sum it up;
        ``assumptions`` and ``missed`` say what an agreement does not prove.
        ``cases`` holds a record for each set of inputs: ``name``, ``description``,
        ``seed`` (null where inputs were given), ``calls``, ``agree``, ``inputs`` with
        shape and dtype, and ``outputs``.  The outer ``outputs`` and, with
        ``--layers``, ``layers`` are the worst of each over all cases.

        A comparison has ``name``, ``class_name`` of a layer, ``case``, ``agree``,
        ``verdict`` (``agree``, ``rounding`` or ``differ``), ``reason`` of a
        difference, both shapes and dtypes, ``largest_difference`` with ``at``,
        ``value`` and ``expected`` there, ``largest_relative_difference`` with
        ``relative_at``, ``tolerance``, and ``float64``: how far ``expected`` and
        ``value`` are at most from the same in float64, null where it was not asked.
        Numbers that are not finite are strings.
        """
        first = self.first_departure
        layers = self.layers
        return {
            "agree": self.agrees,
            "model": self.model,
            "written_by": self.written_by,
            "bundle": self.bundle,
            "reference": self.reference,
            "runtime": self.runtime,
            "seed": self.drawn,
            "cases": [case.as_json() for case in self.evidence.cases],
            "outputs": [output.as_json() for output in self.outputs],
            "layers": None if layers is None else [x.as_json() for x in layers],
            "first_departure": first and first.name,
            "not_compared": list(self.not_compared),
            "notes": list(self.notes),
            "assumptions": list(self.assumptions),
            "missed": list(self.missed),
        }
