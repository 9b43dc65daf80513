"""Masks, resolved into ordinary boolean nodes of the graph.

Which layer keeps, merges or makes a mask is in the layers' tables; how masks are
combined is in the meaning of the model's Keras; here both are put together, so that
the runtime needs no rule of either.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from gru2np.errors import Problem
from gru2np.graph import masks_in_time
from gru2np.graph.assembly import Builder, Value
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

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from gru2np.ir import KerasLayer
    from gru2np_runtime import Layer

    Ref = tuple[str, int]


class Masks:
    """One call of a layer: the mask it uses, and the masks of its outputs."""

    def __init__(self, builder: Builder, layer: KerasLayer, path: str) -> None:
        self.builder = builder
        self.layer = layer
        self.path = path
        found = builder.specs.get(layer.class_name)
        assert found is not None  # what nobody can convert has been refused
        self.spec = found

    def call(
        self, name: str, inputs: Sequence[Value], explicit: Ref | None
    ) -> list[Value]:
        """Add the node and what its masks need."""
        meaning = self.builder.meaning
        rule = self.spec.mask
        merges = isinstance(rule, Merges)
        implicit = inputs[0].mask if inputs else None
        several = len(inputs) > 1 and not merges
        unseen = several and meaning.masks.second_tensor_drops
        mask = explicit or (None if unseen else implicit)
        refs = [value.ref for value in inputs]
        skips = SKIP_MASKED[rule.masked] if isinstance(rule, Merges) else None
        if (
            skips is not None
            and meaning.masks.merges_skip_masked
            and not any(self._unusable(value.mask) for value in inputs)
        ):
            return [skips(self, name, inputs)]
        used = self.usable(mask) if self.spec.uses_mask else None
        if rule == IN_TIME:
            used = masks_in_time.used(self, inputs[0], mask)
        result = self.builder.add(name, self.path, refs, used)
        # What the layer itself does not see is the mask of its output all the same.
        explicitly = explicit is not None and meaning.masks.explicit_spreads
        spread = explicit if explicitly else implicit
        masks = self._output_masks(name, inputs, spread)
        count = len(self.builder.shapes[name])
        masks += [None] * (count - len(masks))
        return [Value((result[0], i), masks[i]) for i in range(count)]

    def usable(self, mask: Ref | None) -> Ref | None:
        """The mask, unless nobody can tell it; then the layer is refused."""
        return None if self._unusable(mask) else mask

    def _unusable(self, mask: Ref | None) -> bool:
        if mask not in UNUSABLE:
            return False
        self.refuse(UNUSABLE[mask])
        return True

    def refuse(self, reason: str) -> None:
        """Note why the layer cannot be converted."""
        self.builder.problems.append(Problem(self.path, self.layer.class_name, reason))

    def _output_masks(
        self, name: str, inputs: Sequence[Value], mask: Ref | None
    ) -> list[Ref | None]:
        rule = self.spec.mask
        layer = self.builder.layers[self.path]
        if rule in (MEASURED, MOVES):
            written = self.layer.written or self.layer.class_name
            by_class = self.builder.meaning.masks.by_class
            source, index = inputs[0].ref
            rank = len(self.builder.shapes[source][index])
            known = by_class.get(f"{written} rank {rank}") or by_class.get(written)
            if mask is not None and known not in (KEEPS, STOPS):
                return [UNMEASURED]
            if mask is not None and rule == MOVES and self._may_idle(name, inputs):
                return [IDLED]
            rule = KEEPS if known == KEEPS else STOPS
        if rule == KEEPS:
            return [mask]
        if rule == IN_TIME:
            return [masks_in_time.given(self, name, inputs[0], mask)]
        if rule == SEQUENCE:
            kept = mask if getattr(layer, "return_sequences", False) else None
            both = getattr(layer, "merge_mode", "") == "none"
            return [kept, kept] if both else [kept]
        if isinstance(rule, Creates):
            return [self.created(name, inputs[0].ref, rule, self.layer.config)]
        if isinstance(rule, Merges):
            if rule.joins:
                return [self._concatenated(name, inputs)]
            return [self._merged(name, [value.mask for value in inputs])]
        if isinstance(rule, Idles) and mask is not None:
            return [self._idled(name, inputs, rule, mask)]
        return [None]

    def _may_idle(self, name: str, inputs: Sequence[Value]) -> bool:
        """Whether a layer may give back its very input, with its mask."""
        builder, source = self.builder, inputs[0].ref
        same = builder.shapes[name][0] == builder.shapes[source[0]][source[1]]
        return same and builder.meaning.masks.idle_operations is not False

    def _idled(
        self, name: str, inputs: Sequence[Value], rule: Idles, mask: Ref
    ) -> Ref | None:
        """The mask that an operation hands on with its very input, if it does."""
        builder, source = self.builder, inputs[0].ref
        rules = builder.meaning.masks
        before, after = builder.shapes[source[0]][source[1]], builder.shapes[name][0]
        same = builder.dtypes[name] == builder.dtypes[source[0]]
        same = same and builder.floats[name] == builder.floats[source[0]]
        same = same and len(before) == len(after) and len(inputs) == 1
        sizes = zip(before, after, strict=False)
        same = same and all(None in (a, b) or a == b for a, b in sizes)
        if not same or rule.moves(builder.layers[self.path]):
            return None
        passes = rules.idle_casts if rule.casts else rules.idle_operations
        if passes is None:
            return IDLED
        # What is free, but for the batch, may or may not be changed.
        certain = rule.casts or (before == after and None not in after[1:])
        return None if not passes else mask if certain else IDLED

    def created(
        self, name: str, x: Ref, rule: Creates, options: Mapping[str, Any]
    ) -> Ref | None:
        """The mask that a layer of these options makes of ``x``; None if it does not.

        Args:
            name: of the call.
            x: what the layer is given.
            rule: of the layer.
            options: of the layer.
        """
        if not rule.made(options):
            return None
        layer = runtime.NotEqual(value=rule.masked(options))
        if not rule.any_feature:
            return self.node(name, "mask", [x], layer)
        differs = self.node(name, "differs", [x], layer)
        return self.node(
            name, "mask", [differs], runtime.Any(axes=(-1,), keepdims=False)
        )

    def _merged(self, name: str, masks: Sequence[Ref | None]) -> Ref | None:
        """Masks of a merge layer's inputs, combined as this Keras does."""
        rule = self.builder.meaning.masks.merged
        given = [mask for mask in masks if mask is not None]
        if rule == "drop" or not given or (rule == "or" and len(given) < len(masks)):
            return None
        if any(mask in UNUSABLE for mask in given):
            return next(mask for mask in given if mask in UNUSABLE)
        op = runtime.LogicalAnd if rule == "and" else runtime.LogicalOr
        result = given[0]
        for i, mask in enumerate(given[1:]):
            if mask != result:
                result = self.node(name, f"mask_{i}", [result, mask], op())
        return result

    def _concatenated(self, name: str, inputs: Sequence[Value]) -> Ref | None:
        masks = [value.mask for value in inputs]
        rule = self.builder.meaning.masks.merged
        given = [mask for mask in masks if mask is not None]
        if rule == "drop" or not given:
            return None
        layer = self.builder.layers[self.path]
        assert isinstance(layer, runtime.Concatenate)
        rank = len(self.builder.shapes[inputs[0].ref[0]][inputs[0].ref[1]])
        axis = layer.axis % rank
        if axis == rank - 1:
            # An input without a mask counts as valid everywhere.
            missing = len(given) < len(masks)
            return None if missing and rule == "or" else self._merged(name, given)
        if any(mask in UNUSABLE for mask in given):
            return next(mask for mask in given if mask in UNUSABLE)
        if axis != 1:
            self.refuse("masked inputs joined along this axis are not supported")
            return None
        pieces = []
        for i, value in enumerate(inputs):
            if value.mask is not None:
                pieces.append(value.mask)
                continue
            # No number equals nan: valid everywhere, in the shape of the input.
            differs = self.node(
                name, f"differs_{i}", [value.ref], runtime.NotEqual(value=math.nan)
            )
            pieces.append(
                self.node(
                    name,
                    f"valid_{i}",
                    [differs],
                    runtime.Any(axes=(-1,), keepdims=False),
                )
            )
        return self.node(name, "mask", pieces, runtime.Concatenate(axis=1))

    def _multiply(self, name: str, inputs: Sequence[Value]) -> Value:
        """Multiply since Keras 3.4: masked positions count as 1.

        Keras 3.15 ``keras/src/layers/merging/multiply.py``.
        """
        refs = [
            value.ref
            if value.mask is None
            else self._where(name, f"skipped_{i}", value.mask, value.ref, 1.0)
            for i, value in enumerate(inputs)
        ]
        masks = [value.mask for value in inputs]
        if any(mask is None for mask in masks):
            return Value(self.builder.add(name, self.path, refs), None)
        product = self.builder.add(f"{name}#product", self.path, refs)
        merged = self._merged(name, masks)
        assert merged is not None
        # The node of the layer's own name gives the layer's output.
        zeroed = runtime.Where(otherwise=0.0, dtype=self._dtype())
        path = f"{self.path}#zeroed"
        return Value(
            self.builder.add(name, path, [merged, product], layer=zeroed), merged
        )

    def _extreme(self, name: str, inputs: Sequence[Value]) -> Value:
        """Maximum and Minimum since Keras 3.4: a masked position does not compete.

        Keras 3.15 ``keras/src/layers/merging/base_merge.py``.
        """
        so_far, mask = inputs[0]
        for i, (x, own) in enumerate(inputs[1:]):
            if own is not None:
                x = self._where(name, f"other_{i}", own, x, so_far)
            if mask is not None:
                so_far = self._where(name, f"so_far_{i}", mask, so_far, x)
            last = i == len(inputs) - 2
            step = name if last else f"{name}#pair_{i}"
            both = [mask, own] if mask is not None and own is not None else [None]
            mask = self._merged(f"{name}#{i}", both)
            so_far = self.builder.add(step, self.path, [so_far, x])
        return Value(so_far, mask)

    def _where(
        self, name: str, label: str, mask: Ref, x: Ref, otherwise: Ref | float
    ) -> Ref:
        constant = otherwise if isinstance(otherwise, float) else 0.0
        others = [] if isinstance(otherwise, float) else [otherwise]
        layer = runtime.Where(otherwise=constant, dtype=self._dtype())
        return self.node(name, label, [mask, x, *others], layer)

    def _dtype(self) -> str:
        return self.builder.layers[self.path].dtype

    def node(self, name: str, label: str, inputs: Sequence[Ref], layer: Layer) -> Ref:
        """Add a node of the masks' own to that of a call; its output."""
        path = f"{name}#{label}"
        return self.builder.add(path, path, inputs, layer=layer)


# How masked positions are skipped, by what a merge layer makes of them.
SKIP_MASKED: dict[str, Callable[[Masks, str, Sequence[Value]], Value] | None] = {
    COUNTED: None,
    LEFT_OUT: Masks._extreme,
    ONE: Masks._multiply,
}
