"""Pages to look at: what they say, and what they keep out."""

from __future__ import annotations

import json
import platform
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import gru2np
from goldens import FIXTURES, Golden
from gru2np.cli import cli
from gru2np.inspection.inspect import inspecting
from gru2np.reports.graph import MOST_BOXES
from gru2np.reports.markup import element, visible
from gru2np.reports.over_time import states
from gru2np.text import difference
from report_pages import (
    CUSTOM,
    IMAGE,
    LONG,
    MASKED,
    NESTED,
    SCRIPT,
    STACK,
    STATEFUL,
    Reader,
    hostile,
    inspected,
    recorded,
    tall,
    verified,
)


def run(*arguments):
    return CliRunner().invoke(cli, [*map(str, arguments)])


def test_the_verdict_stands_first_with_the_largest_difference(tmp_path):
    page = verified(recorded(), tmp_path / "page.html")
    worst = recorded().worst
    assert page.text.index("Agrees") < page.text.index("Outputs")
    said = f"{difference(worst.largest)} of {difference(worst.tolerance)}"
    assert said in page.text
    for node in recorded().evidence.cases[0].nodes:
        assert node.name in page.text


def test_a_layer_that_differs_is_named_and_its_case_is_shown(tmp_path):
    found = recorded(wrong=("lstm", "one-row"))
    found_text = verified(found, tmp_path / "page.html").text
    assert re.search(
        r"first layer that differs is\s+lstm\s+\(LSTM\), case one-row", found_text
    )
    with inspecting(STACK) as (_, opened):
        shown = Reader("".join(states(found.evidence, opened)))
    # The layer that differs comes first, in its case, by the units furthest apart.
    units = [text for text in shown.texts if text.startswith("unit ")]
    assert "LSTM, one-row, row 0." in shown.texts
    assert shown.texts.index("LSTM, one-row, row 0.") < shown.text.index(
        "GRU, all-rows"
    )
    count = found.evidence.cases[0].nodes[1].ours[0].shape[-1]
    assert units[:3] == [f"unit {i}" for i in range(count)[-3:]]


def test_a_layer_of_one_output_shows_the_way_there_and_says_so(tmp_path):
    page = verified(recorded(), tmp_path / "page.html")
    last = recorded().evidence.cases[0].nodes[3]
    assert last.theirs[0].ndim == 2
    assert "Keras gives only the last state" in page.text
    labels = [value for _, key, value in page.attributes if key == "aria-label"]
    own = [text for text in labels if text.startswith("Unit") and "gru_1 " in text]
    numbers = [re.findall(r"Keras (\S+), the runtime (\S+)", text)[0] for text in own]
    assert len(numbers) == min(3, last.theirs[0].shape[1])
    for theirs, ours in numbers:
        assert np.isclose(last.theirs[0], float(theirs), rtol=1e-5).any()
        assert float(ours) == pytest.approx(float(theirs), rel=1e-4)


def test_the_command_makes_the_page_again(tmp_path):
    page = verified(
        recorded(), tmp_path / "page.html", inputs=tmp_path / "my x.npy", atol=0.001
    )
    command = "gru2np verify model.keras --input 'my x.npy' --atol 0.001 --report"
    assert command in page.text


def test_nothing_of_the_machine_is_told(tmp_path):
    target = tmp_path / "page.html"
    verified(recorded(), target, inputs=tmp_path / "x.npy")
    text = target.read_text("utf-8")
    for private in (str(tmp_path), str(FIXTURES), platform.node(), str(Path.home())):
        assert private not in text


def test_verify_writes_the_page_that_its_exit_code_tells_of(tmp_path):
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


# Inspections.


def test_inspect_writes_a_page_beside_what_it_prints(tmp_path):
    target = tmp_path / "page.html"
    plain = run("inspect", STACK, "--json")
    result = run("inspect", STACK, "--json", "--report", target)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == json.loads(plain.stdout)
    assert "Weights" in Reader(target.read_text("utf-8")).text


