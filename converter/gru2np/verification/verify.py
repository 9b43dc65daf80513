"""Verify: the runtime beside the Keras that means what the file meant."""

from __future__ import annotations

import io
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gru2np.bundle import write
from gru2np.convert import convert
from gru2np.errors import VerificationError, naming
from gru2np.verification import cases, faithful, keras_process, samples
from gru2np.verification.beside import Beside
from gru2np.verification.comparison import HALF
from gru2np.verification.settings import Settings, precision
from gru2np_runtime import load

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from gru2np.convert import Conversion
    from gru2np.layers.custom import CustomLayers
    from gru2np.verification.result import Verification

    FilePath = str | os.PathLike[str]


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
    custom_layers: CustomLayers | None = None,
) -> Verification:
    """Run a model in Keras and in the runtime, and compare what they give.

    Keras runs in a child process: Keras 3 for files of Keras 3, tf-keras for files of
    Keras 2, and neither where it would mean something else by the file.  The file is
    converted first, so that Keras never sees one that gru2np refuses.

    Without inputs, several cases are made from the graph so that faults show: masks of
    every pattern, one step and many, saturated gates, zeros, every id of an Embedding,
    other batch sizes.  The result names them, and how each is drawn again.

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
        custom_layers: classes of your own, as ``export`` takes them; then outputs must
            be given as ``expected``, for Keras would need classes of its own kind.

    Raises:
        ModelFileError, UnsupportedModelError: the model cannot be converted.
        BundleError: the bundle breaks a rule.
        InputError: inputs or expected outputs do not fit the model.
        VerificationError: no installed Keras can run the file as it was meant, or
            there is no such case.
    """
    (found,) = verify_bundles(
        model,
        [bundle],
        inputs=inputs,
        expected=expected,
        weights=weights,
        settings=Settings(atol, rtol, layers),
        seed=seed,
        case=case,
        custom_layers=custom_layers,
    )
    return found


def verify_bundles(
    model: Any,
    bundles: Sequence[FilePath | None],
    *,
    inputs: Any = None,
    expected: Any = None,
    weights: FilePath | None = None,
    settings: Settings | None = None,
    seed: int = 0,
    case: str | None = None,
    custom_layers: CustomLayers | None = None,
) -> list[Verification]:
    """Verify several bundles of one model, for which Keras runs only once.

    See ``verify``.
    """
    settings = settings or Settings()
    if expected is not None and (settings.layers or inputs is None):
        raise VerificationError(
            "expected outputs belong to inputs, which must be given too"
            if inputs is None
            else "recorded outputs say nothing of the layers inside"
        )
    if inputs is not None and case is not None:
        raise VerificationError("a case is drawn: it has no inputs to be given")
    if expected is None and custom_layers:
        raise VerificationError(
            f"Keras would need its own classes for {', '.join(custom_layers)}: "
            f"{faithful.INSTEAD}"
        )
    with ExitStack() as stack:
        if hasattr(model, "save") and hasattr(model, "get_config"):
            live, folder = model, stack.enter_context(tempfile.TemporaryDirectory())
            model = Path(folder) / "model.keras"
            live.save(model)
        conversion = stack.enter_context(convert(model, weights, custom_layers))
        files = Path(model), None if weights is None else Path(weights)
        drawn = _cases(conversion, inputs, seed, case)
        sides = [
            _beside(conversion, files, bundle, settings, custom_layers or {})
            for bundle in bundles
        ]
        # The runtime first: what does not fit the model is found without Keras.
        for side in sides:
            side.predict(drawn)
        if expected is not None:
            return [side.beside_recorded(expected) for side in sides]
        answered = stack.enter_context(
            keras_process.run(
                conversion,
                faithful.choose(conversion),
                files,
                [list(own.inputs.values()) for own in drawn],
                batch_size=samples.declared_batch(conversion.built.graph),
                floatx=_floatx(conversion),
                layers=settings.layers,
            )
        )
        return [side.beside_keras(answered) for side in sides]


def _cases(
    conversion: Conversion, inputs: Any, seed: int, only: str | None
) -> list[cases.Drawn]:
    graph, names = conversion.built.graph, conversion.built.inputs.names
    if inputs is None:
        half = precision(conversion) in HALF
        return cases.draw(graph, names, seed, only, half=half)
    arrays = samples.by_name(inputs, names, "input")
    ports = zip(names, graph.inputs, strict=True)
    arrays = {name: arrays[name].astype(port.dtype) for name, port in ports}
    return [cases.Drawn(cases.GIVEN, "inputs that were given", None, arrays)]


def _beside(
    conversion: Conversion,
    files: tuple[Path, Path | None],
    bundle: FilePath | None,
    settings: Settings,
    custom_layers: CustomLayers,
) -> Beside:
    """The bundle, loaded, with nothing compared yet."""
    if bundle is not None:
        with naming(bundle):
            model = load(bundle, custom_layers=custom_layers)
        return Beside(conversion, model, Path(bundle).name, settings)
    memory = io.BytesIO()
    write(conversion, memory)
    model = load(memory.getvalue(), custom_layers=custom_layers)
    return Beside(conversion, model, None, settings)


def _floatx(conversion: Conversion) -> str:
    """What the writer's floats were, as far as the inputs tell."""
    ports = conversion.built.graph.inputs
    kinds = {port.dtype for port in ports if port.dtype[:5] == "float"}
    return "float64" if kinds == {"float64"} else "float32"
