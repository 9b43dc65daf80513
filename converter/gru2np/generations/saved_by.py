"""What the owner of a file says of the Keras that saved it, where the file does not."""

from __future__ import annotations

import re
from typing import NamedTuple

# Backends whose numbers fixtures prove.
BACKENDS = ("tensorflow", "theano", "cntk", "jax", "torch", "numpy", "openvino")
EXPECTED = (
    "expected a version of Keras, with a backend behind it where that matters, as "
    "3.5, 3.5-jax or 2.2.4-theano; or one of TensorFlow, as tf-1.15"
)
_SAID = re.compile(
    r"(?P<tensorflow>tf-)?(?P<version>\d{1,3}\.\d{1,3}(\.\d{1,3})?)(?P<tf>-tf)?"
    rf"(-(?P<backend>{'|'.join(BACKENDS)}))?"
)


class SavedBy(NamedTuple):
    """A Keras and its backend, as the owner of a file says it.

    Attributes:
        version: of Keras, ``2.2.4-tf`` and ``3.5`` among them; or of TensorFlow.
        tensorflow: whether it is TensorFlow's version.
        backend: or None where it is not said.
    """

    version: str
    tensorflow: bool
    backend: str | None

    @property
    def generation(self) -> int:
        """The major version of Keras."""
        return 2 if self.tensorflow else int(self.version.partition(".")[0])


def parsed(text: str) -> SavedBy:
    """What ``--saved-by`` says.

    Raises:
        ValueError: it is no such text.
    """
    match = _SAID.fullmatch(text)
    if match is None or (match["tensorflow"] and (match["tf"] or match["backend"])):
        raise ValueError(f"saved_by: {EXPECTED}; got {text!r}")
    version = match["version"] + (match["tf"] or "")
    return SavedBy(version, bool(match["tensorflow"]), match["backend"])
