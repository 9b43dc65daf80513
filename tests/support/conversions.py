"""Fixtures converted under another architecture or another meaning."""

import dataclasses

from gru2np.convert import converted
from gru2np.generations import interpret
from gru2np.meaning import Readings
from gru2np.readers import open_model
from modelfiles import golden


def opened(case):
    """The model file of a case such as ``keras-2.2/gru``, opened."""
    return open_model(*golden(case).files())


def converted_with(raw, config):
    """The conversion of an open file under another architecture."""
    raw = dataclasses.replace(raw, config=config)
    return converted(raw, *interpret(raw))


def records_of(config, *class_names):
    """The records of a model's layers of these classes."""
    found = config["config"]["layers"]
    return [spec for spec in found if spec["class_name"] in class_names]


def built(case, **groups):
    """The graph of a case, as built, some fields of its meaning replaced."""
    with opened(case) as raw:
        model, readings = interpret(raw)
        meaning = readings.assumed
        for name, fields in groups.items():
            fields = dataclasses.replace(getattr(meaning, name), **fields)
            meaning = dataclasses.replace(meaning, **{name: fields})
        if groups:
            readings = Readings(meaning, meaning.writer, (), ())
        return converted(raw, model, readings, None).built
