"""Keras 3 weights (``.weights.h5``): arrays under the path of the object that has them.

layers/gru/cell/vars/0     and 1, 2, ... in the order of creation
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from gru2np.readers.layer_numbers import (
    DEPENDENCIES,
    LAYERS,
    as_since,
    numbered_since,
)
from gru2np.readers.safe.damage import broken, shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.ir import StoredTensor
    from gru2np.readers.safe.hdf5 import SafeHdf5

MOST_GROUPS = 50_000
MOST_DEPTH = 48

#: Groups of every compiled model that are not layers.
NO_LAYERS = ("compile_metrics", "loss", "metrics", "optimizer")
#: States of random number generators, which inference does not use.
RANDOM_STATES = frozenset({"seed_generator", "random_generator"})

_NUMBER = re.compile(r"0|[1-9][0-9]{0,5}", re.ASCII)


def variables_of(path: str) -> str:
    """The group that holds the variables of the object at a path."""
    return f"{path}/vars" if path else "vars"


def in_order(arrays: Mapping[str, StoredTensor], where: str) -> list[StoredTensor]:
    """The arrays 0, 1, 2, ... in this order, all present; "10" comes after "9"."""
    names = [str(index) for index in range(len(arrays))]
    if set(names) != set(arrays):
        strange = sorted(set(arrays) - set(names))[0]
        raise broken(where, f"the arrays 0 to {len(arrays) - 1}", shown(strange))
    return [arrays[name] for name in names]


class Hdf5Paths:
    """Weights by path; ``""`` is the model itself.

    Paths are those of Keras 3; those of tf.keras 2.12 to 2.14 are translated.

    Attributes:
        translates: whether tf.keras 2.12 to 2.14 wrote the file.
    """

    def __init__(self, file: SafeHdf5) -> None:
        self._file = file
        self._known: dict[str, dict[str, StoredTensor]] = {}
        self._names: dict[str, Mapping[str, str]] = {}
        self.translates = file.child(file.root, DEPENDENCIES, file.where) is not None

    def variables(self, path: str) -> Sequence[StoredTensor]:
        """The variables in the group ``<path>/vars``, in order; empty if none."""
        return in_order(self.arrays(path), self._variables(path)[1])

    def arrays(self, path: str) -> Mapping[str, StoredTensor]:
        """The arrays in the group ``<path>/vars`` by name; empty if there is none."""
        if path not in self._known:
            group, where = self._variables(path)
            names = [] if group is None else self._file.children(group, where)
            strange = sorted(name for name in names if not _NUMBER.fullmatch(name))
            if strange:
                expected = f"the arrays 0 to {len(names) - 1}"
                raise broken(where, expected, shown(strange[0]))
            self._known[path] = {
                name: self._file.tensor(group, name, where) for name in names
            }
        return self._known[path]

    def owner(self, path: str) -> str | None:
        """The name of the object that owns the variables; written since Keras 3.6."""
        group, where = self._variables(path)
        return None if group is None else self._file.text(group, "name", where)

    def paths(self) -> Iterator[str]:
        """Every path that holds variables, of the model itself and of its layers.

        Inference does not use the others (optimizer, metrics, losses).
        """
        file = self._file
        if self._holds(file.root, file.where):
            yield ""
        top = DEPENDENCIES if self.translates else LAYERS
        if file.child(file.root, top, file.where) is not None:
            yield from self._walk(LAYERS, top)

    def foreign_paths(self) -> Iterator[str]:
        """Paths that hold variables where no model of Keras has any.

        A custom model class stores its layers under the names of its attributes.
        """
        file = self._file
        if self.translates:
            return
        for name in file.children(file.root, file.where):
            if name not in (LAYERS, "vars", *NO_LAYERS) and not name.startswith("_"):
                yield from self._walk(name, name)

    def _walk(self, path: str, top: str) -> Iterator[str]:
        # Groups may contain themselves, so depth and number have a limit.
        file, seen = self._file, 0
        waiting: list[tuple[str, str, Any]] = [(path, top, file.root)]
        while waiting:
            path, stored, above = waiting.pop()
            where = f"{file.where}/{stored}"
            group = file.group(above, stored.rpartition("/")[2], where)
            if group is None:
                continue
            names = self._spelled(group, path, where)
            seen += len(names)
            if seen > MOST_GROUPS or path.count("/") > MOST_DEPTH:
                expected = f"a tree of at most {MOST_DEPTH} levels"
                raise broken(where, expected, "groups that contain themselves")
            if self._holds(group, where):
                yield path
            waiting += [
                (f"{path}/{name}", f"{stored}/{names[name]}", group)
                for name in sorted(names, reverse=True)
                if name != "vars" and name not in RANDOM_STATES
            ]

    def _variables(self, path: str) -> tuple[Any | None, str]:
        """The group ``<path>/vars``, or None, and where it is."""
        below = variables_of(path)
        stored = self._stored(below) if self.translates else below
        if stored is None:
            return None, f"{self._file.where}/{below}"
        group = self._file.group(self._file.root, stored, self._file.where)
        return group, f"{self._file.where}/{stored}"

    def _stored(self, path: str) -> str | None:
        """The path in the file of a path of Keras 3; None if it is not there."""
        group: Any | None = self._file.root
        stored = walked = ""
        for name in path.split("/"):
            where = f"{self._file.where}/{stored}".rstrip("/")
            if walked not in self._names:
                self._names[walked] = self._spelled(group, walked, where)
            entry = self._names[walked].get(name)
            group = None if entry is None else self._file.group(group, entry, where)
            if entry is None or group is None:
                return None
            stored = f"{stored}/{entry}".lstrip("/")
            walked = f"{walked}/{name}".lstrip("/")
        return stored

    def _spelled(self, group: Any, path: str, where: str) -> Mapping[str, str]:
        """The names in the group at a path, as {name in Keras 3: name in the file}."""
        names = self._file.children(group, where)
        if not self.translates:
            return {name: name for name in names}
        is_list = path.rpartition("/")[2] == LAYERS
        return (numbered_since if is_list else as_since)(names, where)

    def _holds(self, group: Any, where: str) -> bool:
        inner = self._file.group(group, "vars", where)
        return inner is not None and bool(self._file.children(inner, f"{where}/vars"))
