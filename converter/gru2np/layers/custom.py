"""Custom objects: given by name, never imported or run from a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gru2np.errors import shown
from gru2np.layers import LAYERS
from gru2np.layers.activations import NAMES
from gru2np.layers.dtype_rules import UNCHECKED
from gru2np.layers.mask_rules import KEEPS, MEASURED, STOPS
from gru2np.layers.options import HARMLESS
from gru2np.layers.recurrent import OF_CUSTOM_CELL
from gru2np.layers.spec import ON_INPUTS, LayerSpec, Weights, inside
from gru2np_runtime import layers as runtime
from gru2np_runtime.custom import OWN, CustomFunction, failed
from gru2np_runtime.custom_objects import checked
from gru2np_runtime.errors import CustomObjectError
from gru2np_runtime.graph import walk
from gru2np_runtime.layers.cells import Cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gru2np.ir import KerasLayer
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer
    from gru2np_runtime.custom_objects import CustomObjects

# The kind of attributes that are activation functions, in the form of Keras' files.
FUNCTION = "ActivationSpec"
LAMBDA = "Lambda"


class Specs:
    """The closed table of Keras' classes, preceded by custom objects.

    Args:
        custom_objects: subclasses of ``gru2np_runtime.Layer``, by the name of a layer
            or of a Keras class; functions, by the name of a layer or of a function.

    Attributes:
        objects: the custom objects, as given.
        functions: the custom functions by name.
        used: the names of the objects that were used.

    Raises:
        CustomObjectError: one of them is neither.
    """

    def __init__(self, custom_objects: CustomObjects | None = None) -> None:
        self.objects = custom_objects
        self.functions: dict[str, CustomFunction] = {}
        self.used: set[str] = set()
        self._rows: dict[str, LayerSpec] = {}
        for name, given in checked(custom_objects).items():
            if isinstance(given, CustomFunction):
                self.functions[name] = given
                self._rows[name] = _row_of_function(given)
            else:
                self._rows[name] = _row_of_class(given)

    def replaces(self, layer: KerasLayer) -> bool:
        """Whether an object is used in the place of a layer of Keras."""
        known = LAYERS.get(layer.class_name)
        return known is not None and self.of(layer) not in (known, OF_CUSTOM_CELL)

    @property
    def names(self) -> set[str]:
        """The names of all objects."""
        return set(self._rows)

    def of(self, layer: KerasLayer) -> LayerSpec | None:
        """The row of a layer; None if there is none."""
        names: list[str | None] = [layer.name]
        if layer.class_name == LAMBDA:
            names.append(function_name(layer.config))
        if layer.class_name == "InputLayer":
            return LAYERS.get(layer.class_name)
        # Keras writes package>Name, and the generations module>Name or custom>Name.
        names.append(layer.class_name.rpartition(">")[2])
        for name in names:
            if name in self._rows:
                self.used.add(name)
                return self._rows[name]
        if layer.class_name == "RNN" and self._is_own(dict(layer.children).get("cell")):
            return OF_CUSTOM_CELL
        return LAYERS.get(layer.class_name)

    def function(self, name: str) -> CustomFunction | None:
        """The custom function of a name in the file; None if there is none.

        Raises:
            CustomObjectError: it is a class, and Keras has no function of this name.
        """
        if name in self.functions:
            self.used.add(name)
        elif name in self._rows and name not in (*NAMES, "hard_sigmoid"):
            raise CustomObjectError(
                f"custom_objects[{name!r}] is a class, but in the model it is a "
                "function: give a function of NumPy arrays"
            )
        return self.functions.get(name)

    def _is_own(self, cell: KerasLayer | None) -> bool:
        return cell is not None and self.of(cell) is not LAYERS.get(cell.class_name)


def function_name(options: Mapping[str, Any]) -> str | None:
    """The name of the function of a Lambda layer; None if it has none.

    Files of Keras 1 and 2 hold the name or the code of the function, files of Keras 3
    an object with either.
    """
    function = options.get("function")
    if isinstance(function, Mapping) and function.get("class_name") == "function":
        function = function.get("config")
    return function if isinstance(function, str) else None


def lambda_facts(options: Mapping[str, Any]) -> str:
    """What a file tells of the function of a Lambda layer, in words."""
    name, function = function_name(options), options.get("function")
    facts = [f"the function {name!r}" if name else "a function without a name"]
    arguments = options.get("arguments")
    if isinstance(arguments, Mapping) and arguments:
        values = ", ".join(f"{key}={shown(v)}" for key, v in arguments.items())
        facts.append(f"with {values}")
    for words, value in zip(("defaults", "closure"), _captured(function), strict=True):
        if value:
            facts.append(f"{words} {shown(value)}")
    return ", ".join(facts)


def _captured(function: object) -> tuple[object, object]:
    """The defaults and the closure of stored code; None where there are none."""
    if isinstance(function, Mapping):
        function = function.get("config", function)
    if isinstance(function, Mapping) and "code" in function:
        return function.get("defaults"), function.get("closure")
    if isinstance(function, Mapping):
        function = function.get("items")
    if isinstance(function, list) and len(function) == 3:
        return function[1], function[2]
    return None, None


def _row_of_class(kind: type[Layer]) -> LayerSpec:
    return LayerSpec(
        _converter(kind),
        mask=KEEPS if kind.supports_masking else STOPS,
        uses_mask=kind.uses_mask,
        call=ON_INPUTS,
        weights=Weights(non_trainable=_non_trainable(kind), inside=inside()),
        dtypes=UNCHECKED,
    )


def _non_trainable(kind: type[Layer]) -> frozenset[str]:
    names: object = kind.non_trainable
    if not isinstance(names, (tuple, list, set, frozenset)):
        raise CustomObjectError(
            f"{kind.__name__}.non_trainable: expected a tuple of names, got {names!r}"
        )
    return frozenset(names)


def _converter(kind: type[Layer]) -> Callable[[Config], Layer]:
    """A function from a layer's options to the class, by its ``from_options``."""

    def convert(config: Config) -> Layer:
        if config.layer.class_name == LAMBDA:
            options = _lambda_arguments(config)
        else:
            options = {
                key: config.value(key)
                for key in config.layer.config
                if key not in HARMLESS and key != "dtype"
            }
        kinds = kind.attribute_kinds()
        attributes = _attributes(kind, options)
        for key in attributes.keys() & options.keys():
            if kinds.get(key) == FUNCTION:
                attributes[key] = config.activation(key)
        return config.build(kind, **attributes)

    return convert


