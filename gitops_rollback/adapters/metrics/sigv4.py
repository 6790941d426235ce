"""Signs a request to Amazon's APIs: Signature Version 4, for a POST of a body to `/`.

Source: docs.aws.amazon.com, IAM User Guide, "Create a signed AWS API request" (canonical request, string to sign,
derived key); compared with what botocore 1.44 signs.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True)
class Credentials:
    """An access key; `session_token` "" for one that lasts."""

    key_id: str
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)

    @classmethod
    def of(cls, text: str) -> Credentials | None:
        """Of `key id:secret key` or `key id:secret key:session token`; None for anything else."""
        parts = text.strip().split(":", 2)
        return cls(*parts) if len(parts) > 1 and all(parts) else None


@dataclass(frozen=True)
class Signer:
    """Signs with one access key, for one service in one region. `now` is the time of the real world."""

    credentials: Credentials
    region: str
    service: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def headers(self, url: str, body: bytes, headers: Mapping[str, str]) -> dict[str, str]:
        """`headers` and those that prove who sends `body` to `url`, whose path is `/`."""
        at = self.now().strftime("%Y%m%dT%H%M%SZ")
        sent = {**headers, "X-Amz-Date": at}
        if self.credentials.session_token:
            sent["X-Amz-Security-Token"] = self.credentials.session_token
        signed = {
            "host": urlsplit(url).netloc,
            **{name.lower(): " ".join(value.split()) for name, value in sent.items()},
        }
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{signed[name]}\n" for name in sorted(signed))
        request = "\n".join(("POST", "/", "", lines, names, hashlib.sha256(body).hexdigest()))
        scope = f"{at[:8]}/{self.region}/{self.service}/aws4_request"
        text = "\n".join((ALGORITHM, at, scope, hashlib.sha256(request.encode()).hexdigest()))
        signature = hmac.new(self._key(at[:8]), text.encode(), hashlib.sha256).hexdigest()
        credential = f"Credential={self.credentials.key_id}/{scope}"
        return {**sent, "Authorization": f"{ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"}

    def _key(self, day: str) -> bytes:
        key = f"AWS4{self.credentials.secret_key}".encode()
        for part in (day, self.region, self.service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        return key
