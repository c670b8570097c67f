"""Every setting of the app, declared once: type, default, range, title and help.

The settings file, the Settings page, the documentation and the command line all read these declarations.

Adding a setting: add one field with its ``Annotated`` metadata to the section it belongs to. The page shows it, the
file writes it with its help as a comment, and validation follows from the type; nothing else needs an edit except
the code that reads it. ``None`` means "automatic" (the model card's value, or what the machine suggests).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Annotated, Any, Literal, get_type_hints

import msgspec
from msgspec import Meta, Struct

from qwen_desktop.core.setting import Info, Setting, describe
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, Source

_MODEL = QT_TRANSLATE_NOOP("settings", "As the model card says")


# fmt: off
class AppearanceSettings(Struct, frozen=True):
    """How the window looks."""

    theme: Annotated[Literal["system", "light", "dark", "contrast"], Info(
        QT_TRANSLATE_NOOP("settings", "Theme"),
        QT_TRANSLATE_NOOP("settings", "Follows the system unless you choose one."),
        labels=(
            QT_TRANSLATE_NOOP("settings", "As the system"), QT_TRANSLATE_NOOP("settings", "Light"),
            QT_TRANSLATE_NOOP("settings", "Dark"), QT_TRANSLATE_NOOP("settings", "High contrast"),
        ),
    )] = "system"
    text_size: Annotated[int, Meta(ge=80, le=200), Info(
        QT_TRANSLATE_NOOP("settings", "Text size"),
        QT_TRANSLATE_NOOP("settings", "In percent of the normal size."),
        unit=QT_TRANSLATE_NOOP("settings", "{n} %"), step=10,
    )] = 100
    motion: Annotated[Literal["system", "full", "none"], Info(
        QT_TRANSLATE_NOOP("settings", "Motion"),
        QT_TRANSLATE_NOOP("settings", "Short fades and slides, or none at all."),
        labels=(
            QT_TRANSLATE_NOOP("settings", "As the system"), QT_TRANSLATE_NOOP("settings", "Full"),
            QT_TRANSLATE_NOOP("settings", "None"),
        ),
    )] = "system"
    sidelist: Annotated[bool, Info(QT_TRANSLATE_NOOP("settings", "Show the list of chats"), hidden=True)] = True


class ChatSettings(Struct, frozen=True):
    """How conversations behave."""

    send_with: Annotated[Literal["enter", "ctrl_enter"], Info(
        QT_TRANSLATE_NOOP("settings", "Send with"),
        QT_TRANSLATE_NOOP("settings", "The other combination starts a new line."),
        labels=(QT_TRANSLATE_NOOP("settings", "Enter"), QT_TRANSLATE_NOOP("settings", "Ctrl+Enter")),
    )] = "enter"
    system_prompt: Annotated[str, Meta(max_length=20_000), Info(
        QT_TRANSLATE_NOOP("settings", "Instructions for every new chat"),
        QT_TRANSLATE_NOOP("settings", "Sent to the model before the first message. Empty means none."),
        applies="next message", multiline=True,
    )] = ""
    thinking: Annotated[Literal["auto", "think", "direct"], Info(
        QT_TRANSLATE_NOOP("settings", "Thinking in new chats"),
        QT_TRANSLATE_NOOP("settings", "Models that can think answer harder questions better, and later."),
        applies="next message",
        labels=(
            QT_TRANSLATE_NOOP("settings", "Auto"), QT_TRANSLATE_NOOP("settings", "Think"),
            QT_TRANSLATE_NOOP("settings", "Direct"),
        ),
    )] = "auto"
    thinking_budget: Annotated[Annotated[int, Meta(ge=0, le=1_048_576)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Longest thought"),
        QT_TRANSLATE_NOOP(
            "settings", "In tokens. A thought that gets longer is closed, and the model answers with what it has."
        ),
        unit=QT_TRANSLATE_NOOP("settings", "%n token(s)"), auto=QT_TRANSLATE_NOOP("settings", "No limit"),
        applies="next message", offers=(512, 2048, 8192),
    )] = None
    titles: Annotated[bool, Info(
        QT_TRANSLATE_NOOP("settings", "Titles by the model"),
        QT_TRANSLATE_NOOP(
            "settings",
            "Written after the first answer, when nothing else is asked of the model. Off, the first line stays.",
        ),
        applies="next message",
    )] = True
    loop_guard: Annotated[bool, Info(
        QT_TRANSLATE_NOOP("settings", "Stop endless repetition"),
        QT_TRANSLATE_NOOP("settings", "Ends an answer that says the same again and again. Small models may do so."),
        applies="next message",
    )] = True
    open_thinking: Annotated[bool, Info(
        QT_TRANSLATE_NOOP("settings", "Show thinking opened"),
        QT_TRANSLATE_NOOP("settings", "Otherwise it is one line that you can open."),
    )] = False
    show_speed: Annotated[bool, Info(
        QT_TRANSLATE_NOOP("settings", "Show speed under answers"),
        QT_TRANSLATE_NOOP("settings", "Tokens per second and time to the first word."),
    )] = True
    notify: Annotated[Literal["away", "never"], Info(
        QT_TRANSLATE_NOOP("settings", "Tell that an answer has ended"),
        QT_TRANSLATE_NOOP(
            "settings", "By a notification of your desktop, which names the model and the chat and holds no answer."
        ),
        labels=(
            QT_TRANSLATE_NOOP("settings", "When I am elsewhere"), QT_TRANSLATE_NOOP("settings", "Never"),
        ),
    )] = "away"


class EngineSettings(Struct, frozen=True):
    """How models are loaded and run."""

    model: Annotated[str, Info(
        QT_TRANSLATE_NOOP("settings", "Model"),
        QT_TRANSLATE_NOOP("settings", "The GGUF file in use. Empty means the built-in guide."), hidden=True, path=True,
    )] = ""
    profile: Annotated[Literal["auto", "usual", "low_memory"], Info(
        QT_TRANSLATE_NOOP("settings", "Use of memory"),
        QT_TRANSLATE_NOOP(
            "settings",
            "Little keeps chats short, and frees the memory soon. Automatic does so on computers with up to 8 GB.",
        ),
        applies="next load",
        labels=(
            QT_TRANSLATE_NOOP("settings", "Automatic"), QT_TRANSLATE_NOOP("settings", "As usual"),
            QT_TRANSLATE_NOOP("settings", "Little"),
        ),
    )] = "auto"
    context: Annotated[Annotated[int, Meta(ge=512, le=1_048_576)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Context size"),
        QT_TRANSLATE_NOOP(
            "settings", "How much of a conversation the model can see. Longer contexts need more memory."
        ),
        unit=QT_TRANSLATE_NOOP("settings", "%n token(s)"), applies="next load",
        offers=(2048, 4096, 8192, 16384, 32768, 65536, 131072),
    )] = None
    threads: Annotated[Annotated[int, Meta(ge=1, le=256)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Threads"),
        QT_TRANSLATE_NOOP("settings", "For answers. Fewer leave more of the computer to other programs."),
        applies="next load",
    )] = None
    gpu_layers: Annotated[Annotated[int, Meta(ge=0, le=999)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Layers on the graphics card"),
        QT_TRANSLATE_NOOP("settings", "Used when a graphics card is found. 0 keeps everything on the processor."),
        applies="next load",
    )] = None
    flash_attention: Annotated[Literal["auto", "on", "off"], Info(
        QT_TRANSLATE_NOOP("settings", "Flash attention"),
        QT_TRANSLATE_NOOP("settings", "Reads long prompts faster; on some processors answers get slower."),
        applies="next load",
        labels=(
            QT_TRANSLATE_NOOP("settings", "Automatic"), QT_TRANSLATE_NOOP("settings", "On"),
            QT_TRANSLATE_NOOP("settings", "Off"),
        ),
    )] = "auto"
    experts_on_cpu: Annotated[Annotated[int, Meta(ge=0, le=999)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Layers with experts on the processor"),
        QT_TRANSLATE_NOOP("settings", "For mixtures of experts that do not fit on the graphics card as a whole."),
        applies="next load",
    )] = None
    kv_type: Annotated[Literal["auto", "f16", "k_q8_0", "q8_0"], Info(
        QT_TRANSLATE_NOOP("settings", "Precision of the context"),
        QT_TRANSLATE_NOOP(
            "settings",
            "8-bit halves its memory and makes answers slower on processors; 8-bit keys save a quarter and cost less.",
        ),
        applies="next load",
        labels=(
            QT_TRANSLATE_NOOP("settings", "Automatic"), QT_TRANSLATE_NOOP("settings", "16-bit"),
            QT_TRANSLATE_NOOP("settings", "8-bit keys"), QT_TRANSLATE_NOOP("settings", "8-bit"),
        ),
    )] = "auto"
    streams: Annotated[Annotated[int, Meta(ge=1, le=8)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Chats kept in memory"),
        QT_TRANSLATE_NOOP(
            "settings", "Each takes the memory of a whole context, and goes on without being read again."
        ),
        applies="next load", offers=(1, 2, 3, 4, 6, 8),
    )] = None
    drafts: Annotated[Literal["auto", "off"], Info(
        QT_TRANSLATE_NOOP("settings", "Write ahead"),
        QT_TRANSLATE_NOOP(
            "settings",
            "Where an answer repeats earlier text, the next words are guessed from it and checked together (speculative"
            " decoding). The model still chooses each one.",
        ),
        applies="next load",
        labels=(QT_TRANSLATE_NOOP("settings", "Where it is faster"), QT_TRANSLATE_NOOP("settings", "Never")),
    )] = "auto"
    draft_model: Annotated[Literal["off", "auto"], Info(
        QT_TRANSLATE_NOOP("settings", "Draft model"),
        QT_TRANSLATE_NOOP(
            "settings",
            "A small installed model with the same tokens guesses for models of 8B and more, where that proves faster."
            " It takes memory of its own.",
        ),
        applies="next load",
        labels=(QT_TRANSLATE_NOOP("settings", "None"), QT_TRANSLATE_NOOP("settings", "Where one fits")),
    )] = "off"
    priority: Annotated[bool, Info(
        QT_TRANSLATE_NOOP("settings", "Answers before other programs"),
        QT_TRANSLATE_NOOP(
            "settings",
            "On Windows. Keeps answers fast while other programs compute; those may become slower meanwhile.",
        ),
        applies="next load", systems=("win32",),
    )] = False
    unload_minutes: Annotated[Annotated[int, Meta(ge=1, le=1440)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Free the memory after"),
        QT_TRANSLATE_NOOP(
            "settings", "A model that nobody has used for so long leaves memory. The next message loads it again."
        ),
        unit=QT_TRANSLATE_NOOP("settings", "%n minute(s)"), offers=(5, 10, 15, 30, 60, 240, 1440),
    )] = None


class SamplingSettings(Struct, frozen=True):
    """How the next word is chosen."""

    temperature: Annotated[Annotated[float, Meta(ge=0, le=2)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Temperature"),
        QT_TRANSLATE_NOOP("settings", "Low is exact, high is lively. 0 always takes the most likely word."),
        auto=_MODEL, applies="next message", step=0.05,
    )] = None
    top_p: Annotated[Annotated[float, Meta(gt=0, le=1)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Top P"),
        QT_TRANSLATE_NOOP("settings", "Keeps the likeliest words up to this total probability."),
        auto=_MODEL, applies="next message", step=0.05,
    )] = None
    top_k: Annotated[Annotated[int, Meta(ge=0, le=1000)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Top K"),
        QT_TRANSLATE_NOOP("settings", "Keeps this many of the likeliest words. 0 keeps all."),
        auto=_MODEL, applies="next message",
    )] = None
    min_p: Annotated[Annotated[float, Meta(ge=0, le=1)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Min P"),
        QT_TRANSLATE_NOOP("settings", "Drops words far less likely than the likeliest."),
        auto=_MODEL, applies="next message", step=0.01,
    )] = None
    presence_penalty: Annotated[Annotated[float, Meta(ge=0, le=2)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Presence penalty"),
        QT_TRANSLATE_NOOP("settings", "Higher values keep small models from repeating themselves."),
        auto=_MODEL, applies="next message", step=0.1,
    )] = None
    repeat_penalty: Annotated[Annotated[float, Meta(ge=1, le=2)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Repeat penalty"),
        QT_TRANSLATE_NOOP("settings", "1 is off."),
        auto=_MODEL, applies="next message", step=0.05,
    )] = None
    max_tokens: Annotated[Annotated[int, Meta(ge=1, le=1_048_576)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Longest answer"),
        QT_TRANSLATE_NOOP("settings", "In tokens. Automatic stops only at the end of the context."),
        unit=QT_TRANSLATE_NOOP("settings", "%n token(s)"), applies="next message",
    )] = None
    seed: Annotated[Annotated[int, Meta(ge=0, le=4_294_967_294)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Seed"),
        QT_TRANSLATE_NOOP("settings", "A fixed number makes answers repeatable. Automatic draws a new one."),
        applies="next message",
    )] = None


class DownloadSettings(Struct, frozen=True):
    """How models are fetched and where they lie. The access token is no setting: it is in the system's keyring."""

    folder: Annotated[str, Info(
        QT_TRANSLATE_NOOP("settings", "Models folder"),
        QT_TRANSLATE_NOOP("settings", "Where downloaded models lie. Changing it moves them."),
        hidden=True, path=True,  # the page has a row of its own for it, since a change moves files
    )] = ""
    offline: Annotated[bool, Info(
        QT_TRANSLATE_NOOP("settings", "Stay offline"),
        QT_TRANSLATE_NOOP(
            "settings",
            "No connection at all: nothing is looked up, and downloads wait. Installed models answer as ever.",
        ),
    )] = False
    source: Annotated[Literal["auto", "huggingface", "modelscope"], Info(
        QT_TRANSLATE_NOOP("settings", "Download from"),
        QT_TRANSLATE_NOOP(
            "settings", "Automatic tries both and takes the faster one; with a mirror, it asks that alone."
        ),
        applies="next download",
        labels=(
            QT_TRANSLATE_NOOP("settings", "Automatic"), QT_TRANSLATE_NOOP("settings", "Hugging Face"),
            QT_TRANSLATE_NOOP("settings", "ModelScope"),
        ),
    )] = "auto"
    endpoint: Annotated[str, Meta(max_length=2000, pattern=r"^$|^https?://[^\s/]+"), Info(
        QT_TRANSLATE_NOOP("settings", "Mirror address"),
        QT_TRANSLATE_NOOP("settings", "Of a Hugging Face mirror, with https://. Empty means Hugging Face itself."),
        applies="next download",
    )] = ""
    speed_limit: Annotated[Annotated[float, Meta(gt=0, le=10_000)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Speed limit"),
        QT_TRANSLATE_NOOP("settings", "Keeps downloads from filling your line."),
        unit=QT_TRANSLATE_NOOP("settings", "{n} MB/s"), auto=QT_TRANSLATE_NOOP("settings", "No limit"), step=1,
    )] = None
    proxy: Annotated[str, Meta(max_length=2000, pattern=r"^$|^(https?|socks(5h?)?)://[^\s/]+"), Info(
        QT_TRANSLATE_NOOP("settings", "Proxy"),
        QT_TRANSLATE_NOOP(
            "settings", "Such as http://proxy:8080 or socks5://proxy:1080. Empty means as the system says."
        ),
        applies="next download",
    )] = ""
    certificates: Annotated[str, Meta(max_length=4000), Info(
        QT_TRANSLATE_NOOP("settings", "Certificates"),
        QT_TRANSLATE_NOOP("settings", "A PEM file with your network's own certificates. Empty means the system's."),
        applies="next download", path=True,
    )] = ""
    ask_metered: Annotated[bool, Info(
        QT_TRANSLATE_NOOP("settings", "Ask on a metered network"),
        QT_TRANSLATE_NOOP("settings", "Before a download begins where data costs money."),
    )] = True


