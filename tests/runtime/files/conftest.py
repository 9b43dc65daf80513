"""A bundle of one input and one output.

The tests of these files go through the command of the converter, which ``make matrix``
does not install.
"""

from importlib.util import find_spec

import pytest

if find_spec("gru2np") is None:
    names = (
        "arrays",
        "commands",
        "inputs",
        "outputs",
        "partial",
        "prediction",
        "tables",
    )
    collect_ignore = [f"test_{name}.py" for name in names]


@pytest.fixture
def bundle(tmp_path):
    from modelfiles import bundle_of

    return bundle_of("keras-2.2/get_weights_explained", tmp_path / "model.npz")
