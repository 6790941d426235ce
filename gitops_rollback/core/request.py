"""What a person asks for in a file that a pull request adds: take this application back to that, for this reason.

The file stays as it was approved. What became of it stands in the journal, under the Rollback-Id whose cause is the
file's path; so a file whose outcome stands there, or that has expired, does nothing.
Source: product.md, section 10, Manual request.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.journal import format_time, parse_time
from gitops_rollback.core.message import for_people
from gitops_rollback.core.written import SKIP_MARKER

API_VERSION = "gitops-rollback.dev/v1alpha1"
KIND = "RollbackRequest"
REQUESTS = ".gitops-rollback/requests"
SCHEMA = "../schema/rollbackrequest-v1alpha1.schema.json"
SUFFIXES = (".yaml", ".yml")
DEFAULT_EXPIRES = timedelta(hours=24)
LONGEST_NAME = 63


LAST_HEALTHY = "last-healthy"


class Execute(StrEnum):
    """When the revert is written."""

    IN_THIS_PULL_REQUEST = "in-this-pull-request"  # onto the request's own branch: what is approved is what lands
    AFTER_MERGE = "after-merge"  # the request alone is reviewed; the revert is pushed once it has landed


@dataclass(frozen=True)
class LastHealthy:
    """The newest state that ran long enough and was quiet."""

    words = "to its last healthy state"


@dataclass(frozen=True)
class ToCommit:
    """As it was at this full SHA."""

    commit: str

    @property
    def words(self) -> str:
        return f"to {self.commit[:12]}"


@dataclass(frozen=True)
class Without:
    """Without these commits, full SHAs."""

    commits: tuple[str, ...]

    @property
    def words(self) -> str:
        return "without " + ", ".join(sha[:12] for sha in self.commits)


@dataclass(frozen=True)
class Before:
    """As it was deployed at that time."""

    at: datetime

    @property
    def words(self) -> str:
        return f"to what ran at {format_time(self.at)}"


To = LastHealthy | ToCommit | Without | Before


def wished(to: str, revert: str = "") -> To | None:
    """What the words of a command line mean; None where both are empty. Raises: StalledError."""
    if to and revert:
        raise StalledError("--revert", "cannot be said together with --to", Reason.REQUEST_INVALID)
    if revert:
        if not is_sha(revert):
            raise StalledError("--revert", f"{for_people(revert)!r} is no full SHA", Reason.REQUEST_INVALID)
        return Without((revert,))
    if not to or to == LAST_HEALTHY:
        return LastHealthy() if to else None
    if is_sha(to):
        return ToCommit(to)
    try:
        return Before(parse_time(to))
    except ValueError as exc:
        message = f"{for_people(to)!r} is no full SHA, no time with a zone, and not {LAST_HEALTHY}"
        raise StalledError("--to", message, Reason.REQUEST_INVALID) from exc


@dataclass(frozen=True)
class RequestTarget:
    """`policy` "" means whichever policy names the target."""

    name: str
    policy: str = ""


@dataclass(frozen=True)
class RollbackRequest:
    """One request. `acknowledge` are guards by name that said "ask" and that whoever approves overrides."""

    path: str
    name: str
    target: RequestTarget
    to: To
    reason: str
    incident: str = ""
    execute: Execute = Execute.IN_THIS_PULL_REQUEST
    acknowledge: tuple[str, ...] = ()
    expires: timedelta = DEFAULT_EXPIRES

    @property
    def cause(self) -> str:
        """What makes the Rollback-Id, besides what is deployed."""
        return self.path

    def ends(self, opened_at: datetime) -> datetime:
        """From then on it does nothing."""
        return opened_at + self.expires


def is_request_path(path: str) -> bool:
    """True for the files that are read as requests."""
    return path.startswith(f"{REQUESTS}/") and path.lower().endswith(SUFFIXES)


def request_name(word: str, at: datetime) -> str:
    """The name of a new request about `word`, as its file and branch bear it: day, time, and what it is about."""
    about = re.sub(r"[^a-z0-9]+", "-", word.lower()).strip("-")
    return f"{at:%Y-%m-%d-%H%M%S}-{about}"[:LONGEST_NAME].strip("-")


def request_branch(request: RollbackRequest) -> str:
    """The branch that a request of ours is written on, without `refs/heads/`."""
    return f"gitops-rollback/request/{request.name}"


def request_title(request: RollbackRequest) -> str:
    """Of its commit and its pull request."""
    return f"Roll back {request.target.name} {request.to.words}"


def request_body(request: RollbackRequest, by: str) -> str:
    """What its pull request says before the controller has looked."""
    incident = f"\n\nIncident: {request.incident}" if request.incident else ""
    what = (
        "The revert is pushed onto this branch, with its plan as a comment: what is approved is what lands."
        if request.execute is Execute.IN_THIS_PULL_REQUEST
        else "The plan follows as a comment; the revert is pushed once this is merged."
    )
    return f"{for_people(request.reason, 1000)}{incident}\n\n{what}\n\nAsked for by {for_people(by)}."


def encode_request(request: RollbackRequest) -> bytes:
    """The file that says exactly this; the reader of requests gives the same request back."""
    return ("\n".join(_lines(request)) + "\n").encode()


def _lines(request: RollbackRequest) -> Iterator[str]:
    yield f"# {SKIP_MARKER}"
    yield f"# yaml-language-server: $schema={SCHEMA}"
    yield f"apiVersion: {API_VERSION}"
    yield f"kind: {KIND}"
    yield f"metadata: {{name: {request.name}}}"
    yield "spec:"
    policy = f"policy: {request.target.policy}, " if request.target.policy else ""
    yield f"  target: {{{policy}name: {request.target.name}}}"
    yield f"  to: {_to(request.to)}"
    yield f"  reason: {_quoted(request.reason)}"
    if request.incident:
        yield f"  incident: {_quoted(request.incident)}"
    yield f"  execute: {request.execute.value}"
    if request.acknowledge:
        yield f"  acknowledge: [{', '.join(request.acknowledge)}]"
    yield f"  expires: {_hours(request.expires)}"


def _to(to: To) -> str:
    # SHAs are quoted, since one of digits alone would read as a number elsewhere.
    match to:
        case ToCommit(commit):
            return f"{{commit: {_quoted(commit)}}}"
        case Without(commits):
            return f"{{revert: [{', '.join(_quoted(sha) for sha in commits)}]}}"
        case Before(at):
            return f"{{before: {_quoted(format_time(at))}}}"
    return "{lastHealthy: true}"


def _hours(duration: timedelta) -> str:
    """As Go writes it, which knows no days."""
    minutes, seconds = divmod(int(duration.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{count}{unit}" for count, unit in parts if count) or "0"


def _quoted(text: str) -> str:
    """A double-quoted YAML scalar: JSON's, for text that has only printable characters."""
    safe = "".join(character if character.isprintable() else " " for character in text)
    return json.dumps(safe, ensure_ascii=False)
