"""What the runtime and the Keras that it is compared with both assume.

Where both read one ambiguous thing the same way, that they agree proves nothing of it.
Each sentence stands only where it concerns the file; ``Built.warnings`` stand beside
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.generations.records import objects
from gru2np.inspection import choices
from gru2np.text import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gru2np.convert import Conversion
    from gru2np.verification.evidence import Reference

# Names of a kind that are said; more are counted.
SHOWN = 4


def shared(conversion: Conversion, reference: Reference) -> tuple[str, ...]:
    """What both assume about a file, a clause for each thing.

    Args:
        conversion: of the file.
        reference: the Keras that was asked.
    """
    raw = conversion.raw
    found = [*_names(raw.config)]
    if raw.keras_version is None:
        found.append("the file, which names no version, is one of this Keras")
    elif raw.keras_version != reference.version:
        name = str(reference).partition(" (")[0]
        found.append(f"{name} computes what {conversion.meaning.writer} did")
    found += choices.unsaid(conversion.built.graph, conversion.meaning, raw.config)
    return tuple(found)


def _names(config: Any) -> Iterator[str]:
    """That names without a module are those of Keras."""
    classes: dict[str, None] = {}
    functions: dict[str, None] = {}
    for record in objects(config):
        name, options = record.get("class_name"), record.get("config")
        if not isinstance(name, str) or not isinstance(options, dict):
            continue
        inside = "layers" in options or name == "InputLayer"
        if not record.get("module") and not inside and "name" in options:
            classes[name] = None
        functions.update(
            (value, None)
            for key, value in options.items()
            if key.endswith("activation") and isinstance(value, str)
        )
    functions.pop("linear", None)
    if classes or functions:
        names = [*classes, *functions]
        are = "is" if len(names) == 1 else "are"
        yield (
            f"{listed(names, SHOWN)} {are} Keras' own and not yours by the same name, "
            "for the file names no module"
        )
