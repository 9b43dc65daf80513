"""Workflows run what a clone can run, with rights and actions that are pinned down."""

import re

import pytest

import goldens

WORKFLOWS = sorted((goldens.ROOT / ".github" / "workflows").glob("*.yml"))
PRE_COMMIT = goldens.ROOT / ".pre-commit-config.yaml"
MAKEFILE = (goldens.ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.search(r"^\.PHONY: ((?:.*\\\n)*.*)", MAKEFILE, re.M)[1].split())
EACH = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def made(path):
    """The targets that a file names, in its matrices too."""
    text = path.read_text("utf-8")
    named = re.findall(r"(?:run|entry): make ([\w-]+)", text)
    for row in re.findall(r"target: \[(.*)\]", text):
        named += row.split(", ")
    return named


def test_what_they_run_are_targets():
    named = {path.name: made(path) for path in (*WORKFLOWS, PRE_COMMIT)}
    assert sum(map(len, named.values())) >= 7
    assert {target for targets in named.values() for target in targets} <= TARGETS
    ci = (goldens.ROOT / ".ci" / "run").read_text("utf-8")
    assert "run: bash .ci/run" in WORKFLOWS[0].read_text("utf-8")
    before = {*" ".join(re.findall(r"^make (.*)", ci, re.M)).split()}
    before |= set(made(WORKFLOWS[0]))
    assert before <= TARGETS
    assert set(made(PRE_COMMIT)) == before - {"browser", "test"}


@EACH
def test_actions_are_pinned_to_commits(path):
    used = re.findall(r"uses: (\S+)", path.read_text("utf-8"))
    assert used
    for action in used:
        assert re.search(r"^\./|@[0-9a-f]{40}$", action), action


@EACH
def test_no_job_has_rights_that_it_does_not_name(path):
    text = path.read_text("utf-8")
    assert re.search(r"^permissions: \{\}$", text, re.M)
    written = re.findall(r"([\w-]+): write", text)
    assert written == (
        ["id-token", "attestations"] if path.stem == "release" else []
    ), path
    assert "secrets." not in text


def test_the_citation_leaves_the_version_to_the_version():
    text = (goldens.ROOT / "CITATION.cff").read_text("utf-8")
    assert "name: gru2np contributors" in text
    assert not re.search(r"^(version|date-released|url|repository)", text, re.M)
