"""The performer's motion as numbers for other programs, by UDP: so that the face that drives the portrait also drives
an avatar beside it. Numbers only; there is no picture in them."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator

import numpy as np
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from .errors import OutputFailed
from .flow import Latest
from .geometry import BLENDSHAPES, SHAPE_INDEX, from_rotvec, to_rotvec
from .settings import MotionOutSettings
from .types import F32, Motion, Presence

# Messages per datagram: two of them stay below the 1500 bytes that every network carries in one piece.
BUNDLE = 20
# The neck takes part of a turn, as in people.
NECK = 0.3
LOOK_DEG = 25.0
# RMS radius of the rigid points of a head, and how far from a screen people sit.
HEAD_CM, DISTANCE_CM = 6.4, 50.0
ANGLE_LIMIT, PLACE_LIMIT, DEPTH_LIMIT = 30.0, 15.0, 10.0
# The shapes that all VRM 0 avatars have, from those of ARKit.
VOWELS = {"A": "jawOpen", "I": "mouthStretchLeft", "U": "mouthPucker", "O": "mouthFunnel"}
REST = np.zeros(3, np.float32)


class Pose:
    """One moment, for avatars. shapes: (52,) blendshapes, the lids in the performer's own range. turn: (3,) rotation
    vector in radians against the performer's neutral pose; axes as in Unity for somebody who faces the camera: x to
    their right, y up, z forward, left-handed. place: (3,) cm against neutral, same axes. seen: somebody is there."""

    def __init__(self, motion: Motion | None) -> None:
        self.shapes, self.turn, self.place, self.seen = np.zeros(len(BLENDSHAPES), np.float32), REST, REST, False
        if motion is None:
            return
        now, neutral = motion.now, motion.neutral
        self.seen = motion.presence in (Presence.TRACK, Presence.HOLD)
        self.shapes = np.clip(now.blendshapes, 0, 1)
        # A person's right is the image's left.
        for name, lid in zip(("eyeBlinkRight", "eyeBlinkLeft"), motion.lids, strict=True):
            self.shapes[SHAPE_INDEX[name]] = np.clip(1 - lid, 0, 1)
        # All three image axes point the other way: that leaves a rotation as it is.
        self.turn = to_rotvec(from_rotvec(now.rotvec) @ from_rotvec(neutral.rotvec).T)
        unit = HEAD_CM / max(float(neutral.scale[0]), 1e-3)
        aside = -(now.centre - neutral.centre) * unit
        nearer = DISTANCE_CM * (1 - float(neutral.scale[0]) / max(float(now.scale[0]), 1e-3))
        self.place = np.array([aside[0], aside[1], nearer], np.float32)

    def __getitem__(self, name: str) -> float:
        return float(self.shapes[SHAPE_INDEX[name]])

    def angles_deg(self) -> tuple[float, float, float]:
        """Return how far the face looks to the performer's right, up, and leans to the right, in degrees."""
        rotation = from_rotvec(self.turn)
        forward, side = rotation[:, 2], rotation[:, 0]
        return (float(np.degrees(np.arctan2(forward[0], forward[2]))),
                float(np.degrees(np.arcsin(np.clip(forward[1], -1, 1)))),
                float(np.degrees(np.arctan2(-side[1], side[0]))))

    def look(self, side: str) -> tuple[float, float]:
        """Return where the Left or Right eye looks, -1..1: to the performer's right, and up."""
        inner, outer = self[f"eyeLookIn{side}"], self[f"eyeLookOut{side}"]
        right = inner - outer if side == "Left" else outer - inner
        return right, self[f"eyeLookUp{side}"] - self[f"eyeLookDown{side}"]


def _quaternion(turn: F32) -> tuple[float, float, float, float]:
    angle = float(np.linalg.norm(turn))
    axis = turn / angle if angle > 1e-9 else REST
    x, y, z = (float(part) * float(np.sin(angle / 2)) for part in axis)
    return x, y, z, float(np.cos(angle / 2))


def vmc(pose: Pose, at_s: float) -> list[bytes]:
    """Return a pose in the VMC protocol: OSC bundles with bones, ARKit's shapes and those of VRM 0."""
    rows: list[tuple[str, list[float | int | str]]] = [
        ("/VMC/Ext/OK", [1, 3, 0, int(pose.seen)]), ("/VMC/Ext/T", [at_s])]
    bones = {"Head": pose.turn * (1 - NECK), "Neck": pose.turn * NECK}
    for side in ("Left", "Right"):
        right, up = pose.look(side)
        bones[f"{side}Eye"] = np.radians(np.array([-up, right, 0], np.float32) * LOOK_DEG)
    for name, turn in bones.items():
        rows.append(("/VMC/Ext/Bone/Pos", [name, 0.0, 0.0, 0.0, *_quaternion(turn)]))
    values = {name[0].upper() + name[1:]: pose[name] for name in BLENDSHAPES[1:]}
    values |= {vowel: pose[name] for vowel, name in VOWELS.items()}
    values |= {"Blink_L": pose["eyeBlinkLeft"], "Blink_R": pose["eyeBlinkRight"]}
    rows += [("/VMC/Ext/Blend/Val", [name, value]) for name, value in values.items()]
    rows.append(("/VMC/Ext/Blend/Apply", []))
    return [_bundle(rows[at:at + BUNDLE]) for at in range(0, len(rows), BUNDLE)]


