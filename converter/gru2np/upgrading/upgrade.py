"""The upgraded file of a model in memory, with what was changed; or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.errors import UnsupportedModelError
from gru2np.upgrading import core, target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np.convert import Conversion

WAYS_ON = (
    "the model runs all the same, with the numbers of its own Keras: gru2np export "
    "writes a bundle of it",
)


@dataclass(frozen=True)
class Upgrade:
    """The upgraded file of a model.

    Attributes:
        data: the file, a ``.keras``.
        rewritten: what is said in other words, by the path of the layer in the model.
        origins: the paths of the model's layers, by their paths in the upgraded file.
        notes: sentences on what else is different in the file.
    """

    data: bytes
    rewritten: Mapping[str, str]
    origins: Mapping[str, str]
    notes: tuple[str, ...]


def written_for() -> str:
    """The version of the Keras that upgraded files are for."""
    return target.release().writes


def upgrade_of(conversion: Conversion) -> Upgrade:
    """The upgraded file of a converted model.

    Args:
        conversion: of the whole model.

    Raises:
        UnsupportedModelError: the model has no exact form in Keras 3; all reasons.
    """
    try:
        data, draft = core.upgraded(conversion)
    except UnsupportedModelError as error:
        raise UnsupportedModelError(
            error.problems or str(error),
            WAYS_ON,
            cannot=f"be written for Keras {written_for()}",
        ) from None
    notes = tuple(getattr(draft, "notes", ()))
    return Upgrade(data, dict(draft.words), dict(draft.origins), notes)
