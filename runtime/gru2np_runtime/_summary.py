"""A model to look at: its layers, and the table that ``summary`` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime._data import shape_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gru2np_runtime._layer import Array, Layer, Shape
    from gru2np_runtime._plan import Plan

# Where plans of wrappers keep those of the layers inside.
PARTS = ("forward", "backward", "inner")


class ModelLayer:
    """A layer of a model, to look at.

    Attributes:
        name: its path; layers of nested models stand behind ``/``.
        class_name: the Keras class it was.
        layer: what it means: its attributes.
        weights: its arrays by name, read-only.
        output_shapes: of its first call.
    """

    __slots__ = ("class_name", "layer", "name", "output_shapes", "weights")

    def __init__(
        self,
        name: str,
        class_name: str,
        layer: Layer,
        weights: Mapping[str, Array],
        output_shapes: Sequence[Shape],
    ) -> None:
        self.name = name
        self.class_name = class_name
        self.layer = layer
        self.weights = dict(weights)
        self.output_shapes = list(output_shapes)

    def __repr__(self) -> str:
        return f"<{self.class_name} {self.name!r}, {self.count_params()} parameters>"

    def count_params(self) -> int:
        """How many numbers its weights hold."""
        return sum(int(array.size) for array in self.weights.values())


def summary(title: str, layers: Iterable[ModelLayer]) -> str:
    """A line of title, and a table with a row for each layer."""
    rows = [("layer", "class", "output shape", "parameters")]
    for layer in layers:
        shapes = ", ".join(shape_text(shape) for shape in layer.output_shapes)
        rows.append((layer.name, layer.class_name, shapes, f"{layer.count_params():,}"))
    return "\n".join([title, *_table(rows, right=3)])


def plan_table(plans: Mapping[str, Plan]) -> str:
    """A table with a row for each layer and each layer inside another."""
    rows = [("layer", "op", "runs")]

    def add(name: str, plan: Plan) -> None:
        inner = {part: getattr(plan, part, None) for part in PARTS}
        inner.update(getattr(plan, "plans", {}))
        parts = {part: own for part, own in inner.items() if own is not None}
        rows.append((name, plan.layer.op, "of its layers" if parts else plan.how()))
        for part, own in parts.items():
            add(f"{name}/{part}", own)

    for name, plan in plans.items():
        add(name, plan)
    return "\n".join(_table(rows))


def _table(rows: Sequence[tuple[str, ...]], right: int | None = None) -> list[str]:
    """Lines of a table with a rule below its first row; column ``right`` is numbers."""
    columns = range(len(rows[0]))
    widths = [max(len(row[i]) for row in rows) for i in columns]
    lines = [
        "  ".join(
            cell.rjust(width) if i == right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths))
        ).rstrip()
        for row in rows
    ]
    lines.insert(1, "  ".join("─" * width for width in widths))
    return lines
