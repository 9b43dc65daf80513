"""Write HTML and SVG; text is always escaped."""

from __future__ import annotations

import unicodedata
from html import escape
from typing import TYPE_CHECKING

from gru2np.text import readable, shorten

if TYPE_CHECKING:
    from collections.abc import Iterable

    Child = str | None
    Attribute = str | float | None

# The most letters of a name, and of the title that the mouse shows.
LONGEST_NAME, LONGEST_TITLE = 60, 300
# Elements that have no end tag in HTML.
_VOID = frozenset({"meta", "br", "hr", "wbr"})
# Attributes whose names do not follow from those in Python.
_ATTRIBUTES = {
    "class_": "class",
    "view_box": "viewBox",
    "preserve_aspect_ratio": "preserveAspectRatio",
}
# Invisible letters that words need: joiners of Persian, Hindi and emoji.
_JOINERS = "\u200c\u200d"
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def element(tag: str, *children: Child, **attributes: Attribute) -> Markup:
    """An element.

    Args:
        tag: its name.
        children: ``Markup`` is not changed, other text is escaped, None is left out.
        attributes: values are escaped; None is left out.  ``class_`` is class,
            ``aria_label`` is aria-label.
    """
    parts = [f"<{tag}"]
    for key, value in attributes.items():
        if value is not None:
            name = _ATTRIBUTES.get(key, key.replace("_", "-"))
            shown = number(value) if isinstance(value, float) else visible(str(value))
            parts.append(f' {name}="{escape(shown)}"')
    inner = "".join(map(_child, children))
    end = "" if tag in _VOID else f"</{tag}>"
    return Markup(f"{''.join(parts)}>{inner}{end}")


def _child(child: Child) -> str:
    if child is None:
        return ""
    return child if isinstance(child, Markup) else escape(visible(child), quote=False)


def join(children: Iterable[Child]) -> Markup:
    """The children, concatenated."""
    return Markup("".join(map(_child, children)))


def visible(text: str) -> str:
    """The text with invisible letters written as ``\\u202e``.

    These are control characters, halves of surrogate pairs, and marks that change the
    direction of writing.
    """
    return "".join(
        f"\\u{ord(letter):04x}"
        if unicodedata.category(letter) in _INVISIBLE and letter not in _JOINERS
        else letter
        for letter in text
    )


def short_name(path: str, width: int = LONGEST_NAME) -> str:
    """A path of the bundle as text, shortened in the middle if it is too long."""
    return shorten(visible(readable(path[:4000])), width)


def name(path: str, width: int = LONGEST_NAME) -> Markup:
    """A path as an element, with its own direction of writing and a full title."""
    whole = shorten(readable(path[:4000]), LONGEST_TITLE)
    shown = short_name(path, width)
    return element("bdi", shown, title=None if shown == whole else whole)


def number(value: float) -> str:
    """A coordinate with at most two decimals."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text in ("", "-0") else text


def percent(part: float) -> str:
    """A coordinate from 0 to 1 as a percentage."""
    return f"{number(100 * part)}%"
