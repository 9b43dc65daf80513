"""Run gru2np bundles, saved Keras models, with NumPy alone.

>>> import numpy as np
>>> from gru2np_runtime import layers
>>> rng = np.random.default_rng(0)
>>> gru = layers.GRU(units=2).bind(
...     kernel=rng.normal(size=(3, 6)),
...     recurrent_kernel=rng.normal(size=(2, 6)),
...     bias=rng.normal(size=(2, 6)),
... )
>>> state = gru.initial_state(batch_size=1)
>>> h, state = gru.step(np.ones((1, 3)), state)
>>> h.shape
(1, 2)
"""

from typing import TYPE_CHECKING

from gru2np_runtime import layers
from gru2np_runtime.custom import per_step
from gru2np_runtime.errors import (
    BundleError,
    CustomObjectError,
    Gru2npError,
    InputError,
)
from gru2np_runtime.kernels.c.library import kernel
from gru2np_runtime.layer import Layer
from gru2np_runtime.loading import load
from gru2np_runtime.model import Model
from gru2np_runtime.version import __version__

if TYPE_CHECKING:
    from gru2np_runtime.custom_objects import read_custom_objects
    from gru2np_runtime.files.scorer import Scorer
    from gru2np_runtime.layers.cells import Cell
    from gru2np_runtime.run.stream import State

__all__ = [
    "BundleError",
    "Cell",
    "CustomObjectError",
    "Gru2npError",
    "InputError",
    "Layer",
    "Model",
    "Scorer",
    "State",
    "__version__",
    "kernel",
    "layers",
    "load",
    "per_step",
    "read_custom_objects",
]


# Imported on first use: most programs need none of them, and the start is faster.
_LATER = {
    "Cell": "layers.cells",
    "Scorer": "files.scorer",
    "State": "run.stream",
    "read_custom_objects": "custom_objects",
}


if not TYPE_CHECKING:  # which would take any name for one of these

    def __getattr__(name: str) -> object:
        if name in _LATER:
            from importlib import import_module

            return getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
