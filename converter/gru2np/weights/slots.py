"""What layers want of a file: one slot for each array, with all that could name it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.ir import Form, KerasLayer, KerasModel, Shape, StoredTensor
    from gru2np.layers.custom import Specs
    from gru2np.layers.spec import Weights
    from gru2np.weights.naming import PathNaming

    Expected = Mapping[str, Shape]
    Owners = tuple[tuple[str, ...], ...]


@dataclass(frozen=True, eq=False)
class Leaf:
    """A layer that has weights itself, and not only through layers inside it.

    Attributes:
        path: what its weights' names stand behind in the bundle.
        weights: the shapes it wants by weight name, None where any size fits.
        forms: how a file may keep them.
    """

    path: str
    weights: Expected
    forms: tuple[Form, ...]

    def misfits(self, form: Form, stored: Mapping[str, StoredTensor]) -> list[str]:
        """What is wrong with the arrays of a layer, if this is how they are kept."""
        problems = []
        for name, shape in form.arrays(self.weights).items():
            tensor = stored.get(name)
            if tensor is None:
                problems.append(
                    f"{self.path}{name}: expected shape {shape}, got no array"
                )
            elif len(shape) != len(tensor.shape) or any(
                wanted not in (None, size)
                for wanted, size in zip(shape, tensor.shape, strict=True)
            ):
                problems.append(
                    f"{self.path}{name}: expected shape {shape}, got {tensor.shape} "
                    f"at {tensor.name}"
                )
        return problems


@dataclass(frozen=True)
class Slot:
    """An array of a file, as a layer wants it.

    Attributes:
        leaf: the layer.
        name: of the array, without its owner's; that of a weight in most files.
        stored: path of the owner's variables in a ``.weights.h5``.
        owner: name of the layer that owns them; empty where it is a cell's.
        owners: names that it and the layers around it may have had, outermost first.
        trainable: stands among the trainable weights of a legacy group.
        used: makes a weight; else it is only there.
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
        """Where the array belongs, for messages."""
        return f"{self.leaf.path}{self.name}"


class Slots:
    """The arrays that the layers of a model want, in the order they were made.

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
            owners: names of what is around it.
        """
        if layer.model is not None:
            # A nested model counts by its leaves' own flags, never by its own.
            names = (*owners, (layer.name,))
            for inner, name, at in self.layers(layer.model):
                yield from self.of(inner, f"{path}/{name}", f"{stored}/{at}", names)
        else:
            shapes = self.expected.get(path, {})
            yield from self._inside(layer, path, stored, shapes, "", False, owners)

    def _inside(
        self,
        layer: KerasLayer,
        path: str,
        stored: str,
        expected: Expected,
        prefix: str,
        frozen: bool,
        owners: Owners,
        names: tuple[str, ...] = (),
    ) -> Iterator[Slot]:
        """A layer's own weights, then those of the layers inside it.

        Args:
            layer: the layer.
            path: of the runtime layer that owns the weights.
            stored: attribute path of the layer's variables.
            expected: shapes of all weights of that runtime layer.
            prefix: of this layer's weights among them.
            frozen: a wrapper around it is not trainable.
            owners: names of what is around it.
            names: that it may have had itself, if not its own.
        """
        owners = (*owners, names or (layer.name,))
        frozen = frozen or layer.training.get("trainable", True) is False
        if layer.model is not None:
            # A model inside a wrapper: its layers' weights below the wrapper's prefix.
            for inner, name, attribute in self.layers(layer.model):
                at, inside = f"{stored}/{attribute}", f"{prefix}{name}/"
                yield from self._inside(
                    inner, path, at, expected, inside, False, owners
                )
            return
        spec = self.specs.get(layer.class_name)
        assert spec is not None  # what nobody can convert has been refused
        kept = spec.weights
        if layer.children and kept is not None and kept.inside is not None:
            for position, (attribute, child) in enumerate(self._runs(layer)):
                yield from self._inside(
                    child,
                    path,
                    f"{stored}/{self.naming.child(attribute, position)}",
                    expected,
                    prefix + kept.inside.prefix(attribute, position),
                    frozen,
                    owners,
                    kept.inside.called(attribute, child.name),
                )
            leaf = Leaf(f"{path}/{prefix}", {}, layer.forms)
            yield from _unused(kept, leaf, stored, layer, owners)
            return
        weights = {
            name[len(prefix) :]: shape
            for name, shape in expected.items()
            if name.startswith(prefix)
        }
        if kept is None:
            assert not weights, f"{layer.class_name}: its row says it has no weights"
            return
        if not weights:
            # It has none, or is called nowhere.
            return
        leaf = Leaf(f"{path}/{prefix}", weights, layer.forms)
        still = {
            source
            for form in layer.forms
            for name in kept.non_trainable & weights.keys()
            for source in form.sources(name)
        }
        # All forms of a layer have the same arrays, of different shapes.
        for name in layer.forms[0].arrays(weights):
            trainable = name not in still and not frozen
            # Some layers hold layers of their own: query/kernel.
            part = name.rpartition("/")[0]
            attribute = kept.parts.get(part, part) or kept.variables
            owner = f"{stored}/{attribute}" if attribute else stored
            around = (*owners, (part,)) if part else owners
            whose = "" if attribute else layer.name
            yield Slot(leaf, name, owner, whose, around, trainable)
        yield from _unused(kept, leaf, stored, layer, owners)

    def _runs(self, layer: KerasLayer) -> Sequence[tuple[str, KerasLayer]]:
        """The layers inside, flat ones replaced by theirs, with joined attributes."""
        found: list[tuple[str, KerasLayer]] = []
        for attribute, child in layer.children:
            spec = self.specs.get(child.class_name)
            inside = spec.weights.inside if spec and spec.weights else None
            if inside is not None and inside.flat:
                found += [(f"{attribute}/{a}", cell) for a, cell in self._runs(child)]
            else:
                found.append((attribute, child))
        return found


def _unused(
    kept: Weights, leaf: Leaf, stored: str, layer: KerasLayer, owners: Owners
) -> Iterator[Slot]:
    """Variables that stand behind a layer's weights and change nothing."""
    for variable in kept.unused:
        if variable.option and layer.config.get(variable.option) is not True:
            continue
        yield Slot(
            leaf,
            variable.name,
            stored,
            layer.name,
            owners,
            trainable=False,
            used=False,
            in_groups=variable.in_groups,
        )
