"""The layers of Keras 1: their names and options, and the forms of their weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.generations.architecture import Spelled
from gru2np.generations.forms import (
    flipped,
    gate_by_gate,
    of_deviations,
    on_an_image,
    renamed,
    unused_statistics,
)
from gru2np.generations.keras1.images import CHANGED_IMAGES, IMAGES
from gru2np.generations.keras1.rows import KERNEL, Row
from gru2np.generations.keras1.training import (
    EMBEDDING_TRAINING,
    KERNEL_TRAINING,
    NORMALISATION_TRAINING,
    OLD,
    PRELU_TRAINING,
    RECURRENT_TRAINING,
    of_training,
)
from gru2np.generations.records import is_number, looked_up

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.generations.keras1.rows import Changed, File, Forms, Options

_DENSE = {"output_dim": "units", "bias": "use_bias", **KERNEL_TRAINING}
# No later Keras has it, so its options of training are not renamed.
_MAXOUT = {"output_dim": "units", "bias": "use_bias"}
_RECURRENT = {
    "output_dim": "units",
    "inner_activation": "recurrent_activation",
    **RECURRENT_TRAINING,
}
_POOLING = {
    "pool_length": "pool_size",
    "stride": "strides",
    "border_mode": "padding",
}
_CONVOLUTION = {
    "nb_filter": "filters",
    "filter_length": "kernel_size",
    "border_mode": "padding",
    "subsample_length": "strides",
    "atrous_rate": "dilation_rate",
    "bias": "use_bias",
    **KERNEL_TRAINING,
}


def _gates(columns: str, stored: str) -> Callable[[Options, File], Forms]:
    """One matrix for all gates with ``consume_less`` ``gpu``, else one for each."""

    def forms(options: Options, _file: File) -> Forms:
        if options.get("consume_less") == "gpu":
            return (renamed(_RECURRENT_ARRAYS),)
        return (gate_by_gate(columns, stored),)

    return forms


def _statistics(options: Options, file: File) -> Forms:
    """Running statistics, which files of ``mode`` 1 have and do not use."""
    if options.get("mode") == 1:
        return (unused_statistics(),)
    form = renamed(_STATISTICS)
    deviation = _deviation(file)
    if deviation is None:
        return (form,)
    return (
        of_deviations(form, options.get("epsilon", 1e-6), root=deviation == "root"),
    )


def _deviation(file: File) -> str | None:
    """How the standard deviation was computed from ``running_std`` before Keras 1.0.8.

    ``std``: it is the deviation; ``root``: its square root is; None: it is the variance
    as in all later releases.  With the first two, epsilon was added to the deviation,
    not to the variance.  Sources of Keras 1.0.5 to 1.0.8.
    """
    if file.version < (1, 0, 6) or (file.version < (1, 0, 7) and file.theano):
        return "std"
    return "root" if file.version < (1, 0, 8) and file.theano else None


def _convolution(_options: Options, file: File) -> Forms:
    """The kernel of an image one pixel wide, flipped on Theano."""
    forms = on_an_image(KERNEL)
    return tuple(flipped(form, 1) for form in forms) if file.theano else forms


_RECURRENT_ARRAYS = {"kernel": "W", "recurrent_kernel": "U", "bias": "b"}
_HIGHWAY_ARRAYS = {**KERNEL, "carry_kernel": "W_carry", "carry_bias": "b_carry"}
_STATISTICS = {"moving_mean": "running_mean", "moving_variance": "running_std"}

LAYERS = {
    **IMAGES,
    "Activation": Row("Activation"),
    "ActivityRegularization": Row("ActivityRegularization"),
    "AtrousConvolution1D": Row("Conv1D", _CONVOLUTION, forms=_convolution),
    "AveragePooling1D": Row("AveragePooling1D", _POOLING),
    "BatchNormalization": Row(
        "BatchNormalization", NORMALISATION_TRAINING, forms=_statistics
    ),
    "Bidirectional": Row("Bidirectional"),
    "Convolution1D": Row("Conv1D", _CONVOLUTION, forms=_convolution),
    "Cropping1D": Row("Cropping1D"),
    "Dense": Row("Dense", _DENSE, KERNEL),
    "Dropout": Row("Dropout", {"p": "rate"}),
    "ELU": Row("ELU"),
    "Embedding": Row("Embedding", EMBEDDING_TRAINING, {"embeddings": "W"}),
    "Flatten": Row("Flatten"),
    "GRU": Row("GRU", _RECURRENT, forms=_gates("zrh", "zrh")),
    "GaussianDropout": Row("GaussianDropout", {"p": "rate"}),
    "GaussianNoise": Row("GaussianNoise", {"sigma": "stddev"}),
    "GlobalAveragePooling1D": Row("GlobalAveragePooling1D"),
    "GlobalMaxPooling1D": Row("GlobalMaxPooling1D"),
    "Highway": Row("Highway", {"bias": "use_bias"}, _HIGHWAY_ARRAYS),
    "InputLayer": Row("InputLayer", {"input_dtype": "dtype"}),
    "LSTM": Row("LSTM", _RECURRENT, forms=_gates("ifco", "icfo")),
    "LeakyReLU": Row("LeakyReLU", {"alpha": "negative_slope"}),
    "LocallyConnected1D": Row("LocallyConnected1D", _CONVOLUTION, KERNEL),
    "Masking": Row("Masking"),
    "MaxPooling1D": Row("MaxPooling1D", _POOLING),
    "MaxoutDense": Row("MaxoutDense", _MAXOUT, KERNEL),
    "Merge": Row("Merge"),
    "PReLU": Row("PReLU", PRELU_TRAINING, {"alpha": "alphas"}),
    "ParametricSoftplus": Row(
        "ParametricSoftplus", arrays={"alpha": "alphas", "beta": "betas"}
    ),
    "Permute": Row("Permute"),
    "RepeatVector": Row("RepeatVector"),
    "Reshape": Row("Reshape"),
    "SReLU": Row("SReLU"),
    "SimpleRNN": Row("SimpleRNN", _RECURRENT, _RECURRENT_ARRAYS),
    "SpatialDropout1D": Row("SpatialDropout1D", {"p": "rate"}),
    "ThresholdedReLU": Row("ThresholdedReLU"),
    "TimeDistributed": Row("TimeDistributed"),
    "TimeDistributedDense": Row("Dense", _DENSE, KERNEL),
    "UpSampling1D": Row("UpSampling1D", {"length": "size"}),
    "ZeroPadding1D": Row("ZeroPadding1D"),
}
# Layers of Keras 1 without a row, which are refused by name later.
OTHERS = frozenset({"Lambda"})
# Classes of Merge by mode; ``cos`` has no class in later releases.
MERGES = {
    "ave": "Average",
    "concat": "Concatenate",
    "dot": "Dot",
    "max": "Maximum",
    "mul": "Multiply",
    "sum": "Add",
}
# Options of Merge for other modes, or for how a function was saved.
_OF_OTHER_MODES = frozenset(
    {
        *("mode", "mode_type", "concat_axis", "dot_axes", "arguments", "layers"),
        *("output_shape", "output_shape_type", "output_mask", "output_mask_type"),
    }
)


def _merge(options: Options, _file: File) -> Changed:
    """Merge in one of its modes."""
    mode = options.get("mode")
    class_name = looked_up(MERGES, mode)
    if options.get("mode_type", "raw") != "raw" or class_name is None:
        # The layer for the remaining mode reads these two options.
        others = _OF_OTHER_MODES - {"mode", "dot_axes"}
        return "Merge", {k: v for k, v in options.items() if k not in others}
    config = {k: v for k, v in options.items() if k not in _OF_OTHER_MODES}
    if mode == "concat":
        config["axis"] = options.get("concat_axis", -1)
    if mode == "dot":
        config["axes"] = options.get("dot_axes", -1)
    return class_name, config


def _batch_normalization(options: Options, file: File) -> Changed:
    """BatchNormalization; ``mode`` 1 is a LayerNormalization."""
    mode = options.get("mode", 0)
    config = {k: v for k, v in options.items() if k != "mode"}
    if mode == 0:
        epsilon = config.get("epsilon", 0.0)
        # Anything else is unchanged, and refused where options are read.
        if _deviation(file) is not None and is_number(epsilon):
            config["epsilon"] = 0.0
        return "BatchNormalization", config
    if mode == 1 and options.get("axis", -1) == -1:
        config["deviation_epsilon"] = options.get("epsilon")
        return "LayerNormalization", config
    return "BatchNormalization", options


def _padding(options: Options, _file: File) -> Changed:
    """ZeroPadding1D, whose padding could be a dict."""
    padding = options.get("padding")
    if isinstance(padding, dict):
        ends = [padding.get("left_pad", 0), padding.get("right_pad", 0)]
        return "ZeroPadding1D", {**options, "padding": ends}
    return "ZeroPadding1D", options


def _trained(class_name: str, array: str) -> Callable[[Options, File], Changed]:
    """A layer with trained parameters for every feature.

    Files have no ``shared_axes``; the shared axes are those of size 1 in its arrays.

    Args:
        class_name: in the one spelling.
        array: the name of one of its arrays.
    """

    def change(options: Options, file: File) -> Changed:
        shape = file.shapes.get(f"{options.get('name')}_{array}", ())
        shared = [axis for axis, size in enumerate(shape, 1) if size == 1]
        config = {**options, "shared_axes": shared}
        if class_name == "SReLU":
            config["left_is_capped"] = file.theano
        return class_name, config

    return change


# Layers of which more changes than names.
CHANGED: dict[str, Callable[[Options, File], Changed]] = {
    **CHANGED_IMAGES,
    "BatchNormalization": _batch_normalization,
    "GRU": lambda options, _: ("GRU", {**options, "reset_after": False}),
    "Merge": _merge,
    "PReLU": _trained("PReLU", "alphas"),
    "ParametricSoftplus": _trained("ParametricSoftplus", "alphas"),
    "SReLU": _trained("SReLU", "t_left"),
    "ZeroPadding1D": _padding,
}


def spelled(class_name: str, options: Options, file: File) -> Spelled:
    """A layer of Keras 1 in the one spelling."""
    row = LAYERS.get(class_name, Row(class_name))
    forms = row.forms(options, file) if row.forms else (renamed(row.arrays),)
    names = {**row.options, "batch_input_shape": "batch_shape"}
    # ``consume_less`` only decides the form of the weights, which ``forms`` has read.
    config = {
        names.get(key, key): value
        for key, value in options.items()
        if key not in OLD | {"consume_less"}
    }
    if class_name not in ("Embedding", "InputLayer"):
        config.pop("input_dim", None)
    if file.dtype and class_name != "InputLayer":
        config["dtype"] = file.dtype
    canonical = row.class_name
    if class_name in CHANGED:
        canonical, config = CHANGED[class_name](config, file)
    training = of_training(options, row.options)
    return Spelled(canonical, config, forms, training=training)
