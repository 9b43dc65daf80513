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


def report(found: Verification, given: str | None = None) -> Iterator[str]:
    """The lines of the report, the verdict last.

    Args:
        found: what it tells of.
        given: name of the file of inputs, if they were given.
    """
    bundle = f" as {found.bundle}" if found.bundle else ", exported in memory"
    yield f"{found.model} ({found.written_by}){bundle}"
    if _several(found):
        yield ""
        yield from _case_table(found)
        yield f"drawn with seed {found.drawn}; one of them: --case NAME"
    else:
        yield from _inputs(found.evidence.cases[0], given)
    yield ""
    if found.layers is not None:
        yield from _layer_table(found)
        if found.not_compared:
            yield f"not compared: {', '.join(found.not_compared)}"
        yield ""
    yield from _output_table(found)
    yield ""
    if found.missed:
        yield from paragraph(f"No case reached: {_sentence(found.missed)}", _WIDTH, "")
        yield ""
    if found.assumptions:
        text = f"Both assume: {_sentence(found.assumptions)}"
        yield from paragraph(text, _WIDTH, "")
        yield ""
    yield from _departure(found)
    yield _verdict(found)


def _sentence(clauses: Sequence[str]) -> str:
    """A few clauses as one sentence, more counted."""
    more = len(clauses) - _CLAUSES
    shown = [*clauses[:_CLAUSES], *([f"and {more} more (--json)"] if more > 0 else [])]
    return "; ".join(shown) + "."


def _several(found: Verification) -> bool:
    """Whether there are cases to tell apart."""
    return len(found.evidence.cases) > 1


def _inputs(case: Case, given: str | None) -> Iterator[str]:
    """The inputs of the only case, each on a line."""
    source = given or f"seed {case.seed}, case {case.name}"
    for i, (name, x) in enumerate(case.inputs.items()):
        head = "" if i else "input"
        yield f"{head:<6}{name} {shape_text(x.shape)} {x.dtype}, {source}"


def _departure(found: Verification) -> Iterator[str]:
    """Where the fault starts, as far as layers were asked for."""
    first = found.first_departure
    if first is not None:
        case = f", case {first.case}" if _several(found) else ""
        yield (
            f"first departure: layer {first.name} ({first.kind}){case}: "
            f"{first.why}{_third_party(first)}"
        )
    elif found.layers is not None and not found.agrees:
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


def _verdict(found: Verification) -> str:
    outputs = plural(len(found.outputs), "output")
    if _several(found):
        outputs += f" in {len(found.evidence.cases)} cases"
    beside = f"{found.reference} beside {found.runtime}"
    if found.agrees:
        worst = found.worst
        rounding = f", by rounding{_third_party(worst)}" if worst.rounding else ""
        return (
            f"{click.style('agree', fg='green')}: {outputs}, at worst "
            f"{difference(worst.largest)} of {difference(worst.tolerance)} allowed"
            f"{rounding}, {beside}"
        )
    wrong = [output for output in found.outputs if not output.agrees]
    reasons = "; ".join(f"{comparison.name}: {comparison.why}" for comparison in wrong)
    return (
        f"{click.style('differ', fg='red')}: {len(wrong)} of {outputs} ({reasons}), "
        f"{beside}"
    )


def _case_table(found: Verification) -> Iterator[str]:
    """Every case on a line."""
    head = ("case", "input", "what it tries", "difference", "tolerance", "verdict")
    rows = []
    for case in found.evidence.cases:
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


def _layer_table(found: Verification) -> Iterator[str]:
    """Every layer call on a line in its worst case, the first departure marked.

    Both distances from float64 stand beside the difference.
    """
    first = found.first_departure
    # With one case there is room for the shape.
    where = "case" if _several(found) else "shape"
    head = ("layer", "class", where, "difference", "tolerance", "Keras", "here")
    rows = []
    for comparison in found.layers or ():
        float64 = comparison.float64
        rows.append(
            (
                shorten(comparison.name, _NAME),
                comparison.kind,
                comparison.case if _several(found) else shape_text(comparison.shape),
                difference(comparison.largest),
                difference(comparison.tolerance),
                "-" if float64 is None else difference(float64.theirs),
                "-" if float64 is None else difference(float64.ours),
                comparison.verdict + (" < the first" if comparison is first else ""),
            )
        )
    yield from _table((*head, "verdict"), rows, {3, 4, 5, 6})
    yield "Keras, here: largest distance of each from the same layer in float64"


def _output_table(found: Verification) -> Iterator[str]:
    """Every output in its worst case, with both numbers where they differ most."""
    where = "case" if _several(found) else "shape"
    head = ("output", where, "difference", "at", "here", "expected", "relative", "at")
    rows = [
        (
            shorten(comparison.name, _NAME),
            comparison.case if _several(found) else shape_text(comparison.shape),
            difference(comparison.largest),
            _index(comparison.at),
            _value(comparison.value),
            _value(comparison.expected),
            difference(comparison.relative),
            _index(comparison.relative_at),
            difference(comparison.tolerance),
            comparison.verdict,
        )
        for comparison in found.outputs
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
