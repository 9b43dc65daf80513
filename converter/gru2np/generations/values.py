"""Tagged values of Keras configs, as plain values."""

from __future__ import annotations

from typing import Any

from gru2np.generations.training import OBJECTS
from gru2np.ir import Numbers


def plain(value: Any) -> Any:
    """The value with Keras' tags for numbers and tuples resolved; nothing is evaluated.

    Keras 2.12 wrote ``{"class_name": "__numpy__", "config": {"value": 0.9, ...}}`` for
    scalars; Keras 3 writes that and ``__tensor__`` for arrays, and older releases
    ``__tuple__`` and ``TensorShape`` with ``items``.  Objects that act in training
    only are unchanged, so that ``upgrade`` can write them again.
    """
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    tag = value.get("class_name")
    if tag in ("__tuple__", "TensorShape") and isinstance(value.get("items"), list):
        return plain(value["items"])
    if tag in ("__numpy__", "__tensor__") and isinstance(value.get("config"), dict):
        inner = value["config"].get("value")
        if isinstance(inner, list):
            inner = Numbers(inner)
            inner.dtype = str(value["config"].get("dtype"))
        if isinstance(inner, (int, float, list)):
            return inner
    return {key: item if key in OBJECTS else plain(item) for key, item in value.items()}
