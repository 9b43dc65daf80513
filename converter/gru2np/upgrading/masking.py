"""Masks of other rules than Keras 3's: kept away, or passed as arguments."""

from __future__ import annotations

from gru2np.errors import Problem


def with_masks(draft, comparison, found, tried):
    return [
        Problem(x.path, "layer", f"{'mask' if x.mask else 'input'}: {x.before} {x.after}")
        for x in found
    ]
