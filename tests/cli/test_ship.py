"""``gru2np ship``: nothing is lost, and nothing is half there."""

import json
from pathlib import Path

import pytest

import goldens
import gru2np
import gru2np_runtime
import proofs
from command_line import run
from example_files import example
from gru2np import ship as shipping
from gru2np.cli.commands import EXIT_CODES

GRU = goldens.Golden(goldens.FIXTURES / "keras-2.2" / "gru")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def proved():
    return proofs.golden_proved(GRU)


@pytest.fixture
def bundle(tmp_path, proved):
    path = tmp_path / "gru.npz"
    path.write_bytes(proved)
    return path


def test_json(bundle, tmp_path):
    result = run("ship", bundle, tmp_path / "device", "--json", "-q")
    record = json.loads(result.stdout)
    assert result.stderr == ""
    files = [p for p in (tmp_path / "device").rglob("*") if p.is_file()]
    assert record["files"] == len(files)
    assert record["bytes"] == sum(path.stat().st_size for path in files)
    assert record["folder"] == str(tmp_path / "device")
    assert record["runtime"] == gru2np_runtime.__version__
    assert record["compiled"] is False
    assert len(record["sha256"]) == 64


def test_what_is_there_is_not_lost(bundle, tmp_path):
    folder = tmp_path / "device"
    folder.mkdir()
    # An empty folder is as good as none.
    assert run("ship", bundle, folder).exit_code == 0
    (folder / "run.py").write_text("changed")
    again = run("ship", bundle, folder)
    assert again.exit_code == EXIT_CODES["usage"]
    assert "is not empty: --force replaces it" in again.stderr
    assert (folder / "run.py").read_text() == "changed"
    assert run("ship", bundle, folder, "--force").exit_code == 0
    assert (folder / "run.py").read_text() != "changed"
    (folder / "y.npy").write_bytes(b"a night's work")
    foreign = run("ship", bundle, folder, "--force")
    assert foreign.exit_code == EXIT_CODES["usage"]
    assert "files that ship did not write, such as 'y.npy': name" in foreign.stderr
    assert (folder / "y.npy").exists()
    (folder / "y.npy").unlink()
    own = run("ship", folder / "model.npz", folder, "--force")
    assert own.exit_code == EXIT_CODES["usage"]
    assert "holds the bundle itself" in own.stderr
    assert (folder / "model.npz").exists()
    assert names(tmp_path) == ["device", "gru.npz"]


def test_no_place_for_a_folder(bundle, tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    for place, text in (
        (bundle, "is not a folder"),
        (tmp_path / "link", "is not a folder"),
        (tmp_path / "missing" / "device", "there is no folder"),
    ):
        result = run("ship", bundle, place, "--force")
        assert result.exit_code == EXIT_CODES["usage"]
        assert text in result.stderr


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no bundle"])
def test_what_is_no_bundle_is_not_shipped(tmp_path, content):
    (tmp_path / "m.npz").write_bytes(content)
    result = run("ship", tmp_path / "m.npz", tmp_path / "device")
    assert result.exit_code == EXIT_CODES["refused"]
    assert result.stderr.startswith(f"Error: {tmp_path / 'm.npz'}: ")
    assert names(tmp_path) == ["m.npz"]


def test_a_damaged_bundle_is_not_shipped(bundle, tmp_path):
    damaged = bytearray(bundle.read_bytes())
    damaged[300] ^= 1
    bundle.write_bytes(damaged)
    result = run("ship", bundle, tmp_path / "device")
    assert result.exit_code == EXIT_CODES["refused"]
    assert names(tmp_path) == ["gru.npz"]


def test_custom_layers_are_named(tmp_path):
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "custom_layers")
    own = example("custom_layer").CUSTOM
    gru2np.export(golden.files()[0], tmp_path / "m.npz", custom_objects=own)
    result = run("ship", tmp_path / "m.npz", tmp_path / "device")
    assert result.exit_code == EXIT_CODES["refused"]
    assert "AttentionByHand" in result.stderr
    assert names(tmp_path) == ["m.npz"]


FULL = OSError(28, "No space left on device")


@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt(), MemoryError()])
def test_all_or_nothing(bundle, tmp_path, monkeypatch, error):
    folder = tmp_path / "device"
    assert run("ship", bundle, folder).exit_code == 0
    before = (folder / "README.txt").stat()

    def stop(*_arguments):
        raise error

    for place in ("_texts", "_take_place"):
        with monkeypatch.context() as patched:
            patched.setattr(shipping, place, stop)
            for target, more in ((folder, ["--force"]), (tmp_path / "new", [])):
                result = run("ship", bundle, target, *more)
                assert result.exit_code != 0
                if error is FULL:
                    assert result.exit_code == EXIT_CODES["refused"]
                    assert "cannot be written: No space left" in result.stderr
        assert (folder / "README.txt").stat() == before
        assert names(tmp_path) == ["device", "gru.npz"]


def test_what_was_there_comes_back_when_the_new_cannot_take_its_place(
    bundle, tmp_path, monkeypatch
):
    folder = tmp_path / "device"
    assert run("ship", bundle, folder).exit_code == 0
    (folder / "run.py").write_text("the one before")
    rename = Path.rename

    def refuse(path, target):
        if path.name == "new":
            raise OSError(13, "Permission denied")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    result = run("ship", bundle, folder, "--force")
    assert result.exit_code == EXIT_CODES["refused"]
    assert (folder / "run.py").read_text() == "the one before"
    assert names(tmp_path) == ["device", "gru.npz"]
