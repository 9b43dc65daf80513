"""What changes where one field of Meaning is flipped, over every fixture.

``python tests/support/meaning_flips.py`` writes ``meaning_flips.json`` anew: for each
field and each other value, the fixtures whose conversion changes, by what changes.
Read the difference before you keep it: a fixture that is listed under a field it has
nothing to do with is a leak.
"""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import goldens
from example_files import example
from gru2np.bundle import write
from gru2np.convert import converted
from gru2np.errors import Gru2npError
from gru2np.generations import interpret
from gru2np.inspection.choices import of_conversion
from gru2np.layers.activations import NAMES
from gru2np.layers.custom import Specs
from gru2np.meaning import GROUPS, Readings
from gru2np.readers import open_model
from gru2np_runtime import InputError, load

RECORD = Path(__file__).with_suffix(".json")
OWN = {
    **example("custom_layer").CUSTOM,
    **example("custom_objects").custom_objects,
}
# Not even the architecture of these is read.
UNREAD = ("keras-3.0/refused_partial_h5",)
BOOL = (False, True)
# The values that a generation gives each field; a fixture is flipped to all the others.
VALUES = {
    "writer": ("Keras 0",),
    "recurrent.masked_output": ("previous", "state"),
    "recurrent.unrolled_masked_output": ("previous", "state"),
    "recurrent.unrolled_ignores_zero": BOOL,
    "recurrent.fused_ignores_zero": BOOL,
    "recurrent.bidirectional_zeroes": BOOL,
    "recurrent.bidirectional_keeps_zero": BOOL,
    "recurrent.bidirectional_forgets": BOOL,
    "recurrent.stateful_forgets": BOOL,
    "recurrent.stateful_calls_follow": BOOL,
    "recurrent.first_mask_stays": BOOL,
    "recurrent.stateful_keeps_over_initial": BOOL,
    "masks.merged": ("and", "or", "drop"),
    "masks.merges_skip_masked": BOOL,
    "masks.explicit_spreads": BOOL,
    "masks.casts_drop": BOOL,
    "masks.models_mark_inputs": BOOL,
    "masks.second_tensor_drops": BOOL,
    "masks.in_time": ("kept", "steps", "folded", "folded_in_free_batches"),
    "masks.custom_layers_masked_in_time": BOOL,
    "masks.idle_casts": (False, True, None),
    "masks.idle_operations": (False, True, None),
    "attention.softmax_uses_mask": BOOL,
    "attention.masked_scores": ("added", "zeroed"),
    "attention.fused_heads": BOOL,
    "attention.heads_use_masks": BOOL,
    "attention.heads_take_masks": BOOL,
    "attention.passes_mask": BOOL,
    "attention.misplaces_mask": BOOL,
    "windows.same_padding": ("even", "half", "unclear"),
    "windows.same_pooling": ("even", "whole"),
    "windows.full_padding": BOOL,
    "windows.other_convolutions": BOOL,
    "numbers.hard_sigmoid_slope": (0.2, 1 / 6),
    "numbers.least_unit_norm": (1e-12, 1e-6),
    "numbers.least_epsilon_ranks": ((), (4,), (4, 5)),
    "numbers.least_epsilon_channels_first": BOOL,
    "numbers.dots_of_any_rank": BOOL,
    "numbers.integer_inputs": ("promoted", "kept"),
    "numbers.categories_leave_out": BOOL,
    "numbers.bin_dtype": ("int32", "int64"),
    "numbers.lookup_gives_integers": BOOL,
    "numbers.rounds_to_half": (False, True, None),
    "numbers.argmax_signs_zeros": BOOL,
    "numbers.argmax_skips_nan": (False, True, None),
    "numbers.top_k_signs_zeros": (False, True, None),
    "numbers.logsumexp_squeezes": (False, True, None),
}
# The names that a generation puts into each set; a fixture is flipped by each alone.
MEMBERS = {
    "unsaved_arguments": ("causal", "mask"),
    "ignored_arguments": ("training",),
    "functions": tuple(sorted({*NAMES, "hard_sigmoid"})),
}

