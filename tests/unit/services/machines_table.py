"""Forty computers, from a 4 GB laptop to a 192 GB Mac and to two graphics cards, for the advisor's table."""

from __future__ import annotations

from typing import NamedTuple

from qwen_desktop.core.hardware import Battery, Cpu, Disk, Gpu, Machine, Memory

GIB = 1 << 30


class Row(NamedTuple):
    """A computer and the everyday model sizes (billions of parameters) that are sensible on it."""

    name: str
    machine: Machine
    least: float
    most: float


def computer(
    total: float,
    free: float,
    bandwidth: float | None,
    *gpus: Gpu,
    disk: float = 400,
    cores: int = 8,
    battery: bool = False,
) -> Machine:
    """Memory and disk in GiB, bandwidth in GB/s."""
    return Machine(
        system="Linux",
        cpu=Cpu(physical=cores, logical=2 * cores, usable=2 * cores, features=("AVX2",)),
        memory=Memory(int(total * GIB), int(free * GIB)),
        gpus=gpus,
        disk=Disk("/models", int(disk * GIB), int(2 * disk * GIB), "ssd"),
        battery=Battery(80.0, plugged=False) if battery else None,
        bandwidth_bytes_per_s=bandwidth * 1e9 if bandwidth else None,
    )


def card(name: str, total: float) -> Gpu:
    """A graphics card with memory of its own."""
    return Gpu(name, "gpu", "CUDA", int(total * GIB), int((total - 0.8) * GIB))


def shared(name: str, total: float) -> Gpu:
    """A graphics processor that shares main memory: three quarters of it."""
    return Gpu(name, "gpu", "Metal", int(total * 0.75 * GIB), int(total * 0.74 * GIB), unified=True)


def inside(name: str, total: float) -> Gpu:
    """An integrated one, as Vulkan lists it."""
    return Gpu(name, "igpu", "Vulkan", int(total * 0.5 * GIB), int(total * 0.48 * GIB), unified=True)


TABLE: tuple[Row, ...] = (
    # Laptops and desktops without a graphics card of use
    Row("4 GB netbook", computer(4, 1.6, 6, cores=2), 0.5, 1),
    Row("4 GB laptop", computer(4, 1.9, 10, cores=2, battery=True), 0.5, 1),
    Row("4 GB, nearly nothing free", computer(4, 1.1, 10, cores=2), 0.4, 1),
    Row("4 GB board", computer(4, 3, 8, cores=4), 0.5, 1),
    Row("8 GB old laptop", computer(8, 5, 12, cores=4, battery=True), 0.5, 2),
    Row("8 GB laptop", computer(8, 4.5, 20, cores=4), 1, 4),
    Row("8 GB, full of programs", computer(8, 1.6, 20, cores=4), 1, 4),
    Row("8 GB board", computer(8, 6.5, 14, cores=4), 0.5, 2),
    Row("12 GB laptop", computer(12, 7, 25, cores=6), 1, 4),
    Row("16 GB old desktop", computer(16, 11, 18, cores=4), 1, 4),
    Row("16 GB laptop, DDR4", computer(16, 10, 32, battery=True), 2, 5),
    Row("16 GB laptop, DDR5", computer(16, 10, 55), 4, 10),
    Row("16 GB laptop, LPDDR5X", computer(16, 10, 85), 4, 10),
    Row("16 GB laptop, browser open", computer(16, 4, 55), 4, 10),
    Row("24 GB laptop", computer(24, 17, 60), 4, 10),
    Row("32 GB desktop, DDR4", computer(32, 24, 35), 4, 36),
    Row("32 GB desktop, DDR5", computer(32, 25, 65), 7, 36),
    Row("32 GB mini computer", computer(32, 27, 70, inside("Radeon 780M", 32)), 7, 36),
    Row("48 GB desktop", computer(48, 40, 65), 20, 36),
    Row("64 GB desktop, DDR4", computer(64, 54, 38), 20, 36),
    Row("64 GB desktop, DDR5", computer(64, 55, 75), 20, 81),
    Row("96 GB desktop", computer(96, 86, 75), 20, 125),
    Row("128 GB workstation", computer(128, 115, 160, cores=24), 20, 180),
    Row("256 GB server", computer(256, 240, 250, cores=48), 26, 400),
    # Apple
    Row("Mac, 8 GB", computer(8, 4.8, 55, shared("M1", 8)), 2, 5),
    Row("Mac, 16 GB", computer(16, 11, 80, shared("M2", 16)), 4, 10),
    Row("Mac, 18 GB", computer(18, 13, 110, shared("M3 Pro", 18)), 7, 15),
    Row("Mac, 24 GB", computer(24, 18, 100, shared("M4", 24)), 7, 28),
    Row("Mac, 36 GB", computer(36, 29, 200, shared("M3 Max", 36)), 20, 36),
    Row("Mac, 64 GB", computer(64, 55, 300, shared("M2 Max", 64)), 20, 81),
    Row("Mac, 128 GB", computer(128, 116, 350, shared("M4 Max", 128)), 20, 125),
    Row("Mac, 192 GB", computer(192, 178, 450, shared("M2 Ultra", 192)), 20, 240),
    # Graphics cards
    Row("16 GB with a 4 GB card", computer(16, 11, 40, card("GTX 1650", 4)), 2, 10),
    Row("16 GB with a 6 GB card", computer(16, 11, 40, card("RTX 2060", 6)), 4, 10),
    Row("32 GB with an 8 GB card", computer(32, 25, 50, card("RTX 4060", 8)), 7, 36),
    Row("32 GB with a 12 GB card", computer(32, 25, 50, card("RTX 3060", 12)), 7, 36),
    Row("32 GB with a 16 GB card", computer(32, 25, 55, card("RTX 4080", 16)), 7, 36),
    Row("64 GB with a 24 GB card", computer(64, 52, 60, card("RTX 4090", 24)), 20, 81),
    Row("128 GB with two 24 GB cards", computer(128, 112, 80, card("RTX 3090", 24), card("RTX 3090", 24)), 20, 125),
    Row("64 GB with two cards of 16 and 8", computer(64, 52, 60, card("RTX 4080", 16), card("RTX 4060", 8)), 20, 81),
)
