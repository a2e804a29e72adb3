"""What the READMEs show works: commands and options exist, the Python block runs, both languages say the same."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from didlive.cli import COMMANDS, build_parser

ROOT = Path(__file__).resolve().parents[1]
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")}
DOCS = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
TEXTS = READMES | DOCS


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[str]:
    """Return the lines of shell blocks that are commands, without comments."""
    lines = (re.sub(r"\s+#.*", "", line) for block in blocks(text, "sh") for line in block.splitlines())
    return [line for line in lines if line.strip() and not line.startswith("#")]


def didlive_commands(text: str) -> list[str]:
    """Return every `didlive ...` of blocks and running text; the latter may leave arguments out."""
    inline = re.findall(r"`didlive ([a-z][^`]*)`", text)
    return [line.removeprefix("didlive ") for line in commands(text) if line.startswith("didlive ")] + inline


def code(text: str) -> str:
    """Return the Python blocks without comments, which are translated."""
    return re.sub(r"  #.*", "", "\n".join(blocks(text, "python")))


def test_both_languages_show_the_same_commands_and_code() -> None:
    english, chinese = READMES.values()
    assert commands(english) and code(english)
    assert commands(english) == commands(chinese)
    assert code(english) == code(chinese)


def test_both_languages_have_the_same_shape() -> None:
    shapes = [re.findall(r"^(#{1,3}) |^([*|]) ?|^(<!--.*-->)", text, re.MULTILINE) for text in READMES.values()]
    assert shapes[0] == shapes[1], "sections, list items, table rows and marks come in the same order"


@pytest.mark.parametrize("name", TEXTS)
def test_every_command_shown_is_accepted(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    for line in didlive_commands(TEXTS[name]):
        arguments = shlex.split(line)
        command = next((a for a in arguments if a in COMMANDS), None)
        assert command is not None, f"{name}: didlive {line}"
        try:
            build_parser(command).parse_args(arguments)
        except SystemExit:
            message = capsys.readouterr().err
            left_out = "arguments are required" in message or "expected one argument" in message
            assert left_out and f"didlive {line}" not in commands(TEXTS[name]), f"{name}: didlive {line}\n{message}"


def test_every_command_is_shown() -> None:
    shown = {line.split()[0] for line in didlive_commands(READMES["README.md"])}
    assert shown >= set(COMMANDS)


def test_the_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z]+):", makefile, re.MULTILINE)
    shown = {m for text in TEXTS.values() for m in re.findall(r"`make ([a-z]+)|^make ([a-z]+)", text, re.MULTILINE)}
    assert {a or b for a, b in shown} <= set(targets)
    assert {"run", "test"} <= {a or b for a, b in shown}


@pytest.mark.parametrize("name", READMES)
def test_it_says_how_to_get_and_to_run_the_command(name: str) -> None:
    text = READMES[name]
    places = [text.index(part) for part in ("git clone <", "make run ", "`. .venv/bin/activate`", "didlive animate")]
    assert places == sorted(places) and "`.venv/bin/didlive`" in text


def test_the_extras_named_exist() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {name for text in TEXTS.values() for group in re.findall(r"(?:didlive|\.)\[([a-z,]+)\]", text)
             for name in group.split(",")}
    assert named and named <= set(extras)


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name: str) -> None:
    folder = ROOT if name in READMES else ROOT / "docs"
    for target in re.findall(r"\]\(([^)#\s]+)", TEXTS[name]):
        assert "://" in target or (folder / target).exists(), f"{name} links to {target}"


def test_the_python_block_runs(tmp_path: Path) -> None:
    script = tmp_path / "readme.py"
    script.write_text("\n".join(blocks(READMES["README.md"], "python")), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
    result = subprocess.run([sys.executable, script.name], cwd=tmp_path, env=environment, capture_output=True,
                            text=True, timeout=240)
    assert result.returncode == 0, result.stderr
    printed = result.stdout.splitlines()
    assert len(printed) == 10
    assert all(line.endswith("(256, 256, 3)") for line in printed)
