"""Custom objects as people have them most: recipes in NumPy, and what Keras has.

    gru2np export model.keras --custom-objects custom_objects.py
    gru2np verify model.keras --custom-objects custom_objects.py

The names are those of the model: of a class, of a function, or of one layer.
"""

import numpy as np

from gru2np_runtime import Cell, Layer, per_step


def softmax(x, axis):
    """Softmax along one axis."""
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    return powers / powers.sum(axis=axis, keepdims=True)


class AttentionWithContext(Layer):
    """Attention over time with a context vector; masked steps get no weight."""

    uses_mask = True  # forward gets the mask of the input

    def weight_shapes(self, *shapes):
        """In the order of ``add_weight``."""
        features = shapes[0][-1]
        return {"W": (features, features), "b": (features,), "u": (features,)}

    def output_shapes(self, *shapes):
        """(batch, features)."""
        return ((shapes[0][0], shapes[0][-1]),)

    def forward(self, weights, *inputs, mask=None):
        """x: (batch, time, features)."""
        x = inputs[0]
        scores = np.exp(np.tanh(x @ weights["W"] + weights["b"]) @ weights["u"])
        if mask is not None:
            scores = scores * mask
        shares = scores / (scores.sum(axis=1, keepdims=True) + 1e-7)
        return (shares[..., None] * x).sum(axis=1)


class BahdanauAttention(Layer):
    """Additive attention of a query to the steps of a sequence."""

    takes_several = True  # it is called with [query, values]
    units: int

    def weight_shapes(self, *shapes):
        """Named by the attributes that hold the layers, in their order."""
        query, values = shapes
        sizes = {"of_query": query[-1], "of_values": values[-1]}
        named = {}
        for name, size in sizes.items():
            named[f"{name}/kernel"] = (size, self.units)
            named[f"{name}/bias"] = (self.units,)
        return {**named, "score/kernel": (self.units, 1), "score/bias": (1,)}

    def output_shapes(self, *shapes):
        """The context (batch, features) and the weights (batch, time, 1)."""
        query, values = shapes
        return ((query[0], values[-1]), (query[0], values[1], 1))

    def forward(self, weights, *inputs, mask=None):
        """query: (batch, features), values: (batch, time, features)."""
        query, values = inputs

        def dense(name, x):
            return x @ weights[f"{name}/kernel"] + weights[f"{name}/bias"]

        hidden = np.tanh(dense("of_query", query)[:, None] + dense("of_values", values))
        shares = softmax(dense("score", hidden), axis=1)
        return (shares * values).sum(axis=1), shares


class NormalizedCell(Cell):
    """A SimpleRNN cell with layer normalization."""

    units: int

    def state_sizes(self):
        """One state."""
        return (self.units,)

    def weight_shapes(self, *shapes):
        """x: (batch, features)."""
        return {
            "kernel": (shapes[0][-1], self.units),
            "recurrent_kernel": (self.units, self.units),
            "gamma": (self.units,),
            "beta": (self.units,),
        }

    def forward(self, weights, *inputs, mask=None):
        """The output, then the states."""
        x, h = inputs
        total = x @ weights["kernel"] + h @ weights["recurrent_kernel"]
        deviation = np.sqrt(total.var(axis=-1, keepdims=True) + 1e-3)
        total = (total - total.mean(axis=-1, keepdims=True)) / deviation
        h = np.tanh(total * weights["gamma"] + weights["beta"])
        return h, h


class LeakyIntegrator(Cell):
    """A cell with two states of different sizes; its output is neither of them."""

    units: int
    leak: float = 0.5

    def state_sizes(self):
        """The integral, and a trace of the input."""
        return (self.units, 2)

    def weight_shapes(self, *shapes):
        """x: (batch, features)."""
        return {"kernel": (shapes[0][-1], self.units)}

    def forward(self, weights, *inputs, mask=None):
        """The output, then the states."""
        x, integral, trace = inputs
        integral = (1 - self.leak) * integral + x @ weights["kernel"]
        trace = 0.9 * trace + x[:, :2]
        return np.tanh(integral) + trace.sum(axis=-1, keepdims=True), integral, trace


@per_step  # every row and every time step by itself, so that Model.step can run it
def swoosh(x):
    """An activation."""
    return x / (1 + np.exp(-x)) + 0.1


def softmax_over_time(x):
    """``softmax(x, axis=1)``, which a well-known course has people write."""
    return softmax(x, axis=1)


@per_step
def scaled(x, factor, shift=0.0):
    """With arguments: ``Lambda(f, arguments={"factor": 3.0})``."""
    return x * factor + shift


custom_objects = {
    "AttentionWithContext": AttentionWithContext,
    "BahdanauAttention": BahdanauAttention,
    "NormalizedCell": NormalizedCell,
    "LeakyIntegrator": LeakyIntegrator,
    "swoosh": swoosh,
    # Of one layer each, by its name.
    "softmax_over_time": softmax_over_time,
    "scaled": scaled,
    "scaled_inside": scaled,
    "reversed": lambda x: x[:, ::-1],
    "last_step": lambda x: x[:, -1],
    "sum_over_time": lambda x: x.sum(axis=1),
    "weighted": lambda xs: (xs[0] * xs[1]).sum(axis=1),
    "largest": lambda x: x.argmax(axis=-1),
}


def keras_custom_objects(keras):
    """The same for a Keras, by the same names; only verify runs it."""
    import keras_layers

    return keras_layers.objects(keras)
