"""The part of the output panel about where the picture goes: virtual camera, picture page, stream, avatars."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QToolButton, QVBoxLayout, QWidget

from didlive.errors import DidliveError
from ui.i18n import say, tr

from .glyphs import Mark
from .guide import Copied, Guide
from .panel import Panel, Section, note

if TYPE_CHECKING:
    from didlive.settings import Settings

# Some outputs call themselves by a technical name.
OUTPUTS = {"record": "Recording", "camera": "Virtual camera", "virtualcam": "Virtual camera", "stream": "Stream",
           "picture page": "Picture page", "virtual camera": "Virtual camera",
           "virtual camera (PipeWire)": "Virtual camera (PipeWire)",
           "virtual camera (v4l2loopback)": "Virtual camera (v4l2loopback)"}


class Destinations(Section):
    """Switches for everything that takes the picture, and a line for each output that runs."""

    def __init__(self, panel: Panel) -> None:
        self.panel, self.studio = panel, panel.studio
        box = QVBoxLayout()
        box.setSpacing(4)
        super().__init__(box)
        self.camera, self.how, self.guide = panel.form("output.virtual_camera"), QToolButton(), Guide()
        self.how.setAutoRaise(True)
        self.how.setCheckable(True)
        self.how.toggled.connect(self._show_guide)
        head = QHBoxLayout()
        head.addWidget(self.camera, 1)
        head.addWidget(self.how)
        self.guide.hide()
        self.page, self.address, self.viewers = panel.form("stream.page"), Copied(), note()
        self.port = panel.form("stream.page_port")
        self.motion = panel.form("motion_out.enabled")
        self.motion_to = panel.form("motion_out.protocol", "motion_out.host", "motion_out.port")
        self.lines, self.nowhere = QVBoxLayout(), note()
        self.lines.setSpacing(4)
        self._shown: list[QWidget] = []
        box.addLayout(head)
        for part in (self.guide, self.page, self.address, self.viewers, self.port, self.motion, self.motion_to):
            box.addWidget(part)
        box.addLayout(self.lines)
        box.addWidget(self.nowhere)
        self.studio.sending.refused.connect(self._refused)

    @property
    def shown(self) -> list[QWidget]:
        """The lines of the outputs that run."""
        return self._shown

    def show_settings(self, settings: Settings) -> None:
        """Show what belongs to the values that hold now."""
        self.port.setVisible(settings.stream.page)
        self.motion_to.setVisible(settings.motion_out.enabled)
        self.show_outputs()

    def show_outputs(self) -> None:
        """Show every output with its state, and where the page is."""
        for shown in self._shown:
            shown.deleteLater()
        session = self.studio.session
        states = session.output_states() if session is not None else ()
        self._shown = [_output_line(state.name, state.problem, state.dropped) for state in states]
        for shown in self._shown:
            self.lines.addWidget(shown)
        self.nowhere.setVisible(not states)
        address = self.studio.sending.address
        self.address.setVisible(bool(address))
        self.viewers.setVisible(bool(address))
        self.address.show_text(address)
        self.look()

    def look(self) -> None:
        """Show how many watch the page now."""
        count = self.studio.sending.viewers
        self.viewers.setText(tr("For a browser source of OBS; nobody watches") if not count else
                             tr("For a browser source of OBS; watched by {count}", count=count))

    def _refused(self, path: str) -> None:
        if path == "output.virtual_camera":
            self.how.setChecked(True)
            self._ask()

    def _show_guide(self, on: bool) -> None:
        self.guide.setVisible(on)
        if on:
            self._ask()

    def _ask(self) -> None:
        def kinds() -> list[tuple[str, bool, str, str]]:
            from didlive.sinks.virtualcam import report

            return report()

        self.studio.submit(kinds, self.guide.show_kinds)

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        self.set_title(tr("Outputs"))
        self.how.setText(tr("How?"))
        self.how.setToolTip(tr("How to get a virtual camera on this computer"))
        self.nowhere.setText(tr("Nothing leaves this window yet: record, or switch the virtual camera on."))
        self.guide.retranslate()
        self.show_outputs()


class StreamSection(Section):
    """Server, key, and the button that goes live."""

    def __init__(self, panel: Panel) -> None:
        self.panel, self.studio = panel, panel.studio
        box = QVBoxLayout()
        box.setSpacing(4)
        super().__init__(box, folds=True, opened=bool(panel.studio.settings.stream.url))
        self.server = panel.form("stream.url", "stream.bitrate_kbps")
        self.key_label, self.key = QLabel(), QLineEdit()
        self.key.setEchoMode(QLineEdit.EchoMode.Password)
        self.server.add_line(self.key_label, self.key)
        self.go, self.about = QPushButton(), note()
        self.go.clicked.connect(self._toggle)
        for part in (self.server, self.go, self.about):
            box.addWidget(part)

    def show_outputs(self) -> None:
        """Show whether it streams."""
        on = self.studio.sending.streaming
        self.go.setText(tr("Stop &streaming") if on else tr("&Stream"))
        self.server.setEnabled(not on)

    def show_settings(self, settings: Settings) -> None:
        """Show what belongs to the values that hold now."""
        self.go.setEnabled(bool(settings.stream.url) or self.studio.sending.streaming)

    def _toggle(self) -> None:
        url, key = self.studio.settings.stream.url, self.key.text()
        if self.studio.sending.streaming or not key:
            self.studio.sending.go_live(not self.studio.sending.streaming)
            return

        def keep() -> None:
            from didlive.streaming import store_key

            store_key(url, key)

        def kept(_: object) -> None:
            # The keyring has it now; nothing else shall.
            self.key.clear()
            self.studio.sending.go_live(True)

        self._store(keep, kept)

    def _store(self, keep: Callable[[], None], kept: Callable[[object], None]) -> None:
        self.go.setEnabled(False)

        def done(result: object) -> None:
            self.go.setEnabled(True)
            kept(result)

        def failed(error: DidliveError) -> None:
            self.go.setEnabled(True)
            self.studio.message.emit("error", str(error))

        self.studio.submit(keep, done, failed=failed)

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        self.set_title(tr("Stream"))
        self.key_label.setText(tr("Key"))
        self.key.setAccessibleName(tr("Key"))
        self.key.setPlaceholderText(tr("As kept in the keyring"))
        self.key.setToolTip(tr("It goes into the keyring of this computer and nowhere else"))
        self.about.setText(tr("Only you start it: it never begins by itself."))
        self.show_outputs()


def _output_line(name: str, problem: str, dropped: int) -> QWidget:
    made = QWidget()
    mark, text = Mark("bad" if problem else "good"), note(quiet=False)
    state = say(problem) if problem else tr("runs")
    if dropped:
        state = tr("{state}, frames dropped: {count}", state=state, count=dropped)
    text.setText(f"{tr(OUTPUTS.get(name, name))}: {state}")
    row = QHBoxLayout(made)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
    row.addWidget(text, 1)
    return made
