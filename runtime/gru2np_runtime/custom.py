"""Custom functions: activations, and what Lambda layers compute."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from gru2np_runtime.errors import CustomObjectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from numpy.typing import NDArray

    Array = NDArray[Any]

# Prefix of the name of a custom class or function in a manifest.
OWN = "custom>"
NO_ARGUMENTS: Mapping[str, Any] = {}
# Where the files of this package and of NumPy lie.
_NOT_THEIRS = (__file__[: -len("custom.py")], np.__file__[: -len("__init__.py")])


class CustomFunction(str):
    """The name of a custom function in a manifest, ``custom>name``, and the function.

    Attributes:
        function: the function, of NumPy arrays.
    """

    function: Callable[..., Any]
    _takes_mask: bool | None = None

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
        if self._takes_mask is None:
            self._takes_mask = _has_parameter(self.function, "mask")
        return self._takes_mask

    def call(self, x: Any, arguments: Mapping[str, Any] = NO_ARGUMENTS) -> Any:
        """The result of the function, which gets arrays that it cannot change.

        Args:
            x: an array, or a list of arrays.
            arguments: by name.

        Raises:
            CustomObjectError: the function raised an exception.
        """
        with raising(f"custom function {self.own_name!r}"):
            return self.function(read_only(x), **arguments)

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
        return real_numbers(f"custom function {self.own_name!r}", y, x.dtype)


def per_step(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator: the function computes every row and every time step by itself.

    ``Model.step`` runs a function only if it says so.
    """
    function.per_step = True  # type: ignore[attr-defined]
    return function


def _has_parameter(function: Callable[..., Any], name: str) -> bool:
    """Whether a function, or what it wraps, has a parameter of this name."""
    # It takes long to import, and most models have no custom function.
    from inspect import signature

    try:
        return name in signature(function).parameters
    except (TypeError, ValueError):  # a function that is not written in Python
        return False


def read_only(value: Any) -> Any:
    """An array that custom code cannot change; of a list, each.

    Other layers read the same array, or it is the user's own.
    """
    if isinstance(value, list):
        return [read_only(item) for item in value]
    if not isinstance(value, np.ndarray):
        return value
    view = value.view()
    view.flags.writeable = False
    return view


def real_numbers(what: str, y: Any, dtype: Any) -> Array:
    """A copy of what custom code returned, in a dtype.

    A copy, because the code may return its input, or an array that it uses again.

    Raises:
        CustomObjectError: it is no array of real numbers.
    """
    array = np.asarray(y)
    if array.dtype.kind not in "biuf":
        raise CustomObjectError(
            f"{what}: expected an array of real numbers, got one of {array.dtype}"
        )
    return np.array(array, dtype)


@contextmanager
def raising(
    what: str, passing: type[Exception] | tuple[type[Exception], ...] = ()
) -> Iterator[None]:
    """Raise what custom code raises as a CustomObjectError.

    Errors of the type ``passing``, of memory, and interrupts stay what they are.
    """
    try:
        yield
    except (CustomObjectError, MemoryError):
        raise
    except passing:
        raise
    # A file that calls sys.exit would end the command as if all were done.
    except (Exception, SystemExit) as error:
        raise failed(what, error) from error


def failed(what: str, error: BaseException) -> CustomObjectError:
    """An error that says what custom code raised, and in which line."""
    trace, where = error.__traceback__, ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        # The line of the user's that led into NumPy, or into this package.
        if not name.startswith(("<frozen ", *_NOT_THEIRS)):
            where = f" ({name}, line {trace.tb_lineno})"
        trace = trace.tb_next
    text = f"{what} failed: {type(error).__name__}: {error}{where}"
    if "read-only" in str(error):
        text += ": it must not change its inputs, which others read: use a copy"
    return CustomObjectError(text)
