"""The output panel: the picture that leaves, where it goes, recordings and snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QElapsedTimer, QRectF, QSignalBlocker, QSize, Qt, QUrl
from PySide6.QtGui import QColor, QDesktopServices, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QHBoxLayout,
    QLabel,
    QListWidget,
    QListWidgetItem,
    QPushButton,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from didlive.settings import Settings
from ui.i18n import say, tr

from .controls import aligned, line
from .glyphs import BAD, GlyphButton, Mark
from .label import LabelSection
from .panel import Panel, Section, note
from .rows import RESET_PX, guard_wheel, wide_combo

if TYPE_CHECKING:
    from didlive.session import Stats
    from ui.studio import Studio

# What `output.size` accepts by name, in the words of people; "" opens the two numbers.
SIZES = {"512": "Square, 512 × 512", "720p": "Wide, 1280 × 720", "1080p": "Wide, 1920 × 1080",
         "720x1280": "Tall, 720 × 1280", "source": "As the portrait", "auto": "As the portrait, up to 1080",
         "": "Other…"}
SIDE_LOW, SIDE_HIGH, MOST_SHOWN = 64, 4096, 4
# Some outputs call themselves by a technical name.
OUTPUTS = {"record": "Recording", "camera": "Virtual camera", "virtualcam": "Virtual camera", "stream": "Stream"}


class RecordButton(QPushButton):
    """A button with the red dot of a recorder, a square while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.running = False
        self.setMinimumHeight(36)

    def sizeHint(self) -> QSize:
        return super().sizeHint() + QSize(28, 0)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(BAD if self.isEnabled() else QColor(140, 140, 146))
        dot = QRectF(12, self.height() / 2 - 6, 12, 12)
        round_px = 2 if self.running else 6
        painter.drawRoundedRect(dot, round_px, round_px)
        painter.end()


