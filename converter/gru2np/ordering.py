"""The calls of a model, each after those it reads."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gru2np.ir import KerasLayer, KerasModel


def ordered_calls(model: KerasModel) -> Iterator[tuple[KerasLayer, int]]:
    """The calls, each after those it reads; the order of the file where it is free.

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
            waiting[i, k] = needs
            for need in needs:
                readers.setdefault(need, []).append((i, k))
    ready = [call for call, needs in waiting.items() if not needs]
    heapify(ready)
    done = 0
    while ready:
        call_position = heappop(ready)
        done += 1
        yield model.layers[call_position[0]], call_position[1]
        for reader in readers.get(call_position, []):
            waiting[reader].discard(call_position)
            if not waiting[reader]:
                heappush(ready, reader)
    if done != len(waiting):
        left = next(model.layers[i].name for (i, _), needs in waiting.items() if needs)
        raise ModelFileError(
            f"architecture: layer {left!r} waits for itself in a circle"
        )
