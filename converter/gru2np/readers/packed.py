"""A model in an archive: in a ``.zip``, or compressed as ``.gz``.

An archive with several models is refused.
"""

from __future__ import annotations

import tempfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, BinaryIO, cast

from gru2np.readers import array_list, hdf5, saved_model
from gru2np.readers.members import CONFIG, MODELS, WEIGHTS, read_model
from gru2np.readers.safe.damage import broken, reading, shown
from gru2np.readers.safe.window import BLOCK, Window
from gru2np.readers.safe.zip_archive import (
    MOST_EXPANSION,
    MOST_UNPACKED_BYTES,
    SMALL,
    SafeZip,
)
from gru2np.readers.source import SAVE, Source, kind_of, open_source

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from gru2np.ir import RawModel

#: The folder that macOS adds to an archive.
_MACOS = "__MACOSX/"


@dataclass(frozen=True)
class Folder:
    """The members of one folder of an archive, by their names in the folder.

    Attributes:
        archive: the archive.
        above: the folder with its slash; empty for the archive itself.
        where: for messages.
        opened: the members opened so far, by name.
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


def read_zip(source: Source, stack: ExitStack) -> RawModel:
    """A ``.keras`` archive, or the one model in an archive."""
    archive = SafeZip(source.window, source.name, stack)
    if archive.has(CONFIG):
        return read_model(archive, stack, source.name, lambda: [source.window])
    models = _models(archive.names)
    if not models:
        raise broken(source.name, "a Keras model", *_recognise(archive.names))
    if len(models) > 1:
        advice = f"unpack it and give {' or '.join(map(shown, models[:5]))}"
        got = f"an archive of {len(models)}"
        raise broken(source.name, "one Keras model", got, advice)
    name = models[0]
    where = f"{source.name}/{name}".rstrip("/")
    if name and not name.endswith("/"):
        inner = Source(where, archive.window(name, stack), source.folder)
        return _noted(_inside(inner, stack), name, source)
    folder = Folder(archive, name, where, {})
    if folder.has(saved_model.MODEL):
        raw = saved_model.read(folder, where, stack)
    else:
        raw = read_model(folder, stack, where, lambda: [source.window])
    return _noted(raw, name, source) if name else raw


def read_gzip(source: Source, stack: ExitStack) -> RawModel:
    """The model in a ``.gz``."""
    name = source.name.removesuffix(".gz")
    inner = Source(f"{source.name}/{name}", unzipped(source, stack), source.folder)
    return _noted(_inside(inner, stack), name, source)


def _inside(inner: Source, stack: ExitStack) -> RawModel:
    """The model in an archive; another archive inside is refused."""
    kind = kind_of(inner)
    if kind == "hdf5":
        return hdf5.read(inner, stack)
    if kind == "zip":
        archive = SafeZip(inner.window, inner.name, stack)
        if archive.has(CONFIG):
            return read_model(archive, stack, inner.name, lambda: [inner.window])
    raise broken(
        inner.name,
        "a Keras model",
        f"{kind} in an archive",
        "unpack it first, and give the model that is in it",
    )


def _noted(raw: RawModel, name: str, source: Source) -> RawModel:
    """The model, with a note on the member that it was read from."""
    note = f"the model is {name.rstrip('/')}, in {source.name}"
    return replace(raw, notes=(*raw.notes, note))


def _models(names: Iterable[str]) -> list[str]:
    """The names of possible models in an archive; those of folders end with a slash."""
    found = []
    # A dict keeps the order and is fast to search.
    members = dict.fromkeys(name for name in names if not name.startswith(_MACOS))
    for name in members:
        folder = name[: -len(PurePosixPath(name).name)]
        last = name[len(folder) :]
        if last == saved_model.MODEL or (
            last == CONFIG and any(folder + weights in members for weights in WEIGHTS)
        ):
            found.append(folder)
        elif last.lower().endswith(MODELS) and last not in WEIGHTS:
            found.append(name)
    return found


def _recognise(names: list[str]) -> tuple[str, str]:
    """What another archive is, and what to do."""
    if "manifest.json" in names:
        advice = (
            "it is exported already: gru2np predict BUNDLE -i x.npy -o y.npy runs it, "
            "as does gru2np_runtime.load() in Python"
        )
        return "a gru2np bundle", advice
    if array_list.is_list(names):
        advice = (
            "give the architecture that model.to_json() writes, and this file with "
            "--weights (in Python, weights=); gru2np inspect lists what is in it"
        )
        return "a list of arrays: weights without an architecture", advice
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch file", SAVE
    return f"a zip archive of {shown(names[:5])}", SAVE


def unzipped(source: Source, stack: ExitStack) -> Window:
    """What a ``.gz`` holds, unpacked to a file without a name.

    Raises:
        ModelFileError: it is damaged, or expands more than models do.
    """
    where, window = source.name, source.window
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
                advice = "unpack it first, and give the model that is in it"
                got = "more bytes behind it"
                raise broken(where, "one gzip archive", got, advice)
        if not stream.eof:
            raise broken(where, "a whole gzip archive", "the end")
    return Window(cast("BinaryIO", spool))


def unpacked(path: Path, folder: Path) -> Path:
    """The path of a model; one in an archive is unpacked into a folder first.

    Args:
        path: a model that ``open_model`` reads.
        folder: where its files are put.
    """
    if path.is_dir():
        return path
    with ExitStack() as stack:
        source = open_source(path, stack)
        kind = kind_of(source)
        target = folder / "unpacked"
        if kind == "gzip":
            _write(unzipped(source, stack), target)
            return target
        archive = SafeZip(source.window, path.name, stack) if kind == "zip" else None
        if archive is None or archive.has(CONFIG):
            return path
        (name,) = _models(archive.names)
        if not name.endswith("/") and name:
            _write(archive.window(name, stack), target)
            return target
        for member in archive.names:
            if member.startswith(name) and not member.endswith("/"):
                _write(archive.window(member, stack), target / member[len(name) :])
        return target


def _write(window: Window, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        for block in window.blocks():
            file.write(block)
