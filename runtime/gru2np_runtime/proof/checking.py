"""Check a bundle: every SHA-256, and its proof, replayed on this machine."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.errors import BundleError, InputError
from gru2np_runtime.kernels.c.library import describe
from gru2np_runtime.proof.replay import Compared, Steps, compare_whole, short
from gru2np_runtime.text import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np_runtime.bundle.manifest_proof import Proof
    from gru2np_runtime.bundle.opening import Opened
    from gru2np_runtime.layer import Array
    from gru2np_runtime.model import Model


class Checked:
    """The result of a check; ``print`` it.

    Attributes:
        weights: number of weights in the bundle.
        numbers: number of elements of all weights.
        storage: ``float16`` or ``int8`` if kernels are stored small, else None.
        reference: the Keras that gave the recorded outputs; None without a proof.
        kernel: the kernel that ran here, as a line to print.
        whole: one comparison for each output of each case.
        steps: one for each output of each compared step.
        cases: number of cases.
        stepped: number of cases that ran step by step too.
        no_steps: the reason why none did.
    """

    def __init__(self, weights: int, numbers: int, storage: str | None = None) -> None:
        self.weights = weights
        self.numbers = numbers
        self.storage = storage
        self.reference: str | None = None
        self.kernel = ""
        self.whole: list[Compared] = []
        self.steps: list[Compared] = []
        self.cases = 0
        self.stepped = 0
        self.no_steps = ""

    @property
    def differs(self) -> list[Compared]:
        """The comparisons whose difference is not allowed."""
        return [c for c in (*self.whole, *self.steps) if not c.agrees]

    @property
    def problems(self) -> list[str]:
        """A sentence for each difference; empty if all agree."""
        return [
            f"the proof does not hold here ({self.kernel}): {compared}, compared "
            f"with {self.reference}"
            for compared in self.differs
        ]

    def __str__(self) -> str:
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield (
            f"intact: {plural(self.weights, 'weight')}, {self.numbers:,} numbers, "
            "every SHA-256 is that of the manifest"
        )
        if self.reference is None:
            yield "no proof: it carries no outputs of Keras to replay"
            return
        yield _line(f"proof: {plural(self.cases, 'case')}", self.whole, self.reference)
        if self.steps:
            head = f"step by step: {self.stepped} of {plural(self.cases, 'case')}"
            yield _line(head, self.steps, "whole sequences")
        else:
            yield f"step by step: not run: {self.no_steps}"
        if self.storage is not None:
            yield (
                f"kernels stored as {self.storage}: the allowed differences include "
                "the cost"
            )
        yield self.kernel
        for compared in self.differs:
            yield f"differ: {compared}"


def _line(head: str, comparisons: Sequence[Compared], reference: str) -> str:
    numbers = sum(compared.numbers for compared in comparisons)
    worst = max(comparisons, key=lambda compared: compared.ratio)
    return (
        f"{head}, {plural(numbers, 'number')} compared with {reference}, "
        f"largest difference {short(worst.largest)} of {short(worst.allowed)} allowed"
    )


def check(opened: Opened, model: Model) -> Checked:
    """Compare every SHA-256 with the manifest's, and replay the proof.

    Args:
        opened: the bundle.
        model: made from it; states of a stateful model are zero afterwards.

    Raises:
        BundleError: the SHA-256 of an array differs; the message names the array.
    """
    check_hashes(opened)
    weights = opened.manifest.weights
    numbers = sum(opened.stored[weight.name].size for weight in weights)
    storage = opened.manifest.storage
    kind = None if storage is None else str(storage["dtype"])
    checked = Checked(len(weights), numbers, kind)
    if opened.manifest.proof is not None:
        _replay(checked, opened.manifest.proof, opened, model)
    return checked


def check_hashes(opened: Opened) -> None:
    """Compare every SHA-256 with the manifest's.

    Raises:
        BundleError: one differs; the message names every such member.
    """
    wrong = [
        member.name
        for member in opened.manifest.members()
        if sha256(opened.stored[member.name]) != member.sha256
    ]
    if wrong:
        lines = "".join(f"\n  - {name}" for name in wrong)
        raise BundleError(
            "these arrays are damaged, their SHA-256 differs from the manifest's; copy "
            f"the bundle again:{lines}"
        )


def sha256(array: Array) -> str:
    """The SHA-256 of an array's bytes, little-endian and in C order."""
    numbers = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(-1)
    return hashlib.sha256(numbers.view(np.uint8).data).hexdigest()


def _replay(checked: Checked, proof: Proof, opened: Opened, model: Model) -> None:
    checked.reference = proof.reference
    checked.kernel = describe()
    checked.cases = len(proof.cases)
    steps = None
    try:
        steps = Steps(model)
    except InputError as error:
        checked.no_steps = str(error)
    for case in proof.cases:
        inputs = {name: opened.stored[x.name] for name, x in case.inputs.items()}
        outputs = {name: opened.stored[y.name] for name, y in case.outputs.items()}
        try:
            checked.whole += compare_whole(model, case, inputs, outputs)
            stepped = (
                [] if steps is None else list(steps.compare(case, inputs, outputs))
            )
        except InputError as error:
            raise BundleError(f"proof, case {case.name!r}: {error}") from None
        checked.stepped += bool(stepped)
        checked.steps += stepped
    if steps is not None and not checked.steps:
        checked.no_steps = "the sequences of a case have different lengths, or none"
