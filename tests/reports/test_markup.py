"""Names and letters of a file stay text on a page."""

from __future__ import annotations

from gru2np.reports.markup import element, visible
from report_pages import (
    IMAGE,
    LONG,
    SCRIPT,
    hostile,
    inspected,
)


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
