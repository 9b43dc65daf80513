"""A file that is not what it should be is never returned."""

import io
from dataclasses import replace

import numpy as np
import pytest

from gru2np.convert import convert
from gru2np.errors import UnsupportedModelError, VerificationError
from gru2np.upgrading import checking, core
from gru2np.upgrading.checking import differences, faults
from gru2np.upgrading.writing import write
from upgraded_files import converted, upgraded_file, upgraded_model


@pytest.fixture
def checked(tmp_path):
    """What is found in a file, by the weights and the graph that it should have."""

    def check(case, other=None, weight=None, run=False, data=None):
        written, draft = upgraded_file(case)
        path = tmp_path / "new.keras"
        path.write_bytes(upgraded_file(other or case)[0])
        with convert(path) as expected, converted(case) as old:
            graph = expected.built.graph

            def own(name):
                array = old.array(draft.source(name))
                change = draft.weights.get(name)
                return array if change is None else change(array)

            weight = weight or (lambda name, array: array)
            file = data or written
            found = faults(old, file, graph, lambda name: weight(name, own(name)))
            return [*found, *(differences(old, file) if run else ())]

    return check


@pytest.mark.parametrize("case", ["keras-2.2/gru", "keras-2.2/mask_bidirectional"])
def test_a_right_file_has_no_faults(checked, case):
    assert checked(case, run=True) == []


def test_another_graph_is_seen(checked):
    found = checked("keras-2.2/masking_gru", "keras-2.2/gru")
    assert "its graph is another one" in found


def test_another_weight_is_seen(checked):
    def weight(name, array):
        return array + (name == "gru_1/bias")

    assert checked("keras-2.2/gru", weight=weight) == [
        "the weight gru_1/bias is another one"
    ]


def test_other_numbers_are_seen(checked, tmp_path):
    """The file is the draft, and the draft is wrong: only running it shows that."""

    def weight(name, array):
        return array + np.float32(name == "gru_1/bias")

    data, _ = upgraded_file("keras-2.2/gru")
    path = tmp_path / "other.keras"
    path.write_bytes(data)
    memory = io.BytesIO()
    with convert(path) as new:
        paths = replace(new.model)
        write(memory, paths, new.specs, lambda name: weight(name, new.array(name)))
    found = checked("keras-2.2/gru", weight=weight, run=True, data=memory.getvalue())
    assert found
    assert all(text.startswith("output gru_1 differs by") for text in found)
    assert checked("keras-2.2/gru", weight=weight, data=memory.getvalue()) == []


def test_a_file_with_faults_is_refused(monkeypatch):
    monkeypatch.setattr(core, "faults", lambda *_, **__: iter(["a fault"]))
    with pytest.raises(UnsupportedModelError, match="a fault of gru2np") as caught:
        upgraded_file("keras-2.2/gru")
    assert [problem.reason for problem in caught.value.problems] == ["a fault"]


def test_it_is_said_where_a_file_was_not_run(monkeypatch):
    def refuse(*_):
        raise VerificationError("no inputs")

    monkeypatch.setattr(checking, "draw", refuse)
    _, draft = upgraded_file("keras-2.2/gru")
    assert draft.notes == ["the new file was not run beside the old one: no inputs"]


def test_an_upgraded_file_is_upgraded_to_itself(tmp_path):
    data, _ = upgraded_file("keras-2.2/nested_twice")
    path = tmp_path / "new.keras"
    path.write_bytes(data)
    again, draft = upgraded_model(path)
    assert draft.words == {}
    assert again == data


def test_a_file_that_cannot_be_read_again_is_a_fault(checked):
    found = checked("keras-2.2/gru", data=b"no archive")
    assert len(found) == 1
    assert found[0].startswith("it cannot be read again: ")
