"""A model for Dask, Ray and Spark: small to pickle, opened once in each process.

They send a function to many processes, which call it on blocks of rows.  It must be
stateless, and they need the shape and dtype of its result before a call.
"""

from __future__ import annotations

import os
import threading
from itertools import chain, repeat
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.data import whole_number
from gru2np_runtime.errors import BundleError, InputError
from gru2np_runtime.loading import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np_runtime.data import Inputs, Outputs
    from gru2np_runtime.graph import Port
    from gru2np_runtime.layer import Array, Layer, Shape
    from gru2np_runtime.model import Model

# The models opened by this process, by SHA-256 and custom objects.
_models: dict[tuple[str | None, Any], Model] = {}
# Dask starts with one block in each thread at the same time.
_lock = threading.Lock()


class Scorer:
    """Runs a model on blocks of rows, in this process or in others.

    It holds a path, not a model, so it pickles to a few hundred bytes. Each process
    opens the bundle at its first call and keeps it.

    Args:
        path: of the bundle, the same in every process.
        batch_size: rows computed at once in a block; as in ``Model.predict``.
        custom_objects: custom classes, as for ``load``.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        batch_size: int | None = None,
        custom_objects: Mapping[str, type[Layer]] | None = None,
    ) -> None:
        if not isinstance(path, (str, os.PathLike)):
            raise InputError(
                f"path: expected a path, got {type(path).__name__}: Scorer('model.npz')"
            )
        if batch_size is not None:
            batch_size = whole_number(batch_size, "batch_size", 1)
        # The working directory of another process may differ.
        self.path = os.path.abspath(path)  # noqa: PTH100
        self.batch_size = batch_size
        self.custom_objects = None if custom_objects is None else dict(custom_objects)
        self._sha256: str | None = None

    def __repr__(self) -> str:
        return f"Scorer({self.path!r}, batch_size={self.batch_size})"

    @property
    def model(self) -> Model:
        """The model, opened once in a process.

        Raises:
            BundleError: the file is no bundle, or another one than at the first call;
                or its model is stateful.
            FileNotFoundError: there is no such file.
        """
        layers = frozenset((self.custom_objects or {}).items())
        with _lock:
            if (self._sha256, layers) not in _models:
                # Read only once, so that the hash is that of the opened bundle.
                with open(self.path, "rb") as file:  # noqa: PTH123
                    content = file.read()
                self._sha256 = self._checked_sha256(content)
                if (self._sha256, layers) not in _models:
                    _models[self._sha256, layers] = self._open(content)
            return _models[self._sha256, layers]

    def _checked_sha256(self, content: bytes) -> str:
        import hashlib

        sha256 = hashlib.sha256(content).hexdigest()
        if self._sha256 not in (None, sha256):
            raise BundleError(
                f"{self.path}: expected the bundle with which the work began, SHA-256 "
                f"{self._sha256}, got {sha256}: restore it, or start again"
            )
        return sha256

    def _open(self, content: bytes) -> Model:
        try:
            model = load(content, custom_objects=self.custom_objects)
        except BundleError as error:
            raise BundleError(f"{self.path}: {error}") from None
        if model.stateful is not None:
            raise BundleError(
                f"{self.path}: rows of a stateful model depend on earlier rows, so "
                "they cannot run in several processes: use load and predict"
            )
        return model

    def __call__(self, *blocks: Inputs) -> Outputs:
        """The outputs for a block of rows.

        Args:
            blocks: the model's inputs: one array, several in the model's order, or one
                dict by input name. For a model with one input, the key of a dict with
                one array may be any; extra keys of a dict are ignored.

        Returns:
            An array, a list or a dict as the model gives; for a dict, a dict by output
            name.

        Raises:
            InputError: the block does not fit the model.
        """
        model, names = self.model, self.model.input_names
        block: Any = blocks[0] if len(blocks) == 1 else list(blocks)
        if not isinstance(block, dict):
            return model.predict(block, self.batch_size)
        if len(names) == len(block) == 1:
            block = dict(zip(names, block.values()))
        if not set(names) <= set(block):
            raise InputError(
                f"expected columns {', '.join(names)}, got {', '.join(block)}"
            )
        inputs = {name: block[name] for name in names}
        return self._by_name(model.predict(inputs, self.batch_size))

    def _by_name(self, outputs: Outputs) -> dict[str, Any]:
        if isinstance(outputs, dict):
            return outputs
        listed = outputs if isinstance(outputs, list) else [outputs]
        return dict(zip(self.model.output_names, listed))

    def output_shape(self, *input_shapes: Shape) -> Shape | list[Shape]:
        """The shape of the output for a block; a list if the model has several outputs.

        Args:
            input_shapes: of the inputs, with rows, None for free sizes; by default the
                shapes that the model declares.

        Raises:
            InputError: they do not fit the model.
        """
        model, names = self.model, self.model.input_names
        shapes = input_shapes or tuple(model.input_shapes)
        if len(shapes) != len(names):
            raise InputError(
                f"expected shapes of {len(names)} inputs ({', '.join(names)}), "
                f"got {len(shapes)}"
            )
        stand_ins = {
            name: _stand_in(port, shape)
            for name, port, shape in zip(names, model.graph.inputs, shapes)
        }
        model.input_arrays(stand_ins)
        try:
            outputs = list(model.graph.output_shapes(*map(tuple, shapes)))
        except ValueError as error:
            raise InputError(str(error)) from error
        return outputs[0] if len(outputs) == 1 else outputs

    @property
    def output_dtype(self) -> np.dtype[Any] | list[np.dtype[Any]]:
        """The dtype of the output; a list if the model has several outputs."""
        dtypes = [np.dtype(port.dtype) for port in self.model.graph.outputs]
        return dtypes[0] if len(dtypes) == 1 else dtypes

    @property
    def meta(self) -> Outputs:
        """An output without rows, for Dask's ``meta``; a list for several outputs."""
        metas = [
            np.empty((0, *(n or 0 for n in shape[1:])), port.dtype)
            for shape, port in zip(self.model.output_shapes, self.model.graph.outputs)
        ]
        return metas[0] if len(metas) == 1 else metas

    def make_predict_fn(self) -> Callable[..., Outputs]:
        """A function for Spark's ``predict_batch_udf``.

        Spark counts its parameters, so it has one for each input. It gives an array, or
        a dict by name if the model has several outputs. A row of an output is one flat
        array, as Spark has no others.
        """
        import inspect

        def predict(*blocks: Inputs) -> Outputs:
            outputs = self(*blocks)
            if isinstance(outputs, np.ndarray):
                return _flat(outputs)
            named = self._by_name(outputs)
            return {name: _flat(output) for name, output in named.items()}

        kind = inspect.Parameter.POSITIONAL_ONLY
        count = len(self.model.graph.inputs)
        predict.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [inspect.Parameter(f"x{i}", kind) for i in range(count)]
        )
        return predict


def _flat(output: Array) -> Array:
    """The rows of an output, each as one array."""
    return output if output.ndim < 3 else output.reshape(len(output), -1)


def _stand_in(port: Port, shape: Shape) -> Array:
    """Broadcast zeros, which take no memory; free sizes are those of the input."""
    declared = chain(port.shape, repeat(1))
    sizes = [n or declared_n or 1 for n, declared_n in zip(shape, declared)]
    return np.broadcast_to(np.zeros((), port.dtype), sizes)
