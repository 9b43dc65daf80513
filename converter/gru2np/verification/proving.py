"""Export with more than the model: small weights with their cost, and a proof."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from gru2np import storage
from gru2np.bundle import in_memory, rewritten
from gru2np.convert import convert
from gru2np.errors import Disagreement, InputError
from gru2np.verification import storage_cost
from gru2np.verification.proof import with_proof
from gru2np.verification.verify import Request, verify_conversion
from gru2np_runtime import load
from gru2np_runtime.files.arrays import replacing

if TYPE_CHECKING:
    from gru2np.bundle import Exported
    from gru2np.convert import Conversion
    from gru2np.layers.custom import CustomObjects
    from gru2np.verification.result import Verification

    FilePath = str | os.PathLike[str]


def export_proved(
    model: FilePath,
    out: FilePath | BinaryIO,
    weights: FilePath | None,
    custom_objects: CustomObjects | None,
    saved_by: str | None,
    store: str | None,
    prove: Any,
) -> Exported:
    """Write a bundle with small weights, with a proof, or with both; see ``export``."""
    if store not in (None, *storage.KINDS):
        kinds = " or ".join(storage.KINDS)
        raise InputError(f"store: expected {kinds}, got {store!r}")
    request = None
    if prove is not None:
        request = Request(inputs=prove, custom_objects=custom_objects)
    with convert(model, weights, custom_objects, saved_by) as conversion:
        full, exported = in_memory(conversion)
        found = None
        if request is not None:
            # In full precision: what small storage costs is no fault of the conversion.
            files = Path(model), None if weights is None else Path(weights)
            (found,) = verify_conversion(conversion, files, [full], request)
            if not found.agrees:
                raise Disagreement(
                    f"{found.model}: Keras gives something else, so there is nothing "
                    "to prove and no bundle is written: see where with gru2np verify "
                    "--layers"
                )
        data = full
        if store is not None:
            data, exported = _small(conversion, full, store, found, custom_objects)
    if found is not None:
        more = None
        if exported.storage is not None:
            costs = exported.storage["outputs"].items()
            more = {name: own["largest_difference"] for name, own in costs}
        name = Path(out).name if isinstance(out, (str, os.PathLike)) else "the bundle"
        data, recorded = with_proof(data, found, name, custom_objects, more)
        exported = replace(exported, proof=recorded)
    if isinstance(out, (str, os.PathLike)):
        with replacing(out) as file:
            file.write(data)
    else:
        out.write(data)
    return exported


def _small(
    conversion: Conversion,
    full: bytes,
    kind: str,
    found: Verification | None,
    custom_objects: CustomObjects | None,
) -> tuple[bytes, Exported]:
    """The bundle with small weights, and what was written.

    Args:
        conversion: of the model.
        full: its bundle in full precision, which the cost is measured beside.
        kind: ``float16`` or ``int8``.
        found: of a verification, whose inputs the cost is measured on too.
        custom_objects: classes of the user's own.
    """
    data, exported = in_memory(conversion, kind)
    if not exported.stored_small[0]:
        return data, exported
    given = [] if found is None else [case.inputs for case in found.evidence.cases]
    record = storage_cost.cost(
        load(data, custom_objects=custom_objects),
        load(full, custom_objects=custom_objects),
        given,
    )
    return rewritten(data, {"storage": record}), replace(exported, storage=record)
