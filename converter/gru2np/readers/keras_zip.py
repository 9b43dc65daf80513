"""The ``.keras`` archive of tf.keras 2.12 and later, and of Keras 3."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from gru2np.ir import RawModel
from gru2np.readers.members import read_model
from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.window import sha256

if TYPE_CHECKING:
    from contextlib import ExitStack

    from gru2np.readers.source import Members, Source


def read(archive: Members, source: Source, stack: ExitStack) -> RawModel:
    """A whole model, in an archive or in a folder of one."""
    config, paths, keras_version = read_model(archive, stack)
    return RawModel(
        config=config,
        groups=None,
        paths=paths,
        keras_version=keras_version,
        backend=None,
        tensorflow_version=None,
        saved_by=None,
        container="keras",
        file_name=source.name,
        sha256=sha256(source.window),
    )


def refuse(name: str, names: list[str]) -> NoReturn:
    """Say what else an archive is."""
    got = f"a zip archive of {shown(names[:5])}"
    advice = "it holds no Keras model"
    if "manifest.json" in names:
        got = "a gru2np bundle"
        advice = "it is exported already: load it with gru2np_runtime.load()"
    elif any(name.endswith("data.pkl") for name in names):
        got = "a PyTorch file"
    raise broken(name, "a .keras archive with config.json", got, advice)
