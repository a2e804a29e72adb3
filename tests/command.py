"""Running the command line inside a test."""

from __future__ import annotations

from pathlib import Path

import pytest

from didlive import cli


def contents(folder: Path) -> list[str]:
    """Return the names in a folder, sorted."""
    return sorted(p.name for p in folder.iterdir())


def run(arguments: list[str | Path], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    """Run the command line in this process; return exit code, stdout, stderr."""
    code = cli.main([str(a) for a in arguments])
    said = capsys.readouterr()
    return code, said.out, said.err
