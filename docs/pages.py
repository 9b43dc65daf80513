"""What cog writes into the pages: help texts and tables, from the code itself."""

from __future__ import annotations

import argparse
import ast
import json
import re
from functools import cache
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

if TYPE_CHECKING:
    from gru2np.ir import KerasModel

ROOT = Path(__file__).resolve().parent.parent


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
}


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


def help_of(*names: str) -> str:
    """The help text of a command, as the terminal shows it."""
    command: click.Command = cli
    context = click.Context(cli, info_name="gru2np", **cli.context_settings)
    for name in names:
        assert isinstance(command, click.Group)
        found = command.get_command(context, name)
        assert found is not None
        command = found
        context = click.Context(command, info_name=name, parent=context)
    context.terminal_width = 80
    title = " ".join(["gru2np", *names, "--help"])
    return f"```console\n$ {title}\n{command.get_help(context)}\n```"


def commands() -> str:
    """The help texts of all commands."""
    return "\n\n".join(f"## {name}\n\n{help_of(name)}" for name in sorted(cli.commands))


def runtime_commands() -> str:
    """What ``python -m gru2np_runtime`` takes.

    A table and not its help, which every version of Python folds otherwise.
    """
    lines = ["| command | argument | |", "|---|---|---|"]
    for name, parser in _runtime_parsers().items():
        shown = f"`{name}`"
        for action in parser._actions:
            if action.dest == "help":
                continue
            value = action.metavar or (action.nargs != 0 and action.dest.upper())
            words = [", ".join(action.option_strings), value or ""]
            argument = " ".join(filter(None, words))
            lines.append(f"| {shown} | `{argument}` | {action.help} |")
            shown = ""
    return "\n".join(lines)


def _runtime_parsers() -> dict[str, argparse.ArgumentParser]:
    """The parsers of the runtime's commands, by name."""
    parser = _parser()
    found = next(
        a for a in parser._actions if isinstance(a, argparse._SubParsersAction)
    )
    return dict(found.choices)


@cache
def proofs() -> dict[str, dict[str, str]]:
    """By class in the one spelling, a case of every generation whose files hold it."""
    found: dict[str, dict[str, str]] = {}
    for generation in GENERATIONS:
        for name, fact in _facts(generation).items():
            if "refused" in fact or "custom" in fact:
                continue
            with open_model(*_files(ROOT / "fixtures" / generation / name)) as raw:
                model, _ = interpret(raw)
            for class_name in _classes(model):
                found.setdefault(class_name, {}).setdefault(generation, name)
    return found


def _files(folder: Path) -> tuple[Path, Path | None]:
    """The model of a case, and its weights where they stand apart."""
    names = ("model.h5", "model.keras", "model", "architecture.json")
    model = next(path for name in names if (path := folder / name).exists())
    if model.suffix != ".json":
        return model, None
    names = ("weights.h5", "model.weights.json")
    return model, next(path for name in names if (path := folder / name).exists())


def _classes(model: KerasModel) -> set[str]:
    """The classes of a model's layers and of the layers inside them."""
    found, pending = set(), list(model.layers)
    while pending:
        layer = pending.pop()
        if layer.model is not None:
            pending.extend(layer.model.layers)
        else:
            found.add(layer.class_name)
        pending.extend(child for _, child in layer.children)
    return found


@cache
def options() -> dict[str, dict[str, None]]:
    """The options that are read of every class, noted while cases are read."""
    found: dict[str, dict[str, None]] = {}
    taken = Config.value

    def noting(self: Config, key: str, *default: Any) -> Any:
        found.setdefault(self.layer.class_name, {})[key] = None
        return taken(self, key, *default)

    Config.value = noting  # type: ignore[method-assign, assignment]
    try:
        for cases in proofs().values():
            for generation, name in cases.items():
                _read(ROOT / "fixtures" / generation / name)
    finally:
        Config.value = taken  # type: ignore[method-assign]
    return found


