"""What the stages of an export hand to each other.

A reader turns a file into a ``RawModel``; a generation turns that into a
``KerasModel``, in one spelling for every Keras, with a ``Meaning`` that says what
the spelling leaves open.  The graph stage turns it into the runtime's own graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]
    Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class StoredTensor:
    """An array of a model file that has been checked but not read.

    Attributes:
        name: where it stands in the file, for messages.
        shape: its shape.
        dtype: ``float16``, ``bfloat16``, ``float32``, ``float64`` or an integer type.
        read: gives the array; bfloat16 comes widened to float32.
        form: how the file kept it, in words; empty where it kept it as it is.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], NDArray[Any]]
    form: str = ""


class PathStore(Protocol):
    """Weights addressed by the path of the object that owns them (``.weights.h5``)."""

    def variables(self, path: str) -> Sequence[StoredTensor]:
        """The variables in the group ``<path>/vars``, in order; empty if none."""

    def owner(self, path: str) -> str | None:
        """The name of the layer that owns the variables; None in older files."""

    def paths(self) -> Iterator[str]:
        """Every path that holds variables."""


@dataclass(frozen=True)
class GroupStore:
    """Weights in one group for each top-level layer, in file order (legacy HDF5)."""

    groups: tuple[tuple[str, tuple[StoredTensor, ...]], ...]


@dataclass(frozen=True)
class RawModel:
    """A model as it stands in a file: nothing renamed, nothing interpreted.

    Attributes:
        config: the architecture, ``{"class_name": ..., "config": ...}``.
        groups: legacy weights, or None.
        paths: weights by path, or None.  Exactly one of the two is given.
        keras_version: as written in the file, or None.
        backend: as written in the file, or None.
        container: ``hdf5``, ``keras`` (an archive, or its directory), ``json+hdf5`` or
            ``json+weights.h5`` (one file, or shards).
        file_name: the file's name without its folder.
        sha256: of the file, or of all files joined: the architecture first, the others
            by name.
    """

    config: Mapping[str, Any]
    groups: GroupStore | None
    paths: PathStore | None
    keras_version: str | None
    backend: str | None
    container: str
    file_name: str
    sha256: str

    def source(self) -> dict[str, Any]:
        """Where the model comes from, as the manifest says it."""
        return {
            "file_name": self.file_name,
            "sha256": self.sha256,
            "container": self.container,
            "keras_version": self.keras_version,
            "backend": self.backend,
        }


