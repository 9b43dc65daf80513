"""The builder of a graph: adds one node at a time, and infers its shapes and dtypes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gru2np.errors import ModelFileError, Problem, UnsupportedModelError
from gru2np.graph import floats
from gru2np.graph.custom_functions import with_results
from gru2np.graph.rows import BROADCASTING, SAMPLES, MixesSamplesError, rows_after
from gru2np.graph.whole_numbers import dtype_problem
from gru2np_runtime import layers as runtime
from gru2np_runtime.errors import CustomObjectError, Unsupported
from gru2np_runtime.graph import Node

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np.graph.rows import Rows
    from gru2np.ir import Shape
    from gru2np.layers.translate import Translator
    from gru2np_runtime import Layer

    # A tensor of the graph: an input or a node, and which of its outputs.
    Ref = tuple[str, int]

MAX_NODES = 20_000
# Why a layer cannot tell its shapes where only Python says so.
MISFITS: dict[type[Exception], str] = {
    IndexError: "it needs inputs of more axes",
    TypeError: "it needs inputs of known sizes, or of another number of axes",
}


class Value(NamedTuple):
    """A tensor of the graph and its mask, or None."""

    ref: Ref
    mask: Ref | None


class Builder:
    """One graph; its layers were translated before.

    Attributes:
        translator: of its layers.
        meaning: of the model's Keras.
        specs: how classes are converted.
        problems: all problems found so far.
        notes: where the file leaves open what the model computes.
        titles: name and class in Keras, by layer path.
        accepted_dtypes: the dtypes that a layer of the model accepts, by path.
        layers: runtime layers by path.
        nodes: in topological order.
        shapes: of the outputs of every input and node.
        dtypes: of the same.
        weights: expected shapes by layer path.
        masked: paths of layers that use a mask.
        dropped_masks: tensors whose masks attention has removed: see
            ``AttentionRules.heads_take_masks``.
        first_masks: the mask of the first call of a layer inside a model, by path.
        policies: the dtypes that the layers of the model compute in, by path.
        floats: the floating point dtypes in Keras of the outputs of every input and
            node; empty for other dtypes.
        carried: the mask of a tensor, of those that have one.
        rows: where the samples are in the outputs of a node, if not along axis 0 with
            one row for each; None if they are the same for all samples.
    """

    def __init__(self, translator: Translator) -> None:
        self.translator = translator
        self.meaning = translator.meaning
        self.specs = translator.specs
        self.problems = translator.problems
        self.notes = translator.notes
        self.titles = translator.titles
        self.accepted_dtypes = translator.accepted_dtypes
        self.layers = dict(translator.layers)
        self.nodes: list[Node] = []
        self.shapes: dict[str, tuple[Shape, ...]] = {}
        self.dtypes: dict[str, str] = {}
        self.weights: dict[str, dict[str, Shape]] = {}
        self.masked: set[str] = set()
        self.dropped_masks: set[Ref] = set()
        self.first_masks: dict[str, Ref | None] = {}
        self.policies = translator.policies
        self.floats: dict[str, str] = {}
        self.carried: dict[Ref, Ref] = {}
        self.rows: dict[str, Rows | None] = {}

    def shape(self, ref: Ref) -> Shape:
        """The shape of a tensor."""
        return self.shapes[ref[0]][ref[1]]

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
        """Add a node; returns its first output.

        Args:
            name: of the node.
            path: of its layer.
            inputs: that it reads.
            mask: that it uses.
            layer: the layer for the path; None to keep that of an earlier call.

        Raises:
            ModelFileError: the inputs do not fit the layer.
            UnsupportedModelError: the inputs do not fit an operation of the runtime.
        """
        if layer is not None:
            self.layers[path] = layer
        if isinstance(self.layers[path], BROADCASTING):
            inputs = self._lifted(name, inputs)
        shapes = [self.shape(ref) for ref in inputs]
        dtypes = [self.dtypes[source] for source, _ in inputs]
        layer = with_results(self.layers[path], shapes, dtypes)
        self.layers[path] = layer
        if len(self.nodes) >= MAX_NODES:
            raise ModelFileError(
                f"architecture: expected at most {MAX_NODES} layer calls, got more: "
                "models nested in one another multiply"
            )
        node = Node(name, path, inputs, mask)
        self._infer(node, layer)
        self._note_rows(node, layer)
        self._check_mask(node, layer)
        self._check_dtypes(node, layer)
        self._check_floats(node, layer)
        self.nodes.append(node)
        return name, 0

    def _infer(self, node: Node, layer: Layer) -> None:
        """Shapes and dtypes of a node's outputs, and the weights that it needs."""
        shapes = [self.shape(ref) for ref in node.inputs]
        dtypes = [self.dtypes[source] for source, _ in node.inputs]
        try:
            weights, self.shapes[node.name] = layer.infer(*shapes)
            self.dtypes[node.name] = layer.output_dtype(*dtypes)
        except CustomObjectError:
            raise
        except (IndexError, TypeError, ValueError) as error:
            # Python's own words for an axis that is not there say nothing.
            reason = MISFITS.get(type(error), str(error))
            pairs = zip(dtypes, shapes, strict=True)
            text = (
                f"layer {node.name!r} ({layer.op}) does not take inputs of shape "
                f"{', '.join(f'{dtype} {shape}' for dtype, shape in pairs)}: {reason}"
            )
            # The runtime's operations support fewer inputs than those of Keras, its
            # layers support the same.
            misfit = layer.casts_floats and not isinstance(error, Unsupported)
            raise (
                ModelFileError(text) if misfit else UnsupportedModelError(text)
            ) from None
        if self.weights.setdefault(node.layer, weights) != weights:
            raise ModelFileError(
                f"layer {node.name!r} ({layer.op}): its calls need different weights: "
                f"{self.weights[node.layer]} and {weights}"
            )

    def _lifted(self, name: str, inputs: Sequence[Ref]) -> list[Ref]:
        """The inputs; those equal for all samples get the rank of the others."""
        rows = [self.rows.get(source, SAMPLES) for source, _ in inputs]
        if None not in rows or set(rows) == {None}:
            return list(inputs)
        rank = max(len(self.shape(ref)) for ref in inputs)
        lifted = []
        for i, (ref, row) in enumerate(zip(inputs, rows, strict=True)):
            if row is None and len(self.shape(ref)) < rank:
                path = f"{name}#lifted_{i}"
                ref = self.add(path, path, [ref], layer=runtime.Lifted(rank=rank))
            lifted.append(ref)
        return lifted

    def _note_rows(self, node: Node, layer: Layer) -> None:
        """Where the samples are in the outputs, if not where they usually are."""
        given = [self.rows.get(source, SAMPLES) for source, _ in node.inputs]
        shapes = [self.shape(ref) for ref in node.inputs]
        try:
            rows = rows_after(layer, given, shapes, self.shapes[node.name])
        except MixesSamplesError as error:
            self.refuse(node.layer, self._class_name(node, layer), str(error))
            return
        if rows != SAMPLES:
            self.rows[node.name] = rows

    def _check_mask(self, node: Node, layer: Layer) -> None:
        if node.mask is None:
            return
        self.masked.add(node.layer)
        kind = self.dtypes[node.mask[0]]
        if kind != "bool":
            reason = f"a mask of {kind}, expected one of bool; cast it to bool"
            self.refuse(node.layer, self._class_name(node, layer), reason, "mask")

    def _check_dtypes(self, node: Node, layer: Layer) -> None:
        accepted = self.accepted_dtypes.get(node.layer)
        reason = dtype_problem(layer, accepted, node, self.dtypes, self.meaning)
        if reason is not None:
            self.refuse(node.layer, self._class_name(node, layer), reason)

    def _check_floats(self, node: Node, layer: Layer) -> None:
        path, policy = node.layer, self.policies.get(node.layer)
        inputs = [self.floats[source] for source, _ in node.inputs]
        kind = floats.result(layer, policy, inputs, self.dtypes[node.name])
        self.floats[node.name] = kind
        # Paths of nodes that masks need have a #.
        if policy is None and "#" not in path:
            problem = floats.problem(layer, path, kind, self.policies, self.meaning)
            self.problems.extend([] if problem is None else [problem])

    def _class_name(self, node: Node, layer: Layer) -> str:
        return self.titles.get(node.layer, ("", layer.op))[1]
