"""Why it is slow: each cause is injected where the real probe reads it, and is the first that is named; a computer with
which nothing is wrong gets none."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import Struct
from msgspec.structs import replace

from qwen_desktop.core import slowness
from qwen_desktop.core.commands import COMMANDS
from qwen_desktop.core.engine import Capabilities, CardPart, LocalInfo, ModelInfo, Stats
from qwen_desktop.core.gguf import read_header
from qwen_desktop.core.hardware import Cpu, Disk, Gpu, Machine, Memory, Moment
from qwen_desktop.core.model_ref import LoadOptions
from qwen_desktop.core.settings import Settings, replaced, setting
from qwen_desktop.core.shape import Shape, shape_of
from qwen_desktop.core.slow_facts import LAYERS, Facts, Layer
from qwen_desktop.hardware import cpu, gpus, limits, moment, probe, wire
from tests import gguf_shapes
from tests.unit.hardware import trees
from tests.unit.hardware.trees import GIB

GB = 1_000_000_000
CARD = Gpu("NVIDIA GeForce RTX 3060", "gpu", "CUDA", 12 * GIB, 11 * GIB, id="0000:01:00.0")
SEEN = replace(CARD, backend="")
FINE = Stats(
    prompt_tokens=400, cached_tokens=300, completion_tokens=200, ttft_s=1.0, prompt_tokens_per_s=100.0,
    decode_tokens_per_s=0.0, context_used=600, context_size=8192,
)  # fmt: skip


@pytest.fixture(scope="module")
def shape(tmp_path_factory: pytest.TempPathFactory) -> Shape:
    path = tmp_path_factory.mktemp("shape") / "a.gguf"
    return shape_of(read_header(gguf_shapes.write(path, gguf_shapes.PLANS["Qwen3-4B"], vocab=2000)))


class Computer:
    """A laptop with eight cores and 16 GiB, with which nothing is wrong: files below ``root``, what the probe's
    children say, and a model that was loaded and has answered as fast as expected."""

    def __init__(self, root: Path, shape: Shape) -> None:
        self.root = root
        self.listed: dict[str, tuple[Gpu, ...]] = {"nvml": (), "ggml": ()}
        self.built: wire.Built | None = wire.Built()
        self.asked = LoadOptions()
        self.own: tuple[str, ...] = ()
        self.stats = FINE
        self.turns = 1
        self.before: tuple[Gpu, ...] = ()
        self.shape = shape
        self.swapped = 0
        self.reached = 1.0  # of what is expected
        self.local: dict[str, Any] = {}
        #: what changes from one look at the moment to the next: files
        self.later: dict[str, str | bytes] = {}
        trees.processors(root, [(n,) for n in range(8)], cpu_capacity=dict.fromkeys(range(8), 1024))
        self.write(
            {
                "proc/cpuinfo": trees.cpuinfo(8, model_name="Laptop CPU", flags="avx2 fma"),
                **trees.meminfo(16 * GIB, 10 * GIB),
                **self.stat(others=0.1),
                "proc/vmstat": "pswpin 100\npgmajfault 200\n",
                "sys/firmware/acpi/platform_profile": "balanced\n",
            }
        )
        self.power(plugged=True)
        self.clock(1.0)

    def write(self, files: dict[str, str | bytes]) -> None:
        trees.write(self.root, files)

    def power(self, *, plugged: bool) -> None:
        base = "sys/class/power_supply"
        self.write({f"{base}/BAT0/type": "Battery\n", f"{base}/BAT0/capacity": "55\n"})
        self.write({f"{base}/BAT0/status": "Charging\n" if plugged else "Discharging\n"})

    def clock(self, share: float) -> None:
        for n in range(8):
            folder = f"sys/devices/system/cpu/cpu{n}/cpufreq"
            limit = f"{int(4_000_000 * share)}\n"
            self.write({f"{folder}/cpuinfo_max_freq": "4000000\n", f"{folder}/scaling_max_freq": limit})

    def stat(self, *, others: float = 0.0, stolen: float = 0.0, seconds: float = 0.0) -> dict[str, str | bytes]:
        """/proc/stat ``seconds`` later, with so many processors' time used."""
        used, lost = (int(100_000 + 100 * seconds * share) for share in (others, stolen))
        return {"proc/stat": f"cpu 1 2 3 4\ncpu0 {used} 0 0 900000 0 0 0 {lost} 0 0\n"}

    def facts(self) -> Facts:
        folder = self.root / "models"
        machine, _ = probe.probe(str(folder), root=self.root, system="linux")
        machine = replace(machine, cpu=replace(machine.cpu, architecture="x86_64"))
        first = moment.look(self.root, "linux", own=lambda: moment.Own(5.0, self.swapped))
        self.write(self.later or self.stat(others=0.1, seconds=1))
        second = moment.look(self.root, "linux", own=lambda: moment.Own(5.0, self.swapped))._replace(at=first.at + 1)
        local = {
            "path": str(folder / "a.gguf"), "architecture": "qwen3", "quant": "Q4_K_M",
            "size_bytes": self.shape.weights_bytes, "parameters": self.shape.parameters,
            "context_train": self.shape.context_train, "threads": 7, "gpu_layers": 0, "flash_attention": False,
            "kv_type": "f16", "sha256": "ab" * 32, "template_sha256": "", "template_source": "file", "guide": False,
            "load_s": 2.0, "memory_bytes": 0, "cpu": "haswell", "mapped_bytes": self.shape.weights_bytes,
            **self.local,
        }  # fmt: skip
        info = ModelInfo("Qwen3 4B", 8192, Capabilities(), "x", local=LocalInfo(**local))
        facts = Facts(
            machine=machine, info=info, shape=self.shape, asked=self.asked, own=self.own, turns=self.turns,
            moment=moment.between(first, second), cards_before=self.before,
            stats=self.stats,
        )  # fmt: skip
        expected = slowness.diagnose(facts).expected or 0.0
        return replace(facts, stats=replace(self.stats, decode_tokens_per_s=expected * self.reached))


