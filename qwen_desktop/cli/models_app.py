"""``qwen-desktop models …`` as typer shows it. Each command's work is in a file of its own, imported when called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qwen_desktop.cli.one_run import Guard
from qwen_desktop.core.models import Purpose
from qwen_desktop.core.text import clean

_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="As in the list.")]
_KvType = Annotated[str | None, typer.Option(metavar="T", help="Type of the context's cache: f16, k_q8_0 or q8_0.")]
_REFERENCE = "owner/name, owner/name:QUANT, a name of the catalogue, or the address of a page or file."


def models_app(guarded: Guard) -> typer.Typer:
    """The group of commands."""
    app = typer.Typer(
        no_args_is_help=True, rich_markup_mode=None, help="Find, fetch and look after models on this computer."
    )

    @app.command("list")
    def installed(as_json: _Json = False) -> None:
        """List the installed models."""
        from qwen_desktop.cli.models_library import list_models  # noqa: PLC0415 - only for this command

        guarded(list_models, as_json=as_json)

    @app.command()
    def recommend(
        purpose: Annotated[Purpose, typer.Option(help="What you want to do.")] = Purpose.EVERYDAY,
        as_json: _Json = False,
    ) -> None:
        """Name the best model for this computer and a purpose, with a lighter and a stronger one."""
        from qwen_desktop.cli.models_recommend import recommend as work  # noqa: PLC0415

        guarded(lambda run: work(run, purpose=purpose), as_json=as_json)

    @app.command()
    def fit(
        reference: Annotated[str, typer.Argument(metavar="PATH|URL|REPO[:QUANT]", help="A file, or " + _REFERENCE)],
        context: Annotated[
            int | None, typer.Option(min=1, max=1_048_576, metavar="N", help="Tokens of context; else 8,192.")
        ] = None,
        kv_type: _KvType = None,
        memory: Annotated[
            float | None,
            typer.Option(min=0.001, max=1_000_000, metavar="GB", help="As if this much memory were free."),
        ] = None,
        as_json: _Json = False,
    ) -> None:
        """Say whether a model fits this computer, before it is downloaded too."""
        from qwen_desktop.cli.models_fit import fit as work  # noqa: PLC0415

        guarded(lambda run: work(run, reference, context=context, kv_type=kv_type, memory=memory), as_json=as_json)

    @app.command()
    def pull(
        reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=_REFERENCE)],
        quant: Annotated[str, typer.Option(metavar="Q", help="The quant, such as Q4_K_M.")] = "",
        source: Annotated[str, typer.Option(metavar="S", help="huggingface or modelscope; else the faster one.")] = "",
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask on a metered network.")] = False,
        as_json: _Json = False,
    ) -> None:
        """Download a model. Called again, it goes on where it stopped."""
        from qwen_desktop.cli.models_pull import PullOptions  # noqa: PLC0415
        from qwen_desktop.cli.models_pull import pull as work  # noqa: PLC0415

        wanted = PullOptions(clean(reference), clean(quant), clean(source), yes)
        guarded(lambda run: work(run, wanted), as_json=as_json)

    @app.command("import")
    def take_in(
        files: Annotated[list[Path] | None, typer.Argument(metavar="[PATH]...", help="GGUF files.")] = None,
        copy: Annotated[bool, typer.Option("--copy", help="Copy them into the models folder.")] = False,
        from_apps: Annotated[
            bool, typer.Option("--from-apps", help="What LM Studio, Ollama, Jan, GPT4All and Hugging Face hold.")
        ] = False,
    ) -> None:
        """Add GGUF files to the library, without a second copy unless asked for one."""
        from qwen_desktop.cli.models_library import import_models  # noqa: PLC0415

        guarded(lambda run: import_models(run, files=files or (), copy=copy, from_apps=from_apps))

    @app.command()
    def quantize(  # noqa: PLR0917 - typer reads options from parameters
        source: Annotated[str, typer.Argument(metavar="SRC", help="A name as in the list, or a GGUF file.")],
        to: Annotated[str, typer.Argument(metavar="TYPE", help="Q8_0, Q6_K, Q5_K_M, Q4_K_M, Q3_K_M, Q2_K, …")],
        out: Annotated[
            Path | None, typer.Option(metavar="DST", help="The new file, or its folder; else in the models folder.")
        ] = None,
        requantize: Annotated[
            bool, typer.Option("--allow-requantize", help="Also from a model that is quantized already: it gets worse.")
        ] = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how large it would be.")] = False,
        quality: Annotated[bool, typer.Option("--quality", help="Measure how much it differs from SRC.")] = False,
        text: Annotated[Path | None, typer.Option(metavar="FILE", help="The text for that; else ours.")] = None,
        force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
        as_json: _Json = False,
    ) -> None:
        """Make a smaller version of a model, best from an F16, BF16 or Q8_0 file."""
        from qwen_desktop.cli.models_quantize import QuantizeOptions  # noqa: PLC0415
        from qwen_desktop.cli.models_quantize import quantize as work  # noqa: PLC0415

        wanted = QuantizeOptions(source, clean(to), out, requantize, dry_run, quality, text, force)
        guarded(lambda run: work(run, wanted), as_json=as_json)

    @app.command()
    def options(  # noqa: PLR0917 - typer reads options from parameters
        name: Annotated[str, typer.Argument(metavar="MODEL", help="As in the list.")],
        context: Annotated[int | None, typer.Option(metavar="N", help="Tokens of context.")] = None,
        threads: Annotated[int | None, typer.Option(metavar="N", help="Threads for answers.")] = None,
        gpu_layers: Annotated[int | None, typer.Option(metavar="N", help="Layers on the graphics card.")] = None,
        flash_attention: Annotated[str | None, typer.Option(metavar="F", help="auto, on or off.")] = None,
        kv_type: _KvType = None,
        streams: Annotated[int | None, typer.Option(metavar="N", help="Chats kept in memory.")] = None,
        experts_on_cpu: Annotated[
            int | None, typer.Option(metavar="N", help="Layers whose experts stay on the processor.")
        ] = None,
        draft: Annotated[
            str | None,
            typer.Option(metavar="MODEL", help="A small model that guesses for it; auto for one that fits, or off."),
        ] = None,
        alias: Annotated[
            str | None,
            typer.Option(metavar="NAME", help="A name that commands know it by too; an empty one takes it away."),
        ] = None,
        reset: Annotated[bool, typer.Option("--reset", help="Forget the options it has; its alias stays.")] = False,
        as_json: _Json = False,
    ) -> None:
        """Show or set how one model is loaded in the place of the settings, from its next load on, and its alias."""
        from qwen_desktop.cli.models_library import options as work  # noqa: PLC0415 - only for this command
        from qwen_desktop.core.model_ref import LoadOptions  # noqa: PLC0415

        wanted = LoadOptions(context, threads, gpu_layers, flash_attention, kv_type, streams, experts_on_cpu, draft)
        guarded(lambda run: work(run, name, wanted=wanted, alias=alias, reset=reset), as_json=as_json)

    @app.command()
    def verify(name: _Name) -> None:
        """Read a model again and compare it with its hash."""
        from qwen_desktop.cli.models_library import verify as work  # noqa: PLC0415

        guarded(lambda run: work(run, name))

    @app.command()
    def remove(
        name: _Name,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Put a model into the bin; of a linked one only the link is removed."""
        from qwen_desktop.cli.models_library import remove as work  # noqa: PLC0415

        guarded(lambda run: work(run, name, yes=yes))

    return app
