"""What an audit looks into: archives, folders, arrays, HDF5, SavedModels."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import zipfile

import h5py
import numpy as np
import pytest

import gru2np
from checkpoint_writer import pb, saved_model, write
from gru2np.inspection import audit_parts
from gru2np.inspection.findings import RULES
from hostile import ATTACKS
from small_models import members, write_folder, write_h5, write_zip

URL = json.dumps({"a": "http://x"}).encode()


def found(path):
    return [(one.rule, one.part) for one in gru2np.audit(path).findings]


def zipped(given):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in given.items():
            archive.writestr(name, data)
    return out.getvalue()


def array(value):
    out = io.BytesIO()
    np.save(out, value)
    return out.getvalue()


FILES = [
    ("x.json", URL, [("url", "")]),
    ("x.json.gz", gzip.compress(URL), [("url", "x.json")]),
    (
        "x.zip",
        zipped({"m.keras": zipped({"c.json": URL})}),
        [("url", "m.keras/c.json")],
    ),
    ("x.zip", zipped({"a/config.json": b"{"}), [("unread", "a/config.json")]),
    ("x.zip", zipped({"note.txt": b"http://x"}), []),
    ("x.zip", zipped({"code.py": b'"""Text."""'}), []),
    ("x.zip", zipped({"data.pkl": b"("}), [("pickle", "data.pkl")]),
    ("x.zip", zipped({"a.bin": pickle.dumps([1])}), [("pickle", "a.bin")]),
    ("x.zip", zipped({"a.bin": b"\x80\x02\x00\x3f"}), []),
    ("x.zip", zipped({"a.data-00000-of-00001": b"\x80\x02\x00\x3f"}), []),
    ("x.npy", array(np.array([{}], object)), [("pickle", "")]),
    (
        "x.npy",
        array(np.array([(1, {})], [("a", "i4"), ("b", "O")])),
        [("pickle", "")],
    ),
    ("x.npy", array(np.zeros(3, [("O", "f4")])), []),
    ("x.yaml", b"a: 1\nb: !!python/object/apply:os.system [x]", [("yaml", "")]),
    ("x.yaml", b"backend: !!python/tuple [1]", []),
]


# Bytes of archives hold the time, so they are no names for workers to agree on.
@pytest.mark.parametrize(("name", "data", "expected"), FILES, ids=range(len(FILES)))
def test_a_file(name, data, expected, tmp_path):
    path = tmp_path / name
    path.write_bytes(data)
    assert found(path) == expected


def test_archives_in_archives_have_an_end(tmp_path):
    data = zipped({"c.json": URL})
    for _ in range(audit_parts.MOST_DEPTH):
        data = zipped({"a.zip": data})
    path = tmp_path / "x.zip"
    path.write_bytes(data)
    assert [rule for rule, _ in found(path)] == ["unread"]


def test_a_bad_member_hides_no_other(tmp_path):
    given = {**members(), "XXXXXXX": b"evil", "more.json": URL}
    path = write_zip(tmp_path / "model.keras", given)
    path.write_bytes(path.read_bytes().replace(b"XXXXXXX", b"../evil"))
    assert found(path) == [("member", ""), ("url", "more.json")]


def test_a_member_that_swells_is_not_unpacked(tmp_path):
    path = ATTACKS["bomb as architecture"].build(tmp_path)
    assert ("unread", "config.json") in found(path)


def test_json_in_hdf5(tmp_path):
    path = write_h5(tmp_path / "model.h5", training_config=URL.decode())
    assert found(path) == [("url", "attribute training_config")]


def test_a_part_of_hdf5_in_an_archive(tmp_path):
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        file["a/b"] = h5py.ExternalLink("/etc/other.h5", "/x")
    given = members(model__weights__h5=out.getvalue())
    (finding,) = gru2np.audit(write_zip(tmp_path / "m.keras", given)).findings
    assert finding.where == "model.weights.h5: /a/b"
    assert "/etc/other.h5" in finding.text


def test_a_folder(tmp_path):
    path = write_folder(tmp_path / "model", {**members(), "more.json": URL})
    (path / "inner").mkdir()
    (path / "inner" / "a.json").write_bytes(URL)
    (path / "round").symlink_to(path)
    (path / "here.json").symlink_to(path / "more.json")
    (path / "etc").symlink_to("/etc")
    (path / "self").symlink_to("self")
    assert sorted(found(path)) == [
        ("link", "etc"),
        ("link", "self"),
        ("url", "here.json"),
        ("url", "inner/a.json"),
        ("url", "more.json"),
    ]


def test_a_folder_as_a_hub_keeps_it(tmp_path):
    path = tmp_path / "hub" / "snapshots" / "1"
    path.mkdir(parents=True)
    (tmp_path / "hub" / "blobs").mkdir()
    (tmp_path / "hub" / "blobs" / "0123").write_bytes(URL)
    (path / "config.json").symlink_to("../../blobs/0123")
    assert found(path) == [("url", "config.json")]


def test_a_folder_of_very_many_files(tmp_path, monkeypatch):
    monkeypatch.setattr(audit_parts, "MOST_FILES", 2)
    path = write_folder(tmp_path / "model", members())
    assert found(path) == [("unread", "")]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("weights-7", []), ("../../other", ["path"]), ("/etc/passwd", ["path"])],
)
def test_the_newest_checkpoint(name, expected, tmp_path):
    text = f'model_checkpoint_path: "{name}"\n'.encode()
    path = write(tmp_path / "model", {"checkpoint": text})
    assert [rule for rule, _ in found(path)] == expected


def test_thousands_of_members_are_not_open_at_once(tmp_path):
    resource = pytest.importorskip("resource")
    given = {f"{number}.json": b"{}" for number in range(600)}
    path = write_zip(tmp_path / "x.zip", given, zipfile.ZIP_DEFLATED)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, before[1]))
    try:
        assert found(path) == []
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_operations_of_a_saved_model(tmp_path):
    files = saved_model()
    node = pb(1, pb(1, "n") + pb(2, "ReadFile"))
    files["saved_model.pb"] += pb(9, node)
    path = write(tmp_path / "model", files)
    assert ("graph", "saved_model.pb") in found(path)
    assert found(write(tmp_path / "honest", saved_model())) == []


def test_an_operation_at_the_end_of_a_block(tmp_path):
    node = pb(2, "ReadFile")
    for place in range((1 << 20) - len(node), (1 << 20) + 1):
        path = write(tmp_path / "model", {"saved_model.pb": bytes(place) + node})
        assert ("graph", "saved_model.pb") in found(path)


def test_the_metadata_of_every_object(tmp_path):
    files = saved_model()
    more = pb(1, pb(3, "root.layer") + pb(4, "_tf_keras_layer") + pb(5, URL))
    files["keras_metadata.pb"] += more
    (finding,) = gru2np.audit(write(tmp_path / "model", files)).findings
    assert (finding.rule, finding.part) == ("url", "keras_metadata.pb object 1")


@pytest.mark.parametrize("name", ATTACKS)
def test_no_attack_on_the_readers_stops_an_audit(name, tmp_path):
    path = ATTACKS[name].build(tmp_path)
    try:
        audit = gru2np.audit(path)
    except gru2np.ModelFileError:
        return
    assert all(str(one).isprintable() for one in audit.findings)
    assert {one.rule for one in audit.findings} <= set(RULES)
