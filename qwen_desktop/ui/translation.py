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
    if locale.language() == QLocale.Language.C:
        locale = QLocale(QLocale.Language.English)  # plain C groups no digits
    QLocale.setDefault(locale)
    folder = str(resources / "translations")
    # Lowest first: English has the forms of one and many also for what a language lacks.
    english = _loaded(app, QLocale(QLocale.Language.English), _BASE, folder)
    own = qt = None
    if locale.language() != QLocale.Language.English:
        own = _loaded(app, locale, _BASE, folder)
    language = QLocale(own.language()) if own is not None else QLocale(QLocale.Language.English)
    if own is not None:
        qt = _loaded(app, language, "qtbase", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath))
    installed = [translator for translator in (english, qt, own) if translator is not None]
    for translator in installed:
        QCoreApplication.installTranslator(translator)
    app.setLayoutDirection(language.textDirection())
    return installed


def _loaded(app: QGuiApplication, locale: QLocale, base: str, folder: str) -> QTranslator | None:
    translator = QTranslator(app)
    return translator if translator.load(locale, base, "_", folder) else None
