"""A rollback policy as values: who is watched, what fires, what is allowed. Reading the file is the adapter's.

All durations are `timedelta`; a limit that a policy does not name has its default here, once.
Keys whose feature is not built yet are listed in `Policy.unbuilt`: such a policy loads, and asks instead of acting.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from gitops_rollback.core.certainty import Certainty
from gitops_rollback.core.promotion import Promotion
from gitops_rollback.core.strategy import Coordinated as Coordinated
from gitops_rollback.core.strategy import FileField as FileField
from gitops_rollback.core.strategy import JobStep as JobStep
from gitops_rollback.core.strategy import Provisioning as Provisioning
from gitops_rollback.core.strategy import Strategy as Strategy
from gitops_rollback.core.target import ApplicationRef as ApplicationRef
from gitops_rollback.core.target import Selector as Selector
from gitops_rollback.core.target import Target as Target
from gitops_rollback.core.target import Workload as Workload
from gitops_rollback.core.trigger_rules import AlertRule as AlertRule
from gitops_rollback.core.trigger_rules import BurnRate as BurnRate
from gitops_rollback.core.trigger_rules import Counting as Counting

PUSH_MODE, PULL_REQUEST_MODE, SUGGEST_MODE = "push", "pull-request", "suggest"  # of `delivery.mode`
MODES = (PUSH_MODE, PULL_REQUEST_MODE, SUGGEST_MODE)  # the later, the less happens by itself
SYNC_FAILED, DEGRADED = "syncFailed", "degraded"  # of a trigger of type event
LIMITED = ("query", "ratio", "burnRate", "absence")  # types of triggers that measure one number against a limit
COUNTED = ("regression", "gauge")  # compared with what was before the deployment


class Severity(StrEnum):
    """What a firing trigger may cause at most. Ordered: see `rank`."""

    LOG_ONLY = "log_only"
    PAGE_AND_SUGGEST = "page_and_suggest"
    AUTO_ROLLBACK = "auto_rollback"

    @property
    def rank(self) -> int:
        return list(Severity).index(self)


class Comparison(StrEnum):
    """How a measured value is held against `threshold`; equal never fires."""

    GREATER_THAN = "greater_than"
    LESS_THAN = "less_than"


class GuardResult(StrEnum):
    """A guard's answer, weakest first."""

    ALLOW = "allow"
    NOT_EVALUATED = "not evaluated"
    ASK = "ask"
    DENY = "deny"

    @property
    def rank(self) -> int:
        return {"allow": 0, "not evaluated": 0, "ask": 1, "deny": 2}[self.value]


@dataclass(frozen=True)
class Timing:
    interval: timedelta = timedelta(seconds=15)
    window: timedelta = timedelta(minutes=30)
    initial_delay: timedelta = timedelta(seconds=60)
    cooldown: timedelta = timedelta(minutes=5)


@dataclass(frozen=True)
class MetricSettings:
    """Where queries go. `url` "" means the controller's own default source."""

    provider: str = "prometheus"
    url: str = ""
    timeout: timedelta = timedelta(seconds=10)
    secret: str = ""
    headers: tuple[tuple[str, str], ...] = ()  # never a credential: those come by `secret`
    tenant: str = ""  # X-Scope-OrgID of Mimir and Cortex
    application_secret: str = ""  # beside `secret`, the second of the two keys of Datadog
    clusters: tuple[str, ...] = ()  # destinations that it serves; () serves all
    cluster: str = ""  # no key of a policy: where the application runs, filled in when it is measured


@dataclass(frozen=True)
class Baseline:
    lookback: timedelta = timedelta(minutes=30)
    must_exceed_factor: float = 1.0


@dataclass(frozen=True)
class Trigger:
    """`type`: query (one value), ratio (`bad`/`total`), burnRate, health (the engine's word), crashLoop (the Pods')."""

    name: str
    type: str
    severity: Severity = Severity.PAGE_AND_SUGGEST
    query: str = ""
    bad: str = ""
    total: str = ""
    comparison: Comparison = Comparison.GREATER_THAN
    threshold: float = 0.0
    hold_for: timedelta = timedelta(0)  # the policy's `for`
    immediate: bool = False  # must be set for `for: 0`
    keep_firing_for: timedelta = timedelta(0)
    reduce: str = "one"  # one, any, all, max, min, sum
    no_data_for: timedelta = timedelta(minutes=5)
    minimum_per_second: float = 0.0  # of `total`; below it a ratio is no data
    baseline: Baseline = Baseline()
    states: tuple[str, ...] = ("Degraded",)  # type health
    symptoms: tuple[str, ...] = ()  # type crashLoop: words of `pod_trouble.Symptom`; event: the two above
    beside: str = ""  # type absence: a query that answers as long as the application is seen at all
    burn_rate: BurnRate | None = None  # type burnRate, always there; `threshold` is then the factor
    alert: AlertRule | None = None  # type alert, always there
    counting: Counting = field(default_factory=Counting)  # type regression; with `query`, the buckets of a histogram
    built: bool = True  # False: a kind that this version cannot evaluate; it never fires and says so

    def __hash__(self) -> int:
        return hash(self.name)  # thousands of applications look theirs up at each tick

    @property
    def ignores_initial_delay(self) -> bool:
        return self.type in ("health", "crashLoop", "regression")

    @property
    def counts_slow(self) -> bool:
        """It compares how many are slow: by a counter of those, or by a histogram."""
        return self.type == "regression" and (self.counting.slow or bool(self.query))

    @property
    def is_asked(self) -> bool:
        """A metric source answers it with one number now, which is held against `threshold`."""
        return self.built and self.type in LIMITED

    @property
    def is_measured(self) -> bool:
        """A metric source is asked for it: against a limit, or against what was before."""
        return self.built and (self.type in LIMITED or self.type in COUNTED)


