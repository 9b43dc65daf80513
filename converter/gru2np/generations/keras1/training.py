"""Options of Keras 1 that act in training only: under Keras 3's names, or as written.

A layer's row has the names.  They are used if the value has an exact equivalent in
Keras 3; else the option is unchanged, with its old name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Options that act in training only and that no later Keras has by these names, or
# whose values it does not understand.  ``activity_regularizer`` is unchanged and not
# among them: its term of the loss is another one in later releases.
OLD = frozenset(
    {
        *("init", "inner_init", "forget_bias_init", "alpha_init", "beta_init"),
        *("t_left_init", "a_left_init", "t_right_init", "a_right_init"),
        *("gamma_init", "transform_bias", "dropout_W", "dropout_U"),
        *("W_regularizer", "U_regularizer", "b_regularizer"),
        *("W_constraint", "U_constraint", "b_constraint"),
        *("gamma_regularizer", "beta_regularizer"),
    }
)
BIAS_TRAINING = {"b_regularizer": "bias_regularizer", "b_constraint": "bias_constraint"}
KERNEL_TRAINING = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "W_constraint": "kernel_constraint",
    **BIAS_TRAINING,
}
RECURRENT_TRAINING = {
    **KERNEL_TRAINING,
    "inner_init": "recurrent_initializer",
    "forget_bias_init": "unit_forget_bias",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
}
EMBEDDING_TRAINING = {
    "init": "embeddings_initializer",
    "W_regularizer": "embeddings_regularizer",
    "W_constraint": "embeddings_constraint",
}
NORMALISATION_TRAINING = {
    name: name for name in ("gamma_regularizer", "beta_regularizer")
}
PRELU_TRAINING = {"init": "alpha_initializer"}


def _scaled(scale: float, mode: str) -> dict[str, Any]:
    config = {"scale": scale, "mode": mode, "distribution": "untruncated_normal"}
    return {"class_name": "VarianceScaling", "config": {**config, "seed": None}}


# Keras 1.2 keras/initializations.py.  Its normal distributions were never truncated.
# It drew the weights of each gate separately; Keras 2 and later draw those of all
# gates together, so their fans are larger.
INITIALIZERS: dict[str, Any] = {
    **{name: name for name in ("glorot_uniform", "he_uniform", "lecun_uniform")},
    "glorot_normal": _scaled(1.0, "fan_avg"),
    "he_normal": _scaled(2.0, "fan_in"),
    "identity": "identity",
    "normal": "random_normal",
    "one": "ones",
    "orthogonal": {"class_name": "Orthogonal", "config": {"gain": 1.1, "seed": None}},
    "uniform": "random_uniform",
    "zero": "zeros",
}
# ``unit_forget_bias`` by ``forget_bias_init``; the other gates started at zero.
FORGET_BIAS = {"one": True, "zero": False}
# Keras 1.0 and 1.2 keras/regularizers.py.
REGULARIZERS = ("WeightRegularizer", "L1L2Regularizer")


class _NoEquivalent(Exception):
    """The value has no exact equivalent in Keras 3."""


def of_training(options: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The options of a layer that act in training only.

    Args:
        options: as the file has them.
        names: their names in Keras 3 in this layer.
    """
    training = {}
    for key, value in options.items():
        if key not in OLD:
            continue
        try:
            training[names[key]] = _VALUES[key](value)
        except (KeyError, _NoEquivalent):
            training[key] = value
    return training


def _in(table: Mapping[str, Any]) -> Callable[[object], Any]:
    def value_of(value: object) -> Any:
        if not isinstance(value, str) or value not in table:
            raise _NoEquivalent
        return table[value]

    return value_of


def _regularizer(value: object) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("name") not in REGULARIZERS:
        raise _NoEquivalent
    config = {key: rate for key, rate in value.items() if key != "name"}
    if config.keys() != {"l1", "l2"}:
        raise _NoEquivalent
    return {"class_name": "L1L2", "config": config}


def _constraint(value: object) -> Any:
    if value is None:
        return None
    # The others read a whole weight, whose arrays and axes have changed.
    if value != {"name": "NonNeg"}:
        raise _NoEquivalent
    return {"class_name": "NonNeg", "config": {}}


def _same(value: object) -> Any:
    return value


# The value in Keras 3 of each option, from its value in Keras 1.
_VALUES: dict[str, Callable[[object], Any]] = {
    "W_constraint": _constraint,
    "W_regularizer": _regularizer,
    "U_regularizer": _regularizer,
    "b_constraint": _constraint,
    "b_regularizer": _regularizer,
    "beta_regularizer": _regularizer,
    "dropout_U": _same,
    "dropout_W": _same,
    "forget_bias_init": _in(FORGET_BIAS),
    "gamma_regularizer": _regularizer,
    "init": _in(INITIALIZERS),
    "inner_init": _in(INITIALIZERS),
}
