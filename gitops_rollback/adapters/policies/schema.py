"""The shape of a policy file: every key that may stand in it, those of features still to come included.

What a key means stands in the line below it, and becomes the text that an editor shows. Which keys may stand together
is `rules`; which are not carried out yet is `unbuilt`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Field, Tag

from gitops_rollback.adapters.policies.leaves import (
    Allowed,
    ApiVersion,
    BelowWord,
    ChartVersionsWord,
    Comparison,
    DataWord,
    Decision,
    Engine,
    EngineEventWord,
    FilledName,
    Glob,
    HealthWord,
    Kind,
    KindName,
    OnImageAutomation,
    OnSuperseded,
    Provider,
    Query,
    Reduce,
    Severity,
    SymptomWord,
    TriggerType,
    Url,
)
from gitops_rollback.adapters.policies.scalars import Duration, Flag, Label, Name, Number, Text
from gitops_rollback.adapters.policies.schema_actions import Cascade, Delivery, Guard, ImageUpdater, Promotion, Strategy
from gitops_rollback.adapters.policies.schema_costs import Costs
from gitops_rollback.adapters.policies.schema_outcome import Notification, Verification
from gitops_rollback.adapters.policies.schema_shape import Free, Shape, schema_of


class Metadata(Shape):
    name: Name | None = None
    """Name of the policy; left out, the file's name counts."""
    labels: dict[str, Text] = Field(default_factory=dict)
    annotations: dict[str, Text] = Field(default_factory=dict)


class Application(Shape):
    namespace: Name | None = None
    """Namespace of the engine's own object, not of the workloads; left out, any."""
    name: Name
    kind: KindName | None = None
    """Application for Argo CD; Kustomization (default) or HelmRelease for Flux; as `get` shows it for any other."""
    instance: Name | None = None
    """Which of several engines; left out, any."""


class Data(Shape):
    rollback: DataWord
    """safe: each release reads what the next one wrote. ask: a person looks first."""
    because: Text | None = None


class Selector(Shape):
    engine: Engine | None = None
    """Left out, the target's."""
    project: Text | None = None
    """A glob: its project of Argo CD."""
    namespace: Text | None = None
    """A glob: where the application's own object stands."""
    labels: dict[str, Text] = Field(default_factory=dict)
    """Labels of that object, each with the one value."""
    name: Text | None = None
    """A glob: its name."""


class TargetWorkload(Shape):
    kind: KindName
    namespace: FilledName
    name: FilledName


class TargetShape(Shape):
    name: FilledName
    """Name of the target, and $SERVICE in queries. With a selector from the object: $APPLICATION, $PROJECT, $CLUSTER,
    $NAMESPACE (of its workloads), $LABEL_name."""
    engine: Engine = "argocd"
    """argocd, flux, or one that an installed package brings, by its name there."""
    application: Application | None = None
    selector: Selector | None = None
    """Instead of `application`: one target for each application of the engine that it takes in."""
    workload: TargetWorkload | None = None
    """Its namespace is $NAMESPACE in queries."""
    paths: Annotated[list[Glob], Field(min_length=1)] | None = None
    """Globs of its files; left out, the application's own directories."""
    depends_on: list[FilledName] = Field(default_factory=list)
    """Targets that it needs: where it has changed since, it goes back before one of them, or a person is asked."""
    data: Data | None = None
    drill: Allowed | None = None
    """allowed: `gitops-rollback drill` may break it on purpose, to see that it is found and taken back. For
    staging."""
    rehearse: Text | None = None
    """The application on which rollbacks of this one are practised: `checkout-staging`, or more of its full name."""


class Git(Shape):
    branch: Text | None = None
    """The branch that the engine follows; left out, the remote's default."""
    chart_versions: ChartVersionsWord | None = None
    """What becomes of a chart's version that an undone commit raised. as-before: it goes back too. forward: the next
    patch version, since published ones may not come back. detect: forward where the chart's history does so."""


