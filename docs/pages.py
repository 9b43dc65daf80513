"""What cog writes into the pages: help texts and tables, from the code itself."""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib import import_module
from inspect import getdoc
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gru2np.cli import cli
from gru2np.generations import interpret
from gru2np.graph.flatten import build
from gru2np.layers import FAMILIES, NOT_CONVERTED
from gru2np.layers.custom import Specs
from gru2np.layers.mask_rules import IN_TIME, KEEPS, Creates, MaskRule, Merges
from gru2np.layers.options import HARMLESS
from gru2np.layers.spec import Config
from gru2np.readers import open_model
from gru2np_runtime.__main__ import _parser
from gru2np_runtime.layers import FAMILY

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from types import ModuleType

    from gru2np.ir import KerasModel

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"

# Generations of the fixtures: a package, its version, and where it counts a backend.
_GENERATION = re.compile(r"(keras|tf|tf-keras)-([\d.]+)(?:-(\w+))?")
BACKENDS = {"theano": "Theano", "cntk": "CNTK"}
CONTAINERS = {
    "hdf5": "HDF5",
    "keras": "`.keras`",
    "hdf5.keras": "HDF5 called `.keras`",
    "directory": "directory",
    "json+hdf5": "JSON + HDF5",
    "json+weights.h5": "JSON + `.weights.h5`",
    "json+shards": "JSON + shards",
    "json+checkpoint": "JSON + checkpoint",
    "savedmodel": "SavedModel",
    "tfjs": "TensorFlow.js",
}
# How names of cases end that are another container of the same model.
SUFFIX = re.compile(
    r"_(h5|json|shards|directory|keras|savedmodel|checkpoint|tfjs(_\w+)?)$"
)


def _in_order(name: str) -> tuple[str, list[int], str]:
    """Packages apart, versions by number and not by letter."""
    package, version, backend = _parts(name)
    return package, [int(part) for part in version.split(".")], backend


def _parts(name: str) -> tuple[str, str, str]:
    match = _GENERATION.fullmatch(name)
    assert match is not None, name
    return match[1], match[2], match[3] or ""


GENERATIONS = sorted(
    (p.name for p in (ROOT / "fixtures").iterdir() if _GENERATION.fullmatch(p.name)),
    key=_in_order,
)


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def help_of(*names: str) -> str:
    """The help text of a command, as the terminal shows it."""
    command: click.Command = cli
    context = click.Context(cli, info_name="gru2np", **cli.context_settings)
    for name in names:
        assert isinstance(command, click.Group)
        inner = command.get_command(context, name)
        assert inner is not None
        command = inner
        context = click.Context(command, info_name=name, parent=context)
    context.terminal_width = 80
    title = " ".join(["gru2np", *names, "--help"])
    return f"```console\n$ {title}\n{command.get_help(context)}\n```"


def commands() -> str:
    """The help texts of all commands."""
    return "\n\n".join(f"## {name}\n\n{help_of(name)}" for name in sorted(cli.commands))


def runtime_commands() -> str:
    """What ``python -m gru2np_runtime`` takes.

    A table and not its help, which every version of Python wraps in another way.
    """
    rows = []
    for name, parser in _runtime_parsers().items():
        command = f"`{name}`"
        for action in parser._actions:
            if action.dest == "help":
                continue
            value = action.metavar or (action.nargs != 0 and action.dest.upper())
            words = [", ".join(action.option_strings), str(value or "")]
            argument = " ".join(word for word in words if word)
            rows.append([command, f"`{argument}`", action.help])
            command = ""
    return table(["command", "argument", ""], rows)


