"""The arguments of a node of ``keras.ops``.

A node's config has its options, and its only call has the arguments.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.generations.records import is_integer
from gru2np.ir import ComputedSize, Numbers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

# Half precision computes in float32, here as in layers.
NUMBERS = {"bool": "bool", "float16": "float32", "bfloat16": "float32"}
NUMBERS.update({name: name for name in ("float32", "float64", "uint8", "int8")})
NUMBERS.update({name: name for name in ("int16", "int32", "int64", "uint16")})
# Dtypes of constant arrays that no backend changes.
ARRAYS = ("float32", "int32", "int64")
MAX_CONSTANT = 100_000


# The beginning of reasons: a version of Keras computes it, this project does not.
NOT_HERE = "Keras has it, this version does not"


def build(config: Config, kind: type[Layer], **attributes: Any) -> Layer:
    """The runtime layer; a node's ``dtype`` is an argument, not a policy."""
    config.finish()
    try:
        return kind(**attributes)
    except (TypeError, ValueError) as error:
        config.refuse(str(error))


def tensors(config: Config, count: int | None) -> None:
    """Refuse a call whose arguments are not ``count`` tensors; None for any number."""
    for position, value in operands(config):
        config.refuse(f"expected a tensor as argument {position}", value=value)
    for call in config.layer.calls:
        if count is not None and len(call.inputs) != count:
            config.refuse(f"expected {count} tensors, got {len(call.inputs)}")


def operands(config: Config) -> Sequence[tuple[int, Any]]:
    """The arguments of the only call that are not tensors, by position."""
    calls = config.layer.calls
    if len(calls) > 1:
        config.refuse("expected an operation that is called once")
    for call in calls:
        for keyword, value in call.keywords.items():
            config.refuse("an argument that is not expected", keyword, value)
        if call.mask is not None:
            config.refuse("an argument that is not expected", "mask")
    return calls[0].constants if calls else ()


def constant(config: Config, value: Any) -> dict[str, Any]:
    """Elements, shape and dtype of a constant: a number, or an array as lists."""
    dtype = value.dtype if isinstance(value, Numbers) else ""
    if dtype and dtype not in ARRAYS:
        config.refuse(
            "an array of a dtype that backends treat in different ways; use float32",
            value=dtype,
        )
    numbers: list[float] = []
    shape = _flatten(config, value, numbers, 0)
    kinds = {type(number) for number in numbers}
    kind = "float" if float in kinds else "int" if int in kinds else "bool"
    return {
        "constant": [float(number) for number in numbers],
        "constant_shape": shape,
        "constant_kind": dtype or kind,
    }


def _flatten(
    config: Config, value: Any, numbers: list[float], depth: int
) -> tuple[int, ...]:
    """The shape of nested lists; appends their elements to ``numbers``."""
    if not isinstance(value, list):
        huge = isinstance(value, int) and not -(2**53) <= value <= 2**53
        if not isinstance(value, (bool, int, float)) or huge:
            config.refuse("expected a number or an array of numbers", value=value)
        numbers.append(value)
        return ()
    if not value or depth > 8 or len(numbers) + len(value) > MAX_CONSTANT:
        config.refuse("expected an array of numbers of a reasonable size")
    shapes = {_flatten(config, item, numbers, depth + 1) for item in value}
    if len(shapes) > 1:
        config.refuse("expected an array, got lists of different lengths")
    return (len(value), *shapes.pop())


def number_type(config: Config) -> str:
    """The dtype option; empty if there is none."""
    value = config.value("dtype", None)
    if value is None:
        return ""
    if not isinstance(value, str) or value not in NUMBERS:
        config.refuse("expected the name of a dtype", "dtype", value)
    return NUMBERS[value]


def axes(config: Config, key: str = "axis") -> tuple[int, ...]:
    """One axis or a list of them, none of which is the batch."""
    value = config.value(key)
    if value is None:
        config.refuse(
            f"{NOT_HERE}: over all axes, the batch too, so that samples are mixed and "
            "the result depends on batch_size in predict; give the axes after the "
            "batch axis",
            key,
            value,
        )
    items = value if isinstance(value, list) else [value]
    if 0 in items or not items:
        config.refuse(
            "expected axes after the batch axis: every sample is computed "
            "independently",
            key,
            value,
        )
    return config.axes(key)


def axis(config: Config, default: Any = 0, key: str = "axis") -> int:
    """One axis, which is not the batch."""
    value = config.value(key, default)
    if value is None:
        config.refuse(
            f"{NOT_HERE}: over all elements of a batch, so that samples are mixed; "
            "give an axis after the batch axis",
            key,
            value,
        )
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not is_integer(value) or abs(value) > 32:
        config.refuse("expected an axis", key, value)
    if value == 0:
        config.refuse("expected an axis after the batch axis", key, value)
    return value


def flag(config: Config, key: str) -> bool:
    """A boolean that is false where the file has none, or null."""
    return False if config.value(key, None) is None else config.boolean(key)


def whole_number(config: Config, key: str, value: Any) -> int:
    """An int of 32 bits."""
    if not is_integer(value) or abs(value) >= 2**31:
        config.refuse("expected an integer", key, value)
    return value


def whole_numbers(config: Config, key: str, value: Any) -> list[int]:
    """An int, or a list of one or more; always a list."""
    items = value if isinstance(value, list) else [value]
    if not items:
        config.refuse("expected integers", key, value)
    return [whole_number(config, key, item) for item in items]


def has_computed(shape: Any) -> bool:
    """Whether a shape has sizes that the model computes."""
    items = shape if isinstance(shape, list) else [shape]
    return any(isinstance(item, ComputedSize) for item in items)


def sizes(config: Config, key: str, shape: Any) -> list[tuple[int, ...]]:
    """A shape as the runtime's ``sizing`` has it, for numbers and computed sizes."""
    items = shape if isinstance(shape, list) else [shape]
    found = []
    for item in items:
        if isinstance(item, ComputedSize):
            found.append(item.size)
        elif item is None:
            found.append((-1,))
        elif is_integer(item) and -1 <= item < 2**31 and item != 0:
            found.append((item,))
        else:
            config.refuse("expected sizes of 1 or more", key, item)
    return found
