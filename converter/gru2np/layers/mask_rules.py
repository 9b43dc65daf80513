"""The mask rules that a layer's row may name: from the input's mask to the output's.

The meaning of the model's Keras states how masks are combined and propagated;
``graph/masks.py`` adds the nodes for that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np_runtime import Layer

# Rules without options.
MEASURED = "measured"  # as measured for each release: ``MaskRules.by_class``
MOVES = "measured or idle"  # the same; idle calls by ``MaskRules.idle_operations``
KEEPS = "keeps"  # the output has the mask of the input
STOPS = "stops"  # the output has no mask
QUERY = "keeps the query's"  # by ``AttentionRules``
SEQUENCE = "sequence"  # kept if the layer returns sequences, else dropped
IN_TIME = "in time"  # by the inner layer and ``MaskRules.in_time``

# How merge layers treat masked positions, since Keras 3.4.
COUNTED = "counted"  # as all others
ONE = "one"  # as the number 1
LEFT_OUT = "left out"  # skipped: the other inputs decide


@dataclass(frozen=True)
class Creates:
    """The output has a new mask: elements that differ from a value are valid.

    Attributes:
        value: the value of masked elements, or the option with it (default 0).
        enabled_by: the option that enables the mask; empty if it is always created.
        any_feature: a step is valid if any of its features differs.
    """

    value: float | str
    enabled_by: str
    any_feature: bool

    def made(self, options: Mapping[str, Any]) -> bool:
        """Whether a layer with these options creates a mask."""
        return not self.enabled_by or bool(options.get(self.enabled_by, False))

    def masked(self, options: Mapping[str, Any]) -> float:
        """The value of masked elements."""
        value = self.value
        return float(options.get(value, 0.0) if isinstance(value, str) else value)


@dataclass(frozen=True)
class Merges:
    """The output has the masks of all inputs combined.

    Attributes:
        masked: how masked positions are treated: ``COUNTED``, ``ONE`` or ``LEFT_OUT``.
        joins: masks are concatenated along the same axis as the inputs.
    """

    masked: str
    joins: bool


@dataclass(frozen=True)
class Idles:
    """The output has no mask, except that of the input if the call changes nothing.

    Attributes:
        moves: whether a layer changes its input even if shape and dtype stay.
        casts: ``MaskRules.idle_casts`` applies, else ``idle_operations``.
        measured: whether these hold for the operation; else a mask that may pass is
            refused where it is used.
    """

    moves: Callable[[Layer], bool]
    casts: bool
    measured: bool = True


MERGES = Merges(COUNTED, joins=False)
CONCATENATES = Merges(COUNTED, joins=True)
IDLES = Idles(lambda layer: False, casts=False)
MAY_IDLE = Idles(lambda layer: False, casts=False, measured=False)
CASTS = Idles(lambda layer: False, casts=True)

MaskRule = str | Creates | Merges | Idles
