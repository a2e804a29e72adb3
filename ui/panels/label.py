"""The section of the output panel about what says that the picture is synthetic: label, hidden mark, signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout

from didlive.badge import TEXT
from ui.i18n import tr

from .panel import Panel, Section, note
from .rows import TextRow

if TYPE_CHECKING:
    from didlive.settings import Settings


class LabelSection(Section):
    """The label with its text and corner, or what it means to be without; the hidden mark; the signature."""

    def __init__(self, panel: Panel) -> None:
        box = QVBoxLayout()
        box.setSpacing(4)
        super().__init__(box)
        self.badge, self.law = panel.form("output.badge"), note(quiet=False)
        self.words = panel.form("output.badge_text", "output.badge_corner")
        self.marks = panel.form("output.watermark", "output.credentials")
        for part in (self.badge, self.law, self.words, self.marks):
            box.addWidget(part)

    def show_settings(self, settings: Settings) -> None:
        """Show what belongs to the values that hold now."""
        self.law.setVisible(not settings.output.badge)
        for row in self.words.rows.values():
            row.set_visible(settings.output.badge)

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        self.set_title(tr("Label and signature"))
        row = self.words.rows["output.badge_text"]
        if isinstance(row, TextRow):
            row.line.setPlaceholderText(tr(TEXT))
        self.law.setText(tr("In the EU and elsewhere synthetic media must be labelled: turning it off is your "
                            "responsibility."))
