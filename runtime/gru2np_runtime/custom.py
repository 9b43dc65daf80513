"""Custom functions: activations, and what Lambda layers compute."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np_runtime.errors import CustomObjectError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Array = NDArray[Any]

# Prefix of the name of a custom class or function in a manifest.
OWN = "custom>"


class CustomFunction(str):
    """The name of a custom function in a manifest, ``custom>name``, and the function.

    Attributes:
        function: the function, of NumPy arrays.
    """

    function: Callable[..., Any]

    def __new__(cls, name: str, function: Callable[..., Any]) -> CustomFunction:
        """The function under a name without the prefix."""
        self = super().__new__(cls, OWN + name)
        self.function = function
        return self

    def __reduce__(self) -> tuple[object, ...]:
        return CustomFunction, (self.own_name, self.function)

    @property
    def own_name(self) -> str:
        """The name without the prefix."""
        return self[len(OWN) :]

    @property
    def per_step(self) -> bool | None:
        """Whether it computes every row and every time step by itself; None: unsaid."""
        value = getattr(self.function, "per_step", None)
        return None if value is None else bool(value)

    @property
    def takes_mask(self) -> bool:
        """Whether it has a parameter ``mask``."""
        code = getattr(self.function, "__code__", None)
        if code is None:
            return False
        return "mask" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    def call(self, *inputs: Any, **arguments: Any) -> Any:
        """The result of the function.

        Raises:
            CustomObjectError: the function raised an exception.
        """
        try:
            return self.function(*inputs, **arguments)
        except CustomObjectError:
            raise
        except Exception as error:
            raise failed(f"custom function {self.own_name!r}", error) from error

    def activate(self, x: Array) -> Array:
        """The function as an activation.

        Args:
            x: (batch, ...).

        Raises:
            CustomObjectError: the function failed, or changed the shape.
        """
        y = self.call(x)
        if getattr(y, "shape", None) != x.shape:
            got = getattr(y, "shape", type(y).__name__)
            raise CustomObjectError(
                f"custom function {self.own_name!r}: expected an array of shape "
                f"{x.shape} as its input is, got {got}"
            )
        result: Array = y.astype(x.dtype, copy=False)
        return result


def per_step(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: the function computes every row and every time step by itself.

    ``Model.step`` runs a function only if it says so.
    """
    function.per_step = True  # type: ignore[attr-defined]
    return function


def failed(what: str, error: Exception) -> CustomObjectError:
    """An error that says what custom code raised, and in which line."""
    trace, where = error.__traceback__, ""
    while trace is not None:
        code = trace.tb_frame.f_code
        where = f" ({code.co_filename}, line {trace.tb_lineno})"
        trace = trace.tb_next
    return CustomObjectError(f"{what} failed: {type(error).__name__}: {error}{where}")
