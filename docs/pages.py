"""What cog writes into the pages: help texts and tables, from the code itself."""

from __future__ import annotations

import json
from pathlib import Path

import click

from gru2np.cli import main
from gru2np.layers import FAMILIES, NOT_CONVERTED
from gru2np.layers._spec import HARMLESS

ROOT = Path(__file__).resolve().parent.parent


def _in_order(name: str) -> tuple[str, list[int]]:
    """Families apart, versions by number and not by letter."""
    family, _, version = name.rpartition("-")
    return family, [int(part) for part in version.split(".")]


GENERATIONS = sorted(
    (path.name for path in (ROOT / "fixtures").iterdir() if path.name[-1].isdigit()),
    key=_in_order,
)


def help_of(*names: str) -> str:
    """The help text of a command, as the terminal shows it."""
    command: click.Command = main
    context = click.Context(main, info_name="gru2np")
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
    names = sorted(main.commands) if isinstance(main, click.Group) else []
    return "\n\n".join(f"## {name}\n\n{help_of(name)}" for name in names)


def proofs() -> dict[str, list[str]]:
    """The generations whose fixtures hold a class, by Keras class."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "fixtures").glob("*/*/case.json"):
        for class_name in json.loads(path.read_text("utf-8"))["classes"]:
            found.setdefault(class_name, set()).add(path.parent.parent.name)
    return {name: sorted(names) for name, names in found.items()}


def layer_table() -> str:
    """Every Keras class that is converted, and the Keras generations that prove it."""
    proven = proofs()
    lines = [
        "| family | Keras class | mask of its input | proven by files of |",
        "|---|---|---|---|",
    ]
    for family in FAMILIES:
        title = family.__name__.rpartition(".")[2]
        for class_name, spec in sorted(family.LAYERS.items()):
            plain = class_name.removeprefix("ops.")
            shown = f"`keras.ops` {plain}" if plain != class_name else plain
            mask = spec.mask + (", used" if spec.uses_mask else "")
            files = _families(proven.get(plain, []))
            lines.append(f"| {title} | {shown} | {mask} | {files} |")
            title = ""
    return "\n".join(lines)


def _families(generations: list[str]) -> str:
    """Generations in short: those of one family behind one another."""
    grouped: dict[str, list[str]] = {}
    for name in generations:
        family, _, version = name.rpartition("-")
        grouped.setdefault(family, []).append(version)
    names = {"keras": "Keras", "tf": "TensorFlow", "tf-keras": "tf-keras"}

    def order(version: str) -> tuple[int, ...]:
        return tuple(int(part) for part in version.split("."))

    return "; ".join(
        f"{names[family]} {', '.join(sorted(versions, key=order))}"
        for family, versions in sorted(grouped.items())
    )


def fixture_table() -> str:
    """The generations of the fixtures: who wrote them, in what, and how many."""
    lines = [
        "| generation | written by | Python | containers | cases |",
        "| --- | --- | --- | --- | --- |",
    ]
    for generation in GENERATIONS:
        facts = [
            json.loads(path.read_text("utf-8"))
            for path in sorted((ROOT / "fixtures" / generation).glob("*/case.json"))
        ]
        environment = ROOT / "fixtures" / "environments" / f"{generation}.txt"
        python = environment.read_text("utf-8").partition("\n")[0].split()[-1]
        containers = ", ".join(sorted({fact["container"] for fact in facts}))
        writer = facts[0]["writer"]
        lines.append(
            f"| {generation} | {writer} | {python} | {containers} | {len(facts)} |"
        )
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
    """The classes of Keras that are refused by name."""
    return ", ".join(sorted(NOT_CONVERTED))


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
    return "```console\n" + "\n\n".join(shown) + "\n```"
