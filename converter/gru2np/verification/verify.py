"""Verify: the runtime beside the Keras that means what the file meant."""

from __future__ import annotations

import io
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np.conversion import convert, export
from gru2np.errors import VerificationError
from gru2np.verification import faithful, keras_process, samples
from gru2np.verification.comparison import (
    HALF,
    RECORDED,
    TOLERANCES,
    Comparison,
    Tolerance,
    compare,
    precision,
)
from gru2np.verification.result import Verification
from gru2np_runtime import __version__, load
from gru2np_runtime._manifest_writer import encode_name

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from gru2np.conversion import Conversion
    from gru2np.ir import KerasModel
    from gru2np.layers.custom import CustomLayers

    Array = NDArray[Any]
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
    custom_layers: CustomLayers | None = None,
) -> Verification:
    """Run a model in Keras and in the runtime, and compare what they give.

    Keras runs in a child process: Keras 3 for files of Keras 3, tf-keras for files of
    Keras 2, and neither where it would mean something else by the file.  The file is
    converted first, so that Keras never sees one that gru2np refuses.

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
        layers: compare every layer's output too.
        seed: of the drawn inputs.
        custom_layers: classes of your own, as ``export`` takes them; then outputs must
            be given as ``expected``, for Keras would need classes of its own kind.

    Raises:
        ModelFileError, UnsupportedModelError: the model cannot be converted.
        BundleError: the bundle breaks a rule.
        InputError: inputs or expected outputs do not fit the model.
        VerificationError: no installed Keras can run the file as it was meant.
    """
    if expected is not None and (layers or inputs is None):
        raise VerificationError(
            "expected outputs belong to inputs, which must be given too"
            if inputs is None
            else "recorded outputs say nothing of the layers inside"
        )
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
        own = custom_layers or {}
        return _Verifier(conversion, files, bundle, atol, rtol, own).verify(
            inputs, expected, layers, seed
        )


