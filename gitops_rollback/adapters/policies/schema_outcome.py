"""The shape of what a policy says about afterwards: checks, and who is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from gitops_rollback.adapters.policies.leaves import (
    CheckType,
    EventWord,
    HealthWord,
    MessageFormat,
    Query,
    Receiver,
    Suggest,
    Url,
)
from gitops_rollback.adapters.policies.scalars import Count, Duration, Label, Name, Number, Text, choice
from gitops_rollback.adapters.policies.schema_shape import Shape, WorkloadShape
from gitops_rollback.core.written import Written

SyncWord = Annotated[str, choice("Synced", "OutOfSync", "Unknown")]
RevisionWord = Annotated[str, choice("revert-or-newer")]
CompleteWord = Annotated[str, choice("complete")]


class Expect(Shape):
    at_most: Number | None = None
    at_least: Number | None = None
    tolerance: Number | None = None
    """Relative; widens the limit on its bad side only."""
    sync: SyncWord | None = None
    health: HealthWord | None = None
    revision: RevisionWord | None = None


def _expect_kind(value: object) -> Literal["word", "limits"]:
    return "word" if isinstance(value, Written) else "limits"


class CheckShape(Shape):
    name: Name
    type: CheckType
    timeout: Duration | None = None
    """One attempt's patience."""
    url: Url | None = None
    expect_status: Count | None = None
    query: Query | None = None
    query_from: Name | None = None
    """Name of a trigger whose query is asked."""
    workload: WorkloadShape | None = None
    expect: (
        Annotated[
            Annotated[CompleteWord, Tag("word")] | Annotated[Expect, Tag("limits")],
            Discriminator(_expect_kind),
        ]
        | None
    ) = None


class OnFailure(Shape):
    suggest: Suggest = "next-suspect"


class Verification(Shape):
    start_after: Duration | None = None
    """After the sync; queries then read only data from after it."""
    hold_for: Duration | None = None
    """Every check must stay true this long."""
    timeout: Duration | None = None
    """Ends the whole: unverified, and a person is paged."""
    checks: Annotated[list[CheckShape], Field(max_length=50)] = Field(default_factory=list)
    """Left out, the triggers that fired: back within their limits, or, of regression and gauge, as before the sync."""
    on_failure: OnFailure = OnFailure()


class SecretName(Shape):
    name: Label


class Notification(Shape):
    events: Annotated[list[EventWord], Field(min_length=1)]
    to: Receiver
    channel: Text | None = None
    url: Url | None = None
    tags: list[Text] = Field(default_factory=list)
    format: MessageFormat | None = None
    secret_ref: SecretName | None = None
