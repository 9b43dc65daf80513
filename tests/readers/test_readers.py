"""Every fixture can be opened, and errors of the reader's user pass through."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from typing import TYPE_CHECKING

import pytest

from goldens import Golden, all_goldens, refused
from gru2np.errors import ModelFileError
from gru2np.readers import open_model
from small_models import (
    arrays,
    write_h5,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_errors_of_the_block_pass_through(tmp_path: Path) -> None:
    path = write_h5(tmp_path / "model.h5")
    with pytest.raises(KeyError, match="mine"), open_model(path):
        raise KeyError("mine")
    path.unlink()  # closed on every system


# Containers that a fixture calls otherwise than a bundle.
CONTAINERS = {"directory": "keras", "json+shards": "json+weights.h5"}


@pytest.mark.parametrize("golden", all_goldens(), ids=lambda golden: golden.name)
def test_golden(golden: Golden) -> None:
    with suppress(ModelFileError) if refused(golden) else nullcontext():
        check_golden(golden)


def check_golden(golden: Golden) -> None:
    with open_model(*golden.files()) as raw:
        found = arrays(raw)
    container = golden.facts["container"]
    assert raw.container == CONTAINERS.get(container, container)
    assert raw.keras_version in (golden.facts["keras_version"], None)
    assert isinstance(raw.config["class_name"], str)
    for tensors in found.values():
        assert all(array.dtype.isnative for array in tensors)
