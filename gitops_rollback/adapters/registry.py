"""Does an image exist? Asked of the registries that the settings name, by the OCI distribution API.

HEAD of the manifest, which counts as no pull; where the registry wants a token, one for pulling this repository alone
is fetched, anonymously or by the settings' account, from an origin that the settings name. Only a 404 in the
registry's own words makes an image MISSING: a proxy's page, a redirect or a refusal is UNKNOWN, silence NO_ANSWER.
Source: distribution-spec 1.1, Pull and Errors; distribution `docs/content/spec/auth/token.md`; Docker Hub, Pull usage;
distribution/reference `normalize.go` for docker.io.
"""

from __future__ import annotations

import base64
import json
import re
import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlencode, urlsplit

from gitops_rollback.adapters.http import Failure, Http, HttpAnswer, HttpFailed, HttpSettings
from gitops_rollback.adapters.origins import Origin, OriginRules, OutboundBlocked, origin_of
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.images import DOCKER_HUB, UNKNOWN_NAME, Found, Image, Kept, Presence, earlier, kept_at

TIMEOUT = timedelta(seconds=5)  # of one look-up, token included
PATIENCE_SECONDS = 10.0  # how much of a minute one registry may take
MINUTE = 60.0
KEPT_SECONDS = {Found.PRESENT: 60.0, Found.MISSING: 60.0, Found.NOT_ASKED: 60.0}
KEPT_UNKNOWN_SECONDS = 10.0
MAX_KEPT = 1000
MAX_BODY = 64 << 10  # bytes; a token has some hundreds, an error less
MAX_TOKEN = 32 << 10
MOST_TAGS = 1000  # of a repository, that are read
MOST_OLDER = 3  # earlier versions that are told
ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_CHALLENGE = re.compile(r"(?P<scheme>[A-Za-z]+)(?:\s+(?P<rest>.*))?", re.DOTALL)
_PARAMETER = re.compile(r'([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")


@dataclass(frozen=True)
class RegistrySettings:
    """One registry: `name` as images bear it in front, `url` where it is asked, `token_url` where its tokens are made.

    The account's words are sent to these two origins only.
    """

    name: str
    url: str
    token_url: str
    username: str = ""
    password: str = ""
    ca_file: str = ""
    mirrors: tuple[str, ...] = ()  # names of others of the settings, each with what stands before the repository there


@dataclass(frozen=True)
class Told:
    """What a registry says of one image; `message` says why nothing is known, `digest` is there where it told one."""

    found: Found
    message: str = ""
    digest: str = ""


class OciRegistries:
    """All registries of the settings; keeps each answer for a minute at most. Thread-safe."""

    def __init__(self, registries: Iterable[RegistrySettings], rules: OriginRules) -> None:
        self._registries = {one.name: _Registry(one, rules) for one in registries}
        self._lock = threading.Lock()
        self._kept: OrderedDict[Image, tuple[float, Presence]] = OrderedDict()

    def look_up(self, image: Image) -> Presence:
        """As in `ports.Registry`."""
        now = time.monotonic()
        with self._lock:
            until, known = self._kept.get(image, (now, None))
        if known is not None and now < until:
            return known
        found = self._asked(image)
        with self._lock:
            self._kept[image] = (time.monotonic() + KEPT_SECONDS.get(found.found, KEPT_UNKNOWN_SECONDS), found)
            self._kept.move_to_end(image)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
        return found

    def close(self) -> None:
        """Close all kept connections."""
        for registry in self._registries.values():
            registry.close()

    def _asked(self, image: Image) -> Presence:
        if image.name == UNKNOWN_NAME:
            return Presence(image, Found.UNKNOWN, "nothing that runs tells which image this is a tag of")
        if not image.version:
            return Presence(image, Found.NOT_ASKED, "it is named without tag and digest")
        kept = kept_at(image)
        if kept is None:
            return Presence(image, Found.UNKNOWN, "it is no name that an image can have")
        registry = self._registries.get(kept.registry)
        if registry is None:
            return Presence(image, Found.NOT_ASKED, f"the settings name no registry {kept.registry}")
        told = registry.find(kept)
        if told.found is not Found.MISSING:
            return Presence(image, told.found, told.message)
        older = earlier(registry.versions(kept), kept.version)[:MOST_OLDER]
        return Presence(image, told.found, told.message, tuple(self._copies(registry.mirrors, kept)), older)

    def _copies(self, mirrors: Iterable[str], kept: Kept) -> Iterator[str]:
        """Where mirrors have it, as it can be pulled there."""
        for mirror in mirrors:
            host, _, before = mirror.partition("/")
            registry, repository = self._registries.get(host), f"{before}/{kept.repository}".lstrip("/")
            told = registry.find(replace(kept, registry=host, repository=repository)) if registry else None
            if told is not None and told.found is Found.PRESENT:
                yield str(Image(f"{host}/{repository}", told.digest or kept.version))


class _Registry:
    def __init__(self, settings: RegistrySettings, rules: OriginRules) -> None:
        self._settings = settings
        self._http = Http(rules, HttpSettings(ca_file=settings.ca_file, max_body=MAX_BODY))
        self._lock = threading.Lock()
        self._since, self._spent = time.monotonic(), 0.0

    @property
    def mirrors(self) -> tuple[str, ...]:
        return self._settings.mirrors

    def close(self) -> None:
        self._http.close()

    def find(self, kept: Kept) -> Told:
        """What the registry says of the image."""
        if self._spend(0.0) > PATIENCE_SECONDS:
            return Told(Found.NO_ANSWER, f"{self._settings.name} answers too slowly")
        began = time.monotonic()
        try:
            return look_up_by(self._http, self._settings, kept, TIMEOUT)
        except RollbackError as error:
            passing = isinstance(error, HttpFailed) and error.failure is not Failure.REDIRECT
            return Told(Found.NO_ANSWER if passing else Found.UNKNOWN, f"{error.subject}: {error.message}")
        finally:
            self._spend(time.monotonic() - began)

    def versions(self, kept: Kept) -> tuple[str, ...]:
        """The tags of its repository, as far as one page tells them; () where it tells none."""
        if self._spend(0.0) > PATIENCE_SECONDS:
            return ()
        began = time.monotonic()
        try:
            return _LookUp(self._http, self._settings, kept, began + TIMEOUT.total_seconds()).tags()
        except RollbackError:
            return ()
        finally:
            self._spend(time.monotonic() - began)

    def _spend(self, seconds: float) -> float:
        """How long this registry was waited for in the minute that is running."""
        with self._lock:
            if time.monotonic() - self._since > MINUTE:
                self._since, self._spent = time.monotonic(), 0.0
            self._spent += seconds
            return self._spent


def look_up_by(http: Http, settings: RegistrySettings, kept: Kept, within: timedelta) -> Told:
    """One look-up. Raises: OutboundBlocked; HttpFailed."""
    return _LookUp(http, settings, kept, time.monotonic() + within.total_seconds()).find()


@dataclass(frozen=True)
class _LookUp:
    """One manifest, from the first HEAD on; or the tags beside it."""

    http: Http
    settings: RegistrySettings
    kept: Kept
    deadline: float

    def find(self) -> Told:
        """Raises: OutboundBlocked; HttpFailed."""
        headers: dict[str, str] = {"Accept": ACCEPT}
        answer = self._sent("HEAD", self._manifest, headers)
        if isinstance(answer, Told):
            return answer
        if answer.status == 200:
            digest = answer.headers.get("docker-content-digest", "")
            return Told(Found.PRESENT, "", digest if _DIGEST.fullmatch(digest) else "")
        if answer.status == 404:
            return self._confirmed(headers)
        return self._unclear(answer.status)

    def tags(self) -> tuple[str, ...]:
        """() where they are not told. Raises: OutboundBlocked; HttpFailed."""
        answer = self._sent("GET", f"tags/list?n={MOST_TAGS}", {"Accept": "application/json"})
        document = _parsed(answer.body) if isinstance(answer, HttpAnswer) and answer.status == 200 else None
        tags = document.get("tags") if isinstance(document, dict) else None
        return tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()

    def _sent(self, method: str, what: str, headers: dict[str, str]) -> HttpAnswer | Told:
        """With a token where one is wanted, which `headers` bear from then on; or why it cannot be had."""
        answer = self._asked(method, what, headers)
        if answer.status != 401:
            return answer
        authorization = self._authorization(answer.headers.get("www-authenticate", ""))
        if isinstance(authorization, Told):
            return authorization
        headers["Authorization"] = authorization
        return self._asked(method, what, headers)

    def _confirmed(self, headers: Mapping[str, str]) -> Told:
        """A HEAD has no body, and anybody answers 404: it counts if the registry says so in its own words."""
        answer = self._asked("GET", self._manifest, headers)
        if answer.status == 404 and _is_of_a_registry(answer.body):
            return Told(Found.MISSING, f"{self.settings.name} has no such image")
        return Told(Found.UNKNOWN, f"{self.settings.name} does not answer as a registry does ({answer.status})")

    def _unclear(self, status: int) -> Told:
        name = self.settings.name
        if status in (401, 403):
            who = f"the account {self.settings.username}" if self.settings.username else "anybody without an account"
            return Told(
                Found.UNKNOWN,
                f"{name} refuses it to {who} ({status}); set username and passwordFile of this registry",
            )
        if status == 429:
            return Told(Found.NO_ANSWER, f"{name} asks to be left alone for now (429)")
        return Told(Found.NO_ANSWER if status >= 500 else Found.UNKNOWN, f"{name} answered {status}")

    @property
    def _manifest(self) -> str:
        return f"manifests/{self.kept.version}"

    def _asked(self, method: str, what: str, headers: Mapping[str, str]) -> HttpAnswer:
        url = f"{self.settings.url.rstrip('/')}/v2/{self.kept.repository}/{what}"
        return self.http.get(url, self._left(), headers, method)

    def _left(self) -> timedelta:
        return timedelta(seconds=max(0.0, self.deadline - time.monotonic()))

    def _authorization(self, challenge: str) -> str | Told:
        """The header that answers a challenge, or what is known without one."""
        scheme, said = _read_challenge(challenge)
        if scheme == "basic" and self.settings.username:
            return self._basic()
        if scheme != "bearer":
            return self._unclear(401)
        realm = said.get("realm", "")
        if not self._trusts(realm):
            words = f"its tokens are made at {_shown(realm)}, which is neither its url nor its tokenUrl"
            return Told(Found.UNKNOWN, words)
        # A scope of our own: the one that the registry names could be for more than pulling this repository.
        query = {"service": said.get("service", ""), "scope": f"repository:{self.kept.repository}:pull"}
        words = urlencode({name: value for name, value in query.items() if value})
        headers = {"Authorization": self._basic()} if self.settings.username else {}
        answer = self.http.get(f"{realm}{'&' if urlsplit(realm).query else '?'}{words}", self._left(), headers)
        if answer.status != 200:
            return self._unclear(answer.status)
        token = _read_token(answer.body)
        return f"Bearer {token}" if token else Told(Found.UNKNOWN, f"{_shown(realm)} gave no token")

    def _trusts(self, realm: str) -> bool:
        if not (realm.isascii() and realm.isprintable()) or " " in realm:
            return False  # a URL is read in more than one way where such signs stand in it
        try:
            asked = origin_of(realm)
            return asked in (origin_of(self.settings.url), origin_of(self.settings.token_url))
        except OutboundBlocked:
            return False

    def _basic(self) -> str:
        words = f"{self.settings.username}:{self.settings.password}".encode()
        return f"Basic {base64.b64encode(words).decode()}"


def addresses(name: str) -> tuple[str, str]:
    """Where the registry `name` is asked, and where its tokens are made, unless the settings say otherwise."""
    if name == DOCKER_HUB:
        return "https://registry-1.docker.io", "https://auth.docker.io"
    return f"https://{name}", f"https://{name}"


def _read_challenge(text: str) -> tuple[str, Mapping[str, str]]:
    """Scheme and parameters in lower case; the first challenge counts, as no registry sends two."""
    match = _CHALLENGE.fullmatch(text.strip()[:4096])
    if match is None:
        return "", {}
    found = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(match["rest"] or "")}
    return match["scheme"].lower(), found


def _read_token(body: bytes) -> str:
    document = _parsed(body)
    token = (document.get("token") or document.get("access_token")) if isinstance(document, dict) else None
    return token if isinstance(token, str) and len(token) <= MAX_TOKEN and _TOKEN.fullmatch(token) else ""


def _is_of_a_registry(body: bytes) -> bool:
    document = _parsed(body)
    errors = document.get("errors") if isinstance(document, dict) else None
    return isinstance(errors, list) and any(
        isinstance(one, dict) and isinstance(one.get("code"), str) for one in errors
    )


def _parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _shown(url: str) -> str:
    """The origin alone."""
    try:
        origin: Origin | str = origin_of(url)
    except OutboundBlocked:
        origin = "an address that is none"
    return str(origin)