# What a layer makes of a mask, class by class; a fixture is flipped in each alone.
BY_CLASS = "masks.by_class"


class Noted:
    """A group of Meaning that notes which of its fields are read."""

    def __init__(self, name, group, read):
        self._name, self._group, self._read = name, group, read

    def __getattr__(self, field):
        self._read.add(f"{self._name}.{field}")
        return getattr(self._group, field)


class NotedSet(frozenset):
    """A set of Meaning that notes what it is asked for."""

    def __contains__(self, member):
        self.read.add(f"{self.name} {member}")
        return super().__contains__(member)


class NotedTable(dict):
    """A table of Meaning that notes what it is asked for."""

    def get(self, key):
        self.read.add(f"{BY_CLASS} {key}")
        return super().get(key)


def noting(meaning, read):
    """The same meaning, which notes in ``read`` what is read of it from now on."""
    table = NotedTable(meaning.masks.by_class)
    table.read = read
    masks = dataclasses.replace(meaning.masks, by_class=table)
    meaning = dataclasses.replace(meaning, masks=masks)
    groups = {name: Noted(name, getattr(meaning, name), read) for name in GROUPS}
    sets = {}
    for name in MEMBERS:
        sets[name] = NotedSet(getattr(meaning, name))
        sets[name].name, sets[name].read = name, read
    noted = dataclasses.replace(meaning, **groups, **sets)
    read.clear()
    return noted


def flipped(meaning, only=None):
    """Every meaning that differs in one field: (field, other value, meaning).

    Args:
        meaning: the true one.
        only: fields to flip, as they stand in the record; all if None.
    """
    for field, values in VALUES.items():
        if only is not None and field not in only:
            continue
        group, _, name = field.rpartition(".")
        holder = getattr(meaning, group) if group else meaning
        if group and getattr(holder, name) not in values:
            raise ValueError(f"{field} = {getattr(holder, name)!r} is not in VALUES")
        for value in values:
            if value == getattr(holder, name):
                continue
            other = {name: value}
            if group:
                other = {group: dataclasses.replace(holder, **other)}
            yield from _possible(field, value, meaning, other)
    for name, members in MEMBERS.items():
        for member in members:
            if only is None or f"{name} {member}" in only:
                held = getattr(meaning, name) ^ {member}
                other = {name: held}
                yield from _possible(f"{name} {member}", member in held, meaning, other)
    yield from by_class_flipped(meaning, only)


def by_class_flipped(meaning, only):
    """The flips of what single classes make of a mask."""
    for name, word in sorted(meaning.masks.by_class.items()):
        field = f"{BY_CLASS} {name}"
        if only is not None and field not in only:
            continue
        other = {"keeps": "stops", "stops": "keeps"}.get(word)
        if other is not None:
            table = {**meaning.masks.by_class, name: other}
            masks = dataclasses.replace(meaning.masks, by_class=table)
            yield field, repr(other), dataclasses.replace(meaning, masks=masks)


def _possible(field, value, meaning, other):
    """The flip, unless no Keras could mean both this and the rest."""
    try:
        yield field, repr(value), dataclasses.replace(meaning, **other)
    except ValueError:
        return


def alone(meaning):
    """A file that may mean this and nothing else."""
    return Readings(meaning, meaning.writer, (), ())


def outcome(raw, model, meaning, own):
    """The manifest of a model under a meaning and what is said of it, or why not."""
    try:
        conversion = converted(raw, model, alone(meaning), Specs(own))
    except Gru2npError as error:
        return None, str(error)
    said = (*of_conversion(conversion), *conversion.built.notes)
    return json.dumps(conversion.manifest({}), sort_keys=True), said


def kind(before, after):
    """What differs between two outcomes; None if they are the same."""
    if before == after:
        return None
    if before[0] == after[0]:
        return "words"
    if after[0] is None:
        return "refused"
    return "converted" if before[0] is None else "manifest"


