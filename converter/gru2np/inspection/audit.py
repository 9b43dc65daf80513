"""What a model file holds that another loader would run, open or fetch."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gru2np.errors import check_path, shown
from gru2np.inspection.audit_parts import Part, in_folder, in_part, known
from gru2np.inspection.findings import RULES, Finding
from gru2np.readers.source import as_folder, kind_of, open_source
from gru2np.text import paragraph, plural
from gru2np_runtime.version import __version__

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

#: Findings that are kept; a file can be made to have millions.
MOST_FINDINGS = 10_000
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True)
class Audit:
    """What an audit of a model file found.

    Attributes:
        path: the file or folder, as it was given.
        findings: all that another loader would run, open or fetch; empty if nothing.
    """

    path: str
    findings: tuple[Finding, ...]

    def sarif(self) -> dict[str, Any]:
        """The findings in SARIF 2.1.0, one run with one result for each finding."""
        used = dict.fromkeys(finding.rule for finding in self.findings)
        driver = {
            "name": "gru2np",
            "version": __version__,
            "rules": [
                {
                    "id": name,
                    "shortDescription": {"text": RULES[name].title},
                    "fullDescription": {"text": RULES[name].text},
                    "defaultConfiguration": {"level": RULES[name].level},
                }
                for name in used
            ],
        }
        uri = quote(Path(self.path).as_posix())
        results = [
            {
                "ruleId": finding.rule,
                "level": RULES[finding.rule].level,
                "message": {"text": f"{RULES[finding.rule].title}: {finding.text}"},
                "locations": [_location(uri, finding)],
            }
            for finding in self.findings
        ]
        run = {"tool": {"driver": driver}, "results": results}
        return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}

    def text(self, width: int = 88) -> str:
        """The findings for a person, by kind.

        Args:
            width: of a line.
        """
        if not self.findings:
            return f"{self.path}: nothing that another loader would run, open or fetch"
        count = plural(len(self.findings), "thing")
        lines = [f"{self.path}: {count} that another loader would run, open or fetch"]
        for name in dict.fromkeys(finding.rule for finding in self.findings):
            rule = RULES[name]
            lines += ["", f"{rule.title[0].upper()}{rule.title[1:]}"]
            lines += paragraph(rule.text, width, "  ")
            for finding in self.findings:
                if finding.rule == name:
                    lines.append(f"  - {finding.where or 'the file itself'}")
                    lines += paragraph(finding.text, width, "    ")
        lines += ["", "gru2np ran, opened and fetched none of it."]
        return "\n".join(lines)

    def __str__(self) -> str:
        return self.text()


def _location(uri: str, finding: Finding) -> dict[str, Any]:
    location: dict[str, Any] = {"physicalLocation": {"artifactLocation": {"uri": uri}}}
    if finding.where:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.where}]
    return location


def audit(path: str | os.PathLike[str]) -> Audit:
    """List what a model file holds that another loader would run, open or fetch.

    Bytecode of Lambda layers, modules and functions by name, pickles, paths, addresses,
    links to other files: each with where it is.  The file is read and nothing of it is
    run, opened or fetched; models that cannot be converted are audited too.  A part
    that cannot be read is a finding, for what is in it is not known.

    Args:
        path: a model, weights or a bundle, in any form that Keras wrote, or a folder.

    Raises:
        InputError: ``path`` is no path.
        ModelFileError: there is no such file, or it is of a kind that holds no model.
    """
    check_path(path, "path", 'audit("model.h5")')
    # Names and texts come from the file: no terminal codes, no line breaks.
    found = (
        Finding(one.rule, _plain(one.part), _plain(one.place), _plain(one.text))
        for one in _findings(path)
    )
    # Kinds of every generation repeat the same JSON in a string.
    findings = tuple(dict.fromkeys(islice(found, MOST_FINDINGS)))
    if next(found, None) is not None:
        text = f"more than {MOST_FINDINGS} findings"
        findings += (Finding("unread", "", "", text),)
    return Audit(str(path), findings)


def _findings(path: str | os.PathLike[str]) -> Iterator[Finding]:
    folder = as_folder(path)
    if folder is not None:
        yield from in_folder(folder)
        return
    with ExitStack() as stack:
        source = open_source(path, stack)
        part = Part("", source.name, source.window)
        if not known(part):
            kind_of(source)  # says what it is, and what to do
        yield from in_part(part)


def _plain(text: str) -> str:
    return text if text.isprintable() else shown(text, 200)
