"""The types of the tables of Keras 1's layers."""

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
    """Facts about a whole file.

    Attributes:
        version: of its Keras.
        theano: whether its backend was Theano.
        dtype: of all layers; empty if the layers have their own.
        shapes: of all arrays, by name without the group.
        ordering: ``tf`` or ``th``, if all layers that have a ``dim_ordering`` agree.
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
        options: renamed options: {name in Keras 1: name in the one spelling}.
        arrays: renamed weights: {name in the one spelling: name in the file}.
        forms: the forms of its weights, if more than names differ.
    """

    class_name: str
    options: Mapping[str, str] = {}
    arrays: Mapping[str, str] = {}
    forms: Callable[[Options, File], Forms] | None = None


# Weights of most layers, with the names of their arrays.
KERNEL = {"kernel": "W", "bias": "b"}
