"""What is fuzzed, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from tests.fuzz import places
from tests.fuzz.bundles import Bundles
from tests.fuzz.kernel import Kernel
from tests.fuzz.models import Models

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from tests.fuzz.mutation import Change
    from tests.fuzz.oracle import Watch


class Target(Protocol):
    """Where inputs come from, and what is done with one."""

    def seeds(self) -> Iterator[bytes]:
        """Honest inputs."""

    def changed(self, data: bytes, rng: random.Random, blind: Change) -> bytes:
        """An input with a change that keeps its form, most often."""

    def run(self, data: bytes, watch: Watch) -> bool:
        """Run an input; False if it has not the form of one."""


# Each is made when it is needed.
TARGETS: dict[str, Callable[[], Target]] = {
    "containers": lambda: Models(places.containers()),
    "hdf5": lambda: Models(places.hdf5()),
    "protobuf": lambda: Models(places.protobuf()),
    "index": lambda: Models(places.index()),
    "bundle": Bundles,
    "kernel": Kernel,
}
