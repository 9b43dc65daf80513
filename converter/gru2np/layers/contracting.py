"""Converts products summed over axes: Einsum, and Dot and Tensordot with a constant."""

from __future__ import annotations

from string import ascii_letters
from typing import TYPE_CHECKING, Any

from gru2np.layers.arguments import (
    NOT_HERE,
    build,
    constant,
    operands,
    whole_numbers,
)
from gru2np.layers.mask_rules import STOPS
from gru2np.layers.spec import operation
from gru2np_runtime import layers as runtime

if TYPE_CHECKING:
    from gru2np.layers.spec import Config
    from gru2np_runtime import Layer


def einsum(config: Config) -> Layer:
    """Einsum of one or two operands, one of which may be a constant."""
    equation = config.value("subscripts")
    if not isinstance(equation, str):
        config.refuse("expected an equation", "subscripts", equation)
    equation = equation.replace(" ", "")
    if "." in equation:
        config.refuse(
            f"{NOT_HERE}: write a letter for each axis instead of ...",
            "subscripts",
            equation,
        )
    left, arrow, right = equation.partition("->")
    if not arrow:
        alone = [
            c for c in sorted({*left}) if left.count(c) == 1 and c in ascii_letters
        ]
        right = "".join(alone)
    attributes: dict[str, Any] = {}
    constants = operands(config)
    count = len(left.split(","))
    if count > 2 or len(constants) > 1:
        config.refuse(
            f"{NOT_HERE}: more than two operands; multiply two, then the next",
            "subscripts",
            equation,
        )
    if constants:
        position, value = constants[0]
        numbers = constant(config, value)
        attributes = {
            "constant": numbers["constant"],
            "constant_shape": numbers["constant_shape"],
            "constant_first": position == 0,
        }
    elif sum(len(call.inputs) for call in config.layer.calls) != count:
        config.refuse(f"expected {count} tensors", "subscripts", equation)
    return build(config, runtime.Einsum, equation=f"{left}->{right}", **attributes)


def _with_constant(config: Config) -> dict[str, Any]:
    """A constant as the second argument."""
    constants = operands(config)
    if not constants:
        config.refuse(
            f"{NOT_HERE}: of two tensors of the model, each sample with each other, "
            "so that samples are mixed; use matmul or a Dot layer, which keep the batch"
        )
    position, value = constants[0]
    if position != 1:
        config.refuse(
            f"{NOT_HERE}: a constant before the tensor, whose axes would come before "
            "the batch"
        )
    numbers = constant(config, value)
    return {
        "constant": numbers["constant"],
        "constant_shape": numbers["constant_shape"],
    }


def dot(config: Config) -> Layer:
    """Dot with a constant: its last axis but one with the last of the tensor."""
    matrix = _with_constant(config)
    rank = len(matrix["constant_shape"])
    if not rank:
        config.refuse("a product with a number; multiply by it")
    of_constant = [-1 if rank == 1 else -2]
    return build(
        config, runtime.Contraction, axes=[-1], constant_axes=of_constant, **matrix
    )


def tensordot(config: Config) -> Layer:
    """Tensordot with a constant: over the last axes, or over axes of both."""
    matrix = _with_constant(config)
    pair = config.value("axes", 2)
    if isinstance(pair, list) and len(pair) == 2:
        first, second = (whole_numbers(config, "axes", item) for item in pair)
    else:
        (count,) = whole_numbers(config, "axes", pair)[:1]
        if not 1 <= count <= len(matrix["constant_shape"]):
            config.refuse("expected the number of axes to sum over", "axes", pair)
        first, second = list(range(-count, 0)), list(range(count))
    if 0 in first:
        config.refuse("expected axes after the batch axis", "axes", pair)
    return build(
        config, runtime.Contraction, axes=first, constant_axes=second, **matrix
    )


LAYERS = {
    "ops.Dot": operation(dot, STOPS),
    "ops.Einsum": operation(einsum, STOPS),
    "ops.Tensordot": operation(tensordot, STOPS),
}
