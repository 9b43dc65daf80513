"""How a layer's file is described, and the reader of one layer's options."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from gru2np.errors import Problem
from gru2np.layers.options import HARMLESS, NEUTRAL, QUANTISED, REASONS, UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np.ir import KerasLayer
    from gru2np.meaning import Meaning
    from gru2np_runtime import Layer

    LayerType = TypeVar("LayerType", bound=Layer)

# What a layer makes of the mask of its input.
KEEPS = "keeps"  # its output has the same mask
STOPS = "stops"  # its output has none
MERGES = "merges"  # its output has the masks of all inputs combined
CONCATENATES = "concatenates"  # the same, piece by piece along an axis
SEQUENCE = "sequence"  # the same mask where it gives a sequence, else none
CREATES = "creates"  # its output has a new mask, made from its input
IDLE = "stops, but perhaps where it changes nothing"  # see ``Meaning``

_REQUIRED: Any = object()


@dataclass(frozen=True)
class LayerSpec:
    """One row of a layers table: how a Keras class becomes a runtime layer.

    Attributes:
        convert: makes the runtime layer from its options.
        mask: what becomes of the mask of its input.
        uses_mask: its numbers depend on the mask of its input.
        non_trainable: weights that a legacy file keeps behind the trainable ones.
        variables: attribute that holds its variables (``cell``).
        parts: attributes of the layers that it holds itself, by what their weights
            are called after (``query/kernel``: ``query_dense``); else they are alike.
        unused: variables that files hold behind its weights, and that change nothing.
        keywords: arguments of its calls that are no tensors, beside ``training``.
    """

    convert: Callable[[Config], Layer]
    mask: str = STOPS
    uses_mask: bool = False
    non_trainable: frozenset[str] = frozenset()
    variables: str = ""
    parts: Mapping[str, str] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()


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
        remarks: dict[str, str] | None = None,
    ) -> None:
        self.layer = layer
        self.path = path
        self.meaning = meaning
        self._note = note
        self._child = child
        self.default_dtype = default_dtype
        self._remarks = {} if remarks is None else remarks
        self._taken: set[str] = set()

    def refuse(
        self, reason: str, option: str | None = None, value: object = None
    ) -> NoReturn:
        """Note a problem and give the layer up.

        Raises:
            Refused: always.
        """
        self._note(Problem(self.path, self.layer.class_name, reason, option, value))
        raise Refused

    def remark(self, text: str) -> None:
        """Say something of the layer that its owner should know if it is masked."""
        self._remarks[self.path] = text

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
        # bool is an int to Python, never to a file format.
        if not isinstance(value, int) or isinstance(value, bool):
            self.refuse("expected an integer", key, value)
        if not minimum <= value < 2**31:
            self.refuse(f"expected at least {minimum}", key, value)
        return value

    def boolean(self, key: str, default: Any = _REQUIRED) -> bool:
        """True or False."""
        value = self.value(key, default)
        if not isinstance(value, bool):
            self.refuse("expected true or false", key, value)
        return value

    def number(self, key: str, default: Any = _REQUIRED) -> float:
        """An int or a float."""
        value = self.value(key, default)
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            self.refuse("expected a number", key, value)
        return float(value)

    def choice(self, key: str, choices: Sequence[str], default: Any = _REQUIRED) -> str:
        """One of the strings."""
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
            if not isinstance(item, int) or isinstance(item, bool):
                self.refuse("expected integers", key, value)
            if not minimum <= item < 2**31:
                self.refuse(f"expected at least {minimum}", key, value)
        if len(items) != length:
            self.refuse(f"expected {length} values", key, value)
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
            self._remarks,
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
        if left:
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
        return "float64" if name == "float64" else "float32"


def _neutral(key: str, value: object) -> bool:
    return key in NEUTRAL and any(value is legal for legal in NEUTRAL[key])


def dtype_name(value: object) -> str | None:
    """The name of a dtype or a dtype policy of any Keras; None for what is neither."""
    if isinstance(value, dict):
        if value.get("class_name") not in ("DTypePolicy", "Policy", "PolicyV1"):
            return None
        config: Mapping[str, Any] | object = value.get("config")
        value = config.get("name") if isinstance(config, dict) else None
    known = ("float16", "bfloat16", "float32", "float64")
    if value in known or value in ("mixed_float16", "mixed_bfloat16"):
        return str(value)
    return None
