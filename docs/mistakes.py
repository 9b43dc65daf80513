"""Mistakes, and what gru2np says to each: the rows of ``reference/mistakes.md``.

A row is what is in a folder, what somebody writes there, and in words what is wrong.
``said`` runs it and gives the message.  To add a row, add it to its section of
``MISTAKES``; ``prepare`` makes the files that rows name.
"""

from __future__ import annotations

import io
import os
import pickle
import shlex
import shutil
import warnings
import zipfile
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from click.testing import CliRunner

import gru2np
from gru2np.cli import cli
from gru2np_runtime import __main__ as runtime
from gru2np_runtime import layers, load, read_custom_objects

if TYPE_CHECKING:
    from collections.abc import Iterator

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures"
# Fixtures by the name of their copy.
COPIES = {
    "model.h5": "keras-2.2/get_weights_explained/model.h5",
    "other.h5": "keras-2.2/gru/model.h5",
    "model.keras": "keras-3.15/gru/model.keras",
    "two.h5": "keras-2.2/several_inputs_outputs/model.h5",
    "ids.keras": "keras-3.15/categories_left_out/model.keras",
    "backwards.h5": "keras-2.2/bidirectional/model.h5",
    "lambda.h5": "keras-1.2/refused_lambda/model.h5",
    "own.keras": "keras-3.15/custom_steps/model.keras",
    "ctc.h5": "keras-2.2/ctc_training/model.h5",
    "saved": "tf-2.15/trained_savedmodel/model",
    "model.json": "keras-3.15/gru_json/architecture.json",
    "only.weights.h5": "keras-3.15/gru_json/weights.h5",
}
_GRU = "GRU(units=2)"
ONE_ROW = layers.GRU(units=2, reset_after=False)
# Of each section: what was meant, and what was written.  A line that begins with
# ``gru2np`` or ``python -m`` is a command; all others are Python.
MISTAKES: dict[str, list[tuple[str, str]]] = {
    "The wrong file": [
        ("a bundle for a model", "gru2np export model.npz"),
        ("a model for a bundle", "gru2np predict model.h5 -i x.npy -o new.npy"),
        ("a .keras file for a bundle", "gru2np check model.keras"),
        ("a SavedModel folder for a bundle", "gru2np ship saved board"),
        ("a model loaded in Python", "load('model.h5')"),
        ("an architecture for a bundle", "load('model.json')"),
        ("an .npz of arrays for a bundle", "load('arrays.npz')"),
        ("a folder for a bundle", "load('empty')"),
        ("an architecture without weights", "gru2np export model.json -o new.npz"),
        ("weights without an architecture", "gru2np export only.weights.h5"),
        ("a list of arrays for a model", "gru2np export list.npz"),
        (
            "weights for a whole model",
            "gru2np export model.h5 --weights only.weights.h5 -o new.npz",
        ),
        (
            "a model for weights",
            "gru2np export model.json --weights model.keras -o new.npz",
        ),
        ("a model of PyTorch", "gru2np export torch.pt"),
        ("a model of TensorFlow Lite", "gru2np inspect model.tflite"),
        ("a pickle", "gru2np inspect arrays.pkl"),
        ("another HDF5 file", "gru2np export data.h5"),
        ("a web page for a download", "gru2np export page.h5"),
        ("a text file", "gru2np inspect notes.txt"),
        ("a folder that ship wrote", "gru2np predict device -i x.npy -o new.npy"),
        ("a model for inputs", "gru2np predict model.npz -i model.h5 -o new.npy"),
        ("a bundle for inputs", "gru2np predict model.npz -i model.npz -o new.npy"),
        ("a file that is cut off", "gru2np check cut.npz"),
        ("the same in Python", "gru2np.inspect('page.h5')"),
        ("a model with code in it", "gru2np export lambda.h5"),
    ],
    "The wrong name": [
        ("a file that is not there", "gru2np export modle.h5"),
        (
            "the same in the other command line",
            "python -m gru2np_runtime check mode.npz",
        ),
        ("a command that is not there", "gru2np exprot model.h5"),
        ("an option that is not there", "gru2np export model.h5 --wieghts w.h5"),
        ("a value that is not there", "gru2np export model.h5 --store int4"),
        ("a Keras that is not there", "gru2np export model.h5 --saved-by keras"),
        (
            "a Keras that the file contradicts",
            "gru2np export model.h5 --saved-by 2.1 -o new.npz",
        ),
        ("a case that is not there", "gru2np verify model.h5 --case lnog"),
        ("an input that is not there", "model.predict({'gru_1_inptu': x})"),
        ("a layer that is not there", "model.get_layer('gruu')"),
        ("a class that is not there", "layers.Gru(units=2)"),
        ("an attribute that is not there", "layers.GRU(untis=2)"),
        (
            "a weight that is not there",
            f"layers.{_GRU}.bind(kernel=K, recurent_kernel=R, bias=B)",
        ),
        (
            "a column that is not there",
            "gru2np predict model.npz -i table.csv -o new.npy --columns d",
        ),
    ],
    "The wrong order": [
        ("the bundle before the model", "gru2np verify model.npz model.h5"),
        ("the model twice", "gru2np verify model.h5 model.h5"),
        (
            "the bundle of another file",
            "gru2np verify model.h5 other.npz -i x.npy --expected y.npy",
        ),
        ("outputs without their inputs", "gru2np verify model.h5 --expected y.npy"),
        ("a proof without a bundle", "gru2np verify model.h5 --record"),
        ("inputs given twice", "gru2np predict model.npz x.npy -i x.npy -o new.npy"),
        ("no inputs", "python -m gru2np_runtime predict model.npz -o new.npy"),
        ("no output", "gru2np predict model.npz -i x.npy"),
        ("the inputs as batch size", "model.predict(x, x)"),
        ("a step without a state", "model.step(x[:, 0], None)"),
        ("arrays for a state", "model.step(x[:, 0], model.initial_state(5).arrays())"),
        ("attributes without names", "layers.GRU(2)"),
        ("weights without names", f"layers.{_GRU}.bind(K, R, B)"),
    ],
    "The wrong output": [
        ("a bundle with another suffix", "gru2np export model.h5 -o bundle.h5"),
        ("outputs with another suffix", "gru2np predict model.npz -i x.npy -o y.txt"),
        ("an output that exists", "gru2np export model.h5 -o model.npz"),
        ("the input as output", "gru2np predict model.npz -i x.npy -o x.npy --force"),
        ("a folder as output", "gru2np export model.h5 -o saved"),
        ("a folder that is not there", "gru2np export model.h5 -o there/model.npz"),
        ("two outputs in one array", "gru2np predict two.npz -i two.x.npz -o new.npy"),
        (
            "JSON and data in one stream",
            "gru2np predict model.npz -i x.npy -o - --json",
        ),
        ("a folder with other files", "gru2np ship model.npz saved --force"),
        ("the model replaced by its bundle", "gru2np.export('model.h5', 'model.h5')"),
    ],
    "The wrong shape": [
        ("no batch axis", "model.predict(x[0])"),
        ("no last axis", "model.predict(x[..., 0])"),
        ("an axis too many", "model.predict([x, x])"),
        ("time and features exchanged", "model.predict(x.transpose(0, 2, 1))"),
        ("other features", "model.predict(np.zeros((5, 3, 8)))"),
        ("a number", "model.predict(1.0)"),
        ("a sequence for a step", "model.step(x, model.initial_state(5))"),
        ("a step of another batch", "model.step(x[:, 0], model.initial_state(4))"),
        ("a step for a block", "model.advance(x[:, 0], model.initial_state(5))"),
        ("an empty block", "model.advance(x[:, :0], model.initial_state(5))"),
        (
            "an output array of another dtype",
            "model.step(x[:, 0], model.initial_state(5), out=np.zeros((5, 2)))",
        ),
        ("one array for two inputs", "two.predict(x)"),
        (
            "a file with one array for two inputs",
            "gru2np predict two.npz -i x.npy -o new.npz",
        ),
        ("a model that cannot step", "backwards.initial_state()"),
        ("sessions of it", "backwards.streams(10)"),
        ("no session at all", "model.streams(0)"),
        ("a session that nobody opened", "model.streams(2).step([1], x[:1, 0])"),
        ("a number for a list of sessions", "model.streams(2).step(0, x[:1, 0])"),
        ("a row too many for the sessions", "model.streams(2).step([], x[:1, 0])"),
        ("no arrays for a session", "model.streams(2).restore(x)"),
        ("a layer's states under another name", "model.streams(2).restore({'h': x})"),
        (
            "a bias of one row",
            f"layers.{_GRU}.bind(kernel=K, recurrent_kernel=R, bias=B[0])",
        ),
        (
            "a bias of two rows",
            "ONE_ROW.bind(kernel=K, recurrent_kernel=R, bias=B)",
        ),
        (
            "a kernel that is transposed",
            f"layers.{_GRU}.bind(kernel=K.T, recurrent_kernel=R, bias=B)",
        ),
        (
            "kernels exchanged",
            f"layers.{_GRU}.bind(kernel=R, recurrent_kernel=K, bias=B)",
        ),
        (
            "the gates of an LSTM in a GRU",
            f"layers.{_GRU}.bind(kernel=np.ones((3, 8)), recurrent_kernel=R, bias=B)",
        ),
        (
            "expected outputs of other rows",
            "gru2np verify model.h5 -i x.npy --expected two.x.npz",
        ),
    ],
    "Code of your own": [
        ("a model with an own cell", "gru2np export own.keras"),
        ("a CTC loss in a model", "gru2np export ctc.h5"),
        (
            "a file of objects that is not there",
            "gru2np export own.keras --custom-objects object.py",
        ),
        (
            "the model for the file",
            "gru2np export own.keras --custom-objects own.keras",
        ),
        ("a file with an error", "gru2np export own.keras --custom-objects error.py"),
        ("no custom_objects", "gru2np export own.keras --custom-objects empty.py"),
        ("a list of objects", "gru2np export own.keras --custom-objects list.py"),
        ("a wrong name in it", "gru2np export own.keras --custom-objects name.py"),
        (
            "an object for its class",
            "gru2np.export('own.keras', 'new.npz', custom_objects={'swoosh': 1})",
        ),
        ("a bundle without them", "gru2np predict cells.npz -i x.npy -o new.npy"),
        ("the same bundle in Python", "load('cells.npz')"),
        (
            "a model verified without Keras' own",
            "gru2np verify own.keras --custom-objects objects.py",
        ),
    ],
    "The wrong part": [
        ("an output that is not there", "gru2np export ctc.h5 --outputs leters"),
        (
            "an input that nothing uses",
            "gru2np export ctc.h5 --outputs letters --inputs ctc",
        ),
        (
            "an output that is not there, of a layer",
            "gru2np export ctc.h5 --outputs letters:1",
        ),
        ("a call that is not there", "gru2np export ctc.h5 --outputs letters#1"),
        ("a part of a bundle", "gru2np inspect model.npz --outputs gru_1"),
    ],
    "The wrong values": [
        ("ids with fractions", "ids.predict(np.full((1, 4), 7.5))"),
        ("ids that are NaN", "ids.predict(np.full((1, 4), np.nan))"),
        ("ids beyond 32 bits", "ids.predict(np.full((1, 4), 2**31))"),
        ("negative ids", "ids.predict(np.full((1, 4), -1))"),
        ("a path for an array", "model.predict('x.npy')"),
        ("nothing for an array", "model.predict(None)"),
        ("text for numbers", "model.predict(x.astype(str))"),
        ("complex numbers", "model.predict(x.astype(complex))"),
        ("objects", "model.predict(x.astype(object))"),
        ("sequences of different lengths", "ids.predict([[0, 1, 2, 3], [0, 1]])"),
        ("masked numbers", "model.predict(np.ma.masked_equal(x, x[0, 0, 0]))"),
        ("a tensor that NumPy cannot read", "model.predict(Tensor())"),
        ("a batch size that is none", "model.initial_state('a')"),
        (
            "a batch size of 0",
            "gru2np predict model.npz -i x.npy -o new.npy --batch-size 0",
        ),
        ("a tolerance that is none", "gru2np verify model.h5 --atol nan"),
        ("objects in a file", "gru2np predict model.npz -i objects.npy -o new.npy"),
        (
            "a table with an empty cell",
            "gru2np predict model.npz -i gap.csv -o new.npy",
        ),
        ("a table of numbers", "gru2np predict model.npz -i numbers.csv -o new.npy"),
        (
            "table options without a table",
            "gru2np predict model.npz -i x.npy -o new.npy --header",
        ),
    ],
}