def _bundle(rows: list[tuple[str, list[float | int | str]]]) -> bytes:
    bundle = OscBundleBuilder(IMMEDIATELY)
    for address, values in rows:
        message = OscMessageBuilder(address)
        for value in values:
            message.add_arg(value)
        bundle.add_content(message.build())
    return bundle.build().dgram


def vtube(pose: Pose, at_s: float) -> list[bytes]:
    """Return a pose as VTube Studio's tracking parameters, in its ranges: the message that its programming interface
    takes from plug-ins (InjectParameterDataRequest)."""
    values = dict(vtube_parameters(pose))
    return [json.dumps({
        "apiName": "VTubeStudioPublicAPI", "apiVersion": "1.0", "requestID": f"didlive-{at_s:.3f}",
        "messageType": "InjectParameterDataRequest",
        "data": {"faceFound": pose.seen, "mode": "set",
                 "parameterValues": [{"id": name, "value": round(value, 4)} for name, value in values.items()]},
    }, separators=(",", ":")).encode()]


def vtube_parameters(pose: Pose) -> Iterator[tuple[str, float]]:
    """Yield name and value of VTube Studio's tracking parameters. Right and up are positive, as the performer sees it;
    smile and brows rest at 0.5."""
    def between(value: float, low: float = 0.0, high: float = 1.0) -> float:
        return float(np.clip(value, low, high))

    for axis, angle in zip("XYZ", pose.angles_deg(), strict=True):
        yield f"FaceAngle{axis}", between(angle, -ANGLE_LIMIT, ANGLE_LIMIT)
    for axis, place, limit in zip("XYZ", pose.place, (PLACE_LIMIT, PLACE_LIMIT, DEPTH_LIMIT), strict=True):
        yield f"FacePosition{axis}", between(float(place), -limit, limit)
    brows = {}
    for side in ("Left", "Right"):
        yield f"EyeOpen{side}", between(1 - pose[f"eyeBlink{side}"])
        right, up = pose.look(side)
        yield f"Eye{side}X", between(right, -1)
        yield f"Eye{side}Y", between(up, -1)
        raised = max(pose[f"browOuterUp{side}"], pose["browInnerUp"])
        brows[side] = between(0.5 + 0.5 * (raised - pose[f"browDown{side}"]))
        yield f"Brow{side}Y", brows[side]
    yield "Brows", sum(brows.values()) / 2
    smile = pose["mouthSmileLeft"] + pose["mouthSmileRight"]
    frown = pose["mouthFrownLeft"] + pose["mouthFrownRight"] + pose["mouthPucker"]
    yield "MouthSmile", between(0.5 + (smile - frown) / 4)
    yield "MouthOpen", between(pose["jawOpen"] - pose["mouthClose"])
    yield "MouthX", between(pose["mouthRight"] - pose["mouthLeft"], -1)
    yield "CheekPuff", pose["cheekPuff"]
    yield "FaceAngry", between((pose["noseSneerLeft"] + pose["noseSneerRight"]) / 2)


PROTOCOLS = {"vmc": vmc, "vtube": vtube}


class MotionOut:
    """Sends the newest motion, in a thread of its own: `add` for every frame, then `close`. Nobody has to listen.

    place: where it goes. sent: how many poses went out. Raises OutputFailed for an address that cannot be.
    """

    def __init__(self, settings: MotionOutSettings) -> None:
        self.place = f"{settings.host}:{settings.port}"
        self.sent = 0
        self._pack = PROTOCOLS[settings.protocol]
        try:
            family, _, _, _, self._address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, socket.SOCK_DGRAM)
        except (OSError, UnicodeError) as error:
            raise OutputFailed(f"the motion cannot be sent to {self.place}: {error}; use an address such as "
                               "127.0.0.1") from error
        self._socket.setblocking(False)
        self._newest: Latest[Pose] = Latest()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="didlive-motion-out", daemon=True)
        self._thread.start()

    def add(self, motion: Motion | None) -> None:
        """Send this pose; None: the relaxed face, and that nobody is seen."""
        self._newest.put(Pose(motion))

    def close(self) -> None:
        """Let avatars rest, and stop; may be called twice."""
        if not self._stopping.is_set():
            self._stopping.set()
            self._newest.close()
            self._thread.join(1.0)
            self._send(Pose(None))
            self._socket.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            pose = self._newest.take(0.2)
            if pose is not None:
                self._send(pose)

    def _send(self, pose: Pose) -> None:
        try:
            for datagram in self._pack(pose, time.monotonic()):
                self._socket.sendto(datagram, self._address)
        except OSError:
            # Nobody listens, or the network is away: the next pose may arrive.
            return
        self.sent += 1
