"""Load a bundle, and check it on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gru2np_runtime.bundle.opening import open_bundle
from gru2np_runtime.errors import BundleError

if TYPE_CHECKING:
    from gru2np_runtime.bundle.opening import Source
    from gru2np_runtime.custom_objects import CustomObjects
    from gru2np_runtime.model import Model


def load(
    source: Source,
    *,
    custom_objects: CustomObjects | None = None,
    check: bool = False,
    mapped: bool = False,
) -> Model:
    """Load a bundle.

    Args:
        source: a path, the bundle's bytes, or a binary file object.
        custom_objects: the custom classes and functions that the bundle was exported
            with, by name.
        check: compare the SHA-256 of every array, and replay the bundle's proof here;
            a bundle without a proof passes.
        mapped: map the file instead of reading it, for models larger than memory, or
            shared by many processes.  While the model is in use, do not write to the
            file or truncate it: that would change the model or crash the process.
            Replacing it by another file, as export does, is safe; Windows refuses it.

    Raises:
        BundleError: the bundle breaks a rule of the format, is damaged, or its proof
            does not hold here; the message names the member or the output.
        CustomObjectError: one of ``custom_objects`` is of the wrong kind.
        FileNotFoundError: there is no such file.
    """
    opened = open_bundle(source, custom_objects, mapped=mapped)
    model = opened.model()
    if check:
        from gru2np_runtime.proof.checking import check as check_bundle

        problems = check_bundle(opened, model).problems
        if problems:
            raise BundleError(problems[0])
    return model
