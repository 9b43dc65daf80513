"""What JSON of a model asks a loader to do, one object after the other."""

from __future__ import annotations

import json

import pytest

from gru2np.inspection.audit_config import in_json

LAMBDA = {"function": ["4wAA", None, None], "function_type": "lambda"}
NAMED = {"function": "f", "function_type": "function", "module": "mine"}
FUNCTION = {"class_name": "function", "registered_name": "function"}


def found(value):
    """Rule and place of every finding."""
    return [(one.rule, one.place) for one in in_json(json.dumps(value).encode(), "p")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        # Lambda before Keras 3: of its function, shape and mask.
        (LAMBDA, [("bytecode", "function")]),
        (NAMED, [("module", "function")]),
        ({**NAMED, "module": "keras.activations"}, []),
        (
            {"output_shape": ["4wAA", None, None], "output_shape_type": "lambda"},
            [("bytecode", "output_shape")],
        ),
        ({"output_shape": None, "output_shape_type": "raw"}, []),
        # Modules.
        ({"class_name": "A", "module": "os"}, [("module", "module")]),
        ({"class_name": "A", "module": "keras_evil"}, [("module", "module")]),
        ({"class_name": "Dense", "module": "keras.layers"}, []),
        ({"class_name": "Dense", "module": "keras.src.layers.core.dense"}, []),
        ({"class_name": "GRU", "module": "tensorflow.python.keras.layers"}, []),
        ({"class_name": "DTypePolicy", "module": "keras"}, []),
        (
            {"class_name": "get_file", "module": "keras.layers"},
            [("function", "module")],
        ),
        ({"class_name": "A", "module": "keras.callbacks"}, [("function", "module")]),
        # Functions.
        ({**FUNCTION, "config": "tanh", "module": "builtins"}, []),
        ({**FUNCTION, "config": "exec", "module": "builtins"}, [("module", "module")]),
        ({**FUNCTION, "config": "relu", "module": "keras.activations"}, []),
        (
            {**FUNCTION, "config": "get_file", "module": "keras.utils"},
            [("function", "module")],
        ),
        # Registered names.
        ({"class_name": "Mine>A", "config": {}}, [("registered", "class_name")]),
        (
            {"class_name": "A", "registered_name": "a>A"},
            [("registered", "registered_name")],
        ),
        ({"class_name": "Functional", "registered_name": "Functional"}, []),
        ({"class_name": "Custom>Adam", "config": {}}, []),
        # Paths and addresses.
        ({"vocabulary": "words.txt"}, [("path", "vocabulary")]),
        ({"vocabulary": ["/a", "b"]}, [("path", "vocabulary/0")]),
        ({"vocabulary": ["a", "b"]}, []),
        ({"a": ["x", "/etc/passwd"]}, [("path", "a/1")]),
        ({"a": "C:\\x"}, [("path", "a")]),
        ({"a": "b/../../c"}, [("path", "a")]),
        ({"name": "gru/kernel"}, []),
        ({"a": "gs://bucket/x"}, [("url", "a")]),
        ({"a": "ratio 1://2"}, []),
        # JSON in a string.
        ({"a": json.dumps({"b": "http://x"})}, [("url", "a/b")]),
        ({"a": '{not JSON "'}, []),
    ],
    ids=str,
)
def test_an_object(value, expected):
    assert found(value) == expected


def test_the_text_names_the_layer():
    layer = {"class_name": "Lambda", "config": {"name": "own", **LAMBDA}}
    (finding,) = in_json(json.dumps({"layers": [layer]}).encode(), "config.json")
    assert finding.text.startswith("layer 'own': ")
    assert finding.where == "config.json: layers/0/config/function"


@pytest.mark.parametrize("data", [b"{", b"[" * 200 + b"]" * 200, b'{"a":1,"a":2}'])
def test_json_that_cannot_be_read_is_a_finding(data):
    (finding,) = in_json(data, "p")
    assert finding.rule == "unread"


def test_json_in_strings_has_an_end():
    value = json.dumps({"a": "http://x"})
    for _ in range(6):
        value = json.dumps({"a": value})
    assert [rule for rule, _ in found(json.loads(value))] == ["unread"]
