"""Verify with the user's Keras code; the code of the model file is never run."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from command_line import run, run_verify
from custom_models import CELLS, FILE, FUNCTIONS, golden, written
from example_files import EXAMPLES
from gru2np.cli.commands import EXIT_CODES
from gru2np.errors import VerificationError
from gru2np.verification import plain_config
from gru2np.verification.keras_objects import check, give_names
from lambda_models import (
    by_code,
    config_of,
    keras_2,
    keras_3,
    own,
    own_2,
    source,
    time_distributed,
)
from needs_keras import needs_keras

OBJECTS = """
custom_objects = {"a": lambda x: x + 1, "b": lambda x: 2 * x}
keras_custom_objects = dict(custom_objects)
"""


@pytest.fixture
def file(tmp_path):
    """A function that writes a file of custom objects beside the examples' Keras."""
    shutil.copy(EXAMPLES / "keras_layers.py", tmp_path)

    def write(text):
        path = tmp_path / "objects.py"
        path.write_text(text, "utf-8")
        return path

    return write


def mine(more):
    """The objects of the examples, changed."""
    return FILE.read_text("utf-8") + more


# In NumPy positions are int64, in Keras 3 they are int32.
POSITIONS = 'custom_objects["largest"] = lambda x: x.argmax(axis=-1).astype("int32")\n'


@needs_keras
def test_functions_agree_with_keras_3_layer_by_layer(file):
    """One is called ``reversed``, as a function of Python is."""
    path = file(mine(POSITIONS))
    result = run_verify(
        golden(FUNCTIONS).files()[0], "--custom-objects", path, "--layers"
    )
    assert result.exit_code == 0, result.output
    assert "compared with Keras 3" in result.stdout
    for name in ("reversed", "scaled", "softmax_over_time", "each"):
        assert any(
            line.startswith(name) and line.endswith("agree")
            for line in result.stdout.splitlines()
        ), name


@needs_keras
@pytest.mark.parametrize("case", ["tf-keras-2.21/custom_functions", CELLS])
def test_functions_agree_with_tf_keras_and_cells_with_keras_3(case):
    result = run_verify(golden(case).files()[0], "--custom-objects", FILE)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("agree: 4 outputs")


@needs_keras
def test_a_wrong_formula_is_found_and_its_layer_named(file):
    path = file(mine(POSITIONS + 'custom_objects["scaled"] = lambda x, **k: x * 3\n'))
    result = run_verify(
        golden(FUNCTIONS).files()[0], "--custom-objects", path, "--layers"
    )
    assert result.exit_code == EXIT_CODES["differs"], result.output
    assert "first difference: layer scaled (Lambda)" in result.stdout


@needs_keras
def test_a_file_that_fails_for_keras_is_refused_by_its_own_error(file):
    for text, words in (
        ("keras_custom_objects = {}", "keras_custom_objects has no a, b, which"),
        ("def keras_custom_objects(keras):\n    return 1 / 0", "division by zero"),
        ("keras_custom_objects = 5", "cannot use the file of custom objects"),
    ):
        path = file(f"{OBJECTS}\n{text}\n")
        model = written(path.parent, keras_3(source(), own("a"), own("b", ("a",))))
        result = run_verify(model, "--custom-objects", path)
        assert result.exit_code == EXIT_CODES["refused"]
        assert words in result.stderr
        assert "Traceback" not in result.stderr


@needs_keras
@pytest.mark.parametrize("case", [FUNCTIONS, "tf-keras-2.21/custom_functions"])
def test_a_part_with_custom_objects_agrees_and_needs_those_of_the_part_alone(
    file, tmp_path, case
):
    path = file(
        mine(
            'custom_objects = {"swoosh": swoosh}\n'
            "def keras_custom_objects(keras):\n"
            "    import keras_layers\n"
            '    return {"swoosh": keras_layers.objects(keras)["swoosh"]}\n'
        )
    )
    model, bundle = golden(case).files()[0], tmp_path / "m.npz"
    option = ("--custom-objects", path)
    result = run("export", model, "-o", bundle, "--outputs", "scores", *option)
    assert result.exit_code == 0, result.output
    result = run_verify(model, bundle, *option)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("agree: 1 output")


