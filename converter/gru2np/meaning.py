"""What a Keras meant where its configs say nothing.

Made in ``generations/``, and the last place where a version decides anything: layers
and masks read these fields, never a version.  No field has a default, so that a
generation that leaves one out does not run.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Recurrence:
    """What recurrent layers do beside their equations.

    Attributes:
        masked_output: what is given at a masked step: ``state`` or ``previous`` (see
            ``gru2np_runtime.layers.Recurrent``).
        unrolled_masked_output: the same for layers with ``unroll=True``.
        unrolled_ignores_zero: layers with ``unroll=True`` ignore
            ``zero_output_for_mask``.
        fused_ignores_zero: GRU and LSTM ignore ``zero_output_for_mask`` where they
            could run on cuDNN.
        bidirectional_zeroes: Bidirectional zeroes masked outputs of its halves.
        bidirectional_keeps_zero: and where a half asks for zeroes itself, it zeroes a
            last output too.
        bidirectional_forgets: a stateful Bidirectional begins every call anew.
        stateful_forgets: stateful layers begin every call anew.
        stateful_calls_follow: the calls of one stateful layer in one model follow each
            other, in the order of ``graph.order.calls_by_depth``.
        first_mask_stays: a call with initial states or options, inside of a model, has
            the mask of the first run of that model for good.
        stateful_keeps_over_initial: a stateful layer that is given initial states
            uses them on its first call only, and later what it carries.
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
        merges_skip_masked: Multiply, Maximum and Minimum leave masked positions out.
        explicit_spreads: an explicit mask argument is the mask of the output too.
        casts_drop: a layer that casts floating point numbers to its own type gets no
            implicit mask with them, and gives none on.
        models_mark_inputs: a mask that a model is called with becomes the mask of its
            input, for whatever reads that later.
        second_tensor_drops: a layer called with a second tensor gets no implicit mask,
            though its output keeps that of the first.
        in_time: masks at TimeDistributed: ``kept``, and no business of the layer
            inside; ``steps``, given to it and kept; ``folded``, given to it, and the
            output's are what it makes of them; ``folded_in_free_batches``, folded
            where the size of a batch is not declared and kept where it is.
        own_layers_masked_in_time: TimeDistributed over a class that is none of Keras
            repeats outputs at masked steps, in batches of a size it knows.
        by_class: what the output of a layer has of the mask of its input, by the name
            of its class: ``keeps``, ``stops``, or another word where neither is so;
            where that depends on its rank, by ``Class rank 4`` before.
        idle_casts: a cast to the type that a tensor has gives back that very tensor,
            with its mask; None where nobody has measured it.
        idle_operations: other operations that have nothing to do do so too; or None.
    """

    merged: str
    merges_skip_masked: bool
    explicit_spreads: bool
    casts_drop: bool
    models_mark_inputs: bool
    second_tensor_drops: bool
    in_time: str
    own_layers_masked_in_time: bool
    by_class: Mapping[str, str]
    idle_casts: bool | None
    idle_operations: bool | None


@dataclass(frozen=True)
class AttentionRules:
    """What attention and Softmax make of masks.

    Attributes:
        softmax_uses_mask: the Softmax layer looks at masks.
        masked_scores: what a masked score becomes in Softmax and the heads of
            attention: see ``gru2np_runtime.layers.Softmax``.
        fused_heads: MultiHeadAttention runs in one operation where it can, which
            never zeroes what is masked entirely.
        heads_use_masks: MultiHeadAttention looks at the masks of its inputs.
        heads_take_masks: it takes them away from its inputs, for whoever reads those
            later, and looks at no mask of the query but its own.
        passes_mask: the query's mask is the mask of Attention's output.
        misplaces_mask: the value's mask alone meets the batch axis of Attention's
            scores.
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
    """Where windows of convolution and pooling lie.

    Attributes:
        same_padding: what ``same`` pads in front: ``even``, as much as behind or one
            less; ``half`` a window, whatever the stride leaves behind (Theano); or
            ``unclear`` (CNTK, or Keras 1 without weights).
        same_pooling: the same of pooling: ``even``; or ``whole``, a window less one or
            two steps (Theano).
        full_padding: convolutions take ``full``.
        other_convolutions: depthwise, separable and transposed convolutions are known
            to be TensorFlow's.
    """

    same_padding: str
    same_pooling: str
    full_padding: bool
    other_convolutions: bool


@dataclass(frozen=True)
class NumberRules:
    """Constants and number types.

    Attributes:
        hard_sigmoid_slope: 0.2 before Keras 3, 1/6 since.
        least_unit_norm: the smallest norm that UnitNormalization divides by.
        least_epsilon_ranks: inputs of this many axes whose BatchNormalization has no
            smaller epsilon than TensorFlow's fused kernel.
        least_epsilon_channels_first: so too where channels stand in front.
        dots_of_any_rank: Dot of inputs of rank above 3 is what its name says.
        whole_numbers: what becomes of whole numbers in layers of floating point
            numbers: ``promoted`` by Keras' own rules, or ``kept`` by TensorFlow's.
        categories_leave_out: CategoryEncoding leaves out what is too large.
        bin_number: the dtype of Discretization's places.
        lookup_whole: IntegerLookup gives its vectors in whole numbers.
        rounds_to_half: a cast to half precision rounds, whatever comes after it; None
            where nobody can tell.
    """

    hard_sigmoid_slope: float
    least_unit_norm: float
    least_epsilon_ranks: tuple[int, ...]
    least_epsilon_channels_first: bool
    dots_of_any_rank: bool
    whole_numbers: str
    categories_leave_out: bool
    bin_number: str
    lookup_whole: bool
    rounds_to_half: bool | None


@dataclass(frozen=True)
class Meaning:
    """What a Keras generation meant.

    Attributes:
        writer: in words, for messages: ``Keras 2.1.6``.
        recurrent: recurrent layers.
        masks: masks on their way.
        attention: attention and Softmax.
        windows: convolution and pooling.
        numbers: constants and number types.
        unsaid: what calls of this Keras could hold and its files never say: ``mask``,
            ``causal``.
        unheeded: arguments of calls that ``predict`` of this Keras ignores:
            ``training``.
        functions: the activation functions that it had by name.
    """

    writer: str
    recurrent: Recurrence
    masks: MaskRules
    attention: AttentionRules
    windows: WindowRules
    numbers: NumberRules
    unsaid: frozenset[str]
    unheeded: frozenset[str]
    functions: frozenset[str]

    def __post_init__(self) -> None:
        """Hold the fields to each other."""
        if self.masks.merges_skip_masked and self.masks.merged == "drop":
            raise ValueError("masks.merges_skip_masked needs masks that are merged")


@dataclass(frozen=True)
class Readings:
    """What a file may mean, where it leaves its Keras open.

    Attributes:
        taken: what is taken for its meaning.
        taken_of: the Keras whose meaning that is, in words.
        releases: other meanings, of releases that may have saved it as well; a model
            that means other numbers by one of them is refused.
        backends: other meanings, of backends that it may have been saved on; where
            they make a difference, that is said.
        weights: other meanings, of the releases that may have saved the weights, where
            those are of another generation than the architecture; a model that means
            other numbers by one of them is refused.
    """

    taken: Meaning
    taken_of: str
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
# The fields of all groups by their dotted names, with their annotations.
FIELDS = {
    f"{group}.{field.name}": str(field.type)
    for group, kind in GROUPS.items()
    for field in fields(kind)
}
