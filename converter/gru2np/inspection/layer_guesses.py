"""The layer that arrays look like, from their shapes alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    Sizes = tuple[int, ...]

# Layers and the shapes of their arrays.  A letter is any size, the same everywhere in a
# row; ``3u`` is three times u.  The first row that fits is taken.
PATTERNS = {
    "GRU({u}, reset_after=True), {n} features": "n,3u u,3u 2,3u",
    "GRU({u}, reset_after=False), {n} features": "n,3u u,3u 3u",
    "LSTM({u}), {n} features": "n,4u u,4u 4u",
    "SimpleRNN({u}), {n} features": "n,u u,u u",
    "GRU({u}, use_bias=False), {n} features": "n,3u u,3u",
    "LSTM({u}, use_bias=False), {n} features": "n,4u u,4u",
    "Bidirectional(GRU({u}, reset_after=True)), {n} features": (
        "n,3u u,3u 2,3u n,3u u,3u 2,3u"
    ),
    "Bidirectional(GRU({u}, reset_after=False)), {n} features": (
        "n,3u u,3u 3u n,3u u,3u 3u"
    ),
    "Bidirectional(LSTM({u})), {n} features": "n,4u u,4u 4u n,4u u,4u 4u",
    "Bidirectional(SimpleRNN({u})), {n} features": "n,u u,u u n,u u,u u",
    "BatchNormalization(), {n} features": "n n n n",
    "LayerNormalization(), {n} features": "n n",
    "MultiHeadAttention(num_heads={h}, key_dim={d})": (
        "n,h,d h,d m,h,d h,d m,h,v h,v h,v,o o"
    ),
    "Dense({u}), {n} features": "n,u u",
    "Conv1D({f}, {k}), {c} channels": "k,c,f f",
    "Conv2D({f}, ({k}, {l})), {c} channels": "k,l,c,f f",
    "Conv1D({f}, {k}, use_bias=False), {c} channels": "k,c,f",
    "Embedding({n}, {d}), or Dense({d}, use_bias=False)": "n,d",
}
LONGEST = max(len(pattern.split()) for pattern in PATTERNS.values())
_SIZE = re.compile(r"(\d*)([a-z]?)")


def guess(shapes: Sequence[Sizes]) -> str:
    """The layer with arrays of these shapes; empty if none is known."""
    return next(_matches(shapes), "")


def segments(shapes: Sequence[Sizes]) -> Iterator[tuple[int, str]]:
    """Cut a list of arrays into layers: the number of arrays of each, and its guess.

    A guess is empty if no known layer fits.
    """
    start = 0
    while start < len(shapes):
        most = min(LONGEST, len(shapes) - start)
        sizes = (n for n in range(most, 0, -1) if guess(shapes[start : start + n]))
        count = next(sizes, 1)
        yield count, guess(shapes[start : start + count])
        start += count


def _matches(shapes: Sequence[Sizes]) -> Iterator[str]:
    for words, pattern in PATTERNS.items():
        sizes = [part.split(",") for part in pattern.split()]
        letters: dict[str, int] = {}
        if [len(own) for own in sizes] == [len(shape) for shape in shapes] and all(
            _fits(text, size, letters)
            for own, shape in zip(sizes, shapes, strict=True)
            for text, size in zip(own, shape, strict=True)
        ):
            yield words.format(**letters)


def _fits(text: str, size: int, letters: dict[str, int]) -> bool:
    """Whether a size fits a pattern; a new letter is set from the size."""
    match = _SIZE.fullmatch(text)
    assert match is not None  # the patterns are ours
    factor, letter = int(match[1] or 1), match[2]
    if not letter:
        return size == factor
    if size % factor:
        return False
    return letters.setdefault(letter, size // factor) == size // factor
