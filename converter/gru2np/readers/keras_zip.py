"""The ``.keras`` archive of tf.keras 2.12 and later, and of Keras 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np.readers.members import CONFIG, MODELS, read_model
from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.zip_archive import SafeZip

if TYPE_CHECKING:
    from contextlib import ExitStack

    from gru2np.ir import RawModel
    from gru2np.readers.source import Source


def read(source: Source, stack: ExitStack) -> RawModel:
    """A whole model, its weights checked and not yet read."""
    archive = SafeZip(source.window, source.name, stack)
    if not archive.has(CONFIG):
        _refuse(source, archive.names)
    return read_model(archive, stack, source.name, lambda: [source.window])


def _refuse(source: Source, names: list[str]) -> None:
    got = f"a zip archive of {shown(names[:5])}"
    advice = "it holds no Keras model"
    if "manifest.json" in names:
        got = "a gru2np bundle"
        advice = "it is exported already: load it with gru2np_runtime.load()"
    elif any(name.endswith("/config.json") for name in names):
        advice = "it was zipped with its folder: zip what is in the folder"
    elif any(name.endswith("data.pkl") for name in names):
        got = "a PyTorch file"
    else:
        models = [name for name in names if name.lower().endswith(MODELS)]
        if models:
            advice = f"unpack it and give {' or '.join(map(shown, models[:5]))}"
    raise broken(source.name, "a .keras archive with config.json", got, advice)
