"""What does a request ask for? Its path, query and verb, taken apart as the API server does it.

Source: k8s.io/apiserver pkg/endpoints/request/requestinfo.go.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from gitops_rollback.sandbox.kubernetes.access import Wish
from gitops_rollback.sandbox.kubernetes.kinds import Kind

_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


@dataclass(frozen=True)
class Target:
    """The resource that a path means, whether it is served or not."""

    group: str
    version: str
    namespace: str
    plural: str
    name: str
    subresource: str

    def kind(self, kinds: Sequence[Kind]) -> Kind | None:
        """The kind that is served there."""
        for kind in kinds:
            if (kind.group, kind.version, kind.plural) == (self.group, self.version, self.plural):
                return kind
        return None


@dataclass(frozen=True)
class Request:
    """One request to a resource."""

    method: str
    target: Target
    query: Mapping[str, Sequence[str]]
    body: bytes
    media: str  # the body's type; "" if not said
    agent: str
    user: str
    present: Callable[[], bool]  # whether the client still waits
    accept: str = ""

    @property
    def metadata_alone(self) -> bool:
        """Nothing but the metadata of an object is asked for."""
        return "as=PartialObjectMetadata" in self.accept

    def one(self, name: str) -> str:
        """A parameter's first value; "" if there is none."""
        return next(iter(self.query.get(name, ())), "")

    def yes(self, name: str) -> bool:
        """Whether a parameter that is true or false is true."""
        return self.one(name) in ("true", "1") or (name in self.query and self.one(name) == "")

    @property
    def verb(self) -> str:
        """As RBAC names it."""
        if self.method in ("GET", "HEAD") and self.yes("watch"):
            return "watch"
        if not self.target.name and self.method in ("GET", "HEAD"):
            return "list"
        if not self.target.name and self.method == "DELETE":
            return "deletecollection"
        return _VERBS.get(self.method, self.method.lower())

    @property
    def wish(self) -> Wish:
        """What the user must be allowed to do."""
        plural = self.target.plural + (f"/{self.target.subresource}" if self.target.subresource else "")
        return Wish(self.verb, self.target.group, plural, self.target.namespace, self.target.name)

    @property
    def manager(self) -> str:
        """The field manager: as said, or the program's name."""
        return self.one("fieldManager") or self.agent.partition("/")[0] or "unknown"


def target_of(path: str) -> Target | None:
    """The resource of a path; None for discovery, health and what else is none."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = ""
    if rest[0] == "namespaces" and len(rest) >= 3 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        return None
    plural, name, subresource = (*rest, "", "")[:3]
    return Target(group, version, namespace, plural, name, subresource)