class TimingShape(Shape):
    interval: Duration | None = None
    """How often triggers are asked."""
    window: Duration | None = None
    """A sync is watched, and may be blamed, until this long after Healthy."""
    initial_delay: Duration | None = None
    """Thresholds are not trusted this long after a sync."""
    cooldown: Duration | None = None
    """Rest of an application after any rollback."""


class SuspectsShape(Shape):
    threshold: Number
    """A probability: how sure it must be that the culprit is among what goes back. Equal is enough."""
    below: BelowWord = "ask"
    """ask: below it a person looks. range: all suspects go back, if that ends in a state that ran and was quiet."""


class SecretRef(Shape):
    name: Label
    """A secret that the controller's settings offer."""


class Auth(Shape):
    secret_ref: SecretRef
    """A bearer token; for datadog the API key; for cloudwatch `access key id:secret access key`."""
    application_key_ref: SecretRef | None = None
    """The application key of datadog, which needs both."""


class Metrics(Shape):
    provider: Provider = "prometheus"
    """Datadog's queries are its own: `sum:requests.errors{service:$SERVICE}.as_rate()`. web asks any service for JSON:
    `/stats?service=$SERVICE $.errors.rate`. cloudwatch takes `SELECT ...` of Metrics Insights, or `SEARCH(...)`."""
    url: Url | None = None
    """On the controller's allow-list; left out, PROMETHEUS_URL."""
    timeout: Duration | None = None
    auth: Auth | None = None
    headers: dict[str, Text] = Field(default_factory=dict)
    """Never credentials; those come by auth.secretRef."""
    tenant: Text | None = None
    """X-Scope-OrgID of Mimir and Cortex."""
    clusters: Annotated[list[Text], Field(min_length=1)] | None = None
    """Of several sources: names or addresses of the clusters whose applications it knows, as the engine has them."""


def _metrics_kind(value: object) -> Literal["one", "several"]:
    return "several" if isinstance(value, list) else "one"


class MinimumTraffic(Shape):
    per_second: Number
    """Below this rate of `total` a ratio is no data."""


class BaselineShape(Shape):
    lookback: Duration | None = None
    must_exceed_factor: Number | None = None


class CrashLoop(Shape):
    symptoms: Annotated[list[SymptomWord], Field(min_length=1)] | None = None
    """In what way the new Pods do not come up; left out, any of these."""


class EventShape(Shape):
    reasons: Annotated[list[EngineEventWord], Field(min_length=1)] | None = None
    """syncFailed: the engine could not apply it. degraded: it says so of the health. Left out, both."""


class BurnRateShape(Shape):
    objective: Number
    """The share of requests that shall succeed: 0.999."""
    long_window: Duration | None = None
    """1h if left out. What looks further back pages, whatever its severity."""
    short_window: Duration | None = None
    """Left out, a twelfth of the long one."""
    factor: Number | None = None
    """How many times too fast the budget must burn, in both windows. Left out, 14.4 at 1h, 6 at 6h, 1 at 72h."""


class RegressionShape(Shape):
    slow: Flag = False
    """true: what `bad` counts is slow, and does not fail. With `query`, a histogram's buckets, it is so anyway."""
    peers: Annotated[list[Name], Field(min_length=1)] | None = None
    """$SERVICE of at least three others that share its troubles. While they fail too, more must be seen."""
    version: Text | None = None
    """A label of all counters by which versions differ, such as pod_template_hash: new Pods are held against the old
    ones beside them."""


class Absence(Shape):
    beside: Query
    """Answers as long as the metric store sees the application at all, such as its `up`."""


class AlertShape(Shape):
    labels: Annotated[dict[str, Text], Field(min_length=1)]
    """All must be equal; `alertname` is one of them, and $SERVICE and its like are filled."""
    pending_for: Duration | None = None
    """The `for` of the alert's rule, 0s if it has none. Left out, nobody knows when it began, and it suggests."""