class Tensor:
    """As a tensor of PyTorch on another device."""

    def __array__(self, *_arguments: Any, **_options: Any) -> None:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


@contextmanager
def prepare(folder: Path) -> Iterator[dict[str, Any]]:
    """Make the files that rows name in a folder, and go there; gives Python's names."""
    for name, case in COPIES.items():
        copy = shutil.copytree if (FIXTURES / case).is_dir() else shutil.copyfile
        copy(FIXTURES / case, folder / name)
    before = Path.cwd()
    os.chdir(folder)
    try:
        for name in ("model.h5", "other.h5", "two.h5", "ids.keras", "backwards.h5"):
            gru2np.export(name, Path(name).with_suffix(".npz"))
        _write_objects()
        rng = np.random.default_rng(0)
        x, K, R, B = rng.normal(size=(5, 3, 1)), *map(np.ones, ((3, 6), (2, 6), (2, 6)))
        _write(x)
        two = load("two.npz")
        shapes = zip(two.input_names, two.input_shapes, strict=True)
        inputs = {name: np.zeros([n or 3 for n in shape]) for name, shape in shapes}
        np.savez("two.x.npz", **inputs)
        loaded = {name: load(f"{name}.npz") for name in ("model", "ids", "backwards")}
        modules = {"np": np, "gru2np": gru2np, "layers": layers, "load": load}
        arrays = {"x": x, "K": K, "R": R, "B": B}
        yield {
            **modules,
            **loaded,
            **arrays,
            "two": two,
            "Tensor": Tensor,
            "ONE_ROW": ONE_ROW,
        }
    finally:
        os.chdir(before)


