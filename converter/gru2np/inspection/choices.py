"""Sentences on what a model means where generations of Keras differ.

They come from the graph, which states every choice.  So each sentence concerns a layer
of the model, states what will be computed, and is the same for a bundle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.graph.mask_sources import creates_mask
from gru2np.ir import walk_keras
from gru2np.layers import LAYERS
from gru2np.layers.mask_rules import Merges
from gru2np.layers.spec import dtype_name
from gru2np.text import readable
from gru2np_runtime.custom import CustomFunction
from gru2np_runtime.graph import Graph, walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gru2np.convert import Conversion
    from gru2np.ir import KerasLayer, KerasModel
    from gru2np.meaning import Meaning
    from gru2np_runtime import Layer

HARD_SIGMOID = {
    0.2: "hard_sigmoid is clip(0.2 * x + 0.5, 0, 1), as in every Keras before 3; "
    "in Keras 3 it is clip(x / 6 + 0.5, 0, 1)",
    1 / 6: "hard_sigmoid is clip(x / 6 + 0.5, 0, 1), as in Keras 3; "
    "in every Keras before it is clip(0.2 * x + 0.5, 0, 1)",
}
MASKED_OUTPUT = {
    "previous": "at a masked step the previous output is repeated",
    "state": "at a masked step the output is the carried state",
    "zero": "at a masked step the output is zero",
    "zero_in_input_order": "the output is zero at the positions of masked inputs, even "
    "if the layer goes backwards, as in TensorFlow's unrolled loop",
}
MERGED_MASKS = {
    "logical_and": "merge layers combine the masks of their inputs by and",
    "logical_or": "merge layers combine the masks of their inputs by or",
}


def sentences(
    graph: Graph,
    model: KerasModel | None = None,
    meaning: Meaning | None = None,
    config: object = None,
) -> tuple[str, ...]:
    """Sentences on the choices for the layers of a graph.

    Args:
        graph: the runtime's graph.
        model: the Keras model that was converted; None for a bundle.
        meaning: of the Keras that saved it.
        config: the architecture in the file.
    """
    texts = [*_hard_sigmoids(graph), *_masks(graph), *_shifted(graph)]
    if model is not None:
        texts += _reset_after(model)
    if model is not None and meaning is not None:
        texts += _dropped_masks(model, meaning)
    texts += _stateful(graph)
    if meaning is not None:
        texts += unsaid(graph, meaning, config)
    if model is not None:
        texts += _half_precision(model)
    return tuple(texts)


def _reset_after(model: KerasModel) -> Iterator[str]:
    paths = list(_without_reset_after(model.layers))
    if paths:
        yield (
            f"reset_after is False: the file has no such option ({_names(paths)}), "
            "which is new in Keras 2.1.5"
        )


def _dropped_masks(model: KerasModel, meaning: Meaning) -> Iterator[str]:
    masks = any(creates_mask(layer) for layer in model.layers)
    merges = any(_merges(layer) for layer in model.layers)
    if meaning.masks.merged == "drop" and masks and merges:
        yield "merge layers drop the masks of their inputs"


def _stateful(graph: Graph) -> Iterator[str]:
    layers = graph.layers.items()
    paths = [path for path, layer in layers if getattr(layer, "stateful", False)]
    if paths:
        yield f"states are kept from call to call ({_names(paths)} stateful)"


def _half_precision(model: KerasModel) -> Iterator[str]:
    policies = ", ".join(sorted(half_precision(model)))
    if policies:
        yield f"computed in float32; the policy of the model is {policies}"


def of_conversion(conversion: Conversion) -> tuple[str, ...]:
    """Sentences on the choices for a converted model and its stored weights."""
    forms: dict[str, dict[str, None]] = {}
    for path, tensor in conversion.tensors.items():
        if tensor.form:
            owner = conversion.owners[path].path
            forms.setdefault(tensor.form, {})[owner] = None
    return (
        *sentences(
            conversion.built.graph,
            conversion.model,
            conversion.meaning,
            conversion.raw.config,
        ),
        *_of_storage(forms),
    )


def unsaid(graph: Graph, meaning: Meaning, config: object) -> Iterator[str]:
    """Sentences on arguments of calls that files of this Keras do not hold."""
    functional = isinstance(config, dict) and config.get("class_name") != "Sequential"
    masked = {path for path, _ in _masked(graph, "")}
    unmasked = [
        path
        for path, layer in graph.layers.items()
        if hasattr(layer, "return_sequences") and path not in masked
    ]
    if "mask" in meaning.unsaved_arguments and functional and unmasked:
        yield (
            f"no mask ({_names(unmasked)}): a mask that was passed to the call, "
            f"mask=..., is not in files of {meaning.writer}, and no Keras restores it"
        )
    causal = [
        path
        for path, layer in graph.layers.items()
        if layer.op == "attention" and not getattr(layer, "causal", False)
    ]
    if "causal" in meaning.unsaved_arguments and causal:
        yield (
            f"not causal ({_names(causal)}): causal=True in the call may be missing in "
            f"files of {meaning.writer}, and no Keras restores it"
        )


def _of_storage(forms: Mapping[str, Iterable[str]]) -> Iterator[str]:
    """Sentences on how stored weights are transformed, with their layers."""
    for words, paths in forms.items():
        yield f"{words} ({_names(paths)})"


def half_precision(model: KerasModel) -> set[str]:
    """The half precision policies among a model's layers."""
    policies = set()
    for layer in walk_keras(model.layers):
        name = dtype_name(layer.config.get("dtype"))
        if name is not None and name.endswith("float16"):
            policies.add(name)
    return policies


