"""A model packed once more: a ``.zip`` that holds one, or a ``.gz`` of one.

Downloads and uploads come so.  Of several models none is chosen.
"""

from __future__ import annotations

import tempfile
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from gru2np.readers.members import CONFIG, WEIGHTS
from gru2np.readers.safe.damage import broken, reading, shown
from gru2np.readers.safe.window import BLOCK, Window
from gru2np.readers.safe.zip_archive import MOST_EXPANSION, MOST_UNPACKED_BYTES, SMALL
from gru2np.readers.saved_model import MODEL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import ExitStack

    from gru2np.readers.safe.zip_archive import SafeZip

#: How names of files end that may hold a model.
MODELS = (".keras", ".h5", ".hdf5")
#: Folders that macOS packs beside what it was asked to pack.
_BESIDE = ("__MACOSX/",)


@dataclass(frozen=True)
class Folder:
    """The members of an archive below a folder, by their names in that folder.

    Attributes:
        archive: the archive.
        above: name of the folder, its slash included; empty for the archive itself.
        where: for messages.
        opened: what was opened so far, by name.
    """

    archive: SafeZip
    above: str
    where: str
    opened: dict[str, Window]

    def has(self, name: str) -> bool:
        """Whether there is a member by this name."""
        return self.archive.has(self.above + name)

    def read(self, name: str, most: int, stack: ExitStack) -> bytes:
        """The bytes of a small member."""
        return self.archive.read(self.above + name, most, stack)

    def window(self, name: str, stack: ExitStack) -> Window:
        """A member as a file, closed with the stack."""
        if name not in self.opened:
            self.opened[name] = self.archive.window(self.above + name, stack)
        return self.opened[name]

    def windows(self) -> list[Window]:
        """All members opened so far, in the order of their names."""
        return [self.opened[name] for name in sorted(self.opened)]


def models(names: Iterable[str]) -> list[str]:
    """What may be a model in an archive: files, and folders, which end with a slash."""
    found = []
    # In the order of the archive, and looked up at once.
    members = dict.fromkeys(name for name in names if not name.startswith(_BESIDE))
    for name in members:
        folder = name[: -len(PurePosixPath(name).name)]
        last = name[len(folder) :]
        if last == MODEL or (
            last == CONFIG and any(folder + own in members for own in WEIGHTS)
        ):
            found.append(folder)
        elif last.lower().endswith(MODELS) and last not in WEIGHTS:
            found.append(name)
    return found


def only(names: Iterable[str], where: str) -> str | None:
    """The one model in an archive; None where there is none.

    Raises:
        ModelFileError: there are several.
    """
    found = models(names)
    if len(found) > 1:
        advice = f"unpack it and give {' or '.join(map(shown, found[:5]))}"
        raise broken(where, "one Keras model", f"an archive of {len(found)}", advice)
    return found[0] if found else None


def unzipped(window: Window, where: str, stack: ExitStack) -> Window:
    """What a ``.gz`` holds, unpacked to a file without a name.

    Raises:
        ModelFileError: it is damaged, or swells beyond what models do.
    """
    most = min(MOST_UNPACKED_BYTES, max(SMALL, MOST_EXPANSION * window.size))
    spool = tempfile.TemporaryFile()  # noqa: SIM115  closed with the stack
    stack.callback(spool.close)
    stream = zlib.decompressobj(wbits=31)
    with reading(where):
        for packed in window.blocks():
            while packed and not stream.eof:
                spool.write(stream.decompress(packed, BLOCK))
                packed = stream.unconsumed_tail
                if spool.tell() > most:
                    raise broken(where, f"at most {most} bytes unpacked", "more")
            if packed or stream.unused_data:
                advice = "unpack it first"
                got = "more bytes behind it"
                raise broken(where, "one gzip archive", got, advice)
        if not stream.eof:
            raise broken(where, "a whole gzip archive", "the end")
    return Window(cast("BinaryIO", spool))
