"""Layers and inputs of a model that cannot be converted, from its file."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

from gru2np.inspection.facts import LayerFacts, Tensor
from gru2np.layers.options import HARMLESS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gru2np.ir import KerasLayer, KerasModel, RawModel

# Options that are not shown.
SILENT = frozenset(
    {
        *HARMLESS,
        *("dtype", "module", "registered_name", "use_bias"),
        # A refusal says what the file tells of a function.
        *("function", "function_type"),
        *("output_shape_module", "output_shape_type"),
    }
)
# Options of wrappers that hold a layer.
INSIDE = ("layer", "forward_layer", "backward_layer", "cell")
NESTED = {"layers", *INSIDE}
MAX_DEPTH = 50


def layers(raw: RawModel, model: KerasModel | None) -> tuple[LayerFacts, ...]:
    """The layers of the model if there is one, else those in the config."""
    if model is None:
        return tuple(_of_config(raw.config, "", 0))
    counts = _counts(raw, model)
    return tuple(
        _of_layer(layer, layer.name, counts.get(layer.name))
        for layer in model.layers
        if layer.class_name != "InputLayer"
    )


def inputs(model: KerasModel) -> Iterator[Tensor]:
    """The inputs of a model whose shapes are in the file."""
    for layer in model.layers:
        shape = layer.config.get("batch_shape")
        if layer.class_name == "InputLayer" and isinstance(shape, list):
            sizes = tuple(n if isinstance(n, int) else None for n in shape)
            yield Tensor(layer.name, sizes, str(layer.config.get("dtype", "float32")))


def parameters(raw: RawModel) -> int:
    """The number of elements of the stored weights."""
    if raw.groups is not None:
        groups = [tensors for _, tensors in raw.groups.groups]
    elif raw.flat is not None:
        groups = [raw.flat.arrays]
    elif raw.objects is not None:
        groups = [tuple(raw.objects.everything())]
    else:
        assert raw.paths is not None
        groups = [tuple(raw.paths.variables(path)) for path in raw.paths.paths()]
    return sum(prod(tensor.shape) for group in groups for tensor in group)


def _counts(raw: RawModel, model: KerasModel) -> dict[str, int]:
    """Parameters by layer, if names or paths show the layer."""
    if raw.groups is not None:
        return {
            name: sum(prod(tensor.shape) for tensor in tensors)
            for name, tensors in raw.groups.groups
        }
    if raw.paths is None:
        return {}
    counts: dict[str, int] = {}
    for path in raw.paths.paths():
        size = sum(prod(tensor.shape) for tensor in raw.paths.variables(path))
        for layer in model.layers:
            if layer.path and f"{path}/".startswith(f"{layer.path}/"):
                counts[layer.name] = counts.get(layer.name, 0) + size
    return counts


def _of_layer(layer: KerasLayer, path: str, count: int | None) -> LayerFacts:
    children = [(name, child) for name, child in layer.children]
    if layer.model is not None:
        children = [(child.name, child) for child in layer.model.layers]
    options = {k: v for k, v in layer.config.items() if k not in SILENT}
    return LayerFacts(
        path=path,
        class_name=layer.class_name.removeprefix("custom>"),
        parameters=count,
        options=options,
        notable=_notable(options),
        calls=max(len(layer.calls), 1),
        inside=tuple(
            _of_layer(child, f"{path}/{name}", None) for name, child in children
        ),
    )


def _of_config(
    config: Mapping[str, Any], prefix: str, depth: int
) -> Iterator[LayerFacts]:
    """The layers in a config of any generation; anything else is ignored."""
    inner = config.get("config")
    if isinstance(inner, dict):
        specs = [*_list(inner.get("layers")), *(inner.get(key) for key in INSIDE)]
    else:
        specs = _list(inner)
    for spec in specs if depth <= MAX_DEPTH else []:
        if not isinstance(spec, dict) or "class_name" not in spec:
            continue
        options = spec.get("config")
        options = options if isinstance(options, dict) else {}
        path = f"{prefix}{spec.get('name') or options.get('name') or '?'}"
        shown = {k: v for k, v in options.items() if k not in SILENT | NESTED}
        yield LayerFacts(
            path=path,
            class_name=str(spec.get("class_name", "?")),
            options=shown,
            notable=_notable(shown),
            inside=tuple(_of_config(spec, f"{path}/", depth + 1)),
        )


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _notable(options: Mapping[str, Any]) -> tuple[str, ...]:
    """Options for a line of text: numbers, names, and those that are True."""
    names = [
        name
        for name, value in options.items()
        if value is not None
        and value is not False
        and isinstance(value, (bool, int, float, str))
    ]
    return tuple(sorted(names, key=lambda name: name != "units"))
