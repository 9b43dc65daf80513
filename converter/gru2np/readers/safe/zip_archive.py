"""Zip archives that are not trusted: read by exact name, never extracted.

An archive states everything twice, in its directory and before each member.  Both are
compared, members may not overlap, and no read goes beyond a declared size.
"""

from __future__ import annotations

import struct
import tempfile
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from gru2np.errors import ModelFileError
from gru2np.readers.safe.damage import broken, reading, shown
from gru2np.readers.safe.window import BLOCK, Window

if TYPE_CHECKING:
    from contextlib import ExitStack

#: The directory is held in memory, some ten times its size on disk.
MOST_DIRECTORY_BYTES = 1 << 20
#: Weights compress by a tenth, JSON by a factor of 20; small members may do better.
MOST_EXPANSION = 100
SMALL = 1 << 20
MOST_UNPACKED_BYTES = 2 << 30

_LOCAL_HEADER = struct.Struct("<4sHHHHHLLLHH")
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000
_METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}


class WrongMember(NamedTuple):
    """A member that is left out.

    Attributes:
        name: its name.
        leaves: whether the name leads out of the archive.
        reason: what is wrong.
    """

    name: str
    leaves: bool
    reason: str


class SafeZip:
    """A zip archive, checked as a whole when it is opened.

    Args:
        window: its bytes.
        where: for messages.
        stack: closes it.
        wrong: collects what is wrong with members, which are then left out; by
            default any of it is raised.
    """

    def __init__(
        self,
        window: Window,
        where: str,
        stack: ExitStack,
        wrong: list[WrongMember] | None = None,
    ) -> None:
        self.where = where
        self._window = window
        self._wrong = wrong
        with reading(where):
            view = Window(window)
            view.most = MOST_DIRECTORY_BYTES  # zipfile reads the directory in one go
            self._zip = stack.enter_context(zipfile.ZipFile(cast("BinaryIO", view)))
            view.most = None
            self._members = self._check_names()
            self._starts = self._check_places()

    @property
    def names(self) -> list[str]:
        """The names of all members."""
        return list(self._members)

    def has(self, name: str) -> bool:
        """Whether there is a member by this name."""
        return name in self._members

    def read(self, name: str, most: int, stack: ExitStack) -> bytes:
        """The bytes of a small member."""
        where = f"{self.where} member {name}"
        member = self._member(name)
        if member.file_size > most:
            raise broken(where, f"at most {most} bytes", str(member.file_size))
        with reading(where), self._zip.open(member) as file:
            data = file.read(most + 1)
            self._check_size(member, len(data), where)
        return data

    def window(self, name: str, stack: ExitStack) -> Window:
        """A member as a file: a stored one in place, a deflated one decompressed."""
        where = f"{self.where} member {name}"
        member = self._member(name)
        with reading(where):
            if member.compress_type == zipfile.ZIP_STORED:
                view = Window(self._window, self._starts[name], member.file_size)
                checksum = 0
                for block in view.blocks():
                    checksum = zlib.crc32(block, checksum)
                if checksum != member.CRC:
                    raise broken(where, "the bytes its checksum names", "others")
                return view
            if member.file_size > MOST_UNPACKED_BYTES:
                got = str(member.file_size)
                raise broken(where, f"at most {MOST_UNPACKED_BYTES} bytes", got)
            # A file without a name is removed even if the process is killed.
            spool = tempfile.TemporaryFile()  # noqa: SIM115  closed with the stack
            stack.callback(spool.close)
            with self._zip.open(member) as file:
                while block := file.read(BLOCK):
                    spool.write(block)
            self._check_size(member, spool.tell(), where)
            return Window(cast("BinaryIO", spool))

    def _member(self, name: str) -> zipfile.ZipInfo:
        if name not in self._members:
            got = f"only {shown(self.names[:5])}"
            advice = (
                "this is no Keras model, or its saving was cut short: save it again "
                'with model.save("model.keras")'
            )
            raise broken(self.where, f"a member {name}", got, advice)
        member = self._members[name]
        where = f"{self.where} member {name}"
        if member.compress_type not in _METHODS:
            got = f"method {member.compress_type}"
            raise broken(where, "a stored or deflated member", got)
        if member.file_size > max(SMALL, MOST_EXPANSION * member.compress_size):
            got = f"{member.file_size} bytes out of {member.compress_size}"
            raise broken(where, f"at most {MOST_EXPANSION} times its packed size", got)
        if member.compress_type == zipfile.ZIP_STORED:
            self._check_size(member, member.compress_size, where)
        return member

    def _check_size(self, member: zipfile.ZipInfo, size: int, where: str) -> None:
        if size != member.file_size:
            raise broken(where, f"{member.file_size} bytes as declared", str(size))

    def _check_names(self) -> dict[str, zipfile.ZipInfo]:
        members: dict[str, zipfile.ZipInfo] = {}
        for member in self._zip.infolist():
            name = member.orig_filename
            where = f"{self.where} member {shown(name)}"
            # zipfile returns the last of two members, other libraries the first.
            if name in members:
                self._refuse(name, broken(where, "one member by this name", "several"))
            elif name != member.filename or not _harmless(name):
                advice = (
                    "such a name points outside the archive: save the model again with "
                    'model.save("model.keras")'
                )
                error = broken(where, "a plain relative name", shown(name), advice)
                self._refuse(name, error, leaves=True)
            elif member.flag_bits & _ENCRYPTED:
                advice = "unpack it and save the model again"
                error = broken(where, "a readable member", "an encrypted one", advice)
                self._refuse(name, error)
            else:
                members[name] = member
        return members

    def _refuse(self, name: str, error: ModelFileError, leaves: bool = False) -> None:
        """Raise what is wrong with a member, or collect it."""
        if self._wrong is None:
            raise error
        self._wrong.append(WrongMember(name, leaves, str(error)))

    def _check_places(self) -> dict[str, int]:
        """The offset of the bytes of each member, after its own header."""
        starts: dict[str, int] = {}
        free = 0
        for member in sorted(self._members.values(), key=lambda m: m.header_offset):
            try:
                starts[member.filename], free = self._place(member, free)
            except ModelFileError as error:
                self._refuse(member.filename, error)
                del self._members[member.filename]
        return starts

    def _place(self, member: zipfile.ZipInfo, free: int) -> tuple[int, int]:
        """Where the bytes of a member begin and end; none may begin before ``free``."""
        where = f"{self.where} member {member.filename}"
        with reading(where):
            header = self._window.at(member.header_offset, _LOCAL_HEADER.size)
            fields = _LOCAL_HEADER.unpack(header)
            magic, _, flags, method, *_, name_size, extra_size = fields
            raw = self._window.read(name_size)
            encoding = "utf-8" if flags & 0x800 else "cp437"
            if magic != b"PK\x03\x04" or (
                raw.decode(encoding) != member.filename
                or method != member.compress_type
                or flags & _ENCRYPTED
            ):
                got = "another"
                raise broken(where, "the header its directory entry describes", got)
            start = member.header_offset + len(header) + name_size + extra_size
            if member.header_offset < free or start < 0:
                raise broken(where, "bytes of its own", "bytes of another member too")
            end = start + member.compress_size
            if end > self._zip.start_dir:
                raise broken(where, "bytes within the archive", "bytes beyond them")
        return start, end


def _harmless(name: str) -> bool:
    parts = name.removesuffix("/").split("/")
    return not (
        set(parts) & {"", ".", ".."}
        or "\\" in name
        or "\0" in name
        or ":" in parts[0]
        or not name.isprintable()
    )
