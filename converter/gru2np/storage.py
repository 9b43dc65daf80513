"""Small storage: kernels and tables of embeddings as float16 or int8.

They are widened to float32 when the bundle is loaded, so that everything is computed
in float32 as before.  Which weights these are, and along which axis the scales of int8
run, is a table; what is not in it stays as it is.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.errors import InputError, UnsupportedModelError, VerificationError
from gru2np.text import plural
from gru2np_runtime.proof.replay import difference, flat, short

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from gru2np.verification.comparison import Tolerance
    from gru2np_runtime import Model

    Array = NDArray[Any]
    # Inputs, and the outputs of full precision, by name.
    Measured = tuple[Mapping[str, Array], Mapping[str, Array]]

KINDS = ("float16", "int8")
# By name of the weight, the axis that each number of an output has an index of: a
# column of a kernel makes one number, and rounding in it troubles no other.  A row of a
# table is one vector, and rare ones are short.
AXES = {
    "kernel": -1,
    "recurrent_kernel": -1,
    "carry_kernel": -1,
    "pointwise_kernel": -1,
    "depthwise_kernel": -2,
    "embeddings": 0,
    "reverse_embeddings": -1,
}
# Where an op has it elsewhere: (..., filters, channels).
AXES_OF = {("conv_transpose", "kernel"): -2}
# Below a kilobyte there is nothing to gain; scales must not eat what int8 gains.
SMALLEST = 256
PER_SCALE = 4
LARGEST = 127
# Outputs of other inputs may be so much further away than those that were measured.
MARGIN = 2.0
# The drawn case whose inputs are no ordinary ones: gates at their limits tip over, so
# that its cost says nothing of others and stands apart.
APART = "saturated"


@dataclass(frozen=True)
class Stored:
    """A weight as it is stored.

    Attributes:
        array: its numbers.
        scales: of int8, a float32 for each index of ``axis``; else None.
        axis: counted from the first.
    """

    array: Array
    scales: Array | None = None
    axis: int = 0


def stored(array: Array, name: str, op: str, kind: str) -> Stored:
    """A weight made small, or as it is where the table or its numbers forbid it.

    Args:
        array: as the bundle would hold it.
        name: of the weight in its layer.
        op: of the layer.
        kind: ``float16`` or ``int8``.
    """
    axis = AXES_OF.get((op, name), AXES.get(name))
    if axis is None or op.startswith("custom>") or array.dtype == np.float64:
        return Stored(array)
    if array.size < SMALLEST or array.ndim < 2 or not np.isfinite(array).all():
        return Stored(array)
    if kind == "float16":
        # Beyond 65504 nothing would be left of a number.
        fits = np.abs(array).max() <= np.finfo(np.float16).max
        return Stored(array.astype(np.float16) if fits else array)
    along = axis % array.ndim
    if array.size < PER_SCALE * array.shape[along]:
        return Stored(array)
    return _in_bytes(array, along)


def _in_bytes(array: Array, axis: int) -> Stored:
    """Symmetric: the largest number of each index is 127, and 0 stays 0."""
    exact = array.astype(np.float64)
    others = tuple(i for i in range(array.ndim) if i != axis)
    largest = np.abs(exact).max(axis=others, keepdims=True)
    scales = (largest / LARGEST).astype(np.float32)
    steps = np.divide(exact, scales, out=np.zeros_like(exact), where=scales > 0)
    numbers = np.clip(np.rint(steps), -LARGEST, LARGEST).astype(np.int8)
    return Stored(numbers, scales.reshape(-1), axis)


def check_small(dtypes: Sequence[str], kind: str) -> None:
    """Refuse to make a float64 model small.

    Args:
        dtypes: what the layers of its weights compute in.
        kind: ``float16`` or ``int8``.

    Raises:
        UnsupportedModelError: a layer computes in float64.
    """
    if "float64" in dtypes:
        raise UnsupportedModelError(
            f"this model computes in float64, whose 16 digits {kind} would cut to "
            f"{3 if kind == 'float16' else 2}: export it without --store, or train it "
            "in float32"
        )


def unknown(kind: str, outputs: Sequence[str]) -> dict[str, Any]:
    """The manifest's record of a cost that is still to be measured."""
    nothing = {"largest_difference": 0.0, "relative": 0.0, "root_mean_square": 0.0}
    return {"dtype": kind, "inputs": "", "outputs": dict.fromkeys(outputs, nothing)}


