"""What an audit finds: the rules, and a finding under one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Rule(NamedTuple):
    """One kind of thing that another loader would run, open or fetch.

    Attributes:
        title: what is in the file, in a few words.
        level: of SARIF: ``error`` if code runs or a file outside is touched, else
            ``warning``.
        text: what another loader does with it.
    """

    title: str
    level: str
    text: str


#: By the name that a finding carries.
RULES = {
    "bytecode": Rule(
        "Python bytecode",
        "error",
        "A loader that restores the function runs code from the file.",
    ),
    "module": Rule(
        "a module that is not part of Keras",
        "error",
        "A loader imports the module, and calls what the file names in it.",
    ),
    "function": Rule(
        "a function of Keras that is no part of a model",
        "error",
        "A loader calls it, with arguments from the file: such functions fetch, "
        "unpack and write files, load other models, or switch the guard of Keras off.",
    ),
    "pickle": Rule(
        "a pickle", "error", "A loader that unpickles it runs whatever it holds."
    ),
    "yaml": Rule(
        "a YAML tag of Python",
        "error",
        "A loader that is not restricted calls what the tag names.",
    ),
    "graph": Rule(
        "a graph that reaches outside",
        "error",
        "TensorFlow runs the graph, and with it operations on files or code of Python.",
    ),
    "url": Rule("an address", "error", "A loader fetches it when it opens the model."),
    "path": Rule(
        "a path",
        "error",
        "A loader opens the file on the machine where it runs.",
    ),
    "link": Rule(
        "a link to another file",
        "error",
        "A loader follows it, and takes what the other file holds for the model's own.",
    ),
    "filter": Rule(
        "a filter that is a plug-in",
        "error",
        "HDF5 looks for a shared library of that number, and runs it.",
    ),
    "member": Rule(
        "a name that leaves the folder",
        "error",
        "A loader that unpacks the archive writes outside of it.",
    ),
    "registered": Rule(
        "a name that is registered from outside",
        "warning",
        "A loader runs whatever its process has registered by that name, also in "
        "place of Keras' own class.",
    ),
    "unread": Rule(
        "a part that cannot be read",
        "warning",
        "What is in it is not known; it may be damaged, or made to stop a reader.",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One thing that another loader would run, open or fetch.

    Attributes:
        rule: its kind, a key of ``RULES``.
        part: the file, member or attribute that holds it; empty for the file itself.
        place: where in the part, such as the keys of JSON joined with ``/``.
        text: what is there.
    """

    rule: str
    part: str
    place: str
    text: str

    @property
    def where(self) -> str:
        """Part and place in one text."""
        return ": ".join(filter(None, (self.part, self.place)))

    def __str__(self) -> str:
        return f"{self.rule}: {self.where or 'the file itself'}: {self.text}"
