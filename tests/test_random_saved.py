"""A sample of the random models that ``make proof`` has saved in every container."""

import shutil

import pytest

from goldens import FIXTURES
from saved_models import judge

SAMPLE = sorted(FIXTURES.glob("random_saved/*/*"))


@pytest.mark.parametrize(
    "folder", SAMPLE, ids=lambda folder: f"{folder.parent.name}/{folder.name}"
)
def test_every_container_holds_the_same_model(folder):
    assert judge(folder)


def test_there_is_a_sample():
    assert len(SAMPLE) >= 20


def test_another_weight_is_found(tmp_path):
    folder, other = tmp_path / "model", SAMPLE[1]
    shutil.copytree(SAMPLE[0], folder)
    shutil.rmtree(folder / "hdf5")
    shutil.copytree(other / "hdf5", folder / "hdf5")
    with pytest.raises(AssertionError):
        judge(folder)
