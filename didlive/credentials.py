"""Content Credentials (C2PA): who made a recording or snapshot, with what, and that nobody changed it since.

Files are signed with a key of this computer's own, which never leaves it; no time-stamp server and no other network is
asked. A reader of such files therefore says "valid, signer unknown", unless it is `read` on the same computer.
"""

from __future__ import annotations

import datetime
import json
import os
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from . import __version__
from .consent import Ledger
from .disk import explain, remove, sync, write_whole
from .errors import BadInput, OutputFailed
from .profiles import config_folder

SYNTHETIC = "trainedAlgorithmicMedia"
SOURCE_TYPE = f"http://cv.iptc.org/newscodes/digitalsourcetype/{SYNTHETIC}"
PORTRAITS = "didlive.portraits"
NAME, OWNER, YEARS = "signer.pem", "didlive (this computer)", 10
KEY_END, CERTIFICATE = b"-----END PRIVATE KEY-----\n", "-----BEGIN CERTIFICATE-----"
KINDS = {".mp4": "video/mp4", ".m4v": "video/mp4", ".mov": "video/quicktime", ".png": "image/png", ".jpg": "image/jpeg",
         ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif", ".tif": "image/tiff", ".tiff": "image/tiff"}
# Reading a stranger's file must not make this computer call somebody.
_OFFLINE: dict[str, Any] = {"remote_manifest_fetch": False, "ocsp_fetch": False}
# The purpose that certificates for signing media commonly have: e-mail protection.
_PURPOSE = "1.3.6.1.5.5.7.3.4"


@dataclass(frozen=True, slots=True)
class Used:
    """One portrait that a file shows: the SHA-256 of its picture, and the number of the consent in the ledger ("":
    none on record)."""

    sha256: str
    consent: str = ""


class Show(Protocol):
    """What plays portraits: a session. shown: the SHA-256 of the portraits so far, in order; the last one plays."""

    @property
    def shown(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a signed file says. intact: nothing was changed since; own: signed by this computer; signer, tool: names;
    synthetic: declared as made by AI; portraits: what it shows; problem: what is wrong when it is not intact."""

    intact: bool
    own: bool
    signer: str
    tool: str
    synthetic: bool
    portraits: tuple[Used, ...]
    problem: str = ""


def default_folder() -> Path:
    """Return the folder of the key in the user's configuration."""
    return config_folder() / "credentials"


def missing() -> str:
    """Return why files cannot be signed on this computer, or an empty string."""
    try:
        import c2pa  # noqa: F401
        import cryptography  # noqa: F401
    except (ImportError, OSError) as error:
        return f"the packages c2pa-python and cryptography cannot be used ({error})"
    return ""


def sign(path: Path, portraits: Sequence[Used] = (), folder: Path | None = None) -> None:
    """Sign a finished file (a kind of KINDS) in place: aside first, so that it is whole at every moment.

    folder: where the key is kept; default is the user's configuration folder. Raises OutputFailed, and the file stays
    unsigned.
    """
    problem = missing()
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        problem = "this kind of file cannot carry Content Credentials"
    if problem:
        raise OutputFailed(f"{path} is not signed: {problem}")
    aside = path.parent / f".didlive-{secrets.token_hex(6)}.part"
    try:
        _sign_into(aside, path, str(kind), portraits, _identity(folder or default_folder()))
        sync(aside)
        os.replace(aside, path)
        sync(path.parent)
    except OutputFailed as error:
        raise OutputFailed(f"{path} is not signed: {error}") from error
    except OSError as error:
        reason = str(explain(error, path)).partition(": ")[2]
        raise OutputFailed(f"{path} is not signed: {reason}") from error
    finally:
        remove(aside)


class Seal:
    """Signs files of a running show: `seal(path)` names the portraits that were shown since it was made, and what the
    ledger says about them. Raises what `sign` raises."""

    def __init__(self, show: Show, ledger: Ledger | None = None) -> None:
        self._show, self._ledger = show, ledger or Ledger()
        self._first = max(0, len(show.shown) - 1)

    def __call__(self, path: Path) -> None:
        sign(path, used(self._show.shown[self._first:], self._ledger))


def used(hashes: Sequence[str], ledger: Ledger) -> list[Used]:
    """Return portraits by the SHA-256 of their files, each once, with what the ledger says about them. Raises
    OutputFailed when that cannot be read."""
    try:
        return [Used(sha256, ledger.reference(sha256)) for sha256 in dict.fromkeys(hashes) if sha256]
    except BadInput as error:
        raise OutputFailed(f"nothing can be signed: {error}") from error


def _sign_into(out: Path, path: Path, kind: str, portraits: Sequence[Used], identity: tuple[bytes, bytes]) -> None:
    import c2pa

    manifest = json.dumps(_manifest(path.name, portraits))
    key, certificates = identity
    # Without a time-stamp server: it would be asked over the network.
    info = c2pa.C2paSignerInfo(b"es256", certificates, key, None)  # pyright: ignore[reportArgumentType]
    try:
        with c2pa.Context(c2pa.Settings.from_dict(_settings())) as context, c2pa.Signer.from_info(info) as signer, \
                c2pa.Builder(manifest, context) as builder, open(path, "rb") as source, open(out, "w+b") as target:
            builder.sign(signer, kind, source, target)
    except c2pa.C2paError as error:
        raise OutputFailed(str(error)) from error


def _settings(anchor: str = "") -> dict[str, Any]:
    """Return the settings of the C2PA library: no network, no thumbnail; anchor: the certificate that is trusted."""
    settings: dict[str, Any] = {"version": 1, "verify": _OFFLINE, "builder": {"thumbnail": {"enabled": False}}}
    return {**settings, "trust": {"user_anchors": anchor, "trust_config": _PURPOSE}} if anchor else settings


def _manifest(title: str, portraits: Sequence[Used]) -> dict[str, Any]:
    agent = {"name": "didlive", "version": __version__}
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": agent,
              "description": "A still portrait, animated by a person's facial movements"}
    shown = [{"sha256": used.sha256, "consent": used.consent} for used in portraits]
    return {"claim_generator_info": [agent], "title": title, "assertions": [
        {"label": "c2pa.actions.v2", "data": {"actions": [action]}},
        {"label": PORTRAITS, "data": {"portraits": shown}}]}


def read(path: Path, folder: Path | None = None) -> Credentials | None:
    """Return what a file's Content Credentials say; None when it has none, is of a kind that cannot have them, or the
    library is missing (see `missing`). Raises BadInput for a file that cannot be read."""
    kind = KINDS.get(path.suffix.lower())
    if kind is None or missing():
        return None
    import c2pa

    anchor = ""
    with suppress(OSError):
        pem = ((folder or default_folder()) / NAME).read_text(encoding="ascii")
        anchor = CERTIFICATE + pem.rpartition(CERTIFICATE)[2]
    try:
        with c2pa.Context(c2pa.Settings.from_dict(_settings(anchor))) as context, open(path, "rb") as file:
            reader = c2pa.Reader.try_create(kind, file, context=context)
            if reader is None:
                return None
            with reader:
                return _understood(json.loads(reader.json()))
    except c2pa.C2paError as error:
        remote = "remote manifest" in str(error)
        why = "they lie on a server, which is not asked" if remote else "they cannot be read"
        return Credentials(False, False, "", "", False, (), f"{why}: {error}")
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error


def _understood(found: dict[str, Any]) -> Credentials:
    manifest = found.get("manifests", {}).get(found.get("active_manifest"), {})
    state = found.get("validation_state")
    assertions = {item.get("label"): item.get("data", {}) for item in manifest.get("assertions", [])}
    actions = next((data.get("actions", []) for label, data in assertions.items()
                    if label and label.startswith("c2pa.actions")), [])
    shown = assertions.get(PORTRAITS, {}).get("portraits", [])
    faults = [str(item.get("code")) for item in found.get("validation_status", [])
              if item.get("code") != "signingCredential.untrusted"]
    generator = (manifest.get("claim_generator_info") or [{}])[0]
    signature = manifest.get("signature_info", {})
    return Credentials(
        intact=state in ("Valid", "Trusted"), own=state == "Trusted",
        signer=str(signature.get("issuer") or signature.get("common_name") or "an unknown signer"),
        tool=f"{generator.get('name', 'an unknown program')} {generator.get('version', '')}".strip(),
        synthetic=any(str(action.get("digitalSourceType", "")).endswith(SYNTHETIC) for action in actions),
        portraits=tuple(Used(str(item.get("sha256", "")), str(item.get("consent", ""))) for item in shown),
        problem="" if state in ("Valid", "Trusted") else f"it was changed ({', '.join(faults) or state})")


def _identity(folder: Path) -> tuple[bytes, bytes]:
    """Return this computer's private key and its certificates (own, then its issuer's) as PEM; made at the first
    time."""
    path = folder / NAME
    if not path.exists():
        write_whole(path, _make_identity(), private=True)
    return _split(path.read_bytes())


def _split(pem: bytes) -> tuple[bytes, bytes]:
    key, end, certificates = pem.partition(KEY_END)
    return key + end, certificates.lstrip()


def _make_identity() -> bytes:
    """Return a new private key with a certificate from an issuer made for it alone, whose own key is forgotten."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    now = datetime.datetime.now(datetime.UTC)
    key, issuer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def name(common: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, OWNER),
                          x509.NameAttribute(NameOID.COMMON_NAME, common)])

    def start(subject: str, public: ec.EllipticCurvePublicKey, authority: bool) -> x509.CertificateBuilder:
        usage = x509.KeyUsage(digital_signature=not authority, key_cert_sign=authority, crl_sign=authority,
                              content_commitment=False, key_encipherment=False, data_encipherment=False,
                              key_agreement=False, encipher_only=False, decipher_only=False)
        return (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name("didlive local CA"))
                .public_key(public).serial_number(x509.random_serial_number())
                .not_valid_before(now - datetime.timedelta(days=1))
                .not_valid_after(now + datetime.timedelta(days=365 * YEARS))
                .add_extension(x509.BasicConstraints(authority, None), True).add_extension(usage, True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False))

    issuer = start("didlive local CA", issuer_key.public_key(), True).sign(issuer_key, hashes.SHA256())
    own = (start("didlive signer", key.public_key(), False)
           .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), False)
           .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
           .sign(issuer_key, hashes.SHA256()))
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return secret + own.public_bytes(Encoding.PEM) + issuer.public_bytes(Encoding.PEM)
