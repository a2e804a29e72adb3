"""Loading a portrait: any picture file to upright RGB, its faces found, its readiness judged."""

from __future__ import annotations

import dataclasses
import hashlib
import warnings
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .drawn import find_drawn, turned_drawing
from .errors import BadInput
from .generate.holes import fill_holes
from .geometry import SHAPE_INDEX, euler_deg, head_box, head_rotation, landmark_box, lid_opening
from .types import U8, Face, Portrait

MAX_PIXELS = 120_000_000
MAX_SIDE_PX = 4096
TINY_FACE_PX = 48
SMALL_FACE_PX = 160
CUT_OFF = 0.06
BACKDROP = 214
LEANING_DEG, LYING_DEG = 35.0, 60.0
WIDE_OPEN = 0.35
LEAST_SEEN = 0.5
UPSIDE_DOWN = 2
TURNED = {1: "turned clockwise", UPSIDE_DOWN: "upside down", 3: "turned counter-clockwise"}
# Of 700 portraits none was found this much more surely upside down, and 1 % of those turned over were missed.
CLEARER = 0.05
# A face that is found less surely is none: a cup that lies on its side looks like one, too (0.62).
SURE = 0.73
# A picture whose face is found less surely may be a drawing that was turned; 4 % of photographs are.
DOUBTFUL = 0.8

Rgba = tuple[U8, U8 | None]


def load_image(path: Path) -> Rgba:
    """Read a picture file: upright (EXIF), 8 bit RGB (H, W, 3) and its alpha (H, W) or None when opaque.

    Grey, palette, CMYK and 16-bit pictures are converted; pictures over 4096 px are reduced. Raises BadInput.
    """
    if path.is_dir():
        raise BadInput(f"{path} is a folder; name one picture file")
    if not path.exists():
        raise BadInput(f"{path} does not exist; check the name")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's size warning; the limit below is ours.
            with Image.open(path) as opened:
                if opened.width * opened.height > MAX_PIXELS:
                    raise BadInput(f"{path} has {opened.width} x {opened.height} pixels; reduce it below "
                                   f"{MAX_PIXELS // 1_000_000} megapixels")
                opened.draft("RGB", (MAX_SIDE_PX, MAX_SIDE_PX))
                return _to_rgba(ImageOps.exif_transpose(opened))
    except UnidentifiedImageError as error:
        size = path.stat().st_size
        raise BadInput(f"{path} is {'empty' if size == 0 else 'not a picture that can be read'}; "
                       "use a JPEG, PNG or WebP file") from error
    except Image.DecompressionBombError as error:
        raise BadInput(f"{path} is too large to be opened safely; reduce it below "
                       f"{MAX_PIXELS // 1_000_000} megapixels") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise BadInput(f"{path} is a broken picture ({error}); save it again as JPEG or PNG") from error


def _to_rgba(image: Image.Image) -> Rgba:
    if max(image.size) > MAX_SIDE_PX:
        image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX), Image.Resampling.LANCZOS)
    if image.mode.startswith(("I", "F")):
        # 16-bit and floating point: Pillow's own conversion clips instead of scaling.
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if values.max() > 255 else max(float(values.max()), 1.0) if values.max() <= 1 else 255.0
        image = Image.fromarray(np.clip(values / top * 255, 0, 255).astype(np.uint8))
    if "A" in image.getbands() or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        alpha = rgba[:, :, 3]
        if alpha.min() < 250:
            return _bleed(rgba[:, :, :3], alpha), np.ascontiguousarray(alpha)
        return np.ascontiguousarray(rgba[:, :, :3]), None
    return np.ascontiguousarray(np.asarray(image.convert("RGB"))), None


def _bleed(rgb: U8, alpha: U8) -> U8:
    """Hidden pixels may hold any colour: continue the visible ones into them, so that edges stay clean."""
    known = (alpha > 24).astype(np.float32)
    if known.sum() == 0:
        return np.ascontiguousarray(rgb)
    return np.ascontiguousarray((fill_holes(rgb.astype(np.float32), known) + 0.5).astype(np.uint8))


def flattened(portrait: Portrait) -> Portrait:
    """Return a transparent portrait on light grey, for outputs that cannot be transparent; `alpha` stays known."""
    if portrait.alpha is None:
        return portrait
    cover = (portrait.alpha / np.float32(255))[:, :, None]
    image = np.ascontiguousarray((portrait.image * cover + BACKDROP * (1 - cover) + 0.5).astype(np.uint8))
    return dataclasses.replace(portrait, image=image)


