"""Upgrade: from a saved model of any Keras to a file of the newest one."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from gru2np.convert import convert, model_file
from gru2np.errors import VerificationError, check_apart, check_path
from gru2np.text import by_words, plural
from gru2np.upgrading.upgrade import upgrade_of, written_for
from gru2np.verification import keras_objects
from gru2np.verification.verify import Request, verify_conversion
from gru2np_runtime.files.arrays import replacing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np.ir import FilePath
    from gru2np.verification.result import Verification
    from gru2np_runtime.custom_objects import CustomObjects

UNTRAINED = (
    "the loss, the metrics and the state of the optimizer are not in the new file: "
    "compile the model before you train it"
)


@dataclass(frozen=True)
class Upgraded:
    """The facts of an upgraded file; ``print`` it.

    Attributes:
        layers: number of layers of the model, those of nested models included.
        parameters: number of elements of all weights.
        keras_version: as written in the model file, or None.
        written_for: the version of Keras that the new file is for.
        rewritten: what the new file says in other words, so that this Keras computes
            what the old one did, by the path of the layer in the model.
        notes: what else is different, and where the old file leaves open what the
            model computes.
        verification: the comparison of the new file, run in Keras, with the runtime;
            None without ``verify``.
    """

    layers: int
    parameters: int
    keras_version: str | None
    written_for: str
    rewritten: Mapping[str, str]
    notes: tuple[str, ...]
    verification: Verification | None = None

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """What was written, a line for each thing."""
        return [
            f"{plural(self.layers, 'layer')}, {plural(self.parameters, 'parameter')}, "
            f"for Keras {self.written_for}",
            *(f"Rewritten: {text}" for text in by_words(self.rewritten)),
            *(f"Note: {text}" for text in self.notes),
        ]


class Differs(VerificationError):
    """The upgraded file, run in Keras, gives other numbers than the runtime.

    Attributes:
        verification: what was compared.
    """

    def __init__(self, verification: Verification) -> None:
        self.verification = verification
        wrong = [output for output in verification.outputs if not output.agrees]
        reasons = "; ".join(f"{output.name}: {output.why}" for output in wrong)
        super().__init__(
            f"{verification.reference} gives other numbers than the runtime, so "
            f"nothing is written: {reasons}"
        )


def upgrade(
    model: Any,
    out: FilePath | BinaryIO,
    *,
    weights: FilePath | None = None,
    custom_objects: CustomObjects | None = None,
    saved_by: str | None = None,
    verify: bool = False,
) -> Upgraded:
    """Write a saved model as a ``.keras`` file of the newest Keras, without Keras.

    It gives the numbers that the model gave in the Keras that saved it, or it is
    refused.  What Keras 3 computes otherwise is said in other words, which the result
    lists.

    Args:
        model: path of a saved model, as for ``export``, or a live ``keras.Model``.
        out: path of the new file, replaced if it exists, or a binary file object.
        weights: path of the weights file that belongs to an architecture.
        custom_objects: custom classes by name: see ``export``.
        saved_by: the Keras that saved the file, if the file does not say: see
            ``export``.
        verify: run the new file in the installed Keras 3 and compare it with the
            runtime, as ``gru2np.verify`` does, before it is written.

    Raises:
        ModelFileError: the file is damaged, hostile or no model.
        UnsupportedModelError: it cannot be converted faithfully, or has no exact form
            in Keras 3; all reasons.
        ValueError: ``saved_by`` names no Keras.
        InputError: ``out`` is the model itself, or an argument is no path.
        VerificationError: with ``verify``, the installed Keras cannot run the new file
            or gives other numbers; nothing is written.
    """
    request = Request(custom_objects=custom_objects, saved_by=saved_by)
    return write_upgraded(model, out, request, weights, verify=verify)


def write_upgraded(
    model: Any,
    out: FilePath | BinaryIO,
    request: Request,
    weights: FilePath | None = None,
    *,
    verify: bool,
) -> Upgraded:
    """Write a model as a file of the newest Keras; see ``upgrade``.

    Args:
        model: path of a saved model, or a live ``keras.Model``.
        out: path of the new file, or a binary file object.
        request: custom objects, the Keras that saved the file, and how to compare.
        weights: path of the weights of an architecture.
        verify: whether to compare.

    Raises:
        Differs: the new file, run in Keras, gives other numbers; nothing is written.
    """
    example = "upgrade('model.h5', 'model.keras')"
    if isinstance(out, io.TextIOBase) or not hasattr(out, "write"):
        check_path(out, "out", example, other=" or a file open for bytes")
    if weights is not None:
        check_path(weights, "weights", "upgrade('model.json', weights='weights.h5')")
    with ExitStack() as stack:
        path, saved_by = stack.enter_context(model_file(model, request.saved_by))
        check_path(path, "model", example, other=" or a live keras.Model")
        conversion = stack.enter_context(
            convert(path, weights, request.custom_objects, saved_by)
        )
        if isinstance(out, (str, os.PathLike)):
            check_apart(out, (path, weights), ".upgraded.keras")
        made = upgrade_of(conversion)
        verification = None
        if verify:
            needed = sorted(conversion.specs.used)
            keras_objects.check(needed, request.keras_custom_objects)
            files = Path(path), None if weights is None else Path(weights)
            (verification,) = verify_conversion(
                conversion, files, [None], request, made
            )
            if not verification.agrees:
                raise Differs(verification)
        if isinstance(out, (str, os.PathLike)):
            out = stack.enter_context(replacing(out))
        out.write(made.data)
        built = conversion.built
        return Upgraded(
            layers=sum("#" not in path for path in built.graph.layers),
            parameters=sum(prod(x.shape) for x in conversion.tensors.values()),
            keras_version=conversion.raw.keras_version,
            written_for=written_for(),
            rewritten=made.rewritten,
            notes=(*made.notes, *built.notes, *built.warnings, UNTRAINED),
            verification=verification,
        )
