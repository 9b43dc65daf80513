"""Every value of a JSON document replaced and removed, one at a time."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

# What may stand where something else is expected; the last one is half of a pair of
# surrogates, which no text holds.
WRONG = (None, 7.5, -1, "", "x", [], {}, [["x"]], True, 10**30, "\ud800")


def changes(document: Any, part: int = 0, parts: int = 1) -> Iterator[str]:
    """Change a document in place; gives each change in words, and takes it back.

    Args:
        document: a JSON value.
        part: which of the parts, so that all together are every change.
        parts: every so-manyth change.
    """
    yield from islice(_every(document, "$"), part, None, parts)


def _every(value: Any, path: str) -> Iterator[str]:
    for key in list(value) if isinstance(value, dict) else range(len(value)):
        at = f"{path}.{key}" if isinstance(value, dict) else f"{path}[{key}]"
        before = value[key]
        for wrong in WRONG:
            value[key] = json.loads(json.dumps(wrong))
            yield f"{at} = {wrong!r}"
        if isinstance(value, dict):
            del value[key]
            yield f"{at} removed"
        value[key] = before
        if isinstance(before, (dict, list)):
            yield from _every(before, at)
