"""Tensors of a model followed through its layers: shapes, dtypes and masks.

Every tensor has an identity, the computation that gives it: two tensors with the same
identity hold the same numbers, masks included.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gru2np.errors import ModelFileError, UnsupportedModelError
from gru2np.graph.flatten import builder_of, default_dtype, flattened
from gru2np.graph.mask_sources import UNUSABLE
from gru2np.graph.parts import pruned
from gru2np.ir import Seams
from gru2np_runtime import layers as runtime
from gru2np_runtime.bundle.manifest_writer import encode_name
from gru2np_runtime.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.graph.assembly import Builder, Ref, Value
    from gru2np.ir import KerasModel, Shape, TensorRef
    from gru2np.layers.custom import Specs
    from gru2np.meaning import Meaning
    from gru2np_runtime import Layer

    # The number of a computation, and which of its outputs.
    Identity = tuple[int, int]


@dataclass(frozen=True)
class Traced:
    """A tensor of a model.

    Attributes:
        identity: the computation that gives it.
        shape: its shape.
        dtype: in the runtime.
        floating: the floating point dtype in Keras; empty for other dtypes.
        mask: its mask, perhaps one of ``UNUSABLE``; None without.
        mask_identity: the computation that gives the mask; None without, or if the mask
            is unknown.
        mask_shape: the shape of the mask; None in the same cases.
    """

    identity: Identity
    shape: Shape
    dtype: str
    floating: str
    mask: Ref | None
    mask_identity: Identity | None
    mask_shape: Shape | None


class Tracer:
    """Follows tensors of one model.

    Args:
        model: the whole model.
        meaning: of its Keras.
        specs: how classes are converted.
    """

    def __init__(self, model: KerasModel, meaning: Meaning, specs: Specs) -> None:
        self.model = model
        self.meaning = meaning
        self.specs = specs
        self.default_dtype = default_dtype(model)
        self._numbers: dict[Any, int] = {}
        self._known: dict[tuple[TensorRef, ...], list[Traced] | None] = {}

    def trace(self, refs: Sequence[TensorRef]) -> list[Traced] | None:
        """Tensors of the model; None if a layer before them cannot be converted."""
        key = tuple(refs)
        if key not in self._known:
            part = pruned(self.model, refs, {})
            seams = Seams({}, (), frozenset(), self.default_dtype, {}, {})
            self._known[key] = self.of_part(replace(part, seams=seams), {})
        return self._known[key]

    def in_place(self, refs: Sequence[TensorRef]) -> list[Traced] | None:
        """Tensors of the model as all of it runs; None if it cannot be converted.

        In some Kerases, attention removes the masks of its inputs, for whatever runs
        later, so that layers depend on others that they read nothing from.
        """
        outputs = (*self.model.outputs, *refs)
        seams = Seams({}, (), frozenset(), self.default_dtype, {}, {})
        found = self.of_part(replace(self.model, outputs=outputs, seams=seams), {})
        return None if found is None else found[-len(refs) :]

    def of_part(
        self, part: KerasModel, identities: Mapping[str, Identity | None]
    ) -> list[Traced] | None:
        """The outputs of a part; None if a layer cannot be converted.

        Args:
            part: a part of the model.
            identities: of its inputs that are no inputs of the model.
        """
        if any(layer.unread is not None for layer in part.layers):
            return None
        try:
            builder = builder_of(part, self.meaning, self.specs)
            ports, values = flattened(builder, part)
        except (UnsupportedModelError, ModelFileError):
            return None
        if builder.problems:
            return None
        known: dict[Ref, Identity] = {}
        given = {encode_name(name): identity for name, identity in identities.items()}
        for port in ports:
            identity = given.get(port.name)
            known[port.name, 0] = identity or (self._number(("input", port.name)), 0)
        self._follow(builder, known)
        return [_traced(builder, value, known) for value in values]

    def _number(self, key: Any) -> int:
        return self._numbers.setdefault(key, len(self._numbers))

    def _follow(self, builder: Builder, known: dict[Ref, Identity]) -> None:
        """Add the identities of the outputs of all nodes."""
        for node in builder.nodes:
            layer = builder.layers[node.layer]
            inputs = tuple(known[ref] for ref in node.inputs)
            both = isinstance(layer, (runtime.LogicalAnd, runtime.LogicalOr))
            if _changes_nothing(layer) or (both and len(set(inputs)) == 1):
                known[node.name, 0] = inputs[0]
                continue
            mask = None if node.mask is None else known[node.mask]
            weights = builder.weights.get(node.layer)
            # The same operation without weights may have several names.
            path = node.layer if weights or layer.layers else ""
            options = "" if isinstance(layer, Graph) else repr(layer.attributes())
            number = self._number((layer.op, path, options, inputs, mask))
            for output in range(len(builder.shapes[node.name])):
                known[node.name, output] = number, output


def _changes_nothing(layer: Layer) -> bool:
    linear = isinstance(layer, runtime.Activation) and layer.function == "linear"
    return linear or isinstance(layer, runtime.Identity)


def _traced(builder: Builder, value: Value, known: Mapping[Ref, Identity]) -> Traced:
    (name, _), mask = value.ref, value.mask
    usable = None if mask is None or mask in UNUSABLE else mask
    return Traced(
        known[value.ref],
        builder.shape(value.ref),
        builder.dtypes[name],
        builder.floats[name],
        mask,
        None if usable is None else known[usable],
        None if usable is None else builder.shape(usable),
    )
