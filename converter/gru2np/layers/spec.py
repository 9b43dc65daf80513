"""The row of a Keras class, and the reader of one layer's options."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from gru2np.errors import Problem
from gru2np.generations.quantization import MODE
from gru2np.generations.records import is_integer, is_number
from gru2np.layers.dtype_rules import UNCHECKED
from gru2np.layers.mask_rules import SEQUENCE
from gru2np.layers.options import (
    HARMLESS,
    NEUTRAL,
    REASONS,
    UNKNOWN,
    quantisation,
)
from gru2np_runtime.attributes import of_this_package
from gru2np_runtime.custom import failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np.ir import KerasLayer
    from gru2np.layers.dtype_rules import DtypeRule
    from gru2np.layers.mask_rules import MaskRule
    from gru2np.meaning import Meaning
    from gru2np_runtime import Layer
    from gru2np_runtime.custom import CustomFunction

    LayerType = TypeVar("LayerType", bound=Layer)

_REQUIRED: Any = object()
# Half precision computes in float32.
HALF = ("float16", "bfloat16")
FLOATING = (*HALF, "float32", "float64")
# Classes of dtype policies that are not quantised; Keras 3.4.0 wrote the last.
POLICIES = ("DTypePolicy", "Policy", "PolicyV1", "FloatDTypePolicy")


# How a layer is called, for ``graph/calls.py``.
ORDINARY = "ordinary"  # with its inputs, and perhaps a mask
ATTENTION = "attention"  # with a list of query, value and key, each with a mask
HEADS = "heads"  # with query, value and key by name, each with a mask
REVERSIBLE = "reversible"  # forward or reverse
SCORES = "scores"  # with scores, and a mask of their shape
EXTREME = "extreme"  # with its input, which TensorFlow may look behind
TWO_KINDS = "two kinds"  # with its input; the outputs are of two dtypes
RESHAPES = "reshapes"  # with its input, whose shape decides what becomes of the rows
SQUEEZES = "squeezes"  # with its input; may drop axes of length 1 that it does not sum
FUSED = "fused"  # with query, key and value, and an explicit mask of scores


@dataclass(frozen=True)
class CallRule:
    """How a layer is called.

    Attributes:
        kind: ``ORDINARY`` or another of the constants above.
        tensors: arguments that are one tensor each, by position or by name; empty for
            one argument that is a tensor or a list of tensors.
        options: supported arguments that are not tensors, besides ``training``.
        takes_masks: it removes the masks of its inputs with
            ``AttentionRules.heads_take_masks``.
        masked_second: its second argument by position is its mask.
    """

    kind: str
    tensors: tuple[str, ...]
    options: tuple[str, ...]
    takes_masks: bool
    masked_second: bool


ON_INPUTS = CallRule(ORDINARY, (), (), takes_masks=False, masked_second=False)


@dataclass(frozen=True)
class Inside:
    """Where the weights of the layers inside a layer are.

    Attributes:
        prefix: of their names in the runtime layer, from the attribute that holds an
            inner layer and its position among the inner layers.
        names: other names of the inner layer in files, from that attribute and its
            name; empty if there are none.
        flat: its inner layers count as those of the layer around it.
    """

    prefix: Callable[[str, int], str]
    names: Callable[[str, str], tuple[str, ...]]
    flat: bool


@dataclass(frozen=True)
class Unused:
    """A variable in files, after a layer's weights, that inference does not use.

    Attributes:
        name: its name.
        in_groups: legacy groups have it too.
        option: files have it only with this option of the layer; empty for all files.
    """

    name: str
    in_groups: bool
    option: str


@dataclass(frozen=True)
class Weights:
    """Where a file stores the weights of a layer.

    Attributes:
        variables: attribute that holds its variables (``cell``).
        parts: attributes of layers that it creates itself, by the prefix of their
            weights (``query/kernel``: ``query_dense``), if the two differ.
        non_trainable: weights that a legacy file has after the trainable ones.
        unused: variables after its weights.
        inside: where the weights of inner layers are; None without inner layers.
    """

    variables: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    non_trainable: frozenset[str] = frozenset()
    unused: tuple[Unused, ...] = ()
    inside: Inside | None = None


# The layer has its weights itself, all of them trainable; or its cell has them.
IN_LAYER = Weights()
IN_CELL = Weights(variables="cell")


def inside(
    prefix: Callable[[str, int], str] = lambda attribute, position: f"{attribute}/",
    names: Callable[[str, str], tuple[str, ...]] = lambda attribute, name: (),
    flat: bool = False,
) -> Inside:
    """Inner layers below the attributes that hold them: see ``Inside``."""
    return Inside(prefix, names, flat)


@dataclass(frozen=True)
class LayerSpec:
    """One row of a layers table: all facts about a Keras class for the converter.

    No field has a default, so that an incomplete row fails at import.

    Attributes:
        convert: makes the runtime layer from its options.
        mask: its mask rule: see ``mask_rules``.
        uses_mask: its outputs depend on the mask of its input.
        call: how it is called.
        weights: where a file stores its weights; None if it has none.
        dtypes: the integers and booleans it accepts: see ``dtype_rules``.
    """

    convert: Callable[[Config], Layer]
    mask: MaskRule
    uses_mask: bool
    call: CallRule
    weights: Weights | None
    dtypes: DtypeRule


def unmasked(
    convert: Callable[[Config], Layer],
    mask: MaskRule,
    weights: Weights | None,
    dtypes: DtypeRule,
) -> LayerSpec:
    """A layer called with its inputs, whose outputs depend on no mask."""
    return LayerSpec(convert, mask, False, ON_INPUTS, weights, dtypes)


def recurrent(
    convert: Callable[[Config], Layer], weights: Weights, dtypes: DtypeRule
) -> LayerSpec:
    """A layer that runs over a sequence and skips masked steps."""
    return LayerSpec(convert, SEQUENCE, True, ON_INPUTS, weights, dtypes)


def operation(convert: Callable[[Config], Layer], mask: MaskRule) -> LayerSpec:
    """A function of ``keras.ops``, without masks and weights."""
    return unmasked(convert, mask, None, UNCHECKED)


class Refused(Exception):
    """The layer cannot be converted; its problem has been noted."""


class Config:
    """The options of one layer, read one by one; unread ones are refused.

    Attributes:
        layer: the layer whose options these are.
        path: its path, for messages.
        meaning: of the model's Keras.
        function: the custom function of a name; None if there is none.
        default_dtype: of a layer that states none.
    """

    def __init__(
        self,
        layer: KerasLayer,
        path: str,
        meaning: Meaning,
        note: Callable[[Problem], None],
        child: Callable[[str, KerasLayer], Layer],
        function: Callable[[str], CustomFunction | None],
        default_dtype: str = "float32",
    ) -> None:
        self.layer = layer
        self.path = path
        self.meaning = meaning
        self._note = note
        self._child = child
        self.function = function
        self.default_dtype = default_dtype
        self._read: set[str] = set()
        self._children: set[str] = set()

    @property
    def operation(self) -> str:
        """The class of a node of ``keras.ops``, without the prefix ``ops.``."""
        return self.layer.class_name.removeprefix("ops.")

    def refuse(
        self,
        reason: str,
        option: str | None = None,
        value: object = None,
        custom: tuple[str, ...] = (),
    ) -> NoReturn:
        """Note a problem and stop converting the layer; see ``Problem``.

        Raises:
            Refused: always.
        """
        self._note(
            Problem(self.path, self.layer.class_name, reason, option, value, custom)
        )
        raise Refused

    def value(self, key: str, default: Any = _REQUIRED) -> Any:
        """The option as in the file."""
        self._read.add(key)
        for options in (self.layer.config, self.layer.training):
            if key in options:
                return options[key]
        if default is _REQUIRED:
            self.refuse("the option is missing in the file", key)
        return default

    def integer(self, key: str, default: Any = _REQUIRED, *, minimum: int = 1) -> int:
        """An int, at least ``minimum``."""
        value = self.value(key, default)
        if not is_integer(value):
            self.refuse("expected an integer", key, value)
        if not minimum <= value < 2**31:
            self.refuse(f"expected at least {minimum}", key, value)
        return value

    def boolean(self, key: str, default: Any = _REQUIRED) -> bool:
        """A bool; 0 and 1 are refused."""
        value = self.value(key, default)
        if not isinstance(value, bool):
            self.refuse("expected true or false", key, value)
        return value

    def number(self, key: str, default: Any = _REQUIRED) -> float:
        """An int or a float."""
        value = self.value(key, default)
        if not is_number(value):
            self.refuse("expected a number", key, value)
        return float(value)

    def choice(self, key: str, choices: Sequence[str], default: Any = _REQUIRED) -> str:
        """A string that is one of the choices."""
        value = self.value(key, default)
        if not isinstance(value, str) or value not in choices:
            self.refuse(f"expected one of {', '.join(choices)}", key, value)
        return value

    def integers(
        self, key: str, default: Any = _REQUIRED, *, length: int, minimum: int = 1
    ) -> tuple[int, ...]:
        """An int, repeated, or a list of ``length`` ints; always a tuple."""
        value = self.value(key, default)
        items = value if isinstance(value, (list, tuple)) else [value] * length
        for item in items:
            if not is_integer(item):
                self.refuse("expected integers", key, value)
            if not minimum <= item < 2**31:
                self.refuse(f"expected at least {minimum}", key, value)
        if len(items) != length:
            self.refuse(f"expected {length} values", key, value)
        return tuple(items)

    def axes(self, key: str, default: Any = _REQUIRED) -> tuple[int, ...]:
        """An axis or a list of one or more; always a tuple."""
        value = self.value(key, default)
        items = value if isinstance(value, (list, tuple)) else [value]
        if not items or not all(is_integer(i) and abs(i) <= 32 for i in items):
            self.refuse("expected an axis or a list of axes", key, value)
        return tuple(items)

    def activation(self, key: str, default: Any = "linear") -> Any:
        """An activation function in the runtime's form."""
        from gru2np.layers.activations import specification

        return specification(self, key, self.value(key, default))

    def child(
        self, attribute: str, overrides: Mapping[str, object] | None = None
    ) -> Layer:
        """The runtime layer of an inner layer, some options overridden.

        Raises:
            Refused: it cannot be converted; its problem has been noted.
        """
        layer = dict(self.layer.children).get(attribute)
        if layer is None:
            self.refuse(f"the layer inside is missing: {attribute}")
        self._children.add(attribute)
        if layer.config.get(MODE) is not None:
            self.refuse(
                "the layer inside it is quantised, and Keras multiplies with its whole "
                "numbers without their scales; save the model before quantize()"
            )
        config = {**layer.config, **(overrides or {})}
        if config.get("dtype") is None and self.layer.config.get("dtype"):
            # An inner layer that states no dtype has that of the layer around it.
            config["dtype"] = self.layer.config["dtype"]
        child = replace(layer, config=config)
        return self._child(f"{self.path}/{attribute}", child)

    def inner(self, key: str, layer: KerasLayer) -> Config:
        """The options of a layer that is the value of an option."""
        return Config(
            layer,
            f"{self.path}/{key}",
            self.meaning,
            self._note,
            self._child,
            self.function,
            self.default_dtype,
        )

    def build(self, kind: type[LayerType], **attributes: Any) -> LayerType:
        """The runtime layer, after every option has been read.

        Raises:
            Refused: an option was not read, or the attributes do not fit together.
        """
        dtype = self.dtype()
        self.finish()
        try:
            return kind(dtype=dtype, **attributes)
        except (TypeError, ValueError) as error:
            self.refuse(str(error))
        except Exception as error:
            if of_this_package(kind):
                raise
            raise failed(kind.__name__, error) from error

    def finish(self) -> None:
        """Refuse every option that was not read and is not known as harmless.

        Raises:
            Refused: there is one.
        """
        class_name = self.layer.class_name
        problems = [
            Problem(self.path, class_name, REASONS.get(key, UNKNOWN), key, value)
            for key, value in self.layer.config.items()
            if key not in self._read
            and key not in HARMLESS
            and not _neutral(key, value)
        ]
        problems += [
            Problem(self.path, class_name, "such a layer has no layer inside", key)
            for key, _ in self.layer.children
            if key not in self._children
        ]
        for problem in problems:
            self._note(problem)
        if problems:
            raise Refused

    def dtype(self) -> str:
        """The dtype to compute in; half precision computes in float32."""
        value = self.value("dtype", None)
        if value is None:
            value = self.default_dtype
        name = dtype_name(value)
        if name is None:
            if quantised := quantisation(value):
                self.refuse(quantised)
            self.refuse("expected a floating point policy", "dtype", value)
        return computed_in(name)


def _neutral(key: str, value: object) -> bool:
    return key in NEUTRAL and any(value is legal for legal in NEUTRAL[key])


def dtype_name(value: object) -> str | None:
    """The name of a floating point dtype or policy of any Keras; else None."""
    name = named_type(value)
    return name if name in (*FLOATING, *(f"mixed_{half}" for half in HALF)) else None


def computed_in(name: str) -> str:
    """The dtype that the runtime computes a floating point dtype or policy in."""
    return "float64" if name == "float64" else "float32"


def named_type(value: object) -> str | None:
    """The name of a dtype, or of a dtype policy; None if the value is neither."""
    if isinstance(value, dict):
        if value.get("class_name") not in POLICIES:
            return None
        config = value.get("config")
        value = config.get("name") if isinstance(config, dict) else None
    return value if isinstance(value, str) else None
