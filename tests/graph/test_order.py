"""Calls in the order in which they can run."""

import gru2np
from exports import refused
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
