"""What the row of a Keras class says, and the reader of one layer's options."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from gru2np.errors import Problem
from gru2np.generations.records import is_integer, is_number
from gru2np.layers.dtype_rules import UNCHECKED
from gru2np.layers.mask_rules import SEQUENCE
from gru2np.layers.options import HARMLESS, NEUTRAL, QUANTISED, REASONS, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np.ir import KerasLayer
    from gru2np.layers.dtype_rules import DtypeRule
    from gru2np.layers.mask_rules import MaskRule
    from gru2np.meaning import Meaning
    from gru2np_runtime import Layer

    LayerType = TypeVar("LayerType", bound=Layer)

_REQUIRED: Any = object()
# Half precision computes in float32.
HALF = ("float16", "bfloat16")
FLOATING = (*HALF, "float32", "float64")


# How a layer is called, for ``graph/calls.py``.
ORDINARY = "ordinary"  # with its inputs, and perhaps a mask
ATTENTION = "attention"  # with a list of query, value and key, each with a mask
HEADS = "heads"  # with query, value and key by name, each with a mask
REVERSIBLE = "reversible"  # forward, or back to what it was made of
SCORES = "scores"  # with scores, and a mask of their shape


@dataclass(frozen=True)
class CallRule:
    """How a layer is called.

    Attributes:
        kind: ``ORDINARY``, ``ATTENTION``, ``HEADS``, ``REVERSIBLE`` or ``SCORES``.
        tensors: arguments that are a tensor each, by position or by name; empty where
            there is one argument, a tensor or a list of them.
        options: arguments that are none and that it knows, beside ``training``.
        takes_masks: it takes the masks of its inputs away where
            ``AttentionRules.heads_take_masks`` says so.
    """

    kind: str
    tensors: tuple[str, ...]
    options: tuple[str, ...]
    takes_masks: bool


ON_INPUTS = CallRule(ORDINARY, (), (), takes_masks=False)


@dataclass(frozen=True)
class Inside:
    """Where the weights of the layers inside a layer lie.

    Attributes:
        prefix: of their names in the runtime layer, from the attribute that holds a
            layer and its place among those inside.
        called: other names that a file may have for such a layer, from that attribute
            and its own name; none where it is its own.
        flat: they stand among those of the layer around it, and not below it.
    """

    prefix: Callable[[str, int], str]
    called: Callable[[str, str], tuple[str, ...]]
    flat: bool


@dataclass(frozen=True)
class Unused:
    """A variable that files hold behind a layer's weights, and that changes nothing.

    Attributes:
        name: of it.
        in_groups: legacy groups hold it too.
        option: of the layer, without which it is not there; empty where it always is.
    """

    name: str
    in_groups: bool
    option: str


@dataclass(frozen=True)
class Weights:
    """Where a file keeps the weights of a layer; one that keeps them elsewhere is
    refused with the arrays that were expected.

    Attributes:
        variables: attribute that holds its variables (``cell``).
        parts: attributes of the layers that it holds itself, by what their weights
            are called after (``query/kernel``: ``query_dense``); else they are alike.
        non_trainable: weights that a legacy file keeps behind the trainable ones.
        unused: variables behind its weights.
        inside: of a layer that is made of others; None of one that is not.
    """

    variables: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    non_trainable: frozenset[str] = frozenset()
    unused: tuple[Unused, ...] = ()
    inside: Inside | None = None


# The layer holds its weights itself, and all of them are trained; or its cell does.
IN_LAYER = Weights()
IN_CELL = Weights(variables="cell")


def inside(
    prefix: Callable[[str, int], str] = lambda attribute, place: f"{attribute}/",
    called: Callable[[str, str], tuple[str, ...]] = lambda attribute, name: (),
    flat: bool = False,
) -> Inside:
    """Layers inside a layer, below the attributes that hold them: see ``Inside``."""
    return Inside(prefix, called, flat)


@dataclass(frozen=True)
class LayerSpec:
    """One row of a layers table: what a Keras class is to the converter.

    No field has a default: what a row leaves out is missed when it is imported.

    Attributes:
        convert: makes the runtime layer from its options.
        mask: what becomes of the mask of its input: see ``mask_rules``.
        uses_mask: its numbers depend on the mask of its input.
        call: how it is called.
        weights: where a file keeps its weights; None if it has none.
        dtypes: which whole numbers and booleans it takes: see ``dtype_rules``.
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
    """A layer called with its inputs, whose numbers depend on no mask of them."""
    return LayerSpec(convert, mask, False, ON_INPUTS, weights, dtypes)


def recurrent(
    convert: Callable[[Config], Layer], weights: Weights, dtypes: DtypeRule
) -> LayerSpec:
    """A layer that goes through a sequence, and leaves out its masked steps."""
    return LayerSpec(convert, SEQUENCE, True, ON_INPUTS, weights, dtypes)


def operation(convert: Callable[[Config], Layer], mask: MaskRule) -> LayerSpec:
    """A function of ``keras.ops``, which knows no mask and has no weights."""
    return unmasked(convert, mask, None, UNCHECKED)


class Refused(Exception):
    """The layer at hand cannot be converted; its problem has been noted."""


