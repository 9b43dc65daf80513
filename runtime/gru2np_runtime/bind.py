"""A model of one layer, from arrays; all that ``layer`` imports of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np_runtime.data import Structure, as_array
from gru2np_runtime.errors import InputError
from gru2np_runtime.graph import Graph, Node, Port
from gru2np_runtime.model import Model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike

    from gru2np_runtime.layer import Layer, Shape

__all__ = ["Model", "bind"]


def bind(layer: Layer, weights: Mapping[str, ArrayLike]) -> Model:
    """A model of this one layer, for inputs (batch, time, features).

    The features are the first size of ``kernel``; free for layers without one.

    Raises:
        InputError: a weight is missing, unknown, or of another shape than expected.
    """
    name = layer.op
    arrays = {
        k: np.array(as_array(v, f"{name}: {k}", layer.dtype), dtype=layer.dtype)
        for k, v in weights.items()
    }
    features = arrays["kernel"].shape[0] if arrays.get("kernel", _NONE).ndim else None
    shape: Shape = (None, None, features)
    try:
        expected = layer.weight_shapes(shape)
        outputs = layer.output_shapes(shape)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: {error}") from error
    if set(expected) != set(arrays):
        from gru2np_runtime.hints import nearest

        missing = [key for key in expected if key not in arrays]
        unknown = [key for key in arrays if key not in expected]
        guess = nearest(unknown[0], missing) if unknown else ""
        way = ", ".join(f"{key}=..." for key in expected)
        raise InputError(
            f"{name}: expected weights {', '.join(expected)}, "
            f"got {', '.join(arrays) or 'none'}{guess or f': bind({way})'}"
        )
    for key, wanted in expected.items():
        if len(wanted) != arrays[key].ndim or any(
            w not in (None, n) for w, n in zip(wanted, arrays[key].shape)
        ):
            from gru2np_runtime.hints import weight

            # A kernel that is transposed gives a wrong number of features.
            free = layer.weight_shapes((None, None, None))[key]
            raise InputError(
                f"{name}: {key}: expected shape {wanted}, got {arrays[key].shape}"
                f"{weight(layer, key, free, arrays)}"
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
