"""Names of files that no text holds: bytes that are not UTF-8."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import goldens
import gru2np
from gru2np_runtime import load

CASE = goldens.FIXTURES / "keras-2.2" / "get_weights_explained"
ASCII = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "PYTHONUTF8": "0"}


@pytest.fixture
def folder(tmp_path):
    """A model, its bundle, inputs and outputs, each with a byte that is no text."""
    try:
        shutil.copy(CASE / "model.h5", tmp_path / os.fsdecode(b"m\xff.h5"))
    except OSError:
        pytest.skip("this file system has names of text only")
    shutil.copytree(
        goldens.FIXTURES / "keras-3.10" / "gru" / "model",
        tmp_path / os.fsdecode(b"folder\xff"),
    )
    gru2np.export(CASE / "model.h5", tmp_path / os.fsdecode(b"b\xff.npz"))
    golden = goldens.Golden(CASE)
    np.save(tmp_path / os.fsdecode(b"x\xff.npy"), golden.arrays(0, "x")[0])
    np.save(tmp_path / os.fsdecode(b"y\xff.npy"), golden.arrays(0, "y")[0])
    return tmp_path


def ran(module, words, folder, **variables):
    done = subprocess.run(
        [os.fsencode(sys.executable), b"-m", module, *words.split()],
        cwd=folder,
        env={**os.environ, "PYTHONCOERCECLOCALE": "0", **variables},
        capture_output=True,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("variables", [{}, ASCII], ids=["utf-8", "ascii"])
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"export m\xff.h5", 0),
        (b"export m\xff.h5 --json", 0),
        (b"export folder\xff -o o\xff", 0),
        (b"inspect m\xff.h5 --json", 0),
        (b"inspect b\xff.npz --report p\xff.html", 0),
        (b"check b\xff.npz", 0),
        (b"ship b\xff.npz device\xff", 0),
        (b"predict b\xff.npz -i x\xff.npy -o z\xff", 0),
        (b"verify m\xff.h5 b\xff.npz -f -i x\xff.npy --expected y\xff.npy --record", 0),
        (b"export no\xff.h5", 2),
        (b"export x\xff.npy", 3),
        (b"predict m\xff.h5 -i x\xff.npy -o z\xff.npy", 3),
        (b"predict b\xff.npz -i m\xff.h5 -o z\xff.npy", 3),
    ],
)
def test_every_command_takes_them(words, code, variables, folder):
    assert ran(b"gru2np", words, folder, **variables).returncode == code


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (b"check b\xff.npz", 0),
        (b"check m\xff.h5", 3),
        (b"predict b\xff.npz x\xff.npy -o z\xff.npy", 0),
        (b"predict b\xff.npz no\xff.npy -o z\xff.npy", 2),
    ],
)
def test_so_does_the_runtime(words, code, folder):
    assert ran(b"gru2np_runtime", words, folder, **ASCII).returncode == code


def test_the_path_of_an_output_is_printed_as_it_is(folder):
    """For another program: in bytes, and nothing else on the line."""
    done = ran(b"gru2np", b"export m\xff.h5 -q", folder)
    assert done.stdout == b"m\xff.npz\n"
    done = ran(b"gru2np_runtime", b"predict b\xff.npz x\xff.npy -o z\xff -q", folder)
    assert done.stdout == b"z\xff.npy\n"


def test_the_manifest_holds_text(folder):
    """A byte that is none becomes U+FFFD, as text editors show it."""
    done = ran(b"gru2np", b"export m\xff.h5", folder)
    path = folder / os.fsdecode(done.stdout.rstrip(b"\n"))
    assert load(path).source["file_name"] == "m\ufffd.h5"
    done = ran(b"gru2np", b"inspect m\xff.h5 --json", folder)
    assert json.loads(done.stdout)["source"]["file_name"] == "m\ufffd.h5"
