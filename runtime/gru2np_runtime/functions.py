"""The activation functions: one array in, an array of the same dtype out.

Definitions follow Keras 3.15 ``keras/src/backend/tensorflow/nn.py`` and
``keras/src/activations/activations.py``; where Keras generations differ, the
difference is a parameter here (``hard_sigmoid``'s slope).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[Any]


# ``row_sums`` is faster than NumPy's sum from so many numbers on, and as accurate in
# rows of up to so many.
FASTER, ACCURATE = 2048, 1024
# By length and dtype.
_ONES: dict[tuple[int, str], Array] = {}


def row_sums(x: Array) -> Array:
    """Sums over the last axis, which keeps the size 1: a product with ones."""
    length = x.shape[-1]
    if length > ACCURATE or x.dtype.char not in "fd":
        total: Array = x.sum(axis=-1, keepdims=True)
        return total
    ones = _ONES.get((length, x.dtype.char))
    if ones is None:
        ones = _ONES[length, x.dtype.char] = np.ones(length, x.dtype)
    sums: Array = x.reshape(x.size // length, length).dot(ones)
    return sums.reshape(*x.shape[:-1], 1)


def sigmoid(x: Array) -> Array:
    """1 / (1 + e^-x); where e^-x overflows the result is 0, the correct limit."""
    with np.errstate(over="ignore"):
        return 1.0 / (1.0 + np.exp(-x))


def softplus(x: Array) -> Array:
    """log(1 + e^x), without overflow."""
    return np.maximum(x, 0.0) + np.log1p(np.exp(-np.abs(x)))


def log_sigmoid(x: Array) -> Array:
    """The logarithm of ``sigmoid``."""
    return -softplus(-x)


def silu(x: Array) -> Array:
    """x * sigmoid(x), Elfwing et al. 2017, arXiv:1702.03118; also called swish."""
    return x * sigmoid(x)


def mish(x: Array) -> Array:
    """x * tanh(softplus(x)), Misra 2019, arXiv:1908.08681."""
    return x * np.tanh(softplus(x))


def hard_sigmoid(x: Array, slope: float) -> Array:
    """clip(slope * x + 0.5, 0, 1); the slope is 0.2 before Keras 3, 1/6 since."""
    return np.clip(slope * x + 0.5, 0.0, 1.0)


def hard_silu(x: Array, slope: float = 1 / 6) -> Array:
    """x * hard_sigmoid(x)."""
    return x * hard_sigmoid(x, slope)


def sparse_sigmoid(x: Array) -> Array:
    """clip((x + 1) / 2, 0, 1)."""
    return np.clip(0.5 * (x + 1.0), 0.0, 1.0)


def relu(
    x: Array,
    negative_slope: float = 0.0,
    max_value: float = math.inf,
    threshold: float = 0.0,
) -> Array:
    """min(x, max_value) above the threshold, negative_slope * (x - threshold) below."""
    # The integer 0 keeps the dtype of x, integer or float.
    y = np.maximum(x, 0) if threshold == 0.0 else np.where(x > threshold, x, 0)
    if max_value != math.inf:
        y = np.clip(y, 0, max_value if y.dtype.kind == "f" else int(max_value))
    if negative_slope != 0.0:
        y = y + negative_slope * np.minimum(x - threshold, 0.0)
    return y


def elu(x: Array, alpha: float = 1.0) -> Array:
    """x above 0, else alpha * (e^x - 1); Clevert et al. 2016, arXiv:1511.07289."""
    return np.where(x > 0.0, x, alpha * np.expm1(np.minimum(x, 0.0)))


def celu(x: Array, alpha: float = 1.0) -> Array:
    """x above 0, else alpha * (e^(x / alpha) - 1); Barron 2017, arXiv:1704.07483."""
    return np.maximum(x, 0.0) + alpha * np.expm1(np.minimum(x, 0.0) / alpha)


def selu(x: Array) -> Array:
    """1.0507 * elu(x, 1.6733); Klambauer et al. 2017, arXiv:1706.02515."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def softsign(x: Array) -> Array:
    """x / (1 + abs(x))."""
    return x / (1.0 + np.abs(x))


def softmax(
    x: Array, axis: int | Sequence[int] = -1, out: Array | None = None
) -> Array:
    """Exponentials divided by their sum over one axis, or over several together.

    The result is written to ``out``, if given, which may be x itself.
    """
    axes = axis if isinstance(axis, int) else tuple(axis)
    largest = x.max(axis=axes, keepdims=True, initial=-math.inf)
    y: Array = np.subtract(x, largest, out=out)
    np.exp(y, out=y)
    last = y.size >= FASTER and axes in (-1, (-1,))
    total = row_sums(y) if last else y.sum(axis=axes, keepdims=True)
    np.divide(y, total, out=y)
    return y


