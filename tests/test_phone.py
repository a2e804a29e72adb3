"""A phone drives a portrait: its text is read whatever comes, its face moves as it should, and only it is heard."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from command import run
from phone import LOOPBACK, datagram, free_port, talking
from stage import make_actor

from didlive.capture.listing import open_camera
from didlive.capture.phone import PhoneCamera
from didlive.errors import BadInput, CameraLost
from didlive.geometry import SHAPE_INDEX, lid_opening
from didlive.ifacialmocap import MOST_BYTES, PORT, REQUEST, from_card, parse, to_card
from didlive.motion import measure, to_motion
from didlive.recording import load_recording
from didlive.registry import tracker_of
from didlive.session import Session
from didlive.settings import Settings
from didlive.track.ifacialmocap import IFacialMocapTracker
from didlive.types import Face, Frame, Presence, Stamp

REST = datagram()


def face_of(data: bytes) -> Face:
    face = IFacialMocapTracker().track(Frame(to_card(data), Stamp(0, 0))).face
    assert face is not None
    return face


@pytest.mark.parametrize("sign", ["&", "-"])
def test_both_versions_are_read(sign: str):
    got = parse(datagram((10, -20, 5), sign=sign, jawOpen=0.4, eyeBlinkLeft=1.0, mouthRight=0.2))
    assert got is not None and got.seen
    for name, value in {"jawOpen": 0.4, "eyeBlinkLeft": 1.0, "mouthRight": 0.2, "eyeBlinkRight": 0.0}.items():
        assert got.shapes[SHAPE_INDEX[name]] == pytest.approx(value)
    assert np.allclose(got.rotation @ got.rotation.T, np.eye(3), atol=1e-5)


def test_a_sample_of_the_documentation_is_read():
    text = ("mouthSmile_R-0|eyeLookOut_L-0|mouthUpperUp_L-11|eyeWide_R-0|mouthClose-8|mouthPucker-4|mouthRollLower-9|"
            "eyeBlink_R-7|eyeLookDown_L-17|cheekSquint_R-11|eyeBlink_L-7|tongueOut-0|jawRight-0|eyeLookIn_R-6|"
            "=head#-21.488958,-6.038993,-6.6019735,-0.030653415,-0.10287084,-0.6584072|"
            "rightEye#6.0297494,2.4403017,0.25649446|leftEye#6.034903,-1.6660284,-0.17520553|")
    got = parse(text.encode())
    assert got is not None and got.shapes[SHAPE_INDEX["eyeLookDownLeft"]] == pytest.approx(0.17)


@pytest.mark.parametrize("data", [
    b"", b"\x00" * 100, bytes(range(256)) * 20, REST * 10, b"a" * 70_000, b"|" * MOST_BYTES, REQUEST,
    REST.replace(b"head#", b"hand#"), REST.replace(b"0.0,0.0,0.0,", b"nan,0.0,0.0,"),
    REST.replace(b"0.0,0.0,0.0,", b"1e9,0.0,0.0,"), REST.replace(b"0.0,0.0,0.0,", b"0.0,0.0,"),
    b"jawOpen&40|=head#0,0,0,0,0,0|", REST[:40], "jawOpen&４０|".encode() + REST,
], ids=lambda data: f"{data[:12]!r} {len(data)}")
def test_what_is_no_face_is_left_out(data: bytes):
    assert parse(data) is None


def test_random_damage_never_raises():
    random = np.random.default_rng(5)
    for _ in range(2000):
        data = bytearray(datagram((3, 4, 5), jawOpen=0.3))
        for at in random.integers(0, len(data), 6):
            data[at] = int(random.integers(0, 256))
        got = parse(bytes(data[:random.integers(1, len(data) + 1)]))
        assert got is None or (np.isfinite(got.rotation).all() and 0 <= got.shapes.min() <= got.shapes.max() <= 1)


def test_a_phone_that_sees_nobody_shows_nobody():
    tracked = IFacialMocapTracker().track(Frame(to_card(b"trackingStatus&0|" + REST), Stamp(0, 0)))
    assert tracked.face is None and tracked.count == 0 and tracked.size == (640, 480)


def test_a_card_carries_every_datagram_and_other_pictures_none():
    for data in (b"", REST, b"x" * MOST_BYTES):
        assert from_card(to_card(data)) == data
    assert from_card(np.zeros((480, 640, 3), np.uint8)) == from_card(np.zeros((10, 10, 3), np.uint8)) == b""


# Unity: positive pitch looks down, positive yaw to the performer's right, positive roll lifts their right side.
@pytest.mark.parametrize(("head", "axis"), [((20, 0, 0), 0), ((0, 20, 0), 1), ((0, 0, 20), 2)])
def test_the_head_turns_by_what_the_phone_says(head: tuple[float, float, float], axis: int):
    turned = measure(face_of(datagram(head))).rotvec
    assert np.degrees(turned[axis]) == pytest.approx(20, abs=0.1)
    assert np.abs(np.delete(turned, axis)).max() < 1e-3


def test_shapes_move_the_face_and_nothing_else_does():
    rest = measure(face_of(REST))
    turned = measure(face_of(datagram((15, 20, -10))))
    assert np.abs(turned.shape - rest.shape).max() < 1e-3, "a turn is no expression"

    def lips(data: bytes) -> float:
        shape = measure(face_of(data)).shape
        return float(np.linalg.norm(shape[13] - shape[14]))

    assert lips(datagram(jawOpen=0.6)) - lips(REST) > 0.2
    opening = lid_opening(measure(face_of(datagram(eyeBlinkLeft=1.0))).shape)
    assert opening[1] < 0.6 * rest.lids[1] and opening[1] < opening[0], "the performer's left is the image's right"


def test_a_blink_closes_the_lids():
    rest, closed = measure(face_of(REST)), measure(face_of(datagram(eyeBlinkLeft=0.95, eyeBlinkRight=0.95)))
    assert to_motion(closed, rest, Presence.TRACK, Stamp(0, 0)).lids.max() < 0.2


@pytest.mark.parametrize("spec", ["phone:", "phone:here", "phone:10.2.3.4:port", "phone:10.2.3.4:80", "phone:1.2.3",
                                  "phone:0.0.0.0", "phone:224.0.0.1", "phone:8.8.8.8"])
def test_an_address_that_cannot_be(spec: str):
    if spec == "phone:":
        assert isinstance(open_camera(spec, paced=True), PhoneCamera)
        return
    with pytest.raises(BadInput, match=r"phone:192\.168\.1\.20"):
        open_camera(spec, paced=True)


@pytest.fixture
def camera() -> Iterator[PhoneCamera]:
    made = PhoneCamera(f"phone:{LOOPBACK}:{free_port()}")
    yield made
    made.close()


def port_of(camera: PhoneCamera) -> int:
    return camera._port


def test_by_itself_only_this_machine_is_heard():
    camera = PhoneCamera()
    assert (camera._peer, camera._port) == (LOOPBACK, PORT)
    other = PhoneCamera(f"phone:{LOOPBACK}:{free_port()}")
    other.open()
    assert other._socket is not None and other._socket.getsockname()[0] == LOOPBACK
    other.close()


def test_silence_and_a_port_in_use_are_told(camera: PhoneCamera):
    camera.open()
    with pytest.raises(CameraLost, match="no phone sends"):
        camera.read(0.05)
    with pytest.raises(CameraLost, match="close other programs"):
        PhoneCamera(f"phone:{LOOPBACK}:{port_of(camera)}").open()


def test_of_a_flood_the_newest_good_one_is_taken(camera: PhoneCamera):
    camera.open()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        for number in range(20):
            sender.sendto(datagram(jawOpen=number / 100), (LOOPBACK, port_of(camera)))
        for junk in (b"x" * 9000, b"\xff" * 60_000, b"junk"):
            sender.sendto(junk, (LOOPBACK, port_of(camera)))
    frame = camera.read(5)
    assert frame is not None
    got = parse(from_card(frame.image))
    # The system keeps less than a second of datagrams; the rest is lost, and nobody wants it.
    assert got is not None and got.shapes[SHAPE_INDEX["jawOpen"]] > 0
    with pytest.raises(CameraLost):
        camera.read(0.05)


def test_who_is_not_the_phone_is_not_heard():
    port = free_port()
    # In the documentation's network, so nobody is asked.
    camera = PhoneCamera(f"phone:192.0.2.1:{port}")
    try:
        camera.open()
        with talking(port), pytest.raises(CameraLost, match=r"192\.0\.2\.1 sends nothing"):
            camera.read(0.3)
    finally:
        camera.close()


def test_a_phone_drives_a_portrait():
    port = free_port()
    spec = f"phone:{LOOPBACK}:{port}"
    session = Session(Settings(), open_camera(spec, paced=True), tracker_of(spec), make_actor())
    with talking(port, datagram((0, 12, 0), jawOpen=0.5)), session:
        stats = session.stats()
        while stats.state.value != "live" or stats.frames < 20:
            stats = session.stats()
            session.preview.take(5)
        seen = session.tracking.peek()
    assert seen is not None and seen.face is not None
    assert seen.face.blendshapes[SHAPE_INDEX["jawOpen"]] == pytest.approx(0.5)


def test_its_motion_is_recorded_as_that_of_a_camera(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    port = free_port()
    with talking(port):
        code, said, _ = run(["record-motion", "--camera", f"phone:127.0.0.1:{port}", "--seconds", "0.3",
                             tmp_path / "a.npz"], capsys)
    recording = load_recording(tmp_path / "a.npz")
    assert code == 0 and "a.npz" in said and recording.present.all()
    assert recording.blendshapes[:, SHAPE_INDEX["jawOpen"]] == pytest.approx(0.4)
