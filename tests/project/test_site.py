"""The site is whole: pages, links, names, and what a browser makes of it."""

import builtins
import collections.abc
import fcntl
import inspect
import os
import re
import subprocess
import sys
import tempfile
import typing
from html import unescape
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

import browser
import goldens
import gru2np
import gru2np_runtime
from gru2np_runtime import layers
from needs_keras import needs_keras

pytest.importorskip("furo", reason="the dependency group docs is not installed")
INDEX = (goldens.ROOT / "docs" / "README.md").read_text("utf-8")
PUBLIC = (gru2np, gru2np_runtime, layers)


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    """The built site; one process builds it for all."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    built = folder / "site"
    with (folder / "site.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "site.log").exists():
            command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going"]
            options = ["-d", folder / "doctrees", "-c", "docs", ".", built]
            done = subprocess.run(
                [*command, *options],
                cwd=goldens.ROOT,
                capture_output=True,
                text=True,
            )
            log = f"exit code {done.returncode}\n{done.stdout}{done.stderr}"
            (folder / "site.log").write_text(log, "utf-8")
    # Any warning is an error.
    assert (folder / "site.log").read_text("utf-8") == "exit code 0\n"
    return built


class Page(HTMLParser):
    """What a page links to, what it loads, and where links into it lead."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loads = {""}, [], []
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attributes):
        named = dict(attributes)
        self.anchors.update(named[key] for key in ("id", "name") if named.get(key))
        if tag == "a" or named.get("rel") in ("next", "prev", "search"):
            self.links += [named["href"]] if "href" in named else []
        else:
            self.loads += [named[key] for key in ("src", "href") if key in named]


def pages_of(folder):
    return {path.resolve(): Page(path) for path in sorted(folder.rglob("*.html"))}


def broken(folder):
    """Links that lead nowhere, each with its page."""
    pages = pages_of(folder)
    found = []
    for path, page in pages.items():
        for link in (*page.links, *page.loads):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                shape = r"https://[a-z0-9-]+(\.[a-z0-9-]+)+(/\S*)?"
                fine = link in page.links and re.fullmatch(shape, link)
            else:
                target = path.parent / unquote(parts.path) if parts.path else path
                other = pages.get(target.resolve())
                anchors = {unquote(parts.fragment)} if other else {parts.fragment}
                fine = target.is_file() and anchors <= (other or page).anchors
            if not fine:
                found.append((path.name, link))
    return found


