"""``docs/reference/mistakes.md``: each mistake gets the message that the page shows."""

import importlib.util

import pytest

import goldens
import ways_on

DOCS = goldens.ROOT / "docs"
PAGE = (DOCS / "reference" / "mistakes.md").read_text("utf-8")


def module():
    spec = importlib.util.spec_from_file_location("mistakes", DOCS / "mistakes.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


MISTAKES = module()
ROWS = [row for rows in MISTAKES.MISTAKES.values() for row in rows]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    with MISTAKES.prepare(tmp_path_factory.mktemp("mistakes")) as prepared:
        yield prepared


@pytest.mark.filterwarnings("ignore:Creating an ndarray from ragged")
@pytest.mark.parametrize(("what", "line"), ROWS, ids=[what for what, _ in ROWS])
def test_the_message_is_that_of_the_page(what, line, names):
    code, message = MISTAKES.said(line, names)
    command = line.startswith(("gru2np ", "python "))
    assert code in ((2, 3) if command else (1,))
    assert "Traceback" not in message
    assert ways_on.named(message), message
    cells = [what, MISTAKES.code(line), MISTAKES.code(message)]
    assert f"| {' | '.join(cells)} |" in PAGE


def test_there_are_many_and_none_is_there_twice():
    assert len(ROWS) == len({what for what, _ in ROWS}) == len({row[1] for row in ROWS})
    assert len(ROWS) >= 60
    assert PAGE.count("\n| ") == len(ROWS) + 2 * len(MISTAKES.MISTAKES)


def test_no_mistake_writes_anything(names):
    """What is refused leaves nothing behind."""
    assert not list(MISTAKES.Path.cwd().glob("new*"))