def owns(golden):
    """The classes that a case needs from outside."""
    return OWN if "custom" in golden.facts else None


def changes(golden, unread=False):
    """What flipping changes in a case: kinds by field and other value.

    Args:
        golden: the case.
        unread: flip what the conversion does not read as well, which cannot change
            anything; it takes ten times as long, and proves that.
    """
    found = {}
    with open_model(*golden.files()) as opened:
        raw = dataclasses.replace(opened, saved_by=golden.saved_by)
        model, readings = interpret(raw)
        meaning, read = readings.assumed, set()
        before = outcome(raw, model, noting(meaning, read), owns(golden))
        # Who wrote a file is only said.
        only = None if unread else {"writer", *read}
        for field, value, other in flipped(meaning, only):
            what = kind(before, outcome(raw, model, other, owns(golden)))
            if what is not None:
                found[field, value] = what
    return found


def contradicts(golden, field, value):
    """Whether a case's numbers under another meaning are not those of its Keras."""
    with open_model(*golden.files()) as found:
        raw = dataclasses.replace(found, saved_by=golden.saved_by)
        model, readings = interpret(raw)
        flips = flipped(readings.assumed, {field})
        (other,) = [other for _, given, other in flips if given == value]
        bundle = io.BytesIO()
        write(converted(raw, model, alone(other), Specs(owns(golden))), bundle)
    run = load(bundle.getvalue(), custom_objects=owns(golden))
    try:
        for call in range(golden.calls):
            inputs = dict(zip(run.input_names, golden.arrays(call, "x"), strict=True))
            outputs = goldens.flat(run.predict(inputs))
            for y, wanted in zip(outputs, golden.arrays(call, "y"), strict=True):
                golden.close(y, wanted)
    except (AssertionError, InputError):
        return True
    return False


def every_golden():
    """Every case whose architecture is read, those with classes from outside too."""
    folders = sorted(path.parent for path in goldens.FIXTURES.glob("*/*/case.json"))
    found = [goldens.Golden(folder) for folder in folders]
    return [golden for golden in found if golden.name not in UNREAD]


def recorded():
    """The record.

    ``changes``: names of cases by field, other value, what changes, and generation.
    ``contradictions``: by field and other value the first case whose numbers are others
    then, so that its Keras' own prove the field.
    """
    return json.loads(RECORD.read_text("utf-8"))


def named():
    """What the record says of each case, in the form of ``changes``."""
    found = {}
    for field, values in recorded()["changes"].items():
        for value, whats in values.items():
            for what, generations in whats.items():
                for generation, names in generations.items():
                    for name in names.split():
                        case = found.setdefault(f"{generation}/{name}", {})
                        case[field, value] = what
    return found


def differences(found, wanted):
    """What is not as the record has it, in lines to read."""
    return [
        f"{' = '.join(flip)}: recorded {wanted.get(flip)}, found {found.get(flip)}"
        for flip in sorted({*found, *wanted})
        if found.get(flip) != wanted.get(flip)
    ]


def check_all():
    """Flip every field in every case, what is not read too; the lines that differ.

    It takes minutes, and proves that what is not read does change nothing.
    """
    record = named()
    found = []
    for golden in every_golden():
        lines = differences(changes(golden, unread=True), record.get(golden.name, {}))
        found += [f"{golden.name}: {line}" for line in lines]
    return found


def main():
    """Write the record."""
    found, proofs = {}, {}
    for golden in every_golden():
        generation, _, name = golden.name.partition("/")
        for (field, value), what in changes(golden).items():
            whats = found.setdefault(field, {}).setdefault(value, {})
            names = whats.setdefault(what, {}).get(generation, "")
            whats[what][generation] = f"{names} {name}".strip()
            own = proofs.setdefault(field, {})
            if what != "manifest" or value in own:
                continue
            if contradicts(golden, field, value):
                own[value] = golden.name
    record = {
        "changes": found,
        "contradictions": {field: own for field, own in proofs.items() if own},
    }
    text = json.dumps(record, indent=1, sort_keys=True)
    RECORD.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
