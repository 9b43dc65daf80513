"""Arrays stored in compressed chunks: checked before HDF5 decompresses them.

HDF5 decompresses a chunk to any size, so a small chunk can fill the memory.  Here each
is first decompressed by zlib, up to a limit.
"""

from __future__ import annotations

import zlib
from math import prod
from typing import Any

from gru2np.readers.safe.damage import broken

MOST_CHUNKS = 100_000

#: By HDF5's filter numbers; any other number can load a plugin from the disk.
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}
_GZIP, _FLETCHER32 = 1, 3
_CHECKSUM_BYTES = 4


def chunked_bytes(dataset: Any, creation: Any, where: str) -> int:
    """The decompressed size of all chunks of an array in bytes; nothing is read."""
    filters = _filters(creation)
    unknown = [number for number in filters if number not in _FILTERS]
    if unknown or len(set(filters)) < len(filters):
        got = f"filter {unknown[0]}" if unknown else "a filter applied twice"
        expected = f"no filters but {', '.join(_FILTERS.values())}"
        raise broken(where, expected, got, "repack it with h5repack -f NONE")
    grid = [-(-size // chunk) for size, chunk in _dimensions(dataset)]
    chunk_bytes = _chunk_bytes(dataset)
    chunks = _stored(dataset, prod(grid), where)
    for chunk in chunks:
        # gzip makes incompressible data a little larger.
        if chunk.size > chunk_bytes + chunk_bytes // 10 + 64:
            got = f"{chunk.size}"
            raise broken(where, f"chunks of at most {chunk_bytes} bytes", got)
    return chunk_bytes * len(chunks)


def check_chunks(dataset: Any, where: str) -> None:
    """Decompress every chunk once, up to its declared size."""
    filters = _filters(dataset.id.get_create_plist())
    if _GZIP not in filters:
        return
    most = _chunk_bytes(dataset) + _CHECKSUM_BYTES
    gzip = filters.index(_GZIP)
    for chunk in _stored(dataset, MOST_CHUNKS, where, exact=False):
        skipped, data = dataset.id.read_direct_chunk(chunk.chunk_offset)
        if skipped & (1 << gzip):  # stored uncompressed, because that is smaller
            continue
        if _FLETCHER32 in filters[gzip + 1 :]:
            data = data[:-_CHECKSUM_BYTES]
        unpacking = zlib.decompressobj()
        size = len(unpacking.decompress(data, most + 1))
        if size > most or not unpacking.eof:
            raise broken(where, f"a chunk that unpacks to {most} bytes", "another size")


def _filters(creation: Any) -> list[int]:
    return [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]


def _dimensions(dataset: Any) -> list[tuple[int, int]]:
    return list(zip(dataset.shape, dataset.chunks, strict=True))


def _chunk_bytes(dataset: Any) -> int:
    return int(prod(int(size) for size in dataset.chunks) * dataset.dtype.itemsize)


def _stored(dataset: Any, count: int, where: str, exact: bool = True) -> list[Any]:
    """The chunks in the file, each once, at most ``count``; with ``exact``, all."""
    if count > MOST_CHUNKS:
        raise broken(where, f"at most {MOST_CHUNKS} chunks", str(count))
    chunks: list[Any] = []

    def keep(chunk: Any) -> bool | None:
        chunks.append(chunk)
        return True if len(chunks) > count else None  # anything but None ends the walk

    dataset.id.chunk_iter(keep)
    distinct = len({chunk.chunk_offset for chunk in chunks})
    if distinct < len(chunks) or (exact and len(chunks) != count):
        raise broken(where, f"{count} chunks, each once", f"{distinct} of them")
    return chunks
