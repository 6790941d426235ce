"""From a policy's shape, known to be without faults, to the core's own: defaults filled, names ours."""

from __future__ import annotations

import posixpath
from dataclasses import replace
from datetime import timedelta
from typing import TypeVar

from gitops_rollback.adapters.policies import schema, schema_actions, schema_costs, schema_outcome
from gitops_rollback.adapters.policies.building_strategies import build_strategy, default_to, workload_of
from gitops_rollback.adapters.policies.unbuilt import BUILT_CHECKS, SUGGESTING, only_suggests
from gitops_rollback.core.burn_rate import FIRST_WINDOW, SHORT_SHARE, USUAL_FACTORS
from gitops_rollback.core.certainty import Certainty
from gitops_rollback.core.pod_trouble import Symptom
from gitops_rollback.core.policy import (
    DEGRADED,
    SYNC_FAILED,
    AlertRule,
    ApplicationRef,
    Baseline,
    BurnRate,
    Cascade,
    ChartVersions,
    Check,
    Comparison,
    Counting,
    Delivery,
    GuardResult,
    GuardRule,
    MetricSettings,
    Notification,
    Policy,
    PullRequestRules,
    ScheduleWindow,
    Selector,
    Severity,
    Target,
    Timing,
    Trigger,
    Verification,
)
from gitops_rollback.core.promotion import Promotion
from gitops_rollback.core.strategy import FileField

Value = TypeVar("Value")

DEFAULT_FOR = timedelta(minutes=2)
DEFAULT_STATES = ("Degraded",)
COST_NAMES = {
    "acknowledge": "acknowledge_minutes",
    "decide": "decide_minutes",
    "fix": "fix_minutes",
    "deploy": "deploy_minutes",
    "mend": "person_minutes",
    "rollback": "rollback_minutes",
}
DEFAULT_KIND = {"argocd": "Application", "flux": "Kustomization"}


def build_policy(
    shape: schema.PolicyShape, path: str, revision: str, unbuilt: tuple[str, ...], warnings: tuple[str, ...]
) -> Policy:
    """The policy as values."""
    spec = shape.spec
    sources = _sources(spec.metrics)
    provider = sources[0].provider
    return Policy(
        name=shape.metadata.name or posixpath.splitext(posixpath.basename(path))[0],
        path=path,
        revision=revision,
        targets=tuple(map(_target, spec.targets)),
        triggers=tuple(_held_back(_trigger(trigger), provider) for trigger in spec.triggers),
        suspend=spec.suspend,
        branch=spec.git.branch or "",
        timing=_timing(spec.timing),
        metrics=sources[0],
        sources=sources if len(sources) > 1 or sources[0].clusters else (),
        delivery=_delivery(spec.delivery),
        strategies=tuple(build_strategy(strategy) for strategy in spec.strategies),
        guards=tuple(_guard(guard) for guard in spec.guards),
        cascade=_cascade(spec.cascade) if spec.cascade else None,
        verification=_verification(spec.verification),
        notifications=tuple(_notification(notification) for notification in spec.notifications),
        certainty=_certainty(spec.suspects),
        superseding=spec.on_superseded or "ask",
        require_rehearsal=bool(spec.require_rehearsal),
        chart_versions=ChartVersions(spec.git.chart_versions or "as-before"),
        image_automation=spec.on_image_automation or "ask",
        updater=FileField(spec.image_updater.file, spec.image_updater.field) if spec.image_updater else None,
        by_cost=spec.decision == "cost",
        costs=_costs(spec.costs),
        promotion=_promotion(spec.promotion),
        unbuilt=unbuilt,
        warnings=warnings,
    )


def _promotion(shape: schema_actions.Promotion | None) -> Promotion | None:
    if shape is None:
        return None
    source = shape.from_ or schema_actions.PromotionFrom()
    paths, stage = tuple(source.paths or ()), source.stage or ""
    return Promotion(shape.type, source.branch or "", paths, source.repository or "", stage)


def _target(shape: schema.TargetShape) -> Target:
    return Target(
        name=shape.name,
        engine=shape.engine,
        application=_application(shape),
        workload=workload_of(shape.workload),
        paths=tuple(shape.paths or ()),
        depends_on=tuple(shape.depends_on),
        data_rollback=shape.data.rollback if shape.data else "",
        data_because=(shape.data.because or "") if shape.data else "",
        drill=shape.drill == "allowed",
        rehearse=shape.rehearse or "",
        selector=_selector(shape),
    )


def _selector(shape: schema.TargetShape) -> Selector | None:
    said = shape.selector
    if said is None:
        return None
    return Selector(
        engine=said.engine or shape.engine,
        project=said.project or "",
        namespace=said.namespace or "",
        name=said.name or "",
        labels=tuple(sorted(said.labels.items())),
    )