class OutputPanel(Panel):
    """Framing, size, background; the outputs and their state; record, snapshot and the last recordings."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self._clock, self._bytes, self._asking = QElapsedTimer(), 0, False
        self._shown: list[QWidget] = []
        self._build_picture()
        self._build_record()
        self._build_outputs()
        self.label = LabelSection(self)
        self.column.addWidget(self.label)
        self.column.addStretch(1)
        studio.outputs_changed.connect(self._show_outputs)
        studio.stats_changed.connect(self._tick)
        self.retranslate()
        self.show_settings(studio.settings)

    def _build_picture(self) -> None:
        self.framing, self.format = self.form("output.framing"), self.form()
        self.size_label, self.sizes = QLabel(), wide_combo()
        self.sizes.activated.connect(self._choose_size)
        self.sides_label, self.sides = QLabel(), tuple(QSpinBox() for _ in range(2))
        guard_wheel(*self.sides)
        for box in self.sides:
            box.setRange(SIDE_LOW, SIDE_HIGH)
            box.setSingleStep(2)
            box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.NoButtons)
            box.editingFinished.connect(self._choose_sides)
        self.custom = QWidget()
        row = QHBoxLayout(self.custom)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self.sides[0], 1)
        row.addWidget(QLabel("×"))
        row.addWidget(self.sides[1], 1)
        self.restarts = note()
        self.format.add_line(self.size_label, self.sizes)
        self.format.add_line(self.sides_label, self.custom)
        self.backdrop = self.form("output.background", "output.background_color", "output.background_image")
        self.rest = self.form("output.rate_hz", "output.mirror")
        box = QVBoxLayout()
        box.setSpacing(4)
        for part in (self.framing, self.format, self.restarts, self.backdrop, self.rest):
            box.addWidget(part)
        self.picture = Section(box)
        self.column.addWidget(self.picture)

    def _build_record(self) -> None:
        self.record, self.snapshot, self.told = RecordButton(), QPushButton(), note(quiet=False)
        self.snapshot.setMinimumHeight(36)
        self.record.clicked.connect(lambda: self.studio.record(not self.studio.recording))
        self.snapshot.clicked.connect(lambda: self.studio.snapshot())
        for button in (self.record, self.snapshot):
            button.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.recordings = QListWidget()
        self.recordings.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.recordings.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.recordings.itemActivated.connect(lambda item: _open(Path(item.data(Qt.ItemDataRole.UserRole))))
        self.last, self.none, self.folder = QLabel(), note(), GlyphButton("folder", RESET_PX)
        self.folder.clicked.connect(lambda: _open(self.studio.folders[0]))
        head = line(self.last)
        head.addStretch(1)
        head.addWidget(self.folder)
        box = QVBoxLayout()
        box.setSpacing(8)
        box.addLayout(line(self.record, self.snapshot))
        box.addWidget(self.told)
        box.addLayout(head)
        box.addWidget(self.none)
        box.addWidget(self.recordings)
        self.takes = Section(box)
        self.column.addWidget(self.takes)

    def _build_outputs(self) -> None:
        self.nowhere = note()
        self.lines = QVBoxLayout()
        self.lines.setSpacing(4)
        self.camera = self.form("output.virtual_camera")
        box = QVBoxLayout()
        box.addWidget(self.camera)
        box.addLayout(self.lines)
        box.addWidget(self.nowhere)
        self.outputs = Section(box)
        self.column.addWidget(self.outputs)

    # What is shown.

    def show_settings(self, settings: Settings) -> None:
        """Show the values that hold now."""
        super().show_settings(settings)
        background = settings.output.background
        rows = self.backdrop.rows
        rows["output.background_color"].set_visible(background in ("color", "transparent"))
        rows["output.background_image"].set_visible(background == "image")
        self._show_size(settings.output.size)
        self.label.show_settings(settings)

    def _show_size(self, size: str) -> None:
        known = size in SIZES
        with QSignalBlocker(self.sizes):
            self.sizes.setCurrentIndex(self.sizes.findData(size if known else ""))
        self._show_custom(not known)
        width, _, height = size.partition("x")
        if not known and width.isdecimal() and height.isdecimal():
            for box, value in zip(self.sides, (width, height), strict=True):
                with QSignalBlocker(box):
                    box.setValue(int(value))

    def _show_custom(self, on: bool) -> None:
        self.custom.setVisible(on)
        self.sides_label.setVisible(on)

    def _show_outputs(self) -> None:
        """Show every output with its state, and the recordings."""
        for shown in self._shown:
            shown.deleteLater()
        self._shown.clear()
        session = self.studio.session
        states = session.output_states() if session is not None else ()
        for state in states:
            shown = _output_line(state.name, state.problem, state.dropped)
            self.lines.addWidget(shown)
            self._shown.append(shown)
        self.nowhere.setVisible(not states)
        recording = self.studio.recording
        if recording and not self.record.running:
            self._clock.start()
            self._bytes = 0
        self.record.running = recording
        self._name_record()
        self._show_restarts()
        self._show_told()
        self._show_recordings()

    def _show_recordings(self) -> None:
        paths = self.studio.recordings[:MOST_SHOWN]
        self.recordings.clear()
        for path in paths:
            item = QListWidgetItem(path.name)
            item.setData(Qt.ItemDataRole.UserRole, str(path))
            item.setToolTip(tr("{path}\nEnter or double click plays it", path=path))
            self.recordings.addItem(item)
        self.recordings.setVisible(bool(paths))
        self.none.setVisible(not paths)
        height = max(self.recordings.sizeHintForRow(0), 20)
        self.recordings.setFixedHeight(height * max(1, len(paths)) + 2 * self.recordings.frameWidth() + 2)

    def _tick(self, _: Stats) -> None:
        path = self.studio.recording_path
        self.snapshot.setEnabled(self.studio.session is not None)
        self.record.setEnabled(self.studio.session is not None)
        if path is None:
            return
        self._show_told()
        if not self._asking:
            self._asking = True
            self.studio.submit(lambda: _size_of(path), self._take_size)

    def _take_size(self, size: int) -> None:
        self._asking, self._bytes = False, size

    def _show_told(self) -> None:
        recording = self.studio.recording
        self.told.setVisible(recording)
        if recording:
            seconds = self._clock.elapsed() // 1000 if self._clock.isValid() else 0
            self.told.setText(tr("Recording {time}, {size} MB", time=f"{seconds // 60}:{seconds % 60:02d}",
                                 size=f"{self._bytes / 1e6:.1f}"))

    def _show_restarts(self) -> None:
        self.restarts.setText(tr("Another size ends the recording that runs.") if self.studio.recording else "")
        self.restarts.setVisible(self.studio.recording)

    # What people do.

    def _choose_size(self, at: int) -> None:
        size = self.sizes.itemData(at)
        if size:
            self.studio.change("output.size", size)
        else:
            self._show_custom(True)
            self._begin_sides()
            self.sides[0].setFocus()
            return
        self.show_settings(self.studio.settings)

    def _begin_sides(self) -> None:
        """Begin with the size that goes out now; nothing changes before another one is typed."""
        session = self.studio.session
        frame = session.preview.peek() if session is not None else None
        height, width = frame.image.shape[:2] if frame is not None else (512, 512)
        for box, value in zip(self.sides, (width, height), strict=True):
            box.setValue(value)

    def _choose_sides(self) -> None:
        # Video needs even sides.
        width, height = (box.value() // 2 * 2 for box in self.sides)
        if self.custom.isVisibleTo(self):
            self.studio.change("output.size", f"{width}x{height}")

    def _name_record(self) -> None:
        self.record.setText(tr("Stop &recording") if self.studio.recording else tr("&Record"))

    def retranslate(self) -> None:
        super().retranslate()
        self.picture.set_title(tr("The picture that goes out"))
        self.size_label.setText(tr("Size"))
        self.sizes.setAccessibleName(tr("Size"))
        with QSignalBlocker(self.sizes):
            self.sizes.clear()
            for size, text in SIZES.items():
                self.sizes.addItem(tr(text), size)
        self.sides_label.setText(tr("In pixels"))
        for box, name in zip(self.sides, (tr("Width"), tr("Height")), strict=True):
            box.setAccessibleName(name)
        self.takes.set_title(tr("Record"))
        self.snapshot.setText(tr("&Snapshot"))
        self.snapshot.setToolTip(tr("Save what goes out now as a picture"))
        self.last.setText(tr("Last recordings"))
        self.recordings.setAccessibleName(tr("Last recordings"))
        self.none.setText(tr("No recordings yet"))
        self.folder.name_it(tr("Open folder"))
        self.outputs.set_title(tr("Outputs"))
        self.nowhere.setText(tr("Nothing leaves this window yet: record, or switch the virtual camera on."))
        self.label.retranslate()
        aligned(*self.forms)
        self.show_settings(self.studio.settings)
        self._show_outputs()


def _open(path: Path) -> None:
    """Let the desktop open a file or folder; a folder that is not there yet opens as the next one above."""
    there = next((place for place in (path, *path.parents) if place.exists()), path)
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(there)))


def _size_of(path: Path) -> int:
    """Return the size in bytes of what was recorded so far: the file may still carry its working name."""
    files = [path, *path.parent.glob(f"{path.stem}*recording*")]
    return sum(file.stat().st_size for file in files if file.exists())


def _output_line(name: str, problem: str, dropped: int) -> QWidget:
    made = QWidget()
    mark, text = Mark("bad" if problem else "good"), note(quiet=False)
    state = say(problem) if problem else tr("runs")
    if dropped:
        state = tr("{state}, {count} frames dropped", state=state, count=dropped)
    text.setText(f"{tr(OUTPUTS.get(name, name))}: {state}")
    row = QHBoxLayout(made)
    row.setContentsMargins(0, 0, 0, 0)
    row.addWidget(mark, 0, Qt.AlignmentFlag.AlignTop)
    row.addWidget(text, 1)
    return made
