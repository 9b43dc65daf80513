"""The reference: the installed Keras that means what the file meant.

A manifest writes out everything a model means.  So an installed Keras is faithful to a
file exactly if converting the file once more, as that Keras would read it, gives the
same manifest.  Files of Keras 2 are read by tf-keras, files of Keras 3 by Keras 3.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gru2np.convert import converted
from gru2np.errors import Gru2npError, VerificationError
from gru2np.generations import generation_of, keras2, keras3
from gru2np.ir import GroupStore
from gru2np.verification import plain_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gru2np.convert import Conversion

# Import name and distribution of what can read a generation; the first one installed.
READERS = {2: (("tf_keras", "tf-keras"), ("keras", "keras")), 3: (("keras", "keras"),)}
INTERPRET = {2: keras2.interpret, 3: keras3.interpret}
INSTEAD = (
    "give gru2np verify outputs that were recorded when the model was trained, "
    "with --input and --expected"
)
SHOWN = 5
# Behind an array's name it makes one that says nothing.
UNNAMED = "/0"


@dataclass(frozen=True)
class Keras:
    """An installed Keras.

    Attributes:
        module: as it is imported.
        name: as it is installed.
        version: of the distribution.
        generation: 2 or 3: whose files it reads as they were meant.
    """

    module: str
    name: str
    version: str
    generation: int

    def __str__(self) -> str:
        return f"{'Keras' if self.name == 'keras' else self.name} {self.version}"


def choose(conversion: Conversion) -> Keras:
    """The installed Keras that means what the file meant.

    Raises:
        VerificationError: there is none; the message says what to do.
    """
    generation = generation_of(conversion.raw)
    if generation not in READERS:
        raise VerificationError(
            f"saved by {conversion.meaning.writer}, whose files no Keras of today "
            f"opens: {INSTEAD}"
        )
    keras = _installed(generation)
    if keras is None or importlib.util.find_spec("tensorflow") is None:
        name = READERS[generation][0][1]
        raise VerificationError(
            f"a model of {conversion.meaning.writer} is verified with {name} on "
            "TensorFlow, which is not installed: pip install 'gru2np[verify]', "
            f"or {INSTEAD}"
        )
    found = list(unlike(conversion, keras))
    if found:
        more = len(found) - SHOWN
        lines = [f"\n  - {line}" for line in found[:SHOWN]]
        rest = f"\n  - and {more} more" if more > 0 else ""
        raise VerificationError(
            f"{keras} would give other numbers for this file than its own "
            f"{conversion.meaning.writer}:{''.join(lines)}{rest}\n{INSTEAD}"
        )
    return keras


def _installed(generation: int) -> Keras | None:
    for module, name in READERS[generation]:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        # tf-keras is Keras 2 whatever it says; the keras of today is Keras 3.
        own = 2 if name == "tf-keras" else int(version.partition(".")[0])
        if own == generation and importlib.util.find_spec(module) is not None:
            return Keras(module, name, version, generation)
    return None


def unlike(conversion: Conversion, keras: Keras) -> Iterator[str]:
    """What a Keras would read otherwise in a file, a line for each thing."""
    # Releases of both packages are called 2.21.0, 3.15.1, 3.0.0rc1.
    major, minor, micro = (*re.findall(r"\d+", keras.version), "0", "0")[:3]
    version = int(major), int(minor), int(micro)
    # What Keras will be given, with the options written out that the file leaves out.
    config, _ = plain_config.plain(conversion, keras2=keras.generation == 2)
    groups = conversion.raw.groups
    if keras.generation == 2:
        groups = _without_names(groups)
    raw = replace(conversion.raw, backend="tensorflow", config=config, groups=groups)
    try:
        model, meaning = INTERPRET[keras.generation](raw, version, keras.version)
        other = converted(raw, model, meaning)
    except Gru2npError as error:
        yield f"read as {keras} reads it, {error}"
        return
    ours, theirs = conversion.manifest({}), other.manifest({})
    for manifest in (ours, theirs):
        _forget_hidden_states(manifest["graph"])
    writer = conversion.meaning.writer
    lines = list(_graphs(ours["graph"], theirs["graph"], writer, str(keras)))
    yield from lines
    stored, other_stored = (
        {
            path: (tensor.name.replace(UNNAMED, ""), tensor.form or "as it is")
            for path, tensor in own.tensors.items()
        }
        for own in (conversion, other)
    )
    for path, mine in stored.items():
        for one, another in zip(mine, other_stored.get(path, mine), strict=True):
            if one != another:
                lines.append(path)
                yield f"weight {path!r}: {writer}: {one}, {keras}: {another}"
    if not lines and (
        any(ours[key] != theirs[key] for key in ("graph", "inputs", "outputs"))
        or stored != other_stored
    ):
        yield "the order of its layers, inputs, outputs or weights"


def _without_names(groups: GroupStore | None) -> GroupStore | None:
    """The groups of a legacy file, their arrays in order and under no names.

    Names tell which layer each array of a group belongs to.  Keras 2 does not read
    them: it goes by the order, and by what its architecture says is frozen.
    """
    if groups is None:
        return None
    return GroupStore(
        tuple(
            (name, tuple(replace(own, name=own.name + UNNAMED) for own in arrays))
            for name, arrays in groups.groups
        )
    )


def _forget_hidden_states(graph: Mapping[str, Any]) -> None:
    """The order of a stack's states means nothing where nobody gives or sees them."""
    with_states = {node["layer"] for node in graph["nodes"] if len(node["inputs"]) > 1}
    for path, layer in graph["layers"].items():
        options = layer.get("attributes", {})
        hidden = path not in with_states and not options.get("return_state")
        if hidden and options.get("masked_output") != "state":
            options.pop("reverse_state_order", None)


def _graphs(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], writer: str, keras: str
) -> Iterator[str]:
    """Where two graphs of one file differ."""
    for path, layer in ours["layers"].items():
        if path in theirs["layers"]:
            yield from _layers(path, layer, theirs["layers"][path], writer, keras)
    mine, other = ({n["name"]: n for n in own["nodes"]} for own in (ours, theirs))
    for name in sorted(mine.keys() & other.keys()):
        for key in ("inputs", "mask"):
            values = [_references(own[name].get(key)) for own in (mine, other)]
            if values[0] != values[1]:
                yield (
                    f"layer {name!r}: {key}: {writer} takes {values[0]}, "
                    f"{keras} {values[1]}"
                )
    for extra, who in ((mine.keys() - other, writer), (other.keys() - mine, keras)):
        for name in sorted(extra):
            layer, _, part = name.partition("#")
            yield f"layer {layer!r}: only {who} computes {part or 'it'!r}"


def _layers(
    path: str,
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    writer: str,
    keras: str,
) -> Iterator[str]:
    if "graph" in ours and "graph" in theirs:
        yield from _graphs(ours["graph"], theirs["graph"], writer, keras)
        return
    options = ours.get("attributes", {}), theirs.get("attributes", {})
    for key in sorted({*options[0], *options[1]}):
        values = [own.get(key) for own in options]
        if values[0] != values[1]:
            yield (
                f"layer {path!r}: {key}: {writer} means {values[0]!r}, "
                f"{keras} means {values[1]!r}"
            )
    inside = theirs.get("layers", {})
    for name, child in ours.get("layers", {}).items():
        if name in inside:
            yield from _layers(f"{path}/{name}", child, inside[name], writer, keras)


def _references(value: Any) -> str:
    if value is None:
        return "none"
    refs = [value] if isinstance(value[0], str) else value
    return ", ".join(repr(name) for name, _ in refs)
