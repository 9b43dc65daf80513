"""The arrays that layers expect in a file: one slot each, with all possible names."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.ir import Form, KerasLayer, KerasModel, Shape, StoredTensor
    from gru2np.layers.custom import Specs
    from gru2np.layers.spec import Inside, Weights
    from gru2np.weights.naming import PathNaming

    Expected = Mapping[str, Shape]
    Owners = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Leaf:
    """A layer that has weights itself, not only in layers inside it.

    Attributes:
        path: prefix of the paths of its weights in the bundle.
        weights: expected shapes by weight name; None for a free size.
        forms: how a file may store them.
    """

    path: str
    weights: Expected
    forms: tuple[Form, ...]

    def misfits(self, form: Form, stored: Mapping[str, StoredTensor]) -> list[str]:
        """The problems of the arrays of a layer in one form; empty if they fit."""
        problems = []
        for name, shape in form.arrays(self.weights).items():
            tensor = stored.get(name)
            if tensor is None:
                problems.append(
                    f"{self.path}{name}: expected shape {shape}, got no array"
                )
            elif len(shape) != len(tensor.shape) or any(
                expected not in (None, size)
                for expected, size in zip(shape, tensor.shape, strict=True)
            ):
                problems.append(
                    f"{self.path}{name}: expected shape {shape}, got {tensor.shape} "
                    f"at {tensor.name}"
                )
        return problems


@dataclass(frozen=True)
class Slot:
    """An array that a layer expects in a file.

    Attributes:
        leaf: the layer.
        name: of the array, without that of its owner; in most files that of a weight.
        stored: path of the owner's variables in a ``.weights.h5``.
        owner: name of the layer that owns them; empty if a part of it, such as a cell,
            does.
        owners: names that it and the layers around it may have had, outermost first.
        trainable: one of the trainable weights of a legacy group.
        used: a weight is computed from it; else inference does not use it.
        in_groups: legacy groups have it too.
    """

    leaf: Leaf
    name: str
    stored: str
    owner: str
    owners: tuple[tuple[str, ...], ...]
    trainable: bool
    used: bool = True
    in_groups: bool = True

    @property
    def path(self) -> str:
        """The path of the array in the bundle, for messages."""
        return f"{self.leaf.path}{self.name}"


@dataclass(frozen=True)
class _Scope:
    """A layer inside the runtime layer that owns its weights.

    Attributes:
        path: of the runtime layer.
        expected: shapes of all weights of the runtime layer.
        stored: attribute path of the layer's variables.
        owners: names that the layer and those around it may have had, outermost first.
        prefix: of the layer's weights among those of the runtime layer.
        frozen: a layer around it is not trainable.
    """

    path: str
    expected: Expected
    stored: str
    owners: Owners
    prefix: str = ""
    frozen: bool = False

    def inner(
        self, stored: str, prefix: str, names: tuple[str, ...], frozen: bool
    ) -> _Scope:
        """The scope of a layer inside, from its attribute, prefix and names."""
        return replace(
            self,
            stored=f"{self.stored}/{stored}",
            prefix=self.prefix + prefix,
            owners=(*self.owners, names),
            frozen=frozen,
        )

    def leaf(self, weights: Expected, forms: tuple[Form, ...]) -> Leaf:
        """The layer as an owner of weights."""
        return Leaf(f"{self.path}/{self.prefix}", weights, forms)


class Slots:
    """The arrays that the layers of a model expect, in the order of their creation.

    Args:
        expected: weight shapes by layer path and weight name.
        specs: how classes are converted.
        naming: how the file names layers.
    """

    def __init__(
        self, expected: Mapping[str, Expected], specs: Specs, naming: PathNaming
    ) -> None:
        self.expected = expected
        self.specs = specs
        self.naming = naming

    def layers(self, model: KerasModel) -> Iterator[tuple[KerasLayer, str, str]]:
        """The layers of a model, with their names in the bundle and in the file."""
        for layer in model.layers:
            if layer.class_name != "InputLayer":
                name = self.naming.layer(model, layer)
                yield layer, encode_name(layer.name), name

    def of(
        self, layer: KerasLayer, path: str, stored: str, owners: Owners = ()
    ) -> Iterator[Slot]:
        """The arrays of a layer, or of the layers of a nested model.

        Args:
            layer: the layer.
            path: of the runtime layer that owns the weights.
            stored: attribute path of the layer's variables.
            owners: names of the models around it.
        """
        names = (*owners, (layer.name,))
        if layer.model is None:
            shapes = self.expected.get(path, {})
            yield from self._inside(layer, _Scope(path, shapes, stored, names))
            return
        # The ``trainable`` of a nested model does not count, only that of its layers.
        for inner, name, at in self.layers(layer.model):
            yield from self.of(inner, f"{path}/{name}", f"{stored}/{at}", names)

    def _inside(self, layer: KerasLayer, scope: _Scope) -> Iterator[Slot]:
        """The arrays of a layer, and of the layers inside it."""
        if layer.model is not None:
            # A model inside a wrapper: its layers' weights below the wrapper's prefix.
            for inner, name, attribute in self.layers(layer.model):
                yield from self._inside(
                    inner, scope.inner(attribute, f"{name}/", (inner.name,), False)
                )
            return
        spec = self.specs.of(layer)
        assert spec is not None  # the translator has refused unknown classes
        frozen = scope.frozen or layer.training.get("trainable", True) is False
        scope = replace(scope, frozen=frozen)
        rule = spec.weights
        if layer.children and rule is not None and rule.inside is not None:
            yield from self._of_children(layer, rule.inside, scope)
            yield from _unused(rule, scope.leaf({}, layer.forms), scope, layer)
            return
        start = len(scope.prefix)
        weights = {
            name[start:]: shape
            for name, shape in scope.expected.items()
            if name.startswith(scope.prefix)
        }
        if rule is None:
            assert not weights, f"{layer.class_name}: its row says it has no weights"
        elif weights:  # else it has none, or is never called
            leaf = scope.leaf(weights, layer.forms)
            yield from _of_leaf(rule, leaf, scope, layer)
            yield from _unused(rule, leaf, scope, layer)

    def _of_children(
        self, layer: KerasLayer, inside: Inside, scope: _Scope
    ) -> Iterator[Slot]:
        for position, (attribute, child) in enumerate(self._flattened(layer)):
            inner = scope.inner(
                self.naming.child(attribute, position),
                inside.prefix(attribute, position),
                inside.names(attribute, child.name) or (child.name,),
                scope.frozen,
            )
            yield from self._inside(child, inner)

    def _flattened(self, layer: KerasLayer) -> Sequence[tuple[str, KerasLayer]]:
        """The inner layers by attribute; ``flat`` ones are replaced by theirs."""
        children: list[tuple[str, KerasLayer]] = []
        for attribute, child in layer.children:
            spec = self.specs.of(child)
            inside = spec.weights.inside if spec and spec.weights else None
            if inside is not None and inside.flat:
                cells = self._flattened(child)
                children += [(f"{attribute}/{name}", cell) for name, cell in cells]
            else:
                children.append((attribute, child))
        return children


def _of_leaf(
    rule: Weights, leaf: Leaf, scope: _Scope, layer: KerasLayer
) -> Iterator[Slot]:
    """The arrays of a layer's own weights."""
    non_trainable = {
        source
        for form in leaf.forms
        for name in rule.non_trainable & leaf.weights.keys()
        for source in form.sources(name)
    }
    # All forms of a layer have the same arrays, with different shapes.
    for name in leaf.forms[0].arrays(leaf.weights):
        # Some layers create layers: query/kernel.
        part = name.rpartition("/")[0]
        attribute = rule.parts.get(part, part) or rule.variables
        yield Slot(
            leaf,
            name,
            stored=f"{scope.stored}/{attribute}" if attribute else scope.stored,
            owner="" if attribute else layer.name,
            owners=(*scope.owners, (part,)) if part else scope.owners,
            trainable=name not in non_trainable and not scope.frozen,
        )


def _unused(
    rule: Weights, leaf: Leaf, scope: _Scope, layer: KerasLayer
) -> Iterator[Slot]:
    """Variables after a layer's weights that inference does not use."""
    for variable in rule.unused:
        if variable.option and layer.config.get(variable.option) is not True:
            continue
        yield Slot(
            leaf,
            variable.name,
            scope.stored,
            layer.name,
            scope.owners,
            trainable=False,
            used=False,
            in_groups=variable.in_groups,
        )
