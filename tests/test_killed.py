"""Commands killed before any of their steps: an output is whole, and nothing stays.

``make proof`` kills every command at hundreds of random moments, those that run a Keras
too.
"""

import sys

import pytest

from proof import killed

if not sys.platform.startswith("linux"):
    pytest.skip("needs what Linux tells of processes", allow_module_level=True)


@pytest.fixture(scope="module")
def nursery():
    with killed.Nursery() as process:
        yield process


@pytest.mark.parametrize(
    "name", ["export", "predict .npz", "verify --record", "upgrade", "ship"]
)
def test_killed_before_a_step(name, tmp_path, nursery):
    outcomes = killed.at_steps(name, tmp_path, nursery, 3)
    # The last steps are after the output is in its place.
    assert {"as before", "new", "unfinished work"} <= set(outcomes)


def test_a_folder_that_ship_moved_away_is_put_back(tmp_path, nursery):
    killing = killed.Killing("ship", tmp_path, nursery)
    target = killing.work / "device"
    for step in range(int(killing.reference["events"]), 0, -1):
        killing.reset(old=True)
        killing.run({"event": step})
        if not target.exists():
            break
    # Refused, as it was before.
    assert killing.ask([*killing.command.arguments])["code"] == 2
    assert killed.listing(target) == killed.listing(killing.old)
