"""Targets that open model files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import config_fuzz
import gru2np
import small_models
from gru2np.readers import open_model
from tests.fuzz import mutation
from tests.fuzz.oracle import Fault, promises, said

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tests.fuzz.mutation import Change
    from tests.fuzz.oracle import Watch
    from tests.fuzz.places import Place

REFUSED = (gru2np.ModelFileError, gru2np.UnsupportedModelError)


class Models:
    """Opens a model of which one document is changed, reads and converts it.

    An input is the name of the place, a line break, and the document.
    """

    def __init__(self, places: Iterable[Place]) -> None:
        self.places = {place.name: place for place in places}

    def seeds(self) -> Iterator[bytes]:
        """An honest model for each place."""
        for name, place in self.places.items():
            yield name.encode() + b"\n" + place.data

    def changed(self, data: bytes, rng: random.Random, blind: Change) -> bytes:
        """An input with a change of its document."""
        name, _, document = data.partition(b"\n")
        place = self.places.get(name.decode("utf-8", "replace"))
        if place is None:
            place = rng.choice([*self.places.values()])
            document = place.data
        document = mutation.changed(document, place.kind, rng, blind)
        return place.name.encode() + b"\n" + document

    def run(self, data: bytes, watch: Watch) -> bool:
        """Run an input; False if it names no place.

        Raises:
            Fault: it breaks a promise.
            Exception: of another kind than is documented.
        """
        name, _, document = data.partition(b"\n")
        place = self.places.get(name.decode("utf-8", "replace"))
        if place is None:
            return False
        folder = watch.folder / "model"
        shutil.rmtree(folder, ignore_errors=True)
        files = place.files(document)
        for own, inside in files.items():
            path = folder / own
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(inside)
        model = folder / place.model
        weights = None if place.weights is None else folder / place.weights
        with promises(watch):
            opened(model, weights)
        left = {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        if left != files:
            raise Fault(f"files were changed: {sorted(left)}")
        return True


def opened(model: Path, weights: Path | None) -> None:
    """Read all of a model, then convert and inspect it."""
    try:
        with open_model(model, weights) as raw:
            small_models.arrays(raw)
            try:
                said(config_fuzz.check(raw))
            except gru2np.Gru2npError as error:
                said(error)
    except REFUSED as error:
        said(error)
