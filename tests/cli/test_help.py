"""What the help says and the shell completes: every example is run on real files."""

import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest

import gru2np
from goldens import FIXTURES, ROOT
from gru2np.cli import cli
from gru2np.ship import ship
from gru2np_runtime.__main__ import EXAMPLES
from gru2np_runtime.build import FOLDER
from modelfiles import fixture, recorded
from needs_keras import MARKS
from sessions import in_shell

MODEL = "tf-keras-2.21/nested_sequential"
ARCHIVE = "keras-3.15/custom_functions"
APART = FIXTURES / "keras-2.2" / "gru_json"
PAGE = (ROOT / "docs" / "cli.md").read_text("utf-8")
# By shell, how its script is asked for on the page, and what the script defines.
SHELLS = {
    "bash": ("_GRU2NP_COMPLETE=bash_source gru2np", "complete -o nosort -F"),
    "zsh": ("_GRU2NP_COMPLETE=zsh_source gru2np", "#compdef gru2np"),
    "fish": ("_GRU2NP_COMPLETE=fish_source gru2np", "complete --no-files --command"),
}


def examples():
    """Every example of every command, those that run Keras marked."""
    for command in cli.commands.values():
        for example in command.examples:
            runs = re.match(r"gru2np verify(?!.*--expected)", example)
            marks = list(MARKS if runs else ())
            if "--compiled" in example:
                there = any(FOLDER.glob("libgru2np.*"))
                marks = [pytest.mark.skipif(not there, reason="no compiled kernel")]
            yield pytest.param(example, id=example, marks=marks)
    for own in EXAMPLES.values():
        for example in own:
            yield pytest.param(example, id=example)


@pytest.fixture
def folder(tmp_path):
    """The files that examples name, but for what they write."""
    shutil.copy(fixture(MODEL), tmp_path / "model.h5")
    shutil.copy(fixture(ARCHIVE, "model.keras"), tmp_path / "model.keras")
    shutil.copy(ROOT / "examples" / "custom_objects.py", tmp_path / "objects.py")
    for name in ("architecture.json", "weights.h5"):
        shutil.copy(APART / name, tmp_path)
    (x,), (y,) = recorded(MODEL)
    np.save(tmp_path / "x.npy", x)
    np.save(tmp_path / "y.npy", y)
    gru2np.export(tmp_path / "model.h5", tmp_path / "model.npz")
    return tmp_path


@pytest.mark.parametrize("example", list(examples()))
def test_the_examples_of_the_help_run(example, folder):
    if "export" in example:
        (folder / "model.npz").unlink()
    if "upgrade" in example:
        (folder / "model.keras").unlink()
    if "--expected" not in example:
        (folder / "y.npy").unlink()
    if "device/" in example:
        ship(folder / "model.npz", folder / "device")
    before = {path.name for path in folder.iterdir()}
    printed = in_shell(f"{example} && echo done", folder)
    assert printed.splitlines()[-1] == "done", printed
    written = re.findall(r"(?:-o|--report|>) (\w\S+)|ship \S+ (\w+)", example)
    for name in map("".join, written):
        assert name not in before
        assert (folder / name).exists()


def test_the_help_of_all_cuts_no_line():
    assert "..." not in in_shell("gru2np --help", ROOT).replace("[ARGS]...", "")


def test_the_help_of_all_ends_with_an_example_of_each():
    printed = in_shell("gru2np --help", ROOT)
    lines = printed.partition("\nExamples:\n")[2].splitlines()
    assert [line.split()[1] for line in lines] == sorted(cli.commands)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_the_runtime_s_help_ends_with_examples(name):
    printed = in_shell(f"python -m gru2np_runtime {name} --help", ROOT)
    lines = printed.partition("\nexamples:\n")[2].splitlines()
    assert [line.strip() for line in lines] == list(EXAMPLES[name])
    assert len(lines) >= 2


def test_the_page_of_commands_has_them_all():
    for name in cli.commands:
        assert f"$ gru2np {name} --help" in PAGE
        assert f"  {cli.commands[name].examples[0]}\n" in PAGE
    for name in EXAMPLES:
        assert f"| `{name}` |" in PAGE


# Completion


@pytest.mark.parametrize("shell", sorted(SHELLS))
def test_the_script_of_each_shell(shell, tmp_path):
    asked, defined = SHELLS[shell]
    assert asked in PAGE
    script = in_shell(asked, tmp_path)
    assert defined in script
    assert f"_GRU2NP_COMPLETE={shell}_complete" in script


def completed(line, folder):
    """What the function of bash completes, the page's own line having defined it."""
    own = re.search(r"```bash\n(eval .*)\n```", PAGE)[1]
    words = line.split(" ")
    quoted = " ".join(f"'{word}'" for word in words)
    # Outside of a completion compopt has nothing to set: it says what it was asked.
    return in_shell(
        f"{own}\ncompopt() {{ echo compopt $*; }}\n"
        f"COMP_WORDS=({quoted}) COMP_CWORD={len(words) - 1}\n"
        '_gru2np_completion gru2np\necho "${COMPREPLY[@]}"',
        folder,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="bash")
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("gru2np ins", "inspect"),
        ("gru2np ", " ".join(sorted(cli.commands))),
        ("gru2np export --st", "--store"),
        ("gru2np export --store ", "float16 int8"),
        ("gru2np export mod", "compopt -o default"),
        ("gru2np predict model.npz -i x", "compopt -o default"),
        ("gru2np verify model.h5 mod", "compopt -o default"),
    ],
)
def test_bash_completes(line, expected, folder):
    assert completed(line, folder) == expected


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_answered(shell, tmp_path):
    answers = {}
    for word in ("ins", "inspect mod"):
        environment = f"_GRU2NP_COMPLETE={shell}_complete COMP_WORDS='gru2np {word}'"
        number = word.count(" ") + 1
        at = number if shell == "zsh" else word.split()[-1]
        answers[word] = in_shell(f"{environment} COMP_CWORD={at} gru2np", tmp_path)
    assert re.match(r"plain[,\n]inspect\b", answers["ins"])
    assert answers["inspect mod"].startswith("file")


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_is_one_of_its_shell(shell, tmp_path):
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(in_shell(SHELLS[shell][0], tmp_path), "utf-8")
    subprocess.run(
        [program, "-n", str(tmp_path / "script")], check=True, env=dict(os.environ)
    )
