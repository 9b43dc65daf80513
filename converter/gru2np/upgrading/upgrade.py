"""The upgraded file of a model in memory, with what was changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.upgrading import core, target

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np.convert import Conversion


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
    data, draft = core.upgraded(conversion)
    rewritten = {path: "; ".join(words) for path, words in draft.words.items()}
    return Upgrade(data, rewritten, dict(draft.origins), tuple(draft.notes))
