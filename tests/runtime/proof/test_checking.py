"""A bundle is checked: any change of it is found."""

import io
import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

import goldens
import gru2np_runtime
import proofs
from gru2np_runtime import BundleError, kernel, load
from gru2np_runtime.__main__ import EXIT_CODES, main
from gru2np_runtime.bundle.container import MANIFEST, read_members
from numpy_alone import link_numpy

GRU = goldens.Golden(goldens.FIXTURES / "keras-2.2" / "gru")


@pytest.fixture(scope="module")
def bundle():
    return proofs.golden_proved(GRU)


def positions(data):
    """Where the numbers of each member begin and end."""
    whole = np.frombuffer(data, np.uint8).ctypes.data
    for name, member in read_members(data).items():
        start = np.frombuffer(member, np.uint8).ctypes.data - whole
        yield name, start, start + len(member)


def test_any_byte_changed_is_found_and_its_member_named(bundle):
    owner = {}
    for name, start, end in positions(bundle):
        owner.update(dict.fromkeys(range(start, end), name))
    assert len(owner) > len(bundle) / 2
    for position in range(len(bundle)):
        damaged = bytearray(bundle)
        damaged[position] ^= 1 << position % 8
        with pytest.raises(BundleError) as caught:
            load(bytes(damaged), check=True)
        if position in owner:
            expected = f"{owner[position]!r} is damaged: its checksum differs"
            assert expected in str(caught.value)


def resealed(data, position):
    """A byte changed, and the member's checksum made to fit in both places."""
    changed = bytearray(data)
    changed[position] ^= 1
    start = struct.unpack_from("<L", data, len(data) - 6)[0]
    entry = start
    for _, begin, end in positions(data):
        length, offset = (
            struct.unpack_from("<H", data, entry + 28)[0],
            struct.unpack_from("<L", data, entry + 42)[0],
        )
        if begin <= position < end:
            crc = zlib.crc32(changed[begin:end])
            struct.pack_into("<L", changed, entry + 16, crc)
            struct.pack_into("<L", changed, offset + 14, crc)
        entry += 46 + length
    return bytes(changed)


def test_a_number_changed_with_its_checksum_is_found_by_its_hash(bundle):
    named = []
    for name, _, end in list(positions(bundle)):
        if name == MANIFEST:
            continue
        changed = resealed(bundle, end - 1)
        load(changed)
        with pytest.raises(BundleError, match="SHA-256 differs") as caught:
            load(changed, check=True)
        assert f"\n  - {name[:-4]}" in str(caught.value)
        named.append(name)
    assert "proof#0/inputs/gru_1_input.npy" in named
    assert "gru_1/kernel.npy" in named


def test_the_command_says_what_it_compared(bundle, tmp_path, capsys):
    path = tmp_path / "model.npz"
    path.write_bytes(bundle)
    assert main(["check", str(path)]) == EXIT_CODES["done"]
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{path}: intact: 3 weights, 72 numbers")
    assert lines[1].startswith("proof: 1 case, ")
    assert "compared with Keras 0 (tensorflow 0), largest difference " in lines[1]
    assert lines[2].startswith("step by step: 1 of 1 case, ")
    assert lines[3].startswith(f"kernel: {kernel()}")


def test_the_command_ends_with_1_where_the_proof_does_not_hold(
    bundle, tmp_path, capsys
):
    path = tmp_path / "model.npz"
    path.write_bytes(proofs.another_weight(bundle))
    assert main(["check", str(path)]) == EXIT_CODES["differs"]
    assert "\ndiffer: case 'given', output 'gru_1': " in capsys.readouterr().out


def test_the_command_says_that_there_is_no_proof(tmp_path, capsys):
    path = tmp_path / "model.npz"
    path.write_bytes(GRU.bundle())
    assert main(["check", str(path)]) == EXIT_CODES["done"]
    assert "no proof" in capsys.readouterr().out
    load(path, check=True)


def numpy_alone(folder):
    """A folder to import from that holds NumPy and the runtime, and nothing else."""
    link_numpy(folder)
    source = Path(gru2np_runtime.__file__).parent
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source, folder / "gru2np_runtime", ignore=ignored)
    return folder


def test_on_a_python_with_numpy_alone(bundle, tmp_path):
    """Check passes; with one byte changed it fails and names the member."""
    site = tmp_path / "site"
    site.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(numpy_alone(site))}

    def run(*arguments):
        command = [sys.executable, "-S", *arguments]
        return subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True
        )

    for name in ("h5py", "click", "gru2np"):
        assert run("-c", f"import {name}").returncode == 1
    path = tmp_path / "model.npz"
    path.write_bytes(bundle)
    done = run("-m", "gru2np_runtime", "check", str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert "proof: 1 case" in done.stdout
    named = {name: end for name, _, end in positions(bundle)}
    for name, changed in (
        ("gru_1/kernel", "gru_1/kernel.npy"),
        ("proof#0/outputs/gru_1", "proof#0/outputs/gru_1.npy"),
    ):
        damaged = bytearray(bundle)
        damaged[named[changed] - 1] ^= 1
        path.write_bytes(damaged)
        done = run("-m", "gru2np_runtime", "check", str(path))
        assert done.returncode == 3
        assert name in done.stderr
        assert "Traceback" not in done.stderr


def test_numpy_opens_a_bundle_with_its_proof(bundle):
    with np.load(io.BytesIO(bundle), allow_pickle=False) as data:
        (y,) = GRU.arrays(0, "y")
        np.testing.assert_array_equal(data["proof#0/outputs/gru_1"], y)
