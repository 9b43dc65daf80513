"""The layers that multi-backend Keras 2 had.

A class by another name is the user's own there, even where a later Keras has one of
that name: hand-written Attention and LayerNormalization were common.
"""

from __future__ import annotations

# From the sources of Keras 2.0 to 2.3, ``keras/layers`` and ``keras/legacy/layers.py``.
MULTI_BACKEND = frozenset(
    {
        *("Activation", "ActivityRegularization", "Add", "AlphaDropout", "Average"),
        *("AveragePooling1D", "AveragePooling2D", "AveragePooling3D"),
        *("BatchNormalization", "Bidirectional", "Concatenate", "Conv1D", "Conv2D"),
        *("Conv2DTranspose", "Conv3D", "Conv3DTranspose", "ConvLSTM2D"),
        *("ConvLSTM2DCell", "Cropping1D", "Cropping2D", "Cropping3D", "CuDNNGRU"),
        *("CuDNNLSTM", "Dense", "DepthwiseConv2D", "Dot", "Dropout", "ELU"),
        *("Embedding", "Flatten", "GRU", "GRUCell", "GaussianDropout"),
        *("GaussianNoise", "GlobalAveragePooling1D", "GlobalAveragePooling2D"),
        *("GlobalAveragePooling3D", "GlobalMaxPooling1D", "GlobalMaxPooling2D"),
        *("GlobalMaxPooling3D", "Highway", "InputLayer", "LSTM", "LSTMCell"),
        *("Lambda", "LeakyReLU", "LocallyConnected1D", "LocallyConnected2D"),
        *("Masking", "MaxPooling1D", "MaxPooling2D", "MaxPooling3D", "Maximum"),
        *("MaxoutDense", "Merge", "Minimum", "Multiply", "PReLU", "Permute", "RNN"),
        *("ReLU", "RepeatVector", "Reshape", "SeparableConv1D", "SeparableConv2D"),
        *("SimpleRNN", "SimpleRNNCell", "Softmax", "SpatialDropout1D"),
        *("SpatialDropout2D", "SpatialDropout3D", "StackedRNNCells", "Subtract"),
        *("ThresholdedReLU", "TimeDistributed", "UpSampling1D", "UpSampling2D"),
        *("UpSampling3D", "ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D"),
    }
)
