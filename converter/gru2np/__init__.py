"""Turn saved Keras models into bundles that NumPy alone can run.

>>> import gru2np
>>> gru2np.export("model.h5", "model.npz")      # doctest: +SKIP
>>> print(gru2np.inspect("model.h5"))           # doctest: +SKIP
>>> from gru2np_runtime import load             # doctest: +SKIP
>>> load("model.npz").predict(x)                # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gru2np.bundle import Exported
    from gru2np.errors import (
        BundleError,
        Gru2npError,
        InputError,
        ModelFileError,
        Problem,
        UnsupportedModelError,
        VerificationError,
    )
    from gru2np.exporting import export
    from gru2np.inspection.audit import Audit, audit
    from gru2np.inspection.inspect import Report, inspect
    from gru2np.upgraded import Upgraded, upgrade
    from gru2np.verification.result import Verification
    from gru2np.verification.verify import verify
    from gru2np_runtime import __version__

__all__ = [
    "Audit",
    "BundleError",
    "Exported",
    "Gru2npError",
    "InputError",
    "ModelFileError",
    "Problem",
    "Report",
    "UnsupportedModelError",
    "Upgraded",
    "Verification",
    "VerificationError",
    "__version__",
    "audit",
    "export",
    "inspect",
    "upgrade",
    "verify",
]

# Where each name is: looked up on first use, for NumPy and h5py take longer to import
# than `gru2np --help` to answer.
_HOME = {
    "Audit": "gru2np.inspection.audit",
    "BundleError": "gru2np.errors",
    "Exported": "gru2np.bundle",
    "Gru2npError": "gru2np.errors",
    "InputError": "gru2np.errors",
    "ModelFileError": "gru2np.errors",
    "Problem": "gru2np.errors",
    "Report": "gru2np.inspection.inspect",
    "UnsupportedModelError": "gru2np.errors",
    "Upgraded": "gru2np.upgraded",
    "Verification": "gru2np.verification.result",
    "VerificationError": "gru2np.errors",
    "__version__": "gru2np_runtime",
    "audit": "gru2np.inspection.audit",
    "export": "gru2np.exporting",
    "inspect": "gru2np.inspection.inspect",
    "upgrade": "gru2np.upgraded",
    "verify": "gru2np.verification.verify",
}


if not TYPE_CHECKING:  # which would take any name for one of these

    def __getattr__(name: str) -> object:
        if name not in _HOME:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOME[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
