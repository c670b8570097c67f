"""What makes answers slow: one function for each kind of cause, which names those that hold with all their gains. Pure.

A cause that explains little is left out later (``core.slowness``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from qwen_desktop.core.amounts import size
from qwen_desktop.core.engine import Stats
from qwen_desktop.core.slow_facts import MOST, Cause, Layer, Look, Remedy
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Param, Text

#: Fewer tokens per second than this are slow, whatever the computer.
SLOW = 5.0
#: A model that reaches so many tokens per second is not too large.
_FLUENT = 10.0
#: Bytes per second that a drive is read with, by its kind.
_DRIVES = {"ssd": 1.5e9, "hdd": 120e6, "network": 80e6, "memory": 5e9, "unknown": 500e6}
#: A load slower than this many bytes per second, of at least so many seconds, waits for its drive.
_SLOW_DRIVE, _LONG_LOAD_S = 200e6, 8.0
#: Seconds of thinking or reading that one waits for.
_WAIT_S = 5.0
#: Flash attention on a processor at 4,096 tokens: 18.6 tokens/s without, 12.2 with it, 7.4 with an 8-bit cache.
_FLASH_LOSS, _QUANTIZED_LOSS, _AT_DEPTH, _DEEPEST = 18.6 / 12.2 - 1, 18.6 / 7.4 - 1, 4096, 16_384
#: Builds of the computing library for processors without AVX2.
_OLD_KINDS = frozenset({"x64", "sse42", "sandybridge", "ivybridge", "piledriver"})
#: Weights of more bits than in the usual 4-bit files, by the beginning of the quant's name; bytes for each parameter.
_PRECISE = ("F32", "F16", "BF16", "Q8_0", "Q6_K")
_USUAL_BYTES = 0.605
_SMALLEST_OFFER = 2048

# What to do ----------------------------------------------------------------------------------------------------------

# fmt: off
_SMALLER = Remedy(
    Text("slow.do.smaller", QT_TRANSLATE_NOOP("slow", "Choose a smaller model.")), command="view.models",
)
_NONE = QT_TRANSLATE_NOOP("slow", "Nothing can be done about that here; a smaller model answers faster.")
# fmt: on


def _automatic(look: Look, name: str) -> Remedy:
    """Take back what was set by hand, where it was set."""
    if name in look.facts.own:
        source = QT_TRANSLATE_NOOP(
            "slow", "This model has it in its own load options: qwen-desktop models options --reset takes them back."
        )
        return Remedy(Text("slow.do.options", source))
    source = QT_TRANSLATE_NOOP("slow", "Let the app choose; it counts from the next message on.")
    return Remedy(Text("slow.do.automatic", source), setting=f"engine.{name}")


def _less_context(look: Look) -> Remedy:
    """Half of the context, where that is more than a little, else a smaller model."""
    size_ = look.facts.info.context_size if look.facts.info is not None else 0
    half = 1 << max(0, (size_ // 2).bit_length() - 1)
    if half < _SMALLEST_OFFER or "context" in look.facts.own:
        return _SMALLER
    source = QT_TRANSLATE_NOOP("slow", "A context of %n token(s) leaves more room.")
    return Remedy(Text("slow.do.context", source, {"n": half}), setting="engine.context", value=half)


# The causes ----------------------------------------------------------------------------------------------------------


def cards(look: Look) -> Iterator[Cause]:
    """A graphics card is there, and nothing computes on it."""
    machine = look.machine
    if machine.gpus:
        return
    gain = look.gain(look.decode(share=1.0, plain=True), 4.0)
    if "gpu" in machine.unknown:
        what = QT_TRANSLATE_NOOP("slow", "The graphics driver crashed or did not answer, so the processor computes.")
        do = QT_TRANSLATE_NOOP("slow", "Install the newest graphics driver, then start the computer again.")
        text = Text("slow.driver.crash", what)
        yield Cause("driver.crash", Layer.DRIVER, text, Remedy(Text("slow.do.driver", do)), max(gain, 1.5))
        return
    card = look.card
    if card is None:
        gone = next((gpu for gpu in look.facts.cards_before if gpu.kind != "igpu"), None)
        if gone is not None and not machine.unused_gpus:
            what = QT_TRANSLATE_NOOP("slow", "{card} was here before and is not found any more.")
            do = QT_TRANSLATE_NOOP("slow", "Check its plug and its driver, then start the computer again.")
            text = Text("slow.card.gone", what, {"card": gone.name})
            yield Cause("card.gone", Layer.CARD, text, Remedy(Text("slow.do.plug", do)), max(gain, 1.5))
        return
    places: dict[str, Param] = {"card": card.name}
    if machine.idle_backends:
        places["part"] = machine.idle_backends[0]
        what = QT_TRANSLATE_NOOP("slow", "{card} is there, but {part} does not start: its driver is missing.")
        do = QT_TRANSLATE_NOOP("slow", "Install the graphics driver with {part}.")
        remedy = Remedy(Text("slow.do.install", do, {"part": machine.idle_backends[0]}))
        yield Cause("driver.missing", Layer.DRIVER, Text("slow.driver.missing", what, places), remedy, max(gain, 1.5))
    elif machine.backends is not None and not machine.backends:
        what = QT_TRANSLATE_NOOP("slow", "{card} is there, but this build computes on processors only.")
        do = QT_TRANSLATE_NOOP("slow", "Install the version with Vulkan: that of the installers has it.")
        text = Text("slow.build.backend", what, places)
        yield Cause("build.backend", Layer.BUILD, text, Remedy(Text("slow.do.build", do)), max(gain, 1.5))
    else:
        what = QT_TRANSLATE_NOOP("slow", "{card} is there, but its driver offers nothing that models can use.")
        do = QT_TRANSLATE_NOOP("slow", "Install or update its driver, then start the computer again.")
        text = Text("slow.driver.old", what, places)
        yield Cause("driver.old", Layer.DRIVER, text, Remedy(Text("slow.do.update", do)), max(gain, 1.5))


def layers(look: Look) -> Iterator[Cause]:
    """A card computes, and not all of the model is on it."""
    if not look.machine.gpus or look.local is None or not look.layers or look.on_cards >= look.layers:
        return
    gain = max(look.gain(look.decode(share=1.0, plain=True), 3.0), 1.2)
    gpu = look.machine.gpus[0]
    places: dict[str, Param] = {"card": gpu.name, "part": look.on_cards, "n": look.layers}
    if look.asked.gpu_layers is not None and look.asked.gpu_layers < look.layers:
        what = QT_TRANSLATE_NOOP("slow", "{part} of %n layer(s) (is|are) on {card}, since that was set by hand.")
        text = Text("slow.settings.layers", what, places)
        yield Cause("settings.layers", Layer.SETTINGS, text, _automatic(look, "gpu_layers"), gain)
        return
    free = sum(gpu.free_bytes or 0 for gpu in look.machine.gpus)
    places["size"] = size(look.local.size_bytes)
    if free:
        places["free"] = size(free)
        what = QT_TRANSLATE_NOOP(
            "slow", "{part} of %n layer(s) (is|are) on {card}: the model has {size}, and {free} are free there."
        )
    else:
        what = QT_TRANSLATE_NOOP("slow", "{part} of %n layer(s) (is|are) on {card}: not all of its {size} fit there.")
    yield Cause("card.memory", Layer.CARD, Text("slow.card.memory", what, places), _less_context(look), gain)


def _build(look: Look) -> Iterator[Cause]:
    if look.moment.emulated:
        what = QT_TRANSLATE_NOOP("slow", "This program was made for another processor and is translated as it runs.")
        do = QT_TRANSLATE_NOOP("slow", "Install the version for ARM processors.")
        yield Cause(
            "build.emulated", Layer.BUILD, Text("slow.build.emulated", what), Remedy(Text("slow.do.arm", do)), 3
        )
    if look.local is not None and look.share < 1 and look.local.cpu in _OLD_KINDS and "AVX2" in look.cpu.features:
        what = QT_TRANSLATE_NOOP("slow", "The engine computes without AVX2, which this processor has.")
        do = QT_TRANSLATE_NOOP("slow", "Install Qwen Desktop again: a part of it is missing.")
        yield Cause("build.kind", Layer.BUILD, Text("slow.build.kind", what), Remedy(Text("slow.do.again", do)), 2.2)


def _processor(look: Look) -> Iterator[Cause]:
    x64 = look.cpu.architecture.lower() in ("x86_64", "amd64")
    if x64 and look.cpu.features and "AVX2" not in look.cpu.features and look.share < 1:
        what = QT_TRANSLATE_NOOP("slow", "This processor has no AVX2, with which others compute several times as fast.")
        text, remedy = Text("slow.processor.avx2", what), Remedy(Text("slow.do.none", _NONE), command="view.models")
        yield Cause("processor.avx2", Layer.PROCESSOR, text, remedy, 2.5 * (1 - look.share))


def _limits(look: Look) -> Iterator[Cause]:
    """Fewer cores than there are: a container, a service, a host that is shared."""
    physical, usable = look.cpu.physical or 0, look.cpu.usable or 0
    if 0 < usable < physical and look.share < 1:
        what = QT_TRANSLATE_NOOP("slow", "A container or a service lets this program use {part} of %n core(s).")
        text = Text("slow.limits.cores", what, {"part": usable, "n": physical})
        do = QT_TRANSLATE_NOOP("slow", "Give it more processors where it was started.")
        gain = 1 + (physical / usable - 1) * (1 - look.share)
        yield Cause("limits.cores", Layer.LIMITS, text, Remedy(Text("slow.do.quota", do)), min(gain, 8.0))
    stolen = look.moment.stolen or 0.0
    if stolen > 0.2 and usable:
        what = QT_TRANSLATE_NOOP("slow", "Other virtual machines on the same host take {part} of %n processor(s) away.")
        text = Text("slow.limits.stolen", what, {"part": round(stolen, 1), "n": usable})
        do = QT_TRANSLATE_NOOP("slow", "Only who runs the host can change that.")
        gain = usable / max(0.5, usable - stolen)
        yield Cause("limits.stolen", Layer.LIMITS, text, Remedy(Text("slow.do.host", do)), gain)


def _programs(look: Look) -> Iterator[Cause]:
    others, logical = look.moment.others, look.cpu.logical or look.cpu.usable
    if not others or not logical or look.share >= 1:
        return
    threads = look.local.threads if look.local is not None else look.usual
    # A logical processor in use costs the core below it; those of a container see the whole host.
    left = look.cores - max(0.0, others - max(0, logical - (look.cpu.usable or logical))) * min(
        1.0, 2 * look.cores / logical
    )
    if left >= threads - 0.2:
        return
    gain = 1 + (threads / max(0.4, left) - 1) * (1 - look.share)
    what = QT_TRANSLATE_NOOP("slow", "Other programs keep {part} of %n processor(s) busy.")
    text = Text("slow.programs", what, {"part": round(min(others, logical), 1), "n": logical})
    do = QT_TRANSLATE_NOOP("slow", "Close what works in the background, or wait until it is done.")
    yield Cause("programs", Layer.PROGRAMS, text, Remedy(Text("slow.do.close", do)), min(gain, 8.0))


def _power(look: Look) -> Iterator[Cause]:
    battery, moment = look.machine.battery, look.moment
    unplugged = battery is not None and battery.plugged is False
    plug = Remedy(Text("slow.do.plug_in", QT_TRANSLATE_NOOP("slow", "Plug the computer in.")))
    if moment.saver:
        what = QT_TRANSLATE_NOOP("slow", "The system saves energy and slows the processor down.")
        do = QT_TRANSLATE_NOOP("slow", "Switch the energy saver off while you need answers.")
        remedy = plug if unplugged else Remedy(Text("slow.do.saver", do))
        yield Cause("power.saver", Layer.POWER, Text("slow.power.saver", what), remedy, 1.8)
    elif moment.clock is not None and moment.clock < 1.0:
        what = QT_TRANSLATE_NOOP("slow", "The processor may use {part} % of its highest clock only.")
        do = QT_TRANSLATE_NOOP("slow", "Choose a faster power mode in the system's settings.")
        text = Text("slow.power.clock", what, {"part": round(100 * moment.clock)})
        yield Cause("power.clock", Layer.POWER, text, plug if unplugged else Remedy(Text("slow.do.mode", do)),
                    1 / max(0.1, moment.clock))  # fmt: skip
    elif unplugged and look.slower:
        what = QT_TRANSLATE_NOOP("slow", "The computer runs on battery, at {part} %, and saves energy.")
        text = Text("slow.power.battery", what, {"part": round(battery.percent) if battery is not None else 0})
        yield Cause("power.battery", Layer.POWER, text, plug, 1.4)
    if moment.hot:
        what = QT_TRANSLATE_NOOP("slow", "The processor is too hot and slows itself down.")
        do = QT_TRANSLATE_NOOP("slow", "Let air reach it; it gets faster when it has cooled down.")
        yield Cause("power.heat", Layer.POWER, Text("slow.power.heat", what), Remedy(Text("slow.do.air", do)), 1.7)


def _memory(look: Look) -> Iterator[Cause]:
    """Parts of the model are read from the disk again and again."""
    local, now = look.local, look.decode(plain=True)
    if local is None:
        return
    drive = _DRIVES[look.machine.disk.kind if look.machine.disk is not None else "unknown"]

    def again(lying: float) -> float:
        """What it costs to read so many bytes of the weights from the drive for each token."""
        return min(MOST, 1 + lying / drive * (now or 5.0))

    swapped = look.moment.swapped_bytes or 0
    if swapped >= 64 << 20:
        what = QT_TRANSLATE_NOOP("slow", "{size} of the model lie in swap, on the disk: memory is full.")
        text = Text("slow.memory.swap", what, {"size": size(swapped)})
        yield Cause("memory.swap", Layer.MEMORY, text, _less_context(look), max(1.5, again(swapped)))
    free = look.machine.memory.free_bytes
    missing = local.mapped_bytes - free if free is not None else 0
    if local.mapped_bytes and missing > 0.05 * local.mapped_bytes:
        what = QT_TRANSLATE_NOOP(
            "slow",
            "The model's weights need {size}, and other programs leave {free}: they are read from the disk again.",
        )
        text = Text("slow.memory.evicted", what, {"size": size(local.mapped_bytes), "free": size(free or 0)})
        do = QT_TRANSLATE_NOOP("slow", "Close other programs, or choose a smaller model.")
        remedy = Remedy(Text("slow.do.room", do), command="view.models")
        yield Cause("memory.evicted", Layer.MEMORY, text, remedy, max(1.5, again(missing)))


def _disk(look: Look) -> Iterator[Cause]:
    """The load took long, which only the first answer after it waits for."""
    local, stats, disk = look.local, look.stats, look.machine.disk
    if local is None or local.load_s < _LONG_LOAD_S or local.size_bytes / local.load_s >= _SLOW_DRIVE:
        return
    if stats is not None and not stats.load_s:  # it waited for no load
        return
    kind = disk.kind if disk is not None and local.path.startswith(disk.path) else "unknown"
    what = {
        "network": QT_TRANSLATE_NOOP("slow", "The model lies on a network drive: {size} took %n second(s) to load."),
        "hdd": QT_TRANSLATE_NOOP("slow", "The model lies on a hard disk: {size} took %n second(s) to load."),
    }.get(kind, QT_TRANSLATE_NOOP("slow", "The disk of the model is slow: {size} took %n second(s) to load."))
    text = Text("slow.disk", what, {"size": size(local.size_bytes), "n": round(local.load_s)})
    do = QT_TRANSLATE_NOOP("slow", "Put the models folder on an SSD inside this computer (Settings, Downloads).")
    total = _seconds(stats) if stats is not None else local.load_s
    gain = min(8.0, 1 + local.load_s / max(1.0, total))
    yield Cause("disk.load", Layer.DISK, text, Remedy(Text("slow.do.ssd", do), command="view.settings"), gain)


def _settings(look: Look) -> Iterator[Cause]:
    """What was set by hand and costs speed."""
    local, threads, usual = look.local, look.asked.threads, look.usual
    if threads is not None and look.share < 1 and (look.cpu.physical or look.cpu.usable):
        text = Text(
            "slow.settings.threads",
            QT_TRANSLATE_NOOP("slow", "%n thread(s) (was|were) set by hand; {usual} are usual on this computer."),
            {"n": threads, "usual": usual},
        )
        gain = 1.0
        if threads < usual:  # reading suffers more from it than writing, which waits for the memory
            gain = max(look.gain(look.decode(threads=None, plain=True), 1.0), (usual / threads) ** 0.5)
        elif threads > look.cores:
            gain = 1.6
        yield Cause("settings.threads", Layer.SETTINGS, text, _automatic(look, "threads"), gain)
    if local is None or look.on_cards:
        return
    depth = min(look.depth, _DEEPEST) / _AT_DEPTH
    if local.kv_type == "q8_0" and look.asked.kv_type == "q8_0":
        what = QT_TRANSLATE_NOOP("slow", "The context is kept in 8 bits, which a processor is slow with in long chats.")
        remedy = _automatic(look, "kv_type")
        yield Cause("settings.kv_type", Layer.SETTINGS, Text("slow.settings.kv_type", what), remedy,
                    1 + _QUANTIZED_LOSS * depth)  # fmt: skip
    elif local.flash_attention and look.asked.flash_attention == "on":
        what = QT_TRANSLATE_NOOP("slow", "Flash attention is on; on a processor it makes answers in long chats slower.")
        remedy = _automatic(look, "flash_attention")
        yield Cause("settings.flash", Layer.SETTINGS, Text("slow.settings.flash", what), remedy,
                    1 + _FLASH_LOSS * depth)  # fmt: skip


def _model(look: Look) -> Iterator[Cause]:
    """As good as this computer gets, and still slow."""
    local, shape = look.local, look.facts.shape
    best = look.decode(share=1.0 if look.machine.gpus else 0.0, threads=None, depth=1024)
    if local is None or shape is None or best is None:
        return
    usual_bytes = shape.parameters * _USUAL_BYTES
    if best < _FLUENT and local.quant.upper().startswith(_PRECISE) and shape.weights_bytes > 1.4 * usual_bytes:
        what = QT_TRANSLATE_NOOP(
            "slow", "The file keeps its weights in {quant}: {size} are read for each word, more than is needed."
        )
        text = Text("slow.model.precise", what, {"quant": local.quant, "size": size(shape.active_bytes)})
        do = QT_TRANSLATE_NOOP("slow", "Get the same model in 4 bits (Q4_K_M).")
        remedy = Remedy(Text("slow.do.quant", do), command="view.models")
        yield Cause("model.precise", Layer.MODEL, text, remedy, min(8.0, shape.weights_bytes / usual_bytes))
    elif best < SLOW:
        what = QT_TRANSLATE_NOOP(
            "slow", "The model is large for this computer: about {speed} tokens per second are all it can reach."
        )
        text = Text("slow.model.large", what, {"speed": best})
        yield Cause("model.large", Layer.MODEL, text, _SMALLER, SLOW / best)


def _context(look: Look) -> Iterator[Cause]:
    stats = look.stats
    if stats is None:
        return
    new = Remedy(
        Text("slow.do.new_chat", QT_TRANSLATE_NOOP("slow", "Start a new chat for a new subject.")), command="chat.new"
    )
    whole = stats.context_size or (look.facts.info.context_size if look.facts.info is not None else 0)
    deep = look.gain(look.decode(depth=0, plain=True), 1.0) if stats.context_used >= 2048 else 1.0
    if whole and stats.context_used >= 0.9 * whole:
        what = QT_TRANSLATE_NOOP(
            "slow", "The context is nearly full, {part} of %n token(s): the chat is cut and read again from there."
        )
        text = Text("slow.context.full", what, {"part": stats.context_used, "n": whole})
        yield Cause("context.full", Layer.CONTEXT, text, new, max(1.5, deep))
    elif deep >= 1.5:
        what = QT_TRANSLATE_NOOP("slow", "The chat is long: each word looks back at %n token(s).")
        yield Cause(
            "context.deep", Layer.CONTEXT, Text("slow.context.deep", what, {"n": stats.context_used}), new, deep
        )
    fresh = stats.prompt_tokens - stats.cached_tokens
    reading = min(stats.ttft_s, fresh / stats.prompt_tokens_per_s) if stats.prompt_tokens_per_s else 0.0
    writing = _seconds(stats) - stats.ttft_s
    if reading < _WAIT_S or reading < writing:
        return
    places: dict[str, Param] = {"n": fresh, "seconds": round(reading)}
    gain = min(8.0, 1 + reading / max(1.0, writing))
    if look.facts.turns > 1 and stats.cached_tokens < stats.prompt_tokens / 2:
        what = QT_TRANSLATE_NOOP(
            "slow", "The whole chat was read again, %n token(s) in {seconds} s, since it was not in memory any more."
        )
        do = QT_TRANSLATE_NOOP("slow", "Stay with one model in a chat: what it has read is kept while it is loaded.")
        text, remedy = Text("slow.context.again", what, places), Remedy(Text("slow.do.stay", do))
        yield Cause("context.again", Layer.CONTEXT, text, remedy, gain)
    else:
        what = QT_TRANSLATE_NOOP("slow", "Most of the time went into reading: %n token(s) in {seconds} s.")
        do = QT_TRANSLATE_NOOP("slow", "Send only the part of a long text that matters.")
        text, remedy = Text("slow.context.prompt", what, places), Remedy(Text("slow.do.shorter", do))
        yield Cause("context.prompt", Layer.CONTEXT, text, remedy, gain)


def _thinking(look: Look) -> Iterator[Cause]:
    stats = look.stats
    if stats is None or stats.thinking_s < _WAIT_S:
        return
    total = max(_seconds(stats), stats.thinking_s + 0.1)
    if stats.thinking_s < total / 2:
        return
    what = QT_TRANSLATE_NOOP("slow", "The model thought for {seconds} s, %n token(s), before it answered.")
    text = Text("slow.thinking", what, {"n": stats.thinking_tokens, "seconds": round(stats.thinking_s)})
    do = QT_TRANSLATE_NOOP("slow", "For simple questions choose Direct below the message box.")
    remedy = Remedy(Text("slow.do.direct", do), command="thinking.cycle")
    yield Cause("thinking", Layer.THINKING, text, remedy, min(6.0, total / max(1.0, total - stats.thinking_s)))


def _seconds(stats: Stats) -> float:
    """How long the answer took."""
    return stats.ttft_s + (stats.completion_tokens / stats.decode_tokens_per_s if stats.decode_tokens_per_s else 0.0)


FINDERS: tuple[Callable[[Look], Iterator[Cause]], ...] = (
    cards, layers, _build, _settings, _memory, _disk, _power, _programs, _limits, _processor, _model, _context,
    _thinking,
)  # fmt: skip
