"""Writing pages: of a model or a bundle, and of a verification."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gru2np.inspection.report import of_conversion, size_of
from gru2np.reports import frame, layers
from gru2np.reports.blocks import facts, figures
from gru2np.reports.gates import meaning_parts, problems
from gru2np.reports.markup import Markup, quantity, visible
from gru2np.reports.subject import Subject, opened
from gru2np.text import plural, size_text
from gru2np_runtime.files.arrays import replacing

if TYPE_CHECKING:
    import os

    from gru2np.convert import Conversion
    from gru2np.inspection.cost import Costs
    from gru2np.inspection.report import Report
    from gru2np.layers.custom import CustomObjects
    from gru2np.reports.frame import Part
    from gru2np.verification.result import Verification

    FilePath = str | os.PathLike[str]


def write_inspection(
    target: FilePath,
    path: FilePath,
    weights: FilePath | None = None,
    *,
    custom_objects: CustomObjects | None = None,
    saved_by: str | None = None,
) -> Report:
    """Write the page of a model file or a bundle.

    Args:
        target: the page; it takes the place of a file of that name once it is whole.
        path: a model file, an architecture, or a bundle.
        weights: the weights file that belongs to an architecture.
        custom_objects: classes of your own, as ``export`` takes them.
        saved_by: the Keras that saved the file, where it does not say: see ``export``.

    Returns:
        What the page shows.

    Raises:
        ModelFileError: the file is damaged, hostile or no model.
        BundleError: the bundle breaks a rule.
        Gru2npError: the page cannot be written.
    """
    with opened(path, weights, custom_objects, saved_by) as subject:
        _write(target, inspection_page(subject, weights, saved_by))
    return subject.report


def write_verification(
    target: FilePath,
    found: Verification,
    model: FilePath,
    *,
    weights: FilePath | None = None,
    bundle: FilePath | None = None,
    given: FilePath | None = None,
    expected: FilePath | None = None,
    atol: float | None = None,
    rtol: float | None = None,
    custom_objects: CustomObjects | None = None,
    saved_by: str | None = None,
    conversion: Conversion | None = None,
) -> None:
    """Write the page of a verification.

    Args:
        target: the page; it takes the place of a file of that name once it is whole.
        found: what ``verify`` gave, with ``layers=True`` for errors by layer.
        model: the model file that was verified.
        weights: the weights file that belongs to an architecture.
        bundle: the bundle that was verified, if one was given.
        given: the file of inputs, if one was given.
        expected: the file of recorded outputs, if one was given.
        atol: the absolute tolerance, if one was given.
        rtol: the relative one, if one was given.
        custom_objects: classes of your own, as ``export`` takes them.
        saved_by: the Keras that saved the file, where it does not say: see ``export``.
        conversion: of the model, where it is still open; else its file is opened.

    Raises:
        ModelFileError: the file is damaged, hostile or no model.
        BundleError: the bundle breaks a rule.
        Gru2npError: the page cannot be written.
    """
    from gru2np.reports.comparison import verification_page

    options = [
        ("", model),
        ("", bundle),
        ("--weights", weights),
        ("--saved-by", saved_by),
        ("--input", given),
        ("--expected", expected),
        ("--atol", atol),
        ("--rtol", rtol),
    ]
    if bundle is None and conversion is not None:
        subject = Subject(*of_conversion(conversion, str(model), size_of(Path(model))))
        _write(target, verification_page(subject, found, options))
        return
    about = (model, weights) if bundle is None else (bundle, None)
    said = saved_by if bundle is None else None
    with opened(*about, custom_objects, said) as subject:
        _write(target, verification_page(subject, found, options))


def inspection_page(
    subject: Subject, weights: FilePath | None = None, saved_by: str | None = None
) -> Markup:
    """The page of a model without a comparison.

    Args:
        subject: the model or bundle.
        weights: the weights file that was given with it.
        saved_by: what was said of the Keras that saved it.
    """
    report, costs, drawn = subject.report, subject.costs, subject.diagram
    parts: list[Part] = []
    if not report.convertible:
        parts.append(("problems", "Cannot be converted", problems(report)))
    if drawn is not None:
        parts.append(("graph", "Graph", layers.graph(drawn)))
    if report.layers:
        parts.append(("layers", "Layers", layers.layers(report, costs)))
    if subject.opened is not None:
        parts.append(("weights", "Weights", layers.weights(report, subject.opened)))
    parts.extend(meaning_parts(report))
    words = ["gru2np", "inspect", shlex.quote(visible(Path(report.file).name))]
    if weights is not None:
        words += ["--weights", shlex.quote(visible(Path(weights).name))]
    if saved_by is not None:
        words += ["--saved-by", shlex.quote(saved_by)]
    words += ["--report", "page.html"]
    parts.append(("made", "Reproduce", frame.made_with(words)))
    kind = report.kind.capitalize()
    lead = [_figures(report, costs), facts(layers.source_facts(report))]
    heading = layers.title_of(report)
    return frame.page(f"{heading}: {kind}", kind, heading, lead, parts)


def _figures(report: Report, costs: Costs | None) -> Markup:
    """The numbers that sum a model up."""
    count, _, noun = plural(len(report.layers), "layer").partition(" ")
    rows = [(count, noun)]
    if report.parameters is not None:
        rows.append((quantity(report.parameters), "parameters"))
    if costs is not None:
        rows.append((size_text(costs.weight_bytes), "weights in memory"))
        if costs.state_bytes:
            rows.append((size_text(costs.state_bytes), "state of one sequence"))
        total = costs.total
        if total.per_step:
            rows.append((quantity(total.per_step), "multiply-adds per time step"))
        elif total.at is not None:
            rows.append((quantity(total.once), f"multiply-adds, free sizes {total.at}"))
        elif total.once:
            rows.append((quantity(total.once), "multiply-adds per sample"))
    return figures(rows)


def _write(target: FilePath, text: Markup) -> None:
    with replacing(target) as file:
        file.write(text.encode("utf-8"))
