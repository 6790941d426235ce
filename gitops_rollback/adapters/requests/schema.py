"""The shape of a request file. What a key means stands in the line below it, and is the text that an editor shows."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from gitops_rollback.adapters.policies.leaves import ApiVersion, Sha, Url
from gitops_rollback.adapters.policies.scalars import Duration, Flag, Leaf, Misspelt, Name, Text, choice, read_text
from gitops_rollback.adapters.policies.schema_shape import Shape, schema_of
from gitops_rollback.core.journal import parse_time
from gitops_rollback.core.request import KIND, Execute
from gitops_rollback.core.written import Written

MOST_REVERTS = 20
LONGEST_REASON = 1000  # characters


def read_instant(written: Written) -> datetime:
    """A time with its zone. Raises: Misspelt."""
    try:
        return parse_time(read_text(written))
    except ValueError as exc:
        raise Misspelt("is not a time with a zone", 'write it like "2026-11-23T03:00:00Z"') from exc


def read_reason(written: Written) -> str:
    """A text that fits into a commit, a comment and a page. Raises: Misspelt."""
    text = read_text(written)
    if len(text) > LONGEST_REASON:
        raise Misspelt(f"has {len(text)} characters, more than {LONGEST_REASON}", "shorten it; link the incident")
    return text


RequestKind = Annotated[str, choice(KIND)]
ExecuteWord = Annotated[str, choice(*Execute)]
Instant = Annotated[datetime, Leaf(read_instant, (("type", "string"), ("format", "date-time")))]
Reason = Annotated[str, Leaf(read_reason, (("type", "string"), ("maxLength", LONGEST_REASON)))]


class MetadataShape(Shape):
    name: Name | None = None
    """Name of the request; left out, the file's name counts."""
    labels: dict[str, Text] = Field(default_factory=dict)
    annotations: dict[str, Text] = Field(default_factory=dict)


class RequestTargetShape(Shape):
    policy: Name | None = None
    """The policy that names the target; left out, any."""
    name: Name
    """The target's name in the policy."""


class ToShape(Shape):
    last_healthy: Flag | None = None
    """true: the newest state that ran long enough and was quiet."""
    commit: Sha | None = None
    """As it was at this commit."""
    revert: Annotated[list[Sha], Field(min_length=1, max_length=MOST_REVERTS)] | None = None
    """Without these commits, the newest first."""
    before: Instant | None = None
    """As it was deployed at this time."""


class RequestSpecShape(Shape):
    target: RequestTargetShape
    to: ToShape
    """Exactly one of lastHealthy, commit, revert, before."""
    reason: Reason
    """Why; it stands in the commit, the journal and the messages."""
    incident: Url | None = None
    """Where the incident is talked about."""
    execute: ExecuteWord = Execute.IN_THIS_PULL_REQUEST.value
    """in-this-pull-request (default): the revert is pushed onto this branch, so that what is approved is what lands.
    after-merge: the request alone is reviewed; the only way from a fork."""
    acknowledge: Annotated[list[Name], Field(max_length=50)] = Field(default_factory=list)
    """Guards that asked, by name, and that whoever approves overrides."""
    expires: Duration | None = None
    """How long after the pull request was opened it may act; left out, 24h."""


class RequestShape(Shape):
    """A request for a rollback by gitops-rollback."""

    model_config = ConfigDict(title=KIND)

    api_version: ApiVersion
    kind: RequestKind
    metadata: MetadataShape = MetadataShape()
    spec: RequestSpecShape


def json_schema() -> dict[str, Any]:
    """The request's."""
    return schema_of(RequestShape)
