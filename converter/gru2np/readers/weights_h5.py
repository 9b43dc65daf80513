"""Keras 3 weights (``.weights.h5``): arrays under the path of the object they serve.

layers/gru/cell/vars/0     and 1, 2, ... in the order of creation
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.readers import _not_yet
from gru2np.readers._damage import broken, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.ir import StoredTensor
    from gru2np.readers._safe_hdf5 import SafeHdf5

MOST_GROUPS = 50_000
MOST_DEPTH = 48

#: States of random numbers; inference draws none.
_RANDOM_STATES = frozenset({"seed_generator", "random_generator"})


class Hdf5Paths:
    """Weights by path; ``""`` is the model itself."""

    def __init__(self, file: SafeHdf5, keras_version: str | None) -> None:
        root, where = file.root, file.where
        if file.child(root, "_layer_checkpoint_dependencies", where) is not None:
            _not_yet.checkpoint_dependencies(where, keras_version)
        self._file = file
        self._known: dict[str, tuple[StoredTensor, ...]] = {}

    def variables(self, path: str) -> Sequence[StoredTensor]:
        """The variables in the group ``<path>/vars``, in order; empty if none."""
        if path not in self._known:
            below = f"{path}/vars" if path else "vars"
            group = self._file.group(self._file.root, below, self._file.where)
            where = f"{self._file.where}/{below}"
            self._known[path] = () if group is None else self._read(group, where)
        return self._known[path]

    def owner(self, path: str) -> str | None:
        """The name of the object that owns the variables; written since Keras 3.6."""
        below = f"{path}/vars" if path else "vars"
        group = self._file.group(self._file.root, below, self._file.where)
        where = f"{self._file.where}/{below}"
        return None if group is None else self._file.text(group, "name", where)

    def _read(self, group: Any, where: str) -> tuple[StoredTensor, ...]:
        found = self._file.children(group, where)
        # Sorted as numbers: "10" stands after "9".
        names = [str(index) for index in range(len(found))]
        if set(names) != set(found):
            strange = sorted(set(found) - set(names))[0]
            expected = f"the arrays 0 to {len(found) - 1}"
            raise broken(where, expected, shown(strange))
        return tuple(self._file.tensor(group, name, where) for name in names)

    def paths(self) -> Iterator[str]:
        """Every path of the model that holds variables.

        Only the model's own variables and its layers: what stands beside them
        (optimizer, metrics, losses) has no part in inference.
        """
        file = self._file
        if self._holds(file.root, file.where):
            yield ""
        if file.child(file.root, "layers", file.where) is not None:
            yield from self._walk()

    def _walk(self) -> Iterator[str]:
        # Groups may contain themselves, so depth and number have a limit.
        file, seen = self._file, 0
        waiting: list[tuple[str, Any]] = [("layers", file.root)]
        while waiting:
            path, above = waiting.pop()
            where = f"{file.where}/{path}"
            group = file.group(above, path.rpartition("/")[2], where)
            if group is None:
                continue
            names = file.children(group, where)
            seen += len(names)
            if seen > MOST_GROUPS or path.count("/") > MOST_DEPTH:
                expected = f"a tree of at most {MOST_DEPTH} levels"
                raise broken(where, expected, "groups that contain themselves")
            if self._holds(group, where):
                yield path
            waiting += [
                (f"{path}/{name}", group)
                for name in sorted(names, reverse=True)
                if name != "vars" and name not in _RANDOM_STATES
            ]

    def _holds(self, group: Any, where: str) -> bool:
        inner = self._file.group(group, "vars", where)
        return inner is not None and bool(self._file.children(inner, f"{where}/vars"))
