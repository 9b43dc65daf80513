"""Spelling of Bidirectional and TimeDistributed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.spec import KEEPS, SEQUENCE, LayerSpec
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def bidirectional(config: Config) -> Layer:
    """Bidirectional: where its Keras zeroes masked outputs, both halves do."""
    merge_mode = config.value("merge_mode", "concat")
    modes = ("concat", "sum", "mul", "ave")
    if merge_mode is not None and merge_mode not in modes:
        config.refuse(f"expected one of {modes} or null", "merge_mode", merge_mode)
    halves = {}
    for name, child in config.layer.children:
        overrides: dict[str, object] = {}
        if config.meaning.bidirectional_forgets:
            overrides["stateful"] = False
        if config.meaning.bidirectional_zeroes:
            asked = child.config.get("zero_output_for_mask") is True
            # What is neither true nor false is refused where the half is read.
            sequence = child.config.get("return_sequences") is True
            overrides["zero_output_for_mask"] = sequence or (
                asked and config.meaning.bidirectional_keeps_zero
            )
        halves[name] = config.child(name, overrides)
    # Written beside the halves by some versions; the halves are what counts.
    for key in ("return_sequences", "return_state", "go_backwards", "stateful"):
        config.value(key, None)
    config.value("zero_output_for_mask", None)
    return config.build(
        runtime.Bidirectional, layers=halves, merge_mode=merge_mode or "none"
    )


def time_distributed(config: Config) -> Layer:
    """TimeDistributed over a layer or a model."""
    inner = config.child("layer")
    if getattr(inner, "stateful", False):
        config.refuse("a stateful layer inside has no meaning for other batches")
    return config.build(runtime.TimeDistributed, layers={"layer": inner})


LAYERS = {
    "Bidirectional": LayerSpec(bidirectional, mask=SEQUENCE, uses_mask=True),
    "TimeDistributed": LayerSpec(time_distributed, mask=KEEPS),
}
