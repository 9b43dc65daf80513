"""The manifest is strict JSON: what Python alone takes for JSON is refused."""

import io
import json
import re

import pytest

import goldens
from gru2np_runtime import BundleError, Gru2npError, load
from gru2np_runtime.bundle.container import MANIFEST, Writer, read_members
from json_sweep import changes


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
    "infinity": (with_key(b'"z": -Infinity'), "-Infinity is no JSON"),
    "cut off": (lambda text: text[: len(text) // 2], "is not JSON"),
    "comma": (with_key(b'"z": [1,]'), "is not JSON"),
    "leading zero": (with_key(b'"z": [01]'), "is not JSON"),
    "control": (with_key(b'"z": "\x01"'), "Invalid control character"),
    "other space": (lambda text: "\u00a0".encode() + text, "Expecting value"),
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


@pytest.mark.parametrize("space", ["", " \t\r\n"])
def test_a_good_manifest_is_taken(members, space):
    text = space.encode() + bytes(members[MANIFEST]) + space.encode()
    assert load(replaced(members, text)).input_names


def test_a_pair_of_surrogates_is_one_character(members):
    text = re.sub(
        rb'\n "name": "[^"]*"', rb'\n "name": "\\ud83d\\ude00"', members[MANIFEST]
    )
    assert rb"\ud83d" in text
    assert load(replaced(members, text)).name == "\U0001f600"


@pytest.mark.parametrize(
    ("case", "parts"),
    [
        ("keras-2.2/gru", 2),
        ("keras-3.15/arithmetic", 9),
        ("keras-3.15/nested_sequential", 5),
        ("keras-3.15/mask_bidirectional", 5),
    ],
)
def test_each_value_of_a_manifest_is_another(case, parts):
    """Each is refused with an error of the runtime, or gives a model."""
    members = read_members(goldens.Golden(goldens.FIXTURES / case).bundle())
    manifest = json.loads(bytes(members[MANIFEST]))
    for words in changes(manifest, 0, parts):
        bundle = replaced(members, json.dumps(manifest).encode())
        try:
            str(load(bundle))
        except Gru2npError:
            continue
        except Exception as error:
            raise AssertionError(f"{case}: {words}: {error!r}") from error
