"""Progress of predict and of verify, on standard error alone."""

import io

import numpy as np

import gru2np
from gru2np.cli import progress
from gru2np.cli.progress import Bar, Rate, Status
from gru2np_runtime import load
from gru2np_runtime.files.prediction import predict_file
from modelfiles import fixture, recorded

GRU = "keras-2.2/get_weights_explained"


def test_it_is_called_after_each_batch(tmp_path):
    calls = []
    gru2np.export(fixture(GRU), tmp_path / "model.npz")
    np.save(tmp_path / "x.npy", recorded(GRU)[0][0])
    predict_file(
        load(tmp_path / "model.npz"),
        tmp_path / "x.npy",
        io.BytesIO(),
        batch_size=2,
        progress=lambda done, rows: calls.append((done, rows)),
    )
    assert calls == [(2, 5), (4, 5), (5, 5)]


def test_the_bar_is_drawn_on_standard_error_only(capsys):
    with Bar(shown=True) as bar:
        bar(5, 10)
        bar(10, 10)
    assert capsys.readouterr().out == ""
    with Bar(shown=False) as bar:
        bar(5, 10)
    assert capsys.readouterr().err == ""


def test_the_rate_and_the_time_left():
    rate = Rate()
    rate.add(100.0, 5000)  # a resumed run begins with rows done
    assert rate.text(5000) == ""
    rate.add(102.0, 7000)
    assert rate.text(3_600_000) == "1,000 rows/s, 1:00:00 left"
    for second in range(103, 200):
        rate.add(float(second), 7000 + second)
    assert rate.text(61) == "1.0 rows/s, 0:01:01 left"
    assert rate.text(0) == "1.0 rows/s"


def test_the_bar_shows_them(capsys):
    with Bar(shown=True) as bar:
        for done in range(1, 11):
            bar(done * 100, 1000)
    assert capsys.readouterr().out == ""


def test_a_status_is_one_line_that_goes_away(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    with Status("verify", shown=True) as status:
        status("reading model.h5")
        status("a text that is longer than the terminal is wide")
        status("short")
    captured = capsys.readouterr()
    assert captured.out == ""
    lines = captured.err.split("\r")
    assert lines[1] == "verify: reading model.h5"
    assert lines[2] == "verify: a text that is longer than the "
    assert lines[3] == "verify: short".ljust(39)
    assert lines[4:] == [" " * 13, ""]
    with Status("verify", shown=False) as status:
        status("reading model.h5")
    assert capsys.readouterr().err == ""


def test_a_status_shows_the_time_it_takes(capsys, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)

    def line(*said):
        status(*said)
        return capsys.readouterr().err.split("\r")[1].rstrip()

    status = Status("verify", shown=True)
    assert line("starting Keras") == "verify: starting Keras"
    now += 3.5
    assert line("starting Keras") == "verify: starting Keras, 0:00:03"
    assert line("reads the model") == "verify: reads the model"
    assert line("case a", 0, 5) == "verify: case a (1 of 5)"
    now += 2
    assert line("case b", 1, 5) == "verify: case b (2 of 5), 0:00:08 left"
    now += 60
    assert line("case c", 2, 5) == "verify: case c (3 of 5), 0:01:33 left"
    # It begins again.
    assert line("case a", 0, 5) == "verify: case a (1 of 5)"
