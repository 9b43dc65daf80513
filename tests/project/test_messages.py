"""``docs/upgrade.md``: Keras says what the page shows, and commands print it too."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys

import pytest

import goldens
from needs_keras import needs_keras

DOCS, FIXTURES = goldens.ROOT / "docs", goldens.FIXTURES
PAGE = (DOCS / "upgrade.md").read_text("utf-8")
SCRIPT = FIXTURES / "make" / "messages.py"
RECORD = json.loads((FIXTURES / "messages.json").read_text("utf-8"))


def module(path):
    spec = importlib.util.spec_from_file_location("messages", path)
    found = importlib.util.module_from_spec(spec)
    sys.modules["messages"] = found
    spec.loader.exec_module(found)
    del sys.modules["messages"]
    return found


MESSAGES = module(DOCS / "messages.py")
BY_NAME = list(MESSAGES.MESSAGES.items())
NAMES = [name for name, _ in BY_NAME]


def test_every_section_is_about_what_keras_said():
    assert len(BY_NAME) >= 10
    for name, message in BY_NAME:
        assert message.said in RECORD["messages"][name]
    assert set(NAMES) | {"lambda"} == set(RECORD["messages"])
    asked = "Requested the deserialization of a `Lambda` layer"
    assert asked in RECORD["messages"]["lambda"]


def test_a_section_is_counted_where_its_message_is():
    files = json.loads((FIXTURES / "reopened.json").read_text("utf-8"))["files"]
    for name, message in BY_NAME:
        said = files.get(message.case, {}).get("error")
        if message.like and said is not None:
            assert re.search(message.like, said), name
            assert MESSAGES.counted(message.like)[0] >= 5


@pytest.mark.parametrize(("name", "message"), BY_NAME, ids=NAMES)
def test_the_command_prints_what_the_page_shows(name, message):
    assert f"$ {message.command}\n{MESSAGES.printed(message)}\n" in PAGE
    upgrades = name not in ("marshal", "batch_shape")
    assert (" for Keras 3.15.1, " in MESSAGES.printed(message)) == upgrades


@needs_keras
def test_keras_says_it():
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "--print"], capture_output=True, check=True
    )
    found = json.loads(done.stdout.decode().splitlines()[-1])
    assert set(found["messages"]) == set(RECORD["messages"])
    for name, text in RECORD["messages"].items():
        # The rest names what is different at every run.
        assert found["messages"][name][:60] == text[:60], name
