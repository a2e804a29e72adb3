"""A portrait made ready to act: fitted to the output, prepared by its generator, its answer measured, its frame cut."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from engines import EngineFailed, open_engine, open_generators

from .composite import AUTO, Compositor, crop_target, lay_out
from .errors import BadInput
from .geometry import head_box
from .portrait import flattened, load_portrait, scaled
from .registry import GENERATORS, load
from .response import Look, measure_response
from .retarget import Response
from .seams import Generator, Source
from .settings import OutputSettings, Settings
from .types import U8, Face, Portrait

if TYPE_CHECKING:
    from .background import Cutout

PROBE_PX = 512.0


@dataclass(frozen=True, slots=True)
class Original:
    """A portrait before its background was changed: `colours` not laid over anything (for cutting out), `portrait` and
    `source` as they were prepared, and the cutout once it was made."""

    colours: Portrait
    portrait: Portrait
    source: Source
    cutout: Cutout | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Everything that drawing one portrait needs: the portrait at the output's scale, the generator and the source it
    prepared, how the portrait answers, and the compositor of the output. `output`: what it was prepared for, with the
    size worked out."""

    portrait: Portrait
    generator: Generator
    source: Source
    response: Response
    compositor: Compositor
    output: OutputSettings = field(default_factory=OutputSettings)
    original: Original | None = None


def prepare_actor(portrait: Path | str | Portrait, settings: Settings, *, face: int | None = None,
                  generator: Generator | None = None, calibrate: bool = True, alpha: bool | None = None) -> Actor:
    """Load, fit, prepare and measure a portrait; takes a second or two, so do it before the show.

    face: which face of the picture (1 = largest). generator: draws instead of the one that `settings` name.
    calibrate: measure how the portrait answers to small moves. alpha: frames are RGBA (None: when the background shall
    be transparent). Raises BadInput, ModelMissing.
    """
    chosen = portrait if isinstance(portrait, Portrait) else load_portrait(portrait, face, settings.output.kind)
    if alpha is None:
        alpha = settings.output.background == "transparent"
    shown = chosen if alpha and settings.output.background == "picture" else flattened(chosen)
    output = own_size(chosen, settings.output)
    fitted = fit(shown, output)
    drawer, note = (generator, "") if generator is not None else open_generator(settings)
    if note:
        fitted = replace(fitted, warnings=(*fitted.warnings, note))
    source = drawer.prepare(fitted)
    # The still portrait answers to nothing, and what drawn eyes do the tracker cannot say.
    answers = calibrate and settings.generator != "still" and not fitted.drawn
    response = probe(fitted, drawer, source) if answers else Response()
    original = Original(fitted if shown is chosen else fit(chosen, output), fitted, source)
    return _composed(original, drawer, response, output, alpha)


def repeatable(settings: Settings) -> Settings:
    """Return the settings for work that may take its time: the engine that always gives the same pixels, unless the
    user named one."""
    return replace(settings, engine="exact") if settings.engine == "auto" else settings


def open_generator(settings: Settings) -> tuple[Generator, str]:
    """Return the generator that the settings name, on the engine that they name; and a line for people when the
    refiner's network does not run here and the plain warp draws."""
    if settings.generator != "refine":
        return load(GENERATORS, settings.generator)(), ""
    from .generate.refine import RefineGenerator

    try:
        exact = settings.engine == "exact"
        engine = open_engine("refiner", "ort" if exact else settings.engine, precision="fp32" if exact else None)
    except EngineFailed as error:
        return load(GENERATORS, "warp")(), f"drawn without the refiner: {error}"
    # Each generator takes its own kind of source only.
    drawer: Any = RefineGenerator(engine)
    on_card = open_generators() if settings.engine == "auto" else {}
    if on_card:
        from .generate.whole import WholeGenerator

        drawer = WholeGenerator(on_card, drawer)
    return drawer, ""


def leaner(actor: Actor) -> Actor:
    """Return the actor drawn by the plain warp, where a CPU draws it with the refiner; else as it is."""
    from .generate.refine import RefineGenerator, RefineSource
    from .generate.warp import WarpGenerator

    if not isinstance(actor.generator, RefineGenerator) or not isinstance(actor.source, RefineSource):
        return actor
    drawer = WarpGenerator()
    drawer.provider = "warp on CPU, which is too slow for the refiner now"
    return replace(actor, generator=drawer, source=actor.source.warp)