def _hard_sigmoids(graph: Graph) -> Iterator[str]:
    slopes = dict.fromkeys(
        value["slope"]
        for _, layer in walk(graph)
        for value in layer.attributes().values()
        if isinstance(value, dict) and value.get("function") == "hard_sigmoid"
    )
    for slope in slopes:
        yield HARD_SIGMOID.get(
            slope, f"hard_sigmoid is clip({slope:g} * x + 0.5, 0, 1)"
        )


def _shifted(graph: Graph) -> Iterator[str]:
    """A sentence on windows that begin elsewhere than TensorFlow's."""
    paths = [path for path, layer in walk(graph) if getattr(layer, "before", ())]
    if paths:
        yield f"padding same pads as Theano does, not as TensorFlow ({_names(paths)})"


def _without_reset_after(layers: Iterable[KerasLayer]) -> Iterator[str]:
    """Names of GRUs without ``reset_after`` in the file, which means False."""
    for layer in layers:
        if "reset_after" in layer.absent and layer.config["reset_after"] is False:
            yield layer.name
        yield from _without_reset_after(
            [child for _, child in layer.children]
            if layer.model is None
            else layer.model.layers
        )


def _masks(graph: Graph) -> Iterator[str]:
    rules: dict[str, list[str]] = {}
    for path, layer in _masked(graph, ""):
        for _, cell in walk(layer, path):
            rule = cell.attributes().get("masked_output")
            if rule is not None and path not in rules.setdefault(rule, []):
                rules[rule].append(path)
    for rule, paths in rules.items():
        yield f"{MASKED_OUTPUT[rule]} ({_names(paths)})"
    # Nodes that compute masks have # in their path.
    helpers = {path: layer for path, layer in walk(graph) if "#" in path}
    for op in dict.fromkeys(layer.op for layer in helpers.values()):
        if op in MERGED_MASKS:
            yield MERGED_MASKS[op]
    skipping = ("#skipped_", "#other_", "#so_far_")
    if any(word in path for path in helpers for word in skipping):
        yield "Multiply, Maximum and Minimum ignore masked positions"


def _masked(graph: Graph, prefix: str) -> Iterator[tuple[str, Layer]]:
    """The layers that use a mask, also in models inside wrappers."""
    for node in graph.nodes:
        path, layer = prefix + node.layer, graph.layers[node.layer]
        if node.mask is not None:
            yield path, layer
        for at, child in walk(layer, path):
            if isinstance(child, Graph):
                yield from _masked(child, f"{at}/")


def _merges(layer: KerasLayer) -> bool:
    known = LAYERS.get(layer.class_name)
    return known is not None and isinstance(known.mask, Merges)


def _names(paths: Iterable[str]) -> str:
    names = [readable(path) for path in paths]
    more = f" and {len(names) - 3} more" if len(names) > 4 else ""
    return ", ".join(names[:3] if more else names) + more


def activation_text(specification: str | Mapping[str, Any]) -> str:
    """An activation as text, without the slope of hard_sigmoid: it has a sentence."""
    if isinstance(specification, CustomFunction):
        return specification.own_name
    if isinstance(specification, str):
        return specification
    name = str(specification["function"])
    parameters = [
        f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
        for key, value in specification.items()
        if key != "function" and name != "hard_sigmoid"
    ]
    return f"{name}({', '.join(parameters)})" if parameters else name