@dataclass(frozen=True)
class Cascade:
    """Applications that need what the culprit brought go back before it: `max_depth` levels of them by themselves.

    `result` is what becomes of a cascade that goes deeper.
    """

    max_depth: int = 1
    result: GuardResult = GuardResult.ASK


@dataclass(frozen=True)
class PullRequestRules:
    """How a plan is offered as a pull request. `auto_merge` is for plans alone that need no person's word."""

    labels: tuple[str, ...] = ("rollback", "rollback/auto")
    auto_merge: bool = True
    merge_method: str = "merge"  # merge, squash, rebase
    land_within: timedelta = timedelta(minutes=10)  # from then on people are told what blocks it


@dataclass(frozen=True)
class Delivery:
    mode: str = "push"  # push, pull-request, suggest
    on_rejected: str = "pull-request"  # what a protected branch's refusal leads to: suggest, pull-request
    pull_request: PullRequestRules = PullRequestRules()
    refresh: bool = True
    sync_timeout: timedelta = timedelta(minutes=10)


@dataclass(frozen=True)
class ScheduleWindow:
    cron: str
    duration: timedelta
    timezone: str = "UTC"


@dataclass(frozen=True)
class GuardRule:
    """A guard of the policy. Only the fields of its `type` are filled."""

    name: str
    type: str  # paths, blastRadius, budget, schedule, trailer, conflict, floor, image, revisionHistoryLimit, capacity
    result: GuardResult = GuardResult.ASK
    paths: tuple[str, ...] = ()
    minimum: int | None = None  # revisionHistoryLimit
    max_targets: int | None = None
    max_files: int | None = None
    max_rollbacks: int | None = None
    per: timedelta = timedelta(hours=24)
    during: tuple[ScheduleWindow, ...] = ()
    trailer: str = ""
    commit: str = ""  # floor
    images: tuple[tuple[str, str], ...] = ()  # floor: (image, constraint)
    because: str = ""


@dataclass(frozen=True)
class Check:
    """One check of the verification; `timeout` is one attempt's patience."""

    name: str
    type: str  # engine, prometheus, http, kubernetes; counted for a trigger that compares with before
    timeout: timedelta = timedelta(minutes=5)
    url: str = ""
    expect_status: int = 200
    query: str = ""
    query_from: str = ""  # name of a trigger whose query is used
    at_most: float | None = None
    at_least: float | None = None
    tolerance: float = 0.0  # relative, widens the limit on its bad side only
    workload: Workload | None = None  # of type kubernetes; None: those of the target
    built: bool = True


@dataclass(frozen=True)
class Verification:
    start_after: timedelta = timedelta(seconds=30)
    hold_for: timedelta = timedelta(minutes=2)
    timeout: timedelta = timedelta(minutes=15)  # ends the whole
    checks: tuple[Check, ...] = ()
    on_failure: str = "next-suspect"


@dataclass(frozen=True)
class Notification:
    """One place that is told these events. What each kind of receiver needs stands in `core.receivers`."""

    events: tuple[str, ...]
    to: str
    url: str = ""
    secret: str = ""
    format: str = "json"
    channel: str = ""
    tags: tuple[str, ...] = ()


class ChartVersions(StrEnum):
    """What becomes of the version that an undone commit raised; DETECT: forward where the chart's history does so."""

    AS_BEFORE = "as-before"
    FORWARD = "forward"
    DETECT = "detect"


@dataclass(frozen=True)
class Policy:
    """A policy as read at `revision`. `label` is what the trailer `Rollback-Policy` says."""

    name: str
    path: str
    revision: str
    targets: tuple[Target, ...]
    triggers: tuple[Trigger, ...]
    suspend: bool = False
    branch: str = ""
    timing: Timing = Timing()
    metrics: MetricSettings = MetricSettings()  # of several `sources` the first, until it is known where it runs
    sources: tuple[MetricSettings, ...] = ()  # () where `metrics` serves every cluster
    delivery: Delivery = Delivery()
    strategies: tuple[Strategy, ...] = ()
    guards: tuple[GuardRule, ...] = ()
    cascade: Cascade | None = None  # None: a person is asked where a dependant moved on
    verification: Verification = Verification()
    notifications: tuple[Notification, ...] = ()
    certainty: Certainty = field(default_factory=Certainty)  # of the suspects
    superseding: str = "ask"  # or "allow-version-bumps": later commits whose values a plan may take back as well
    chart_versions: ChartVersions = ChartVersions.AS_BEFORE
    by_cost: bool = False  # `decision: cost`: an automatic rollback must be the cheapest way, too
    costs: tuple[tuple[str, float], ...] = ()  # fields of `costs.Inputs` and `share`, as the policy sets them
    updater: FileField | None = None  # says which tags an updater without marks may take; set where it is held
    image_automation: str = "ask"  # or "hold": take its mark off what is rolled back, so that it is not written again
    require_rehearsal: bool = False  # nothing is automatic that was not practised where the target says
    promotion: Promotion | None = None  # None: what another writer brought is a person's to take back
    unbuilt: tuple[str, ...] = ()  # keys that this version reads but does not carry out
    warnings: tuple[str, ...] = field(default=(), compare=False)

    @property
    def label(self) -> str:
        short = self.path.removeprefix(".gitops-rollback/")
        return f"{short}@{self.revision[:12]}"
