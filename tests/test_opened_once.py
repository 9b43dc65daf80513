"""Every command opens a model file once, and reads it once for each meaning."""

import sys
from collections import Counter

import numpy as np
import pytest

import gru2np
from command_line import run
from goldens import FIXTURES
from gru2np.cli import cli
from gru2np.convert import converted
from gru2np.generations import GENERATIONS
from gru2np.readers import open_model
from modelfiles import recorded
from needs_keras import MARKS

MODEL = "keras-3.15/gru"
APART = FIXTURES / "keras-2.2" / "gru_json"
REFUSED = FIXTURES / "keras-3.15" / "custom_layers" / "model.keras"

WATCHED = {
    # What is decorated is a generator, called again each time it goes on.
    open_model.__wrapped__.__code__: "opened",
    converted.__code__: "converted",
    **{own.read.__code__: "interpreted" for own in GENERATIONS.values()},
}
# How often, where no Keras is run.
ONCE = {"opened": 1, "interpreted": 1, "converted": 1}
# Of the Keras that is asked, it must be known what the file means to it.
TWICE = {"opened": 1, "interpreted": 2, "converted": 2}
# What was written is read again, to know that it is what was meant.
AGAIN = {"opened": 2, "interpreted": 2, "converted": 2}

COMMANDS = {
    "export m.keras": ONCE,
    "export m.keras -o b.npz --force --json": ONCE,
    "export m.keras --store float16": ONCE,
    "export m.keras --store int8": ONCE,
    "export architecture.json --weights weights.h5": ONCE,
    "inspect m.keras": ONCE,
    "inspect m.keras --json": ONCE,
    "inspect m.keras --report p.html": ONCE,
    "inspect architecture.json --weights weights.h5 --report p.html": ONCE,
    "inspect refused.keras --report p.html": ONCE,
    "inspect b.npz --report p.html": {},
    "check b.npz": {},
    "upgrade m.keras": AGAIN,
    "verify m.keras -i x.npy --expected y.npy": ONCE,
    "verify m.keras b.npz -i x.npy --expected y.npy --json": ONCE,
    "verify m.keras b.npz -i x.npy --expected y.npy --record": ONCE,
    "verify m.keras -i x.npy --expected y.npy --report p.html": ONCE,
    "verify m.keras b.npz -i x.npy --expected y.npy --report p.html": ONCE,
    "predict b.npz -i x.npy -o z.npy": {},
    "ship b.npz device": {},
    "verify m.keras --layers --report p.html": TWICE,
    "verify m.keras b.npz --record --report p.html": TWICE,
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that the commands name."""
    model = FIXTURES / MODEL / "model.keras"
    links = {"m.keras": model, "refused.keras": REFUSED}
    links |= {name: APART / name for name in ("architecture.json", "weights.h5")}
    for name, path in links.items():
        (tmp_path / name).write_bytes(path.read_bytes())
    (x,), (y,) = recorded(MODEL)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    gru2np.export(model, tmp_path / "b.npz")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def calls(run):
    """How often each watched function is called, and what ``run`` gives."""
    seen = []

    def note(frame, event, _):
        if event == "call" and frame.f_code in WATCHED and frame not in seen:
            seen.append(frame)

    sys.setprofile(note)
    try:
        result = run()
    finally:
        sys.setprofile(None)
    return Counter(WATCHED[frame.f_code] for frame in seen), result


def test_every_command_is_counted():
    assert {command.split()[0] for command in COMMANDS} == set(cli.commands)


@pytest.mark.parametrize(
    ("command", "times"),
    [
        pytest.param(command, times, marks=MARKS if times is TWICE else ())
        for command, times in COMMANDS.items()
    ],
)
def test_a_model_file_is_opened_and_converted_once(command, times, folder):
    found, result = calls(lambda: run(*command.split()))
    assert result.exit_code == 0, result.output
    assert found == times


@pytest.mark.parametrize("store", [None, "int8"])
def test_exporting_in_python_opens_it_once(store, folder):
    found, _ = calls(lambda: gru2np.export("m.keras", "m.npz", store=store))
    assert found == ONCE
