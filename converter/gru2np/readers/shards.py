"""Keras 3 weights in several files (``save_weights(..., max_shard_size=...)``).

m.weights.json         {"metadata": {...}, "weight_map": {"/layers/gru/cell/vars":
                       "m_00000.weights.h5", "/layers/dense/vars": [..., ...]}}
m_00000.weights.h5     in the same folder: variables by path, as in a single file

Since Keras 3.10.  The variables of one object may be spread over several files, each
in one of them.  Keras 3.10 names only the first of these files, and then cannot load
what it wrote.  No data is lost: the arrays are numbered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.readers.layer_numbers import DEPENDENCIES, LAYERS
from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.folder import bare_name
from gru2np.readers.safe.hdf5 import SafeHdf5
from gru2np.readers.safe.json_text import MOST_BYTES, parse_object
from gru2np.readers.weights_h5 import (
    MOST_GROUPS,
    RANDOM_STATES,
    Hdf5Paths,
    in_order,
    variables_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import ExitStack

    from gru2np.ir import StoredTensor
    from gru2np.readers.source import Members

#: Each shard takes an open file, and memory for its names.
MOST_SHARDS = 500

_WEIGHT_MAP = "weight_map"
_ADVICE = "keep all the files that save_weights() wrote together in one directory"


def is_index(data: bytes, where: str) -> bool:
    """Whether a JSON file is the map of weights to shards."""
    # Parsed only if the key is there: most files are parsed elsewhere.
    quoted = f'"{_WEIGHT_MAP}"'.encode()
    return quoted in data and _WEIGHT_MAP in parse_object(data, where)


class ShardedPaths:
    """Weights by path, in the shards that the map names."""

    def __init__(self, members: Members, index: str, stack: ExitStack) -> None:
        self._where = f"{members.where}/{index}" if members.where else index
        data = members.read(index, MOST_BYTES, stack)
        value = parse_object(data, self._where).get(_WEIGHT_MAP)
        if not isinstance(value, dict):
            expected = f"a map of weights to shards at $.{_WEIGHT_MAP}"
            raise broken(self._where, expected, shown(value))
        self._map = _weight_map(value, self._where)
        # Keras 3.10 wrote only the first shard of an object, never a list.
        self._complete = any(isinstance(shards, list) for shards in value.values())
        names = {name for shards in self._map.values() for name in shards}
        if not self._complete:
            names.update(_numbered_shards(members, index))
        if len(names) > MOST_SHARDS:
            expected = f"at most {MOST_SHARDS} shards"
            raise broken(self._where, expected, f"{len(names)}")
        self._shards = {
            name: _shard(members, name, self._where, stack) for name in sorted(names)
        }

    def variables(self, path: str) -> Sequence[StoredTensor]:
        """The variables of the object at a path, in order; empty if none."""
        variables: dict[str, StoredTensor] = {}
        where = f"{self._where} {variables_of(path)}"
        mapped = self._map.get(f"/{variables_of(path)}", ())
        for name in mapped if self._complete or not mapped else self._shards:
            arrays = self._shards[name].arrays(path)
            twice = sorted(variables.keys() & arrays.keys())
            if twice:
                got = f"{twice[0]} in {name} again"
                raise broken(where, "each variable in one shard", got, _ADVICE)
            variables.update(arrays)
        return in_order(variables, where)

    def owner(self, path: str) -> str | None:
        """The name of the object that owns the variables; None if no shard names it."""
        # The name is in the shard that was open before the variables were written; if
        # that one was full, they are in the next.
        owners = {shard.owner(path) for shard in self._shards.values()} - {None}
        if len(owners) > 1:
            where = f"{self._where} {variables_of(path)}"
            got = " and ".join(sorted(shown(owner) for owner in owners))
            raise broken(where, "the shards of one model", got, _ADVICE)
        return next(iter(owners), None)

    def paths(self) -> Iterator[str]:
        """Every path of the model that has variables in the map and in the shards."""
        mapped = {(path, name) for path, shards in self._of_model() for name in shards}
        stored = {
            (path, name)
            for name, shard in self._shards.items()
            for path in shard.paths()
        }
        known = {path for path, _ in mapped}
        for path, name in sorted(mapped ^ stored):
            where = f"{self._where} {variables_of(path)}"
            if (path, name) in mapped:
                raise broken(where, f"variables in {name}", "none there", _ADVICE)
            if self._complete or path not in known:
                raise broken(where, f"none in {name}", "some there", _ADVICE)
        yield from sorted(known)

    def foreign_paths(self) -> Iterator[str]:
        """Paths that hold variables where no model of Keras has any."""
        shards = self._shards.values()
        yield from sorted({path for shard in shards for path in shard.foreign_paths()})

    def _of_model(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The part of the map that inference needs."""
        for key, shards in self._map.items():
            parts = key[1:].split("/")[:-1]
            if not parts or (parts[0] == LAYERS and not RANDOM_STATES & set(parts)):
                yield "/".join(parts), shards


def _shard(members: Members, name: str, where: str, stack: ExitStack) -> Hdf5Paths:
    if not members.has(name):
        expected = f"the shard {name} in the same folder"
        raise broken(where, expected, "no such file", _ADVICE)
    at = f"{members.where}/{name}" if members.where else name
    shard = Hdf5Paths(SafeHdf5(members.window(name, stack), at, stack))
    if shard.translates:
        # No release that writes shards writes this list, and a part of it cannot be
        # numbered.
        raise broken(at, f"a list {LAYERS} as the map names", DEPENDENCIES)
    return shard


def _numbered_shards(members: Members, index: str) -> Iterator[str]:
    """The shards in the folder of the map, by the numbers of Keras."""
    base = index.removesuffix(".json").replace(".weights", "")
    for number in range(MOST_SHARDS + 1):
        name = f"{base}_{number:05}.weights.h5"
        if not members.has(name):
            return
        yield name


def _weight_map(record: dict[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    """The shards of every object, by ``/layers/dense/vars``."""
    if len(record) > MOST_GROUPS:
        raise broken(where, f"at most {MOST_GROUPS} objects", f"{len(record)}")
    weight_map = {}
    for key, value in record.items():
        at = f"{where} at $.{_WEIGHT_MAP}[{shown(key)}]"
        if not key.startswith("/") or not key.endswith("/vars"):
            raise broken(at, "a path such as /layers/dense/vars", shown(key))
        names = value if isinstance(value, list) else [value]
        if not names or len(names) > MOST_SHARDS:
            raise broken(at, f"1 to {MOST_SHARDS} shards", f"{len(names)}")
        for name in names:
            bare_name(name, at)
        if len(set(names)) < len(names):
            raise broken(at, "each shard once", shown(names))
        weight_map[key] = tuple(names)
    return weight_map
