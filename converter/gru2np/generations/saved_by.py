"""The ``saved_by`` option: the Keras that saved a file that does not name it."""

from __future__ import annotations

import re
from typing import NamedTuple

# Backends that fixtures were recorded with.
BACKENDS = ("tensorflow", "theano", "cntk", "jax", "torch", "numpy", "openvino")
EXPECTED = (
    "expected a version of Keras, with its backend if that matters, such as 3.5, "
    "3.5-jax or 2.2.4-theano; or a version of TensorFlow, such as tf-1.15"
)
_PATTERN = re.compile(
    r"(?P<tensorflow>tf-)?(?P<version>\d{1,3}\.\d{1,3}(\.\d{1,3})?)(?P<tf>-tf)?"
    rf"(-(?P<backend>{'|'.join(BACKENDS)}))?"
)


class SavedBy(NamedTuple):
    """A parsed ``saved_by`` option.

    Attributes:
        version: of Keras, such as ``2.2.4-tf`` or ``3.5``, or of TensorFlow.
        tensorflow: whether ``version`` is TensorFlow's.
        backend: None if not stated.
    """

    version: str
    tensorflow: bool
    backend: str | None

    @property
    def generation(self) -> int:
        """The major version of Keras."""
        return 2 if self.tensorflow else int(self.version.partition(".")[0])


def parsed(text: str) -> SavedBy:
    """Parse the text of ``--saved-by``.

    Raises:
        ValueError: it is not a version.
    """
    match = _PATTERN.fullmatch(text) if isinstance(text, str) else None
    if match is None or (match["tensorflow"] and (match["tf"] or match["backend"])):
        raise ValueError(f"saved_by: {EXPECTED}; got {text!r}")
    version = match["version"] + (match["tf"] or "")
    return SavedBy(version, bool(match["tensorflow"]), match["backend"])
