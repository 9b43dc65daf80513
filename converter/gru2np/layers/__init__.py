"""The closed table of Keras classes, merged from the families' own tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers import (
    cells,
    convolutional,
    core,
    merging,
    normalization,
    ops,
    pooling,
    recurrent,
    reshaping,
    wrappers,
)

if TYPE_CHECKING:
    from gru2np.layers._spec import LayerSpec

FAMILIES = (
    cells,
    convolutional,
    core,
    merging,
    normalization,
    ops,
    pooling,
    recurrent,
    reshaping,
    wrappers,
)

LAYERS: dict[str, LayerSpec] = {
    class_name: spec
    for family in FAMILIES
    for class_name, spec in family.LAYERS.items()
}

# Classes of Keras that are refused by name, so that nobody looks for them at home.
NOT_CONVERTED = frozenset(
    [
        "AdaptiveAveragePooling1D",
        "AdaptiveMaxPooling1D",
        "AdditiveAttention",
        "Attention",
        "AveragePooling2D",
        "AveragePooling3D",
        "CategoryEncoding",
        "Conv1DTranspose",
        "Conv2D",
        "Conv2DTranspose",
        "Conv3D",
        "Conv3DTranspose",
        "ConvLSTM1D",
        "ConvLSTM2D",
        "ConvLSTM3D",
        "ConvLSTM2DCell",
        "Convolution1D",
        "Convolution2D",
        "Cropping2D",
        "Cropping3D",
        "CuDNNGRU",
        "CuDNNLSTM",
        "DepthwiseConv1D",
        "DepthwiseConv2D",
        "Discretization",
        "EinsumDense",
        "FlaxLayer",
        "GlobalAveragePooling2D",
        "GlobalAveragePooling3D",
        "GlobalMaxPooling2D",
        "GlobalMaxPooling3D",
        "GroupNormalization",
        "GroupQueryAttention",
        "Hashing",
        "HashedCrossing",
        "Highway",
        "IntegerLookup",
        "JaxLayer",
        "LocallyConnected1D",
        "LocallyConnected2D",
        "MaxPooling2D",
        "MaxPooling3D",
        "MaxoutDense",
        "Merge",
        "MultiHeadAttention",
        "Normalization",
        "ParametricSoftplus",
        "RMSNormalization",
        "Rescaling",
        "Resizing",
        "ReversibleEmbedding",
        "SReLU",
        "SeparableConv1D",
        "SeparableConv2D",
        "SlicingOpLambda",
        "SpectralNormalization",
        "StringLookup",
        "TFOpLambda",
        "TFSMLayer",
        "TensorFlowOpLayer",
        "TextVectorization",
        "TimeDistributedDense",
        "TorchModuleWrapper",
        "UnitNormalization",
        "UpSampling2D",
        "UpSampling3D",
        "ZeroPadding2D",
        "ZeroPadding3D",
    ]
)
