"""From a saved Keras model to its graph, its weights found: nothing read yet."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.generations import interpret
from gru2np.graph.flatten import build
from gru2np.graph.prune import Owner, needed, owners_of
from gru2np.layers.custom import Specs
from gru2np.readers import open_model
from gru2np.weights.match import find
from gru2np_runtime import __version__
from gru2np_runtime.attributes import OWN
from gru2np_runtime.bundle.manifest import FORMAT, MANIFEST_VERSION
from gru2np_runtime.bundle.manifest_writer import graph_record
from gru2np_runtime.graph import walk

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from gru2np.graph.flatten import Built
    from gru2np.ir import KerasModel, RawModel, StoredTensor
    from gru2np.layers.custom import CustomLayers
    from gru2np.meaning import Meaning

    FilePath = str | os.PathLike[str]


@dataclass(frozen=True)
class Conversion:
    """A model converted and its weights found, nothing of them read yet.

    Attributes:
        raw: the file, open.
        model: the model in one spelling.
        meaning: what its Keras meant.
        built: its graph, with what nobody needs taken out.
        tensors: the stored array of every weight, by path in the bundle.
        owners: by the same paths, the layers they belong to.
    """

    raw: RawModel
    model: KerasModel
    meaning: Meaning
    built: Built
    tensors: Mapping[str, StoredTensor]
    owners: Mapping[str, Owner]

    @property
    def weights(self) -> Mapping[str, NDArray[Any]]:
        """The weights as the bundle holds them, each read when it is asked for."""
        return _Weights(self)

    def array(self, path: str) -> NDArray[Any]:
        """A weight as the bundle holds it: float16, or what its layer computes in."""
        array = self.tensors[path].read()
        dtype = self.owners[path].dtype
        if array.dtype == np.float16 and dtype == "float32":
            return array
        return array.astype(dtype, copy=False)

    def manifest(self, weights: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """The manifest; ``weights`` are the records of the weights by path."""
        by_layer: dict[str, dict[str, Any]] = {}
        for path, record in weights.items():
            layer = self.owners[path].path
            by_layer.setdefault(layer, {})[path[len(layer) + 1 :]] = record

        # A class says itself how it treats time.
        custom = {
            layer.op[len(OWN) :]: {"kind": "layer", "per_step": None}
            for _, layer in walk(self.built.graph)
            if layer.op.startswith(OWN)
        }

        def describe(path: str) -> dict[str, Any]:
            more: dict[str, Any] = {"weights": by_layer.get(path, {})}
            if path in self.built.titles:
                name, class_name = self.built.titles[path]
                more["keras"] = {"name": name, "class_name": class_name}
            return more

        return {
            "format": FORMAT,
            "version": MANIFEST_VERSION,
            "producer": f"gru2np {__version__}",
            "name": self.model.name,
            "source": self.raw.source(),
            "inputs": {
                "kind": self.built.inputs.kind,
                "names": self.built.inputs.names,
            },
            "outputs": {
                "kind": self.built.outputs.kind,
                "names": self.built.outputs.names,
            },
            "graph": graph_record(self.built.graph, describe),
            **({"custom": custom} if custom else {}),
        }


class _Weights(Mapping[str, Any]):
    """The weights of a conversion, nothing of them read yet."""

    def __init__(self, conversion: Conversion) -> None:
        self.conversion = conversion

    def __getitem__(self, path: str) -> NDArray[Any]:
        return self.conversion.array(path)

    def __iter__(self) -> Iterator[str]:
        return iter(self.conversion.tensors)

    def __len__(self) -> int:
        return len(self.conversion.tensors)


@contextmanager
def convert(
    model: FilePath,
    weights: FilePath | None = None,
    custom_layers: CustomLayers | None = None,
) -> Iterator[Conversion]:
    """Convert a file, open as long as the context lasts.

    Raises:
        ModelFileError: the file is damaged, hostile or no model.
        UnsupportedModelError: it cannot be converted faithfully.
    """
    with open_model(model, weights) as raw:
        keras_model, meaning = interpret(raw)
        yield converted(raw, keras_model, meaning, custom_layers)


def converted(
    raw: RawModel,
    model: KerasModel,
    meaning: Meaning,
    custom_layers: CustomLayers | None = None,
) -> Conversion:
    """The conversion of a model under a meaning."""
    specs = Specs(custom_layers)
    built = build(model, meaning, specs)
    tensors = find(model, built.weights, raw, specs)
    built.graph = needed(built.graph)
    owners = dict(owners_of(built.graph))
    tensors = {path: tensor for path, tensor in tensors.items() if path in owners}
    return Conversion(raw, model, meaning, built, tensors, owners)
