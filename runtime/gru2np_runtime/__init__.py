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
from gru2np_runtime.errors import BundleError, Gru2npError, InputError
from gru2np_runtime.kernels.c.library import kernel
from gru2np_runtime.layer import Layer
from gru2np_runtime.loading import load
from gru2np_runtime.model import Model
from gru2np_runtime.version import __version__

if TYPE_CHECKING:
    from gru2np_runtime.files.scorer import Scorer
    from gru2np_runtime.run.stream import State

__all__ = [
    "BundleError",
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
]


def __getattr__(name: str) -> object:
    # Imported on first use: most programs need neither, and the start is faster.
    if name == "State":
        from gru2np_runtime.run.stream import State

        return State
    if name == "Scorer":
        from gru2np_runtime.files.scorer import Scorer

        return Scorer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
