"""A folder with all that a machine needs to run a bundle: NumPy is all it must have."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import tempfile
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import gru2np_runtime
from gru2np.errors import Gru2npError, naming
from gru2np_runtime import InputError, load
from gru2np_runtime.files.arrays import Misuse

if TYPE_CHECKING:
    from gru2np_runtime import Model

RUNTIME = Path(gru2np_runtime.__file__).parent
BUNDLE = "model.npz"
LIBRARIES = ("libgru2np.so", "libgru2np.dll", "libgru2np.crc")
# What a folder may hold for --force to replace it.
OURS = {"LICENSE", "README.txt", BUNDLE, "run.py", "gru2np_runtime", "__pycache__"}
# Files in the way that a message names.
MOST_NAMES = 5
# Lengths to try where the model leaves one open.
LENGTHS = (1, 8, 64, 512)

_RUN = '''\
"""{about}"""
import sys
from pathlib import Path
import numpy as np
from gru2np_runtime import load

model = load(Path(__file__).with_name("{bundle}"))
x = {x}
y = model.predict(x)
{save} if len(sys.argv) > 2 else print(y)
'''
_README = """\
A Keras model as NumPy arrays, and the runtime that computes with them.

{run}
    python -m gru2np_runtime predict {bundle} x{suffix} -o y.npz
        files of any size
    python -m gru2np_runtime check {bundle}
        whether every byte is as it was written, and whether it still gives what
        Keras gave, where the bundle carries that

It needs Python 3.9 and NumPy 1.22, or newer, and nothing else. From another folder,
put this one on PYTHONPATH.

{kernel}

{summary}

{bundle}: SHA-256 {sha256}
gru2np_runtime {version}, under the terms in LICENSE
"""
_KERNEL = {
    True: """The compiled kernel of gru2np_runtime is for {machine}; elsewhere NumPy
computes. With a C compiler, python -m gru2np_runtime.build makes one that
fits.""",
    False: """NumPy computes. With a C compiler, python -m gru2np_runtime.build makes a
