"""The low-level llama.cpp: the library, its log, and a loaded model with its vocabulary. Worker side only.

With ``llama_context`` the only user of its bindings. Struct fields are set through ``set_fields``, since ctypes
would accept a misspelt or vanished field silently; callbacks given to C are kept referenced for the process's life.
"""

from __future__ import annotations

import ctypes
import os
import re
import sys
from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from qwen_desktop.core.gguf import GgufHeader
from qwen_desktop.core.placement import Placement
from qwen_desktop.engine import bindings, load_errors
from qwen_desktop.engine.adapters import Adapters
from qwen_desktop.engine.bindings import api
from qwen_desktop.hardware import memory

#: Types of vocabulary entries (tokenizer.ggml.token_type).
CONTROL = 3
#: What ggml logs when it has picked one of several libraries for kinds of processors (empty: there is only one).
_PICKED = re.compile(r"loaded CPU backend from .*ggml-cpu(?:-([\w.]+))?\.(?:so|dll|dylib)$")
#: What llama.cpp logs of each buffer with weights; one that maps the file is called …_Mapped.
_BUFFER = re.compile(r"(\S+) model buffer size =\s+([\d.]+) MiB")
#: Buffers on the first, second, … graphics card; those of main memory are called CPU, CPU_REPACK, CUDA_Host, ….
_ON_CARD = re.compile(r"(?!CPU).*\d")
#: What llama.cpp logs when a file does not say how its text is split before it becomes tokens.
_DEGRADED = "GENERATION QUALITY WILL BE DEGRADED"
#: What it warns of for each tensor of an adapter where weights are rearranged for the processor.
_BESIDE = "lora for '"
#: More layers than any model has: those that predict a second token are among them.
_ALL_LAYERS = 999
#: GGUF's number for arrays of 32-bit numbers.
_INT32 = 5
_FOR_LIFE: list[Any] = []


def for_life(callback: Any) -> Any:
    """A callback that C may call for as long as the process lives, whoever made it: a collected one is a segmentation
    fault."""
    _FOR_LIFE.append(callback)
    return callback


def set_fields(struct: Any, **values: Any) -> None:
    """Set fields of a ctypes struct. Raises ``AttributeError`` for one that it does not have."""
    known = {field[0] for field in struct._fields_}
    for name, value in values.items():
        if name not in known:
            raise AttributeError(f"{type(struct).__name__} has no field {name}")
        setattr(struct, name, value)


class _Override(ctypes.Structure):
    """llama_model_tensor_buft_override: tensors whose names match go into buffers of a type. llama_cpp has no class."""

    _fields_ = (("pattern", ctypes.c_char_p), ("type", ctypes.c_void_p))


class Flag:
    """A byte that C code looks at while it computes: set, it ends the computation within milliseconds.

    llama.cpp calls its abort callback for every node of the graph. A Python callback would take the interpreter's
    lock thousands of times a second, so the callback is libc's ``strlen`` on our byte: "" is 0 (go on), "x" is 1.
    """

    def __init__(self) -> None:
        self._byte = ctypes.create_string_buffer(b"", 2)
        libc = ctypes.cdll.msvcrt if sys.platform == "win32" else ctypes.CDLL(None)
        self.callback = ctypes.cast(libc.strlen, api.ggml_abort_callback)
        self.data = ctypes.cast(self._byte, ctypes.c_void_p)

    def set(self) -> None:
        """End the computation that runs."""
        self._byte.value = b"x"

    def clear(self) -> None:
        """Let computations run."""
        self._byte.value = b""

    @property
    def is_set(self) -> bool:
        """Whether it was set since the last ``clear``."""
        return bool(self._byte.value)


