"""Export: from a saved Keras model to a bundle."""

from __future__ import annotations

import io
import os
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

from gru2np.bundle import Exported, write
from gru2np.convert import convert, model_file
from gru2np.errors import check_apart, check_path
from gru2np.graph.parts import part_of
from gru2np.verification.storage_cost import write_small
from gru2np_runtime.files.arrays import replacing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np.ir import FilePath
    from gru2np_runtime.custom_objects import CustomObjects


def export(
    model: Any,
    out: FilePath | BinaryIO,
    *,
    weights: FilePath | None = None,
    custom_objects: CustomObjects | None = None,
    saved_by: str | None = None,
    store: str | None = None,
    outputs: str | Sequence[str] | None = None,
    inputs: str | Sequence[str] | None = None,
) -> Exported:
    """Write a saved Keras model as a bundle.

    Args:
        model: path of a ``.h5``, ``.hdf5``, ``.keras`` or architecture ``.json``
            file, or a live ``keras.Model``, which is saved and read like a file.
        out: path of the bundle, replaced if it exists, or a binary file object.
        weights: path of the weights file that belongs to an architecture.
        custom_objects: custom classes, subclasses of ``gru2np_runtime.Layer``, by the
            names of the Keras classes that they replace.  Nothing is ever imported
            from the file.
        saved_by: the Keras that saved the file, with its backend where that matters,
            ``3.5-jax``, ``2.2.4-theano``, or the TensorFlow, ``tf-1.15``.  It is used
            if the file does not state it, and refused if the file states another.
        store: ``float16`` or ``int8``: store kernels and embedding tables smaller; the
            loss of precision is measured and recorded in the bundle.
        outputs: names of tensors that become the outputs, in this order: a part of the
            model, without what they do not need.  ``dense`` is the output of that
            layer, ``lstm:1`` its second output, ``dense#1`` that of its second call,
            ``outer/dense`` one of a nested model, ``embedding:mask`` its mask.
        inputs: names of tensors that become the inputs: the layers before them are left
            out.  Where the file states no shape, ``name=(None,20,64):float32`` does.  A
            mask that layers behind need becomes an input too, ``embedding_mask``, which
            a note says.

    Raises:
        ModelFileError: the file is damaged, hostile or no model.
        UnsupportedModelError: it cannot be converted faithfully, or it computes in
            float64 and ``store`` is set.
        ValueError: ``saved_by`` names no Keras.
        InputError: ``store`` has another value, ``out`` is the model itself, an
            argument is no path, or the model has no such part.
        VerificationError: the loss of precision cannot be measured, or outputs
            overflow; nothing is written.
    """
    example = "export('model.h5', 'model.npz')"
    if isinstance(out, io.TextIOBase) or not hasattr(out, "write"):
        check_path(out, "out", example, other=" or a file open for bytes")
    if weights is not None:
        check_path(weights, "weights", "export('model.json', weights='weights.h5')")
    with ExitStack() as stack:
        path, saved_by = stack.enter_context(model_file(model, saved_by))
        check_path(path, "model", example, other=" or a live keras.Model")
        conversion = stack.enter_context(
            convert(path, weights, custom_objects, saved_by, part_of(outputs, inputs))
        )
        if isinstance(out, (str, os.PathLike)):
            check_apart(out, (path, weights), ".npz")
            out = stack.enter_context(replacing(out))
        if store is None:
            return write(conversion, out)
        return write_small(conversion, out, store, custom_objects)
