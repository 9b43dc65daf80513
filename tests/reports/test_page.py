"""Pages: one file each, of models, of bundles and of what cannot be converted."""

from __future__ import annotations

import re

import pytest

import gru2np
from report_pages import (
    CUSTOM,
    MASKED,
    NESTED,
    STACK,
    STATEFUL,
    inspected,
)


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
def test_a_page_is_one_file_that_a_screen_reader_can_read(model, tmp_path):
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
