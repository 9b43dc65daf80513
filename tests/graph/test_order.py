"""Calls in the order in which they can run."""

import pytest

import goldens
import gru2np
from exports import refused
from gru2np.convert import convert
from gru2np_runtime import load
from gru2np_runtime.bundle.manifest_writer import encode_name
from legacy_models import saved


def test_a_graph_that_waits_for_itself_is_refused(tmp_path):
    def dense(name, source):
        return {
            "class_name": "Dense",
            "name": name,
            "config": {"name": name, "units": 3},
            "inbound_nodes": [[[source, 0, 0, {}]]],
        }

    config = {
        "name": "model",
        "layers": [dense("a", "b"), dense("b", "a")],
        "input_layers": [["a", 0, 0]],
        "output_layers": [["b", 0, 0]],
    }
    spec = {"class_name": "Model", "config": config, "keras_version": "2.2.4"}
    error = refused(saved(tmp_path, spec))
    assert isinstance(error, gru2np.ModelFileError)


def in_the_file(model, prefix=""):
    """Paths of the layers of a Keras model, in the order of its architecture."""
    for layer in model.layers:
        path = prefix + encode_name(layer.name)
        if layer.model is not None:
            yield from in_the_file(layer.model, f"{path}/")
        elif layer.class_name != "InputLayer":
            yield path


# Among them are models whose Keras runs the calls in another order.
OTHERS = ("heads_in_a_row", "mask_behind_initial_state", "stateful_shared")
CASES = [
    golden
    for golden in goldens.all_goldens()
    if not goldens.refused(golden) and golden.folder.name not in OTHERS
]
CASES = goldens.some(CASES, 40) + [
    goldens.Golden(goldens.FIXTURES / "keras-3.15" / name) for name in OTHERS
]


@pytest.mark.parametrize("golden", CASES, ids=lambda golden: golden.name)
def test_a_bundle_has_the_layers_in_the_order_of_the_file(golden):
    """That is the order in which Keras' summary() lists them."""
    with convert(*golden.files(), saved_by=golden.saved_by) as conversion:
        expected = list(dict.fromkeys(in_the_file(conversion.model)))
    graph = load(golden.bundle()).graph
    called = dict.fromkeys(node.layer for node in graph.nodes)
    assert [path for path in called if "#" not in path] == expected
    assert list(called) == list(graph.layers)
