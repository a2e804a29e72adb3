"""The window's languages. English is what stands in the code; the others are catalogues in `translations/`."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from PySide6.QtCore import QCoreApplication, QLibraryInfo, QLocale, QTranslator

from .catalogue import CONTEXT, Sentences, compile_catalogue, load_catalogue

LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
_NONE = Sentences({})


class _Chosen:
    """The language in use. Qt does not copy a catalogue's bytes: they live as long as their translator."""

    name = "en"
    sentences = _NONE
    translators: tuple[QTranslator, ...] = ()
    data = b""


def tr(text: str, **values: Any) -> str:
    """Return `text` in the window's language, with `{name}` replaced by `values`."""
    found = QCoreApplication.translate(CONTEXT, text)
    return found.format(**values) if values else found


def say(text: str) -> str:
    """Return a text that comes from the library (a state, a reason, an error) in the window's language."""
    return _Chosen.sentences.find(text)


def capital(text: str) -> str:
    """Return a text that begins like a sentence; an address or a file's name stays as it is."""
    first = text.partition(" ")[0]
    return text if "://" in first or "." in first[:-1] else text[:1].upper() + text[1:]


def shortened(name: str, most: int = 36) -> str:
    """Return a file's name with its middle left out where it is too long: it cannot be broken into lines."""
    half = most // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def resolve(language: str) -> str:
    """Return the language that `system`, a locale or a language's name stands for; English where there is none."""
    name = QLocale.system().name() if language == "system" else language
    return "zh_CN" if name.lower().startswith("zh") else "en"


def set_language(language: str) -> None:
    """Switch the running application; Qt tells every widget by LanguageChange."""
    name = resolve(language)
    if name == _Chosen.name:
        return
    for translator in _Chosen.translators:
        QCoreApplication.removeTranslator(translator)
    _Chosen.name, _Chosen.sentences, _Chosen.translators = name, _NONE, ()
    if name == "en":
        return
    texts = load_catalogue(Path(str(files("ui") / "translations" / f"{name}.toml")))
    own, qt = QTranslator(), QTranslator()
    _Chosen.data, _Chosen.sentences = compile_catalogue(texts), Sentences(texts)
    own.load(_Chosen.data)
    # Qt's own buttons and menus (OK, Cancel, Copy, Paste).
    qt.load(f"qtbase_{name}", QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath))
    _Chosen.translators = (qt, own)
    for translator in _Chosen.translators:
        QCoreApplication.installTranslator(translator)


def language() -> str:
    """Return the language in use, `en` or `zh_CN`."""
    return _Chosen.name
