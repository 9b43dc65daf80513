"""Masks, resolved into ordinary boolean nodes of the graph.

The layers' rows state which layer keeps, merges or creates a mask; the meaning of the
model's Keras states how masks are combined.  This module applies both, so that the
runtime has no rules for masks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gru2np.graph import time_distributed
from gru2np.graph.assembly import Value
from gru2np.graph.mask_sources import IDLED, UNMEASURED, UNUSABLE
from gru2np.layers.mask_rules import (
    COUNTED,
    IN_TIME,
    KEEPS,
    LEFT_OUT,
    MEASURED,
    MOVES,
    ONE,
    SEQUENCE,
    STOPS,
    Creates,
    Idles,
    Merges,
)
from gru2np_runtime import layers as runtime
from gru2np_runtime.layers.recurrent import Recurrent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np.graph.assembly import Builder, Ref
    from gru2np.ir import Call, KerasLayer
    from gru2np.layers.spec import LayerSpec
    from gru2np_runtime import Layer


@dataclass(frozen=True)
class LayerCall:
    """One call of a layer, with the mask that it uses and the masks of its outputs.

    Attributes:
        builder: of the graph.
        layer: that is called.
        path: of the layer.
        number: of the call, counted from 0 over all calls of its model.
        written: the call in the file.
        inputs: its tensors.
        explicit: masks of its mask argument, at least one item; None for no mask.
    """

    builder: Builder
    layer: KerasLayer
    path: str
    number: int
    written: Call
    inputs: Sequence[Value]
    explicit: Sequence[Ref | None]

    @property
    def name(self) -> str:
        """The name of the node of the layer's output."""
        return f"{self.path}#{self.number}" if self.number else self.path

    @property
    def refs(self) -> list[Ref]:
        """The inputs without their masks."""
        return [value.ref for value in self.inputs]

    @cached_property
    def spec(self) -> LayerSpec:
        """The row of the layer's class."""
        spec = self.builder.specs.of(self.layer)
        assert spec is not None  # the translator has refused unknown classes
        return spec

    def refuse(
        self, reason: str, option: str | None = None, value: object = None
    ) -> None:
        """Note why the layer cannot be converted."""
        class_name = self.layer.class_name
        self.builder.refuse(self.path, class_name, reason, option, value)

    def add(self) -> list[Value]:
        """Add the node of the call and the nodes of its masks; returns its outputs."""
        meaning, rule = self.builder.meaning.masks, self.spec.mask
        merges = isinstance(rule, Merges)
        explicit, implicit = self.explicit[0], self.inputs[0].mask
        skips = SKIP_MASKED[rule.masked] if isinstance(rule, Merges) else None
        masks = [value.mask for value in self.inputs]
        skipping = skips is not None and meaning.merges_skip_masked
        if skips and skipping and all(self.usable(mask) == mask for mask in masks):
            return [skips(self)]
        several = len(self.inputs) > 1 and not merges
        unseen = several and meaning.second_tensor_drops
        mask = explicit or (None if unseen else implicit)
        used = self.usable(mask) if self.spec.uses_mask else None
        if rule == IN_TIME:
            used = time_distributed.mask_inside(self, mask)
        self.builder.add(self.name, self.path, self.refs, used)
        # The output has the mask even if the layer itself does not get it.
        explicitly = explicit is not None and meaning.explicit_spreads
        outputs = self._output_masks(explicit if explicitly else implicit)
        count = len(self.builder.shapes[self.name])
        outputs += [None] * (count - len(outputs))
        return [Value((self.name, i), outputs[i]) for i in range(count)]

    def usable(self, mask: Ref | None) -> Ref | None:
        """The mask; None if it is unknown, and then the layer is refused."""
        if mask not in UNUSABLE:
            return mask
        self.refuse(UNUSABLE[mask])
        return None

    def _output_masks(self, mask: Ref | None) -> list[Ref | None]:
        """The masks of the outputs, by the rule of the layer."""
        rule = self.spec.mask
        if rule in (MEASURED, MOVES):
            return [self._measured(mask)]
        if rule == KEEPS:
            return [mask]
        if rule == IN_TIME:
            return [time_distributed.output_mask(self, mask)]
        if rule == SEQUENCE:
            return self._of_sequence(mask)
        if isinstance(rule, Creates):
            return [self.created(self.inputs[0].ref, rule, self.layer.config)]
        if isinstance(rule, Merges):
            masks = [value.mask for value in self.inputs]
            return [self._concatenated() if rule.joins else self._merged(masks)]
        if isinstance(rule, Idles) and mask is not None:
            return [self._idled(rule, mask)]
        return [None]

    def _measured(self, mask: Ref | None) -> Ref | None:
        """The mask, if measurements show that the layer keeps it."""
        written = self.layer.written or self.layer.class_name
        by_class = self.builder.meaning.masks.by_class
        rank = len(self.builder.shape(self.inputs[0].ref))
        known = by_class.get(f"{written} rank {rank}") or by_class.get(written)
        if mask is not None and known not in (KEEPS, STOPS):
            return UNMEASURED
        if mask is not None and self.spec.mask == MOVES and self._may_idle():
            return IDLED
        return mask if known == KEEPS else None

    def _of_sequence(self, mask: Ref | None) -> list[Ref | None]:
        layer = self.builder.layers[self.path]
        assert isinstance(layer, (Recurrent, runtime.Bidirectional))
        kept = mask if layer.return_sequences else None
        both = isinstance(layer, runtime.Bidirectional) and layer.merge_mode == "none"
        return [kept, kept] if both else [kept]

    def _may_idle(self) -> bool:
        """Whether a layer may return its input itself, with its mask."""
        builder = self.builder
        same = builder.shapes[self.name][0] == builder.shape(self.inputs[0].ref)
        return same and builder.meaning.masks.idle_operations is not False

    def _idled(self, rule: Idles, mask: Ref) -> Ref | None:
        """The mask that an operation keeps because it may return its input itself."""
        builder, name, source = self.builder, self.name, self.inputs[0].ref
        before, after = builder.shape(source), builder.shapes[name][0]
        sizes = zip(before, after, strict=False)
        same = (
            builder.dtypes[name] == builder.dtypes[source[0]]
            and builder.floats[name] == builder.floats[source[0]]
            and len(before) == len(after)
            and len(self.inputs) == 1
            and all(None in (a, b) or a == b for a, b in sizes)
        )
        if not same or rule.moves(builder.layers[self.path]):
            return None
        rules = builder.meaning.masks
        passes = rules.idle_casts if rule.casts else rules.idle_operations
        if passes is None or not rule.measured:
            return IDLED
        # Along an axis of free size (except the batch) the operation may change it.
        certain = rule.casts or (before == after and None not in after[1:])
        return None if not passes else mask if certain else IDLED

    def created(self, x: Ref, rule: Creates, options: Mapping[str, Any]) -> Ref | None:
        """The mask that a layer with these options creates from ``x``, or None.

        Args:
            x: the input of the layer.
            rule: of the layer.
            options: of the layer.
        """
        if not rule.made(options):
            return None
        layer = runtime.NotEqual(value=rule.masked(options))
        if not rule.any_feature:
            return self.node("mask", [x], layer)
        return self.node("mask", [self.node("differs", [x], layer)], _any_feature())

    def _merged(self, masks: Sequence[Ref | None], label: str = "") -> Ref | None:
        """Masks of a merge layer's inputs, combined by the rule of this Keras.

        Args:
            masks: of the inputs.
            label: prefix of the labels of the nodes.
        """
        rule = self.builder.meaning.masks.merged
        present = [mask for mask in masks if mask is not None]
        missing = len(present) < len(masks)
        if rule == "drop" or not present or (rule == "or" and missing):
            return None
        for mask in present:
            if mask in UNUSABLE:
                return mask
        op = runtime.LogicalAnd if rule == "and" else runtime.LogicalOr
        result = present[0]
        for i, mask in enumerate(present[1:]):
            if mask != result:
                result = self.node(f"{label}mask_{i}", [result, mask], op())
        return result

    def _concatenated(self) -> Ref | None:
        """The mask of a concatenation; an input without a mask is valid everywhere."""
        masks = [value.mask for value in self.inputs]
        present = [mask for mask in masks if mask is not None]
        if self.builder.meaning.masks.merged == "drop" or not present:
            return None
        layer = self.builder.layers[self.path]
        assert isinstance(layer, runtime.Concatenate)
        rank = len(self.builder.shape(self.inputs[0].ref))
        axis = layer.axis % rank
        if axis == rank - 1:
            return self._merged(masks)
        for mask in present:
            if mask in UNUSABLE:
                return mask
        if axis != 1:
            self.refuse("masked inputs joined along this axis are not supported")
            return None
        pieces = [
            self._all_valid(i, value.ref) if value.mask is None else value.mask
            for i, value in enumerate(self.inputs)
        ]
        return self.node("mask", pieces, runtime.Concatenate(axis=1))

    def _all_valid(self, number: int, x: Ref) -> Ref:
        """A mask that is true everywhere, for an input: no element equals NaN."""
        layer = runtime.NotEqual(value=math.nan)
        differs = self.node(f"differs_{number}", [x], layer)
        return self.node(f"valid_{number}", [differs], _any_feature())

    def _multiply(self) -> Value:
        """Multiply since Keras 3.4: masked positions count as 1.

        Keras 3.15 ``keras/src/layers/merging/multiply.py``.
        """
        refs = [
            value.ref
            if value.mask is None
            else self._where(f"skipped_{i}", value.mask, value.ref, 1.0)
            for i, value in enumerate(self.inputs)
        ]
        masks = [value.mask for value in self.inputs]
        if any(mask is None for mask in masks):
            return Value(self.builder.add(self.name, self.path, refs), None)
        product = self.builder.add(f"{self.name}#product", self.path, refs)
        merged = self._merged(masks)
        assert merged is not None
        return Value(self.zeroed(merged, product), merged)

    def zeroed(self, mask: Ref, y: Ref) -> Ref:
        """``y`` with zeros where a mask is false; the node has the name of the call."""
        layer = runtime.Where(otherwise=0.0, dtype=self._dtype())
        return self.builder.add(
            self.name, f"{self.path}#zeroed", [mask, y], layer=layer
        )

    def _extreme(self) -> Value:
        """Maximum and Minimum since Keras 3.4: masked positions are skipped.

        Keras 3.15 ``keras/src/layers/merging/base_merge.py``.
        """
        so_far, mask = self.inputs[0]
        for i, (x, other) in enumerate(self.inputs[1:]):
            if other is not None:
                x = self._where(f"other_{i}", other, x, so_far)
            if mask is not None:
                so_far = self._where(f"so_far_{i}", mask, so_far, x)
            last = i == len(self.inputs) - 2
            step = self.name if last else f"{self.name}#pair_{i}"
            both = [mask, other] if mask is not None and other is not None else [None]
            mask = self._merged(both, f"{i}#")
            so_far = self.builder.add(step, self.path, [so_far, x])
        return Value(so_far, mask)

    def _where(self, label: str, mask: Ref, x: Ref, otherwise: Ref | float) -> Ref:
        constant = otherwise if isinstance(otherwise, float) else 0.0
        others = [] if isinstance(otherwise, float) else [otherwise]
        layer = runtime.Where(otherwise=constant, dtype=self._dtype())
        return self.node(label, [mask, x, *others], layer)

    def _dtype(self) -> str:
        return self.builder.layers[self.path].dtype

    def node(self, label: str, inputs: Sequence[Ref], layer: Layer) -> Ref:
        """Add a node for the masks of the call; returns its output."""
        path = f"{self.name}#{label}"
        return self.builder.add(path, path, inputs, layer=layer)


def _any_feature() -> Layer:
    return runtime.Any(axes=(-1,), keepdims=False)


# How merge layers skip masked positions, by their rule.
SKIP_MASKED: dict[str, Callable[[LayerCall], Value] | None] = {
    COUNTED: None,
    LEFT_OUT: LayerCall._extreme,
    ONE: LayerCall._multiply,
}