@pytest.fixture
def computer(tmp_path: Path, shape: Shape, monkeypatch: pytest.MonkeyPatch) -> Computer:
    made = Computer(tmp_path, shape)
    monkeypatch.setattr(cpu, "_cpuinfo", dict)
    monkeypatch.setattr("os.cpu_count", lambda: None)
    monkeypatch.setattr(limits, "affinity", lambda: None)
    monkeypatch.setattr(probe, "measured", lambda *_: wire.Measured(60 * GB))
    monkeypatch.setattr(gpus, "ask", lambda *_: gpus.Asked(made.listed, made.built))
    return made


def set_(**values: Any) -> Callable[[Computer], None]:
    def change(computer: Computer) -> None:
        for name, value in values.items():
            setattr(computer, name, value)

    return change


def stats(**values: Any) -> Callable[[Computer], None]:
    return set_(stats=replace(FINE, **values))


def _network_drive(computer: Computer) -> None:
    folder = computer.root / "models"
    folder.mkdir()
    computer.write({"proc/self/mountinfo": trees.mount(str(folder), "nfs4", "server:/models")})
    computer.local["load_s"] = 60.0
    computer.stats = replace(FINE, load_s=60.0)


def _dies(computer: Computer) -> None:
    computer.listed = {"nvml": (SEEN,)}
    computer.built = None


def _precise(computer: Computer) -> None:
    whole = computer.shape.parameters * 2
    computer.shape = replace(computer.shape, weights_bytes=whole, active_bytes=whole)
    computer.local |= {"quant": "F16", "mapped_bytes": whole, "size_bytes": whole}
    computer.write(trees.meminfo(16 * GIB, 12 * GIB))


def _large(computer: Computer) -> None:
    computer.shape = replace(computer.shape, active_bytes=12 * GB, weights_bytes=12 * GB, parameters=20 * GB)
    computer.local |= {"mapped_bytes": 12 * GB, "size_bytes": 12 * GB}
    computer.write(trees.meminfo(32 * GIB, 20 * GIB))


