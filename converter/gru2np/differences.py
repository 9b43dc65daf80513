"""Where two conversions of one file differ, in sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def graph_differences(
    ours: Mapping[str, Any], theirs: Mapping[str, Any], writer: str, keras: str
) -> Iterator[str]:
    """Where two graphs of one file differ, a line for each difference.

    Args:
        ours: the graph of a manifest.
        theirs: the same under the meaning of another Keras.
        writer: the Keras that the first is of, in words.
        keras: the Keras that the second is of, in words.
    """
    for path, layer in ours["layers"].items():
        if path in theirs["layers"]:
            yield from _layers(path, layer, theirs["layers"][path], writer, keras)
    mine, other = ({n["name"]: n for n in graph["nodes"]} for graph in (ours, theirs))
    for name in sorted(mine.keys() & other.keys()):
        for key in ("inputs", "mask"):
            values = [_references(graph[name].get(key)) for graph in (mine, other)]
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
        yield from graph_differences(ours["graph"], theirs["graph"], writer, keras)
        return
    options = ours.get("attributes", {}), theirs.get("attributes", {})
    for key in sorted({*options[0], *options[1]}):
        values = [attributes.get(key) for attributes in options]
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
