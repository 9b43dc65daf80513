"""Write a folder that runs a bundle on a machine with Python and NumPy."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import gru2np_runtime
from gru2np.errors import Gru2npError, naming
from gru2np_runtime import load
from gru2np_runtime.custom_objects import read_custom_objects
from gru2np_runtime.files.arrays import Misuse
from gru2np_runtime.files.workspace import abandoned, workspace

if TYPE_CHECKING:
    from gru2np_runtime import Model
    from gru2np_runtime.custom_objects import CustomObjects

RUNTIME = Path(gru2np_runtime.__file__).parent
BUNDLE = "model.npz"
LIBRARIES = ("libgru2np.so", "libgru2np.dll", "libgru2np.crc")
BEFORE = "before"
# A folder with other files is never replaced.
OBJECTS = "objects.py"
OURS = {
    *("LICENSE", "README.txt", BUNDLE, OBJECTS, "run.py"),
    *("gru2np_runtime", "__pycache__"),
}
# The size of free axes of the zeros in run.py: more than usual windows need.
LENGTH = 64

_RUN = '''\
"""python run.py {x} {y}; without files it runs on zeros and prints the output."""
import sys
from pathlib import Path
import numpy as np
from gru2np_runtime import load
{imports}
model = load(Path(__file__).with_name("{bundle}"){custom})
x = {read} if len(sys.argv) > 1 else {zeros}
y = model.predict(x)
{save} if len(sys.argv) > 2 else print(y)
'''
_SAVE = {
    "one": "np.save(sys.argv[2], y)",
    "list": "np.savez(sys.argv[2], **dict(zip(model.output_names, y)))",
    "dict": "np.savez(sys.argv[2], **y)",
}
_README = """\
A Keras model as NumPy arrays, and the runtime that runs it.

    python run.py {x} {y}
        an example program; without files it runs on zeros and prints the output
    python -m gru2np_runtime predict {bundle} {x} -o y.npz{option}
        runs files of any size
    python -m gru2np_runtime check {bundle}{option}
        checks that no byte of the bundle changed, and if it holds outputs of Keras,
        that the model gives them here

It needs Python 3.9 and NumPy 1.22, or newer, and nothing else. To use it from another
folder, add this folder to PYTHONPATH.

{kernel}
With a C compiler, python -m gru2np_runtime.build builds a faster kernel.

{summary}

