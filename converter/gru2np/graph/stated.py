"""Shape and dtype of a tensor, where layers before it cannot be converted.

Only what the file states counts, or what the layers that read the tensor leave no
choice about; else the user states it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.generations.records import is_integer, objects, stated_tensor
from gru2np.layers.mask_rules import SEQUENCE, Creates
from gru2np.layers.spec import computed_in, dtype_name, named_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gru2np.graph.parts import Tensor
    from gru2np.ir import KerasLayer, KerasModel, RawModel, Shape, TensorRef
    from gru2np.layers.custom import Specs

NEITHER: tuple[Shape, str] = ((None,), "float32")


def declared(
    raw: RawModel,
    model: KerasModel,
    tensor: Tensor,
    specs: Specs,
    default_dtype: str,
    problems: list[str],
) -> tuple[Shape, str]:
    """The shape and dtype of a tensor; what is not known is a problem.

    Args:
        raw: the file.
        model: that holds the tensor.
        tensor: as the user named it.
        specs: how classes are converted.
        default_dtype: of layers that state none.
        problems: gets what is wrong.
    """
    shape, dtype = stated(raw, tensor.ref)
    readers = list(_readers(model, tensor.ref))
    if shape is None:
        shape = _vectorized(tensor.layer) or _read_shape(raw, readers, specs)
    dtype = dtype or _dtype(tensor.layer, readers, specs, default_dtype)
    name, where = tensor.input_name, f"--inputs {tensor.text}"
    if shape is not None and tensor.shape is not None and not _fit(shape, tensor.shape):
        problems.append(f"{where}: it is {shape} in the file, not {tensor.shape}")
    if dtype is not None and tensor.dtype not in (None, dtype):
        problems.append(f"{where}: it is {dtype} in the file, not {tensor.dtype}")
    shape, dtype = tensor.shape or shape, tensor.dtype or dtype
    missing = [
        word for word, value in (("shape", shape), ("dtype", dtype)) if value is None
    ]
    if missing:
        example = shape if shape is not None else "(None,None,64)"
        spelled = str(example).replace(" ", "")
        problems.append(
            f"{where}: the file does not state its {' and '.join(missing)}, and layers "
            f"before it are not converted: state them with the name, as in "
            f"{name}={spelled}:{dtype or 'float32'}, the batch first"
        )
        return NEITHER
    assert shape is not None
    assert dtype is not None
    return shape, dtype


def _fit(known: Shape, given: Shape) -> bool:
    return len(known) == len(given) and all(
        None in (a, b) or a == b for a, b in zip(known, given, strict=True)
    )


def stated(raw: RawModel, ref: TensorRef) -> tuple[Shape | None, str | None]:
    """What a file of Keras 3 states of each tensor that a call reads."""
    for record in _records(raw):
        for value in objects(record.get("inbound_nodes")):
            found = stated_tensor(value)
            if found is not None and found[0] == ref:
                return _legal(found[1]), named_type(found[2])
    return None, None


def _legal(shape: object) -> Shape | None:
    if not isinstance(shape, list) or not shape:
        return None
    if any(n is not None and (not is_integer(n) or n < 0) for n in shape):
        return None
    return tuple(shape)


def _vectorized(layer: KerasLayer) -> Shape | None:
    """The ids of texts, one row a text."""
    config = layer.config
    if layer.class_name != "TextVectorization" or config.get("output_mode") != "int":
        return None
    length = config.get("output_sequence_length")
    whole = config.get("split") is not None and not config.get("ragged")
    return (None, length if is_integer(length) else None) if whole else None


def _records(raw: RawModel) -> list[dict[str, Any]]:
    """The records of the layers of the outermost model."""
    config = raw.config.get("config")
    layers = config.get("layers") if isinstance(config, dict) else config
    items = layers if isinstance(layers, list) else []
    return [record for record in items if isinstance(record, dict)]


def _built(raw: RawModel, layer: KerasLayer, position: int) -> Shape | None:
    """The shape that a layer was built with, in files since tf.keras 2.13."""
    if len(layer.calls) != 1:
        # It was built by its first call; others may read other sizes.
        return None
    for record in _records(raw):
        options, built = record.get("config"), record.get("build_config")
        if not isinstance(options, dict) or not isinstance(built, dict):
            continue
        if layer.name in (record.get("name"), options.get("name")):
            shape = built.get("input_shape")
            several = isinstance(shape, list) and any(map(_is_shape, shape))
            if isinstance(shape, list) and several:
                shape = shape[position] if position < len(shape) else None
            return _legal(shape)
    return None


def _is_shape(value: object) -> bool:
    return isinstance(value, list)


def of_nested(model: KerasModel, ref: TensorRef) -> KerasLayer | None:
    """The input layer of a nested model that a tensor is given to."""
    inputs = (_input_of(*reader) for reader in _readers(model, ref))
    return next((layer for layer in inputs if layer is not None), None)


def _readers(model: KerasModel, ref: TensorRef) -> Iterator[tuple[KerasLayer, int]]:
    """The layers that read a tensor, and at which position among their inputs."""
    for layer in model.layers:
        for call in layer.calls:
            for position, read in enumerate(call.inputs):
                if read == ref:
                    yield layer, position


def _read_shape(
    raw: RawModel, readers: list[tuple[KerasLayer, int]], specs: Specs
) -> Shape | None:
    groups = dict(raw.groups.groups) if raw.groups is not None else {}
    for layer, position in readers:
        inner = _input_of(layer, position)
        if inner is not None:
            return _legal(inner.config.get("batch_shape"))
        built = _built(raw, layer, position)
        if built is not None:
            return built
        # A recurrent layer begins with a kernel of a row for each feature.
        spec, arrays = specs.of(layer), groups.get(layer.name, ())
        kernel = arrays[0].shape if arrays else ()
        recurrent = spec is not None and spec.mask == SEQUENCE and not layer.children
        if recurrent and position == 0 and len(kernel) == 2:
            return None, None, kernel[0]
    return None


def _input_of(layer: KerasLayer, position: int) -> KerasLayer | None:
    """The input layer of a nested model."""
    if layer.model is None or position >= len(layer.model.inputs):
        return None
    name = layer.model.inputs[position].layer
    return next((inner for inner in layer.model.layers if inner.name == name), None)


def _dtype(
    layer: KerasLayer,
    readers: list[tuple[KerasLayer, int]],
    specs: Specs,
    default_dtype: str,
) -> str | None:
    if layer.class_name == "TextVectorization":
        return "int64" if layer.config.get("output_mode") == "int" else None
    for reader, position in readers:
        inner = _input_of(reader, position)
        stated: Any = (inner or reader).config.get("dtype") or default_dtype
        if inner is not None:
            name = dtype_name(stated)
            return str(stated) if name is None else name
        spec = specs.of(reader)
        if spec is None or spec.weights is None or position:
            continue
        if isinstance(spec.mask, Creates):
            # Every Keras casts other ids of a table to this.
            return "int32"
        # Products with weights are computed in their dtype.
        return computed_in(dtype_name(stated) or default_dtype)
    return None
