"""What --json prints: the keys that its schema and its page say, and no others."""

import importlib.util
import json

import jsonschema
import numpy as np
import pytest

import gru2np_runtime.__main__ as runtime_main
import output_schema
from command_line import run
from goldens import FIXTURES, ROOT, Golden, all_goldens, some
from gru2np import Gru2npError, inspect
from gru2np.cli import cli
from modelfiles import changed

KEYS = ROOT / "tests" / "cli" / "json_keys.txt"
CASE = Golden(FIXTURES / "keras-2.2" / "several_inputs_outputs")


def page():
    path = ROOT / "docs" / "json_outputs.py"
    spec = importlib.util.spec_from_file_location("json_outputs", path)
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_every_command_with_json_has_a_schema():
    found = {
        name
        for name, command in cli.commands.items()
        if any("--json" in option.opts for option in command.params)
    }
    assert found == set(page().NAMES)
    for name in found:
        schema = output_schema.SCHEMA["$defs"][name]["properties"]["schema"]["const"]
        assert schema.rpartition("/")[0] == f"gru2np/{name}"


def test_a_change_of_the_form_has_a_new_number():
    """Where this fails, think of those who read the old form.

    Raise the number in ``schema`` if a key went or if its value is of another kind; a
    new key needs none.  Then write the lines that are shown to ``json_keys.txt``.
    """
    assert "\n".join(page().keys()) == KEYS.read_text("utf-8").rstrip("\n")


def test_the_schema_is_strict():
    jsonschema.Draft202012Validator.check_schema(output_schema.SCHEMA)
    for name, schema in output_schema.SCHEMA["$defs"].items():
        if "properties" in schema and name != "source":
            assert schema["additionalProperties"] is False, name
            assert set(schema["required"]) <= set(schema["properties"]), name
    record = {
        "schema": "gru2np/predict/1",
        "output": "y.npy",
        "rows": 3,
        "batch_size": 2,
        "outputs": [],
    }
    assert output_schema.check("predict", json.dumps(record)) == record
    for wrong in (
        {**record, "another": 1},
        {**record, "rows": "3"},
        {**record, "schema": "gru2np/predict/2"},
        {key: value for key, value in record.items() if key != "rows"},
    ):
        with pytest.raises(jsonschema.ValidationError):
            output_schema.check("predict", json.dumps(wrong))


@pytest.fixture
def files(tmp_path):
    """A model, and its recorded inputs and outputs."""
    pairs = (("input_names", "x"), ("output_names", "y"))
    for names, kind in pairs:
        arrays = dict(zip(CASE.facts[names], CASE.arrays(0, kind), strict=True))
        np.savez(tmp_path / f"{kind}.npz", **arrays)
    path = tmp_path / "model.h5"
    path.write_bytes(CASE.files()[0].read_bytes())
    return path


def test_each_command_prints_what_its_schema_says(files, tmp_path, capsys):
    bundle, x, y = (tmp_path / name for name in ("model.npz", "x.npz", "y.npz"))
    out = tmp_path / "new"
    given = ("--input", x, "--expected", y)
    for arguments in (
        ("export", files, "--store", "int8"),
        ("inspect", files),
        ("inspect", bundle),
        ("verify", files, *given),
        ("upgrade", files),
        ("ship", bundle, tmp_path / "device"),
        ("predict", bundle, x, "-o", out.with_suffix(".npz")),
    ):
        result = run(*arguments, "--json")
        assert result.exit_code == 0, result.output
        output_schema.check(arguments[0], result.stdout)
    words = ["predict", str(bundle), str(x), "-o", str(out) + "2.npz", "--json"]
    assert runtime_main.main(words) == 0
    output_schema.check("predict", capsys.readouterr().out)


def test_weights_alone_and_a_refused_model(tmp_path):
    weights = FIXTURES / "keras-2.2" / "gru_json" / "weights.h5"
    record = output_schema.check("inspect", run("inspect", weights, "--json").stdout)
    assert record["kind"] == "weights"
    assert record["owners"]
    refused = next(golden for golden in all_goldens() if golden.facts.get("refused"))
    result = run("inspect", refused.files()[0], "--json")
    record = output_schema.check("inspect", result.stdout)
    assert record["problems"] or record["refusal"]


@pytest.mark.parametrize("golden", some(all_goldens(), 60), ids=lambda x: x.name)
def test_every_file_is_described_as_the_schema_says(golden):
    try:
        report = inspect(*golden.files(), saved_by=golden.saved_by)
    except Gru2npError:
        assert golden.facts.get("refused")
        return
    output_schema.check("inspect", json.dumps(report.as_dict(), allow_nan=False))


def test_names_give_a_terminal_no_commands(tmp_path):
    """What cannot be printed is escaped; letters of any language stay."""
    name = "größe\x9b2J\u202e\x1b[2J"
    path = changed(
        "keras-2.2/gru",
        tmp_path / "model.h5",
        lambda config: config["config"].update(name=name),
    )
    result = run("inspect", path, "--json")
    assert all(line.isprintable() for line in result.stdout.split("\n"))
    assert "größe\\u009b2J\\u202e" in result.stdout
    assert json.loads(result.stdout)["name"] == name
