"""What the header of a GGUF file says, read with bounds, or one sentence about what the file is instead.

``header`` reads (through ``reader``, which believes no length unchecked, and ``limits``, which believes no number);
``kinds`` says what a file is for, ``adapters`` whether a LoRA adapter fits a model (imported only where one is used),
``refusals`` has the sentences, ``split`` the names of a model's parts.
"""

from qwen_desktop.core.gguf.header import GgufHeader, TensorInfo, check_together, joined, parse, read_header
from qwen_desktop.core.gguf.kinds import CHATS, MODELS, Kind, kind_of, kind_of_architecture
from qwen_desktop.core.gguf.reader import ArrayInfo, Damaged, Reader
from qwen_desktop.core.gguf.refusals import NotChat, piece_of
from qwen_desktop.core.gguf.split import part_names, split_of

__all__ = [
    "CHATS",
    "MODELS",
    "ArrayInfo",
    "Damaged",
    "GgufHeader",
    "Kind",
    "NotChat",
    "Reader",
    "TensorInfo",
    "check_together",
    "joined",
    "kind_of",
    "kind_of_architecture",
    "parse",
    "part_names",
    "piece_of",
    "read_header",
    "split_of",
]