class LlamaLibrary:
    """llama.cpp in this process: initialised once, its log kept in a bounded ring and passed to ``sink``."""

    def __init__(self, sink: Callable[[str], None]) -> None:
        self.log: deque[str] = deque(maxlen=400)
        self.cpu = ""
        self._degraded = False

        @api.llama_log_callback  # type: ignore[untyped-decorator]  # llama_cpp has no types
        def receive(level: int, text: bytes, _data: Any) -> None:
            line = text.decode("utf-8", "replace").rstrip()
            if line and line != ".":
                self.log.append(line)
                self._degraded = self._degraded or _DEGRADED in line
                if level in (3, 4) and _BESIDE not in line:  # warnings and errors
                    sink(line)

        api.llama_log_set(for_life(receive), ctypes.c_void_p(0))
        api.llama_backend_init()
        self._load_backends()

    @property
    def version(self) -> str:
        """What computes, for the provenance of answers."""
        return f"llama-cpp-python {bindings.version()}"

    def _load_backends(self) -> None:
        """Builds with one library per processor kind load none by themselves; ours lie beside libllama, and the
        current folder (where ggml would look otherwise) is never searched. ``cpu`` becomes the picked kind, such as
        "haswell"; "native" where the build has one kind only."""
        if self.symbol("ggml_backend_dev_count", ctypes.c_size_t)() == 0:
            load = self.symbol("ggml_backend_load_all_from_path", None, ctypes.c_char_p)
            load(os.fsencode(bindings.LIBRARIES))
        picked = [found[1] for line in self.log if (found := _PICKED.search(line))]
        self.cpu = (picked[-1] if picked else None) or "native"

    def symbol(self, name: str, result: Any, *arguments: Any) -> Any:
        """A C function of llama.cpp or the ggml below it that llama_cpp does not wrap, with its ctypes signature.

        Through libllama's own handle, which on Linux and macOS finds what it is linked with: opening ggml by another
        file name would give a second registry of devices. Windows looks into one library only, so there ggml's are
        asked by their names, under which they are loaded already. Raises ``AttributeError`` when there is none.
        """
        found = getattr(api._lib, name, None)
        if found is None and sys.platform == "win32":
            libraries = (ctypes.CDLL(library) for library in ("ggml", "ggml-base"))
            found = next((f for library in libraries if (f := getattr(library, name, None)) is not None), None)
        if found is None:
            raise AttributeError(f"llama.cpp has no {name}")
        found.restype, found.argtypes = result, list(arguments)
        return found

    def devices(self) -> tuple[str, ...]:
        """Names of what it can compute on."""
        device = self.symbol("ggml_backend_dev_get", ctypes.c_void_p, ctypes.c_size_t)
        description = self.symbol("ggml_backend_dev_description", ctypes.c_char_p, ctypes.c_void_p)
        count = self.symbol("ggml_backend_dev_count", ctypes.c_size_t)()
        return tuple((description(device(index)) or b"").decode("utf-8", "replace") for index in range(count))

    @property
    def gpu(self) -> bool:
        """Whether layers can be given to a graphics card."""
        return bool(api.llama_supports_gpu_offload())

    @property
    def repacks(self) -> bool:
        """Whether weights may be rearranged for this processor.

        Not where that would use Intel's AMX tiles: inside some virtual machines they are announced and then end the
        process at the first token, and no desktop processor has them.
        """
        return b"AMX_INT8 = 1" not in (api.llama_print_system_info() or b"")

    def load(
        self,
        header: GgufHeader,
        placed: Placement,
        progress: Callable[[float], bool],
        *,
        kept: Sequence[int] = (),
        split: Sequence[float] = (),
    ) -> Model:
        """Load the weights. ``progress`` gets 0..1 and returns False to stop. The experts of the layers in ``kept``
        stay in main memory; ``split`` are the shares of several cards, else as llama.cpp sees fit.

        Raises ``Cancelled``, and ``UserFacing`` or ``Environment`` with the cause that llama.cpp logged.
        """
        stopped = False

        @api.llama_progress_callback  # type: ignore[untyped-decorator]
        def report(fraction: float, _data: Any) -> bool:
            nonlocal stopped
            stopped = not progress(fraction)
            return not stopped

        params = api.llama_model_default_params()
        all_layers = header.number("block_count") - header.number("nextn_predict_layers") + 1
        layers = placed.layers if placed.layers < all_layers else _ALL_LAYERS
        set_fields(params, n_gpu_layers=layers, progress_callback=report, use_extra_bufts=self.repacks)
        lists: list[Any] = []  # llama.cpp gets pointers to them
        if kept:
            lists.append(self._experts_in_main_memory(kept))
            set_fields(params, tensor_buft_overrides=ctypes.addressof(lists[-1]))
        if not placed.cards:
            lists.append((ctypes.c_void_p * 1)())  # a list of no devices
            set_fields(params, devices=ctypes.addressof(lists[-1]))
        elif split:
            shares = (ctypes.c_float * max(len(split), int(api.llama_max_devices())))(*split)
            set_fields(params, tensor_split=shares)
        self.log.clear()
        self._degraded = False
        pointer = api.llama_model_load_from_file(header.path.encode("utf-8", "surrogateescape"), params)
        if not pointer:
            if stopped:
                raise load_errors.cancelled()
            raise load_errors.from_log(header, tuple(self.log))
        copied, cards = 0, dict[str, int]()  # of the weights, read off the log
        for found in filter(None, map(_BUFFER.search, self.log)):
            size = int(float(found[2]) * 2**20)
            if _ON_CARD.fullmatch(found[1]):
                cards[found[1]] = cards.get(found[1], 0) + size
            elif not found[1].endswith("_Mapped"):
                copied += size
        return Model(pointer, header, placed, copied, cards, degraded=self._degraded, lists=lists, said=self.log)

    def _experts_in_main_memory(self, layers: Sequence[int]) -> Any:
        """llama.cpp's list of tensors that go elsewhere, with one entry and the empty one that ends it."""
        pattern = rf"blk\.({'|'.join(map(str, layers))})\.ffn_(up|down|gate|gate_up)_(ch|)exps"
        main = self.symbol("ggml_backend_cpu_buffer_type", ctypes.c_void_p)()
        return (_Override * 2)(_Override(pattern.encode(), main))


