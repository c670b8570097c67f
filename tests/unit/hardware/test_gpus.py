"""Graphics devices: what children may do, and what is made of what they list."""

from __future__ import annotations

import ctypes
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from qwen_desktop.core.hardware import Gpu
from qwen_desktop.core.packed import pack
from qwen_desktop.engine.devices import list_devices
from qwen_desktop.hardware import gpus, nvml
from qwen_desktop.process import frames
from tests.unit.hardware import trees
from tests.unit.hardware.children import CRASH, HANG, child, devices, listed
from tests.unit.hardware.trees import GIB

CARD = Gpu("NVIDIA GeForce RTX 4090", "gpu", "CUDA", 24 * GIB, 23 * GIB, id="0000:01:00.0")
INSIDE = Gpu("Intel(R) UHD Graphics 770", "igpu", "Vulkan", 32 * GIB, 32 * GIB, id="0000:00:02.0")
NUMBER = 1_000_000


# The child --------------------------------------------------------------------------------------------------------


def test_a_child_that_answers() -> None:
    assert gpus.ask(devices(CARD)).listed == {"nvml": (), "ggml": (CARD,)}


@pytest.mark.parametrize(
    "body",
    [
        CRASH,
        "os.abort()",
        "sys.exit(3)",
        "",
        'say(b"Segmentation fault (core dumped)\\n" * 50)',
        "say(os.urandom(100_000))",
        f"say({frames.pack(b'not msgpack')!r})",
        f"say({frames.pack(pack({'t': 'listed', 'source': 'ggml', 'gpus': 'many'}))!r})",
        f"say({frames.pack(pack({'t': 'listed', 'source': 'ggml', 'gpus': [{'name': 5}]}))!r})",
        f"say({listed('ggml', CARD)!r}[:-3])",
        f"while True: say({listed('nvml')!r})",
    ],
)
def test_a_child_that_crashes_or_talks_rubbish_leaves_the_cards_unknown(body: str) -> None:
    assert gpus.join(gpus.ask(child(body), 3).listed).ours is None


def test_what_was_said_before_a_crash_is_kept() -> None:
    told = gpus.ask(child(f"say({listed('nvml', CARD)!r})\n{CRASH}"))
    assert gpus.join(told.listed) == gpus.GpusFound(None, (CARD,))


def test_a_child_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    body = f"open({str(note)!r}, 'w').write(str(os.getpid()))\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n{HANG}"
    before = time.monotonic()
    assert gpus.ask(child(body), 0.5).listed == {}
    assert time.monotonic() - before < 5
    assert not psutil.pid_exists(int(note.read_text()))


