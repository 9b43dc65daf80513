"""Specifications of activation functions, every parameter explicit.

A specification is a function's name, or ``{"function": name, parameter: value}``
where it has parameters; or a ``CustomFunction``.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.custom import OWN, CustomFunction
from gru2np_runtime.functions import (
    celu,
    elu,
    gelu,
    glu,
    hard_shrink,
    hard_sigmoid,
    hard_silu,
    hard_tanh,
    log_sigmoid,
    log_softmax,
    mish,
    relu,
    selu,
    sigmoid,
    silu,
    soft_shrink,
    softmax,
    softplus,
    softsign,
    sparse_plus,
    sparse_sigmoid,
    sparsemax,
    squareplus,
    tanh_shrink,
    threshold_relu,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]
    ActivationSpec = str | Mapping[str, Any]


def _without_warnings(function: Callable[..., Array]) -> Callable[..., Array]:
    """The function without NumPy's warnings of overflow, invalid values, division."""

    def call(x: Array, **parameters: Any) -> Array:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            return function(x, **parameters)

    return call


FUNCTIONS: dict[str, Callable[..., Array]] = {
    "celu": _without_warnings(celu),
    "elu": elu,
    "exponential": _without_warnings(np.exp),
    "gelu": _without_warnings(gelu),
    "glu": _without_warnings(glu),
    "hard_shrink": hard_shrink,
    "hard_sigmoid": hard_sigmoid,
    "hard_silu": _without_warnings(hard_silu),
    "hard_tanh": hard_tanh,
    "linear": lambda x: x,
    "log_sigmoid": log_sigmoid,
    "log_softmax": _without_warnings(log_softmax),
    "mish": _without_warnings(mish),
    "relu": relu,
    "selu": _without_warnings(selu),
    "sigmoid": sigmoid,
    "silu": _without_warnings(silu),
    "soft_shrink": _without_warnings(soft_shrink),
    "softmax": _without_warnings(softmax),
    "softplus": softplus,
    "softsign": _without_warnings(softsign),
    "sparse_plus": sparse_plus,
    "sparse_sigmoid": sparse_sigmoid,
    "sparsemax": _without_warnings(sparsemax),
    "squareplus": _without_warnings(squareplus),
    "tanh": np.tanh,
    "tanh_shrink": tanh_shrink,
    "threshold": threshold_relu,
}

# Parameter names and defaults; None: the parameter has no default.
PARAMETERS: dict[str, dict[str, float | int | bool | None]] = {
    "celu": {"alpha": 1.0},
    "elu": {"alpha": 1.0},
    "gelu": {"approximate": False},
    "glu": {"axis": -1},
    "hard_shrink": {"threshold": 0.5},
    "hard_sigmoid": {"slope": None},
    "hard_silu": {"slope": 1 / 6},
    "log_softmax": {"axis": -1},
    "relu": {"negative_slope": 0.0, "max_value": math.inf, "threshold": 0.0},
    "soft_shrink": {"threshold": 0.5},
    "softmax": {"axis": -1},
    "sparsemax": {"axis": -1},
    "threshold": {"threshold": None, "value": None},
}

# Breakpoints of piecewise functions, computed from their parameters.  Functions with a
# breakpoint at 0 only are left out: any test input has numbers of both signs.
BREAKPOINTS: dict[str, Callable[..., tuple[float, ...]]] = {
    "hard_shrink": lambda threshold: (-threshold, threshold),
    "hard_sigmoid": lambda slope: (-0.5 / slope, 0.5 / slope),
    "hard_silu": lambda slope: (-0.5 / slope, 0.5 / slope),
    "hard_tanh": lambda: (-1.0, 1.0),
    "relu": lambda negative_slope, max_value, threshold: (threshold, max_value),
    "soft_shrink": lambda threshold: (-threshold, threshold),
    "sparse_plus": lambda: (-1.0, 1.0),
    "sparse_sigmoid": lambda: (-1.0, 1.0),
    "threshold": lambda threshold, value: (threshold,),
}

# Functions along an axis: applied to each gate by itself, never to concatenated gates.
ALONG_AXIS = frozenset({"glu", "log_softmax", "softmax", "sparsemax"})


def along_axis(name: str) -> bool:
    """Whether the function of a name may work along an axis, as custom ones may."""
    return name in ALONG_AXIS or name.startswith(OWN)


def check_activation(value: object) -> str | dict[str, Any]:
    """The specification in canonical form: parameters equal to their default left out.

    Raises:
        TypeError: the value is not a specification.
        ValueError: the function or a parameter is unknown, or a parameter is missing or
            illegal.
    """
    if isinstance(value, CustomFunction):
        return value
    parameters: dict[str, Any] = {}
    if isinstance(value, dict):
        parameters = dict(value)
        name = parameters.pop("function", None)
    else:
        name = value
    if not isinstance(name, str):
        raise TypeError("activation (a name, or an object with 'function')")
    if name not in FUNCTIONS:
        raise ValueError(f"unknown activation function {name!r}")
    known = PARAMETERS.get(name, {})
    checked: dict[str, Any] = {"function": name}
    for parameter, default in known.items():
        if parameter not in parameters:
            if default is None:
                raise ValueError(f"activation {name!r} needs {parameter!r}")
            continue
        number = _check_parameter(name, parameter, default, parameters.pop(parameter))
        if number != default:
            checked[parameter] = number
    if parameters:
        unknown = sorted(parameters)[0]
        raise ValueError(f"activation {name!r} has no parameter {unknown!r}")
    return name if len(checked) == 1 else checked