@pytest.mark.parametrize(
    ("link", "fine"),
    [
        ("<a href='other.html#there'>", True),
        ("<a href='other.html'>", True),
        ("<a href='#here'>", True),
        ("<a href='https://keras.io/api'>", True),
        ("<a href='other.html#here'>", False),
        ("<a href='#there'>", False),
        ("<a href='gone.html'>", False),
        ("<a href='..'>", False),
        ("<a href='http://keras.io'>", False),
        ("<a href='https://keras'>", False),
        ("<img src='https://keras.io/logo.svg'>", False),
        ("<img src='gone.svg'>", False),
        ("<script src='https://keras.io/x.js'></script>", False),
        ("<link rel='stylesheet' href='https://keras.io/x.css'>", False),
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path, link, fine):
    (tmp_path / "page.html").write_text(f"<p id='here'>{link}")
    (tmp_path / "other.html").write_text("<p id='there'>")
    assert bool(broken(tmp_path)) is not fine


@needs_keras
def test_every_link_leads_somewhere_in_the_site(site):
    assert len(pages_of(site)) > 50
    assert broken(site) == []


@needs_keras
def test_every_page_is_in_the_table_of_contents(site):
    text = (site / "index.html").read_text("utf-8")
    tree = text.partition('class="sidebar-tree"')[2].partition("</aside>")[0]
    captions = re.findall(r'class="caption-text">([^<]+)<', tree)
    assert captions == re.findall("^## (.*)", INDEX, re.M)
    listed = [
        os.path.normpath(f"docs/{target.replace('.md', '.html')}")
        for target in re.findall(r"^- \[[^\]]+\]\(([^)]+)\)", INDEX, re.M)
    ]
    assert listed[0] == "README.html"
    assert len(listed) > 35
    found = re.findall(r'reference internal" href="([^"]*)"', tree)
    assert found == ["docs/README.html", "#", *listed[1:]]


@needs_keras
def test_a_linked_file_has_a_page_that_shows_it(site):
    page = (site / "examples" / "custom_layer.html").read_text("utf-8")
    source = (goldens.ROOT / "examples" / "custom_layer.py").read_text("utf-8")
    body = page.partition('<article role="main"')[2].partition("</article>")[0]
    for name in re.findall(r"^(?:class|def) (\w+)", source, re.M):
        assert f">{name}</span>" in body
    assert "examples/custom_layer.py" in body


@needs_keras
def test_what_writes_a_page_is_not_on_it(site):
    for path in site.rglob("*.html"):
        assert "cog.outl" not in path.read_text("utf-8"), path


def plain(html):
    return unescape(re.sub("<[^>]+>", "", html))


def entries(path):
    """The signatures of a page on Python in HTML, by name."""
    text = path.read_text("utf-8")
    pairs = re.findall(r'<dt [^>]*id="([^"]+)">(.*?)</dt>', text, re.S)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def all_entries(site):
    found = {}
    for path in (site / "docs" / "api").glob("*.html"):
        assert found.keys().isdisjoint(entries(path))
        found |= entries(path)
    return found


@needs_keras
def test_every_public_name_has_its_place(site):
    names = {
        f"{module.__name__}.{name}" for module in PUBLIC for name in module.__all__
    }
    assert len(names) > 140
    missing = names - all_entries(site).keys()
    assert missing == {"gru2np_runtime.layers"}
    assert 'id="module-gru2np_runtime.layers"' in (
        site / "docs" / "api" / "layers.html"
    ).read_text("utf-8")


@needs_keras
@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_signatures_have_names_and_types(site, module):
    shown = all_entries(site)
    tried = 0
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isfunction(value) or module is layers:
            signature = plain(shown[f"{module.__name__}.{name}"])
            for parameter in inspect.signature(value).parameters:
                assert re.search(rf"\b{parameter}: \w", signature), signature
                tried += 1
            if inspect.isfunction(value):
                assert re.search(r"→ [\w.]+", signature), signature
    assert tried


@needs_keras
@pytest.mark.parametrize("page", ["gru2np", "gru2np_runtime", "layers"])
def test_words_of_signatures_are_explained(site, page):
    """Names of types that are neither Python's nor linked are told of in the text."""
    path = site / "docs" / "api" / f"{page}.html"
    known = {*dir(builtins), *dir(typing), *dir(collections.abc)}
    words = set()
    for signature in entries(path).values():
        text = plain(re.sub('<a class="reference.*?</a>', "", signature, flags=re.S))
        text = text.partition("(" if "(" in text else ":")[2]
        words.update(re.findall(r"(?<![\w.])[A-Z]\w+", re.sub("'.*?'", "", text)))
    said = re.findall(r'<span class="pre">(\w+)</span></code>', path.read_text("utf-8"))
    assert words - known <= set(said)


@pytest.fixture(scope="module")
def opened():
    if browser.missing():
        pytest.skip(f"{browser.missing()}: make browser installs it")
    with tempfile.TemporaryDirectory() as folder, browser.browser(folder) as window:
        yield window


@pytest.fixture
def window(site, opened):
    """A browser that must tell of no error, and need nothing but the site."""
    opened.messages(), opened.requests()
    yield opened
    assert [said for said in opened.messages() if said["level"] != "INFO"] == []
    # The empty window at the start asks the browser itself.
    asked = [a for a in opened.requests() if not a.startswith("chrome://")]
    assert asked
    for address in asked:
        assert address.startswith((f"{site.as_uri()}/", "data:")), address


WIDTHS = (390, 1280)
SIZES = "return [document.documentElement.scrollWidth, innerWidth]"


@needs_keras
def test_no_page_is_wider_than_the_window(site, window):
    wide = {}
    for path in sorted(site.rglob("*.html")):
        window.open(path, WIDTHS[0])
        for width in WIDTHS:
            window.resize(width)
            if (sizes := window.run(SIZES)) != [width, width]:
                wide[path.relative_to(site).as_posix(), width] = sizes
    assert wide == {}


def is_light(window):
    colour = window.run("return getComputedStyle(document.body).backgroundColor")
    return sum(map(int, re.findall(r"\d+", colour)[:3])) > 3 * 128


@needs_keras
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_the_report_is_shown_on_the_first_page(site, window, width, scheme):
    window.open(site / "index.html", width, scheme=scheme)
    assert is_light(window) is (scheme == "light")
    assert window.run("return document.querySelector('iframe').clientHeight") > 300
    window.enter(0)
    try:
        verdict = "return document.querySelector('.verdict')?.innerText"
        assert window.wait_for(verdict).startswith("Agrees")
        assert is_light(window) is (scheme == "light")
        inside, outside = window.run(SIZES)
        assert inside <= outside <= width
    finally:
        window.enter(None)


@needs_keras
def test_the_button_makes_the_report_dark_too(site, window):
    # With no scheme of the system, for that would be the report's too.
    window.open(site / "index.html", 1280, scheme="")
    window.run("document.querySelector('.theme-toggle').click()")
    assert not is_light(window)
    window.enter(0)
    try:
        assert not is_light(window)
    finally:
        window.enter(None)
        window.run("localStorage.clear()")


@needs_keras
def test_the_search_finds_a_word_without_a_server(site, window):
    window.open(site / "search.html", 390, query="?q=stateful")
    wanted = str(site / "docs" / "meaning.html")
    window.wait_for(
        "return [...document.querySelectorAll('.search li a')]"
        f".some(a => new URL(a.href).pathname === '{wanted}')"
    )
