"""Compare a bundle with Keras: its outputs and layers, in every case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.errors import VerificationError
from gru2np.layers.spec import HALF
from gru2np.verification import assumptions, float64, samples, storage_cost
from gru2np.verification.comparison import (
    NOT_FINITE,
    Comparison,
    Tolerance,
    compare,
    distance,
    refused,
)
from gru2np.verification.coverage import Coverage
from gru2np.verification.evidence import Case, Evidence, NodeEvidence
from gru2np.verification.layerwise import Layerwise, unnamed
from gru2np.verification.result import Verification
from gru2np.verification.settings import RECORDED, TOLERANCES, precision
from gru2np_runtime import InputError, __version__
from gru2np_runtime.proof.replay import SATURATED, flat

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from gru2np.convert import Conversion
    from gru2np.ir import Array
    from gru2np.verification.cases import Drawn
    from gru2np.verification.evidence import Reference
    from gru2np.verification.float64 import Exact
    from gru2np.verification.keras_process import Answered, Outputs
    from gru2np.verification.settings import Settings
    from gru2np_runtime import Model


# Bytes of layers' arrays that the evidence keeps, for the report.
KEPT = 2**27


# Gives the outputs of a case by its number; None if Keras cannot run again.
Again = Callable[[int], "Outputs | None"]


def _moved(keras_outputs: Outputs, again: Again, number: int, output: int) -> float:
    """How far last digits move an output of a case in Keras; 0 if that is unknown."""
    nudged = again(number)
    if nudged is None or nudged.refused:
        return 0.0
    moved = distance(nudged.arrays[output][1], keras_outputs.arrays[output][1])
    return 0.0 if np.isnan(moved) else moved


class BundleComparison:
    """One bundle, compared with recorded outputs or with Keras in every case."""

    def __init__(
        self,
        conversion: Conversion,
        model: Model,
        bundle: str | None,
        settings: Settings,
    ) -> None:
        self.conversion = conversion
        self.model = model
        self.bundle = bundle
        self.settings = settings
        self.graph = conversion.built.graph
        self.precision = precision(conversion)
        # The rows of a model with a declared batch size are split into such batches.
        self.batch_size = samples.declared_batch(self.graph)
        self.notes: list[str] = list(conversion.built.warnings)
        if model.storage is not None:
            self.notes.append(storage_cost.note(model.storage))
        self.drawn: list[Drawn] = []
        self.outputs: list[dict[str, Array] | str] = []

    def check_source(self, *, force: bool) -> None:
        """Check that the bundle was exported from the file that Keras reads.

        Args:
            force: note another file, and do not refuse it.

        Raises:
            VerificationError: it was exported from another file.
        """
        source, file = self.model.source, self.conversion.raw
        recorded = str(source.get("sha256"))
        if recorded == file.sha256:
            return
        text = (
            f"{self.bundle} was exported from another file than {file.file_name}: from "
            f"{source.get('file_name')} with SHA-256 {recorded[:8]}…, and this one has "
            f"{file.sha256[:8]}…"
        )
        if not force:
            raise VerificationError(
                f"{text}. Verify the file that it was exported from, write its bundle "
                f"with gru2np export {file.file_name}, or compare the two all the same "
                "with --force (force=True in Python)"
            )
        self.notes.append(text)

    def _tolerance(self, output: str, full: Tolerance, case: str) -> Tolerance:
        """The tolerance of an output, with the cost of small storage."""
        if self.model.storage is not None:
            full = storage_cost.tolerance(self.model.storage, output, full, case)
        return self.settings.tolerance(full)

    def predict(self, drawn: Sequence[Drawn]) -> None:
        """Run the runtime on every case.

        Raises:
            InputError: the inputs of no case fit the model.
        """
        stateful = samples.has_states(self.graph)
        refusal = None
        for case in drawn:
            self.model.reset_states()
            try:
                result = self.model.predict(
                    self.conversion.built.inputs.pack(list(case.inputs.values())),
                    self.batch_size if stateful else None,
                )
            except InputError as error:
                refusal = refusal or error
                self.outputs.append(str(error))
            else:
                names = self.model.output_names
                self.outputs.append(dict(zip(names, flat(result), strict=True)))
        if refusal is not None and all(
            isinstance(output, str) for output in self.outputs
        ):
            raise refusal
        self.drawn = list(drawn)

    def compare_recorded(self, expected: Any) -> Verification:
        """Compare with recorded outputs; the only case has the user's inputs."""
        default = RECORDED
        if self.precision in HALF:
            default = Tolerance(RECORDED.atol, TOLERANCES[self.precision].rtol)
        tolerance = self.settings.tolerance(default)
        (outputs,), (drawn,) = self.outputs, self.drawn
        assert not isinstance(outputs, str)
        wanted = samples.by_name(expected, list(outputs), "expected output")
        compared = []
        for name, x in outputs.items():
            tolerated = self._tolerance(name, default, drawn.name)
            # A file of outputs may have another dtype than the model.
            compared.append(
                compare(
                    name,
                    x,
                    wanted[name],
                    tolerated,
                    case=drawn.name,
                    same_dtype=False,
                )
            )
        case = self._case(drawn, wanted, outputs, compared)
        return self._verification(Evidence(None, tolerance, (case,)))

    def compare_keras(
        self, answered: Answered, exact: Exact | None, again: Again
    ) -> Verification:
        """Compare with the outputs of Keras.

        Args:
            answered: the outputs of Keras.
            exact: the file's model in float64; None for models that are not float32.
            again: the outputs of Keras with every number changed in its last digit.
        """
        tolerance = self.settings.tolerance(TOLERANCES[self.precision])
        upgraded = answered.reference.rewritten is not None
        layerwise = self._layerwise(exact, tolerance, upgraded=upgraded)
        cases: list[Case] = []
        kept = 0
        for number in range(len(self.drawn)):
            case = self._judged_case(number, answered, exact, again)
            if case is not None and layerwise is not None:
                case = self._layers(case, layerwise, answered, number, KEPT - kept)
                kept += sum(node.size for node in case.nodes)
            if case is not None and not self._is_left_out(case, answered.reference):
                lenient = self.settings.lenient
                cases.append(case.judged_by_layers() if lenient else case)
        if not cases:
            raise VerificationError(
                f"{answered.reference} and the runtime cannot be compared: "
                f"{'; '.join(self.notes)}"
            )
        self.notes.extend(answered.notes)
        evidence = Evidence(answered.reference, tolerance, tuple(cases))
        not_compared = () if layerwise is None else tuple(layerwise.not_compared)
        assumed = assumptions.shared(self.conversion, answered.reference)
        return self._verification(evidence, not_compared, assumed)

    def _layerwise(
        self, exact: Exact | None, tolerance: Tolerance, *, upgraded: bool
    ) -> Layerwise | None:
        """Compares layers; None if not asked for, or if weights are stored small."""
        if not self.settings.layers:
            return None
        if self.model.storage is not None:
            self.notes.append(
                "layers are not compared: each with a kernel stored small differs"
            )
            return None
        # An upgraded file names every operation.
        names = frozenset(() if upgraded else unnamed(self.conversion.model))
        plan, lenient = self.model.graph_plan, self.settings.lenient
        return Layerwise(plan, exact, names, tolerance, lenient)

    def _judged_case(
        self, number: int, answered: Answered, exact: Exact | None, again: Again
    ) -> Case | None:
        """The comparison of a case's outputs; None if Keras refuses its inputs."""
        drawn, outputs = self.drawn[number], self.outputs[number]
        keras = answered.cases[number]
        if keras.refused:
            self.notes.append(
                f"case {drawn.name} is left out: {answered.reference} refuses its "
                f"inputs: {keras.refused}"
            )
            return None
        case = self._compare_outputs(drawn, outputs, answered, number)
        if exact is None or isinstance(outputs, str):
            return case
        return float64.judge_case(
            case,
            exact,
            self._batches(case.inputs),
            partial(_moved, keras, again, number),
            always=self.settings.layers,
            lenient=self.settings.lenient,
        )

    def _is_left_out(self, case: Case, reference: Reference) -> bool:
        reason = self._reason_to_leave_out(case, reference)
        if reason:
            self.notes.append(f"case {case.name} is left out: {reason}")
        return bool(reason)

    def _reason_to_leave_out(self, case: Case, reference: Reference) -> str:
        """Why a case gives no verdict; empty if it gives one."""
        if case.name == SATURATED and any(
            pair.reason == NOT_FINITE
            and not np.isfinite(case.expected[pair.name]).all()
            for pair in case.compared
        ):
            # Which elements are then infinite or NaN depends on the build of Keras.
            return f"numbers that large overflow in {reference}"
        if not self.settings.lenient or not any(
            pair.amplified for pair in case.compared
        ):
            return ""
        reason = (
            "this model amplifies rounding so much that no two programs agree on it"
        )
        if case.layers is None:
            return f"{reason}; --layers compares each of its layers alone"
        return reason if any(pair.amplified for pair in case.layers) else ""

    def _compare_outputs(
        self,
        drawn: Drawn,
        outputs: dict[str, Array] | str,
        answered: Answered,
        number: int,
    ) -> Case:
        names = self.model.output_names
        arrays = answered.cases[number].arrays
        if len(arrays) != len(names):
            raise VerificationError(
                f"{answered.reference} gives {len(arrays)} outputs, but the bundle "
                f"gives {len(names)}"
            )
        by_key = {key: (array, dtype) for key, array, dtype in arrays}
        expected, compared = {}, []
        for i, name in enumerate(names):
            array, dtype = by_key[name] if name in by_key else arrays[i][1:]
            expected[name] = array
            if isinstance(outputs, str):
                compared.append(refused(name, array, outputs, case=drawn.name))
            else:
                compared.append(
                    compare(
                        name,
                        outputs[name],
                        array,
                        self._tolerance(name, TOLERANCES[self.precision], drawn.name),
                        case=drawn.name,
                        expected_dtype=dtype,
                    )
                )
        return self._case(
            drawn, expected, {} if isinstance(outputs, str) else outputs, compared
        )

    def _layers(
        self,
        case: Case,
        layerwise: Layerwise,
        answered: Answered,
        number: int,
        room: int,
    ) -> Case:
        """The case with its layers compared; arrays are kept up to ``room`` bytes."""
        compared: list[Comparison] = []
        nodes: list[NodeEvidence] = []
        batches = self._batches(case.inputs)
        for pairs, node in layerwise.case(case.name, batches, answered.nodes(number)):
            compared += pairs
            room -= node.size
            if room >= 0:
                nodes.append(node)
        return replace(case, layers=tuple(compared), nodes=tuple(nodes))

    def _batches(self, inputs: Mapping[str, Array]) -> list[list[Array]]:
        """The inputs of each call, in the order of the graph's inputs."""
        arrays = list(inputs.values())
        rows = len(arrays[0])
        size = max(self.batch_size or rows, 1)
        starts = range(0, max(rows, 1), size)
        return [[x[start : start + size] for x in arrays] for start in starts]

    def _case(
        self,
        drawn: Drawn,
        expected: Mapping[str, Array],
        outputs: Mapping[str, Array],
        compared: Sequence[Comparison],
    ) -> Case:
        return Case(
            name=drawn.name,
            description=drawn.description,
            seed=drawn.seed,
            calls=len(self._batches(drawn.inputs)),
            inputs=drawn.inputs,
            expected=expected,
            outputs=outputs,
            compared=tuple(compared),
        )

    def _verification(
        self,
        evidence: Evidence,
        not_compared: tuple[str, ...] = (),
        assumed: tuple[str, ...] = (),
    ) -> Verification:
        coverage = Coverage(self.model.graph_plan)
        for case in evidence.cases:
            coverage.run(self._batches(case.inputs))
        return Verification(
            model=self.conversion.raw.file_name,
            written_by=self.conversion.meaning.writer,
            bundle=self.bundle,
            runtime=f"gru2np_runtime {__version__}",
            evidence=evidence,
            not_compared=not_compared,
            notes=tuple(self.notes),
            assumptions=assumed,
            missed=tuple(coverage.missed()),
        )
