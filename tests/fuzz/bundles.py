"""The target that loads bundles, and runs what loads."""

from __future__ import annotations

import json
from io import BytesIO
from math import prod
from typing import TYPE_CHECKING

import numpy as np

import goldens
import gru2np_runtime
from goldens import flat
from gru2np_runtime.bundle.container import MANIFEST, Writer, read_members
from tests.fuzz import mutation
from tests.fuzz.oracle import promises, said
from tests.fuzz.places import CASES

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from gru2np_runtime import Model
    from tests.fuzz.mutation import Change
    from tests.fuzz.oracle import Watch

ROWS, TIME = 2, 3
# Elements of an input; a larger one would be a test of patience.
LARGE = 1 << 16


class Bundles:
    """Loads a bundle of which a member, or everything, is changed; runs what loads.

    An input is the name of the bundle, a slash, the name of the member, a line break
    and the member; without a member, the bytes of the bundle.
    """

    def __init__(self) -> None:
        self.bundles = {}
        for case in CASES:
            golden = goldens.Golden(goldens.FIXTURES / case)
            if not goldens.refused(golden):
                self.bundles[case.replace("/", " ")] = golden.bundle()

    def seeds(self) -> Iterator[bytes]:
        """An honest bundle for each manifest, and some for all their members."""
        for number, (name, data) in enumerate(self.bundles.items()):
            members = read_members(data)
            yield _input(name, MANIFEST, bytes(members[MANIFEST]))
            if number % 6 == 0:
                yield _input(name, "", data)
                first = next(iter(members))
                yield _input(name, first, bytes(members[first]))

    def changed(self, data: bytes, rng: random.Random, blind: Change) -> bytes:
        """An input with a change of its member."""
        head, _, document = data.partition(b"\n")
        name, _, member = head.decode("utf-8", "replace").partition("/")
        if name not in self.bundles:
            name, member = rng.choice([*self.bundles]), MANIFEST
            document = bytes(read_members(self.bundles[name])[MANIFEST])
        kind = "json" if member == MANIFEST else "bytes"
        return _input(name, member, mutation.changed(document, kind, rng, blind))

    def run(self, data: bytes, watch: Watch) -> bool:
        """Run an input; False if it names no bundle.

        Raises:
            Fault: it breaks a promise.
            Exception: of another kind than is documented.
        """
        head, _, document = data.partition(b"\n")
        name, _, member = head.decode("utf-8", "replace").partition("/")
        if name not in self.bundles:
            return False
        bundle = self._around(name, member, document) if member else document
        with promises(watch), np.errstate(all="ignore"):
            loaded_and_run(bundle)
        return True

    def _around(self, name: str, member: str, document: bytes) -> bytes:
        """The bundle with another member, sealed as every bundle is."""
        members = {**read_members(self.bundles[name]), member: document}
        buffer = BytesIO()
        writer = Writer(buffer)
        for own, inside in members.items():
            writer.add(own, inside)
        writer.close()
        return buffer.getvalue()


def _input(name: str, member: str, document: bytes) -> bytes:
    return f"{name}/{member}\n".encode() + document


def loaded_and_run(bundle: bytes) -> None:
    """Load a bundle, describe it, and run it whole and in steps."""
    try:
        model = gru2np_runtime.load(bundle)
    except gru2np_runtime.BundleError as error:
        said(error)
        return
    said(model)
    said(model.plan())
    json.dumps(model.source)
    inputs = inputs_of(model)
    if inputs is None:
        return
    try:
        flat(model.predict(inputs))
        model.activations(inputs)
        state = model.initial_state(ROWS)
        model.advance(inputs, state)
        streams = model.streams(1)
        streams.advance([streams.open() for _ in range(ROWS)], inputs)
    except gru2np_runtime.InputError as error:
        said(error)


def inputs_of(model: Model) -> dict[str, np.ndarray] | None:
    """Small inputs by name; None if the model takes large ones alone."""
    rng = np.random.default_rng(0)
    inputs = {}
    for name, port in zip(model.input_names, model.graph.inputs, strict=True):
        sizes = [TIME if size is None else size for size in port.shape[1:]]
        if prod(sizes) > LARGE:
            return None
        drawn = rng.normal(size=(ROWS, *sizes))
        inputs[name] = np.abs(drawn).astype(port.dtype)
    return inputs
