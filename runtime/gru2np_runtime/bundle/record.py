"""A reader of JSON objects that refuses unknown keys and wrong types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np_runtime.errors import BundleError

if TYPE_CHECKING:
    from gru2np_runtime.layer import Shape


class Record:
    """One object of the manifest, read key by key; ``path`` is for messages."""

    def __init__(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise wrong("object", value, path)
        self.value = value
        self.path = path
        self.taken: set[str] = set()

    def take(self, key: str, kind: type, name: str) -> Any:
        """The value of a key, checked for its type; messages call the type ``name``."""
        self.taken.add(key)
        path = f"{self.path}.{key}"
        if key not in self.value:
            raise BundleError(f"manifest: expected `{name}`, got nothing - at `{path}`")
        value = self.value[key]
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise wrong(name, value, path)
        return value

    def string(self, key: str) -> str:
        """The value of a key, a string."""
        return str(self.take(key, str, "str"))

    def choice(self, key: str, choices: tuple[str, ...]) -> str:
        """The value of a key, one of these strings."""
        value = self.string(key)
        if value not in choices:
            raise BundleError(
                f"manifest: expected one of {', '.join(choices)}, got `{value}` "
                f"- at `{self.path}.{key}`"
            )
        return value

    def record(self, key: str) -> Record:
        """The value of a key, an object."""
        return Record(self.take(key, dict, "object"), f"{self.path}.{key}")

    def records(self, key: str) -> list[Record]:
        """The value of a key, an array of objects."""
        values = self.take(key, list, "array")
        return [Record(v, f"{self.path}.{key}[{i}]") for i, v in enumerate(values)]

    def shape(self, key: str, *, known: bool = False) -> Shape:
        """The value of a key, a shape; ``known``: null is refused."""
        values = self.take(key, list, "array")
        for i, value in enumerate(values):
            free = value is None and not known
            number = isinstance(value, int) and not isinstance(value, bool)
            # Python slices with integers of 64 bits.
            if not free and not (number and 0 <= value < 2**63):
                raise wrong("int", value, f"{self.path}.{key}[{i}]")
        return tuple(values)

    def reference(self, key: str) -> tuple[str, int]:
        """The value of a key: name of a node and index of its output."""
        return reference_of(self.take(key, list, "array"), f"{self.path}.{key}")

    def refuse_unknown(self) -> None:
        """Refuse keys that were not taken: they might change the meaning."""
        unknown = sorted(set(self.value) - self.taken)
        if unknown:
            raise BundleError(f"manifest: unknown key - at `{self.path}.{unknown[0]}`")


def reference_of(value: Any, path: str) -> tuple[str, int]:
    """A reference, ``[name, number]``; ``path`` is for messages."""
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
