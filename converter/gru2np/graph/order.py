"""The calls of a model, each after those it reads."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from gru2np.ir import KerasLayer, KerasModel
    from gru2np_runtime.graph import Node

    # The name of a layer, and the number of a call of it.
    CallName = tuple[str, int]


def calls_by_depth(model: KerasModel) -> list[tuple[KerasLayer, int]]:
    """The calls in the order in which Keras 3 and TensorFlow 2 run them.

    Calls farther from the outputs come first.  Keras 3.15
    ``keras/src/ops/function.py``, ``map_graph``; tf_keras 2.21
    ``src/engine/functional.py``, ``_map_graph_network``.

    Raises:
        ModelFileError: calls wait for each other in a circle.
    """
    ordered = list(ordered_calls(model))
    layers = {layer.name: layer for layer in model.layers}
    finished = _from_outputs(model, layers)
    depths: dict[tuple[str, int], int] = {}
    deepest: dict[str, int] = {}
    for node in reversed(finished):
        depth = max(depths.get(node, 0), deepest.get(node[0], 0))
        depths[node] = deepest[node[0]] = depth
        for ref in layers[node[0]].calls[node[1]].references():
            parent = (ref.layer, ref.call)
            if parent in finished:
                depths[parent] = max(depth + 1, depths.get(parent, 0))
    # Calls of one depth keep the order in which they were visited.
    by_depth = sorted(depths, key=lambda node: -depths[node])
    position = {node: i for i, node in enumerate(by_depth)}
    return sorted(ordered, key=lambda call: position.get((call[0].name, call[1]), -1))


def _from_outputs(
    model: KerasModel, layers: dict[str, KerasLayer]
) -> dict[tuple[str, int], None]:
    """The calls reached from each output in turn, each after the calls it reads."""
    finished: dict[tuple[str, int], None] = {}
    for output in model.outputs:
        pending = [(output.layer, output.call, False)]
        while pending:
            name, index, read = pending.pop()
            layer = layers.get(name)
            if layer is None or index >= len(layer.calls) or (name, index) in finished:
                continue
            if read:
                finished[name, index] = None
                continue
            pending.append((name, index, True))
            refs = layer.calls[index].references()
            pending.extend((ref.layer, ref.call, False) for ref in reversed(refs))
    return finished


def ordered_calls(
    model: KerasModel, after: Mapping[CallName, CallName] | None = None
) -> Iterator[tuple[KerasLayer, int]]:
    """The calls, each after those it reads; otherwise in the order of the file.

    Args:
        model: that has the calls.
        after: calls, each with one that must come before it.

    Raises:
        ModelFileError: calls wait for each other in a circle.
    """
    by_name = {layer.name: (i, layer) for i, layer in enumerate(model.layers)}
    waiting: dict[tuple[int, int], set[tuple[int, int]]] = {}
    readers: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for i, layer in enumerate(model.layers):
        for k, call in enumerate(layer.calls):
            needs = set()
            for ref in call.references():
                if ref.layer in by_name:
                    position, source = by_name[ref.layer]
                    if ref.call < len(source.calls):
                        needs.add((position, ref.call))
            if after and (layer.name, k) in after:
                name, number = after[layer.name, k]
                needs.add((by_name[name][0], number))
            waiting[i, k] = needs
            for need in needs:
                readers.setdefault(need, []).append((i, k))
    ready = [call for call, needs in waiting.items() if not needs]
    heapify(ready)
    done = 0
    while ready:
        node = heappop(ready)
        done += 1
        yield model.layers[node[0]], node[1]
        for reader in readers.get(node, []):
            waiting[reader].discard(node)
            if not waiting[reader]:
                heappush(ready, reader)
    if done != len(waiting):
        name = next(model.layers[i].name for (i, _), needs in waiting.items() if needs)
        raise ModelFileError(
            f"architecture: layer {name!r} waits for itself in a circle"
        )


def in_file_order(
    model: KerasModel,
    nodes: Mapping[CallName, Sequence[Node]],
    several: Collection[str],
) -> list[Node]:
    """The nodes in the order of the file, which is that of Keras' ``summary()``.

    Args:
        model: that is called.
        nodes: of each call, in the order in which Keras runs them.
        several: layers whose calls pass states on, and keep that order.
    """
    after: dict[CallName, CallName] = {}
    for name in several:
        calls = [call for call in nodes if call[0] == name]
        after.update(zip(calls[1:], calls, strict=False))
    return [
        node
        for layer, index in ordered_calls(model, after)
        for node in nodes[layer.name, index]
    ]
