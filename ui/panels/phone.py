"""The part of the camera panel about a phone that tracks by itself: whom this computer listens to, and what comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QLineEdit, QVBoxLayout, QWidget

from didlive.errors import BadInput
from didlive.registry import PHONE, PHONE_FORMAT, is_phone
from ui.i18n import tr

from .glyphs import Mark
from .panel import note
from .rows import sentence

if TYPE_CHECKING:
    from didlive.session import Stats
    from ui.studio import Studio


class PhoneLines(QWidget):
    """Listens to this computer only, until somebody opens it to one address of the network; shown while a phone is
    what drives."""

    def __init__(self, studio: Studio) -> None:
        super().__init__()
        self.studio = studio
        self.network, self.address_label, self.address = QCheckBox(), QLabel(), QLineEdit()
        self.address.setPlaceholderText("192.168.1.20")
        self.address_label.setBuddy(self.address)
        self._stats: Stats | None = None
        # Since when the phone is what drives.
        self._since_ns = 0
        self.about, self.mark, self.told = note(), Mark(), note(quiet=False)
        self.network.toggled.connect(self._choose)
        self.address.editingFinished.connect(self._choose)
        self.address.textEdited.connect(lambda _: self._explain())
        line = QHBoxLayout()
        line.addWidget(self.address_label)
        line.addWidget(self.address, 1)
        stands = QHBoxLayout()
        stands.addWidget(self.mark)
        stands.addWidget(self.told, 1)
        box = QVBoxLayout(self)
        box.setContentsMargins(0, 0, 0, 0)
        box.setSpacing(4)
        box.addWidget(self.network)
        box.addLayout(line)
        box.addWidget(self.about)
        box.addLayout(stands)

    def show_spec(self, spec: str) -> None:
        """Show whom is listened to; hide, when it is no phone."""
        self.setVisible(is_phone(spec))
        if not is_phone(spec):
            return
        asked = spec.partition(":")[2]
        if asked:
            # First the address: the switch alone would ask for none.
            self.address.setText(asked)
            self.network.setChecked(True)
        elif self._wanted() != PHONE:
            # It was closed elsewhere; an address that is still being typed stays.
            self.network.setChecked(False)
        self._explain()

    def show_stats(self, stats: Stats | None) -> None:
        """Show whether something comes."""
        self._stats = stats
        session = self.studio.session
        info = session.camera_info if session is not None else None
        seen = session.tracking.peek() if session is not None else None
        if info is None or info.pixel_format != PHONE_FORMAT:
            self._since_ns = 0
        else:
            self._since_ns = self._since_ns or time.perf_counter_ns()
        # What drove before may go on for a moment.
        mark, text = "wait", tr("Waiting for the phone")
        if stats is not None and self._since_ns:
            if stats.reason:
                mark, text = "bad", sentence(stats.reason)
            elif seen is not None and seen.stamp.captured_ns > self._since_ns:
                mark, text = "good", tr("The phone sends your face")
        self.mark.show_mark(mark)
        self.told.setText(text)

    def _wanted(self) -> str:
        """Return what is asked for: the network only with a whole address."""
        typed = self.address.text().strip()
        spec = f"{PHONE}:{typed}"
        return spec if self.network.isChecked() and typed and _address(spec) else PHONE

    def _choose(self) -> None:
        self._explain()
        wanted, asked = self._wanted(), self.studio.camera_asked
        if is_phone(asked) and wanted != asked:
            self.studio.choose_camera(wanted)

    def _explain(self) -> None:
        on, typed = self.network.isChecked(), self.address.text().strip()
        self.address.setVisible(on)
        self.address_label.setVisible(on)
        address = _address(f"{PHONE}:{typed}") if typed else ""
        if not on or address == _address(PHONE):
            text = tr("Only this computer itself is listened to, as for a phone on a USB cable. Nothing is open to the "
                      "network.")
        elif not typed:
            text = tr("Nothing is open yet: type the address that the app on the phone shows.")
        elif not address:
            text = tr("Nothing is open yet: this is no address in a local network; it looks like 192.168.1.20.")
        else:
            text = tr("A port of this computer is open to your local network. Only what this phone sends is used; it "
                      "comes unencrypted.")
        self.about.setText(text)

    def retranslate(self) -> None:
        """Take all texts in the language of now."""
        self.network.setText(tr("Let a phone in my &network send"))
        self.network.setToolTip(tr("Off: only this computer itself is listened to"))
        self.address_label.setText(tr("Its address"))
        self.address.setAccessibleName(tr("Address of the phone"))
        self.show_stats(self._stats)
        self._explain()


def _address(spec: str) -> str:
    """Return the address that is listened to, or an empty text where there is none."""
    from didlive.capture.phone import place

    try:
        return place(spec)[0]
    except BadInput:
        return ""
