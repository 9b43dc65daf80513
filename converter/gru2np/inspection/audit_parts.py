"""The parts of a model, one inside another, and what each asks a loader to do.

Nothing is interpreted as a model: a folder, an archive and an HDF5 file are opened by
the safe readers, whatever they hold, and each part is known by its bytes.
"""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gru2np.errors import Gru2npError, shown
from gru2np.inspection.audit_config import in_json, is_path
from gru2np.inspection.findings import Finding
from gru2np.readers import packed, saved_model
from gru2np.readers.safe.damage import reading
from gru2np.readers.safe.hdf5 import SafeHdf5
from gru2np.readers.safe.hdf5_outside import outside
from gru2np.readers.safe.json_text import MOST_BYTES
from gru2np.readers.safe.window import Window
from gru2np.readers.safe.zip_archive import SafeZip, WrongMember
from gru2np.readers.source import Source, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Archives in archives; Keras writes one in none.
MOST_DEPTH = 3
#: Files of a folder; a SavedModel has ten, and a hub's folder some hundreds.
MOST_FILES = 20_000
#: Attributes of HDF5 that hold JSON.
_JSON_ATTRIBUTES = ("model_config", "training_config")
#: Operations of TensorFlow that reach outside a graph; every SavedModel also has those
#: that save and restore its own variables.
_OPERATIONS = (
    *("ReadFile", "WriteFile", "MatchingFiles", "PyFunc", "PyFuncStateless"),
    *("EagerPyFunc", "PrintV2", "InitializeTableFromTextFile", "TextLineDataset"),
    *("InitializeTableFromTextFileV2", "TFRecordDataset", "FixedLengthRecordDataset"),
    *(
        "FixedLengthRecordDatasetV2",
        "SqlDataset",
        "TextLineReaderV2",
        "WholeFileReader",
    ),
    *("WholeFileReaderV2", "TFRecordReaderV2", "ImmutableConst", "LoadDataset"),
    *("SaveDataset", "SaveDatasetV2", "DebugIdentityV2", "RegisterDataset"),
)
#: As the field ``op`` of a node is written: its tag, its length, its letters.
_AS_FIELD = re.compile(
    b"|".join(
        re.escape(bytes([0x12, len(name)]) + name.encode()) for name in _OPERATIONS
    )
)
_PICKLED = re.compile(rb"\x80[\x02-\x05]")
#: The same with the second operation, as every program writes it.
_SURELY_PICKLED = re.compile(rb"\x80([\x04\x05]\x95|[\x02\x03][\x8a}\](cX])")
_PICKLE_NAMES = (".pkl", ".pickle", ".joblib", ".dill")
#: Raw numbers, whose bytes may look like anything.
_NUMBERS = re.compile(r".*\.data-\d+-of-\d+|.*\.bin")
#: The type of an array or of a field, not the name of a field.
_OBJECTS = re.compile(rb"('descr': |, )'[|<>=]?O\d*'")
_NEWEST = re.compile(rb'checkpoint_paths?: *"([^"]*)"')
_YAML = re.compile(rb"!!python/(?!tuple|str|unicode|none|bool|int|float|list|dict)\S+")


@dataclass(frozen=True)
class Part:
    """A file, or a member of one.

    Attributes:
        name: its path below the model; empty for the model itself.
        file: its name for messages.
        window: its bytes.
        depth: how many archives it is in.
    """

    name: str
    file: str
    window: Window
    depth: int = 0


def in_folder(folder: Path) -> Iterator[Finding]:
    """What the files of a folder ask for; links out of it are not followed."""
    top = folder.resolve()
    pending, count = [folder], 0
    while pending:
        current = pending.pop()
        for entry in sorted(os.scandir(current), key=lambda entry: entry.name):
            path = Path(entry.path)
            name = path.relative_to(folder).as_posix()
            count += 1
            if count > MOST_FILES:
                yield Finding("unread", "", "", f"more than {MOST_FILES} files")
                return
            if entry.is_symlink() and not _stays(path, top):
                text = f"a link to {shown(str(path.readlink()))}"
                yield Finding("link", name, "", text)
            elif entry.is_dir():
                # A link to a folder within is that folder, which is listed itself.
                pending.extend([] if entry.is_symlink() else [path])
            elif entry.is_file():
                with ExitStack() as stack:
                    try:
                        file = stack.enter_context(path.open("rb"))
                    except OSError as error:
                        yield Finding("unread", name, "", str(error.strerror))
                        continue
                    yield from in_part(Part(name, path.name, Window(file)))
            else:
                yield Finding("unread", name, "", "no regular file")


def _stays(path: Path, top: Path) -> bool:
    """Whether a link leads into the folder, or to where a hub keeps the same file."""
    try:
        target = path.resolve()
    except (OSError, RuntimeError):  # a link to itself
        return False
    # The cache of a hub: snapshots/<version>/<name> is a link to blobs/<hash>.
    return target.is_relative_to(top) or (
        target.parent.name == "blobs"
        and top.is_relative_to(target.parent.parent / "snapshots")
    )


def in_part(part: Part) -> Iterator[Finding]:
    """What a file or a member asks for; what cannot be read is a finding."""
    reader = _reader(part)
    if reader is None:
        return
    try:
        with ExitStack() as stack:
            yield from reader(part, stack)
    except Gru2npError as error:
        yield Finding("unread", part.name, "", str(error))


def known(part: Part) -> bool:
    """Whether a part is of a kind that is looked into."""
    return _reader(part) is not None


