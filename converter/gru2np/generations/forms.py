"""Forms of weights in old files that differ from those of Keras 3.

Each is a ``Form``: it computes the shapes of the arrays in the file from those of the
weights, and the weights from these arrays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gru2np.ir import PLAIN, Form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.ir import Array, Shape

    Shapes = Mapping[str, Shape]

# The letters of Keras 1 for the weights of a recurrent layer.
LETTERS = {"kernel": "W", "recurrent_kernel": "U", "bias": "b"}


def renamed(names: Mapping[str, str]) -> Form:
    """Every weight is one array, some under other names."""

    def arrays(weights: Shapes) -> dict[str, Shape]:
        return {names.get(name, name): shape for name, shape in weights.items()}

    return replace(PLAIN, arrays=arrays, sources=lambda name: (names.get(name, name),))


def gate_by_gate(columns: str, stored: str) -> Form:
    """Three arrays for each gate (Keras 1, ``consume_less`` ``cpu`` and ``mem``).

    Keras 1.2 ``keras/layers/recurrent.py``, ``build``.

    Args:
        columns: the gates' letters in the order of a kernel's columns.
        stored: the same letters in the order of the file.
    """

    def arrays(weights: Shapes) -> dict[str, Shape]:
        return {
            f"{LETTERS[name]}_{gate}": (*shape[:-1], (shape[-1] or 0) // len(columns))
            for gate in stored
            for name, shape in weights.items()
        }

    def sources(name: str) -> tuple[str, ...]:
        return tuple(f"{LETTERS[name]}_{gate}" for gate in columns)

    def join(_name: str, _shape: Shape, arrays: Sequence[Array]) -> Array:
        return np.concatenate(arrays, axis=-1)

    return Form(arrays, sources, join, "matrices of single gates are joined")


def of_deviations(form: Form, epsilon: float, *, root: bool) -> Form:
    """Variances that include the epsilon added to the deviation, for epsilon 0.

    Args:
        form: the form apart from that.
        epsilon: added to the deviation.
        root: the file has variances instead of deviations.
    """

    def join(name: str, shape: Shape, arrays: Sequence[Array]) -> Array:
        if name != "moving_variance":
            return arrays[0]
        deviation = np.sqrt(arrays[0]) if root else arrays[0]
        return np.square(deviation + epsilon)

    words = "epsilon is added to deviations, as before Keras 1.0.8"
    return replace(form, join=join, words=words)


def unused_statistics() -> Form:
    """Scale and offset, followed by unused running statistics.

    BatchNormalization of Keras 1 in ``mode`` 1.
    """

    def arrays(weights: Shapes) -> dict[str, Shape]:
        shape = next(iter(weights.values()), ())
        return {**weights, "running_mean": shape, "running_std": shape}

    return replace(PLAIN, arrays=arrays)


def fused(gates: int) -> Form:
    """CuDNNGRU (3 gates) and CuDNNLSTM (4): blocks transposed, two biases in a row.

    Keras 2.2 ``keras/engine/saving.py``, ``_convert_rnn_weights``.
    """

    def arrays(weights: Shapes) -> dict[str, Shape]:
        return {
            name: (2 * (shape[-1] or 0),) if name == "bias" else shape
            for name, shape in weights.items()
        }

    def join(name: str, shape: Shape, arrays: Sequence[Array]) -> Array:
        (stored,) = arrays
        if name == "bias":
            rows = stored.reshape(2, -1)
            # Keras' LSTM has one bias, the sum of the two of cuDNN.
            return rows if gates == 3 else np.add(rows[0], rows[1])
        blocks = np.hsplit(stored, gates)
        if name == "kernel":
            return np.hstack([b.T.reshape(b.shape, order="F") for b in blocks])
        return np.hstack([block.T for block in blocks])

    words = "weights in cuDNN's order are rearranged"
    return replace(PLAIN, arrays=arrays, join=join, words=words)


def flipped(form: Form, axes: int) -> Form:
    """Kernels of true convolutions, as Theano computes them: flipped in space.

    Args:
        form: the form apart from that.
        axes: the number of spatial axes, which are the kernel's first.
    """

    def join(name: str, shape: Shape, arrays: Sequence[Array]) -> Array:
        weight = form.join(name, shape, arrays)
        kernel = name.endswith("kernel")
        return np.flip(weight, tuple(range(axes))) if kernel else weight

    where = "time" if axes == 1 else "space"
    words = f"kernels are flipped in {where}, as Theano applies them"
    return replace(form, join=join, words=_and(form.words, words))


def channels_first(form: Form) -> Form:
    """Kernels stored as (outputs, inputs, *space): Keras 1, ``dim_ordering`` ``th``.

    Keras 1.2 ``keras/backend/tensorflow_backend.py``, ``_preprocess_conv2d_kernel``.

    Args:
        form: the form apart from that; an array of one axis is not a kernel.
    """

    def arrays(weights: Shapes) -> dict[str, Shape]:
        return {
            name: (*shape[:-3:-1], *shape[:-2]) if len(shape) > 1 else shape
            for name, shape in form.arrays(weights).items()
        }

    def join(name: str, shape: Shape, arrays: Sequence[Array]) -> Array:
        return form.join(
            name,
            shape,
            [
                np.moveaxis(array, (0, 1), (-1, -2)) if array.ndim > 1 else array
                for array in arrays
            ],
        )

    words = _and(form.words, "kernels with channels first are transposed")
    return replace(form, arrays=arrays, join=join, words=words)


def swapped(form: Form) -> Form:
    """Kernels of transposed convolutions, stored with inputs before outputs.

    Args:
        form: the form apart from that.
    """

    def swap(shape: Shape) -> Shape:
        return (*shape[:-2], shape[-1], shape[-2])

    def arrays(weights: Shapes) -> dict[str, Shape]:
        return form.arrays({**weights, "kernel": swap(weights["kernel"])})

    def join(name: str, shape: Shape, arrays: Sequence[Array]) -> Array:
        weight = form.join(name, shape, arrays)
        return weight.swapaxes(-1, -2) if name == "kernel" else weight

    return replace(form, arrays=arrays, join=join)


def _and(*words: str) -> str:
    return ", ".join(part for part in words if part)


def on_an_image(names: Mapping[str, str]) -> tuple[Form, Form]:
    """The kernel of a convolution in time, stored as that of an image one pixel wide.

    (steps, 1, channels, filters); before Keras 1.2 (filters, channels, steps, 1), see
    ``load_weights_from_hdf5_group`` in Keras 1.2 ``keras/engine/topology.py``.
    """
    form = renamed(names)

    def arrays(weights: Shapes) -> dict[str, Shape]:
        steps, channels, filters = weights["kernel"]
        return {**form.arrays(weights), "W": (steps, 1, channels, filters)}

    def older(weights: Shapes) -> dict[str, Shape]:
        steps, channels, filters = weights["kernel"]
        return {**form.arrays(weights), "W": (filters, channels, steps, 1)}

    def join(name: str, shape: Shape, arrays: Sequence[Array]) -> Array:
        return arrays[0][:, 0] if name == "kernel" else arrays[0]

    def join_older(name: str, shape: Shape, arrays: Sequence[Array]) -> Array:
        if name != "kernel":
            return arrays[0]
        kernel: Array = arrays[0][..., 0].transpose(2, 1, 0)
        return kernel

    return (
        replace(form, arrays=arrays, join=join),
        replace(form, arrays=older, join=join_older),
    )
