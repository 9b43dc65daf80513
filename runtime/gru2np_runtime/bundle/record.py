"""A reader of JSON objects that refuses what it does not expect, with its path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np_runtime.errors import BundleError

if TYPE_CHECKING:
    from gru2np_runtime.layer import Shape


class Record:
    """One object of the manifest, its keys taken one by one, its path for messages."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong("object", value, path)
        self.value = value
        self.path = path
        self.taken: set[str] = set()

    def take(self, key: str, kind: type, name: str) -> Any:
        """The value of a key, of this type; ``name`` is what errors call the type."""
        self.taken.add(key)
        path = f"{self.path}.{key}"
        if key not in self.value:
            raise BundleError(f"manifest: expected `{name}`, got nothing - at `{path}`")
        value = self.value[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise wrong(name, value, path)
        return value

    def string(self, key: str) -> str:
        """A string."""
        return str(self.take(key, str, "str"))

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """One of these strings."""
        value = self.string(key)
        if value not in choices:
            raise BundleError(
                f"manifest: expected one of {', '.join(choices)}, got `{value}` "
                f"- at `{self.path}.{key}`"
            )
        return value

    def record(self, key: str) -> Record:
        """An object."""
        return Record(self.take(key, dict, "object"), f"{self.path}.{key}")

    def records(self, key: str) -> list[Record]:
        """An array of objects."""
        values = self.take(key, list, "array")
        return [Record(v, f"{self.path}.{key}[{i}]") for i, v in enumerate(values)]

    def shape(self, key: str, *, known: bool = False) -> Shape:
        """A shape; ``known``: without null."""
        values = self.take(key, list, "array")
        for i, value in enumerate(values):
            free = value is None and not known
            number = isinstance(value, int) and not isinstance(value, bool)
            # Python itself counts no further where it slices.
            if not free and not (number and 0 <= value < 2**63):
                raise wrong("int", value, f"{self.path}.{key}[{i}]")
        return tuple(values)

    def reference(self, key: str) -> tuple[str, int]:
        """A node's name and the number of its output."""
        return reference_of(self.take(key, list, "array"), f"{self.path}.{key}")

    def done(self) -> None:
        """Refuse keys that nobody took: they may change the meaning."""
        unknown = sorted(set(self.value) - self.taken)
        if unknown:
            raise BundleError(f"manifest: unknown key - at `{self.path}.{unknown[0]}`")


def reference_of(value: Any, path: str) -> tuple[str, int]:
    """A reference, ``[name, number]``; ``path`` is for errors."""
    if (
        not isinstance(value, list)
        or len(value) != 2
        or not isinstance(value[0], str)
        or not isinstance(value[1], int)
        or isinstance(value[1], bool)
        or value[1] < 0
    ):
        raise wrong("[name, output number]", value, path)
    return value[0], value[1]


def wrong(expected: str, value: object, path: str) -> BundleError:
    """The error for a value of another type than expected."""
    names = {dict: "object", list: "array", type(None): "null", float: "number"}
    got = names.get(type(value), type(value).__name__)
    return BundleError(f"manifest: expected `{expected}`, got `{got}` - at `{path}`")
