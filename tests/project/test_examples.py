"""The examples run, and the systems this project was made for give Keras' numbers."""

import numpy as np

import goldens
from example_files import EXAMPLES, example


def test_gru_from_bare_matrices(capsys):
    rows = example("gru_from_matrices").main()
    right = rows["gru2np, as Keras"]
    np.testing.assert_allclose(rows["by hand, right"], right, rtol=1e-12)
    assert np.abs(rows["z and 1 - z swapped"] - right).max() > 0.1
    assert np.abs(rows["bias rows summed"] - right).max() > 0.01
    assert "off by" in capsys.readouterr().out


def test_stateful_stack(capsys):
    carried, stepped = example("stateful_stack").main()
    assert max(carried, stepped) < goldens.ATOL
    assert "500 calls" in capsys.readouterr().out


def test_get_weights_explained(capsys):
    assert example("get_weights_explained").main() < goldens.ATOL
    out = capsys.readouterr().out
    assert "kernel (1, 6), recurrent_kernel (2, 6), bias (2, 6)" in out
    assert "h, columns 4 and 5" in out


def test_simple_rnn_by_hand(capsys):
    assert max(example("simple_rnn_by_hand").main()) < goldens.ATOL
    assert "step 9" in capsys.readouterr().out


def test_custom_layer(capsys):
    assert example("custom_layer").main() < goldens.ATOL
    assert "AttentionByHand" in capsys.readouterr().out


def test_the_demo_agrees_with_keras(capfd, monkeypatch, tmp_path):
    demo = example("demo/demo")
    monkeypatch.setattr(demo, "OUT", tmp_path)
    assert demo.main() == 0
    out = capfd.readouterr().out
    assert "agrees" in out
    assert "the digit is 8" in out


def test_every_example_is_listed():
    listed = (EXAMPLES / "README.md").read_text("utf-8")
    for path in EXAMPLES.glob("*.py"):
        assert f"]({path.name})" in listed
