"""A model of one layer, from arrays; all that ``layer`` imports of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.data import Structure
from gru2np_runtime.errors import InputError
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.model import Model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np_runtime.layer import Array, Layer, Shape

__all__ = ["Model", "bind"]


def bind(layer: Layer, weights: Mapping[str, Array]) -> Model:
    """A model of this one layer, for inputs (batch, time, features).

    The features are the first size of ``kernel``; free for layers without one.

    Raises:
        InputError: a weight is missing, unknown, or of another shape than expected.
    """
    name = layer.op
    arrays = {k: np.array(v, dtype=layer.dtype) for k, v in weights.items()}
    features = arrays["kernel"].shape[0] if arrays.get("kernel", _NONE).ndim else None
    shape: Shape = (None, None, features)
    try:
        expected = layer.weight_shapes(shape)
        outputs = layer.output_shapes(shape)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {error}") from error
    if set(expected) != set(arrays):
        raise InputError(
            f"{name}: expected weights {', '.join(expected)}, "
            f"got {', '.join(arrays) or 'none'}"
        )
    for key, wanted in expected.items():
        if len(wanted) != arrays[key].ndim or any(
            w not in (None, n) for w, n in zip(wanted, arrays[key].shape)
        ):
            raise InputError(
                f"{name}: {key}: expected shape {wanted}, got {arrays[key].shape}"
            )
    ports = [
        Port(f"{name}_{i}" if i else name, output, layer.dtype, (name, i))
        for i, output in enumerate(outputs)
    ]
    graph = Graph(
        [Port("x", shape, layer.dtype)],
        [Node(name, name, [("x", 0)])],
        ports,
        {name: layer},
    )
    kind = "one" if len(ports) == 1 else "list"
    return Model(
        graph,
        {f"{name}/{key}": array for key, array in arrays.items()},
        name=name,
        outputs=Structure(kind, [port.name for port in ports]),
    )


_NONE = np.zeros(())
