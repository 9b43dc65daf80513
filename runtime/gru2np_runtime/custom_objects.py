"""Custom objects: layers, recurrent cells and functions of the user's own.

They are given by name, in Python or in a file that the user hands over; nothing is ever
looked for by a name from a model or a bundle.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from gru2np_runtime.custom import CustomFunction, failed
from gru2np_runtime.errors import CustomObjectError
from gru2np_runtime.layer import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    # Classes by the name of the class, functions by their own name, and both by the
    # name of one layer.
    CustomObjects = Mapping[str, type[Layer] | Callable[..., Any]]

# The name that a file of custom objects defines.
OBJECTS = "custom_objects"
EXAMPLE = 'custom_objects={"NameInTheModel": YourClassOrFunction}'


def checked(objects: object) -> dict[str, type[Layer] | CustomFunction]:
    """The custom objects: classes as they are, functions with their names.

    Raises:
        CustomObjectError: it is no dict, or holds something else.
    """
    if objects is None:
        return {}
    if not hasattr(objects, "items"):
        raise CustomObjectError(
            f"custom_objects: expected a dict by name, got {type(objects).__name__}: "
            f"write {EXAMPLE}"
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
                f"class, a layer or a function; got {value!r}: write {EXAMPLE}"
            )
        found[name] = value if is_class else CustomFunction(name, value)
    _check_names(found)
    return found


def _check_names(objects: Mapping[str, type[Layer] | CustomFunction]) -> None:
    """Refuse a name that a bundle would have for two objects.

    It has classes by their own name, under whatever name they are given.
    """
    named: dict[str, object] = {}
    for name, value in objects.items():
        own = name if isinstance(value, CustomFunction) else value.__name__
        if named.setdefault(own, value) is not value:
            raise CustomObjectError(
                f"custom_objects: two of them are called {own!r}: rename one, because "
                "a bundle names classes by their own name"
            )


def read_custom_objects(path: str | os.PathLike[str]) -> CustomObjects:
    """Run a Python file of the user's; the dict ``custom_objects`` that it defines.

    Raises:
        CustomObjectError: the file fails, or defines no such dict of classes and
            functions.
        FileNotFoundError: there is no such file.
    """
    return objects_of(run_file(path), path)


def given(path: str | None) -> CustomObjects | None:
    """The custom objects of the file that a command is given; None without one."""
    return None if path is None else read_custom_objects(path)


def objects_of(module: ModuleType, path: str | os.PathLike[str]) -> CustomObjects:
    """The dict ``custom_objects`` of a module; ``path`` is for messages.

    Raises:
        CustomObjectError: there is no such dict of classes and functions.
    """
    objects: CustomObjects | None = getattr(module, OBJECTS, None)
    if objects is None:
        raise CustomObjectError(
            f"{os.fspath(path)}: expected a dict {OBJECTS}, found none: write {EXAMPLE}"
        )
    try:
        checked(objects)
    except CustomObjectError as error:
        raise CustomObjectError(f"{os.fspath(path)}: {error}") from None
    return objects


def run_file(path: str | os.PathLike[str]) -> ModuleType:
    """The module of a Python file of the user's, which may import files beside it.

    Raises:
        CustomObjectError: it fails.
        FileNotFoundError: there is no such file.
    """
    from contextlib import redirect_stdout
    from importlib.util import module_from_spec, spec_from_file_location

    place = os.path.abspath(path)  # noqa: PTH100 - importing pathlib takes long
    # A dot would make it a module in a package, which pickle would look for.
    name = f"gru2np_custom_objects:{place.replace('.', ':')}"
    spec = spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise CustomObjectError(
            f"{os.fspath(path)}: expected a Python file, with the suffix .py: "
            "--custom-objects objects.py"
        )
    module = module_from_spec(spec)
    # Classes and functions are pickled by the name of their module.
    sys.modules[name] = module
    sys.path.insert(0, os.path.dirname(place))  # noqa: PTH120
    try:
        # What it prints must not be in the middle of a command's output.
        with redirect_stdout(sys.stderr):
            spec.loader.exec_module(module)
    except FileNotFoundError as error:
        if error.filename == place:
            raise
        raise failed(f"--custom-objects {os.fspath(path)}", error) from error
    except (Exception, SystemExit) as error:
        raise failed(f"--custom-objects {os.fspath(path)}", error) from error
    finally:
        sys.path.remove(os.path.dirname(place))  # noqa: PTH120
    return module
