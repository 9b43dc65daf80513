"""The public names of the package, and what their functions take."""

import io

import pytest

import goldens
import gru2np
import gru2np_runtime


def test_every_public_name_is_found():
    assert sorted(gru2np.__all__) == gru2np.__all__ == sorted(gru2np._HOME)
    for name in gru2np.__all__:
        assert getattr(gru2np, name) is not None


@pytest.mark.parametrize("module", [gru2np, gru2np_runtime, gru2np_runtime.layers])
def test_an_editor_lists_the_public_names(module):
    assert dir(module) == sorted(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="'another'"):
        _ = module.another


@pytest.mark.parametrize("wrong", [None, 3, b"model.h5", [], object()])
def test_a_path_is_a_path(wrong, tmp_path):
    """What is none is named, with how the function is called."""
    path = goldens.FIXTURES / "keras-2.2" / "gru" / "model.h5"
    for call, name in (
        (lambda: gru2np.export(wrong, tmp_path / "m.npz"), "model"),
        (lambda: gru2np.export(path, wrong), "out"),
        (lambda: gru2np.inspect(wrong), "path"),
        (lambda: gru2np.verify(wrong), "model"),
        (lambda: gru2np.verify(path, wrong or 3), "bundle"),
        (
            lambda: gru2np.export(path, tmp_path / "m.npz", weights=wrong or 3),
            "weights",
        ),
    ):
        with pytest.raises(gru2np.InputError, match=rf"{name}: expected a path.*\w\("):
            call()
    assert not list(tmp_path.iterdir())


def test_an_output_is_open_for_bytes(tmp_path):
    path = goldens.FIXTURES / "keras-2.2" / "gru" / "model.h5"
    with pytest.raises(gru2np.InputError, match="a file open for bytes, got StringIO"):
        gru2np.export(path, io.StringIO())
    with pytest.raises(gru2np.Gru2npError, match="cannot be written"):
        gru2np.export(path, str(tmp_path / "a\0b"))
    for wrong in (3, [], ""):
        with pytest.raises(ValueError, match="saved_by: expected a version"):
            gru2np.export(path, tmp_path / "m.npz", saved_by=wrong)
