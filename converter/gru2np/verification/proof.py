"""Proof that a bundle carries: inputs, Keras' own outputs, and how near it came."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.bundle import Recorded, rewritten
from gru2np.errors import VerificationError
from gru2np.verification import samples
from gru2np.verification.comparison import SIMILAR
from gru2np_runtime import BundleError, __version__, kernel, load
from gru2np_runtime.bundle.manifest_proof import member_name
from gru2np_runtime.bundle.opening import open_bundle
from gru2np_runtime.files.arrays import replacing
from gru2np_runtime.proof.checking import sha256
from gru2np_runtime.proof.replay import difference, outputs_of, rounding, short

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np.ir import Array, FilePath
    from gru2np.layers.custom import CustomObjects
    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Case
    from gru2np.verification.result import Verification
    from gru2np_runtime import Model
    from gru2np_runtime.bundle.opening import Opened
    from gru2np_runtime.graph import Port


def record(
    bundle: FilePath,
    verification: Verification,
    *,
    custom_objects: CustomObjects | None = None,
) -> Recorded:
    """Put what a verification compared into a bundle, in place of an earlier proof.

    The bundle itself is run once more, so that nothing is recorded that it does not
    give.  A replay elsewhere may be further from Keras than the bundle is here by
    what rounding adds: 2e-5 + 1e-4 max|y|, of float64 models 1e-11 + 1e-9 max|y|; where
    verify found rounding beyond its tolerance, eight times that difference if more.

    Args:
        bundle: path of the bundle that was verified; it is replaced once it is whole.
        verification: what ``verify`` gave.
        custom_objects: classes of your own that the bundle needs.

    Raises:
        VerificationError: the two do not agree, or the bundle is another one.
        BundleError: the bundle breaks a rule.
    """
    place = Path(bundle)
    if not verification.agrees:
        raise VerificationError(
            f"{place.name}: what disagrees is no proof, and is not recorded: "
            "gru2np verify shows where it departs"
        )
    try:
        data = place.read_bytes()
    except OSError as error:
        text = f"{place}: cannot be read: {error.strerror}"
        raise VerificationError(text) from None
    writer = _Writer(
        place.name, open_bundle(data, custom_objects), verification.reference
    )
    for case in verification.evidence.cases:
        writer.add(case)
    proof = {
        "reference": verification.reference,
        "runtime": f"gru2np_runtime {__version__}, kernel {kernel()}",
        "seed": verification.drawn,
        "cases": writer.cases,
    }
    proved = rewritten(data, {"proof": proof}, writer.arrays)
    # What is written is read and replayed as it will be where it goes.
    try:
        load(proved, custom_objects=custom_objects, check=True)
    except BundleError as error:
        text = f"{place.name}: nothing is recorded: {error}"
        raise VerificationError(text) from None
    with replacing(place) as file:
        file.write(proved)
    return writer.recorded()


class _Writer:
    """The cases of a proof, each run once more in the bundle that it goes into.

    Args:
        name: of the bundle, for messages.
        opened: the bundle.
        reference: what gave the expected outputs.
    """

    def __init__(self, name: str, opened: Opened, reference: str) -> None:
        model = opened.model()
        graph = model.graph
        self.name, self.model, self.reference = name, model, reference
        self.inputs = dict(zip(opened.manifest.inputs.names, graph.inputs, strict=True))
        self.outputs = dict(zip(model.output_names, graph.outputs, strict=True))
        self.stateful = samples.has_states(graph)
        self.arrays: dict[str, Array] = {}
        self.cases: list[dict[str, Any]] = []
        self.numbers = 0
        self.worst = (0.0, 0.0)

    def add(self, case: Case) -> None:
        """Run a case and record it.

        Raises:
            VerificationError: the bundle gives something else than what was verified.
        """
        inputs = _arrays(case.inputs, self.inputs)
        expected = _arrays(case.expected, self.outputs)
        # Rows of other models do not depend on each other.
        calls = case.calls if self.stateful else 1
        results = outputs_of(self.model, inputs, calls)
        record = _case_record(case, calls, inputs, expected)
        for output, got, pair in zip(expected, results, case.compared, strict=True):
            largest = difference(got, expected[output])
            self._check(case, output, largest, pair)
            allowed = largest + _margin(self.model, pair, expected[output], largest)
            record["outputs"][output].update(
                largest_difference=largest, allowed=allowed
            )
            self.worst = max(self.worst, (largest, allowed))
        for kind, group in (("inputs", inputs), ("outputs", expected)):
            names = {member_name(len(self.cases), kind, k): v for k, v in group.items()}
            self.arrays |= names
        self.cases.append(record)
        self.numbers += sum(array.size for array in expected.values())

    def _check(self, case: Case, output: str, largest: float, pair: Comparison) -> None:
        # Verified as rounding beyond the tolerance, it is further than that.
        tolerance = max(pair.tolerance, pair.largest)
        if largest > tolerance:
            raise VerificationError(
                f"{self.name}: case {case.name!r}, output {output!r} is "
                f"{short(largest)} from {self.reference}, {short(tolerance)} is "
                "allowed: verify this bundle again before it is recorded"
            )

    def recorded(self) -> Recorded:
        """What was put into the bundle."""
        size = sum(array.nbytes for array in self.arrays.values())
        return Recorded(
            self.name, len(self.cases), self.numbers, size, self.reference, self.worst
        )


def _margin(model: Model, pair: Comparison, expected: Array, largest: float) -> float:
    """How much further a replay may be from the expected output; see ``record``."""
    margin = rounding(model.graph, expected)
    return max(margin, SIMILAR * largest) if pair.rounding else margin


def _arrays(arrays: Mapping[str, Array], ports: Mapping[str, Port]) -> dict[str, Array]:
    """The arrays in the order and the dtypes of the ports."""
    return {
        name: np.asarray(arrays[name], port.dtype, order="C")
        for name, port in ports.items()
    }


def _case_record(
    case: Case, calls: int, inputs: Mapping[str, Array], outputs: Mapping[str, Array]
) -> dict[str, Any]:
    return {
        "name": case.name,
        "description": case.description,
        "calls": calls,
        "inputs": {name: _array_record(array) for name, array in inputs.items()},
        "outputs": {name: _array_record(array) for name, array in outputs.items()},
    }


def _array_record(array: Array) -> dict[str, Any]:
    return {
        "shape": list(array.shape),
        "dtype": array.dtype.name,
        "sha256": sha256(array),
    }
