"""Options that act in training only, kept apart from those that decide numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

# Options that act in training only, with the reason.
TRAINING = {
    "activity_regularizer": "a term of the loss",
    "alpha_constraint": "acts in training",
    "alpha_initializer": "the trained weights are in the file",
    "alpha_regularizer": "a term of the loss",
    "beta_constraint": "acts in training",
    "beta_initializer": "the trained weights are in the file",
    "beta_regularizer": "a term of the loss",
    "bias_constraint": "acts in training",
    "bias_initializer": "the trained weights are in the file",
    "bias_regularizer": "a term of the loss",
    "dropout": "acts in training",
    "embeddings_constraint": "acts in training",
    "embeddings_initializer": "the trained weights are in the file",
    "embeddings_regularizer": "a term of the loss",
    "gamma_constraint": "acts in training",
    "gamma_initializer": "the trained weights are in the file",
    "gamma_regularizer": "a term of the loss",
    "kernel_constraint": "acts in training",
    "kernel_initializer": "the trained weights are in the file",
    "kernel_regularizer": "a term of the loss",
    "momentum": "acts in training",
    "moving_mean_initializer": "the trained weights are in the file",
    "moving_variance_initializer": "the trained weights are in the file",
    "recurrent_constraint": "acts in training",
    "recurrent_dropout": "acts in training",
    "recurrent_initializer": "the trained weights are in the file",
    "recurrent_regularizer": "a term of the loss",
    "renorm_clipping": "acts in training",
    "renorm_momentum": "acts in training",
    "seed": "acts in training",
    "synchronized": "acts in training",
    "trainable": "read where weights are ordered",
    "unit_forget_bias": "an initial value",
}
# Those whose value is an object that only Keras understands.
OBJECTS = frozenset(
    key
    for key in TRAINING
    if key.endswith(("_constraint", "_initializer", "_regularizer"))
)


def split(options: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The options that may decide numbers, and those that act in training only."""
    config = {key: value for key, value in options.items() if key not in TRAINING}
    training = {key: value for key, value in options.items() if key in TRAINING}
    return config, training
