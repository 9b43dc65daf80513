"""The programs of ``examples/``, as modules."""

import importlib.util

from goldens import ROOT

EXAMPLES = ROOT / "examples"


def example(name):
    """The module of an example."""
    path = EXAMPLES / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
