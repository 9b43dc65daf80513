"""The layers of Keras 1 with two and three spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.generations.forms import (
    channels_first,
    flipped,
    gate_by_gate,
    renamed,
    swapped,
)
from gru2np.generations.keras1.rows import KERNEL, Row
from gru2np.generations.keras1.training import (
    BIAS_TRAINING,
    KERNEL_TRAINING,
    RECURRENT_TRAINING,
)
from gru2np.generations.records import objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.generations.keras1.rows import Changed, File, Forms, Options
    from gru2np.ir import Form

# ``data_format`` by ``dim_ordering``.
FORMATS = {"tf": "channels_last", "th": "channels_first"}
# Options for one axis each, together one option in later releases.
SIZES = ("nb_row", "nb_col", "kernel_dim1", "kernel_dim2", "kernel_dim3")
# The ends of ZeroPadding2D.
ENDS = ("top_pad", "bottom_pad", "left_pad", "right_pad")

_WINDOWS = {
    "nb_filter": "filters",
    "border_mode": "padding",
    "subsample": "strides",
    "atrous_rate": "dilation_rate",
    "bias": "use_bias",
    "inner_activation": "recurrent_activation",
}
_CONVOLUTION = {**_WINDOWS, **KERNEL_TRAINING}
_CONV_LSTM = {**_WINDOWS, **RECURRENT_TRAINING}
# Its options of training are for one kernel, and later releases have two.
_SEPARABLE = {**_WINDOWS, **BIAS_TRAINING}
_POOLING = {"border_mode": "padding"}
_DROPOUT = {"p": "rate"}


def _convolution(axes: int) -> Callable[[Options, File], Forms]:
    """The kernel in the file's order of axes, flipped on Theano."""

    def forms(options: Options, file: File) -> Forms:
        return (_in_file_order(renamed(KERNEL), options, file, axes),)

    return forms


def _separable(options: Options, file: File) -> Forms:
    """Both kernels; Theano has no such layer."""
    return (_in_file_order(renamed({"bias": "b"}), options, file, 2),)


def _deconvolution(options: Options, file: File) -> Forms:
    """The kernel with its inputs before its outputs."""
    return (_in_file_order(swapped(renamed(KERNEL)), options, file, 2),)


def _conv_lstm(options: Options, file: File) -> Forms:
    """One kernel for each gate.

    Keras 1 never wrote this layer's ``subsample``, and read such files with 1.
    """
    return (_in_file_order(gate_by_gate("ifco", "icfo"), options, file, 2),)


def _in_file_order(form: Form, options: Options, file: File, axes: int) -> Form:
    if options.get("dim_ordering") == "th":
        form = channels_first(form)
    return flipped(form, axes) if file.theano else form


IMAGES = {
    "AtrousConvolution2D": Row("Conv2D", _CONVOLUTION, forms=_convolution(2)),
    "AveragePooling2D": Row("AveragePooling2D", _POOLING),
    "AveragePooling3D": Row("AveragePooling3D", _POOLING),
    "ConvLSTM2D": Row("ConvLSTM2D", _CONV_LSTM, forms=_conv_lstm),
    "Convolution2D": Row("Conv2D", _CONVOLUTION, forms=_convolution(2)),
    "Convolution3D": Row("Conv3D", _CONVOLUTION, forms=_convolution(3)),
    "Cropping2D": Row("Cropping2D"),
    "Cropping3D": Row("Cropping3D"),
    "Deconvolution2D": Row("Conv2DTranspose", _CONVOLUTION, forms=_deconvolution),
    "GlobalAveragePooling2D": Row("GlobalAveragePooling2D"),
    "GlobalAveragePooling3D": Row("GlobalAveragePooling3D"),
    "GlobalMaxPooling2D": Row("GlobalMaxPooling2D"),
    "GlobalMaxPooling3D": Row("GlobalMaxPooling3D"),
    "LocallyConnected2D": Row("LocallyConnected2D", _CONVOLUTION, KERNEL),
    "MaxPooling2D": Row("MaxPooling2D", _POOLING),
    "MaxPooling3D": Row("MaxPooling3D", _POOLING),
    "SeparableConvolution2D": Row("SeparableConv2D", _SEPARABLE, forms=_separable),
    "SpatialDropout2D": Row("SpatialDropout2D", _DROPOUT),
    "SpatialDropout3D": Row("SpatialDropout3D", _DROPOUT),
    "UpSampling2D": Row("UpSampling2D"),
    "UpSampling3D": Row("UpSampling3D"),
    "ZeroPadding2D": Row("ZeroPadding2D"),
    "ZeroPadding3D": Row("ZeroPadding3D"),
}


