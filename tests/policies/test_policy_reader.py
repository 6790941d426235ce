"""What a policy means: values, defaults, which keys ask instead of act, and the faults that need two keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from gitops_rollback.adapters.policies.reader import ReadPolicy
from gitops_rollback.core.certainty import Certainty
from gitops_rollback.core.errors import PolicyInvalid
from gitops_rollback.core.policy import (
    ApplicationRef,
    Baseline,
    BurnRate,
    Cascade,
    Counting,
    Delivery,
    GuardResult,
    MetricSettings,
    Policy,
    PullRequestRules,
    ScheduleWindow,
    Severity,
    Timing,
    Verification,
)
from gitops_rollback.core.verification import checks_of

Reading = Callable[[str, str], ReadPolicy]
ReadingSpec = Callable[[str], ReadPolicy]
MINUTE = timedelta(minutes=1)


def policy_of(read: ReadPolicy) -> Policy:
    assert read.errors == ()
    return read.wanted("p.yaml")


def test_a_plain_policy_has_no_fault_and_the_defaults(read: Callable[[str], ReadPolicy], plain: str) -> None:
    answer = read(plain)
    policy = policy_of(answer)
    assert answer.faults == ()
    assert (policy.name, policy.revision, policy.unbuilt, policy.warnings) == ("shop", "c" * 40, (), ())
    assert (policy.timing, policy.metrics, policy.delivery) == (Timing(), MetricSettings(), Delivery())
    assert (policy.verification, policy.guards, policy.suspend) == (Verification(), (), False)
    target, trigger = policy.targets[0], policy.triggers[0]
    assert (target.engine, target.application, target.data_rollback) == (
        "argocd", ApplicationRef("argocd", "api-prod", "Application", ""), "safe",
    )  # fmt: skip
    assert (trigger.type, trigger.threshold, trigger.hold_for) == ("query", 0.05, 2 * MINUTE)


def test_how_sure_it_must_be_is_read_and_a_person_is_asked_by_omission(read_spec: ReadingSpec) -> None:
    assert policy_of(read_spec("timing: {}")).certainty == Certainty(0.0, "ask")
    assert policy_of(read_spec("suspects: {threshold: 0.8}")).certainty == Certainty(0.8, "ask")
    assert policy_of(read_spec("suspects: {threshold: 0.8, below: range}")).certainty == Certainty(0.8, "range")


def test_costs_are_read_by_the_cores_names_and_in_minutes(read_spec: ReadingSpec) -> None:
    plain, by_cost = policy_of(read_spec("decision: severity")), policy_of(read_spec("decision: cost\ncosts: {}"))
    assert [(one.by_cost, one.costs) for one in (plain, by_cost)] == [(False, ()), (True, ())]
    said = policy_of(read_spec("costs: {deploy: 30s, mend: 1h, rollbackRisk: high, fixSucceeds: 0.9, share: 0.5}"))
    assert dict(said.costs) == {
        "deploy_minutes": 0.5, "person_minutes": 60.0, "rollback_risk": 5.0, "fix_succeeds": 0.9, "share": 0.5,
    }  # fmt: skip
    assert dict(policy_of(read_spec("costs: {rollbackRisk: 2.5}")).costs) == {"rollback_risk": 2.5}


@pytest.mark.parametrize(
    ("costs", "fault"),
    [
        ("{fixSucceeds: 60}", "`fixSucceeds` is not a share"),
        ("{share: -1}", "`share` is not a share"),
        ("{interruption: -0.2}", "`interruption` is below 0"),
        ("{rollbackRisk: irreversible}", "no risk that can be weighed"),
        ("{rollbackRisk: -1}", "is no risk"),
        ("{rollbackRisk: severe}", "is no risk"),
        ("{deploy: 8}", "is not a duration"),
        ("{fixsucceeds: 0.6}", "fixSucceeds"),
    ],
)
def test_costs_that_mean_nothing_are_refused(read_spec: ReadingSpec, costs: str, fault: str) -> None:
    (error,) = read_spec(f"decision: cost\ncosts: {costs}").errors
    assert fault in f"{error.message} {error.fix}"
    assert error.line == 19


def test_nothing_is_automatic_by_omission(read_with: Reading) -> None:
    trigger = policy_of(read_with("      severity: auto_rollback\n", "")).triggers[0]
    assert trigger.severity is Severity.PAGE_AND_SUGGEST


def test_a_trigger_without_for_holds_two_minutes_and_an_immediate_one_none(read_with: Reading) -> None:
    assert policy_of(read_with("      for: 2m\n", "")).triggers[0].hold_for == 2 * MINUTE
    immediate = policy_of(read_with("      for: 2m\n", "      immediate: true\n")).triggers[0]
    assert (immediate.immediate, immediate.hold_for) == (True, timedelta(0))


def test_a_policy_without_a_name_is_called_like_its_file(read_with: Reading) -> None:
    assert policy_of(read_with("metadata: {name: shop}\n", "")).name == "p"


def test_an_application_without_a_namespace_means_any(read_with: Reading) -> None:
    reference = policy_of(read_with("{namespace: argocd, name: api-prod}", "{name: api-prod}")).targets[0].application
    assert reference == ApplicationRef("", "api-prod")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("1s", timedelta(seconds=1)),
        ("90s", timedelta(seconds=90)),
        ("1h30m", timedelta(minutes=90)),
        ("2h0m5s", timedelta(seconds=7205)),
        ("1500ms", timedelta(seconds=1.5)),
        ("2160h", timedelta(days=90)),
    ],
)
def test_durations_are_spelled_as_go_spells_them(read_spec: ReadingSpec, text: str, length: timedelta) -> None:
    assert policy_of(read_spec(f"timing: {{cooldown: {text}}}")).timing.cooldown == length


@pytest.mark.parametrize(("text", "value"), [("0.05", 0.05), ("-3", -3.0), ("12000", 12000.0), ("1e-3", 0.001)])
def test_numbers_are_spelled_in_one_way(read_with: Reading, text: str, value: float) -> None:
    assert policy_of(read_with("threshold: 0.05", f"threshold: {text}")).triggers[0].threshold == value


def test_a_ratio_and_its_keys(read_with: Reading) -> None:
    read = read_with(
        'query: sum(rate(errors_total{service="$SERVICE"}[2m]))',
        "bad: bad_total\n      total: all_total\n      minimumTraffic: {perSecond: 1}\n"
        "      baseline: {lookback: 20m, mustExceedFactor: 2}\n      reduce: sum\n      keepFiringFor: 1m\n"
        "      noDataFor: 9m",
    )
    trigger = policy_of(read).triggers[0]
    assert (trigger.type, trigger.bad, trigger.total, trigger.minimum_per_second) == (
        "ratio",
        "bad_total",
        "all_total",
        1,
    )
    assert (trigger.baseline, trigger.reduce) == (Baseline(20 * MINUTE, 2.0), "sum")
    assert (trigger.keep_firing_for, trigger.no_data_for) == (MINUTE, 9 * MINUTE)


GUARDS = """\
guards:
  - {name: files, type: paths, paths: ["**/*.sql"], result: deny}
  - {name: few, type: budget, maxRollbacks: 2, per: 12h}
  - {name: night, type: schedule, during: [{cron: "0 18 * * 5", duration: 12h, timezone: Europe/London}]}
  - {name: word, type: trailer, trailer: "Rollback-Safe: false"}
  - {name: cve, type: floor, images: {"r.example/x": ">=1.2"}, because: CVE-2026-1, result: deny}
  - {name: size, type: blastRadius, maxFiles: 20}