def _reader(part: Part) -> Callable[[Part, ExitStack], Iterator[Finding]] | None:
    """The function that looks into a part, by its name and first bytes."""
    start = part.window.at(0, 512)
    if part.file == saved_model.MODEL:
        return _in_saved_model
    if part.file == saved_model.METADATA:
        return _in_metadata
    if part.file == "checkpoint":
        return _in_newest
    if _NUMBERS.fullmatch(part.file) and not start.startswith(b"PK"):
        return _in_pickle if _SURELY_PICKLED.match(start) else None
    if start.startswith(b"\x93NUMPY"):
        return _in_array
    if _PICKLED.match(start) or part.file.lower().endswith(_PICKLE_NAMES):
        return _in_pickle
    try:
        kind = kind_of(Source(part.file, part.window, Path()))
    except Gru2npError:
        text = part.file.endswith((".yaml", ".yml")) or start.startswith(
            (b"backend:", b"class_name:", b"!!python", b"!!")
        )
        if part.file.endswith(".json"):
            return _in_text
        return _in_yaml if text else None
    # A program begins with three quotes, JSON in a string with one.
    program = start.startswith(b'"""')
    return None if program else _READERS[kind]


def _in_zip(part: Part, stack: ExitStack) -> Iterator[Finding]:
    wrong: list[WrongMember] = []
    archive = SafeZip(part.window, part.file, stack, wrong)
    for member in wrong:
        rule = "member" if member.leaves else "unread"
        text = shown(member.name) if member.leaves else member.reason
        yield Finding(rule, part.name, "", text)
    for name in archive.names:
        if name.endswith("/"):
            continue
        inner = "/".join(filter(None, (part.name, name)))
        # One member after the other: thousands may not be open at once.
        with ExitStack() as opened:
            try:
                window = archive.window(name, opened)
            except Gru2npError as error:
                yield Finding("unread", inner, "", str(error))
                continue
            yield from _deeper(part, inner, name.rpartition("/")[2], window)


def _in_gzip(part: Part, stack: ExitStack) -> Iterator[Finding]:
    name = part.file.removesuffix(".gz")
    window = packed.unzipped(Source(part.file, part.window, Path()), stack)
    inner = "/".join(filter(None, (part.name, name)))
    yield from _deeper(part, inner, name, window)


def _deeper(part: Part, name: str, file: str, window: Window) -> Iterator[Finding]:
    """What is in a part of an archive."""
    inner = Part(name, file, window, part.depth + 1)
    if inner.depth > MOST_DEPTH and known(inner):
        yield Finding("unread", name, "", f"more than {MOST_DEPTH} archives deep")
    else:
        yield from in_part(inner)


def _in_hdf5(part: Part, stack: ExitStack) -> Iterator[Finding]:
    file = SafeHdf5(part.window, part.file, stack)
    for attribute in _JSON_ATTRIBUTES:
        place = "/".join(filter(None, (part.name, f"attribute {attribute}")))
        try:
            text = file.text(file.root, attribute, part.file)
        except Gru2npError as error:
            yield Finding("unread", place, "", str(error))
            continue
        if text:
            yield from in_json(text.encode(), place)
    for kind, place, text in outside(file):
        yield Finding(kind, part.name, place, text)


def _in_text(part: Part, _: ExitStack) -> Iterator[Finding]:
    yield from in_json(part.window.at(0, MOST_BYTES + 1), part.name)


def _in_yaml(part: Part, _: ExitStack) -> Iterator[Finding]:
    for match in _YAML.finditer(part.window.at(0, MOST_BYTES)):
        line = part.window.at(0, match.start()).count(b"\n") + 1
        text = match[0].decode(errors="replace")
        yield Finding("yaml", part.name, f"line {line}", shown(text))
    if part.window.size > MOST_BYTES:
        yield Finding("unread", part.name, "", f"more than {MOST_BYTES} bytes of text")


def _in_newest(part: Part, _: ExitStack) -> Iterator[Finding]:
    """The file of a checkpoint that names the newest one."""
    for match in _NEWEST.finditer(part.window.at(0, MOST_BYTES)):
        path = match[1].decode(errors="replace")
        if is_path(path):
            yield Finding("path", part.name, "", shown(path))


def _in_array(part: Part, _: ExitStack) -> Iterator[Finding]:
    """An array of NumPy: objects in it are pickled."""
    # The header ends within 64 kB, in front of the numbers.
    if _OBJECTS.search(part.window.at(0, 1 << 16).partition(b"\n")[0]):
        yield Finding("pickle", part.name, "", "an array of objects")


def _in_pickle(part: Part, _: ExitStack) -> Iterator[Finding]:
    yield Finding("pickle", part.name, "", f"{part.window.size} bytes")


def _in_saved_model(part: Part, stack: ExitStack) -> Iterator[Finding]:
    found: dict[str, None] = {}
    longest = max(map(len, _OPERATIONS)) + 2
    end = b""
    for block in part.window.blocks():
        for match in _AS_FIELD.finditer(end + block):
            found[match[0][2:].decode()] = None
        end = block[-longest:]
    for name in found:
        yield Finding("graph", part.name, "", f"the operation {name}")
    yield from _in_metadata(part, stack)


def _in_metadata(part: Part, _: ExitStack) -> Iterator[Finding]:
    where = part.name or part.file
    with reading(where):
        for number, data in enumerate(saved_model.all_metadata(part.window, where)):
            if data.strip():
                yield from in_json(data, f"{where} object {number}")


_READERS: dict[str, Callable[[Part, ExitStack], Iterator[Finding]]] = {
    "gzip": _in_gzip,
    "hdf5": _in_hdf5,
    "json": _in_text,
    "zip": _in_zip,
}