@cache
def _read(folder: Path) -> None:
    with open_model(*_files(folder)) as raw:
        model, readings = interpret(raw)
        build(model, readings.taken, Specs())


def layer_table() -> str:
    """Every Keras class that is converted, and the Keras generations that prove it."""
    lines = [
        "| family | Keras class | options | mask of its input | proven by files of |",
        "|---|---|---|---|---|",
    ]
    for family in FAMILIES:
        title = family.__name__.rpartition(".")[2]
        for class_name, spec in sorted(family.LAYERS.items()):
            plain = class_name.removeprefix("ops.")
            shown = f"`keras.ops` {plain}" if plain != class_name else plain
            mask = _words(spec.mask) + (", used" if spec.uses_mask else "")
            files = _families(list(proofs().get(class_name, {})))
            read = ", ".join(
                key for key in sorted(options().get(class_name, {})) if key != "dtype"
            )
            lines.append(f"| {title} | {shown} | {read} | {mask} | {files} |")
            title = ""
    return "\n".join(lines)


def _words(rule: MaskRule) -> str:
    """What a layer makes of the mask of its input, in a word or two."""
    if isinstance(rule, str):
        return {IN_TIME: KEEPS}.get(rule, rule)
    if isinstance(rule, Merges):
        return "concatenates" if rule.joins else "merges"
    idles = "stops, but perhaps where it changes nothing"
    return "creates" if isinstance(rule, Creates) else idles


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
    """What is said of every case of a generation, by its folder."""
    return {
        path.parent.name: json.loads(path.read_text("utf-8"))
        for path in sorted((ROOT / "fixtures" / generation).glob("*/case.json"))
    }


def fixture_table() -> str:
    """The generations of the fixtures: who wrote them, in what, and how many."""
    lines = [
        "| generation | written by | Python | containers | cases |",
        "| --- | --- | --- | --- | --- |",
    ]
    for generation in GENERATIONS:
        facts = list(_facts(generation).values())
        environment = ROOT / "fixtures" / "environments" / f"{generation}.txt"
        python = environment.read_text("utf-8").partition("\n")[0].split()[-1]
        containers = ", ".join(sorted({fact["container"] for fact in facts}))
        writer = facts[0]["writer"]
        lines.append(
            f"| {generation} | {writer} | {python} | {containers} | {len(facts)} |"
        )
    return "\n".join(lines)


def container_table() -> str:
    """How many files of each generation and container give what their Keras gave."""
    lines = [
        f"| generation | {' | '.join(CONTAINERS.values())} |",
        f"|---|{'---|' * len(CONTAINERS)}",
    ]
    for generation in GENERATIONS:
        held = [
            fact["container"]
            for fact in _facts(generation).values()
            if "refused" not in fact
        ]
        counts = [str(held.count(container) or "") for container in CONTAINERS]
        lines.append(f"| {_families([generation])} | {' | '.join(counts)} |")
    return "\n".join(lines)


def case_table() -> str:
    """Every case, what it shows, and whose files show it."""
    shown: dict[str, list[str]] = {}
    words: dict[str, str] = {}
    refused: dict[str, str] = {}
    for generation in GENERATIONS:
        for name, fact in _facts(generation).items():
            # The same model in another container ends in that container's name.
            name = re.sub(r"_(h5|json|shards|directory|keras)$", "", name)
            if generation not in shown.setdefault(name, []):
                shown[name].append(generation)
            words.setdefault(name, fact["description"].rstrip("."))
            if "refused" in fact:
                refused[name] = fact["refused"]
    lines = ["| case | what it shows | files of |", "|---|---|---|"]
    for name in sorted(shown):
        text = words[name]
        if name in refused:
            text += f"; *refused: {refused[name]}*"
        lines.append(f"| {name} | {text} | {_families(shown[name])} |")
    return "\n".join(lines)


