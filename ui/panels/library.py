"""The portrait library: bring pictures in, see whether they are ready, play one by a click."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelectionModel, QModelIndex, QSize, Qt
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QGuiApplication,
    QKeySequence,
    QPalette,
    QShortcut,
)
from PySide6.QtWidgets import (
    QFrame,
    QLabel,
    QListView,
    QMessageBox,
    QProgressBar,
    QPushButton,
    QStyle,
    QVBoxLayout,
    QWidget,
)

from ui.i18n import say, tr

from . import drops, files
from .consent import ConsentMenu
from .controls import line
from .glyphs import GlyphButton, Mark
from .panel import MARGIN, WIDTH_PX, note
from .rows import sentence
from .tiles import PortraitModel, TileDelegate, consent_told, mark_of, readiness

if TYPE_CHECKING:
    from PySide6.QtCore import QEvent, QMimeData
    from PySide6.QtGui import QResizeEvent

    from didlive.library import Entry
    from ui.studio import Studio

LEAST_PX, BESIDE_NAME_PX = 248, 124
PICTURES = "*.jpg *.jpeg *.png *.webp *.bmp *.tif *.tiff *.gif"


class LibraryPanel(QWidget):
    """A grid of portraits. A click plays one; files and pictures can be dropped, pasted or opened."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.studio = studio
        self.setAcceptDrops(True)
        self.setMinimumWidth(LEAST_PX)
        self.model = PortraitModel(studio)
        self._tiles = TileDelegate(studio, self.model)
        self._build_view()
        self._build_details()
        self._build_progress()
        self.open, self.paste = QPushButton(), QPushButton()
        self.open.clicked.connect(self.ask_files)
        self.paste.clicked.connect(self.take_clipboard)
        self.hint = note()
        box = QVBoxLayout(self)
        box.setContentsMargins(MARGIN, MARGIN, MARGIN, MARGIN)
        box.setSpacing(8)
        box.addLayout(line(self.open, self.paste))
        box.addWidget(self.hint)
        box.addWidget(self.empty, 1)
        box.addWidget(self.view, 1)
        box.addWidget(self.progress)
        box.addWidget(self.details)
        self._build_keys()
        self.consent = ConsentMenu(studio, self.view)
        studio.library_changed.connect(self.refresh)
        studio.portrait_changed.connect(self._follow)
        studio.preparing_changed.connect(self.view.viewport().update)
        studio.busy_changed.connect(self._show_busy)
        self.retranslate()
        self._follow(studio.portrait)

    def sizeHint(self) -> QSize:
        return QSize(WIDTH_PX, 560)

    def _build_view(self) -> None:
        view = self.view = QListView()
        view.setViewMode(QListView.ViewMode.IconMode)
        view.setMovement(QListView.Movement.Static)
        view.setResizeMode(QListView.ResizeMode.Adjust)
        view.setUniformItemSizes(True)
        view.setSpacing(0)
        view.setFrameShape(QFrame.Shape.NoFrame)
        view.setMouseTracking(True)
        view.setAcceptDrops(False)
        view.setEditTriggers(QListView.EditTrigger.EditKeyPressed)
        view.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        view.viewport().setBackgroundRole(QPalette.ColorRole.Window)
        view.setModel(self.model)
        view.setItemDelegate(self._tiles)
        view.clicked.connect(self._play)
        view.activated.connect(self._play)
        view.selectionModel().currentChanged.connect(self._show_details)
        self.empty = QLabel()
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.empty.setWordWrap(True)

    def _build_details(self) -> None:
        self.mark, self.name, self.headline, self.notes = Mark(), QLabel(), QLabel(), note(quiet=False)
        font = self.name.font()
        font.setBold(True)
        self.name.setFont(font)
        # People name portraits as they like.
        self.name.setTextFormat(Qt.TextFormat.PlainText)
        self.headline.setWordWrap(True)
        self.rename, self.remove = GlyphButton("pencil"), GlyphButton("trash")
        self.rename.clicked.connect(lambda: self.view.edit(self.view.currentIndex()))
        self.remove.clicked.connect(self._ask_remove)
        words = QVBoxLayout()
        words.setSpacing(0)
        words.addWidget(self.name)
        words.addWidget(self.headline)
        top = line(self.mark)
        top.addLayout(words, 1)
        top.addWidget(self.rename)
        top.addWidget(self.remove)
        self.details = QWidget()
        box = QVBoxLayout(self.details)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addLayout(top)
        box.addWidget(self.notes)

    def _build_progress(self) -> None:
        self.busy, self.bar = QLabel(), QProgressBar()
        self.bar.setTextVisible(False)
        self.bar.setFixedHeight(6)
        self.progress = QWidget()
        box = QVBoxLayout(self.progress)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(self.busy)
        box.addWidget(self.bar)
        self.progress.hide()

    def _build_keys(self) -> None:
        inside = Qt.ShortcutContext.WidgetWithChildrenShortcut
        QShortcut(QKeySequence(QKeySequence.StandardKey.Paste), self, self.take_clipboard, context=inside)
        QShortcut(QKeySequence(Qt.Key.Key_Delete), self.view, self._ask_remove, context=inside)

    # What is shown.

    def refresh(self) -> None:
        """Show what the library holds now."""
        key = self._current_key()
        self.model.refresh()
        self.view.setVisible(self.model.rowCount() > 0)
        self.empty.setVisible(self.model.rowCount() == 0)
        self._select(key or self.studio.portrait)

    def _follow(self, key: str) -> None:
        self.refresh()
        self._select(key)

    def _select(self, key: str) -> None:
        row = self.model.row_of(key)
        if row >= 0 and row != self.view.currentIndex().row():
            self.view.selectionModel().setCurrentIndex(self.model.index(row),
                                                       QItemSelectionModel.SelectionFlag.ClearAndSelect)
        self._show_details()

    def _current(self) -> Entry | None:
        return self.model.entry(self.view.currentIndex().row())

    def _current_key(self) -> str:
        entry = self._current()
        return entry.key if entry else ""

    def _show_details(self, *_: QModelIndex) -> None:
        entry = self._current()
        self.details.setVisible(entry is not None)
        if entry is None:
            return
        verdict = self.studio.verdict(entry.key)
        self.mark.show_mark(mark_of(verdict))
        room = self.width() - 2 * MARGIN - BESIDE_NAME_PX
        self.name.setText(self.name.fontMetrics().elidedText(entry.name, Qt.TextElideMode.ElideMiddle, room))
        self.name.setAccessibleName(entry.name)
        self.headline.setText(readiness(verdict))
        notes = [sentence(each) for each in (verdict.notes if verdict else ())] + [consent_told(self.studio, entry)]
        self.notes.setText("\n".join(f"• {each}" for each in notes if each))
        self.notes.setVisible(bool(self.notes.text()))
        self.rename.setVisible(not entry.builtin)
        self.remove.setVisible(not entry.builtin)

    def _show_busy(self, text: str, progress: float) -> None:
        self.progress.setVisible(bool(text))
        self.busy.setText(say(text))
        self.bar.setAccessibleName(say(text))
        self.bar.setRange(0, 100 if progress >= 0 else 0)
        self.bar.setValue(round(progress * 100))

    # What people do.

    def _play(self, index: QModelIndex) -> None:
        entry = self.model.entry(index.row())
        if entry is not None and entry.key != self.studio.portrait:
            self.studio.choose_portrait(entry.key)

    def ask_files(self) -> None:
        """Let people choose pictures to add."""
        files.ask(self, tr("Add portraits"), f"{tr('Pictures')} ({PICTURES})", files.Place.PicturesLocation,
                  self.studio.add_portraits, many=True)

    def _ask_remove(self) -> None:
        entry = self._current()
        if entry is None or entry.builtin:
            return
        dialog = QMessageBox(QMessageBox.Icon.Question, tr("Remove the portrait"),
                             tr("Remove “{name}” from the library? The file it came from stays where it is.",
                                name=entry.name), QMessageBox.StandardButton.Cancel, self)
        dialog.setTextFormat(Qt.TextFormat.PlainText)
        dialog.setDefaultButton(QMessageBox.StandardButton.Cancel)
        button = dialog.addButton(tr("Remove"), QMessageBox.ButtonRole.DestructiveRole)
        button.clicked.connect(lambda: self.studio.remove_portrait(entry.key))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()

    def take_clipboard(self) -> None:
        """Add what lies on the clipboard."""
        mime = QGuiApplication.clipboard().mimeData()
        if mime is None or not self.take(mime, tr("Pasted picture")):
            self.studio.message.emit("warning", tr("There is no picture on the clipboard; copy a picture or a file."))

    def take(self, mime: QMimeData, name: str) -> bool:
        """Add the files, else the picture, in `mime`; return whether there was one."""
        paths, image = drops.files(mime), None
        if paths:
            self.studio.add_portraits(paths)
            return True
        image = drops.picture(mime)
        if image is not None:
            self.studio.submit(lambda: drops.pixels(image), lambda made: self.studio.add_image(made, name))
        return image is not None

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if drops.acceptable(event.mimeData()):
            event.acceptProposedAction()
            self._hint(tr("Let go to add it"))

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._hint()

    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        self._hint()
        if not self.take(event.mimeData(), tr("Dropped picture")):
            self.studio.message.emit("warning", tr("Only an address was dropped, and didlive does not go online; "
                                                   "save the picture first, then drop the file."))

    def _hint(self, text: str = "") -> None:
        self.hint.setText(text or tr("Drop or paste pictures here. A click plays one."))

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        self.open.setText(tr("&Open…"))
        self.open.setToolTip(tr("Add pictures of one face each"))
        self.paste.setText(tr("&Paste"))
        native = QKeySequence(QKeySequence.StandardKey.Paste).toString(QKeySequence.SequenceFormat.NativeText)
        self.paste.setToolTip(tr("Add the picture on the clipboard ({keys})", keys=native))
        self.view.setAccessibleName(tr("Portraits"))
        self.rename.name_it(tr("Rename (F2)"))
        self.remove.name_it(tr("Remove (Delete)"))
        self.empty.setText(tr("No portraits yet.\n\nDrop a picture of one face here, paste it, or open it."))
        self._hint()
        self._show_details()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit_tiles()
        self._show_details()

    def _fit_tiles(self) -> None:
        """Fill the width: the view leaves room for its scroll bar, and a little."""
        bar = max(self.style().pixelMetric(QStyle.PixelMetric.PM_ScrollBarExtent),
                  self.view.verticalScrollBar().sizeHint().width())
        if self._tiles.fit(self.width() - 2 * MARGIN - bar - 4):
            self.view.scheduleDelayedItemsLayout()

    def changeEvent(self, event: QEvent) -> None:
        if event.type() == event.Type.LanguageChange:
            self.retranslate()
        elif event.type() == event.Type.StyleChange:
            self._fit_tiles()
        super().changeEvent(event)
