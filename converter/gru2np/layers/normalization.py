"""Converts normalisation; its meaning is in the runtime's file of this name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.layers.dtype_rules import ANY, FLOATS, KEPT
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.spec import IN_LAYER, Unused, Weights, unmasked
from gru2np_runtime import layers as runtime
from gru2np_runtime.layers import BatchNormalization, LayerNormalization

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


# The least epsilon of TensorFlow's fused kernel.
LEAST_EPSILON = 1.001e-5


def batch_normalization(config: Config) -> Layer:
    """BatchNormalization; ``momentum`` and ``renorm`` act in training only."""
    axis = config.value("axis", -1)
    mode = config.value("mode", None)
    if mode is not None:
        # Of Keras 1; the generation has converted modes 0 and 1.
        per_batch = "normalised by the statistics of each batch"
        config.refuse(per_batch if mode == 2 else "expected 0 or 1", "mode", mode)
    # tf.keras writes a list of one.
    axis = axis[0] if isinstance(axis, list) and len(axis) == 1 else axis
    options = _options(config)
    fused = (
        config.meaning.numbers.least_epsilon_ranks if _may_fuse(config, axis) else ()
    )
    if fused and options["epsilon"] < LEAST_EPSILON:
        options.update(least_epsilon=LEAST_EPSILON, least_epsilon_ranks=fused)
    if isinstance(axis, list):
        # The rank of its weights is then that of the input.
        return config.build(runtime.BatchNormalizationOverAxes, axes=axis, **options)
    return config.build(BatchNormalization, axis=axis, **options)


def _may_fuse(config: Config, axis: object) -> bool:
    """Whether TensorFlow uses its fused kernel for the layer, if the rank fits."""
    renorm = config.boolean("renorm", False)
    fused = config.value("fused", None) is not False and not renorm
    virtual = config.value("virtual_batch_size", None) is not None
    first = config.meaning.numbers.least_epsilon_channels_first
    return (
        fused
        and not virtual
        and not isinstance(axis, list)
        and config.dtype() == "float32"
        and (axis != 1 or first)
    )


def layer_normalization(config: Config) -> Layer:
    """LayerNormalization over one axis or several."""
    axis = config.value("axis", -1)
    return config.build(
        LayerNormalization,
        axes=axis if isinstance(axis, list) else [axis],
        rms_scaling=config.boolean("rms_scaling", False),
        deviation_epsilon=config.number("deviation_epsilon", 0.0),
        **_options(config),
    )


def group_normalization(config: Config) -> Layer:
    """GroupNormalization; 32 groups by default, -1 for one group for each channel."""
    return config.build(
        runtime.GroupNormalization,
        groups=config.integer("groups", 32, minimum=-1),
        axis=config.integer("axis", -1, minimum=-32),
        **_options(config),
    )


def rms_normalization(config: Config) -> Layer:
    """RMSNormalization over one axis or several."""
    return config.build(
        runtime.RMSNormalization,
        axes=_axes(config),
        epsilon=config.number("epsilon", 1e-6),
    )


def unit_normalization(config: Config) -> Layer:
    """UnitNormalization; the smallest norm depends on the release of Keras."""
    return config.build(
        runtime.UnitNormalization,
        axes=_axes(config),
        least_norm=config.meaning.numbers.least_unit_norm,
    )


def _axes(config: Config) -> object:
    axis = config.value("axis", -1)
    return axis if isinstance(axis, list) else [axis]


def _options(config: Config) -> dict[str, Any]:
    return {
        "epsilon": config.number("epsilon", 1e-3),
        "scale": config.boolean("scale", True),
        "center": config.boolean("center", True),
    }


LAYERS = {
    "BatchNormalization": unmasked(
        batch_normalization,
        MEASURED,
        Weights(
            non_trainable=frozenset({"moving_mean", "moving_variance"}),
            unused=tuple(
                Unused(name, in_groups=True, option="renorm")
                for name in ("moving_stddev", "renorm_mean", "renorm_stddev")
            ),
        ),
        ANY,
    ),
    "GroupNormalization": unmasked(group_normalization, MEASURED, IN_LAYER, FLOATS),
    "LayerNormalization": unmasked(layer_normalization, MEASURED, IN_LAYER, KEPT),
    "RMSNormalization": unmasked(rms_normalization, MEASURED, IN_LAYER, FLOATS),
    "UnitNormalization": unmasked(unit_normalization, MEASURED, None, KEPT),
}