def _write_objects() -> None:
    """Files of custom objects, and a bundle that needs some."""
    text = (FIXTURES.parent / "examples" / "custom_objects.py").read_text("utf-8")
    text, _, _ = text.partition("def keras_custom_objects")
    Path("objects.py").write_text(text)
    Path("error.py").write_text("custom_objects = {'swoosh': swoosh}\n")
    Path("empty.py").write_text("")
    Path("list.py").write_text("custom_objects = ['swoosh']\n")
    Path("name.py").write_text(text.replace('"swoosh": ', '"swosh": '))
    own = read_custom_objects("objects.py")
    gru2np.export("own.keras", "cells.npz", custom_objects=own)


def _write(x: np.ndarray[Any, Any]) -> None:
    """The other files."""
    np.save("x.npy", x)
    np.save("y.npy", load("model.npz").predict(x))
    np.save("objects.npy", np.array([None]), allow_pickle=True)
    np.savez("arrays.npz", kernel=np.ones((3, 6)), bias=np.ones((2, 6)))
    np.savez("list.npz", np.ones((3, 6)), np.ones((2, 6)))
    bundle = Path("model.npz").read_bytes()
    Path("cut.npz").write_bytes(bundle[: len(bundle) // 2])
    Path("arrays.pkl").write_bytes(pickle.dumps([1], protocol=4))
    Path("model.tflite").write_bytes(b"\x1c\0\0\0TFL3" + bytes(60))
    Path("page.h5").write_text("<!DOCTYPE html><title>Not Found</title>")
    Path("empty").mkdir()
    Path("notes.txt").write_text("hello\n")
    Path("table.csv").write_text("a,b,c\n1,2,3\n")
    Path("gap.csv").write_text("a,b,c\n1,,3\n")
    Path("numbers.csv").write_text("1,2,3\n4,5,6\n")
    with zipfile.ZipFile("torch.pt", "w") as archive:
        archive.writestr("archive/data.pkl", b"")
    with h5py.File("data.h5", "w") as file:
        file["data"] = np.zeros(3)
    CliRunner().invoke(cli, ["ship", "model.npz", "device"])


def said(line: str, names: dict[str, Any]) -> tuple[int, str]:
    """The exit code and the message of a command; of Python, 1 and the error.

    Args:
        line: of ``MISTAKES``.
        names: from ``prepare``.
    """
    words = shlex.split(line) if line.startswith(("gru2np ", "python ")) else []
    if words[:1] == ["gru2np"]:
        result = CliRunner().invoke(cli, words[1:], prog_name="gru2np")
        return result.exit_code, result.stderr.replace(f"{Path.cwd()}/", "").strip()
    output, code = io.StringIO(), 1
    if words:
        with redirect_stdout(output), redirect_stderr(output):
            code = runtime.main(words[3:])
        return code, output.getvalue().strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            eval(line, dict(names))
    except Exception as error:
        return code, f"{type(error).__name__}: {error}"
    return 0, ""


def table() -> str:
    """The sections of the page: a table for each, with the messages."""
    import tempfile

    parts = []
    with tempfile.TemporaryDirectory() as folder, prepare(Path(folder)) as names:
        for section, rows in MISTAKES.items():
            parts.append(f"## {section}\n")
            parts.append("| mistake | what was written | what gru2np says |")
            parts.append("| --- | --- | --- |")
            for what, line in rows:
                _, message = said(line, names)
                parts.append(f"| {what} | {code(line)} | {code(message)} |")
            parts.append("")
    return "\n".join(parts).rstrip()


def code(text: str) -> str:
    """Text as code in a cell of a table, line by line."""
    lines = [line for line in text.splitlines() if line.strip()]
    return "<br>".join(f"`` {line.replace('|', chr(92) + '|')} ``" for line in lines)