class TriggerShape(Shape):
    name: Name
    type: TriggerType | None = None
    """Left out with `query` (query) or `bad` and `total` (ratio)."""
    query: Query | None = None
    bad: Query | None = None
    total: Query | None = None
    comparison: Comparison | None = None
    threshold: Number | None = None
    """Equal never fires."""
    hold_for: Annotated[Duration | None, Field(alias="for")] = None
    """How long it must be so; 0 needs `immediate: true`."""
    immediate: Flag = False
    keep_firing_for: Duration | None = None
    severity: Severity = "page_and_suggest"
    no_data_for: Duration | None = None
    """After this long without data a person is paged."""
    minimum_traffic: MinimumTraffic | None = None
    baseline: BaselineShape | None = None
    """How bad it was before the sync; as bad as that is not the sync's fault."""
    reduce: Reduce | None = None
    """What several series become; `one` refuses several. One without a number never verifies."""
    states: Annotated[list[HealthWord], Field(min_length=1)] | None = None
    crash_loop: CrashLoop | None = None
    alert: AlertShape | None = None
    """That an alert of the settings' Alertmanagers is active, and was not before the sync."""
    burn_rate: BurnRateShape | None = None
    """Of two raw counters, `bad` and `total`."""
    regression: RegressionShape | None = None
    """How it compares `bad` and `total`, or the buckets of a histogram (`query`), with before."""
    gauge: Free | None = None
    absence: Absence | None = None
    """That no series is left of what `query` found before the sync."""
    event: EventShape | None = None
    """What the engine says of the sync itself; an event by webhook only makes us look at once."""


class Spec(Shape):
    suspend: Flag = False
    """true: watch and report, never write."""
    targets: Annotated[list[TargetShape], Field(min_length=1, max_length=500)]
    git: Git = Git()
    timing: TimingShape = TimingShape()
    metrics: (
        Annotated[
            Annotated[Metrics, Tag("one")] | Annotated[list[Metrics], Tag("several")], Discriminator(_metrics_kind)
        ]
        | None
    ) = None
    triggers: Annotated[list[TriggerShape], Field(min_length=1, max_length=100)]
    suspects: SuspectsShape | None = None
    """How sure it must be who is to blame; left out, it only counts where the plan ends."""
    strategies: list[Strategy] = Field(default_factory=list)
    """For each changed path the first rule that matches decides how it is undone."""
    delivery: Delivery = Delivery()
    guards: Annotated[list[Guard], Field(max_length=100)] = Field(default_factory=list)
    """Asked before anything is written."""
    cascade: Cascade | None = None
    """What has changed since, and needs what goes back, goes back first. Left out, a person is asked instead."""
    verification: Verification = Verification()
    notifications: Annotated[list[Notification], Field(max_length=100)] = Field(default_factory=list)
    on_superseded: OnSuperseded | None = None
    on_image_automation: OnImageAutomation | None = None
    """hold: its mark comes off what is rolled back, until it selects something newer. ask (default): a person looks."""
    image_updater: ImageUpdater | None = None
    """With `onImageAutomation: hold`: by which field Argo CD Image Updater is kept at the tag that comes back."""
    decision: Decision | None = None
    """cost: what may roll back by its severity does so only if that is the cheapest way out, too. severity (default):
    the costs are told, and decide nothing."""
    costs: Costs | None = None
    """What ways out of an alarm cost. Times, and full-outage-minutes: one is a minute in which every request fails."""
    require_rehearsal: Flag | None = None
    """true: it asks instead of acting, unless a rollback of the very same contents (files, or digests of images) was
    verified on the application in the target's `rehearse`."""
    promotion: Promotion | None = None
    """What writes the branch from elsewhere: a rollback is made there too, and verified only then."""
    data_fixup: Free | None = None


class PolicyShape(Shape):
    """A rollback policy of gitops-rollback."""

    model_config = ConfigDict(title="RollbackPolicy")

    api_version: ApiVersion
    kind: Kind
    metadata: Metadata = Metadata()
    spec: Spec


def json_schema() -> dict[str, Any]:
    """The policy's."""
    return schema_of(PolicyShape)
