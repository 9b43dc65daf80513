"""The names of TensorFlow's operations."""

from __future__ import annotations

from gru2np.generations import computed_sizes
from gru2np.generations.tensorflow_names import FUNCTIONS, NODES
from gru2np.layers import LAYERS


def test_every_operation_of_tensorflow_is_one_of_keras():
    found = {
        operation.class_name for operation in (*FUNCTIONS.values(), *NODES.values())
    }
    # ``computed_sizes`` follows shapes to the tensors that they are of.
    assert {f"ops.{name}" for name in found} <= {*LAYERS, computed_sizes.SHAPE}
