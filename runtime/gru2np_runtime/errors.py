"""The errors of the runtime, all below one root.

Gru2npError
├── BundleError (ValueError)   a bundle that is damaged, hostile or too new
└── InputError (ValueError)    data or a state that does not fit the model
"""


class Gru2npError(Exception):
    """The root of every error that gru2np raises on purpose."""


class BundleError(Gru2npError, ValueError):
    """A bundle that breaks a rule of ``docs/bundle.md``."""


class InputError(Gru2npError, ValueError):
    """Data or a state that does not fit the model."""


class Unsupported(ValueError):
    """A legal use of a layer that this project does not compute."""
