"""Refiner against plain warp, on people never trained on: errors where it matters, identity, flicker, sheets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from skimage.metrics import structural_similarity

from ..errors import BadInput
from ..generate.canonical import EYE, FACE, MOUTH, Region, matrices, pose_of, take, to_crop
from ..generate.raster import polygon_mask
from ..generate.refine import RefineGenerator
from ..generate.warp import WarpGenerator
from ..geometry import EYE_RINGS, LIPS_INNER, LIPS_OUTER, OVAL
from ..types import F32, U8
from .corpus import Corpus, Item
from .identity import load_identity
from .losses import feature_l1
from .nets import IdentityEncoder
from .rating import write_page
from .synth import SAME_LIGHT, Maker, Pair, make_pair

# Crops: mouth, eye image left, eye image right (mirrored), face.
CROPS: tuple[Region, ...] = (MOUTH, EYE, EYE, FACE)
# A mouth counts as open where its inside has this many px of the crop; an eye as moved when its lids
# did by this share of the opening.
INSIDE_PX, LIDS_MOVED = 60.0, 0.2
GAP = 6
SHEET_SEED, SHEET_PAIRS = 5, 16


@dataclass(slots=True)
class Sums:
    """Running means by name."""

    total: dict[str, float]
    weight: dict[str, float]

    def add(self, name: str, value: float, weight: float = 1.0) -> None:
        self.total[name] = self.total.get(name, 0.0) + value * weight
        self.weight[name] = self.weight.get(name, 0.0) + weight

    def means(self) -> dict[str, float]:
        return {name: value / self.weight[name] for name, value in self.total.items()}


def judge(corpus: Corpus, choose: Callable[[Item], bool], refiner: RefineGenerator, encoder: IdentityEncoder,
          count: int, report: Callable[[int, int], None], seed: int = 77) -> dict[str, dict[str, float]]:
    """Return metric -> {warp, refine, change} over `count` pairs of the items that `choose` takes.

    Pictures are whole: warped, refined and pasted back as in a show. L1 in 0..255; PSNR in dB; SSIM, cosine 0..1.
    """
    maker = Maker(corpus, lambda i: choose(corpus.items[i]), seed)
    sums = {"warp": Sums({}, {}), "refine": Sums({}, {})}
    done = 0
    while done < count:
        pair = maker.pair()
        picture = corpus.picture(pair.target)
        truths = pair.truths(picture)
        drawn = both(pair, refiner)
        crops = {name: crops_of(pair, image) for name, image in drawn.items()}
        light = np.abs(crops["warp"][3].mean((0, 1)) - truths[3].mean((0, 1))).max()
        if pair.kind != 0 and light > SAME_LIGHT:
            continue
        for name, seen in crops.items():
            _measure(sums[name], pair, seen, truths, encoder)
        done += 1
        report(done, count)
    return _compared(sums)


def _compared(sums: dict[str, Sums]) -> dict[str, dict[str, float]]:
    warp, refine = sums["warp"].means(), sums["refine"].means()
    return {name: {"warp": warp[name], "refine": refine[name], "change": refine[name] / warp[name] - 1}
            for name in warp}


def both(pair: Pair, refiner: RefineGenerator) -> dict[str, U8]:
    """Return the pair's picture (H, W, 3) as the warp draws it and as the refiner does."""
    return {"warp": WarpGenerator().generate(pair.source, pair.drive).image,
            "refine": refiner.generate(refiner.adopt(pair.source), pair.drive).image}


def crops_of(pair: Pair, image: U8) -> tuple[U8, ...]:
    """Return the canonical crops of a drawn picture."""
    pose = pose_of(pair.drive, pair.source)
    return tuple(take(image, m, region) for m, region in zip(matrices(pose), CROPS, strict=True))


def _measure(sums: Sums, pair: Pair, seen: tuple[U8, ...], truths: tuple[U8, ...], encoder: IdentityEncoder) -> None:
    pose = pose_of(pair.drive, pair.source)
    masks = [polygon_mask(to_crop(pose.landmarks[row], m), 0, 0, region.width, region.height)
             for row, m, region in zip((LIPS_INNER, EYE_RINGS[0], EYE_RINGS[1], OVAL), matrices(pose), CROPS,
                                       strict=True)]
    error = [np.abs(a.astype(np.float32) - b).mean(2) for a, b in zip(seen, truths, strict=True)]
    inside = float(masks[0].sum())
    if inside > INSIDE_PX:
        sums.add("mouth interior L1", float((error[0] * masks[0]).sum()) / inside, inside)
        sums.add("mouth interior features", _features(encoder, seen[0], truths[0], masks[0]), inside)
    lips = polygon_mask(to_crop(pose.landmarks[LIPS_OUTER], pose.mouth()), 0, 0, MOUTH.width, MOUTH.height)
    sums.add("mouth L1", float((error[0] * lips).sum() / max(lips.sum(), 1)))
    sums.add("mouth PSNR", _psnr(seen[0], truths[0]))
    sums.add("mouth SSIM", float(np.asarray(structural_similarity(seen[0], truths[0], channel_axis=2))))
    sums.add("mouth features", _features(encoder, seen[0], truths[0]))
    wide = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (13, 13))
    lids = pair.drive.lids
    for side in (0, 1):
        near = cv2.dilate(masks[1 + side], wide)
        if abs(float(lids[side]) - 1) > LIDS_MOVED and near.sum() > 0:
            sums.add("eye L1", float((error[1 + side] * near).sum() / near.sum()))
            sums.add("eye PSNR", _psnr(seen[1 + side], truths[1 + side]))
    sums.add("face L1", float((error[3] * masks[3]).sum() / max(masks[3].sum(), 1)))
    with torch.no_grad():
        a, b = (encoder(2 * _tensor(face) - 1) for face in (seen[3], truths[3]))
    sums.add("identity cosine", float((a * b).sum()))


