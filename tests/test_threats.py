"""Attacks on Keras' loaders: each row of ``docs/threats.py`` by files of its own."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
import tempfile
import tracemalloc

import pytest

import goldens
import gru2np
import hostile
import threat_files
from gru2np.readers import open_model
from small_models import arrays
from watching import opened_files

DOCS = goldens.ROOT / "docs"
PAGE = DOCS / "reference" / "threats.md"
MOST_MEMORY = 100 << 20


def module():
    spec = importlib.util.spec_from_file_location("threats", DOCS / "threats.py")
    found = importlib.util.module_from_spec(spec)
    # Its tuples look up their annotations there.
    sys.modules["threats"] = found
    spec.loader.exec_module(found)
    return found


THREATS = module()
FILES = [
    pytest.param(attack.build, id=f"{key}: {name}")
    for key, attacks in threat_files.FILES.items()
    for name, attack in attacks.items()
]


@pytest.fixture
def nothing_else(tmp_path, monkeypatch):
    """No connection is made and no process started; nothing is left in the folder."""

    def refuse(*arguments, **options):
        raise AssertionError("reached outside")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(os, "system", refuse)
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spool))
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def files_below(folder):
    return sorted(path for path in folder.parent.rglob("*"))


@pytest.mark.parametrize("key", THREATS.THREATS)
def test_the_file_does_nothing(key, nothing_else, tmp_path):
    for number, (name, attack) in enumerate(threat_files.FILES[key].items()):
        folder = nothing_else / str(number)
        folder.mkdir()
        path = attack.build(folder)
        before = files_below(nothing_else)
        tracemalloc.start()
        try:
            with opened_files(folder) as opened:
                said = refusal(path, tmp_path / "out.npz", name, attack)
            assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY, name
        finally:
            tracemalloc.stop()
        assert attack.message in said, name
        # The model, and no canary: neither read nor made.
        assert opened <= {path.name}, name
        assert files_below(nothing_else) == before, name


def refusal(path, target, name, attack):
    """What export says; nothing of an honest model."""
    if name in hostile.ATTACKS:
        # Its architecture is too small for an export: its reader refuses it before.
        with pytest.raises(gru2np.Gru2npError):
            gru2np.export(path, target)
        with pytest.raises(attack.error) as caught, open_model(path) as raw:
            arrays(raw)
        return str(caught.value)
    if attack.message == threat_files.HONEST:
        gru2np.export(path, target)
        target.unlink()
        return ""
    with pytest.raises(attack.error) as caught:
        gru2np.export(path, target)
    return str(caught.value)


@pytest.mark.parametrize("build", FILES)
def test_an_audit_does_nothing_either(build, nothing_else):
    path = build(nothing_else)
    before = files_below(nothing_else)
    tracemalloc.start()
    try:
        with opened_files(nothing_else) as opened:
            str(gru2np.audit(path))
        assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY
    finally:
        tracemalloc.stop()
    assert opened <= {path.name}
    assert files_below(nothing_else) == before


@pytest.mark.parametrize(
    "key", [key for key, row in THREATS.THREATS.items() if row.audit]
)
def test_the_audit_finds_it(key, tmp_path):
    found = set()
    for number, (name, attack) in enumerate(threat_files.FILES[key].items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        path = attack.build(folder)
        rules = {finding.rule for finding in gru2np.audit(path).findings}
        assert rules & set(THREATS.THREATS[key].audit), name
        found |= rules
    assert set(THREATS.THREATS[key].audit) <= found


def test_every_row_has_files_and_is_on_the_page():
    assert list(THREATS.THREATS) == list(threat_files.FILES)
    assert all(threat_files.FILES.values())
    assert THREATS.table() in PAGE.read_text("utf-8")


def test_every_test_on_the_page_is_there():
    named = [test for key in THREATS.THREATS for test in THREATS.tests(key)]
    shown = re.findall(
        r"\[`([^`]+)`\]\(\.\./\.\./(tests/[^)]+)\)", PAGE.read_text("utf-8")
    )
    assert [f"{path}::{name}" for name, path in shown] == named
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *dict.fromkeys(named)],
        cwd=goldens.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(set(named))} tests collected" in done.stdout