def recomposed(actor: Actor, settings: Settings) -> Actor:
    """Return a prepared actor with another background or mirrored, as `settings.output` asks; what else differs there
    is ignored. Quick, but for the first time that the person is cut out (some tenths of a second).

    Raises BadInput for a background picture that cannot be used, or an actor that `prepare_actor` did not make.
    """
    if actor.original is None:
        raise BadInput("this portrait was not prepared for another background; choose it again")
    output = replace(settings.output, size=actor.output.size, framing=actor.output.framing)
    return _composed(actor.original, actor.generator, actor.response, output, output.background == "transparent")


def _composed(original: Original, generator: Generator, response: Response, output: OutputSettings,
              alpha: bool) -> Actor:
    """Put the person before the background that the output asks for, and lay out the picture."""
    portrait, source, fill = original.portrait, original.source, None
    if output.background != "picture":
        # The compiled loops behind it take a moment to import.
        from .background import cut_out_person, make_backdrop, restaged, staged

        cutout = original.cutout or cut_out_person(original.colours)
        original = replace(original, cutout=cutout)
        backdrop = make_backdrop(cutout, portrait, output, alpha)
        portrait, fill = staged(portrait, cutout, backdrop), backdrop.fill
        source = restaged(source, generator, portrait, cutout, backdrop)
    return Actor(portrait, generator, source, response, Compositor(portrait, output, alpha, fill), output, original)


def probe(portrait: Portrait, generator: Generator, source: Source) -> Response:
    """Measure how a prepared portrait answers; a large one is measured on a reduced copy, which takes a third of the
    time and, since gains have no unit, says the same."""
    x0, _, x1, _ = head_box(portrait.face.landmarks)
    if x1 - x0 > 1.25 * PROBE_PX:
        portrait = scaled(portrait, PROBE_PX / (x1 - x0))
        source = generator.prepare(portrait)
    with watching(portrait) as look:
        return measure_response(generator, source, look)


def own_size(portrait: Portrait, output: OutputSettings) -> OutputSettings:
    """Return the output with size `auto` worked out: the framing's own pixels, but neither a stamp nor a poster.

    Head and bust: a square of the crop, 512 to 1080 px. Full: the picture, its longer side 512 to 1920 px.
    """
    if output.size.strip().lower() != AUTO:
        return output
    height, width = portrait.image.shape[:2]
    if output.framing != "full":
        # The compositor's own crop: a larger square would get bands at the sides.
        height = width = crop_target(portrait.face.landmarks, (width, height), output.framing)[2]
    longest = max(width, height)
    scale = min(max(longest, 512), 1080 if output.framing != "full" else 1920) / longest
    return replace(output, size=f"{int(width * scale / 4 + 0.01) * 4}x{int(height * scale / 4 + 0.01) * 4}")


def fit(portrait: Portrait, output: OutputSettings) -> Portrait:
    """Return the portrait at the scale at which the output shows it, so that patches are pasted pixel for pixel.

    Size `source` means the portrait's own pixels: nothing is scaled.
    """
    if output.size.strip().lower() == "source":
        return portrait
    height, width = portrait.image.shape[:2]
    return scaled(portrait, 1 / lay_out((width, height), portrait.face.landmarks, output).scale.value)


@contextmanager
def watching(portrait: Portrait) -> Iterator[Look]:
    """Give a function that finds the portrait's face in pictures of the portrait's size.

    Only the head's surroundings are looked at: that is what most viewers see, it takes less time than the whole
    picture, and nobody else is in it as a rule.
    """
    from .models import ensure_model
    from .track.mediapipe import MAX_FACES, make_landmarker, to_image, unpack

    height, width = portrait.image.shape[:2]
    x0, y0, x1, y1 = head_box(portrait.face.landmarks)
    left, top, right, bottom = max(0, int(x0)), max(0, int(y0)), min(width, math.ceil(x1)), min(height, math.ceil(y1))
    home = portrait.face.landmarks[:, :2].mean(axis=0)
    landmarker = make_landmarker(ensure_model("face_landmarker"), video=False,
                                 faces=1 if portrait.faces == 1 else MAX_FACES)

    def look(image: U8) -> Face | None:
        part = image[top:bottom, left:right]
        offset = np.array([left, top, 0], dtype=np.float32)
        faces = [replace(f, landmarks=f.landmarks + offset)
                 for f in unpack(landmarker.detect(to_image(part)), part.shape[1], part.shape[0])]
        return min(faces, key=lambda f: float(np.linalg.norm(f.landmarks[:, :2].mean(axis=0) - home)), default=None)

    try:
        yield look
    finally:
        landmarker.close()
