"""The releases of Keras that were measured, and which of them may have saved a file.

``tables/`` holds the classes and functions of each release, the keys that it writes
and the masks of its layers.  ``fixtures/measure`` writes the tables from the installed
releases.
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

# Keys that some files of one release have and others do not, so that they do not show
# which release wrote a file.
OPTIONAL_KEYS = frozenset(
    {
        *("backward_layer", "batch_input_shape", "dtype", "input_dim", "input_dtype"),
        *("input_length", "time_major", "zero_output_for_mask"),
    }
)
# Prefixes of nodes that are operations, not layers with a config.
OPERATIONS = ("ops.", "tf.")
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})(?:\.(\d{1,3}))?(.*)", re.DOTALL)


class Class(NamedTuple):
    """A class of a release.

    Attributes:
        always: keys that it writes into every config, each with its default; an empty
            tuple for a required argument.
        sometimes: keys that it writes into some configs.
        mask: whether its output has the mask of its input: ``keeps``, ``stops``,
            ``makes``, ``raises``, ``varies``; None if not measured.
        variants: other classes of the same name, in ``compat.v1``.
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
        name: its version; in ``tf.keras`` that of TensorFlow or tf-keras.
        writes: the ``keras_version`` that it writes into files.
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
        table: the measured facts, in the form of ``tables/``.

    Attributes:
        name: of the line.
        releases: the measured releases.
    """

    def __init__(self, name: str, table: Mapping[str, Any]) -> None:
        self.name = name
        self._table = table
        self.releases = tuple(
            Release(name, version, facts["writes"])
            for version, facts in self._table["releases"].items()
        )
        self._index = {release.name: i for i, release in enumerate(self.releases)}

    @cache  # noqa: B019 - there are four lines, made once each
    def classes(self, release: Release) -> Mapping[str, Class]:
        """The classes of a release, by name."""
        index = self._index[release.name]
        return {
            name: self._class(facts, index)
            for name, facts in self._table["classes"].items()
            if self._span(facts["there"], index) is not None
        }

    def _class(self, facts: Mapping[str, Any], index: int) -> Class:
        variants = [
            self._class(variant, index)
            for variant in facts.get("variants", ())
            if self._span(variant["there"], index) is not None
        ]
        always = {
            key: tuple(span[2:])
            for key, spans in facts["keys"].items()
            if (span := self._span(spans, index)) is not None
        }
        sometimes = frozenset(self._keys(facts.get("sometimes", {}), index))
        mask = self._value(facts.get("mask", []), index)
        return Class(always, sometimes, mask, tuple(variants))

    def masks(self, release: Release) -> Mapping[str, str]:
        """``Class.mask`` of the layers of a release, by class.

        If it depends on the rank of the input, there is another key for that rank:
        ``RandomFlip rank 4``.
        """
        index = self._index[release.name]
        masks = {
            name: known.mask
            for name, known in self.classes(release).items()
            if known.mask is not None
        }
        for name in list(masks):
            options = self._table["classes"][name].get("mask_options", {})
            for option, spans in options.items():
                word = self._value(spans, index)
                if option.startswith("rank ") and word is not None:
                    masks[f"{name} {option}"] = word
        return masks

    def operations(self, release: Release, backend: str) -> Mapping[str, Any]:
        """What operations of Keras 3 give, by the facts of ``tables/operations.json``.

        Empty for a backend that was not measured.
        """
        index = self._index[release.name]
        return {
            fact: self._value(spans[backend], index)
            for fact, spans in _table("operations").items()
            if backend in spans
        }

    @cache  # noqa: B019
    def functions(self, release: Release) -> frozenset[str]:
        """The names of the activation functions of a release."""
        functions = self._keys(self._table["functions"], self._index[release.name])
        return frozenset(functions)

    def _keys(self, spans: Mapping[str, Any], index: int) -> Iterator[str]:
        """The keys of a table that a release has."""
        return (
            key
            for key, versions in spans.items()
            if self._span(versions, index) is not None
        )

    def _span(self, spans: Iterable[Sequence[Any]], index: int) -> Sequence[Any] | None:
        """The ``[first release, last release, ...]`` that includes a release."""
        for span in spans:
            if self._index[span[0]] <= index <= self._index[span[1]]:
                return span
        return None

    def _value(self, spans: Iterable[Sequence[Any]], index: int) -> Any:
        span = self._span(spans, index)
        return None if span is None else span[2]

    def writers(self, text: str) -> tuple[Release, ...]:
        """The releases that write a version; its two neighbours if it is not measured.

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
        """The releases of a version in ``saved_by``, ``2.2.4`` or ``3.5``."""
        if self.name != "tf.keras":
            return self.named(text)
        named = tuple(release for release in self.releases if release.writes == text)
        return named or self.named(text)

    def named(self, text: str) -> tuple[Release, ...]:
        """The release of that name, ``2.4.4``, or all of a series, ``2.4``."""
        return tuple(
            release
            for release in self.releases
            if f"{release.name}.".startswith(f"{text}.")
        )