def _attributes(kind: type[Layer], options: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a class from its options.

    Raises:
        CustomObjectError: its ``from_options`` fails, or returns no dict.
    """
    where = f"{kind.__name__}.from_options"
    try:
        attributes = kind.from_options(options)
    except Exception as error:
        raise failed(where, error) from error
    if not isinstance(attributes, Mapping) or not all(
        isinstance(key, str) for key in attributes
    ):
        raise CustomObjectError(
            f"{where}: expected a dict of attributes, got {attributes!r}: return "
            '{"attribute": value}'
        )
    return dict(attributes)


def _row_of_function(function: CustomFunction) -> LayerSpec:
    """The row of a layer that is one function: a Lambda, or an Activation."""

    def convert(config: Config) -> Layer:
        if config.layer.class_name == "Activation":
            config.value("activation")
            return config.build(runtime.Activation, function=function)
        if config.layer.class_name != LAMBDA:
            config.refuse(
                f"custom_objects[{function.own_name!r}] is a function, which stands "
                "for a Lambda or an Activation layer; for other layers give a subclass "
                "of gru2np_runtime.Layer"
            )
        return config.build(
            runtime.Function,
            function=function,
            arguments=_lambda_arguments(config),
            # ``graph/custom_functions.py`` gives these, by the inputs of the call.
            results=(),
            number="float32",
        )

    return LayerSpec(
        convert,
        mask=MEASURED,
        uses_mask=function.takes_mask,
        call=ON_INPUTS,
        weights=None,
        dtypes=UNCHECKED,
    )


def _lambda_arguments(config: Config) -> dict[str, Any]:
    """The arguments of a Lambda layer; its code is not used."""
    for key in ("function", "function_type", "module"):
        config.value(key, None)
    for key in ("output_shape", "output_shape_type", "output_shape_module"):
        config.value(key, None)
    mask = config.value("mask", None)
    if mask is not None:
        config.refuse(
            "the layer computes a mask by code; in its place give a subclass of "
            "gru2np_runtime.Layer",
            "mask",
            mask,
        )
    arguments = config.value("arguments", None) or {}
    if not isinstance(arguments, dict):
        config.refuse("expected arguments by name", "arguments", arguments)
    return arguments


def custom_records(graph: Layer) -> Iterator[tuple[str, dict[str, Any]]]:
    """The record of every custom object of a graph, by name, for the manifest."""
    for _, layer in walk(graph):
        if layer.op.startswith(OWN):
            kind = "cell" if isinstance(layer, Cell) else "layer"
            # At load, the class itself states whether it runs per step.
            yield layer.op[len(OWN) :], {"kind": kind, "per_step": None}
        if layer.op == "graph":
            continue
        for value in layer.attributes().values():
            if isinstance(value, CustomFunction):
                record = {"kind": "function", "per_step": value.per_step}
                yield value.own_name, record
