"""House rules that no linter keeps: short files and functions, no pickle, nothing that works on one machine only, and
a light import."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 60
PRODUCT = sorted(p for folder in ("didlive", "ui", "engines") for p in (ROOT / folder).rglob("*.py"))
TEXTS = {".py", ".md", ".toml", ".txt", ".c", ".cfg", ".yml", ".yaml", ".qss", ".ts", ".json", ""}
HEAVY = ("PySide6", "torch", "onnxruntime", "tensorrt", "mediapipe", "pyvirtualcam", "sounddevice", "cv2", "numba")
# Split, so that this file does not contain them.
HOME_PATHS = re.compile("|".join((r"/ho" r"me/\w", r"/Us" r"ers/\w", r"/ro" r"ot/", r"[A-Z]:\\\\?Us" r"ers\\")))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(path: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and length in lines of every function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_there_is_something_to_look_at() -> None:
    assert len(PRODUCT) > 20
    assert sum(1 for path in PRODUCT for _ in functions(path)) > 100


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_files_and_functions_are_short(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_FILE_LINES, f"{relative(path)} has {lines} lines"
    long = [f"{name} has {length} lines" for name, length in functions(path) if length > MAX_FUNCTION_LINES]
    assert not long, f"{relative(path)}: {'; '.join(long)}"


def pickles(path: Path) -> Iterator[str]:
    """Yield what would load or store a pickle."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        yield from (name for name in names if name.split(".")[0] in {"pickle", "dill", "joblib", "marshal", "shelve"})
        if isinstance(node, ast.keyword) and node.arg == "allow_pickle" and ast.unparse(node.value) != "False":
            yield "allow_pickle"


@pytest.mark.parametrize("path", PRODUCT, ids=relative)
def test_no_pickle(path: Path) -> None:
    assert not list(pickles(path)), relative(path)


def committed() -> list[Path]:
    """Return the files of the project that are text: those that git knows, or without git all but the hidden ones."""
    try:
        result = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True)
        paths = [ROOT / name for name in result.stdout.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        paths = [p for p in ROOT.rglob("*") if not any(part.startswith(".") for part in p.relative_to(ROOT).parts)]
    return [p for p in paths if p.is_file() and p.suffix in TEXTS]


def test_no_file_names_a_home_folder_of_one_machine() -> None:
    found = [f"{relative(path)}:{number}: {line.strip()}"
             for path in committed()
             for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if HOME_PATHS.search(line)]
    assert not found, "\n".join(found)


def child(code: str) -> str:
    """Return what a fresh Python prints."""
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True, text=True)
    return result.stdout.strip()


def test_importing_didlive_loads_nothing_heavy_and_is_quick() -> None:
    code = ("import sys, time; start = time.perf_counter(); import didlive; took = time.perf_counter() - start;"
            f"print(took, *[m for m in {HEAVY!r} if m in sys.modules])")
    # The best of a few: the machine may be busy.
    took, loaded = min((float(time), rest) for time, *rest in (child(code).split() for _ in range(3)))
    assert not loaded
    assert took < 0.3


def test_the_command_lists_its_commands_without_loading_anything_heavy() -> None:
    code = ("import sys; from didlive.cli import build_parser; build_parser();"
            f"print(*[m for m in {HEAVY!r} if m in sys.modules])")
    assert child(code) == ""
