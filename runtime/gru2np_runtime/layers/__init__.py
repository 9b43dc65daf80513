"""The layers of the runtime, by family; a family is imported on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gru2np_runtime.layer import Layer
    from gru2np_runtime.layers.adaptive_pooling import (
        AdaptiveAveragePooling as AdaptiveAveragePooling,
    )
    from gru2np_runtime.layers.adaptive_pooling import (
        AdaptiveMaxPooling as AdaptiveMaxPooling,
    )
    from gru2np_runtime.layers.advanced_activations import (
        ParametricSoftplus as ParametricSoftplus,
    )
    from gru2np_runtime.layers.advanced_activations import PReLU as PReLU
    from gru2np_runtime.layers.advanced_activations import SReLU as SReLU
    from gru2np_runtime.layers.arithmetic import Binary as Binary
    from gru2np_runtime.layers.arithmetic import Select as Select
    from gru2np_runtime.layers.arithmetic import Summed as Summed
    from gru2np_runtime.layers.attending import (
        DotProductAttention as DotProductAttention,
    )
    from gru2np_runtime.layers.attention import Attention as Attention
    from gru2np_runtime.layers.attention import MultiHeadAttention as MultiHeadAttention
    from gru2np_runtime.layers.cells import GRUCell as GRUCell
    from gru2np_runtime.layers.cells import LSTMCell as LSTMCell
    from gru2np_runtime.layers.cells import SimpleRNNCell as SimpleRNNCell
    from gru2np_runtime.layers.contracting import Contraction as Contraction
    from gru2np_runtime.layers.contracting import Einsum as Einsum
    from gru2np_runtime.layers.convolutional import Conv as Conv
    from gru2np_runtime.layers.convolutional_recurrent import ConvLSTM as ConvLSTM
    from gru2np_runtime.layers.core import Activation as Activation
    from gru2np_runtime.layers.core import Embedding as Embedding
    from gru2np_runtime.layers.core import Identity as Identity
    from gru2np_runtime.layers.core import Masking as Masking
    from gru2np_runtime.layers.core import (
        QuantizedReversibleEmbedding as QuantizedReversibleEmbedding,
    )
    from gru2np_runtime.layers.core import ReversibleEmbedding as ReversibleEmbedding
    from gru2np_runtime.layers.core import Softmax as Softmax
    from gru2np_runtime.layers.custom import Function as Function
    from gru2np_runtime.layers.dense import Dense as Dense
    from gru2np_runtime.layers.dense import EinsumDense as EinsumDense
    from gru2np_runtime.layers.dense import Highway as Highway
    from gru2np_runtime.layers.dense import MaxoutDense as MaxoutDense
    from gru2np_runtime.layers.dense import QuantizedDense as QuantizedDense
    from gru2np_runtime.layers.dense import QuantizedEinsumDense as QuantizedEinsumDense
    from gru2np_runtime.layers.encoding import CategoryEncoding as CategoryEncoding
    from gru2np_runtime.layers.encoding import Discretization as Discretization
    from gru2np_runtime.layers.encoding import IntegerLookup as IntegerLookup
    from gru2np_runtime.layers.functions import Activated as Activated
    from gru2np_runtime.layers.functions import Clip as Clip
    from gru2np_runtime.layers.functions import Unary as Unary
    from gru2np_runtime.layers.gathering import OneHot as OneHot
    from gru2np_runtime.layers.gathering import Pick as Pick
    from gru2np_runtime.layers.gathering import Take as Take
    from gru2np_runtime.layers.gathering import TakeAlong as TakeAlong
    from gru2np_runtime.layers.locally_connected import (
        LocallyConnected as LocallyConnected,
    )
    from gru2np_runtime.layers.merging import Add as Add
    from gru2np_runtime.layers.merging import Average as Average
    from gru2np_runtime.layers.merging import Concatenate as Concatenate
    from gru2np_runtime.layers.merging import Maximum as Maximum
    from gru2np_runtime.layers.merging import Minimum as Minimum
    from gru2np_runtime.layers.merging import Multiply as Multiply
    from gru2np_runtime.layers.merging import Subtract as Subtract
    from gru2np_runtime.layers.normalization import (
        BatchNormalization as BatchNormalization,
    )
    from gru2np_runtime.layers.normalization import (
        BatchNormalizationOverAxes as BatchNormalizationOverAxes,
    )
    from gru2np_runtime.layers.normalization import (
        GroupNormalization as GroupNormalization,
    )
    from gru2np_runtime.layers.normalization import (
        LayerNormalization as LayerNormalization,
    )
    from gru2np_runtime.layers.normalization import RMSNormalization as RMSNormalization
    from gru2np_runtime.layers.normalization import (
        UnitNormalization as UnitNormalization,
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
    from gru2np_runtime.layers.ordering import ArgExtreme as ArgExtreme
    from gru2np_runtime.layers.ordering import Cumulative as Cumulative
    from gru2np_runtime.layers.ordering import Ordered as Ordered
    from gru2np_runtime.layers.ordering import TopK as TopK
    from gru2np_runtime.layers.pooling import AveragePooled as AveragePooled
    from gru2np_runtime.layers.pooling import AveragePooling as AveragePooling
    from gru2np_runtime.layers.pooling import (
        GlobalAveragePooling as GlobalAveragePooling,
    )
    from gru2np_runtime.layers.pooling import GlobalMaxPooling as GlobalMaxPooling
    from gru2np_runtime.layers.pooling import MaxPooled as MaxPooled
    from gru2np_runtime.layers.pooling import MaxPooling as MaxPooling
    from gru2np_runtime.layers.preprocessing import Rescaling as Rescaling
    from gru2np_runtime.layers.preprocessing import Standardization as Standardization
    from gru2np_runtime.layers.products import Cosine as Cosine
    from gru2np_runtime.layers.products import Dot as Dot
    from gru2np_runtime.layers.rearranging import Difference as Difference
    from gru2np_runtime.layers.rearranging import Flip as Flip
    from gru2np_runtime.layers.rearranging import Moved as Moved
    from gru2np_runtime.layers.rearranging import Pad as Pad
    from gru2np_runtime.layers.rearranging import Repeat as Repeat
    from gru2np_runtime.layers.rearranging import Roll as Roll
    from gru2np_runtime.layers.rearranging import Triangle as Triangle
    from gru2np_runtime.layers.recurrent import GRU as GRU
    from gru2np_runtime.layers.recurrent import LSTM as LSTM
    from gru2np_runtime.layers.recurrent import RNN as RNN
    from gru2np_runtime.layers.recurrent import SimpleRNN as SimpleRNN
    from gru2np_runtime.layers.reducing import Matmul as Matmul
    from gru2np_runtime.layers.reducing import Reduction as Reduction
    from gru2np_runtime.layers.reshaping import Cropping as Cropping
    from gru2np_runtime.layers.reshaping import Flatten as Flatten
    from gru2np_runtime.layers.reshaping import Permute as Permute
    from gru2np_runtime.layers.reshaping import RepeatVector as RepeatVector
    from gru2np_runtime.layers.reshaping import Reshape as Reshape
    from gru2np_runtime.layers.reshaping import ZeroPadding as ZeroPadding
    from gru2np_runtime.layers.resizing import Resizing as Resizing
    from gru2np_runtime.layers.resizing import UpSampling as UpSampling
    from gru2np_runtime.layers.scaling import Norm as Norm
    from gru2np_runtime.layers.scaling import Normalized as Normalized
    from gru2np_runtime.layers.scaling import Standardized as Standardized
    from gru2np_runtime.layers.separable import DepthwiseConv as DepthwiseConv
    from gru2np_runtime.layers.separable import SeparableConv as SeparableConv
    from gru2np_runtime.layers.sizing import Counting as Counting
    from gru2np_runtime.layers.sizing import Full as Full
    from gru2np_runtime.layers.sizing import Lifted as Lifted
    from gru2np_runtime.layers.sizing import Shaped as Shaped
    from gru2np_runtime.layers.sizing import SizeOf as SizeOf
    from gru2np_runtime.layers.sizing import Spread as Spread
    from gru2np_runtime.layers.sizing import Tile as Tile
    from gru2np_runtime.layers.slicing import FirstItem as FirstItem
    from gru2np_runtime.layers.slicing import GetItem as GetItem
    from gru2np_runtime.layers.slicing import Joined as Joined
    from gru2np_runtime.layers.slicing import Reshaped as Reshaped
    from gru2np_runtime.layers.slicing import Split as Split
    from gru2np_runtime.layers.slicing import Squeeze as Squeeze
    from gru2np_runtime.layers.slicing import Stack as Stack
    from gru2np_runtime.layers.slicing import Transpose as Transpose
    from gru2np_runtime.layers.slicing import Turned as Turned
    from gru2np_runtime.layers.transposed import ConvTranspose as ConvTranspose
    from gru2np_runtime.layers.wrappers import Bidirectional as Bidirectional
    from gru2np_runtime.layers.wrappers import TimeDistributed as TimeDistributed

# family.class by op.  A test compares this with the LAYERS table of each family.
FAMILY = {
    "activated": "functions.Activated",
    "activation": "core.Activation",
    "adaptive_average_pooling": "adaptive_pooling.AdaptiveAveragePooling",
    "adaptive_max_pooling": "adaptive_pooling.AdaptiveMaxPooling",
    "add": "merging.Add",
    "any": "ops.Any",
    "arg_extreme": "ordering.ArgExtreme",
    "attention": "attention.Attention",
    "average": "merging.Average",
    "average_pooled": "pooling.AveragePooled",
    "average_pooling": "pooling.AveragePooling",
    "batch_normalization": "normalization.BatchNormalization",
    "batch_normalization_over_axes": "normalization.BatchNormalizationOverAxes",
    "bidirectional": "wrappers.Bidirectional",
    "binary": "arithmetic.Binary",
    "broadcast_to": "ops.BroadcastTo",
    "cast": "ops.Cast",
    "category_encoding": "encoding.CategoryEncoding",
    "clip": "functions.Clip",
    "concatenate": "merging.Concatenate",
    "contraction": "contracting.Contraction",
    "conv": "convolutional.Conv",
    "conv_lstm": "convolutional_recurrent.ConvLSTM",
    "conv_transpose": "transposed.ConvTranspose",
    "cosine": "products.Cosine",
    "counting": "sizing.Counting",
    "cropping": "reshaping.Cropping",
    "cumulative": "ordering.Cumulative",
    "dense": "dense.Dense",
    "depthwise_conv": "separable.DepthwiseConv",
    "difference": "rearranging.Difference",
    "discretization": "encoding.Discretization",
    "dot": "products.Dot",
    "dot_product_attention": "attending.DotProductAttention",
    "einsum": "contracting.Einsum",
    "einsum_dense": "dense.EinsumDense",
    "embedding": "core.Embedding",
    "expand_dims": "ops.ExpandDims",
    "first_item": "slicing.FirstItem",
    "flatten": "reshaping.Flatten",
    "flip": "rearranging.Flip",
    "full": "sizing.Full",
    "function": "custom.Function",
    "get_item": "slicing.GetItem",
    "global_average_pooling": "pooling.GlobalAveragePooling",
    "global_max_pooling": "pooling.GlobalMaxPooling",
    "group_normalization": "normalization.GroupNormalization",
    "gru": "recurrent.GRU",
    "gru_cell": "cells.GRUCell",
    "highway": "dense.Highway",
    "identity": "core.Identity",
    "integer_lookup": "encoding.IntegerLookup",
    "joined": "slicing.Joined",
    "layer_normalization": "normalization.LayerNormalization",
    "lifted": "sizing.Lifted",
    "locally_connected": "locally_connected.LocallyConnected",
    "logical_and": "ops.LogicalAnd",
    "logical_or": "ops.LogicalOr",
    "lstm": "recurrent.LSTM",
    "lstm_cell": "cells.LSTMCell",
    "masking": "core.Masking",
    "matmul": "reducing.Matmul",
    "max_pooled": "pooling.MaxPooled",
    "max_pooling": "pooling.MaxPooling",
    "maximum": "merging.Maximum",
    "maxout_dense": "dense.MaxoutDense",
    "minimum": "merging.Minimum",
    "moved": "rearranging.Moved",
    "multi_head_attention": "attention.MultiHeadAttention",
    "multiply": "merging.Multiply",
    "norm": "scaling.Norm",
    "normalized": "scaling.Normalized",
    "not_equal": "ops.NotEqual",
    "one_hot": "gathering.OneHot",
    "ones_like": "ops.OnesLike",
    "ordered": "ordering.Ordered",
    "pad": "rearranging.Pad",
    "parametric_softplus": "advanced_activations.ParametricSoftplus",
    "permute": "reshaping.Permute",
    "pick": "gathering.Pick",
    "prelu": "advanced_activations.PReLU",
    "quantized_dense": "dense.QuantizedDense",
    "quantized_einsum_dense": "dense.QuantizedEinsumDense",
    "quantized_reversible_embedding": "core.QuantizedReversibleEmbedding",
    "reduction": "reducing.Reduction",
    "repeat": "rearranging.Repeat",
    "repeat_vector": "reshaping.RepeatVector",
    "rescaling": "preprocessing.Rescaling",
    "reshape": "reshaping.Reshape",
    "reshaped": "slicing.Reshaped",
    "resizing": "resizing.Resizing",
    "reversible_embedding": "core.ReversibleEmbedding",
    "rms_normalization": "normalization.RMSNormalization",
    "rnn": "recurrent.RNN",
    "roll": "rearranging.Roll",
    "select": "arithmetic.Select",
    "separable_conv": "separable.SeparableConv",
    "shaped": "sizing.Shaped",
    "simple_rnn": "recurrent.SimpleRNN",
    "simple_rnn_cell": "cells.SimpleRNNCell",
    "size_of": "sizing.SizeOf",
    "softmax": "core.Softmax",
    "split": "slicing.Split",
    "spread": "sizing.Spread",
    "squeeze": "slicing.Squeeze",
    "srelu": "advanced_activations.SReLU",
    "stack": "slicing.Stack",
    "standardization": "preprocessing.Standardization",
    "standardized": "scaling.Standardized",
    "subtract": "merging.Subtract",
    "summed": "arithmetic.Summed",
    "take": "gathering.Take",
    "take_along": "gathering.TakeAlong",
    "tile": "sizing.Tile",
    "time_distributed": "wrappers.TimeDistributed",
    "top_k": "ordering.TopK",
    "transpose": "slicing.Transpose",
    "triangle": "rearranging.Triangle",
    "turned": "slicing.Turned",
    "unary": "functions.Unary",
    "unit_normalization": "normalization.UnitNormalization",
    "up_sampling": "resizing.UpSampling",
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
    layer: type[Layer] = getattr(import_module(f"{__name__}.{family}"), name)
    return layer


if not TYPE_CHECKING:  # which would take any name for a layer

    def __getattr__(name: str) -> type[Layer]:
        if name not in _CLASSES:
            guess = ""
            # Python itself asks for names such as __wrapped__.
            if not name.startswith("_"):
                # Imported only for an error: the start must be fast.
                from gru2np_runtime.hints import nearest

                guess = nearest(name, __all__)
            raise AttributeError(f"module {__name__!r} has no layer {name!r}{guess}")
        family = _CLASSES[name].split(".")[0]
        layer: type[Layer] = getattr(import_module(f"{__name__}.{family}"), name)
        return layer


def __dir__() -> list[str]:
    return __all__
