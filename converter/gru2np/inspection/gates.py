"""The gates of recurrent layers: their columns of the weights, and equations."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gru2np.inspection.choices import activation_text
from gru2np_runtime.graph import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    from gru2np_runtime import Layer

# Gates in the order of their columns, with their names.
_GRU = {"z": "update gate", "r": "reset gate", "h": "candidate"}
_LSTM = {"i": "input gate", "f": "forget gate", "c": "candidate", "o": "output gate"}
_SIMPLE = {"h": "state"}
GATES = {
    "gru": _GRU,
    "gru_cell": _GRU,
    "lstm": _LSTM,
    "lstm_cell": _LSTM,
    "simple_rnn": _SIMPLE,
    "simple_rnn_cell": _SIMPLE,
}
# All elements of weights are shown up to this many units and features.
SMALL = 4


@dataclass(frozen=True)
class Gates:
    """The weights of one recurrent layer or cell, explained.

    Attributes:
        layer: its path; halves of Bidirectional and cells come after ``/``.
        class_name: ``GRU``, ``LSTM``, ``SimpleRNN`` or the class of the cell.
        units: the number of units.
        features: the number of features of a time step.
        names: the letter and the name of each gate, in the order of their columns.
        columns: for each gate the first column and the one after the last, the same in
            ``kernel``, ``recurrent_kernel`` and ``bias``.
        shapes: of the weights, by name.
        bias_rows: what each row of a ``bias`` with two rows is added to.
        reset_after: for a GRU, whether the reset gate multiplies the product of state
            and kernel, not the state.
        equations: of one time step, line by line.
        values: the weights of small layers, by name.
    """

    layer: str
    class_name: str
    units: int
    features: int
    names: Mapping[str, str]
    columns: Mapping[str, tuple[int, int]]
    shapes: Mapping[str, tuple[int, ...]]
    bias_rows: tuple[str, ...]
    reset_after: bool | None
    equations: tuple[str, ...]
    values: Mapping[str, Any] = field(default_factory=dict)


def gates_of(
    path: str,
    layer: Layer,
    shapes: Mapping[str, tuple[int, ...]],
    read: Callable[[str], NDArray[Any]],
) -> Iterator[Gates]:
    """The gates of a layer and of every layer inside it.

    Args:
        path: of the layer.
        layer: the runtime's layer.
        shapes: of all weights, by path.
        read: reads a weight by its path.
    """
    for at, cell in walk(layer, path):
        if cell.op not in GATES:
            continue
        attributes = cell.attributes()
        units, names = attributes["units"], GATES[cell.op]
        weights = {
            name: shapes[f"{at}/{name}"]
            for name in ("kernel", "recurrent_kernel", "bias")
            if f"{at}/{name}" in shapes
        }
        features = weights["kernel"][0]
        small = units <= SMALL and features <= SMALL
        yield Gates(
            layer=at,
            class_name=type(cell).__name__,
            units=units,
            features=features,
            names=names,
            columns={
                gate: (i * units, (i + 1) * units) for i, gate in enumerate(names)
            },
            shapes=weights,
            bias_rows=_bias_rows(weights.get("bias", ())),
            reset_after=attributes.get("reset_after"),
            equations=equations(cell),
            values={name: read(f"{at}/{name}").tolist() for name in weights}
            if small
            else {},
        )


def _bias_rows(shape: tuple[int, ...]) -> tuple[str, ...]:
    if len(shape) != 2:
        return ()
    return ("added to x @ kernel", "added to h @ recurrent_kernel")


def equations(cell: Layer) -> tuple[str, ...]:
    """The equations of one time step: W kernel, U recurrent_kernel, b bias."""
    attributes = cell.attributes()
    g = activation_text(attributes["activation"])
    bias = attributes["use_bias"]
    if cell.op.startswith("simple_rnn"):
        return (f"h' = {g}(x @ W + h @ U{' + b' if bias else ''})",)
    f = activation_text(attributes["recurrent_activation"])
    if cell.op.startswith("lstm"):
        return (
            *(
                f"{name:2} = {function}(x @ W{gate} + h @ U{gate}"
                f"{f' + b{gate}' if bias else ''})"
                for name, gate, function in (
                    ("i", "i", f),
                    ("f", "f", f),
                    ("cc", "c", g),
                    ("o", "o", f),
                )
            ),
            "c' = f * c + i * cc",
            f"h' = o * {g}(c')",
        )
    if attributes["reset_after"]:
        first, second = ("b0", "b1") if bias else ("", "")
        inner = f"h @ Uh{' + b1h' if bias else ''}"
        candidate = f"x @ Wh{' + b0h' if bias else ''} + r * ({inner})"
    else:
        first, second = ("b", "") if bias else ("", "")
        candidate = f"x @ Wh{' + bh' if bias else ''} + (r * h) @ Uh"
    lines = []
    for gate in "zr":
        biases = "".join(f" + {b}{gate}" for b in (first, second) if b)
        lines.append(f"{gate}  = {f}(x @ W{gate} + h @ U{gate}{biases})")
    return (*lines, f"hh = {g}({candidate})", "h' = z * h + (1 - z) * hh")
