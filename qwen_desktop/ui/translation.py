"""The language of the window: which one, its texts, the direction in which it reads, and the user's way of writing
numbers."""

from __future__ import annotations

import os
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator
from PySide6.QtGui import QGuiApplication

#: Names another language than the system's (``de``, ``pt_BR``), for tests and pictures.
VARIABLE = "QWEN_DESKTOP_LOCALE"
_BASE = "qwen_desktop"


def install(app: QGuiApplication, resources: Path, name: str | None = None) -> list[QTranslator]:
    """Let ``app`` speak the user's language as far as ``resources`` has it, else English. Returns what was installed.

    ``name`` is that of a locale; None means the variable's, or what the system says.
    """
    name = os.environ.get(VARIABLE, "") if name is None else name
    locale = QLocale(name) if name else QLocale.system()
    english = QLocale(QLocale.Language.English)
    if locale.language() == QLocale.Language.C:
        locale = english  # plain C groups no digits
    QLocale.setDefault(locale)
    folder = str(resources / "translations")
    # Lowest first: English has the forms of one and many also for what a language lacks.
    found = [_loaded(app, english, _BASE, folder)]
    own = _loaded(app, locale, _BASE, folder) if locale.language() != english.language() else None
    language = english if own is None else QLocale(own.language())
    if own is not None:
        found += [_loaded(app, language, "qtbase", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)), own]
    installed = [translator for translator in found if translator is not None]
    for translator in installed:
        QCoreApplication.installTranslator(translator)
    app.setLayoutDirection(language.textDirection())
    return installed


def _loaded(app: QGuiApplication, locale: QLocale, base: str, folder: str) -> QTranslator | None:
    translator = QTranslator(app)
    return translator if translator.load(locale, base, "_", folder) else None
