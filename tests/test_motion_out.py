"""The motion for avatars: what real UDP receivers get, in which direction, and that panic stills it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from pythonosc.osc_bundle import OscBundle
from pythonosc.osc_message import OscMessage
from stage import Follower, make_actor

from didlive.capture.synthetic import SyntheticCamera
from didlive.errors import OutputFailed
from didlive.geometry import BLENDSHAPES, SHAPE_INDEX
from didlive.motion_out import MotionOut, Pose, vmc, vtube_parameters
from didlive.session import Session
from didlive.settings import MotionOutSettings, Settings, check, walk
from didlive.types import Measure, Motion, Presence, Stamp

REST = Measure(np.zeros((478, 3), np.float32), np.zeros(3, np.float32), np.array([320, 240], np.float32),
               np.array([60], np.float32), np.full(2, 0.3, np.float32), np.zeros((2, 2), np.float32),
               np.zeros(52, np.float32))
LOOPBACK = "127.0.0.1"


def moved(turn: tuple[float, float, float] = (0, 0, 0), lids: tuple[float, float] = (1, 1),
          presence: Presence = Presence.TRACK, **shapes: float) -> Motion:
    """A motion that differs from rest by a rotation (image axes, radians), lids (image left, right) and blendshapes."""
    values = np.zeros(52, np.float32)
    for name, value in shapes.items():
        values[SHAPE_INDEX[name]] = value
    now = replace(REST, rotvec=np.array(turn, np.float32), blendshapes=values)
    return Motion(now, REST, np.array(lids, np.float32), presence, Stamp(0, 0))


@pytest.fixture
def ear() -> Iterator[socket.socket]:
    """Another program that listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as made:
        made.bind((LOOPBACK, 0))
        made.settimeout(20)
        yield made


def sender(ear: socket.socket, protocol: str = "vmc") -> MotionOut:
    return MotionOut(MotionOutSettings(True, protocol, LOOPBACK, ear.getsockname()[1]))


def messages(datagrams: list[bytes]) -> list[OscMessage]:
    """Everything in OSC bundles, read by a parser."""
    return [content for data in datagrams for content in OscBundle(data) if isinstance(content, OscMessage)]


def heard(ear: socket.socket) -> dict[str, object]:
    """One whole pose in VMC: what comes up to the next Apply, by address and name."""
    got: dict[str, object] = {}
    while "/VMC/Ext/Blend/Apply" not in got:
        for message in messages([ear.recv(65536)]):
            name = f" {message.params[0]}" if message.address.endswith(("/Val", "/Pos")) else ""
            got[f"{message.address}{name}"] = list(message)
    return got


def test_an_avatar_gets_shapes_and_bones(ear: socket.socket):
    out = sender(ear)
    out.add(moved(jawOpen=0.75, eyeLookOutLeft=0.5))
    got = heard(ear)
    assert got["/VMC/Ext/OK"] == [1, 3, 0, 1]
    assert got["/VMC/Ext/Blend/Val JawOpen"] == ["JawOpen", pytest.approx(0.75)]
    assert got["/VMC/Ext/Blend/Val A"] == ["A", pytest.approx(0.75)]
    shapes = [name for name in got if name.startswith("/VMC/Ext/Blend/Val")]
    assert len(shapes) == 51 + 6, "all of ARKit's that the tracker knows, and VRM's"
    assert {f"/VMC/Ext/Bone/Pos {bone}" for bone in ("Head", "Neck", "LeftEye", "RightEye")} <= got.keys()
    out.close()
    rest = heard(ear)
    assert rest["/VMC/Ext/OK"] == [1, 3, 0, 0] and rest["/VMC/Ext/Blend/Val JawOpen"] == ["JawOpen", 0.0]
    out.close()
    assert out.sent == 2


def test_datagrams_are_small_enough_for_every_network():
    assert all(len(data) <= 1472 for data in vmc(Pose(moved(turn=(0.3, 0.2, 0.1), jawOpen=1.0)), 1.0))


# Image axes: x right, y down, z away. A rotation vector turns like a screw that is driven along it.
@pytest.mark.parametrize(("turn", "axis", "sign"), [
    ((0.0, 0.3, 0.0), "X", 1), ((0.0, -0.3, 0.0), "X", -1),
    ((0.3, 0.0, 0.0), "Y", -1), ((-0.3, 0.0, 0.0), "Y", 1),
    ((0.0, 0.0, 0.3), "Z", -1), ((0.0, 0.0, -0.3), "Z", 1),
])
def test_turns_have_the_right_sign(turn: tuple[float, float, float], axis: str, sign: int):
    values = dict(vtube_parameters(Pose(moved(turn=turn))))
    assert values[f"FaceAngle{axis}"] == pytest.approx(sign * np.degrees(0.3), abs=0.01)
    assert all(abs(values[f"FaceAngle{other}"]) < 0.01 for other in "XYZ" if other != axis)