def axes_of(specification: ActivationSpec) -> tuple[int, ...]:
    """The axes that a checked specification works along; empty for elementwise ones.

    A custom function that does not say that it works per step may work along time.
    """
    if isinstance(specification, CustomFunction):
        return () if specification.per_step else (1,)
    if isinstance(specification, str):
        return (-1,) if specification in ALONG_AXIS else ()
    if specification["function"] not in ALONG_AXIS:
        return ()
    axis = specification.get("axis", -1)
    return (axis,) if isinstance(axis, int) else tuple(axis)


def _check_parameter(name: str, parameter: str, default: object, value: object) -> Any:
    if isinstance(default, bool):
        legal = isinstance(value, bool)
    elif parameter == "axis":
        axes = value if isinstance(value, (list, tuple)) and value else [value]
        legal = all(
            isinstance(a, int) and not isinstance(a, bool) and abs(a) < 2**63
            for a in axes
        )
        legal = legal and (name == "softmax" or len(axes) == 1)
        value = list(axes) if len(axes) > 1 else axes[0]
    else:
        if value in ("inf", "-inf", "nan"):
            value = float(str(value))
        legal = isinstance(value, (int, float)) and not isinstance(value, bool)
        # Beyond float32, NumPy 1 would compute in float64 and NumPy 2 overflow.
        if isinstance(value, (int, float)) and legal:
            legal = abs(value) < 3e38 or value != value or abs(value) == math.inf
            value = float(value) if legal else value
    if not legal:
        raise ValueError(f"activation {name!r}: illegal {parameter}={value!r}")
    return value


def function_of(specification: ActivationSpec) -> Callable[[Array], Array]:
    """The function of one array for a checked specification."""
    if isinstance(specification, CustomFunction):
        return specification.activate
    if isinstance(specification, str):
        return FUNCTIONS[specification]
    parameters = dict(specification)
    function = FUNCTIONS[parameters.pop("function")]
    return lambda x: function(x, **parameters)


def breakpoints_of(specification: ActivationSpec) -> tuple[float, ...]:
    """Finite breakpoints, except 0, of the function of a checked specification."""
    options: dict[str, Any] = {"function": specification}
    if not isinstance(specification, str):
        options = dict(specification)
    name = options.pop("function")
    if name not in BREAKPOINTS:
        return ()
    parameters = {**PARAMETERS.get(name, {}), **options}
    try:
        breakpoints = BREAKPOINTS[name](**parameters)
    except ZeroDivisionError:
        return ()
    return tuple(number for number in breakpoints if number and math.isfinite(number))


def keeps_integers(specification: ActivationSpec) -> bool:
    """Whether integers stay integers: ``linear``, and ``relu`` with integer bounds."""
    if isinstance(specification, str):
        return specification in ("linear", "relu")
    if specification["function"] != "relu" or specification.get("negative_slope"):
        return False
    ends = [specification.get(key, 0.0) for key in ("max_value", "threshold")]
    return all(float(end).is_integer() and 0 <= end < 2**31 for end in ends)


def gate_activation(
    specification: ActivationSpec, count: int
) -> Callable[[Array], Array]:
    """The function for ``count`` gates concatenated along the last axis."""
    function = function_of(specification)
    name = (
        specification if isinstance(specification, str) else specification["function"]
    )
    if not along_axis(name):
        return function
    return lambda x: np.concatenate(
        [function(gate) for gate in np.split(x, count, axis=-1)], axis=-1
    )


# Activations in place, for arrays that nothing else refers to: allocating a large array
# costs more than the arithmetic on it.  Results are bit for bit those of ``FUNCTIONS``.


def add_to(y: Array, x: Array) -> Array:
    """y + x, computed in place where both have the same dtype."""
    return np.add(y, x, out=y) if y.dtype == x.dtype else y + x


# NumPy takes the larger of two arrays four times as fast as of an array and a number.
# So many zeros stay in the cache.
_ZEROS = np.zeros(8192, np.float32)


def _relu(y: Array) -> Array:
    if y.size <= 1024 or y.dtype != np.float32 or not y.flags.c_contiguous:
        return np.maximum(y, 0.0, out=y)
    flat = y.reshape(y.size)
    for start in range(0, y.size, _ZEROS.size):
        part = flat[start : start + _ZEROS.size]
        np.maximum(part, _ZEROS[: part.size], out=part)
    return y


def _sigmoid(y: Array) -> Array:
    np.negative(y, out=y)
    np.exp(y, out=y)
    np.add(y, 1.0, out=y)
    return np.divide(1.0, y, out=y)


IN_PLACE: dict[str, Callable[[Array], Array]] = {
    "linear": lambda y: y,
    "relu": _relu,
    "sigmoid": _without_warnings(_sigmoid),
    "softmax": _without_warnings(lambda y: softmax(y, out=y)),
    "tanh": lambda y: np.tanh(y, out=y),
}


def activate(specification: ActivationSpec, y: Array) -> Array:
    """The activation of y, an array of floats that may be overwritten."""
    if isinstance(specification, str) and specification in IN_PLACE:
        return IN_PLACE[specification](y)
    return function_of(specification)(y)
