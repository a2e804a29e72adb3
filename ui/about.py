"""About, with versions and licences, and what `didlive doctor` says."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING

from PySide6 import __version__ as pyside_version
from PySide6.QtCore import QSize, Qt, qVersion
from PySide6.QtWidgets import (
    QApplication,
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLabel,
    QProgressBar,
    QPushButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from didlive import __version__

from .i18n import say, tr

if TYPE_CHECKING:
    from didlive.doctor import Report

    from .studio import Studio

LIBRARIES = ("PySide6_Essentials", "mediapipe", "numpy", "opencv-python-headless", "numba", "av", "pillow",
             "scikit-image", "platformdirs", "filelock", "matplotlib", "tqdm", "cv2-enumerate-cameras")


def versions() -> list[tuple[str, str, str]]:
    """Return (name, version, licence) of didlive's libraries."""
    found = []
    for name in LIBRARIES:
        try:
            about = metadata.metadata(name).json
        except metadata.PackageNotFoundError:
            continue
        told = str(about.get("license_expression") or _classified(about) or about.get("license") or "")
        found.append((str(about["name"]), str(about["version"]), told.partition("\n")[0]))
    return found


def _classified(about: dict[str, str | list[str]]) -> str:
    lines = about.get("classifier") or []
    return ", ".join(line.rsplit(" :: ", 1)[1] for line in lines if line.startswith("License :: OSI"))


def system_line() -> str:
    """Return the versions that a report needs, in one line."""
    return (f"didlive {__version__}, Python {platform.python_version()}, PySide6 {pyside_version}, Qt {qVersion()}, "
            f"{platform.platform()}")


class AboutDialog(QDialog):
    """What didlive is, under which licence, and what it stands on."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("About didlive"))
        title = QLabel(f"<h2>didlive {__version__}</h2>")
        text = QLabel(tr("One still portrait becomes a live performer. Everything happens on this computer; no picture "
                         "of you leaves it.") + "\n" + tr("Licence: Apache-2.0"))
        text.setWordWrap(True)
        table = _table((tr("Library"), tr("Version"), tr("Licence")), versions())
        table.setAccessibleName(tr("Libraries and their licences"))
        system = QLabel(system_line())
        system.setWordWrap(True)
        system.setObjectName("dim")
        system.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 16, 24, 16)
        layout.setSpacing(16)
        for widget in (title, text, table, system, buttons):
            layout.addWidget(widget)

    def sizeHint(self) -> QSize:
        return QSize(640, 560)


class DoctorDialog(QDialog):
    """What works on this computer, what is missing, and the command that gets it."""

    def __init__(self, studio: Studio, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(tr("Check this computer"))
        self._report: Report | None = None
        self.verdict = QLabel(tr("Looking at everything; this takes some seconds …"))
        self.verdict.setWordWrap(True)
        self.waiting = QProgressBar(textVisible=False, minimum=0, maximum=0)
        self.table = _table((tr("What"), tr("Found"), tr("What to do")), [])
        self.table.setAccessibleName(tr("Check this computer"))
        self.copy = QPushButton(tr("Copy"))
        self.copy.setEnabled(False)
        self.copy.clicked.connect(self._copy)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.addButton(self.copy, QDialogButtonBox.ButtonRole.ActionRole)
        buttons.rejected.connect(self.reject)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 24, 24, 16)
        layout.setSpacing(16)
        for widget in (self.verdict, self.waiting, self.table, buttons):
            layout.addWidget(widget)
        self._gone = False
        self.finished.connect(self._leave)

        def examine() -> Report:
            from didlive.doctor import examine

            return examine()

        studio.submit(examine, self._show)

    def sizeHint(self) -> QSize:
        return QSize(860, 560)

    def _leave(self) -> None:
        self._gone = True

    def _show(self, report: Report) -> None:
        if self._gone:
            return
        self._report = report
        self.waiting.hide()
        self.copy.setEnabled(True)
        self.verdict.setText(tr("A portrait can be animated on this computer.") if report.ready
                             else tr("Something that is needed is missing."))
        # What is missing comes first.
        for check in sorted(report.checks, key=lambda check: check.ok):
            sign = "✓" if check.ok else "✗" if check.needed else "–"
            row = [f"{sign}  {say(check.name)}", say(check.detail), "" if check.ok else say(check.fix)]
            item = QTreeWidgetItem(self.table, row)
            for column, text in enumerate(row):
                item.setToolTip(column, text)
        self.table.resizeColumnToContents(0)

    def _copy(self) -> None:
        if self._report is not None:
            lines = [f"{'ok' if c.ok else 'missing'}: {c.area}: {c.name}: {c.detail}" + (f" ({c.fix})" if c.fix else "")
                     for c in self._report.checks]
            QApplication.clipboard().setText("\n".join([system_line(), *lines]))


def _table(titles: tuple[str, str, str], rows: list[tuple[str, str, str]]) -> QTreeWidget:
    table = QTreeWidget()
    table.setRootIsDecorated(False)
    table.setHeaderLabels(list(titles))
    table.header().setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
    table.header().resizeSection(0, 200)
    table.header().resizeSection(2, 200)
    table.header().setStretchLastSection(False)
    for row in rows:
        QTreeWidgetItem(table, list(row))
    return table

