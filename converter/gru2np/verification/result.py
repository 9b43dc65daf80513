"""The result of a verification, for a person, a program and an exit code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gru2np.text import by_words
from gru2np.verification.comparison import worst

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Evidence


@dataclass(frozen=True)
class Verification:
    """The result of a verification.

    Attributes:
        model: name of the model file.
        written_by: the Keras that wrote it.
        bundle: name of the bundle; None if the model was exported in memory.
        runtime: name and version of the runtime.
        evidence: every case with its arrays, and the Keras that ran.
        not_compared: names of layer calls that only one side has.
        notes: sentences that a reader of the result should know.
        assumptions: what both sides assume, and agreement does not prove.
        missed: breakpoints and special values of layers that no case reached.
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
        """The Keras that the runtime was compared with, or ``recorded outputs``."""
        reference = self.evidence.reference
        return "recorded outputs" if reference is None else str(reference)

    @property
    def rewritten(self) -> Mapping[str, Sequence[str]] | None:
        """What the upgraded file says in other words, by layer, if Keras ran that file.

        None if Keras ran the model's own file, or did not run.
        """
        reference = self.evidence.reference
        return None if reference is None else reference.rewritten

    @property
    def run_as(self) -> str | None:
        """How Keras ran the model if not from its own file, in words; else None."""
        reference, rewritten = self.evidence.reference, self.rewritten
        if reference is None or rewritten is None:
            return None
        words = "; ".join(by_words(rewritten))
        told = f"rewritten: {words}" if words else "nothing is rewritten"
        return f"run as upgraded in Keras {reference.version}; {told}"

    @property
    def drawn(self) -> int | None:
        """The seed the cases were drawn with; None for the user's inputs."""
        return self.evidence.cases[0].seed

    @property
    def outputs(self) -> tuple[Comparison, ...]:
        """The worst comparison of each output over all cases."""
        cases = self.evidence.cases
        return tuple(worst(pair for case in cases for pair in case.compared))

    @property
    def layers(self) -> tuple[Comparison, ...] | None:
        """The same of each layer call in topological order; None without ``layers``."""
        if self.evidence.cases[0].layers is None:
            return None
        cases = self.evidence.cases
        return tuple(worst(pair for case in cases for pair in case.layers or ()))

    @property
    def agrees(self) -> bool:
        """Whether every output is equal within its tolerance, in every case."""
        return all(case.agrees for case in self.evidence.cases)

    @property
    def first_difference(self) -> Comparison | None:
        """The first layer call, in topological order, that differs in any case."""
        return next(
            (pair for pair in self.layers or () if not pair.agrees),
            None,
        )

    @property
    def worst(self) -> Comparison:
        """The output with the largest difference relative to its tolerance."""
        return max(self.outputs, key=lambda pair: pair.badness)

    def as_json(self) -> dict[str, Any]:
        """The verification as ``verify --json`` prints it, one object.

        ``agree``, ``first_difference`` and ``notes`` are the summary; ``assumptions``
        and ``missed`` list what an agreement does not prove.  Numbers that are not
        finite are strings.  ``docs/output.schema.json`` describes every key.
        """
        first = self.first_difference
        layers = self.layers
        return {
            "schema": "gru2np/verify/1",
            "agree": self.agrees,
            "model": self.model,
            "written_by": self.written_by,
            "bundle": self.bundle,
            "reference": self.reference,
            "rewritten": None if self.rewritten is None else dict(self.rewritten),
            "runtime": self.runtime,
            "seed": self.drawn,
            "cases": [case.as_json() for case in self.evidence.cases],
            "outputs": [output.as_json() for output in self.outputs],
            "layers": None if layers is None else [x.as_json() for x in layers],
            "first_difference": first and first.name,
            "not_compared": list(self.not_compared),
            "notes": list(self.notes),
            "assumptions": list(self.assumptions),
            "missed": list(self.missed),
        }