class StorageSettings(Struct, frozen=True):
    """What is kept on disk."""

    backups: Annotated[int, Meta(ge=1, le=20), Info(
        QT_TRANSLATE_NOOP("settings", "Copies before an update"),
        QT_TRANSLATE_NOOP("settings", "Copies of all chats, kept from before updates that store them in a new way."),
    )] = 3
    prompt_cache_gb: Annotated[Annotated[int, Meta(ge=0, le=1000)] | None, Info(
        QT_TRANSLATE_NOOP("settings", "Space for chats kept ready"),
        QT_TRANSLATE_NOOP(
            "settings",
            "Models go on with these chats without reading them again (prompt cache). Automatic takes at most 4 GB, "
            "and at most a tenth of the free disk. 0 keeps none.",
        ),
        unit=QT_TRANSLATE_NOOP("settings", "{n} GB"), offers=(0, 1, 2, 4, 8, 16, 32),
    )] = None
    recent_models: Annotated[tuple[str, ...], Info(
        QT_TRANSLATE_NOOP("settings", "Recently opened models"), hidden=True, path=True,
    )] = ()
# fmt: on


class Settings(Struct, frozen=True):
    """All settings, by section. Sections appear in the file and on the page in this order."""

    appearance: AppearanceSettings = AppearanceSettings()
    chat: ChatSettings = ChatSettings()
    engine: EngineSettings = EngineSettings()
    sampling: SamplingSettings = SamplingSettings()
    downloads: DownloadSettings = DownloadSettings()
    storage: StorageSettings = StorageSettings()


