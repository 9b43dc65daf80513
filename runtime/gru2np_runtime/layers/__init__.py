"""The layers of the runtime, by family; a family is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gru2np_runtime._layer import Layer
    from gru2np_runtime.layers.cells import GRUCell as GRUCell
    from gru2np_runtime.layers.cells import LSTMCell as LSTMCell
    from gru2np_runtime.layers.cells import SimpleRNNCell as SimpleRNNCell
    from gru2np_runtime.layers.convolutional import Conv as Conv
    from gru2np_runtime.layers.core import Activation as Activation
    from gru2np_runtime.layers.core import Dense as Dense
    from gru2np_runtime.layers.core import Embedding as Embedding
    from gru2np_runtime.layers.core import Identity as Identity
    from gru2np_runtime.layers.core import Masking as Masking
    from gru2np_runtime.layers.core import PReLU as PReLU
    from gru2np_runtime.layers.merging import Add as Add
    from gru2np_runtime.layers.merging import Average as Average
    from gru2np_runtime.layers.merging import Concatenate as Concatenate
    from gru2np_runtime.layers.merging import Dot as Dot
    from gru2np_runtime.layers.merging import Maximum as Maximum
    from gru2np_runtime.layers.merging import Minimum as Minimum
    from gru2np_runtime.layers.merging import Multiply as Multiply
    from gru2np_runtime.layers.merging import Subtract as Subtract
    from gru2np_runtime.layers.normalization import (
        BatchNormalization as BatchNormalization,
    )
    from gru2np_runtime.layers.normalization import (
        LayerNormalization as LayerNormalization,
    )
    from gru2np_runtime.layers.ops import Any as Any
    from gru2np_runtime.layers.ops import BroadcastTo as BroadcastTo
    from gru2np_runtime.layers.ops import Cast as Cast
    from gru2np_runtime.layers.ops import ExpandDims as ExpandDims
    from gru2np_runtime.layers.ops import LogicalAnd as LogicalAnd
    from gru2np_runtime.layers.ops import LogicalOr as LogicalOr
    from gru2np_runtime.layers.ops import NotEqual as NotEqual
    from gru2np_runtime.layers.ops import OnesLike as OnesLike
    from gru2np_runtime.layers.ops import Where as Where
    from gru2np_runtime.layers.ops import ZerosLike as ZerosLike
    from gru2np_runtime.layers.pooling import AveragePooling as AveragePooling
    from gru2np_runtime.layers.pooling import (
        GlobalAveragePooling as GlobalAveragePooling,
    )
    from gru2np_runtime.layers.pooling import GlobalMaxPooling as GlobalMaxPooling
    from gru2np_runtime.layers.pooling import MaxPooling as MaxPooling
    from gru2np_runtime.layers.recurrent import GRU as GRU
    from gru2np_runtime.layers.recurrent import LSTM as LSTM
    from gru2np_runtime.layers.recurrent import RNN as RNN
    from gru2np_runtime.layers.recurrent import SimpleRNN as SimpleRNN
    from gru2np_runtime.layers.reshaping import Cropping as Cropping
    from gru2np_runtime.layers.reshaping import Flatten as Flatten
    from gru2np_runtime.layers.reshaping import Permute as Permute
    from gru2np_runtime.layers.reshaping import RepeatVector as RepeatVector
    from gru2np_runtime.layers.reshaping import Reshape as Reshape
    from gru2np_runtime.layers.reshaping import UpSampling as UpSampling
    from gru2np_runtime.layers.reshaping import ZeroPadding as ZeroPadding
    from gru2np_runtime.layers.wrappers import Bidirectional as Bidirectional
    from gru2np_runtime.layers.wrappers import TimeDistributed as TimeDistributed

# op: family.class.  A test holds this against each family's own LAYERS table.
FAMILY = {
    "activation": "core.Activation",
    "add": "merging.Add",
    "any": "ops.Any",
    "average": "merging.Average",
    "average_pooling": "pooling.AveragePooling",
    "batch_normalization": "normalization.BatchNormalization",
    "bidirectional": "wrappers.Bidirectional",
    "broadcast_to": "ops.BroadcastTo",
    "cast": "ops.Cast",
    "concatenate": "merging.Concatenate",
    "conv": "convolutional.Conv",
    "cropping": "reshaping.Cropping",
    "dense": "core.Dense",
    "dot": "merging.Dot",
    "embedding": "core.Embedding",
    "expand_dims": "ops.ExpandDims",
    "flatten": "reshaping.Flatten",
    "global_average_pooling": "pooling.GlobalAveragePooling",
    "global_max_pooling": "pooling.GlobalMaxPooling",
    "gru": "recurrent.GRU",
    "gru_cell": "cells.GRUCell",
    "identity": "core.Identity",
    "layer_normalization": "normalization.LayerNormalization",
    "logical_and": "ops.LogicalAnd",
    "logical_or": "ops.LogicalOr",
    "lstm": "recurrent.LSTM",
    "lstm_cell": "cells.LSTMCell",
    "masking": "core.Masking",
    "max_pooling": "pooling.MaxPooling",
    "maximum": "merging.Maximum",
    "minimum": "merging.Minimum",
    "multiply": "merging.Multiply",
    "not_equal": "ops.NotEqual",
    "ones_like": "ops.OnesLike",
    "permute": "reshaping.Permute",
    "prelu": "core.PReLU",
    "repeat_vector": "reshaping.RepeatVector",
    "reshape": "reshaping.Reshape",
    "rnn": "recurrent.RNN",
    "simple_rnn": "recurrent.SimpleRNN",
    "simple_rnn_cell": "cells.SimpleRNNCell",
    "subtract": "merging.Subtract",
    "time_distributed": "wrappers.TimeDistributed",
    "up_sampling": "reshaping.UpSampling",
    "where": "ops.Where",
    "zero_padding": "reshaping.ZeroPadding",
    "zeros_like": "ops.ZerosLike",
}
_CLASSES = {path.split(".")[1]: path for path in FAMILY.values()}

__all__ = sorted(_CLASSES)


def layer_class(op: str) -> type[Layer]:
    """The class of an op.

    Raises:
        KeyError: there is no such op.
    """
    family, name = FAMILY[op].split(".")
    found: type[Layer] = getattr(import_module(f"{__name__}.{family}"), name)
    return found


def __getattr__(name: str) -> type[Layer]:
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no layer {name!r}")
    family = _CLASSES[name].split(".")[0]
    found: type[Layer] = getattr(import_module(f"{__name__}.{family}"), name)
    return found


def __dir__() -> list[str]:
    return [*__all__, "FAMILY", "layer_class"]
