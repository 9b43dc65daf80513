"""What the runtime and the Keras that it is compared with both assume.

If both read an ambiguous thing in the same way, their agreement proves nothing about
it.  Only sentences that concern the file are given; ``Built.warnings`` are others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.generations.records import objects
from gru2np.inspection import choices
from gru2np.text import by_words, listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gru2np.convert import Conversion
    from gru2np.verification.evidence import Reference

# At most this many names are listed; the others are counted.
SHOWN = 4


def shared(conversion: Conversion, reference: Reference) -> tuple[str, ...]:
    """What both assume about a file, a clause for each thing.

    Args:
        conversion: of the file.
        reference: the Keras that ran.
    """
    raw = conversion.raw
    clauses = [*_names(raw.config)]
    if raw.keras_version is None:
        clauses.append("this Keras saved the file, which names no version")
    if reference.rewritten is not None:
        return (*clauses, *_upgraded(conversion, reference.rewritten))
    if raw.keras_version not in (None, reference.version):
        name = str(reference).partition(" (")[0]
        clauses.append(f"{name} computes what {conversion.meaning.writer} did")
    clauses += choices.unsaid(conversion.built.graph, conversion.meaning, raw.config)
    return tuple(clauses)


def _upgraded(conversion: Conversion, rewritten: Mapping[str, str]) -> Iterator[str]:
    """A clause for each thing that gru2np read in the file, and for each rewriting."""
    yield f"{conversion.meaning.writer} meant by this file what gru2np reads in it"
    yield from choices.of_conversion(conversion)
    for words in by_words(rewritten):
        yield f"rewritten to the same effect: {words}"


def _names(config: Any) -> Iterator[str]:
    """A clause on names without a module, which are taken for those of Keras."""
    classes: dict[str, None] = {}
    functions: dict[str, None] = {}
    for record in objects(config):
        name, options = record.get("class_name"), record.get("config")
        if not isinstance(name, str) or not isinstance(options, dict):
            continue
        is_model = "layers" in options or name == "InputLayer"
        if not record.get("module") and not is_model and "name" in options:
            classes[name] = None
        functions.update(
            (value, None)
            for key, value in options.items()
            if key.endswith("activation") and isinstance(value, str)
        )
    functions.pop("linear", None)
    if classes or functions:
        names = [*classes, *functions]
        are = "is from Keras and not a custom object"
        if len(names) > 1:
            are = "are from Keras and not custom objects"
        yield (
            f"{listed(names, SHOWN)} {are} of the same name: the file names no module"
        )
