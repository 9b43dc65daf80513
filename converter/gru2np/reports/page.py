"""Write the page of a model or a bundle, and that of a verification."""

from __future__ import annotations

import platform
import shlex
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gru2np.inspection.cost import costs
from gru2np.inspection.inspect import inspecting, of_conversion, size_of
from gru2np.reports import model as model_parts
from gru2np.reports import verification as verification_parts
from gru2np.reports.blocks import facts, figures
from gru2np.reports.gates import meaning_sections, problems
from gru2np.reports.markup import Markup, element, join, visible
from gru2np.reports.over_time import errors_by_step, states
from gru2np.text import plural, quantity, shorten, size_text
from gru2np_runtime import __version__
from gru2np_runtime.files.arrays import replacing
from gru2np_runtime.kernels.c.library import kernel

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from gru2np.convert import Conversion
    from gru2np.graph.parts import Part
    from gru2np.inspection.cost import Costs
    from gru2np.inspection.inspect import Opened, Report
    from gru2np.reports.blocks import Section
    from gru2np.verification.result import Verification
    from gru2np_runtime.custom_objects import CustomObjects

    FilePath = str | os.PathLike[str]
    # Options of a command with their values; None if the user left one out.
    Options = Sequence[tuple[str, FilePath | float | None]]

STYLE = Path(__file__).with_name("style.css")
# With this policy a browser loads and runs nothing.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_KERNELS = {"c": "compiled", "numpy": "NumPy"}


def write_inspection(
    target: FilePath,
    path: FilePath,
    weights: FilePath | None = None,
    *,
    custom_objects: CustomObjects | None = None,
    objects_file: FilePath | None = None,
    saved_by: str | None = None,
    part: Part | None = None,
) -> Report:
    """Write the page of a model file or a bundle.

    Args:
        target: path of the page; it is replaced when the page is complete.
        path: a model file, an architecture, or a bundle.
        weights: the weights of an architecture.
        custom_objects: as for ``export``.
        objects_file: the file that they are from.
        saved_by: the Keras that saved the file, if the file does not say: see
            ``export``.
        part: the part of the model to show; None for the whole model.

    Returns:
        The report that the page shows.

    Raises:
        ModelFileError: the file is damaged, hostile or no model.
        BundleError: the bundle breaks a rule.
        Gru2npError: the page cannot be written.
    """
    options: Options = [
        *(("", path), ("--weights", weights), ("--custom-objects", objects_file)),
    ]
    with inspecting(
        path,
        weights,
        custom_objects=custom_objects,
        saved_by=saved_by,
        part=part,
    ) as (report, opened):
        command = _command("inspect", options, "page.html", saved_by, part=part)
        _write(target, _inspection_page(report, opened, command))
    return report


def write_verification(
    target: FilePath,
    verification: Verification,
    model: FilePath,
    *,
    weights: FilePath | None = None,
    bundle: FilePath | None = None,
    inputs: FilePath | None = None,
    expected: FilePath | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    custom_objects: CustomObjects | None = None,
    objects_file: FilePath | None = None,
    saved_by: str | None = None,
    conversion: Conversion | None = None,
) -> None:
    """Write the page of a verification.

    Args:
        target: path of the page; it is replaced when the page is complete.
        verification: the result of ``verify``; errors by layer need ``layers=True``.
        model: the model file that was verified.
        weights: the weights of an architecture.
        bundle: the bundle that was verified; None if exported in memory.
        inputs: the file of inputs; None if they were drawn.
        expected: the file of recorded outputs; None if Keras ran.
        atol: the user's absolute tolerance.
        rtol: the user's relative tolerance.
        custom_objects: as for ``export``.
        objects_file: the file that they are from.
        saved_by: the Keras that saved the file, if the file does not say: see
            ``export``.
        conversion: of the model, if it is open; else the file is opened again.

    Raises:
        ModelFileError: the file is damaged, hostile or no model.
        BundleError: the bundle breaks a rule.
        Gru2npError: the page cannot be written.
    """
    options: Options = [
        *(("", model), ("", bundle), ("--weights", weights), ("--input", inputs)),
        *(("--expected", expected), ("--atol", atol), ("--rtol", rtol)),
        ("--custom-objects", objects_file),
    ]
    part = None if conversion is None else conversion.part
    command = _command("verify", options, "report.html", saved_by, verification, part)
    if bundle is None and conversion is not None:
        converted = of_conversion(conversion, str(model), size_of(Path(model)))
        _write(target, _verification_page(*converted, verification, command))
        return
    if bundle is not None:
        model, weights, saved_by = bundle, None, None
    with inspecting(
        model, weights, custom_objects=custom_objects, saved_by=saved_by
    ) as subject:
        _write(target, _verification_page(*subject, verification, command))


def _write(target: FilePath, page: Markup) -> None:
    with replacing(target) as file:
        file.write(page.encode("utf-8"))


def _command(
    name: str,
    options: Options,
    page: str,
    saved_by: str | None = None,
    verification: Verification | None = None,
    part: Part | None = None,
) -> list[str]:
    """The command that writes the page again, as words; files without folders."""
    words = ["gru2np", name]
    for option, value in options:
        if value is not None:
            text = repr(value) if isinstance(value, float) else Path(value).name
            words += [option, shlex.quote(visible(text))]
    if saved_by is not None:
        words += ["--saved-by", shlex.quote(saved_by)]
    for option, names in () if part is None else part.options:
        words += [option, shlex.quote(visible(names))]
    if verification is not None and verification.drawn is not None:
        words += ["--seed", str(verification.drawn)]
        if len(verification.evidence.cases) == 1:
            words += ["--case", verification.evidence.cases[0].name]
    return [word for word in (*words, "--report", page) if word]


