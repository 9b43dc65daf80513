"""Keras 3 weights in several files (``save_weights(..., max_shard_size=...)``).

m.weights.json         {"metadata": {...}, "weight_map": {"/layers/gru/cell/vars":
                       "m_00000.weights.h5", "/layers/dense/vars": [..., ...]}}
m_00000.weights.h5     beside it: what the map says, by path as in one file

Since Keras 3.10.  The variables of one object may be spread over several files; each
is in one of them.  Keras 3.10 names the first of these files only, and cannot load
what it wrote then; but nothing is lost, and the arrays are numbered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.readers.layer_numbers import DEPENDENCIES, LAYERS
from gru2np.readers.safe.damage import broken, shown
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

#: Each takes an open file and its directory of names in memory.
MOST_SHARDS = 500

_WEIGHT_MAP = "weight_map"
_ADVICE = "keep all the files that save_weights() wrote together in one directory"


def is_index(data: bytes, where: str) -> bool:
    """Whether a JSON file is the map of weights to shards."""
    # Looked for first, for most files are something else and are parsed elsewhere.
    quoted = f'"{_WEIGHT_MAP}"'.encode()
    return quoted in data and _WEIGHT_MAP in parse_object(data, where)


class ShardedPaths:
    """Weights by path, found in the shards that the map names."""

    def __init__(self, members: Members, index: str, stack: ExitStack) -> None:
        self._where = f"{members.where}/{index}" if members.where else index
        data = members.read(index, MOST_BYTES, stack)
        given = parse_object(data, self._where).get(_WEIGHT_MAP)
        if not isinstance(given, dict):
            expected = f"a map of weights to shards at $.{_WEIGHT_MAP}"
            raise broken(self._where, expected, shown(given))
        self._map = _weight_map(given, self._where)
        # Keras 3.10 put down the first shard of an object alone, and no list.
        self._complete = any(isinstance(value, list) for value in given.values())
        names = {name for shards in self._map.values() for name in shards}
        if not self._complete:
            names.update(_neighbours(members, index))
        if len(names) > MOST_SHARDS:
            expected = f"at most {MOST_SHARDS} shards"
            raise broken(self._where, expected, f"{len(names)}")
        self._shards = {
            name: _shard(members, name, self._where, stack) for name in sorted(names)
        }

    def variables(self, path: str) -> Sequence[StoredTensor]:
        """The variables of what is at a path, in order; empty if none."""
        found: dict[str, StoredTensor] = {}
        where = f"{self._where} {variables_of(path)}"
        mapped = self._map.get(f"/{variables_of(path)}", ())
        for name in mapped if self._complete or not mapped else self._shards:
            arrays = self._shards[name].arrays(path)
            twice = sorted(found.keys() & arrays.keys())
            if twice:
                got = f"{twice[0]} in {name} again"
                raise broken(where, "each variable in one shard", got, _ADVICE)
            found.update(arrays)
        return in_order(found, where)

    def owner(self, path: str) -> str | None:
        """The name of the object that owns the variables; None if nothing says it."""
        # It stands in the shard that was open when the object's turn came, which may
        # have been full then.
        owners = {shard.owner(path) for shard in self._shards.values()} - {None}
        if len(owners) > 1:
            where = f"{self._where} {variables_of(path)}"
            got = " and ".join(sorted(shown(owner) for owner in owners))
            raise broken(where, "the shards of one model", got, _ADVICE)
        return next(iter(owners), None)

    def paths(self) -> Iterator[str]:
        """Every path of the model that holds variables, as the map and shards say."""
        mapped = {(path, name) for path, shards in self._own() for name in shards}
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
        """Paths that hold variables where no model of Keras' own classes has them."""
        shards = self._shards.values()
        yield from sorted({path for shard in shards for path in shard.foreign_paths()})

    def _own(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """The part of the map that has to do with inference."""
        for key, shards in self._map.items():
            parts = key[1:].split("/")[:-1]
            if not parts or (parts[0] == LAYERS and not RANDOM_STATES & set(parts)):
                yield "/".join(parts), shards


def _shard(members: Members, name: str, where: str, stack: ExitStack) -> Hdf5Paths:
    if not members.has(name):
        raise broken(where, f"the shard {name} beside it", "no such file", _ADVICE)
    place = f"{members.where}/{name}" if members.where else name
    shard = Hdf5Paths(SafeHdf5(members.window(name, stack), place, stack))
    if shard.translates:
        # Keras that splits weights does not write it, and numbers need whole lists.
        raise broken(place, f"a list {LAYERS} as the map names", DEPENDENCIES)
    return shard


def _neighbours(members: Members, index: str) -> Iterator[str]:
    """The files beside the map, as Keras numbers them."""
    base = index.removesuffix(".json").replace(".weights", "")
    for number in range(MOST_SHARDS + 1):
        name = f"{base}_{number:05}.weights.h5"
        if not members.has(name):
            return
        yield name


def _weight_map(given: dict[str, Any], where: str) -> dict[str, tuple[str, ...]]:
    """The shards of every object, as ``/layers/dense/vars`` names it."""
    if len(given) > MOST_GROUPS:
        raise broken(where, f"at most {MOST_GROUPS} objects", f"{len(given)}")
    weight_map = {}
    for key, value in given.items():
        at = f"{where} at $.{_WEIGHT_MAP}[{shown(key)}]"
        if not key.startswith("/") or not key.endswith("/vars"):
            raise broken(at, "a path such as /layers/dense/vars", shown(key))
        names = value if isinstance(value, list) else [value]
        if not names or len(names) > MOST_SHARDS:
            raise broken(at, f"1 to {MOST_SHARDS} shards", f"{len(names)}")
        for name in names:
            if not isinstance(name, str) or not _bare(name):
                advice = "such a name aims outside the directory"
                raise broken(at, "the bare name of a file", shown(name), advice)
        if len(set(names)) < len(names):
            raise broken(at, "each shard once", shown(names))
        weight_map[key] = tuple(names)
    return weight_map


def _bare(name: str) -> bool:
    return not (set(name) & set("/\\:\0") or name in ("", ".", "..")) and (
        name.isprintable()
    )
