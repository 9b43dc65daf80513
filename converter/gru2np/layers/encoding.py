"""Converts encoding of categories; its meaning is in the runtime's file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.generations.records import is_integer
from gru2np.layers.dtype_rules import ANY, PROMOTED_OR_SIGNED
from gru2np.layers.mask_rules import MEASURED
from gru2np.layers.preprocessing import numbers
from gru2np.layers.spec import ORDINARY, CallRule, LayerSpec, named_type, unmasked
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def category_encoding(config: Config) -> Layer:
    """CategoryEncoding; ``binary`` is the old name of ``multi_hot``."""
    _dense(config)
    output = config.choice(
        "output_mode", ("one_hot", "multi_hot", "count", "binary"), "multi_hot"
    )
    return config.build(
        runtime.CategoryEncoding,
        num_tokens=config.integer("num_tokens"),
        output="multi_hot" if output == "binary" else output,
        leaves_out=config.meaning.numbers.categories_leave_out,
    )


def discretization(config: Config) -> Layer:
    """Discretization with known boundaries."""
    _dense(config)
    for option in ("num_bins", "epsilon"):
        config.value(option, None)
    boundaries = config.value("bin_boundaries", None)
    if not boundaries:
        config.refuse("the boundaries from adapt() are not in the architecture")
    output = config.choice("output_mode", _OUTPUTS, "int")
    return _without_integer_dtype(config, output).build(
        runtime.Discretization,
        boundaries=numbers(config, "bin_boundaries"),
        output=output,
        number=config.meaning.numbers.bin_dtype,
    )


def integer_lookup(config: Config) -> Layer:
    """IntegerLookup with a vocabulary in the architecture."""
    _dense(config)
    for option in ("oov_token", "salt", "vocabulary_dtype", "vocabulary_size"):
        config.value(option, None)
    config.value("has_input_vocabulary", None)
    output = config.choice("output_mode", _OUTPUTS, "int")
    if config.boolean("invert", False):
        config.refuse("the inverse lookup is not supported", "invert", True)
    if config.value("idf_weights", None) is not None:
        config.refuse("weights by frequency are not supported", "idf_weights")
    if config.value("oov_method", "floormod") != "floormod":
        config.refuse("hashes with a function of TensorFlow", "oov_method")
    words = config.value("vocabulary", None)
    if not isinstance(words, list) or not words:
        config.refuse("the vocabulary is in another file than the architecture")
    outside = config.integer("num_oov_indices", 1, minimum=0)
    token = config.value("mask_token", None)
    special = [token] if token is not None and output == "int" else []
    padded = config.boolean("pad_to_max_tokens", False) and output != "int"
    most = config.value("max_tokens", None)
    numbers = _integers(config, words)
    # A list may include the special tokens, and then includes all of them.
    named = [*special, *[config.value("oov_token", -1)] * outside]
    if named and numbers[: len(named)] == named:
        numbers = numbers[len(named) :]
    return _without_integer_dtype(config, output).build(
        runtime.IntegerLookup,
        vocabulary=numbers,
        outside=outside,
        mask_token=_integers(config, special),
        output=output,
        padded=most if padded and isinstance(most, int) else 0,
        whole=config.meaning.numbers.lookup_gives_integers,
    )


_OUTPUTS = ("int", "one_hot", "multi_hot", "count")


def _dense(config: Config) -> None:
    if config.value("sparse", False) is not False:
        config.refuse("sparse outputs are not supported", "sparse", True)


def _without_integer_dtype(config: Config, output: str) -> Config:
    """The options without an integer dtype, which is legal for ``int`` outputs."""
    name = named_type(config.value("dtype", None))
    if name in ("int32", "int64") and output == "int":
        config.layer = replace(
            config.layer, config={**config.layer.config, "dtype": None}
        )
    return config


def _integers(config: Config, items: Sequence[object]) -> list[int]:
    for item in items:
        if not is_integer(item) or abs(item) >= 2**63:
            config.refuse("expected integers", "vocabulary", item)
    return [item for item in items if isinstance(item, int)]


LAYERS = {
    "CategoryEncoding": LayerSpec(
        category_encoding,
        MEASURED,
        uses_mask=False,
        call=CallRule(
            ORDINARY,
            ("inputs", "count_weights"),
            (),
            takes_masks=False,
            masked_second=False,
        ),
        weights=None,
        dtypes=PROMOTED_OR_SIGNED,
    ),
    "Discretization": unmasked(discretization, MEASURED, None, PROMOTED_OR_SIGNED),
    "IntegerLookup": unmasked(integer_lookup, MEASURED, None, ANY),
}
