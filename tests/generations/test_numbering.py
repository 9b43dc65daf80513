"""Indices of calls: each generation counts nested models in its own way.

What real Keras makes of every index was measured with Keras 3.0 to 3.15, tf-keras 2.21
and TensorFlow 2.4 and 2.10; fixtures/*/nested_apart are files and numbers of theirs.
"""

import copy
from dataclasses import replace

import pytest

import goldens
import gru2np
from gru2np.generations import interpret
from gru2np.readers import open_model

KERAS_3 = ("keras-3.3/nested_apart", "keras-3.15/nested_apart")
KERAS_2 = ("keras-2.0/nested_apart", "keras-2.2/nested_apart", "tf-2.4/nested_apart")


def read_again(case, change):
    """The model of a fixture whose architecture was changed."""
    with open_model(*goldens.Golden(goldens.FIXTURES / case).files()) as raw:
        config = copy.deepcopy(dict(raw.config))
        change(config["config"])
        model, _ = interpret(replace(raw, config=config))
    return model


def history(config, name, model):
    """The reference of a layer's one call to a nested model, to be changed."""
    found = None
    for layer in config["layers"]:
        for call in layer["inbound_nodes"]:
            if isinstance(call, dict):
                own = call["args"][0]
                refs = [own["config"]["keras_history"]] if isinstance(own, dict) else []
            else:
                refs = call
            found = found or next(
                (ref for ref in refs if ref[:2] == [model, name]), None
            )
    return found


def output(config, model, index):
    return next(ref for ref in config["output_layers"] if ref[:2] == [model, index])


def wrong_index(case, place, index):
    """Another index at a place of an architecture names no call, and is refused."""

    def change(config):
        place(config)[1] = index

    with pytest.raises(gru2np.ModelFileError, match="an index"):
        read_again(case, change)


@pytest.mark.parametrize("case", KERAS_3)
@pytest.mark.parametrize(
    ("model", "written", "sound"), [("graph", 1, range(1, 4)), ("chain", 1, range(3))]
)
def test_outputs_of_keras_3(case, model, written, sound):
    """A functional model from 1, a Sequential from 0; what is below wraps in Keras."""
    for index in range(6):
        if index == written:
            continue

        def change(config, index=index):
            output(config, model, written)[1] = index

        with pytest.raises(gru2np.ModelFileError, match="an index") as refused:
            read_again(case, change)
        # Another call than the one that was meant leaves that one unread.
        said = "got nothing for number" if index in sound else f"got {index}"
        assert said in str(refused.value)


@pytest.mark.parametrize("case", KERAS_3)
@pytest.mark.parametrize(("model", "written"), [("graph", 1), ("chain", 0)])
def test_calls_in_keras_3_count_from_0(case, model, written):
    for index in (0, 1, 2, 3, 9):
        if index != written:
            wrong_index(case, lambda config: history(config, written, model), index)


@pytest.mark.parametrize("case", KERAS_2)
@pytest.mark.parametrize(("model", "written"), [("graph", 1), ("chain", 2)])
def test_outputs_before_keras_3_count_from_1(case, model, written):
    for index in (0, 1, 2, 3, 4, 9):
        if index != written:
            wrong_index(case, lambda config: output(config, model, written), index)


@pytest.mark.parametrize("case", KERAS_2)
@pytest.mark.parametrize(("model", "written"), [("graph", 2), ("chain", 1)])
def test_calls_before_keras_3_count_from_1(case, model, written):
    for index in (0, 1, 2, 3, 4, 9):
        if index != written:
            wrong_index(case, lambda config: history(config, written, model), index)
