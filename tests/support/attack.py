"""What a row in the tables of hostile files says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np.errors import Gru2npError, ModelFileError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True)
class Attack:
    """How a hostile file is built, and what its refusal says."""

    build: Callable[[Path], Path]
    message: str
    error: type[Gru2npError] = ModelFileError
