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
