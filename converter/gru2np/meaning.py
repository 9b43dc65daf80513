"""The behaviour of a Keras release where its configs leave it open.

``generations/`` makes it, and a version decides nothing after that: layers and masks
read these fields, never a version.  No field has a default, so that a generation that
leaves one out does not run.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Recurrence:
    """The behaviour of recurrent layers that their equations leave open.

    Attributes:
        masked_output: the output at a masked step: ``state`` or ``previous`` (see
            ``gru2np_runtime.layers.Recurrent``).
        unrolled_masked_output: the same for layers with ``unroll=True``.
        unrolled_ignores_zero: layers with ``unroll=True`` ignore
            ``zero_output_for_mask``.
        fused_ignores_zero: GRU and LSTM ignore ``zero_output_for_mask`` if their
            options allow cuDNN.
        bidirectional_zeroes: Bidirectional zeroes masked outputs of its halves.
        bidirectional_keeps_zero: if a half has ``zero_output_for_mask`` itself, a last
            output is zeroed too.
        bidirectional_forgets: a stateful Bidirectional resets its states at every call.
        stateful_forgets: stateful layers reset their states at every call.
        stateful_calls_follow: the calls of one stateful layer in one model follow each
            other, in the order of ``graph.order.calls_by_depth``.
        first_mask_stays: a call with initial states or options, inside a nested model,
            keeps the mask of the first run of that model.
        stateful_keeps_over_initial: a stateful layer with initial states uses them on
            its first call only, and after that the states it carries.
    """

    masked_output: str
    unrolled_masked_output: str
    unrolled_ignores_zero: bool
    fused_ignores_zero: bool
    bidirectional_zeroes: bool
    bidirectional_keeps_zero: bool
    bidirectional_forgets: bool
    stateful_forgets: bool
    stateful_calls_follow: bool
    first_mask_stays: bool
    stateful_keeps_over_initial: bool


@dataclass(frozen=True)
class MaskRules:
    """How masks are propagated.

    Attributes:
        merged: how merge layers combine masks: ``and``, ``or`` or ``drop``.
        merges_skip_masked: Multiply, Maximum and Minimum skip masked positions.
        explicit_spreads: an explicit mask argument is the mask of the output too.
        casts_drop: a layer that casts floating point inputs to its dtype gets no
            implicit mask with them, and its output has none.
        models_mark_inputs: a mask that a model is called with becomes the mask of its
            input, for every later reader of that tensor.
        second_tensor_drops: a layer called with a second tensor gets no implicit mask,
            though its output keeps that of the first.
        in_time: masks at TimeDistributed.  ``kept``: the output keeps it, the inner
            layer does not get it.  ``steps``: the inner layer gets it and the output
            keeps it.  ``folded``: the inner layer gets it and computes that of the
            output.  ``folded_in_free_batches``: ``folded`` if the batch size is not
            declared, else ``kept``.
        custom_layers_masked_in_time: TimeDistributed over a custom class repeats
            outputs at masked steps if the batch size is declared.
        by_class: whether the output of a layer keeps the mask of its input, by class
            name: ``keeps``, ``stops``, or another word for neither.  ``Class rank 4``
            comes first, for layers where it depends on the rank of the input.
        idle_casts: a cast to the dtype that a tensor has returns the same tensor, with
            its mask; None if not measured.
        idle_operations: the same of other operations that change nothing; None if not
            measured.
    """

    merged: str
    merges_skip_masked: bool
    explicit_spreads: bool
    casts_drop: bool
    models_mark_inputs: bool
    second_tensor_drops: bool
    in_time: str
    custom_layers_masked_in_time: bool
    by_class: Mapping[str, str]
    idle_casts: bool | None
    idle_operations: bool | None


@dataclass(frozen=True)
class AttentionRules:
    """How attention and Softmax use masks.

    Attributes:
        softmax_uses_mask: the Softmax layer reads masks.
        masked_scores: how Softmax and the heads of attention mask a score: see
            ``gru2np_runtime.layers.Softmax``.
        fused_heads: MultiHeadAttention runs in one fused operation where it can, which
            never zeroes rows that are masked entirely.
        heads_use_masks: MultiHeadAttention reads the masks of its inputs.
        heads_take_masks: MultiHeadAttention removes the masks from its inputs, for
            every later reader, and reads an explicit mask of the query only.
        passes_mask: the query's mask is the mask of Attention's output.
        misplaces_mask: if the value alone has a mask, it is broadcast against the batch
            axis of Attention's scores.
    """

    softmax_uses_mask: bool
    masked_scores: str
    fused_heads: bool
    heads_use_masks: bool
    heads_take_masks: bool
    passes_mask: bool
    misplaces_mask: bool


@dataclass(frozen=True)
class WindowRules:
    """Where the windows of convolution and pooling are.

    Attributes:
        same_padding: the padding before the first step with ``same``.  ``even``: as
            much as after the last, or one less.  ``half``: half a window, whatever the
            stride leaves after the last (Theano).  ``unclear``: CNTK, or Keras 1
            without weights.
        same_pooling: the same of pooling: ``even``; or ``whole``, one or two steps less
            than a window (Theano).
        full_padding: convolutions support ``full``.
        other_convolutions: depthwise, separable and transposed convolutions are known
            to work as in TensorFlow.
    """

    same_padding: str
    same_pooling: str
    full_padding: bool
    other_convolutions: bool


@dataclass(frozen=True)
class NumberRules:
    """Constants and dtypes.

    Attributes:
        hard_sigmoid_slope: 0.2 before Keras 3, 1/6 since.
        least_unit_norm: the smallest norm that UnitNormalization divides by.
        least_epsilon_ranks: ranks of inputs whose BatchNormalization has no smaller
            epsilon than TensorFlow's fused kernel.
        least_epsilon_channels_first: the same with ``channels_first``.
        dots_of_any_rank: Dot of inputs of rank above 3 contracts the named axes.
        integer_inputs: integers in layers that compute in floating point: ``promoted``
            by the rules of Keras, or ``kept`` as in TensorFlow.
        categories_leave_out: CategoryEncoding ignores integers that are too large.
        bin_dtype: the dtype of Discretization's bin indices.
        lookup_gives_integers: IntegerLookup's vectors are integers.
        rounds_to_half: a cast to half precision rounds, whatever comes after it; None
            if unknown.
        argmax_signs_zeros: argmax and argmin take -0.0 for less than 0.0; None if
            unknown.
        argmax_skips_nan: they pass over NaN, else take the first one; None if unknown.
        top_k_signs_zeros: top_k takes -0.0 for less than 0.0; None if unknown.
        logsumexp_squeezes: logsumexp drops all axes of length 1, not those alone that
            it sums; None if unknown.
    """

    hard_sigmoid_slope: float
    least_unit_norm: float
    least_epsilon_ranks: tuple[int, ...]
    least_epsilon_channels_first: bool
    dots_of_any_rank: bool
    integer_inputs: str
    categories_leave_out: bool
    bin_dtype: str
    lookup_gives_integers: bool
    rounds_to_half: bool | None
    argmax_signs_zeros: bool | None
    argmax_skips_nan: bool | None
    top_k_signs_zeros: bool | None
    logsumexp_squeezes: bool | None


@dataclass(frozen=True)
class Meaning:
    """The behaviour of a Keras release on a backend.

    Attributes:
        writer: in words, for messages: ``Keras 2.1.6``.
        recurrent: recurrent layers.
        masks: propagation of masks.
        attention: attention and Softmax.
        windows: convolution and pooling.
        numbers: constants and dtypes.
        unsaved_arguments: arguments of calls that this Keras never writes into files:
            ``mask``, ``causal``.
        ignored_arguments: arguments of calls that ``predict`` of this Keras ignores:
            ``training``.
        functions: the names of its activation functions.
    """

    writer: str
    recurrent: Recurrence
    masks: MaskRules
    attention: AttentionRules
    windows: WindowRules
    numbers: NumberRules
    unsaved_arguments: frozenset[str]
    ignored_arguments: frozenset[str]
    functions: frozenset[str]

    def __post_init__(self) -> None:
        """Check the fields against each other."""
        if self.masks.merges_skip_masked and self.masks.merged == "drop":
            raise ValueError("masks.merges_skip_masked needs masks that are merged")


@dataclass(frozen=True)
class Readings:
    """The possible meanings of a file that leaves its Keras release open.

    Attributes:
        assumed: the meaning that the conversion uses.
        assumed_writer: the Keras release that it is of, in words.
        releases: other meanings, of releases that may have saved the file too.  A model
            that gives other numbers with one of them is refused.
        backends: other meanings, of backends that it may have been saved on.  A
            difference is a warning.
        weights: other meanings, of the releases that may have saved the weights, if
            those are of another generation than the architecture.  A model that gives
            other numbers with one of them is refused.
    """

    assumed: Meaning
    assumed_writer: str
    releases: tuple[Meaning, ...]
    backends: tuple[Meaning, ...]
    weights: tuple[Meaning, ...] = ()


GROUPS = {
    "recurrent": Recurrence,
    "masks": MaskRules,
    "attention": AttentionRules,
    "windows": WindowRules,
    "numbers": NumberRules,
}
# The fields of all groups by dotted name, with their annotations.
FIELDS = {
    f"{group}.{field.name}": str(field.type)
    for group, kind in GROUPS.items()
    for field in fields(kind)
}
