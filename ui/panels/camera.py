"""The camera panel: what drives the portrait, the neutral face, and who performs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QSignalBlocker, Qt
from PySide6.QtWidgets import QLabel, QMessageBox, QPushButton, QVBoxLayout

from didlive.registry import PHONE, is_phone
from didlive.settings import Settings
from ui.i18n import say, tr
from ui.show import find_choice

from . import files
from .controls import aligned, line
from .faces import FaceHint
from .glyphs import GlyphButton
from .panel import Panel, Section, note
from .phone import PhoneLines
from .rows import RESET_PX, wide_combo
from .wizard import RangeDialog

if TYPE_CHECKING:
    from didlive.session import Stats
    from ui.studio import Studio

SIZES = ((640, 480), (1280, 720), (1920, 1080))
COUNTDOWN_S = 3
CLIPS = "*.mp4 *.mov *.m4v *.mkv *.webm *.avi *.gif *.npz"
FILE = object()


class CameraPanel(Panel):
    """Cameras by name, files and the built-in motion; calibration with a countdown; performers."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(studio)
        self._build_camera()
        self._build_neutral()
        self._build_performer()
        self.column.addStretch(1)
        studio.cameras_changed.connect(lambda _: self._show_cameras())
        studio.driver_changed.connect(self._show_cameras)
        studio.stats_changed.connect(self._show_stats)
        studio.countdown.connect(self._show_countdown)
        studio.performers_changed.connect(self._show_performers)
        self.retranslate()
        self.show_settings(studio.settings)

    def _build_camera(self) -> None:
        self.cameras, self.refresh = wide_combo(), GlyphButton("refresh", RESET_PX)
        self.cameras.activated.connect(self._choose)
        self.refresh.clicked.connect(self.studio.refresh_cameras)
        self.driving, self.phone = note(), PhoneLines(self.studio)
        self.size_label, self.sizes = QLabel(), wide_combo()
        self.sizes.activated.connect(self._choose_size)
        self.format, self.rate, self.mirror = self.form(), self.form("camera.rate_hz"), self.form("motion.mirror")
        self.format.add_line(self.size_label, self.sizes)
        box = QVBoxLayout()
        box.setSpacing(8)
        box.addLayout(line(self.cameras, self.refresh))
        box.addWidget(self.driving)
        box.addWidget(self.phone)
        rows = QVBoxLayout()
        rows.setSpacing(4)
        for form in (self.format, self.rate, self.mirror):
            rows.addWidget(form)
        box.addLayout(rows)
        self.camera = Section(box)
        self.column.addWidget(self.camera)

    def _build_neutral(self) -> None:
        self.face, self.ask = FaceHint(), note(quiet=False)
        self.calibrate = QPushButton()
        self.calibrate.clicked.connect(lambda: self.studio.recalibrate(COUNTDOWN_S))
        words = QVBoxLayout()
        words.addWidget(self.ask, 1)
        words.addWidget(self.calibrate)
        top = line(self.face, spacing=12)
        top.addLayout(words, 1)
        box = QVBoxLayout()
        box.setSpacing(8)
        box.addLayout(top)
        box.addWidget(self.form("motion.auto_neutral"))
        self.neutral = Section(box)
        self.column.addWidget(self.neutral)

    def _build_performer(self) -> None:
        self.performers, self.delete = wide_combo(), GlyphButton("trash", RESET_PX)
        self.performers.activated.connect(lambda at: self.studio.use_performer(self.performers.itemData(at)))
        self.delete.clicked.connect(self._ask_delete)
        self.measure, self.about = QPushButton(), note()
        self.measure.clicked.connect(self._open_wizard)
        box = QVBoxLayout()
        box.setSpacing(8)
        box.addLayout(line(self.performers, self.delete))
        box.addWidget(self.measure)
        box.addWidget(self.about)
        self.performer = Section(box)
        self.column.addWidget(self.performer)

    # What is shown.

    @property
    def _phoned(self) -> bool:
        return is_phone(self.studio.camera_asked)

    def show_settings(self, settings: Settings) -> None:
        """Show the values that hold now."""
        super().show_settings(settings)
        self._show_cameras()
        self._show_sizes(settings)
        self._show_performers()

    def _show_cameras(self) -> None:
        wanted = self.studio.camera_asked
        combo = self.cameras
        with QSignalBlocker(combo):
            combo.clear()
            chosen, at = find_choice(wanted, self.studio.cameras), -1
            for choice in self.studio.cameras:
                combo.addItem(choice.name or tr("Camera {number}", number=choice.index), str(choice.index))
                combo.setItemData(combo.count() - 1, choice.path, Qt.ItemDataRole.ToolTipRole)
                at = combo.count() - 1 if choice is chosen else at
            combo.addItem(tr("Built-in motion (no camera)"), "")
            combo.addItem(tr("A phone that tracks (iFacialMocap)"), PHONE)
            if is_phone(wanted):
                at = combo.count() - 1
            if at < 0 and wanted and not wanted.isdecimal():
                combo.addItem(Path(wanted).name, wanted)
                at = combo.count() - 1
            combo.addItem(tr("A video or motion file…"), FILE)
            combo.setCurrentIndex(at if at >= 0 else combo.findData(""))
        self.phone.show_spec(wanted)
        # Only a camera can be asked for a size and a rate; one that is not there yet, too.
        asked = chosen is not None or wanted.isdecimal()
        self.format.setVisible(asked)
        self.rate.setVisible(asked)
        self._show_driving()

    def _show_driving(self, delivered: str = "") -> None:
        lines = [tr("Driven by {name}", name=say(self.studio.driving)), *([delivered] if delivered else [])]
        if not self.studio.cameras and not self._phoned:
            lines.append(tr("No camera is connected; plug one in and it appears here."))
        self.driving.setText("\n".join(lines))

    def _show_stats(self, stats: Stats) -> None:
        session = self.studio.session
        info = session.camera_info if session is not None else None
        rate = f"{info.rate_hz:.0f}" if info is not None and info.rate_hz else "?"
        self._show_driving(tr("It delivers {width} × {height} px, {rate} fps", width=info.width, height=info.height,
                              rate=rate) if info is not None and info.live and not self._phoned else "")
        self.phone.show_stats(stats)

    def _show_sizes(self, settings: Settings) -> None:
        now = (settings.camera.width, settings.camera.height)
        with QSignalBlocker(self.sizes):
            self.sizes.clear()
            for width, height in sorted({*SIZES, now}):
                self.sizes.addItem(f"{width} × {height} px", (width, height))
            self.sizes.setCurrentText(f"{now[0]} × {now[1]} px")

    def _show_countdown(self, left: int) -> None:
        self.face.show_pose("neutral", left, 1 - left / COUNTDOWN_S if left else 0.0)
        self.calibrate.setEnabled(left == 0)

    def _show_performers(self) -> None:
        combo, using = self.performers, self.studio.settings.window.performer
        with QSignalBlocker(combo):
            combo.clear()
            combo.addItem(tr("Anybody (calibrated at the start)"), "")
            for name in self.studio.performers:
                combo.addItem(name, name)
            combo.setCurrentIndex(max(0, combo.findData(using)))
        self.delete.setEnabled(combo.currentIndex() > 0)

    # What people do.

    def _choose(self, at: int) -> None:
        data = self.cameras.itemData(at)
        self._show_cameras()
        if data == PHONE and self._phoned:
            return
        if data is not FILE:
            self.studio.choose_camera(data)
            return
        files.ask(self, tr("Choose a video or motion file"), f"{tr('Videos and motion')} ({CLIPS})",
                  files.Place.MoviesLocation, lambda paths: self.studio.choose_camera(str(paths[0])))

    def _choose_size(self, at: int) -> None:
        width, height = self.sizes.itemData(at)
        self.studio.apply_overlay({"camera": {"width": width, "height": height}}, self.sizes.itemText(at))

    def _open_wizard(self) -> None:
        dialog = RangeDialog(self.studio)
        dialog.setParent(self, Qt.WindowType.Dialog)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def _ask_delete(self) -> None:
        name = self.performers.currentData()
        dialog = QMessageBox(QMessageBox.Icon.Question, tr("Delete the performer"),
                             tr("Delete what was measured of “{name}”?", name=name),
                             QMessageBox.StandardButton.Cancel, self)
        dialog.setTextFormat(Qt.TextFormat.PlainText)
        dialog.setDefaultButton(QMessageBox.StandardButton.Cancel)
        button = dialog.addButton(tr("Delete"), QMessageBox.ButtonRole.DestructiveRole)
        button.clicked.connect(lambda: self.studio.delete_performer(name))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def retranslate(self) -> None:
        super().retranslate()
        self.camera.set_title(tr("What drives the portrait"))
        self.cameras.setAccessibleName(tr("Camera"))
        self.refresh.name_it(tr("Look for cameras again"))
        self.size_label.setText(tr("Format"))
        self.sizes.setAccessibleName(tr("Format"))
        self.phone.retranslate()
        self.sizes.setToolTip(tr("The size to ask the camera for; it may answer with another"))
        self.neutral.set_title(tr("Neutral face"))
        self.face.setAccessibleName(tr("A relaxed face with closed mouth"))
        self.ask.setText(tr("Look straight into the camera, relaxed, with your mouth closed."))
        self.calibrate.setText(tr("&Calibrate"))
        self.calibrate.setToolTip(tr("Counts to three, then takes your face as neutral"))
        self.performer.set_title(tr("Who performs"))
        self.performers.setAccessibleName(tr("Performer"))
        self.delete.name_it(tr("Delete the performer"))
        self.measure.setText(tr("&Measure my face…"))
        self.about.setText(tr("Learns how far your eyes, mouth, brows and head go. Only numbers are kept."))
        aligned(self.format, self.rate)
        self.show_settings(self.studio.settings)