def _inspection_page(
    report: Report, opened: Opened | None, command: Sequence[str]
) -> Markup:
    cost = None if opened is None else costs(opened.graph)
    sections: list[Section] = []
    if not report.convertible:
        sections.append(("problems", "Cannot be converted", problems(report)))
    if opened is not None:
        sections.append(("graph", "Graph", model_parts.drawings(opened)))
    if report.layers:
        sections.append(("layers", "Layers", model_parts.layers(report, cost)))
    if opened is not None:
        sections.append(("weights", "Weights", model_parts.weights(report, opened)))
    sections += meaning_sections(report)
    sections.append(("made", "Reproduce", _reproduce(command)))
    kind, heading = report.kind.capitalize(), model_parts.title_of(report.file)
    lead = [figures(_figures(report, cost)), facts(model_parts.file_facts(report))]
    return _page(f"{heading}: {kind}", kind, heading, lead, sections)


def _verification_page(
    report: Report,
    opened: Opened | None,
    verification: Verification,
    command: Sequence[str],
) -> Markup:
    sections: list[Section] = [
        ("outputs", "Outputs", verification_parts.outputs(verification))
    ]
    cost = None
    if opened is not None:
        cost = costs(opened.graph)
        notes = verification_parts.node_notes(verification)
        sections.append(("graph", "Graph", model_parts.drawings(opened, notes)))
    if verification.layers:
        errors = verification_parts.layer_errors(verification.layers)
        sections.append(("by-layer", "Error by layer", errors))
    if opened is not None:
        by_step = errors_by_step(verification.evidence, opened)
        hidden = states(verification.evidence, opened)
        over_time = (
            ("by-step", "Error by time step", by_step),
            ("states", "Hidden states", hidden),
        )
        sections += [section for section in over_time if section[2]]
    sections.append(("cases", "Inputs", verification_parts.cases(verification)))
    sections.append(("layers", "Layers", model_parts.layers(report, cost)))
    # The notes and assumptions above the sections are not repeated.
    shown = {*verification.notes, *verification.assumptions}
    meaning = tuple(text for text in report.meaning if text not in shown)
    sections += meaning_sections(replace(report, meaning=meaning))
    versions = list(_versions(verification))
    sections.append(("made", "Reproduce", _reproduce(command, versions)))
    bundle = shorten(verification.bundle or "exported in memory", 80)
    rows = [
        ("Bundle", bundle),
        *model_parts.file_facts(report),
        *verification_parts.notes(verification),
    ]
    lead = [verification_parts.verdict(verification), facts(rows)]
    heading = model_parts.title_of(verification.model)
    title = f"{verification_parts.word(verification)}: {heading}"
    return _page(title, "Verification", heading, lead, sections)


def _figures(report: Report, cost: Costs | None) -> Iterator[tuple[str, str]]:
    """The numbers at the top of the page."""
    count, _, noun = plural(len(report.layers), "layer").partition(" ")
    yield count, noun
    if report.parameters is not None:
        yield quantity(report.parameters), "parameters"
    if cost is None:
        return
    yield size_text(cost.weight_bytes), "weights in memory"
    if cost.state_bytes:
        yield size_text(cost.state_bytes), "state of one sequence"
    total = cost.total
    if total.per_step:
        yield quantity(total.per_step), "multiply-adds per time step"
    elif total.at is not None:
        yield quantity(total.once), f"multiply-adds, free sizes {total.at}"
    elif total.once:
        yield quantity(total.once), "multiply-adds per sample"


def _versions(verification: Verification) -> Iterator[tuple[str, str]]:
    """Names and versions of the programs in a verification."""
    reference = verification.evidence.reference
    if reference is not None:
        name = "Keras" if reference.name == "keras" else reference.name
        yield name, reference.version
        yield "TensorFlow", reference.tensorflow
    yield "Kernel", _KERNELS[kernel()]


def _reproduce(
    command: Sequence[str], versions: Sequence[tuple[str, str]] = ()
) -> Iterator[Markup]:
    """The command and its versions, without names of hosts, folders and users."""
    words = (join([element("span", word), " "]) for word in command)
    yield element("pre", *words, class_="command")
    system = f"{platform.system()} {platform.machine()}"
    python = platform.python_version()
    ours = [("gru2np", __version__), ("Python", python), ("NumPy", np.__version__)]
    yield facts([*versions, *ours, ("System", system)])


def _page(
    title: str,
    kind: str,
    heading: str,
    lead: Sequence[Markup],
    sections: Sequence[Section],
) -> Markup:
    """The whole file.

    Args:
        title: of the window.
        kind: of the page, above the heading.
        heading: the name of the file.
        lead: the part before the sections.
        sections: in order.
    """
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="generator", content=f"gru2np {__version__}"),
        element("title", title),
        element("style", Markup(STYLE.read_text("utf-8"))),
    )
    links = [element("a", label, href=f"#{key}") for key, label, _ in sections]
    made = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    body = element(
        "body",
        element(
            "header",
            element("p", kind, class_="kind"),
            element("h1", element("bdi", heading)),
            *lead,
            element("nav", *links, aria_label="Sections"),
        ),
        element("main", *(_section(*section) for section in sections)),
        element("footer", element("p", f"Made by gru2np {__version__}, {made}.")),
    )
    return join([Markup("<!DOCTYPE html>\n"), element("html", head, body, lang="en")])


def _section(key: str, title: str, children: Iterable[Markup]) -> Markup:
    head = element("h2", title, id=key)
    return element("section", head, *children, aria_labelledby=key)
