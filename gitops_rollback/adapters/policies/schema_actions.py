"""The shape of what a policy says about acting: strategies, delivery, guards, cascades."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gitops_rollback.adapters.policies.leaves import (
    Answer,
    Approval,
    CanaryMode,
    CascadeMode,
    Glob,
    GuardType,
    Habit,
    KindName,
    MergeMethod,
    MigrationMode,
    Mode,
    OnCheckFailed,
    OnRejected,
    SafeEnd,
    SequenceStep,
    Sha,
    SlotName,
    StrategyType,
    TrailerLine,
)
from gitops_rollback.adapters.policies.scalars import Count, Duration, Flag, Name, Scalar, Text
from gitops_rollback.adapters.policies.schema_shape import Shape


class FileField(Shape):
    file: Glob
    field: Text


class Match(Shape):
    paths: Annotated[list[Glob], Field(min_length=1)] | None = None
    fields: Annotated[list[FileField], Field(min_length=1)] | None = None


class FeatureFlag(Shape):
    file: Glob
    field: Text
    to: Scalar


class JobName(Shape):
    namespace: Name
    name: Name


class JobStep(Shape):
    file: Glob
    field: Text
    """What makes the Job run: an entry of a kustomization, a value of a chart, an annotation of the Job itself."""
    to: Scalar
    job: JobName
    """It must complete after the step; as a hook or as an object of the application."""


class Traffic(Shape):
    file: Glob
    field: Text
    """Replicas or a weight, in git: what stops the traffic."""
    stopped: Scalar | None = None
    """Left out: 0."""
    quiet: Annotated[list[Name], Field(min_length=1, max_length=20)]
    """Triggers that measure requests: each must be 0 before the migration is reversed."""


class CodeWorkload(Shape):
    kind: KindName
    namespace: Name
    name: Name


class Migration(Shape):
    mode: MigrationMode | None = None
    sequence: list[SequenceStep] | None = None
    """Left out, and always: stop-traffic, reverse-migration, restore-application, start-traffic."""
    approval: Approval | None = None
    """required, the only word: a person begins the sequence."""
    traffic: Traffic | None = None
    """Left out, a person gets the sequence to do by hand."""
    workload: CodeWorkload | None = None
    """The code. Where `traffic` sets replicas not one Pod of it may be left; else the old one must be rolled out."""
    reverse: JobStep | None = None
    """Left out, a person gets the sequence to do by hand."""
    rows: Annotated[list[Name], Field(max_length=20)] | None = None
    """Triggers that count what may not be lost: none may fall between the stop of the traffic and its start."""
    safe_end: SafeEnd | None = None
    """How a plan ends whose reverse migration failed. finish, or back where the Job is one transaction."""


class RunObject(Shape):
    api_version: Text | None = None
    """Left out: that of the Terraform controller."""
    kind: KindName
    namespace: Name | None = None
    """Left out for an object of the whole cluster."""
    name: Name


class Infrastructure(Shape):
    delivery: Mode | None = None
    """Left out: as the policy's delivery. The more careful one of both holds."""
    sync_timeout: Duration | None = None
    """How long the run of the revert may take. Left out: as the policy's delivery. The longer one of both holds."""
    objects: Annotated[list[RunObject], Field(min_length=1, max_length=20)] | None = None
    """Whose status shows how the run goes. Left out, and no status either: the objects that the plan changes, and no
    code is ever verified."""
    status: Text | None = None
    """The commit status that shows how the run went, such as atlantis/apply."""


class SlotWorkload(Shape):
    kind: KindName
    namespace: Name
    name: SlotName


class BlueGreen(Shape):
    restore: Text | None = None
    """previous-value, the only way: the slot that was active before the change."""
    file: Glob | None = None
    """Left out: file and field are those of `match.fields`."""
    field: Text | None = None
    workload: SlotWorkload | None = None
    """What must be there and ready before the switch; `$SLOT` in its name is the slot. Left out: not looked at."""


class Canary(Shape):
    mode: CanaryMode | None = None
    steps: Annotated[list[Count], Field(min_length=1, max_length=100)] | None = None
    pause: Duration | None = None
    check_each_step: Flag | None = None
    on_check_failed: OnCheckFailed | None = None
    file: Glob | None = None
    """Left out: file and field of the weight are those of `match.fields`."""
    field: Text | None = None
    complement: Text | None = None
    """The weight of the version that takes over, in the same file; the two keep their sum."""
    stable: list[Name] = Field(default_factory=list)
    """Triggers that measure the version that takes over: while one is beyond its limit, the next step waits."""


