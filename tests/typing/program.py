"""A program as a user writes it, which type checkers read and nothing runs.

A line that ends with comments for them is an error, of the kind that they name; a
comment that is not needed is an error, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import gru2np
import gru2np_runtime
from gru2np_runtime import Layer, Model, State, layers, load

if TYPE_CHECKING:
    from collections.abc import Mapping

Array = NDArray[Any]
x: Array = np.zeros((2, 5, 3), "float32")


def scores(y: Array) -> float:
    return float(y.mean())


def of_one_output() -> None:
    model = load("model.npz")
    y = model.predict(x)
    print(y.shape, y[:, -1], y + 1, np.argmax(y), scores(y))
    print(model(x).dtype)
    first: Array = model.predict(x, batch_size=32)
    print(first)
    number: int = model.predict(x)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    text: str = model(x)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(number, text, y.shap)  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue]


def of_any_number_of_outputs() -> None:
    y = load("model.npz").predict({"left": x, "right": x})
    if isinstance(y, dict):
        print(sorted(y))
    elif isinstance(y, list):
        print(len(y))
    print(y.keys())  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue]


def that_is_said_once() -> None:
    model = load("model.npz").giving(dict)
    assert_type(model, Model[dict[str, Array]])
    for name, y in model.predict([x, x]).items():
        print(name, y.shape)
    number: int = model.predict(x)  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(number, model.predict(x).mean())  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    first, second = load("model.npz").giving(list).predict(x)
    assert_type(first, Array)
    print(second.shape)
    assert_type(load("model.npz").giving(np.ndarray).predict(x), Array)
    load("model.npz").giving(int)  # type: ignore[arg-type]  # pyright: ignore[reportCallIssue, reportArgumentType]


def served(model: Model) -> None:
    """Takes any model, whatever it gives."""
    print(model.summary())  # type: ignore[func-returns-value]


def step_by_step(sequence: Array) -> None:
    model = load("model.npz")
    state = model.initial_state(batch_size=1)
    assert_type(state, State)
    for row in sequence:
        y, state = model.step(row[None], state)
        print(y.shape)
    out = np.empty((1, 2), "float32")
    y, state = model.advance(sequence[None], state, out=out)
    model.step(sequence, {})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    outputs = load("model.npz").giving(dict)
    several, state = outputs.step(sequence, state)
    assert_type(several, dict[str, Array])
    served(outputs)
    served(load("model.npz").giving(list))


def for_many_users() -> None:
    streams = load("model.npz").giving(np.ndarray).streams(capacity=8)
    assert_type(streams.step([streams.open()], x[:1, 0]), Array)


def of_inputs() -> None:
    model = load("model.npz")
    model.predict([[[0.5, 1, 2]]])
    model.predict(np.zeros(3, int))
    model.predict(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    model.predict({1: x})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
    print(model.activations(x)["gru"].shape)


def of_layers(kernel: Array) -> None:
    gru = layers.GRU(units=2, activation="tanh", reset_after=False)
    print(gru.units + 1, gru.bind(kernel=kernel, bias=[0.0] * 6).predict(x).shape)
    layers.GRU(units=2, activatoin="tanh")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    layers.GRU(activation="tanh")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    layers.GRU(units="two")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    layers.GRU(2)  # type: ignore[arg-type, call-arg]  # pyright: ignore[reportCallIssue]
    gru.units = 3  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    layers.Gru(units=2)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]


class Scaled(Layer):
    """A custom layer has a signature, too."""

    factor: float
    offset: float = 0.0

    def forward(
        self, weights: Mapping[str, Array], *inputs: Array, mask: Array | None = None
    ) -> Array:
        return inputs[0] * self.factor + self.offset


def of_custom_layers() -> None:
    load("model.npz", custom_objects={"Scaled": Scaled})
    print(Scaled(factor=2.0))
    Scaled(factro=2.0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def of_names() -> None:
    gru2np.export("model.h5", "model.npz")
    gru2np.exprot("model.h5")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    gru2np_runtime.laod("model.npz")  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
    agree: int = gru2np.verify("model.h5")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    print(agree, gru2np.inspect("model.h5").layers[0].path)
