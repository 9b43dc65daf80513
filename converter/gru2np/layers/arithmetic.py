"""Converts ``keras.ops`` nodes of two operands, one of which may be a constant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np.generations.records import is_number
from gru2np.layers.arguments import build, constant, operands, tensors
from gru2np.layers.mask_rules import STOPS
from gru2np.layers.spec import operation
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer

BINARY = {
    "Add": "add",
    "Arctan2": "arctan2",
    "Divide": "divide",
    "DivideNoNan": "divide_no_nan",
    "Equal": "equal",
    "FloorDivide": "floor_divide",
    "FloorOfQuotient": "floor_of_quotient",
    "Greater": "greater",
    "GreaterEqual": "greater_equal",
    "Less": "less",
    "LessEqual": "less_equal",
    "Logaddexp": "logaddexp",
    "LogicalXor": "logical_xor",
    "Maximum": "maximum",
    "Minimum": "minimum",
    "Mod": "mod",
    "Multiply": "multiply",
    "NotEqual": "not_equal",
    "Power": "power",
    "SquaredDifference": "squared_difference",
    "Subtract": "subtract",
    "TrueDivide": "divide",
}


def binary(config: Config) -> Layer:
    """A function of two tensors, or of a tensor and a constant on either side."""
    attributes: dict[str, Any] = {}
    constants = operands(config)
    if constants:
        count = len(config.layer.calls[0].inputs)
        if len(constants) != 1 or count != 1 or constants[0][0] not in (0, 1):
            config.refuse("expected two operands, at least one of them a tensor")
        position, value = constants[0]
        attributes = {
            **constant(config, value),
            "constant_first": position == 0,
        }
    else:
        tensors(config, 2)
    whole_as = config.value("whole_as", None) or config.default_dtype
    function = BINARY[config.operation]
    return build(
        config, runtime.Binary, function=function, dtype=whole_as, **attributes
    )


def not_equal(config: Config) -> Layer:
    """NotEqual; with a number as second operand it is the runtime's mask operation."""
    constants = operands(config)
    single = len(constants) == 1 and is_number(constants[0][1])
    if not single or len(config.layer.calls[0].inputs) != 1:
        return binary(config)
    return build(config, runtime.NotEqual, value=float(constants[0][1]))


def where(config: Config) -> Layer:
    """Where, with a number or a tensor on either side, or a constant condition."""
    attributes: dict[str, Any] = {}
    kinds = set()
    condition: dict[str, Any] = {}
    for position, value in operands(config):
        if position == 0 and isinstance(value, list):
            if getattr(value, "dtype", "bool") != "bool":
                config.refuse("expected a condition of bool; compare it first")
            chosen = constant(config, list(value))
            condition["condition"] = [int(n != 0) for n in chosen["constant"]]
            condition["condition_shape"] = chosen["constant_shape"]
            continue
        if position not in (1, 2) or type(value) not in (int, float):
            config.refuse(f"expected a tensor as argument {position}", value=value)
        number = constant(config, value)
        attributes["x" if position == 1 else "y"] = number["constant"]
        kinds.add(number["constant_kind"])
    count = sum(len(call.inputs) for call in config.layer.calls)
    if count + len(attributes) + bool(condition) != 3:
        config.refuse("expected a condition and two values")
    kind = "float" if "float" in kinds else "int" if kinds else ""
    return build(
        config,
        runtime.Select,
        constant_kind=kind,
        dtype=config.default_dtype,
        **attributes,
        **condition,
    )


def summed(config: Config) -> Layer:
    """AddN of two tensors or more; of one it may return the tensor itself."""
    tensors(config, None)
    if sum(len(call.inputs) for call in config.layer.calls) < 2:
        config.refuse("a sum of one tensor, which changes nothing; leave it out")
    return build(config, runtime.Summed)


LAYERS = {
    "ops.AddN": operation(summed, STOPS),
    **{f"ops.{name}": operation(binary, STOPS) for name in BINARY},
    "ops.NotEqual": operation(not_equal, STOPS),
    "ops.Where": operation(where, STOPS),
}
