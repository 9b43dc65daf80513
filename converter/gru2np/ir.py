"""What the stages of an export hand to each other.

A reader turns a file into a ``RawModel``; a generation turns that into a
``KerasModel``, in one spelling for every Keras, with a ``Meaning`` that says what
the spelling leaves open.  The graph stage turns it into the runtime's own graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gru2np_runtime.bundle.manifest import SOURCE
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Shape = tuple[int | None, ...]
    FilePath = str | os.PathLike[str]


@dataclass(frozen=True)
class StoredTensor:
    """An array of a model file that has been checked but not read.

    Attributes:
        name: where it stands in the file, for messages.
        shape: its shape.
        dtype: ``float16``, ``bfloat16``, ``float32``, ``float64`` or an integer type.
        read: gives the array; bfloat16 comes widened to float32.
        form: how the file kept it, in words; empty where it kept it as it is.
        variable: the name of the variable in Keras, ``gru/gru_cell/kernel``, where the
            file keeps it beside ``name``.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], NDArray[Any]]
    form: str = ""
    variable: str = ""


class PathStore(Protocol):
    """Weights addressed by the path of the object that owns them (``.weights.h5``)."""

    def variables(self, path: str) -> Sequence[StoredTensor]:
        """The variables in the group ``<path>/vars``, in order; empty if none."""

    def owner(self, path: str) -> str | None:
        """The name of the layer that owns the variables; None in older files."""

    def paths(self) -> Iterator[str]:
        """Every path that holds variables."""

    def foreign_paths(self) -> Iterator[str]:
        """Paths that hold variables where no model of Keras' own classes has them."""


class ObjectStore(Protocol):
    """Weights addressed by the attributes of the objects that own them (TensorFlow).

    Paths lead from the model on: ``layer-1/cell``; the model itself is ``""``.
    """

    def layers(self, path: str) -> int:
        """How many layers the model at a path has."""

    def variables(self, path: str) -> Mapping[str, StoredTensor]:
        """The variables of the object at a path, by attribute; empty if none."""

    def everything(self) -> Iterator[StoredTensor]:
        """Every variable of the model and of what is inside it, once each."""


@dataclass(frozen=True)
class GroupStore:
    """Weights in one group for each top-level layer, in file order (legacy HDF5)."""

    groups: tuple[tuple[str, tuple[StoredTensor, ...]], ...]


@dataclass(frozen=True)
class FlatStore:
    """Weights in one list.

    Attributes:
        arrays: the list.
        named: whether the name of each says whose it is, ``gru/gru_cell/kernel``; else
            they stand in the order of ``model.get_weights()``.
    """

    arrays: tuple[StoredTensor, ...]
    named: bool


@dataclass(frozen=True)
class RawModel:
    """A model as it stands in a file: nothing renamed, nothing interpreted.

    Attributes:
        config: the architecture, ``{"class_name": ..., "config": ...}``.
        groups: legacy weights, or None.
        paths: weights by path, or None.
        objects: weights by attributes, or None.
        flat: weights in one list, or None.  Exactly one of the four is given.
        keras_version: as written in the file, or None.
        backend: as written in the file, or None.
        tensorflow_version: the TensorFlow that wrote a SavedModel, whose Keras may say
            another version; None where the file does not name one.
        saved_by: what the owner said of the writer where the file is silent, or None.
        container: ``hdf5``, ``keras`` (an archive, or its directory), ``savedmodel``,
            ``tfjs``, ``json+hdf5``, ``json+weights.h5`` (one file, or shards),
            ``json+checkpoint`` or ``json+npz``.
        file_name: the file's name without its folder.
        sha256: of the file, or of all files joined: the architecture first, the others
            by name.
        weights_version: the Keras that saved the weights, where the architecture is of
            another generation.
        notes: what the owner should know of how the file was read.
    """

    config: Mapping[str, Any]
    groups: GroupStore | None
    paths: PathStore | None
    keras_version: str | None
    backend: str | None
    tensorflow_version: str | None
    saved_by: str | None
    container: str
    file_name: str
    sha256: str
    objects: ObjectStore | None = None
    flat: FlatStore | None = None
    weights_version: str | None = None
    notes: tuple[str, ...] = ()

    def source(self) -> dict[str, str | None]:
        """Where the model comes from, as the manifest says it."""
        return {key: getattr(self, key) for key in SOURCE}


class Numbers(list[Any]):
    """The numbers of an array, nested as its axes are, with their dtype beside them."""

    dtype: str = ""


@dataclass(frozen=True)
class TensorRef:
    """A tensor of a Keras graph: output ``output`` of call ``call`` of ``layer``."""

    layer: str
    call: int
    output: int


