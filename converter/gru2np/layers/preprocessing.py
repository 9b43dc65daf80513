"""Spelling of preprocessing layers; see the runtime's preprocessing and encoding."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.generations.records import is_number
from gru2np.layers.spec import KEEPS, LayerSpec, named_type
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

# Layers that change an image in training and give it back otherwise.
RANDOM = {
    "RandomBrightness": ("factor", "value_range"),
    "RandomContrast": ("factor", "value_range"),
    "RandomFlip": ("mode",),
    "RandomRotation": ("factor", "fill_mode", "fill_value", "interpolation"),
    "RandomTranslation": (
        *("height_factor", "width_factor"),
        *("fill_mode", "fill_value", "interpolation"),
    ),
    "RandomZoom": (
        *("height_factor", "width_factor"),
        *("fill_mode", "fill_value", "interpolation"),
    ),
}


def rescaling(config: Config) -> Layer:
    """Rescaling."""
    return config.build(
        runtime.Rescaling,
        scale=_numbers(config, "scale"),
        offset=_numbers(config, "offset", 0.0),
    )


def normalization(config: Config) -> Layer:
    """Normalization, its numbers adapted or given."""
    axis = config.value("axis", -1)
    axes = axis if isinstance(axis, list) else [] if axis is None else [axis]
    constants: dict[str, Any] = {}
    if config.value("mean", None) is not None:
        mean, variance = (_array(config, key) for key in ("mean", "variance"))
        if mean.shape != variance.shape:
            config.refuse("expected as many variances as means", "variance")
        constants = {
            "constants_shape": list(mean.shape),
            "mean": mean.ravel().tolist(),
            "variance": variance.ravel().tolist(),
        }
    elif config.value("variance", None) is not None:
        config.refuse("a variance without a mean", "variance")
    return config.build(
        runtime.Standardization,
        axes=axes,
        invert=config.boolean("invert", False),
        **constants,
    )


def category_encoding(config: Config) -> Layer:
    """CategoryEncoding."""
    _dense(config)
    output = config.choice(
        "output_mode", ("one_hot", "multi_hot", "count", "binary"), "multi_hot"
    )
    return config.build(
        runtime.CategoryEncoding,
        num_tokens=config.integer("num_tokens"),
        output="multi_hot" if output == "binary" else output,
        # Keras 2 looked at every number; Keras 3 leaves out what is too large.
        leaves_out=config.meaning.tensor_arguments_drop_mask,
    )


def discretization(config: Config) -> Layer:
    """Discretization with known boundaries."""
    _dense(config)
    for option in ("num_bins", "epsilon"):
        config.value(option, None)
    boundaries = config.value("bin_boundaries", None)
    if not boundaries:
        config.refuse("the boundaries that adapt() found are not in the architecture")
    output = config.choice("output_mode", _OUTPUTS, "int")
    keras_3 = config.meaning.tensor_arguments_drop_mask
    return _whole(config, output).build(
        runtime.Discretization,
        boundaries=_numbers(config, "bin_boundaries"),
        output=output,
        number="int32" if keras_3 else "int64",
    )


def integer_lookup(config: Config) -> Layer:
    """IntegerLookup of a vocabulary that stands in the architecture."""
    _dense(config)
    for option in ("oov_token", "salt", "vocabulary_dtype", "vocabulary_size"):
        config.value(option, None)
    config.value("has_input_vocabulary", None)
    output = config.choice("output_mode", _OUTPUTS, "int")
    if config.boolean("invert", False):
        config.refuse("looks numbers up backwards", "invert", True)
    if config.value("idf_weights", None) is not None:
        config.refuse("weighs by frequency", "idf_weights")
    if config.value("oov_method", "floormod") != "floormod":
        config.refuse("hashes by a function of TensorFlow's own", "oov_method")
    words = config.value("vocabulary", None)
    if not isinstance(words, list) or not words:
        config.refuse("the vocabulary is in a file beside the architecture")
    outside = config.integer("num_oov_indices", 1, minimum=0)
    token = config.value("mask_token", None)
    special = [token] if token is not None and output == "int" else []
    padded = config.boolean("pad_to_max_tokens", False) and output != "int"
    most = config.value("max_tokens", None)
    numbers = _integers(config, words)
    # A list may name the special places itself, and then names all of them.
    named = [*special, *[config.value("oov_token", -1)] * outside]
    if named and numbers[: len(named)] == named:
        numbers = numbers[len(named) :]
    return _whole(config, output).build(
        runtime.IntegerLookup,
        vocabulary=numbers,
        outside=outside,
        mask_token=_integers(config, special),
        output=output,
        padded=most if padded and isinstance(most, int) else 0,
        whole=config.meaning.tensor_arguments_drop_mask,
    )


def in_training(*options: str) -> Callable[[Config], Layer]:
    """A layer that gives an image back outside training, as floating point numbers."""

    def convert(config: Config) -> Layer:
        for option in ("data_format", "bounding_box_format", "rng_type", *options):
            config.value(option, None)
        return config.build(runtime.Cast, number=config.dtype())

    return convert


_OUTPUTS = ("int", "one_hot", "multi_hot", "count")


def _dense(config: Config) -> None:
    if config.value("sparse", False) is not False:
        config.refuse("sparse outputs are not supported", "sparse", True)


def _whole(config: Config, output: str) -> Config:
    """The options without a type of whole numbers, which only such outputs have."""
    name = named_type(config.value("dtype", None))
    if name in ("int32", "int64") and output == "int":
        config.layer = replace(
            config.layer, config={**config.layer.config, "dtype": None}
        )
    return config


def _numbers(config: Config, key: str, default: object = None) -> list[float]:
    """A number, or a flat list of them."""
    value = config.value(key, default)
    found = _flat(value if isinstance(value, (list, tuple)) else [value])
    if found is None:
        config.refuse("expected a number or a flat list of numbers", key, value)
    return found


def _flat(items: Sequence[object]) -> list[float] | None:
    numbers = [float(item) for item in items if is_number(item)]
    sound = len(numbers) == len(items) and all(math.isfinite(n) for n in numbers)
    return numbers if sound else None


def _array(config: Config, key: str) -> np.ndarray[Any, Any]:
    """A number, or lists of them of one length each."""
    value = config.value(key)
    try:
        found = np.array(value)
    except ValueError:
        found = np.array(None)
    if found.dtype.kind not in "if" or found.ndim > 8 or not np.isfinite(found).all():
        config.refuse("expected numbers", key, value)
    return found.astype(float)


def _integers(config: Config, items: Sequence[object]) -> list[int]:
    for item in items:
        if not isinstance(item, int) or isinstance(item, bool) or abs(item) >= 2**63:
            config.refuse("expected whole numbers", "vocabulary", item)
    return [item for item in items if isinstance(item, int)]


LAYERS = {
    "CategoryEncoding": LayerSpec(category_encoding),
    "Discretization": LayerSpec(discretization),
    "IntegerLookup": LayerSpec(integer_lookup),
    "Normalization": LayerSpec(
        normalization,
        mask=KEEPS,
        non_trainable=frozenset({"mean", "variance"}),
        unused=("count",),
    ),
    "Rescaling": LayerSpec(rescaling, mask=KEEPS),
    **{name: LayerSpec(in_training(*options)) for name, options in RANDOM.items()},
}
