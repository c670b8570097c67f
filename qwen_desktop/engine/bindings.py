"""llama.cpp's C functions by ctypes: ``api`` is ``llama_cpp.llama_cpp``, without the package around it.

``import llama_cpp`` would run the package's own ``__init__``, which brings its chat classes and with them numpy: five
times the start (0.17 s against 0.03), and a linear algebra library of 40 MB that no part of ours calls.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

_PACKAGE = "llama_cpp"


def _bare_package() -> Path:
    """Put the package into ``sys.modules`` without running it; return its folder. Raises ``ImportError``."""
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None or spec.submodule_search_locations is None:
        raise ImportError("llama-cpp-python is not installed", name=_PACKAGE)
    if _PACKAGE not in sys.modules:
        package = ModuleType(_PACKAGE)
        package.__path__ = list(spec.submodule_search_locations)
        package.__file__ = spec.origin
        package.__spec__ = spec
        sys.modules[_PACKAGE] = package
    return Path(spec.origin).parent


#: The folder with llama.cpp's libraries.
LIBRARIES = _bare_package() / "lib"

if TYPE_CHECKING:
    from typing import Any

    api: Any
else:
    import llama_cpp.llama_cpp as api  # noqa: F401 - after the package has been put there


def version() -> str:
    """The version of llama-cpp-python, for the provenance of answers."""
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415 - 20 ms that only an answer pays

    try:
        return version("llama-cpp-python")
    except PackageNotFoundError:
        return "of unknown version"
