"""Converts layers around another layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers.dtype_rules import INSIDE, PROMOTED
from gru2np.layers.mask_rules import IN_TIME, MEASURED
from gru2np.layers.recurrent import is_stateful
from gru2np.layers.spec import Unused, Weights, inside, recurrent, unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def bidirectional(config: Config) -> Layer:
    """Bidirectional; if its Keras zeroes masked outputs, both halves do."""
    merge_mode = config.value("merge_mode", "concat")
    modes = ("concat", "sum", "mul", "ave")
    if merge_mode is not None and merge_mode not in modes:
        config.refuse(f"expected one of {modes} or null", "merge_mode", merge_mode)
    halves = {}
    for name, child in config.layer.children:
        overrides: dict[str, object] = {}
        if config.meaning.recurrent.bidirectional_forgets:
            overrides["stateful"] = False
        if config.meaning.recurrent.bidirectional_zeroes:
            zero = child.config.get("zero_output_for_mask") is True
            # Values other than true and false are refused where the half is read.
            sequence = child.config.get("return_sequences") is True
            overrides["zero_output_for_mask"] = sequence or (
                zero and config.meaning.recurrent.bidirectional_keeps_zero
            )
        halves[name] = config.child(name, overrides)
    # Some versions write these too; the options of the halves are used.
    for key in ("return_sequences", "return_state", "go_backwards", "stateful"):
        config.value(key, None)
    config.value("zero_output_for_mask", None)
    return config.build(
        runtime.Bidirectional, layers=halves, merge_mode=merge_mode or "none"
    )


def time_distributed(config: Config) -> Layer:
    """TimeDistributed over a layer or a model."""
    inner = config.child("layer")
    if is_stateful(inner):
        config.refuse("a stateful layer inside works for one batch size only")
    return config.build(runtime.TimeDistributed, layers={"layer": inner})


def spectral_normalization(config: Config) -> Layer:
    """SpectralNormalization: the inner layer, whose stored kernel is normalised."""
    config.integer("power_iterations", 1)
    layer = config.child("layer")
    config.dtype()
    config.finish()
    return layer


def _halves(attribute: str, name: str) -> tuple[str, ...]:
    """The name of a half of Bidirectional: that of its layer, after the direction."""
    direction = attribute.removesuffix("layer")
    return (direction + name.removeprefix(direction),)


LAYERS = {
    "Bidirectional": recurrent(
        bidirectional, Weights(inside=inside(names=_halves)), PROMOTED
    ),
    "SpectralNormalization": unmasked(
        spectral_normalization,
        MEASURED,
        Weights(
            inside=inside(lambda attribute, position: ""),
            # The kernel again, which groups have once, and the vector that training
            # normalises it with.
            unused=(
                Unused("spectral/kernel", in_groups=False, option=""),
                Unused("spectral/vector_u", in_groups=True, option=""),
            ),
        ),
        INSIDE,
    ),
    "TimeDistributed": unmasked(
        time_distributed, IN_TIME, Weights(inside=inside()), INSIDE
    ),
}
