"""A part of a model for Keras: its tensors in the whole model, which Keras loads.

Keras loads the whole file with its own code, weights included, and then makes a model
of the tensors that are the inputs and outputs of the part.  Where gru2np does not
convert the whole model, Keras gets placeholders for the layers that the part does not
have, so that no code of the file runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.errors import VerificationError
from gru2np.generations.records import objects
from gru2np.graph.parts import Names
from gru2np.graph.stated import of_nested, stated
from gru2np.verification import plain_config
from gru2np.verification.installed_keras import INSTEAD

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gru2np.convert import Conversion
    from gru2np.ir import KerasLayer, TensorRef

# The package of the placeholders' classes, as Keras 3 registers classes.
PLACEHOLDER = "gru2np.left_out"


def request(conversion: Conversion) -> dict[str, Any] | None:
    """What the child is asked for a part; None for the whole model."""
    part = conversion.part
    if part is None:
        return None
    seams, whole = conversion.model.seams, conversion.whole
    assert seams is not None
    positions = {ref.layer: i for i, ref in enumerate(whole.inputs)}
    replaced: dict[str, list[TensorRef]] = {}
    for ref, name in seams.replaced.items():
        replaced.setdefault(name, []).append(ref)
    masks = {mask: name for name, mask in seams.masks.items()}
    inputs = []
    for ref in conversion.model.inputs:
        name = ref.layer
        inputs.append(
            {
                "name": name,
                "own": None if name in replaced or name in masks else positions[name],
                "tensors": [_tensor(ref) for ref in replaced.get(name, ())],
                "mask_of": masks.get(name),
                "carried": seams.carried.get(name),
            }
        )
    if part.outputs:
        named = Names(whole).tensors(part.outputs, "--outputs")
        outputs = [
            {
                "path": [layer.name for layer in tensor.layers],
                "calls": [len(layer.calls) for layer in tensor.layers],
                "call": tensor.call,
                "index": tensor.index,
                "mask": tensor.mask == "mask",
            }
            for tensor in named
        ]
    else:
        cuts = set(seams.replaced)
        outputs = [_tensor(ref) for ref in whole.outputs if ref not in cuts]
    return {
        "inputs": inputs,
        "outputs": outputs,
        "whole": conversion.whole_refused is None,
    }


def _tensor(ref: TensorRef) -> dict[str, Any]:
    return {
        "path": [ref.layer],
        "calls": [1],
        "call": ref.call,
        "index": ref.output,
        "mask": False,
    }


def with_placeholders(conversion: Conversion, config: Any) -> tuple[Any, list[str]]:
    """A configuration with placeholders for layers, and the names of these layers.

    Args:
        conversion: of a part, whose whole model is not converted.
        config: of the whole model, plain.

    Raises:
        VerificationError: what is left still holds code.
    """
    kept = {x.name for x in conversion.model.layers if x.class_name != "InputLayer"}
    layers = {layer.name: layer for layer in conversion.whole.layers}
    gone = [
        name
        for name, layer in layers.items()
        if name not in kept and layer.class_name != "InputLayer"
    ]
    inner = config["config"]
    specs = inner if isinstance(inner, list) else inner["layers"]
    for i, spec in enumerate(specs):
        options = spec.get("config")
        name = spec.get("name")
        if name is None and isinstance(options, dict):
            name = options.get("name")
        if name in gone:
            outputs = list(_outputs(conversion, layers[name]))
            specs[i] = _placeholder(spec, name, outputs)
    for record in objects(specs):
        if plain_config.holds_code(record):
            raise VerificationError(
                f"a layer of the part holds a layer with code of the file, and Keras "
                f"would run it: {INSTEAD}"
            )
    return config, gone


def _placeholder(
    spec: Mapping[str, Any], name: str, outputs: list[Any]
) -> dict[str, Any]:
    class_name = str(spec.get("class_name"))
    keys = ("name", "inbound_nodes")
    return {
        **{key: spec[key] for key in keys if key in spec},
        "module": PLACEHOLDER if "module" in spec else None,
        "class_name": f"{PLACEHOLDER}>{class_name}",
        "registered_name": f"{PLACEHOLDER}>{class_name}",
        "config": {"name": name, "outputs": outputs},
    }


def _outputs(conversion: Conversion, layer: KerasLayer) -> Iterator[tuple[Any, str]]:
    """Shape and dtype of each output of a layer that Keras does not get.

    Those at the cut are right; of others nothing is read but by placeholders.
    """
    seams = conversion.model.seams
    assert seams is not None
    whole = conversion.whole
    inputs = {x.name: x for x in conversion.model.layers}
    at_cut = {ref: inputs[name] for ref, name in seams.replaced.items()}
    read = [
        ref
        for reader in whole.layers
        for call in reader.calls
        for ref in call.references()
        if ref.layer == layer.name
    ]
    read += [ref for ref in whole.outputs if ref.layer == layer.name]
    for index in range(max((ref.output for ref in read), default=0) + 1):
        refs = [ref for ref in read if ref.output == index]
        yield next(
            (found for ref in refs if (found := _known(conversion, at_cut, ref))),
            ([None, 1], "float32"),
        )


def _known(
    conversion: Conversion, at_cut: Mapping[TensorRef, KerasLayer], ref: TensorRef
) -> tuple[Any, str] | None:
    """Shape and dtype of a tensor, of another call of a layer of the part too."""
    layer = at_cut.get(ref) or of_nested(conversion.whole, ref)
    if layer is not None:
        return layer.config["batch_shape"], str(layer.config["dtype"])
    shape, dtype = stated(conversion.raw, ref)
    return None if shape is None or dtype is None else (list(shape), dtype)
