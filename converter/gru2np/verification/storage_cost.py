"""Measure the cost of small storage, and widen tolerances by it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from gru2np.bundle import in_memory, rewritten
from gru2np.errors import InputError, VerificationError
from gru2np.storage import measured_text
from gru2np.verification.cases import draw
from gru2np.verification.comparison import Tolerance
from gru2np.verification.samples import declared_batch, has_states
from gru2np_runtime import load
from gru2np_runtime.proof.replay import SATURATED, difference, flat, stated_cost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.bundle import Exported
    from gru2np.convert import Conversion
    from gru2np.ir import Array
    from gru2np_runtime import Model
    from gru2np_runtime.custom_objects import CustomObjects

    # Inputs, and the outputs of full precision, by name.
    Measured = tuple[Mapping[str, Array], Mapping[str, Array]]

# For other inputs the difference may be this many times as large as measured.
MARGIN = 2.0


def write_small(
    conversion: Conversion,
    file: BinaryIO,
    kind: str,
    custom_objects: CustomObjects | None = None,
) -> Exported:
    """Write a bundle with weights stored small, and a record of the measured cost.

    Args:
        conversion: of the model.
        file: to write the bundle to.
        kind: ``float16`` or ``int8``.
        custom_objects: custom classes by name.

    Raises:
        InputError: ``kind`` is neither.
        UnsupportedModelError: the model computes in float64.
        VerificationError: the cost cannot be measured, or outputs overflow.
    """
    data, exported = in_memory(conversion, kind)
    if exported.stored_small[0]:
        full, _ = in_memory(conversion)
        small = load(data, custom_objects=custom_objects)
        storage = cost(small, load(full, custom_objects=custom_objects))
        exported = replace(exported, storage=storage)
        data = rewritten(data, {"storage": storage})
    file.write(data)
    return exported


def cost(small: Model, full: Model, seed: int = 0) -> dict[str, Any]:
    """The cost of small storage: the record in the manifest.

    Both models run on the inputs that ``verify`` would draw.

    Args:
        small: the model as it is stored.
        full: the same model in full precision.
        seed: of the drawn inputs.

    Raises:
        VerificationError: no drawn inputs fit the model, or outputs overflow.
    """
    graph = full.graph
    try:
        drawn = draw(graph, full.weights, full.input_names, seed)
    except VerificationError:
        raise VerificationError(
            "the cost of small storage cannot be measured, because no drawn inputs fit "
            "this model: export it without --store"
        ) from None
    size = declared_batch(graph) if has_states(graph) else None
    # Saturated inputs have a record of their own: gates at their limits flip, so their
    # cost says nothing about ordinary inputs.
    measured: dict[str, list[Measured]] = {}
    for case in drawn:
        full.reset_states()
        try:
            outputs = flat(full.predict(dict(case.inputs), size))
        except InputError:
            continue
        pair = case.inputs, dict(zip(full.output_names, outputs, strict=True))
        kind = SATURATED if case.name == SATURATED else "outputs"
        measured.setdefault(kind, []).append(pair)
    full.reset_states()
    return _record(small, measured, size, f"seed {seed}")


def _record(
    small: Model,
    measured: Mapping[str, Sequence[Measured]],
    size: int | None,
    seed: str,
) -> dict[str, Any]:
    stored = (small.storage or {})["dtype"]
    costs = {key: _differences(small, cases, size) for key, cases in measured.items()}
    if SATURATED in costs and _overflows(costs[SATURATED]):
        del costs[SATURATED]
    if _overflows(costs["outputs"]):
        raise VerificationError(
            f"stored as {stored}, the model gives infinite or NaN outputs that it does "
            "not give in full precision: export it without --store"
        )
    return {"dtype": stored, "inputs": seed, **costs}


def _overflows(costs: Mapping[str, Mapping[str, float]]) -> bool:
    return any(np.isinf(cost["largest_difference"]) for cost in costs.values())


def _differences(
    model: Model, measured: Sequence[Measured], size: int | None
) -> dict[str, dict[str, float]]:
    """The differences of a model from expected outputs, by output, over all inputs.

    Args:
        model: to run.
        measured: inputs and expected outputs, by name.
        size: the batch size of a stateful model; None for other models.
    """
    pairs: dict[str, list[tuple[Array, Array]]] = {}
    for inputs, expected in measured:
        model.reset_states()
        results = flat(model.predict(dict(inputs), size))
        for name, got in zip(model.output_names, results, strict=True):
            pairs.setdefault(name, []).append((got, expected[name]))
    model.reset_states()
    return {name: _difference(arrays) for name, arrays in pairs.items()}


def _difference(pairs: Sequence[tuple[Array, Array]]) -> dict[str, float]:
    largest = relative = squares = 0.0
    for got, wanted in pairs:
        away = difference(got, wanted)
        largest = max(largest, away)
        most = np.abs(wanted[np.isfinite(wanted)].astype(np.float64)).max(initial=0.0)
        if most:
            relative = max(relative, away / float(most))
        both = np.isfinite(got) & np.isfinite(wanted)
        squares += float(((got[both] - wanted[both].astype(np.float64)) ** 2).sum())
    numbers = sum(wanted.size for _, wanted in pairs)
    return {
        "largest_difference": _rounded_up(largest),
        "relative": _rounded_up(relative),
        "root_mean_square": _rounded_up((squares / max(numbers, 1)) ** 0.5),
    }


def _rounded_up(number: float) -> float:
    """The number rounded up to three digits, so that kernels give the same."""
    return float(f"{number * 1.005:.2e}")


def tolerance(
    storage: Mapping[str, Any], output: str, full: Tolerance, case: str
) -> Tolerance:
    """The tolerance of an output of a bundle stored small.

    Args:
        storage: ``Model.storage``.
        output: its name.
        full: the tolerance of the model in full precision.
        case: the name of the case.
    """
    absolute, relative = stated_cost(storage, case, output)
    return Tolerance(full.atol + MARGIN * absolute, full.rtol + MARGIN * relative)


def note(storage: Mapping[str, Any]) -> str:
    """A sentence on how a bundle is stored, and what differences that allows."""
    return (
        f"kernels are stored as {storage['dtype']}: outputs may differ by {MARGIN:g} "
        f"times the measured cost, {measured_text(storage)}"
    )
