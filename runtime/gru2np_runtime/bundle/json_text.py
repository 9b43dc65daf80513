"""JSON read by the scanner inside Python's ``json``, without the package around it.

Importing the package compiles regular expressions, which takes three times as long as
reading a manifest.  What the scanner does not take as it is goes to the package, which
says what is wrong; Pythons without the scanner use the package for everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    Pairs = Callable[[list[tuple[str, Any]]], Any]
    Constant = Callable[[str], Any]

_WHITESPACE = " \t\n\r"


class _Options:
    """What the scanner asks of the object that it is made with."""

    strict = True
    object_hook = None
    array_hook = None
    parse_float = float
    parse_int = int

    def __init__(self, pairs: Pairs, constant: Constant) -> None:
        self.object_pairs_hook = pairs
        self.parse_constant = constant


def parse(text: bytes, *, pairs: Pairs, constant: Constant) -> Any:
    """The value of a JSON text in UTF-8.

    Args:
        text: the bytes.
        pairs: makes the value of an object from its keys and values in order; it may
            be called twice for one object.
        constant: makes the value of NaN, Infinity and -Infinity.

    Raises:
        ValueError: it is not JSON, not UTF-8, or holds half of a surrogate pair, which
            could never be written out again.
        RecursionError: it is nested too deep.
    """
    whole = text.decode()
    value = _scanned(whole.strip(_WHITESPACE), pairs, constant)
    if value is None:
        import json

        value = json.loads(whole, object_pairs_hook=pairs, parse_constant=constant)
    if "\\u" in whole:
        import json

        json.dumps(value, ensure_ascii=False).encode()
    return value


def _scanned(text: str, pairs: Pairs, constant: Constant) -> Any:
    """The value of all of a text; None where the scanner does not give one."""
    try:
        from _json import make_scanner

        value, end = make_scanner(_Options(pairs, constant))(text, 0)  # type: ignore[arg-type]
    except (AttributeError, ImportError, StopIteration, TypeError, ValueError):
        return None
    return value if end == len(text) else None
