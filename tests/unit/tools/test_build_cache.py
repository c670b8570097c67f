"""A built wheel is found again on the same computer only, placed whole or not at all, and built by one at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import dev_cache
import dev_wheel
import pytest
from dev_console import Failed

INTEL = "processor\t: 0\nflags\t\t: fpu sse2 avx2 fma\n\nprocessor\t: 1\nflags\t\t: fpu sse2 avx2 fma\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd dotprod\n"


def test_the_flags_of_both_kinds_of_processor_are_found_in_any_order() -> None:
    assert dev_cache.cpuinfo_flags(INTEL) == ("avx2", "fma", "fpu", "sse2")
    assert dev_cache.cpuinfo_flags(INTEL.replace("fpu sse2 avx2 fma", "fma avx2 sse2 fpu")) == dev_cache.cpuinfo_flags(
        INTEL
    )
    assert dev_cache.cpuinfo_flags(ARM) == ("asimd", "dotprod", "fp")


def test_whatever_changes_the_build_changes_the_key() -> None:
    first = dev_cache.wheel_key("0.3.36", "", ("avx2",), "linux-x86_64")
    others = {
        dev_cache.wheel_key("0.3.37", "", ("avx2",), "linux-x86_64"),
        dev_cache.wheel_key("0.3.36", "-DGGML_VULKAN=ON", ("avx2",), "linux-x86_64"),
        dev_cache.wheel_key("0.3.36", "", ("avx2", "avx512f"), "linux-x86_64"),
        dev_cache.wheel_key("0.3.36", "", ("avx2",), "linux-aarch64"),
    }
    assert len(others | {first}) == 5
    assert "0.3.36" in first


def test_spaces_in_cmake_args_do_not_build_again() -> None:
    key = dev_cache.wheel_key("1", "-DA=1 -DB=2", (), "x")
    assert dev_cache.wheel_key("1", "  -DA=1   -DB=2 ", (), "x") == key


@pytest.mark.parametrize(
    ("system", "environ", "end"),
    [
        ("linux", {"XDG_CACHE_HOME": "/c"}, Path("/c/qwen-desktop-build")),
        ("win32", {"LOCALAPPDATA": "/l"}, Path("/l/qwen-desktop-build")),
        ("darwin", {}, Path.home() / "Library/Caches/qwen-desktop-build"),
        ("linux", {"XDG_CACHE_HOME": "/c", "QWEN_DESKTOP_BUILD_CACHE": "/mine"}, Path("/mine")),
    ],
)
def test_the_cache_lies_where_each_system_keeps_such_things(system: str, environ: dict[str, str], end: Path) -> None:
    assert dev_cache.folder(environ, system) == end


def test_a_failed_copy_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    target = tmp_path / "cache" / "a.whl"
    source = tmp_path / "a.whl"
    source.write_bytes(b"old")
    dev_cache.place(source, target)
    with pytest.raises(OSError, match="missing"):
        dev_cache.place(tmp_path / "missing", target)
    assert target.read_bytes() == b"old"
    assert [path.name for path in target.parent.iterdir()] == ["a.whl"]
    assert dev_wheel.cached(target.parent) == target


def test_a_second_build_waits_for_the_first(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "wheel.lock"
    script = (
        "import sys, time; sys.path.insert(0, sys.argv[1]); import dev_cache; from pathlib import Path\n"
        "with dev_cache.lock(Path(sys.argv[2]), 'building'): print('held', flush=True); time.sleep(0.7)\n"
        "print('free', flush=True)\n"
    )
    tools = str(Path(dev_cache.__file__).parent)
    with subprocess.Popen([sys.executable, "-c", script, tools, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with dev_cache.lock(path, "building"):
            assert other.stdout.readline() == "free\n"


def test_a_cache_that_cannot_be_made_is_a_sentence_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Failed, match="set QWEN_DESKTOP_BUILD_CACHE to a folder you can write"):
        dev_cache.created(tmp_path / "file" / "cache")


def test_ninjas_counter_is_read_out_of_pips_output() -> None:
    assert dev_wheel.progress_of("  [12/193] Building CXX object vendor/llama.cpp/ggml.cpp.o") == (12, 193)
    assert dev_wheel.progress_of("  -- Installing: libllama.so") is None
    assert dev_wheel.progress_of("  [0/1] Install the project...") is None
