"""A model of Keras 3 as a directory: the ``.keras`` archive unzipped.

``model.save(path, zipped=False)`` writes it, and model hubs store models so.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, NoReturn

from gru2np.readers.members import CONFIG, MODELS, WEIGHTS, read_model
from gru2np.readers.safe.damage import broken, shown
from gru2np.readers.safe.folder import SafeFolder
from gru2np.readers.source import EXPECTED, SAVE

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from gru2np.ir import RawModel

#: Names listed to recognise a directory; some hold millions.
MOST_NAMES = 1000

_CHECKPOINT = (
    "a TensorFlow checkpoint: weights without an architecture",
    "give the architecture that model.to_json() writes, and this folder with --weights "
    "(in Python, weights=); gru2np inspect lists what is in it",
)
_INCOMPLETE = (
    "a part of a SavedModel, without saved_model.pb",
    "files are missing: save or fetch the folder again",
)
_ORBAX = (
    "an Orbax checkpoint",
    'load it where it was made, and save the model with model.save("model.keras")',
)
#: What other folders hold, by the ends of names, what they are, and what to do.
_OTHERS = (
    (
        "saved_model.pbtxt",
        "a SavedModel as text",
        "load it in TensorFlow, and save the model again",
    ),
    ("keras_metadata.pb", *_INCOMPLETE),
    ("_CHECKPOINT_METADATA", *_ORBAX),
    ("manifest.ocdbt", *_ORBAX),
    ("checkpoint", *_CHECKPOINT),
    (".index", *_CHECKPOINT),
    (".data-00000-of-00001", *_CHECKPOINT),
)


def read(path: Path, stack: ExitStack) -> RawModel:
    """A whole model, its weights checked but not read."""
    folder = SafeFolder(path, path.name)
    if not folder.has(CONFIG) or not any(map(folder.has, WEIGHTS)):
        _refuse(path)
    return read_model(folder, stack, path.name, folder.windows)


def _refuse(path: Path) -> NoReturn:
    """Refuse a directory: name its kind, or the files it lacks."""
    names = sorted(entry.name for entry in islice(path.iterdir(), MOST_NAMES))
    for end, kind, advice in _OTHERS:
        if any(name.endswith(end) for name in names):
            raise broken(path.name, EXPECTED, f"a directory with {kind}", advice)
    models = [name for name in names if _is_model(path / name)]
    if CONFIG in names or WEIGHTS[0] in names:
        got = f"a directory of {shown(names[:5])}"
        expected = f"{CONFIG} and {WEIGHTS[0]}, the parts of an unzipped Keras model"
        advice = "saving was cut short, or files are missing: save or fetch it again"
    else:
        got = f"a directory of {shown(names[:5])}" if names else "an empty directory"
        expected, advice = EXPECTED, SAVE
        if "run.py" in names and "model.npz" in names:
            advice = "gru2np ship wrote it, and its bundle is model.npz in it"
        elif models:
            advice = f"give {' or '.join(shown(name) for name in models[:5])} in it"
    raise broken(path.name, expected, got, advice)


def _is_model(path: Path) -> bool:
    """Whether a file or folder may be a model, by its name or what is in it."""
    if path.is_dir():
        return (path / "saved_model.pb").is_file() or (path / CONFIG).is_file()
    return path.name.endswith(MODELS)