def test_an_existing_page_and_the_model_are_not_written_over(tmp_path):
    target = tmp_path / "page.html"
    target.write_text("mine")
    result = run("inspect", STACK, "--report", target)
    assert result.exit_code == 2
    assert "--force" in result.stderr
    assert target.read_text() == "mine"
    assert run("inspect", STACK, "--report", target, "--force").exit_code == 0
    assert target.read_text("utf-8").startswith("<!DOCTYPE html>")
    model = shutil.copy(STACK, tmp_path / "model.keras")
    result = run("inspect", model, "--report", model, "--force")
    assert result.exit_code == 2
    assert Path(model).read_bytes() == STACK.read_bytes()


def test_a_page_that_cannot_be_written_leaves_nothing(tmp_path):
    result = run("inspect", STACK, "--report", tmp_path / "none" / "page.html")
    assert result.exit_code in (2, 3)
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_cannot_be_converted_has_a_page_too(tmp_path):
    page = inspected(CUSTOM, tmp_path / "page.html")
    assert "Cannot be converted" in page.text
    assert "svg" not in page.tags


def test_a_bundle_has_a_page(tmp_path):
    bundle = tmp_path / "model.npz"
    gru2np.export(STACK, bundle)
    page = inspected(bundle, tmp_path / "page.html")
    assert "gru2np bundle" in page.text
    assert page.tags.count("h2") == inspected(STACK, tmp_path / "m.html").tags.count(
        "h2"
    )


@pytest.mark.parametrize("model", [STACK, MASKED, NESTED, STATEFUL, CUSTOM])
def test_a_page_is_one_file_that_a_reader_can_hear(model, tmp_path):
    page = inspected(model, tmp_path / "page.html")
    outside = {"script", "img", "link", "iframe", "object", "embed", "base", "form"}
    assert not outside.intersection(page.tags)
    links = [value for _, key, value in page.attributes if key in ("src", "href")]
    identities = [value for _, key, value in page.attributes if key == "id"]
    assert links
    assert links == [f"#{value}" for value in identities]
    assert ("html", "lang", "en") in page.attributes
    assert page.tags.count("title") > page.tags.count("svg")
    assert page.tags.count("svg") == sum(
        attribute == ("svg", "role", "img") for attribute in page.attributes
    )
    heads = [
        value for tag, key, value in page.attributes if (tag, key) == ("th", "scope")
    ]
    assert len(heads) == page.tags.count("th")
    text = (tmp_path / "page.html").read_text("utf-8")
    assert "url(" not in text
    assert "@import" not in text
    assert "http" not in re.sub("http-equiv", "", text)
    assert "Content-Security-Policy" in text


def test_names_of_a_file_stay_text(tmp_path):
    page = inspected(hostile(tmp_path), tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text("utf-8")
    assert {"script", "img"}.isdisjoint(page.tags)
    assert not any(key.startswith("on") for _, key, _ in page.attributes)
    assert SCRIPT in page.texts
    assert IMAGE in page.texts
    assert "\u202e" not in text
    assert r"\u202egnp.exe" in page.texts
    assert len(text) < 150_000
    assert LONG not in text


def test_a_large_model_is_folded(tmp_path):
    page = inspected(tall(tmp_path), tmp_path / "page.html")
    boxes = [
        value for tag, key, value in page.attributes if (tag, key) == ("g", "class")
    ]
    assert 5 < sum(value.startswith("box") for value in boxes) <= MOST_BOXES
    rows = page.tags.count("tr")
    assert rows > 500
    assert "details" in page.tags
    assert (tmp_path / "page.html").stat().st_size < 600_000


def test_letters_that_cannot_be_seen_are_written_out():
    assert visible("a\u202eb\x00\ud800") == r"a\u202eb\u0000\ud800"
    assert visible("می\u200cخواهم 👩\u200d🔬") == "می\u200cخواهم 👩\u200d🔬"
    assert element("b", "<&>", title='"<') == '<b title="&quot;&lt;">&lt;&amp;&gt;</b>'


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
