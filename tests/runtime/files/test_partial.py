"""Interrupted runs: resumed to the same bytes, or refused with the reason."""

import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import gru2np
import gru2np_runtime.__main__ as runtime_main
from command_line import run_predict
from gru2np.cli.commands import EXIT_CODES
from gru2np.cli.progress import Bar
from gru2np_runtime import Gru2npError, load
from gru2np_runtime.files.arrays import Misuse
from gru2np_runtime.files.prediction import predict_file
from modelfiles import fixture

GRU = "keras-2.2/get_weights_explained"
SEVERAL = "keras-2.2/relu_layers"  # one flat input, four outputs
STATEFUL = "keras-2.2/stateful"
ROWS = 1000


class Work:
    """A bundle, its input, and where the output goes."""

    def __init__(self, folder, case=GRU, suffix="npy"):
        self.folder = folder
        self.bundle = folder / "model.npz"
        gru2np.export(fixture(case), self.bundle)
        shape = load(self.bundle).input_shapes[0][1:]
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(ROWS, *shape)).astype("float32")
        np.save(folder / "x.npy", self.x)
        self.source = folder / "x.npy"
        self.out = folder / f"y.{suffix}"
        self.partial = folder / f"y.{suffix}.partial"

    def whole(self):
        """The bytes of a run that nobody interrupts."""
        out = self.folder / f"whole{self.out.suffix}"
        result = run_predict(
            self.bundle, "-i", self.source, "-o", out, "--batch-size", 7, "-f"
        )
        assert result.exit_code == 0, result.stderr
        return out.read_bytes()

    def run(self, *more, batch_size=7):
        size = ("--batch-size", batch_size)
        return run_predict(self.bundle, "-i", self.source, "-o", self.out, *size, *more)

    def interrupt(self, monkeypatch, after, error=KeyboardInterrupt):
        """A run that is stopped when so many rows are done."""

        def stop(_bar, done, _rows):
            if done >= after:
                raise error

        with monkeypatch.context() as patched:
            patched.setattr(Bar, "__call__", stop)
            return self.run()

    def journal(self):
        return json.loads((self.partial / "journal.json").read_text())


@pytest.fixture
def work(tmp_path):
    return Work(tmp_path)


CASES = [(GRU, "npy"), (GRU, "npz"), (GRU, "csv"), (SEVERAL, "npz"), (SEVERAL, "csv")]


@pytest.mark.parametrize(("case", "suffix"), CASES)
def test_interrupted_and_resumed_gives_the_same_bytes(
    tmp_path, monkeypatch, case, suffix
):
    work = Work(tmp_path, case, suffix)
    stopped = work.interrupt(monkeypatch, 500)
    assert stopped.exit_code == EXIT_CODES["interrupted"]
    text = f"504 rows are kept in {work.partial}: the same command with --resume"
    assert text in stopped.stderr
    assert not work.out.exists()
    assert work.journal()["rows"] == 504
    done = []
    monkeypatch.setattr(Bar, "__call__", lambda _bar, rows, _all: done.append(rows))
    result = work.run("--resume")
    assert result.exit_code == 0, result.stderr
    assert done[:2] == [504, 511]
    assert work.out.read_bytes() == work.whole()
    assert not work.partial.exists()


def test_interrupted_twice_and_finished_by_the_runtime_alone(work, monkeypatch, capsys):
    work.interrupt(monkeypatch, 300)
    with monkeypatch.context() as patched:
        patched.setattr(
            Bar,
            "__call__",
            lambda _bar, rows, _all: rows < 600 or os.kill(0, 0) or 1 / 0,
        )
        assert work.run("--resume").exit_code == EXIT_CODES["internal"]
    assert work.journal()["rows"] == 602
    arguments = ["predict", work.bundle, work.source, "-o", work.out, "--resume"]
    arguments += ["--batch-size", "7"]
    assert runtime_main.main([*map(str, arguments)]) == 0
    assert work.out.read_bytes() == work.whole()
    capsys.readouterr()


