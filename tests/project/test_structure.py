"""The folders stand in the order in which a file becomes numbers.

Every import is read: at the top, inside a function, for a type checker alone, and by
a string that names a module.
"""

import ast
import re

import pytest

import goldens

ROOTS = {
    "gru2np": goldens.ROOT / "converter" / "gru2np",
    "gru2np_runtime": goldens.ROOT / "runtime" / "gru2np_runtime",
}
# Modules and folders below a package; each imports what stands before it, and within
# a folder whatever makes no circle.  The package itself, "", stands behind them.
ORDER = {
    "gru2np": (
        *("errors", "text", "meaning", "ir", "readers", "generations", "layers"),
        *(
            "graph",
            "weights",
            "storage",
            "differences",
            "convert",
            "inspection",
            "bundle",
            "upgrading",
        ),
        *("verification", "exporting", "upgraded", "ship", "reports"),
        *("", "cli", "__main__"),
    ),
    "gru2np_runtime": (
        *("version", "errors", "hints", "text", "functions", "custom", "activations"),
        *("attributes", "layer", "graph", "data", "plan", "layers", "kernels", "run"),
        *("summary", "model", "bind", "custom_objects", "bundle", "proof", "loading"),
        *("files", "build", ""),
        "__main__",
    ),
}
# Imports against the order, each with its reason.
AGAINST = {
    ("gru2np_runtime.layer", "gru2np_runtime.bind"): (
        "Layer.bind is public, and gives a model"
    ),
    **{
        ("gru2np.upgrading.checking", f"gru2np.verification.{name}"): (
            "a file is run on inputs as verify draws them before it is returned"
        )
        for name in ("cases", "comparison", "samples", "settings")
    },
}
# Modules that import each other, each pair with its reason.
PAIRS = {
    ("gru2np.graph.masks", "gru2np.graph.time_distributed"): (
        "a call at TimeDistributed is a call, with rules of a page of their own"
    ),
    ("gru2np.inspection.render", "gru2np.inspection.inspect"): (
        "str(report) is the text that a person reads"
    ),
    ("gru2np.layers.activations", "gru2np.layers.spec"): (
        "an activation is read as any option is, and may itself be a layer"
    ),
}
MOST_LINES = 600


def modules():
    """Files of both packages by the names of their modules."""
    found = {}
    for package, root in ROOTS.items():
        for path in root.rglob("*.py"):
            parts = [package, *path.relative_to(root).with_suffix("").parts]
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


FILES = modules()
NAMES = re.compile(r"gru2np(?:_runtime)?(?:\.\w+)*(?=:\w+$|$)")


def imported(name):
    """The modules of both packages that a module names."""
    found = set()
    for node in ast.walk(ast.parse(FILES[name].read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                inside = f"{node.module}.{alias.name}"
                found.add(inside if inside in FILES else node.module)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            match = NAMES.match(node.value)
            # The bare name of a package is a word, too.
            found.update([match[0]] if match and "." in match[0] else [])
    return {other for other in found if other in FILES and other != name}


def package_of(name):
    return name.partition(".")[0]


def place(name):
    package, _, rest = name.partition(".")
    return ORDER[package].index(rest.partition(".")[0])


IMPORTS = {
    name: {other for other in imported(name) if (name, other) not in AGAINST}
    for name in FILES
}


@pytest.mark.parametrize("package", ROOTS)
def test_every_module_has_a_place(package):
    tops = {
        name.partition(".")[2].partition(".")[0]
        for name in FILES
        if name.partition(".")[0] == package
    }
    assert tops == set(ORDER[package])


def test_imports_follow_the_order_of_the_folders():
    wrong = [
        f"{name} imports {other}"
        for name, others in IMPORTS.items()
        for other in sorted(others)
        if package_of(name) == package_of(other) and place(name) < place(other)
    ]
    assert wrong == []


def test_the_runtime_does_not_know_the_converter():
    runtime = [name for name in FILES if package_of(name) == "gru2np_runtime"]
    assert not [
        (name, other)
        for name in runtime
        for other in IMPORTS[name]
        if package_of(other) == "gru2np"
    ]


def test_the_exceptions_are_needed():
    assert all(other in imported(name) for name, other in AGAINST)


def reached(start):
    """Everything that a module needs, through whatever it imports."""
    found, pending = set(), [start]
    while pending:
        new = IMPORTS[pending.pop()] - found
        found |= new
        pending.extend(new)
    return found


def test_no_three_modules_import_each_other():
    needs = {name: reached(name) for name in FILES}
    groups = {
        frozenset({name, *(n for n in needs[name] if name in needs[n])})
        for name in FILES
        if name in needs[name]
    }
    assert groups == {frozenset(pair) for pair in PAIRS}


def test_no_file_is_longer_than_its_subject():
    long = {
        name: path.read_text("utf-8").count("\n")
        for name, path in FILES.items()
        if path.read_text("utf-8").count("\n") > MOST_LINES
    }
    assert long == {}