{bundle}: SHA-256 {sha256}
gru2np_runtime {version}, under the terms in LICENSE
"""


@dataclass(frozen=True)
class Shipped:
    """The result of ``ship``; its fields are keys of what ``--json`` prints."""

    folder: str
    files: int
    bytes: int  # of all files together
    sha256: str  # of the bundle
    runtime: str  # its version
    compiled: bool  # whether it has the compiled kernel


def ship(
    bundle: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    force: bool = False,
    compiled: bool = False,
    custom_objects: str | os.PathLike[str] | None = None,
) -> Shipped:
    """Write a folder with a bundle, the runtime and a program that runs them.

    Args:
        bundle: path of a file that ``export`` wrote.
        folder: must be missing or empty; it is written completely or not at all.
        force: replace a folder that ``ship`` wrote.
        compiled: add the kernel compiled on this machine.
        custom_objects: path of the Python file with the custom objects of the bundle,
            which is copied; it must import nothing that the other machine lacks.

    Raises:
        BundleError: the bundle breaks a rule.
        CustomObjectError: the file fails, or its objects are of the wrong kind.
        Misuse: ``folder`` is not empty, or there is no compiled kernel.
        Gru2npError: the folder cannot be written.
    """
    target = Path(folder)
    try:
        _restore(target)
    except OSError as error:
        raise Gru2npError(f"{target}: cannot be written: {error.strerror}") from error
    _check(target, Path(bundle), force)
    if compiled and not (RUNTIME / "kernels" / "c" / "source" / LIBRARIES[0]).exists():
        raise Misuse(
            "there is no compiled kernel: python -m gru2np_runtime.build builds one"
        )
    own = None if custom_objects is None else _alone(custom_objects)
    with naming(bundle):
        model = load(bundle, custom_objects=own)
    content = Path(bundle).read_bytes()
    try:
        with workspace(target.resolve()) as made:
            _write(made / "new", content, model, compiled, custom_objects)
            _take_place(made, target)
    except OSError as error:
        raise Gru2npError(f"{target}: cannot be written: {error.strerror}") from error
    files = [path for path in target.rglob("*") if path.is_file()]
    return Shipped(
        folder=str(target),
        files=len(files),
        bytes=sum(path.stat().st_size for path in files),
        sha256=hashlib.sha256(content).hexdigest(),
        runtime=gru2np_runtime.__version__,
        compiled=compiled,
    )


def _parent(target: Path) -> Path:
    return target.resolve().parent


def _check(target: Path, bundle: Path, force: bool) -> None:
    """Check that writing the folder deletes nothing else."""
    if not _parent(target).is_dir():
        raise Misuse(
            f"there is no folder {str(_parent(target))!r} to write to: make it first, "
            "or name another, as in gru2np ship BUNDLE device"
        )
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise Misuse(
            f"{str(target)!r} is not a folder: name one that is not there, as in "
            "gru2np ship BUNDLE device"
        )
    names = {path.name for path in target.iterdir()}
    if bundle.resolve().parent == target.resolve():
        raise Misuse(
            f"{str(target)!r} holds the bundle itself: name another folder, as in "
            "gru2np ship BUNDLE device"
        )
    if names - OURS:
        raise Misuse(
            f"{str(target)!r} holds files that ship did not write, such as "
            f"{min(names - OURS)!r}: name another folder, as in gru2np ship BUNDLE "
            "device"
        )
    if names and not force:
        raise Misuse(f"{str(target)!r} is not empty: --force replaces it")


def _alone(path: str | os.PathLike[str]) -> CustomObjects:
    """The custom objects of a file that runs without the files beside it.

    Raises:
        CustomObjectError: the file fails.
        Misuse: it imports one of them.
    """
    before = set(sys.modules)
    objects = read_custom_objects(path)
    place = Path(path).resolve().parent
    for top in {name.partition(".")[0] for name in set(sys.modules) - before}:
        if (place / f"{top}.py").exists() or (place / top / "__init__.py").exists():
            raise Misuse(
                f"{os.fspath(path)} imports {top}, which lies beside it and would not "
                "be in the folder: put both into one file"
            )
    return objects


def _write(
    folder: Path,
    content: bytes,
    model: Model,
    compiled: bool,
    custom_objects: str | os.PathLike[str] | None,
) -> None:
    for path in sorted(RUNTIME.rglob("*")):
        wanted = path.suffix in (".py", ".c", ".h") or path.name == "py.typed"
        if wanted or (compiled and path.name in LIBRARIES):
            copy = folder / RUNTIME.name / path.relative_to(RUNTIME)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    (folder / BUNDLE).write_bytes(content)
    (folder / "LICENSE").write_text(_licence(), "utf-8")
    if custom_objects is not None:
        shutil.copyfile(custom_objects, folder / OBJECTS)
    texts = _texts(model, content, compiled, custom_objects is not None)
    (folder / "run.py").write_text(_RUN.format(**texts), "utf-8")
    (folder / "README.txt").write_text(_README.format(**texts), "utf-8")


def _restore(target: Path) -> None:
    """Put a folder back that a killed run had moved away for its own."""
    for made in abandoned(target.resolve()):
        if (made / BEFORE).exists() and not os.path.lexists(target):
            (made / BEFORE).rename(target)


def _take_place(made: Path, target: Path) -> None:
    """Move the new folder to the target; the old one is restored on an error."""
    before = made / BEFORE
    if target.exists():
        target.rename(before)
    try:
        (made / "new").rename(target)
    except BaseException:
        if before.exists():
            before.rename(target)
        raise


def _texts(
    model: Model, content: bytes, compiled: bool, custom: bool
) -> dict[str, str]:
    """The values for the templates of the program and the README."""
    several = len(model.input_names) > 1
    kind = model.output_structure.kind
    kernel = "NumPy runs all layers."
    if compiled:
        machine = f"{platform.system()} on {platform.machine()}"
        kernel = (
            f"The compiled kernel is for {machine}; elsewhere NumPy runs all layers."
        )
    module = OBJECTS.removesuffix(".py")
    return {
        "bundle": BUNDLE,
        "imports": f"from {module} import custom_objects\n" if custom else "",
        "custom": ", custom_objects=custom_objects" if custom else "",
        "option": f" --custom-objects {OBJECTS}" if custom else "",
        "x": "x.npz" if several else "x.npy",
        "y": "y.npy" if kind == "one" else "y.npz",
        "read": "dict(np.load(sys.argv[1]))" if several else "np.load(sys.argv[1])",
        "zeros": _zeros(model),
        "save": _SAVE[kind],
        "kernel": kernel,
        "summary": str(model),
        "sha256": hashlib.sha256(content).hexdigest(),
        "version": gru2np_runtime.__version__,
    }


def _zeros(model: Model) -> str:
    """A Python expression for inputs of zeros."""
    arrays = []
    for shape, port in zip(model.input_shapes, model.graph.inputs, strict=True):
        sizes = (shape[0] or 1, *(size or LENGTH for size in shape[1:]))
        arrays.append(f'np.zeros({sizes}, "{port.dtype}")')
    return arrays[0] if len(arrays) == 1 else f"[{', '.join(arrays)}]"


def _licence() -> str:
    """The licence, from the installed package or from the source tree."""
    text = metadata.distribution("gru2np").read_text("licenses/LICENSE")
    return text or (RUNTIME.parent / "LICENSE").read_text("utf-8")
