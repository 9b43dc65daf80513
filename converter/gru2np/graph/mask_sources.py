"""The layers that create masks and that use them, and the masks that are unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.ir import walk_keras
from gru2np.layers import LAYERS
from gru2np.layers.mask_rules import KEEPS, SEQUENCE, STOPS, Creates

if TYPE_CHECKING:
    from gru2np.ir import KerasLayer
    from gru2np.layers.custom import Specs

# Placeholders of unknown masks; a layer that uses one is refused, with the reason.
INSIDE: tuple[str, int] = ("", -1)
UNMEASURED: tuple[str, int] = ("", -2)
IDLED: tuple[str, int] = ("", -3)
UNUSABLE = {
    INSIDE: "a mask made inside TimeDistributed is not supported",
    UNMEASURED: "a mask reaches a layer of which it was not measured whether it "
    "passes masks on in the Keras that saved the file: remove the mask before it",
    IDLED: "a mask reaches an operation or layer that changes nothing; whether it "
    "passes depends on the version and backend of Keras: remove that operation",
}


def creates_mask(layer: KerasLayer) -> bool:
    """Whether a layer's output has a mask that its input does not have."""
    if layer.model is not None:
        return _model_may_create_mask(layer)
    known = LAYERS.get(layer.class_name)
    if known is not None and isinstance(known.mask, Creates):
        return known.mask.made(layer.config)
    return any(creates_mask(child) for _, child in layer.children)


def _model_may_create_mask(layer: KerasLayer) -> bool:
    """Whether a mask created in a nested model may reach its outputs.

    A recurrent layer that returns its last step stops every mask before it.
    """
    assert layer.model is not None
    by_name = {inner.name: inner for inner in layer.model.layers}
    pending = [ref.layer for ref in layer.model.outputs]
    seen = set()
    while pending:
        inner = by_name.get(pending.pop())
        if inner is None or inner.name in seen:
            continue
        seen.add(inner.name)
        if creates_mask(inner):
            return True
        known = LAYERS.get(inner.class_name)
        rule = known.mask if known is not None else KEEPS
        sequence = any(
            part.config.get("return_sequences", False)
            for part in (inner, *(child for _, child in inner.children))
        )
        if rule == STOPS or (rule == SEQUENCE and not sequence):
            continue
        pending.extend(ref.layer for call in inner.calls for ref in call.inputs)
    return False


def uses_mask(layer: KerasLayer, specs: Specs) -> bool:
    """Whether a mask can change a layer's outputs."""
    rows = (specs.of(inner) for inner in walk_keras([layer]))
    return any(row is not None and row.uses_mask for row in rows)
