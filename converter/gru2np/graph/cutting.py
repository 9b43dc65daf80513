"""Cut a part out of a model: what the tensors at the cut are, and their masks.

A tensor at the cut carries the mask that it has in the whole model.  If a layer behind
the cut uses it, the mask becomes an input too, so that the part gives the numbers of
the whole.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError, UnsupportedModelError
from gru2np.graph.carried import UNMASKED, carried
from gru2np.graph.flatten import build, default_dtype
from gru2np.graph.mask_sources import UNUSABLE
from gru2np.graph.order import calls_by_depth
from gru2np.graph.parts import (
    Names,
    exposed,
    mask_name,
    needs_of,
    pruned,
    refused,
)
from gru2np.graph.ports import structure
from gru2np.graph.prune import needed
from gru2np.graph.stated import declared
from gru2np.graph.tracing import Tracer
from gru2np.ir import KerasLayer, Seams, TensorRef, walk_keras
from gru2np.text import listed
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gru2np.graph.parts import Part, Tensor
    from gru2np.graph.tracing import Identity, Traced
    from gru2np.ir import KerasModel, RawModel, Shape
    from gru2np.layers.custom import Specs
    from gru2np.meaning import Meaning
    from gru2np_runtime.graph import Graph

# At most this many names are listed.
SHOWN = 6


@dataclass(frozen=True)
class AtCut:
    """A tensor that becomes an input of a part.

    Attributes:
        tensor: as the user named it.
        layer: the input layer that replaces it.
        mask: the input layer of its mask; None if it has none for certain.
        doubt: why it is not known whether it has that mask; empty if it is known.
        traced: the tensor in the whole model; None if the layers before the cut cannot
            be converted.
    """

    tensor: Tensor
    layer: KerasLayer
    mask: KerasLayer | None
    doubt: str
    traced: Traced | None


def cut(
    model: KerasModel, raw: RawModel, meaning: Meaning, specs: Specs, part: Part
) -> tuple[KerasModel, list[str]]:
    """A part of a model as a model of its own, and what the user should know of it.

    Args:
        model: the whole model.
        raw: its file.
        meaning: of its Keras.
        specs: how classes are converted.
        part: the tensors that become inputs and outputs.

    Raises:
        InputError: a name is none of the model's, or does not fit; lists all problems.
        UnsupportedModelError: what a tensor at the cut is cannot be known, or the part
            would give other numbers than the whole.
    """
    return _Cut(model, raw, meaning, specs, part).made()


class _Cut:
    """One cut, step by step."""

    def __init__(
        self,
        model: KerasModel,
        raw: RawModel,
        meaning: Meaning,
        specs: Specs,
        part: Part,
    ) -> None:
        names = Names(model)
        self.inputs = names.tensors(part.inputs, "--inputs")
        outputs = names.tensors(part.outputs, "--outputs")
        self.raw, self.meaning, self.specs = raw, meaning, specs
        self.problems = names.problems
        self.outputs = list(model.outputs)
        self.output_names = structure(
            model.output_keys,
            model.single[1],
            [ref.layer for ref in model.outputs],
        ).names
        self.output_masks: frozenset[int] = frozenset()
        if outputs:
            self.outputs = []
            for tensor in outputs:
                model, ref = exposed(model, tensor)
                self.outputs.append(ref)
            self.output_names = [tensor.output_name for tensor in outputs]
            masks = (i for i, tensor in enumerate(outputs) if tensor.mask)
            self.output_masks = frozenset(masks)
        self.model = model
        self.output_keys = None if outputs else model.output_keys
        self.layers = {layer.name: layer for layer in model.layers}
        self.nested = {layer.name for layer in model.layers if layer.model is not None}
        self.named_outputs = bool(outputs)
        self.default_dtype = default_dtype(model)
        self.tracer = Tracer(model, meaning, specs)
        self.cuts = [t for t in self.inputs if t.layer.class_name != "InputLayer"]
        self.dropped: list[str] = []
        if not outputs:
            self._drop_inputs()

    def _drop_inputs(self) -> None:
        """Leave out outputs of the model that are inputs of the part."""
        cuts = set(self._refs())
        kept = [i for i, ref in enumerate(self.outputs) if ref not in cuts]
        if kept and len(kept) < len(self.outputs):
            names = self.output_names
            self.dropped = [n for i, n in enumerate(names) if i not in kept]
            self.outputs = [self.outputs[i] for i in kept]
            self.output_names = [names[i] for i in kept]
            if self.output_keys is not None:
                self.output_keys = tuple(self.output_names)

    def made(self) -> tuple[KerasModel, list[str]]:
        """The part, and its notes."""
        self._check_names()
        self._raise()
        self._check_reached()
        self._raise()
        self._check_indices()
        self._raise()
        self.taken = set(needs_of(self.model, self.outputs, self._refs()).calls)
        at_cut = [self._at_cut(tensor) for tensor in self.cuts]
        self._raise()
        part = self._part(at_cut, at_cut)
        try:
            graph = needed(build(part, self.meaning, self.specs).graph)
        except (UnsupportedModelError, ModelFileError):
            # It is refused again, with the notes of its candidates, where it is built.
            return part, []
        used = [item for item in at_cut if item.mask and _readers(graph, item.mask)]
        for item in used:
            if item.doubt:
                readers = listed(_readers(graph, item.mask), SHOWN)
                self.problems.append(
                    f"--inputs {item.tensor.text}: {readers} would use its mask, but "
                    f"whether it has one is not known: {item.doubt}. Say which: "
                    f"{item.tensor.input_name}:mask if it has one, which is then an "
                    f"input too, or {item.tensor.input_name}:unmasked"
                )
        self._raise()
        notes = [
            f"{item.tensor.input_name!r} carries a mask that "
            f"{_using(_readers(graph, item.mask))}: it is the input "
            f"{item.mask.name!r}, true where a step is valid"
            for item in used
            if item.mask is not None
        ]
        if len(used) < sum(item.mask is not None for item in at_cut):
            part = self._part(at_cut, used)
        self._check_numbers(part, at_cut, used)
        return part, [*self._notes(part), *notes]

    def _raise(self) -> None:
        if self.problems:
            raise refused(self.raw.file_name, self.problems)

    def _refs(self) -> list[TensorRef]:
        return [tensor.ref for tensor in self.cuts]

    def _check_names(self) -> None:
        """Inputs lie outside of nested models, and are no outputs."""
        for tensor in self.inputs:
            if len(tensor.layers) > 1:
                outer = tensor.layers[0]
                self.problems.append(
                    f"--inputs {tensor.text}: it is inside the model {outer.name!r}, "
                    "and only outputs may be inside a nested model: name the tensor "
                    f"that {outer.name!r} is called with, or save {outer.name!r} alone"
                )
            elif tensor.layer.class_name == "InputLayer" and tensor.mask == "mask":
                self.problems.append(
                    f"--inputs {tensor.text}: an input of the model has no mask"
                )

    def _check_reached(self) -> None:
        """Every input is used, and every output depends on an input."""
        needs = needs_of(self.model, self.outputs, self._refs())
        for tensor in self.inputs:
            own = tensor.layer.class_name == "InputLayer"
            reached = (
                tensor.layer.name in needs.calls if own else tensor.ref in needs.ends
            )
            if not reached:
                self.problems.append(
                    f"--inputs {tensor.text}: no output of the part depends on it: "
                    f"the outputs are {listed(self.output_names, SHOWN)}"
                )
        for ref, name in zip(self.outputs, self.output_names, strict=True):
            if ref in self._refs():
                self.problems.append(
                    f"--outputs {name}: it is an input of the part too"
                )
                continue
            needs = needs_of(self.model, [ref], self._refs())
            inputs = [self.layers.get(layer) for layer in needs.calls]
            if not needs.ends and not any(
                layer is not None and layer.class_name == "InputLayer"
                for layer in inputs
            ):
                self.problems.append(f"--outputs {name}: it depends on no input")
        for layer in self.model.layers:
            kept = needs_of(self.model, self.outputs, self._refs()).calls.get(
                layer.name
            )
            stateful = layer.config.get("stateful") is True
            if stateful and kept and 0 < len(kept) < len(layer.calls):
                self.problems.append(
                    f"layer {layer.name!r} is stateful and its calls pass states to "
                    "each other: a part has all of them or none"
                )

    def _check_indices(self) -> None:
        """Every output is one that its layer gives, as far as it can be converted."""
        pairs = zip(self.outputs, self.output_names, strict=True)
        for ref, name in pairs if self.named_outputs else ():
            first = replace(ref, output=0)
            if not ref.output or ref.layer in self.nested:
                continue
            if self.tracer.trace([ref]) is None and self.tracer.trace([first]):
                self.problems.append(
                    f"--outputs {name}: {ref.layer!r} gives no output {ref.output} in "
                    "this model, where its first is 0; a layer of attention gives its "
                    "scores only if it was called with return_attention_scores=True"
                )

    def _check_left_out(self, layer: KerasLayer) -> None:
        """Refuse to leave out calls of a layer on which its other calls depend."""
        inside = list(walk_keras([layer]))
        reason = ""
        if any(inner.config.get("stateful") is True for inner in inside):
            reason = "is stateful and its calls pass states to each other"
        elif layer.model is not None and self.meaning.recurrent.first_mask_stays:
            # See ``flatten``: such calls use the mask of the first call of the model.
            arguments = (
                inner
                for inner in inside
                if any(len(call.inputs) > 1 or call.keywords for call in inner.calls)
            )
            rows = (self.specs.of(inner) for inner in arguments)
            if any(row is not None and row.uses_mask for row in rows):
                reason = "has layers that in this Keras use the mask of another call"
        if reason:
            self.problems.append(
                f"layer {layer.name!r} {reason}: a part has all of its calls or none"
            )

    def _at_cut(self, tensor: Tensor) -> AtCut:
        """A tensor at the cut: its shape, dtype and mask."""
        traced = self.tracer.trace([tensor.ref])
        found = None if traced is None else traced[0]
        name = self._free(tensor.input_name, f"{tensor.input_name}:{tensor.index}")
        if found is None:
            shape, dtype = declared(
                self.raw,
                self.model,
                tensor,
                self.specs,
                self.default_dtype,
                self.problems,
            )
        else:
            shape, dtype = found.shape, found.floating or found.dtype
            for given, known in ((tensor.shape, shape), (tensor.dtype, found.dtype)):
                if given not in (None, known):
                    self.problems.append(
                        f"--inputs {tensor.text}: it is {known} in the model, not "
                        f"{given}: leave that out"
                    )
        mask_shape, doubt = self._mask(tensor, found, shape)
        mask = None
        if mask_shape is not None:
            mask_input = self._free(
                mask_name(name), mask_name(f"{name}:{tensor.index}")
            )
            mask = _input(mask_input, mask_shape, "bool")
        return AtCut(tensor, _input(name, shape, dtype), mask, doubt, found)

    def _free(self, name: str, other: str) -> str:
        """A name that no layer of the part has."""
        while name in self.taken:
            name, other = other, f"{other}_1"
        self.taken.add(name)
        return name

    def _mask(
        self, tensor: Tensor, found: Traced | None, shape: Shape
    ) -> tuple[Shape | None, str]:
        """The shape of a tensor's mask, None if it has none; and a doubt, or empty."""
        where = f"--inputs {tensor.text}"
        doubt = ""
        mask_shape: Shape | None = None
        if found is not None:
            mask_shape, doubt = (
                found.mask_shape,
                UNUSABLE.get(found.mask or ("", 0), ""),
            )
        else:
            doubt = carried(self.model, self.meaning, self.specs, tensor.ref)
        certain = found is not None or doubt == UNMASKED
        if doubt == UNMASKED:
            doubt = ""
        if not doubt and certain:
            has = mask_shape is not None
            if (tensor.mask == "mask" and not has) or (
                tensor.mask == "unmasked" and has
            ):
                self.problems.append(
                    f"{where}: in the model it has {'a' if has else 'no'} mask"
                )
            return mask_shape, ""
        if tensor.mask == "unmasked":
            return None, ""
        if len(shape) > 3 and tensor.mask == "mask":
            self.problems.append(
                f"{where}: the shape of its mask is not known; name the mask itself as "
                "an input, if a layer of the model gives it"
            )
        return shape[:2], "" if tensor.mask == "mask" else doubt

    def _part(self, at_cut: Sequence[AtCut], masked: Sequence[AtCut]) -> KerasModel:
        """The part, with the masks of some tensors as inputs."""
        ends = {item.tensor.ref: TensorRef(item.layer.name, 0, 0) for item in at_cut}
        masks = [(item, item.mask) for item in masked if item.mask is not None]
        by_identity = {
            item.traced.mask_identity: TensorRef(mask.name, 0, 0)
            for item, mask in masks
            if item.traced is not None and item.traced.mask_identity is not None
        }
        # Files of Keras 3 hold the computation of every mask that a call is given.
        for ref in self._explicit_masks() if by_identity else ():
            traced = self.tracer.trace([ref])
            if traced is not None and traced[0].identity in by_identity:
                ends.setdefault(ref, by_identity[traced[0].identity])
        new = [item.layer for item in at_cut] + [mask for _, mask in masks]
        part = pruned(self.model, self.outputs, ends, new)
        by_name = {item.tensor.text: item.layer.name for item in at_cut}
        order = [by_name.get(t.text, t.layer.name) for t in self.inputs]
        last = [mask.name for _, mask in masks]
        own = [ref.layer for ref in part.inputs if ref.layer not in (*order, *last)]
        keys = part.input_keys
        if keys is not None and self.inputs:
            keys = None
        names = (
            [*order, *own, *last] if keys is None else [r.layer for r in part.inputs]
        )
        return replace(
            part,
            inputs=tuple(TensorRef(name, 0, 0) for name in names),
            input_keys=keys,
            output_keys=self.output_keys,
            seams=Seams(
                {item.layer.name: mask.name for item, mask in masks},
                tuple(self.output_names),
                self.output_masks,
                self.default_dtype,
                {ref: new.layer for ref, new in ends.items()},
                self._carried(at_cut),
            ),
        )

    def _carried(self, at_cut: Sequence[AtCut]) -> dict[str, bool]:
        """Whether tensors carry masks as soon as Keras has built the model."""
        if self.meaning.attention.heads_take_masks and self._takes_masks():
            # Attention removes masks as it is called.
            return {}
        return {
            item.layer.name: item.mask is not None
            for item in at_cut
            if item.traced is not None and not item.doubt
        }

    def _explicit_masks(self) -> Iterator[TensorRef]:
        """The masks among the arguments of all calls."""
        seen: set[TensorRef] = set()
        for layer in self.model.layers:
            for call in layer.calls:
                masks = call.mask if isinstance(call.mask, tuple) else (call.mask,)
                named = (
                    ref
                    for key, ref in call.arguments.items()
                    if isinstance(key, str) and key.endswith("mask")
                )
                for ref in (*masks, *named):
                    if ref is not None and ref not in seen:
                        seen.add(ref)
                        yield ref

    def _check_numbers(
        self, part: KerasModel, at_cut: Sequence[AtCut], masked: Sequence[AtCut]
    ) -> None:
        """Refuse a part whose layers would use other masks than in the whole model."""
        error = UnsupportedModelError(
            f"{self.raw.file_name}: in this part, layers would get other masks than in "
            "the whole model, and so give other numbers: there, attention removes the "
            "masks of tensors that it reads, or a model that is called with a mask "
            "marks them, for layers that run later. Cut at another tensor"
        )
        if self._loses_marks():
            raise error
        heads = self.meaning.attention.heads_take_masks and self._takes_masks()
        whole = self.tracer.in_place(self.outputs) if heads else None
        if heads and whole is None and (masked or not self._runs_alike(part)):
            raise error
        whole = whole or self.tracer.trace(self.outputs)
        if whole is None:
            return
        seeds: dict[str, Identity | None] = {}
        for item in at_cut:
            if item.traced is None:
                return
            seeds[item.layer.name] = item.traced.identity
            if item.mask is not None:
                seeds[item.mask.name] = item.traced.mask_identity
        found = self.tracer.of_part(part, seeds)
        for i, (theirs, ours) in enumerate(zip(whole, found or whole, strict=True)):
            same = theirs.identity == ours.identity
            if i in self.output_masks:
                same = theirs.mask_identity == ours.mask_identity
            if not same:
                raise error

    def _takes_masks(self) -> set[str]:
        """The layers that remove the masks of their inputs, or hold such layers."""
        return {
            layer.name
            for layer in self.model.layers
            for inner in walk_keras([layer])
            if (spec := self.specs.of(inner)) is not None and spec.call.takes_masks
        }

    def _loses_marks(self) -> bool:
        """Whether a call that is left out marks a tensor that the part reads.

        See ``MaskRules.models_mark_inputs``.
        """
        if not self.meaning.masks.models_mark_inputs:
            return False
        calls = needs_of(self.model, self.outputs, self._refs()).calls
        read, marked = set[TensorRef](), set[TensorRef]()
        for layer in self.model.layers:
            for number, call in enumerate(layer.calls):
                if number in calls.get(layer.name, ()):
                    read.update(call.inputs)
                elif layer.model is not None and call.mask is not None:
                    marked.update(call.inputs)
        return bool(read & marked)

    def _runs_alike(self, part: KerasModel) -> bool:
        """Whether the calls of a part run in the order of the whole model.

        And whether all layers that remove masks are among them.
        """
        kept = {
            name: sorted(calls)
            for name, calls in needs_of(
                self.model, self.outputs, self._refs()
            ).calls.items()
        }
        whole = [
            (layer.name, call)
            for layer, call in calls_by_depth(self.model)
            if call in kept.get(layer.name, ())
        ]
        ours = [
            (layer.name, kept[layer.name][call]) for layer, call in calls_by_depth(part)
        ]
        return ours == whole and self._takes_masks() <= kept.keys()

    def _notes(self, part: KerasModel) -> Iterator[str]:
        """Which inputs of the model stay, and which the part does not need."""
        names = {ref.layer for ref in part.inputs}
        own = [ref.layer for ref in self.model.inputs]
        stay = [name for name in own if name in names]
        stay = [
            name for name in stay if name not in {t.layer.name for t in self.inputs}
        ]
        gone = [name for name in own if name not in names]
        if self.cuts and stay:
            yield (
                f"the part still needs {_inputs_of_the_model(stay)}, which "
                f"{'stays' if len(stay) == 1 else 'stay'} beside the named ones"
            )
        if self.dropped:
            yield (
                f"{listed([repr(name) for name in self.dropped], SHOWN)}, an output of "
                "the model, is an input of the part and no output"
            )
        if gone:
            yield (
                f"the part does not need {_inputs_of_the_model(gone)}, which "
                f"{'is' if len(gone) == 1 else 'are'} left out"
            )


def _inputs_of_the_model(names: Sequence[str]) -> str:
    many = "input" if len(names) == 1 else "inputs"
    return f"the model's {many} {listed([repr(name) for name in names], SHOWN)}"


def _using(readers: Sequence[str]) -> str:
    return f"{listed(readers, SHOWN)} {'uses' if len(readers) == 1 else 'use'}"


def _input(name: str, shape: Shape, dtype: str) -> KerasLayer:
    options = {"batch_shape": list(shape), "dtype": dtype}
    return KerasLayer("InputLayer", name, options, training={})


def _readers(graph: Graph, mask: KerasLayer | None) -> list[str]:
    """The layers that use a mask, or compute with it."""
    name = "" if mask is None else encode_name(mask.name)
    return list(dict.fromkeys(_reading(graph, name)))


def _reading(graph: Graph, name: str) -> Iterable[str]:
    for node in graph.nodes:
        if any(source == name for source, _ in node.references()):
            yield repr(node.layer.partition("#")[0])
    for port in graph.outputs:
        if port.source is not None and port.source[0] == name:
            yield f"the output {port.name!r}"
