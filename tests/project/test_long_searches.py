"""``make proof``: every search runs, nothing is done twice, and no fault is lost."""

import json
import mmap
import re
import subprocess
import sys

import pytest

from gru2np_runtime.kernels.c.library import kernel
from proof import page, running, searches, soak
from proof.record import Record
from proof.worker import ran

PIECES = [str(piece) for piece in searches.pieces("files")[:5]]
# Runs nothing, says on standard error what it does, and dies of the pieces called so.
STUB = """
import json, os, sys
for line in sys.stdin:
    print("runs", line, file=sys.stderr, flush=True)
    if "crash" in line:
        os.abort()
    result = {"piece": line.strip(), "cases": 2, "seconds": 3600.0, "fault": None}
    print(json.dumps(result), flush=True)
"""


@pytest.fixture
def stub(monkeypatch):
    monkeypatch.setattr(running.Worker, "command", (sys.executable, "-c", STUB))


@pytest.mark.parametrize("name", ["architectures", "files", "layers", "soak", "steps"])
def test_a_search_runs(monkeypatch, name):
    """A little of one piece; the others run what the tests run too."""
    for constant in ("ARCHITECTURES", "FILES", "LAYERS", "CALLS", "STEPS"):
        monkeypatch.setattr(searches, constant, 10)
    monkeypatch.setattr(searches, "LEFT_BEHIND", 1 << 20)
    if name == "layers" and kernel() != "c":
        pytest.skip("the C kernel is not built here")
    assert searches.pieces(name)[0].run() == 10


@pytest.mark.parametrize("name", soak.LOADED)
def test_loads_leave_nothing_open(monkeypatch, name):
    monkeypatch.setattr(soak, "LOADS", 50)
    assert soak.loads(name, 0) == 50


@pytest.mark.parametrize("kernel_name", ["c", "numpy"])
def test_many_threads_share_a_model_and_its_sessions(monkeypatch, kernel_name):
    if kernel_name == "c" and kernel() != "c":
        pytest.skip("the C kernel is not built here")
    monkeypatch.setattr(soak, "SECONDS", 1)
    # Each has been there once at least.
    assert soak.threads(kernel_name, 0) >= soak.THREADS


@pytest.mark.parametrize("held", ["file", "memory"])
def test_what_loads_leave_is_found(monkeypatch, tmp_path, held):
    kept = []

    def leak():
        if held == "file":
            kept.append((tmp_path / "file").open("w"))
        else:  # not out of what the process has at hand
            kept.append(mmap.mmap(-1, 100_000))
            kept[-1].write(bytes(100_000))

    monkeypatch.setattr(soak, "LOADS", 100)
    monkeypatch.setitem(soak.LOADED, "leak", lambda folder: leak)
    try:
        with pytest.raises(
            AssertionError, match="files" if held == "file" else "kB more"
        ):
            soak.loads("leak", 0)
    finally:
        for one in kept:
            one.close()


def test_one_wrong_byte_in_a_thread_is_found(monkeypatch):
    works, calls = soak._works, []

    def with_a_race(model, seed):
        def work(model, pool):
            calls.append(None)
            return [b"right" if len(calls) < 500 else b"wrong"]

        return [*works(model, seed)[:1], work]

    monkeypatch.setattr(soak, "_works", with_a_race)
    with pytest.raises(AssertionError, match="work 1 gave other bytes"):
        soak.threads("numpy", 0)


def test_a_piece_is_found_by_its_name():
    every = searches.pieces()
    assert {piece.search for piece in every} <= set(searches.SEARCHES)
    assert len({str(piece) for piece in every}) == len(every)
    assert all(searches.Piece.parse(str(piece)) == piece for piece in every)


def test_a_part_is_a_sample_of_every_search():
    every = searches.pieces()
    part = every[: len(every) // 10]
    for name in {piece.search for piece in every}:
        count = sum(piece.search == name for piece in every)
        assert sum(piece.search == name for piece in part) == pytest.approx(
            count / 10, rel=0.01, abs=1
        )


def test_the_tests_of_some_fixtures_are_there():
    for name in searches.SAMPLED:
        text = (searches.ROOT / "tests" / f"{name}.py").read_text("utf-8")
        assert re.search(r"goldens\.EVERY|\bsome\(", text), name


def test_it_goes_on_where_it_was_interrupted(stub, tmp_path):
    path = tmp_path / "build" / "record"
    record = Record(path, "state")
    results = running.run(PIECES, 1)
    for _ in range(2):
        record.add(next(results))
    results.close()
    with path.open("a") as file:
        file.write('{"piece": "fi')  # the machine stopped here
    again = Record(path, "state")
    assert list(again.results) == PIECES[:2]
    for result in running.run([p for p in PIECES if p not in again.results], 2):
        assert result["piece"] not in again.results
        again.add(result)
    assert set(Record(path, "state").results) == set(PIECES)


def test_results_of_other_sources_are_none(tmp_path):
    Record(tmp_path / "record", "before").add({"piece": "a/b/0"})
    assert Record(tmp_path / "record", "after").results == {}


def test_no_piece_is_begun_when_time_is_over(stub):
    assert list(running.run(PIECES, 2, seconds=0)) == []


def test_a_crash_is_a_fault_and_no_end(stub):
    first, crash, last = running.run(["a/b/0", "a/crash/1", "a/b/2"], 1)
    assert first["fault"] is last["fault"] is None
    assert "runs a/crash/1" in crash["fault"]
    assert crash["fault"].endswith("the process ended with exit code -6")


def test_what_is_raised_is_a_fault():
    result = ran("files/keras-3.15/nowhere/3")
    assert result["cases"] == 0
    assert "FileNotFoundError" in result["fault"]


def test_the_page_lists_pieces_and_failures():
    every = [str(piece) for piece in searches.pieces()]
    good = {"cases": 1000, "seconds": 1800.0, "fault": None}
    bad = {"cases": 0, "seconds": 0.0, "fault": "Traceback\nValueError: wrong"}
    done = {name: {"piece": name, **good} for name in PIECES}
    done[PIECES[0]] = {"piece": PIECES[0], **bad}
    text = page.text(done, "0123456789abcdef")
    assert "sources 0123456789ab, " in text
    assert f"5 of {len(every):,} pieces are done, 2.0 hours of one processor" in text
    assert "a part alone, and 1 fault." in text
    count = sum(name.startswith("files/") for name in every)
    assert f"| 5 of {count:,} | 4,000 | 1 |" in text
    assert f"- `{PIECES[0]}`: `ValueError: wrong`\n" in text
    whole = page.text({name: {"piece": name, **good} for name in every}, "0")
    assert "hours of one processor: no faults." in whole
    assert "## Faults" not in whole
    json.dumps(done)


def test_searches_that_cannot_run_here_are_reported(monkeypatch):
    monkeypatch.setattr(searches, "_environment", lambda *_: no_python)
    no_python = subprocess.CompletedProcess((), 1, "", "it needs Python 3.7\n")
    searches.not_here.cache_clear()
    try:
        assert searches.pieces("masked") == []
        text = page.text({}, "0")
    finally:
        searches.not_here.cache_clear()
    assert "- keras-2.2: it needs Python 3.7\n" in text
    assert "| not run here |" in text
