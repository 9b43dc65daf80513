"""Coverage: the breakpoints, special values and ids of layers that no case reached.

Agreement proves nothing about inputs that were never tried.  So the inputs of every
layer that has such numbers are recorded, wherever the layer is in the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from gru2np.text import listed, readable
from gru2np.verification.node_runner import NodeRunner
from gru2np_runtime import InputError
from gru2np_runtime.run.execution import in_dtype_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from gru2np.ir import Array
    from gru2np_runtime import Layer
    from gru2np_runtime.run.execution import GraphPlan


# At most this many numbers of a layer are listed; the others are counted.
SHOWN = 3


class Coverage:
    """The inputs of every layer with breakpoints, special values or ids, in all cases.

    Args:
        plan: of the graph.
    """

    def __init__(self, plan: GraphPlan) -> None:
        self.plan = plan
        self.seen: dict[str, _Seen] = {}
        wanted: set[str] = set()
        for node in plan.graph.nodes[::-1]:
            layer = plan.graph.layers[node.layer]
            # Nodes that masks need have # in their name, after that of their layer.
            name = node.layer.partition("#")[0]
            if layer.breakpoints() or layer.special_values() or layer.ids:
                self.seen.setdefault(node.layer, _Seen(name, layer))
                wanted.update(ref for ref, _ in node.references())
            elif node.name in wanted:
                wanted.update(ref for ref, _ in node.references())
        self.wanted = wanted

    def run(self, batches: Iterable[Sequence[Array]]) -> None:
        """Run the part of the graph that these layers need, on the inputs of a case."""
        if not self.seen:
            return
        calls = NodeRunner(self.plan)
        graph = self.plan.graph
        for batch in batches:
            values: dict[str, Sequence[Array]] = {
                port.name: (x,) for port, x in zip(graph.inputs, batch, strict=True)
            }
            for node in graph.nodes:
                seen = self.seen.get(node.layer)
                if seen is None and node.name not in self.wanted:
                    continue
                layer = graph.layers[node.layer]
                arrays = (values[ref][index] for ref, index in node.inputs)
                inputs = [in_dtype_of(layer, x) for x in arrays]
                if seen is not None:
                    seen.add(inputs[0])
                if node.name in self.wanted:
                    mask = node.mask and values[node.mask[0]][node.mask[1]]
                    try:
                        with np.errstate(over="ignore", invalid="ignore"):
                            values[node.name] = calls.call(node, inputs, mask)
                    except (InputError, IndexError, ValueError):
                        return

    def missed(self) -> list[str]:
        """A sentence for each thing that no case reached."""
        texts = (text for seen in self.seen.values() for text in seen.missed())
        return list(dict.fromkeys(texts))


class _Seen:
    """The numbers of one layer's inputs, over all cases."""

    def __init__(self, name: str, layer: Layer) -> None:
        self.name = readable(name)
        self.breakpoints = sorted(set(layer.breakpoints()))
        self.special = np.array(sorted(set(layer.special_values())))
        self.reached = np.zeros(len(self.special), bool)
        self.rows = np.zeros(getattr(layer, layer.ids) if layer.ids else 0, bool)
        self.least, self.most = np.inf, -np.inf

    def add(self, x: Array) -> None:
        """Record the numbers of an input."""
        numbers = x[np.isfinite(x)] if x.dtype.kind == "f" else x.ravel()
        if not numbers.size:
            return
        self.least = min(self.least, float(numbers.min()))
        self.most = max(self.most, float(numbers.max()))
        if self.special.size:
            # Layers compare a mask value with inputs in the dtype of the inputs.
            special = self.special
            if x.dtype.kind == "f":
                special = special.astype(x.dtype)
            self.reached |= np.isin(special, numbers)
        if self.rows.size:
            ids = numbers.astype(np.int64)
            self.rows[ids[(ids >= 0) & (ids < len(self.rows))]] = True

    def missed(self) -> Iterator[str]:
        """A sentence for each kind of number that the inputs missed."""
        if self.least > self.most:
            return
        uncrossed = [n for n in self.breakpoints if not self.least < n <= self.most]
        if uncrossed:
            yield (
                f"layer {self.name}: inputs from {self.least:.6g} to {self.most:.6g} "
                f"never crossed {_listed(uncrossed)}"
            )
        unreached = self.special[~self.reached].tolist()
        if unreached:
            yield f"layer {self.name}: no input was {_listed(unreached, 'or')}"
        if not self.rows.all():
            yield (
                f"layer {self.name}: {int((~self.rows).sum())} of its {len(self.rows)} "
                "rows were never used"
            )


def _listed(numbers: Sequence[float], last: str = "and") -> str:
    return listed([f"{number:.15g}" for number in numbers], SHOWN, last)
