"""The choice of Keras: the installed one that means what the file meant."""

from __future__ import annotations

import shutil
from importlib.metadata import PackageNotFoundError

import h5py
import pytest

from command_line import run_verify
from gru2np.convert import convert
from gru2np.verification import installed_keras
from modelfiles import model_of

MASKED = "keras-2.2/mask_bidirectional"
OLD = "keras-2.1/mixed_stack"
STACK = "keras-2.1/stacked_cells"


def unlike(name, version):
    keras = installed_keras.Keras("tf_keras", "tf-keras", version, 2)
    with convert(model_of(name)) as conversion:
        return list(installed_keras.differences(conversion, keras))


def test_a_keras_with_another_rule_for_masked_outputs_is_not_used():
    lines = unlike(MASKED, "2.21.0")
    assert any("masked_output" in line and "'zero'" in line for line in lines)
    assert unlike("keras-2.2/masking_gru", "2.21.0") == []
    assert unlike("tf-2.10/mask_bidirectional", "2.21.0") == []


def test_states_in_another_order_matter_where_they_are_seen():
    """``reverse_state_order`` of tf-keras does not what Keras 2.1 did."""
    assert any("reverse_state_order" in x for x in unlike(STACK, "2.21.0"))


@pytest.mark.parametrize("name", ["keras-2.1", "keras-2.2", "tf-1.15"])
def test_a_keras_that_mixes_up_frozen_layers_is_not_used(name):
    """It goes by an order that the names of the arrays belie, all of one shape."""
    lines = unlike(f"{name}/frozen_unsaid", "2.21.0")
    assert lines[0].startswith("weight 'outer/")
    assert "first/kernel:0, tf-keras 2.21.0: " in lines[0]
    assert unlike(f"{name}/frozen_nested", "2.21.0") == []


def test_a_later_keras_3_may_merge_masks_otherwise():
    keras = installed_keras.Keras("keras", "keras", "3.3.3", 3)
    with convert(model_of("keras-3.15/mask_merges_two_h5")) as conversion:
        assert any(
            "mask" in line for line in installed_keras.differences(conversion, keras)
        )
        same = installed_keras.Keras("keras", "keras", "3.15.1", 3)
        assert list(installed_keras.differences(conversion, same)) == []


def test_a_keras_that_means_something_else_is_refused(no_child, monkeypatch):
    keras = installed_keras.Keras("tf_keras", "tf-keras", "2.21.0", 2)
    monkeypatch.setattr(installed_keras, "_installed", lambda generation: keras)
    monkeypatch.setattr(installed_keras.importlib.util, "find_spec", lambda name: name)
    result = run_verify(model_of(MASKED))
    assert result.exit_code == 3
    assert "masked_output: Keras 2.2.4 means" in result.stderr
    assert "--expected" in result.stderr
    assert result.stdout == ""


def test_without_tensorflow_the_error_names_what_to_install(no_child, monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installed_keras.importlib.metadata, "version", missing)
    result = run_verify(model_of("keras-3.15/gru"))
    assert result.exit_code == 3
    assert "pip install tensorflow tf-keras" in result.stderr


def test_what_gru2np_refuses_never_reaches_keras(no_child, tmp_path):
    path = tmp_path / "lambda.h5"
    shutil.copy(model_of(OLD), path)
    with h5py.File(path, "r+") as file:
        config = file.attrs["model_config"]
        text = config.decode() if isinstance(config, bytes) else config
        file.attrs["model_config"] = text.replace('"Dense"', '"Lambda"')
    result = run_verify(path)
    assert result.exit_code == 3
    assert "Lambda" in result.stderr
