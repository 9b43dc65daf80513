"""The page of a verification: the verdict first, then what it rests on."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gru2np.reports import frame, layers
from gru2np.reports.blocks import AT_ONCE, MOST, facts, folded, note, table, tables
from gru2np.reports.gates import meaning_parts
from gru2np.reports.markup import (
    Markup,
    element,
    join,
    name,
    short_name,
    visible,
)
from gru2np.reports.states import states
from gru2np.reports.steps import errors
from gru2np.reports.strips import of_allowed, strips
from gru2np.text import difference, plural, shorten
from gru2np_runtime.data import shape_text
from gru2np_runtime.kernels.c.library import kernel

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from gru2np.reports.frame import Part
    from gru2np.reports.subject import Subject
    from gru2np.verification.comparison import Comparison
    from gru2np.verification.evidence import Case
    from gru2np.verification.result import Verification

    Given = Sequence[tuple[str, str | os.PathLike[str] | float | None]]

# Of many layers those furthest from equal are shown before the others.
WORST = 24
_MOST_NOTES, _MOST_NAMES, _MOST_WRONG = 40, 12, 5
_LONGEST_WHY = 300
_KERNELS = {"c": "compiled", "numpy": "NumPy"}


def verification_page(subject: Subject, found: Verification, given: Given) -> Markup:
    """The page.

    Args:
        subject: the model or bundle that was verified.
        found: what ``verify`` gave.
        given: options of ``verify`` with what was given, the model first.
    """
    report, drawn, own = subject.report, subject.diagram, subject.opened
    parts: list[Part] = [("outputs", "Outputs", outputs(found))]
    if drawn is not None:
        parts.append(("graph", "Graph", layers.graph(drawn, node_notes(found))))
    if found.layers:
        parts.append(("by-layer", "Error by layer", by_layer(found.layers)))
    if own is not None:
        along = errors(found.evidence, own)
        if along:
            parts.append(("by-step", "Error by time step", along))
        hidden = states(found.evidence, own)
        if hidden:
            parts.append(("states", "Hidden states", hidden))
    parts.append(("cases", "Inputs", cases(found)))
    parts.append(("layers", "Layers", layers.layers(report, subject.costs)))
    parts.extend(meaning_parts(report))
    parts.append(("made", "Reproduce", made(found, given)))
    heading = shorten(visible(Path(str(given[0][1])).name), 80)
    lead = [verdict(found), facts(_facts(subject, found))]
    title = f"{_word(found)}: {heading}"
    return frame.page(title, "Verification", heading, lead, parts)


def _word(found: Verification) -> str:
    return "Agrees" if found.agrees else "Differs"


def verdict(found: Verification) -> Markup:
    """Whether it agrees, and how closely."""
    count = plural(len(found.outputs), "output")
    if len(found.evidence.cases) > 1:
        count += f", {plural(len(found.evidence.cases), 'set')} of inputs"
    said: list[Markup] = []
    if found.agrees:
        worst = of_allowed(found.worst.largest, found.worst.tolerance)
        said.append(element("p", f"{count}: at worst ", worst, " allowed."))
    else:
        wrong = [own for own in found.outputs if not own.agrees]
        said.append(element("p", f"{len(wrong)} of {count}."))
        for own in wrong[:_MOST_WRONG]:
            why = f": {shorten(own.why, _LONGEST_WHY)}."
            said.append(element("p", name(own.name), why))
    first = found.first_departure
    if first is not None:
        where = element("b", name(first.name))
        why = f" ({short_name(first.kind)}), case {first.case}: "
        why += f"{shorten(first.why, _LONGEST_WHY)}."
        said.append(element("p", "The first layer that departs is ", where, why))
    beside = f"Compared: {found.reference} beside {found.runtime}."
    said.append(element("p", beside, class_="muted"))
    kind = "verdict" if found.agrees else "verdict differ"
    return element("div", element("strong", _word(found)), *said, class_=kind)


def _facts(subject: Subject, found: Verification) -> list[tuple[str, Markup | str]]:
    rows: list[tuple[str, Markup | str]] = []
    bundle = found.bundle or "what export writes now"
    rows.append(("Bundle", shorten(bundle, 80)))
    rows.extend(layers.source_facts(subject.report))
    rows.extend(("Note", shorten(text, 600)) for text in found.notes[:_MOST_NOTES])
    for title, clauses in (
        ("Both assume", found.assumptions),
        ("No case reached", found.missed),
    ):
        if clauses:
            rows.append((title, shorten("; ".join(clauses), 1200)))
    if found.not_compared:
        names = [short_name(own, 40) for own in found.not_compared[:_MOST_NAMES]]
        if len(found.not_compared) > _MOST_NAMES:
            names.append(f"and {len(found.not_compared) - _MOST_NAMES} more")
        rows.append(("Not compared", ", ".join(names)))
    return rows


def outputs(found: Verification) -> Iterator[Markup]:
    """How far every output is from the reference, and where most."""
    yield from strips(found.outputs[:MOST], "output")
    head = [("Output", ""), ("At", ""), ("Here", "n"), ("Expected", "n")]
    apart = [own for own in found.outputs if own.at is not None and own.largest]
    rows = [
        [
            name(own.name),
            str(list(own.at or ())),
            _value(own.value),
            _value(own.expected),
        ]
        for own in apart[:MOST]
    ]
    if rows:
        yield note("Where they are furthest apart:")
        yield from tables("output", head, rows, len(apart))


def by_layer(compared: Sequence[Comparison]) -> Iterator[Markup]:
    """How far every layer is, fed what Keras fed it."""
    yield element(
        "p", "Every layer was fed what Keras fed it, so that a difference is its own."
    )
    if len(compared) <= AT_ONCE:
        yield from strips(compared, "layer")
    else:
        worst = sorted(compared, key=lambda own: own.badness)[-WORST:]
        yield note(f"The {WORST} of {len(compared):,} that are furthest from equal:")
        yield from strips([own for own in compared if own in worst], "layer")
        everything = list(strips(compared[:MOST], "layer"))
        if len(compared) > MOST:
            left = plural(len(compared) - MOST, "more layer call")
            everything.append(note(f"And {left}: gru2np verify --json lists all."))
        yield folded("All layers", everything)
    if any(own.verdict == "rounding" for own in compared):
        yield note(
            "Rounding: beyond the bound, but Keras and the runtime are about equally "
            "far from float64, or no further than a last digit of the inputs moves "
            "it: neither is wrong."
        )


def node_notes(found: Verification) -> dict[str, tuple[str, str]]:
    """What the drawing says at every node: its worst difference."""
    worst: dict[str, Comparison] = {}
    for own in found.layers or ():
        # Of several outputs the name is followed by the number.
        node = own.name.rpartition(" [")[0] or own.name
        if node not in worst or own.badness > worst[node].badness:
            worst[node] = own
    return {
        node: (own.verdict, f"{difference(own.largest)} of {difference(own.tolerance)}")
        for node, own in worst.items()
    }


def cases(found: Verification) -> Iterator[Markup]:
    """What the model was run on."""
    head = [("Case", ""), ("Inputs", "wide"), ("Difference", "n"), ("Verdict", "n")]
    yield table("Inputs", head, [_case(case) for case in found.evidence.cases[:MOST]])
    if found.drawn is not None:
        seed = f"Drawn with seed {found.drawn}"
        yield note(f"{seed}: the same seed draws the same numbers again.")


def _case(case: Case) -> list[Markup | str]:
    shapes = ", ".join(
        f"{short_name(key, 30)} {shape_text(x.shape)} {x.dtype.name}"
        for key, x in list(case.inputs.items())[:_MOST_NAMES]
    )
    calls = f", in {case.calls} calls" if case.calls > 1 else ""
    worst = max(case.compared, key=lambda own: own.badness)
    return [
        name(case.name),
        join([case.description, element("small", shapes + calls)]),
        of_allowed(worst.largest, worst.tolerance),
        element("span", worst.verdict, class_=worst.verdict),
    ]


def made(found: Verification, given: Given) -> Iterator[Markup]:
    """The command that does it again, and what it ran on."""
    words = ["gru2np", "verify"]
    for option, value in given:
        if value is not None:
            # A file's folder is nobody's business.
            text = repr(value) if isinstance(value, float) else Path(value).name
            words += [option, shlex.quote(visible(text))]
    if found.drawn is not None:
        words += ["--seed", str(found.drawn)]
        if len(found.evidence.cases) == 1:
            words += ["--case", found.evidence.cases[0].name]
    more: list[tuple[str, str]] = []
    reference = found.evidence.reference
    if reference is not None:
        shown = "Keras" if reference.name == "keras" else reference.name
        more = [(shown, reference.version), ("TensorFlow", reference.tensorflow)]
    more.append(("Kernel", _KERNELS[kernel()]))
    words += ["--report", "report.html"]
    return frame.made_with([word for word in words if word], more)


def _value(value: float | None) -> str:
    if value is None or isinstance(value, (bool, int)):
        return "" if value is None else str(value)
    return f"{value:.9g}"
