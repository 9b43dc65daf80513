"""Export: from a saved Keras model to a bundle."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from gru2np.bundle import Exported, write
from gru2np.convert import convert, running
from gru2np.verification.proving import export_proved
from gru2np_runtime.files.arrays import replacing

if TYPE_CHECKING:
    from gru2np.layers.custom import CustomObjects

    FilePath = str | os.PathLike[str]


def export(
    model: Any,
    out: FilePath | BinaryIO,
    *,
    weights: FilePath | None = None,
    custom_objects: CustomObjects | None = None,
    saved_by: str | None = None,
    store: str | None = None,
    prove: Any = None,
) -> Exported:
    """Write a saved Keras model as a bundle.

    Args:
        model: path of a ``.h5``, ``.hdf5``, ``.keras`` or architecture ``.json``
            file, or a live ``keras.Model``, which is saved and read like a file.
        out: path of the bundle, replaced if it exists, or a binary file object.
        weights: path of the weights file that belongs to an architecture.
        custom_objects: classes of your own, subclasses of ``gru2np_runtime.Layer``, by
            the names of the Keras classes they stand for.  They are never looked for
            in the file.
        saved_by: the Keras that saved the file, with its backend where that matters,
            ``3.5-jax``, ``2.2.4-theano``, or the TensorFlow, ``tf-1.15``.  It stands
            where the file does not say, and is refused where the file says otherwise.
        store: ``float16`` or ``int8``: keep kernels and tables of embeddings smaller;
            what that costs is measured, and stands in the bundle.
        prove: inputs, as ``verify`` takes them: run Keras on them and put its outputs
            into the bundle, for ``load(..., check=True)`` to replay.

    Raises:
        ModelFileError: the file is damaged, hostile or no model.
        UnsupportedModelError: it cannot be converted faithfully, or is of float64 and
            would be stored small.
        ValueError: ``saved_by`` names no Keras.
        VerificationError: no installed Keras can run the file as it was meant, or it
            gives something else; nothing is written.
    """
    if hasattr(model, "save") and hasattr(model, "get_config"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.keras"
            model.save(path)
            return export(
                path,
                out,
                weights=weights,
                custom_objects=custom_objects,
                saved_by=saved_by or running(model),
                store=store,
                prove=prove,
            )
    if store is not None or prove is not None:
        return export_proved(
            model, out, weights, custom_objects, saved_by, store, prove
        )
    with convert(model, weights, custom_objects, saved_by) as conversion:
        if not isinstance(out, (str, os.PathLike)):
            return write(conversion, out)
        with replacing(out) as file:
            return write(conversion, file)
