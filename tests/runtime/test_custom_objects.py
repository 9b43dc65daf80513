"""The file of custom objects: run once, by its path, and nothing else is ever run."""

import pickle
import sys

import numpy as np
import pytest

from gru2np_runtime import CustomObjectError, Layer, read_custom_objects
from gru2np_runtime.custom import CustomFunction
from gru2np_runtime.custom_objects import checked, objects_of, run_file

GOOD = "def twice(x):\n    return 2 * x\ncustom_objects = {'twice': twice}\n"


@pytest.fixture
def write(tmp_path):
    def write(text, name="objects.py"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_the_dict_of_a_file(write):
    objects = read_custom_objects(write(GOOD))
    np.testing.assert_array_equal(objects["twice"](np.ones(2)), [2, 2])


def test_classes_and_functions_of_the_file_can_be_pickled(write):
    twice = read_custom_objects(write(GOOD))["twice"]
    assert pickle.loads(pickle.dumps(twice)) is twice


def test_a_file_imports_what_lies_beside_it(write, monkeypatch):
    write("def helped(x):\n    return x\n", "beside_the_objects.py")
    path = write("import beside_the_objects as b\ncustom_objects = {'h': b.helped}")
    before = list(sys.path)
    assert read_custom_objects(path)["h"](3) == 3
    assert sys.path == before
    monkeypatch.delitem(sys.modules, "beside_the_objects")


def test_what_it_prints_is_not_among_the_output(write, capsys):
    read_custom_objects(write(f"print('hello')\n{GOOD}"))
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "hello\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x = (", "SyntaxError: .*line 1"),
        (b"\0\0\xff", "SyntaxError"),
        (b"x = '\xe9'", "SyntaxError"),
        ("raise RuntimeError('no')", r"RuntimeError: no \(.*objects.py, line 1\)"),
        ("\nimport sys\nsys.exit(0)", r"SystemExit: 0 \(.*objects.py, line 3\)"),
        ("import no_such_module_here", "No module named 'no_such_module_here'"),
        ("open('no such file')", "FileNotFoundError.*no such file"),
        ("", "expected a dict custom_objects, found none: write custom_objects="),
        ("custom_objects = None", "found none"),
        ("custom_objects = []", "expected a dict by name, got list"),
        ("custom_objects = 5", "expected a dict by name, got int"),
        ("custom_objects = {'a': 1}", r"custom_objects\['a'\]: expected a subclass"),
        ("custom_objects = {'a': int}", r"custom_objects\['a'\]: expected a subclass"),
        ("custom_objects = {1: len}", r"custom_objects\[1\]: expected"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_its_name(write, text, words):
    with pytest.raises(CustomObjectError, match=rf"objects\.py(:| failed:) .*{words}"):
        read_custom_objects(write(text))


def test_what_is_no_python_file(write, tmp_path):
    with pytest.raises(CustomObjectError, match=r"Python file, with the suffix \.py"):
        read_custom_objects(write(GOOD, "objects.txt"))
    with pytest.raises(FileNotFoundError):
        read_custom_objects(tmp_path / "missing.py")


def test_an_interrupt_stays_one(write):
    with pytest.raises(KeyboardInterrupt):
        read_custom_objects(write("raise KeyboardInterrupt"))


class Mine(Layer):
    pass


def test_classes_stay_and_functions_get_their_names():
    found = checked({"A": Mine, "f": np.tanh})
    assert found["A"] is Mine
    assert isinstance(found["f"], CustomFunction)
    assert found["f"] == "custom>f"
    assert checked(None) == {}


@pytest.mark.parametrize("wrong", [{"a": None}, {"a": "f"}, {"a": Mine()}, {"a": dict}])
def test_what_is_neither_is_a_type_error_too(wrong):
    with pytest.raises(TypeError, match=r"custom_objects\['a'\]"):
        checked(wrong)


def test_two_objects_of_one_name_are_refused():
    """A bundle could not tell them apart."""
    other = type("Mine", (Layer,), {})
    for wrong in ({"a": Mine, "b": other}, {"a": Mine, "Mine": np.tanh}):
        with pytest.raises(CustomObjectError, match="two of them are called 'Mine'"):
            checked(wrong)
    assert set(checked({"a": Mine, "b": Mine, "c": np.tanh})) == {"a", "b", "c"}


def test_a_module_is_run_once_for_both_of_its_dicts(write, tmp_path):
    ran = tmp_path / "ran"
    text = f"with open({str(ran)!r}, 'a') as file:\n    file.write('x')\n{GOOD}"
    path = write(text)
    module = run_file(path)
    assert objects_of(module, path) is module.custom_objects
    assert ran.read_text() == "x"
