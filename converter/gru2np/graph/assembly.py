"""A graph as it is put together, one node at a time, with its shapes and dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gru2np.errors import ModelFileError, Problem, UnsupportedModelError
from gru2np.graph import floats
from gru2np.graph.whole_numbers import untaken
from gru2np_runtime.errors import Unsupported
from gru2np_runtime.graph import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np.layers.translate import Translator
    from gru2np_runtime import Layer

    Shape = tuple[int | None, ...]
    Ref = tuple[str, int]

MAX_NODES = 20_000


class Value(NamedTuple):
    """A tensor of the graph, and the mask that goes with it."""

    ref: Ref
    mask: Ref | None


class Builder:
    """One graph, its layers translated beforehand.

    Attributes:
        meaning: of the model's Keras.
        specs: how classes are converted.
        problems: what cannot be converted, noted as it is met.
        notes: where the file leaves a number open.
        titles: name and class in Keras, by layer path.
        dtype_rules: which dtypes a layer of the model's takes, by path.
        layers: runtime layers by path.
        nodes: in topological order.
        shapes: of the outputs of every input and node.
        weights: expected shapes by layer path.
        masked: paths of layers that use a mask.
        dtypes: of the outputs of every input and node.
        taken: tensors whose masks are no more: see ``AttentionRules``.
        first_masks: by path, the mask of the first call of a layer inside a model.
        policies: what the layers of the model compute in, by path, as Keras has it.
        floats: the same of the outputs of every input and node; empty where they are
            no floating point numbers.
    """

    def __init__(self, translator: Translator) -> None:
        self.meaning = translator.meaning
        self.specs = translator.specs
        self.problems = translator.problems
        self.notes = translator.notes
        self.titles = translator.titles
        self.dtype_rules = translator.taken
        self.layers = dict(translator.layers)
        self.nodes: list[Node] = []
        self.shapes: dict[str, tuple[Shape, ...]] = {}
        self.weights: dict[str, dict[str, Shape]] = {}
        self.masked: set[str] = set()
        self.dtypes: dict[str, str] = {}
        self.taken: set[Ref] = set()
        self.first_masks: dict[str, Ref | None] = {}
        self.policies = translator.policies
        self.floats: dict[str, str] = {}

    def refuse(
        self,
        path: str,
        class_name: str,
        reason: str,
        option: str | None = None,
        value: object = None,
    ) -> None:
        """Note why a layer cannot be converted; see ``Problem``."""
        self.problems.append(Problem(path, class_name, reason, option, value))

    def add(
        self,
        name: str,
        path: str,
        inputs: Sequence[Ref],
        mask: Ref | None = None,
        layer: Layer | None = None,
    ) -> Ref:
        """Add a node; its first output.

        Raises:
            ModelFileError: the inputs do not fit the layer.
        """
        if layer is not None:
            self.layers[path] = layer
        layer = self.layers[path]
        if len(self.nodes) >= MAX_NODES:
            raise ModelFileError(
                f"architecture: expected at most {MAX_NODES} layer calls, got more: "
                "models nested in one another multiply"
            )
        node = Node(name, path, inputs, mask)
        shapes = [self.shapes[source][index] for source, index in inputs]
        dtypes = [self.dtypes[source] for source, _ in inputs]
        try:
            expected, self.shapes[name] = layer.infer(*shapes)
            self.dtypes[name] = layer.output_dtype(*dtypes)
        except (IndexError, TypeError, ValueError) as error:
            pairs = zip(dtypes, shapes, strict=True)
            given = [f"{dtype} {shape}" for dtype, shape in pairs]
            text = (
                f"layer {name!r} ({layer.op}) does not take inputs of shape "
                f"{', '.join(given)}: {error}"
            )
            # Operations of this project do less than those of Keras; layers do not.
            misfit = layer.casts_floats and not isinstance(error, Unsupported)
            raise (
                ModelFileError(text) if misfit else UnsupportedModelError(text)
            ) from None
        if self.weights.setdefault(path, expected) != expected:
            raise ModelFileError(
                f"layer {name!r} ({layer.op}): its calls need different weights: "
                f"{self.weights[path]} and {expected}"
            )
        if mask is not None:
            self.masked.add(path)
            kind = self.dtypes[mask[0]]
            if kind != "bool":
                words = f"a mask of {kind}, expected one of bool; cast it to bool"
                class_name = self.titles.get(path, ("", layer.op))[1]
                self.problems.append(Problem(path, class_name, words, "mask"))
        taken = self.dtype_rules.get(path)
        reason = untaken(layer, taken, node, self.dtypes, self.meaning)
        if reason is not None:
            class_name = self.titles.get(path, ("", layer.op))[1]
            self.problems.append(Problem(path, class_name, reason))
        given = [self.floats[source] for source, _ in inputs]
        policy = self.policies.get(path)
        found = floats.result(layer, policy, given, self.dtypes[name])
        self.floats[name] = found
        # Nodes that masks need stand behind #.
        if policy is None and "#" not in path:
            problem = floats.problem(layer, path, found, self.policies, self.meaning)
            self.problems.extend([] if problem is None else [problem])
        self.nodes.append(node)
        return name, 0