kernel that is faster.""",
}


@dataclass(frozen=True)
class Shipped:
    """What was laid down.

    Attributes:
        folder: where.
        files: how many.
        bytes: their sizes together.
        sha256: of the bundle.
        runtime: version of the runtime.
        compiled: whether the compiled kernel is there.
    """

    folder: str
    files: int
    bytes: int
    sha256: str
    runtime: str
    compiled: bool


def ship(
    bundle: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    *,
    force: bool = False,
    compiled: bool = False,
) -> Shipped:
    """Lay down a bundle, the runtime and a program that runs them.

    Args:
        bundle: made by ``export``.
        folder: made, or empty; it takes its place whole or not at all.
        force: replace a folder that this made before.
        compiled: the kernel as compiled on this machine, too.

    Raises:
        BundleError: the bundle is none, or damaged.
        Misuse: there is something at ``folder``, or no compiled kernel.
        Gru2npError: the place cannot be written.
    """
    target = Path(folder)
    _check(target, Path(bundle), force)
    if compiled and not (RUNTIME / "kernels" / "c" / "source" / LIBRARIES[0]).exists():
        raise Misuse(
            "there is no compiled kernel: python -m gru2np_runtime.build makes one"
        )
    content = Path(bundle).read_bytes()
    with naming(bundle):
        model = load(content)
    try:
        # Of one name like the target's, so that renaming stays on one disk.
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=_parent(target)))
        try:
            laid = made / "new"
            _lay_down(laid, content, model, compiled)
            _take_place(laid, target, made)
        finally:
            shutil.rmtree(made, ignore_errors=True)
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
    """Refuse to lay down where something would be lost."""
    if not _parent(target).is_dir():
        raise Misuse(f"there is no folder {str(_parent(target))!r} to write to")
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise Misuse(f"{str(target)!r} is no folder: name another")
    found = {path.name for path in target.iterdir()}
    if not found:
        return
    if not force:
        raise Misuse(f"{str(target)!r} is not empty: --force replaces it")
    if found - OURS or bundle.resolve().parent == target.resolve():
        others = sorted(found - OURS) or [bundle.name]
        more = len(others) - MOST_NAMES
        named = ", ".join(others[:MOST_NAMES]) + (f" and {more} more" * (more > 0))
        raise Misuse(
            f"{str(target)!r} holds what ship did not write, {named}: name another "
            "folder"
        )


def _lay_down(folder: Path, content: bytes, model: Model, compiled: bool) -> None:
    folder.mkdir()
    out = folder / RUNTIME.name
    for path in sorted(RUNTIME.rglob("*")):
        library = path.name in LIBRARIES
        wanted = path.suffix in (".py", ".c", ".h") or path.name == "py.typed"
        if path.is_file() and (wanted or (library and compiled)):
            copy = out / path.relative_to(RUNTIME)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    (folder / BUNDLE).write_bytes(content)
    program, run = _run(model)
    (folder / "run.py").write_text(program, "utf-8")
    (folder / "LICENSE").write_text(_licence(), "utf-8")
    readme = _readme(run, content, model, compiled)
    (folder / "README.txt").write_text(readme, "utf-8")


def _take_place(laid: Path, target: Path, made: Path) -> None:
    """Rename; what was there before goes only when the new one is there."""
    if target.exists():
        before = made / "before"
        target.rename(before)
        try:
            laid.rename(target)
        except BaseException:
            before.rename(target)
            raise
    else:
        laid.rename(target)


def _run(model: Model) -> tuple[str, str]:
    """The program, and what its README says of it."""
    several = len(model.input_names) > 1
    suffixes = [".npz" if several else ".npy"]
    suffixes.append(".npz" if len(model.output_names) > 1 else ".npy")
    files = f"python run.py x{suffixes[0]} y{suffixes[1]}"
    about, run = files, f"    {files}"
    x = "dict(np.load(sys.argv[1]))" if several else "np.load(sys.argv[1])"
    zeros = _zeros(model)
    if zeros is not None:
        x = f"{x} if len(sys.argv) > 1 else {zeros}"
        about += "; without files, zeros go in and the outputs are printed"
        run += "\n        without files, zeros go in and the outputs are printed"
    save = "np.save(sys.argv[2], y)"
    if len(model.output_names) > 1:
        named = model.output_structure.kind == "dict"
        y = "y" if named else "dict(zip(model.output_names, y))"
        save = f"np.savez(sys.argv[2], **{y})"
    return _RUN.format(about=about, bundle=BUNDLE, x=x, save=save), run


def _zeros(model: Model) -> str | None:
    """An expression of inputs that the model takes; None where none was found."""
    dtypes = [port.dtype for port in model.graph.inputs]
    for length in LENGTHS:
        shapes = [
            (shape[0] or 1, *(n or length for n in shape[1:]))
            for shape in model.input_shapes
        ]
        zeros = dict(zip(model.input_names, map(np.zeros, shapes, dtypes), strict=True))
        try:
            model.predict(zeros)
        except InputError:
            continue
        text = [
            f'np.zeros({array.shape}, "{array.dtype.name}")' for array in zeros.values()
        ]
        if len(text) == 1:
            return text[0]
        pairs = zip(zeros, text, strict=True)
        return "{" + ", ".join(f"{name!r}: {one}" for name, one in pairs) + "}"
    return None


def _readme(run: str, content: bytes, model: Model, compiled: bool) -> str:
    machine = f"{platform.system()} on {platform.machine()}"
    return _README.format(
        run=run,
        bundle=BUNDLE,
        suffix=".npz" if len(model.input_names) > 1 else ".npy",
        kernel=_KERNEL[compiled].format(machine=machine),
        summary=model,
        sha256=hashlib.sha256(content).hexdigest(),
        version=gru2np_runtime.__version__,
    )


def _licence() -> str:
    """As it is installed, or as it stands beside the source."""
    text = metadata.distribution("gru2np").read_text("licenses/LICENSE")
    return text or (RUNTIME.parent / "LICENSE").read_text("utf-8")
