"""What Markdown becomes in a message: alerts, footnotes, tasks, nested lists, wide tables with their tools, code."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest

from tests.shots.chat_states import read
from tests.shots.parts import transcript
from tests.shots.seeds import HOUR, Chat, assistant, message_id, user
from tests.shots.table import state

if TYPE_CHECKING:
    from tests.shots.stage import Stage

ALERTS = """\
> [!NOTE]
> The files are read once, line by line, so that even large ones take little memory, with `code` in it.
> - a point
> - another one

> [!TIP]
> | Helpful | advice |
> |---|--:|
> | a | 1 |

1. In a list:

   > A quotation, and

   > [!TIP]
   > advice.

> [!IMPORTANT]
> Sort each file first.

> [!WARNING]
> The folder is emptied before.
>
> ```sh
> rm -r build/  # a != b
> ```

> [!CAUTION]
> What is deleted so does not come back.
>
> > [!NOTE]
> > An alert in another one.
"""
NOTES = """\
The heap is a tree[^1] that lives in a list[^list], as [the manual][m] says^[In its chapter on *queues*, near the end].
A picture of it: ![a heap](https://pictures.example/heap.png), more on www.example.org or from me@example.org.

3. [x] Read the chapter
4. [ ] Write the code
   - [ ] `push`
   - [x] `pop`

     It gives the smallest, and fills the gap:

     | step | list |
     |---|---|
     | 1 | 2, 5, 9 |

     ```py
     heap[0] = heap.pop()
     ```
5. [ ] Test it

[m]: https://docs.example.org/heapq "The manual"
[^1]: Not a search tree.
[^list]: The children of `n` are at `2n + 1` and `2n + 2`.

    Without any pointers[^1].
"""
WIDE = "Twelve months, side by side.\n\n| Town | " + " | ".join(
    ("January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November")
)
WIDE += " |\n|---" + "|--:" * 11 + "|\n"
WIDE += "".join(
    f"| {town} | " + " | ".join(f"{first + 3 * n} mm" for n in range(11)) + " |\n"
    for town, first in (("Bergen", 190), ("Cairo", 5), ("Quito", 83), ("Wellington", 67))
)
_ALERTS = Chat("alerts", "Alerts", 0.2 * HOUR, (user("Which alerts are there?"), assistant(ALERTS)))
_NOTES = Chat("notes", "Notes on heaps", 0.2 * HOUR, (user("What is a heap?"), assistant(NOTES)))
_WIDE = Chat("wide", "Rain", 0.2 * HOUR, (user("How much does it rain?"), assistant(WIDE)))


@state("chat-alerts")
async def alerts(stage: Stage) -> None:
    await read(stage, _ALERTS)


@state("chat-footnotes")
async def footnotes(stage: Stage) -> None:
    await read(stage, _NOTES)


@state("chat-footnotes-focus")
async def footnote_focus(stage: Stage) -> None:
    await read(stage, _NOTES)
    await _act(stage, _NOTES, "footnote")


@state("chat-table-wide")
async def wide(stage: Stage) -> None:
    await read(stage, _WIDE)
    await _focus(stage, _WIDE, "table_markdown")
    QTest.keyClick(transcript(stage), Qt.Key.Key_Right)


@state("chat-link-deceives")
async def deceives(stage: Stage) -> None:
    await stage.open()
    stage.window.notify.link("https://www.bank.example@xn--80ak6aa92e.com/\u202elogin")


async def _focus(stage: Stage, chat: Chat, action: str) -> None:
    """Let the keyboard be on something in the answer."""
    view = transcript(stage)
    item = view.item(message_id(chat, 1))
    view.setFocus()
    view.give_focus(item, next(target.key for target in item.targets() if target.action == action))
    await stage.still()


async def _act(stage: Stage, chat: Chat, action: str) -> None:
    await _focus(stage, chat, action)
    QTest.keyClick(transcript(stage), Qt.Key.Key_Return)
