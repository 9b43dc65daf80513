"""Attacks on loaders of Keras: the rows of ``reference/threats.md``.

Each row has files in ``tests/support/threat_files.py`` by the same key, which
``tests/test_threats.py`` exports and audits.  To add a row, add it to ``THREATS``, and
its files there.
"""

from __future__ import annotations

from typing import NamedTuple

from gru2np.inspection.findings import RULES

_HOSTILE = "tests/readers/safe/test_hostile_files.py::test_attack_is_refused"
_BY_WEIGHTS = (
    "tests/readers/safe/test_hostile_files.py::test_attack_by_weights_is_refused"
)


class Threat(NamedTuple):
    """One kind of attack.

    Attributes:
        attack: what the file holds.
        known: where Keras had it, the number of a CVE or a merged change.
        answer: what gru2np does.
        audit: the rules by which an audit finds it; none if nothing is run or opened.
        more: tests beside those of the row's files.
    """

    attack: str
    known: str
    answer: str
    audit: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


_UNSUPPORTED = "The class is refused by name; its options are not looked at."
THREATS = {
    "bytecode": Threat(
        "Bytecode of a Lambda layer",
        "CVE-2024-3660; in `.h5`, where `safe_mode` was ignored, CVE-2025-9905",
        "The bytecode is data: it is never unmarshalled. What the layer computes comes "
        "from the user's own function, or the model is refused.",
        ("bytecode",),
        (
            "tests/graph/test_custom_functions.py::"
            "test_no_code_of_a_file_is_run_at_export_or_inspect",
        ),
    ),
    "module": Threat(
        "A module and a name in it, to be imported and called",
        "CVE-2025-1550",
        "Names are looked up in a table of known classes; nothing is imported by a "
        "name from a file.",
        ("module",),
    ),
    "function": Threat(
        "A function of Keras that fetches, unpacks or loads",
        "CVE-2025-8747",
        "Functions of a file are looked up in a table of known ones, which has none "
        "that touch files.",
        ("function",),
    ),
    "guard": Threat(
        "The guard of the loader switched off from inside the file",
        "CVE-2025-9906",
        "There is no guard to switch off: no option makes gru2np run code of a file.",
        ("function", "bytecode"),
    ),
    "pickle": Threat(
        "A pickle in a layer, in weights, or as the file itself",
        "CVE-2025-49655 (TorchModuleWrapper)",
        "Pickles are recognised by their first bytes and refused.",
        ("pickle",),
        (f"{_HOSTILE}[pickle]", f"{_HOSTILE}[object array]"),
    ),
    "graph": Threat(
        "A layer that loads a SavedModel from elsewhere and runs it",
        "CVE-2026-1462 (TFSMLayer)",
        f"{_UNSUPPORTED} The graph of a SavedModel is never read: its layers are.",
        ("graph", "path"),
    ),
    "vocabulary": Threat(
        "A vocabulary that is a path or an address",
        "CVE-2025-12058",
        "A vocabulary is read from the architecture alone; a path or an address in its "
        "place is refused and not opened.",
        ("path", "url"),
    ),
    "hdf5": Threat(
        "HDF5 links to other files, external and virtual data, filters of plug-ins",
        "CVE-2026-1669; links and virtual data, keras#22899 and keras#22976",
        "Only hard links are followed, and arrays must lie in the file. HDF5 reads "
        "from a Python file object, so it has no path from which to open others.",
        ("link", "filter"),
        (f"{_HOSTILE}[external link]", f"{_HOSTILE}[virtual data]"),
    ),
    "soft": Threat(
        "A soft link, which other tools resolve",
        "keras#22899",
        "Soft links are refused, also those within the file.",
        (),
        (f"{_HOSTILE}[soft link]",),
    ),
    "bomb": Threat(
        "Shapes, chunks and archives that declare or unpack to far more than is there",
        "CVE-2026-0897; in archives, keras#23010",
        "Sizes are compared with the bytes that are there before memory is taken; "
        "nothing may unpack to more than 100 times its size.",
        (),
        (
            "tests/readers/safe/test_hostile_files.py::"
            "test_a_lying_length_takes_no_memory",
        ),
    ),
    "member": Threat(
        "Names of members that climb out of the archive",
        "CVE-2025-12060 and keras#22973, in archives that Keras fetches",
        "Archives are read by exact name and never extracted; one such name refuses "
        "the whole archive.",
        ("member",),
        (f"{_HOSTILE}[climbing name]",),
    ),
    "name": Threat(
        "Names of layers and shards that climb",
        "none; the same idea within HDF5 and in maps of shards",
        "A name of HDF5 is one link below a group, a shard a bare name in the folder.",
        (),
        (f"{_HOSTILE}[climbing shard]", f"{_BY_WEIGHTS}[newest that climbs]"),
    ),
    "symlink": Threat(
        "Links in a folder to files outside of it",
        "keras#22896 (assets of a model in a folder)",
        "Assets are never opened. The files of the model itself may be links, as hubs "
        "store them; one file by two names is refused.",
        ("link",),
        (f"{_HOSTILE}[one file by two names]",),
    ),
    "registered": Threat(
        "A registered name that stands in for a class of Keras",
        "Keras since checks that its own classes have none",
        "A class by another package's name is the user's own, never Keras': it is "
        "converted by a custom object that the user gives, or refused.",
        ("registered",),
    ),
    "format": Threat(
        "A folder or file that each loader takes for another format",
        "CVE-2025-9905 (HDF5 called `.keras` goes to another loader)",
        "Formats are recognised by bytes, not by names; a folder of two formats is "
        "refused.",
        (),
    ),
    "twice": Threat(
        "Two answers to one question: a key, a member or bytes twice",
        "none; scanners and loaders read different ones",
        "Both are refused.",
        (),
        (f"{_HOSTILE}[duplicate member]", f"{_HOSTILE}[duplicate key]"),
    ),
}
TESTS = "tests/test_threats.py"
NOTHING_HAPPENS = f"{TESTS}::test_the_file_does_nothing"
FOUND = f"{TESTS}::test_the_audit_finds_it"


def tests(key: str) -> list[str]:
    """The tests of a row, as pytest calls them."""
    found = [f"{FOUND}[{key}]"] if THREATS[key].audit else []
    return [f"{NOTHING_HAPPENS}[{key}]", *found, *THREATS[key].more]


def table() -> str:
    """All rows, with their tests."""
    lines = [
        "| attack | where Keras had it | what gru2np does | `--audit` says | tests |",
        "| --- | --- | --- | --- | --- |",
    ]
    for key, row in THREATS.items():
        rules = ", ".join(f"`{rule}`" for rule in row.audit)
        links = "<br>".join(_link(test) for test in tests(key))
        cells = [row.attack, row.known, row.answer, rules, links]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _link(test: str) -> str:
    """A link to the file of a test, with the name of the test."""
    path, _, name = test.partition("::")
    return f"[`{name}`](../../{path})"


def rules() -> str:
    """The rules of an audit, with what another loader does."""
    lines = ["| rule | what is in the file | level | |", "| --- | --- | --- | --- |"]
    for name, rule in RULES.items():
        lines.append(f"| `{name}` | {rule.title} | {rule.level} | {rule.text} |")
    return "\n".join(lines)
