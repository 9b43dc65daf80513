"""Meanings of releases, for tests that have no file."""

from gru2np.generations import GENERATIONS
from gru2np.generations.releases import line

LINES = {"keras-1": 1, "keras-2": 2, "tf.keras": 2, "keras-3": 3}


def meaning_of(name: str, version: str, backend: str = "tensorflow"):
    """What a measured release meant: ``meaning_of("keras-3", "3.15.1")``."""
    (release,) = line(name).named(version)
    return GENERATIONS[LINES[name]].meaning(release, backend)