def test_a_head_that_faces_the_images_left_looks_to_the_performers_right():
    """The nose of a face that was turned by the rotation of the first row above."""
    from didlive.geometry import from_rotvec

    nose = from_rotvec(np.array([0, 0.3, 0], np.float32)) @ np.array([0, 0, -1], np.float32)
    assert nose[0] < 0, "towards the image's left border, which is the performer's right"


def test_head_and_neck_share_a_turn():
    def quaternions(turn: tuple[float, float, float]) -> dict[str, np.ndarray]:
        rows = messages(vmc(Pose(moved(turn=turn)), 0.0))
        return {m.params[0]: np.array(m.params[4:]) for m in rows if m.address == "/VMC/Ext/Bone/Pos"}

    got = quaternions((0.0, 0.4, 0.0))
    angles = {bone: 2 * np.arctan2(got[bone][1], got[bone][3]) for bone in ("Head", "Neck")}
    assert sum(angles.values()) == pytest.approx(0.4, abs=1e-4) and angles["Head"] > angles["Neck"] > 0
    assert all(np.linalg.norm(q) == pytest.approx(1, abs=1e-5) for q in quaternions((0.2, -0.1, 0.3)).values())


def test_vtube_studio_gets_its_own_parameters_within_their_ranges(ear: socket.socket):
    out = sender(ear, "vtube")
    extreme = {name: 1.0 for name in BLENDSHAPES[1:]}
    for motion in (moved(), moved(turn=(1.2, 1.2, 1.2), lids=(0, 1.3), **extreme)):
        out.add(motion)
        message = json.loads(ear.recv(65536))
        assert message["messageType"] == "InjectParameterDataRequest" and message["data"]["faceFound"]
        values = {row["id"]: row["value"] for row in message["data"]["parameterValues"]}
        assert {"FaceAngleX", "FacePositionZ", "EyeOpenLeft", "EyeRightY", "BrowLeftY", "Brows", "MouthSmile",
                "MouthOpen", "CheekPuff"} <= values.keys()
        for name, value in values.items():
            low, high = (-30, 30) if "Angle" in name else (-15, 15) if "Position" in name else \
                (-1, 1) if name in ("MouthX", "EyeLeftX", "EyeLeftY", "EyeRightX", "EyeRightY") else (0, 1)
            assert low <= value <= high, name
    assert values["EyeOpenRight"] == 0 and values["EyeOpenLeft"] == 1, "the image's left eye is the performer's right"
    out.close()


def test_a_wrong_address_is_said():
    with pytest.raises(OutputFailed, match=r"nowhere\.invalid:39539.*127\.0\.0\.1"):
        MotionOut(MotionOutSettings(True, "vmc", "nowhere.invalid"))


def test_nobody_has_to_listen():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
        gone.bind((LOOPBACK, 0))
        port = gone.getsockname()[1]
    out = MotionOut(MotionOutSettings(True, "vmc", LOOPBACK, port))
    for _ in range(20):
        out.add(moved())
    out.close()


def test_it_is_off_and_stays_on_this_machine_unless_asked():
    settings = Settings().motion_out
    assert not settings.enabled and settings.host == LOOPBACK
    fields = {path: field for path, field, _ in walk(Settings())}
    assert check("vtube", fields["motion_out.protocol"].metadata, "motion_out.protocol") == "vtube"


def test_a_show_drives_an_avatar_and_panic_stills_it(ear: socket.socket):
    session = Session(Settings(), SyntheticCamera(paced=True), Follower(), make_actor())
    session.motion_out = sender(ear)
    with session:
        # The first poses may come before the first face.
        while heard(ear)["/VMC/Ext/OK"] != [1, 3, 0, 1]:
            pass
        session.panic()
        while heard(ear)["/VMC/Ext/OK"] != [1, 3, 0, 0]:
            pass
        for _ in range(5):
            got = heard(ear)
            assert got["/VMC/Ext/OK"] == [1, 3, 0, 0] and got["/VMC/Ext/Bone/Pos Head"][4:] == [0.0, 0.0, 0.0, 1.0]
        session.panic(False)
        while heard(ear)["/VMC/Ext/OK"] != [1, 3, 0, 1]:
            pass
