"""The checks of the smoke test, the same on every system: what a new user does, from installing to removing."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path
from typing import Any

import product
import smoke_chats
import smoke_files
import smoke_models
import smoke_worker
from dev_console import Failed
from smoke_network import socks_proxy
from smoke_platform import Done, Installed, Platform, ended, limit, run, until
from smoke_report import Report
from smoke_window import QUESTIONS, Desk, Run

#: What an artefact and an installation may weigh in bytes, without and with the Vulkan backend.
_PACKED = (90_000_000, 120_000_000)
_INSTALLED = (260_000_000, 340_000_000)
#: A mirror that is nowhere (RFC 2606), so that whoever is asked for it can only be the proxy.
_MIRROR = "hub.smoke.test"
#: Where QuickJS, which draws diagrams, has no wheel (see pyproject.toml).
_NO_DIAGRAMS = {("windows", "arm64"), ("macos", "x64")}
_DRAWN = r"""
$$x = \frac{{-b \pm \sqrt{{b^2 - 4ac}}}}{{2a}}$$

```mermaid
flowchart LR
    A[A start] --> B[An end]
    style B fill:#{colour}
```
"""
#: The share of the screen that changes when the palette opens, which darkens all of the window, and with nothing else.
_MOST = 0.5
_GUIDE = product.ROOT / "resources" / "guide" / "guide.gguf"


class Story:
    """One artefact from installing to removing."""

    def __init__(self, platform: Platform, report: Report) -> None:
        self._platform = platform
        self._report = report
        self._room = platform.room
        self._program: Installed
        self._desk = Desk(platform, report)
        self._marker = self._room.top / "planted-was-loaded"
        self._trap = self._room.home / "Downloads with a trap"
        self._diagrams = True

    def tell(self) -> None:
        """All steps in order. Raises ``Failed`` at the first thing that is wrong."""
        report = self._report
        with report.step("Install"):
            self._install()
        with report.step("Commands"):
            self._commands()
        with report.step("The network: a SOCKS proxy, and none at all"):
            self._network()
        with report.step("First start, a question to the guide"):
            self._first_start()
        with report.step("A start from a folder with planted libraries, with its .gguf file"):
            self._planted()
        with report.step("A double click on a .gguf file"):
            self._association()
        with report.step("Chats: with files, found, out and in, kept safe"):
            self._chats()
        with report.step("Uninstall"):
            self._uninstall()

    def picture(self, name: str) -> None:
        """Keep what the screen shows."""
        self._desk.picture(name)

    def logs(self) -> list[Path]:
        """The app's logs and what its processes printed, newest last."""
        found = [path for folder in (self._room.logs, self._platform.log_folder()) for path in folder.glob("*.*")]
        return sorted((path for path in found if path.stat().st_size), key=lambda path: path.stat().st_mtime)

    # Steps ------------------------------------------------------------------------------------------------------------

    def _install(self) -> None:
        platform, report = self._platform, self._report
        began = time.monotonic()
        self._program = self._desk.program = program = platform.install()
        report.right(f"installed in {time.monotonic() - began:.1f} s")
        for note in program.notes:
            report.note(note)
        vulkan = program.folder is not None and any("ggml-vulkan" in path.name for path in program.folder.rglob("*"))
        report.figure("Vulkan backend", "inside" if vulkan else "not inside or not seen")
        if platform.artefact.is_file():
            report.size("artefact", platform.artefact.stat().st_size, _PACKED[vulkan])
        report.size("installed", program.size, _INSTALLED[vulkan])
        self._before = smoke_files.snapshot([program.folder]) if program.folder else {}
        self._home_before = set(smoke_files.snapshot([self._room.home]))

    def _commands(self) -> None:
        platform, report, console = self._platform, self._report, self._program.console
        wanted = f"Qwen Desktop {product.version()}"
        done = self._command("--version")
        if done.strip() != wanted:
            raise Failed(f"--version prints {done.strip()!r} instead of {wanted!r}.")
        report.right(f"--version: {wanted}")
        self._doctor()
        machine = json.loads(self._command("probe", "--json"))
        if not machine["cpu"]["logical"] or not machine["memory"]["total_bytes"]:
            raise Failed("probe --json knows neither the processor's threads nor the memory.")
        report.right(f"probe: {machine['cpu']['model'] or 'a processor without a name'}")
        report.figure("graphics", "; ".join(f"{g['name']} ({g['backend']})" for g in machine["gpus"]) or "none")
        if machine["unknown"]:
            report.note(f"probe could not read: {', '.join(machine['unknown'])}")
        answer = json.loads(self._command("chat", "--json", QUESTIONS["new_chat"]))
        missing = smoke_files.lacking(answer["text"], smoke_files.facts("new_chat"))
        if missing or answer["finish_reason"] != "stop" or answer["stats"]["completion_tokens"] < 5:
            raise Failed(f"chat --json answers {answer['text'][:200]!r} ({answer['finish_reason']}).")
        report.right(f"chat: {answer['text'][:80]}")
        report.figure("decode, guide", answer["stats"]["decode_tokens_per_s"], "tokens/s")
        self._by_schema()
        worker = smoke_worker.about(
            console, folder=self._room.home, environment=platform.environment, seconds=limit(60)
        )
        report.figure("engine", str(worker.get("engine", "")))
        report.figure("devices", ", ".join(worker.get("devices", ())) or "none")
        report.figure("cpu variant", str(worker.get("cpu", "")))
        if not worker.get("cpu"):
            raise Failed("The engine worker does not say which CPU variant it has picked.")
        self._drawings()
        self._documents()
        smoke_models.Models(self._command, self._copy_guide("of models.gguf"), self._report).all()
        self._desk.expect_no_processes("the commands")

    def _job(self, name: str, /, **params: Any) -> Any:
        return smoke_worker.job(
            self._program.console,
            name,
            params,
            folder=self._room.home,
            environment=self._platform.environment,
            seconds=limit(60),
        )

    def _read(self, path: Path) -> Any:
        return self._job("document.read", path=str(path), name=path.name)

    def _documents(self) -> None:
        """The job worker has a PDF, a Word document and a workbook read: with the libraries that were packed."""
        for name, data in smoke_files.documents().items():
            path = self._room.documents / name
            path.write_bytes(data)
            began = time.monotonic()
            found = self._read(path)
            if smoke_files.WORDS not in found["text"]:
                raise Failed(f"The job worker reads {found['text'][:200]!r} from {name}.")
            self._report.right(f"{name} is read as {found['kind']} in {time.monotonic() - began:.1f} s")
            path.unlink()

    def _drawings(self) -> None:
        """The job worker draws a formula and a diagram: with the fonts, symbols and libraries that were packed."""
        (formula,) = self._job("formula.render", sources=[[r"\frac{a}{\sqrt{b}} = \int_0^1 x^2\,dx", {}]])
        if not formula:
            raise Failed("The job worker draws no formula.")
        self._report.right(f"a formula is drawn: {len(str(formula)) / 1e3:.1f} kB")
        (diagram,) = self._job(
            "diagram.render", diagrams=[["flowchart LR\n A[Start] --> B{Good?}\n B -->|yes| C[End]", {}]]
        )
        if diagram.get("failed") == "missing" and (product.system(), product.architecture()) in _NO_DIAGRAMS:
            self._report.note("no diagrams: there is no QuickJS for this system")
            self._diagrams = False
        elif not all(word in diagram.get("svg", "") for word in ("Start", "Good?", "End")):
            raise Failed(f"The job worker draws no diagram: {diagram}.")
        else:
            self._report.right(f"a diagram is drawn: {diagram['width']:.0f} x {diagram['height']:.0f}")

    def _by_schema(self) -> None:
        schema = self._room.top / "schema.json"
        schema.write_text('{"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}')
        answer = json.loads(self._command("chat", "--json", "--schema", str(schema), QUESTIONS["new_chat"]))
        if answer["finish_reason"] != "stop" or not isinstance(json.loads(answer["text"])["ok"], bool):
            raise Failed(f"chat --schema answers {answer['text'][:200]!r} ({answer['finish_reason']}).")
        self._report.right(f"chat --schema: {answer['text'][:40]}")

    def _network(self) -> None:
        """What a look at a repository asks for, by a proxy of that kind, and that nothing is asked for offline."""

        def look(proxy: str) -> Done:
            environment = {
                **self._platform.environment,
                "ALL_PROXY": proxy,
                "HF_ENDPOINT": f"http://{_MIRROR}",
            }
            command = [*self._program.console, "models", "fit", "Qwen/Qwen3-0.6B-GGUF:Q8_0"]
            return run(command, 120, folder=self._room.home, environment=environment)

        with socks_proxy() as (proxy, asked):
            done = look(proxy)
            if done.code != 1 or not done.err.strip() or set(asked) != {_MIRROR}:
                raise Failed(f"Through a SOCKS proxy {asked} was asked for, exit code {done.code}: {done.err[-400:]}")
            self._report.right(f"through a SOCKS proxy only the mirror is asked for; it says: {done.err.strip()[:80]}")
            self._command("offline", "on")
            before = len(asked)
            done = look(proxy)
            if done.code != 1 or len(asked) != before or "offline" not in done.err.lower():
                raise Failed(f"Offline, {asked[before:]} was asked for, exit code {done.code}: {done.err[-400:]}")
            self._command("offline", "off")
            self._report.right("offline nobody is asked")

    def _doctor(self) -> None:
        """Its own verdict counts, and a check that found something bad is a fault of the artefact."""
        done = self._platform.run([*self._program.console, "doctor"], 120)
        found = self._platform.run([*self._program.console, "doctor", "--json"], 120)
        try:
            checks = json.loads(found.out)["checks"]
        except (ValueError, KeyError, TypeError) as error:
            raise Failed(f"doctor --json prints no object: {(found.err or found.out).strip()[-300:]}") from error
        for check in checks:
            words = f"doctor: {check['name']}: {check['value']}; {check['hint']}".rstrip("; ")
            if check["state"] == "bad":
                self._report.wrong(words)
            elif check["state"] == "warn":
                self._report.note(words)
        if (done.code, found.code) != (0, 0):
            self._report.wrong(f"doctor ended with the exit codes {done.code} and {found.code} (--json).")
        else:
            self._report.right(f"doctor: {len(checks)} checks, none failed")

    def _first_start(self) -> None:
        platform, report = self._platform, self._report
        run = self._desk.open("first", [], "first start")
        self._desk.memory(run, "idle at the welcome page")
        self._desk.ask("new_chat", "answer, model loaded first", guide=True)
        if not any("language texts=['en'" in path.read_text("utf-8", "replace") for path in self.logs()):
            raise Failed("The window has not found its texts: no log tells of the English ones.")
        report.right("the window has found its texts")
        platform.press("message box")
        self._desk.ask("rename_chat", "second answer", guide=True)
        self._desk.memory(run, "idle after two answers")
        report.figure("second start, until it ended", self._second_start(run, "a second start"), "s")
        file = self._copy_guide("second start, модель.gguf")
        self._second_start(run, "a second start with a file", str(file))
        self._desk.expect_model(file)
        self._desk.ask("copy_answer", "answer of the handed-over model", model=file)
        self._desk.quit(run, "Ctrl+Q", lambda: platform.press("quit"))
        self._drawn()

    def _drawn(self) -> None:
        """The window draws a formula, and a diagram of which one shape has a colour that nothing else has."""
        colour = 0xC71FA3
        smoke_files.rewrite_last(self._platform.database(), _DRAWN.format(colour=f"{colour:06x}"))
        run = self._desk.open("drawings", [], "a start with a formula and a diagram")
        if self._diagrams:

            def seen() -> bool:
                return self._platform.picture().colours()[colour] > 500

            until("The drawing of a diagram in the window", seen, 20)
            self._report.right("the window draws a diagram")
        self._desk.picture("a formula and a diagram")
        self._desk.quit(run, "Ctrl+Q", lambda: self._platform.press("quit"))

    def _second_start(self, run: Run, what: str, *words: str) -> float:
        """Start again while another program is in front; how long it took to end, in seconds."""
        covered = self._desk.cover()
        began = time.monotonic()
        code = ended(self._platform.start([*self._program.window, *words], what), f"The program at {what}", 15)
        seconds = time.monotonic() - began
        if code != 0:
            raise Failed(f"At {what} the program ended with exit code {code} instead of 0.")
        self._report.right(f"{what} ended with exit code 0")
        self._desk.expect_one_window(run, what)
        if covered:
            self._desk.expect_front(run, what)
        return seconds

    def _planted(self) -> None:
        self._trap.mkdir()
        problem = smoke_files.plant(self._trap, self._marker)
        if problem:
            self._report.note(problem)
        try:
            mapped = self._beside_the_trap()
        except Failed as error:  # what was loaded may be the very reason why something else went wrong
            self._expect_untouched([], error)
            raise
        self._expect_untouched(mapped, None)
        self._report.right("nothing beside the .gguf file was loaded")

    def _beside_the_trap(self) -> list[str]:
        """Use everything with the trap as the current folder; files of it that were mapped into a process."""
        folder = self._trap
        file = folder / "planted.gguf"
        shutil.copyfile(_GUIDE, file)
        self._command("chat", "--json", "--model", str(file), QUESTIONS["new_chat"], folder=folder)
        self._platform.run([*self._program.console, "doctor"], 120, folder=folder)  # its verdict is known
        self._command("probe", "--json", "--refresh", folder=folder)
        run = self._desk.open("planted", [file.name], "start with a file", folder=folder)  # relative, as from a shell
        self._desk.expect_model(file)
        self._desk.ask("new_chat", "answer of the model beside the trap", model=file)
        mapped = [name for process in self._platform.processes() for name in self._platform.mapped(process)]
        self._desk.quit(run, "the window's close button", lambda: self._desk.close(run))
        return [name for name in mapped if str(folder) in name and not name.endswith(".gguf")]

    def _expect_untouched(self, mapped: list[str], error: Failed | None) -> None:
        loaded = list(mapped)
        if self._marker.exists():
            loaded += self._marker.read_text(encoding="utf-8").split("\n")
        if loaded:
            names = ", ".join(sorted({name for name in loaded if name}))
            raise Failed(f"Code beside a .gguf file was loaded: {names}.") from error

    def _association(self) -> None:
        platform, report = self._platform, self._report
        if not self._program.association:
            report.note("this artefact brings no file association; a start with the file stands above")
            return
        if self._program.association == "session":
            report.note("its desktop entry was entered into a private session, as helpers for AppImages do")
        first = self._copy_guide("double click.gguf")
        began = time.monotonic()
        platform.double_click(first)
        window, number = until("A window after a double click", platform.window, 40, every=0.01)
        report.figure("double click until the window", time.monotonic() - began, "s")
        run = Run(window, number, None, "double click")
        self._desk.show(run)
        self._desk.expect_model(first)
        self._desk.ask("new_chat", "answer after a double click", model=first)
        second = self._copy_guide("double click, second.gguf")
        covered = self._desk.cover()
        platform.double_click(second)
        self._desk.expect_model(second)
        self._desk.expect_one_window(run, "a double click on a second file")
        if covered:
            self._desk.expect_front(run, "a double click on a second file")
        self._desk.ask("regenerate", "answer after a second double click", model=second)
        self._desk.quit(run, "Ctrl+Q", lambda: platform.press("quit"))
        report.right("a double click opened the window, and the next one its file in the same window")

    def _chats(self) -> None:
        """Commands first; then the window's palette finds a chat that came in, and it is gone on with."""
        platform, folder = self._platform, self._room.documents / "chats"
        folder.mkdir()
        chats = smoke_chats.Chats(self._command, lambda path: str(self._read(path)["text"]), folder, self._report)
        chat = chats.all()
        self._desk.expect_no_processes("the commands for chats")
        run = self._desk.open("chats", [], "a start with chats")
        self._desk.memory(run, "idle with chats")
        seen = platform.picture()
        platform.press("palette")
        until("The opening of the palette", lambda: platform.picture().changed(seen) > _MOST, 15)
        platform.type(smoke_chats.RARE)  # Enter waits for the hits
        until("The closing of the palette", lambda: platform.picture().changed(seen) < _MOST, 15)
        self._desk.picture("a chat that was found")
        platform.press("message box")
        self._desk.ask("rename_chat", "answer in a chat that was found")
        message = smoke_files.last_message(platform.database())
        if message is None or message.conversation != chat:
            raise Failed(f'The palette has not opened the chat with "{smoke_chats.RARE}".')
        self._report.right("the palette found a chat and opened it")
        self._desk.quit(run, "Ctrl+Q", lambda: platform.press("quit"))

    def _uninstall(self) -> None:
        platform, report, room = self._platform, self._report, self._room
        mine = [room.documents, self._trap, *map(Path, self._home_before)]
        mine.remove(room.home)
        if found := smoke_files.strangers(room.home, platform.data_folders(), mine):
            report.wrong(f"The app wrote outside its folders: {smoke_files.told(found)}.")
        if left := sorted(path.name for path in room.tmp.iterdir() if _ours(path.name)):
            report.wrong(f"The app left temporary files: {smoke_files.told(left)}.")
        if self._program.folder:
            after = smoke_files.snapshot([self._program.folder])
            if changed := smoke_files.differences(self._before, after):
                report.wrong(f"The app changed its own folder: {smoke_files.told(changed)}.")
        message = smoke_files.last_message(platform.database())
        data = smoke_files.snapshot(platform.data_folders())
        left = platform.uninstall()
        if left:
            report.wrong(f"Uninstalling left: {smoke_files.told(left)}.")
        else:
            report.right("uninstalled, nothing of the program is left")
        if changed := smoke_files.differences(data, smoke_files.snapshot(platform.data_folders())):
            raise Failed(f"Uninstalling touched the user's data: {smoke_files.told(changed)}.")
        if message is None or smoke_files.last_message(platform.database()) != message:
            raise Failed("The chats cannot be read after uninstalling.")
        report.right(f"the user's data is as it was ({len(data)} files and folders)")

    # Parts ------------------------------------------------------------------------------------------------------------

    def _command(self, *words: str, folder: Path | None = None) -> str:
        """Run a command of the app that must succeed; its standard output."""
        done = self._platform.run([*self._program.console, *words], 120, folder=folder)
        if done.code != 0:
            said = (done.err or done.out).strip()[-600:]
            raise Failed(f"qwen-desktop {' '.join(words[:2])} ended with exit code {done.code}: {said}")
        return done.out

    def _copy_guide(self, name: str) -> Path:
        file = self._room.documents / name
        shutil.copyfile(_GUIDE, file)
        return file


def _ours(name: str) -> bool:
    return name.startswith(("qwen-desktop", "_MEI"))
