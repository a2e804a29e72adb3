"""What many tests share: models fetched once, a portrait, an actor, a clip made by the product itself."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

# Read by native libraries when they are loaded.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
# A shell that runs the tests in the background has Ctrl+C ignored, also by the commands that the tests start and stop.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def own_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keys, consents and settings of the tests, and of the commands that they start, lie in a folder of their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIDLIVE_CONFIG", str(tmp_path_factory.mktemp("configuration")))
        yield


@pytest.fixture(scope="session")
def models() -> Path:
    """The cache folder with every model in it, fetched once per machine."""
    from didlive.models import cache_folder, ensure_model, list_models

    for spec in list_models():
        ensure_model(spec)
    return cache_folder()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for outputs."""
    path = tmp_path / "out"
    path.mkdir()
    return path


@pytest.fixture(scope="session")
def astronaut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scikit-image's public-domain portrait (512 x 512 px) as a PNG file."""
    path = tmp_path_factory.mktemp("portrait") / "astronaut.png"
    cv2.imwrite(str(path), cv2.cvtColor(skimage.data.astronaut(), cv2.COLOR_RGB2BGR))
    return path


@pytest.fixture(scope="session")
def actor(models: Path, astronaut: Path):
    """The astronaut, ready to act at 256 x 256 px (small, so that tests are quick), without label and mark."""
    from stage import bare

    from didlive.actor import prepare_actor
    from didlive.settings import Settings

    return prepare_actor(astronaut, Settings(output=bare(size="256x256")), calibrate=False)


@pytest.fixture(scope="session")
def cut(actor):
    """The portrait of `actor` without its uppermost rows, so that the border goes through the hair."""
    from didlive.generate.warp import WarpGenerator

    whole = actor.portrait
    source = WarpGenerator().prepare(whole)
    x, forehead = (int(v) for v in source.landmarks[10, :2])
    hair = int(np.argmax(source.matte.person[source.matte.above:, x, 3] > 128))
    rows = source.y + (hair + forehead) // 2
    face = replace(whole.face, landmarks=whole.face.landmarks - np.array([0, rows, 0], np.float32))
    return replace(whole, image=np.ascontiguousarray(whole.image[rows:]), face=face)


@pytest.fixture(scope="session", params=[-28.0, 28.0])
def three_quarter(models: Path, astronaut: Path, request: pytest.FixtureRequest,
                  tmp_path_factory: pytest.TempPathFactory):
    """The astronaut seen half from the side: turned by the warp, then tracked as any picture is."""
    from stage import pictured, turned_head

    from didlive.generate.warp import WarpGenerator
    from didlive.portrait import load_portrait

    frontal, warp = load_portrait(astronaut), WarpGenerator()
    path = tmp_path_factory.mktemp("turned") / "three-quarter.png"
    seen = pictured(frontal, warp.generate(warp.prepare(frontal), turned_head(frontal, request.param)))
    cv2.imwrite(str(path), cv2.cvtColor(seen, cv2.COLOR_RGB2BGR))
    return load_portrait(path)


@pytest.fixture
def show():
    """A session of stand-ins, not started yet, and everything it is made of; all of its threads end."""
    from stage import Show, show_threads

    made = Show()
    yield made
    made.session.stop()
    assert show_threads() == []


@pytest.fixture(scope="session")
def driving(actor, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A driving clip without anybody's rights: the astronaut, moved by the demo's motion, 30 frames with sound."""
    import av

    from didlive.animate import render_performance, track_clip
    from didlive.demo import demo_motion
    from didlive.settings import Settings

    path = tmp_path_factory.mktemp("driving") / "driving.mp4"
    performance = track_clip(demo_motion(), max_frames=30)
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=30, options={"preset": "veryfast", "crf": "16"})
        video.width, video.height, video.pix_fmt = 256, 256, "yuv420p"
        audio = container.add_stream("aac", rate=48000, layout="mono")
        for frame in render_performance(actor, performance, Settings()):
            container.mux(video.encode(av.VideoFrame.from_ndarray(frame.image, format="rgb24")))
        container.mux(video.encode(None))
        for block in range(47):
            tone = np.sin((np.arange(1024) + block * 1024) * 2 * np.pi * 440 / 48000)[None].astype(np.float32) * 0.3
            sound = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            sound.sample_rate, sound.pts = 48000, block * 1024
            container.mux(audio.encode(sound))
        container.mux(audio.encode(None))
    return path
