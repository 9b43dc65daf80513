"""Choose the installed Keras that reads the file as it was meant.

A manifest states everything that a model means.  So the file is converted again as the
installed Keras would read it: it reads the file as it was meant if the manifest is the
same.  tf-keras reads files of Keras 2, Keras 3 reads files of Keras 3.
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

# Import name and distribution for each generation, the preferred one first.
READERS = {2: (("tf_keras", "tf-keras"), ("keras", "keras")), 3: (("keras", "keras"),)}
INSTEAD = (
    "give gru2np verify outputs that were recorded when the model was trained, "
    "with --input and --expected"
)
SHOWN = 5
# A suffix that makes the name of an array meaningless.
UNNAMED = "/0"


class NoReader(VerificationError):
    """No installed Keras reads a file as it was meant.

    Args:
        reason: in words.
        mark: between the reason and what to do instead.
    """

    def __init__(self, reason: str, mark: str = ": ") -> None:
        self.reason = reason
        instead = "" if reason.endswith(INSTEAD) else f"{mark}{INSTEAD}"
        super().__init__(f"{reason}{instead}")

    def with_more(self, more: str) -> NoReader:
        """The same error with a further reason."""
        return NoReader(f"{self.reason}\n{more}", "\n")


@dataclass(frozen=True)
class Keras:
    """An installed Keras.

    Attributes:
        module: its import name.
        name: of the distribution.
        version: of the distribution.
        generation: 2 or 3: the generation of files that it reads.
    """

    module: str
    name: str
    version: str
    generation: int

    def __str__(self) -> str:
        return f"{'Keras' if self.name == 'keras' else self.name} {self.version}"


def choose(conversion: Conversion) -> Keras:
    """The installed Keras that reads the file as it was meant.

    Raises:
        NoReader: none would read it so; the message says what to do.
        VerificationError: the one that would is not installed.
    """
    if conversion.raw.container == "tfjs":
        raise NoReader("no Keras opens a folder of TensorFlow.js")
    generation = generation_of(conversion.raw)
    if generation not in READERS:
        raise NoReader(
            f"{conversion.meaning.writer} saved this file, and no current Keras opens "
            "such files"
        )
    keras = _installed(generation)
    if keras is None or importlib.util.find_spec("tensorflow") is None:
        name = READERS[generation][0][1]
        raise VerificationError(
            f"a model of {conversion.meaning.writer} is verified with {name} on "
            "TensorFlow, which is not installed: pip install tensorflow tf-keras, "
            f"or {INSTEAD}"
        )
    different = list(differences(conversion, keras))
    if different:
        more = len(different) - SHOWN
        lines = [f"\n  - {line}" for line in different[:SHOWN]]
        rest = f"\n  - and {more} more" if more > 0 else ""
        raise NoReader(
            f"{keras} would give other numbers for this file than "
            f"{conversion.meaning.writer}, which saved it:{''.join(lines)}{rest}",
            "\n",
        )
    return keras


def _installed(generation: int) -> Keras | None:
    for module, name in READERS[generation]:
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        # tf-keras is Keras 2 with another version number; keras may be 2 or 3.
        major = 2 if name == "tf-keras" else int(version.partition(".")[0])
        if major == generation and importlib.util.find_spec(module) is not None:
            return Keras(module, name, version, generation)
    return None


def differences(conversion: Conversion, keras: Keras) -> Iterator[str]:
    """How a Keras would read a file differently, a line for each thing."""
    # Keras gets this configuration, in which no option is left out.
    config, _ = plain_config.plain(conversion, keras2=keras.generation == 2)
    groups = conversion.raw.groups
    if keras.generation == 2:
        groups = _without_names(groups)
    raw = replace(conversion.raw, backend="tensorflow", config=config, groups=groups)
    try:
        other = converted(
            raw,
            *as_read_by(raw, keras.version),
            conversion.specs,
            conversion.part,
        )
    except Gru2npError as error:
        yield f"{keras} would read it as something that gru2np refuses: {error}"
        return
    ours, theirs = conversion.manifest({}), other.manifest({})
    for manifest in (ours, theirs):
        _ignore_hidden_states(manifest["graph"])
    writer = conversion.meaning.writer
    lines = list(graph_differences(ours["graph"], theirs["graph"], writer, str(keras)))
    yield from lines
    stored, other_stored = (
        {
            path: (tensor.name.replace(UNNAMED, ""), tensor.form or "unchanged")
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
    """The groups of a legacy file, with arrays in order and meaningless names.

    The names show which layer of a group owns an array.  Keras 2 does not read them: it
    goes by the order, and by the layers that are frozen in its architecture.
    """
    if groups is None:
        return None
    return GroupStore(
        tuple(
            (name, tuple(replace(array, name=array.name + UNNAMED) for array in arrays))
            for name, arrays in groups.groups
        )
    )


def _ignore_hidden_states(graph: Mapping[str, Any]) -> None:
    """Ignore the order of a stack's states where no other node reads or sets them."""
    with_states = {node["layer"] for node in graph["nodes"] if len(node["inputs"]) > 1}
    for path, layer in graph["layers"].items():
        options = layer.get("attributes", {})
        hidden = path not in with_states and not options.get("return_state")
        if hidden and options.get("masked_output") != "state":
            options.pop("reverse_state_order", None)