class Config:
    """The options of one layer, taken one by one; what is left over is refused.

    Attributes:
        layer: the layer whose options these are.
        path: its path, for messages.
        meaning: what its generation meant.
        default_dtype: of a layer that names none.
    """

    def __init__(
        self,
        layer: KerasLayer,
        path: str,
        meaning: Meaning,
        note: Callable[[Problem], None],
        child: Callable[[str, KerasLayer], Layer],
        default_dtype: str = "float32",
    ) -> None:
        self.layer = layer
        self.path = path
        self.meaning = meaning
        self._note = note
        self._child = child
        self.default_dtype = default_dtype
        self._taken: set[str] = set()
        self._children: set[str] = set()

    @property
    def operation(self) -> str:
        """The class of a node of ``keras.ops``, without that prefix."""
        return self.layer.class_name.removeprefix("ops.")

    def refuse(
        self, reason: str, option: str | None = None, value: object = None
    ) -> NoReturn:
        """Note a problem and give the layer up.

        Raises:
            Refused: always.
        """
        self._note(Problem(self.path, self.layer.class_name, reason, option, value))
        raise Refused

    def value(self, key: str, default: Any = _REQUIRED) -> Any:
        """The option as it stands in the file."""
        self._taken.add(key)
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
        """An int, or a list of ``length`` of them; always a tuple of ``length``."""
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
        """An axis or a list of at least one; always a tuple."""
        value = self.value(key, default)
        items = value if isinstance(value, (list, tuple)) else [value]
        if not items or not all(is_integer(i) and abs(i) <= 32 for i in items):
            self.refuse("expected an axis or a list of axes", key, value)
        return tuple(items)

    def activation(self, key: str, default: Any = "linear") -> Any:
        """An activation function, as the runtime specifies it."""
        from gru2np.layers.activations import specification

        return specification(self, key, self.value(key, default))

    def child(
        self, attribute: str, overrides: Mapping[str, object] | None = None
    ) -> Layer:
        """The runtime layer of a layer inside, some options overridden.

        Raises:
            Refused: it cannot be converted; its problem has been noted.
        """
        layer = dict(self.layer.children).get(attribute)
        if layer is None:
            self.refuse(f"the layer inside is missing: {attribute}")
        self._children.add(attribute)
        config = {**layer.config, **(overrides or {})}
        if config.get("dtype") is None and self.layer.config.get("dtype"):
            # A layer inside that names no type computes in the one around it.
            config["dtype"] = self.layer.config["dtype"]
        child = replace(layer, config=config)
        return self._child(f"{self.path}/{attribute}", child)

    def inner(self, key: str, layer: KerasLayer) -> Config:
        """The options of a layer that stands as the value of an option."""
        return Config(
            layer,
            f"{self.path}/{key}",
            self.meaning,
            self._note,
            self._child,
            self.default_dtype,
        )

    def build(self, kind: type[LayerType], **attributes: Any) -> LayerType:
        """The runtime layer, once every option has been taken.

        Raises:
            Refused: an option is left over, or the attributes are illegal together.
        """
        dtype = self.dtype()
        self.finish()
        try:
            return kind(dtype=dtype, **attributes)
        except (TypeError, ValueError) as error:
            self.refuse(str(error))

    def finish(self) -> None:
        """Refuse every option that nobody took and that is not known as harmless.

        Raises:
            Refused: there is one.
        """
        left = [
            key
            for key, value in self.layer.config.items()
            if key not in self._taken
            and key not in HARMLESS
            and not _neutral(key, value)
        ]
        for key in left:
            self._note(
                Problem(
                    self.path,
                    self.layer.class_name,
                    REASONS.get(key, UNKNOWN),
                    key,
                    self.layer.config[key],
                )
            )
        inside = [key for key, _ in self.layer.children if key not in self._children]
        for key in inside:
            reason = "a layer inside, which such a layer has not"
            self._note(Problem(self.path, self.layer.class_name, reason, key))
        if left or inside:
            raise Refused

    def dtype(self) -> str:
        """The number type to compute in; half precision computes in float32."""
        value = self.value("dtype", None)
        if value is None:
            value = self.default_dtype
        name = dtype_name(value)
        if name is None:
            kind = value.get("class_name") if isinstance(value, dict) else None
            if isinstance(kind, str) and kind.startswith(QUANTISED):
                self.refuse("quantised to whole numbers; save it before quantize()")
            self.refuse("expected a floating point policy", "dtype", value)
        return computed_in(name)


def _neutral(key: str, value: object) -> bool:
    return key in NEUTRAL and any(value is legal for legal in NEUTRAL[key])


def dtype_name(value: object) -> str | None:
    """The name of a dtype or a dtype policy of any Keras; None for what is neither."""
    name = named_type(value)
    return name if name in (*FLOATING, *(f"mixed_{half}" for half in HALF)) else None


def computed_in(name: str) -> str:
    """The dtype that the runtime computes a floating point dtype or policy in."""
    return "float64" if name == "float64" else "float32"


def named_type(value: object) -> str | None:
    """The name that stands for a dtype or in a dtype policy; None where none does."""
    if isinstance(value, dict):
        if value.get("class_name") not in ("DTypePolicy", "Policy", "PolicyV1"):
            return None
        config = value.get("config")
        value = config.get("name") if isinstance(config, dict) else None
    return value if isinstance(value, str) else None
