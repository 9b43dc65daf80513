"""What a layer makes of the mask of its input: the rules that its row may name.

How masks are combined and propagated is in the meaning of the model's Keras; the
nodes for that are added in ``graph/masks.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np_runtime import Layer

# Rules without options.
MEASURED = "measured"  # what each release was seen to do: ``MaskRules.by_class``
MOVES = "measured, unless it had nothing to do"  # then ``MaskRules.idle_operations``
KEEPS = "keeps"  # the mask is propagated: the output has the same
STOPS = "stops"  # the mask is dropped: the output has none
QUERY = "keeps the query's"  # by ``AttentionRules``
SEQUENCE = "sequence"  # propagated where it gives a sequence, else dropped
IN_TIME = "in time"  # what the layer inside makes of it: ``MaskRules.in_time``

# What merge layers make of masked positions, since Keras 3.4.
COUNTED = "counted"  # as all others
ONE = "one"  # as the number 1
LEFT_OUT = "left out"  # the other inputs decide


@dataclass(frozen=True)
class Creates:
    """The output has a new mask: what differs from a value is valid.

    Attributes:
        value: that marks what is masked, or the option that says it; 0 where a file
            leaves the option out.
        wanted: the option that asks for the mask; empty where it is always made.
        any_feature: a step is valid where any of its features differs.
    """

    value: float | str
    wanted: str
    any_feature: bool

    def made(self, options: Mapping[str, Any]) -> bool:
        """Whether a layer of these options makes a mask."""
        return not self.wanted or bool(options.get(self.wanted, False))

    def masked(self, options: Mapping[str, Any]) -> float:
        """The value that marks what is masked."""
        value = self.value
        return float(options.get(value, 0.0) if isinstance(value, str) else value)


@dataclass(frozen=True)
class Merges:
    """The output has the masks of all inputs combined.

    Attributes:
        masked: what becomes of masked positions: ``COUNTED``, ``ONE`` or ``LEFT_OUT``.
        joins: masks are joined as the inputs are, along an axis.
    """

    masked: str
    joins: bool


@dataclass(frozen=True)
class Idles:
    """The output has no mask, but perhaps the input's where nothing is to be done.

    Attributes:
        moves: whether a layer changes something though shape and dtype may stay.
        casts: ``MaskRules.idle_casts`` holds for it, else ``idle_operations``.
    """

    moves: Callable[[Layer], bool]
    casts: bool


MERGES = Merges(COUNTED, joins=False)
CONCATENATES = Merges(COUNTED, joins=True)
IDLES = Idles(lambda layer: False, casts=False)
CASTS = Idles(lambda layer: False, casts=True)

MaskRule = str | Creates | Merges | Idles
