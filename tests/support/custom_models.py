"""The fixtures with custom objects, and the objects of ``examples/`` for them."""

from __future__ import annotations

import io

import goldens
import gru2np
from example_files import EXAMPLES, example
from gru2np_runtime import load, read_custom_objects

FILE = EXAMPLES / "custom_objects.py"
OWN = {**example("custom_layer").CUSTOM, **read_custom_objects(FILE)}
CELLS = "keras-3.15/custom_cells"
STEPS = "keras-3.15/custom_steps"
FUNCTIONS = "keras-3.15/custom_functions"
ATTENTION = "keras-3.15/custom_attention"


def golden(case):
    return goldens.Golden(goldens.FIXTURES / case)


def cases(*kinds):
    """Names of the cases of these kinds, of all generations."""
    found = goldens.FIXTURES.glob("*/custom_*/case.json")
    names = [f"{path.parts[-3]}/{path.parts[-2]}" for path in sorted(found)]
    return [name for name in names if not kinds or name.endswith(kinds)]


def bundle_of(case, more=(), **options):
    """The bundle of a case, some objects given otherwise."""
    model, weights = golden(case).files()
    out = io.BytesIO()
    own = {**OWN, **dict(more)}
    gru2np.export(model, out, weights=weights, custom_objects=own, **options)
    return out.getvalue()


def model_of(case, more=(), **options):
    """The model of a case, some objects given otherwise."""
    own = {**OWN, **dict(more)}
    return load(bundle_of(case, more, **options), custom_objects=own)


def written(folder, data):
    """A file with the bytes of a model."""
    suffix = "keras" if data[:2] == b"PK" else "h5"
    path = folder / f"model.{suffix}"
    path.write_bytes(data)
    return path


def loaded(folder, data, own):
    """The model of a file with these bytes, exported and loaded."""
    out = io.BytesIO()
    gru2np.export(written(folder, data), out, custom_objects=own)
    return load(out.getvalue(), custom_objects=own)


def instead(name, **attributes):
    """A class of the examples with other attributes, as custom objects."""
    return {name: type(name, (OWN[name],), attributes)}