def _tensor(crop: U8) -> torch.Tensor:
    return torch.from_numpy(crop.astype(np.float32).transpose(2, 0, 1)[None] / 255)


@torch.no_grad()
def _features(encoder: IdentityEncoder, a: U8, b: U8, mask: F32 | None = None) -> float:
    where = None if mask is None else torch.from_numpy(mask)[None, None]
    return float(feature_l1(encoder, _tensor(a), _tensor(b), where))


def _psnr(a: U8, b: U8) -> float:
    error = float(((a.astype(np.float32) - b) ** 2).mean())
    return float(10 * np.log10(255 ** 2 / max(error, 0.1)))


def flicker(corpus: Corpus, choose: Callable[[Item], bool], refiner: RefineGenerator) -> dict[str, dict[str, float]]:
    """Return how much the change from frame to frame differs from the true change, mean absolute 0..255, over clips
    that play themselves from their first frame."""
    warp = WarpGenerator()
    clips: dict[str, list[int]] = {}
    for i, item in enumerate(corpus.items):
        if item.clip and choose(item):
            clips.setdefault(item.clip, []).append(i)
    sums = {"warp": Sums({}, {}), "refine": Sums({}, {})}
    for rows in clips.values():
        first, image = corpus.faces[rows[0]], corpus.picture(rows[0])
        before: dict[str, tuple[U8, ...]] = {}
        for row in rows[1:40]:
            pair = make_pair(warp, first, image, corpus.faces[row], 2, rows[0], row)
            truth = pair.truths(corpus.picture(row))
            now = {name: crops_of(pair, picture) for name, picture in both(pair, refiner).items()}
            if before:
                for name, seen in now.items():
                    for label, k in (("mouth flicker", 0), ("face flicker", 3)):
                        true = truth[k].astype(np.float32) - before["truth"][k]
                        own = seen[k].astype(np.float32) - before[name][k]
                        sums[name].add(label, float(np.abs(own - true).mean()))
            before = {**now, "truth": truth}
    if not sums["warp"].total:
        raise BadInput("there is no clip to measure flicker on")
    return _compared(sums)


def sheet(path: Path, pairs: list[Pair], corpus: Corpus, refiner: RefineGenerator, size_px: int = 260) -> None:
    """Write a PNG: per pair the source, the warp, the refined picture and the truth."""
    rows = []
    for pair in pairs:
        drawn = both(pair, refiner)
        tiles = [pair.source.portrait.image, drawn["warp"], drawn["refine"], corpus.picture(pair.target)]
        rows.append(np.hstack([np.pad(cv2.resize(tile, (size_px, size_px), interpolation=cv2.INTER_AREA),
                                      ((0, GAP), (0, GAP), (0, 0)), constant_values=40) for tile in tiles]))
    half = (len(rows) + 1) // 2
    rows += [np.zeros_like(rows[0])] * (2 * half - len(rows))
    picture = np.hstack([np.vstack(rows[:half]), np.vstack(rows[half:])])
    cv2.imwrite(str(path), picture[:, :, ::-1])


def judge_all(corpus: Corpus, choose: Callable[[Item], bool], identity: Path, count: int,
              report: Callable[[int, int], None], sheet_path: Path | None, rating: Path | None
              ) -> dict[str, dict[str, float]]:
    """Return the metrics of `judge` and `flicker`; write a contact sheet and a page for blind comparison if asked."""
    refiner, encoder = RefineGenerator(), load_identity(identity, torch.device("cpu"))
    result = judge(corpus, choose, refiner, encoder, count, report)
    if any(item.clip and choose(item) for item in corpus.items):
        result |= flicker(corpus, choose, refiner)
    maker = Maker(corpus, lambda i: choose(corpus.items[i]), SHEET_SEED)
    pairs = [maker.pair() for _ in range(SHEET_PAIRS)] if sheet_path or rating else []
    if sheet_path:
        sheet(sheet_path, pairs, corpus, refiner)
    if rating:
        write_page(rating, [both(pair, refiner) for pair in pairs])
    return result
