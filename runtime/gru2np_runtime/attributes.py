"""Declared attributes: typed, keyword-only, immutable.

Importing the standard library's dataclasses takes longer than importing the rest of
the runtime, so this module is the small part of them that layers need.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, ClassVar

from gru2np_runtime.activations import check_activation
from gru2np_runtime.custom import OWN, CustomFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from typing_extensions import dataclass_transform
else:

    def dataclass_transform(**_options: object) -> Callable[[type], type]:
        """Stand-in for typing's marker, which only a type checker reads."""
        return lambda base: base


if TYPE_CHECKING:
    # Arguments of a custom function: values as JSON has them, by name.
    Arguments = Mapping[str, Any]


def _integer(value: object) -> int:
    # bool is an int in Python, but not in the manifest.
    if isinstance(value, int) and not isinstance(value, bool):
        # NumPy's largest integer type.
        if -(2**63) <= value < 2**63:
            return value
        raise TypeError("int of 64 bits")
    raise TypeError("int")


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    raise TypeError("bool")


def _number(value: object) -> float:
    if isinstance(value, str) and value in ("nan", "inf", "-inf"):
        return float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise TypeError("number of 64 bits") from None
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


def _numbers(value: object) -> tuple[float, ...]:
    if isinstance(value, (list, tuple)):
        return tuple(_number(item) for item in value)
    raise TypeError("array of number")


def _items(value: object) -> tuple[tuple[int | None, ...], ...]:
    if isinstance(value, (list, tuple)):
        return tuple(_sizes(item) for item in value)
    raise TypeError("array of arrays of int or null")


def _pairs(value: object) -> tuple[tuple[int, ...], ...]:
    if isinstance(value, (list, tuple)):
        return tuple(_integers(item) for item in value)
    raise TypeError("array of arrays of int")


def _float_type(value: object) -> str:
    if value in ("float32", "float64"):
        return str(value)
    raise TypeError("float32 or float64")


def _function(value: object) -> CustomFunction:
    if isinstance(value, CustomFunction):
        return value
    raise TypeError("a custom function")


def _plain(value: object) -> Any:
    """A value as JSON has it: a number, a string, a bool, null, or a list of these."""
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return _arguments(value)
    if value is None or isinstance(value, (bool, float, int, str)):
        return value
    raise TypeError("object of plain values")


def _arguments(value: object) -> dict[str, Any]:
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError("object of plain values")


# The check of each annotation of a layer attribute, by its text, because annotations
# are never evaluated.  A manifest holds no other types.
ATTRIBUTE_KINDS: dict[str, Callable[[Any], object]] = {
    "int": _integer,
    "bool": _boolean,
    "float": _number,
    "str": _string,
    "tuple[int, ...]": _integers,
    "tuple[int | None, ...]": _sizes,
    "tuple[float, ...]": _numbers,
    "tuple[tuple[int, ...], ...]": _pairs,
    "tuple[tuple[int | None, ...], ...]": _items,
    "ActivationSpec": check_activation,
    "FloatType": _float_type,
    "CustomFunction": _function,
    "Arguments": _arguments,
}


def of_this_package(kind: type) -> bool:
    """Whether a class is defined in this package, and not a custom class."""
    return kind.__module__.partition(".")[0] == __name__.partition(".")[0]


