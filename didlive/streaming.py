"""Addresses of streams and the keys in them, which nobody but the server may see."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from .errors import BadInput

# Scheme -> container format.
FORMATS = {"rtmp": "flv", "rtmps": "flv", "rtsp": "rtsp", "rtsps": "rtsp", "srt": "mpegts"}
SECRET_OPTIONS = ("streamid", "passphrase")
URL_VARIABLE, KEY_VARIABLE = "DIDLIVE_STREAM_URL", "DIDLIVE_STREAM_KEY"
SERVICE = "didlive"


def parsed(url: str) -> SplitResult:
    """Return the parts of a stream's address. Raises BadInput, without the address in it, when it cannot be one."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        usable = parts.scheme in FORMATS and parts.hostname and parts.port != 0 and url.isprintable() and " " not in url
    except ValueError:
        parts, usable = SplitResult("", "", "", "", ""), False
    if not usable:
        raise BadInput("this is no address of a stream; it begins with " + ", ".join(f"{s}://" for s in FORMATS)
                       + " and the name of the server")
    return parts


def masked(url: str) -> str:
    """Return what may be shown of an address: the server, but no path, user, password or key."""
    parts = parsed(url)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port else "")


def with_key(url: str, key: str) -> str:
    """Return the address with its key: the last part of the path, or SRT's stream id."""
    parts = parsed(url)
    key = key.strip()
    if not key:
        return url.strip()
    if parts.scheme == "srt":
        return urlunsplit(parts._replace(query=urlencode([*parse_qsl(parts.query), ("streamid", key)])))
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{key}"))


def without_secrets(url: str) -> tuple[str, dict[str, str]]:
    """Return an SRT address without its secret options, and those."""
    parts = parsed(url)
    options = parse_qsl(parts.query)
    public = urlencode([(name, value) for name, value in options if name not in SECRET_OPTIONS])
    return urlunsplit(parts._replace(query=public)), {n: v for n, v in options if n in SECRET_OPTIONS}


def _keyring() -> Any:
    """Return the keyring module, or None when it is not installed."""
    try:
        return import_module("keyring")
    except ImportError:
        return None


def stored_key(url: str) -> str:
    """Return the key that the system's keyring has for this address, or an empty string."""
    ring = _keyring()
    if ring is None:
        return ""
    try:
        return ring.get_password(SERVICE, url.strip()) or ""
    except ring.errors.KeyringError:
        return ""


def store_key(url: str, key: str) -> None:
    """Keep the key for this address in the system's keyring; an empty one is forgotten. Raises BadInput."""
    parsed(url)
    ring = _keyring()
    if ring is None:
        raise BadInput("the key cannot be kept: the keyring is not installed; run: pip install 'didlive[keyring]'")
    try:
        if key:
            ring.set_password(SERVICE, url.strip(), key.strip())
        elif ring.get_password(SERVICE, url.strip()) is not None:
            ring.delete_password(SERVICE, url.strip())
    except ring.errors.KeyringError as error:
        # The error's own words may come from anywhere; its kind says enough.
        raise BadInput(f"the key cannot be kept: this system's keyring does not work ({type(error).__name__}); set "
                       f"{KEY_VARIABLE} instead") from None


def complete(url: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return an address (empty: $DIDLIVE_STREAM_URL) with the key that $DIDLIVE_STREAM_KEY or the system's keyring has
    for it, if any. Raises BadInput."""
    url = (url or environment.get(URL_VARIABLE, "")).strip()
    if not url:
        raise BadInput(f"there is no address to stream to; give one, or set {URL_VARIABLE}")
    parsed(url)
    return with_key(url, environment.get(KEY_VARIABLE, "") or stored_key(url))
