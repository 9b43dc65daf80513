"""Changes of an input that keep its form: JSON stays JSON, a message a message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import config_fuzz
from checkpoint_writer import varint
from gru2np.errors import ModelFileError
from gru2np.readers.safe import protobuf

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    Change = Callable[[bytes], bytes]
    # Number, wire type, and the value as it is encoded, without its length.
    Field = tuple[int, int, bytes]

# How often bytes are changed without regard to what they mean.
BLIND = 0.2
NUMBERS = (
    0,
    1,
    2,
    5,
    127,
    128,
    2**16,
    2**31 - 1,
    2**31,
    2**32,
    2**60,
    2**63,
    2**64 - 1,
)


def changed(data: bytes, kind: str, rng: random.Random, blind: Change) -> bytes:
    """An input with one or a few changes.

    Args:
        data: the input.
        kind: of ``KINDS``.
        rng: draws what is changed.
        blind: changes bytes without regard to what they mean.
    """
    if rng.random() > BLIND:
        found = KINDS[kind](data, rng, blind)
        if found is not None:
            return found
    return blind(data)


def flipped(data: bytes, rng: random.Random) -> bytes:
    """Bytes changed, cut off, repeated or left out, where there is no libFuzzer."""
    size = len(data)
    start, end = sorted((rng.randint(0, size), rng.randint(0, size)))
    kind = rng.randrange(5)
    if kind == 0:
        return data[:end]
    if kind == 1:
        return data[:start] + data[end:]
    if kind == 2:
        return data[:end] + data[start : start + rng.randint(0, 64)] + data[end:]
    if kind == 3:
        number = rng.choice(NUMBERS) & (2**32 - 1)
        return data[:start] + number.to_bytes(4, "little") + data[start + 4 :]
    given = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        if given:
            given[rng.randrange(size)] ^= 1 << rng.randrange(8)
    return bytes(given)


def _json(data: bytes, rng: random.Random, blind: Change) -> bytes | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not value:
        return None
    for _ in range(rng.choice((1, 1, 2, 3))):
        config_fuzz.damage(value, rng)
        if not value:
            break
    return json.dumps(value).encode()


def _protobuf(data: bytes, rng: random.Random, blind: Change) -> bytes | None:
    found = fields(data)
    if not found:
        return None
    index = rng.randrange(len(found))
    number, wire, value = found[index]
    kind = rng.randrange(6)
    if kind == 0:
        del found[index]
    elif kind == 1:
        found.insert(rng.randrange(len(found) + 1), found[index])
    elif kind == 2:
        found[index] = rng.choice((number + 1, rng.randrange(1, 20))), wire, value
    elif wire == 0:
        found[index] = number, wire, varint(rng.choice(NUMBERS))
    elif wire == 2:
        inner = _protobuf(value, rng, blind) if kind < 5 else None
        inner = _json(value, rng, blind) if inner is None else inner
        found[index] = number, wire, blind(value) if inner is None else inner
    else:
        found[index] = number, wire, rng.randbytes(len(value))
    return b"".join(map(_encoded, found))


def fields(data: bytes) -> list[Field] | None:
    """The fields of a message; None if it is none."""
    found, position = [], 0
    try:
        while position < len(data):
            tag, position = protobuf.varint(data, position, "")
            number, wire = tag >> 3, tag & 7
            start = position
            if wire == 0:
                _, end = protobuf.varint(data, position, "")
            elif wire == 2:
                size, start = protobuf.varint(data, position, "")
                end = start + size
            elif wire in (1, 5):
                end = start + (8 if wire == 1 else 4)
            else:
                return None
            if end > len(data) or not number:
                return None
            found.append((number, wire, data[start:end]))
            position = end
    except ModelFileError:
        return None
    return found


def _encoded(field: Field) -> bytes:
    number, wire, value = field
    size = varint(len(value)) if wire == 2 else b""
    return varint(number << 3 | wire) + size + value


KINDS: dict[str, Callable[[bytes, random.Random, Change], bytes | None]] = {
    "bytes": lambda data, rng, blind: None,
    "json": _json,
    "protobuf": _protobuf,
}