class _Annotation(str):
    """The text of an annotation, which ``help`` shows without quotes."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class _Signature:
    """The signature of a class: its attributes by name, those to be given first.

    Made when ``help`` or an editor asks for it: the start must be fast.
    """

    def __get__(self, instance: object, owner: type[Attributes]) -> Any:
        if instance is not None or owner.__init__ is not Attributes.__init__:
            raise AttributeError("__signature__")
        from inspect import Parameter, Signature

        parameters = [
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                default=getattr(owner, name, Parameter.empty),
                annotation=_Annotation(kind),
            )
            for name, kind in owner.attribute_kinds().items()
        ]
        # What most callers leave out comes last.
        parameters.sort(key=lambda p: (p.default is not p.empty, p.name == "dtype"))
        layers = Parameter(
            "layers",
            Parameter.KEYWORD_ONLY,
            default=None,
            annotation=_Annotation("Mapping[str, Layer] | None"),
        )
        return Signature([*parameters, layers])


@dataclass_transform(kw_only_default=True, frozen_default=True)
class Attributes:
    """Base of classes whose annotated class attributes are checked attributes."""

    op: ClassVar[str] = ""
    _kinds: ClassVar[dict[str, str]] = {}
    if not TYPE_CHECKING:  # a type checker reads the attributes
        __signature__ = _Signature()

    if TYPE_CHECKING:
        layers: Mapping[str, Any]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if not of_this_package(cls):
            # A custom class never keeps the op of a base: it may compute otherwise.
            cls.op = OWN + cls.__name__
        # Before Python 3.10, ``cls.__annotations__`` may be that of a base class.
        annotations = (
            cls.__annotations__
            if sys.version_info >= (3, 10)
            else cls.__dict__.get("__annotations__", {})
        )
        declared = {
            name: kind if isinstance(kind, str) else getattr(kind, "__name__", "")
            for name, kind in annotations.items()
            if not name.startswith("_") and not str(kind).startswith("ClassVar")
        }
        # Collected from all bases, so that a layer has both the attributes of its cell
        # and those of ``Recurrent``.
        kinds: dict[str, str] = {}
        for base in reversed(cls.__mro__[1:]):
            kinds.update(getattr(base, "_kinds", {}))
        cls._kinds = {**kinds, **declared}
        for name, kind in declared.items():
            if kind not in ATTRIBUTE_KINDS:
                raise TypeError(
                    f"{cls.__name__}.{name}: expected an annotation of "
                    f"{', '.join(ATTRIBUTE_KINDS)}; got {kind}"
                )

    def __init__(
        self,
        *unnamed: object,
        layers: Mapping[str, Any] | None = None,
        **attributes: object,
    ) -> None:
        if unnamed or not attributes.keys() <= self._kinds.keys():
            # Imported only for an error: the start must be fast.
            from gru2np_runtime.hints import unknown_attribute, unnamed_attribute

            if unnamed:
                raise TypeError(unnamed_attribute(type(self), unnamed[0]))
            unknown = sorted(attributes.keys() - self._kinds.keys())
            raise TypeError(unknown_attribute(type(self), unknown[0]))
        set_attribute = object.__setattr__
        set_attribute(self, "layers", dict(layers or {}))
        for name, kind in self._kinds.items():
            if name in attributes:
                value = attributes.pop(name)
            elif hasattr(type(self), name):
                value = getattr(type(self), name)
            else:
                raise TypeError(
                    f"{self.op}: attribute {name!r} is missing: "
                    f"{type(self).__name__}({name}=...)"
                )
            try:
                set_attribute(self, name, ATTRIBUTE_KINDS[kind](value))
            except TypeError as error:
                raise TypeError(
                    f"{self.op}: expected {error} for {name!r}, got {value!r}"
                ) from None
        self.check()

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable")

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v!r}" for k, v in self.attributes().items())
        return f"{type(self).__name__}({shown})"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.attributes(), self.layers)

    @classmethod
    def attribute_kinds(cls) -> dict[str, str]:
        """The text of the annotation of each declared attribute, by name."""
        return dict(cls._kinds)

    def attributes(self) -> dict[str, Any]:
        """The value of each declared attribute, by name."""
        return {name: getattr(self, name) for name in self._kinds}

    def check(self) -> None:
        """Raise ``ValueError`` if attributes are illegal, alone or together."""

    def order_layers(self, names: Iterable[str]) -> None:
        """Put the child layers in the order of their model; a manifest has none.

        Args:
            names: of all child layers.
        """
        layers = {name: self.layers[name] for name in names}
        object.__setattr__(self, "layers", layers)


def _rebuild(
    kind: type[Attributes], attributes: dict[str, Any], layers: dict[str, Any]
) -> Attributes:
    return kind(layers=layers, **attributes)