def find_faces(rgb: U8) -> list[Face]:
    """Return all faces, largest first, looking again with a border and enlarged when the plain picture shows none.

    The detector misses faces that fill the picture and faces below about a fifth of it.
    """
    from .track.mediapipe import detect_faces  # MediaPipe takes 0.3 s to import: only when needed.

    faces = detect_faces(rgb)
    if faces:
        return faces
    height, width = rgb.shape[:2]
    border = max(height, width) // 2
    padded = cv2.copyMakeBorder(rgb, border, border, border, border, cv2.BORDER_CONSTANT, value=(128, 128, 128))
    faces = [_moved(f, -border, -border) for f in detect_faces(np.asarray(padded, dtype=np.uint8))]
    if faces:
        return faces
    found: list[Face] = []
    for y in (0, height // 4, height // 2):
        for x in (0, width // 4, width // 2):
            tile = np.ascontiguousarray(rgb[y:y + height // 2, x:x + width // 2])
            if min(tile.shape[:2]) >= 64:
                found += [_moved(f, x, y) for f in detect_faces(tile)]
    return sorted(found, key=lambda f: float(np.ptp(f.landmarks[:, 1])), reverse=True)[:1]


def _moved(face: Face, dx: float, dy: float) -> Face:
    return dataclasses.replace(face, landmarks=face.landmarks + np.array([dx, dy, 0], dtype=np.float32))


def load_portrait(path: Path | str, face: int | None = None, kind: str = "auto") -> Portrait:
    """Load a portrait and choose its face: the largest, or number `face` (1 = largest).

    kind: "photo", "drawn", or "auto": the picture says. Raises BadInput when the picture cannot
    be read, shows no face, or the face is tiny or cut off.
    """
    path = Path(path)
    rgb, alpha = load_image(path)
    faces = find_faces(rgb)
    tracked = faces[(face or 1) - 1] if 1 <= (face or 1) <= len(faces) else None
    drawn = None if kind == "photo" else find_drawn(rgb, tracked, kind == "drawn", face is not None or len(faces) > 1)
    if drawn is not None and not faces:
        faces = [drawn]
    if not faces:
        hint = _turned(rgb, TURNED, kind != "photo")
        raise BadInput(f"no face found in {path}; use a picture of one face that looks to the camera"
                       + (f" ({hint})" if hint else ""))
    if face is not None and not 1 <= face <= len(faces):
        raise BadInput(f"{path} shows {len(faces)} face{'s' * (len(faces) > 1)}; --face {face} does not exist")
    chosen = drawn or faces[(face or 1) - 1]
    problem = _unusable(chosen, rgb) or _transparent(alpha, chosen)
    if not problem and drawn is None:
        problem = _turned(rgb, [UPSIDE_DOWN], kind != "photo")
    if problem:
        raise BadInput(f"{path}: {problem}")
    notes = []
    if kind == "drawn" and drawn is None:
        notes.append("no drawn face was found; the face is taken for a photo's")
    if len(faces) > 1 and face is None:
        notes.append(f"{len(faces)} faces found; the largest is used (for another, crop the picture or give --face N)")
    return Portrait(rgb, alpha, chosen, len(faces), path.name, tuple(notes) + tuple(readiness(chosen, rgb.shape[1])),
                    hashlib.sha256(path.read_bytes()).hexdigest(), drawn is not None)


def _turned(rgb: U8, turns: Iterable[int], drawings: bool) -> str:
    """Say so when the picture lies on its side or upside down, if that is one of `turns` (quarters clockwise) or it may
    be a drawing: the face is clearer after turning it back."""
    from .track.mediapipe import face_sureness

    upright, *sure = face_sureness(rgb, *(np.rot90(rgb, turn) for turn in turns))
    best, turn = max(zip(sure, turns, strict=True))
    if best <= upright + CLEARER or best < SURE:
        turn = turned_drawing(rgb) if drawings and upright < DOUBTFUL else 0
    return f"the picture seems to be {TURNED[turn]}: rotate it" if turn else ""


def _unusable(face: Face, rgb: U8) -> str | None:
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = landmark_box(face.landmarks)
    tall = y1 - y0
    if tall < TINY_FACE_PX:
        return f"the face is tiny ({tall:.0f} px high); use a picture where it has at least {SMALL_FACE_PX} px"
    out = max(-x0, -y0, x1 - (width - 1), y1 - (height - 1)) / tall
    if out > CUT_OFF:
        return "the face is cut off by the border of the picture; use one that shows the whole face"
    pitch, _, roll = euler_deg(head_rotation(face))
    # A profile from behind has angles of its own.
    if abs(roll) > LYING_DEG and abs(pitch) < 90:
        way = "counter-clockwise" if roll > 0 else "clockwise"
        return f"the head leans by {abs(roll):.0f} degrees; rotate the picture {way}"
    return None


def _face_of(picture: U8, face: Face) -> U8:
    x0, y0, x1, y1 = (int(max(side, 0)) for side in landmark_box(face.landmarks))
    return picture[y0:y1, x0:x1]


def _transparent(alpha: U8 | None, face: Face) -> str:
    if alpha is None:
        return ""
    seen = float(_face_of(alpha, face).mean()) / 255
    return "" if seen > LEAST_SEEN else "the face is transparent; use a picture where it is opaque"


def readiness(face: Face, width: int) -> list[str]:
    """Return what makes this face a difficult portrait in a picture `width` px wide, one sentence each with what to do;
    empty when it is ready."""
    notes = []
    _, y0, _, y1 = landmark_box(face.landmarks)
    pitch, yaw, roll = euler_deg(head_rotation(face))
    shapes = face.blendshapes
    if y1 - y0 < SMALL_FACE_PX:
        notes.append(f"the face is only {y1 - y0:.0f} px high; {SMALL_FACE_PX} or more look sharper")
    if abs(yaw) > 30 or abs(pitch) > 30:
        notes.append(f"the head is turned away ({max(abs(yaw), abs(pitch)):.0f} degrees); up to 30 works well")
    if abs(roll) > LEANING_DEG:
        notes.append(f"the head leans by {abs(roll):.0f} degrees; rotate the picture so that the face is upright")
    left, top, right, _ = head_box(face.landmarks, 1.7)
    if top < 0 or left < 0 or right > width:
        notes.append("the head is close to the border; some room around the hair lets it turn freely")
    # Of a drawn face nothing but its marks is known.
    lips = face.landmarks[:, :2]
    gap, mouth = float(np.linalg.norm(lips[13] - lips[14])), float(np.linalg.norm(lips[61] - lips[291]))
    if shapes[SHAPE_INDEX["jawOpen"]] > 0.3 or (not shapes.any() and gap > WIDE_OPEN * mouth):
        notes.append("the mouth is open; a closed mouth animates better")
    if lid_opening(face.landmarks).min() < 0.12:
        notes.append("an eye is closed or hidden; open eyes are needed to show a look")
    return notes


@dataclasses.dataclass(frozen=True, slots=True)
class Verdict:
    """Readiness of a portrait: usable or not, the face's height px and pose degrees, what to fix, and whether the face
    is drawn."""

    usable: bool
    faces: int
    face_height_px: float
    yaw_deg: float
    pitch_deg: float
    notes: tuple[str, ...]
    drawn: bool = False


def check_portrait(path: Path | str, face: int | None = None, kind: str = "auto") -> Verdict:
    """Judge a picture as a portrait; BadInput's message becomes the first note of an unusable one."""
    return examine(path, face, kind)[0]


def examine(path: Path | str, face: int | None = None, kind: str = "auto") -> tuple[Verdict, Portrait | None]:
    """Judge a picture as `check_portrait` does; return with it the loaded portrait, None for an unusable one."""
    try:
        portrait = load_portrait(path, face, kind)
    except BadInput as error:
        return Verdict(False, 0, 0.0, 0.0, 0.0, (str(error),)), None
    _, y0, _, y1 = landmark_box(portrait.face.landmarks)
    pitch, yaw, _ = euler_deg(head_rotation(portrait.face))
    notes = list(portrait.warnings)
    notes += _light(portrait)
    return Verdict(True, portrait.faces, y1 - y0, yaw, pitch, tuple(notes), portrait.drawn), portrait


def _light(portrait: Portrait) -> list[str]:
    """Blur and uneven light or occlusion, judged on the face at 256 px."""
    grey = cv2.cvtColor(_face_of(portrait.image, portrait.face), cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, (256, 256), interpolation=cv2.INTER_AREA)
    notes = []
    if float(cv2.Laplacian(grey, cv2.CV_64F).var()) < 20:
        notes.append("the face is blurred; a sharper picture gives a sharper result")
    if float(grey.mean()) < 45:
        notes.append("the face is very dark; more light helps the tracker and the eyes")
    left, right = float(grey[60:200, 30:110].mean()), float(grey[60:200, 146:226].mean())
    if max(left, right) > 2.2 * min(left, right) + 10:
        notes.append("one half of the face is covered or in shadow; it will follow less well")
    return notes


def scaled(portrait: Portrait, factor: float) -> Portrait:
    """Return the portrait resized by `factor`, at most 3; a factor within 2 % of 1 returns it unchanged.

    Enlarging a small portrait to the output's size lets lids, lips and teeth be drawn at the output's resolution.
    """
    factor = min(factor, 3.0)
    if abs(factor - 1) < 0.02:
        return portrait
    height, width = portrait.image.shape[:2]
    size = max(16, round(width * factor)), max(16, round(height * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    image = np.asarray(cv2.resize(portrait.image, size, interpolation=method), dtype=np.uint8)
    alpha = portrait.alpha
    if alpha is not None:
        alpha = np.asarray(cv2.resize(alpha, size, interpolation=method), dtype=np.uint8)
    stretch = np.array([size[0] / width, size[1] / height, size[0] / width], dtype=np.float32)
    face = dataclasses.replace(portrait.face, landmarks=portrait.face.landmarks * stretch)
    return dataclasses.replace(portrait, image=image, alpha=alpha, face=face)
