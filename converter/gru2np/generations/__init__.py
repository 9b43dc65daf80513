"""Keras generations: each turns a raw model into the one spelling, with its meaning.

Nothing after this package asks which Keras release wrote a file.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from gru2np.errors import ModelFileError, UnsupportedModelError
from gru2np.generations import keras1, keras2, keras3
from gru2np.generations.releases import Reader, Writers, line, numbers
from gru2np.generations.saved_by import parsed
from gru2np.meaning import Readings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from gru2np.generations.releases import Line, Release, Version
    from gru2np.generations.saved_by import SavedBy
    from gru2np.ir import KerasModel, RawModel
    from gru2np.meaning import Meaning

# A generation by the major version of Keras.
GENERATIONS = {1: keras1, 2: keras2, 3: keras3}


def generation_of(raw: RawModel) -> int:
    """The major version of the Keras that saved a model.

    ``to_json`` of Keras 3 writes no version, but modules, which no older Keras writes.
    Early releases of Keras 1 wrote no version either.
    """
    if raw.keras_version is not None:
        return _numbers(raw)[0]
    if raw.saved_by is not None:
        return parsed(raw.saved_by).generation
    return 3 if "module" in raw.config or "registered_name" in raw.config else 1


def interpret(raw: RawModel) -> tuple[KerasModel, Readings]:
    """The model in one spelling, and the meaning of its Keras.

    Raises:
        ModelFileError: the architecture is damaged, or ``saved_by`` contradicts it.
        UnsupportedModelError: its generation, release or backend is not read.
        ValueError: ``saved_by`` names no Keras.
    """
    text = raw.keras_version
    generation = GENERATIONS.get(generation_of(raw))
    if generation is None:
        raise UnsupportedModelError(
            f"{raw.file_name}: saved by Keras {text}; this version reads Keras 1 to 3: "
            'open it there, and save it again with model.save("model.keras")'
        )
    saved_by = None if raw.saved_by is None else parsed(raw.saved_by)
    backend = _backend(raw, saved_by, (generation.ASSUMED, *generation.BACKENDS))
    version_text = saved_by.version if text is None and saved_by is not None else text
    tensorflow = text is None and saved_by is not None and saved_by.tensorflow
    release_line = line("tf.keras" if tensorflow else generation.line(version_text))
    candidates = _candidates(raw, release_line, saved_by)
    writers = Writers(release_line, candidates)
    version = candidates[0].version if text is None else _numbers(raw)
    model, remaining, backend = generation.read(raw, version, backend, writers)
    readings = _readings(generation, remaining, text, backend)
    if raw.weights_version is not None:
        weights = _of_weights(raw.weights_version, raw.backend)
        readings = replace(readings, weights=weights)
    if raw.tensorflow_version is not None:
        writer = f"TensorFlow {raw.tensorflow_version}"
        readings = replace(readings, assumed=replace(readings.assumed, writer=writer))
    return model, readings


def as_read_by(raw: RawModel, version: str) -> tuple[KerasModel, Readings]:
    """A model as an installed Keras reads it, whatever Keras saved it.

    Args:
        raw: the file.
        version: of tf-keras, or of Keras 3.

    Raises:
        ModelFileError: the architecture is damaged.
        UnsupportedModelError: the version is newer than all that were tested.
    """
    number = numbers(version)
    generation = GENERATIONS[number[0]]
    release_line = line(generation.line(version))
    reader = Reader(release_line, release_line.writers(version))
    model, remaining, backend = generation.read(raw, number, "tensorflow", reader)
    return model, _readings(generation, remaining, version, backend)


def _readings(
    generation: ModuleType,
    remaining: Sequence[Release],
    text: str | None,
    backend: str | None,
) -> Readings:
    """The meanings of the releases that may have saved a file.

    Args:
        generation: of the releases.
        remaining: the releases.
        text: the version in the file, if there is one.
        backend: that the file was saved on, or None if unknown.
    """
    assumed_backend = backend or generation.ASSUMED
    assumed: Meaning = generation.meaning(remaining[-1], assumed_backend)
    releases = [generation.meaning(release, assumed_backend) for release in remaining]
    backends = [
        generation.meaning(remaining[-1], other)
        for other in (generation.BACKENDS if backend is None else ())
    ]
    writer = assumed.writer
    if text is None and len(remaining) > 1:
        writer = f"{remaining[0]} to {remaining[-1].name}"
    elif text is not None:
        writer = generation.writer(text, assumed_backend)
    return Readings(
        assumed=replace(assumed, writer=writer),
        assumed_writer=assumed.writer,
        releases=_others(assumed, releases),
        backends=_others(assumed, backends),
    )


def _of_weights(text: str, backend: str | None) -> tuple[Meaning, ...]:
    """The meanings of the releases that may have saved the weights.

    Args:
        text: the version in the weights file.
        backend: in that file, if there is one.
    """
    generation = GENERATIONS[numbers(text)[0]]
    release_line = line(generation.line(text))
    return tuple(
        generation.meaning(release, backend or generation.ASSUMED)
        for release in release_line.writers(text)
    )


def _others(assumed: Meaning, meanings: Iterable[Meaning]) -> tuple[Meaning, ...]:
    """The meanings that differ from the assumed one, each once."""
    others: list[Meaning] = []
    for meaning in meanings:
        named = [replace(other, writer=meaning.writer) for other in (assumed, *others)]
        if meaning not in named:
            others.append(meaning)
    return tuple(others)


def _candidates(
    raw: RawModel, release_line: Line, saved_by: SavedBy | None
) -> tuple[Release, ...]:
    """The releases that may have saved a file, by its version and ``saved_by``."""
    text = raw.keras_version
    if text is None and saved_by is None:
        return release_line.releases
    try:
        writers = release_line.releases if text is None else release_line.writers(text)
    except UnsupportedModelError as error:
        if saved_by is None:
            raise UnsupportedModelError(f"{raw.file_name}: {error}") from None
        # The user states that an untested release means the same as a tested one.
        writers = release_line.releases
    if raw.tensorflow_version is not None:
        # Several releases of TensorFlow write one version of Keras.
        series = release_line.named(".".join(map(str, _series(raw))))
        writers = tuple(release for release in series if release in writers) or writers
    if saved_by is None:
        return writers
    stated = (
        release_line.named(saved_by.version)
        if saved_by.tensorflow
        else release_line.of_version(saved_by.version)
    )
    if not stated:
        newest = release_line.releases[-1]
        raise UnsupportedModelError(
            f"{raw.file_name}: saved_by says {raw.saved_by}, which is none of the "
            f"releases that this version was tested with: the newest is {newest}; "
            "leave out --saved-by (saved_by= in Python), or state the right release"
        )
    agreeing = tuple(release for release in writers if release in stated)
    if not agreeing:
        raise ModelFileError(
            f"{raw.file_name}: saved_by says {raw.saved_by}, but the file was saved by "
            f"{' or '.join(map(str, writers[:4]))}: state one of these, or leave "
            "out --saved-by (saved_by= in Python)"
        )
    return agreeing


def _backend(
    raw: RawModel, saved_by: SavedBy | None, known: tuple[str, ...]
) -> str | None:
    """The backend that a file or ``saved_by`` names; refused if not ``known``."""
    stated = None if saved_by is None else saved_by.backend
    if raw.backend is not None and stated not in (None, raw.backend):
        raise ModelFileError(
            f"{raw.file_name}: saved_by says {raw.saved_by}, but the file was saved on "
            f"{raw.backend}: leave out --saved-by (saved_by= in Python)"
        )
    backend = raw.backend or stated
    if backend not in (None, *known):
        raise UnsupportedModelError(
            f"{raw.file_name}: saved by Keras {raw.keras_version} on {backend}, "
            f"which was never tested; this version supports {', '.join(known)}: open "
            'it there, and save it again with model.save("model.keras")'
        )
    return backend


def _series(raw: RawModel) -> Sequence[int]:
    """The first two numbers of the TensorFlow that saved a model."""
    text = raw.tensorflow_version or ""
    try:
        return numbers(text)[:2]
    except ValueError:
        raise ModelFileError(
            f"{raw.file_name}: expected a version of TensorFlow such as 2.4.1, got "
            f"{text!r}"
        ) from None


def _numbers(raw: RawModel) -> Version:
    text = raw.keras_version or ""
    try:
        return numbers(text)
    except ValueError:
        raise ModelFileError(
            f"{raw.file_name}: expected a keras_version such as 2.2.4, got {text!r}"
        ) from None


__all__ = ["GENERATIONS", "as_read_by", "generation_of", "interpret"]
