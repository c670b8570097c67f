"""The commands as typer shows them, and the guard around them: one sentence on stderr, never a traceback.

Adding a command: a function in its own file that takes a ``CommandRun``, one ``@app.command`` here, its word in
``launch.COMMANDS``.
Exit codes: 0 done, 1 failed (with one sentence), 2 usage, 130 Ctrl+C, 143 SIGTERM, 129 a closed terminal.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
import traceback
from collections.abc import Callable, Coroutine, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from qwen_desktop import __version__
from qwen_desktop.cli import chat as chats
from qwen_desktop.cli.assistants_app import assistants_app
from qwen_desktop.cli.console import Console
from qwen_desktop.cli.history_app import history_app
from qwen_desktop.cli.interrupt import INTERRUPTED, Interrupt
from qwen_desktop.cli.models_app import models_app
from qwen_desktop.cli.one_run import Build, CommandRun
from qwen_desktop.cli.standard_input import read_message
from qwen_desktop.core.engine import ThinkingMode
from qwen_desktop.core.errors import AppError, problem_of
from qwen_desktop.core.paths import Paths, find_paths
from qwen_desktop.core.streams import output_lost, say, silence
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, clean, fill, shown

log = logging.getLogger(__name__)

_STDIN = "-"


class OnOff(StrEnum):
    """Of the offline switch."""

    ON = "on"
    OFF = "off"


def main(arguments: Sequence[str], build: Build) -> int:
    """Run one command and return its exit code. ``build`` makes the services (see ``one_run.Build``)."""
    logging.getLogger().addHandler(logging.NullHandler())  # Python would print warnings to stderr otherwise
    try:
        application(build)(args=list(arguments), prog_name="qwen-desktop")
    except SystemExit as ending:
        return ending.code if isinstance(ending.code, int) else int(bool(ending.code))
    except BrokenPipeError:
        silence(sys.stdout)
        return chats.FAILED
    except OSError as error:  # the help or the version cannot be printed
        silence(sys.stdout)
        say(output_lost(error).problem.sentence())
        return chats.FAILED
    return 0


def application(build: Build) -> typer.Typer:
    """All commands. Where things lie is looked for when one runs: the help and the version need no folder."""
    guarded = _Guarded(build)
    app = typer.Typer(
        add_completion=False,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        help="A private assistant for your own computer. Without a command the window opens, "
        "with a GGUF file as the only argument it opens with that model.",
    )

    @app.callback()
    def common(
        version: Annotated[
            bool, typer.Option("--version", help="Print the version and end.", is_eager=True, callback=_print_version)
        ] = False,
    ) -> None:
        pass

    @app.command()
    def chat(  # noqa: PLR0917 - typer reads options from parameters
        prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="The message; - reads it from standard input.")],
        model: Annotated[
            str | None,
            typer.Option(
                metavar="MODEL",
                help="A GGUF file, or the name or alias of an installed model; else that of the settings or the guide.",
            ),
        ] = None,
        system: Annotated[str | None, typer.Option(metavar="TEXT", help="Instructions before the message.")] = None,
        think: Annotated[
            bool | None, typer.Option("--think/--no-think", help="Ask for thinking, or forbid it.")
        ] = None,
        thinking_budget: Annotated[
            int | None,
            typer.Option(min=0, max=1_048_576, metavar="N", help="The longest thought; then the answer must follow."),
        ] = None,
        loop_guard: Annotated[
            bool | None,
            typer.Option("--loop-guard/--no-loop-guard", help="Stop what only repeats itself, or let it go on."),
        ] = None,
        max_tokens: Annotated[
            int | None, typer.Option(min=1, max=1_048_576, metavar="N", help="The longest answer, thinking included.")
        ] = None,
        temperature: Annotated[
            float | None, typer.Option(min=0, max=2, metavar="T", help="0 always takes the likeliest word.")
        ] = None,
        seed: Annotated[
            int | None, typer.Option(min=0, max=4_294_967_294, metavar="N", help="Makes an answer repeatable.")
        ] = None,
        schema: Annotated[
            str | None, typer.Option(metavar="FILE", help="A JSON schema: the answer is JSON that keeps to it.")
        ] = None,
        grammar: Annotated[
            str | None, typer.Option(metavar="FILE", help="A grammar in llama.cpp's GBNF that the answer keeps to.")
        ] = None,
        go_on: Annotated[
            str | None,
            typer.Option(
                "--continue",
                metavar="ID",
                help="Ask in this stored chat (6 characters of its id are enough), or in the last one: last. "
                "Its model and thinking are used; implies --save.",
            ),
        ] = None,
        assistant: Annotated[
            str | None,
            typer.Option(metavar="NAME", help="This assistant answers; assistants list names them all."),
        ] = None,
        field: Annotated[
            list[str] | None,
            typer.Option(
                metavar="NAME=VALUE", help="Fill a field of the assistant; may be given repeatedly, also for one field."
            ),
        ] = None,
        file: Annotated[
            list[str] | None,
            typer.Option(metavar="PATH", help="Attach a file, whose text the model reads; may be given repeatedly."),
        ] = None,
        parts: Annotated[
            bool,
            typer.Option("--parts", help="Of files that are too long, attach the parts that the message is about."),
        ] = False,
        lora: Annotated[
            list[str] | None,
            typer.Option(
                metavar="PATH[:SCALE]",
                help="Change the model by a LoRA adapter; may be given repeatedly. Scale 1 is usual.",
            ),
        ] = None,
        save: Annotated[bool, typer.Option("--save", help="Keep question and answer in the history.")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of streaming.")] = False,
    ) -> None:
        """Ask once and stream the answer. Nothing is kept without --save or --continue."""
        if schema is not None and grammar is not None:
            raise typer.BadParameter(QT_TRANSLATE_NOOP("cli", "Name a schema or a grammar, not both."))
        if go_on is not None and system is not None:
            raise typer.BadParameter(
                QT_TRANSLATE_NOOP(
                    "cli", "A chat keeps the instructions that it began with: leave out --system, or --continue."
                )
            )
        if go_on is not None and assistant is not None:
            raise typer.BadParameter(
                QT_TRANSLATE_NOOP(
                    "cli", "A chat keeps the assistant that it began with: leave out --assistant, or --continue."
                )
            )
        if field and assistant is None:
            raise typer.BadParameter(
                QT_TRANSLATE_NOOP("cli", "A field belongs to an assistant: name one with --assistant.")
            )
        console = Console(quiet=as_json)
        question = chats.Question(
            prompt=_prompt(prompt, console),
            model=model,
            system=None if system is None else clean(system),
            thinking=None if think is None else ThinkingMode.THINK if think else ThinkingMode.DIRECT,
            thinking_budget=thinking_budget,
            loop_guard=loop_guard,
            max_tokens=max_tokens,
            temperature=temperature,
            seed=seed,
            schema=schema,
            grammar=grammar,
            go_on=go_on,
            assistant=assistant,
            fields=tuple(field or ()),
            files=tuple(file or ()),
            parts=parts,
            lora=tuple(lora or ()),
            save=save,
            json=as_json,
        )
        guarded(lambda run: chats.ask(question, run.paths, run.build, run.console), as_json=as_json)

    @app.command()
    def doctor(
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    ) -> None:
        """Check this installation: versions, processor, folders, settings, history, fonts, display."""
        from qwen_desktop.cli.doctor import examine  # noqa: PLC0415 - psutil and the store, only for this command

        guarded(examine, as_json=as_json)

    @app.command()
    def probe(
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
        refresh: Annotated[bool, typer.Option("--refresh", help="Measure again instead of remembering.")] = False,
    ) -> None:
        """Show what this computer is: processor, memory, graphics cards, disk, battery, speed of the memory."""
        from qwen_desktop.cli.probe import show  # noqa: PLC0415 - only for this command

        guarded(lambda run: show(run, refresh=refresh), as_json=as_json)

    @app.command()
    def bench(  # noqa: PLR0917 - typer reads options from parameters
        model: Annotated[
            str, typer.Option(metavar="MODEL", help="A GGUF file, or the name or alias of an installed model.")
        ],
        depth: Annotated[
            list[int] | None,
            typer.Option(min=0, max=1_048_576, metavar="N", help="Tokens before the answer; may be given repeatedly."),
        ] = None,
        context: Annotated[
            int | None, typer.Option(min=256, max=1_048_576, metavar="N", help="Tokens of context.")
        ] = None,
        rounds: Annotated[int, typer.Option(min=1, max=100, metavar="N", help="Measurements; the best counts.")] = 3,
        seconds: Annotated[
            float | None,
            typer.Option(
                min=1,
                max=86_400,
                metavar="S",
                help="Leave out what would take longer; else some 180, without a limit where --depth is given.",
            ),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    ) -> None:
        """Measure how fast a model answers here, beside llama.cpp's own defaults. Takes some minutes."""
        from qwen_desktop.cli.bench import bench as work  # noqa: PLC0415 - only for this command
        from qwen_desktop.services.bench import Wanted  # noqa: PLC0415

        wanted = Wanted("", tuple(depth or ()), context, rounds, seconds)
        guarded(lambda run: work(run, model, wanted), as_json=as_json)

    @app.command()
    def offline(
        turn: Annotated[
            OnOff | None,
            typer.Argument(metavar="[on|off]", help="on: no connection at all; off: models may be fetched."),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    ) -> None:
        """Say whether the network may be used, or switch that."""
        from qwen_desktop.cli.offline import offline as work  # noqa: PLC0415 - only for this command

        guarded(lambda run: work(run, None if turn is None else turn is OnOff.ON), as_json=as_json)

    @app.command()
    def tune(
        model: Annotated[
            str | None,
            typer.Option(
                metavar="MODEL", help="A GGUF file, or the name or alias of an installed model; else the chosen one."
            ),
        ] = None,
        seconds: Annotated[
            float, typer.Option(min=2, max=600, metavar="N", help="How long it may take, beside the load.")
        ] = 20.0,
        depth: Annotated[
            int | None,
            typer.Option(min=0, max=1_048_576, metavar="N", help="Tokens before an answer; else as in your chats."),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of a table.")] = False,
    ) -> None:
        """Measure how a model runs best on this computer, and keep that for its next loads."""
        from qwen_desktop.cli.tune import tune as work  # noqa: PLC0415 - only for this command

        guarded(lambda run: work(run, model, seconds=seconds, depth=depth), as_json=as_json)

    @app.command()
    def embed(
        texts: Annotated[
            list[str],
            typer.Argument(metavar="TEXT...", help="The texts; - reads them from standard input, one a line."),
        ],
        model: Annotated[
            str, typer.Option(metavar="MODEL", help="A GGUF file, or the name or alias of an installed model.")
        ],
        as_json: Annotated[
            bool, typer.Option("--json", help="Print one JSON object instead of a line a text.")
        ] = False,
    ) -> None:
        """Turn texts into vectors, to find those of the same meaning: of length 1, pooled as the model's file says."""
        from qwen_desktop.cli.embed import embed as work  # noqa: PLC0415 - only for this command

        guarded(lambda run: work(run, model, tuple(texts)), as_json=as_json)

    app.add_typer(models_app(guarded), name="models")
    app.add_typer(history_app(guarded), name="history")
    app.add_typer(assistants_app(guarded), name="assistants")
    app.add_typer(history_app(guarded), name="history")
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"Qwen Desktop {__version__}")
        raise typer.Exit()


def _prompt(words: str, console: Console) -> str:
    """The message: the argument, or standard input for ``-``. An empty one is a mistake of usage."""
    if words == _STDIN:
        if sys.stdin.isatty():
            console.warn(how_to_end(sys.platform))
        try:
            words = read_message()
        except (AppError, OSError) as error:
            console.warn(problem_of(error).sentence())
            raise typer.Exit(chats.FAILED) from error
    words = clean(words).rstrip("\r\n")
    if not words.strip():
        raise typer.BadParameter(
            QT_TRANSLATE_NOOP(
                "cli", "The message is empty: write it in quotes after the options, or pipe it in with -."
            )
        )
    return words


def how_to_end(platform: str) -> str:
    """How the end of standard input is typed on this system."""
    if platform == "win32":
        return QT_TRANSLATE_NOOP("cli", "Type the message, then end it with Ctrl+Z and Enter on a line of its own.")
    return QT_TRANSLATE_NOOP("cli", "Type the message, then end it with Ctrl+D.")


class _Guarded(NamedTuple):
    """See ``one_run.Guard``."""

    build: Build

    def __call__(self, work: Callable[[CommandRun], Coroutine[Any, Any, int]], *, as_json: bool = False) -> None:
        console = Console(quiet=as_json)
        paths: Paths | None = None
        try:
            paths = find_paths()
            code = asyncio.run(_interruptible(work(CommandRun(paths, self.build, console, as_json))))
            if code in (chats.DONE, chats.FAILED):  # else a signal ended it, perhaps that of a closed terminal
                console.check()
        except KeyboardInterrupt:
            code = INTERRUPTED
        except BrokenPipeError:
            code = chats.FAILED
        except Exception as error:
            code = chats.FAILED
            sentence = problem_of(error).sentence()
            known = isinstance(error, AppError | OSError)
            if not known and paths is not None and (place := _keep_details(error, paths)):
                template = QT_TRANSLATE_NOOP("cli", " Details are in {path}.")
                sentence += fill(template, {"path": shown(str(place))})
            console.warn(sentence)
        raise typer.Exit(code)


async def _interruptible(work: Coroutine[Any, Any, int]) -> int:
    """The command's exit code, or that of the signal that ended it."""
    with Interrupt() as interrupt:
        try:
            return await work
        except (Exception, asyncio.CancelledError) as error:
            if interrupt.ended(error):
                return interrupt.code
            raise


def _keep_details(error: Exception, paths: Paths) -> Path | None:
    """Add where it happened to the log: kinds and places only, since an exception's words may hold chat text."""
    place = paths.logs / "command.log"
    frames = "".join(traceback.format_tb(error.__traceback__))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("a", encoding="utf-8") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S')} {__version__} {type(error).__name__}\n{frames}\n")
    except OSError:
        return None
    return place
