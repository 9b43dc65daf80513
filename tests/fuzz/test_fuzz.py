"""The harnesses of the fuzzer: what they see, and a short search with each."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

import small_models
from checkpoint_writer import encoded_graph, objects
from gru2np.readers import open_model
from gru2np_runtime.kernels.c import library as c_library
from tests.fuzz import ABOUT, ROOT, mutation, places
from tests.fuzz.__main__ import Result, rows
from tests.fuzz.kernel import SEEDS
from tests.fuzz.worker import corpus

# Changes of the seeds of each target.
CHANGES = 100


def python(*arguments):
    """What a process prints, which ends well."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    return done.stdout


def test_what_was_found_once_and_a_short_search():
    targets = [name for name in ABOUT if name != "kernel"]
    said = python("-m", "tests.fuzz.worker", *targets, "--changes", str(CHANGES))
    counts = dict(line.split(": ") for line in said.splitlines())
    assert list(counts) == targets
    for name, count in counts.items():
        assert int(count.split()[0]) > CHANGES + len(corpus(name)), name


def test_a_short_search_with_the_compiled_kernel():
    if not Path(c_library.LIBRARY).exists():
        pytest.skip("no compiled kernel: python -m gru2np_runtime.build")
    said = python("-m", "tests.fuzz.worker", "kernel", "--changes", "20")
    assert said == f"kernel: {SEEDS + len(corpus('kernel')) + 20} inputs\n"


def test_a_search_with_coverage(tmp_path):
    pytest.importorskip("atheris")
    search = ("--runs", "500", "--folder", str(tmp_path))
    python("-m", "tests.fuzz.worker", "index", *search)
    assert list((tmp_path / "faults").iterdir()) == []
    # Inputs that reach more than the seeds do.
    assert len(list((tmp_path / "corpus").iterdir())) > len(list(places.index()))


@pytest.mark.parametrize("made", [places.containers, places.hdf5])
def test_what_is_around_a_document_is_right(made, tmp_path):
    """Unchanged, every model opens: a change is not refused for anything else."""
    count = 0
    for place in made():
        folder = tmp_path / str(count)
        assert_opens(place, folder)
        count += 1
    assert count > 20


def test_what_is_around_a_message_is_right(tmp_path):
    """As above: seals and checksums are made anew."""
    for number, place in enumerate([*places.protobuf(), *places.index()]):
        assert_opens(place, tmp_path / str(number))


def assert_opens(place, folder):
    for own, data in place.files(place.data).items():
        path = folder / own
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    weights = None if place.weights is None else folder / place.weights
    with open_model(folder / place.model, weights) as raw:
        assert small_models.arrays(raw), place.name


# What an input might do, and what the watch says of it.
DEEDS = {
    "open('/etc/hostname')": "open ('/etc/hostname'",
    "(work / '..' / 'x').write_text('')": "open (",
    "compile('1', '', 'eval')": "compile",
    "exec((lambda: 1).__code__)": "exec",
    "__import__('this')": "import ('this'",
    "subprocess.run('true')": "subprocess.Popen",
    "socket.socket()": "socket.__new__",
    "pickle.loads(pickle.dumps(random.Random))": "pickle.find_class",
    "marshal.loads(bytes([233, 1, 0, 0, 0]))": "marshal.loads",
    "in_silence('/etc/hostname')": "open ('/etc/hostname'",
    "np.ones(1 << 29, np.uint8)": "takes 5",
    "oracle.said(ValueError())": "ValueError with a text of 0 characters",
    "oracle.said(ValueError(chr(27)))": "ValueError with control characters",
    "(work / 'x').write_text('x')": "nothing",
    "open(gru2np.__file__)": "nothing",
    "open(gru2np.__file__, 'a')": "open (",
}
PROGRAM = """
import marshal, pickle, random, socket, subprocess, tempfile
from pathlib import Path
import gru2np
import numpy as np
from tests.fuzz import oracle

def in_silence(path):
    try:
        open(path)
    except BaseException:
        pass

with tempfile.TemporaryDirectory() as folder:
    work = Path(folder).resolve()
    own = oracle.watch(work)
    own.armed = True
    for deed in DEEDS:
        try:
            with oracle.promises(own):
                deed()
        except oracle.Fault as fault:
            print(fault)
        else:
            print("nothing")
"""


def test_the_watch_sees_what_no_file_may_do():
    deeds = ", ".join(f"lambda: {deed}" for deed in DEEDS)
    said = python("-c", f"{PROGRAM.replace('DEEDS', f'[{deeds}]')}").splitlines()
    for (deed, expected), line in zip(DEEDS.items(), said, strict=True):
        assert line.startswith(expected), f"{deed}: {line}"


def test_changes_keep_the_form_of_a_document():
    """Half and more of them; all of them hang on the seed alone."""

    def blind(data):
        return b"\xff"

    graph = encoded_graph(objects({"layer-0/kernel": None, "layer-0/bias": None}))
    document = json.dumps(small_models.CONFIG).encode()
    for kind, data, readable in (
        ("json", document, json.loads),
        ("protobuf", graph, lambda data: mutation.fields(data) or 1 / 0),
    ):
        found = [
            mutation.changed(data, kind, random.Random(seed), blind)
            for seed in range(200)
        ]
        assert found == [
            mutation.changed(data, kind, random.Random(seed), blind)
            for seed in range(200)
        ]
        kept = [own for own in found if own not in (data, b"\xff")]
        assert len(set(kept)) > 50
        for own in kept:
            readable(own)
    assert mutation.changed(data, "bytes", random.Random(0), blind) == b"\xff"


def test_the_table_of_results():
    lines = rows({"index": Result(1234, 56), "kernel": Result(remark="needs clang")})
    assert [line.split() for line in lines[2:]] == [
        ["index", *ABOUT["index"].split(), "1,234", "56", "0"],
        ["kernel", *ABOUT["kernel"].split(), "0", "0", "needs", "clang"],
    ]
