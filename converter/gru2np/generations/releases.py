"""The releases of Keras that were measured, and which of them may have saved a file.

Which classes and functions a release has, what keys it writes and what its layers make
of masks stands in ``tables/``, written by ``fixtures/measure`` from the releases
themselves.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from gru2np.errors import UnsupportedModelError
from gru2np.generations.architecture import MODEL_CLASSES, STORED_AS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    Version = tuple[int, int, int]

# Keys that come and go in honest files of one release, and so tell nothing.
SILENT = frozenset(
    {
        *("backward_layer", "batch_input_shape", "dtype", "input_dim", "input_dtype"),
        *("input_length", "time_major", "zero_output_for_mask"),
    }
)
# Nodes that are operations, and no layers with a config.
OPERATIONS = ("ops.", "tf.")
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(.*)", re.DOTALL)


class Class(NamedTuple):
    """What a release has by one name.

    Attributes:
        always: keys that it writes into every config, each with the value where nobody
            said one, or with none of an argument that must be given.
        sometimes: keys that it writes into some.
        mask: what its output has of the mask of its input: ``keeps``, ``stops``,
            ``makes``, ``raises``, ``varies``; None where that was not measured.
        variants: other classes of that name, which ``compat.v1`` has.
    """

    always: Mapping[str, tuple[Any, ...]]
    sometimes: frozenset[str]
    mask: str | None
    variants: tuple[Class, ...]


@dataclass(frozen=True)
class Release:
    """A release of Keras that was installed and measured.

    Attributes:
        line: ``keras-1``, ``keras-2`` (multi-backend), ``tf.keras`` or ``keras-3``.
        name: its version; in ``tf.keras`` that of TensorFlow, or of tf-keras.
        writes: the ``keras_version`` in its files.
    """

    line: str
    name: str
    writes: str

    @property
    def version(self) -> Version:
        """Its name as numbers, for comparison."""
        return numbers(self.name)

    def __str__(self) -> str:
        if self.line != "tf.keras":
            return f"Keras {self.name}"
        return f"{'TensorFlow' if self.version < (2, 16) else 'tf-keras'} {self.name}"


class Line:
    """The measured releases of one line of Keras, oldest first.

    Args:
        name: of the line.
        table: what was measured, as a file of ``tables/`` has it.

    Attributes:
        name: of the line.
        releases: that were measured.
    """

    def __init__(self, name: str, table: Mapping[str, Any]) -> None:
        self.name = name
        self._table = table
        self.releases = tuple(
            Release(name, version, facts["writes"])
            for version, facts in self._table["releases"].items()
        )
        self._place = {release: i for i, release in enumerate(self.releases)}
        self._number = {release.name: i for i, release in enumerate(self.releases)}

    @cache  # noqa: B019 - there are four lines, made once each
    def classes(self, release: Release) -> Mapping[str, Class]:
        """What a release has, by name."""
        at = self._place[release]
        return {
            name: self._class(facts, at)
            for name, facts in self._table["classes"].items()
            if self._span(facts["there"], at) is not None
        }

    def _class(self, facts: Mapping[str, Any], at: int) -> Class:
        variants = [
            self._class(variant, at)
            for variant in facts.get("variants", ())
            if self._span(variant["there"], at) is not None
        ]
        always = {
            key: tuple(span[2:])
            for key, spans in facts["keys"].items()
            if (span := self._span(spans, at)) is not None
        }
        sometimes = frozenset(self._there(facts.get("sometimes", {}), at))
        mask = self._value(facts.get("mask", []), at)
        return Class(always, sometimes, mask, tuple(variants))

    def masks(self, release: Release) -> Mapping[str, str]:
        """What the layers of a release make of masks, by class.

        What depends on the rank of the input stands under the class and that rank:
        ``RandomFlip rank 4``.
        """
        at = self._place[release]
        found = {
            name: known.mask
            for name, known in self.classes(release).items()
            if known.mask is not None
        }
        for name in list(found):
            options = self._table["classes"][name].get("mask_options", {})
            for option, spans in options.items():
                word = self._value(spans, at)
                if option.startswith("rank ") and word is not None:
                    found[f"{name} {option}"] = word
        return found

    @cache  # noqa: B019
    def functions(self, release: Release) -> frozenset[str]:
        """The activation functions that a release has by name."""
        return frozenset(self._there(self._table["functions"], self._place[release]))

    def _there(self, spans: Mapping[str, Any], at: int) -> Iterator[str]:
        return (
            key
            for key, versions in spans.items()
            if self._span(versions, at) is not None
        )

    def _span(self, spans: Iterable[Sequence[Any]], at: int) -> Sequence[Any] | None:
        for span in spans:
            if self._number[span[0]] <= at <= self._number[span[1]]:
                return span
        return None

    def _value(self, spans: Iterable[Sequence[Any]], at: int) -> Any:
        span = self._span(spans, at)
        return None if span is None else span[2]

    def writers(self, text: str) -> tuple[Release, ...]:
        """The releases whose files say so; its neighbours where nobody measured it.

        Args:
            text: a ``keras_version``.

        Raises:
            UnsupportedModelError: it is newer or older than all that were measured.
        """
        exact = tuple(release for release in self.releases if release.writes == text)
        if exact:
            return exact
        number, early = numbers(text), is_early(text)
        written = [(numbers(release.writes), release) for release in self.releases]
        below = [n for n, _ in written if n < number or (n == number and not early)]
        above = [n for n, _ in written if n >= number]
        if not above:
            raise UnsupportedModelError(
                _beyond(text, "newer", "newest", written[-1][1])
            )
        if not below:
            raise UnsupportedModelError(_beyond(text, "older", "oldest", written[0][1]))
        return tuple(release for n, release in written if n in (max(below), min(above)))

    def of_version(self, text: str) -> tuple[Release, ...]:
        """The releases that an owner's version of Keras means, ``2.2.4`` or ``3.5``."""
        if self.name != "tf.keras":
            return self.named(text)
        named = tuple(release for release in self.releases if release.writes == text)
        return named or self.named(text)

    def named(self, text: str) -> tuple[Release, ...]:
        """The releases of that name, ``2.4.4``, or whose names begin so, ``2.4``."""
        return tuple(
            release
            for release in self.releases
            if f"{release.name}.".startswith(f"{text}.")
        )


