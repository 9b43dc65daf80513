"""Coverage-guided fuzzing of what reads files, and of the compiled kernel.

``make fuzz`` runs every target for some minutes.  A target is a function of bytes, and
an input that breaks a promise of SECURITY.md is a fault.  Seeds are made of fixtures
and of small files; ``corpus/`` holds inputs that were faults.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CORPUS = Path(__file__).parent / "corpus"
# Fixtures, small models and random layers are those of the tests.
sys.path.insert(0, str(ROOT / "tests" / "support"))

# The targets, and what is fuzzed.
ABOUT = {
    "containers": "models in every container, converted",
    "hdf5": "the bytes of HDF5 files",
    "protobuf": "the messages of a SavedModel and of its objects",
    "index": "the index of a checkpoint",
    "bundle": "bundles, loaded and run",
    "kernel": "the C kernel, under sanitizers, beside NumPy's",
}
