"""A model's upgraded file, for a Keras that does not read the model's own file."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gru2np.convert import convert, converted
from gru2np.errors import Gru2npError, VerificationError
from gru2np.generations import interpret
from gru2np.layers.custom import Specs
from gru2np.upgrading.target import BACKEND
from gru2np.upgrading.upgrade import upgrade_of, written_for
from gru2np.verification.installed_keras import SHOWN, NoReader
from gru2np_runtime.files.workspace import workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gru2np.convert import Conversion
    from gru2np.upgrading.upgrade import Upgrade
    from gru2np.verification.keras_process import Answered
    from gru2np_runtime.custom_objects import CustomObjects


@dataclass(frozen=True)
class UpgradedFile:
    """An upgraded file on disk, as Keras gets it.

    Attributes:
        path: of the file.
        conversion: of that file: what it takes and gives, and what it holds.
        upgrade: what was changed.
    """

    path: Path
    conversion: Conversion
    upgrade: Upgrade


@contextmanager
def opened(
    conversion: Conversion, upgrade: Upgrade, custom_objects: CustomObjects | None
) -> Iterator[UpgradedFile]:
    """An upgraded file in a temporary folder, removed with the context.

    Args:
        conversion: of the model's own file, or of a part of it.
        upgrade: of the whole model.
        custom_objects: custom classes by name.

    Raises:
        InputError: the upgraded file has no such part.
    """
    with workspace() as folder:
        path = folder / "upgraded.keras"
        path.write_bytes(upgrade.data)
        saved_by = f"{written_for()}-{BACKEND}"
        with convert(path, None, custom_objects, saved_by, conversion.part) as upgraded:
            yield UpgradedFile(path, upgraded, upgrade)


def upgraded_whole(
    conversion: Conversion, custom_objects: CustomObjects | None, reason: NoReader
) -> Upgrade:
    """The upgraded file of the whole model, where no Keras reads the model's own.

    Args:
        conversion: of the model, or of a part of it.
        custom_objects: custom classes by name.
        reason: why no Keras reads it.

    Raises:
        VerificationError: there is none; both reasons.
    """
    seams = conversion.model.seams
    try:
        if seams is not None and seams.masks:
            # Keras 3 makes them from the tensors before the part.
            raise VerificationError(
                "masks are inputs of the part, and a part of the upgraded file has no "
                f"such inputs: {', '.join(seams.masks.values())}"
            )
        if conversion.part is not None:
            raw = conversion.raw
            conversion = converted(raw, *interpret(raw), Specs(custom_objects))
        return upgrade_of(conversion)
    except Gru2npError as error:
        raise refused(reason, error) from None


def told(answered: Answered, upgrade: Upgrade, reason: NoReader | None) -> Answered:
    """The outputs of a Keras, which say that it ran the upgraded file.

    Args:
        answered: its outputs.
        upgrade: what was changed.
        reason: why no Keras reads the model's own file; None if it was not tried.
    """
    reference = replace(answered.reference, rewritten=upgrade.rewritten)
    told = replace(answered, reference=reference, origins=upgrade.origins)
    if reason is None:
        return told
    note = f"Keras ran the model as upgraded: {reason.reason}"
    return replace(told, notes=(note, *answered.notes))


def refused(reason: NoReader, error: Gru2npError) -> NoReader:
    """The error where Keras runs neither the model's own file nor the upgraded one.

    Args:
        reason: why no Keras reads the model's own.
        error: of the upgraded file.
    """
    problems = getattr(error, "problems", ())
    lines = [f"\n  - {problem}" for problem in problems[:SHOWN]]
    more = len(problems) - SHOWN
    lines += [f"\n  - and {more} more"] if more > 0 else []
    return reason.with_more(
        f"Nor does Keras {written_for()} run it as upgraded (gru2np upgrade):"
        f"{''.join(lines) or f' {error}'}"
    )
