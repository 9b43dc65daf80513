"""The lines that ``gru2np verify`` prints: tables, and the verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from gru2np.text import difference, paragraph, plural, shorten
from gru2np_runtime.data import shape_text
from gru2np_runtime.errors import plain
from gru2np_runtime.text import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Case
    from gru2np.verification.result import Verification

# The largest width of names, and of the shapes of inputs.
_NAME, _SHAPES = 30, 36
EITHER = "the fault is the runtime's or the upgraded file's"
# The width of a paragraph, and the most clauses in it.
_WIDTH, _CLAUSES = 100, 8


def report(verification: Verification, source: str | None = None) -> Iterator[str]:
    """The lines of the report, the verdict last.

    Args:
        verification: the result of ``verify``.
        source: name of the file with the user's inputs; None if they were drawn.
    """
    bundle = (
        f" as {verification.bundle}" if verification.bundle else ", exported in memory"
    )
    yield plain(f"{verification.model} ({verification.written_by}){bundle}")
    if verification.run_as is not None:
        yield from paragraph(verification.run_as, _WIDTH, "")
    if _several(verification):
        yield ""
        yield from _case_table(verification)
        yield f"drawn with seed {verification.drawn}; --case NAME draws one of them"
    else:
        yield from _inputs(verification.evidence.cases[0], source)
    yield ""
    if verification.layers is not None:
        yield from _layer_table(verification)
        if verification.not_compared:
            yield plain(f"not compared: {', '.join(verification.not_compared)}")
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
    yield from _first_difference(verification)
    yield verdict(verification)


def _sentence(clauses: Sequence[str]) -> str:
    """The first clauses as one sentence; the others are counted."""
    more = len(clauses) - _CLAUSES
    shown = [*clauses[:_CLAUSES], *([f"and {more} more (--json)"] if more > 0 else [])]
    return "; ".join(shown) + "."


def _several(verification: Verification) -> bool:
    """Whether there is more than one case."""
    return len(verification.evidence.cases) > 1


def _inputs(case: Case, source: str | None) -> Iterator[str]:
    """The inputs of the only case, one on each line."""
    source = source or f"seed {case.seed}, case {case.name}"
    for i, (name, x) in enumerate(case.inputs.items()):
        head = "" if i else "input"
        yield plain(f"{head:<6}{name} {shape_text(x.shape)} {x.dtype}, {source}")


def _first_difference(verification: Verification) -> Iterator[str]:
    """A line with the first layer that differs, if layers were compared."""
    first = verification.first_difference
    if first is not None:
        case = f", case {first.case}" if _several(verification) else ""
        yield plain(
            f"first difference: layer {first.name} ({first.kind}){case}: "
            f"{first.why}{_distances(first)}"
        )
    elif verification.layers is not None and not verification.agrees:
        yield (
            "first difference: none: each layer alone agrees with Keras; the fault is "
            "in their connections, or in the kernel that runs them together"
        )


def _distances(comparison: Comparison) -> str:
    if comparison.float64 is None:
        return ""
    float64 = comparison.float64
    text = (
        f"; distance from float64: Keras {difference(float64.theirs)}, this runtime "
        f"{difference(float64.ours)}"
    )
    if not float64.moved:
        return text
    return f"{text}; last digits of all numbers move it {difference(float64.moved)}"


def verdict(verification: Verification) -> str:
    """The last line: whether outputs agree, and with what they were compared."""
    outputs = plural(len(verification.outputs), "output")
    if _several(verification):
        outputs += f" in {len(verification.evidence.cases)} cases"
    both = f"{verification.runtime} compared with {verification.reference}"
    if verification.agrees:
        worst = verification.worst
        largest, allowed = difference(worst.largest), difference(worst.tolerance)
        rounding = f", by rounding{_distances(worst)}" if worst.rounding else ""
        return (
            f"{click.style('agree', fg='green')}: {outputs}, largest difference "
            f"{largest} of {allowed} allowed{rounding}, {both}"
        )
    wrong = [output for output in verification.outputs if not output.agrees]
    reasons = plain("; ".join(f"{output.name}: {output.why}" for output in wrong))
    fault = "" if verification.rewritten is None else f"; {EITHER}"
    return (
        f"{click.style('differ', fg='red')}: {len(wrong)} of {outputs} ({reasons}), "
        f"{both}{fault}"
    )


def _case_table(verification: Verification) -> Iterator[str]:
    """A table with a line for each case."""
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
    """The shapes of the inputs, with names if there are several."""
    shapes = {name: shape_text(x.shape) for name, x in case.inputs.items()}
    if len(shapes) == 1:
        return next(iter(shapes.values()))
    return ", ".join(f"{name} {text}" for name, text in shapes.items())


def _layer_table(verification: Verification) -> Iterator[str]:
    """A table with a line for each layer call in its worst case.

    It marks the first difference, and has both distances from float64.
    """
    first = verification.first_difference
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
                comparison.verdict + (" < first" if comparison is first else ""),
            )
        )
    yield from _table((*head, "verdict"), rows, {3, 4, 5, 6})
    yield "Keras, here: largest distance of each from the same layer in float64"


def _output_table(verification: Verification) -> Iterator[str]:
    """A table with a line for each output in its worst case."""
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
    """The lines of a table whose last column is the verdict, red if it differs."""
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
