"""Install an artefact, use the app through its real window as a new user does, remove it, and check what stays.

    python installers/smoke_test.py ARTEFACT [--keep] [--json] [--replace] [--patience N] [--window-manager PROGRAM]

ARTEFACT is a .deb, an AppDir, an .AppImage or a frozen folder; on Windows an installer (.exe), a portable .zip or a
frozen folder; on macOS a .dmg or an .app. Nothing in the app knows of this test: keys are typed, the screen is read,
and answers are found in the history that the app keeps. Everything happens in private folders, which go afterwards: the
user's own settings and chats are never touched. (Windows' uninstaller empties the user's real cache and log folders of
this app, as it always does.) A .deb is really installed with apt, so its test is refused where the package is installed
already.

The parts for Windows and macOS have not been run yet: they were written from the systems' documentation.

Exit code 0: all is well. 1: something is not, with the step and the ends of the logs.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "tools")]

import product  # noqa: E402 - the folders above are on the path only now
from dev_console import Failed, say  # noqa: E402
from smoke_platform import Platform, Room, set_patience  # noqa: E402
from smoke_report import Report  # noqa: E402
from smoke_story import Story  # noqa: E402


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="smoke_test.py", description="Try an artefact from installing to removing.")
    parser.add_argument("artefact", type=Path)
    parser.add_argument("--keep", action="store_true", help="keep the private folders with pictures and logs")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--replace", action="store_true", help="a package that is installed already may be removed")
    parser.add_argument("--patience", type=float, default=1.0, help="multiply every time limit by this")
    parser.add_argument("--window-manager", default="", metavar="PROGRAM", help="start this one on the private screen")
    return parser.parse_args(words)


def platform_for(system: str, artefact: Path, room: Room, *, replace: bool, manager: str) -> Platform:
    """The class of this system."""
    if system == "windows":
        from smoke_windows import Windows  # noqa: PLC0415 - each system needs its own only

        return Windows(artefact, room, replace=replace)
    if system == "macos":
        from smoke_macos import MacOS  # noqa: PLC0415 - as above

        return MacOS(artefact, room, replace=replace)
    from smoke_linux import Linux  # noqa: PLC0415 - as above

    return Linux(artefact, room, replace=replace, options={"window-manager": manager})


def main(words: Sequence[str]) -> int:
    """Run the test; its exit code."""
    wanted = arguments(words)
    set_patience(wanted.patience)
    signal.signal(signal.SIGTERM, _interrupt)  # so that everything is taken back then too
    artefact = wanted.artefact.absolute()
    report = Report(artefact, as_json=wanted.json)
    room = Room()
    story: Story | None = None
    platform: Platform | None = None
    try:
        if not artefact.exists():
            raise Failed(f"{artefact} does not exist.")
        platform = platform_for(product.system(), artefact, room, replace=wanted.replace, manager=wanted.window_manager)
        with report.step("Prepare"):
            platform.prepare()
        story = Story(platform, report)
        story.tell()
        return report.over(story.logs())
    except Failed as error:
        if story is not None:
            story.picture("failure")
        return report.failed(error, story.logs() if story is not None else [])
    except KeyboardInterrupt:
        return report.failed(Failed("It was interrupted."), [])
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl+C must not leave half of it behind
        if platform is not None:
            platform.close()
        if wanted.keep:
            shutil.rmtree(room.prefix, ignore_errors=True)
            if not wanted.json:
                say(f"Pictures and logs are kept in {room.top}.")
        else:
            room.remove()


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
