"""What the smoke test says: steps as they pass, figures, and at the end one verdict, for people or as JSON."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dev_console import Failed, heading, say

#: Lines of each log that a failure shows.
_TAIL = 30


class Report:
    """Collects what was found; prints it at once unless it shall be one JSON object."""

    def __init__(self, artefact: Path, *, as_json: bool) -> None:
        self._json = as_json
        self._step = ""
        self._began = time.monotonic()
        self._found: dict[str, Any] = {"artefact": artefact.name, "passed": False, "steps": [], "figures": {}}
        self._notes: list[str] = []
        self._faults: list[str] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step: its name now, and its time when it has passed."""
        self._step = name
        began = time.monotonic()
        if not self._json:
            heading(name)
        yield
        seconds = round(time.monotonic() - began, 2)
        self._found["steps"].append({"name": name, "seconds": seconds})

    def right(self, text: str) -> None:
        """Something that was checked and is as it shall be."""
        self._say(f"ok    {text}")

    def note(self, text: str) -> None:
        """Something that could not be checked here, or that is worth knowing."""
        self._notes.append(text)
        self._say(f"note  {text}")

    def wrong(self, text: str) -> None:
        """A fault that does not keep the later steps from being tried; the verdict is settled by it all the same."""
        self._faults.append(f"{self._step}: {text.rstrip('.')}")
        self._say(f"FAULT {text}")

    def figure(self, name: str, value: float | str, unit: str = "") -> None:
        """A measured value."""
        self._found["figures"][name + (f" ({unit})" if unit else "")] = value
        shown = f"{value:.2f}" if isinstance(value, float) else str(value)
        self._say(f"      {name}: {shown}{' ' + unit if unit else ''}")

    def size(self, name: str, count: int, most: int | None = None) -> None:
        """A measured number of bytes, as MB; more than ``most`` is remarked upon."""
        self.figure(name, round(count / 1e6, 1), "MB")
        if most is not None and count > most:
            self.note(f"{name}: more than the {most / 1e6:.0f} MB it should have")

    def over(self, logs: list[Path]) -> int:
        """All steps were made: the verdict; the exit code."""
        if self._faults:
            self._step = "Verdict"
            return self.failed(Failed("faults were found. " + " ".join(f"{fault}." for fault in self._faults)), logs)
        self._found["passed"] = True
        return self._end(f"The smoke test passed in {time.monotonic() - self._began:.0f} s.", 0)

    def failed(self, error: Failed, logs: list[Path]) -> int:
        """Say at which step what is wrong, with the ends of the logs; the exit code."""
        self._found["failure"] = {"step": self._step, "sentence": str(error)}
        self._found["logs"] = {path.name: tail(path) for path in logs}
        if not self._json:
            for path in logs:
                say(f"\n-- the end of {path} --\n{tail(path)}")
        return self._end(f'Failed at the step "{self._step}": {error}', 1)

    def _end(self, sentence: str, code: int) -> int:
        self._found |= {"notes": self._notes, "faults": self._faults}
        if self._json:
            print(json.dumps(self._found, ensure_ascii=False, indent=1), flush=True)
        sys.stdout.flush()
        print(f"\n{sentence}", file=sys.stderr if self._json or code else sys.stdout, flush=True)
        return code

    def _say(self, text: str) -> None:
        if not self._json:
            say(text)


def tail(path: Path) -> str:
    """The last lines of a file."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_TAIL:])
