"""``gru2np upgrade``: what it prints and writes, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from dataclasses import replace

import pytest

from command_line import run
from goldens import FIXTURES
from gru2np.cli.commands import EXIT_CODES
from gru2np.upgrading.upgrade import upgrade_of
from modelfiles import fixture, golden, with_weight
from needs_keras import needs_keras

GRU = "keras-2.2/get_weights_explained"
SCALED = "weights before hard_sigmoid are multiplied by 1.2"
# Masks with carried states: Keras 3 repeats the output, where Keras 2.0 kept the state.
REFUSED = "keras-2.0/stateful_masked"


def test_upgrade_writes_next_to_the_model(model):
    result = run("upgrade", model)
    new = model.with_suffix(".keras")
    assert result.exit_code == 0
    assert result.stdout == f"{new}\n"
    wrote, rewritten, untrained, following = result.stderr.splitlines()
    assert wrote.startswith(f"wrote {new}: 2 layers, 33 parameters, for Keras 3.15.1, ")
    assert rewritten == f"Rewritten: {SCALED} (gru_1)"
    assert untrained.startswith("Note: the loss, the metrics and the state of the opti")
    assert following == f"Next, in Python: keras.models.load_model({str(new)!r})"
    with zipfile.ZipFile(new) as archive:
        assert sorted(archive.namelist()) == [
            *("config.json", "metadata.json", "model.weights.h5")
        ]
        metadata = json.loads(archive.read("metadata.json"))
    assert metadata["keras_version"] == "3.15.1"


def test_upgrade_is_quiet_on_request(model):
    result = run("upgrade", model, "-q")
    assert (result.stdout, result.stderr) == (f"{model.with_suffix('.keras')}\n", "")


def test_upgrade_json(model, tmp_path):
    out = tmp_path / "new.keras"
    record = json.loads(run("upgrade", model, "-o", out, "--json").stdout)
    (note,) = record.pop("notes")
    assert "optimizer" in note
    assert record == {
        "schema": "gru2np/upgrade/1",
        "output": str(out),
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "bytes": out.stat().st_size,
        "layers": 2,
        "parameters": 33,
        "keras_version": "2.2.4",
        "written_for": "3.15.1",
        "rewritten": {"gru_1": [SCALED]},
        "verification": None,
    }


@pytest.mark.parametrize(
    ("name", "case", "new"),
    [
        ("old.keras", "keras-3.15/gru/model.keras", "old.upgraded.keras"),
        ("saved", "tf-2.10/mixed_stack_savedmodel/model", "saved.keras"),
        ("model.json", "tf-2.10/mixed_stack_tfjs/model.json", "model.keras"),
    ],
)
def test_the_new_file_is_beside_the_model_and_never_the_model(
    tmp_path, name, case, new
):
    source = FIXTURES / case
    if name == "old.keras":
        shutil.copy(source, tmp_path / name)
    elif source.is_dir():
        shutil.copytree(source, tmp_path / name)
    else:
        shutil.copytree(source.parent, tmp_path, dirs_exist_ok=True)
    before = sorted(tmp_path.rglob("*"))
    result = run("upgrade", tmp_path / name)
    assert result.exit_code == 0, result.stderr
    assert set(tmp_path.rglob("*")) - set(before) == {tmp_path / new}
    assert zipfile.is_zipfile(tmp_path / new)


def test_upgrade_of_an_architecture(tmp_path):
    case, out = "keras-2.2/gru_json", tmp_path / "new.keras"
    architecture, weights = golden(case).files()
    result = run("upgrade", architecture, "--weights", weights, "-o", out)
    assert result.exit_code == 0
    assert zipfile.is_zipfile(out)


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ("new.h5", "expected a name that ends in .keras, as Keras goes by that, got"),
        ("new.npz", "-o new.keras"),
        ("nowhere/new.keras", "there is no folder"),
        (".", "is a folder: name a file in it with -o"),
    ],
)
def test_an_output_that_cannot_be_is_refused(model, monkeypatch, output, text):
    monkeypatch.chdir(model.parent)
    result = run("upgrade", model, "--force", "-o", output)
    assert result.exit_code == EXIT_CODES["usage"]
    assert text in result.stderr
    assert sorted(model.parent.iterdir()) == [model]


def test_an_existing_file_is_kept(model):
    new = model.with_suffix(".keras")
    new.write_bytes(b"precious")
    result = run("upgrade", model)
    assert result.exit_code == EXIT_CODES["usage"]
    assert result.stderr == f"Error: '{new}' exists already: --force replaces it\n"
    assert new.read_bytes() == b"precious"
    assert run("upgrade", model, "--force").exit_code == 0
    assert zipfile.is_zipfile(new)


def test_the_model_is_never_replaced(tmp_path):
    path = tmp_path / "model.keras"
    shutil.copy(fixture("keras-3.15/gru", "model.keras"), path)
    before = path.read_bytes()
    result = run("upgrade", path, "-o", path, "--force")
    assert result.exit_code == EXIT_CODES["usage"]
    assert "is the input itself" in result.stderr
    assert path.read_bytes() == before


def test_a_missing_suffix_is_added_and_noted(model):
    result = run("upgrade", model, "-o", model.with_name("new"))
    assert result.stdout == f"{model.with_name('new.keras')}\n"
    assert "has no suffix, so .keras is added" in result.stderr


def test_what_has_no_exact_form_is_refused_with_every_reason(tmp_path):
    new = tmp_path / "new.keras"
    result = run("upgrade", fixture(REFUSED), "-o", new)
    assert result.exit_code == EXIT_CODES["refused"]
    assert "no exact form in Keras 3.15.1, 2 problems" in result.stderr
    assert "'lstm_1'" in result.stderr
    assert "at a masked step the output is the carried state" in result.stderr
    assert "gru2np export" in result.stderr
    assert not new.exists()


def test_a_bundle_is_no_model(model, tmp_path):
    bundle = tmp_path / "bundle.npz"
    assert run("export", model, "-o", bundle).exit_code == 0
    result = run("upgrade", bundle)
    assert result.exit_code == EXIT_CODES["refused"]
    assert "expected a Keras model, got a gru2np bundle" in result.stderr


@needs_keras
def test_an_upgraded_file_that_agrees_in_keras_is_written(model):
    result = run("upgrade", model, "--verify")
    assert result.exit_code == 0, result.stderr
    agree = result.stderr.splitlines()[-2]
    assert agree.startswith("agree: 1 output in ")
    assert agree.endswith(" on the upgraded file")
    assert "compared with Keras 3." in agree
    assert model.with_suffix(".keras").exists()


@needs_keras
@pytest.mark.parametrize("option", [(), ("--json",)])
def test_an_upgraded_file_that_differs_is_not_written(
    model, tmp_path, monkeypatch, option
):
    """The writer gets a weight wrong."""
    other = with_weight(GRU, tmp_path / "other.h5", 0.75)

    def wrong(conversion):
        from gru2np.convert import convert

        with convert(other) as another:
            return replace(upgrade_of(conversion), data=upgrade_of(another).data)

    monkeypatch.setattr("gru2np.upgraded.upgrade_of", wrong)
    result = run("upgrade", model, "--verify", *option)
    new = model.with_suffix(".keras")
    assert result.exit_code == EXIT_CODES["differs"]
    assert f"{new} is not written, because outputs differ" in result.stderr
    assert not new.exists()
    if option:
        record = json.loads(result.stdout)
        assert record["output"] is None
        assert record["verification"]["agree"] is False
    else:
        last = result.stdout.splitlines()[-1]
        assert last.startswith("differ: 1 of 1 output ")
        assert last.endswith("the fault is the runtime's or the upgraded file's")
