"""``--custom-objects FILE.py``: from the model to the shipped folder."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest

import gru2np_runtime.__main__ as runtime_main
from command_line import program, run, run_verify
from custom_models import FILE, FUNCTIONS, STEPS, golden, written
from gru2np.cli.commands import EXIT_CODES
from lambda_models import keras_3, own, source
from needs_keras import needs_keras
from numpy_alone import link_numpy

CASE = golden(FUNCTIONS)
COMMANDS = ("export", "inspect", "verify", "predict", "ship")
NAMES = ("weighted", "sum_over_time", "last_step", "largest")


@pytest.fixture
def folder(tmp_path):
    """A folder with a model, its objects, an input, and nothing else of ours."""
    shutil.copy(CASE.files()[0], tmp_path / "model.keras")
    (tmp_path / "objects.py").write_text(
        FILE.read_text("utf-8").partition("def keras_custom_objects")[0], "utf-8"
    )
    np.save(tmp_path / "x.npy", CASE.arrays(0, "x")[0])
    wanted = dict(zip(NAMES, CASE.arrays(0, "y"), strict=True))
    # NumPy's positions are int64.
    wanted["largest"] = wanted["largest"].astype("int64")
    np.savez(tmp_path / "expected.npz", **wanted)
    return tmp_path


def objects(folder):
    return ("--custom-objects", folder / "objects.py")


@pytest.fixture
def bundle(folder):
    path = folder / "model.npz"
    result = run("export", folder / "model.keras", "-o", path, *objects(folder))
    assert result.exit_code == 0, result.output
    return path


def near_keras(path):
    with np.load(path) as found:
        for name, wanted in zip(NAMES, CASE.arrays(0, "y"), strict=True):
            np.testing.assert_allclose(found[name], wanted, rtol=1e-4, atol=2e-5)


def test_export_notes_what_the_model_has_no_use_for_and_says_what_is_next(folder):
    result = run("export", folder / "model.keras", *objects(folder))
    assert result.exit_code == 0
    assert (
        "Note: custom_objects: nothing in the model is called 'AttentionWithContext', "
        "'BahdanauAttention', 'LeakyIntegrator', 'NormalizedCell'"
    ) in result.stderr
    assert f"--custom-objects {folder / 'objects.py'}" in result.stderr


def test_without_the_file_everything_missing_is_named_with_the_way_on(folder):
    result = run("export", folder / "model.keras")
    assert result.exit_code == EXIT_CODES["refused"]
    for text in (
        "'softmax_over_time'",
        "the function 'scaled', with factor=3.0, shift=0.5",
        "pass it with --custom-objects FILE.py",
        "custom_objects by the names 'swoosh', 'reversed', 'scaled', 'layer'",
    ):
        assert text.replace("'layer'", "'scaled_inside' or 'scaled'") in result.stderr
    assert not (folder / "model.npz").exists()


def test_inspect_shows_name_function_and_arguments_of_a_lambda(folder):
    result = run("inspect", folder / "model.keras")
    assert result.exit_code == 0
    text = " ".join(result.stdout.split())
    assert "'scaled' (Lambda)" in text
    assert "the function 'scaled', with factor=3.0, shift=0.5" in text
    assert "'reversed' (Lambda)" in text
    assert "a function without a name" in text
    record = json.loads(run("inspect", folder / "model.keras", "--json").stdout)
    assert "factor=2.0" in json.dumps(record)
    whole = run("inspect", folder / "model.keras", *objects(folder))
    assert "Cannot be converted" not in whole.stdout
    assert "largest (None, 6) int64" in whole.stdout


def test_inspect_makes_a_page_of_a_model_and_of_a_bundle(folder, bundle):
    for source_file in (folder / "model.keras", bundle):
        page = folder / f"{source_file.suffix}.html"
        result = run("inspect", source_file, "--report", page, *objects(folder))
        assert result.exit_code == 0, result.output
        text = page.read_text("utf-8")
        assert "--custom-objects" in text
        assert "softmax_over_time" in text
    result = run("inspect", bundle, "--report", folder / "no.html")
    assert result.exit_code == EXIT_CODES["refused"]
    assert not (folder / "no.html").exists()


def test_predict_equals_keras(folder, bundle):
    files = ("-i", folder / "x.npy", "-o", folder / "y.npz")
    result = run("predict", bundle, *files)
    assert result.exit_code == EXIT_CODES["refused"]
    assert "needs the custom function" in result.stderr
    assert not (folder / "y.npz").exists()
    result = run("predict", bundle, *files, *objects(folder))
    assert result.exit_code == 0, result.output
    near_keras(folder / "y.npz")


def test_what_the_file_prints_is_not_among_the_numbers(folder):
    (folder / "objects.py").write_text(
        "print('hello')\ncustom_objects = {'a': lambda x: 2 * x}\n"
    )
    model = written(folder, keras_3(source(), own("a")))
    assert run("export", model, "-f", *objects(folder)).exit_code == 0
    files = ("-i", folder / "x.npy", "-o", "-", "--force")
    done = program("predict", folder / "model.npz", *files, *objects(folder))
    assert done.returncode == 0, done.stderr
    assert b"hello" in done.stderr
    assert done.stdout.startswith((b"\x93NUMPY", b"PK"))


def test_verify_with_recorded_outputs_and_a_page(folder, bundle):
    page, given = folder / "page.html", ("--input", folder / "x.npy")
    expected = ("--expected", folder / "expected.npz")
    more = (*given, *expected, "--record", "--report", page, *objects(folder))
    result = run_verify(folder / "model.keras", bundle, *more)
    assert result.exit_code == 0, result.output
    assert "--custom-objects" in page.read_text("utf-8")
    arguments = [str(argument) for argument in ("check", bundle, *objects(folder))]
    assert runtime_main.main(arguments) == 0
    text = (folder / "objects.py").read_text("utf-8")
    (folder / "objects.py").write_text(
        text + '\ncustom_objects["scaled"] = lambda x, **options: 2 * x\n', "utf-8"
    )
    assert runtime_main.main(arguments) == EXIT_CODES["differs"]


def test_the_runtime_s_own_commands(folder, bundle, capsys):
    files = [str(bundle), str(folder / "x.npy"), "-o", str(folder / "y.npz")]
    assert runtime_main.main(["predict", *files]) == EXIT_CODES["refused"]
    assert "--custom-objects FILE.py" in capsys.readouterr().err
    assert not (folder / "y.npz").exists()
    option = [str(part) for part in objects(folder)]
    assert runtime_main.main(["predict", *files, *option]) == 0
    near_keras(folder / "y.npz")
    assert runtime_main.main(["check", str(bundle)]) == EXIT_CODES["refused"]
    assert runtime_main.main(["check", str(bundle), *option]) == 0
    for wrong in (folder / "missing.py", folder):
        option = ["--custom-objects", str(wrong)]
        for command in (["predict", *files, "--force"], ["check", str(bundle)]):
            assert runtime_main.main([*command, *option]) == EXIT_CODES["usage"]
            printed = capsys.readouterr().err
            assert "there is no file" in printed or "is a folder" in printed


def test_what_is_shipped_runs_on_numpy_alone(folder, bundle, tmp_path_factory):
    device = folder / "device"
    result = run("ship", bundle, device)
    assert result.exit_code == EXIT_CODES["refused"]
    assert not device.exists()
    result = run("ship", bundle, device, *objects(folder))
    assert result.exit_code == 0, result.output
    text = (folder / "objects.py").read_bytes()
    assert (device / "objects.py").read_bytes() == text
    readme = (device / "README.txt").read_text("utf-8")
    assert "check model.npz --custom-objects objects.py" in readme
    site = tmp_path_factory.mktemp("site")
    link_numpy(site)
    shutil.move(folder / "objects.py", folder / "gone.py")
    y = folder / "y.npz"
    predict = ("predict", "model.npz", folder / "x.npy", "-o", folder / "z.npz")
    option = ("--custom-objects", "objects.py")
    for arguments in (
        ("run.py", folder / "x.npy", y),
        ("-m", "gru2np_runtime", *predict, *option),
        ("-m", "gru2np_runtime", "check", "model.npz", *option),
        ("run.py",),
    ):
        done = subprocess.run(
            [sys.executable, "-S", *map(str, arguments)],
            env={**os.environ, "PYTHONPATH": str(site)},
            cwd=device,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    near_keras(y)
    near_keras(folder / "z.npz")
    shutil.move(folder / "gone.py", folder / "objects.py")
    assert run("ship", bundle, device, "--force", *objects(folder)).exit_code == 0


def test_a_file_that_needs_others_is_not_shipped(folder, bundle):
    (folder / "beside_them.py").write_text("FACTOR = 2\n")
    text = (folder / "objects.py").read_text("utf-8")
    (folder / "objects.py").write_text(f"import beside_them\n{text}", "utf-8")
    result = run("ship", bundle, folder / "device", *objects(folder))
    assert result.exit_code == EXIT_CODES["usage"]
    assert "imports beside_them, which lies beside it" in result.stderr
    assert not (folder / "device").exists()
    sys.modules.pop("beside_them")


def arguments_of(command, folder):
    """A command that gets as far as it can with the model and the bundle."""
    model, bundle = folder / "model.keras", folder / "model.npz"
    recorded = ("--input", folder / "x.npy", "--expected", folder / "expected.npz")
    return {
        "export": (model, "-o", folder / "new.npz"),
        "inspect": (model,),
        "verify": (model, bundle, *recorded),
        "predict": (bundle, "-i", folder / "x.npy", "-o", folder / "new.npz"),
        "ship": (bundle, folder / "device"),
    }[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_file_is_run_exactly_once_and_only_if_it_is_given(
    folder, bundle, command, monkeypatch
):
    ran = folder / "ran"
    text = (folder / "objects.py").read_text("utf-8")
    once = f"with open({str(ran)!r}, 'a') as ran:\n    ran.write('x')\n"
    (folder / "objects.py").write_text(text + once, "utf-8")
    for name in ("custom_objects", "custom", "model", "gru2np_objects"):
        (folder / f"{name}.py").write_text(text + once, "utf-8")
    monkeypatch.chdir(folder)
    result = run(command, *arguments_of(command, folder))
    assert result.exit_code == (0 if command == "inspect" else EXIT_CODES["refused"])
    assert not ran.exists()
    result = run(command, *arguments_of(command, folder), *objects(folder))
    assert result.exit_code == 0, result.output
    assert ran.read_text() == "x"


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (None, "usage", "does not exist"),
        ("x = (", "refused", "objects.py failed: SyntaxError"),
        ("import sys\nsys.exit(0)", "refused", "objects.py failed: SystemExit: 0"),
        ("1 / 0", "refused", "objects.py failed: ZeroDivisionError"),
        ("x = 1", "refused", "expected a dict custom_objects, found none"),
        ("custom_objects = []", "refused", "expected a dict by name, got list"),
        ("custom_objects = {'a': 1}", "refused", "custom_objects['a']: expected"),
        ("raise KeyboardInterrupt", "interrupted", "Interrupted."),
    ],
)
def test_what_is_wrong_with_the_file_is_said_and_nothing_is_written(
    folder, bundle, command, text, code, words
):
    if text is None:
        (folder / "objects.py").unlink()
    else:
        (folder / "objects.py").write_text(text, "utf-8")
    before = sorted(folder.iterdir())
    result = run(command, *arguments_of(command, folder), *objects(folder))
    assert result.exit_code == EXIT_CODES[code], result.output
    assert words in result.stderr
    assert "Traceback" not in result.output
    assert [p for p in sorted(folder.iterdir()) if p.name != "__pycache__"] == before


def test_a_folder_is_no_file_of_objects(folder, bundle):
    for command in COMMANDS:
        arguments = arguments_of(command, folder)
        result = run(command, *arguments, "--custom-objects", folder)
        assert result.exit_code == EXIT_CODES["usage"]
        assert "is a directory" in result.stderr


def test_a_function_that_fails_at_export_leaves_no_file(folder):
    text = (folder / "objects.py").read_text("utf-8")
    (folder / "objects.py").write_text(
        text + '\ncustom_objects["last_step"] = lambda x: x[:, 99]\n', "utf-8"
    )
    result = run("export", folder / "model.keras", *objects(folder))
    assert result.exit_code == EXIT_CODES["refused"]
    assert "custom function 'last_step' failed: IndexError" in result.stderr
    assert f"{folder / 'objects.py'}, line" in result.stderr
    assert not (folder / "model.npz").exists()


@needs_keras
def test_what_verify_records_is_replayed_by_check(tmp_path):
    model, bundle = golden(STEPS).files()[0], tmp_path / "m.npz"
    option = ("--custom-objects", FILE)
    assert run("export", model, "-o", bundle, *option).exit_code == 0
    page = tmp_path / "page.html"
    result = run_verify(model, bundle, "--record", "--report", page, *option)
    assert result.exit_code == 0, result.output
    assert "recorded in m.npz" in result.stderr
    assert "</html>" in page.read_text("utf-8")
    assert runtime_main.main(["check", str(bundle), *map(str, option)]) == 0
    record = json.loads(run("inspect", bundle, "--json", *option).stdout)
    assert "Keras 3" in json.dumps(record)
