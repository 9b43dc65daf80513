"""Verify: compare the runtime with the Keras that reads the file as it was meant."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gru2np.bundle import in_memory
from gru2np.convert import convert, model_file
from gru2np.errors import (
    Gru2npError,
    ModelFileError,
    VerificationError,
    check_path,
    naming,
)
from gru2np.graph.parts import Part, part_of
from gru2np.inspection.inspect import is_bundle
from gru2np.layers.spec import HALF
from gru2np.verification import (
    cases,
    installed_keras,
    keras_objects,
    keras_process,
    samples,
    upgraded_file,
)
from gru2np.verification.bundle_comparison import BundleComparison
from gru2np.verification.float64 import Exact
from gru2np.verification.input_usage import usages
from gru2np.verification.landmarks import pool
from gru2np.verification.settings import Settings, precision
from gru2np_runtime import BundleError, load
from gru2np_runtime.bundle.kinds import no_bundle_at
from gru2np_runtime.bundle.opening import open_bundle
from gru2np_runtime.data import cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from gru2np.convert import Conversion
    from gru2np.ir import Array, FilePath
    from gru2np.upgrading.upgrade import Upgrade
    from gru2np.verification.bundle_comparison import Again
    from gru2np.verification.keras_process import Answered, Outputs
    from gru2np.verification.result import Verification
    from gru2np_runtime.custom_objects import CustomObjects


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
    keras_custom_objects: FilePath | None = None,
    saved_by: str | None = None,
    force: bool = False,
    part_outputs: str | Sequence[str] | None = None,
    part_inputs: str | Sequence[str] | None = None,
) -> Verification:
    """Run a model in Keras and in the runtime, and compare the outputs.

    Keras runs in a child process: Keras 3 for files of Keras 3, tf-keras for files of
    Keras 2.  If it would read the file differently from the Keras that saved it, Keras
    3 runs the file that ``upgrade`` makes of the model, and the result says so.  The
    file is converted first, so that Keras never opens a file that gru2np refuses.

    Without inputs, several cases are made from the graph so that faults show: masks of
    every pattern, one step and many, saturated gates, zeros, every id of an Embedding,
    both sides of every breakpoint of a layer, other batch sizes.  The result lists the
    cases with their seed, the breakpoints that no case reached, and what both sides
    assume.

    Args:
        model: path of a saved model, or a live ``keras.Model``.
        bundle: path of the bundle to verify; if None, what ``export`` would write now.
            The bundle of another file is refused, as its numbers say nothing of this
            file; unless the model is a live one, which has no file.
        inputs: an array, a list, a dict by input name, or the path of a ``.npy`` or
            ``.npz``; if None, inputs that fit the model are drawn.
        expected: recorded outputs in the same forms, by output name; no Keras runs.
        weights: path of the weights of an architecture.
        atol: absolute tolerance; by default that of the model's dtype.
        rtol: relative tolerance, by the largest number of an output; the same default.
        layers: compare every layer's output too, each layer with its inputs in Keras.
        seed: of the drawn inputs.
        case: draw only the case of this name.
        custom_objects: as for ``export``; they need ``keras_custom_objects`` too, or
            ``expected``.
        keras_custom_objects: path of a Python file that defines this name for the Keras
            in the child process: a dict by the same names, or a function that takes the
            module of Keras and returns one.
        saved_by: the Keras that saved the file, if the file does not say: see
            ``export``.
        force: compare the bundle of another file all the same, with a note.
        part_outputs: compare a part of the model, with these outputs: ``outputs`` of
            ``export``.  A bundle of a part says itself of which.
        part_inputs: the same with these inputs: ``inputs`` of ``export``.

    Raises:
        ModelFileError, UnsupportedModelError: the model cannot be converted.
        ValueError: ``saved_by`` names no Keras.
        BundleError: the bundle breaks a rule.
        InputError: inputs or expected outputs do not fit the model.
        VerificationError: no installed Keras can run the file as it was meant, or as
            upgraded, the model has no case of that name, or the bundle is of another
            file.
    """
    settings = Settings(atol, rtol, layers)
    request = Request(
        inputs,
        expected,
        settings,
        seed,
        case,
        custom_objects,
        saved_by,
        keras_custom_objects,
        force,
        part=part_of(part_outputs, part_inputs),
    )
    with verifying(model, [bundle], request, weights) as (_, (verification,)):
        return verification


@dataclass(frozen=True)
class Request:
    """What to compare, and how; see ``verify``.

    Attributes:
        inputs: in a form that ``verify`` takes; None to draw them.
        expected: recorded outputs; None to run Keras.
        settings: tolerances, and whether to compare layers.
        seed: of the drawn inputs.
        case: draw only the case of this name; None for all.
        custom_objects: custom classes by name.
        saved_by: the Keras that saved the file, if the file does not say.
        keras_custom_objects: path of a file that defines them for Keras.
        force: compare the bundle of another file too.
        progress: called with what is done now.
        part: the part of the model; None for that of the bundle, or the whole model.

    Raises:
        VerificationError: two of them exclude each other.
    """

    inputs: Any = None
    expected: Any = None
    settings: Settings = field(default_factory=Settings)
    seed: int = 0
    case: str | None = None
    custom_objects: CustomObjects | None = None
    saved_by: str | None = None
    keras_custom_objects: FilePath | None = None
    force: bool = False
    progress: keras_process.Progress = keras_process.silent
    part: Part | None = None

    def __post_init__(self) -> None:
        if self.expected is not None and (self.settings.layers or self.inputs is None):
            raise VerificationError(
                "expected outputs need the inputs that they were recorded with: give "
                "inputs too"
                if self.inputs is None
                else "recorded outputs hold no outputs of layers: leave out layers or "
                "expected"
            )
        if self.inputs is not None and self.case is not None:
            raise VerificationError(
                "a case draws its own inputs: leave out case or inputs"
            )


@contextmanager
def verifying(
    model: Any,
    bundles: Sequence[FilePath | None],
    request: Request,
    weights: FilePath | None = None,
) -> Iterator[tuple[Conversion, list[Verification]]]:
    """Verify bundles of one model with one run of Keras; see ``verify``.

    Args:
        model: path of a saved model, or a live ``keras.Model``.
        bundles: paths; None for what ``export`` would write now.
        request: what to compare.
        weights: path of the weights of an architecture.

    Yields:
        The conversion, whose file is open while the context lasts, and a verification
        for each bundle.
    """
    example = "verify('model.h5', 'model.npz')"
    for name, values in (("bundle", bundles), ("weights", [weights])):
        for value in values:
            if value is not None:
                check_path(value, name, example)
    _check_order(model, bundles)
    with ExitStack() as stack:
        path, saved_by = stack.enter_context(model_file(model, request.saved_by))
        check_path(path, "model", example, other=" or a live keras.Model")
        part = _part(bundles, request)
        conversion = stack.enter_context(
            convert(path, weights, request.custom_objects, saved_by, part)
        )
        if request.expected is None:
            needed = sorted(conversion.specs.used)
            keras_objects.check(needed, request.keras_custom_objects)
        files = Path(path), None if weights is None else Path(weights)
        if path is not model:
            # A live model is saved again and again, never to equal bytes.
            request = replace(request, force=True)
        yield conversion, verify_conversion(conversion, files, bundles, request)


def _part(bundles: Sequence[FilePath | None], request: Request) -> Part | None:
    """The part to compare: that of the bundles, which the request may repeat.

    Raises:
        VerificationError: a bundle is of another part.
    """
    for bundle in bundles:
        if bundle is None:
            continue
        with naming(bundle):
            opened = open_bundle(bundle, request.custom_objects, mapped=True)
        record = opened.manifest.part
        part = None if record is None else Part(*map(tuple, _lists(record)))
        if request.part not in (None, part):
            words = "the whole model" if part is None else _words(part)
            raise VerificationError(
                f"{Path(bundle).name} is a bundle of {words}, and not of "
                f"{_words(request.part)}: leave these options out"
            )
        return part
    return request.part


def _lists(record: Mapping[str, list[str]]) -> tuple[list[str], list[str]]:
    return record["inputs"], record["outputs"]


def _words(part: Part) -> str:
    return " ".join(f"{key} {names}" for key, names in part.options)


def _check_order(model: Any, bundles: Sequence[FilePath | None]) -> None:
    """Refuse a bundle in the place of the model, and the other way round.

    Raises:
        BundleError: an argument for a bundle is no bundle.
        ModelFileError: the argument for the model is a bundle.
    """
    order = "gru2np verify MODEL BUNDLE takes the saved model first, then its bundle"
    named = isinstance(model, (str, os.PathLike))
    if named and is_bundle(Path(model)) and no_bundle_at(model) is None:
        raise ModelFileError(
            f"{Path(model).name}: expected a saved Keras model, got a bundle; {order}"
        )
    for bundle in bundles:
        if bundle is None or not Path(bundle).exists():
            continue
        wrong = no_bundle_at(bundle)
        if wrong is not None:
            raise BundleError(f"{Path(bundle).name}: {wrong}; {order}")


def verify_conversion(
    conversion: Conversion,
    files: tuple[Path, Path | None],
    bundles: Sequence[FilePath | bytes | None],
    request: Request,
    upgrade: Upgrade | None = None,
) -> list[Verification]:
    """Verify bundles of a model that has been converted; see ``verifying``.

    Args:
        conversion: of the model.
        files: paths of the model and, if they are in another file, of its weights.
        bundles: paths, bytes of a bundle, or None.
        request: what to compare.
        upgrade: of the model, if Keras is to run that; None for the model's own file
            where a Keras reads it.
    """
    sides = [_load(conversion, bundle, request) for bundle in bundles]
    drawn = _cases(conversion, request, sides)
    request.progress(f"running {len(drawn)} cases here", 0, 0)
    # The runtime runs first, so that inputs that do not fit are refused early.
    for side in sides:
        side.predict(drawn)
    if request.expected is not None:
        return [side.compare_recorded(request.expected) for side in sides]
    inputs = [list(case.inputs.values()) for case in drawn]
    exact = None
    if precision(conversion) == "float32":
        known = usages(conversion.built.graph, conversion.weights)
        ports = conversion.built.graph.inputs
        pools = [pool(known[port.name], port.dtype, half=False) for port in ports]
        exact = Exact(conversion.built.graph, conversion.weights, pools)
    names = [case.name for case in drawn]
    with ExitStack() as stack:
        run, answered = _in_keras(
            stack, conversion, files, request, inputs, names, upgrade
        )
        request.progress("comparing", 0, 0)
        again = _nudged_keras(run, inputs, exact)
        return [side.compare_keras(answered, exact, again) for side in sides]


def _in_keras(
    stack: ExitStack,
    conversion: Conversion,
    files: tuple[Path, Path | None],
    request: Request,
    inputs: Sequence[Sequence[Array]],
    names: Sequence[str],
    upgrade: Upgrade | None,
) -> tuple[Any, Answered]:
    """The outputs of a Keras that reads the model as it was meant.

    Args:
        stack: keeps its files.
        conversion: of the model.
        files: as for ``verify_conversion``.
        request: what to compare.
        inputs: of the cases.
        names: of the cases.
        upgrade: to run in the place of the model's own file.

    Returns:
        A function that runs this Keras on cases, and its outputs.

    Raises:
        VerificationError: no installed Keras reads the model's own file, nor the
            upgraded one.
    """

    def started(
        of: Conversion, files: tuple[Path, Path | None]
    ) -> tuple[Any, Answered]:
        run = partial(
            keras_process.run,
            of,
            installed_keras.choose(of),
            files,
            batch_size=samples.declared_batch(conversion.built.graph),
            floatx=_floatx(conversion),
            objects=request.keras_custom_objects,
            progress=request.progress,
            names=names,
        )
        layers = request.settings.layers
        return run, stack.enter_context(run(inputs, layers=layers, nudged=False))

    reason = None
    if upgrade is None:
        try:
            return started(conversion, files)
        except installed_keras.NoReader as error:
            reason = error
        upgrade = upgraded_file.upgraded_whole(
            conversion, request.custom_objects, reason
        )
    try:
        opened = upgraded_file.opened(conversion, upgrade, request.custom_objects)
        file = stack.enter_context(opened)
        run, answered = started(file.conversion, (file.path, None))
    except Gru2npError as error:
        if reason is None:
            raise
        raise upgraded_file.refused(reason, error) from None
    return run, upgraded_file.told(answered, upgrade, reason)


def _nudged_keras(
    run: Any, inputs: Sequence[Sequence[Array]], exact: Exact | None
) -> Again:
    """Keras' outputs with every number changed in its last digit; run at first use.

    Whether a model amplifies rounding must not be decided from the bundle alone.

    Args:
        run: runs Keras on cases.
        inputs: of the cases.
        exact: the file's model in float64.
    """

    @cache
    def outputs() -> list[Outputs]:
        assert exact is not None
        nudged = [
            [
                x.astype(original.dtype)
                for x, original in zip(exact.nudged_inputs(case), case, strict=True)
            ]
            for case in inputs
        ]
        try:
            with run(nudged, layers=False, nudged=True) as answered:
                cases: list[Outputs] = answered.cases
        except VerificationError:
            return []
        return cases

    return lambda number: outputs()[number] if outputs() else None


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
    arrays = {
        name: cast(arrays[name], f"input {name!r}", port.dtype) for name, port in ports
    }
    return [cases.Drawn(cases.GIVEN, "your inputs", None, arrays)]


def _load(
    conversion: Conversion, bundle: FilePath | bytes | None, request: Request
) -> BundleComparison:
    """Load a bundle for comparison."""
    custom, settings = request.custom_objects or {}, request.settings
    if bundle is None:
        bundle, _ = in_memory(conversion)
    if isinstance(bundle, bytes):
        return BundleComparison(
            conversion, load(bundle, custom_objects=custom), None, settings
        )
    with naming(bundle):
        model = load(bundle, custom_objects=custom)
    side = BundleComparison(conversion, model, Path(bundle).name, settings)
    side.check_source(force=request.force)
    return side


def _floatx(conversion: Conversion) -> str:
    """Keras' ``floatx`` when the file was saved, judged by the dtypes of the inputs."""
    ports = conversion.built.graph.inputs
    dtypes = {port.dtype for port in ports if port.dtype[:5] == "float"}
    return "float64" if dtypes == {"float64"} else "float32"
