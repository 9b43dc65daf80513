"""The weights of a part of a model.

A file holds those of the whole model, often by position.  So they are matched to the
whole model if all of it can be converted.  If not, they are matched by the names of the
layers, and those of layers that the part does not have are left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError, UnsupportedModelError
from gru2np.ir import FlatStore, GroupStore
from gru2np.text import listed
from gru2np.weights.match import find

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.ir import (
        KerasLayer,
        KerasModel,
        PathStore,
        RawModel,
        Shape,
        StoredTensor,
    )
    from gru2np.layers.custom import Specs

    Expected = Mapping[str, Mapping[str, Shape]]

# At most this many names are listed.
SHOWN = 6


def find_part(
    whole: KerasModel,
    of_whole: Expected | None,
    part: KerasModel,
    expected: Expected,
    raw: RawModel,
    specs: Specs,
) -> dict[str, StoredTensor]:
    """The stored array of every weight of a part: see ``match.find``.

    Args:
        whole: the model that the file holds.
        of_whole: its weights' shapes by layer path; None if it is not converted.
        part: a part of it.
        expected: the same shapes of the part.
        raw: the file.
        specs: how classes are converted.

    Raises:
        ModelFileError: arrays are missing or of other shapes; lists all.
        UnsupportedModelError: the names in the file do not show which arrays are whose.
    """
    if of_whole is not None:
        try:
            return find(whole, of_whole, raw, specs)
        except ModelFileError:
            # A layer that the part does not have may be at fault.
            pass
    # An input may have the name of the layer that it stands for.
    names = {x.name for x in part.layers if x.class_name != "InputLayer"}
    # As they are in the whole model: nested models may have lost layers.
    kept = tuple(layer for layer in whole.layers if layer.name in names)
    return find(replace(whole, layers=kept), expected, _left(raw, whole, kept), specs)


def _left(raw: RawModel, whole: KerasModel, kept: Sequence[KerasLayer]) -> RawModel:
    """The file without the arrays of the layers that are not kept."""
    names = {layer.name for layer in kept}
    others = {layer.name for layer in whole.layers} - names
    if raw.groups is not None:
        groups = raw.groups.groups
        found = {name for name, arrays in groups if arrays}
        if found - names - others:
            raise _unnamed(raw, found - names - others)
        left = tuple(group for group in groups if group[0] in names)
        return replace(raw, groups=GroupStore(left))
    if raw.paths is not None:
        paths = tuple(layer.path for layer in kept)
        gone = tuple(
            layer.path for layer in whole.layers if layer.path and layer.name in others
        )
        return replace(raw, paths=_Without(raw.paths, paths, gone))
    if raw.flat is not None and raw.flat.named:
        arrays = raw.flat.arrays
        owners = [tensor.name.split("/")[0] for tensor in arrays]
        strange = set(owners) - names - others
        if strange:
            raise _unnamed(raw, strange)
        left_arrays = [
            x for x, owner in zip(arrays, owners, strict=True) if owner in names
        ]
        return replace(raw, flat=FlatStore(tuple(left_arrays), named=True))
    raise UnsupportedModelError(
        f"{raw.file_name}: the weights are stored by position, and layers outside of "
        "the part cannot be converted, so that it is not known how many are theirs: "
        "save the model with Keras as .keras or .h5, which name the layers"
    )


def _unnamed(raw: RawModel, strange: set[str]) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"{raw.file_name}: layers outside of the part cannot be converted, so weights "
        f"are found by the names of layers, but {listed(sorted(strange), SHOWN)} "
        f"{'is' if len(strange) == 1 else 'are'} in the file and not in the "
        "architecture: give the weights that were saved with this architecture"
    )


@dataclass(frozen=True)
class _Without:
    """The arrays of some layers of a file that names them by path."""

    store: PathStore
    kept: tuple[str, ...]
    gone: tuple[str, ...]

    def variables(self, path: str) -> Sequence[StoredTensor]:
        """The variables at a path."""
        return self.store.variables(path)

    def owner(self, path: str) -> str | None:
        """The name of their layer."""
        return self.store.owner(path)

    def paths(self) -> Iterator[str]:
        """Every path with variables of a layer that is kept, or of no layer."""
        return (path for path in self.store.paths() if not self._is_gone(path))

    def foreign_paths(self) -> Iterator[str]:
        """Paths that hold variables where no model of Keras has any."""
        return (path for path in self.store.foreign_paths() if not self._is_gone(path))

    def _is_gone(self, path: str) -> bool:
        inside = any(f"{path}/".startswith(f"{layer}/") for layer in self.kept)
        return not inside and any(f"{path}/".startswith(f"{x}/") for x in self.gone)