"""


def test_guards_and_their_keys(read_spec: ReadingSpec) -> None:
    files, few, night, word, cve, size = policy_of(read_spec(GUARDS)).guards
    assert (files.paths, files.result) == (("**/*.sql",), GuardResult.DENY)
    assert (few.max_rollbacks, few.per, few.result) == (2, timedelta(hours=12), GuardResult.ASK)
    assert night.during == (ScheduleWindow("0 18 * * 5", timedelta(hours=12), "Europe/London"),)
    assert word.trailer == "Rollback-Safe: false"
    assert (cve.images, cve.because) == ((("r.example/x", ">=1.2"),), "CVE-2026-1")
    assert (size.max_files, size.max_targets) == (20, None)


METRICS = (
    "metrics: {url: 'https://mimir.example/prometheus', timeout: 5s, tenant: shop, headers: {X-Team: shop}, "
    "auth: {secretRef: {name: mimir}}}"
)


def test_where_metrics_come_from(read_spec: ReadingSpec) -> None:
    metrics = policy_of(read_spec(METRICS)).metrics
    assert (metrics.url, metrics.timeout) == ("https://mimir.example/prometheus", timedelta(seconds=5))
    assert (metrics.tenant, metrics.headers, metrics.secret) == ("shop", (("X-Team", "shop"),), "mimir")


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("guards: []", None),
        ("cascade: {}", Cascade(1, GuardResult.ASK)),
        ("cascade: {mode: reverse-dependency-order, maxDepth: 3, result: deny}", Cascade(3, GuardResult.DENY)),
    ],
    ids=["none", "as usual", "all said"],
)
def test_what_goes_back_first(read_spec: ReadingSpec, keys: str, expected: Cascade | None) -> None:
    assert policy_of(read_spec(keys)).cascade == expected


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("cascade: {mode: sideways}", "reverse-dependency-order"),
        ("cascade: {maxDepth: -1}", "maxDepth"),
        ("cascade: {depth: 2}", "depth"),
    ],
)
def test_a_cascade_that_cannot_be_read_is_told(read_spec: ReadingSpec, keys: str, why: str) -> None:
    assert any(why in str(fault) for fault in read_spec(keys).errors)


JOB = "{file: k.yaml, field: 'resources[1]', to: back.yaml, job: {namespace: shop, name: back}}"
TRAFFIC = "{file: d.yaml, field: spec.replicas, quiet: [errors]}"
RUNS = "strategies: [{name: s, type: infrastructure, infrastructure: {objects: "
MIGRATION = f"strategies: [{{name: s, type: migration, migration: {{traffic: {TRAFFIC}, reverse: {JOB}"

UNBUILT = [
    ("dataFixup: {job: x}", "dataFixup"),
    ("metrics: {provider: newrelic}", "metrics.provider: newrelic"),
]


@pytest.mark.parametrize(("keys", "name"), UNBUILT, ids=[name for _, name in UNBUILT])
def test_a_key_that_is_not_built_loads_with_one_warning_and_asks(read_spec: ReadingSpec, keys: str, name: str) -> None:
    read = read_spec(keys)
    policy = policy_of(read)
    assert policy.unbuilt == (name,)
    assert [f"`{name}`" in fault.message for fault in read.faults if fault.line >= 18] == [True]
    assert len(policy.warnings) == 1


@pytest.mark.parametrize("lacking", ["traffic", "reverse"])
def test_a_migration_that_names_half_of_it_is_done_by_hand(read_spec: ReadingSpec, lacking: str) -> None:
    given = {"traffic": TRAFFIC, "reverse": JOB}
    (key,) = given.keys() - {lacking}
    read = read_spec(f"strategies: [{{name: s, type: migration, migration: {{{key}: {given[key]}}}}}]")
    assert policy_of(read).unbuilt == ()
    assert [f"without {lacking}" in str(fault) and "by hand" in str(fault) for fault in read.faults] == [True]


def test_a_target_says_where_it_is_rehearsed(read_with: Reading) -> None:
    line = "    - name: api\n"
    keys = "application: {name: x}, rehearse: argocd/x-staging"
    read = read_with(line, f"    - {{name: other, data: {{rollback: ask}}, {keys}}}\n{line}")
    policy = policy_of(read)
    assert (policy.targets[0].rehearse, policy.require_rehearsal, policy.unbuilt) == ("argocd/x-staging", False, ())


def test_a_required_rehearsal_without_a_place_is_warned_of(read_spec: ReadingSpec) -> None:
    read = read_spec("requireRehearsal: true")
    assert policy_of(read).require_rehearsal
    assert ["says not where" in str(fault) for fault in read.faults] == [True]


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("", ("syncFailed", "degraded")),
        (", event: {}", ("syncFailed", "degraded")),
        (", event: {reasons: [syncFailed]}", ("syncFailed",)),
    ],
)
def test_a_trigger_of_events_is_immediate_and_suggests_at_most(read_with: Reading, keys: str, words: object) -> None:
    line = "    - name: errors\n"
    text = f"    - {{name: engine, type: event, severity: auto_rollback{keys}}}\n{line}"
    trigger = policy_of(read_with(line, text)).triggers[0]
    assert (trigger.symptoms, trigger.immediate, trigger.built) == (words, True, True)
    assert trigger.severity is Severity.PAGE_AND_SUGGEST


@pytest.mark.parametrize("keys", ["query: up", "states: [Degraded]", "event: {reasons: [late]}", "crashLoop: {}"])
def test_what_does_not_belong_to_events_is_an_error(read_with: Reading, keys: str) -> None:
    line = "    - name: errors\n"
    assert read_with(line, f"    - {{name: engine, type: event, {keys}}}\n{line}").errors


def test_a_crash_loop_trigger_is_immediate_unless_it_says_for(read_with: Reading) -> None:
    line = "    - name: errors\n"
    policy = policy_of(read_with(line, f"    - {{name: pods, type: crashLoop}}\n{line}"))
    pods = policy.triggers[0]
    assert (policy.unbuilt, pods.built, pods.immediate, pods.hold_for) == ((), True, True, timedelta(0))
    assert len(pods.symptoms) == 5
    held = "type: crashLoop, for: 1m, crashLoop: {symptoms: [imagePull, configuration]}"
    pods = policy_of(read_with(line, f"    - {{name: pods, {held}}}\n{line}")).triggers[0]
    assert (pods.immediate, pods.hold_for) == (False, timedelta(minutes=1))
    assert pods.symptoms == ("imagePull", "configuration")


@pytest.mark.parametrize("keys", ["threshold: 3", "query: up", "states: [Degraded]", "crashLoop: {symptoms: [oom]}"])
def test_what_does_not_belong_to_a_crash_loop_is_an_error(read_with: Reading, keys: str) -> None:
    line = "    - name: errors\n"
    assert read_with(line, f"    - {{name: pods, type: crashLoop, {keys}}}\n{line}").errors


COUNTERS = """bad: 'h{s="$SERVICE",code=~"5.."}', total: 'h{s="$SERVICE"}'"""
CHECKS = "  verification: {checks: [{name: up, type: http, url: 'https://shop.example/healthz'}]}\n"


def _with_regression(read_with: Reading, keys: str, checks: str = CHECKS) -> ReadPolicy:
    line = "    - name: errors\n"
    return read_with(
        "  triggers:\n" + line, f"{checks}  triggers:\n    - {{name: rise, type: regression, {keys}}}\n{line}"
    )


def test_a_regression_is_immediate_and_its_severity_waits_for_a_clean_test(read_with: Reading) -> None:
    policy = policy_of(_with_regression(read_with, f"{COUNTERS}, severity: auto_rollback"))
    rise = policy.triggers[0]
    assert (policy.unbuilt, rise.built, rise.immediate, rise.hold_for) == ((), True, True, timedelta(0))
    assert rise.severity is Severity.AUTO_ROLLBACK
    assert any("until `gitops-rollback backtest --record` was clean" in warning for warning in policy.warnings)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        pytest.param("bad: 'h'", "needs `total`", id="one-half"),
        pytest.param(f"{COUNTERS}, threshold: 3", "`threshold` does not belong", id="a-limit"),
        pytest.param(f"{COUNTERS}, for: 2m", "`for` does not belong", id="a-time"),
        pytest.param("bad: 'rate(h[2m])', total: 'h'", "`bad` of a regression is no counter", id="a-rate"),
        pytest.param("bad: 'h', total: 'sum(h)'", "`total` of a regression is no counter", id="a-sum"),
    ],
)
def test_a_regression_asks_for_two_raw_counters_and_no_limit(read_with: Reading, keys: str, words: str) -> None:
    assert words in " ".join(fault.message for fault in _with_regression(read_with, keys).errors)


BUCKETS = "query: 'd_bucket{s=\"$SERVICE\"}'"
BY_SERVICE = 'bad: \'h{s="$SERVICE",c="500"}\', total: \'h{s="$SERVICE"}\''


def test_a_regression_compares_a_histogram_peers_and_versions(read_with: Reading) -> None:
    (slower, *_) = policy_of(_with_regression(read_with, BUCKETS)).triggers
    assert (slower.built, slower.counts_slow, slower.counting) == (True, True, Counting())
    keys = f"{BY_SERVICE}, regression: {{peers: [a, b, b, c], version: hash, slow: true}}"
    (rise, *_) = policy_of(_with_regression(read_with, keys)).triggers
    assert (rise.counts_slow, rise.counting) == (True, Counting(True, ("a", "b", "c"), "hash"))
    assert not policy_of(_with_regression(read_with, BY_SERVICE)).triggers[0].counts_slow


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        pytest.param("query: 'd_sum'", "is no histogram", id="a sum"),
        pytest.param("query: 'sum(d_bucket)'", "is no histogram", id="summed buckets"),
        pytest.param(f"{BUCKETS}, total: 'h'", "`total` does not belong", id="both"),
        pytest.param(f"{BY_SERVICE}, regression: {{peers: [a, b]}}", "2 `peers` are no control", id="two peers"),
        pytest.param(f"{BY_SERVICE}, regression: {{peers: [a, b, api]}}", "3 `peers` are no control", id="itself"),
        pytest.param("bad: 'h', total: 'h', regression: {peers: [a, b, c]}", "the same for every peer", id="all alike"),
        pytest.param(f"{BUCKETS}, regression: {{peers: [a, b, c]}}", "peers of a histogram", id="a histogram's peers"),
        pytest.param(f"{BY_SERVICE}, regression: {{version: 'a b'}}", "is no label", id="no label"),
        pytest.param(
            f"{BY_SERVICE}, regression: {{version: pod}}", "tells no versions apart", id="a label of each Pod"
        ),
        pytest.param(f"{BY_SERVICE}, regression: {{slow: 1}}", "is not a boolean", id="no boolean"),
    ],
)
def test_what_a_regression_cannot_compare_is_refused(read_with: Reading, keys: str, words: str) -> None:
    assert words in " ".join(fault.message for fault in _with_regression(read_with, keys).errors)


def test_a_regression_needs_looks_that_are_near_enough(read_with: Reading) -> None:
    for interval, wrong in (("2m", False), ("3m", True)):
        errors = _with_regression(read_with, COUNTERS, f"  timing: {{interval: {interval}}}\n{CHECKS}").errors
        assert any("every two minutes" in error.message for error in errors) is wrong


def test_a_gauge_asks_for_one_query_and_suggests(read_with: Reading) -> None:
    line = "  triggers:\n    - name: errors\n"
    for keys, wrong in (("query: 'q{s=\"$SERVICE\"}', reduce: max", ""), ("query: up, threshold: 3", "`threshold`")):
        gauge = f"    - {{name: queue, type: gauge, severity: auto_rollback, {keys}}}\n    - name: errors\n"
        read = read_with(line, f"{CHECKS}  triggers:\n{gauge}")
        assert wrong in " ".join(error.message for error in read.errors)
        if not wrong:
            assert policy_of(read).triggers[0].severity is Severity.PAGE_AND_SUGGEST
            assert policy_of(read).unbuilt == ()


def test_a_regression_is_verified_by_its_own_counts_and_needs_no_check(read_with: Reading) -> None:
    policy = policy_of(_with_regression(read_with, COUNTERS, checks=""))
    (check,) = checks_of(policy, ["rise"])
    assert (check.type, check.query_from) == ("counted", "rise")
    named = policy_of(_with_regression(read_with, COUNTERS))
    assert [one.type for one in checks_of(named, ["rise"])] == ["http"]


ONLY_WARNS = [
    "delivery: {mode: pull-request, pullRequest: {deleteBranch: true}}",
    "guards: [{name: h, type: revisionHistoryLimit, minimum: 1}]",
]


@pytest.mark.parametrize("keys", ONLY_WARNS)
def test_what_does_not_limit_acting_only_warns(read_spec: ReadingSpec, keys: str) -> None:
    read = read_spec(keys)
    assert policy_of(read).unbuilt == ()
    assert read.faults


def test_how_a_pull_request_is_opened_and_its_defaults(read_spec: ReadingSpec) -> None:
    read = read_spec(
        "delivery: {mode: pull-request, onRejected: suggest, "
        "pullRequest: {labels: [a], autoMerge: false, mergeMethod: squash, landWithin: 5m}}"
    )
    delivery = policy_of(read).delivery
    assert (read.faults, delivery.mode, delivery.on_rejected) == ((), "pull-request", "suggest")
    assert delivery.pull_request == PullRequestRules(("a",), False, "squash", timedelta(minutes=5))
    default = policy_of(read_spec("delivery: {refresh: true}")).delivery
    assert (default.mode, default.on_rejected, default.pull_request) == ("push", "pull-request", PullRequestRules())


def test_what_a_target_depends_on_loads_without_a_word(read_with: Reading) -> None:
    read = read_with("data: {rollback: safe}", "data: {rollback: safe}\n      dependsOn: [ledger]")
    assert (policy_of(read).unbuilt, read.faults) == ((), ())
    assert policy_of(read).targets[0].depends_on == ("ledger",)


BUILT = [
    MIGRATION + ", rows: [errors], safeEnd: back, approval: required, mode: coordinated}}]",
    "strategies: [{name: s, type: rolling, dataFixup: " + JOB + "}]",
    RUNS + "[{kind: Terraform, namespace: shop, name: db}]}}]",
    RUNS + "[{apiVersion: a.b/v1, kind: Bucket, name: db}], status: a/b, delivery: suggest, syncTimeout: 1h}}]",
    "git: {branch: release/1.x}",
    "git: {chartVersions: as-before}",
    "git: {chartVersions: forward}",
    "git: {chartVersions: detect}",
    "delivery: {mode: suggest, refresh: false, syncTimeout: 5m}",
    "decision: severity",
    "onImageAutomation: hold",
    "suspects: {threshold: 0.8}",
    "suspects: {threshold: 0.97, below: range}",
    "promotion: {type: hydrate}",
    "promotion: {type: merge, from: {branch: staging}}",
    "promotion: {type: copy, from: {paths: [staging/]}}",
    "promotion: {type: render, from: {repository: 'https://git.example.com/shop/code.git'}}",
    "promotion: {type: kargo}",
    "promotion: {type: kargo, from: {stage: 'shop:prod'}}",
    "onSuperseded: ask",
    "onSuperseded: allow-version-bumps",
    "strategies: [{name: default, type: rolling}]",
    "guards: [{name: c, type: conflict, result: ask}, {name: k, type: capacity}]",
    "notifications: [{events: ['*'], to: webhook, url: 'https://h.example', format: cloudevents}]",
    "notifications: [{events: [held, failed], to: log}]",
    "notifications: [{events: [started], to: slack, channel: '#x', secretRef: {name: bot}}]",
    "notifications: [{events: [held], to: pagerduty, secretRef: {name: key}, url: 'https://events.eu.pagerduty.com'}]",
    "notifications: [{events: ['*'], to: grafana, url: 'https://g.example', tags: [prod], secretRef: {name: token}}]",
    "notifications: [{events: ['*'], to: teams, secretRef: {name: flow}}]",
    "notifications: [{events: ['*'], to: apprise, secretRef: {name: phone}}]",
    "verification: {timeout: 10m, checks: [{name: e, type: engine, expect: {sync: Synced, health: Healthy}}]}",
]


@pytest.mark.parametrize("keys", BUILT)
def test_what_is_built_loads_without_a_word(read_spec: ReadingSpec, keys: str) -> None:
    read = read_spec(keys)
    assert (read.faults, policy_of(read).unbuilt) == ((), ())


SPEC_FAULTS = [
    pytest.param(RUNS + "[{kind: Bucket, name: b}]}}]", 18, 75, "no kind of the Terraform", id="run-of-no-api"),
    pytest.param(RUNS + "[]}}]", 18, 74, "", id="no-runs"),
    pytest.param(RUNS + "[{kind: Terraform}]}}]", 18, 75, "`name` is missing", id="run-without-a-name"),
    pytest.param(MIGRATION + ", sequence: [start-traffic]}}]", 18, 228, "the one order", id="sequence"),
    pytest.param(MIGRATION + ", approval: none}}]", 18, 228, "required", id="approval"),
    pytest.param(MIGRATION + ", rows: [orders]}}]", 18, 225, "no trigger is called", id="rows-of-nowhere"),
    pytest.param(MIGRATION.replace("quiet: [errors]", "quiet: []") + "}}]", 18, 108, "quiet", id="nothing-quiet"),
    pytest.param(MIGRATION.replace("[1]", "[x]") + "}}]", 18, 150, "[x]", id="reverse-of-no-field"),
    pytest.param("timing: {interval: 500ms}", 18, 22, "shorter than 1s", id="interval"),
    pytest.param("timing: {interval: 2h, window: 1h}", 18, 34, "shorter than `interval`", id="window"),
    pytest.param("timing: {windw: 1m}", 18, 12, "did you mean `window`?", id="nested-unknown-key"),
    pytest.param("suspects: {threshold: 80}", 18, 25, "not a probability", id="threshold-in-percent"),
    pytest.param("suspects: {threshold: -0.1}", 18, 25, "not a probability", id="negative-threshold"),
    pytest.param("suspects: {threshold: .nan}", 18, 25, "", id="threshold-without-a-number"),
    pytest.param("suspects: {below: range}", 18, 13, "`threshold` is missing", id="below-what"),
    pytest.param("suspects: {threshold: 0.8, below: guess}", 18, 37, "ask", id="below-word"),
    pytest.param("metrics: {url: 'https://u:p@h'}", 18, 18, "holds credentials", id="url-with-credentials"),
    pytest.param("metrics: {url: 'file:///etc/passwd'}", 18, 18, "not a URL", id="url-of-a-file"),
    pytest.param("metrics: {headers: {Authorization: x}}", 18, 23, "a credential into git", id="credential"),
    pytest.param("metrics: {auth: {secretRef: {}}}", 18, 31, "`name` is missing", id="missing-key"),
    pytest.param("guards: [{name: a, type: paths}]", 18, 12, "needs `paths`", id="guard-without-its-key"),
    pytest.param("guards: [{name: a, type: conflict, maxFiles: 3}]", 18, 38, "does not belong", id="strange-key"),
    pytest.param("guards: [{name: a, type: blastRadius}]", 18, 12, "`maxTargets` or `maxFiles`", id="blast-radius"),
    pytest.param("guards: [{name: a, type: floor, commit: 5ab3c90}]", 18, 43, "full commit SHA", id="short-sha"),
    pytest.param("guards: [{name: a, type: conflict}, {name: a, type: capacity}]", 18, 46, "twice", id="guard-twice"),
    pytest.param("guards: [{name: a, type: conflict, result: allow}]", 18, 46, "known: ask, deny", id="guard-allows"),
    pytest.param("guards: [{name: a, type: trailer, trailer: nonsense}]", 18, 46, "a trailer", id="trailer"),
    pytest.param(
        "guards: [{name: a, type: schedule, during: [{cron: '0 18 * *', duration: 1h}]}]",
        18, 54, "five fields", id="cron",
    ),
    pytest.param(
        "guards: [{name: a, type: schedule, during: [{cron: '0 18 * * 5', duration: 1h, timezone: Mars}]}]",
        18, 92, "Europe/London", id="time-zone",
    ),
    pytest.param("notifications: [{events: [started], to: webhook}]", 18, 19, "needs `url`", id="webhook-to-nowhere"),
    pytest.param(
        "notifications: [{events: ['*'], to: slack, secretRef: {name: a}}]",
        18, 19, "needs `channel`", id="slack-to-nowhere",
    ),
    pytest.param("notifications: [{events: ['*'], to: pagerduty}]", 18, 19, "integration key", id="pagerduty-unkeyed"),
    pytest.param(
        "notifications: [{events: ['*'], to: teams, secretRef: {name: a}, channel: x}]",
        18, 68, "does not belong", id="teams-with-a-channel",
    ),
    pytest.param("strategies: [{name: a, type: rolling, canary: {}}]", 18, 41, "type: canary", id="strategy"),
    pytest.param(
        "strategies: [{name: a, type: rolling, promotion: {type: kargo}}]", 18, 41, "below `spec`", id="whose-promotion"
    ),
    pytest.param("promotion: {type: merge, from: {paths: [a/]}}", 18, 34, "needs `from.branch`", id="merge-of-what"),
    pytest.param("promotion: {type: kargo, from: {stage: prod}}", 18, 42, "names no Stage", id="stage-of-what"),
    pytest.param("promotion: {type: copy, from: {paths: [a/], stage: 'a:b'}}", 18, 54, "names no Stage", id="no-kargo"),
    pytest.param("promotion: {type: render}", 18, 14, "needs `from`", id="render-of-what"),
    pytest.param("promotion: {type: hydrate, from: {branch: 'a..b'}}", 18, 45, "no name", id="promotion-branch"),
    pytest.param(
        "promotion: {type: merge, from: {branch: a, repository: 'https://git.example.com/b.git'}}",
        18, 58, "another repository", id="merge-from-elsewhere",
    ),
    pytest.param("promotion: {type: sync}", 18, 21, "hydrate", id="promotion-type"),
    pytest.param("verification: {checks: [{name: h, type: http}]}", 18, 27, "needs `url`", id="http-check"),
    pytest.param(
        "verification: {checks: [{name: q, type: prometheus, queryFrom: errros, expect: {atMost: 1}}]}",
        18, 66, "known: errors", id="query-from-nowhere",
    ),
    pytest.param(
        "verification: {checks: [{name: q, type: prometheus, queryFrom: errors}]}",
        18, 27, "needs `expect`", id="no-limit",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("keys", "line", "col", "word"), SPEC_FAULTS)
def test_keys_that_do_not_fit_are_refused_at_their_place(
    read_spec: ReadingSpec, keys: str, line: int, col: int, word: str
) -> None:
    read = read_spec(keys)
    assert read.policy is None
    assert [(fault.line, fault.col, word in str(fault)) for fault in read.errors] == [(line, col, True)]


SOURCE_FAULTS = {
    "two-for-all": ("[{url: 'https://a'}, {url: 'https://b'}]", "serves every cluster"),
    "one-for-all-first": ("[{url: 'https://a'}, {url: 'https://b', clusters: [b]}]", "serves every cluster"),
    "cluster-twice": ("[{clusters: [a, b]}, {url: 'https://b', clusters: [b]}]", "has two sources"),
    "other-language": ("[{clusters: [a]}, {provider: web, url: 'https://b'}]", "no web query"),
}


@pytest.mark.parametrize(("metrics", "word"), SOURCE_FAULTS.values(), ids=SOURCE_FAULTS)
def test_sources_that_leave_a_cluster_to_chance_are_refused(read_spec: ReadingSpec, metrics: str, word: str) -> None:
    read = read_spec(f"metrics: {metrics}")
    assert read.policy is None
    assert any(word in str(fault) for fault in read.errors), read.errors


def test_each_source_says_which_clusters_it_serves(read_spec: ReadingSpec) -> None:
    read = read_spec("metrics: [{url: 'https://a', clusters: [eu]}, {url: 'https://b'}]")
    policy = policy_of(read)
    assert [(one.url, one.clusters) for one in policy.sources] == [("https://a", ("eu",)), ("https://b", ())]
    assert (policy.metrics, policy.unbuilt) == (policy.sources[0], ())


TARGET_FAULTS = {
    "empty": ("name: other, selector: {}", "an empty selector selects nothing"),
    "empty-words": ("name: other, selector: {labels: {}}", "an empty selector selects nothing"),
    "both": ("name: other, application: {name: x}, selector: {name: x}", "exclude each other"),
    "neither": ("name: other", "needs `application`"),
    "variable-in-a-name": ("name: $APPLICATION, application: {name: x}", "a variable needs `selector`"),
    "variable-in-a-path": ("name: x, application: {name: x}, paths: [apps/$LABEL_a/**]", "a variable needs `selector`"),
    "unknown-variable": ("name: $TIER, selector: {name: x}", "is not a Kubernetes name"),
}


@pytest.mark.parametrize(("keys", "word"), TARGET_FAULTS.values(), ids=TARGET_FAULTS)
def test_a_target_that_names_nobody_or_too_many_is_refused(read_with: Reading, keys: str, word: str) -> None:
    line = "    - name: api\n"
    read = read_with(line, f"    - {{data: {{rollback: ask}}, {keys}}}\n{line}")
    assert read.policy is None
    assert [word in str(fault) for fault in read.errors] == [True], read.errors


TRIGGER_FAULTS = [
    pytest.param("      threshold: 0.05\n", "", 12, 7, "needs `threshold`", id="no-threshold"),
    pytest.param("for: 2m", "for: 2m\n      bad: x", 12, 7, "needs `total`", id="half-a-ratio"),
    pytest.param("for: 2m", "for: 2m\n      immediate: true", 17, 7, "exclude each other", id="immediate-and-for"),
    pytest.param("for: 2m", "for: 2m\n      states: [Degraded]", 17, 7, "does not belong", id="states-of-a-query"),
    pytest.param("for: 2m", "for: 2m\n      type: health", 13, 7, "does not belong", id="query-of-health"),
    pytest.param("for: 2m", "for: 2m\n      baseline: {mustExceedFactor: 0.5}", 17, 36, "below 1", id="factor"),
]


@pytest.mark.parametrize(("old", "new", "line", "col", "word"), TRIGGER_FAULTS)
def test_keys_of_a_trigger_that_do_not_fit_are_refused(
    read_with: Reading, old: str, new: str, line: int, col: int, word: str
) -> None:
    read = read_with(old, new)
    assert read.policy is None
    assert (line, col, True) in [(fault.line, fault.col, word in str(fault)) for fault in read.errors]


def test_a_real_name_that_does_not_fit_outside_of_quotes_is_found(read_with: Reading) -> None:
    read = read_with('sum(rate(errors_total{service="$SERVICE"}[2m]))', "${APPLICATION}_total")
    assert [(fault.line, fault.col, "for target `api`" in fault.message) for fault in read.errors] == [(13, 14, True)]


def test_no_message_repeats_a_credential(read_spec: ReadingSpec) -> None:
    read = read_spec("metrics: {url: 'https://user:hunter2@h', headers: {Cookie: hunter2}}")
    assert len(read.errors) == 2
    assert "hunter2" not in " ".join(str(fault) for fault in read.faults)


def test_no_message_carries_what_a_terminal_acts_on(read_spec: ReadingSpec) -> None:
    read = read_spec('"evil\u202e\u200bkey": 1')
    assert read.errors[0].message == "unknown key `evil??key`"


def test_a_misspelt_key_is_told_once_and_not_also_as_missing(read_with: Reading) -> None:
    read = read_with("threshold:", "treshold:")
    assert [fault.message for fault in read.errors] == ["unknown key `treshold`"]


def test_a_refused_policy_can_be_raised_with_all_its_places(plain: str, read: Callable[[str], ReadPolicy]) -> None:
    bad = plain.replace("suspend: false", "suspend: no").replace("for: 2m", "for: 2")
    with pytest.raises(PolicyInvalid, match=r"p\.yaml:6:12: .*; p\.yaml:16:12: "):
        read(bad).wanted("p.yaml")


def _with_burn_rate(read_with: Reading, keys: str) -> ReadPolicy:
    line = "    - name: errors\n"
    return read_with(line, f"    - {{name: budget, type: burnRate, {keys}}}\n{line}")


def test_a_burn_rate_has_the_usual_windows_and_factor(read_with: Reading) -> None:
    policy = policy_of(_with_burn_rate(read_with, f"{COUNTERS}, burnRate: {{objective: 0.999}}"))
    budget = policy.triggers[0]
    assert (policy.unbuilt, budget.built, budget.threshold) == ((), True, 14.4)
    assert budget.burn_rate == BurnRate(0.999, timedelta(hours=1), timedelta(minutes=5))


@pytest.mark.parametrize(
    ("window", "factor", "severity"),
    [
        ("1h", 14.4, Severity.AUTO_ROLLBACK),
        ("6h", 6.0, Severity.PAGE_AND_SUGGEST),
        ("72h", 1.0, Severity.PAGE_AND_SUGGEST),
    ],
)
def test_a_burn_that_looks_back_too_far_pages(
    read_with: Reading, window: str, factor: float, severity: Severity
) -> None:
    keys = f"{COUNTERS}, severity: auto_rollback, burnRate: {{objective: 0.99, longWindow: {window}}}"
    policy = policy_of(_with_burn_rate(read_with, keys))
    assert (policy.triggers[0].threshold, policy.triggers[0].severity, policy.unbuilt) == (factor, severity, ())
    warned = any("can tell in time" in warning for warning in policy.warnings)
    assert warned is (severity is Severity.PAGE_AND_SUGGEST)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        pytest.param(COUNTERS, "needs `burnRate`", id="no-objective"),
        pytest.param(f"{COUNTERS}, burnRate: {{factor: 3}}", "objective", id="a-factor-alone"),
        pytest.param(f"{COUNTERS}, burnRate: {{objective: 99.9}}", "not a share", id="per-cent"),
        pytest.param(f"{COUNTERS}, burnRate: {{objective: 0.9}}", "can never fire", id="never"),
        pytest.param(f"{COUNTERS}, burnRate: {{objective: 0.99, longWindow: 2h}}", "`factor` is known", id="unusual"),
        pytest.param(f"{COUNTERS}, burnRate: {{objective: 0.99, shortWindow: 1h}}", "not shorter", id="equal"),
        pytest.param(f"{COUNTERS}, burnRate: {{objective: 0.99, shortWindow: 5s}}", "than a minute", id="too-short"),
        pytest.param(f"{COUNTERS}, burnRate: {{objective: 0.99}}, threshold: 3", "does not belong", id="a-limit"),
        pytest.param("bad: 'sum(h)', total: h, burnRate: {objective: 0.99}", "of a burnRate is no counter", id="a-sum"),
        pytest.param("bad: h offset 5m, total: h, burnRate: {objective: 0.99}", "cannot be rated", id="an-offset"),
    ],
)
def test_a_burn_rate_that_cannot_work_is_an_error(read_with: Reading, keys: str, words: str) -> None:
    assert words in " ".join(fault.message for fault in _with_burn_rate(read_with, keys).errors)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        pytest.param("query: 'q', absence: {beside: 'up'}, severity: auto_rollback", "", id="whole"),
        pytest.param("query: 'q'", "needs `absence`", id="nothing-beside"),
        pytest.param("query: 'q', absence: {}", "beside", id="no-witness"),
        pytest.param("query: 'q', absence: {beside: 'up{'}", "not PromQL", id="a-broken-witness"),
        pytest.param("query: 'q', absence: {beside: 'up'}, threshold: 1", "does not belong", id="a-limit"),
    ],
)
def test_an_absence_asks_for_a_witness_and_suggests(read_with: Reading, keys: str, words: str) -> None:
    line = "    - name: errors\n"
    read = read_with(line, f"    - {{name: gone, type: absence, {keys}}}\n{line}")
    assert words in " ".join(fault.message for fault in read.errors)
    if not words:
        gone = policy_of(read).triggers[0]
        assert (gone.severity, gone.built, gone.beside) == (Severity.PAGE_AND_SUGGEST, True, "up")
        assert policy_of(read).unbuilt == ()
