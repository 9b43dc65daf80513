"""From a model file to its graph: all problems at once."""

import gru2np
from exports import refused
from legacy_models import saved, sequential


def test_all_problems_come_at_once(tmp_path):
    config = sequential(
        ("Lambda", {"name": "code", "function": "..."}),
        ("GRU", {"name": "gru", "units": 2, "reset_after": False, "colour": "red"}),
        ("MyAttention", {"name": "attention"}),
        ("ConvLSTM2DCell", {"name": "conv"}),
        ("Dense", {"name": "dense", "units": 2, "activation": "my_function"}),
    )
    error = refused(saved(tmp_path, config))
    assert isinstance(error, gru2np.UnsupportedModelError)
    found = {(p.layer, p.class_name, p.option) for p in error.problems}
    assert found == {
        ("code", "Lambda", None),
        ("gru", "GRU", "colour"),
        ("attention", "MyAttention", None),
        ("conv", "ConvLSTM2DCell", None),
        ("dense", "Dense", "activation"),
    }
    assert "5 problems" in str(error)
    assert "colour='red'" in str(error)
