"""Parts of a model: the tensors that are named, and the layers between them.

A part is made before any layer is converted, so that only the layers in between have to
be convertible.
"""

from __future__ import annotations

import ast
import difflib
import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from gru2np.errors import InputError
from gru2np.ir import Call, TensorRef
from gru2np.text import listed
from gru2np_runtime.bundle.manifest import INPUT_DTYPES
from gru2np_runtime.bundle.manifest_writer import encode_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from gru2np.ir import KerasLayer, KerasModel, Shape

FORM = (
    "expected NAME, NAME#CALL, NAME:INDEX or NAME:mask, and for an input of unknown "
    "shape NAME=(None,20,64) or NAME=(None,20):int32"
)
_NAMED = re.compile(
    r"(?P<name>[^#:=]+)(?:#(?P<call>\d{1,9}))?(?::(?P<index>\d{1,9}))?"
    r"(?::(?P<mask>mask|unmasked))?"
    r"(?:=(?P<shape>\([^()]*\))(?::(?P<dtype>\w+))?)?"
)
# Between the names of a list; a shape has commas too.
_COMMA = re.compile(r",(?![^(]*\))")
# At most this many names are listed.
SHOWN = 8


@dataclass(frozen=True)
class Part:
    """The tensors that are the inputs and outputs of a part of a model.

    Attributes:
        inputs: each as ``NAME[#CALL][:INDEX]``; empty for those of the model.
        outputs: the same.
    """

    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """The options of the command line, with their values."""
        pairs = (("--outputs", self.outputs), ("--inputs", self.inputs))
        return tuple((key, ",".join(names)) for key, names in pairs if names)

    def record(self) -> dict[str, list[str]]:
        """The record of the part in a manifest."""
        return {"inputs": list(self.inputs), "outputs": list(self.outputs)}


def part_of(
    outputs: str | Iterable[str] | None, inputs: str | Iterable[str] | None
) -> Part | None:
    """A part, from names as ``export`` takes them; None if there are none.

    Args:
        outputs: names, joined with commas or one by one.
        inputs: the same.
    """
    names = [
        tuple(
            name.strip()
            for item in ([text] if isinstance(text, str) else text or ())
            for name in _COMMA.split(item)
            if name.strip()
        )
        for text in (inputs, outputs)
    ]
    return Part(*names) if any(names) else None


@dataclass(frozen=True)
class Tensor:
    """A tensor of a model, named by the user.

    Attributes:
        text: as the user named it, without shape and dtype.
        layers: the layer, and the nested models around it, outermost first.
        call: of the layer, counted over all calls of the models around it.
        index: which of its outputs.
        mask: ``mask``, ``unmasked`` or empty.
        shape: as the user gave it; None if not given.
        dtype: the same.
    """

    text: str
    layers: tuple[KerasLayer, ...]
    call: int
    index: int
    mask: str
    shape: Shape | None
    dtype: str | None

    @property
    def layer(self) -> KerasLayer:
        """The layer that gives it."""
        return self.layers[-1]

    @property
    def ref(self) -> TensorRef:
        """The tensor in the outermost model, if it is one of its tensors."""
        return TensorRef(self.layer.name, self.call, self.index)

    @property
    def input_name(self) -> str:
        """Its name as an input of the part; its mask is another input."""
        return self.text.removesuffix(":unmasked").removesuffix(":mask")

    @property
    def output_name(self) -> str:
        """Its name as an output of the part, or that of its mask."""
        masked = self.mask == "mask"
        return mask_name(self.input_name) if masked else self.input_name


def mask_name(name: str) -> str:
    """The name of the mask of a tensor."""
    return f"{name}_mask"