def reopened_table() -> str:
    """What today's Keras makes of the whole models of each older generation."""
    data = json.loads((ROOT / "fixtures" / "reopened.json").read_text("utf-8"))
    lines = [
        f"| saved by | files | Keras {data['keras']} gives the same "
        "| **gives other numbers** | does not open |",
        "|---|---|---|---|---|",
    ]
    totals = [0, 0, 0]
    for generation in GENERATIONS:
        outcomes = [
            found["outcome"]
            for name, found in data["files"].items()
            if name.startswith(f"{generation}/")
        ]
        if outcomes:
            counts = [outcomes.count(kind) for kind in ("same", "other", "fails")]
            totals = [a + b for a, b in zip(totals, counts, strict=True)]
            cells = " | ".join(map(str, [len(outcomes), *counts]))
            lines.append(f"| {_families([generation])} | {cells} |")
    cells = " | ".join(map(str, [sum(totals), *totals]))
    lines.append(f"| together | {cells} |")
    return "\n".join(lines)


def other_numbers() -> str:
    """The files that today's Keras opens without a word and answers otherwise."""
    data = json.loads((ROOT / "fixtures" / "reopened.json").read_text("utf-8"))
    lines = ["| file | what it shows | largest difference |", "|---|---|---|"]
    for generation in GENERATIONS:
        facts = _facts(generation)
        for name, found in sorted(data["files"].items()):
            folder, _, case = name.partition("/")
            if folder == generation and found["outcome"] == "other":
                apart = found.get("difference", found.get("shape"))
                text = facts[case]["description"].rstrip(".")
                lines.append(f"| {name} | {text} | {apart} |")
    return "\n".join(lines)


def short_layer_list() -> str:
    """The classes in a sentence for each family, for the first page."""
    lines = []
    for family in FAMILIES:
        title = family.__name__.rpartition(".")[2]
        classes = sorted(name for name in family.LAYERS if "." not in name)
        if classes:
            lines.append(f"- **{title}**: {', '.join(classes)}")
    return "\n".join(lines)


def refused_classes() -> str:
    """The classes of Keras that are refused by name, and why."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in sorted(NOT_CONVERTED.items()):
        by_reason.setdefault(reason, []).append(name)
    rows = [f"| {', '.join(names)} | {why} |" for why, names in by_reason.items()]
    return "\n".join(["| class | why it is refused |", "|---|---|", *rows])


def source(path: str, name: str) -> str:
    """The code of a class or function, as it stands in a file."""
    text = (ROOT / path).read_text("utf-8")
    found = next(
        node
        for node in ast.parse(text).body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name == name
    )
    lines = text.splitlines()[found.lineno - 1 : found.end_lineno]
    return "\n".join(["```python", *lines, "```"])


def harmless_options() -> str:
    """Options that are ignored, and why that is safe."""
    rows = [f"| `{key}` | {reason} |" for key, reason in sorted(HARMLESS.items())]
    return "\n".join(["| option | why it changes no number |", "|---|---|", *rows])


def session(*lines: str) -> str:
    """A terminal session in a folder with the demo's files: commands and output."""
    import os
    import shlex
    import shutil
    import subprocess
    import sys
    import tempfile

    shown = []
    with tempfile.TemporaryDirectory() as folder:
        for path in (ROOT / "examples" / "demo").glob("*.[hn]*"):
            shutil.copy(path, folder)
        for line in lines:
            program, *arguments = shlex.split(line)
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
            shown.append(f"$ {line}\n{done.stdout.rstrip()}")
    page = (ROOT / "README.md").read_text("utf-8")
    return settled("```console\n" + "\n\n".join(shown) + "\n```", page)


#: What the last bits of a sum decide: a difference, where it is largest, two numbers.
ROUNDING = re.compile(r"\d\.\de-\d+|\[\d(?:, \d)+\]|\d\.\d{6,}")


def settled(text: str, page: str) -> str:
    """The text as the page has it already, where they differ by rounding alone.

    Another CPU and the other kernel add in another order, and the page is the same.
    """
    fixed = [re.escape(part) for part in ROUNDING.split(text)]
    found = re.search(f"(?:{ROUNDING.pattern})".join(fixed), page)
    return found[0] if found else text
