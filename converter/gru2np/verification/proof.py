"""Proof that a bundle carries: inputs, Keras' own outputs, and how near it came."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.bundle import Recorded, rewritten
from gru2np.errors import Disagreement, VerificationError
from gru2np.verification import samples
from gru2np.verification.comparison import SIMILAR
from gru2np_runtime import BundleError, __version__, kernel, load
from gru2np_runtime.bundle.manifest_proof import member_name
from gru2np_runtime.bundle.opening import open_bundle
from gru2np_runtime.files.arrays import replacing
from gru2np_runtime.proof.checking import sha256
from gru2np_runtime.proof.replay import difference, outputs_of, rounding, short

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from gru2np.layers.custom import CustomObjects
    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Case
    from gru2np.verification.result import Verification
    from gru2np_runtime import Model
    from gru2np_runtime.graph import Port

    Array = NDArray[Any]
    FilePath = str | os.PathLike[str]


def record(
    bundle: FilePath,
    found: Verification,
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
        found: what ``verify`` gave.
        custom_objects: classes of your own that the bundle needs.

    Raises:
        Disagreement: the two do not agree, or the bundle is another one.
        BundleError: the bundle breaks a rule.
    """
    place = Path(bundle)
    try:
        data = place.read_bytes()
    except OSError as error:
        text = f"{place}: cannot be read: {error.strerror}"
        raise VerificationError(text) from None
    proved, recorded = with_proof(data, found, place.name, custom_objects)
    with replacing(place) as file:
        file.write(proved)
    return recorded


def with_proof(
    data: bytes,
    found: Verification,
    name: str,
    custom_objects: CustomObjects | None = None,
    more: Mapping[str, float] | None = None,
) -> tuple[bytes, Recorded]:
    """A bundle with its proof: its bytes, and what was put in; see ``record``.

    Args:
        data: the bundle.
        found: what ``verify`` gave, for it or for the same model in full precision.
        name: of the bundle, for messages.
        custom_objects: classes of your own that the bundle needs.
        more: by output, what small storage adds to the tolerance.
    """
    if not found.agrees:
        raise Disagreement(
            f"{name}: what disagrees is no proof, and is not recorded: "
            "gru2np verify shows where it departs"
        )
    opened = open_bundle(data, custom_objects)
    model = opened.model()
    inputs = dict(zip(opened.manifest.inputs.names, model.graph.inputs, strict=True))
    outputs = dict(zip(model.output_names, model.graph.outputs, strict=True))
    arrays: dict[str, Array] = {}
    cases, worst = [], (0.0, 0.0)
    stateful = samples.is_stateful(model.graph)
    for position, case in enumerate(found.evidence.cases):
        given = _arrays(case.inputs, inputs)
        wanted = _arrays(case.expected, outputs)
        # Rows of other models do not depend on each other.
        calls = case.calls if stateful else 1
        results = outputs_of(model, given, calls)
        own = _case_record(case, calls, given, wanted)
        for output, got, pair in zip(wanted, results, case.compared, strict=True):
            largest = difference(got, wanted[output])
            # Verified as rounding beyond the tolerance, it is further than that.
            tolerance = max(pair.tolerance, pair.largest) + (more or {}).get(output, 0)
            if largest > tolerance:
                raise Disagreement(
                    f"{name}: case {case.name!r}, output {output!r} is "
                    f"{short(largest)} from {found.reference}, {short(tolerance)} is "
                    "allowed: verify this bundle again before it is recorded"
                )
            allowed = largest + _margin(model, pair, wanted[output], largest)
            own["outputs"][output].update(largest_difference=largest, allowed=allowed)
            worst = max(worst, (largest, allowed))
        for kind, group in (("inputs", given), ("outputs", wanted)):
            arrays |= {member_name(position, kind, k): v for k, v in group.items()}
        cases.append(own)
    proof = {
        "reference": found.reference,
        "runtime": f"gru2np_runtime {__version__}, kernel {kernel()}",
        "seed": found.drawn,
        "cases": cases,
    }
    proved = rewritten(data, {"proof": proof}, arrays)
    # What is written is read and replayed as it will be where it goes.
    try:
        load(proved, custom_objects=custom_objects, check=True)
    except BundleError as error:
        raise Disagreement(f"{name}: nothing is recorded: {error}") from None
    outputs_given = [case.expected.values() for case in found.evidence.cases]
    numbers = sum(array.size for group in outputs_given for array in group)
    size = sum(array.nbytes for array in arrays.values())
    reference = found.reference
    return proved, Recorded(name, len(cases), numbers, size, reference, worst)


def _margin(model: Model, pair: Comparison, expected: Array, largest: float) -> float:
    """How much further a replay may be from the expected output; see ``record``."""
    margin = rounding(model.graph, expected)
    return max(margin, SIMILAR * largest) if pair.rounding else margin


def _arrays(given: Mapping[str, Array], ports: Mapping[str, Port]) -> dict[str, Array]:
    """The arrays in the order and the dtypes of the ports."""
    return {
        name: np.asarray(given[name], port.dtype, order="C")
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