def log_softmax(x: Array, axis: int = -1) -> Array:
    """The logarithm of ``softmax``."""
    shifted: Array = x - x.max(axis=axis, keepdims=True, initial=-math.inf)
    total: Array = np.exp(shifted).sum(axis=axis, keepdims=True)
    return shifted - np.log(total)


def gelu(x: Array, approximate: bool = False) -> Array:
    """x * Phi(x), Hendrycks and Gimpel 2016, arXiv:1606.08415.

    TensorFlow rounds sqrt(1/2) to float32, in float64 models too.
    """
    if approximate:
        inner = 0.7978845608028654 * (x + 0.044715 * x * x * x)
        return 0.5 * x * (1.0 + np.tanh(inner))
    return 0.5 * x * (1.0 + erf(x * 0.7071067690849304))


def glu(x: Array, axis: int = -1) -> Array:
    """First half * sigmoid(second half), Dauphin et al. 2017, arXiv:1612.08083."""
    first, second = np.split(x, 2, axis=axis)
    return first * sigmoid(second)


def hard_tanh(x: Array) -> Array:
    """clip(x, -1, 1)."""
    return np.clip(x, -1.0, 1.0)


def tanh_shrink(x: Array) -> Array:
    """x - tanh(x)."""
    return x - np.tanh(x)


def hard_shrink(x: Array, threshold: float = 0.5) -> Array:
    """x where abs(x) exceeds the threshold, else 0."""
    return np.where(np.abs(x) > threshold, x, 0.0)


def soft_shrink(x: Array, threshold: float = 0.5) -> Array:
    """x moved towards 0 by the threshold; 0 where abs(x) is smaller."""
    y: Array = x - np.clip(x, -threshold, threshold)
    return y


def threshold_relu(x: Array, threshold: float, value: float) -> Array:
    """x above the threshold, else the value."""
    return np.where(x > threshold, x, value)


def sparse_plus(x: Array) -> Array:
    """0 below -1, (x + 1)^2 / 4 between -1 and 1, x above 1."""
    middle = np.clip(x, -1.0, 1.0) + 1.0
    return 0.25 * middle * middle + (np.maximum(x, 1.0) - 1.0)


def squareplus(x: Array) -> Array:
    """(x + sqrt(x^2 + 4)) / 2, Barron 2021, arXiv:2112.11687."""
    return 0.5 * (x + np.sqrt(x * x + 4.0))


def sparsemax(x: Array, axis: int = -1) -> Array:
    """Martins and Astudillo 2016, arXiv:1602.02068, as Keras computes it.

    The paper's threshold uses the last cumulative sum of the support.  Keras (3.10
    and 3.15, every backend) uses the sum of all of them, and models were trained so.
    """
    x = np.moveaxis(x, axis, -1)
    ordered = -np.sort(-x, axis=-1)
    total = np.cumsum(ordered, axis=-1)
    rank = np.arange(1, x.shape[-1] + 1, dtype=x.dtype)
    support = ordered - (total - 1.0) / rank > 0.0
    size = support.sum(axis=-1, keepdims=True, dtype=x.dtype)
    tau = (np.where(support, total, 0.0).sum(axis=-1, keepdims=True) - 1.0) / size
    return np.moveaxis(np.maximum(x - tau, 0.0), -1, axis)


# W. J. Cody, "Rational Chebyshev approximations for the error function", Mathematics
# of Computation 23 (1969), 631-637; coefficients as in his routine CALERF, from the
# highest power down.
_ERF_P = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_ERF_Q = (
    1.0,
    2.36012909523441209e1,
    2.44024637934444173e2,
    1.28261652607737228e3,
    2.84423683343917062e3,
)
_ERFC_P = (
    2.15311535474403846e-8,
    5.64188496988670089e-1,
    8.88314979438837594e0,
    6.61191906371416295e1,
    2.98635138197400131e2,
    8.81952221241769090e2,
    1.71204761263407058e3,
    2.05107837782607147e3,
    1.23033935479799725e3,
)
_ERFC_Q = (
    1.0,
    1.57449261107098347e1,
    1.17693950891312499e2,
    5.37181101862009858e2,
    1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3,
    3.43936767414372164e3,
    1.23033935480374942e3,
)


def _polynomial(coefficients: Sequence[float], x: Array) -> Array:
    y = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        y = y * x + coefficient
    return y


def erf(x: Array) -> Array:
    """The error function, missing in NumPy; within 3e-16 of ``math.erf`` in float64.

    x * P(x^2) / Q(x^2) below 0.46875, 1 - e^(-x^2) * P(x) / Q(x) above.
    """
    # From 6 on, erf is 1 to the last bit of a double.
    size = np.minimum(np.abs(x), 6.0)
    square = size * size
    small = size * _polynomial(_ERF_P, square) / _polynomial(_ERF_Q, square)
    ratio = _polynomial(_ERFC_P, size) / _polynomial(_ERFC_Q, size)
    large = 1.0 - np.exp(-square) * ratio
    return np.copysign(np.where(size < 0.46875, small, large), x)