def _beyond(text: str, than: str, most: str, release: Release) -> str:
    return (
        f"saved by Keras {text}, which is {than} than all that this version was tried "
        f"on: the {most} is {release.writes}, and a release may mean other numbers by "
        "the same file. Update gru2np; or, if you know that it means the same, say "
        f"so: --saved-by {release.writes} (saved_by= in Python), and verify the bundle"
    )


@cache
def line(name: str) -> Line:
    """A line of Keras: ``keras-1``, ``keras-2``, ``tf.keras`` or ``keras-3``."""
    source = files(__package__) / "tables" / f"{name}.json"
    return Line(name, json.loads(source.read_text("utf-8")))


def numbers(text: str) -> Version:
    """The numbers of a version, ``2.4.0`` or ``3.0``.

    Raises:
        ValueError: it begins with none.
    """
    match = _VERSION.match(text)
    if match is None:
        raise ValueError(f"expected a version such as 2.2.4, got {text!r}")
    return int(match[1]), int(match[2]), int(match[3] or 0)


def is_early(text: str) -> bool:
    """Whether it is a version before a release: ``3.0.0rc1``, ``2.5.0-dev``."""
    match = _VERSION.match(text)
    return match is not None and any(w in match[4] for w in ("rc", "dev", "a", "b"))


class Writers:
    """The releases that may have written a file: fewer with every layer seen.

    Attributes:
        line: of the releases.
        candidates: that its version leaves.
    """

    def __init__(self, line: Line, candidates: Sequence[Release]) -> None:
        self.line = line
        self.candidates = tuple(candidates)
        self._seen: dict[tuple[str, frozenset[str]], str] = {}

    def naming(
        self, class_name: Callable[[Mapping[str, Any]], str]
    ) -> Callable[[Mapping[str, Any]], str]:
        """The class of a layer's record, ``custom>Name`` where it cannot be Keras' own.

        Args:
            class_name: the class by what the record says of it.
        """

        def named(spec: Mapping[str, Any]) -> str:
            name = class_name(spec)
            if name in MODEL_CLASSES or ">" in name or name.startswith(OPERATIONS):
                return name
            return f"custom>{name}" if self._why(name, spec) else name

        return named

    def why(self, spec: Mapping[str, Any]) -> str:
        """Why a layer is none of Keras' own by its name; empty if it is one."""
        name, config = spec.get("class_name"), spec.get("config")
        if not isinstance(name, str) or not isinstance(config, dict):
            return ""
        return self._seen.get((name, frozenset(config)), "")

    def _why(self, name: str, spec: Mapping[str, Any]) -> str:
        config = spec.get("config")
        seen = name, frozenset(config if isinstance(config, dict) else ())
        if seen not in self._seen:
            reasons = [self._misfit(release, *seen) for release in self.candidates]
            self._seen[seen] = "" if "" in reasons else reasons[-1]
        return self._seen[seen]

    def remaining(self) -> tuple[Release, ...]:
        """The releases that write all that was seen and is Keras' own.

        What has more keys than a release writes is only then taken for another's if
        another writes them: published files carry later keys under older versions.

        Raises:
            UnsupportedModelError: there is none.
        """
        classes = [seen for seen, why in self._seen.items() if not why]
        left = [
            release
            for release in self.candidates
            if not any(self._misfit(release, *seen) for seen in classes)
        ]
        if not left:
            names = ", ".join(map(str, self.candidates))
            raise UnsupportedModelError(
                f"its layers have keys of different releases of Keras ({names}), so it "
                "was saved by none of them: save the model again with one Keras"
            )
        strict = [
            release
            for release in left
            if not any(self._unknown_keys(release, *seen) for seen in classes)
        ]
        return tuple(strict or left)

    def _misfit(self, release: Release, class_name: str, keys: frozenset[str]) -> str:
        known = self._known(release, class_name)
        if known is None:
            return f"{release} had none of this name"
        lacking = [
            variant.always.keys() - SILENT - keys
            for variant in (known, *known.variants)
        ]
        if all(lacking):
            names = ", ".join(sorted(lacking[0]))
            return f"the file has no {names} for it, which {release} always wrote"
        return ""

    def _known(self, release: Release, class_name: str) -> Class | None:
        found = self.line.classes(release)
        return found.get(class_name) or found.get(STORED_AS.get(class_name, ""))

    def _unknown_keys(
        self, release: Release, class_name: str, keys: frozenset[str]
    ) -> frozenset[str]:
        known = self._known(release, class_name)
        assert known is not None  # it fits
        known_keys = [
            variant.always.keys() | variant.sometimes
            for variant in (known, *known.variants)
        ]
        return keys.difference(*known_keys) - SILENT


class Reader(Writers):
    """A Keras that reads a file of another: it takes every name for its own."""

    def _misfit(self, release: Release, class_name: str, keys: frozenset[str]) -> str:
        return ""

    def remaining(self) -> tuple[Release, ...]:
        """Itself, or the two that it lies between."""
        return self.candidates
