"""Builds ``router._ngrams`` from C where a compiler is at hand; without one the package works all the same, slower.

``ROUTER_COMPILED=require`` makes a failure to compile an error (releases, CI), ``ROUTER_COMPILED=no`` skips it.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CompileHook(BuildHookInterface):  # type: ignore[type-arg]
    """Puts the compiled module beside its source, so that editable installs find it too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        wanted = os.environ.get("ROUTER_COMPILED", "")
        if self.target_name != "wheel" or wanted == "no":
            return
        try:
            built = compiled(Path(self.root))
        except BaseException as error:  # a compiler fails in many ways, SystemExit among them
            if wanted == "require" or isinstance(error, KeyboardInterrupt):
                raise
            self.app.display_warning(f"router._ngrams was not compiled ({error}); numpy does its work, slower.")
            return
        build_data["artifacts"].append(f"/{built.relative_to(self.root).as_posix()}")
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{_platform()}"


def compiled(root: Path) -> Path:
    """Compile into the source tree; the module's path."""
    from setuptools import Distribution, Extension

    extension = Extension(
        "router._ngrams",
        sorted(path.relative_to(root).as_posix() for path in root.glob("src/router/_*.c")),
        define_macros=[("Py_LIMITED_API", "0x030b0000")],
        py_limited_api=True,
        # Python's own -fwrapv keeps loops with 32-bit counters from being done in vectors; no sum here relies on it.
        extra_compile_args=[] if sys.platform == "win32" else ["-O3", "-std=c11", "-fno-wrapv"],
    )
    folder = Path(tempfile.mkdtemp(prefix="router-build-"))
    here = Path.cwd()
    os.chdir(root)
    try:
        command: Any = Distribution({"ext_modules": [extension]}).get_command_obj("build_ext")
        command.build_lib, command.build_temp = str(folder / "lib"), str(folder / "temp")
        command.ensure_finalized()
        command.run()
        made = Path(command.get_outputs()[0])
        target = root / "src" / "router" / made.name
        # Replaced, not written over: a running process may have the old one mapped.
        fresh = target.with_name(target.name + ".new")
        shutil.copyfile(made, fresh)
        fresh.replace(target)
        return target
    finally:
        os.chdir(here)
        shutil.rmtree(folder, ignore_errors=True)


def _platform() -> str:
    from packaging.tags import sys_tags

    # The first tag is the most specific that this interpreter takes: the one of the machine it was built on.
    return next(iter(sys_tags())).platform
