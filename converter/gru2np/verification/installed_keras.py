"""The reference: the installed Keras that means what the file meant.

A manifest writes out everything a model means.  So an installed Keras means what a file
meant exactly if converting the file once more, as that Keras would read it, gives the
same manifest.  Files of Keras 2 are read by tf-keras, files of Keras 3 by Keras 3.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from gru2np.convert import converted
from gru2np.differences import graph_differences
from gru2np.errors import Gru2npError, VerificationError
from gru2np.generations import as_read_by, generation_of
from gru2np.ir import GroupStore
from gru2np.verification import plain_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gru2np.convert import Conversion

# Import name and distribution of what can read a generation; the first one installed.
READERS = {2: (("tf_keras", "tf-keras"), ("keras", "keras")), 3: (("keras", "keras"),)}
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
    if conversion.raw.container == "tfjs":
        raise VerificationError(f"no Keras opens a folder of TensorFlow.js: {INSTEAD}")
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
    found = list(differences(conversion, keras))
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
        major = 2 if name == "tf-keras" else int(version.partition(".")[0])
        if major == generation and importlib.util.find_spec(module) is not None:
            return Keras(module, name, version, generation)
    return None


def differences(conversion: Conversion, keras: Keras) -> Iterator[str]:
    """How a Keras would read a file otherwise than its own, a line for each thing."""
    # What Keras will be given, with the options written out that the file leaves out.
    config, _ = plain_config.plain(conversion, keras2=keras.generation == 2)
    groups = conversion.raw.groups
    if keras.generation == 2:
        groups = _without_names(groups)
    raw = replace(conversion.raw, backend="tensorflow", config=config, groups=groups)
    try:
        other = converted(raw, *as_read_by(raw, keras.version))
    except Gru2npError as error:
        yield f"read as {keras} reads it, {error}"
        return
    ours, theirs = conversion.manifest({}), other.manifest({})
    for manifest in (ours, theirs):
        _forget_hidden_states(manifest["graph"])
    writer = conversion.meaning.writer
    lines = list(graph_differences(ours["graph"], theirs["graph"], writer, str(keras)))
    yield from lines
    stored, other_stored = (
        {
            path: (tensor.name.replace(UNNAMED, ""), tensor.form or "as it is")
            for path, tensor in side.tensors.items()
        }
        for side in (conversion, other)
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
            (name, tuple(replace(array, name=array.name + UNNAMED) for array in arrays))
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
