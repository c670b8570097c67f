"""Calls of tools that a model writes into its thought, as text that reads well: each in a block of code. Pure.

A call ends the thought that it stands in (what follows would be silence else), but only where it is one: a model that
thinks about calls writes the mark too, in a sentence or in code.
"""

from __future__ import annotations

import re

from qwen_desktop.engine.marks import CLOSE, beginning, in_code

CALL, CALLED = "<tool_call>", "</tool_call>"
#: What a call begins with behind its mark: Qwen3's and earlier ones' JSON, or Qwen3-Coder's and later ones' form.
_CALLS = re.compile(r'(\s*)(?:<function=|\{\s*"name")')
_MAY_CALL = re.compile(r'\s*(?:<(?:f|fu|fun|func|funct|functi|functio|function)?|\{\s*(?:"|"n|"na|"nam|"name)?)?\Z')
#: Longer than any fence that a call is likely to hold.
FENCE = "````"


def is_call(before: str, behind: str) -> bool | None:
    """Whether the mark between these two begins a call, None while that is not known. One does at the beginning or the
    end of a line, outside of code."""
    if in_code(before):
        return False
    if (found := _CALLS.match(behind)) is not None:
        return "\n" in found[1] or not before.rpartition("\n")[2].strip()
    return None if _MAY_CALL.match(behind) is not None else False


class CallText:
    """Takes the text from a call on, gives it with each call in a fence. ``shown`` is what it has given already."""

    def __init__(self, shown: str = "") -> None:
        self._first = not shown
        self._inside = shown.rfind(f"{FENCE}\n{CALL}") > shown.rfind(f"{CALLED}\n{FENCE}")
        # nothing but white space and marks has come since the last call
        self._between = self._first or shown.endswith(f"{CALLED}\n{FENCE}\n")
        self._held = ""

    @property
    def held(self) -> str:
        """What is held back, since it may become a mark."""
        return self._held

    def take(self, text: str, *, final: bool = False) -> str:
        """Some more of it; ``final``: nothing comes any more, and an open fence is closed."""
        self._held += text
        shown = ""
        while (more := self._next()) is not None:
            shown += more
        if final:
            shown, self._held = shown + self._held, ""
            shown += f"\n{FENCE}" if self._inside else ""
        return shown

    def _next(self) -> str | None:
        """What can be shown of what is held; None when nothing can."""
        held = self._held
        if self._inside:
            call, mark, behind = held.partition(CALLED)
            if mark:
                self._held, self._inside, self._between = behind, False, True
                return f"{call}{mark}\n{FENCE}\n"
            keep = len(held) - beginning(held, (CALLED,))
        elif self._between:
            begun = held.lstrip()
            if begun.startswith(CALL):
                self._held, self._inside = begun[len(CALL) :], True
                first, self._first = self._first, False
                return f"{'' if first else chr(10)}{FENCE}\n{CALL}"
            if begun.startswith(CLOSE):  # the thought is closed already
                self._held = begun[len(CLOSE) :]
                return ""
            if not begun or any(mark.startswith(begun) for mark in (CALL, CLOSE)):
                return None
            self._between, self._held = False, ""
            return f"\n{begun}"
        else:
            keep = len(held)
        self._held = held[keep:]
        return held[:keep] or None
