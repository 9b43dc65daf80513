"""A folder to import from that holds NumPy and nothing else."""

from pathlib import Path

import numpy as np


def link_numpy(folder):
    """Link the installed NumPy, and the libraries that it brings, into a folder."""
    installed = Path(np.__file__).parent
    for name in ("numpy", "numpy.libs"):
        if (installed.parent / name).is_dir():
            (folder / name).symlink_to(installed.parent / name)
