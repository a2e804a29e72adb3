"""The window's languages: every text has a Chinese one, and switching works live."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("PySide6.QtWidgets", exc_type=ImportError)

from PySide6.QtCore import QEvent, QTranslator
from PySide6.QtWidgets import QLabel

import ui
from didlive.profiles import PRESETS
from ui.catalogue import HOLE, Sentences, compile_catalogue, load_catalogue
from ui.hotkeys import HOTKEYS
from ui.i18n import capital, resolve, say, set_language, tr
from ui.panels import labels

UI = Path(ui.__file__).parent
CHINESE = load_catalogue(UI / "translations" / "zh_CN.toml")


def texts() -> set[str]:
    """Every text that `tr` is called with, and those in tables."""
    found = {hotkey.text for hotkey in HOTKEYS} | set(PRESETS)
    for path in UI.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "tr":
                first = node.args[0]
                found |= {first.value} if isinstance(first, ast.Constant) else set()
    return found | set(labels.LABELS.values()) | {text for table in labels.CHOICES.values() for text in table.values()}


def test_every_text_of_the_window_is_in_the_catalogue():
    missing = sorted(texts() - set(CHINESE))
    assert not missing, "\n".join(missing)


def test_what_is_filled_in_stands_in_both_languages():
    wrong = [english for english, other in CHINESE.items()
             if sorted(HOLE.findall(english)) != sorted(HOLE.findall(other))]
    assert not wrong


def test_no_text_is_left_english():
    plain = {"didlive", " Hz"}
    left = [english for english, other in CHINESE.items()
            if english == other and not re.fullmatch(r"[\W\d{}a-z_]*", english) and english not in plain]
    assert not left


def test_switching_is_live(qtbot, language):
    class Label(QLabel):
        changed = 0

        def changeEvent(self, event: QEvent) -> None:
            self.changed += event.type() == QEvent.Type.LanguageChange

    label = Label()
    qtbot.addWidget(label)
    label.show()
    language("zh_CN")
    qtbot.waitUntil(lambda: label.changed > 0)
    assert tr("Ready") == "就绪"
    assert tr("Driven by {name}", name="A{0}") == "驱动：A{0}"
    assert tr("no such text") == "no such text"
    assert say("{} is no text of anybody") == "{} is no text of anybody"
    language("en")
    assert tr("Ready") == "Ready"


def test_looking_up_loses_no_reference(qtbot, language):
    language("zh_CN")
    before = sys.getrefcount(None)
    for _ in range(500):
        tr("Ready")
        tr("no such text")
    assert abs(sys.getrefcount(None) - before) < 200


def test_sentences_that_were_put_together_elsewhere():
    sentences = Sentences({"{}: the face is tiny ({} px high)": "{}：人脸太小（高 {} 像素）", "{}: {}": "{}：{}",
                           "{a} is before {b}": "{b} 在 {a} 之后", "cat": "猫"})
    assert sentences.find("me.jpg: the face is tiny (20 px high)") == "me.jpg：人脸太小（高 20 像素）"
    assert sentences.find("me.jpg: cat") == "me.jpg：猫"
    assert sentences.find("x is before cat") == "猫 在 x 之后"
    assert sentences.find("dog") == "dog"


def test_a_large_catalogue_is_found_again_by_qt(qtbot):
    texts = {f"text {n}": f"文字 {n}" for n in range(2000)}
    data = compile_catalogue(texts)
    translator = QTranslator()
    assert translator.load(data)
    assert all(translator.translate("didlive", english) == other for english, other in texts.items())


@pytest.mark.parametrize(("name", "found"), [("en", "en"), ("zh_CN", "zh_CN"), ("zh_TW", "zh_CN"), ("fr", "en")])
def test_which_language(name: str, found: str):
    assert resolve(name) == found


def test_the_system_decides(monkeypatch: pytest.MonkeyPatch):
    from PySide6.QtCore import QLocale

    monkeypatch.setattr("ui.i18n.QLocale.system", lambda: QLocale("zh_CN"))
    assert resolve("system") == "zh_CN"
    set_language("en")


def test_texts_begin_like_sentences_and_addresses_stay_as_they_are():
    assert capital("no camera is there") == "No camera is there" and capital("") == ""
    assert capital("rtmp://127.0.0.1:9: Connection refused").startswith("rtmp://")
