"""The runtimes that are compared, one file each.

A module's ``start(variant, threads)`` imports its runtime and gives a ``Peer``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from models import Workload

    Array = np.ndarray[Any, Any]
    Run = Callable[[Array], Array]


class Missing(Exception):
    """This runtime is not to be had here; the message says why."""


def why_not(path: Path) -> str:
    """Why a file was not made."""
    error = path.with_name(path.name + ".error")
    return error.read_text("utf-8") if error.exists() else "no file"


class Peer(Protocol):
    """A runtime ready to load models.

    Attributes:
        version: of the runtime, for the report.
        step_rank: 2 where a step takes (1, features), 3 where (1, 1, features).
    """

    version: str
    step_rank: int

    def load(self, workload: Workload, folder: Path) -> Callable[[], Run]:
        """What gives a run: x to y; of a stepped model with a state of its own.

        Raises:
            Missing: the runtime cannot take this model.
        """


# Name in the report: module, variant.  The first is what ratios are made to.
PEERS = {
    "ONNX Runtime": ("onnx_runtime", "native"),
    "gru2np c": ("ours", "c"),
    "gru2np c float16": ("ours", "float16"),
    "gru2np c int8": ("ours", "int8"),
    "gru2np numpy": ("ours", "numpy"),
    "gru2np plain": ("ours", "plain"),
    "gru2np one by one": ("ours", "one by one"),
    "naive NumPy": ("by_hand", "naive"),
    "LiteRT": ("litert", ""),
    "LiteRT int8": ("litert", "int8"),
    "ONNX Runtime int8": ("onnx_runtime", "int8"),
    "OpenVINO": ("open_vino", ""),
    "PyTorch": ("pytorch", ""),
    "Keras in ORT": ("onnx_runtime", "exported"),
    "Keras jit": ("keras_tensorflow", "jit"),
    "Keras batch": ("keras_tensorflow", "predict_on_batch"),
    "Keras predict": ("keras_tensorflow", "predict"),
}
BASELINE = "ONNX Runtime"
# Those whose weights are smaller than float32; they have a table of their own.
SMALL = ("gru2np c float16", "gru2np c int8", "LiteRT int8", "ONNX Runtime int8")
EXPLAINED = {
    "ONNX Runtime": "a hand-written graph of native GRU, LSTM and RNN operators, the "
    "best it can do",
    "gru2np c": "with the C kernel, `GRU2NP_KERNEL=c`",
    "gru2np c float16": "with the C kernel, a bundle of `--store float16`",
    "gru2np c int8": "with the C kernel, a bundle of `--store int8`",
    "gru2np numpy": "NumPy alone, `GRU2NP_KERNEL=numpy`",
    "gru2np plain": "the reference loop, without any fast plan: gates fused, the "
    "input's product made for all time steps at once",
    "gru2np one by one": "with the C kernel, sessions one by one with `Model.step`",
    "naive NumPy": "a loop with one product a gate, as answers on the web have it",
    "LiteRT": "converted by TensorFlow from the Keras model, fixed shapes",
    "LiteRT int8": "the same with dynamic-range quantisation, `Optimize.DEFAULT`",
    "ONNX Runtime int8": "the hand-written graph after `quantize_dynamic`, which has a "
    "quantised LSTM alone",
    "OpenVINO": "the same hand-written graph as ONNX Runtime, float32",
    "PyTorch": "`torch.nn.GRU` and its relatives, `inference_mode`",
    "Keras in ORT": "ONNX Runtime with what `model.export(format='onnx')` gives",
    "Keras jit": "`tf.function(model, jit_compile=True)`",
    "Keras batch": "`model.predict_on_batch`",
    "Keras predict": "`model.predict`",
}
