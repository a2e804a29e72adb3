"""Keeps the native libraries off the terminal: MediaPipe writes a dozen log lines to file descriptor 2 and knows no
switch for it. What Python writes to `sys.stderr` still arrives."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_native() -> Iterator[None]:
    """Send what is not Python's from standard error to nowhere; the environment's DIDLIVE_DEBUG=1 lets it through."""
    if os.environ.get("DIDLIVE_DEBUG"):
        yield
        return
    try:
        kept = os.dup(2)
    except OSError:  # Started without a standard error.
        yield
        return
    python_err, own = sys.stderr, None
    # Replaced streams (tests, an embedding program) do not write to descriptor 2 and stay as they are.
    if python_err is sys.__stderr__ and python_err is not None:
        python_err.flush()
        sys.stderr = own = os.fdopen(os.dup(kept), "w", buffering=1, encoding=python_err.encoding, errors="replace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        if own is not None:
            sys.stderr = python_err
            own.close()
        os.dup2(kept, 2)
        os.close(kept)
