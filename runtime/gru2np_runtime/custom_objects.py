"""Custom objects: layers, recurrent cells and functions of the user's own.

They are given by name, in Python or in a file that the user hands over; nothing is ever
looked for by a name from a model or a bundle.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gru2np_runtime.custom import CustomFunction, failed
from gru2np_runtime.errors import CustomObjectError
from gru2np_runtime.layer import Layer

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    # Classes by the name of the class, functions by their own name, and both by the
    # name of one layer.
    CustomObjects = Mapping[str, type[Layer] | Callable[..., Any]]

# The name that a file of custom objects defines.
OBJECTS = "custom_objects"


def checked(objects: object) -> dict[str, type[Layer] | CustomFunction]:
    """The custom objects: classes as they are, functions with their names.

    Raises:
        CustomObjectError: it is no dict, or holds something else.
    """
    if objects is None:
        return {}
    if not hasattr(objects, "items"):
        raise CustomObjectError(
            f"custom_objects: expected a dict by name, got {type(objects).__name__}"
        )
    found: dict[str, type[Layer] | CustomFunction] = {}
    for name, value in objects.items():
        is_class = isinstance(value, type)
        if not isinstance(name, str) or not (
            issubclass(value, Layer) if is_class else callable(value)
        ):
            raise CustomObjectError(
                f"custom_objects[{name!r}]: expected a subclass of "
                "gru2np_runtime.Layer or a function of NumPy arrays, by the name of a "
                f"class, a layer or a function; got {value!r}"
            )
        found[name] = value if is_class else CustomFunction(name, value)
    return found


def read_custom_objects(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Run a Python file of the user's, and return what it defines.

    Args:
        path: of a file that defines the dict ``custom_objects``.

    Returns:
        Every name that the file defines.

    Raises:
        CustomObjectError: the file fails, or does not define a proper dict.
    """
    import importlib.util
    import os
    import sys

    shown = os.fspath(path)
    # A module of this name can be pickled by reference as long as the process lives.
    spec = importlib.util.spec_from_file_location("gru2np_custom_objects", path)
    if spec is None or spec.loader is None:
        raise CustomObjectError(f"{shown}: expected a Python file, with suffix .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise failed(shown, error) from error
    if not hasattr(module, OBJECTS):
        raise CustomObjectError(
            f"{shown}: expected a dict {OBJECTS}, found none: write "
            f'{OBJECTS} = {{"NameInTheModel": YourClassOrFunction}}'
        )
    checked(getattr(module, OBJECTS))
    return vars(module)
