"""Who agreed to the use of a portrait: a small ledger on this computer, each line signed and tied to the one before.

Nothing is uploaded. A portrait whose consent was revoked or has expired does not go live; one that nobody was asked
about may, on the command line; the window asks.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from .demo import ANIME, sample_portraits
from .disk import explain, write_whole
from .errors import BadInput, OutputFailed
from .profiles import config_folder
from .wording import storable

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KINDS = {
    "myself": "it shows myself",
    "agreed": "it shows a person who agreed",
    "public-domain": "it is in the public domain",
    "fictional": "it shows nobody: a fictional face",
    "own-work": "it is my own work",
}
NONE, VALID, EXPIRED, REVOKED = "none", "valid", "expired", "revoked"
BUILT_IN, OUR_DRAWING = "built-in, public domain", "built-in, fictional"
SHORTEST_KEY = 8
LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True)
class Consent:
    """One entry of the ledger. number: its own, 12 hex digits; sha256: of the portrait's file; name: of the portrait,
    for people; kind: one of KINDS; who: the person who agreed; scope: to what; made, expires, revoked: dates
    (YYYY-MM-DD) or "", the portrait may be used up to and including the day of `expires`."""

    number: str
    sha256: str
    name: str
    kind: str
    who: str
    scope: str
    made: str
    expires: str
    revoked: str = ""

    @property
    def state(self) -> str:
        """`valid`, `expired` or `revoked`."""
        if self.revoked:
            return REVOKED
        return EXPIRED if self.expires and self.expires < _today() else VALID


def _today() -> str:
    return datetime.date.today().isoformat()


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a portrait's file as hex digits. Raises BadInput when it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise BadInput(f"{path} cannot be read ({error.strerror}); check the name") from error


@cache
def built_in() -> dict[str, str]:
    """Return, by the hashes of the portraits that come with didlive, what they are."""
    return {hash_of(path): OUR_DRAWING if name == ANIME[0] else BUILT_IN for name, path in sample_portraits()}


class Ledger:
    """All consents of this user, in `ledger.jsonl`. A portrait is named by the SHA-256 of its file or the beginning of
    it, such as the library's key.

    folder: default is `consent` in the user's configuration. May be used from several threads and processes. `note`:
    what was wrong with the ledger when it was read last, or "". Writing raises OutputFailed.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or config_folder() / "consent"
        self.note = ""

    def record(self, portrait: Path, kind: str, *, name: str = "", who: str = "", scope: str = "",
               expires: str = "") -> Consent:
        """Write down whose a portrait is. expires: a date, YYYY-MM-DD, or "". Raises BadInput."""
        if kind not in KINDS:
            raise BadInput(f"the kind of consent {kind!r} is unknown; use one of: {', '.join(KINDS)}")
        name, who, scope = (" ".join(storable(text).split())[:LONGEST_TEXT]
                            for text in (name or portrait.stem, who, scope))
        if kind == "agreed" and not who:
            raise BadInput("say who agreed: the person's name")
        if expires:
            try:
                expires = datetime.date.fromisoformat(expires).isoformat()
            except ValueError as error:
                raise BadInput(f"{expires!r} is no date; write it as YYYY-MM-DD") from error
            if expires < _today():
                raise BadInput(f"{expires} is in the past; the consent would have expired already")
        consent = Consent(os.urandom(6).hex(), hash_of(portrait), name, kind, who, scope, _today(), expires)
        self._append({"event": "consent", **{n: v for n, v in asdict(consent).items() if n != "revoked"}})
        return consent

    def revoke(self, key: str) -> Consent:
        """Take a consent back, by its number or its portrait. Raises BadInput when there is none."""
        consent = next((c for c in self.entries() if c.number == key), None) or self.find(key)
        if consent is None:
            raise BadInput(f"there is no consent for {key}; didlive consent list shows all")
        if not consent.revoked:
            self._append({"event": "revoked", "number": consent.number, "made": _today()})
        return next(c for c in self.entries() if c.number == consent.number)

    def entries(self) -> tuple[Consent, ...]:
        """Return all consents in the order in which they were given, also revoked and expired ones."""
        found: dict[str, Consent] = {}
        names = {f.name for f in fields(Consent)} - {"revoked"}
        for entry in self._read():
            number = str(entry.get("number", ""))
            if entry.get("event") == "consent" and names <= entry.keys():
                found[number] = Consent(**{name: str(entry[name]) for name in names})
            elif entry.get("event") == "revoked" and number in found:
                kept = asdict(found[number])
                found[number] = Consent(**{**kept, "revoked": str(entry.get("made", "")) or _today()})
        return tuple(found.values())

    def find(self, key: str) -> Consent | None:
        """Return what counts for a portrait: the entry that was made last."""
        if len(key) < SHORTEST_KEY:
            return None
        return next((c for c in reversed(self.entries()) if c.sha256.startswith(key.lower())), None)

    def state(self, key: str) -> str:
        """Return `none`, `valid`, `expired` or `revoked`."""
        consent = self.find(key)
        return NONE if consent is None else consent.state

    def needs(self, key: str) -> bool:
        """Whether somebody should be asked whose this portrait is: it is not built in, and nothing is on record."""
        return not any(known.startswith(key.lower()) for known in built_in()) and self.state(key) == NONE

    def reference(self, key: str) -> str:
        """Return what a signed file says about the consent: its number, that the portrait is built in, or ""."""
        consent = self.find(key)
        if consent is not None:
            return consent.number if consent.state == VALID else ""
        return next((what for known, what in built_in().items() if known.startswith(key.lower())), "")

    def refuse(self, key: str) -> None:
        """Raise BadInput when the consent to this portrait was revoked or has expired."""
        consent = self.find(key)
        if consent is None or consent.state == VALID:
            return
        when = f"was revoked on {consent.revoked}" if consent.revoked else f"expired on {consent.expires}"
        raise BadInput(f"{consent.name} does not go live: the consent {when}; didlive consent add records a new one")

    def export(self, out: Path) -> int:
        """Write all entries with their signatures and the public key as JSON; return how many there are. Raises
        OutputFailed where there is no such folder, or when `out` is no .json."""
        if out.suffix.lower() != ".json":
            raise OutputFailed(f"{out} is no name of a JSON file; use one that ends in .json")
        if not out.absolute().parent.is_dir():
            raise OutputFailed(f"there is no folder {out.absolute().parent}; make it or choose another place")
        lines = self._lines()
        entries = [asdict(c) | {"state": c.state} for c in self.entries()]
        text = json.dumps({"public_key": self._key().public_key().public_bytes_raw().hex(), "consents": entries,
                           "signed": lines}, indent=2, ensure_ascii=False)
        write_whole(out, text.encode() + b"\n")
        return len(entries)

    # The file: one JSON object per line.

    def _path(self) -> Path:
        return self.folder / "ledger.jsonl"

    def _lines(self) -> list[str]:
        try:
            return self._path().read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"the ledger {self._path()} cannot be read: {error}") from error

    def _read(self) -> list[dict[str, Any]]:
        """Return what the lines say whose signature is right; `note` tells about the others."""
        from cryptography.exceptions import InvalidSignature

        self.note = ""
        lines = self._lines()
        if not lines:
            return []
        public = self._key().public_key()
        entries, before, torn, gaps = [], "", 0, 0
        for line in lines:
            try:
                kept = json.loads(line)
                entry = kept["entry"]
                public.verify(bytes.fromhex(kept["signature"]), _canonical(entry))
            except (InvalidSignature, ValueError, KeyError, TypeError):
                torn += 1
            else:
                gaps += entry.get("previous") != before
                entries.append(entry)
            before = _digest(line)
        wrong = [f"{torn} of its entries were changed and do not count"] if torn else []
        wrong += ["entries were removed"] if gaps and not torn else []
        if wrong:
            self.note = f"the ledger {self._path()} was tampered with: {'; '.join(wrong)}"
        return entries

    def _append(self, entry: dict[str, Any]) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with FileLock(self.folder / "ledger.lock"):
                lines = self._lines()
                entry = {**entry, "previous": _digest(lines[-1]) if lines else ""}
                signature = self._key().sign(_canonical(entry)).hex()
                line = json.dumps({"entry": entry, "signature": signature}, ensure_ascii=False)
                # Whole or not at all: a torn line would look like tampering.
                write_whole(self._path(), "".join(f"{kept}\n" for kept in (*lines, line)).encode(), private=True)
        except OSError as error:
            raise explain(error, self._path()) from error

    def _key(self) -> Ed25519PrivateKey:
        """Return this user's key; made at the first time."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        path = self.folder / "key"
        if not path.exists():
            write_whole(path, Ed25519PrivateKey.generate().private_bytes_raw().hex().encode(), private=True)
        try:
            return Ed25519PrivateKey.from_private_bytes(bytes.fromhex(path.read_text(encoding="ascii")))
        except (OSError, ValueError) as error:
            raise OutputFailed(f"the key of the ledger, {path}, cannot be read: {error}") from error


def _canonical(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _digest(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()
