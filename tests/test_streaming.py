"""Addresses of streams: what may be shown of them, and where their keys come from."""

from __future__ import annotations

import sys
import types

import pytest

from didlive.errors import BadInput
from didlive.streaming import complete, masked, store_key, stored_key, with_key, without_secrets

KEY = "very-secret-key"
SERVER = "rtmp://live.example/app"


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A keyring in memory, with the interface of the package `keyring`; `broken` makes it fail."""
    module, kept = types.ModuleType("keyring"), {}
    errors = types.SimpleNamespace(KeyringError=type("KeyringError", (Exception,), {}))

    def guarded(function):
        def call(*args):
            if module.broken:
                raise errors.KeyringError(f"no backend for {KEY}")
            return function(*args)
        return call

    module.__dict__.update(
        broken=False, errors=errors, kept=kept,
        get_password=guarded(lambda service, name: kept.get((service, name))),
        set_password=guarded(lambda service, name, key: kept.update({(service, name): key})),
        delete_password=guarded(lambda service, name: kept.pop((service, name))))
    monkeypatch.setitem(sys.modules, "keyring", module)
    return module


@pytest.mark.parametrize(("url", "shown"), [
    (f"rtmp://live.example/app/{KEY}", "rtmp://live.example"),
    (f"rtmps://user:{KEY}@live.example:443/app", "rtmps://live.example:443"),
    (f"srt://127.0.0.1:9000?streamid={KEY}&mode=caller", "srt://127.0.0.1:9000"),
    (f"rtsp://[::1]:554/{KEY}", "rtsp://[::1]:554"),
])
def test_only_the_server_is_shown(url: str, shown: str):
    assert masked(url) == shown


def test_a_key_joins_the_address():
    assert with_key(f"{SERVER}/", f" {KEY}\n") == f"{SERVER}/{KEY}"
    assert with_key(SERVER, "") == SERVER
    assert with_key("srt://h:9?mode=caller", "a b") == "srt://h:9?mode=caller&streamid=a+b"
    assert without_secrets(f"srt://h:9?mode=caller&streamid={KEY}&passphrase=p") == (
        "srt://h:9?mode=caller", {"streamid": KEY, "passphrase": "p"})


def test_a_key_comes_from_the_environment_before_the_keyring(ring: types.ModuleType):
    assert complete(SERVER, {}) == SERVER
    store_key(SERVER, KEY)
    assert list(ring.kept.values()) == [KEY] and stored_key(f" {SERVER} ") == KEY
    assert complete(SERVER, {}) == f"{SERVER}/{KEY}"
    assert complete("", {"DIDLIVE_STREAM_URL": SERVER, "DIDLIVE_STREAM_KEY": "other"}) == f"{SERVER}/other"
    store_key(SERVER, "")
    store_key(SERVER, "")
    assert not ring.kept and complete(SERVER, {}) == SERVER
    with pytest.raises(BadInput, match="DIDLIVE_STREAM_URL"):
        complete("", {})


def test_a_keyring_that_does_not_work_keeps_nothing_and_tells_nothing(ring: types.ModuleType):
    ring.broken = True
    assert stored_key(SERVER) == "" and complete(SERVER, {}) == SERVER
    with pytest.raises(BadInput, match="DIDLIVE_STREAM_KEY") as caught:
        store_key(SERVER, KEY)
    assert KEY not in str(caught.value) and caught.value.__cause__ is None


def test_without_a_keyring(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    assert stored_key(SERVER) == ""
    with pytest.raises(BadInput, match=r"pip install 'didlive\[keyring\]'"):
        store_key(SERVER, KEY)