SECTION_TITLES: dict[str, Source] = {
    "appearance": QT_TRANSLATE_NOOP("settings", "Appearance"),
    "chat": QT_TRANSLATE_NOOP("settings", "Chat"),
    "engine": QT_TRANSLATE_NOOP("settings", "Engine"),
    "sampling": QT_TRANSLATE_NOOP("settings", "Sampling"),
    "downloads": QT_TRANSLATE_NOOP("settings", "Downloads"),
    "storage": QT_TRANSLATE_NOOP("settings", "Storage"),
}


@functools.cache  # reading the annotations takes a millisecond, and every change of a setting looks here
def declared() -> tuple[Setting, ...]:
    """Every declared setting in order of section and field."""
    found: list[Setting] = []
    empty = Settings()
    for section in msgspec.structs.fields(Settings):
        group = getattr(empty, section.name)
        hints = get_type_hints(type(group), include_extras=True)
        for item in msgspec.structs.fields(type(group)):
            found.append(describe(section.name, item.name, hints[item.name], getattr(group, item.name)))
    return tuple(found)


def setting(key: str) -> Setting:
    """Return the declaration of ``section.name``; raises ``KeyError`` for an unknown key."""
    for entry in declared():
        if entry.key == key:
            return entry
    raise KeyError(key)


def value(settings: Settings, key: str) -> Any:
    """Return the value stored under ``section.name``."""
    section, _, name = key.partition(".")
    return getattr(getattr(settings, section), name)


def replaced(settings: Settings, key: str, new: Any) -> Settings:
    """Return ``settings`` with one value changed.

    Raises ``KeyError`` for an unknown key and ``msgspec.ValidationError`` for a value outside its type or range.
    """
    entry = setting(key)
    checked = msgspec.convert(new, entry.type, strict=True)
    group = getattr(settings, entry.section)
    changed = msgspec.structs.replace(group, **{entry.name: checked})
    return msgspec.structs.replace(settings, **{entry.section: changed})


def changed_keys(before: Settings, after: Settings) -> Iterator[str]:
    """Yield the keys whose values differ between two settings."""
    for entry in declared():
        if value(before, entry.key) != value(after, entry.key):
            yield entry.key
