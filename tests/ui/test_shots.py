"""The pictures of the window: every state has a name and is drawn, the same each time, and differences are found."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest
from PySide6.QtCore import QRect
from PySide6.QtGui import QColor, QImage
from PySide6.QtWidgets import QApplication

from tests.shots import sheet, table
from tests.shots.__main__ import main
from tests.shots.compare import compare, report
from tests.shots.matrix import USUAL, Look, looks

ROOT = Path(__file__).resolve().parents[2]
GREY = QColor(90, 90, 90)


def shots(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tests.shots", *map(str, arguments)],
        cwd=ROOT, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def paint(path: Path, size: tuple[int, int] = (40, 30), *, spot: QRect | None = None) -> None:
    """A grey picture, with something red in it."""
    image = QImage(*size, QImage.Format.Format_RGB32)
    image.fill(GREY)
    if spot is not None:
        for x in range(spot.left(), spot.right() + 1):
            for y in range(spot.top(), spot.bottom() + 1):
                image.setPixelColor(x, y, QColor("red"))
    path.parent.mkdir(parents=True, exist_ok=True)
    assert image.save(str(path))


def test_states_of_every_page_are_drawn_twice_alike(tmp_path: Path) -> None:
    # A frame alone, an answer that runs, and a dialog.
    chosen = "window-first-paint,chat-streaming,models-delete"
    first, again = tmp_path / "first", tmp_path / "again"
    for out in (first, again):
        done = shots("--theme", "dark", "--width", "900", "--only", chosen, "--out", out)
        assert done.returncode == 0, done.stdout + done.stderr
    names = sorted(path.name for path in (first / "dark-900x820").glob("*.png"))
    assert names == sorted([*(f"{name}.png" for name in chosen.split(",")), sheet.SHEET])
    assert shots("--compare", first, again).returncode == 0


BROKEN = """
import sys
from tests.shots import still
still.freeze()
from pathlib import Path
from tests.shots import table
from tests.shots.draw import draw
from tests.shots.matrix import Look

@table.state("broken-state")
async def broken(stage):
    await stage.open()
    raise ValueError("on purpose")

@table.state("broken-not")
async def sound(stage):
    await stage.open()

drawn, failed = draw(Look(), Path(sys.argv[1]), "broken-*")
print(drawn, [(name, "on purpose" in reason) for name, reason in failed])
"""


def test_a_state_that_fails_is_named_and_the_others_are_drawn(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", BROKEN, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stdout.strip() == "['broken-not'] [('broken-state', True)]"
    assert [path.name for path in tmp_path.glob("[!_]*.png")] == ["broken-not.png"]
    assert shots("--theme", "light", "--only", "no-such-state", "--out", tmp_path).returncode == 1


PLACES = {
    "adapters", "assistants", "attach", "chat", "exchange", "find", "instructions", "models", "quantize", "settings",
    "slow", "templates", "temporary", "welcome", "window",
}  # fmt: skip


def test_every_page_has_states_under_its_name(qapp: QApplication) -> None:
    names = list(table.states())
    assert {name.partition("-")[0] for name in names} == PLACES
    assert list(table.states("chat-*")) == [name for name in names if name.startswith("chat-")]
    with pytest.raises(ValueError, match="two states chat-empty"):
        table.state("chat-empty")(table.states()["chat-empty"])


def test_combinations_have_names_of_their_own() -> None:
    assert looks([], [], [], [], []) == USUAL
    chosen = looks(["light", "dark"], [900, 1280], [], [1.0, 1.5], ["ar"])
    assert len(chosen) == 8
    assert len({look.name for look in (*chosen, *USUAL)}) == 8 + len(USUAL)
    assert Look("dark", 900, 820, 1.5, "ar").name == "dark-900x820-1.5x-ar"


def test_comparing_tells_new_gone_equal_and_different(tmp_path: Path, qapp: QApplication) -> None:
    old, new, out = tmp_path / "old", tmp_path / "new", tmp_path / "out"
    spot = QRect(7, 9, 3, 2)
    paint(old / "a" / "gone.png")
    paint(new / "a" / "new.png")
    for folder in (old, new):
        paint(folder / "a" / "equal.png", spot=spot)
        paint(folder / "a" / sheet.SHEET, (random.randint(2, 9), 5))  # sheets are no states
    paint(old / "a" / "moved.png")
    paint(new / "a" / "moved.png", spot=spot)
    paint(old / "a" / "taller.png", (40, 30))
    paint(new / "a" / "taller.png", (40, 33))
    found = compare(old, new, out)
    assert (found.new, found.gone, found.equal) == (("a/new.png",), ("a/gone.png",), ("a/equal.png",))
    moved, taller = found.different["a/moved.png"], found.different["a/taller.png"]
    assert (moved.pixels, moved.box) == (6, spot) and moved.share == pytest.approx(6 / 1200)
    assert (taller.pixels, taller.box) == (120, QRect(0, 30, 40, 3))
    assert not found.same
    assert "different a/moved.png: 6 pixels (0.50 %) in 3 x 2 at 7, 9" in list(report(found))
    beside = QImage(str(out / "a" / "moved.png"))
    assert beside.width() > 3 * 40 and (out / sheet.SHEET).is_file()
    assert compare(old, old).same


def test_exit_codes_tell_scripts_whether_pictures_differ(
    tmp_path: Path, qapp: QApplication, capsys: pytest.CaptureFixture[str]
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    paint(old / "x.png")
    paint(new / "x.png", spot=QRect(1, 1, 1, 1))
    out = ("--out", str(tmp_path / "out"))
    assert main(("--compare", str(old), str(old), *out)) == 0
    assert main(("--compare", str(old), str(new), *out)) == 1
    assert "different x.png: 1 pixels" in capsys.readouterr().out
    assert main(("--compare", str(old), str(tmp_path / "nothing"), *out)) == 2
    with pytest.raises(SystemExit, match="2"):
        main(("--theme", "pink"))
