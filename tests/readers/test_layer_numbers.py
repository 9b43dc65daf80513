"""How tf.keras 2.12 to 2.14 number layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from goldens import FIXTURES
from gru2np.readers import open_model
from gru2np.readers.layer_numbers import numbered_since
from small_models import (
    arrays,
    weights_bytes,
    write_architecture,
)

if TYPE_CHECKING:
    from pathlib import Path

    import h5py


# The names of one class in one model as each version wrote them: the numbers of 2.12
# and 2.13 leave one out after every layer with weights, those of 2.14 leave out none.
@pytest.mark.parametrize(
    "written",
    [
        ["gru", "gru_1", "gru_2"],
        ["gru", "gru_2", "gru_4"],
        ["gru", "gru_2", "gru_10"],
        ["gru_10", "gru", "gru_2"],
        ["gru_1", "gru_3", "gru_5"],  # the first is shared with another model
    ],
)
def test_layers_count_within_their_class(written: list[str]) -> None:
    ranked = sorted(written, key=lambda name: int((name + "_0").split("_")[1]))
    expected = dict(zip(["gru", "gru_1", "gru_2"], ranked, strict=True))
    others = {"conv1d": "conv1d", "gru_cell": "gru_cell", "lstm": "lstm_7"}
    given = [*written, *others.values()]
    assert numbered_since(given, "here") == {**expected, **others}


def test_numbers_that_are_part_of_a_name() -> None:
    names = ["a_0", "a_01", "a_9999999", "_1", "a"]
    assert numbered_since(names, "here") == {name: name for name in names}


def _write_nested(file: h5py.File) -> None:
    lists = "_layer_checkpoint_dependencies"
    inner = f"{lists}/sequential_2/{lists}"
    for index, path in enumerate(
        [
            "",
            f"{lists}/gru/cell",
            f"{lists}/gru_2/cell",
            f"{inner}/gru/cell",
            f"{inner}/gru_10/cell",
            f"{inner}/gru_8/cell",
            f"{lists}/rnn_3/cell/cells/gru_cell_1",
            f"{lists}/time_distributed_1/layer/{lists}/dense_5",
            "optimizer",
        ]
    ):
        file.create_group(f"{path}/vars")["0"] = np.float32(index)
    for path in ("sequential", "sequential_2", "time_distributed", "rnn"):
        file.create_group(f"{lists}/{path}/vars")
    file.create_group(f"{lists}/time_distributed/layer/random_generator/vars")["0"] = 1


NESTED = {
    "": 0,
    "layers/gru/cell": 1,
    "layers/gru_1/cell": 2,
    "layers/rnn_1/cell/cells/gru_cell_1": 6,
    "layers/sequential_1/layers/gru/cell": 3,
    "layers/sequential_1/layers/gru_1/cell": 5,
    "layers/sequential_1/layers/gru_2/cell": 4,
    "layers/time_distributed_1/layer/layers/dense": 7,
}


def test_layers_by_their_old_names(tmp_path: Path) -> None:
    weights = tmp_path / "weights.h5"
    weights.write_bytes(weights_bytes(_write_nested))
    with open_model(
        write_architecture(tmp_path, keras_version="2.13.1"), weights
    ) as raw:
        assert {path: int(value) for path, [value] in arrays(raw).items()} == NESTED
        assert raw.paths is not None
        absent = ["layers/gru_2/cell", "layers/sequential/layers/gru/cell", "layers"]
        for path in (*absent, "_layer_checkpoint_dependencies/gru_2/cell"):
            assert list(raw.paths.variables(path)) == []
            assert raw.paths.owner(path) is None
        # A message says what stands in the file.
        tensor = raw.paths.variables("layers/sequential_1/layers/gru_1/cell")[0]
        assert tensor.name.endswith("sequential_2/_layer_checkpoint_dependencies/gru_8"
                                    "/cell/vars/0")  # fmt: skip


@pytest.mark.parametrize("generation", ["tf-2.12", "tf-2.13", "tf-2.14"])
def test_files_of_these_versions(generation: str) -> None:
    """Layers have the numbers of later versions, wherever classes lose weights."""
    with open_model(FIXTURES / generation / "weights_sometimes" / "model.keras") as raw:
        assert list(arrays(raw)) == [
            "layers/layer_normalization_1",
            "layers/layer_normalization_3",
            "layers/sequential_1/layers/dense",
            "layers/sequential_2/layers/gru/cell",
            "layers/time_distributed_1/layer",
            "layers/time_distributed_2/layer",
        ]
