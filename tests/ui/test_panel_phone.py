"""A phone as the camera of the window: only this computer is listened to until somebody opens it; silence is told."""

from __future__ import annotations

import pytest
from phone import LOOPBACK, datagram, free_port, talking
from showing import shown

from didlive.registry import PHONE
from ui.panels.camera import CameraPanel
from ui.studio import Studio


def pick(panel: CameraPanel, data: str) -> None:
    panel.cameras.activated.emit(panel.cameras.findData(data))


@pytest.fixture
def panel(qtbot, studio: Studio) -> CameraPanel:
    made = shown(qtbot, CameraPanel(studio), 700)
    pick(made, PHONE)
    return made


def type_in(panel: CameraPanel, address: str) -> None:
    panel.phone.address.setText(address)
    panel.phone.address.editingFinished.emit()


def test_a_phone_is_chosen_and_only_this_computer_is_listened_to(panel: CameraPanel, studio: Studio):
    assert studio.settings.camera.name == PHONE and panel.cameras.currentData() == PHONE
    assert panel.phone.isVisible() and not panel.phone.network.isChecked() and not panel.phone.address.isVisible()
    assert "Nothing is open to the network" in panel.phone.about.text()
    assert not panel.format.isVisible() and not panel.rate.isVisible(), "it is not asked for a size"
    assert studio.driving == "a phone at this computer"
    pick(panel, "")
    assert studio.settings.camera.name == "" and not panel.phone.isVisible()


def test_the_network_is_opened_by_a_switch_and_a_whole_local_address_only(panel: CameraPanel, studio: Studio):
    panel.phone.network.click()
    assert studio.settings.camera.name == PHONE and panel.phone.address.isVisible()
    assert "Nothing is open yet" in panel.phone.about.text()
    for wrong in ("192.0.2", "phone", "8.8.8.8", "0.0.0.0", "192.0.2.7:80"):
        type_in(panel, wrong)
        assert studio.settings.camera.name == PHONE, wrong
        assert "looks like 192.168.1.20" in panel.phone.about.text()
    type_in(panel, "192.0.2.7")
    assert studio.settings.camera.name == "phone:192.0.2.7" and "is open to your" in panel.phone.about.text()
    assert studio.driving == "the phone at 192.0.2.7" and panel.cameras.currentData() == PHONE
    pick(panel, PHONE)
    assert studio.settings.camera.name == "phone:192.0.2.7", "chosen again, it stays what it is"
    panel.phone.network.click()
    assert studio.settings.camera.name == PHONE and "Nothing is open to" in panel.phone.about.text()


def test_what_the_settings_say_is_shown(qtbot, studio: Studio):
    studio.change("camera.name", "phone:192.0.2.9")
    panel = shown(qtbot, CameraPanel(studio), 700)
    assert panel.phone.network.isChecked() and panel.phone.address.text() == "192.0.2.9"
    studio.choose_camera(PHONE)
    assert not panel.phone.network.isChecked()


def test_silence_is_told_and_a_phone_that_sends_drives(qtbot, show: Studio, until):
    panel, port = shown(qtbot, CameraPanel(show), 700), free_port()
    show.choose_camera(f"{PHONE}:{LOOPBACK}:{port}")
    until(lambda: panel.phone.told.text().startswith("No phone sends anything"))
    assert panel.phone.mark.mark == "bad"
    with talking(port, datagram(jawOpen=0.4)):
        until(lambda: panel.phone.mark.mark == "good" and panel.phone.told.text() == "The phone sends your face")
    until(lambda: panel.phone.mark.mark == "bad")


def test_it_is_explained_in_chinese(panel: CameraPanel, language):
    language("zh_CN")
    for text in (panel.phone.network.text(), panel.phone.about.text(), panel.phone.told.text()):
        assert text and not any("a" <= letter.lower() <= "z" for letter in text.replace("USB", "").replace("(&N)", ""))
    assert panel.cameras.currentText() == "手机面部追踪（iFacialMocap）"