@pytest.mark.skipif(os.name == "nt", reason="starts a process in a session of its own")
def test_a_child_that_leaves_its_pipe_to_another_process_holds_nobody_up(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    body = (
        f"p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(30)'], start_new_session=True)\n"
        f"open({str(note)!r}, 'w').write(str(p.pid))\nos._exit(0)"
    )
    before = time.monotonic()
    try:
        assert gpus.join(gpus.ask(child(body), 1).listed).ours is None
        assert time.monotonic() - before < 10
    finally:
        psutil.Process(int(note.read_text())).kill()


def test_a_program_that_is_not_there() -> None:
    assert gpus.ask(["/no/such/program"]).listed == {}


def test_numbers_and_names_that_cannot_be_are_not_believed() -> None:
    odd = Gpu("A\x00 card\n\x1b[31m", "gpu", "CUDA", 1 << 60, -5, id="nowhere")
    more = Gpu("B" * 5000, "gpu", "CUDA", GIB, 2 * GIB)
    found = gpus.ask(devices(odd, more)).listed["ggml"]
    assert (found[0].total_bytes, found[0].free_bytes, found[0].id) == (None, None, "")
    assert "\n" not in found[0].name and "\x00" not in found[0].name
    assert (found[1].total_bytes, found[1].free_bytes, len(found[1].name)) == (GIB, GIB, 120)


# What is made of it -----------------------------------------------------------------------------------------------


def test_a_card_is_used_and_integrated_graphics_beside_it_are_not() -> None:
    found = gpus.join({"ggml": (INSIDE, CARD)})
    assert found.ours == (CARD,)
    assert [gpu.name for gpu in found.unused] == [INSIDE.name]


def test_integrated_graphics_alone_are_used_and_have_no_more_than_main_memory() -> None:
    (gpu,) = gpus.join({"ggml": (INSIDE,)}, free_memory=7 * GIB).ours or ()
    assert gpu.unified
    assert (gpu.total_bytes, gpu.free_bytes) == (32 * GIB, 7 * GIB)


def test_one_device_seen_by_two_backends_is_listed_once() -> None:
    again = Gpu("RTX 4090 (Vulkan)", "gpu", "Vulkan", 24 * GIB, 24 * GIB, id=CARD.id)
    assert gpus.join({"ggml": (CARD, again)}) == gpus.GpusFound((CARD,), ())
    inside = Gpu("Intel Graphics", "igpu", "SYCL", 16 * GIB, 16 * GIB)
    (ours,) = gpus.join({"ggml": (INSIDE, inside)}).ours or ()
    assert ours.name == INSIDE.name


def test_two_equal_cards_are_two_each_with_its_own_free_memory() -> None:
    second = Gpu(CARD.name, "gpu", "CUDA", 24 * GIB, 24 * GIB, id="0000:41:00.0")
    busy = Gpu(CARD.name, total_bytes=24 * GIB, free_bytes=2 * GIB, id="0000:41:00.0")
    idle = Gpu(CARD.name, total_bytes=24 * GIB, free_bytes=24 * GIB, id="0000:01:00.0")
    found = gpus.join({"ggml": (CARD, second), "nvml": (idle, busy)})
    assert [gpu.free_bytes for gpu in found.ours or ()] == [23 * GIB, 2 * GIB]
    assert found.unused == ()


def test_the_drivers_word_counts_where_a_backend_calls_all_memory_free() -> None:
    vulkan = Gpu("NVIDIA GeForce GTX 1660", "gpu", "Vulkan", 6 * GIB, 6 * GIB)
    driver = Gpu("NVIDIA GeForce GTX 1660", total_bytes=6 * GIB, free_bytes=GIB)
    (gpu,) = gpus.join({"ggml": (vulkan,), "nvml": (driver,)}).ours or ()
    assert gpu.free_bytes == GIB


def test_a_card_that_this_build_cannot_use_is_told_apart() -> None:
    driver = Gpu("NVIDIA GeForce GTX 1660", total_bytes=6 * GIB, free_bytes=GIB, id="0000:01:00.0")
    seen = (Gpu("NVIDIA graphics", id="0000:01:00.0"), Gpu("Intel graphics", id="0000:00:02.0"))
    found = gpus.join({"ggml": (), "nvml": (driver,)}, seen)
    assert found.ours == ()
    assert [gpu.name for gpu in found.unused] == ["NVIDIA GeForce GTX 1660", "Intel graphics"]
    assert not any(gpu.backend for gpu in found.unused)


def test_apples_memory_is_main_memory() -> None:
    metal = Gpu("Apple M3 Max", "gpu", "Metal", 27 * GIB, 27 * GIB)
    (gpu,) = gpus.join({"ggml": (metal,)}, free_memory=11 * GIB, apple=True).ours or ()
    assert gpu.unified
    assert gpu.free_bytes == 11 * GIB


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("00000000:01:00.0", "0000:01:00.0"),
        ("0000:C1:00.0", "0000:c1:00.0"),
        ("1:2:3.4", "0001:02:03.4"),
        ("01:00.0", ""),
        ("", ""),
        ("virtual", ""),
    ],
)
def test_places_on_the_bus_have_one_spelling(text: str, place: str) -> None:
    assert gpus.place(text) == place


def test_what_linux_sees(tmp_path: Path) -> None:
    card = "sys/devices/pci0000:00/0000:03:00.0"
    trees.write(
        tmp_path,
        {
            f"{card}/vendor": "0x1002\n",
            f"{card}/class": "0x030000\n",
            f"{card}/mem_info_vram_total": f"{16 * GIB}\n",
            f"{card}/mem_info_vram_used": f"{GIB}\n",
            "sys/class/drm/card0-HDMI-A-1/status": "connected\n",
            "sys/class/drm/card9/device/vendor": "0x1234\n",  # of a virtual machine
            "sys/class/drm/card9/device/class": "0x030000\n",
        },
    )
    (tmp_path / "sys/class/drm/card1").mkdir()
    (tmp_path / "sys/class/drm/card1/device").symlink_to(tmp_path / card)
    assert gpus.seen(tmp_path) == (Gpu("AMD graphics", total_bytes=16 * GIB, free_bytes=15 * GIB, id="0000:03:00.0"),)
    vulkan = Gpu("AMD Radeon RX 7800 XT (RADV)", "gpu", "Vulkan", 16 * GIB, 16 * GIB, id="0000:03:00.0")
    (gpu,) = gpus.join({"ggml": (vulkan,)}, gpus.seen(tmp_path)).ours or ()
    assert gpu.free_bytes == 15 * GIB


# Who lists --------------------------------------------------------------------------------------------------------