def _runtime_parsers() -> dict[str, argparse.ArgumentParser]:
    """The parsers of the runtime's commands, by name."""
    subparsers = next(
        action
        for action in _parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    return dict(subparsers.choices)


@cache
def proofs() -> dict[str, dict[str, str]]:
    """By class, a case of every generation whose files hold the class."""
    cases: dict[str, dict[str, str]] = {}
    for generation in GENERATIONS:
        for name, fact in _facts(generation).items():
            if "refused" in fact or "custom" in fact:
                continue
            with open_model(*_files(ROOT / "fixtures" / generation / name)) as raw:
                model, _ = interpret(raw)
            for class_name in _classes(model):
                cases.setdefault(class_name, {}).setdefault(generation, name)
    return cases


def _files(folder: Path) -> tuple[Path, Path | None]:
    """The model of a case, and its weights if they are in a file of their own."""
    whole = ("model.h5", "model.keras", "model", "model.json")
    model = _first(folder, *whole, "architecture.json")
    if model.name in whole:
        return model, None
    return model, _first(folder, "weights.h5", "model.weights.json", "checkpoint")


def _first(folder: Path, *names: str) -> Path:
    """The first of these files that is there."""
    return next(path for name in names if (path := folder / name).exists())


def _classes(model: KerasModel) -> set[str]:
    """The classes of a model's layers and of the layers inside them."""
    names, pending = set(), list(model.layers)
    while pending:
        layer = pending.pop()
        if layer.model is not None:
            pending.extend(layer.model.layers)
        else:
            names.add(layer.class_name)
        pending.extend(child for _, child in layer.children)
    return names


@cache
def options() -> dict[str, set[str]]:
    """The options that are read of every class, recorded while cases are read."""
    read: dict[str, set[str]] = {}
    value = Config.value

    def recording(self: Config, key: str, *default: Any) -> Any:
        read.setdefault(self.layer.class_name, set()).add(key)
        return value(self, key, *default)

    Config.value = recording  # type: ignore[method-assign, assignment]
    try:
        for cases in proofs().values():
            for generation, name in cases.items():
                _read(ROOT / "fixtures" / generation / name)
    finally:
        Config.value = value  # type: ignore[method-assign]
    return read


@cache
def _read(folder: Path) -> None:
    with open_model(*_files(folder)) as raw:
        model, readings = interpret(raw)
        build(model, readings.assumed, Specs())


def layer_table() -> str:
    """Every Keras class that is converted, and the Keras generations that prove it."""
    rows = []
    for family in FAMILIES:
        title = _title(family)
        for class_name, spec in sorted(family.LAYERS.items()):
            operation = class_name.removeprefix("ops.")
            shown = (
                class_name if operation == class_name else f"`keras.ops` {operation}"
            )
            read = ", ".join(sorted(options().get(class_name, set()) - {"dtype"}))
            mask = _words(spec.mask) + (", used" if spec.uses_mask else "")
            files = _families(list(proofs().get(class_name, {})))
            rows.append([title, shown, read, mask, files])
            title = ""
    head = ["family", "Keras class", "options", "mask of its input"]
    return table([*head, "proven by files of"], rows)


def _title(family: ModuleType) -> str:
    return family.__name__.rpartition(".")[2]


def _words(rule: MaskRule) -> str:
    """What a layer does with the mask of its input, in a word or two."""
    if isinstance(rule, str):
        return {IN_TIME: KEEPS}.get(rule, rule)
    if isinstance(rule, Merges):
        return "concatenates" if rule.joins else "merges"
    if isinstance(rule, Creates):
        return "creates"
    return "stops, except perhaps if it changes nothing"


def _families(generations: list[str]) -> str:
    """Generations in short: those of one package behind one another."""
    grouped: dict[str, list[str]] = {}
    for name in sorted(generations, key=_in_order):
        package, version, backend = _parts(name)
        shown = f"{version} ({BACKENDS[backend]})" if backend else version
        grouped.setdefault(package, []).append(shown)
    names = {"keras": "Keras", "tf": "TensorFlow", "tf-keras": "tf-keras"}
    return "; ".join(
        f"{names[package]} {', '.join(versions)}"
        for package, versions in sorted(grouped.items())
    )


def _facts(generation: str) -> dict[str, dict[str, Any]]:
    """The facts of every case of a generation, by the name of its folder."""
    return {
        path.parent.name: json.loads(path.read_text("utf-8"))
        for path in sorted((ROOT / "fixtures" / generation).glob("*/case.json"))
    }


def fixture_table() -> str:
    """The generations of the fixtures: who wrote them, in what, and how many."""
    rows = []
    for generation in GENERATIONS:
        facts = list(_facts(generation).values())
        environment = ROOT / "fixtures" / "environments" / f"{generation}.txt"
        python = environment.read_text("utf-8").partition("\n")[0].split()[-1]
        containers = ", ".join(sorted({fact["container"] for fact in facts}))
        rows.append([generation, facts[0]["writer"], python, containers, len(facts)])
    return table(["generation", "written by", "Python", "containers", "cases"], rows)


def container_table() -> str:
    """How many files of each generation and container give what their Keras gave."""
    rows = []
    for generation in GENERATIONS:
        converted = [
            fact["container"]
            for fact in _facts(generation).values()
            if "refused" not in fact
        ]
        counts = [converted.count(container) or "" for container in CONTAINERS]
        rows.append([_families([generation]), *counts])
    return table(["generation", *CONTAINERS.values()], rows)


def case_table() -> str:
    """Every case, what it shows, and whose files show it."""
    generations: dict[str, list[str]] = {}
    texts: dict[str, str] = {}
    for generation in GENERATIONS:
        for name, fact in _facts(generation).items():
            # The same model in another container ends in that container's name.
            name = SUFFIX.sub("", name)
            if generation not in generations.setdefault(name, []):
                generations[name].append(generation)
            text = fact["description"].rstrip(".")
            texts.setdefault(name, text)
            if "refused" in fact:
                text = texts[name].partition("; *refused")[0]
                texts[name] = f"{text}; *refused: {fact['refused']}*"
    rows = [
        [name, texts[name], _families(generations[name])]
        for name in sorted(generations)
    ]
    return table(["case", "what it shows", "files of"], rows)


def reopened_table() -> str:
    """What today's Keras does with the whole models of each older generation."""
    data = _reopened()
    rows, totals = [], [0, 0, 0]
    for generation in GENERATIONS:
        outcomes = [
            file["outcome"]
            for name, file in data["files"].items()
            if name.startswith(f"{generation}/")
        ]
        if outcomes:
            counts = [outcomes.count(kind) for kind in ("same", "other", "fails")]
            totals = [a + b for a, b in zip(totals, counts, strict=True)]
            rows.append([_families([generation]), len(outcomes), *counts])
    rows.append(["together", sum(totals), *totals])
    same = f"Keras {data['keras']} gives the same"
    head = ["saved by", "files", same, "**gives other numbers**", "does not open"]
    return table(head, rows)


def _reopened() -> dict[str, Any]:
    """What ``fixtures/make/reopen.py`` recorded."""
    path = ROOT / "fixtures" / "reopened.json"
    data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return data


def other_numbers() -> str:
    """The files that today's Keras opens without a warning, with other numbers."""
    rows = []
    for generation in GENERATIONS:
        facts = _facts(generation)
        for name, file in sorted(_reopened()["files"].items()):
            folder, _, case = name.partition("/")
            if folder == generation and file["outcome"] == "other":
                text = facts[case]["description"].rstrip(".")
                rows.append([name, text, file.get("difference", file.get("shape"))])
    return table(["file", "what it shows", "largest difference"], rows)


def upgraded_table() -> str:
    """What today's Keras makes of the upgraded files of each generation."""
    files = _upgraded()["files"]
    groups = {_families([name]): f"{name}/" for name in GENERATIONS}
    groups["models of other people"] = "models/"
    outcomes = {
        group: [file["outcome"] for name, file in files.items() if name.startswith(of)]
        for group, of in groups.items()
    }
    outcomes["together"] = [file["outcome"] for file in files.values()]
    faults = sorted({*outcomes["together"]} - {"equal", "refused"})
    kinds = ["equal", "refused", *(faults or ["wrong"])]
    rows = [
        [group, len(found), *(found.count(kind) for kind in kinds)]
        for group, found in outcomes.items()
        if found
    ]
    return table(["saved by", "files", *kinds], rows)


def upgrade_refusals() -> str:
    """Why files are not upgraded: each reason, and in how many files it is found."""
    found: dict[str, list[str]] = {}
    for name, file in sorted(_upgraded()["files"].items()):
        for reason in file.get("reasons", ()):
            found.setdefault(reason, []).append(name)
    ordered = sorted(found.items(), key=lambda row: (-len(row[1]), row[0]))
    rows = [[why, len(names), names[0].split("/", 1)[-1]] for why, names in ordered]
    return table(["why", "files", "for example"], rows)


def _upgraded() -> dict[str, Any]:
    """What ``proof/upgrading.py`` recorded."""
    path = ROOT / "fixtures" / "upgraded.json"
    data: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return data


def upgraded_with() -> str:
    """The Keras that opened the upgraded files."""
    return f"Keras {_upgraded()['keras']}"


def short_layer_list() -> str:
    """The classes in a line for each family."""
    lines = []
    for family in FAMILIES:
        classes = sorted(name for name in family.LAYERS if "." not in name)
        if classes:
            lines.append(f"- **{_title(family)}**: {', '.join(classes)}")
    return "\n".join(lines)


def runtime_layers() -> str:
    """The runtime's layers by family, those first that people bind by themselves."""
    families: dict[str, list[str]] = {}
    for path in FAMILY.values():
        family, name = path.split(".")
        families.setdefault(family, []).append(name)
    parts = []
    for family in dict.fromkeys(["recurrent", "cells", "wrappers", *sorted(families)]):
        summary = getdoc(import_module(f"gru2np_runtime.layers.{family}"))
        assert summary is not None
        listed = [
            f".. autoclass:: gru2np_runtime.layers.{name}\n"
            for name in families[family]
        ]
        parts += [
            f"## {family.replace('_', ' ').capitalize()}",
            summary.partition("\n\n")[0],
            "\n".join(["```{eval-rst}", *listed]).rstrip() + "\n```",
        ]
    return "\n\n".join(parts)


def measured_in_short() -> str:
    """The first table of the measurements, and the machine that they are of."""
    page = (REFERENCE / "performance.md").read_text("utf-8")
    machine = next(line for line in page.splitlines() if "; NumPy " in line)
    short = page.partition("## In short\n")[2].partition("\n## ")[0]
    return "\n".join([*re.findall(r"^\|.*", short, re.MULTILINE), "", machine])


def refused_classes() -> str:
    """The classes of Keras that are refused by name, and why."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in sorted(NOT_CONVERTED.items()):
        by_reason.setdefault(reason, []).append(name)
    rows = [(", ".join(names), reason) for reason, names in by_reason.items()]
    return table(["class", "why it is refused"], rows)


def engines() -> str:
    """What ``make engines`` measured."""
    path = ROOT / "benchmarks" / "engines.json"
    if not path.exists():
        return (
            "Not measured yet: `make engines` does, on a machine with free processors."
        )
    record = json.loads(path.read_text("utf-8"))
    runs, versions = record["runs"], dict(record["versions"])
    time_steps, features = record["shape"]
    best = {name: min(run["seconds"]) for name, run in runs.items()}
    alone = next(iter(best.values()))
    rows = [
        (
            name,
            ", ".join(f"{seconds:.1f} s" for seconds in run["seconds"]),
            f"{alone / best[name]:.2f}",
            f"{min(run['processor']):.0f} s",
        )
        for name, run in runs.items()
    ]
    busy = (
        f", which had a load of {record['load']} as it began"
        if record["load"] > 1
        else ""
    )
    used = ", ".join(f"{name} {version}" for name, version in versions.items())
    worst = max(run["difference"] for run in runs.values())
    same = "every number is equal" if not worst else f"differences up to {worst:.1e}"
    text = (
        f"{record['rows']:,} rows of {time_steps} × {features} float32 through a GRU "
        f"of {record['units']} units, on {record['processors']} processors{busy}, "
        f"{record['date']}: {used}. Outputs of all: {same}."
    )
    head = ("", "time", "times as fast", "processor time of the machine")
    return f"{text}\n\n{table(head, rows)}"


def source(path: str, name: str) -> str:
    """The code of a class or function in a file."""
    text = (ROOT / path).read_text("utf-8")
    node = next(
        node
        for node in ast.parse(text).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name
    )
    lines = text.splitlines()[node.lineno - 1 : node.end_lineno]
    return "\n".join(["```python", *lines, "```"])


def harmless_options() -> str:
    """Options that are ignored, and why that is safe."""
    rows = [(f"`{key}`", reason) for key, reason in sorted(HARMLESS.items())]
    return table(["option", "why it changes no number"], rows)


def session(*commands: str) -> str:
    """A terminal session in a folder with the demo's files: commands and output."""
    with tempfile.TemporaryDirectory() as folder:
        for path in (ROOT / "examples" / "demo").glob("*.[hn]*"):
            shutil.copy(path, folder)
        parts = [f"$ {command}\n{_printed(command, folder)}" for command in commands]
    page = (ROOT / "README.md").read_text("utf-8")
    return without_rounding("```console\n" + "\n\n".join(parts) + "\n```", page)


def _printed(command: str, folder: str) -> str:
    """What a command of gru2np prints."""
    program, *arguments = shlex.split(command)
    assert program == "gru2np"
    done = subprocess.run(
        [sys.executable, "-m", "gru2np", *arguments],
        cwd=folder,
        env={**os.environ, "COLUMNS": "90", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout.rstrip()


#: What the last bits of a sum decide: a difference, where it is largest, two numbers.
ROUNDING = re.compile(r"\d\.\de-\d+|\[\d(?:, \d)+\]|\d\.\d{6,}")


def without_rounding(text: str, page: str) -> str:
    """The text of the page, if it differs from ``text`` by rounding only.

    Another CPU, or the other kernel, adds in another order; the page stays the same.
    """
    fixed = [re.escape(part) for part in ROUNDING.split(text)]
    match = re.search(f"(?:{ROUNDING.pattern})".join(fixed), page)
    return match[0] if match else text
