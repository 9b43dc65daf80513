"""Which layers make masks and which use them; and masks that nobody can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.ir import walk_keras
from gru2np.layers import LAYERS
from gru2np.layers.mask_rules import KEEPS, SEQUENCE, STOPS, Creates

if TYPE_CHECKING:
    from gru2np.ir import KerasLayer
    from gru2np.layers.custom import Specs

# Stand for masks that cannot be told; whoever uses one is refused, with the reason.
INSIDE: tuple[str, int] = ("", -1)
UNMEASURED: tuple[str, int] = ("", -2)
IDLED: tuple[str, int] = ("", -3)
UNUSABLE = {
    INSIDE: "a mask made inside TimeDistributed is not supported",
    UNMEASURED: "a mask came to a layer of which nobody has measured whether it hands "
    "it on in the Keras that saved the file: leave the mask out before it",
    IDLED: "a mask came to an operation or layer that changes nothing; whether it "
    "passes hangs on version and backend of Keras: leave that operation out",
}


def creates_mask(layer: KerasLayer) -> bool:
    """Whether a layer's output has a mask that its input has not."""
    if layer.model is not None:
        return _model_gives_mask(layer)
    known = LAYERS.get(layer.class_name)
    if known is not None and isinstance(known.mask, Creates):
        return known.mask.made(layer.config)
    return any(creates_mask(child) for _, child in layer.children)


def _model_gives_mask(layer: KerasLayer) -> bool:
    """Whether a mask made in a nested model comes out of it, at most.

    A recurrent layer that gives its last step ends every mask before it.
    """
    assert layer.model is not None
    by_name = {own.name: own for own in layer.model.layers}
    pending = [ref.layer for ref in layer.model.outputs]
    seen = set()
    while pending:
        own = by_name.get(pending.pop())
        if own is None or own.name in seen:
            continue
        seen.add(own.name)
        if creates_mask(own):
            return True
        known = LAYERS.get(own.class_name)
        rule = known.mask if known is not None else KEEPS
        sequence = any(
            inner.config.get("return_sequences", False)
            for inner in (own, *(child for _, child in own.children))
        )
        if rule == STOPS or (rule == SEQUENCE and not sequence):
            continue
        pending.extend(ref.layer for call in own.calls for ref in call.inputs)
    return False


def uses_mask(layer: KerasLayer, specs: Specs) -> bool:
    """Whether a mask could change a layer's numbers."""
    found = (specs.get(own.class_name) for own in walk_keras([layer]))
    return any(own is not None and own.uses_mask for own in found)
