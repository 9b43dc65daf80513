"""The tutorials do what they print: files are saved, sessions run, outputs compared.

A ``python`` block whose first line is a comment with a path is a file.  A ``console``
block is a session: what follows ``$`` is run in a folder of its own, that has the
repository's ``fixtures`` and ``examples``, and what it prints is compared with what the
page shows.  A block after ``<!-- not run: why -->`` is only parsed.
"""

import ast
import functools
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from goldens import ROOT
from needs_keras import MARKS
from sessions import in_shell, unlike

PAGES = sorted((ROOT / "docs" / "tutorials").glob("*.md"))
BLOCK = re.compile(
    r"(?P<note><!-- not run: [^\n]+ -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
FILE = re.compile(r"# ([\w./-]+\.py)\n")
# Runs what needs Keras, one file after the other, with Keras imported once.
KERAS = """
import contextlib, io, json, os, runpy, sys, traceback
import keras
for line in sys.stdin:
    folder, program, *arguments = json.loads(line)
    os.chdir(folder)
    sys.argv = [program, *arguments]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        try:
            runpy.run_path(program, run_name="__main__")
        except Exception:
            traceback.print_exc(file=printed)
    print(json.dumps(printed.getvalue()), flush=True)
"""


@dataclass
class Page:
    """What a page holds, in order."""

    steps: list = field(default_factory=list)  # ("file" | "run", name, text)
    parsed: list = field(default_factory=list)  # (language, text)
    wrong: list = field(default_factory=list)


def read(path):
    """The page's files and sessions."""
    page = Page()
    for block in BLOCK.finditer(path.read_text("utf-8")):
        language, text = block["language"], block["text"]
        if block["note"]:
            page.parsed.append((language, text))
        elif language == "console":
            page.steps += [("run", *command) for command in commands(text)]
        elif language == "python" and FILE.match(text):
            page.steps.append(("file", FILE.match(text)[1], text))
            page.parsed.append((language, text))
        else:
            page.wrong.append(text)
    return page


def commands(text):
    """The commands of a session, and what each prints."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        command, _, printed = part.partition("\n")
        yield command, printed.strip()


def needs_keras(page):
    return any(
        re.search(r"^import keras", text, re.MULTILINE)
        or ("gru2np verify" in name and "--expected" not in name)
        for _, name, text in page.steps
    )


@pytest.fixture(scope="module")
def keras():
    """Runs a file in the process that has imported Keras: what it printed."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        [sys.executable, "-c", KERAS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        encoding="utf-8",
        env=environment,
    ) as child:

        def run(folder, arguments):
            child.stdin.write(json.dumps([str(folder), *arguments]) + "\n")
            child.stdin.flush()
            answer = child.stdout.readline()
            assert answer, "the process that runs Keras has ended"
            return json.loads(answer)

        yield run
        child.kill()


def follow(page, folder, keras_of):
    """Do what a page says: command, what the page shows, and what was printed."""
    for name in ("fixtures", "examples"):
        (folder / name).symlink_to(ROOT / name)
    for kind, name, text in page.steps:
        if kind == "file":
            (folder / name).write_text(text, "utf-8")
            continue
        program = re.fullmatch(r"python (\w+\.py)((?: [\w./-]+)*)", name)
        if program and "import keras" in (folder / program[1]).read_text("utf-8"):
            printed = keras_of()(folder, [program[1], *program[2].split()]).strip()
        else:
            printed = in_shell(name, folder)
        yield name, text, printed


@pytest.mark.parametrize(
    ("expected", "printed", "same"),
    [
        ("wrote x.npz: 2 layers", "wrote x.npz: 2 layers", True),
        ("wrote x.npz: 2 layers", "wrote x.npz: 3 layers", False),
        ("off by 5.7e-7", "off by 1.2e-6", True),
        ("off by 5.7e-7", "on by 5.7e-7", False),
        ("off by 2e-07", "off by 3e-01", False),
        ("off by 2e-07", "off by 0.3", False),
        ("off by 0.068", "off by 0.069", True),
        ("off by 0.368", "off by 0.468", False),
        ("p50 0.11 ms", "p50 12.5 ms", True),
        ("[9, 4, 3]  0.35", "[0, 1, 2]  0.81", True),
        ("a\n...\nz", "a\nb\nc\nz", True),
        ("a\n...\nz", "b\nc\nz", False),
        ("a\n...\nz", "a\nz\nb", False),
        ("Error: ...", "Error: no such file", True),
        ("one", "one\ntwo", False),
        ("one\ntwo", "one", False),
        ("", "a warning", False),
    ],
)
def test_what_is_alike(expected, printed, same):
    assert (unlike(expected, printed) is None) == same


def test_a_page_that_is_wrong_is_found(tmp_path):
    (tmp_path / "page.md").write_text(
        "```python\n# two.py\nprint(2)\n```\n\n```python\nprint(3)\n```\n\n"
        "<!-- not run: it needs a board -->\n```python\nlost(\n```\n\n"
        "```console\n$ python two.py\n2\n\n$ python two.py && cat none\n2\n```\n",
        "utf-8",
    )
    page = read(tmp_path / "page.md")
    assert page.wrong == ["print(3)\n"]
    assert page.parsed == [("python", "# two.py\nprint(2)\n"), ("python", "lost(\n")]
    (_, *right), (_, *wrong) = follow(page, tmp_path, None)
    assert right == ["2", "2"]
    assert unlike(*wrong) == "2"


def test_there_are_tutorials():
    assert len(PAGES) >= 5


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_every_block_is_run_or_gives_a_reason(path):
    page = read(path)
    assert not page.wrong
    assert page.steps
    for language, text in page.parsed:
        if language == "python":
            ast.parse(text)
        assert language in {"python", "sh"}
    assert len(path.read_text("utf-8").splitlines()) <= 170


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(
            path,
            id=path.stem,
            marks=MARKS if needs_keras(read(path)) else (),
        )
        for path in PAGES
    ],
)
def test_it_prints_what_the_page_shows(path, tmp_path, request):
    page = read(path)
    keras = functools.partial(request.getfixturevalue, "keras")
    for command, expected, printed in follow(page, tmp_path, keras):
        missing = unlike(expected, printed)
        assert missing is None, (
            f"$ {command}\nthe page shows:\n{missing}\nit printed:\n{printed}"
        )
