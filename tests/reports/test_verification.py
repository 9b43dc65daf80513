"""The page of a verification: its verdict first."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np

from command_line import run
from goldens import FIXTURES, Golden
from gru2np.text import difference
from report_pages import (
    STACK,
    Reader,
    inspected,
    recorded,
    verified,
)


def test_the_verdict_is_first_with_the_largest_difference(tmp_path):
    page = verified(recorded(), tmp_path / "page.html")
    worst = recorded().worst
    assert page.text.index("Agrees") < page.text.index("Outputs")
    said = f"{difference(worst.largest)} of {difference(worst.tolerance)}"
    assert said in page.text
    for node in recorded().evidence.cases[0].nodes:
        assert node.name in page.text


def test_the_command_makes_the_page_again(tmp_path):
    page = verified(
        recorded(), tmp_path / "page.html", inputs=tmp_path / "my x.npy", atol=0.001
    )
    command = "gru2np verify model.keras --input 'my x.npy' --atol 0.001 --report"
    assert command in page.text


def test_a_page_has_no_paths_of_this_machine(tmp_path):
    target = tmp_path / "page.html"
    verified(recorded(), target, inputs=tmp_path / "x.npy")
    text = target.read_text("utf-8")
    for private in (str(tmp_path), str(FIXTURES), platform.node(), str(Path.home())):
        assert private not in text


def test_verify_writes_a_page_and_exits_with_1(tmp_path):
    golden = Golden(STACK.parent)
    (x,), (y,) = golden.arrays(0, "x"), golden.arrays(0, "y")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y + 1)
    target = tmp_path / "page.html"
    given = ("--input", tmp_path / "x.npy", "--expected", tmp_path / "y.npy")
    result = run("verify", STACK, *given, "--report", target)
    assert result.exit_code == 1, result.output
    page = Reader(target.read_text("utf-8"))
    assert "Differs" in page.text
    assert "--input x.npy --expected y.npy" in page.text
    before = target.read_bytes()
    assert run("verify", STACK, *given, "--report", target).exit_code == 2
    assert target.read_bytes() == before


def test_a_list_in_a_sentence_has_an_item_for_each_line(tmp_path):
    model = FIXTURES / "keras-3.15" / "stateful" / "model.keras"
    inspected(model, tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text("utf-8")
    for layer in ("gru", "lstm", "simple_rnn"):
        assert f"<li>layer '{layer}': stateful: " in html


def test_a_note_is_not_repeated_in_the_meaning(tmp_path):
    golden = Golden(FIXTURES / "keras-3.15" / "stateful")
    (x,), (y,) = golden.arrays(0, "x"), golden.arrays(0, "y")
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    target = tmp_path / "page.html"
    inputs = ("--input", tmp_path / "x.npy", "--expected", tmp_path / "y.npy")
    model = golden.folder / "model.keras"
    result = run("verify", model, *inputs, "--report", target)
    assert result.exit_code == 0, result.output
    text = Reader(target.read_text("utf-8")).text
    assert text.lower().count("the file names no backend") == 1
    assert text.index("names no backend") < text.index("Outputs")
