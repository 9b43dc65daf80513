"""The tables of ``reference/json.md``, from the schema of what --json prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = json.loads(
    Path(__file__).with_name("output.schema.json").read_text(encoding="utf-8")
)
OBJECTS: dict[str, Any] = SCHEMA["$defs"]
NAMES = [entry["$ref"].rpartition("/")[2] for entry in SCHEMA["oneOf"]]


def tables() -> str:
    """A table for each command, then one for each object inside."""
    inside = sorted(name for name in OBJECTS if _has_keys(name) and name not in NAMES)
    return "\n\n".join(
        f"## {_title(name)}\n\n{_table(name)}" for name in (*NAMES, *inside)
    )


def keys() -> Iterator[str]:
    """A line for each key of each object: what a change of the form changes."""
    for name in sorted(filter(_has_keys, OBJECTS)):
        for key, value in OBJECTS[name]["properties"].items():
            yield f"{name}.{key}: {_value(name, key, value, link=False)}"


def _has_keys(name: str) -> bool:
    return "properties" in OBJECTS[name]


def _title(name: str) -> str:
    return name.replace("_", " ")


def _table(name: str) -> str:
    lines = ["| key | value | meaning |", "| --- | --- | --- |"]
    for key, value in OBJECTS[name]["properties"].items():
        kind = _value(name, key, value)
        lines.append(f"| `{key}` | {kind} | {value['description']} |")
    return "\n".join(lines)


def _value(name: str, key: str, value: dict[str, Any], *, link: bool = True) -> str:
    absent = "" if key in OBJECTS[name]["required"] else ", or absent"
    return _kind(value, link=link) + absent


def _kind(schema: dict[str, Any], *, link: bool = True) -> str:
    """What a value is, in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if not _has_keys(name):
            return _kind(OBJECTS[name], link=link)
        anchor = _title(name).replace(" ", "-")
        return f"[{_title(name)}](#{anchor})" if link else name
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "oneOf" in schema:
        return " or ".join(_kind(choice, link=link) for choice in schema["oneOf"])
    kinds = schema.get("type", "any value")
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(_plain(kind, schema, link) for kind in kinds)


def _plain(kind: str, schema: dict[str, Any], link: bool) -> str:
    if kind == "array" and "items" in schema:
        return f"array of {_inner(schema['items'], link)}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object by name of {_inner(schema['additionalProperties'], link)}"
    return kind


def _inner(schema: dict[str, Any], link: bool) -> str:
    text = _kind(schema, link=link)
    return f"({text})" if " or " in text else text