def ordering(config: object) -> str | None:
    """The ``dim_ordering`` of a model, if all its layers that have one agree.

    Padding, cropping and upsampling do not write theirs; the default was the setting of
    Keras, as for the other layers.
    """
    orders = [item.get("dim_ordering") for item in objects(config)]
    names = {order for order in orders if isinstance(order, str)}
    return names.pop() if len(names) == 1 else None


def _over_space(class_name: str) -> Callable[[Options, File], Changed]:
    """A layer with an option for the size of each axis, and an order of axes."""

    def change(options: Options, file: File) -> Changed:
        return class_name, _in_order(options, file)

    return change


def _in_order(options: Options, file: File) -> Options:
    config = {k: v for k, v in options.items() if k not in (*SIZES, "dim_ordering")}
    sizes = [options[size] for size in SIZES if size in options]
    if sizes:
        config["kernel_size"] = sizes
    order = options.get("dim_ordering", file.ordering)
    # A value that is no format is refused later; the message shows it.
    unknown = "neither in the file nor the same in all of its other layers"
    config["data_format"] = (
        FORMATS.get(order, order) if isinstance(order, str) else unknown
    )
    return config


def _volumes(options: Options, file: File) -> Changed:
    """Convolution3D, which pads in another way with older versions of Theano.

    Keras 1.2 ``keras/backend/theano_backend.py``, ``conv3d``, ``_old_theano_conv3d``.
    """
    config = _in_order(options, file)
    sizes = config.get("kernel_size")
    items = sizes if isinstance(sizes, list) else []
    even = any(isinstance(size, int) and size % 2 == 0 for size in items)
    if file.theano and even and config.get("padding") == "same":
        config["padding"] = "same with an even kernel: depends on Theano's version"
    return "Conv3D", config


def _pooling(class_name: str) -> Callable[[Options, File], Changed]:
    """Pooling, which before Keras 1.2 passed a negative padding to Theano for size 1.

    Keras 1.1 ``keras/backend/theano_backend.py``, ``pool2d``.
    """

    def change(options: Options, file: File) -> Changed:
        config = _in_order(options, file)
        size = config.get("pool_size")
        same = config.get("padding") == "same"
        ones = isinstance(size, list) and 1 in size
        if same and ones and file.theano and file.version < (1, 2, 0):
            config["padding"] = "same as Keras had it on Theano before 1.2"
        return class_name, config

    return change


def _transposed(options: Options, file: File) -> Changed:
    """Deconvolution2D, whose option is the shape of its output.

    For an axis of n steps, TensorFlow allows the output lengths that a convolution
    maps back to n: with ``valid`` from ``(n - 1) * stride + size`` on, with ``same``
    from ``(n - 1) * stride + 1`` on; ``stride`` different ones.
    """
    config = _in_order(options, file)
    shape = config.pop("output_shape", None)
    first = 2 if config["data_format"] == "channels_first" else 1
    lengths = _pair(shape[first : first + 2] if isinstance(shape, list) else None)
    sizes, strides = _pair(config.get("kernel_size")), _pair(config.get("strides"))
    if not (lengths and sizes and strides):
        # Refused later, with this option.
        return "Conv2DTranspose", {**config, "output_padding": shape or []}
    if config.get("padding") != "same":
        axes = zip(lengths, sizes, strides, strict=True)
        config["output_padding"] = [(n - size) % step for n, size, step in axes]
        return "Conv2DTranspose", config
    tails = [(n - 1) % step + 1 for n, step in zip(lengths, strides, strict=True)]
    # Without ``output_padding`` the output has the longest length, which an even size
    # cannot express.
    if tails != strides:
        pairs = zip(tails, sizes, strict=True)
        config["output_padding"] = [tail - size % 2 for tail, size in pairs]
    return "Conv2DTranspose", config


def _pair(value: object) -> list[int]:
    """Two positive integers; empty if the value is anything else."""
    numbers = value if isinstance(value, list) and len(value) == 2 else []
    return numbers if all(type(n) is int and n > 0 for n in numbers) else []


def _padding(options: Options, file: File) -> Changed:
    """ZeroPadding2D, whose padding could be four numbers, in a list or a dict."""
    config = _in_order(options, file)
    padding = config.get("padding")
    if isinstance(padding, dict):
        padding = [padding.get(end, 0) for end in ENDS]
    if isinstance(padding, list) and len(padding) == 4:
        config["padding"] = [padding[:2], padding[2:]]
    return "ZeroPadding2D", config


# Spatial dropout does nothing in inference, in any order of axes.
CHANGED_IMAGES: dict[str, Callable[[Options, File], Changed]] = {
    **{
        name: _over_space(row.class_name)
        for name, row in IMAGES.items()
        if row.options is not _DROPOUT
    },
    **{name: _pooling(name) for name, row in IMAGES.items() if row.options is _POOLING},
    "Convolution3D": _volumes,
    "Deconvolution2D": _transposed,
    "ZeroPadding2D": _padding,
}
