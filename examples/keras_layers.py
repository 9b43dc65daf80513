"""Layers, cells and functions as people write them for Keras 2 and Keras 3.

``custom_objects.py`` has the same in NumPy.
"""

# The functions of tensors of the Keras that ``objects`` is given.
ops = None


def cells(keras):
    """Two recurrent cells as people write them."""
    layers = keras.layers

    class NormalizedCell(layers.Layer):
        """A SimpleRNN cell with layer normalization."""

        def __init__(self, units, **options):
            super().__init__(**options)
            self.units = self.state_size = self.output_size = units

        def build(self, input_shape):
            for name, shape in (
                ("kernel", (int(input_shape[-1]), self.units)),
                ("recurrent_kernel", (self.units, self.units)),
                ("gamma", (self.units,)),
                ("beta", (self.units,)),
            ):
                weight = self.add_weight(name=name, shape=shape, initializer="uniform")
                setattr(self, name, weight)
            super().build(input_shape)

        def call(self, x, states, training=None):
            total = ops.dot(x, self.kernel) + ops.dot(states[0], self.recurrent_kernel)
            total = total - ops.mean(total, axis=-1, keepdims=True)
            variance = ops.mean(ops.square(total), axis=-1, keepdims=True)
            total = total / ops.sqrt(variance + 1e-3)
            h = ops.tanh(total * self.gamma + self.beta)
            return h, [h]

        def get_config(self):
            return dict(super().get_config(), units=self.units)

    class LeakyIntegrator(layers.Layer):
        """Two states of different sizes; the output is neither of them."""

        def __init__(self, units, leak=0.5, **options):
            super().__init__(**options)
            self.units = self.output_size = units
            self.leak = leak
            self.state_size = [units, 2]

        def build(self, input_shape):
            self.kernel = self.add_weight(
                name="kernel",
                shape=(int(input_shape[-1]), self.units),
                initializer="uniform",
            )
            super().build(input_shape)

        def call(self, x, states, training=None):
            integral = (1 - self.leak) * states[0] + ops.dot(x, self.kernel)
            trace = 0.9 * states[1] + x[:, :2]
            y = ops.tanh(integral) + ops.sum(trace, axis=-1, keepdims=True)
            return y, [integral, trace]

        def get_config(self):
            return dict(super().get_config(), units=self.units, leak=self.leak)

    return {"NormalizedCell": NormalizedCell, "LeakyIntegrator": LeakyIntegrator}


def attentions(keras):
    """Two attention layers as people write them."""
    layers = keras.layers

    class AttentionWithContext(layers.Layer):
        """Attention over time with a context vector."""

        def __init__(self, **options):
            super().__init__(**options)
            self.supports_masking = True

        def build(self, input_shape):
            size = int(input_shape[-1])
            for name, shape in (("W", (size, size)), ("b", (size,)), ("u", (size,))):
                weight = self.add_weight(name=name, shape=shape, initializer="uniform")
                setattr(self, name, weight)
            super().build(input_shape)

        def call(self, x, mask=None):
            scores = ops.tanh(ops.dot(x, self.W) + self.b)
            scores = ops.exp(ops.sum(scores * self.u, axis=-1))
            if mask is not None:
                scores = scores * ops.cast(mask, "float32")
            shares = scores / (ops.sum(scores, axis=1, keepdims=True) + 1e-7)
            return ops.sum(x * ops.expand_dims(shares, -1), axis=1)

        def compute_mask(self, inputs, mask=None):
            return None

        def compute_output_shape(self, input_shape):
            return (input_shape[0], input_shape[-1])

    class BahdanauAttention(layers.Layer):
        """Additive attention, of three Dense layers."""

        def __init__(self, units, **options):
            super().__init__(**options)
            self.units = units
            self.of_query = layers.Dense(units, name="of_query")
            self.of_values = layers.Dense(units, name="of_values")
            self.score = layers.Dense(1, name="score")

        def build(self, input_shape):
            if hasattr(keras, "ops"):
                query, values = input_shape
                self.of_query.build(query)
                self.of_values.build(values)
                self.score.build((*values[:-1], self.units))
            super().build(input_shape)

        def call(self, inputs):
            query, values = inputs
            hidden = ops.expand_dims(self.of_query(query), 1) + self.of_values(values)
            shares = ops.softmax(self.score(ops.tanh(hidden)), axis=1)
            return ops.sum(shares * values, axis=1), shares

        def compute_output_shape(self, input_shape):
            query, values = input_shape
            return [(query[0], values[-1]), (query[0], values[1], 1)]

        def get_config(self):
            return dict(super().get_config(), units=self.units)

    return {
        "AttentionWithContext": AttentionWithContext,
        "BahdanauAttention": BahdanauAttention,
    }


def swoosh(x):
    """An activation."""
    return x * ops.sigmoid(x) + 0.1


def softmax_over_time(x):
    """Softmax along axis 1."""
    powers = ops.exp(x - ops.max(x, axis=1, keepdims=True))
    return powers / ops.sum(powers, axis=1, keepdims=True)


def scaled(x, factor, shift=0.0):
    """For Lambda, with arguments."""
    return x * factor + shift


def weighted(xs):
    """For Lambda, with several inputs."""
    return ops.sum(xs[0] * xs[1], axis=1)


FUNCTIONS = {
    "swoosh": swoosh,
    "softmax_over_time": softmax_over_time,
    "scaled": scaled,
    "scaled_inside": scaled,
    "reversed": lambda x: x[:, ::-1],
    "last_step": lambda x: x[:, -1],
    "sum_over_time": lambda x: ops.sum(x, axis=1),
    "weighted": weighted,
    "largest": lambda x: ops.argmax(x, axis=-1),
}


def objects(keras):
    """All of them by name, for the module of a Keras."""
    global ops
    ops = keras.ops if hasattr(keras, "ops") else keras.backend
    return {**cells(keras), **attentions(keras), **FUNCTIONS}
