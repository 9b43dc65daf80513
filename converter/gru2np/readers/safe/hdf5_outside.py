"""What an HDF5 file takes from elsewhere: listed, and never opened or followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import h5py

from gru2np.readers.safe.damage import broken, reading, shown
from gru2np.readers.safe.hdf5 import MOST_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gru2np.readers.safe.hdf5 import SafeHdf5

#: Filters that the library has in itself: their numbers are those of the format.
_OWN_FILTERS = range(1, 256)


class Outside(NamedTuple):
    """One thing that HDF5 would open or run for an object.

    Attributes:
        kind: ``link`` for another file, ``filter`` for a plug-in.
        place: the object.
        text: what it names.
    """

    kind: str
    place: str
    text: str


def outside(file: SafeHdf5) -> Iterator[Outside]:
    """All links to other files, data that other files hold, and filters of plug-ins.

    Raises:
        ModelFileError: the file is damaged, or has more names than any model.
    """
    seen: set[int] = set()
    pending: list[tuple[Any, str]] = [(file.root.id, "")]
    count = 0
    with reading(file.where):
        while pending:
            group, path = pending.pop()
            for name in group:
                count += 1
                if count > MOST_NAMES:
                    raise broken(file.where, f"at most {MOST_NAMES} names", "more")
                place = f"{path}/{name.decode(errors='replace')}"
                link = group.links.get_info(name)
                if link.type == h5py.h5l.TYPE_SOFT:
                    continue  # leads to a name in this file, which is listed itself
                if link.type == h5py.h5l.TYPE_EXTERNAL:
                    other, target = group.links.get_val(name)
                    text = f"an external link to {_name(target)} in {_name(other)}"
                    yield Outside("link", place, text)
                    continue
                if link.type != h5py.h5l.TYPE_HARD:
                    yield Outside("link", place, f"a link of kind {link.type}")
                    continue
                address = h5py.h5o.get_info(group, name).addr
                if address in seen:
                    continue
                seen.add(address)
                item = h5py.h5o.open(group, name)
                if isinstance(item, h5py.h5g.GroupID):
                    pending.append((item, place))
                elif isinstance(item, h5py.h5d.DatasetID):
                    yield from _of_data(item, place)


def _of_data(dataset: Any, place: str) -> Iterator[Outside]:
    """What the data of an array takes from elsewhere; only its description is read."""
    creation = dataset.get_create_plist()
    for index in range(creation.get_external_count()):
        text = f"data in the file {_name(creation.get_external(index)[0])}"
        yield Outside("link", place, text)
    if creation.get_layout() == h5py.h5d.VIRTUAL:
        for index in range(creation.get_virtual_count()):
            other = creation.get_virtual_filename(index)
            if other != ".":
                text = f"virtual data in the file {shown(other)}"
                yield Outside("link", place, text)
    if creation.get_layout() == h5py.h5d.CHUNKED:
        for index in range(creation.get_nfilters()):
            number = creation.get_filter(index)[0]
            if number not in _OWN_FILTERS:
                yield Outside("filter", place, f"data packed by the filter {number}")


def _name(raw: bytes | str) -> str:
    return shown(raw.decode(errors="replace") if isinstance(raw, bytes) else raw)
