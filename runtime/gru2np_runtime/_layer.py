"""The base of every layer: attributes, weight shapes, output shapes, forward pass."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from gru2np_runtime._activations import check_activation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from gru2np_runtime._model import Model
    from gru2np_runtime._plan import Plan

    from typing_extensions import dataclass_transform

    Array = NDArray[Any]
    Shape = tuple[int | None, ...]
    ActivationSpec = str | Mapping[str, Any]
else:

    def dataclass_transform(**_options: object) -> Callable[[type], type]:
        """Stand in for typing's marker, which only a type checker reads."""
        return lambda base: base


def _integer(value: object) -> int:
    # bool is an int to Python, never to a file format.
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise TypeError("int")


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError("bool")


def _number(value: object) -> float:
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise TypeError("number")


def _string(value: object) -> str:
    if isinstance(value, str):
        return value
    raise TypeError("str")


def _integers(value: object) -> tuple[int, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(_integer(item) for item in value)
    raise TypeError("array of int")


def _sizes(value: object) -> tuple[int | None, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(None if item is None else _integer(item) for item in value)
    raise TypeError("array of int or null")


def _pairs(value: object) -> tuple[tuple[int, ...], ...]:
    if isinstance(value, (list, tuple)):
        return tuple(_integers(item) for item in value)
    raise TypeError("array of arrays of int")


# What an annotation of a layer attribute accepts, by its spelling: a layer file is
# read without evaluating annotations, and a manifest holds nothing but these.
ATTRIBUTE_KINDS: dict[str, Callable[[Any], object]] = {
    "int": _integer,
    "bool": _boolean,
    "float": _number,
    "str": _string,
    "tuple[int, ...]": _integers,
    "tuple[int | None, ...]": _sizes,
    "tuple[tuple[int, ...], ...]": _pairs,
    "ActivationSpec": check_activation,
}

# How a layer treats the time axis of a sequence; see ``Layer.over_time``.
POINTWISE = "pointwise"
CARRIED = "carried"
ACROSS = "across"


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Layer:
    """What a layer means, apart from its weights.

    A subclass declares its attributes as annotated class attributes, with or without
    a default; they are keyword-only, immutable, and exactly what a manifest holds.
    It overrides ``weight_shapes``, ``output_shapes`` and ``forward``.

    Args:
        layers: child layers by name, for layers made of layers.
        attributes: one value for each declared attribute without a default.

    Raises:
        TypeError: an attribute is unknown, missing or of the wrong type; the message
            names it.
        ValueError: an attribute's value is not legal.
    """

    op: ClassVar[str] = ""
    # Boolean and integer inputs stay what they are where a layer only moves data.
    keeps_dtype: ClassVar[bool] = False
    # The dtype of the output where it is neither of these: masks are bool.
    gives_dtype: ClassVar[str | None] = None
    # The first input is (batch, time, ...) by this layer's own definition.
    is_sequence: ClassVar[bool] = False
    # The number type that the layer computes in, ``float32`` or ``float64``.
    dtype: str = "float32"
    _kinds: ClassVar[dict[str, str]] = {"dtype": "str"}

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        # Before Python 3.10 the attribute is inherited; since then it is the class's.
        annotations = (
            cls.__annotations__
            if sys.version_info >= (3, 10)
            else cls.__dict__.get("__annotations__", {})
        )
        own = {
            name: kind if isinstance(kind, str) else getattr(kind, "__name__", "")
            for name, kind in annotations.items()
            if not name.startswith("_")
        }
        # Bases are walked here, and not inherited, so that a layer can be made of
        # a cell's attributes and a sequence's attributes.
        kinds: dict[str, str] = {}
        for base in reversed(cls.__mro__[1:]):
            kinds.update(getattr(base, "_kinds", {}))
        cls._kinds = {**kinds, **own}
        for name, kind in own.items():
            if kind not in ATTRIBUTE_KINDS:
                raise TypeError(
                    f"{cls.__name__}.{name}: no such attribute kind: {kind}"
                )

    def __init__(
        self, *, layers: Mapping[str, Layer] | None = None, **attributes: object
    ) -> None:
        set_attribute = object.__setattr__
        set_attribute(self, "layers", dict(layers or {}))
        for name, kind in self._kinds.items():
            if name in attributes:
                value = attributes.pop(name)
            elif hasattr(type(self), name):
                value = getattr(type(self), name)
            else:
                raise TypeError(f"{self.op}: attribute {name!r} is missing")
            try:
                set_attribute(self, name, ATTRIBUTE_KINDS[kind](value))
            except TypeError as error:
                raise TypeError(
                    f"{self.op}: expected {error} for {name!r}, got {value!r}"
                ) from None
        if attributes:
            raise TypeError(f"{self.op}: unknown attribute {sorted(attributes)[0]!r}")
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"{self.op}: cannot compute in {self.dtype!r}")
        self.check()

    if TYPE_CHECKING:

        @property
        def layers(self) -> dict[str, Layer]:
            """Child layers by name."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self.attributes().items())
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.attributes(), self.layers)

    def attributes(self) -> dict[str, Any]:
        """The declared attributes and their values."""
        return {name: getattr(self, name) for name in self._kinds}

    def check(self) -> None:
        """Raise ``ValueError`` where attributes are illegal on their own or together."""

    def weight_shapes(self, *shapes: Shape) -> dict[str, Shape]:
        """Weight names and shapes, in Keras' order, for inputs of these shapes.

        Raises:
            ValueError: the inputs do not fit the layer.
        """
        return {}

    def output_shapes(self, *shapes: Shape) -> tuple[Shape, ...]:
        """Shapes of the outputs, batch axis included, for inputs of these shapes.

        Raises:
            ValueError: the inputs do not fit the layer.
        """
        return (shapes[0],)

    def result_dtype(self) -> str | None:
        """The dtype of the outputs; None where it is that of the first input."""
        if self.gives_dtype is not None or self.keeps_dtype:
            return self.gives_dtype
        return self.dtype

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array | tuple[Array, ...]:
        """Compute the outputs; ``mask`` is given only where the graph names one."""
        raise NotImplementedError(f"{self.op} has no forward pass")

    def over_time(self, *shapes: Shape) -> str:
        """How the layer treats axis 1 of an input that carries time steps there.

        Returns:
            ``POINTWISE``: every time step alone; ``CARRIED``: in order, with a state;
            ``ACROSS``: needs all time steps at once, so it cannot run step by step.
        """
        return ACROSS

    def plan(self, weights: Mapping[str, Array]) -> Plan:
        """Pack the weights for running: the plain way, always there."""
        from gru2np_runtime._plan import Plan

        return Plan(self, weights)

    def bind(self, **weights: Array) -> Model:
        """Give the layer its weights: a model of this one layer.

        Args:
            weights: arrays by weight name, in Keras' layout.

        Returns:
            A model that takes (batch, time, features), with ``step`` and all else.

        Raises:
            InputError: a weight is missing, unknown, or its shape does not fit.
        """
        from gru2np_runtime._bind import bind

        return bind(self, weights)


class Elementwise(Layer):
    """A layer that treats every element alone; shapes and time pass through."""

    def over_time(self, *shapes: Shape) -> str:
        """Time passes through."""
        return POINTWISE


def _rebuild(
    kind: type[Layer], attributes: dict[str, Any], layers: dict[str, Layer]
) -> Layer:
    return kind(layers=layers, **attributes)
