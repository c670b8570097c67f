"""Chat templates: the model's own Jinja template, rendered in a sandbox that is bounded in time and memory.

A template comes with the file and may do anything Jinja can. Attributes and calls are fenced by Jinja2's sandbox; the
time by a thread of its own into which an exception is thrown; the memory by bounds on multiplying and, where the
system has it, by a limit on the address space while the template runs.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn, TypeVar

import jinja2
import jinja2.parser
from jinja2.ext import Extension
from jinja2.ext import loopcontrols as loop_controls
from jinja2.sandbox import ImmutableSandboxedEnvironment

from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine.template_form import Form, form_of
from qwen_desktop.process import memory_limit

T = TypeVar("T")

LIMIT_S = 3.0
_LONGEST_OUTPUT = 64 << 20
_MEMORY = 1 << 30
#: One template at a time: the memory bound is the whole process's, and two would undo each other's.
_TURN = threading.Lock()

#: ChatML, the form of every Qwen chat model, for files that bring no template.
FALLBACK = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)

# fmt: off
_HINT = QT_TRANSLATE_NOOP("engine", "The file's template is at fault; choose another file of this model.")
_endless = Failure(
    UserFacing, "template.endless", "",
    QT_TRANSLATE_NOOP("engine", "The chat template of this model does not come to an end."), _HINT,
)
_syntax = Failure(
    UserFacing, "template.syntax", "line",
    QT_TRANSLATE_NOOP("engine", "The chat template of this model has an error in line {line}."), _HINT,
)
_raised = Failure(
    UserFacing, "template.raised", "reason",
    QT_TRANSLATE_NOOP("engine", "The chat template of this model refuses the conversation: {reason}."),
    QT_TRANSLATE_NOOP("engine", "Remove the instructions or start a new chat; else choose another file."),
)
# fmt: on


class TooMuch(Exception):  # noqa: N818 - a bound was met
    """The template ran over a bound; the text says which."""


class Template:
    """A compiled template. Raises ``UserFacing`` when it cannot be compiled within the bounds."""

    def __init__(self, source: str | None, *, bos: str = "", eos: str = "", limit_s: float = LIMIT_S) -> None:
        self.own = source is not None
        self.source = source if source is not None else FALLBACK
        self.set_tokens(bos=bos, eos=eos)
        self._limit_s = limit_s
        self._compiled = self._bounded(lambda: _environment().from_string(self.source))
        self.form = Form()
        self.thinking = self._thinking()

    def fit(self) -> None:
        """Find the form in which this template keeps all that is said, and hand it messages so from now on.

        Takes milliseconds. Raises ``UserFacing`` where there is no such form.
        """
        self.form = form_of(lambda messages: self.render(messages, ThinkingMode.AUTO, form=Form()))
        self.thinking = self._thinking()

    def set_tokens(self, *, bos: str, eos: str) -> None:
        """The written forms of the tokens that begin and end a text, for templates that put them in themselves."""
        self._tokens = {"bos_token": bos, "eos_token": eos}

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        thinking: ThinkingMode,
        *,
        answer: bool = True,
        tools: Sequence[Mapping[str, Any]] = (),
        form: Form | None = None,
    ) -> str:
        """The prompt for ``messages`` (content as text); ``answer`` adds the beginning of the model's turn.

        ``form`` is how they are handed over, as a rule the one that ``fit`` has found.
        ``tools`` are functions as OpenAI's API describes them. Auto leaves ``enable_thinking`` undefined, Think and
        Direct set it. Raises ``UserFacing``.
        """
        values: dict[str, Any] = {
            "messages": (form or self.form).shape(messages),
            "add_generation_prompt": answer,
            **self._tokens,
        }
        if tools:
            values["tools"] = [dict(tool) for tool in tools]
        if thinking is not ThinkingMode.AUTO:
            values["enable_thinking"] = thinking is ThinkingMode.THINK
        return self._bounded(lambda: _collect(self._compiled.generate(**values)))

    def _thinking(self) -> tuple[ThinkingMode, ...]:
        """The modes this template offers: all three with ``enable_thinking``, only Think when it always opens."""
        if "enable_thinking" in self.source:
            return (ThinkingMode.AUTO, ThinkingMode.THINK, ThinkingMode.DIRECT)
        if "<think>" not in self.source:
            return ()
        with contextlib.suppress(UserFacing):
            prompt = self.render([{"role": "user", "content": "x"}], ThinkingMode.AUTO)
            if ends_in_thinking(prompt):
                return (ThinkingMode.THINK,)
        return ()

    def _bounded(self, work: Callable[[], T]) -> T:
        result: list[T] = []
        failure: list[BaseException] = []

        def run() -> None:
            try:
                result.append(work())
            except BaseException as error:  # everything a template does is told to the caller
                failure.append(error)

        with _TURN, _limited_memory():
            thread = threading.Thread(target=run, name="template", daemon=True)
            thread.start()
            _join(thread, self._limit_s)
        if result:
            return result[0]
        raise _sentence(failure[0] if failure else TooMuch("time"), self._limit_s)


def ends_in_thinking(prompt: str) -> bool:
    """Whether the prompt leaves the model inside an open ``<think>``."""
    opened = prompt.rfind("<think>")
    return opened >= 0 and "</think>" not in prompt[opened:] and not prompt[opened + 7 :].strip()


def _join(thread: threading.Thread, limit_s: float) -> None:
    thread.join(limit_s)
    deadline = time.monotonic() + 2
    while thread.is_alive() and time.monotonic() < deadline:
        if thread.ident is not None:  # throws at the next step of the template's Python code
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(TooMuch))
        thread.join(0.05)


@contextlib.contextmanager
def _limited_memory() -> Iterator[None]:
    """While a template runs, the process may grow by 1 GiB at most (Linux; elsewhere the other bounds must do).

    The job worker is held to a limit of its own: that one must do there, since a lower one would fall upon the jobs
    that run beside this one. In the engine worker nothing that needs so much runs beside it: a load waits.
    """
    if sys.platform == "win32" or memory_limit.in_force():
        yield
        return
    import resource  # noqa: PLC0415 - not on Windows

    try:
        with open("/proc/self/statm", "rb") as statm:  # noqa: PTH123 - pathlib is slower and this runs every time
            used = int(statm.read().split()[0]) * resource.getpagesize()
        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    except (OSError, ValueError):
        yield
        return
    limit = used + _MEMORY
    if soft != resource.RLIM_INFINITY and soft < limit:
        yield
        return
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _collect(pieces: Iterator[str]) -> str:
    parts: list[str] = []
    length = 0
    for piece in pieces:
        parts.append(piece)
        length += len(piece)
        if length > _LONGEST_OUTPUT:
            raise TooMuch("output")
    return "".join(parts)


def _sentence(error: BaseException, limit_s: float) -> UserFacing:
    name = type(error).__name__
    if isinstance(error, TooMuch | MemoryError | RecursionError):
        kind = "memory" if isinstance(error, MemoryError) else str(error) or "time"
        return _endless(details=f"{name} {kind} limit={limit_s}s")
    if isinstance(error, jinja2.TemplateSyntaxError):
        return _syntax(error.lineno, details=name)
    return _raised(" ".join(str(error).split())[:160].rstrip(".!") or name, details=name)


class _Generation(Extension):
    """``{% generation %}`` marks answers for training and does nothing here."""

    tags = {"generation"}  # noqa: RUF012 - Jinja2 declares it so

    def parse(self, parser: jinja2.parser.Parser) -> Any:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class _Environment(ImmutableSandboxedEnvironment):
    """The sandbox, with bounds on what multiplies."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Refuse results that would fill the memory."""
        if operator == "**" and (abs(_number(left)) > 1 << 64 or abs(_number(right)) > 256):
            raise TooMuch("power")
        if operator == "*":
            for value, times in ((left, right), (right, left)):
                if hasattr(value, "__len__") and len(value) * max(0, _number(times)) > _LONGEST_OUTPUT:
                    raise TooMuch("multiplication")
            if _number(left).bit_length() + _number(right).bit_length() > 4096:
                raise TooMuch("multiplication")
        if operator == "+" and hasattr(left, "__len__") and len(left) + len(right) > _LONGEST_OUTPUT:
            raise TooMuch("sum")
        return super().call_binop(context, operator, left, right)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _environment() -> _Environment:
    environment = _Environment(trim_blocks=True, lstrip_blocks=True, extensions=[loop_controls, _Generation])
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.now().astimezone().strftime(str(form))
    return environment


def _raise(message: object = "") -> NoReturn:
    raise jinja2.TemplateRuntimeError(str(message))


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As ``json.dumps``: Jinja2's own escapes ``<`` and Chinese and sorts keys, which makes other prompts."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)