def _application(shape: schema.TargetShape) -> ApplicationRef:
    application = shape.application
    if application is None:
        return ApplicationRef("", "")
    ours = shape.engine in DEFAULT_KIND
    kind = application.kind or DEFAULT_KIND.get(shape.engine, "")
    instance = application.instance or ("" if ours else shape.engine)  # one of a package is there once, by this name
    return ApplicationRef(application.namespace or "", application.name, kind, instance)


def _timing(shape: schema.TimingShape) -> Timing:
    default = Timing()
    return Timing(
        interval=default_to(shape.interval, default.interval),
        window=default_to(shape.window, default.window),
        initial_delay=default_to(shape.initial_delay, default.initial_delay),
        cooldown=default_to(shape.cooldown, default.cooldown),
    )


def _sources(shapes: schema.Metrics | list[schema.Metrics] | None) -> tuple[MetricSettings, ...]:
    given = shapes if isinstance(shapes, list) else [shapes] if shapes is not None else []
    return tuple(map(_metrics, given)) or (MetricSettings(),)


def _metrics(shape: schema.Metrics) -> MetricSettings:
    default = MetricSettings()
    return MetricSettings(
        provider=shape.provider,
        url=shape.url or "",
        timeout=default_to(shape.timeout, default.timeout),
        secret=shape.auth.secret_ref.name if shape.auth else "",
        headers=tuple(sorted(shape.headers.items())),
        tenant=shape.tenant or "",
        application_secret=_application_secret(shape.auth),
        clusters=tuple(shape.clusters or ()),
    )


def _application_secret(auth: schema.Auth | None) -> str:
    return auth.application_key_ref.name if auth and auth.application_key_ref else ""


def _certainty(shape: schema.SuspectsShape | None) -> Certainty:
    return Certainty(shape.threshold, shape.below) if shape else Certainty()


def _costs(shape: schema_costs.Costs | None) -> tuple[tuple[str, float], ...]:
    """What is said, by the core's names, in minutes."""
    said = shape.model_dump(exclude_none=True) if shape else {}
    minutes = {
        COST_NAMES.get(name, name): value / timedelta(minutes=1) if isinstance(value, timedelta) else float(value)
        for name, value in said.items()
    }
    return tuple(sorted(minutes.items()))


def _trigger(shape: schema.TriggerShape) -> Trigger:
    kind = shape.type or ("ratio" if shape.bad is not None else "query")
    # What Pods show and what is an alert has its own patience, and needs no second measurement.
    immediate = shape.immediate or (kind in ("crashLoop", "alert", "event", *SUGGESTING) and shape.hold_for is None)
    burn_rate = _burn_rate(shape.burn_rate)
    return Trigger(
        name=shape.name,
        type=kind,
        severity=_severity(kind, burn_rate, Severity(shape.severity)),
        query=shape.query or "",
        bad=shape.bad or "",
        total=shape.total or "",
        comparison=Comparison(shape.comparison) if shape.comparison else Comparison.GREATER_THAN,
        threshold=default_to(shape.threshold, 0.0) if burn_rate is None else _factor(shape.burn_rate, burn_rate),
        hold_for=default_to(shape.hold_for, timedelta(0) if immediate else DEFAULT_FOR),
        immediate=immediate,
        keep_firing_for=default_to(shape.keep_firing_for, timedelta(0)),
        reduce=shape.reduce or "one",
        no_data_for=default_to(shape.no_data_for, Trigger.no_data_for),
        minimum_per_second=shape.minimum_traffic.per_second if shape.minimum_traffic else 0.0,
        baseline=_baseline(shape.baseline),
        states=tuple(shape.states or DEFAULT_STATES),
        symptoms=_symptoms(kind, shape),
        beside=shape.absence.beside if shape.absence else "",
        burn_rate=burn_rate,
        alert=_alert(shape.alert),
        counting=_counting(shape.regression),
        built=shape.reduce != "per_series",
    )


def _held_back(trigger: Trigger, provider: str) -> Trigger:
    """Where nobody can tell whether it began before the sync, a trigger suggests at most."""
    acts = trigger.is_asked and trigger.severity is Severity.AUTO_ROLLBACK
    return replace(trigger, severity=Severity.PAGE_AND_SUGGEST) if acts and only_suggests(provider) else trigger


def _severity(kind: str, burn_rate: BurnRate | None, written: Severity) -> Severity:
    """What is wrong too often suggests, whatever is written. So does a burn of many hours."""
    suggests = kind in ("gauge", "absence", "event") or (burn_rate is not None and burn_rate.long_window > FIRST_WINDOW)
    return Severity.PAGE_AND_SUGGEST if suggests and written is Severity.AUTO_ROLLBACK else written


