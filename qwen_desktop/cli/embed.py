"""``qwen-desktop embed``: texts as vectors.

The JSON object of ``--json``: ``embeddings`` (a list of numbers for each text, in their order), ``model`` (its name),
``dimensions`` (numbers in a vector), ``tokens`` (of each text, with what the model puts around it). Without it each
vector is a line of numbers with spaces between. The numbers are as short as they can be and still are the same 32-bit
floats when they are read. Standard input (``-``) has a text on each line.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from pathlib import Path

from qwen_desktop.cli.app import how_to_end
from qwen_desktop.cli.chat import is_place
from qwen_desktop.cli.console import Console
from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.cli.standard_input import read_message
from qwen_desktop.core.errors import Failure, UserFacing
from qwen_desktop.core.model_ref import FileRef
from qwen_desktop.core.paths import absolute
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, clean, fill
from qwen_desktop.services.embeddings import nothing
from qwen_desktop.services.events import EngineChanged, ModelStatus, Notified
from qwen_desktop.services.services import Services

_STDIN = "-"

# fmt: off
_empty_line = Failure(
    UserFacing, "embed.line", "line",
    QT_TRANSLATE_NOOP("embed", "Line {line} of what was piped in is empty, and each line is a text."),
    QT_TRANSLATE_NOOP("embed", "Leave empty lines out, such as: grep . FILE | qwen-desktop embed --model MODEL -"),
)
# fmt: on


async def embed(run: CommandRun, model: str, arguments: Sequence[str]) -> int:
    """Print the vectors and return 0. Raises ``AppError``."""
    console = run.console
    texts = texts_of(arguments, console)
    async with run.services() as services:
        services.bus.subscribe(Notified, lambda event: console.warn(str(event.text)))
        ref = await _ref(services, model)

        def loading(event: EngineChanged) -> None:
            if event.state.status is ModelStatus.LOADING:
                console.loading(Path(ref.path).name, event.state.fraction)

        services.bus.subscribe(EngineChanged, loading)

        def progress(done: int) -> None:
            if len(texts) > 1:
                template = QT_TRANSLATE_NOOP("embed", "{done} of %n text(s) …")
                console.progress(fill(template, {"done": done, "n": len(texts)}))

        made = await services.embeddings.embed(ref, texts, progress=progress)
    found = made.embeddings
    if run.as_json:
        console.object(
            {
                "embeddings": [[float(shortest(value)) for value in vector] for vector in found],
                "model": made.model,
                "dimensions": found.dimensions,
                "tokens": list(found.tokens),
            },
            indent=None,
        )
        return 0
    for vector in found:
        console.line(" ".join(map(shortest, vector)))
    return 0


def shortest(value: float) -> str:
    """The shortest form of a 32-bit float that is the same float when it is read."""
    forms = (f"{value:.{digits}g}" for digits in range(6, 10))  # nine are always enough
    exact = struct.pack("f", value)
    return next(text for text in forms if struct.pack("f", float(text)) == exact)


def texts_of(arguments: Sequence[str], console: Console) -> tuple[str, ...]:
    """The texts, those of standard input where ``-`` stands. Blocks. Raises ``UserFacing``."""
    texts: list[str] = []
    for word in arguments:
        if word != _STDIN:
            texts.append(clean(word))
            continue
        if sys.stdin.isatty():
            console.warn(how_to_end(sys.platform))
        lines = clean(read_message()).replace("\r\n", "\n").removesuffix("\n").split("\n")
        if lines == [""]:
            continue
        for number, line in enumerate(lines, 1):
            if not line.strip():
                raise _empty_line(number)
        texts += lines
    if not texts:
        raise nothing()
    return tuple(texts)


async def _ref(services: Services, model: str) -> FileRef:
    if is_place(model):
        return FileRef(str(absolute(model)))
    await services.library.scan()
    return FileRef(services.library.named(model).path)
