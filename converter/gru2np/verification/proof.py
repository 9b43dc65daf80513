"""Record a proof in a bundle: inputs, Keras' outputs, and the differences."""

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
    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Case
    from gru2np.verification.result import Verification
    from gru2np_runtime import Model
    from gru2np_runtime.bundle.opening import Opened
    from gru2np_runtime.custom_objects import CustomObjects
    from gru2np_runtime.graph import Port


def record(
    bundle: FilePath,
    verification: Verification,
    *,
    custom_objects: CustomObjects | None = None,
) -> Recorded:
    """Record what a verification compared in a bundle; replaces an earlier proof.

    The bundle is run again, so that only outputs that it gives are recorded.  A replay
    on another machine may differ by the difference here plus rounding: 2e-5 + 1e-4
    max|y|, for float64 models 1e-11 + 1e-9 max|y|; if verify found rounding beyond its
    tolerance, eight times that difference if that is more.

    Args:
        bundle: path of the bundle that was verified; it is replaced when the new one is
            complete.
        verification: the result of ``verify``.
        custom_objects: custom classes that the bundle needs.

    Raises:
        VerificationError: outputs differ, or the bundle is not the verified one.
        BundleError: the bundle breaks a rule.
    """
    path = Path(bundle)
    if not verification.agrees:
        raise VerificationError(
            f"{path.name}: the outputs differ from those of Keras, so nothing is "
            "recorded: gru2np verify shows where they differ"
        )
    try:
        data = path.read_bytes()
    except OSError as error:
        text = f"{path}: cannot be read: {error.strerror}"
        raise VerificationError(text) from None
    writer = _Writer(
        path.name, open_bundle(data, custom_objects), verification.reference
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
    # The new bundle is loaded and replayed before it is written.
    try:
        load(proved, custom_objects=custom_objects, check=True)
    except BundleError as error:
        text = f"{path.name}: nothing is recorded: {error}"
        raise VerificationError(text) from None
    with replacing(path) as file:
        file.write(proved)
    return writer.recorded()


class _Writer:
    """Collects the cases of a proof; the bundle runs each of them again.

    Args:
        name: of the bundle, for messages.
        opened: the bundle.
        reference: the source of the expected outputs.
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
            VerificationError: the bundle gives other outputs than the verified one.
        """
        inputs = _arrays(case.inputs, self.inputs)
        expected = _arrays(case.expected, self.outputs)
        # Only the rows of a stateful model depend on earlier calls.
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
        # A difference that counts as rounding may exceed the tolerance.
        tolerance = max(pair.tolerance, pair.largest)
        if largest > tolerance:
            raise VerificationError(
                f"{self.name}: case {case.name!r}, output {output!r}: the difference "
                f"from {self.reference} is {short(largest)}, allowed are "
                f"{short(tolerance)}: verify this bundle again"
            )

    def recorded(self) -> Recorded:
        """A summary of the proof."""
        size = sum(array.nbytes for array in self.arrays.values())
        return Recorded(
            self.name, len(self.cases), self.numbers, size, self.reference, self.worst
        )


def _margin(model: Model, pair: Comparison, expected: Array, largest: float) -> float:
    """How much larger the difference of a replay may be; see ``record``."""
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
