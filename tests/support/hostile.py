"""Files that attack a reader, each a small honest file with one thing changed.

``ATTACKS`` has a row for each: how it is built and what the refusal says.  Every
builder writes into a directory it is given and returns the model's path; what an
attack tries to reach is a canary beside it.
"""

from __future__ import annotations

import hostile_archives
import hostile_attributes
import hostile_checkpoints
import hostile_folders
import hostile_hdf5

ATTACKS = {
    **hostile_hdf5.ATTACKS,
    **hostile_attributes.ATTACKS,
    **hostile_archives.ATTACKS,
    **hostile_folders.ATTACKS,
    **hostile_checkpoints.ATTACKS,
}
