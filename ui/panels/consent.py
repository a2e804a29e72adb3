"""Asks whose a portrait is, and lets a consent be revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QButtonGroup,
    QDialog,
    QDialogButtonBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QListView,
    QMenu,
    QMessageBox,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)
from shiboken6 import isValid

from didlive.consent import KINDS
from ui.i18n import tr

from . import files
from .panel import note
from .rows import sentence
from .tiles import ENTRY

if TYPE_CHECKING:
    from didlive.errors import DidliveError
    from didlive.library import Entry
    from ui.studio import Studio

WIDTH_PX = 420


class ConsentDialog(QDialog):
    """One portrait, five answers. It does not stand in the way of the show: later is an answer, too."""

    def __init__(self, studio: Studio, entry: Entry, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.studio, self.entry = studio, entry
        # Keys go on to the show.
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(tr("Whose portrait is this?"))
        self.setMinimumWidth(WIDTH_PX)
        name = QLabel(entry.name)
        name.setTextFormat(Qt.TextFormat.PlainText)
        font = name.font()
        font.setBold(True)
        name.setFont(font)
        box = QVBoxLayout(self)
        box.setSpacing(8)
        box.addWidget(name)
        box.addWidget(note(tr("Your answer stays on this computer, signed. Nothing is uploaded.")))
        self.kinds = QButtonGroup(self)
        for at, text in enumerate(KINDS.values()):
            button = QRadioButton(sentence(text))
            self.kinds.addButton(button, at)
            box.addWidget(button)
        form = QFormLayout()
        self.fields = {"who": QLineEdit(), "scope": QLineEdit(), "expires": QLineEdit()}
        for (key, line), text in zip(self.fields.items(), (tr("Who agreed"), tr("To what"), tr("Until")), strict=True):
            line.setAccessibleName(text)
            line.setPlaceholderText("" if key == "who" else tr("Optional"))
            form.addRow(text, line)
        self.fields["expires"].setPlaceholderText(tr("Optional: YYYY-MM-DD"))
        box.addLayout(form)
        self.problem = note(quiet=False)
        self.problem.hide()
        box.addWidget(self.problem)
        self.buttons = QDialogButtonBox()
        self.save = self.buttons.addButton(tr("Save"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.later = self.buttons.addButton(tr("Later"), QDialogButtonBox.ButtonRole.RejectRole)
        self.save.setEnabled(False)
        self.kinds.idToggled.connect(lambda *_: self.save.setEnabled(True))
        self.buttons.accepted.connect(self._record)
        self.buttons.rejected.connect(self._put_off)
        box.addWidget(self.buttons)

    def _put_off(self) -> None:
        self.studio.consents.put_off.add(self.entry.key)
        self.reject()

    def _record(self) -> None:
        fields = {key: line.text() for key, line in self.fields.items()}
        self.save.setEnabled(False)
        kind = list(KINDS)[self.kinds.checkedId()]
        self.studio.consents.record(self.entry, kind, fields, self._recorded, self._failed)

    def _recorded(self) -> None:
        # Another question may have taken its place meanwhile.
        if isValid(self):
            self.accept()

    def _failed(self, error: DidliveError) -> None:
        if not isValid(self):
            self.studio.message.emit("error", str(error))
            return
        self.problem.setText(sentence(str(error)))
        self.problem.show()
        self.save.setEnabled(True)


class ConsentMenu:
    """The tiles' menu, and the dialog that comes when a portrait plays that nobody was asked about."""

    def __init__(self, studio: Studio, view: QListView) -> None:
        self._studio, self._view = studio, view
        self.dialog: ConsentDialog | None = None
        view.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        view.customContextMenuRequested.connect(self._open)
        studio.consents.asked.connect(self.ask)

    def ask(self, entry: Entry) -> None:
        """Ask whose a portrait is; one question at a time."""
        if self.dialog is not None:
            self.dialog.close()
        dialog = self.dialog = ConsentDialog(self._studio, entry, self._view.window())
        dialog.finished.connect(lambda _: self._ended(dialog))
        dialog.show()

    def _ended(self, dialog: ConsentDialog) -> None:
        if self.dialog is dialog:
            self.dialog = None

    def menu(self, entry: Entry) -> QMenu:
        """Return the menu of one portrait."""
        menu = QMenu(self._view)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for text, run in ((tr("Whose portrait is this?…"), self.ask), (tr("Revoke consent…"), self._ask_revoke),
                          (tr("Export all consents…"), lambda _: self.ask_export())):
            action = QAction(text, menu)
            action.triggered.connect(lambda _=False, run=run: run(entry))
            menu.addAction(action)
        return menu

    def _open(self, at: QPoint) -> None:
        index = self._view.indexAt(at)
        entry = (index if index.isValid() else self._view.currentIndex()).data(ENTRY)
        if entry is not None and not entry.builtin:
            self.menu(entry).popup(self._view.viewport().mapToGlobal(at))

    def ask_export(self) -> None:
        """Ask where the ledger shall be written to."""
        files.ask_new(self._view, tr("Export all consents"), "didlive-consents.json", "JSON (*.json)",
                      files.Place.DocumentsLocation, self._studio.consents.export)

    def _ask_revoke(self, entry: Entry) -> None:
        dialog = QMessageBox(QMessageBox.Icon.Question, tr("Revoke consent"),
                             tr("“{name}” will not go live any more, until somebody consents again. Revoke?",
                                name=entry.name), QMessageBox.StandardButton.Cancel, self._view.window())
        dialog.setTextFormat(Qt.TextFormat.PlainText)
        dialog.setDefaultButton(QMessageBox.StandardButton.Cancel)
        button = dialog.addButton(tr("Revoke"), QMessageBox.ButtonRole.DestructiveRole)
        button.clicked.connect(lambda: self._studio.consents.revoke(entry))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.open()
