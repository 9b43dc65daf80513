"""Folders for unfinished work: those of dead processes are removed, and no others."""

import os
import signal
import subprocess
import sys
import tempfile

import pytest

from gru2np_runtime.files import workspace as module
from gru2np_runtime.files.workspace import LOCK, abandoned, workspace

fcntl = pytest.importorskip("fcntl", reason="without locks nothing is removed")
DIE = """
import os, pathlib, signal, sys
from gru2np_runtime.files.workspace import workspace

with workspace(pathlib.Path(sys.argv[1])) as folder:
    (folder / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def target(tmp_path):
    return tmp_path / "model.npz"


def left_by_a_killed_process(target):
    done = subprocess.run([sys.executable, "-c", DIE, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    (folder,) = target.parent.iterdir()
    return folder


def test_it_is_beside_the_target_and_goes_with_the_context(target):
    with workspace(target) as folder:
        assert folder.parent.parent == target.parent
        (folder / "new").write_text("whole")
        (folder / "new").replace(target)
    assert list(target.parent.iterdir()) == [target]
    with pytest.raises(KeyboardInterrupt), workspace(target) as folder:
        raise KeyboardInterrupt
    assert list(target.parent.iterdir()) == [target]


def test_without_a_target_it_is_a_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with workspace() as folder:
        assert folder.parent.parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_the_next_one_removes_what_a_killed_process_left(target):
    left = left_by_a_killed_process(target)
    with workspace(target.with_name("another.npz")):
        assert left.exists()
    with workspace(target) as folder:
        assert list(target.parent.iterdir()) == [folder.parent]


def test_what_was_left_can_be_read_before_it_goes(target):
    left_by_a_killed_process(target)
    assert [(path / "half").read_text() for path in abandoned(target)] == ["half"]
    assert list(target.parent.iterdir()) == []


def test_one_in_use_is_left_alone(target):
    """By this process or another: locks are of open files."""
    with workspace(target) as first, workspace(target) as second:
        assert first.exists()
        assert first.parent != second.parent


@pytest.mark.parametrize("killed_after", ["mkdir", "open", "unlink"])
def test_one_that_was_just_made_or_almost_gone(target, killed_after):
    folder = target.with_name(".model.npz.gru2np-x")
    folder.mkdir(0o700)
    if killed_after == "open":
        (folder / LOCK).touch()
    with workspace(target) as own:
        assert list(target.parent.iterdir()) == [own.parent]


def test_a_folder_of_somebody_is_left_alone(target):
    others = []
    for number, mode in enumerate((0o700, 0o755)):
        folder = target.with_name(f".model.npz.gru2np-{number}")
        folder.mkdir(mode)
        (folder / (LOCK if mode == 0o755 else "thesis.tex")).write_text("chapter 1")
        others.append(folder)
    elsewhere = target.with_name("elsewhere")
    elsewhere.mkdir(0o700)
    (elsewhere / LOCK).touch()
    link = target.with_name(".model.npz.gru2np-link")
    link.symlink_to(elsewhere)
    file = target.with_name(".model.npz.gru2np-file")
    file.touch(0o600)
    with workspace(target):
        pass
    expected = {*others, elsewhere, link, file}
    assert set(target.parent.iterdir()) == expected
    assert all(list(folder.iterdir()) for folder in (*others, elsewhere))


def test_another_takes_it_for_abandoned_before_it_is_locked(target, monkeypatch):
    """Between the three calls that make one, whatever others do."""
    makes, made = tempfile.mkdtemp, []

    def and_removed(**options):
        made.append(makes(**options))
        if len(made) == 1:
            assert list(abandoned(target)) == []
            assert not os.path.exists(made[0])  # noqa: PTH110
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", and_removed)
    with workspace(target) as folder:
        assert len(made) == 2
        assert str(folder.parent) == made[1]


def test_another_locks_it_first(target, monkeypatch):
    locks, calls = module._lock, []

    def second(file):
        calls.append(file)
        if len(calls) == 1:
            (folder,) = target.parent.iterdir()
            with (folder / LOCK).open("r+b") as other:
                fcntl.flock(other, fcntl.LOCK_EX)
                return locks(file)
        return locks(file)

    monkeypatch.setattr(module, "_lock", second)
    with workspace(target) as folder:
        assert calls[1].name == str(folder.parent / LOCK)
    assert len(calls) == 2


def test_where_there_are_no_locks_nothing_is_removed(target, monkeypatch):
    left = left_by_a_killed_process(target)

    def refuse(*_arguments):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with workspace(target) as folder:
        (folder / "new").touch()
    assert list(target.parent.iterdir()) == [left]
