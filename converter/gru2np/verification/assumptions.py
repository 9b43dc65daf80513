"""What the runtime and the Keras beside it both take for granted.

Where both read one ambiguous thing the same way, that they agree proves nothing of it.
Each sentence stands only where it concerns the file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.inspection import meaning as meanings
from gru2np.text import readable
from gru2np_runtime.activations import axes_of
from gru2np_runtime.graph import walk

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from gru2np.convert import Conversion
    from gru2np.verification.evidence import Reference
    from gru2np_runtime import Layer
    from gru2np_runtime.graph import Graph

# Names of a kind that are said; more are counted.
SHOWN = 4


def shared(conversion: Conversion, reference: Reference) -> tuple[str, ...]:
    """What both assume about a file, a clause for each thing.

    Args:
        conversion: of the file.
        reference: the Keras that was asked.
    """
    raw, built = conversion.raw, conversion.built
    found = [*_names(raw.config)]
    if raw.keras_version is None:
        found.append("the file, which names no version, is one of this Keras")
    elif raw.keras_version != reference.version:
        name = str(reference).partition(" (")[0]
        found.append(f"{name} computes what {conversion.meaning.writer} did")
    # Each of these says what was assumed, for which layer, and what else it may be.
    found += [note for note in built.notes if "backend" in note]
    ones = [readable(path) for path in constant(built.graph)]
    if ones:
        found.append(
            f"softmax in {_listed(ones)} is over an axis of length 1, where it "
            "gives 1 whatever comes in: a function of your own over another axis has "
            "the same name"
        )
    found += meanings.unsaid(built.graph, conversion.meaning, raw.config)
    return tuple(found)


def _names(config: Any) -> Iterator[str]:
    """That names without a module are those of Keras."""
    classes: dict[str, None] = {}
    functions: dict[str, None] = {}
    for record in _records(config):
        name, options = record.get("class_name"), record.get("config")
        if not isinstance(name, str) or not isinstance(options, dict):
            continue
        inside = "layers" in options or name == "InputLayer"
        if not record.get("module") and not inside and "name" in options:
            classes[name] = None
        functions.update(
            (value, None)
            for key, value in options.items()
            if key.endswith("activation") and isinstance(value, str)
        )
    functions.pop("linear", None)
    if classes or functions:
        names = [*classes, *functions]
        are = "is" if len(names) == 1 else "are"
        yield (
            f"{_listed(names)} {are} Keras' own and not yours by the same name, for "
            "the file names no module"
        )


def _records(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, dict):
        yield value
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from _records(item)


def constant(graph: Graph) -> Iterator[str]:
    """Layers that give 1 whatever comes in: softmax over a single number."""
    shapes, _ = graph.infer_nodes()
    for node in graph.nodes:
        layer = graph.layers[node.layer]
        rank = len(shapes[node.name][0])
        sizes = {axis: shapes[node.name][0][axis] for axis in range(-rank, rank)}
        axes = [axes for axes in _softmax_axes(layer) if sizes.keys() >= {*axes}]
        if any(all(sizes[axis] == 1 for axis in own) for own in axes):
            yield node.layer


def _softmax_axes(layer: Layer) -> Iterator[tuple[int, ...]]:
    """The axes of each softmax in a layer."""
    for _, inner in walk(layer):
        options = inner.attributes()
        if inner.op == "softmax":
            yield options["axes"]
        for value in options.values():
            name = value.get("function") if isinstance(value, dict) else value
            if name == "softmax":
                yield axes_of(value)


def _listed(names: Iterable[str]) -> str:
    shown = [*names]
    more = len(shown) - SHOWN
    if more > 1:
        shown = [*shown[:SHOWN], f"{more} more"]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if shown[1:] else shown)
