"""The public names of the package."""

import gru2np


def test_every_public_name_is_found():
    assert sorted(gru2np.__all__) == gru2np.__all__ == sorted(gru2np._HOME)
    for name in gru2np.__all__:
        assert getattr(gru2np, name) is not None
