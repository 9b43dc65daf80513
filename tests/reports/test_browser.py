"""Pages in a browser: nothing cut off, nothing blank, all of it legible."""

from __future__ import annotations

import re
import tempfile

import pytest

import browser
from gru2np.reports.page import write_inspection, write_verification
from gru2np.verification.verify import verify
from needs_keras import MARKS
from report_pages import CUSTOM, MASKED, MERGED, NESTED, STACK, hostile, recorded, tall

no_browser = pytest.mark.skipif(bool(browser.missing()), reason=browser.missing())


@pytest.fixture(scope="module")
def window():
    with tempfile.TemporaryDirectory() as folder, browser.browser(folder) as opened_:
        yield opened_


@pytest.fixture(scope="module")
def with_keras():
    """A model of masks and branches, verified beside real Keras layer by layer."""
    return verify(MASKED, layers=True)


PAGES = (
    "differs",
    pytest.param(
        "beside Keras",
        marks=MARKS,
    ),
    "merged",
    "nested",
    "refused",
    "hostile",
    "tall",
)


@pytest.fixture
def page(request, tmp_path):
    """A page by its name."""
    target = tmp_path / "page.html"
    inspections = {"merged": MERGED, "nested": NESTED, "refused": CUSTOM}
    if request.param == "agrees":
        write_verification(target, recorded(), STACK)
    elif request.param == "differs":
        write_verification(target, recorded(wrong=("gru", "all-rows")), STACK)
    elif request.param == "beside Keras":
        found = request.getfixturevalue("with_keras")
        assert found.agrees, str(found)
        write_verification(target, found, MASKED)
    elif request.param in inspections:
        write_inspection(target, inspections[request.param])
    else:
        special = {"hostile": hostile, "tall": tall}[request.param]
        write_inspection(target, special(tmp_path))
    return target


# What reaches beyond the page, what has no size, and where the pictures are; a wide
# drawing scrolls in a frame of its own.
LOOK = """
const width = document.documentElement.clientWidth, beyond = [], empty = [];
const seen = e => !e.closest('details:not([open])');
for (const e of document.querySelectorAll('body *')) {
  const r = e.getBoundingClientRect();
  const skipped = e.parentElement.closest('.scroll, .cards:not(.errors) thead');
  if (!r.width || skipped || !seen(e)) continue;
  if (r.right > width + 1 || r.left < -1) beyond.push(e.outerHTML.slice(0, 80));
  if (e.children.length === 0 && e.scrollWidth > e.clientWidth + 1 && e.clientWidth)
    beyond.push('text of ' + e.outerHTML.slice(0, 80));
}
const boxes = [];
for (const e of document.querySelectorAll('svg')) {
  if (e.closest('details:not([open])')) continue;
  const r = e.getBoundingClientRect();
  if (r.width < 20 || r.height < 10) empty.push(e.outerHTML.slice(0, 80));
  boxes.push([r.left, r.top + scrollY, Math.min(r.right, width), r.bottom + scrollY]);
}
return {width, scroll: document.documentElement.scrollWidth, beyond, empty, boxes};
"""


@no_browser
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("page", PAGES, indirect=True)
def test_a_browser_shows_all_of_it(window, page, width):
    window.messages()
    window.open(page, width)
    found = window.run(LOOK)
    assert found["scroll"] <= found["width"] == width
    assert found["beyond"] == []
    assert found["empty"] == []
    assert window.messages() == []
    # Every picture has ink: pixels that stand out from the page.
    scale = 0.25
    rows, step = browser.pixels(window.screenshot(scale))
    background = rows[1][:step]
    for left, top, right, bottom in found["boxes"]:
        across = slice(int(left * scale) * step, int(right * scale + 1) * step)
        part = rows[int(top * scale) : int(bottom * scale) + 1]
        ink = max(
            abs(value - background[i % step])
            for line in part
            for i, value in enumerate(line[across])
        )
        assert ink > 25, (left, top, right, bottom)
    assert sum(background * (len(row) // step) != row for row in rows) > len(rows) / 3


@no_browser
@pytest.mark.parametrize("page", ["differs"], indirect=True)
def test_the_dark_page_is_dark_and_both_can_be_read(window, page):
    contrast = """
    const light = c => { const [r, g, b] = c.match(/[0-9.]+/g).slice(0, 3).map(v => {
      v /= 255; return v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
      return .2126 * r + .7152 * g + .0722 * b; };
    const ground = e => { for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$/.test(c)) return light(c); } return 1; };
    let least = [99, ''];
    for (const e of document.querySelectorAll('main *, header *, footer *')) {
      if (e.closest('svg') || ![...e.childNodes].some(n => n.nodeType === 3)) continue;
      const a = light(getComputedStyle(e).color), b = ground(e);
      const ratio = (Math.max(a, b) + .05) / (Math.min(a, b) + .05);
      if (ratio < least[0]) least = [ratio, e.outerHTML.slice(0, 80)];
    }
    return [...least, light(getComputedStyle(document.body).backgroundColor)];
    """
    grounds = {}
    for scheme in ("light", "dark"):
        window.open(page, 1280, scheme=scheme)
        least, where, grounds[scheme] = window.run(contrast)
        # WCAG 2, level AA.
        assert least >= 4.5, where
    assert grounds["dark"] < 0.05 < 0.8 < grounds["light"]


@no_browser
@pytest.mark.parametrize("page", ["agrees"], indirect=True)
def test_it_is_printed_on_several_pages_of_paper(window, page):
    window.open(page, 1280)
    printed = window.pdf()
    assert printed.startswith(b"%PDF")
    sheets = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert 2 <= sheets <= 8