def _burn_rate(shape: schema.BurnRateShape | None) -> BurnRate | None:
    if shape is None:
        return None
    long_window = default_to(shape.long_window, FIRST_WINDOW)
    return BurnRate(shape.objective, long_window, default_to(shape.short_window, long_window / SHORT_SHARE))


def _factor(shape: schema.BurnRateShape | None, windows: BurnRate) -> float:
    return default_to(shape.factor if shape else None, USUAL_FACTORS.get(windows.long_window, 0.0))


def _alert(shape: schema.AlertShape | None) -> AlertRule | None:
    return AlertRule(tuple(sorted(shape.labels.items())), shape.pending_for) if shape else None


def _counting(shape: schema.RegressionShape | None) -> Counting:
    return Counting(shape.slow, tuple(dict.fromkeys(shape.peers or ())), shape.version or "") if shape else Counting()


def _symptoms(kind: str, shape: schema.TriggerShape) -> tuple[str, ...]:
    if kind == "event":
        return tuple((shape.event.reasons if shape.event else None) or (SYNC_FAILED, DEGRADED))
    if kind != "crashLoop":
        return ()
    named = shape.crash_loop.symptoms if shape.crash_loop else None
    return tuple(named or (symptom.value for symptom in Symptom))


def _baseline(shape: schema.BaselineShape | None) -> Baseline:
    default = Baseline()
    if shape is None:
        return default
    factor = default_to(shape.must_exceed_factor, default.must_exceed_factor)
    return Baseline(default_to(shape.lookback, default.lookback), factor)


def _delivery(shape: schema_actions.Delivery) -> Delivery:
    return Delivery(
        mode=shape.mode,
        on_rejected=shape.on_rejected,
        pull_request=_pull_request(shape.pull_request),
        refresh=shape.refresh,
        sync_timeout=default_to(shape.sync_timeout, Delivery.sync_timeout),
    )


def _pull_request(shape: schema_actions.PullRequest | None) -> PullRequestRules:
    default = PullRequestRules()
    if shape is None:
        return default
    return PullRequestRules(
        labels=default.labels if shape.labels is None else tuple(shape.labels),
        auto_merge=default_to(shape.auto_merge, default.auto_merge),
        merge_method=shape.merge_method or default.merge_method,
        land_within=default_to(shape.land_within, default.land_within),
    )


def _cascade(shape: schema_actions.Cascade) -> Cascade:
    return Cascade(shape.max_depth, GuardResult(shape.result))


def _guard(shape: schema_actions.Guard) -> GuardRule:
    windows = tuple(ScheduleWindow(window.cron, window.duration, window.timezone) for window in shape.during or ())
    return GuardRule(
        name=shape.name,
        type=shape.type,
        result=GuardResult(shape.result),
        paths=tuple(shape.paths or ()),
        minimum=shape.minimum,
        max_targets=shape.max_targets,
        max_files=shape.max_files,
        max_rollbacks=shape.max_rollbacks,
        per=default_to(shape.per, GuardRule.per),
        during=windows,
        trailer=shape.trailer or "",
        commit=shape.commit or "",
        images=tuple(sorted((shape.images or {}).items())),
        because=shape.because or "",
    )


def _verification(shape: schema_outcome.Verification) -> Verification:
    default = Verification()
    return Verification(
        start_after=default_to(shape.start_after, default.start_after),
        hold_for=default_to(shape.hold_for, default.hold_for),
        timeout=default_to(shape.timeout, default.timeout),
        checks=tuple(_check(check) for check in shape.checks),
        on_failure=shape.on_failure.suggest,
    )


def _check(shape: schema_outcome.CheckShape) -> Check:
    expect = shape.expect if isinstance(shape.expect, schema_outcome.Expect) else schema_outcome.Expect()
    return Check(
        name=shape.name,
        type=shape.type,
        timeout=default_to(shape.timeout, Check.timeout),
        url=shape.url or "",
        expect_status=default_to(shape.expect_status, Check.expect_status),
        query=shape.query or "",
        query_from=shape.query_from or "",
        at_most=expect.at_most,
        at_least=expect.at_least,
        tolerance=default_to(expect.tolerance, 0.0),
        workload=workload_of(shape.workload),
        built=shape.type in BUILT_CHECKS,
    )


def _notification(shape: schema_outcome.Notification) -> Notification:
    return Notification(
        events=tuple(shape.events),
        to=shape.to,
        url=shape.url or "",
        secret=shape.secret_ref.name if shape.secret_ref else "",
        format=shape.format or "json",
        channel=shape.channel or "",
        tags=tuple(shape.tags),
    )
