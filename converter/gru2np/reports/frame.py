"""The one file that a page is: its head, its sections, and what it was made with."""

from __future__ import annotations

import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gru2np.reports.blocks import facts, section
from gru2np.reports.markup import Markup, element, join
from gru2np_runtime import __version__

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    # Key, title and content of a section.
    Part = tuple[str, str, Iterable[Markup]]

STYLE = Path(__file__).with_name("style.css")
# A browser that keeps to it loads nothing and runs nothing, whatever a file names.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(
    title: str,
    kind: str,
    heading: str,
    lead: Sequence[Markup],
    parts: Sequence[Part],
) -> Markup:
    """The whole page.

    Args:
        title: of the window.
        kind: what stands above the name.
        heading: what it is about.
        lead: what is read first.
        parts: key, title and content of every section.
    """
    links = [element("a", label, href=f"#{key}") for key, label, _ in parts]
    made = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="generator", content=f"gru2np {__version__}"),
        element("title", title),
        element("style", Markup(STYLE.read_text("utf-8"))),
    )
    body = element(
        "body",
        element(
            "header",
            element("p", kind, class_="kind"),
            element("h1", element("bdi", heading)),
            *lead,
            element("nav", *links, aria_label="Sections"),
        ),
        element("main", *(section(key, label, *own) for key, label, own in parts)),
        element("footer", element("p", f"Made by gru2np {__version__}, {made}.")),
    )
    return join([Markup("<!DOCTYPE html>\n"), element("html", head, body, lang="en")])


def made_with(
    command: Sequence[str], more: Sequence[tuple[str, str]] = ()
) -> Iterator[Markup]:
    """The command, and what it ran on: no host, no folder, no name of a person.

    Args:
        command: that makes the page again, word by word.
        more: other programs that had a part in it.
    """
    words = (join([element("span", word), " "]) for word in command)
    yield element("pre", *words, class_="command")
    yield facts(
        [
            *more,
            ("gru2np", __version__),
            ("Python", platform.python_version()),
            ("NumPy", np.__version__),
            ("System", f"{platform.system()} {platform.machine()}"),
        ]
    )
