"""Another background: the person is cut out of the portrait once, and everything is drawn over what shall be behind."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from .composite import Layout, lay_out
from .errors import BadInput
from .generate.fill import fill_background
from .generate.holes import fill_holes
from .generate.matte import Matte
from .generate.refine import RefineSource
from .generate.warp import WarpSource, person_coverage
from .geometry import head_box
from .portrait import load_image
from .seams import Generator, Source
from .settings import OutputSettings
from .types import F32, U8, Portrait

GREEN = "#00b140"
NOT_FOUND = "the person could not be told from the background, so it stays as it is"
# Coverage below and above these is taken for none and full: a mask's soft foot shows the old background.
NONE, FULL = 0.35, 0.92
# How far a mask may be beside the true edge, of the picture's longer side.
EDGE = 0.008
FEWEST_PX = 64
# How soft `blur` is, of the picture's longer side.
BLUR = 0.02
# The head is segmented by itself, which is finer; width of the transition to the whole picture, of the head's square.
TRANSITION = 0.1


@dataclass(frozen=True, slots=True)
class Cutout:
    """A portrait taken apart.

    cover: (H, W) float32 0..1 how much of each pixel is the person. person: (H, W, 3) float32 RGB of the person alone,
    continued beyond the edge. behind: (H, W, 3) uint8 RGB of the old background without the person. found: False when
    person and background could not be told apart (then all counts as person).
    """

    cover: F32
    person: F32
    behind: U8
    found: bool


def cut_out_person(portrait: Portrait) -> Cutout:
    """Take a portrait apart, by its own transparency or else by segmentation; takes some tenths of a second.

    portrait: `image` holds the colours as they are, not laid over anything. Raises ModelMissing.
    """
    picture = portrait.image.astype(np.float32)
    if portrait.alpha is not None:
        cover = portrait.alpha.astype(np.float32) / np.float32(255)
        return Cutout(cover, picture, portrait.image, True)
    cover = np.clip((_coverage(portrait) - NONE) / (FULL - NONE), 0, 1).astype(np.float32)
    behind = _behind(picture, cover)
    cover = _tightened(picture, cover, behind)
    return Cutout(cover, _foreground(picture, cover, behind), (behind + 0.5).astype(np.uint8),
                  bool(cover.min() < 0.5))


def _coverage(portrait: Portrait) -> F32:
    """Segment the whole picture, and the head's surroundings once more by themselves."""
    height, width = portrait.image.shape[:2]
    landmarks = portrait.face.landmarks
    whole = person_coverage(portrait, 0, 0, portrait.image, landmarks)
    x0, y0, x1, y1 = head_box(landmarks)
    left, top, right, bottom = max(0, int(x0)), max(0, int(y0)), min(width, int(x1)), min(height, int(y1))
    crop = np.ascontiguousarray(portrait.image[top:bottom, left:right])
    head = person_coverage(portrait, left, top, crop, landmarks - np.array([left, top, 0], np.float32))
    if (whole == 1).all() or (head == 1).all():
        return np.ones((height, width), np.float32)
    # Towards a side of the head's square that lies inside the picture, the whole picture's mask takes over.
    reach = max(1.0, TRANSITION * max(crop.shape[:2]))
    ys, xs = np.mgrid[top:bottom, left:right].astype(np.float32)
    inside = np.full(crop.shape[:2], reach, np.float32)
    for edge, distance in ((left > 0, xs - left), (top > 0, ys - top), (right < width, right - 1 - xs),
                           (bottom < height, bottom - 1 - ys)):
        inside = np.minimum(inside, distance) if edge else inside
    share = inside / reach
    whole[top:bottom, left:right] = share * head + (1 - share) * whole[top:bottom, left:right]
    return whole


def _behind(picture: F32, cover: F32) -> F32:
    """Fill in what the person hides from around."""
    side = 2 * _edge_px(cover) + 1
    near = np.asarray(cv2.dilate(cover, np.ones((side, side), np.uint8)), np.float32)
    known = (near < 0.02).astype(np.float32)
    if known.sum() < FEWEST_PX:
        return picture
    return np.clip(fill_background(picture, known), 0, 255)


