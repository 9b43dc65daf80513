"""What a report says of one tensor and of one layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int | None, ...]


@dataclass(frozen=True)
class Tensor:
    """An input or output of a model.

    Attributes:
        name: its name.
        shape: with None where any size fits; axis 0 is the batch.
        dtype: NumPy's name.
    """

    name: str
    shape: Shape
    dtype: str


@dataclass(frozen=True)
class LayerFacts:
    """A layer.

    Attributes:
        path: its path; layers of nested models stand behind ``/``.
        class_name: its Keras class.
        op: what it is in the bundle; empty if it cannot be converted.
        output_shapes: of its first call.
        parameters: how many numbers its weights hold, those inside included; None
            if they cannot be told.
        options: every option, written out; of a model that cannot be converted, as
            they stand in the file.
        notable: names of the options that are not at their default.
        weights: shapes by name.
        calls: how often the model calls it.
        inputs: where its first call reads.
        mask: the layer that its mask comes from, if it uses one.
        inside: layers inside it.
    """

    path: str
    class_name: str
    op: str = ""
    output_shapes: tuple[Shape, ...] = ()
    parameters: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    notable: tuple[str, ...] = ()
    weights: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    calls: int = 1
    inputs: tuple[str, ...] = ()
    mask: str | None = None
    inside: tuple[LayerFacts, ...] = ()
