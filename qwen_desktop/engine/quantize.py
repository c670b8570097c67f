"""The process that makes models smaller: ``--worker quantize``, for one job each (see ``services.quantize``).

llama.cpp's quantizer tells nothing but its log and cannot be stopped: so it runs here, at low priority, with a limit on
memory, and is killed to cancel. It writes to the path that it is told, which is never the final one.

What it would come to is known exactly before: a dry run says which type each tensor gets, and from these, and from
what the source's header takes, follows the size of the file to the byte. A result of another size is none.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import queue
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from qwen_desktop.core.errors import AppError, Environment, Failure, UserFacing, disk_full
from qwen_desktop.core.files import open_file
from qwen_desktop.core.gguf import GgufHeader, Kind, NotChat, Reader, kind_of, read_header
from qwen_desktop.core.gguf.types import TENSOR_TYPES
from qwen_desktop.core.quantizing import Planned, QuantType, SourceFile, find_type
from qwen_desktop.core.text import QT_TRANSLATE_NOOP
from qwen_desktop.engine import load_errors
from qwen_desktop.engine.bindings import api
from qwen_desktop.engine.llama import LlamaLibrary, for_life, set_fields
from qwen_desktop.engine.quantize_wire import Made, Measured, Wanted
from qwen_desktop.hardware import cpu
from qwen_desktop.process import memory_limit, priority
from qwen_desktop.process.serve import Request, Server, unknown_job, worker_pipes

#: Rows of a tensor that are held at once, in bytes. Measured with 1.2 GB: 0.4 GB at the peak instead of 1.1.
_BUFFER = 64 << 20
_MOST_THREADS = 32
#: How often it tells how far it is, in seconds.
_TELL_S = 0.1
#: Left free on a disk, in bytes: a full system disk harms everything.
SPARE = 256 << 20
#: What llama.cpp pads tensors to in a file that it writes, whatever the source's alignment was.
_ALIGNMENT = 32
#: Types of tensors that were not rounded so far that doing it again harms: F32, F16, Q8_0, integers, F64, BF16.
_GOOD = frozenset((0, 1, 8, 24, 25, 26, 27, 28, 30))
#: Keys that a file in parts has and a whole one has not; and those that the result has in any case.
_SPLIT_KEYS = frozenset(("split.no", "split.count", "split.tensors.count"))
_WRITTEN_KEYS = ("general.quantization_version", "general.file_type")
#: A line of the dry run: the tensor, and the type that it gets where that is another one.
_TENSOR = re.compile(r"^\[ *\d+/ *\d+\] (.+?) +- \[[\d, ]*\], type = +\w+, size = .*?MiB(?: -> .*\((\w+)\))?$")
_FALLBACK = "-> falling back to"
#: C keeps pointers to what hears its log: a collected callback is a segmentation fault.
_HELD: list[object] = []
_FAILED = re.compile(r"failed to quantize: (.*)")

# fmt: off
#: Its weights were rounded already.
quantized_already = Failure(
    UserFacing, "quantize.source", "file quant",
    QT_TRANSLATE_NOOP("quantize", "{file} is quantized already ({quant}): doing it again makes answers worse."),
    QT_TRANSLATE_NOOP("quantize", "Choose the F16, BF16 or Q8_0 file of the same model, or allow it all the same"
                                  " (--allow-requantize)."),
)
not_smaller = Failure(
    UserFacing, "quantize.not_smaller", "file type",
    QT_TRANSLATE_NOOP("quantize", "As {type}, {file} would not get smaller."),
    QT_TRANSLATE_NOOP("quantize", "Choose a smaller type."),
)
no_space = Failure(
    Environment, "quantize.no_space", "path needed free",
    QT_TRANSLATE_NOOP("quantize", "{path} needs {needed} GB of free space and has {free} GB."),
    QT_TRANSLATE_NOOP("quantize", "Free some space there, choose another folder, or a smaller type."),
)
_weights = Failure(
    UserFacing, "quantize.weights", "file",
    QT_TRANSLATE_NOOP("quantize", "The weights in {file} are damaged: some of them are no numbers."),
    QT_TRANSLATE_NOOP("quantize", "Download it again."),
)
_unwritten = Failure(
    Environment, "quantize.unwritten", "path",
    QT_TRANSLATE_NOOP("quantize", "The result could not be written to {path}: the system refused it."),
    QT_TRANSLATE_NOOP("quantize", "See whether files may be so large there, or choose another folder."),
)
_refused = Failure(
    UserFacing, "quantize.refused", "file reason",
    QT_TRANSLATE_NOOP("quantize", "llama.cpp cannot make {file} smaller: {reason}."),
    QT_TRANSLATE_NOOP("quantize", "Download it again or choose another file."),
)
# fmt: on


def main() -> NoReturn:
    """Do what is asked for until standard input closes."""
    pipes = worker_pipes()
    priority.put_below_others()
    requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
    Server(pipes, requests.put).start()
    while True:
        request = requests.get()
        request.do(partial(_answer, request))


def _answer(request: Request) -> Any:
    if request.method == "plan":
        return plan(request.params(Wanted), request.emit)
    if request.method == "quantize":
        return quantize(request.params(Wanted), request.emit)
    if request.method == "quality":
        from qwen_desktop.engine import quality  # noqa: PLC0415 - another job of another process

        return quality.measure(request.params(Measured), request.emit)
    raise unknown_job(request.method)


def plan(wanted: Wanted, emit: Callable[[Planned], object]) -> SourceFile:
    """Say what the types would come to, one by one, and return what the source is. A source that is no good one is
    refused unless ``requantize``. Raises ``AppError``."""
    source = _Source(wanted.source)
    source.check(requantize=wanted.requantize)
    for name in wanted.types:
        emit(source.plan(find_type(name)))
    return source.file


def quantize(wanted: Wanted, emit: Callable[[Any], object]) -> Made:
    """Write the source as the one type of ``wanted`` to ``part``, flushed to the disk. Tells first what it will come
    to, then how many of its bytes are written. Raises ``AppError``; then what lies at ``part`` is of no use."""
    source = _Source(wanted.source)
    source.check(requantize=wanted.requantize)
    kind, part = find_type(wanted.types[0]), Path(wanted.part)
    planned = source.plan(kind)
    if planned.size_bytes >= source.file.size_bytes:
        raise not_smaller(source.name, kind.name)
    free = shutil.disk_usage(part.parent).free
    if free < planned.size_bytes + SPARE:
        raise no_space(str(part.parent), (planned.size_bytes + SPARE) / 1e9, free / 1e9)
    emit(planned)
    memory_limit.limit(source.file.size_bytes + memory_limit.ALLOWANCE)
    # By its plain name: on Windows llama.cpp can open no other for writing where the folder's has letters of its own.
    os.chdir(part.parent)
    begun = time.monotonic()
    with _telling(part, planned.size_bytes, emit):
        source.run(kind, part.name)
        with part.open("r+b") as file:
            os.fsync(file.fileno())
    return Made(planned, source.file, len(source.header.tensors), time.monotonic() - begun)


@contextlib.contextmanager
def _telling(part: Path, total: int, emit: Callable[[Any], object]) -> Iterator[None]:
    """Tell how much of the file is there, for as long as the context is open."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(_TELL_S):
            with contextlib.suppress(OSError):
                emit((min(part.stat().st_size, total), total))

    thread = threading.Thread(target=tell, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


class _Source:
    """A file that is to be made smaller, looked at. Raises ``UserFacing`` for what is no model to chat with."""

    def __init__(self, path: str) -> None:
        self.header = header = read_header(path)
        self.name = Path(path).name
        kind = kind_of(header.metadata, (tensor.name for tensor in header.tensors))
        if kind is not Kind.CHAT:
            raise NotChat(Path(path), kind)
        good = all(tensor.type in _GOOD for tensor in header.tensors)
        parts = len(header.parts or (path,))
        quant = header.quant
        self.file = SourceFile(path, header.name, quant, header.size_bytes, good, parts, header.parameters)
        self._library = LlamaLibrary(lambda _line: None)
        self._log = _Log()
        _HELD.extend((self._library, self._log))
        type_name = self._library.symbol("ggml_type_name", ctypes.c_char_p, ctypes.c_int)
        self._types = {(type_name(number) or b"").decode(): number for number in TENSOR_TYPES}
        self._meta = _meta_bytes(header)

    def check(self, *, requantize: bool) -> None:
        """Refuse what has lost too much already, unless that is wanted."""
        if not self.file.good and not requantize:
            raise quantized_already(self.name, self.file.quant or "?")

    def plan(self, kind: QuantType) -> Planned:
        """What it comes to as this type, by a dry run. Raises ``AppError``."""
        self.run(kind, None)
        given = dict(filter(None, map(_planned, self._log.lines)))
        if given.keys() != {tensor.name for tensor in self.header.tensors}:
            raise _refused(self.name, "its log cannot be read", details="\n".join(self._log.lines[-20:]))
        size, matrices = _padded(self._meta), 0
        for tensor in self.header.tensors:
            new = given[tensor.name]
            block, block_size, _ = TENSOR_TYPES[self._types[new] if new else tensor.type]
            count = 1
            for length in tensor.shape:
                count *= length
            size += _padded(count // block * block_size)
            matrices += bool(new)
        return Planned(kind.name, size, matrices, sum(_FALLBACK in line for line in self._log.lines))

    def run(self, kind: QuantType, target: str | None) -> None:
        """Have llama.cpp do it, or with no ``target`` only look. Raises ``AppError``."""
        params = api.llama_model_quantize_default_params()
        set_fields(
            params,
            nthread=max(1, min(cpu.places().usual, _MOST_THREADS)),
            ftype=kind.file_type,
            allow_requantize=True,  # Q8_0 is one to llama.cpp, too: ``check`` has decided
            dry_run=target is None,
            max_buf_size=_BUFFER,
        )
        overrides = self._overrides()
        if overrides is not None:
            set_fields(params, kv_overrides=overrides)
        self._log.lines.clear()
        with self._log.heard():
            code = api.llama_model_quantize(
                self.header.path.encode("utf-8", "surrogateescape"), os.fsencode(target or ""), ctypes.byref(params)
            )
        if code:
            raise self._failure(target)

    def _overrides(self) -> Any:
        """llama.cpp lays the result out at 32 bytes, but would keep another alignment that the source names: nobody
        could read that. None where there is nothing to mend."""
        if self.header.metadata.get("general.alignment", _ALIGNMENT) == _ALIGNMENT:
            return None
        found = (api.llama_model_kv_override * 2)()
        found[0].key, found[0].tag = b"general.alignment", api.LLAMA_KV_OVERRIDE_TYPE_INT
        found[0].value.val_i64 = _ALIGNMENT
        return found

    def _failure(self, target: str | None) -> AppError:
        log = tuple(self._log.lines)
        text, details = "\n".join(log), "\n".join(log[-20:])
        said = _FAILED.search(text)
        reason = said[1] if said else ""
        if target is not None and ("ios" in reason or "stream" in reason):
            folder = Path.cwd()
            return disk_full() if shutil.disk_usage(folder).free < SPARE else _unwritten(str(folder), details=details)
        if "invalid data" in reason or "validation failed" in reason:
            return _weights(self.name, details=details)
        known = load_errors.from_log(self.header, log)
        if not load_errors.is_refusal(known):
            return known
        return _refused(self.name, reason.strip().rstrip(".")[:160] or self.header.architecture, details=details)


class _Log:
    """What llama.cpp says, in whole lines: it says them in pieces."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self._open = ""

        @api.llama_log_callback  # type: ignore[untyped-decorator]  # llama_cpp has no types
        def receive(_level: int, text: bytes, _data: Any) -> None:
            *whole, self._open = (self._open + text.decode("utf-8", "replace")).split("\n")
            self.lines += whole

        self._receive = for_life(receive)

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Hear it for as long as the context is open, and to the end of what was said."""
        api.llama_log_set(self._receive, ctypes.c_void_p(0))
        yield
        if self._open:
            self.lines.append(self._open)
            self._open = ""


def _planned(line: str) -> tuple[str, str] | None:
    """A tensor's name and the type that it gets, "" for its own; None for another line."""
    found = _TENSOR.match(line)
    return (found[1], found[2] or "") if found else None


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


def _meta_bytes(header: GgufHeader) -> int:
    """How many bytes the header of the result will take: the source's entries but those of its parts, two that are
    written in any case, and the table of tensors."""
    with open_file(header.path) as file:
        reader = Reader(file, os.fstat(file.fileno()).st_size)
        reader.take(8)
        _, count = reader.u64(), reader.u64()
        size = 24 + sum(_entry(len(key), 4) for key in _WRITTEN_KEYS)
        for _ in range(count):
            at = reader.position
            key = reader.text()
            reader.value(reader.u32())
            if key not in _SPLIT_KEYS and key not in _WRITTEN_KEYS:
                size += reader.position - at
    return size + sum(_row(tensor.name, tensor.shape) for tensor in header.tensors)


def _entry(key: int, value: int) -> int:
    return 8 + key + 4 + value


def _row(name: str, shape: Sequence[int]) -> int:
    """Bytes of a tensor in the table; dimensions of 1 at the end are not written."""
    dimensions = max((at for at, length in enumerate(shape, 1) if length != 1), default=1)
    return 8 + len(name.encode()) + 4 + 8 * dimensions + 4 + 8
