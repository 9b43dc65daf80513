"""The names of layers in files: by class and number, or by position."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gru2np.ir import KerasLayer, KerasModel, ObjectStore


class PathNaming:
    """Names in files since Keras 3: by class and number, ``layers/gru_1``."""

    def layer(self, model: KerasModel, layer: KerasLayer) -> str:
        """The path of a layer of a model."""
        return layer.path

    def child(self, attribute: str, position: int) -> str:
        """The path of an inner layer, from its attribute and position."""
        return attribute


class ObjectNaming(PathNaming):
    """Names in checkpoints of TensorFlow: by position, ``layer-3``.

    Until TensorFlow 2.2 a Sequential counts its InputLayer as a layer, since 2.3 it
    does not, whether its configuration has one or not.

    Attributes:
        problems: models with another number of layers in the file.
    """

    def __init__(self, model: KerasModel, store: ObjectStore) -> None:
        self.store = store
        self.problems: list[str] = []
        self._numbers: dict[tuple[int, int], int] = {}
        self._count(model, "")

    def layer(self, model: KerasModel, layer: KerasLayer) -> str:
        """The path of a layer of a model."""
        return f"layer-{self._numbers[id(model), id(layer)]}"

    def child(self, attribute: str, position: int) -> str:
        """The path of an inner layer, from its attribute and position."""
        outer, _, name = attribute.rpartition("/")
        return f"{outer}/{position if outer.endswith('cells') else name}".lstrip("/")

    def _count(self, model: KerasModel, path: str) -> None:
        """Number the layers that the file counts, of a model and of nested models."""
        layers, stored = list(model.layers), self.store.layers(path)
        if model.sequential and stored < len(layers):
            layers = [inner for inner in layers if inner.class_name != "InputLayer"]
        if len(layers) != stored:
            expected = f"model {model.name!r}: expected {len(layers)} layers"
            self.problems.append(f"{expected}, got {stored}")
            return
        for number, layer in enumerate(layers):
            self._numbers[id(model), id(layer)] = number
            at = f"{path}/layer-{number}".lstrip("/")
            if layer.model is not None:
                self._count(layer.model, at)
            for position, (attribute, child) in enumerate(layer.children):
                if child.model is not None:
                    self._count(child.model, f"{at}/{self.child(attribute, position)}")
