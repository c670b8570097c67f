"""The engine takes llama.cpp's C functions and nothing else of llama-cpp-python."""

from __future__ import annotations

import subprocess
import sys

from qwen_desktop.engine import bindings


def test_a_worker_starts_without_numpy_and_the_packages_own_classes() -> None:
    code = (
        "import sys; import qwen_desktop.engine.worker; from qwen_desktop.engine.llama import LlamaLibrary;"
        "LlamaLibrary(lambda line: None);"
        "print([name for name in ('numpy', 'llama_cpp.llama', 'jinja2.nodes', 'diskcache') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.strip() == "[]"


def test_the_libraries_lie_where_llama_cpp_loads_them() -> None:
    assert any("llama" in path.name for path in bindings.LIBRARIES.iterdir())
    assert bindings.version() != "of unknown version"


def test_other_users_of_the_package_still_get_its_low_level_part() -> None:
    import llama_cpp.llama_cpp as same  # noqa: PLC0415 - after ours

    assert same is bindings.api
