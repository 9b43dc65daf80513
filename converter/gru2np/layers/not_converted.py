"""Layers of Keras that are refused by name, each with its reason.

Every layer that an installed Keras exports is either in a table of a family or here;
``tests/layers/test_not_converted.py`` compares both with Keras.
"""

from __future__ import annotations

_AUGMENTATION = (
    "an augmentation of images for training; save the model again without it"
)
_BASE = "a base class for custom layers"
_CELL = "a cell, which works only inside its own layer"
_FILTER = "a filter for images: apply it before the model"
_FOREIGN = "a program of another framework, which is never run"
_HASH = "hashes with a function of TensorFlow: do it before the model"
_SOUND = "spectrograms of sound: compute them before the model"
_TEXT = "strings are not supported: convert them to numbers before the model"

NOT_CONVERTED = {
    "AbstractRNNCell": _BASE,
    "AugMix": _AUGMENTATION,
    "AutoContrast": _FILTER,
    "CenterCrop": "crops and resizes by rules that differ between versions of Keras",
    "ContrastLimitedAdaptiveHistogramEqualization": _FILTER,
    "ConvLSTM2DCell": _CELL,
    "CutMix": _AUGMENTATION,
    "DenseFeatures": "columns of a table by name: convert them to arrays before the "
    "model",
    "Equalization": _FILTER,
    "FlaxLayer": _FOREIGN,
    "HashedCrossing": _HASH,
    "Hashing": _HASH,
    "JaxLayer": _FOREIGN,
    "Lambda": "Python code, which is never run from a file",
    "Layer": _BASE,
    "MaxNumBoundingBoxes": "bounding boxes of images are not supported",
    "MelSpectrogram": _SOUND,
    "MixUp": _AUGMENTATION,
    "Pipeline": "a list of preprocessing layers: apply them before the model",
    "RandAugment": _AUGMENTATION,
    "RandomColorDegeneration": _AUGMENTATION,
    "RandomColorJitter": _AUGMENTATION,
    "RandomCrop": "crops in inference too, by rules that differ between versions of "
    "Keras",
    "RandomElasticTransform": _AUGMENTATION,
    "RandomErasing": _AUGMENTATION,
    "RandomGaussianBlur": _AUGMENTATION,
    "RandomGrayscale": _AUGMENTATION,
    "RandomHeight": _AUGMENTATION,
    "RandomHue": _AUGMENTATION,
    "RandomInvert": _AUGMENTATION,
    "RandomPerspective": _AUGMENTATION,
    "RandomPosterization": _AUGMENTATION,
    "RandomSaturation": _AUGMENTATION,
    "RandomSharpness": _AUGMENTATION,
    "RandomShear": _AUGMENTATION,
    "RandomWidth": _AUGMENTATION,
    "STFTSpectrogram": _SOUND,
    "Solarization": _AUGMENTATION,
    "StringLookup": _TEXT,
    "TFSMLayer": _FOREIGN,
    "TextVectorization": _TEXT,
    "TorchModuleWrapper": _FOREIGN,
    "Wrapper": _BASE,
}