def test_without_code_for_keras_it_is_refused_with_the_way_on(file):
    path = file('custom_objects = {"a": lambda x: x}')
    model = written(path.parent, keras_3(source(), own("a")))
    result = run_verify(model, "--custom-objects", path)
    assert result.exit_code == EXIT_CODES["refused"]
    assert "for a: define keras_custom_objects(keras)" in result.stderr
    assert "--expected" in result.stderr
    np.save(path.parent / "x.npy", np.ones((1, 2, 3), "float32"))
    files = [f"--{kind}={path.parent / 'x.npy'}" for kind in ("input", "expected")]
    assert run_verify(model, "--custom-objects", path, *files).exit_code == 0


def test_objects_that_the_model_does_not_use_need_no_code_for_keras():
    check([], None)
    with pytest.raises(VerificationError, match=r"for a, b: define keras_custom_obj"):
        check(["a", "b"], None)


def writes(path):
    """A function as a hostile file has it; it writes a file if it is run."""
    text = f"lambda x, *more, **options: open({str(path)!r}, 'w').close() or x"
    return eval(text)


@needs_keras
@pytest.mark.parametrize("kind", ["keras", "h5"])
def test_keras_never_runs_the_code_of_a_lambda(file, tmp_path, monkeypatch, kind):
    ran = tmp_path / "ran"
    evil = writes(ran)
    # A module that the file names, in the place where Python looks first.
    (tmp_path / "evil.py").write_text(f"open({str(ran)!r}, 'w')", "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    evil(1)
    assert ran.exists(), "what the files hold does nothing"
    ran.unlink()
    if kind == "keras":
        code = {**by_code(evil), "module": "evil"}
        options = {"function": None, "output_shape": code}
        nodes = [own("a", **options), own("b", **options)]
        for node in nodes:
            node[2]["function"] = code
        inside = time_distributed("each", nodes[1], ("a",))
        data = keras_3(source((None, 4, 3)), nodes[0], inside)
    else:
        more = {"module": "evil", "output_shape_module": "evil"}
        code = own_2("a", evil)[1]["function"]
        shape = {"output_shape": code, "output_shape_type": "lambda", **more}
        inner = own_2("b", evil, **shape)
        layer = {"class_name": inner[0], "config": inner[1]}
        options = {"name": "each", "trainable": True, "dtype": "float32"}
        outer = ("TimeDistributed", {**options, "layer": layer})
        data = keras_2(own_2("a", evil, **shape), outer)
    model = written(tmp_path, data)
    result = run_verify(model, "--custom-objects", file(OBJECTS), "--layers")
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1].startswith("agree: 1 output")
    assert not ran.exists()


def test_names_take_the_place_of_code_and_modules():
    config = config_of([source(), own("a"), own("b", ("a",), "scaled")], ["b"])
    give_names(config, ["a", "scaled"], keras_3=True)
    first, second = config["config"]["layers"][1:]
    assert first["config"]["function"]["config"] == "a"
    assert second["config"]["function"]["config"] == "scaled"
    assert first["config"]["function"]["module"] is None
    assert plain_config.foreign(config) == []
    layer = {"class_name": "mine>Cell", "config": {"name": "c"}, "module": "mine"}
    give_names(layer, ["c"], keras_3=True)
    assert (layer["class_name"], layer["module"]) == ("c", None)
    two = {"class_name": "Lambda", "config": own_2("a", writes("x"))[1]}
    give_names(two, ["a"], keras_3=False)
    assert two["config"]["function"] == "a"
    assert "module" not in two["config"]


def test_code_inside_the_options_of_another_class_is_not_handed_to_keras():
    kind, options = own_2("hidden", writes("x"), module=None)
    inner = {"class_name": kind, "config": options}
    config = {"class_name": "Mine", "config": {"name": "m", "layer": inner}}
    give_names(config, ["Mine"], keras_3=False)
    assert plain_config.foreign(config) == ["code, as Lambda layers have it"]
    config = {"class_name": "Mine", "config": {"f": by_code(writes("x"))}}
    assert plain_config.foreign(config) == ["code, as Lambda layers have it"]
    for option in ("output_shape", "mask"):
        named = {"function": "f", "function_type": "function", option: ["code"]}
        config = {"class_name": "Lambda", "config": named}
        assert plain_config.foreign(config) == ["code, as Lambda layers have it"]
