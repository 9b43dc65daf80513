"""The manifest's JSON: what Python takes for it, and nothing that is not."""

import io
import json
import sys

import pytest

import goldens
from gru2np_runtime import BundleError, load
from gru2np_runtime.bundle.container import MANIFEST, Writer, read_members
from gru2np_runtime.bundle.json_text import parse


def pairs(given):
    return dict(given)


def refuse(constant):
    raise ValueError(f"{constant} is not taken")


TEXTS = {
    "object": '{"a": [1, -2.5e3, "é\\u00e9\\n", null, true], "b": {}}',
    "white space": ' \t\r\n{"a": 1}\n',
    "large numbers": "[123456789012345678901234567890, 1E400, -0.0]",
    "null": "null",
    "a pair of surrogates": '"\\ud83d\\ude00"',
    "no surrogate": '"C:\\\\udacity"',
    "empty": "",
    "cut off": '{"a": [1',
    "no value": '{"a":}',
    "comma": "[1,]",
    "two values": "{} {}",
    "constant": '{"a": NaN}',
    "infinity": "[-Infinity]",
    "control": '"\x01"',
    "leading zero": "[01]",
    "other space": "\u00a0{}",
    "byte order mark": "\ufeff{}",
    "zero at the end": "{}\0",
}


def outcome(function):
    try:
        return repr(function())
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("scanner", [True, False])
def test_it_is_what_python_takes_for_it(name, scanner, monkeypatch):
    """With the scanner inside json, and where a Python has none."""
    if not scanner:
        monkeypatch.setitem(sys.modules, "_json", None)
    text = TEXTS[name]
    assert outcome(
        lambda: parse(text.encode(), pairs=pairs, constant=refuse)
    ) == outcome(
        lambda: json.loads(text, object_pairs_hook=pairs, parse_constant=refuse)
    )


@pytest.mark.parametrize("depth", [5_000, 200_000])
@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_it_is_nested_too_deep(depth, opening):
    # How deep is too deep is Python's to say; before that it is cut off.
    with pytest.raises((RecursionError, ValueError)):
        parse((opening * depth).encode(), pairs=pairs, constant=refuse)


@pytest.fixture(scope="module")
def members():
    golden = goldens.Golden(goldens.FIXTURES / "keras-3.15" / "get_weights_explained")
    return read_members(golden.bundle())


def replaced(members, text):
    """The bundle with another text for a manifest."""
    out = io.BytesIO()
    writer = Writer(out)
    for name, data in members.items():
        writer.add(name, text if name == MANIFEST else data)
    writer.close()
    return out.getvalue()


def with_key(key):
    """A key and its value before all others."""
    return lambda text: text.replace(b"{", b"{" + key + b",", 1)


BAD = {
    "key twice": (with_key(b'"format": "gru2np"'), "a key stands twice"),
    "key twice inside": (with_key(b'"z": {"a": 1, "a": 1}'), "a key stands twice"),
    "NaN": (with_key(b'"z": NaN'), "NaN is no JSON"),
    "deep arrays": (with_key(b'"z": ' + b"[" * 10**5), "is not JSON"),
    "deep objects": (with_key(b'"z": ' + b'{"z":' * 10**5), "is not JSON"),
    "half a pair": (with_key(b'"z": "\\ud800"'), "surrogates not allowed"),
    "half a pair as key": (with_key(b'"\\udfff": 1'), "surrogates not allowed"),
    "half a pair as bytes": (with_key(b'"z": "\xed\xa0\x80"'), "can't decode"),
    "text behind": (lambda text: text + b"{}", "Extra data"),
    "zero behind": (lambda text: text + b"\0", "Extra data"),
    "UTF-16": (lambda text: text.decode().encode("utf-16"), "can't decode"),
    "byte order mark": (lambda text: b"\xef\xbb\xbf" + text, "Unexpected UTF-8 BOM"),
    "nothing": (lambda text: b"", "Expecting value"),
    "null": (lambda text: b"null", "expected `object`"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_manifest_is_refused(members, name):
    change, message = BAD[name]
    text = change(bytes(members[MANIFEST]))
    with pytest.raises(BundleError, match=message) as caught:
        load(replaced(members, text))
    # The message can be written anywhere.
    str(caught.value).encode()


def test_the_manifest_itself_is_taken(members):
    assert load(replaced(members, bytes(members[MANIFEST]))).input_names
