"""Export with more than the model: small weights with their cost, and a proof."""

from __future__ import annotations

import os
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from gru2np import storage
from gru2np.bundle import write, write_small
from gru2np.convert import convert
from gru2np.errors import Disagreement, InputError
from gru2np.verification.proof import rewritten, with_proof
from gru2np.verification.verify import verify
from gru2np_runtime import load
from gru2np_runtime.files.arrays import replacing

if TYPE_CHECKING:
    from gru2np.bundle import Exported
    from gru2np.layers.custom import CustomLayers
    from gru2np.verification.result import Verification

    FilePath = str | os.PathLike[str]


def export_proved(
    model: FilePath,
    out: FilePath | BinaryIO,
    weights: FilePath | None,
    custom_layers: CustomLayers | None,
    store: str | None,
    prove: Any,
) -> Exported:
    """Write a bundle with small weights, with a proof, or with both; see ``export``."""
    if store not in (None, *storage.KINDS):
        kinds = " or ".join(storage.KINDS)
        raise InputError(f"store: expected {kinds}, got {store!r}")
    found = None
    if prove is not None:
        # In full precision: what small storage costs is no fault of the conversion.
        found = verify(
            model, inputs=prove, weights=weights, custom_layers=custom_layers
        )
        if not found.agrees:
            raise Disagreement(
                f"{found.model}: Keras gives something else, so there is nothing to "
                "prove and no bundle is written: see where with gru2np verify --layers"
            )
    data, exported = _small(model, weights, custom_layers, store, found)
    if found is not None:
        more = None
        if exported.storage is not None:
            costs = exported.storage["outputs"].items()
            more = {name: own["largest_difference"] for name, own in costs}
        name = Path(out).name if isinstance(out, (str, os.PathLike)) else "the bundle"
        data, recorded = with_proof(data, found, name, custom_layers, more)
        exported = replace(exported, proof=recorded)
    if isinstance(out, (str, os.PathLike)):
        with replacing(out) as file:
            file.write(data)
    else:
        out.write(data)
    return exported


def _small(
    model: FilePath,
    weights: FilePath | None,
    custom_layers: CustomLayers | None,
    kind: str | None,
    found: Verification | None,
) -> tuple[bytes, Exported]:
    """The bundle and what was written, with small weights if asked for."""
    memory = BytesIO()
    with convert(model, weights, custom_layers) as conversion:
        full = write(conversion, memory)
    if kind is None:
        return memory.getvalue(), full
    smaller = BytesIO()
    with convert(model, weights, custom_layers) as conversion:
        exported = write_small(conversion, smaller, kind)
    data = smaller.getvalue()
    if not exported.stored_small[0]:
        return data, exported
    given = [] if found is None else [case.inputs for case in found.evidence.cases]
    record = storage.cost(
        load(data, custom_layers=custom_layers),
        load(memory.getvalue(), custom_layers=custom_layers),
        given,
    )
    return rewritten(data, {"storage": record}), replace(exported, storage=record)