@dataclass(frozen=True)
class Meaning:
    """What a Keras generation meant where its configs say nothing.

    Made in ``generations/``, and the last place where a version decides anything:
    layers and masks read these fields, never a version.

    Attributes:
        keras: the writer in words, for messages: ``Keras 2.1.6``.
        hard_sigmoid_slope: 0.2 before Keras 3, 1/6 since.
        masked_output: what recurrent layers emit at a masked step: ``state`` or
            ``previous`` (see ``gru2np_runtime.layers.Recurrent``).
        unrolled_masked_output: the same for layers with ``unroll=True``.
        bidirectional_zeroes: Bidirectional zeroes masked outputs of its halves.
        bidirectional_keeps_zero: and where a half asks for zeroes itself, it zeroes a
            last output too.
        stateful_forgets: stateful layers begin every call anew.
        stateful_keeps_over_initial: a stateful layer that is given initial states
            uses them on its first call only, and later what it carries.
        bidirectional_forgets: a stateful Bidirectional begins every call anew.
        fused_rnn_ignores_zero: GRU and LSTM of TF 2.0 and 2.1 ignore
            ``zero_output_for_mask`` where they could run on cuDNN.
        merged_mask: how merge layers combine masks: ``and``, ``or`` or ``drop``.
        merges_skip_masked: Multiply, Maximum and Minimum leave masked positions out.
        unrolled_ignores_zero: layers with ``unroll=True`` ignore
            ``zero_output_for_mask``.
        explicit_mask_spreads: an explicit mask argument is the mask of the output too.
        masks_in_time: masks at TimeDistributed: ``kept``, and no business of the layer
            inside; ``steps``, given to it and kept; ``folded``, given to it, and the
            output's are what it makes of them; ``folded_in_free_batches``, folded
            where the size of a batch is not declared and kept where it is.
        own_layers_masked_in_time: TimeDistributed over a class that is none of Keras
            repeats outputs at masked steps, in batches of a size it knows.
        tensor_arguments_drop_mask: a layer called with a second tensor gets no
            implicit mask.
        softmax_uses_mask: the Softmax layer looks at masks.
        dots_of_any_rank: Dot of inputs of rank above 3 is what its name says.
        same_padding: what ``same`` pads in front: ``even``, as much as behind or one
            less; ``half`` a window, whatever the stride leaves behind (Theano); or
            ``unclear`` (CNTK, or Keras 1 without weights).
        idle_operations: operations that give their very input back, with its mask,
            where they have nothing to do: ``cast``, or ``unknown`` where that hangs on
            version and backend.
        softmax_masking: what a masked score becomes in Softmax and the heads of
            attention: see ``gru2np_runtime.layers.Softmax``.
        fused_heads: MultiHeadAttention runs in one operation where it can, which
            never zeroes what is masked entirely.
        heads_use_masks: MultiHeadAttention looks at the masks of its inputs.
        heads_take_masks: it takes them away from its inputs, for whoever reads those
            later, and looks at no mask of the query but its own.
        attention_passes_mask: the query's mask is the mask of Attention's output.
        attention_misplaces_mask: the value's mask alone meets the batch axis of
            Attention's scores.
        least_unit_norm: the smallest norm that UnitNormalization divides by.
        least_epsilon_ranks: inputs of this many axes whose BatchNormalization has no
            smaller epsilon than TensorFlow's fused kernel.
        unsaid: what calls of this Keras could hold and its files never say: ``mask``,
            ``causal``.
        unknown: fields that hang on a version which the file does not name; what
            would use them is refused.
        uncertain: fields that hang on a backend which the file does not name.
    """

    keras: str
    hard_sigmoid_slope: float
    masked_output: str
    unrolled_masked_output: str
    unrolled_ignores_zero: bool
    explicit_mask_spreads: bool
    bidirectional_zeroes: bool
    bidirectional_keeps_zero: bool
    stateful_forgets: bool
    stateful_keeps_over_initial: bool
    bidirectional_forgets: bool
    fused_rnn_ignores_zero: bool
    merged_mask: str
    merges_skip_masked: bool
    masks_in_time: str
    own_layers_masked_in_time: bool
    tensor_arguments_drop_mask: bool
    softmax_uses_mask: bool
    dots_of_any_rank: bool
    same_padding: str
    idle_operations: str = "unknown"
    softmax_masking: str = "added"
    fused_heads: bool = False
    heads_use_masks: bool = True
    heads_take_masks: bool = False
    attention_passes_mask: bool = True
    attention_misplaces_mask: bool = False
    least_unit_norm: float = 1e-6
    least_epsilon_ranks: tuple[int, ...] = ()
    unsaid: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()
    uncertain: frozenset[str] = frozenset()


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
        names: the arguments that the inputs are, where a layer names several.
        mask: an explicit mask argument; one for each input where a list was given.
        constants: arguments that are no tensors, of op nodes: values by position
            among all positional arguments.
        keywords: keyword arguments that are no tensors, ``mask`` and ``training``
            left out.
    """

    inputs: tuple[TensorRef, ...]
    mask: TensorRef | tuple[TensorRef | None, ...] | None = None
    constants: tuple[tuple[int, Any], ...] = ()
    keywords: Mapping[str, Any] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    def references(self) -> tuple[TensorRef, ...]:
        """Every tensor the call reads."""
        masks = self.mask if isinstance(self.mask, tuple) else (self.mask,)
        return (*self.inputs, *(mask for mask in masks if mask is not None))


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
        config: its options.
        calls: its calls in this model, in order.
        children: layers inside, by the attribute that holds them: ``forward_layer``,
            ``backward_layer``, ``layer``, ``cell``, ``cells/gru_cell_1``.
        model: the nested model, if it is one.
        path: attribute path of its variables below its model (``layers/gru_1``).
        forms: how a file may keep its weights; the first that fits the arrays does.
    """

    class_name: str
    name: str
    config: Mapping[str, Any]
    calls: tuple[Call, ...] = ()
    children: tuple[tuple[str, KerasLayer], ...] = ()
    model: KerasModel | None = None
    path: str = ""
    forms: tuple[Form, ...] = (PLAIN,)


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
    """

    name: str
    layers: tuple[KerasLayer, ...]
    inputs: tuple[TensorRef, ...]
    outputs: tuple[TensorRef, ...]
    input_keys: tuple[str, ...] | None = None
    output_keys: tuple[str, ...] | None = None
    single: tuple[bool, bool] = (True, True)


def walk_keras(layers: Iterable[KerasLayer]) -> Iterator[KerasLayer]:
    """The layers, each followed by all that are inside it, models included."""
    for layer in layers:
        yield layer
        yield from walk_keras(child for _, child in layer.children)
        if layer.model is not None:
            yield from walk_keras(layer.model.layers)
