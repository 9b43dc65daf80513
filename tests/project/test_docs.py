"""The pages say the truth: examples run, the schema fits, every layer has its proof."""

import doctest
import importlib.util
import io
import json
import re
import shutil

import jsonschema
import numpy as np
import pytest

import goldens
import gru2np
import gru2np_runtime
import proofs
from gru2np.layers import LAYERS, NOT_CONVERTED
from gru2np_runtime.bundle.container import MANIFEST, read_members

DOCS = goldens.ROOT / "docs"
SCHEMA = json.loads((DOCS / "bundle.schema.json").read_text("utf-8"))


@pytest.mark.parametrize("page", ["gru-by-hand.md", "streaming.md"])
def test_a_page_s_session_prints_what_it_shows(page):
    failed, tried = doctest.testfile(str(DOCS / page), module_relative=False)
    assert tried > 20
    assert failed == 0


def test_the_page_of_python_prints_what_it_shows():
    failed, tried = doctest.testfile(str(DOCS / "python.md"), module_relative=False)
    assert tried > 10
    assert failed == 0


def test_the_page_of_sessions_prints_what_it_shows():
    failed, tried = doctest.testfile(str(DOCS / "sessions.md"), module_relative=False)
    assert tried > 12
    assert failed == 0


def test_the_package_s_first_example_runs():
    failed, tried = doctest.testmod(gru2np_runtime)
    assert tried > 5
    assert failed == 0


@pytest.mark.parametrize(
    "golden",
    goldens.some([g for g in goldens.all_goldens() if not goldens.refused(g)], 7),
    ids=lambda golden: golden.name,
)
def test_manifests_fit_the_schema(golden):
    manifest = json.loads(bytes(read_members(golden.bundle())[MANIFEST]))
    jsonschema.validate(manifest, SCHEMA)


def proved_and_small():
    """The manifest of a bundle with a proof, and its weights as int8."""
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "conv_lstm_states")
    out = io.BytesIO()
    gru2np.export(golden.files()[0], out, store="int8")
    data = proofs.proved(out.getvalue(), golden.arrays(0, "x"), golden.arrays(0, "y"))
    return proofs.opened(data)[0]


def records(value, path=()):
    """Every object inside, with the keys that lead to it."""
    if isinstance(value, dict):
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        if isinstance(inner, (dict, list)):
            yield from records(inner, (*path, key))


def test_a_proof_and_small_storage_fit_the_schema():
    manifest = proved_and_small()
    jsonschema.validate(manifest, SCHEMA)
    assert manifest["storage"]["saturated"]
    fixed = 0
    for path, record in records({k: manifest[k] for k in ("proof", "storage")}):
        # Names of inputs and outputs are free, all other keys are not.
        if path and path[-1] not in ("inputs", "outputs", "saturated"):
            record["more"] = 1
            with pytest.raises(jsonschema.ValidationError):
                jsonschema.validate(manifest, SCHEMA)
            del record["more"]
            fixed += 1
    assert fixed > 10
    layers = manifest["graph"]["layers"].values()
    weights = [own for layer in layers for own in layer["weights"].values()]
    small = next(own for own in weights if own["dtype"] == "int8")
    # Without that record, bytes are whole numbers.
    stored = small.pop("storage")
    jsonschema.validate(manifest, SCHEMA)
    small.update(storage=stored, dtype="float16")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, SCHEMA)


@pytest.mark.parametrize("key", ["version", "graph", "inputs"])
def test_the_schema_refuses_what_lacks_a_key(key):
    golden = goldens.all_goldens()[0]
    manifest = json.loads(bytes(read_members(golden.bundle())[MANIFEST]))
    del manifest[key]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, SCHEMA)


def pages():
    """The module that writes the pages' tables."""
    spec = importlib.util.spec_from_file_location("pages", DOCS / "pages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PROVEN = pages().proofs()


@pytest.mark.parametrize("load", [0.2, 7.5])
def test_what_engines_measured_is_said_with_how(tmp_path, monkeypatch, load):
    module = pages()
    monkeypatch.setattr(module, "ROOT", tmp_path)
    assert module.engines().startswith("Not measured yet")
    runs = {
        "one process": {"seconds": [8.0, 9.0], "processor": [8.4], "difference": 0.0},
        "Dask": {"seconds": [5.0, 4.0], "processor": [11.0], "difference": 2e-7},
    }
    facts = {"date": "2026-11-30", "processors": 2, "rows": 200_000, "units": 64}
    more = {"shape": [60, 16], "load": load, "versions": {"dask": "1.0"}, "runs": runs}
    (tmp_path / "benchmarks").mkdir()
    record = json.dumps({**facts, **more})
    (tmp_path / "benchmarks" / "engines.json").write_text(record)
    text = module.engines()
    assert "200,000 rows of 60 × 16 float32 through a GRU of 64 units" in text
    assert ("had a load of 7.5 as it began" in text) == (load > 1)
    assert "differences up to 2.0e-07" in text
    assert "| Dask | 5.0 s, 4.0 s | 2.00 | 11 s |" in text


@pytest.mark.parametrize("class_name", sorted(LAYERS))
def test_every_class_is_proven_by_a_file_of_keras(class_name):
    assert PROVEN.get(class_name)


def test_no_class_is_both_converted_and_refused():
    assert not set(NOT_CONVERTED) & set(LAYERS)


PAGES = sorted(DOCS.rglob("*.md"))
FOLDERS = ("examples", "fixtures", "benchmarks", "runtime", "tests")
OTHERS = [
    *(goldens.ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY")),
    *(goldens.ROOT / folder / "README.md" for folder in FOLDERS),
]


def anchors(page):
    """The targets of links into a page: its headings as a forge spells them."""
    heads = re.findall(r"^#+ (.*)", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", head).lower().replace(" ", "-") for head in heads}


@pytest.mark.parametrize(
    "page",
    [*PAGES, *OTHERS],
    ids=lambda page: str(page.relative_to(goldens.ROOT)),
)
def test_links_lead_somewhere(page):
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text("utf-8")):
        if "://" not in link:
            target, _, anchor = link.partition("#")
            path = page.parent / target if target else page
            assert path.exists(), link
            assert not anchor or anchor in anchors(path), link


def test_the_index_names_every_page():
    index = (DOCS / "README.md").read_text("utf-8")
    for page in PAGES:
        assert page.name == "README.md" or f"]({page.relative_to(DOCS)})" in index


def test_the_first_example_runs(tmp_path, monkeypatch):
    """The one in README.md, in a folder with the files of the demo."""
    for path in (goldens.ROOT / "examples" / "demo").glob("*.[hn]*"):
        shutil.copy(path, tmp_path)
    monkeypatch.chdir(tmp_path)
    gru2np.export("digits.h5", "digits.npz")
    text = (goldens.ROOT / "README.md").read_text("utf-8")
    names = {}
    exec(text.partition("```python\n")[2].partition("```")[0], names)
    np.testing.assert_allclose(
        names["y"], np.load("keras-predictions.npy"), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(names["y_t"], names["y"][:, 0], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        ("worst 3.1e-8 at [2, 0]: agree", True),
        ("worst 3.1e-8 at [2, 0]: differ", False),
        ("worst 0.2 at [2, 0]: agree", False),
    ],
)
def test_a_page_keeps_what_rounding_alone_would_change(page, kept):
    text = "worst 5.7e-7 at [1, 4]: agree"
    assert pages().without_rounding(text, page) == (page if kept else text)