@dataclass(frozen=True)
class Call:
    """One call of a layer.

    Attributes:
        inputs: the tensors, in order: a layer's inputs, then states of a recurrent
            layer.
        arguments: those that are one tensor, by position among all positional
            arguments or by name; whether a layer knows them is in its row.
        names: the arguments that the inputs are, once the row has named several.
        left_out: whether a tensor by position stands behind an argument left out.
        mask: an explicit mask argument; one for each input where a list was given.
        constants: arguments that are no tensors, of op nodes: values by position
            among all positional arguments.
        keywords: keyword arguments as they stand in the file, ``mask`` and
            ``initial_state`` left out.
    """

    inputs: tuple[TensorRef, ...]
    mask: TensorRef | tuple[TensorRef | None, ...] | None = None
    constants: tuple[tuple[int, Any], ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[int | str, TensorRef] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    left_out: bool = False

    def references(self) -> tuple[TensorRef, ...]:
        """Every tensor the call reads."""
        masks = self.mask if isinstance(self.mask, tuple) else (self.mask,)
        named = (ref for key, ref in self.arguments.items() if isinstance(key, str))
        return (*self.inputs, *named, *(mask for mask in masks if mask is not None))


@dataclass(frozen=True)
class Form:
    """One way in which a file keeps the weights of a layer.

    Attributes:
        arrays: names and shapes of the arrays in the order of the file, from names and
            shapes of the weights.
        sources: the names of the arrays that a weight is made of.
        join: a weight from its name and those arrays.
        words: what is done to them, for people; empty where it is nothing.
    """

    arrays: Callable[[Mapping[str, Shape]], dict[str, Shape]]
    sources: Callable[[str], tuple[str, ...]]
    join: Callable[[str, Sequence[Array]], Array]
    words: str = ""


#: Every weight is one array, as it is and by its own name.
PLAIN = Form(dict, lambda name: (name,), lambda _name, arrays: arrays[0])


@dataclass(frozen=True)
class KerasLayer:
    """A layer in one spelling: that of Keras 3, with ``time_major`` beside it.

    Attributes:
        class_name: its Keras class; an op node of Keras 3 is ``ops.<class>``.
        name: its name in its model.
        config: its options, but for those of training.
        training: what acts in training alone: initializers, regularizers, constraints,
            rates of dropout, seeds, ``trainable``; by Keras 3's names where it means
            the same by them, else by those of the file, and objects as the file has
            them.  With ``config`` it holds all that the file says of the layer.
        calls: its calls in this model, in order.
        children: layers inside, by the attribute that holds them: ``forward_layer``,
            ``backward_layer``, ``layer``, ``cell``, ``cells/gru_cell_1``.
        model: the nested model, if it is one.
        path: attribute path of its variables below its model (``layers/gru_1``).
        forms: how a file may keep its weights; the first that fits the arrays does.
        absent: options that its file leaves out and its Keras took for granted.
        written: its class as its file has it; empty where that is the same.
        why_custom: why its class is none of Keras' own; empty if it is.
    """

    class_name: str
    name: str
    config: Mapping[str, Any]
    training: Mapping[str, Any] = field(kw_only=True)
    calls: tuple[Call, ...] = ()
    children: tuple[tuple[str, KerasLayer], ...] = ()
    model: KerasModel | None = None
    path: str = ""
    forms: tuple[Form, ...] = (PLAIN,)
    absent: frozenset[str] = frozenset()
    written: str = ""
    why_custom: str = ""


@dataclass(frozen=True)
class KerasModel:
    """A model in one spelling, Sequential models as graphs like all others.

    Attributes:
        name: its name.
        layers: input layers included, in the order of the file.
        inputs: tensors that the model takes.
        outputs: tensors that it gives.
        input_keys: keys where it takes a dict; None for one tensor or a list.
        output_keys: the same for its outputs.
        single: whether inputs and outputs are one bare tensor each.
        sequential: whether it is a Sequential; the first layer of one of Keras 1 may
            merge several branches.
        config: its options as written, ``trainable`` among them, where there are any;
            without its layers and its inputs and outputs.
    """

    name: str
    layers: tuple[KerasLayer, ...]
    inputs: tuple[TensorRef, ...]
    outputs: tuple[TensorRef, ...]
    input_keys: tuple[str, ...] | None = None
    output_keys: tuple[str, ...] | None = None
    single: tuple[bool, bool] = (True, True)
    sequential: bool = field(kw_only=True)
    config: Mapping[str, Any] = field(kw_only=True)


def leaves(model: KerasModel, prefix: str = "") -> Iterator[tuple[str, KerasLayer]]:
    """The layers of a model by their paths, those of nested models in their place."""
    for layer in model.layers:
        path = prefix + encode_name(layer.name)
        if layer.model is None:
            yield path, layer
        else:
            yield from leaves(layer.model, f"{path}/")


def walk_keras(layers: Iterable[KerasLayer]) -> Iterator[KerasLayer]:
    """The layers, each followed by all that are inside it, models included."""
    for layer in layers:
        yield layer
        yield from walk_keras(child for _, child in layer.children)
        if layer.model is not None:
            yield from walk_keras(layer.model.layers)
