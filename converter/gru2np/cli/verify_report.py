"""What ``gru2np verify`` prints: the tables a person reads, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gru2np.text import difference, paragraph, plural, shorten
from gru2np_runtime.data import shape_text
from gru2np_runtime.text import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Case
    from gru2np.verification.result import Verification

# A layer's name wider than this leaves no room for the numbers.
_NAME = 30
# And the same of the inputs' shapes.
_SHAPES = 36
# Of a paragraph, and how much of it is read.
_WIDTH, _CLAUSES = 100, 8


def report(verification: Verification, given: str | None = None) -> Iterator[str]:
    """The lines of the report, the verdict last.

    Args:
        verification: what it tells of.
        given: name of the file of inputs, if they were given.
    """
    bundle = (
        f" as {verification.bundle}" if verification.bundle else ", exported in memory"
    )
    yield f"{verification.model} ({verification.written_by}){bundle}"
    if _several(verification):
        yield ""
        yield from _case_table(verification)
        yield f"drawn with seed {verification.drawn}; one of them: --case NAME"
    else:
        yield from _inputs(verification.evidence.cases[0], given)
    yield ""
    if verification.layers is not None:
        yield from _layer_table(verification)
        if verification.not_compared:
            yield f"not compared: {', '.join(verification.not_compared)}"
        yield ""
    yield from _output_table(verification)
    yield ""
    if verification.missed:
        yield from paragraph(
            f"No case reached: {_sentence(verification.missed)}", _WIDTH, ""
        )
        yield ""
    if verification.assumptions:
        text = f"Both assume: {_sentence(verification.assumptions)}"
        yield from paragraph(text, _WIDTH, "")
        yield ""
    yield from _departure(verification)
    yield _verdict(verification)


def _sentence(clauses: Sequence[str]) -> str:
    """A few clauses as one sentence, more counted."""
    more = len(clauses) - _CLAUSES
    shown = [*clauses[:_CLAUSES], *([f"and {more} more (--json)"] if more > 0 else [])]
    return "; ".join(shown) + "."


def _several(verification: Verification) -> bool:
    """Whether there are cases to tell apart."""
    return len(verification.evidence.cases) > 1


def _inputs(case: Case, given: str | None) -> Iterator[str]:
    """The inputs of the only case, each on a line."""
    source = given or f"seed {case.seed}, case {case.name}"
    for i, (name, x) in enumerate(case.inputs.items()):
        head = "" if i else "input"
        yield f"{head:<6}{name} {shape_text(x.shape)} {x.dtype}, {source}"


def _departure(verification: Verification) -> Iterator[str]:
    """Where the fault starts, as far as layers were asked for."""
    first = verification.first_departure
    if first is not None:
        case = f", case {first.case}" if _several(verification) else ""
        yield (
            f"first departure: layer {first.name} ({first.kind}){case}: "
            f"{first.why}{_third_party(first)}"
        )
    elif verification.layers is not None and not verification.agrees:
        yield (
            "first departure: none, each layer alone gives what Keras gave; "
            "their connections or the kernel that runs them as a whole do not"
        )


def _third_party(comparison: Comparison) -> str:
    if comparison.float64 is None:
        return ""
    moved = comparison.float64.moved
    return (
        f"; Keras is {difference(comparison.float64.theirs)} from float64, "
        f"this runtime {difference(comparison.float64.ours)}"
    ) + (f", a last digit of each number moves it {difference(moved)}" if moved else "")


def _verdict(verification: Verification) -> str:
    outputs = plural(len(verification.outputs), "output")
    if _several(verification):
        outputs += f" in {len(verification.evidence.cases)} cases"
    beside = f"{verification.reference} beside {verification.runtime}"
    if verification.agrees:
        worst = verification.worst
        rounding = f", by rounding{_third_party(worst)}" if worst.rounding else ""
        return (
            f"{click.style('agree', fg='green')}: {outputs}, at worst "
            f"{difference(worst.largest)} of {difference(worst.tolerance)} allowed"
            f"{rounding}, {beside}"
        )
    wrong = [output for output in verification.outputs if not output.agrees]
    reasons = "; ".join(f"{comparison.name}: {comparison.why}" for comparison in wrong)
    return (
        f"{click.style('differ', fg='red')}: {len(wrong)} of {outputs} ({reasons}), "
        f"{beside}"
    )


def _case_table(verification: Verification) -> Iterator[str]:
    """Every case on a line."""
    head = ("case", "input", "what it tries", "difference", "tolerance", "verdict")
    rows = []
    for case in verification.evidence.cases:
        worst = max(case.compared, key=lambda comparison: comparison.badness)
        rows.append(
            (
                case.name,
                shorten(_shapes(case), _SHAPES),
                case.description,
                difference(worst.largest),
                difference(worst.tolerance),
                worst.verdict,
            )
        )
    return _table(head, rows, {3, 4})


def _shapes(case: Case) -> str:
    """The inputs' shapes, by name where there are several."""
    shapes = {name: shape_text(x.shape) for name, x in case.inputs.items()}
    if len(shapes) == 1:
        return next(iter(shapes.values()))
    return ", ".join(f"{name} {text}" for name, text in shapes.items())


def _layer_table(verification: Verification) -> Iterator[str]:
    """Every layer call on a line in its worst case, the first departure marked.

    Both distances from float64 stand beside the difference.
    """
    first = verification.first_departure
    # With one case there is room for the shape.
    where = "case" if _several(verification) else "shape"
    head = ("layer", "class", where, "difference", "tolerance", "Keras", "here")
    rows = []
    for comparison in verification.layers or ():
        float64 = comparison.float64
        rows.append(
            (
                shorten(comparison.name, _NAME),
                comparison.kind,
                comparison.case
                if _several(verification)
                else shape_text(comparison.shape),
                difference(comparison.largest),
                difference(comparison.tolerance),
                "-" if float64 is None else difference(float64.theirs),
                "-" if float64 is None else difference(float64.ours),
                comparison.verdict + (" < the first" if comparison is first else ""),
            )
        )
    yield from _table((*head, "verdict"), rows, {3, 4, 5, 6})
    yield "Keras, here: largest distance of each from the same layer in float64"


def _output_table(verification: Verification) -> Iterator[str]:
    """Every output in its worst case, with both numbers where they differ most."""
    where = "case" if _several(verification) else "shape"
    head = ("output", where, "difference", "at", "here", "expected", "relative", "at")
    rows = [
        (
            shorten(comparison.name, _NAME),
            comparison.case if _several(verification) else shape_text(comparison.shape),
            difference(comparison.largest),
            _index(comparison.at),
            _value(comparison.value),
            _value(comparison.expected),
            difference(comparison.relative),
            _index(comparison.relative_at),
            difference(comparison.tolerance),
            comparison.verdict,
        )
        for comparison in verification.outputs
    ]
    return _table((*head, "tolerance", "verdict"), rows, {2, 4, 5, 6, 8})


def _table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: set[int]
) -> Iterator[str]:
    """The lines of a table; the last column is the verdict, in its colour."""
    title, rule, *lines = table(head, rows, right)
    yield from (title, rule)
    for line, row in zip(lines, rows, strict=True):
        verdict = row[-1]
        if verdict.startswith("differ"):
            line = line.removesuffix(verdict) + click.style(verdict, fg="red")
        yield line


def _index(at: Sequence[int] | None) -> str:
    return "-" if at is None else str(list(at))


def _value(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, (bool, int)) else f"{value:.7g}"