def cost(
    small: Model, full: Model, given: Sequence[Mapping[str, Array]] = (), seed: int = 0
) -> dict[str, Any]:
    """What small storage costs: the record that the manifest holds.

    Both are run on the inputs that ``verify`` would draw, and on those given.

    Args:
        small: as it is stored.
        full: the same model as it was.
        given: inputs by name, of each case that the user gave.
        seed: of the drawn inputs.

    Raises:
        VerificationError: no inputs can be drawn that fit, and none are given.
    """
    from gru2np.verification import cases, samples

    graph = full._graph
    measured: dict[str, list[Measured]] = {}
    drawn: list[cases.Drawn] = []
    with suppress(VerificationError):
        drawn = cases.draw(graph, full.input_names, seed)
    size = samples.declared_batch(graph) if samples.is_stateful(graph) else None
    inputs_of = [(own.name, own.inputs) for own in drawn]
    for name, inputs in (*inputs_of, *((cases.GIVEN, own) for own in given)):
        full.reset_states()
        try:
            outputs = flat(full.predict(dict(inputs), size))
        except InputError:
            continue
        pair = inputs, dict(zip(full.output_names, outputs, strict=True))
        measured.setdefault(APART if name == APART else "outputs", []).append(pair)
    full.reset_states()
    if "outputs" not in measured:
        raise VerificationError(
            "what small storage costs cannot be measured, for no inputs could be drawn "
            "that fit this model: give some with --prove"
        )
    sources = [f"seed {seed}"] * bool(drawn) + ["given"] * bool(given)
    kind = (small.storage or {})["dtype"]
    found = {key: _departures(small, own, size) for key, own in measured.items()}
    if APART in found and _overflows(found[APART]):
        del found[APART]
    if _overflows(found["outputs"]):
        raise VerificationError(
            f"as {kind}, outputs are infinite or NaN where they were not: export this "
            "model without --store"
        )
    return {"dtype": kind, "inputs": " and ".join(sources), **found}


def _overflows(costs: Mapping[str, Mapping[str, float]]) -> bool:
    return any(np.isinf(own["largest_difference"]) for own in costs.values())


def _departures(
    model: Model, measured: Sequence[Measured], size: int | None
) -> dict[str, dict[str, float]]:
    """How far a model is from outputs, by output, over all inputs.

    Args:
        model: to run.
        measured: inputs and the outputs that belong to them, by name.
        size: rows at once, of a stateful model.
    """
    pairs: dict[str, list[tuple[Array, Array]]] = {}
    for inputs, expected in measured:
        model.reset_states()
        results = flat(model.predict(dict(inputs), size))
        for name, got in zip(model.output_names, results, strict=True):
            pairs.setdefault(name, []).append((got, expected[name]))
    model.reset_states()
    return {name: _departure(own) for name, own in pairs.items()}


def _departure(pairs: Sequence[tuple[Array, Array]]) -> dict[str, float]:
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
    """Three digits, the same whichever kernel measured it."""
    return float(f"{number * 1.005:.2e}")


def tolerance(
    storage: Mapping[str, Any], output: str, usual: Tolerance, case: str = ""
) -> Tolerance:
    """What an output of a bundle stored small may be away from Keras.

    Args:
        storage: ``Model.storage``.
        output: its name.
        usual: of the model in full precision.
        case: the name of the case.
    """
    from gru2np.verification.comparison import Tolerance

    key = APART if case == APART and APART in storage else "outputs"
    own = storage[key][output]
    # Of an output that was nothing but zeros, there is no relative difference.
    absolute = 0.0 if own["relative"] else own["largest_difference"]
    return Tolerance(
        usual.atol + MARGIN * absolute, usual.rtol + MARGIN * own["relative"]
    )


def note(storage: Mapping[str, Any]) -> str:
    """A sentence that says how a bundle is stored, and what it is held to."""
    return (
        f"kernels are stored as {storage['dtype']}: outputs are held to "
        f"{MARGIN:g} times what that was measured to cost, {_worst(storage)}; "
        "export --prove measures it on inputs of yours"
    )


def _worst(storage: Mapping[str, Any]) -> str:
    far, most, usual = (
        max(own[key] for own in storage["outputs"].values())
        for key in ("largest_difference", "relative", "root_mean_square")
    )
    return (
        f"{short(far)}, {100 * most:.2g} % of the largest output, root mean square "
        f"{short(usual)} (inputs: {storage['inputs']})"
    )


def costs(storage: Mapping[str, Any]) -> str:
    """What small storage costs, in words.

    Args:
        storage: the record of the manifest, and ``weights``, how many are small.
    """
    weights = plural(storage["weights"], "weight")
    return f"{weights} as {storage['dtype']}; outputs move by up to {_worst(storage)}"
