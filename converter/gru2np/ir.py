"""The data that the stages of an export pass to each other.

A reader turns a file into a ``RawModel``.  A generation turns that into a
``KerasModel``, in one spelling for every Keras, with a ``Meaning`` that states what
the spelling leaves open.  The graph stage turns both into the runtime's graph.
"""

from __future__ import annotations

import re
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

# Python's stand-ins for bytes that are no text.
_NO_TEXT = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class StoredTensor:
    """An array of a model file that has been checked but not read.

    Attributes:
        name: its position in the file, for messages.
        shape: its shape.
        dtype: ``float16``, ``bfloat16``, ``float32``, ``float64`` or an integer type.
        read: reads the array; bfloat16 is widened to float32.
        form: how the file stores it, in words; empty if it is stored unchanged.
        variable: the name of the variable in Keras, ``gru/gru_cell/kernel``, if the
            file stores one.
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
        """Paths that hold variables where no model of Keras has any."""


class ObjectStore(Protocol):
    """Weights addressed by the attributes of the objects that own them (TensorFlow).

    Paths lead from the model on: ``layer-1/cell``; the model itself is ``""``.
    """

    def layers(self, path: str) -> int:
        """How many layers the model at a path has."""

    def variables(self, path: str) -> Mapping[str, StoredTensor]:
        """The variables of the object at a path, by attribute; empty if none."""

    def owners(self) -> Iterator[tuple[str, Mapping[str, StoredTensor]]]:
        """Each object of the model that owns variables, once, with its path."""

    def everything(self) -> Iterator[StoredTensor]:
        """Every variable of the model and of all objects inside it, each once."""


@dataclass(frozen=True)
class GroupStore:
    """Weights in one group for each top-level layer, in file order (legacy HDF5)."""

    groups: tuple[tuple[str, tuple[StoredTensor, ...]], ...]


@dataclass(frozen=True)
class FlatStore:
    """Weights in one list.

    Attributes:
        arrays: the list.
        named: whether the name of each array includes its layer,
            ``gru/gru_cell/kernel``; if not, the order is that of
            ``model.get_weights()``.
    """

    arrays: tuple[StoredTensor, ...]
    named: bool


@dataclass(frozen=True)
class RawModel:
    """A model exactly as a file has it: nothing renamed, nothing interpreted.

    Attributes:
        config: the architecture, ``{"class_name": ..., "config": ...}``.
        keras_version: as written in the file, or None.
        backend: as written in the file, or None.
        container: ``hdf5``, ``keras`` (an archive, or its directory), ``savedmodel``,
            ``tfjs``, ``json+hdf5``, ``json+weights.h5`` (one file, or shards),
            ``json+checkpoint`` or ``json+npz``.
        file_name: the file's name without its folder.
        sha256: of the file, or of all files joined: the architecture first, the others
            by name.
        groups: legacy weights, or None.
        paths: weights by path, or None.
        objects: weights by attributes, or None.
        flat: weights in one list, or None.  Exactly one of the four is not None.
        tensorflow_version: the TensorFlow that wrote a SavedModel, whose Keras may
            state another version; None if the file does not name one.
        saved_by: the Keras release that wrote the file, as the user states it, or None.
        weights_version: the Keras that saved the weights, if the architecture is of
            another generation.
        notes: what the user should know about how the file was read.
    """

    config: Mapping[str, Any]
    keras_version: str | None
    backend: str | None
    container: str
    file_name: str
    sha256: str
    groups: GroupStore | None = None
    paths: PathStore | None = None
    objects: ObjectStore | None = None
    flat: FlatStore | None = None
    tensorflow_version: str | None = None
    saved_by: str | None = None
    weights_version: str | None = None
    notes: tuple[str, ...] = ()

    def source(self) -> dict[str, str | None]:
        """Where the model comes from: the ``source`` record of the manifest.

        A name of a file may hold bytes that are no text; each is replaced by U+FFFD.
        """
        name = _NO_TEXT.sub("\ufffd", self.file_name)
        return {**{key: getattr(self, key) for key in SOURCE}, "file_name": name}


class Numbers(list[Any]):
    """The elements of an array, nested by axis, and the dtype of the array."""

    dtype: str = ""


@dataclass(frozen=True)
class ComputedSize:
    """A size that a model computes from the sizes of tensors.

    Attributes:
        size: as the runtime's ``layers/sizing.py`` has it; inputs are those of the
            call.
    """

    size: tuple[int, ...]


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
        arguments: the arguments that are one tensor, by position among all positional
            arguments or by name; the layer's row states which it supports.
        names: the names of the arguments that are the inputs, if the row names several.
        left_out: whether a positional tensor follows an omitted argument.
        mask: an explicit mask argument; one for each input if the file has a list.
        constants: arguments of op nodes that are not tensors: values by position
            among all positional arguments.
        keywords: keyword arguments as the file has them, without ``mask`` and
            ``initial_state``.
    """

    inputs: tuple[TensorRef, ...]
    mask: TensorRef | tuple[TensorRef | None, ...] | None = None
    constants: tuple[tuple[int, Any], ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[int | str, TensorRef] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    left_out: bool = False

    def references(self) -> tuple[TensorRef, ...]:
        """Every tensor that the call reads."""
        masks = self.mask if isinstance(self.mask, tuple) else (self.mask,)
        named = (ref for key, ref in self.arguments.items() if isinstance(key, str))
        return (*self.inputs, *named, *(mask for mask in masks if mask is not None))


@dataclass(frozen=True)
class Form:
    """One way in which a file stores the weights of a layer.

    Attributes:
        arrays: names and shapes of the arrays in the order of the file, from names and
            shapes of the weights.
        sources: the names of the arrays that a weight is computed from.
        join: computes a weight from its name, its shape and those arrays.
        whole: names of arrays that hold integers; all others hold floating point
            numbers.
        words: the conversion in words, for people; empty if there is none.
    """

    arrays: Callable[[Mapping[str, Shape]], dict[str, Shape]]
    sources: Callable[[str], tuple[str, ...]]
    join: Callable[[str, Shape, Sequence[Array]], Array]
    words: str = ""
    whole: frozenset[str] = frozenset()


#: Every weight is one array, unchanged, under the weight's name.
PLAIN = Form(dict, lambda name: (name,), lambda _name, _shape, arrays: arrays[0])


@dataclass(frozen=True)
class KerasLayer:
    """A layer in one spelling: that of Keras 3, plus ``time_major``.

    Attributes:
        class_name: its Keras class; an op node of Keras 3 is ``ops.<class>``.
        name: its name in its model.
        config: its options, without those of training.
        training: options that act in training only: initializers, regularizers,
            constraints, dropout rates, seeds, ``trainable``.  Under Keras 3's names if
            they mean the same in Keras 3, else under those of the file; objects are
            unchanged.  ``config`` and ``training`` together hold all options in the
            file.
        calls: its calls in this model, in order.
        children: layers inside, by the attribute that holds them: ``forward_layer``,
            ``backward_layer``, ``layer``, ``cell``, ``cells/gru_cell_1``.
        model: the nested model, if it is one.
        path: attribute path of its variables below its model (``layers/gru_1``).
        forms: how a file may store its weights; the first that fits the arrays is used.
        absent: options that the file leaves out and that got the default of its Keras.
        written: its class in the file; empty if that is the same.
        why_custom: why its class is not a class of Keras; empty if it is one.
        unread: why its calls could not be read, an error to be raised if the layer is
            needed; None if they were.
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
    unread: Exception | None = None


@dataclass(frozen=True)
class Seams:
    """What the inputs and outputs of a part of a model have that a model's have not.

    Attributes:
        masks: the input that is the mask of an input, by their names.
        names: of the outputs.
        output_masks: positions of the outputs that are the masks of their tensors.
        default_dtype: of layers that state none, in the whole model.
        replaced: the tensors of the whole model that an input stands for, with it.
        carried: whether a tensor carries a mask once Keras has built the whole model,
            by its input; only what is certain.
    """

    masks: Mapping[str, str]
    names: tuple[str, ...]
    output_masks: frozenset[int]
    default_dtype: str
    replaced: Mapping[TensorRef, str]
    carried: Mapping[str, bool]


@dataclass(frozen=True)
class KerasModel:
    """A model in one spelling; a Sequential model is a graph like all others.

    Attributes:
        name: its name.
        layers: input layers included, in the order of the file.
        inputs: input tensors.
        outputs: output tensors.
        input_keys: keys if the inputs are a dict; None for one tensor or a list.
        output_keys: the same for the outputs.
        single: whether inputs and outputs are one bare tensor each.
        sequential: whether it is a Sequential.  In Keras 1 its first layer may merge
            several branches.
        config: its options as written, such as ``trainable``, without its layers,
            inputs and outputs.
        seams: of a part of a model; None for a whole model.
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
    seams: Seams | None = None


def leaves(model: KerasModel, prefix: str = "") -> Iterator[tuple[str, KerasLayer]]:
    """The layers of a model by path; a nested model is replaced by its layers."""
    for layer in model.layers:
        path = prefix + encode_name(layer.name)
        if layer.model is None:
            yield path, layer
        else:
            yield from leaves(layer.model, f"{path}/")


def walk_keras(layers: Iterable[KerasLayer]) -> Iterator[KerasLayer]:
    """The layers, each followed by all layers inside it, in nested models too."""
    for layer in layers:
        yield layer
        yield from walk_keras(child for _, child in layer.children)
        if layer.model is not None:
            yield from walk_keras(layer.model.layers)