INJECTED: tuple[tuple[str, Layer, Callable[[Computer], None]], ...] = (
    ("build.backend", Layer.BUILD, set_(listed={"nvml": (SEEN,), "ggml": ()})),
    ("driver.old", Layer.DRIVER, set_(listed={"nvml": (SEEN,), "ggml": ()}, built=wire.Built(("Vulkan",)))),
    ("driver.missing", Layer.DRIVER, lambda c: (
        set_(built=wire.Built((), ("Vulkan",)))(c),
        c.write({
            "sys/class/drm/card0/device/vendor": "0x10de\n", "sys/class/drm/card0/device/class": "0x030000\n",
        }),
    )),
    ("driver.crash", Layer.DRIVER, _dies),
    ("card.gone", Layer.CARD, set_(before=(CARD,))),
    ("card.memory", Layer.CARD, set_(
        listed={"nvml": (SEEN,), "ggml": (replace(CARD, total_bytes=2 * GIB, free_bytes=1 * GIB),)},
        local={"gpu_layers": 9, "mapped_bytes": 0},
    )),
    ("settings.layers", Layer.SETTINGS, set_(
        listed={"nvml": (SEEN,), "ggml": (CARD,)}, asked=LoadOptions(gpu_layers=0)
    )),
    ("memory.evicted", Layer.MEMORY, lambda c: c.write(trees.meminfo(16 * GIB, 1 * GIB))),
    ("memory.swap", Layer.MEMORY, set_(swapped=2 * GIB)),
    ("context.full", Layer.CONTEXT, stats(context_used=8000, ttft_s=2.0)),
    ("context.again", Layer.CONTEXT, lambda c: (
        stats(prompt_tokens=5000, cached_tokens=0, ttft_s=50.0, completion_tokens=100)(c), set_(turns=3)(c)
    )),
    ("context.prompt", Layer.CONTEXT, stats(prompt_tokens=3000, cached_tokens=0, ttft_s=30.0, completion_tokens=100)),
    ("power.saver", Layer.POWER, lambda c: (
        c.power(plugged=False), c.write({"sys/firmware/acpi/platform_profile": "low-power\n"})
    )),
    ("power.clock", Layer.POWER, lambda c: c.clock(0.5)),
    ("power.battery", Layer.POWER, lambda c: (c.power(plugged=False), set_(reached=0.6)(c))),
    ("power.heat", Layer.POWER, lambda c: (
        c.write({"sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "7\n"}),
        set_(later={
            "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "19\n", **c.stat(others=0.1, seconds=1)
        })(c),
    )),
    ("programs", Layer.PROGRAMS, lambda c: set_(later=c.stat(others=5.0, seconds=1))(c)),
    ("limits.stolen", Layer.LIMITS, lambda c: set_(later=c.stat(stolen=4.0, seconds=1))(c)),
    ("limits.cores", Layer.LIMITS, lambda c: c.write({
        "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "200000 100000\n",
        "proc/self/mountinfo": trees.mount("/sys/fs/cgroup", "cgroup2"),
    })),
    ("processor.avx2", Layer.PROCESSOR, lambda c: c.write(
        {"proc/cpuinfo": trees.cpuinfo(8, model_name="Old CPU", flags="sse4_2 avx")}
    )),
    ("settings.threads", Layer.SETTINGS, set_(asked=LoadOptions(threads=1), local={"threads": 1})),
    ("settings.flash", Layer.SETTINGS, lambda c: (
        set_(asked=LoadOptions(flash_attention="on"), local={"flash_attention": True})(c),
        stats(context_used=2000)(c),
    )),
    ("settings.kv_type", Layer.SETTINGS, lambda c: (
        set_(asked=LoadOptions(kv_type="q8_0"), local={"kv_type": "q8_0", "flash_attention": True})(c),
        stats(context_used=1500)(c),
    )),
    ("build.kind", Layer.BUILD, set_(local={"cpu": "sse42"})),
    ("disk.load", Layer.DISK, _network_drive),
    ("model.precise", Layer.MODEL, _precise),
    ("model.large", Layer.MODEL, _large),
    ("thinking", Layer.THINKING, stats(thinking_s=40.0, thinking_tokens=800, completion_tokens=900)),
)  # fmt: skip


def test_a_healthy_computer_has_no_cause(computer: Computer) -> None:
    found = slowness.diagnose(computer.facts())
    assert found.causes == () and not found.slow
    assert found.verdict.code == "slow.well"
    assert found.expected and f"{found.expected:.1f}" in str(found.verdict)
    assert str(found.where) == "The processor computes the model."


@pytest.mark.parametrize(("name", "layer", "inject"), INJECTED, ids=[name for name, _, _ in INJECTED])
def test_the_injected_cause_is_named_first(
    computer: Computer, name: str, layer: Layer, inject: Callable[[Computer], object]
) -> None:
    inject(computer)
    found = slowness.diagnose(computer.facts())
    assert found.slow and found.causes, found.verdict
    assert (found.causes[0].id, found.causes[0].layer) == (name, layer), [c.id for c in found.causes]
    assert found.causes[0].gain >= 1.1


def test_several_cards_are_not_called_by_the_first(computer: Computer) -> None:
    computer.listed = {"nvml": (SEEN,), "ggml": (CARD, replace(CARD, id="0000:02:00.0"))}
    computer.built = wire.Built(("CUDA",))
    parts = (CardPart("CUDA0", 1 << 30), CardPart("CUDA1", 1 << 30))
    computer.local = {"gpu_layers": 999, "mapped_bytes": 0, "flash_attention": True, "cards": parts}
    assert str(slowness.diagnose(computer.facts()).where) == "The graphics cards compute the model."
    computer.local["gpu_layers"] = 12
    assert str(slowness.diagnose(computer.facts()).where).startswith("The graphics cards compute 12 of ")


def test_a_card_that_computes_everything_is_no_cause(computer: Computer) -> None:
    computer.listed = {"nvml": (SEEN,), "ggml": (CARD,)}
    computer.built = wire.Built(("CUDA",))
    computer.local = {"gpu_layers": 999, "mapped_bytes": 0, "flash_attention": True}
    found = slowness.diagnose(computer.facts())
    assert found.causes == ()
    assert str(found.where) == f"{CARD.name} computes the model."


@pytest.mark.parametrize(
    "seen",
    [
        Gpu("Intel graphics", id="0000:00:02.0"),  # inside the processor: no faster than it
        Gpu("AMD graphics", total_bytes=512 << 20, free_bytes=400 << 20, id="0000:c1:00.0"),
        replace(CARD, backend="Vulkan", unified=True),  # left out by llama.cpp beside a card
    ],
)
def test_graphics_inside_the_processor_is_not_blamed(computer: Computer, seen: Gpu) -> None:
    facts = computer.facts()
    machine = replace(facts.machine, unused_gpus=(seen,))
    assert slowness.diagnose(replace(facts, machine=machine)).causes == ()


def test_what_is_expected_follows_from_how_the_model_is_loaded(
    computer: Computer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    def expected(**local: Any) -> float:
        computer.local = local
        return slowness.diagnose(computer.facts()).expected or 0.0

    computer.stats = replace(FINE, context_used=6000)
    assert expected(kv_type="q8_0") < expected(kv_type="k_q8_0") < expected(kv_type="f16")
    path = tmp_path_factory.mktemp("experts") / "a.gguf"
    computer.shape = shape_of(read_header(gguf_shapes.write(path, gguf_shapes.PLANS["Qwen3-30B-A3B"], vocab=2000)))
    computer.listed, layers = {"nvml": (), "ggml": (CARD,)}, computer.shape.layers + 1
    whole, some, all_ = (expected(gpu_layers=layers, experts_on_cpu=kept) for kept in (0, 20, layers - 1))
    assert whole > 1.5 * some > 1.5 * all_
    # a file may count its layers differently than the catalogue does
    assert expected(gpu_layers=layers - 1, layers=layers - 1) == whole


def test_what_nothing_explains_is_said_so(computer: Computer) -> None:
    computer.reached = 0.4
    found = slowness.diagnose(computer.facts())
    assert (found.causes, found.slow, found.verdict.code) == ((), True, "slow.unexplained")


def test_own_options_are_not_reset_in_the_settings(computer: Computer) -> None:
    computer.asked, computer.own, computer.local = LoadOptions(threads=1), ("threads",), {"threads": 1}
    remedy = slowness.diagnose(computer.facts()).causes[0].remedy
    assert not remedy.setting and "models options" in str(remedy.text)


# The notice ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "inject"),
    [(n, i) for n, _, i in INJECTED if n.startswith(("driver", "build.backend", "card"))],
)
def test_every_fallback_to_the_processor_is_noticed(
    computer: Computer, name: str, inject: Callable[[Computer], object]
) -> None:
    inject(computer)
    found = slowness.fallback(computer.facts())
    assert found is not None and found.id == name
    # asked for: nobody need be told
    facts = computer.facts()
    assert slowness.fallback(replace(facts, asked=LoadOptions(gpu_layers=0))) is None


def test_nothing_is_noticed_where_nothing_was_given_up(computer: Computer) -> None:
    assert slowness.fallback(computer.facts()) is None
    computer.listed, computer.local = {"nvml": (), "ggml": (CARD,)}, {"gpu_layers": 37, "mapped_bytes": 0}
    assert slowness.fallback(computer.facts()) is None


# Whatever the facts --------------------------------------------------------------------------------------------------


def test_any_facts_have_an_answer_and_the_same_one_each_time(shape: Shape) -> None:
    dice = random.Random(13)
    commands = {command.id for command in COMMANDS}
    for _ in range(1500):
        facts = _random(dice, shape)
        found = slowness.diagnose(facts)
        assert found == slowness.diagnose(facts)
        gains = [round(cause.gain, 3) for cause in found.causes]
        assert gains == sorted(gains, reverse=True)
        assert len({cause.id for cause in found.causes}) == len(gains)
        assert bool(found.causes) <= found.slow
        for cause in found.causes:
            assert 1.1 <= cause.gain <= 50 and cause.layer in LAYERS
            remedy = cause.remedy
            assert remedy.text.source and "{" not in str(remedy.text) and "{" not in str(cause.what)
            assert not remedy.command or remedy.command in commands
            if remedy.setting:
                value = remedy.value if remedy.value is not None else setting(remedy.setting).default
                replaced(Settings(), remedy.setting, value)
        slowness.fallback(facts)


def _random(dice: random.Random, shape: Shape) -> Facts:
    def maybe(value: Any) -> Any:
        return value if dice.random() < 0.6 else None

    def some(kind: type[Struct], **values: Any) -> Any:
        return kind(**{name: value for name, value in values.items() if dice.random() < 0.7})

    cards = [
        Gpu(
            "Card", dice.choice(("gpu", "igpu")), dice.choice(("", "Vulkan")), maybe(dice.randrange(16 * GIB)),
            maybe(dice.randrange(16 * GIB)), dice.random() < 0.3, dice.choice(("", "0000:00:02.0", "0000:01:00.0")),
        )
        for _ in range(3)
    ]  # fmt: skip
    machine = some(
        Machine,
        cpu=some(
            Cpu, architecture=dice.choice(("x86_64", "aarch64")), physical=maybe(dice.randrange(1, 99)),
            usable=maybe(dice.randrange(1, 99)), logical=maybe(dice.randrange(1, 99)),
            features=dice.choice(((), ("AVX2",), ("NEON",))),
        ),
        memory=Memory(maybe(dice.randrange(64 * GIB)), maybe(dice.randrange(64 * GIB))),
        gpus=tuple(cards[:1]), unused_gpus=tuple(cards[1:]),
        disk=Disk("/m", kind=dice.choice(("ssd", "hdd", "network", "memory", "unknown"))),
        bandwidth_bytes_per_s=maybe(dice.uniform(1e8, 1e12)), unknown=dice.choice(((), ("gpu", "bandwidth"))),
        backends=dice.choice((None, (), ("Vulkan",))), idle_backends=dice.choice(((), ("Vulkan",))),
    )  # fmt: skip
    local = LocalInfo(
        "/m/a.gguf", "qwen3", dice.choice(("", "F16", "Q4_K_M")), dice.randrange(9 * GB), 4 * GB, 32768,
        dice.randrange(0, 64), dice.choice((0, 3, 999)), dice.random() < 0.5, dice.choice(("f16", "q8_0", "k_q8_0")),
        "ab", "cd", "file", guide=False, load_s=dice.choice((0.0, 1.0, 90.0)), memory_bytes=0,
        cpu=dice.choice(("", "x64", "haswell")), mapped_bytes=dice.choice((0, 4 * GB)),
    )  # fmt: skip
    number = dice.choice((0, 1, 7, 5000, 100_000))
    stats = some(
        Stats, prompt_tokens=number, cached_tokens=dice.randrange(number + 1), completion_tokens=dice.randrange(2000),
        thinking_tokens=5, thinking_s=dice.choice((0.0, 90.0)), ttft_s=dice.choice((0.0, 0.3, 70.0)),
        prompt_tokens_per_s=dice.choice((0.0, 1e-3, 90.0)), decode_tokens_per_s=dice.choice((0.0, 1e-3, 9.0)),
        load_s=dice.choice((0.0, 40.0)), context_used=dice.randrange(9000), context_size=dice.choice((0, 8192)),
    )  # fmt: skip
    going_on = some(
        Moment, seconds=1.0, others=dice.uniform(0, 200), stolen=dice.uniform(0, 20),
        swapped_bytes=dice.choice((0, GB)),
        saver=dice.random() < 0.5, clock=dice.uniform(0, 1), hot=dice.random() < 0.5, emulated=dice.random() < 0.2,
    )  # fmt: skip
    asked = some(
        LoadOptions, context=4096, threads=dice.randrange(1, 200), gpu_layers=dice.randrange(60),
        flash_attention=dice.choice(("auto", "on", "off")), kv_type=dice.choice(("auto", "f16", "q8_0")),
    )  # fmt: skip
    info = ModelInfo("x", dice.choice((0, 512, 8192)), Capabilities(), "x", local=maybe(local))
    return some(
        Facts, machine=machine, info=info, shape=shape, asked=asked, own=dice.choice(((), ("threads", "context"))),
        stats=stats, turns=dice.randrange(1, 5), moment=going_on, cards_before=tuple(cards[:1]),
    )  # fmt: skip
