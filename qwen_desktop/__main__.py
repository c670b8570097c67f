"""What this process is: a worker (which imports only what it needs), a command, or the window."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from qwen_desktop.core import streams, utf8

#: Exit code of Ctrl+C.
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point ``qwen-desktop``; ``argv`` without the program's name. Returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if argv is None:
        streams.ensure()  # before anything is opened
        utf8.ensure()
    if len(arguments) == 2 and arguments[0] == "--worker":
        return _worker(arguments[1])
    try:
        from qwen_desktop import bootstrap  # noqa: PLC0415 - a worker needs none of it

        code = bootstrap.main(arguments)
    except KeyboardInterrupt:  # while the program is still being read; commands look after themselves later
        code = _INTERRUPTED
    return streams.finish(code) if argv is None else code


def window(argv: Sequence[str] | None = None) -> int:
    """Entry point ``qwen-desktop-window``, for starting without a console."""
    if argv is None:
        streams.ensure()
        utf8.ensure()
    from qwen_desktop import bootstrap  # noqa: PLC0415 - as above

    return bootstrap.window(list(sys.argv[1:] if argv is None else argv))


def _worker(kind: str) -> int:
    from qwen_desktop.process import memory_limit  # noqa: PLC0415 - only workers need it

    memory_limit.lift()  # one that the job worker started
    if kind == "engine":
        from qwen_desktop.engine.worker import main as engine  # noqa: PLC0415 - one worker never needs the other

        return engine()
    if kind == "jobs":
        from qwen_desktop.jobs.worker import main as jobs  # noqa: PLC0415

        return jobs()
    if kind == "documents":
        from qwen_desktop.jobs.documents.worker import main as documents  # noqa: PLC0415

        return documents()
    if kind == "quantize":
        from qwen_desktop.engine.quantize import main as quantize  # noqa: PLC0415

        return quantize()
    if kind in ("devices", "bandwidth", "cpuinfo"):
        from qwen_desktop.jobs.finders import main as once  # noqa: PLC0415

        return once(kind)
    return _qt_worker(kind)


def _qt_worker(kind: str) -> int:
    if kind == "qt":
        from qwen_desktop.ui.qt_probe import main as qt  # noqa: PLC0415

        return qt()
    if kind == "pdf":
        from qwen_desktop.ui.pdf_writer import main as pdf  # noqa: PLC0415

        return pdf()
    print(f"qwen-desktop: there is no worker called {kind!r}.", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