def _edge_px(cover: F32) -> int:
    """How far a mask may be beside the true edge, px."""
    return max(2, round(EDGE * max(cover.shape)))


def _tightened(picture: F32, cover: F32, behind: F32) -> F32:
    """Return the coverage, in a narrow band along the edge no larger than the colours allow: how far each pixel lies on
    the way from the background's colour to the person's, where these two differ."""
    edge = _edge_px(cover)
    depth = cv2.distanceTransform((cover > 0.5).astype(np.uint8), cv2.DIST_L2, 5)
    inner = (depth > 2 * edge).astype(np.float32)
    if inner.sum() < FEWEST_PX:
        return cover
    way = fill_holes(picture, inner) - behind
    length = (way * way).sum(2)
    along = ((picture - behind) * way).sum(2) / np.maximum(length, 1)
    # A colour far beside the way is neither of the two: a badge, a seam.
    beside = np.linalg.norm(picture - behind - along[:, :, None] * way, axis=2)
    allowed = np.maximum(np.clip((along - 0.15) / 0.5, 0, 1), np.clip((beside - 60) / 60, 0, 1))
    # Near colours say nothing, and deep inside nothing is doubted.
    sure = np.clip((np.sqrt(length) - 30) / 40, 0, 1) * np.clip(2 - depth / edge, 0, 1)
    allowed = cv2.GaussianBlur(1 - sure * (1 - allowed), (0, 0), 0.7)
    return np.minimum(cover, allowed).astype(np.float32)