class Names:
    """The layers of a model by the names that ``inspect`` shows.

    Attributes:
        problems: names that are none, each with what is wrong.
    """

    def __init__(self, model: KerasModel) -> None:
        self.problems: list[str] = []
        self.paths: dict[str, tuple[KerasLayer, ...]] = {}
        plain: dict[str, tuple[KerasLayer, ...]] = {}
        for layers in _paths(model, ()):
            names = [layer.name for layer in layers]
            self.paths["/".join(map(encode_name, names))] = layers
            plain["/".join(names)] = layers
        # A name with a slash may look like a path.
        self.paths = {**plain, **self.paths}

    def tensors(self, texts: Sequence[str], option: str) -> list[Tensor]:
        """The tensors of an option; what names none is a problem."""
        found = [self._tensor(text, option) for text in texts]
        tensors = [tensor for tensor in found if tensor is not None]
        several: dict[tuple[object, ...], list[str]] = {}
        for tensor in tensors:
            masks = tensor.mask == "mask" and option == "--outputs"
            names = tuple(layer.name for layer in tensor.layers)
            key = (names, tensor.call, tensor.index, masks)
            several.setdefault(key, []).append(tensor.text)
        self.problems += [
            f"{option} {','.join(same)}: one tensor is named twice"
            for same in several.values()
            if len(same) > 1
        ]
        return tensors

    def _tensor(self, text: str, option: str) -> Tensor | None:
        where = f"{option} {text}"
        match = _NAMED.fullmatch(text)
        if match is None:
            self.problems.append(f"{where}: {FORM}")
            return None
        layers = self.paths.get(match["name"])
        if layers is None:
            self.problems.append(f"{where}: {self._unknown(match['name'])}")
            return None
        outputs_only = option != "--inputs"
        shape = dtype = None
        if match["shape"] is not None:
            shape, dtype = _shape(match["shape"]), match["dtype"]
            wrong_dtype = dtype is not None and dtype not in INPUT_DTYPES
            if shape is None or wrong_dtype or outputs_only:
                self.problems.append(f"{where}: {FORM}")
                return None
        if match["mask"] == "unmasked" and outputs_only:
            self.problems.append(f"{where}: only an input can be unmasked")
            return None
        call = self._call(match, layers, where)
        if call is None:
            return None
        return Tensor(
            text.partition("=")[0],
            layers,
            call,
            int(match["index"] or 0),
            match["mask"] or "",
            shape,
            dtype,
        )

    def _call(
        self, match: re.Match[str], layers: Sequence[KerasLayer], where: str
    ) -> int | None:
        count = 1
        for layer in layers:
            count *= max(len(layer.calls), 1)
        name, number = match["name"], match["call"]
        if number is None and count > 1:
            calls = [f"{name}#{i}" for i in range(count)]
            self.problems.append(
                f"{where}: {name} is called {count} times: name the call, "
                f"{listed(calls, SHOWN, last='or')}"
            )
            return None
        if int(number or 0) >= count:
            most = (
                f"{name} or {name}#0" if count == 1 else f"at most {name}#{count - 1}"
            )
            self.problems.append(
                f"{where}: expected {most}: {name} is called "
                f"{'once' if count == 1 else f'{count} times'}"
            )
            return None
        return int(number or 0)

    def _unknown(self, name: str) -> str:
        known = list(self.paths)
        near = difflib.get_close_matches(name, known, SHOWN // 2, 0.5)
        near += [path for path in known if path.endswith(f"/{name}")]
        text = f"no layer is named {name!r}"
        if near:
            text += f": did you mean {listed(list(dict.fromkeys(near)), SHOWN, 'or')}?"
        return f"{text}{'' if near else ';'} gru2np inspect lists the names"


def _paths(
    model: KerasModel, around: tuple[KerasLayer, ...]
) -> Iterator[tuple[KerasLayer, ...]]:
    for layer in model.layers:
        yield (*around, layer)
        if layer.model is not None:
            yield from _paths(layer.model, (*around, layer))


def _shape(text: str) -> Shape | None:
    try:
        value = ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return None
    sizes = value if isinstance(value, tuple) else (value,)
    legal = all(n is None or (type(n) is int and 0 <= n < 2**31) for n in sizes)
    return sizes if sizes and legal else None


def exposed(model: KerasModel, tensor: Tensor) -> tuple[KerasModel, TensorRef]:
    """A model that gives a tensor of a nested model, and the tensor in that model."""
    return _exposed(model, tensor.layers, tensor.call, tensor.index)


def _exposed(
    model: KerasModel, layers: Sequence[KerasLayer], call: int, index: int
) -> tuple[KerasModel, TensorRef]:
    name = layers[0].name
    if len(layers) == 1:
        return model, TensorRef(name, call, index)
    inside = 1
    for layer in layers[1:]:
        inside *= max(len(layer.calls), 1)
    outer = next(layer for layer in model.layers if layer.name == name)
    assert outer.model is not None
    inner, ref = _exposed(outer.model, layers[1:], call % inside, index)
    if ref not in inner.outputs:
        inner = replace(inner, outputs=(*inner.outputs, ref), output_keys=None)
    position = inner.outputs.index(ref)
    changed = replace(outer, model=inner)
    kept = [changed if layer is outer else layer for layer in model.layers]
    return replace(model, layers=tuple(kept)), TensorRef(name, call // inside, position)


@dataclass
class Needs:
    """What some tensors of a model depend on.

    Attributes:
        calls: the calls of each layer, by name.
        outputs: the outputs that are read of each nested model, by name.
        ends: the tensors that were reached and not followed further.
    """

    calls: dict[str, set[int]] = field(default_factory=dict)
    outputs: dict[str, set[int]] = field(default_factory=dict)
    ends: dict[TensorRef, None] = field(default_factory=dict)


def needs_of(
    model: KerasModel, refs: Iterable[TensorRef], ends: Iterable[TensorRef] = ()
) -> Needs:
    """What tensors depend on, followed up to ``ends``.

    Args:
        model: that holds them.
        refs: the tensors.
        ends: tensors that are not followed.
    """
    return _needs(model, refs, ends, {})


def _needs(
    model: KerasModel,
    refs: Iterable[TensorRef],
    ends: Iterable[TensorRef],
    known: dict[tuple[int, int], set[int]],
) -> Needs:
    """See ``needs_of``; ``known`` has what outputs of nested models depend on."""
    layers = {layer.name: layer for layer in model.layers}
    needs, stops = Needs(), set(ends)
    read: set[tuple[str, int, int]] = set()
    pending = list(refs)
    seen: set[TensorRef] = set()
    while pending:
        ref = pending.pop()
        if ref in seen:
            continue
        seen.add(ref)
        layer = layers.get(ref.layer)
        if ref in stops or layer is None:
            needs.ends[ref] = None
            continue
        needs.calls.setdefault(ref.layer, set())
        if layer.model is None:
            if ref.call < len(layer.calls):
                needs.calls[ref.layer].add(ref.call)
                pending.extend(layer.calls[ref.call].references())
            continue
        needs.outputs.setdefault(ref.layer, set()).add(ref.output)
        needs.calls[ref.layer].add(ref.call)
        # Another output may need other inputs, of every call.
        positions = _inputs_read(layer.model, needs.outputs[ref.layer], known)
        for call in needs.calls[ref.layer]:
            for i in positions if call < len(layer.calls) else ():
                if (ref.layer, call, i) not in read:
                    read.add((ref.layer, call, i))
                    pending.extend(_of_input(layer.calls[call], i))
    return needs


def _inputs_read(
    model: KerasModel,
    outputs: Iterable[int],
    known: dict[tuple[int, int], set[int]],
) -> list[int]:
    """The positions of the inputs that outputs of a model depend on."""
    positions: set[int] = set()
    for output in outputs:
        # Once for each output: models nested in one another would multiply.
        if (id(model), output) not in known:
            calls = _needs(model, model.outputs[output : output + 1], (), known).calls
            known[id(model), output] = {
                i for i, ref in enumerate(model.inputs) if ref.layer in calls
            }
        positions |= known[id(model), output]
    return sorted(positions)


def _of_input(call: Call, position: int) -> Iterator[TensorRef]:
    """The tensor of an input of a nested model, and its mask."""
    masks = call.mask if isinstance(call.mask, tuple) else (call.mask,)
    for tensors in (call.inputs, masks):
        ref = tensors[position] if position < len(tensors) else None
        if ref is not None:
            yield ref


def pruned(
    model: KerasModel,
    outputs: Sequence[TensorRef],
    ends: Mapping[TensorRef, TensorRef],
    inputs: Sequence[KerasLayer] = (),
) -> KerasModel:
    """The layers that outputs depend on, up to the ends; calls are counted anew.

    The model's own inputs that are needed follow the new ones.

    Args:
        model: the whole model.
        outputs: tensors of it.
        ends: tensors of it, each with what replaces it.
        inputs: the layers of the new inputs.
    """
    needs = needs_of(model, outputs, ends)
    kept = {name: sorted(calls) for name, calls in needs.calls.items()}
    numbers = {
        (name, call): i for name, calls in kept.items() for i, call in enumerate(calls)
    }
    nested = {
        layer.name: sorted(needs.outputs[layer.name])
        for layer in model.layers
        if layer.model is not None and layer.name in needs.outputs
    }

    def moved(ref: TensorRef) -> TensorRef:
        if ref in ends:
            return ends[ref]
        output = ref.output
        if ref.layer in nested and output in nested[ref.layer]:
            output = nested[ref.layer].index(output)
        return TensorRef(
            ref.layer, numbers.get((ref.layer, ref.call), ref.call), output
        )

    layers = [
        _reduced(layer, kept[layer.name], nested.get(layer.name), moved)
        for layer in model.layers
        if layer.name in kept
    ]
    new = tuple(TensorRef(layer.name, 0, 0) for layer in inputs)
    own = [i for i, ref in enumerate(model.inputs) if ref.layer in kept]
    keys = model.input_keys
    return replace(
        model,
        layers=(*inputs, *layers),
        inputs=(*new, *(model.inputs[i] for i in own)),
        outputs=tuple(map(moved, outputs)),
        input_keys=None if keys is None or new else tuple(keys[i] for i in own),
        output_keys=None,
        single=(len(new) + len(own) == 1, len(outputs) == 1),
    )


def _reduced(
    layer: KerasLayer,
    calls: Sequence[int],
    outputs: Sequence[int] | None,
    moved: Callable[[TensorRef], TensorRef],
) -> KerasLayer:
    """A layer with some of its calls; of a nested model, with some of its outputs."""
    kept = [layer.calls[i] for i in calls if i < len(layer.calls)]
    inner = layer.model
    if inner is not None and outputs is not None:
        positions = _inputs_read(inner, outputs, {})
        refs = [inner.outputs[i] for i in outputs if i < len(inner.outputs)]
        inner = pruned(inner, refs, {})
        kept = [_with_inputs(call, positions) for call in kept]
    return replace(
        layer, calls=tuple(_moved(call, moved) for call in kept), model=inner
    )


def _with_inputs(call: Call, positions: Sequence[int]) -> Call:
    """A call of a nested model with some of its inputs."""
    mask = call.mask
    if isinstance(mask, tuple) and len(mask) == len(call.inputs):
        mask = tuple(mask[i] for i in positions)
    elif mask is not None and not isinstance(mask, tuple) and 0 not in positions:
        mask = None
    inputs = tuple(call.inputs[i] for i in positions if i < len(call.inputs))
    return replace(call, inputs=inputs, mask=mask)


def _moved(call: Call, moved: Callable[[TensorRef], TensorRef]) -> Call:
    mask = call.mask
    if isinstance(mask, TensorRef):
        mask = moved(mask)
    elif mask is not None:
        mask = tuple(ref and moved(ref) for ref in mask)
    return replace(
        call,
        inputs=tuple(map(moved, call.inputs)),
        mask=mask,
        arguments={key: moved(ref) for key, ref in call.arguments.items()},
    )


def refused(file: str, problems: Sequence[str]) -> InputError:
    """The error for a part that cannot be made; lists all problems at once."""
    if len(problems) == 1:
        return InputError(f"{file}: {problems[0]}")
    lines = "".join(f"\n  - {problem}" for problem in problems)
    return InputError(f"{file}: no such part, {len(problems)} problems:{lines}")


def refuse_unread(model: KerasModel) -> None:
    """Refuse layers whose calls could not be read.

    Raises:
        UnsupportedModelError: of the first such layer.
    """
    for layer in model.layers:
        if layer.unread is not None:
            raise layer.unread
        if layer.model is not None:
            refuse_unread(layer.model)
