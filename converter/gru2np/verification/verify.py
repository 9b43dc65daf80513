"""Verify: the runtime compared with the Keras that means what the file meant."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gru2np.bundle import in_memory
from gru2np.convert import convert, model_file
from gru2np.errors import ModelFileError, VerificationError, naming
from gru2np.inspection.inspect import is_bundle
from gru2np.layers.spec import HALF
from gru2np.verification import cases, installed_keras, keras_process, samples
from gru2np.verification.bundle_comparison import BundleComparison
from gru2np.verification.float64 import Exact
from gru2np.verification.input_usage import usages
from gru2np.verification.landmarks import pool
from gru2np.verification.settings import Settings, precision
from gru2np_runtime import BundleError, load

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.convert import Conversion
    from gru2np.ir import Array, FilePath
    from gru2np.layers.custom import CustomObjects
    from gru2np.verification.keras_process import Outputs
    from gru2np.verification.result import Verification


def verify(
    model: Any,
    bundle: FilePath | None = None,
    *,
    inputs: Any = None,
    expected: Any = None,
    weights: FilePath | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    layers: bool = False,
    seed: int = 0,
    case: str | None = None,
    custom_objects: CustomObjects | None = None,
    saved_by: str | None = None,
) -> Verification:
    """Run a model in Keras and in the runtime, and compare what they give.

    Keras runs in a child process: Keras 3 for files of Keras 3, tf-keras for files of
    Keras 2, and neither where it would mean something else by the file.  The file is
    converted first, so that Keras never sees one that gru2np refuses.

    Without inputs, several cases are made from the graph so that faults show: masks of
    every pattern, one step and many, saturated gates, zeros, every id of an Embedding,
    both sides of every number at which a layer turns, other batch sizes.  The result
    names them, how each is drawn again, what none of them reached, and what both sides
    assume.

    Args:
        model: path of a saved model, or a live ``keras.Model``.
        bundle: path of the bundle to verify; without one, what ``export`` would
            write now.  A bundle of another file is compared all the same, with a note.
        inputs: an array, a list, a dict by input name, or the path of a ``.npy`` or
            ``.npz``; drawn so that they fit if not given.
        expected: recorded outputs in the same forms, by output name; no Keras is run.
        weights: path of the weights file that belongs to an architecture.
        atol: absolute tolerance, in place of the one for the model's number type.
        rtol: the same, relative to the largest number of an output.
        layers: compare every layer's output too, each layer fed what Keras fed it.
        seed: of the drawn inputs.
        case: the name of the one case to draw.
        custom_objects: classes of your own, as ``export`` takes them; then outputs must
            be given as ``expected``, for Keras would need classes of its own kind.
        saved_by: the Keras that saved the file, where it does not say: see ``export``.

    Raises:
        ModelFileError, UnsupportedModelError: the model cannot be converted.
        ValueError: ``saved_by`` names no Keras.
        BundleError: the bundle breaks a rule.
        InputError: inputs or expected outputs do not fit the model.
        VerificationError: no installed Keras can run the file as it was meant, or
            there is no such case.
    """
    settings = Settings(atol, rtol, layers)
    request = Request(inputs, expected, settings, seed, case, custom_objects, saved_by)
    with verifying(model, [bundle], request, weights) as (_, (found,)):
        return found


@dataclass(frozen=True)
class Request:
    """What is to be compared, and how; see ``verify``.

    Attributes:
        inputs: as the user has them; None where they are drawn.
        expected: recorded outputs; None where Keras is run.
        settings: how to compare.
        seed: of the drawn inputs.
        case: the name of the one case to draw; None for all.
        custom_objects: classes of the user's own.
        saved_by: the Keras that saved the file, where it does not say.

    Raises:
        VerificationError: these do not go together.
    """

    inputs: Any = None
    expected: Any = None
    settings: Settings = field(default_factory=Settings)
    seed: int = 0
    case: str | None = None
    custom_objects: CustomObjects | None = None
    saved_by: str | None = None

    def __post_init__(self) -> None:
        if self.expected is not None and (self.settings.layers or self.inputs is None):
            raise VerificationError(
                "expected outputs belong to inputs, which must be given too"
                if self.inputs is None
                else "recorded outputs say nothing of the layers inside"
            )
        if self.inputs is not None and self.case is not None:
            raise VerificationError("a case is drawn: it has no inputs to be given")
        if self.expected is None and self.custom_objects:
            raise VerificationError(
                f"Keras would need its own classes for {', '.join(self.custom_objects)}"
                f": {installed_keras.INSTEAD}"
            )


@contextmanager
def verifying(
    model: Any,
    bundles: Sequence[FilePath | None],
    request: Request,
    weights: FilePath | None = None,
) -> Iterator[tuple[Conversion, list[Verification]]]:
    """Verify bundles of one model, for which Keras runs only once; see ``verify``.

    Args:
        model: path of a saved model, or a live ``keras.Model``.
        bundles: paths; None is what ``export`` would write now.
        request: what is to be compared.
        weights: path of the weights file that belongs to an architecture.

    Yields:
        The model converted, its file open as long as the context lasts, and what was
        found for each bundle.
    """
    _check_order(model, bundles)
    with ExitStack() as stack:
        path, saved_by = stack.enter_context(model_file(model, request.saved_by))
        conversion = stack.enter_context(
            convert(path, weights, request.custom_objects, saved_by)
        )
        files = Path(path), None if weights is None else Path(weights)
        yield conversion, verify_conversion(conversion, files, bundles, request)


def _check_order(model: Any, bundles: Sequence[FilePath | None]) -> None:
    """Tell a bundle from a model, for each stands easily in the other's place.

    Raises:
        BundleError: a model is where a bundle should be.
        ModelFileError: a bundle is where the model should be.
    """
    order = "gru2np verify MODEL BUNDLE: the saved model first, then its bundle"
    if isinstance(model, (str, os.PathLike)) and is_bundle(Path(model)):
        raise ModelFileError(
            f"{Path(model).name}: expected a saved Keras model, got a bundle; {order}"
        )
    for bundle in bundles:
        if (
            bundle is not None
            and Path(bundle).is_file()
            and not is_bundle(Path(bundle))
        ):
            raise BundleError(
                f"{Path(bundle).name}: expected a bundle, an .npz that gru2np export "
                f"wrote; {order}"
            )


def verify_conversion(
    conversion: Conversion,
    files: tuple[Path, Path | None],
    bundles: Sequence[FilePath | bytes | None],
    request: Request,
) -> list[Verification]:
    """Verify bundles of a model that is open already; see ``verifying``.

    Args:
        conversion: of the model.
        files: the model and its weights apart, for Keras.
        bundles: paths, or the bytes of one that no file holds yet.
        request: what is to be compared.
    """
    sides = [_load(conversion, bundle, request) for bundle in bundles]
    drawn = _cases(conversion, request, sides)
    # The runtime first: what does not fit the model is found without Keras.
    for side in sides:
        side.predict(drawn)
    if request.expected is not None:
        return [side.compare_recorded(request.expected) for side in sides]
    run = partial(
        keras_process.run,
        conversion,
        installed_keras.choose(conversion),
        files,
        batch_size=samples.declared_batch(conversion.built.graph),
        floatx=_floatx(conversion),
    )
    inputs = [list(case.inputs.values()) for case in drawn]
    exact = None
    if precision(conversion) == "float32":
        known = usages(conversion.built.graph, conversion.weights)
        ports = conversion.built.graph.inputs
        pools = [pool(known[port.name], port.dtype, half=False) for port in ports]
        exact = Exact(conversion.built.graph, conversion.weights, pools)
    with run(inputs, layers=request.settings.layers, nudged=False) as answered:
        again = _Again(run, inputs, exact)
        return [side.compare_keras(answered, exact, again) for side in sides]


class _Again:
    """What Keras gives for every case a last digit away, found out at first need.

    That a model makes much of a last digit must not be the bundle's word alone.

    Args:
        run: runs Keras on cases.
        inputs: of the cases.
        exact: the file in float64.
    """

    def __init__(
        self, run: Any, inputs: Sequence[Sequence[Array]], exact: Exact | None
    ) -> None:
        self.run = run
        self.inputs = inputs
        self.exact = exact
        self.found: list[Outputs] | None = None

    def __call__(self, number: int) -> Outputs | None:
        """The outputs of a case; None where Keras does not run again."""
        assert self.exact is not None
        if self.found is None:
            moved = [
                [
                    x.astype(given.dtype)
                    for x, given in zip(
                        self.exact.nudged_inputs(case), case, strict=True
                    )
                ]
                for case in self.inputs
            ]
            try:
                with self.run(moved, layers=False, nudged=True) as answered:
                    self.found = answered.cases
            except VerificationError:
                self.found = []
        return self.found[number] if self.found else None


def _cases(
    conversion: Conversion, request: Request, sides: Sequence[BundleComparison]
) -> list[cases.Drawn]:
    graph, names = conversion.built.graph, conversion.built.inputs.names
    if request.inputs is None:
        return cases.draw(
            graph,
            conversion.weights,
            names,
            request.seed,
            request.case,
            half=precision(conversion) in HALF,
            others=[(side.model.graph, side.model.weights) for side in sides],
        )
    arrays = samples.by_name(request.inputs, names, "input")
    ports = zip(names, graph.inputs, strict=True)
    arrays = {name: arrays[name].astype(port.dtype) for name, port in ports}
    return [cases.Drawn(cases.GIVEN, "inputs that were given", None, arrays)]


def _load(
    conversion: Conversion, bundle: FilePath | bytes | None, request: Request
) -> BundleComparison:
    """The bundle, loaded, with nothing compared yet."""
    custom, settings = request.custom_objects or {}, request.settings
    if bundle is None:
        bundle, _ = in_memory(conversion)
    if isinstance(bundle, bytes):
        return BundleComparison(
            conversion, load(bundle, custom_objects=custom), None, settings
        )
    with naming(bundle):
        model = load(bundle, custom_objects=custom)
    return BundleComparison(conversion, model, Path(bundle).name, settings)


def _floatx(conversion: Conversion) -> str:
    """What the writer's floats were, as far as the inputs tell."""
    ports = conversion.built.graph.inputs
    kinds = {port.dtype for port in ports if port.dtype[:5] == "float"}
    return "float64" if kinds == {"float64"} else "float32"