def _foreground(picture: F32, cover: F32, behind: F32) -> F32:
    """Return the person's own colours at the edge, where the picture mixes them with the old background: the colours
    from inside continued outwards, and where much of the pixel is the person, what the mixture says."""
    inner = np.asarray(cv2.erode((cover > 0.98).astype(np.float32), np.ones((3, 3), np.uint8)), np.float32)
    if inner.sum() < FEWEST_PX:
        return picture
    continued = fill_holes(picture, inner)
    amount, inner = cover[:, :, None], inner[:, :, None]
    solved = np.clip((picture - (1 - amount) * behind) / np.maximum(amount, 0.3), 0, 255)
    share = np.clip((amount - 0.5) / 0.4, 0, 1) * (1 - inner)
    return (picture * inner + solved * share + continued * (1 - share - inner)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Backdrop:
    """What is behind the person.

    behind: (H, W, 3) uint8 RGB in the portrait's pixels. fill: (h, w, 3) uint8 RGB in the output's pixels, for what the
    portrait does not cover (None: as without a backdrop). clear: frames are transparent there.
    """

    behind: U8
    fill: U8 | None
    clear: bool = False


def make_backdrop(cutout: Cutout, portrait: Portrait, output: OutputSettings, alpha: bool) -> Backdrop:
    """Return the backdrop that the settings ask for; `transparent` is the colour when frames carry no `alpha`. Raises
    BadInput for a background picture that cannot be used."""
    height, width = cutout.cover.shape
    kind = output.background
    if kind == "transparent" and alpha:
        # Hidden colours continue the person's: whoever scales or drops the transparency sees no rim.
        return Backdrop(np.clip(cutout.person + 0.5, 0, 255).astype(np.uint8), None, True)
    place = lay_out((width, height), portrait.face.landmarks, output)
    to_canvas = _to_canvas(place)
    if kind == "blur":
        soft = np.asarray(cv2.GaussianBlur(cutout.behind, (0, 0), BLUR * max(height, width)), np.uint8)
        # Beyond the picture it goes on as in a mirror, so that no side of it shows.
        return Backdrop(soft, _warped(soft, to_canvas, place.canvas, cv2.BORDER_REFLECT))
    if kind == "image":
        fill = _picture(output.background_image, place.canvas)
        back = cv2.invertAffineTransform(to_canvas)
        return Backdrop(_warped(fill, back, (width, height), cv2.BORDER_REPLICATE), fill)
    text = GREEN if kind == "green" else output.background_color
    color = [int(text[i:i + 2], 16) for i in (1, 3, 5)]
    return Backdrop(np.full((height, width, 3), color, np.uint8),
                    np.full((place.canvas[1], place.canvas[0], 3), color, np.uint8))


def _picture(name: str, size: tuple[int, int]) -> U8:
    """Load a picture and cut its middle so that it covers `size` (width, height) px."""
    if not name:
        raise BadInput("no background picture was chosen; choose one, or another background")
    image = load_image(Path(name))[0]
    height, width = image.shape[:2]
    zoom = max(size[0] / width, size[1] / height)
    full = max(size[0], round(width * zoom)), max(size[1], round(height * zoom))
    image = cv2.resize(image, full, interpolation=cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC)
    left, top = (full[0] - size[0]) // 2, (full[1] - size[1]) // 2
    return np.ascontiguousarray(image[top:top + size[1], left:left + size[0]], np.uint8)


def _to_canvas(place: Layout) -> F32:
    """Return the (2, 3) affine map from the portrait's pixels to the output's."""
    zoom, (left, top) = 1 / place.scale.value, place.origin
    return np.array([[zoom, 0, place.x - left * zoom], [0, zoom, place.y - top * zoom]], np.float32)


def _warped(image: U8, move: np.ndarray, size: tuple[int, int], border: int) -> U8:
    return np.asarray(cv2.warpAffine(image, move, size, flags=cv2.INTER_LINEAR, borderMode=border), np.uint8)


def staged(portrait: Portrait, cutout: Cutout, backdrop: Backdrop) -> Portrait:
    """Return the portrait with its person in front of the backdrop."""
    amount = cutout.cover[:, :, None]
    image = (cutout.person * amount + backdrop.behind * (1 - amount) + 0.5).astype(np.uint8)
    cover = (cutout.cover * 255 + 0.5).astype(np.uint8)
    notes = portrait.warnings if cutout.found else (*portrait.warnings, NOT_FOUND)
    return dataclasses.replace(portrait, image=image, alpha=cover if backdrop.clear else None, warnings=notes)


def restaged(source: Source, generator: Generator, stage: Portrait, cutout: Cutout, backdrop: Backdrop) -> Source:
    """Return a prepared source whose person moves in front of the backdrop.

    A warp gets other colours in the same layers: nothing is left to do per frame, and no rim of the old background can
    show. Other generators prepare the staged portrait anew.
    """
    if isinstance(source, RefineSource):
        warp = restaged(source.warp, generator, stage, cutout, backdrop)
        return dataclasses.replace(source, warp=warp) if isinstance(warp, WarpSource) else generator.prepare(stage)
    if not isinstance(source, WarpSource):
        return generator.prepare(stage)
    height, width = source.matte.background.shape[:2]
    part = np.s_[source.y:source.y + height, source.x:source.x + width]
    above, layer = np.split(source.matte.person, [source.matte.above])
    amount = layer[:, :, 3:].astype(np.float32) / np.float32(255)
    # The layer that moves has no eyes and no lips: they are drawn on top.
    painted = layer[:, :, :3] + (1 - amount) * source.matte.background
    bare = np.clip(cutout.person[part] + painted - source.portrait.image[part], 0, 255)
    cover = cutout.cover[part][:, :, None]
    person = np.concatenate([bare * cover, 255 * cover], axis=2)
    behind = bare + np.float32(0.5) if backdrop.clear else backdrop.behind[part]
    matte = Matte(np.concatenate([above, (person + 0.5).astype(np.uint8)]),
                  np.ascontiguousarray(np.clip(behind, 0, 255).astype(np.uint8)))
    return dataclasses.replace(source, portrait=stage, matte=matte)
