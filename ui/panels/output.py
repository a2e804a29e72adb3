"""The output panel: the picture that leaves, where it goes, recordings and snapshots."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QRectF, QSignalBlocker, QSize, Qt, QUrl
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
from ui.i18n import tr

from .controls import aligned, line
from .destinations import Destinations, StreamSection
from .glyphs import BAD, GlyphButton
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
        self._bytes, self._asking = 0, False
        self._build_picture()
        self._build_record()
        self.outputs, self.stream = Destinations(self), StreamSection(self)
        for section in (self.outputs, self.stream):
            self.column.addWidget(section)
        self.label = LabelSection(self)
        self.column.addWidget(self.label)
        self.column.addStretch(1)
        studio.outputs_changed.connect(self._show_outputs)
        studio.stats_changed.connect(self._tick)
        self.retranslate()
        self.show_settings(studio.settings)

    def _build_picture(self) -> None:
        self.framing, self.format = self.form("output.kind", "output.framing"), self.form()
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
        self.pause, self.kind = QPushButton(), self.form("output.record_as", "output.take")
        self.pause.clicked.connect(lambda: self.studio.takes.pause(not self.studio.takes.paused))
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
        box.addLayout(line(self.told, self.pause))
        box.addWidget(self.kind)
        box.addLayout(head)
        box.addWidget(self.none)
        box.addWidget(self.recordings)
        self.takes = Section(box)
        self.column.addWidget(self.takes)

    # What is shown.

    def show_settings(self, settings: Settings) -> None:
        """Show the values that hold now."""
        super().show_settings(settings)
        background = settings.output.background
        rows = self.backdrop.rows
        rows["output.background_color"].set_visible(background in ("color", "transparent"))
        rows["output.background_image"].set_visible(background == "image")
        self._show_size(settings.output.size)
        for section in (self.outputs, self.stream, self.label):
            section.show_settings(settings)

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
        self.outputs.show_outputs()
        self.stream.show_outputs()
        self.record.running = self.studio.recording
        self.pause.setVisible(self.studio.recording)
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
        self.recordings.setFixedHeight(height * max(1, len(paths)) + 2 * self.recordings.frameWidth() + 6)

    def _tick(self, _: Stats) -> None:
        self.snapshot.setEnabled(self.studio.session is not None)
        self.record.setEnabled(self.studio.session is not None)
        self.outputs.look()
        if not self.studio.recording:
            self._bytes = 0
            return
        self._show_told()
        if not self._asking:
            self._asking = True
            self.studio.submit(self.studio.takes.measure, self._take_size)

    def _take_size(self, size: int) -> None:
        self._asking, self._bytes = False, size

    def _show_told(self) -> None:
        takes = self.studio.takes
        self.told.setVisible(takes.recording)
        seconds = int(takes.seconds)
        values = {"time": f"{seconds // 60}:{seconds % 60:02d}", "size": f"{self._bytes / 1e6:.1f}"}
        self.told.setText(tr("Paused at {time}, {size} MB", **values) if takes.paused else
                          tr("Recording {time}, {size} MB", **values))

    def _show_restarts(self) -> None:
        self.restarts.setText(tr("Another size or frame rate, or a transparent background or none any more, ends the "
                                 "recording that runs.") if self.studio.recording else "")
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
        self.pause.setText(tr("Go on") if self.studio.takes.paused else tr("Pause"))

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
        for section in (self.outputs, self.stream, self.label):
            section.retranslate()
        aligned(*self.forms)
        self.show_settings(self.studio.settings)
        self._show_outputs()


def _open(path: Path) -> None:
    """Let the desktop open a file or folder; a folder that is not there yet opens as the next one above."""
    there = next((place for place in (path, *path.parents) if place.exists()), path)
    QDesktopServices.openUrl(QUrl.fromLocalFile(str(there)))
