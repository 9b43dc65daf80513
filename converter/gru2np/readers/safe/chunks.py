"""Arrays stored in compressed chunks: each chunk is weighed before HDF5 unpacks it.

HDF5 inflates a chunk to whatever size comes out, so a small chunk can fill the
memory.  Here each is inflated first, by zlib and under a limit.
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
    """The bytes all chunks of an array take when unpacked, checked without reading."""
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
        # What gzip cannot shrink it enlarges a little.
        if chunk.size > chunk_bytes + chunk_bytes // 10 + 64:
            got = f"{chunk.size}"
            raise broken(where, f"chunks of at most {chunk_bytes} bytes", got)
    return chunk_bytes * len(chunks)


def check_chunks(dataset: Any, where: str) -> None:
    """Inflate every chunk once, under the limit of its declared size."""
    filters = _filters(dataset.id.get_create_plist())
    if _GZIP not in filters:
        return
    most = _chunk_bytes(dataset) + _CHECKSUM_BYTES
    place = filters.index(_GZIP)
    for chunk in _stored(dataset, MOST_CHUNKS, where, exact=False):
        skipped, data = dataset.id.read_direct_chunk(chunk.chunk_offset)
        if skipped & (1 << place):  # stored as it is, for gzip would have enlarged it
            continue
        if _FLETCHER32 in filters[place + 1 :]:
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
    """The chunks in the file; with ``exact``, each of ``count`` must be there once."""
    if count > MOST_CHUNKS:
        raise broken(where, f"at most {MOST_CHUNKS} chunks", str(count))
    found: list[Any] = []

    def keep(chunk: Any) -> bool | None:
        found.append(chunk)
        return True if len(found) > count else None  # anything but None ends the walk

    dataset.id.chunk_iter(keep)
    distinct = len({chunk.chunk_offset for chunk in found})
    if distinct < len(found) or (exact and len(found) != count):
        raise broken(where, f"{count} chunks, each once", f"{distinct} of them")
    return found