class Ggml:
    """ggml's functions over devices (name, description, backend, type, free, total, id); handles count from 1."""

    def __init__(self, *listed: tuple[str, str, str, int, int, int, str | None], moved: bool = False) -> None:
        self.listed = listed
        self.moved = moved
        self._kept: list[Any] = []

    def symbol(self, name: str, _result: Any, *_arguments: Any) -> Any:
        return getattr(self, name.removeprefix("ggml_backend_"))

    def dev_count(self) -> int:
        return len(self.listed)

    def dev_get(self, index: int) -> int:
        return index + 1

    def dev_type(self, device: int) -> int:
        return self.listed[device - 1][3]

    def dev_memory(self, device: int, free: Any, total: Any) -> None:
        free._obj.value, total._obj.value = self.listed[device - 1][4:6]

    def dev_backend_reg(self, device: int) -> int:
        return device

    def reg_name(self, device: int) -> bytes:
        return self.listed[device - 1][2].encode()

    def dev_name(self, device: int) -> bytes:
        return self.listed[device - 1][0].encode()

    def dev_description(self, device: int) -> bytes:
        return self.listed[device - 1][1].encode()

    def dev_get_props(self, device: int, properties: Any) -> None:
        _name, _words, _backend, kind, free, total, place = self.listed[device - 1]
        into = properties._obj
        into.memory_free, into.memory_total, into.type = free, total, kind
        if self.moved:  # a later version put something in front
            into.memory_total, into.device_id = free + 1, 12345
        elif place is not None:
            text = ctypes.create_string_buffer(place.encode())
            self._kept.append(text)
            into.device_id = ctypes.addressof(text)


LISTED = (
    ("CUDA0", "NVIDIA GeForce RTX 4090", "CUDA", 1, 23 * GIB, 24 * GIB, "0000:01:00.0"),
    ("MTL0", "", "MTL", 1, 0, 0, None),
    ("Vulkan0", "Intel(R) UHD Graphics 770", "Vulkan", 2, 5 * GIB, 6 * GIB, None),
    ("RPC0", "192.0.2.1:50052", "RPC", 1, GIB, GIB, None),
    ("BLAS", "Accelerate", "BLAS", 3, 0, 0, None),
    ("CPU", "AMD Ryzen", "CPU", 0, 16 * GIB, 16 * GIB, None),
)


def test_ggmls_list_without_the_processor_and_other_computers() -> None:
    found = list_devices(Ggml(*LISTED))  # type: ignore[arg-type]
    assert found == (
        CARD,
        Gpu("MTL0", "gpu", "Metal", None, None),
        Gpu("Intel(R) UHD Graphics 770", "igpu", "Vulkan", 6 * GIB, 5 * GIB),
    )


def test_a_struct_that_has_changed_costs_only_the_place() -> None:
    (gpu,) = list_devices(Ggml(LISTED[0], moved=True))  # type: ignore[arg-type]
    assert (gpu.name, gpu.free_bytes, gpu.id) == (CARD.name, 23 * GIB, "")


def nvidia(**changed: Any) -> Any:
    """pynvml with one card that works and one that has fallen off the bus."""

    class NVMLError(Exception):
        pass

    def handle(index: int) -> int:
        if index == 1:
            raise NVMLError
        return index

    return SimpleNamespace(
        **{
            "NVMLError": NVMLError,
            "NVMLError_LibraryNotFound": type("A", (NVMLError,), {}),
            "NVMLError_DriverNotLoaded": type("B", (NVMLError,), {}),
            "NVMLError_NoPermission": type("C", (NVMLError,), {}),
            "nvmlInit": lambda: None,
            "nvmlDeviceGetCount": lambda: 2,
            "nvmlDeviceGetHandleByIndex": handle,
            "nvmlDeviceGetName": lambda _h: b"NVIDIA GeForce RTX 4090",
            "nvmlDeviceGetMemoryInfo": lambda _h: SimpleNamespace(total=24 * GIB, free=20 * GIB),
            "nvmlDeviceGetPciInfo": lambda _h: SimpleNamespace(busId="00000000:01:00.0"),
            **changed,
        }
    )


def test_nvidias_list_leaves_out_a_card_that_does_not_answer() -> None:
    (card,) = nvml.list_cards(nvidia())
    assert (card.name, card.total_bytes, card.free_bytes, card.backend) == (CARD.name, 24 * GIB, 20 * GIB, "")
    joined = gpus.join({"ggml": (CARD,), "nvml": (gpus._plausible(card),)}).ours
    assert joined is not None and joined[0].free_bytes == 20 * GIB


def test_without_nvidias_driver_there_are_none() -> None:
    library = nvidia()

    def missing() -> None:
        raise library.NVMLError_LibraryNotFound

    library.nvmlInit = missing
    assert nvml.list_cards(library) == ()
