"""``qwen-desktop offline``: whether the app may use the network, and the switch itself.

The JSON object of ``--json``: ``offline``, and ``by``: "" (nobody), "setting", or the variable of the environment.
"""

from __future__ import annotations

from qwen_desktop.cli.one_run import CommandRun
from qwen_desktop.core.text import QT_TRANSLATE_NOOP, fill
from qwen_desktop.hub.access import is_offline, offline_variable
from qwen_desktop.store.settings_file import SettingsFile, kept_as


async def offline(run: CommandRun, turn: bool | None) -> int:
    """Turn the switch on or off, where that was asked for, and print how it stands.

    Returns 0, or 1 when the network stays off since the environment says so too. Raises ``OSError``
    and ``UserFacing`` when the settings cannot be written.
    """
    console, file = run.console, SettingsFile(run.paths.settings_file)
    loaded = file.load()
    for problem in loaded.problems:
        console.warn(problem.sentence())
    if turn is not None and loaded.settings.downloads.offline != turn:
        kept = file.write({"downloads.offline": turn})
        if kept is not None:
            console.warn(str(kept_as(kept)))
        loaded = file.load()
    downloads = loaded.settings.downloads
    variable, now = offline_variable(), is_offline(downloads)
    if run.as_json:
        console.object({"offline": now, "by": "setting" if downloads.offline else variable})
    elif now:
        console.line(QT_TRANSLATE_NOOP("offline", "The network is switched off for Qwen Desktop."))
    else:
        console.line(QT_TRANSLATE_NOOP("offline", "Models may be looked up and fetched over the network."))
    if variable and turn is not True:
        template = QT_TRANSLATE_NOOP("offline", "{variable} in the environment switches it off, whatever is set here.")
        console.warn(fill(template, {"variable": variable}))
    if turn is not None:
        console.note(QT_TRANSLATE_NOOP("offline", "A window that is open takes this over when it is started again."))
    return int(turn is False and now)
