"""Bundles of small storage."""

import io

import gru2np
from modelfiles import golden

# Three stateful GRUs of 24 units.
STACK = golden("keras-2.1/stateful_stack")
MODEL = STACK.files()[0]


def exported(model=MODEL, **options):
    """The bytes of a bundle and what its export said."""
    out = io.BytesIO()
    facts = gru2np.export(model, out, **options)
    return out.getvalue(), facts
