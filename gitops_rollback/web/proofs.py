"""Does whoever sent a delivery know the secret of the door? One check for all senders, over the bytes as they came.

Each sender proves it in its own way: a digest of the body under the secret, the same with a time that is signed too,
or the secret itself. A key may be changed without a gap, since a door may have several.
Source: contracts/forges.md, section 7; github.com/standard-webhooks/standard-webhooks spec; api.slack.com, Verifying
requests; fluxcd/notification-controller internal/notifier/forwarder.go (`generic-hmac` signs the body into
`X-Signature`; `generic` sends the headers of its Secret).
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import Message

LATE_SECONDS = 300  # that a signed time may differ from ours, either way
MOST_SIGNATURES = 10  # of one Standard Webhooks header, while its sender changes keys
SIGNING_KEY = "whsec_"  # what a Standard Webhooks key begins with; base64 follows
DIGESTS = {"sha256": 32, "sha512": 64}  # and their sizes in bytes


@dataclass(frozen=True)
class Proof:
    """What the headers of one delivery say for its sender.

    `told`: digests of `before` and the body, by `digest`; or the secret itself, where `digest` is "". `at`: the Unix
    time that is signed, too. `standard`: the keys are those of Standard Webhooks.
    """

    digest: str
    told: tuple[bytes, ...]
    before: bytes = b""
    at: str | None = None
    standard: bool = False


def proof_of(kind: str, headers: Message, now: datetime) -> Proof | None:
    """What is told for a sender of this kind of door; None where there is nothing that could prove anything."""
    proof = _PROOFS[kind](headers)
    return proof if proof is not None and (proof.at is None or _is_fresh(proof.at, now)) else None


class Reading:
    """One body on its way, digested under each key of the door."""

    def __init__(self, proof: Proof, keys: Sequence[str]) -> None:
        self._proof = proof
        self._keys = () if _is_too_weak(proof, keys) else tuple(_bytes_of(key, proof) for key in keys)
        self._signed = [hmac.new(key, proof.before, proof.digest) for key in self._keys if key and proof.digest]

    def update(self, piece: bytes) -> None:
        """The next bytes of the body."""
        for signed in self._signed:
            signed.update(piece)

    @property
    def authentic(self) -> bool:
        """Whether the sender knows one of the keys. Takes as long whichever it is."""
        wanted = (
            [signed.digest() for signed in self._signed] if self._proof.digest else [key for key in self._keys if key]
        )
        matches = [hmac.compare_digest(told, one) for told in self._proof.told for one in wanted]
        return any(matches)


def signing_key(key: str) -> bytes | None:
    """The bytes of a Standard Webhooks key; None for any other."""
    if not key.startswith(SIGNING_KEY):
        return None
    return _base64(key.removeprefix(SIGNING_KEY))


def _is_too_weak(proof: Proof, keys: Sequence[str]) -> bool:
    """Where a signing key is set, its sender can sign, and the mere secret in a header is refused."""
    return not proof.digest and any(key.startswith(SIGNING_KEY) for key in keys)


def _bytes_of(key: str, proof: Proof) -> bytes:
    return (signing_key(key) or b"") if proof.standard else key.encode()


def _github(headers: Message) -> Proof | None:
    return _named_digest(_one(headers, "X-Hub-Signature-256"), ("sha256",))


def _gitea(headers: Message) -> Proof | None:
    for name in ("X-Forgejo-Signature", "X-Gitea-Signature"):
        if headers.get_all(name):
            return _named_digest(f"sha256={_one(headers, name)}", ("sha256",))
    return _github(headers)


def _gitlab(headers: Message) -> Proof | None:
    if headers.get_all("webhook-signature"):
        return _standard(headers)
    return _secret(_one(headers, "X-Gitlab-Token"))


def _standard(headers: Message) -> Proof | None:
    identity, at = _one(headers, "webhook-id"), _one(headers, "webhook-timestamp")
    words = _one(headers, "webhook-signature").split()
    if not identity or len(words) > MOST_SIGNATURES:
        return None
    digests = [_base64(word.removeprefix("v1,")) for word in words if word.startswith("v1,")]
    told = tuple(digest for digest in digests if digest is not None and len(digest) == DIGESTS["sha256"])
    before = f"{identity}.{at}.".encode("latin-1", "replace")
    return Proof("sha256", told, before, at, standard=True) if told else None


def _slack(headers: Message) -> Proof | None:
    at, signature = _one(headers, "X-Slack-Request-Timestamp"), _one(headers, "X-Slack-Signature")
    digest = _hex(signature.removeprefix("v0="), "sha256") if signature.startswith("v0=") else None
    return Proof("sha256", (digest,), f"v0:{at}:".encode("latin-1", "replace"), at) if digest else None


def _flux(headers: Message) -> Proof | None:
    signatures = headers.get_all("X-Signature", []) + headers.get_all("X-Hub-Signature-256", [])
    if signatures:
        return _named_digest(str(signatures[0]), tuple(DIGESTS)) if len(signatures) == 1 else None
    return _secret(_bearer(_one(headers, "Authorization")))


def _header(headers: Message) -> Proof | None:
    """The secret as a bearer token or as the password of basic authentication: Argo CD's and Alertmanager's ways."""
    authorization = _one(headers, "Authorization")
    return _secret(_bearer(authorization) or _password(authorization))


_PROOFS: Mapping[str, Callable[[Message], Proof | None]] = {
    "github": _github,
    "gitlab": _gitlab,
    "gitea": _gitea,
    "flux": _flux,
    "argocd": _header,
    "alertmanager": _header,
    "slack": _slack,
}
KINDS = tuple(_PROOFS)


def _one(headers: Message, name: str) -> str:
    """The header's only value; "" where there is none, or more than one: nobody could say which counts."""
    values = headers.get_all(name, [])
    return str(values[0]).strip() if len(values) == 1 else ""


def _secret(told: str) -> Proof | None:
    return Proof("", (told.encode("latin-1", "replace"),)) if told else None


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _password(authorization: str) -> str:
    scheme, _, words = authorization.partition(" ")
    told = _base64(words.strip()) if scheme.lower() == "basic" else None
    return told.partition(b":")[2].decode("latin-1") if told else ""


def _named_digest(signature: str, allowed: Sequence[str]) -> Proof | None:
    name, _, told = signature.strip().partition("=")
    digest = _hex(told.strip(), name.lower()) if name.lower() in allowed else None
    return Proof(name.lower(), (digest,)) if digest else None


def _hex(text: str, name: str) -> bytes | None:
    """The digest in `text`, in either case; None for anything that is not exactly one."""
    try:
        return bytes.fromhex(text) if len(text) == 2 * DIGESTS[name] else None
    except ValueError:
        return None


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None


def _is_fresh(at: str, now: datetime) -> bool:
    if not (at.isascii() and at.isdecimal() and len(at) < 12):
        return False
    return abs(now.timestamp() - int(at)) <= LATE_SECONDS
