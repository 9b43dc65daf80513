"""What a verification found, for a person, a program and an exit code."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np.verification.comparison import Comparison


@dataclass(frozen=True)
class Verification:
    """What a verification found.

    Attributes:
        model: name of the model file.
        written_by: the Keras that wrote it.
        bundle: name of the bundle, None where the model was exported in memory.
        reference: what the runtime was compared with, in words.
        runtime: the runtime, in words.
        inputs: shape and dtype of each input by name.
        drawn: the seed they were drawn with; None where they were given.
        outputs: a comparison for each output.
        layers: a comparison for each layer call, in topological order; None where
            not asked for.
        not_compared: names of layer calls that only one side has.
        notes: what a reader of the result should know.
    """

    model: str
    written_by: str
    bundle: str | None
    reference: str
    runtime: str
    inputs: Mapping[str, tuple[tuple[int, ...], str]]
    drawn: int | None
    outputs: tuple[Comparison, ...]
    layers: tuple[Comparison, ...] | None = None
    not_compared: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether every output is equal within its tolerance."""
        return all(output.agrees for output in self.outputs)

    @property
    def first_departure(self) -> Comparison | None:
        """The first layer call, in topological order, that departs."""
        return next((own for own in self.layers or () if not own.agrees), None)

    @property
    def worst(self) -> Comparison:
        """The output that is furthest from equal, measured by its tolerance."""

        def badness(own: Comparison) -> float:
            if own.agrees:
                return own.largest / own.tolerance if own.tolerance else 0.0
            return math.inf

        return max(self.outputs, key=badness)

    def as_json(self) -> dict[str, Any]:
        """The verification as ``verify --json`` prints it, one object.

        ``agree``, ``first_departure`` (a name or null) and ``notes`` sum it up;
        ``outputs`` and, with ``--layers``, ``layers`` hold a record for each array:
        ``name``, ``class_name`` of a layer, ``agree``, ``reason`` of a difference,
        both shapes and dtypes, ``largest_difference`` with ``at``, ``value`` and
        ``expected`` there, ``largest_relative_difference`` with ``relative_at``, and
        ``tolerance``.  Numbers that are not finite are strings.
        """
        first = self.first_departure
        return {
            "agree": self.agrees,
            "model": self.model,
            "written_by": self.written_by,
            "bundle": self.bundle,
            "reference": self.reference,
            "runtime": self.runtime,
            "inputs": {
                name: {"shape": list(shape), "dtype": dtype}
                for name, (shape, dtype) in self.inputs.items()
            },
            "seed": self.drawn,
            "outputs": [output.as_json() for output in self.outputs],
            "layers": None
            if self.layers is None
            else [x.as_json() for x in self.layers],
            "first_departure": first and first.name,
            "not_compared": list(self.not_compared),
            "notes": list(self.notes),
        }
