"""Custom classes: passed by name in Python, never imported from a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.layers import LAYERS
from gru2np.layers.dtype_rules import UNCHECKED
from gru2np.layers.mask_rules import KEEPS, STOPS
from gru2np.layers.options import HARMLESS
from gru2np.layers.spec import ON_INPUTS, LayerSpec, Weights, inside

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

    CustomObjects = Mapping[str, type[Layer]]

# The kind of attributes that are activation functions, in the form of Keras' files.
FUNCTION = "ActivationSpec"


class Specs:
    """The closed table of Keras' classes, preceded by custom classes.

    Args:
        custom_objects: subclasses of ``gru2np_runtime.Layer`` by the name of the Keras
            class in the file.

    Raises:
        TypeError: one of them is not such a subclass.
    """

    def __init__(self, custom_objects: CustomObjects | None = None) -> None:
        from gru2np_runtime import Layer

        self._custom: dict[str, LayerSpec] = {}
        for name, kind in (custom_objects or {}).items():
            if not isinstance(kind, type) or not issubclass(kind, Layer):
                raise TypeError(
                    f"custom_objects[{name!r}]: expected a subclass of "
                    f"gru2np_runtime.Layer, got {kind!r}"
                )
            self._custom[name] = LayerSpec(
                _converter(kind),
                mask=KEEPS if kind.supports_masking else STOPS,
                uses_mask=kind.uses_mask,
                call=ON_INPUTS,
                weights=Weights(
                    non_trainable=frozenset(kind.non_trainable), inside=inside()
                ),
                dtypes=UNCHECKED,
            )

    def get(self, class_name: str) -> LayerSpec | None:
        """The row of a class; None if there is none."""
        # Keras writes package>Name, and the generations module>Name or custom>Name.
        spec = self._custom.get(class_name.rpartition(">")[2])
        return spec if spec is not None else LAYERS.get(class_name)


def _converter(kind: type[Layer]) -> Callable[[Config], Layer]:
    """A function from a layer's options to the class, by its ``from_options``."""

    def convert(config: Config) -> Layer:
        options = {
            key: config.value(key)
            for key in config.layer.config
            if key not in HARMLESS and key != "dtype"
        }
        kinds = kind.attribute_kinds()
        attributes = dict(kind.from_options(options))
        for key in attributes.keys() & options.keys():
            if kinds.get(key) == FUNCTION:
                attributes[key] = config.activation(key)
        return config.build(kind, **attributes)

    return convert
