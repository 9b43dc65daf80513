"""A model as clusters want it: a path that opens itself wherever it arrives.

Dask, Ray and Spark send a function to many processes and call it on one block of rows
after the other.  What they ask of it is the same: small to pickle, quick to open, no
state left behind, and shape and dtype of the result known beforehand.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.errors import BundleError, InputError
from gru2np_runtime.loading import load

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from gru2np_runtime.data import Data
    from gru2np_runtime.layer import Layer, Shape
    from gru2np_runtime.model import Model

# Models that this process has opened, by what was in the file.
_models: dict[tuple[str, Any], Model] = {}
# Dask's threads all want the first block at once.
_lock = threading.Lock()


class Scorer:
    """Scores blocks of rows, in this process or in others.

    It holds a path, not a model: pickled it is a few hundred bytes. Each process opens
    the bundle once, at its first call, and keeps it.

    Args:
        path: of the bundle, as every process reaches it.
        batch_size: rows computed at once within a block; as ``Model.predict`` if not
            given.
        custom_objects: as ``load`` takes them.

    >>> import numpy as np
    >>> from gru2np_runtime import Scorer
    >>> score = Scorer("model.npz", batch_size=256)  # doctest: +SKIP
    >>> score(np.zeros((1000, 20, 3), "float32")).shape  # doctest: +SKIP
    (1000, 1)
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        batch_size: int | None = None,
        custom_objects: Mapping[str, type[Layer]] | None = None,
    ) -> None:
        if batch_size is not None and batch_size < 1:
            raise InputError(f"batch_size: expected at least 1, got {batch_size}")
        # A worker may stand in another folder.
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
            BundleError: the file is no bundle, or not the one that this was first
                opened with; or its model is stateful.
            FileNotFoundError: there is no such file here.
        """
        own = None
        if self.custom_objects is not None:
            own = tuple(sorted(self.custom_objects.items()))
        with _lock:
            found = None if self._sha256 is None else _models.get((self._sha256, own))
            if found is None:
                found = self._open(own)
        return found

    def _open(self, own: Any) -> Model:
        import hashlib

        # Read once: what was hashed is what is opened.
        with open(self.path, "rb") as file:  # noqa: PTH123
            content = file.read()
        sha256 = hashlib.sha256(content).hexdigest()
        if self._sha256 not in (None, sha256):
            raise BundleError(
                f"{self.path}: expected the bundle of SHA-256 {self._sha256}, with "
                f"which the work began, got {sha256}"
            )
        found = _models.get((sha256, own))
        if found is None:
            try:
                found = load(content, custom_objects=self.custom_objects)
            except BundleError as error:
                raise BundleError(f"{self.path}: {error}") from None
            if found._stateful is not None:
                raise BundleError(
                    f"{self.path}: a stateful model's rows depend on the rows before "
                    "them, so they cannot be shared out: use load and predict"
                )
            _models[sha256, own] = found
        self._sha256 = sha256
        return found

    def __call__(self, *blocks: Data) -> Data:
        """The outputs for a block of rows.

        Args:
            blocks: the model's inputs: one array, several in the model's order, or one
                dict by input name. Of a model with one input, a dict of one array needs
                no name; other columns of a dict are left out.

        Returns:
            As the model gives them; for a dict, a dict by output name.

        Raises:
            InputError: the block does not fit the model.
        """
        model = self.model
        if len(blocks) != 1:
            return model.predict(list(blocks), self.batch_size)
        block = blocks[0]
        if not isinstance(block, dict):
            return model.predict(block, self.batch_size)
        names = model.input_names
        if len(names) == len(block) == 1:
            inputs = dict(zip(names, block.values()))
        else:
            missing = [name for name in names if name not in block]
            if missing:
                raise InputError(
                    f"expected columns {', '.join(names)}, got {', '.join(block)}"
                )
            inputs = {name: block[name] for name in names}
        return self._named(model.predict(inputs, self.batch_size))

    def _named(self, outputs: Data) -> dict[str, Any]:
        """Outputs by name."""
        if isinstance(outputs, dict):
            return outputs
        listed = outputs if isinstance(outputs, list) else [outputs]
        return dict(zip(self.model.output_names, listed))

    def output_shape(self, *input_shapes: Shape) -> Shape | list[Shape]:
        """The shape of what a block gives; a list where the model has several outputs.

        Args:
            input_shapes: of the inputs, rows included, None where a size is open; as
                the model declares them if not given.

        Raises:
            InputError: they do not fit the model.
        """
        model = self.model
        shapes = input_shapes or tuple(model.input_shapes)
        if len(shapes) != len(model.input_names):
            raise InputError(
                f"expected shapes of {len(model.input_names)} inputs "
                f"({', '.join(model.input_names)}), got {len(shapes)}"
            )
        # Sizes that are known are checked, without memory for them.
        model._arrays(
            {
                name: np.broadcast_to(
                    np.zeros((), port.dtype),
                    [d if n is None else n for n, d in _sizes(shape, port.shape)],
                )
                for name, shape, port in zip(
                    model.input_names, shapes, model.graph.inputs
                )
            }
        )
        try:
            found = list(model.graph.output_shapes(*map(tuple, shapes)))
        except ValueError as error:
            raise InputError(str(error)) from error
        return found[0] if len(found) == 1 else found

    @property
    def output_dtype(self) -> np.dtype[Any] | list[np.dtype[Any]]:
        """The dtype of what a block gives; a list where the model has several."""
        found = [np.dtype(port.dtype) for port in self.model.graph.outputs]
        return found[0] if len(found) == 1 else found

    @property
    def meta(self) -> Data:
        """No rows of the output, as Dask's ``meta``; a list where there are several."""
        shapes, dtypes = self.output_shape(), self.output_dtype
        if isinstance(dtypes, list):
            return [_empty(s, d) for s, d in zip(shapes, dtypes)]  # type: ignore[arg-type]
        return _empty(shapes, dtypes)  # type: ignore[arg-type]

    def make_predict_fn(self) -> Callable[..., Data]:
        """What Spark's ``predict_batch_udf`` takes: gives the function of each worker.

        The function has as many parameters as the model has inputs, by which Spark
        tells how many columns to give it. It gives an array, or, where the model has
        several outputs, a dict by their names, Spark's columns of a struct.
        """
        import inspect

        def predict(*blocks: Data) -> Data:
            outputs = self(*blocks)
            return self._named(outputs) if isinstance(outputs, list) else outputs

        kind = inspect.Parameter.POSITIONAL_ONLY
        predict.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
            [
                inspect.Parameter(f"x{i}", kind)
                for i in range(len(self.model.graph.inputs))
            ]
        )
        return predict


def _sizes(given: Shape, declared: Shape) -> list[tuple[int | None, int]]:
    """Each size beside what stands for it where it is open."""
    if len(given) != len(declared):
        return [(n, 1) for n in given]
    return [(n, d or 1) for n, d in zip(given, declared)]


def _empty(shape: Shape, dtype: np.dtype[Any]) -> Any:
    return np.empty((0, *(n or 0 for n in shape[1:])), dtype)
