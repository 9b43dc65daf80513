"""Compiles the kernel into the wheel where there is a C compiler.

With the library the wheel is tagged py3-none-<platform>; without one it is pure and
runs on NumPy. ``GRU2NP_PURE=1`` builds the pure wheel on purpose.
"""

import os
import runpy
import sysconfig
import tempfile
from pathlib import Path

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = Path(__file__).parent / "gru2np_runtime"
SOURCE = PACKAGE / "kernels" / "c" / "source"


class CustomBuildHook(BuildHookInterface):
    """Runs ``gru2np_runtime/build.py`` before a wheel is put together."""

    made = None

    def initialize(self, version, build_data):
        """Add the library, or say why there is none."""
        if os.environ.get("GRU2NP_PURE") == "1":
            return
        module = runpy.run_path(str(PACKAGE / "build.py"))
        # An editable install runs from the source tree.
        editable = version == "editable"
        if not editable:
            self.made = tempfile.TemporaryDirectory()
        folder = SOURCE if editable else Path(self.made.name)
        try:
            files = module["build"](folder)
        except (module["BuildError"], OSError) as error:
            self.app.display_warning(f"a wheel without the compiled kernel: {error}")
            return
        if editable:
            return
        for path in files:
            target = f"gru2np_runtime/kernels/c/source/{path.name}"
            build_data["force_include"][str(path)] = target
        platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
        build_data["tag"] = f"py3-none-{platform}"
        build_data["pure_python"] = False

    def finalize(self, version, build_data, artifact_path):
        """Remove what was compiled beside the tree."""
        if self.made is not None:
            self.made.cleanup()
