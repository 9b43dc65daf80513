"""Translates the layers of a model, one by one, to layers of the runtime."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.errors import Problem
from gru2np.ir import leaves
from gru2np.layers import NOT_CONVERTED
from gru2np.layers.custom import LAMBDA, function_name, lambda_facts
from gru2np.layers.recurrent import is_stateful
from gru2np.layers.spec import Config, Refused, dtype_name

if TYPE_CHECKING:
    from collections.abc import Callable

    from gru2np.ir import KerasLayer, KerasModel
    from gru2np.layers.custom import Specs
    from gru2np.layers.dtype_rules import AcceptedDtypes
    from gru2np.meaning import Meaning
    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Graph


class Translator:
    """Translates every layer of a model, and collects all problems of the file.

    Attributes:
        meaning: of the model's Keras.
        default_dtype: of layers that state none.
        specs: how classes are converted.
        nested: makes the graph of a model inside a wrapper.
        problems: all problems found so far.
        notes: where the file leaves open what the model computes.
        layers: runtime layers by path.
        titles: name and class in Keras by path, of layers inside wrappers too.
        accepted_dtypes: the dtypes that a layer accepts, by path; not of models inside
            wrappers.
        policies: the dtype in Keras that a layer computes in, by path; not of
            operations.
    """

    def __init__(
        self,
        meaning: Meaning,
        default_dtype: str,
        specs: Specs,
        nested: Callable[[Translator, KerasModel], Graph],
    ) -> None:
        self.nested = nested
        self.meaning = meaning
        self.default_dtype = default_dtype
        self.specs = specs
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.layers: dict[str, Layer] = {}
        self.titles: dict[str, tuple[str, str]] = {}
        self.accepted_dtypes: dict[str, AcceptedDtypes | None] = {}
        self.policies: dict[str, str] = {}

    def translate(self, model: KerasModel) -> None:
        """Translate the layers of a model, and of the models nested in it."""
        for path, layer in leaves(model):
            if layer.class_name != "InputLayer":
                translated = self.layer(path, layer)
                if translated is not None:
                    self.layers[path] = translated

    def layer(self, path: str, layer: KerasLayer) -> Layer | None:
        """The runtime layer; None if it cannot be converted, its problem noted."""
        spec = self.specs.of(layer)
        if spec is None:
            self.problems.append(_unknown(path, layer))
            return None
        config = Config(
            layer,
            path,
            self.meaning,
            self.problems.append,
            self.child,
            self.specs.function,
            self.default_dtype,
        )
        try:
            translated = spec.convert(config)
        except Refused:
            return None
        if not layer.class_name.startswith("ops."):
            named = dtype_name(layer.config.get("dtype")) or self.default_dtype
            self.policies[path] = named.removeprefix("mixed_")
        rule = spec.dtypes
        if callable(rule):
            rule = rule(translated)
        inner = self.accepted_dtypes.get(f"{path}/layer")
        self.accepted_dtypes[path] = inner if isinstance(rule, str) else rule
        # Of a custom class, package>Name, only the name.
        self.titles[path] = (layer.name, layer.class_name.rpartition(">")[2])
        return translated

    def child(self, path: str, layer: KerasLayer) -> Layer:
        """The runtime layer of a layer inside a wrapper; of a model, its graph.

        Raises:
            Refused: it cannot be converted.
        """
        if layer.model is not None:
            return self._inner_graph(path, layer.model)
        translated = self.layer(path, layer)
        if translated is None:
            raise Refused
        return translated

    def _inner_graph(self, path: str, model: KerasModel) -> Layer:
        inner = Translator(self.meaning, self.default_dtype, self.specs, self.nested)
        inner.translate(model)
        graph = None if inner.problems else self.nested(inner, model)
        if graph is not None and not inner.problems:
            for nested in graph.layers.values():
                if is_stateful(nested):
                    reason = "a stateful layer inside a wrapper is not supported"
                    inner.problems.append(Problem(path, nested.op, reason))
        self.problems.extend(
            replace(problem, layer=f"{path}/{problem.layer}")
            for problem in inner.problems
        )
        self.notes.extend(inner.notes)
        self.titles.update({f"{path}/{k}": title for k, title in inner.titles.items()})
        if graph is None or inner.problems:
            raise Refused
        return graph


def _unknown(path: str, layer: KerasLayer) -> Problem:
    name = layer.class_name.removeprefix("custom>")
    custom: tuple[str, ...] = (name.rpartition(">")[2],)
    if layer.class_name.startswith(("ops.", "tf.")):
        custom, reason = (
            (),
            (
                "an operation that this version does not support; build the model from "
                "layers, or from operations that it supports"
            ),
        )
    elif layer.class_name == LAMBDA:
        function = function_name(layer.config)
        custom = tuple(dict.fromkeys([layer.name, *([function] if function else [])]))
        reason = f"{NOT_CONVERTED[LAMBDA]}: {lambda_facts(layer.config)}"
    elif layer.class_name in NOT_CONVERTED:
        custom, reason = (), NOT_CONVERTED[layer.class_name]
    elif layer.why_custom:
        reason = f"a custom class, despite its name: {layer.why_custom}"
        # No object of the user's can be the input of a model.
        custom = () if name == "InputLayer" else custom
    else:
        package = layer.class_name.rpartition(">")[0]
        reason = (
            f"a custom class, from {package}"
            if package not in ("", "custom")
            else "a custom class: the file names no module of Keras for it"
        )
    return Problem(path, name, reason, custom=custom)