def _beyond(text: str, than: str, most: str, release: Release) -> str:
    return (
        f"saved by Keras {text}, which is {than} than all releases that this version "
        f"was tested with: the {most} is {release.writes}, and another release may "
        "compute other numbers from the same file. Update gru2np; or, if you know that "
        f"both compute the same, pass --saved-by {release.writes} (saved_by= in "
        "Python) and verify the bundle"
    )


@cache
def line(name: str) -> Line:
    """A line of Keras: ``keras-1``, ``keras-2``, ``tf.keras`` or ``keras-3``."""
    return Line(name, _table(name))


@cache
def _table(name: str) -> Mapping[str, Any]:
    source = files(__package__) / "tables" / f"{name}.json"
    table: Mapping[str, Any] = json.loads(source.read_text("utf-8"))
    return table


def numbers(text: str) -> Version:
    """The numbers of a version, ``2.4.0`` or ``3.0``; whatever follows is ignored.

    Raises:
        ValueError: it does not begin with a version.
    """
    match = _VERSION.match(text)
    if match is None:
        raise ValueError(f"expected a version such as 2.2.4, got {text!r}")
    return int(match[1]), int(match[2]), int(match[3] or 0)


def is_early(text: str) -> bool:
    """Whether it is a pre-release: ``3.0.0rc1``, ``2.5.0-dev``."""
    match = _VERSION.match(text)
    return match is not None and any(w in match[4] for w in ("rc", "dev", "a", "b"))


class Writers:
    """The releases that may have written a file, narrowed down by its layers.

    Attributes:
        line: of the releases.
        candidates: the releases that write its version.
    """

    def __init__(self, line: Line, candidates: Sequence[Release]) -> None:
        self.line = line
        self.candidates = tuple(candidates)
        self._seen: dict[tuple[str, frozenset[str]], str] = {}

    def naming(
        self, class_name: Callable[[Mapping[str, Any]], str]
    ) -> Callable[[Mapping[str, Any]], str]:
        """A function of a layer's record to its class, ``custom>Name`` if custom.

        Args:
            class_name: the same, from the record alone.
        """

        def named(spec: Mapping[str, Any]) -> str:
            name = class_name(spec)
            if name in MODEL_CLASSES or ">" in name or name.startswith(OPERATIONS):
                return name
            return f"custom>{name}" if self._why(name, spec) else name

        return named

    def why(self, spec: Mapping[str, Any]) -> str:
        """Why a layer is not the class of Keras by its name; empty if it is."""
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
        """The releases that write all classes of Keras seen so far, with their keys.

        A release that lacks a key is excluded only if another one writes the key:
        published files have keys of later releases under older versions.

        Raises:
            UnsupportedModelError: there is no such release.
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
                f"its layers have keys of different releases of Keras ({names}), so "
                "none of them saved it: save the model again with one Keras"
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
            variant.always.keys() - OPTIONAL_KEYS - keys
            for variant in (known, *known.variants)
        ]
        if all(lacking):
            names = ", ".join(sorted(lacking[0]))
            return f"the file has no {names} for it, which {release} always wrote"
        return ""

    def _known(self, release: Release, class_name: str) -> Class | None:
        classes = self.line.classes(release)
        return classes.get(class_name) or classes.get(STORED_AS.get(class_name, ""))

    def _unknown_keys(
        self, release: Release, class_name: str, keys: frozenset[str]
    ) -> frozenset[str]:
        known = self._known(release, class_name)
        assert known is not None  # ``_misfit`` refused all others
        known_keys = [
            variant.always.keys() | variant.sometimes
            for variant in (known, *known.variants)
        ]
        return keys.difference(*known_keys) - OPTIONAL_KEYS


class Reader(Writers):
    """A Keras that reads a file of another one, and takes every class for its own."""

    def _misfit(self, release: Release, class_name: str, keys: frozenset[str]) -> str:
        return ""

    def remaining(self) -> tuple[Release, ...]:
        """The release itself, or the two it is between."""
        return self.candidates
