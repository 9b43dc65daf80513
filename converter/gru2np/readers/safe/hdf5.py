"""The only module that uses h5py: every object is checked before it is used.

HDF5 can point outside the file (links, external and virtual data), name plugins to
load (filters), and declare more than is present (sizes).  Keras writes none of that:
only hard links, and contiguous unfiltered arrays that are completely present.  A
chunked and compressed array, as from ``h5repack``, is read after the size of each
chunk was checked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from gru2np.ir import StoredTensor
from gru2np.readers.safe.chunks import check_chunks, chunked_bytes
from gru2np.readers.safe.damage import broken, reading, shown
from gru2np.readers.safe.json_text import MOST_BYTES
from gru2np.readers.safe.text_attributes import TextAttributes
from gru2np.readers.safe.window import Window

if TYPE_CHECKING:
    from contextlib import ExitStack

    from numpy.typing import NDArray
    from typing_extensions import Buffer

MOST_DEPTH = 64
MOST_NAMES = 20_000
MOST_RANK = 32
MOST_DIMENSION = 1 << 40
#: Weights compress by a tenth; a file that expands more than this is a bomb.
MOST_EXPANSION = 100

_KINDS = {
    h5py.h5d.COMPACT: "compact",
    h5py.h5d.CONTIGUOUS: "contiguous",
    h5py.h5d.CHUNKED: "chunked",
    h5py.h5d.VIRTUAL: "virtual",
}
_LINKS = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "an external link"}


class _Driver(Window):
    """The file object that HDF5 reads: a short read is an error."""

    def readinto(self, buffer: Buffer) -> int:
        wanted = memoryview(buffer).nbytes
        count = super().readinto(buffer)
        if count != wanted:  # HDF5 would use uninitialised memory for the rest
            raise OSError(f"{wanted} bytes asked for, {count} left in the file")
        return count


class SafeHdf5:
    """An HDF5 file that returns only checked objects.

    Names are single links below a group, never paths; ``where`` names the object in
    messages.
    """

    def __init__(self, window: Window, where: str, stack: ExitStack) -> None:
        self.where = where
        self._driver = _Driver(window)
        self._stored = 0
        self._declared = 0
        with reading(where):
            # From a Python file object HDF5 learns no path: it takes no lock and
            # opens no other files.
            file = h5py.File(self._driver, "r")
            stack.callback(file.close)
            sizes = file.id.get_create_plist().get_sizes()
            self._texts = TextAttributes(window, file.userblock_size, sizes)
            self.root = file["/"]

    # Groups

    def child(self, group: Any, name: str, where: str) -> Any | None:
        """The group or dataset that a hard link names, or None."""
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            raise broken(where, "the name of one object", shown(name))
        with reading(where):
            raw = name.encode()
            if not group.id.links.exists(raw):
                return None
            kind = group.id.links.get_info(raw).type
            if kind != h5py.h5l.TYPE_HARD:
                got = _LINKS.get(kind, "a link of another kind")
                advice = (
                    "links can read other files and are never followed: save the model "
                    "again with its arrays in it"
                )
                raise broken(f"{where}/{name}", "an object in the file", got, advice)
            return group[name]

    def group(self, group: Any, path: str, where: str) -> Any | None:
        """The group at a path below a group, walked link by link, or None."""
        parts = path.split("/")
        if len(parts) > MOST_DEPTH:
            raise broken(where, f"a path of at most {MOST_DEPTH} names", shown(path))
        for part in parts:
            group = self.child(group, part, where)
            if group is None:
                return None
            where = f"{where}/{part}"
            if not isinstance(group, h5py.Group):
                raise broken(where, "a group", _kind(group))
        return group

    def children(self, group: Any, where: str) -> list[str]:
        """The names of all links in a group."""
        with reading(where):
            count = group.id.get_num_objs()
            if count > MOST_NAMES:
                raise broken(where, f"at most {MOST_NAMES} names", str(count))
            return [name.decode() for name in group.id]

    # Attributes

    def has(self, group: Any, name: str) -> bool:
        """Whether a group has an attribute by this name."""
        with reading(self.where):
            return bool(h5py.h5a.exists(group.id, name.encode()))

    def text(self, group: Any, name: str, where: str) -> str | None:
        """An attribute of one string, or None if there is none."""
        value = self._attribute(group, name, where)
        if value is None or isinstance(value, str):
            return value
        raise broken(f"{where} attribute {name}", "one string", shown(value))

    def names(self, group: Any, name: str, where: str) -> list[str] | None:
        """An attribute that lists names, or None if there is none.

        Keras splits a list above 64 kB over ``<name>0``, ``<name>1``, ...
        """
        whole = self._attribute(group, name, where)
        if whole is not None:
            return self._list(whole, f"{where} attribute {name}")
        joined: list[str] = []
        for index in range(MOST_NAMES):
            part = self._attribute(group, f"{name}{index}", where)
            if part is None:
                return joined if index else None
            joined += self._list(part, f"{where} attribute {name}{index}")
            if len(joined) > MOST_NAMES:
                break
        raise broken(where, f"at most {MOST_NAMES} names in {name}", "more")

    def _list(self, value: str | list[str], where: str) -> list[str]:
        if isinstance(value, str):
            raise broken(where, "a list of names", "one string")
        return value

    def _attribute(self, group: Any, name: str, where: str) -> str | list[str] | None:
        """An attribute of strings; any empty list, as Keras writes those as numbers."""
        where = f"{where} attribute {name}"
        with reading(where):
            if not self.has(group, name):
                return None
            attribute = h5py.h5a.open(group.id, name.encode())
            stored = attribute.get_type()
            count = attribute.get_space().get_simple_extent_npoints()
            if count == 0:
                return []
            if not isinstance(stored, h5py.h5t.TypeStringID):
                raise broken(where, "text", stored.dtype.name)
            if count > MOST_NAMES:
                raise broken(where, f"at most {MOST_NAMES} names", str(count))
            if stored.is_variable_str():
                texts = self._texts.read(
                    h5py.h5o.get_info(group.id).addr, name.encode(), count
                )
                decoded = [text.decode() for text in texts]
                return decoded[0] if attribute.shape == () else decoded
            if count * stored.get_size() > MOST_BYTES:
                got = f"{count * stored.get_size()} bytes"
                raise broken(where, f"at most {MOST_BYTES} bytes", got)
            value = group.attrs[name]
            if isinstance(value, np.ndarray):
                if value.ndim != 1:
                    raise broken(where, "a list of names", f"shape {value.shape}")
                return [_text(item) for item in value.tolist()]
            return _text(value)

    # Arrays

    def tensor(self, group: Any, path: str, where: str) -> StoredTensor:
        """The array at a path below a group, checked but not read."""
        above, slash, name = path.rpartition("/")
        parent = self.group(group, above, where) if slash else group
        dataset = None if parent is None else self.child(parent, name, where)
        where = f"{where}/{path}"
        if dataset is None:
            advice = "the file is damaged, or its saving was cut short: save it again"
            raise broken(where, "an array", "nothing by this name", advice)
        if not isinstance(dataset, h5py.Dataset):
            raise broken(where, "an array", _kind(dataset))
        with reading(where):
            shape, stored = self._check(dataset, where)

        def read() -> NDArray[Any]:
            if not dataset:
                raise ValueError(f"{where}: read after the model file was closed")
            with reading(where):
                if dataset.chunks is not None:
                    check_chunks(dataset, where)
                return _native(np.asarray(dataset[()]))

        return StoredTensor(where, shape, stored, read)

    def _check(self, dataset: Any, where: str) -> tuple[tuple[int, ...], str]:
        # The layout first: reading the shape of a virtual dataset may open its sources.
        creation = dataset.id.get_create_plist()
        layout = _KINDS.get(creation.get_layout(), "unknown")
        if creation.get_external_count():
            layout = "external"
        if layout not in ("compact", "contiguous", "chunked"):
            advice = (
                "such data can read other files and is never opened: save the model "
                "again with its arrays in it"
            )
            raise broken(where, "an array stored in the file", f"{layout} data", advice)
        stored = _stored_dtype(dataset, where)
        shape = dataset.shape
        if shape is None:
            raise broken(where, "an array", "an empty dataspace")
        if len(shape) > MOST_RANK or any(size > MOST_DIMENSION for size in shape):
            raise broken(where, "the shape of a weight", shown(shape))
        declared = dataset.dtype.itemsize
        for size in shape:
            declared *= int(size)
        present = int(dataset.id.get_storage_size())
        if layout == "chunked":
            declared = chunked_bytes(dataset, creation, where)
        elif creation.get_nfilters():
            raise broken(where, "an array without filters", "a filter")
        elif present != declared:
            got = f"{present}"
            raise broken(where, f"{declared} bytes for the shape {shape}", got)
        self._spend(declared, present, where)
        return tuple(int(size) for size in shape), stored

    def _spend(self, declared: int, present: int, where: str) -> None:
        # In an honest file arrays do not share bytes, so all together they fit into it.
        # Several names for one array would multiply the bytes that are read.
        self._stored += present
        self._declared += declared
        if self._stored > self._driver.size:
            got = f"{self._stored} or more: several names share the same bytes"
            raise broken(where, f"at most the file's {self._driver.size} bytes", got)
        most = (1 << 20) + MOST_EXPANSION * self._driver.size
        if self._declared > most:
            got = f"{self._declared} bytes or more when decompressed"
            raise broken(where, f"at most {most} bytes from this file", got)


def _kind(item: Any) -> str:
    kinds = {h5py.Group: "a group", h5py.Dataset: "an array"}
    return kinds.get(type(item), "another kind of object")


def _text(value: Any) -> str:
    if not isinstance(value, bytes):
        raise ValueError(f"expected text, got {shown(value)}")
    return value.decode()


def _stored_dtype(dataset: Any, where: str) -> str:
    dtype = dataset.dtype
    if dtype.str == "|V2" and dtype.names is None and dtype.subdtype is None:
        return "bfloat16"  # Keras stores it so, because NumPy has no such dtype
    # Enumerations have metadata; NumPy may read an unusual float as a wider one.
    plain = (
        dtype.metadata is None
        and dtype.kind in "fiu"
        and dtype.itemsize <= 8
        and dtype.itemsize == dataset.id.get_type().get_size()
    )
    if plain:
        return str(dtype.newbyteorder("=").name)
    raise broken(where, "an array of floats or integers", f"one of {dtype}")


def _native(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype.kind == "V":
        wide = array.view("<u2").astype(np.uint32) << np.uint32(16)
        return np.asarray(wide, np.uint32).view(np.float32)
    return array.astype(array.dtype.newbyteorder("="), copy=False)