class Model:
    """Loaded weights and their vocabulary. ``close`` after the contexts on it are closed.

    Of the weights ``card_bytes`` are on graphics cards (``cards``: by name) and ``copied_bytes`` in main memory beside
    the file (rearranged for the processor); of ``main_bytes`` in main memory the rest is used where the file is mapped.
    ``placed`` is what was asked for. ``files`` tells the loaded files from later ones with the same names.
    ``degraded``: the file does not say how text is split into words before it becomes tokens, so answers get worse.
    """

    def __init__(
        self,
        pointer: Any,
        header: GgufHeader,
        placed: Placement,
        copied_bytes: int,
        cards: Mapping[str, int],
        *,
        degraded: bool = False,
        lists: Sequence[Any] = (),
        said: Sequence[str] = (),
    ) -> None:
        self.pointer = pointer
        self.header = header
        self.placed = placed
        self.copied_bytes = copied_bytes
        self.cards = cards
        self.card_bytes = card_bytes = sum(cards.values())
        self._lists = lists  # C may look at them for as long as it lives
        self.files: tuple[tuple[int, ...], ...] = ()
        self.main_bytes = max(0, sum(tensor.size for tensor in header.tensors) - card_bytes)
        self.degraded = degraded
        self.vocab = api.llama_model_get_vocab(pointer)
        self.vocab_size = int(api.llama_vocab_n_tokens(self.vocab))
        self.context_train = int(api.llama_model_n_ctx_train(pointer))
        self.parameters = int(api.llama_model_n_params(pointer))
        #: it has layers with attention; layers with a recurrent state (hybrids have both)
        self.attends = not api.llama_model_is_recurrent(pointer)
        self.recurrent = bool(not self.attends or api.llama_model_is_hybrid(pointer))
        window = header.metadata.get(f"{header.architecture}.attention.sliding_window")
        self.sliding = bool(window)  # it forgets old tokens in some layers
        self.can_generate = bool(api.llama_model_has_decoder(pointer)) and not api.llama_model_is_diffusion(pointer)
        self.adapters = Adapters(pointer, header, self.vocab_size, said)
        #: its decoder looks for what an encoder has read
        self.encodes = bool(api.llama_model_has_encoder(pointer))
        self._buffer = ctypes.create_string_buffer(512)
        self._pieces: dict[int, bytes] = {}
        self._eog: dict[int, bool] = {}

    def close(self) -> None:
        """Free the weights."""
        if self.pointer:
            api.llama_model_free(self.pointer)
            self.pointer = None

    @property
    def gpu_layers(self) -> int:
        """Layers on graphics cards, the output counted as one."""
        return self.placed.layers

    @property
    def mapped_bytes(self) -> int:
        """Of the weights, what is used where the file is mapped."""
        return max(0, self.main_bytes - self.copied_bytes)

    def resident_bytes(self, base: memory.Resident) -> int:
        """Main memory that it takes with its contexts: what this process holds beyond ``base``, which it held before.
        The weights that are used where the file is mapped count also while the system has their pages elsewhere."""
        own, files = memory.resident()
        return max(0, own - base.own) + max(self.mapped_bytes if files else 0, files - base.files)

    def is_end(self, token: int) -> bool:
        """Whether the token ends an answer."""
        known = self._eog.get(token)
        if known is None:
            known = self._eog[token] = bool(api.llama_vocab_is_eog(self.vocab, token))
        return known

    def piece(self, token: int) -> bytes:
        """The bytes of a token as text; control tokens have none."""
        known = self._pieces.get(token)
        if known is None:
            known = self._pieces[token] = self._piece(token, special=False)
        return known

    def end_tokens(self) -> list[int]:
        """The tokens that end an answer, at least one."""
        is_end, vocab = api.llama_vocab_is_eog, self.vocab
        return [token for token in range(self.vocab_size) if is_end(vocab, token)] or [self.vocab_size - 1]

    def written_pieces(self) -> list[bytes]:
        """The bytes of every token as text. Control tokens have none, and marks (``<think>``) none either."""
        pieces = [self._piece(token, special=False) for token in range(self.vocab_size)]
        for token, piece in enumerate(pieces):
            marked = piece[:1] == b"<" and piece[-1:] == b">" and len(piece) > 2
            if marked and api.llama_vocab_get_attr(self.vocab, token) & api.LLAMA_TOKEN_ATTR_USER_DEFINED:
                pieces[token] = b""
        return pieces

    def _piece(self, token: int, *, special: bool) -> bytes:
        buffer = self._buffer
        length = int(api.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, special))
        if length < 0:
            buffer = ctypes.create_string_buffer(-length)
            length = int(api.llama_token_to_piece(self.vocab, token, buffer, len(buffer), 0, special))
        return buffer.raw[: max(0, length)]

    def special_text(self, token: int) -> str:
        """How a special token is written, empty for none (a negative id)."""
        return self._piece(token, special=True).decode("utf-8", "replace") if token >= 0 else ""

    @property
    def bos(self) -> str:
        """The token that begins a text, as templates write it."""
        return self.special_text(int(api.llama_vocab_bos(self.vocab)))

    @property
    def eos(self) -> str:
        """The token that ends a text, as templates write it."""
        return self.special_text(int(api.llama_vocab_eos(self.vocab)))

    def control_words(self) -> tuple[str, ...]:
        """How the control tokens are written. From the file's table of types: asking for each token would take long."""
        types = self.header.arrays.get("tokenizer.ggml.token_type")
        if types is None:
            listed = self.header.metadata.get("tokenizer.ggml.token_type")
            values: Any = listed if isinstance(listed, list) else ()
        else:
            values = array("i")
            if types.type != _INT32 or types.count > self.vocab_size:
                return ()
            with Path(self.header.path).open("rb") as file:
                file.seek(types.offset)
                values.frombytes(file.read(types.count * 4))
            if sys.byteorder == "big":
                values.byteswap()
        return tuple(self.special_text(token) for token, kind in enumerate(values) if kind == CONTROL)

    def single_token(self, text: str) -> int | None:
        """The id when ``text`` is exactly one token, else None."""
        found = self.tokenize(text, special=True, begin=False)
        return found[0] if len(found) == 1 and self.special_text(found[0]) == text else None

    def tokenize(self, text: str, *, special: bool, begin: bool) -> list[int]:
        """Token ids. ``special`` reads written control tokens as such; ``begin`` adds what the model wants at the
        start of a text. Safe on any thread."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        tokens = (api.llama_token * room)()
        count = int(api.llama_tokenize(self.vocab, data, len(data), tokens, room, begin, special))
        if count < 0:
            tokens = (api.llama_token * -count)()
            count = int(api.llama_tokenize(self.vocab, data, len(data), tokens, -count, begin, special))
        return list(tokens[:count])