KILLED = """
import os, signal, sys
import gru2np_runtime.files.partial as partial
from gru2np_runtime import load
from gru2np_runtime.files.prediction import predict_file

bundle, source, target = sys.argv[1:]
partial.INTERVAL = 0.0

def progress(done, rows):
    if done >= rows / 2:
        os.kill(os.getpid(), signal.SIGKILL)

predict_file(load(bundle), source, target, batch_size=7, progress=progress,
             bundle=bundle)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_halfway_and_resumed_gives_the_same_bytes(work):
    command = [sys.executable, "-c", KILLED, work.bundle, work.source, work.out]
    killed = subprocess.run(command, capture_output=True)
    assert killed.returncode == -signal.SIGKILL
    assert not work.out.exists()
    # What was written after the last entry of the journal is written again.
    with (work.partial / "0.part").open("ab") as file:
        file.write(b"half a row")
    result = work.run("--resume")
    assert result.exit_code == 0, result.stderr
    assert work.out.read_bytes() == work.whole()


def test_killed_before_the_first_entry_begins_anew(work):
    work.partial.mkdir()
    (work.partial / "0.part").write_bytes(b"half a header")
    assert work.run().exit_code == 0
    assert work.out.read_bytes() == work.whole()
    assert not work.partial.exists()


def test_resume_with_nothing_there_begins(work):
    assert work.run("--resume").exit_code == 0
    assert work.out.read_bytes() == work.whole()


# What must not be mixed is refused, and what is done stays


def test_another_run_is_refused(work, monkeypatch):
    work.interrupt(monkeypatch, 500)
    before = work.journal()

    def refused(text, **options):
        result = work.run("--resume", **options)
        assert result.exit_code == EXIT_CODES["refused"], result.output
        assert text in result.stderr
        assert "start again with --force" in result.stderr
        assert work.journal() == before
        assert not work.out.exists()

    refused("expected batch size 7, got 8", batch_size=8)
    content = work.bundle.read_bytes()
    gru2np.export(fixture("keras-2.2/gru"), work.bundle)
    other = work.run("--resume")
    assert other.exit_code == EXIT_CODES["refused"]
    work.bundle.write_bytes(content)
    monkeypatch.setattr(np, "__version__", "1.0")
    refused("expected NumPy")
    monkeypatch.undo()
    changed = work.x.copy()
    changed[3, 0] += 1
    np.save(work.source, changed)
    refused("the first 504 rows of the input changed")
    np.save(work.source, work.x[:-1])
    refused("expected input float32 (1000, 3, 1), got float32 (999, 3, 1)")
    # What nobody has read yet may change, as it may before a run begins.
    changed = work.x.copy()
    changed[700] += 1
    np.save(work.source, changed)
    assert work.run("--resume").exit_code == 0
    assert work.out.read_bytes() == work.whole()


def test_another_bundle_is_refused(work, monkeypatch):
    work.interrupt(monkeypatch, 500)
    from gru2np_runtime.bundle.container import MANIFEST, Writer, read_members

    members = read_members(work.bundle.read_bytes())
    manifest = bytes(members.pop(MANIFEST)).replace(b'"sequential_1"', b'"another"')
    content = {name: bytes(data) for name, data in members.items()}
    with work.bundle.open("wb") as file:
        writer = Writer(file)
        for name, data in {**content, MANIFEST: manifest}.items():
            writer.add(name, data)
        writer.close()
    result = work.run("--resume")
    assert result.exit_code == EXIT_CODES["refused"]
    assert "expected bundle" in result.stderr
    assert work.journal()["rows"] == 504


def test_a_damaged_partial_is_refused(work, monkeypatch):
    def damage(edit, text):
        work.run("--force") if work.partial.exists() else None
        work.out.unlink(missing_ok=True)
        work.interrupt(monkeypatch, 500)
        edit()
        result = work.run("--resume")
        assert result.exit_code == EXIT_CODES["refused"], result.output
        assert text in result.stderr
        assert work.partial.exists()

    part, journal = work.partial / "0.part", work.partial / "journal.json"

    def edit_journal(**changes):
        journal.write_text(json.dumps({**work.journal(), **changes}))

    damage(lambda: part.write_bytes(part.read_bytes()[:-1]), "0.part is damaged")
    damage(lambda: part.write_bytes(b"none"), "0.part is damaged")
    damage(part.unlink, "0.part is damaged")
    damage(lambda: journal.write_text("{"), "its journal cannot be read")
    damage(lambda: journal.write_text("[]"), "its journal cannot be read")
    damage(lambda: edit_journal(rows=-1), "its journal cannot be read")
    damage(lambda: edit_journal(rows=float("inf")), "its journal cannot be read")
    damage(lambda: edit_journal(rows=10**15), "rows of the input changed")
    damage(lambda: edit_journal(conditions={}), "expected bundle None, got")
    damage(lambda: edit_journal(rows=7), "rows of the input changed")


def test_what_an_interrupted_run_left_is_not_lost(work, monkeypatch):
    work.interrupt(monkeypatch, 500)
    again = work.run()
    assert again.exit_code == EXIT_CODES["usage"]
    assert "--resume continues it, --force starts again" in again.stderr
    assert work.journal()["rows"] == 504
    assert work.run("--force").exit_code == 0
    assert work.out.read_bytes() == work.whole()
    assert not work.partial.exists()


def test_a_link_in_the_place_of_the_folder_is_left_alone(work, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    work.partial.symlink_to(elsewhere)
    for more in ((), ("--force",), ("--resume",)):
        result = work.run(*more)
        assert result.exit_code == EXIT_CODES["usage"]
        assert "exists, and no run of gru2np made it" in result.stderr
    assert work.partial.is_symlink()
    assert elsewhere.is_dir()


def test_a_folder_of_somebody_else_is_left_alone(work):
    work.partial.mkdir()
    (work.partial / "thesis.tex").write_text("chapter 1")
    for more in ((), ("--force",), ("--resume",)):
        result = work.run(*more)
        assert result.exit_code == EXIT_CODES["usage"]
        assert "exists, and no run of gru2np made it" in result.stderr
    assert (work.partial / "thesis.tex").read_text() == "chapter 1"


def test_two_processes_do_not_write_one_output(work, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    work.interrupt(monkeypatch, 500)
    with (work.partial / "0.part").open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        for more in ("--resume", "--force"):
            result = work.run(more)
            assert result.exit_code == EXIT_CODES["usage"]
            assert "is being written by another process" in result.stderr
    assert work.run("--resume").exit_code == 0
    assert work.out.read_bytes() == work.whole()


def test_a_run_that_finishes_meanwhile_keeps_its_output(work, monkeypatch):
    fcntl = pytest.importorskip("fcntl")
    work.interrupt(monkeypatch, 500)
    content = (work.partial / "0.part").read_bytes()

    def finish(*_lock):
        (work.partial / "0.part").replace(work.out)

    monkeypatch.setattr(fcntl, "flock", finish)
    result = work.run("--force")
    assert result.exit_code == EXIT_CODES["usage"]
    assert "is being written by another process" in result.stderr
    assert work.out.read_bytes() == content


def test_a_full_disk_keeps_what_is_done(work, monkeypatch):
    result = work.interrupt(monkeypatch, 500, OSError(28, "No space left on device"))
    assert result.exit_code == EXIT_CODES["refused"]
    assert "No space left on device; 504 rows are kept, and --resume" in result.stderr
    assert work.run("--resume").exit_code == 0
    assert work.out.read_bytes() == work.whole()


def test_bad_data_leaves_nothing(work, monkeypatch):
    result = work.interrupt(monkeypatch, 500, Gru2npError("bad data"))
    assert result.exit_code == EXIT_CODES["refused"]
    assert not work.partial.exists()
    assert not work.out.exists()


def test_nothing_to_resume_on_a_pipe(work):
    result = run_predict(work.bundle, "-i", work.source, "-o", "-", "--resume")
    assert result.exit_code == EXIT_CODES["usage"]
    assert "--resume needs an output file" in result.stderr


def test_a_stateful_model_is_not_resumed(tmp_path, monkeypatch):
    bundle = tmp_path / "m.npz"
    gru2np.export(fixture(STATEFUL), bundle)
    model = load(bundle)
    batch, *shape = model.input_shapes[0]
    x = np.ones((batch * 5, *(n or 3 for n in shape)), "float32")
    np.save(tmp_path / "x.npy", x)
    out = tmp_path / "y.npy"

    def stop(done, _rows):
        if done >= batch * 3:
            raise KeyboardInterrupt

    options = {"progress": stop, "bundle": bundle}
    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        predict_file(model, tmp_path / "x.npy", out, **options)
    assert sorted(tmp_path.iterdir()) == before
    result = run_predict(bundle, "-i", tmp_path / "x.npy", "-o", out, "--resume")
    assert result.exit_code == EXIT_CODES["usage"]
    assert "a run of a stateful model cannot be resumed" in result.stderr
    with pytest.raises(Misuse):
        predict_file(model, tmp_path / "x.npy", out, bundle=bundle, resume=True)
