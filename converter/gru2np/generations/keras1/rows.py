"""What the tables of Keras 1's layers consist of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np.ir import Form

    Version = tuple[int, int, int]
    Options = dict[str, Any]
    Forms = tuple[Form, ...]
    Changed = tuple[str, Options]


class File(NamedTuple):
    """What holds for a whole file.

    Attributes:
        version: of its Keras.
        theano: whether its backend was Theano.
        dtype: of the numbers, one for all layers; empty where layers say it.
        shapes: of all arrays, by their names without a group's.
        ordering: ``tf`` or ``th``, if every layer that says one says the same.
    """

    version: Version
    theano: bool
    dtype: str
    shapes: Mapping[str, tuple[int, ...]]
    ordering: str | None = None


class Row(NamedTuple):
    """How Keras 1 wrote a layer.

    Attributes:
        class_name: in the one spelling.
        options: names in the one spelling of options that had others.
        arrays: names in the file of weights that had others.
        forms: how its weights are kept, where names are not all.
    """

    class_name: str
    options: Mapping[str, str] = {}
    arrays: Mapping[str, str] = {}
    forms: Callable[[Options, File], Forms] | None = None


# Weights of most layers, and the arrays that they are.
KERNEL = {"kernel": "W", "bias": "b"}
