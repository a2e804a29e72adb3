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
from didlive.doctor import examine
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


@pytest.mark.parametrize(("english", "chinese"), [
    ("the model face is not on this machine yet; run: didlive models fetch", "这台电脑上还没有模型 face"),
    ("the model face could not be had (a: b; c: d). Get f (SHA-256 12ab...) elsewhere and run: didlive models fetch "
     "--from FOLDER", "无法获取模型 face（a: b; c: d）"),
    ("the disk is full: face needs 3.8 MB in /m; free some space, or set DIDLIVE_CACHE to another folder", "磁盘已满"),
    ("/v cannot be written (Read-only file system); let didlive write there", "/v 无法写入（文件系统只读）"),
    ("motion file a.npz has version 2; this didlive reads version 1", "动作文件 a.npz 的版本是 2"),
    ("a.mp4 is not a video that can be read (Invalid data found when processing input); give a clip such as .mp4, "
     ".mov, .webm or .mkv", "a.mp4 不是可读取的视频（文件内容无效）"),
    ("/dev/video9 cannot be opened (Permission denied)", "/dev/video9 无法打开（没有权限）"),
    ("motion file a.npz cannot be used: it lacks version, size", "动作文件 a.npz 无法使用：缺少 version, size"),
    ("motion file a.npz cannot be used: landmarks has shape (2, 2), expected (frames, 478, 3)",
     "动作文件 a.npz 无法使用：landmarks 的形状是 (2, 2)，应为 (frames, 478, 3)"),
    ("performer ada cannot be read: No such file or directory; calibrate again",
     "无法读取表演者“ada”：文件或文件夹不存在；"),
    ("settings file s.toml has version 9; this didlive reads version 1; it was set aside as s.broken, and defaults are "
     "used", "设置文件 s.toml 的版本是 9；此 didlive 读取版本 1；该文件已另存为 s.broken，现使用默认设置"),
    ("motion.strength = 9.0 is out of range; use 0.0 to 2.0; it was set aside as s.broken, and defaults are used",
     "motion.strength = 9.0 超出范围；请用 0.0 到 2.0；该文件已另存为 s.broken"),
])
def test_what_can_go_wrong_is_said_in_chinese(english: str, chinese: str):
    assert Sentences(CHINESE).find(english).startswith(chinese)


def test_what_is_on_this_computer_is_told_in_chinese():
    find = Sentences(CHINESE).find
    assert find("refined warp, ONNX Runtime CPU, int8, 1 thread") == "细化变形，ONNX Runtime CPU，int8 （1 个线程）"
    assert find("not installed (only the window needs it)") == "未安装（只有窗口需要它）"
    assert find("no NVIDIA card can be used: there is no NVIDIA driver, or it is older than r580").endswith("低于 r580")
    names = {check.name for check in examine().checks}
    left = {name for name in names if find(name) == name}
    # Names of programs and packages are the same in every language.
    assert names - left and all(re.fullmatch(r"[\w-]+", name) for name in left), left


def test_two_ways_to_a_virtual_camera_are_told_in_chinese():
    told = Sentences(CHINESE).find("there can be no virtual camera; PipeWire is not installed, run: a; or: PipeWire "
                                   "does not run for this user, run: b")
    assert told == "无法创建虚拟摄像头：未安装 PipeWire，请运行：a；或者：当前用户没有运行 PipeWire，请运行：b"


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
    assert capital("me.jpg is empty").startswith("me.jpg") and capital("stopped.") == "Stopped."
