"""JSON from a file that is not trusted."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import numpy as np

from gru2np.readers.safe.damage import broken, reading, shown

#: A configuration is 1 kB to 1 MB; parsed JSON takes up to thirty times its bytes.
MOST_BYTES = 8 << 20
#: Real configurations nest 10 to 30 deep, models within models included.
MOST_DEPTH = 100
MOST_VALUES = 1_000_000


def parse_object(data: bytes, where: str) -> dict[str, Any]:
    """The JSON object in ``data``; one too large or too deep is refused unparsed.

    NaN and Infinity are not JSON, but Keras writes them (``mask_value``): they are
    read as floats.
    """
    return _object_of(parse(data, where), where)


def architecture(data: bytes, where: str) -> dict[str, Any]:
    """A Keras architecture: a JSON object with ``class_name`` and ``config``."""
    value = parse(data, where)
    if isinstance(value, str):
        # json.dump(model.to_json()): the text of the object, as a string.
        value = parse(value.encode(), where)
    return checked(_object_of(value, where), where)


def parse(data: bytes, where: str) -> Any:
    """Any value of JSON; one too large or too deep is refused unparsed."""
    if len(data) > MOST_BYTES:
        got = f"{len(data)} bytes"
        raise broken(where, f"at most {MOST_BYTES} bytes of JSON", got)
    _check_structure(data, where)
    with reading(where):
        value = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_object)
        if b"\\u" in data:  # an escape can be a lone surrogate, which is not text
            json.dumps(value, ensure_ascii=False).encode()
    return value


def _object_of(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise broken(where, "a JSON object", type(value).__name__)
    return value


def checked(config: dict[str, Any], where: str) -> dict[str, Any]:
    """The object, if it is an architecture; else refused."""
    if not isinstance(config.get("class_name"), str) or not isinstance(
        config.get("config"), dict | list
    ):
        got = f"an object with the keys {shown(sorted(config), 80)}"
        expected = "a Keras architecture, an object with `class_name` and `config`"
        raise broken(where, expected, got, "write it with model.to_json()")
    return config


def _check_structure(data: bytes, where: str) -> None:
    # Python's parser recurses, so the depth is measured here, whatever its limit is.
    # Backslashes occur in strings only, so once escapes are removed quotes pair up.
    bare = data.replace(rb"\\", b"").replace(rb"\"", b"")
    codes = np.frombuffer(bare, np.uint8)
    # The parity of the quotes so far survives the overflow of uint8.
    inside = np.add.accumulate(codes == ord('"'), dtype=np.uint8) & 1
    codes = codes[inside == 0]
    opened = (codes == ord("[")) | (codes == ord("{"))
    closed = (codes == ord("]")) | (codes == ord("}"))
    depth = np.cumsum(opened.astype(np.int8) - closed, dtype=np.int32)
    deepest = int(depth.max(initial=0))
    if deepest > MOST_DEPTH:
        got = f"{deepest} levels"
        raise broken(where, f"JSON nested at most {MOST_DEPTH} levels deep", got)
    values = int(opened.sum()) + int((codes == ord(",")).sum())
    if values > MOST_VALUES:
        raise broken(where, f"at most {MOST_VALUES} values of JSON", f"{values}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Parsers differ on which of two equal keys is used, so both are refused.
    result = dict(pairs)
    if len(result) < len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = counts.most_common(1)[0][0]
        raise ValueError(f"the key {shown(twice)} is given twice in one object")
    return result
