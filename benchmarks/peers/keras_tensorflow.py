"""Keras on TensorFlow: ``predict``, ``predict_on_batch`` and compiled by XLA."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

import networks
from models import read_weights

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from models import Array, Workload
    from peers import Run

CLASSES = {"gru": "GRU", "lstm": "LSTM", "simple_rnn": "SimpleRNN"}


def build(workload: Workload, folder: Path) -> Any:
    """The Keras model with the folder's weights, or the network that Keras made.

    A stepped model takes x (batch, 1, features) and the states, and gives y and the
    states; its one step is unrolled, which is the fastest form for everyone.
    """
    import keras

    if workload.network:
        return networks.build(workload)
    layers, head = read_weights(folder)
    fixed = (workload.time, workload.features)
    x = keras.Input(batch_shape=(workload.batch, *fixed), name="a0")
    inputs, states, y = [x], [], x
    for number, directions in enumerate(layers):
        layer = getattr(keras.layers, CLASSES[workload.cell])(
            workload.units,
            return_sequences=workload.returns_sequences(number),
            return_state=workload.step,
            unroll=workload.step and workload.time == 1,
        )
        if workload.bidirectional:
            layer = keras.layers.Bidirectional(layer)
        given = []
        if workload.step:
            given = [
                keras.Input(
                    batch_shape=(workload.batch, workload.units),
                    name=f"a{len(inputs) + state}",
                )
                for state in range(workload.states)
            ]
            inputs.extend(given)
            y, *after = layer(y, initial_state=given)
            states.extend(after)
        else:
            y = layer(y)
        layer.set_weights(
            [array for weights in directions for array in weights.values()]
        )
    if head is not None:
        dense = keras.layers.Dense(workload.head)
        y = dense(y)
        dense.set_weights(list(head.values()))
    return keras.Model(inputs, [y, *states] if states else y)


class KerasTensorFlow:
    """A Keras model of fixed shapes, called in one of three ways."""

    step_rank = 3

    def __init__(self, variant: str, threads: int | None) -> None:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        os.environ["KERAS_BACKEND"] = "tensorflow"
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
        if threads == 1:
            os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false"
        import keras
        import tensorflow

        if threads is not None:
            tensorflow.config.threading.set_intra_op_parallelism_threads(threads)
            tensorflow.config.threading.set_inter_op_parallelism_threads(threads)
        self.tensorflow: Any = tensorflow
        self.variant = variant
        self.version = f"keras {keras.__version__}, tensorflow {tensorflow.__version__}"

    def load(self, workload: Workload, folder: Path) -> Callable[[], Run]:
        """The model."""
        model = build(workload, folder)
        call = getattr(self, self.variant)(model, workload.batch)
        if not workload.step:
            return lambda: lambda x: call([x])[0]
        shapes = [tensor.shape for tensor in model.inputs[1:]]

        def begin() -> Run:
            states = [np.zeros(shape, np.float32) for shape in shapes]

            def step(x: Array) -> Array:
                nonlocal states
                y, *states = call([x, *states])
                return y

            return step

        return begin

    def predict(self, model: Any, batch: int) -> Callable[[list[Array]], list[Array]]:
        """``model.predict`` with one batch for all rows."""
        return lambda inputs: _list(
            model.predict(_one(inputs), batch_size=batch, verbose=0)
        )

    def predict_on_batch(
        self, model: Any, batch: int
    ) -> Callable[[list[Array]], list[Array]]:
        """``model.predict_on_batch``."""
        return lambda inputs: _list(model.predict_on_batch(_one(inputs)))

    def jit(self, model: Any, batch: int) -> Callable[[list[Array]], list[Array]]:
        """The model as one XLA program."""
        compiled = self.tensorflow.function(
            lambda inputs: model(inputs, training=False), jit_compile=True
        )
        constant = self.tensorflow.constant

        def call(inputs: list[Array]) -> list[Array]:
            outputs = compiled(_one([constant(array) for array in inputs]))
            return [output.numpy() for output in _list(outputs)]

        return call


def _one(inputs: list[Any]) -> Any:
    return inputs[0] if len(inputs) == 1 else inputs


def _list(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def start(variant: str, threads: int | None) -> KerasTensorFlow:
    """Import it."""
    return KerasTensorFlow(variant, threads)