class _Verifier:
    """One verification: the model, its bundle, and how far they may be apart."""

    def __init__(
        self,
        conversion: Conversion,
        files: tuple[Path, Path | None],
        bundle: FilePath | None,
        atol: float | None,
        rtol: float | None,
        custom_layers: CustomLayers,
    ) -> None:
        self.conversion = conversion
        self.graph = conversion.built.graph
        self.files = files
        self.precision = precision(conversion)
        # Rows of a stateful model follow each other in batches of its own size.
        stateful = samples.is_stateful(self.graph)
        self.batch_size = samples.declared_batch(self.graph) if stateful else None
        self.atol, self.rtol = atol, rtol
        self.notes: list[str] = []
        self.bundle = None if bundle is None else Path(bundle).name
        if bundle is None:
            memory = io.BytesIO()
            export(files[0], memory, weights=files[1], custom_layers=custom_layers)
            self.model = load(memory.getvalue(), custom_layers=custom_layers)
        else:
            self.model = load(bundle, custom_layers=custom_layers)
            self._check_source()

    def _check_source(self) -> None:
        source, file = self.model.source, self.conversion.raw
        if source.get("sha256") != file.sha256:
            self.notes.append(
                f"{self.bundle} was exported from another file than {file.file_name} "
                f"({source.get('file_name')}, sha256 "
                f"{str(source.get('sha256'))[:8]}… and {file.sha256[:8]}…)"
            )

    def verify(
        self, inputs: Any, expected: Any, layers: bool, seed: int
    ) -> Verification:
        names = self.conversion.built.inputs.names
        if inputs is None:
            arrays = samples.draw(self.graph, names, seed)
        else:
            arrays = samples.by_name(inputs, names, "input")
            ports = zip(names, self.graph.inputs, strict=True)
            arrays = {name: arrays[name].astype(port.dtype) for name, port in ports}
        # The runtime first: what does not fit the model is found without Keras.
        given = list(arrays.values())
        outputs = self._outputs(self.model.predict(self._pack(given), self.batch_size))
        node_pairs: tuple[Comparison, ...] | None = None
        not_compared: tuple[str, ...] = ()
        if expected is None:
            keras = faithful.choose(self.conversion)
            answered = keras_process.run(
                self.conversion,
                keras,
                self.files,
                given,
                batch_size=samples.declared_batch(self.graph),
                floatx=self._floatx(),
                layers=layers,
            )
            self.notes.extend(answered.notes)
            compared = self._beside_keras(outputs, answered)
            if layers:
                node_pairs, not_compared = self._layers(given, answered)
            reference = str(answered)
        else:
            compared = self._beside_recorded(outputs, expected)
            reference = "recorded outputs"
        return Verification(
            model=self.conversion.raw.file_name,
            written_by=self.conversion.meaning.keras,
            bundle=self.bundle,
            reference=reference,
            runtime=f"gru2np_runtime {__version__}",
            inputs={k: (x.shape, x.dtype.name) for k, x in arrays.items()},
            drawn=seed if inputs is None else None,
            outputs=tuple(compared),
            layers=node_pairs,
            not_compared=not_compared,
            notes=tuple(self.notes),
        )

    def _pack(self, arrays: Sequence[Array]) -> Any:
        return self.conversion.built.inputs.pack(arrays)

    def _outputs(self, result: Any) -> dict[str, Array]:
        names = self.model.output_names
        if isinstance(result, dict):
            return result
        items = result if isinstance(result, list) else [result]
        return dict(zip(names, items, strict=True))

    def _floatx(self) -> str:
        """What the writer's floats were, as far as the inputs tell."""
        kinds = {port.dtype for port in self.graph.inputs if port.dtype[:5] == "float"}
        return "float64" if kinds == {"float64"} else "float32"

    def _tolerance(self, usual: Tolerance) -> Tolerance:
        return Tolerance(
            usual.atol if self.atol is None else self.atol,
            usual.rtol if self.rtol is None else self.rtol,
        )

    def _beside_keras(
        self, outputs: Mapping[str, Array], answered: keras_process.Answered
    ) -> Iterator[Comparison]:
        tolerance = self._tolerance(TOLERANCES[self.precision])
        found = answered.outputs
        if len(found) != len(outputs):
            raise VerificationError(
                f"{answered} gives {len(found)} outputs, the bundle {len(outputs)}"
            )
        by_key = {key: (array, dtype) for key, array, dtype in found}
        for i, (name, array) in enumerate(outputs.items()):
            pair = by_key[name] if name in by_key else found[i][1:]
            yield compare(name, array, pair[0], tolerance, expected_dtype=pair[1])

    def _beside_recorded(
        self, outputs: Mapping[str, Array], expected: Any
    ) -> Iterator[Comparison]:
        usual = RECORDED
        if self.precision in HALF:
            usual = Tolerance(RECORDED.atol, TOLERANCES[self.precision].rtol)
        tolerance = self._tolerance(usual)
        given = samples.by_name(expected, list(outputs), "expected output")
        for name, array in outputs.items():
            # Numbers count here, not how they were stored.
            yield compare(name, array, given[name], tolerance, same_dtype=False)

    def _layers(
        self, inputs: Sequence[Array], answered: keras_process.Answered
    ) -> tuple[tuple[Comparison, ...], tuple[str, ...]]:
        """Every node of the bundle beside the layer call of that name in Keras."""
        tolerance = self._tolerance(TOLERANCES[self.precision])
        unnamed = set(_unnamed(self.conversion.model, ""))
        theirs, only_there = {}, []
        for (path, number), outputs in answered.nodes.items():
            name = "/".join(map(encode_name, path)) + (f"#{number}" if number else "")
            theirs[name] = (answered.classes[path][0], outputs)
            if answered.classes[path][1]:
                only_there.append(name)
        compared, only_here = [], []
        for name, arrays in self._activations(inputs).items():
            if name.partition("#")[0] in unnamed:
                continue
            if name not in theirs:
                # Nodes behind # do what masks need, inside of Keras' layers.
                only_here += [] if "#" in name else [name]
                continue
            kind, outputs = theirs[name]
            for i, pair in enumerate(zip(arrays, outputs, strict=False)):
                label = f"{name} [{i}]" if len(arrays) > 1 else name
                array, (wanted, dtype) = pair
                compared.append(
                    compare(
                        label, array, wanted, tolerance, kind=kind, expected_dtype=dtype
                    )
                )
        known = {node.name for node in self.graph.nodes}
        left = [name for name in only_there if name not in known]
        return tuple(compared), (*only_here, *left)

    def _activations(self, inputs: Sequence[Array]) -> dict[str, list[Array]]:
        """Outputs of every node, over all batches where states are carried."""
        rows = len(inputs[0])
        size = self.batch_size or rows
        self.model.reset_states()
        found: dict[str, list[list[Array]]] = {}
        for start in range(0, rows, max(size, 1)):
            batch = self._pack([x[start : start + size] for x in inputs])
            for name, result in self.model.activations(batch).items():
                items = result if isinstance(result, list) else [result]
                found.setdefault(name, []).append(items)
            if size < rows:
                self.model.predict(batch)
        return {
            name: [_joined(parts) for parts in zip(*calls, strict=True)]
            for name, calls in found.items()
        }


def _joined(parts: Sequence[Array]) -> Array:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _unnamed(model: KerasModel, prefix: str) -> Iterator[str]:
    """Operations that Keras names anew at every load: until 3.10 most lost theirs."""
    for layer in model.layers:
        path = prefix + encode_name(layer.name)
        if layer.class_name.startswith("ops.") and "name" not in layer.config:
            yield path
        if layer.model is not None:
            yield from _unnamed(layer.model, f"{path}/")