class CanaryName(Shape):
    namespace: Name
    name: Name


class SkipAnalysis(Shape):
    file: Glob
    """That has the Canary of Flagger: its `spec.skipAnalysis` is true from the revert until that is promoted."""
    canary: CanaryName
    """The object in the cluster: it shows what was promoted."""


class Rolling(Shape):
    skip_analysis: SkipAnalysis | None = None
    """Once Flagger has promoted the bad version: the revert is promoted without analysis, by two commits."""


class Strategy(Shape):
    name: Name
    match: Match | None = None
    """Left out, everything matches."""
    type: StrategyType
    feature_flag: FeatureFlag | None = None
    migration: Migration | None = None
    infrastructure: Infrastructure | None = None
    blue_green: BlueGreen | None = None
    canary: Canary | None = None
    rolling: Rolling | None = None
    data_fixup: JobStep | None = None
    """A Job that puts data right before the old code serves."""


class ImageUpdater(Shape):
    file: Glob
    """In this repository: the ImageUpdater, or the Application with the annotations."""
    field: Text
    """Its `allowTags`, or an annotation `<alias>.allow-tags`. Need not be there yet; what it belongs to must."""


class PromotionFrom(Shape):
    repository: Text | None = None
    """Another one, by its URL, which the settings must name among `upstreams`; left out, it is the same."""
    branch: Text | None = None
    """Left out, it is the followed branch, and that of another repository is its default one."""
    paths: Annotated[list[Glob], Field(min_length=1, max_length=50)] | None = None
    """What the writer reads there: a commit that changes more is a person's to take back."""
    stage: Text | None = None
    """Kargo's, as `project:stage`; left out, it is what the Application's annotation says."""


class Promotion(Shape):
    type: Habit
    """hydrate, render: it makes files of others. copy: it takes them over. merge: a branch. kargo: by Freight."""
    from_: Annotated[PromotionFrom | None, Field(alias="from")] = None


class PullRequest(Shape):
    labels: Annotated[list[Text], Field(max_length=20)] | None = None
    """Left out: rollback and rollback/auto."""
    auto_merge: Flag | None = None
    """Left out: true. The forge merges what needs no person's word, once its own rules let it."""
    merge_method: MergeMethod | None = None
    """Left out: merge."""
    delete_branch: Flag | None = None
    land_within: Duration | None = None
    """Left out: 10m. From then on people are told what blocks it."""


class Delivery(Shape):
    mode: Mode = "push"
    """push: a commit on the branch. pull-request: a branch of its own. suggest: only a person does it."""
    on_rejected: OnRejected = "pull-request"
    """When a protected branch refuses the push. Without a forge both page with the plan."""
    pull_request: PullRequest | None = None
    refresh: Flag = True
    """Nudge the engine after the push."""
    sync_timeout: Duration | None = None


class ScheduleShape(Shape):
    cron: Text
    """When the window opens: five fields, as in crontab."""
    duration: Duration
    timezone: Text = "UTC"


class Guard(Shape):
    name: Name
    type: GuardType
    result: Answer = "ask"
    """ask: a person decides. deny: no."""
    paths: Annotated[list[Glob], Field(min_length=1)] | None = None
    minimum: Count | None = None
    max_targets: Count | None = None
    max_files: Count | None = None
    max_rollbacks: Count | None = None
    per: Duration | None = None
    during: Annotated[list[ScheduleShape], Field(min_length=1, max_length=50)] | None = None
    trailer: TrailerLine | None = None
    commit: Sha | None = None
    images: dict[str, Text] | None = None
    because: Text | None = None


class Cascade(Shape):
    mode: CascadeMode | None = None
    """reverse-dependency-order, the only one: what needs the culprit's change goes back first, one after the other."""
    max_depth: Count = 1
    """So many levels of dependants go back by themselves; 0: a person is asked about each cascade."""
    result: Answer = "ask"
    """Of a cascade that goes deeper. ask: a person decides. deny: no."""
