"""The arrays of a verification: inputs of every case, and outputs of both sides."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gru2np.ir import Array
    from gru2np.verification.comparison import Comparison, Tolerance


@dataclass(frozen=True)
class Reference:
    """The Keras that ran.

    Attributes:
        name: ``keras`` or ``tf-keras``.
        version: of the distribution.
        tensorflow: the version it ran on.
        rewritten: what the upgraded file says in other words, by layer, if Keras ran
            that file; None if it ran the model's own.
    """

    name: str
    version: str
    tensorflow: str
    rewritten: Mapping[str, str] | None = None

    def __str__(self) -> str:
        name = "Keras" if self.name == "keras" else self.name
        file = "" if self.rewritten is None else " on the upgraded file"
        return f"{name} {self.version} (tensorflow {self.tensorflow}){file}"


@dataclass(frozen=True)
class NodeEvidence:
    """One layer call in one case, with the inputs that it had in Keras.

    Attributes:
        name: of the node, as in the bundle.
        kind: its Keras class.
        inputs: its inputs in Keras.
        mask: its boolean mask; None if it uses none.
        theirs: Keras' outputs; half precision widened to float32.
        ours: the runtime's outputs from these inputs.
        exact: the same in float64; None if the layer does not run in float64.
    """

    name: str
    kind: str
    inputs: tuple[Array, ...]
    mask: Array | None
    theirs: tuple[Array, ...]
    ours: tuple[Array, ...]
    exact: tuple[Array, ...] | None

    @property
    def size(self) -> int:
        """Bytes of all arrays."""
        mask = () if self.mask is None else (self.mask,)
        exact = self.exact or ()
        arrays = (*self.inputs, *mask, *self.theirs, *self.ours, *exact)
        return sum(array.nbytes for array in arrays)


@dataclass(frozen=True)
class Case:
    """One set of inputs, with the outputs of Keras and of the runtime.

    Attributes:
        name: of the case, unique in a verification.
        description: what it tries, in a line.
        seed: the seed the inputs were drawn with; None for the user's inputs.
        calls: the number of calls that the rows are split into, with states carried
            from each to the next; 1 unless the model has a declared batch size.
        inputs: by input name.
        expected: Keras' outputs by output name; half precision widened to float32.
        outputs: the runtime's.
        compared: a comparison for each output.
        layers: one for each output of each layer call; None without ``layers``.
        nodes: the arrays of the layer calls, up to a limit of memory.
    """

    name: str
    description: str
    seed: int | None
    calls: int
    inputs: Mapping[str, Array]
    expected: Mapping[str, Array]
    outputs: Mapping[str, Array]
    compared: tuple[Comparison, ...]
    layers: tuple[Comparison, ...] | None = None
    nodes: tuple[NodeEvidence, ...] = ()

    @property
    def agrees(self) -> bool:
        """Whether every output is equal within its tolerance."""
        return all(pair.agrees for pair in self.compared)

    def judged_by_layers(self) -> Case:
        """The case with amplified rounding excused.

        An output in which the model amplifies rounding agrees if all layers agree.  A
        layer that amplifies rounding agrees if all outputs agree.
        """
        if self.layers is None:
            return self
        layers, compared = self.layers, self.compared
        if all(pair.agrees for pair in layers):
            compared = tuple(x.excused() if x.amplified else x for x in compared)
        if all(pair.agrees for pair in compared):
            layers = tuple(x.excused() if x.amplified else x for x in layers)
        return replace(self, layers=layers, compared=compared)

    def as_json(self) -> dict[str, Any]:
        """The case as ``verify --json`` prints it, without its arrays."""
        return {
            "name": self.name,
            "description": self.description,
            "seed": self.seed,
            "calls": self.calls,
            "agree": self.agrees,
            "inputs": {
                name: {"shape": list(x.shape), "dtype": x.dtype.name}
                for name, x in self.inputs.items()
            },
            "outputs": [pair.as_json() for pair in self.compared],
        }


@dataclass(frozen=True)
class Evidence:
    """Everything a verification compared.

    Attributes:
        reference: the Keras that ran; None for recorded outputs.
        tolerance: the tolerance of the outputs.
        cases: at least one.
    """

    reference: Reference | None
    tolerance: Tolerance
    cases: tuple[Case, ...]
