"""Layers of Keras that are refused by name, each with its reason.

Every layer that an installed Keras exports is either in a table of a family or here;
``tests/layers/test_not_converted.py`` holds the two against Keras itself.
"""

from __future__ import annotations

_AUGMENTATION = (
    "an augmentation of images for training; save the model again without it"
)
_BASE = "a base for layers of one's own, and no layer itself"
_CELL = "a cell, which only its own layer may hold"
_FILTER = "a filter for images: apply it to them before the model"
_FOREIGN = "a program of another framework, which is never run"
_HASH = "hashes by a function of TensorFlow's own: do it before the model"
_SOUND = "spectrograms of sound: compute them before the model"
_TEXT = "strings, which no array of numbers holds: look them up before the model"

NOT_CONVERTED = {
    "AbstractRNNCell": _BASE,
    "AugMix": _AUGMENTATION,
    "AutoContrast": _FILTER,
    "CenterCrop": "crops and resizes by rules that changed with versions of Keras",
    "ContrastLimitedAdaptiveHistogramEqualization": _FILTER,
    "ConvLSTM2DCell": _CELL,
    "CutMix": _AUGMENTATION,
    "DenseFeatures": "columns of a table by name: make arrays of them before the model",
    "Equalization": _FILTER,
    "FlaxLayer": _FOREIGN,
    "HashedCrossing": _HASH,
    "Hashing": _HASH,
    "JaxLayer": _FOREIGN,
    "Lambda": (
        "a Lambda layer holds Python code, which is never run; replace it by "
        "built-in layers and save the model again"
    ),
    "Layer": _BASE,
    "MaxNumBoundingBoxes": "boxes that belong to an image, which no array holds",
    "MelSpectrogram": _SOUND,
    "MixUp": _AUGMENTATION,
    "Pipeline": "a list of layers for data: apply them before the model",
    "RandAugment": _AUGMENTATION,
    "RandomColorDegeneration": _AUGMENTATION,
    "RandomColorJitter": _AUGMENTATION,
    "RandomCrop": "crops in use, too, by rules that changed with versions of Keras",
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
