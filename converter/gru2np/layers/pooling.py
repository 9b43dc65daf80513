"""Converts pooling; its meaning is in the runtime's file of this name."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.layers.arguments import NOT_HERE, build, tensors
from gru2np.layers.convolutional import check_backend, check_window, data_format
from gru2np.layers.dtype_rules import AVERAGED, FLOATS, NUMBERS
from gru2np.layers.mask_rules import MAY_IDLE, MEASURED
from gru2np.layers.spec import ON_INPUTS, LayerSpec, operation, unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def pooling(kind: type[Layer], rank: int) -> Callable[[Config], Layer]:
    """Pooling over windows of ``rank`` spatial axes."""

    def convert(config: Config) -> Layer:
        size = config.integers("pool_size", 2, length=rank)
        strides = size
        if config.value("strides", None) is not None:
            strides = config.integers("strides", length=rank)
        padding = config.choice("padding", ("valid", "same"), "valid")
        check_backend(config, padding, rank=rank)
        check_window(config, padding, size, strides)
        before: list[int] = []
        if padding == "same" and config.meaning.windows.same_pooling == "whole":
            # Keras 2.0 keras/backend/theano_backend.py, pool2d.
            before = [n - 2 if n > 2 and n % 2 else n - 1 for n in size]
            if rank == 3 and 1 in size:
                config.refuse("Theano pads such windows by a negative number")
        more = {}
        if kind is runtime.AveragePooling:
            more["counts_padding"] = config.boolean("counts_padding", False)
        return config.build(
            kind,
            pool_size=size,
            strides=strides,
            padding=padding,
            before=before,
            data_format=data_format(config),
            **more,
        )

    return convert


def pooled(config: Config) -> Layer:
    """MaxPool and AveragePool of Keras 3 over windows of one size for each axis."""
    tensors(config, 1)
    size = config.value("pool_size")
    if not isinstance(size, list):
        config.refuse(
            f"{NOT_HERE}: write a size for each spatial axis, as in (2, 2)",
            "pool_size",
            size,
        )
    rank = len(size)
    sizes = config.integers("pool_size", length=rank)
    given = config.value("strides", None)
    strides = sizes if given is None else config.integers("strides", length=rank)
    padding = config.choice("padding", ("valid", "same"), "valid")
    check_window(config, padding, sizes, strides)
    if config.value("data_format", None) is None:
        layout = "channels_last"
    else:
        layout = data_format(config)
    kind = {"MaxPool": runtime.MaxPooled, "AveragePool": runtime.AveragePooled}
    return build(
        config,
        kind[config.operation],
        pool_size=sizes,
        strides=strides,
        padding=padding,
        data_format=layout,
    )


def global_pooling(kind: type[Layer]) -> Callable[[Config], Layer]:
    """Pooling over all steps; ``keepdims`` is new in tf.keras 2.6."""

    def convert(config: Config) -> Layer:
        return config.build(
            kind,
            keepdims=config.boolean("keepdims", False),
            data_format=data_format(config),
        )

    return convert


MASKED_SECOND = replace(ON_INPUTS, masked_second=True)
LAYERS = {
    **{
        f"{name}Pooling{rank}D": unmasked(pooling(kind, rank), MEASURED, None, dtypes)
        for name, kind, dtypes in (
            ("Average", runtime.AveragePooling, FLOATS),
            ("Max", runtime.MaxPooling, NUMBERS),
        )
        for rank in (1, 2, 3)
    },
    "ops.AveragePool": operation(pooled, MAY_IDLE),
    "ops.MaxPool": operation(pooled, MAY_IDLE),
    **{
        f"Global{name}Pooling{rank}D": LayerSpec(
            global_pooling(kind),
            MEASURED,
            uses_mask=name == "Average" and rank == 1,
            call=MASKED_SECOND if name == "Average" and rank == 1 else ON_INPUTS,
            weights=None,
            dtypes=dtypes,
        )
        for name, kind, dtypes in (
            ("Average", runtime.GlobalAveragePooling, AVERAGED),
            ("Max", runtime.GlobalMaxPooling, NUMBERS),
        )
        for rank in (1, 2, 3)
    },
}
