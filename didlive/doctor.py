"""What works on this machine. Libraries are imported for real, in a child process, so that a broken one is found out
and cannot take the report down with it."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from . import __version__
from .models import cache_folder, verify_models

PROBE_TIMEOUT_S = 120.0
NEEDED_MB = 50
_APT = "sudo apt-get install"
# Import name -> distribution: without one of these no portrait can be animated.
CORE = {
    "numpy": "numpy", "cv2": "opencv-python-headless", "mediapipe": "mediapipe", "numba": "numba", "av": "av",
    "PIL": "pillow", "skimage": "scikit-image", "platformdirs": "platformdirs", "filelock": "filelock",
    "cv2_enumerate_cameras": "cv2-enumerate-cameras", "tqdm": "tqdm",
}  # fmt: skip
# Each line is evaluated in the child; its text or its exception is the answer.
_CAMERAS = (
    "__import__('json').dumps([[c.index, c.name, c.path] for c in "
    "__import__('didlive.capture.listing', fromlist=['x']).list_cameras()])"
)
_QT_PLUGIN = (
    "__import__('ctypes').CDLL(str(__import__('pathlib').Path(__import__('PySide6').__file__).parent"
    " / 'Qt/plugins/platforms/libqxcb.so')) and 'loads'"
)
_VIRTUAL_CAMERA = "__import__('json').dumps(__import__('didlive.sinks.virtualcam', fromlist=['x']).report())"
_NETWORKS = (
    "__import__('json').dumps([[name, a.backend, a.precision, a.provider, round(a.ms, 2), a.reason] for name in "
    "__import__('engines.weights', fromlist=['x']).catalogue() for a in "
    "__import__('engines.select', fromlist=['x']).report(name)])"
)
EXTRA = {
    "cameras": _CAMERAS,
    "virtual camera": _VIRTUAL_CAMERA,
    "onnxruntime": "', '.join(__import__('onnxruntime').get_available_providers())",
    "tensorrt": "__import__('tensorrt').__version__",
    "tensorrt-rtx-cu13": "__import__('tensorrt_rtx').__version__",
    "onnxruntime-ep-openvino": "len(__import__('engines.openvino', fromlist=['x']).devices()) and 'OpenVINO'",
    "networks": _NETWORKS,
    "PySide6": "__import__('PySide6.QtWidgets') and __import__('PySide6').__version__",
    "c2pa": "__import__('cryptography') and __import__('c2pa').sdk_version()",
    "sounddevice": "__import__('sounddevice').get_portaudio_version()[1]",
}
_CHILD = """
import json, sys
for name, code in json.loads(sys.argv[1]):
    try:
        ok, text = True, str(eval(code))
    except BaseException as error:
        ok, text = False, f"{type(error).__name__}: {error}"
    print("\\nprobe:" + json.dumps([name, ok, text]), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Check:
    """One finding: its area and name, whether it works, whether animating a portrait needs it, what was found, and the
    one command that gets it (empty when there is nothing to do)."""

    area: str
    name: str
    ok: bool
    needed: bool
    detail: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, in the order of their areas."""

    checks: tuple[Check, ...]

    @property
    def ready(self) -> bool:
        """Whether a portrait can be animated on this machine."""
        return all(check.ok for check in self.checks if check.needed)

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON."""
        return {"ready": self.ready, "checks": [dataclasses.asdict(check) for check in self.checks]}


def probe(questions: dict[str, str]) -> dict[str, tuple[bool, str]]:
    """Evaluate Python expressions in a child process; return name -> (worked, text). An expression that kills or hangs
    the child is reported as such, and the rest is asked again."""
    answers: dict[str, tuple[bool, str]] = {}
    left = list(questions.items())
    package_parent = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(p for p in (package_parent, os.environ.get("PYTHONPATH", "")) if p)
    environment = {**os.environ, "PYTHONPATH": path}
    while left:
        command = [sys.executable, "-c", _CHILD, json.dumps(left)]
        try:
            result = subprocess.run(
                command, capture_output=True, timeout=PROBE_TIMEOUT_S, env=environment, stdin=subprocess.DEVNULL
            )
            output, ending = result.stdout, f"crashed on import (exit code {result.returncode})"
        except subprocess.TimeoutExpired as error:
            output, ending = error.stdout or b"", "hangs on import"
        for line in output.decode(errors="replace").splitlines():
            if line.startswith("probe:"):
                name, ok, text = json.loads(line.removeprefix("probe:"))
                answers[name] = (ok, text)
        left = [question for question in left if question[0] not in answers]
        if left:
            answers[left.pop(0)[0]] = (False, ending)
    return answers


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def _install(requirement: str) -> str:
    """Return the command that installs into this very environment, with uv where there is no pip."""
    if importlib.util.find_spec("pip") is None and shutil.which("uv"):
        return f'uv pip install --python {sys.executable} "{requirement}"'
    return f'{sys.executable} -m pip install "{requirement}"'


def _libraries(answers: dict[str, tuple[bool, str]]) -> list[Check]:
    python = platform.python_version()
    checks = [
        Check("libraries", "python", sys.version_info >= (3, 11), True, python, "uv python install 3.11"),
        Check("libraries", "didlive", True, True, __version__),
    ]
    for module, distribution in CORE.items():
        ok, text = answers[module]
        detail = _version(distribution) or "installed" if ok else text
        fix = _install(distribution)
        checks.append(Check("libraries", distribution, ok, True, detail, fix))
    return checks


def _cameras(answers: dict[str, tuple[bool, str]]) -> list[Check]:
    ok, text = answers["cameras"]
    if not ok:
        return [Check("cameras", "webcam", False, False, text)]
    checks = []
    for index, name, path in json.loads(text):
        allowed = not path.startswith("/dev/") or os.access(path, os.R_OK | os.W_OK)
        detail = f"{name} {path}" + ("" if allowed else " (you may not use it)")
        checks.append(Check("cameras", f"camera {index}", allowed, False, detail, "sudo usermod -aG video $USER"))
    if not checks:
        detail = "none is connected; a clip can stand in for it"
        checks.append(Check("cameras", "webcam", False, False, detail, "plug one in"))
    return checks


def _models() -> list[Check]:
    checks = []
    for found in verify_models():
        needed = found.spec.name == "face_landmarker"
        detail = f"{found.state}: {found.path}"
        checks.append(Check("models", found.spec.name, found.state == "ok", needed, detail, "didlive models fetch"))
    folder = cache_folder()
    there = next(p for p in (folder, *folder.parents) if p.exists())
    free_mb = shutil.disk_usage(there).free / 1e6
    missing = any(check.needed and not check.ok for check in checks)
    fix = "free some space, or set DIDLIVE_CACHE to a folder on another disk"
    checks.append(Check("models", "disk space", free_mb > NEEDED_MB, missing, f"{free_mb:.0f} MB free at {there}", fix))
    return checks


def _engines(answers: dict[str, tuple[bool, str]]) -> list[Check]:
    checks = []
    card = _nvidia()
    # Package, what it is for, the extra that brings it (none: it belongs to didlive itself), whether it needs a card.
    table = (
        ("onnxruntime", "the refiner and the lips need it", "", False),
        ("onnxruntime-ep-openvino", "networks run faster with it on Intel's processors", "[openvino]", False),
        ("tensorrt-rtx-cu13", "networks run on RTX cards with it", "[rtx]", True),
        ("tensorrt", "networks run on every NVIDIA card with it", "[tensorrt]", True),
    )
    for package, label, extra, needs_card in table:
        ok, text = answers[package]
        detail = _absent(text.removeprefix("EngineFailed: "), label)
        if ok and not needs_card:
            detail = f"{_version(package)} built with {text}"
        fix = _install(f"didlive{extra}" if extra else package) if card or not needs_card else ""
        checks.append(Check("engines", package, ok, False, detail, fix if "not installed" in detail else ""))
    checks.append(Check("engines", "NVIDIA GPU", bool(card), False, card or "none; the CPU is used"))
    return checks + _networks(answers)


def _networks(answers: dict[str, tuple[bool, str]]) -> list[Check]:
    """One line per network and way of running it: the time where it was measured, the reason where it is not used."""
    ok, text = answers["networks"]
    if not ok:
        return [Check("engines", "networks", False, False, text)]
    lines: dict[tuple[str, str, str], tuple[str, bool]] = {}
    for name, backend, precision, provider, ms, reason in json.loads(text):
        measured = f"{provider}, {ms} ms" if ms else provider
        # The same reason for every precision is one line.
        key = (name, backend, precision if measured else reason)
        lines[key] = (" - ".join(part for part in (measured, reason) if part), not reason)
    return [Check("engines", f"{name} by {backend}", used, False, detail)
            for (name, backend, _), (detail, used) in lines.items()]


def _nvidia() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return ""
    command = [tool, "--query-gpu=name,driver_version", "--format=csv,noheader"]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout.strip().replace("\n", "; ") if result.returncode == 0 else ""


def _absent(text: str, note: str) -> str:
    return f"not installed ({note})" if text.startswith("ModuleNotFoundError") else text


def _screen(answers: dict[str, tuple[bool, str]]) -> list[Check]:
    checks = []
    if sys.platform == "linux":
        names = [n for n in ("WAYLAND_DISPLAY", "DISPLAY") if os.environ.get(n)]
        detail = ", ".join(f"{n}={os.environ[n]}" for n in names) or "neither DISPLAY nor WAYLAND_DISPLAY is set"
        checks.append(Check("screen", "display", bool(names), False, detail, "start didlive from a desktop session"))
    ok, text = answers["PySide6"]
    detail = text if ok else _absent(text, "only the window needs it")
    fix = _install("didlive[ui]")
    if not ok and "cannot open shared object" in text:
        fix = f"{_APT} libgl1 libegl1 libglib2.0-0 libdbus-1-3 libfontconfig1 libxkbcommon0"
    checks.append(Check("screen", "PySide6", ok, False, detail, fix))
    if ok and sys.platform == "linux":
        loads, text = probe({"plugin": _QT_PLUGIN})["plugin"]
        fix = f"{_APT} libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0 libxcb-image0 "
        fix += "libxcb-render-util0 libxcb-xkb1"
        checks.append(Check("screen", "Qt xcb plugin", loads, False, text, fix))
    return checks


def _sound(answers: dict[str, tuple[bool, str]]) -> list[Check]:
    ok, text = answers["sounddevice"]
    lacks_library = "PortAudio" in text and not ok
    fix = f"{_APT} libportaudio2" if lacks_library else _install("sounddevice")
    detail = text if ok else _absent(text, "only lip sync from a microphone needs it")
    return [Check("sound", "PortAudio", ok, False, detail, fix)]


def _signing(answers: dict[str, tuple[bool, str]]) -> list[Check]:
    ok, text = answers["c2pa"]
    detail = f"C2PA {text}" if ok else _absent(text, "recordings and snapshots are written unsigned")
    return [Check("signing", "Content Credentials", ok, False, detail, _install("c2pa-python"))]


def _virtual_camera(answers: dict[str, tuple[bool, str]]) -> list[Check]:
    ok, text = answers["virtual camera"]
    if not ok:
        return [Check("virtual camera", "virtual camera", False, False, text)]
    return [Check("virtual camera", name, works, False, detail, fix) for name, works, detail, fix in json.loads(text)]


def examine() -> Report:
    """Look at everything and return the report; takes some seconds, since libraries are loaded for real."""
    answers = probe({name: f"__import__({name!r})" for name in CORE} | EXTRA)
    checks = [
        *_libraries(answers), *_models(), *_cameras(answers), *_engines(answers), *_screen(answers), *_sound(answers),
        *_virtual_camera(answers), *_signing(answers),
    ]  # fmt: skip
    return Report(tuple(checks))
