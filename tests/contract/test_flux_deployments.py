"""What Flux's objects tell again and again, folded look by look into deployments: the cases that no recording has."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from flux_cluster import Clock, FakeCluster, flux_for, in_the_way
from flux_objects_made import (
    SHA,
    applied,
    condition,
    entry,
    failed,
    git_repository,
    helm_chart,
    helm_release,
    helm_repository,
    made,
    rev,
    snapshot,
    waiting,
)

from gitops_rollback.adapters.engines.flux import Flux
from gitops_rollback.adapters.engines.flux_past import NoPast
from gitops_rollback.core.convergence import converged
from gitops_rollback.core.deployments import deployments, distinct, spec_changed
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Health, Judged


class Alike(NoPast):
    """No two commits differ."""

    def differs(self, *_: str) -> bool:
        return False


class Journaled(NoPast):
    """What was judged when, by a process before this one; commits are older by the alphabet."""

    def __init__(self, *judged: str) -> None:
        """Each as `c@09:05:00`, or `c@09:05:00 since 09:01:00`."""
        self._judged = [as_written(one) for one in judged]
        self.alike: set[str] = set()  # commits that do not differ

    def differs(self, _repository: str, _path: str, old: str, new: str) -> bool:
        return old != new and not {old, new} <= self.alike

    def judged(self, _application: ApplicationId) -> list[Judged]:
        return self._judged

    def is_older(self, old: str, new: str) -> bool:
        return old < new


class Told:
    """An engine over a fake cluster; each look puts objects and gives the state of the one application."""

    def __init__(self, *names: str, **settings: Any) -> None:
        self.cluster, self.clock = FakeCluster(), Clock()
        self.engine = flux_for(self.cluster, self.clock, **settings)
        self.engine._past = self.past = Journaled(*names)
        self.cluster.put("gitrepositories", git_repository())

    def look(self, clock: str, value: dict[str, Any], plural: str = "kustomizations") -> ApplicationState:
        self.clock.now = moment(clock)
        self.cluster.put(plural, value)
        name = value["metadata"]["name"]
        return next(one for one in self.engine.applications() if one.id.name == name)


def as_written(text: str) -> Judged:
    (letter, clock), began = text.split(" ")[0].split("@"), text.partition(" since ")[2]
    return Judged(moment(clock), SHA[letter], moment(began) if began else None)


def moment(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-11-23T{clock}Z").astimezone(UTC)


def told(state: ApplicationState) -> list[str]:
    return [f"{one.revisions[-1][:1]}@{one.started_at:%H:%M:%S}" for one in deployments(state)]


def test_the_first_revision_of_a_content_stays_its_name_through_foreign_commits() -> None:
    flux = Told()
    flux.look("09:01:00", applied("a", [entry("1", "a", "09:00:00", "09:00:00")]))
    flux.look(
        "09:05:00", applied("b", [entry("2", "b", "09:04:00", "09:04:00"), entry("1", "a", "09:00:00", "09:00:00")])
    )
    later = applied(
        "d",
        [entry("2", "d", "09:04:00", "09:20:00", totalReconciliations=3), entry("1", "a", "09:00:00", "09:00:00")],
    )
    assert told(flux.look("09:21:00", later)) == ["a@08:59:59", "b@09:03:59"]


# After a restart: Flux tells the newest commit of each content, the journal by which one it was called first

GOOD = entry("1", "b", "09:00:00", "09:03:00", totalReconciliations=4)
BAD = entry("2", "e", "09:04:00", "09:30:00", totalReconciliations=4)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param([], ["b@08:59:59", "e@09:03:59"], id="nobody-wrote-anything"),
        pytest.param(["c@09:05:00", "d@09:08:00"], ["b@08:59:59", "c@09:03:59"], id="the-first-name-holds"),
        pytest.param(["a@09:02:00", "c@09:05:00"], ["a@08:59:59", "c@09:03:59"], id="each-by-its-own"),
        pytest.param(["f@09:05:00"], ["b@08:59:59", "e@09:03:59"], id="a-newer-commit-is-another"),
        pytest.param(["a@09:03:30"], ["b@08:59:59", "e@09:03:59"], id="between-two-lives-nobody-knows-whose"),
        pytest.param(["c@09:31:00"], ["b@08:59:59", "c@09:03:59"], id="what-runs-now-runs-on"),
    ],
)
def test_a_new_process_calls_what_runs_as_the_one_before_did(names: list[str], expected: list[str]) -> None:
    flux = Told(*names)
    for clock in ("09:31:00", "09:32:00"):
        assert told(flux.look(clock, applied("e", [BAD, GOOD]))) == expected


def test_a_name_of_what_was_bad_is_never_given_to_what_came_back_after_it() -> None:
    history = [
        entry("1", "d", "09:00:00", "09:45:00", totalReconciliations=6),
        entry("2", "b", "09:04:00", "09:04:00"),
    ]
    flux = Told("b@09:05:30", "d@09:46:00")
    assert told(flux.look("09:50:00", applied("d", history))) == ["b@09:03:59", "d@09:04:00"]


# What kustomize-controller 1.9 told ten seconds after a release whose health check failed: the first time it had waited
# for a minute, which nothing tells, and the second time it saw at once that the rollout had failed.
LATE: dict[str, Any] = {"lastReconciledDuration": "404.053336ms", "totalReconciliations": 2}
UNHEALTHY = [
    entry("2", "c", "21:41:55", "21:42:11", lastReconciledStatus="HealthCheckFailed", **LATE),
    entry("1", "a", "21:28:47", "21:39:55", lastReconciledDuration="193.79783ms", totalReconciliations=11),
]


@pytest.mark.parametrize(
    ("judged", "spec", "expected"),
    [
        pytest.param((), {"wait": True, "timeout": "90s"}, "c@21:40:25", id="as-early-as-it-may-have-waited"),
        pytest.param((), {"wait": True, "timeout": "5m"}, "c@21:39:55", id="not-before-the-other-was-there-last"),
        pytest.param((), {"timeout": "90s"}, "c@21:41:54", id="it-waits-for-no-health"),
        pytest.param(
            ("b@21:41:00 since 21:40:50",), {"wait": True, "timeout": "90s"}, "b@21:40:50", id="as-it-was-written-down"
        ),
        pytest.param(
            ("b@21:42:20 since 21:41:54",), {"wait": True, "timeout": "90s"}, "b@21:41:54", id="written-down-late"
        ),
        pytest.param(
            ("a@21:30:00 since 21:28:37", "b@21:43:00 since 21:42:30"),
            {"wait": True, "timeout": "90s"},
            "b@21:40:25",
            id="what-cannot-be-is-not-believed",
        ),
    ],
)
def test_a_new_process_tells_a_deployment_by_when_its_objects_changed_and_not_by_the_end_of_the_wait_for_their_health(
    judged: tuple[str, ...], spec: dict[str, Any], expected: str
) -> None:
    flux = Told(*judged)
    flux.past.alike = {SHA["b"], SHA["c"]}
    for clock in ("21:43:10", "21:44:10"):
        state = flux.look(clock, failed("HealthCheckFailed", "c", "a", UNHEALTHY, "21:42:11", **spec))
        assert told(state)[-1] == expected


@pytest.mark.parametrize(
    ("told_as", "expected"),
    [
        pytest.param({"lastReconciledDuration": "784.590991ms"}, "b@21:59:16", id="it-failed-at-once"),
        pytest.param({"lastReconciledDuration": "1m5.2s"}, "b@21:59:40", id="it-failed-after-its-wait"),
        pytest.param(
            {"lastReconciledDuration": "784.590991ms", "lastReconciledStatus": "ReconciliationFailed"},
            "b@22:00:45",
            id="it-could-not-be-applied",
        ),
    ],
)
def test_a_health_check_that_failed_at_once_had_failed_before(told_as: dict[str, Any], expected: str) -> None:
    """As kustomize-controller 1.9 told it where a foreign commit had come during the wait: once, and brief."""
    history = [
        entry("2", "b", "22:00:46", "22:00:46", **{"lastReconciledStatus": "HealthCheckFailed", **told_as}),
        entry("1", "a", "21:28:47", "21:59:05", totalReconciliations=30),
    ]
    reason = history[0]["lastReconciledStatus"]
    state = Told().look("22:01:00", failed(reason, "b", "a", history, "22:00:46", wait=True, timeout="90s"))
    assert told(state)[-1] == expected


def test_what_flux_dropped_from_its_history_lends_its_beginning_and_its_name_to_nothing() -> None:
    """As kustomize-controller 1.9 told it: the run after a failed one began with the status from before that one."""
    flux = Told("a@21:45:12 since 21:42:04", "b@21:52:34 since 21:52:08")
    flux.past.alike = {SHA["a"], SHA["c"]}
    history = [
        entry("1", "c", "21:27:02", "21:55:19", lastReconciledDuration="544.6ms", totalReconciliations=29),
        entry("2", "1", "21:41:01", "21:42:04", lastReconciledDuration="181.5ms", totalReconciliations=2),
    ]
    assert told(flux.look("21:56:00", applied("c", history, wait=True, timeout="90s")))[-1] == "c@21:42:04"


def test_a_wait_that_a_restarted_engine_began_anew_has_begun_with_the_first() -> None:
    flux = Told()
    history = [entry("1", "a", "09:00:00", "09:00:00")]
    flux.look("09:01:00", applied("a", history))
    flux.look("09:05:20", waiting("b", "a", history, "09:05:00"))
    anew = flux.look("09:06:20", waiting("b", "a", history, "09:06:00"))
    assert told(anew)[-1] == "b@09:05:00"
    ended = [entry("2", "b", "09:06:40", "09:06:40", lastReconciledDuration="40s"), *history]
    assert told(flux.look("09:06:41", applied("b", ended))) == ["a@08:59:59", "b@09:05:00"]


def test_a_wait_given_up_for_a_commit_to_something_else_goes_on_as_the_same_deployment() -> None:
    flux = Told()
    flux.past.alike = {SHA["b"], SHA["c"]}
    history = [entry("1", "a", "09:00:00", "09:00:00")]
    flux.look("09:01:00", applied("a", history))
    flux.look("09:05:20", waiting("b", "a", history, "09:05:00"))
    flux.look("09:05:31", waiting("c", "a", history, "09:05:30"))
    well = [entry("2", "c", "09:05:50", "09:05:50", lastReconciledDuration="20s"), *history]
    assert told(flux.look("09:05:51", applied("c", well))) == ["a@08:59:59", "b@09:05:00"]


def test_a_running_operation_and_the_deployments_bear_the_same_name() -> None:
    flux = Told("c@09:05:00")
    state = flux.look("09:31:00", applied("e", [BAD, GOOD]))
    assert state.operation is not None
    assert state.operation.revisions == (SHA["c"],)
    assert [one.revisions for one in deployments(state)] == [(SHA["b"],), (SHA["c"],)]


def test_there_and_back_again_are_two_deployments_of_which_the_last_began_lately() -> None:
    flux = Told()
    flux.look("09:01:00", applied("a", [entry("1", "a", "09:00:00", "09:00:00")]))
    bad = [entry("2", "b", "09:04:00", "09:04:00"), entry("1", "a", "09:00:00", "09:00:00")]
    flux.look("09:05:00", applied("b", bad))
    back = [entry("1", "c", "09:00:00", "09:45:00", totalReconciliations=2), bad[0]]
    assert told(flux.look("09:46:00", applied("c", back))) == ["a@08:59:59", "b@09:03:59", "c@09:44:59"]


def test_there_and_back_again_between_two_looks_is_seen_nevertheless() -> None:
    flux = Told()
    flux.look("09:01:00", applied("a", [entry("1", "a", "09:00:00", "09:00:00")]))
    back = [
        entry("1", "c", "09:00:00", "09:45:00", totalReconciliations=2),
        entry("2", "b", "09:40:00", "09:42:00", totalReconciliations=2),
    ]
    assert told(flux.look("09:46:00", applied("c", back))) == ["a@08:59:59", "b@09:39:59", "c@09:44:59"]


def test_content_that_came_back_unseen_is_as_old_as_it_can_be() -> None:
    """Its newest time moves with every interval: a restart must not make a new deployment of it."""
    history = [
        entry("1", "c", "08:00:00", "09:45:00", totalReconciliations=70),
        entry("2", "b", "08:30:00", "08:40:00", totalReconciliations=2),
    ]
    state = Told().look("09:46:00", applied("c", history))
    assert told(state) == ["b@08:29:59", "c@08:40:00"]
    assert state.health_changed_at is not None
    assert state.health_changed_at < moment("08:41:00")


def test_a_failed_content_that_gets_well_is_one_deployment() -> None:
    flux = Told()
    bad = entry(
        "2", "b", "09:05:00", "09:05:00", lastReconciledStatus="HealthCheckFailed", lastReconciledDuration="40s"
    )
    first = flux.look("09:05:01", failed("HealthCheckFailed", "b", "a", [bad], "09:05:00"))
    assert [one.deployed_at for one in deployments(first)] == [None]
    assert first.health is Health.DEGRADED
    well = [entry("2", "b", "09:09:00", "09:09:00"), bad]
    state = flux.look("09:10:01", applied("b", well))
    assert told(state) == ["b@09:04:20"]
    assert deployments(state)[0].deployed_at == moment("09:09:00")


def test_a_wait_given_up_for_something_newer_had_applied_what_it_waited_for() -> None:
    flux = Told()
    history = [entry("1", "a", "09:00:00", "09:00:00")]
    flux.look("09:01:00", applied("a", history))
    assert told(flux.look("09:05:03", waiting("b", "a", history, "09:05:00"))) == ["a@08:59:59"]
    lasting = flux.look("09:05:20", waiting("b", "a", history, "09:05:00"))
    assert (told(lasting)[-1], lasting.health) == ("b@09:05:00", Health.PROGRESSING)
    back = [entry("1", "c", "09:00:00", "09:05:30", totalReconciliations=2)]
    assert told(flux.look("09:05:31", applied("c", back))) == ["a@08:59:59", "b@09:05:00", "c@09:05:29"]


def test_a_short_wait_that_ends_as_it_began_was_none() -> None:
    flux = Told()
    history = [entry("1", "a", "09:00:00", "09:00:00")]
    flux.look("09:01:00", applied("a", history))
    brief = flux.look("09:05:03", waiting("b", "a", history, "09:05:00"))
    assert brief.health is Health.HEALTHY
    same = flux.look("09:05:06", applied("b", [entry("1", "b", "09:00:00", "09:05:05", totalReconciliations=2)]))
    assert told(same) == ["a@08:59:59"]
    assert same.health is Health.HEALTHY


def test_a_wait_after_a_failure_may_be_for_the_very_same_content() -> None:
    flux = Told()
    bad = entry(
        "2", "b", "09:05:00", "09:05:00", lastReconciledStatus="HealthCheckFailed", lastReconciledDuration="40s"
    )
    flux.look("09:05:01", failed("HealthCheckFailed", "b", "a", [bad], "09:05:00"))
    state = flux.look("09:07:00", waiting("c", "a", [bad], "09:06:30"))
    assert told(state) == ["b@09:04:20"]
    assert state.operation is not None
    assert (state.operation.in_progress, state.operation.revisions) == (True, ())


def test_an_object_made_anew_has_another_past() -> None:
    flux = Told()
    flux.look("09:01:00", applied("a", [entry("1", "a", "09:00:00", "09:00:00")]))
    again = applied("b", [entry("2", "b", "09:30:00", "09:30:00")])
    again["metadata"]["uid"] = "another"
    assert told(flux.look("09:31:00", again)) == ["b@09:29:59"]


def test_an_older_state_than_was_seen_is_no_ground_to_act_on_and_teaches_nothing() -> None:
    flux = Told()
    old = applied("a", [entry("1", "a", "09:00:00", "09:00:00")])
    first = entry("1", "a", "09:00:00", "09:05:00", totalReconciliations=2)
    new = applied("b", [entry("2", "b", "09:10:00", "09:10:00"), first])
    flux.look("09:11:00", new)
    stale = flux.look("09:11:05", old)
    assert "stale" in stale.malformed
    assert told(flux.look("09:11:10", new)) == ["a@08:59:59", "b@09:09:59"]
    assert not flux.look("09:11:11", new).malformed


def test_an_emptied_history_forgets_nothing_and_is_no_stale_answer() -> None:
    flux = Told()
    history = [entry("2", "b", "09:10:00", "09:10:00"), entry("1", "a", "09:00:00", "09:00:00")]
    flux.look("09:11:00", applied("b", history))
    empty = applied("b", history)
    empty["status"] = {"observedGeneration": -1}
    state = flux.look("09:12:00", empty)
    assert (state.malformed, told(state)) == ("", ["a@08:59:59", "b@09:09:59"])
    assert told(flux.look("09:13:00", applied("b", history))) == ["a@08:59:59", "b@09:09:59"]


def test_a_flux_without_history_tells_deployments_by_revision_where_nothing_says_that_they_are_equal() -> None:
    flux = Told()
    flux.look("09:11:00", applied("a", None))
    assert [one.revisions[0] for one in deployments(flux.look("09:12:00", applied("b", None)))] == [SHA["a"], SHA["b"]]


def test_a_flux_without_history_deploys_nothing_by_commits_that_leave_the_inputs_alone() -> None:
    flux = Told()
    flux.engine = Flux(flux.engine._settings, flux.cluster, flux.engine._changes, flux.clock, Alike())
    flux.look("09:11:00", applied("a", None))
    state = flux.look("09:12:00", applied("b", None))
    assert [one.revisions[0] for one in deployments(state)] == [SHA["a"]]
    assert state.sync_revisions == (SHA["b"],)


def test_a_flux_without_history_tells_what_failed_after_it_was_applied_and_not_what_was_not_built() -> None:
    flux = Told()
    flux.look("09:11:00", applied("a", None))
    unbuilt = failed("BuildFailed", "b", "a", [], "09:12:00")
    assert len(deployments(flux.look("09:12:01", unbuilt))) == 1
    state = flux.look("09:13:01", failed("HealthCheckFailed", "b", "a", [], "09:13:00"))
    assert [(one.revisions[0], one.deployed_at is None) for one in deployments(state)] == [
        (SHA["a"], False),
        (SHA["b"], True),
    ]
    assert state.sync_revisions == (SHA["b"],)
    assert state.health is Health.DEGRADED


def test_each_deployment_keeps_the_settings_that_it_was_made_with() -> None:
    flux = Told()
    flux.look("09:01:00", applied("a", [entry("1", "a", "09:00:00", "09:00:00")]))
    changed = applied(
        "b", [entry("2", "b", "09:05:00", "09:05:00"), entry("1", "a", "09:00:00", "09:00:00")], path="./x"
    )
    first, second = deployments(flux.look("09:06:00", changed))
    assert (first.sources[0].path, second.sources[0].path) == ("apps/cart", "x")
    assert spec_changed(second, first)


# HelmReleases with a chart from a registry: what changes them stands in the repository of their Kustomization.


def helm_world() -> Told:
    flux = Told()
    flux.cluster.put("helmrepositories", helm_repository())
    flux.cluster.put("helmcharts", helm_chart("1.0.0"))
    flux.cluster.put("kustomizations", applied("a", [entry("1", "a", "09:00:00", "09:00:00")], name="apps"))
    return flux


def upgrade(flux: Told, letter: str, version: str, config: str, number: int = 2) -> ApplicationState:
    history = [
        entry(version + config, letter, "09:10:00", "09:10:00"),
        entry("1", "a", "09:00:00", "09:00:00"),
    ]
    flux.cluster.put("gitrepositories", git_repository(letter))
    flux.look("09:10:01", applied(letter, history, name="apps"))
    flux.cluster.put("helmcharts", helm_chart(version))
    shots = [snapshot(number, version, "09:10:05", config), snapshot(1, "1.0.0", "09:00:05", status="superseded")]
    return flux.look("09:11:00", helm_release(version, shots), "helmreleases")


@pytest.mark.parametrize(
    ("values", "asked", "compared"),
    [
        ({"valuesFrom": [{"kind": "ConfigMap", "name": "values"}]}, "09:09:59", False),
        ({"valuesFrom": [{"kind": "ConfigMap", "name": "values"}]}, "09:10:30", True),
        ({"values": {"replicas": 2}}, "09:09:59", True),
    ],
    ids=["before its values came", "after its values came", "no values from elsewhere"],
)
def test_a_run_before_the_values_had_come_has_not_compared_with_them(
    values: dict[str, Any], asked: str, compared: bool
) -> None:
    flux = helm_world()
    release = helm_release("1.0.0", [snapshot(1, "1.0.0", "09:00:05")], **values)
    flux.look("09:01:00", release, "helmreleases")
    flux.cluster.put("gitrepositories", git_repository("b"))
    changed = [entry("2", "b", "09:10:00", "09:10:00"), entry("1", "a", "09:00:00", "09:00:00")]
    flux.look("09:10:01", applied("b", changed, name="apps"))
    token = f"rb-0123456789abcdef/2026-11-23T{asked}+00:00"
    release["metadata"]["annotations"] = {"reconcile.fluxcd.io/requestedAt": token}
    release["status"]["lastHandledReconcileAt"] = token
    state = flux.look("09:11:00", release, "helmreleases")
    assert state.reconciled_at is not None
    assert (state.reconciled_at >= moment("09:09:59")) is compared
    assert converged(state, lambda one: one == SHA["b"], moment("09:09:59"), 1)[0] is compared


@pytest.mark.parametrize(("version", "config"), [("1.1.0", "c1"), ("1.0.0", "c2")])
def test_a_new_version_or_new_values_are_a_deployment_by_the_commit_that_its_kustomization_applied(
    version: str, config: str
) -> None:
    flux = helm_world()
    flux.look("09:01:00", helm_release("1.0.0", [snapshot(1, "1.0.0", "09:00:05")]), "helmreleases")
    state = upgrade(flux, "b", version, config)
    assert [one.revisions for one in deployments(state)] == [("1.0.0", SHA["a"]), (version, SHA["b"])]
    first, second = deployments(state)
    assert not spec_changed(second, first)  # the version stands in git, where a commit takes it back
    assert state.sync_revisions == (version, SHA["b"])
    assert [(one.chart, one.path) for one in state.sources] == [("bill", ""), ("", "apps/cart")]


def test_the_same_chart_and_values_released_again_are_no_deployment() -> None:
    flux = helm_world()
    flux.look("09:01:00", helm_release("1.0.0", [snapshot(1, "1.0.0", "09:00:05")]), "helmreleases")
    shots = [snapshot(2, "1.0.0", "09:20:05"), snapshot(1, "1.0.0", "09:00:05", status="superseded")]
    state = flux.look("09:21:00", helm_release("1.0.0", shots), "helmreleases")
    assert [one.history_id for one in deployments(state)] == [1]


def test_a_revert_after_flux_went_back_by_itself_is_seen_by_the_state_since_helm_does_nothing() -> None:
    flux = helm_world()
    flux.look("09:01:00", helm_release("1.0.0", [snapshot(1, "1.0.0", "09:00:05")]), "helmreleases")
    shots = [
        snapshot(3, "1.0.0", "09:12:00", action="rollback"),
        snapshot(2, "1.1.0", "09:11:00", status="failed"),
        snapshot(1, "1.0.0", "09:00:05", status="superseded"),
    ]
    flux.cluster.put("helmcharts", helm_chart("1.1.0"))
    bad = helm_release("1.1.0", shots)
    taken_back = condition("Ready", "False", "RollbackSucceeded", "Helm rollback succeeded", "09:12:01")
    bad["status"]["conditions"] = [taken_back]
    apps = [entry("2", "b", "09:10:00", "09:10:00"), entry("1", "a", "09:00:00", "09:00:00")]
    flux.cluster.put("gitrepositories", git_repository("b"))
    flux.look("09:10:30", applied("b", apps, name="apps"))
    before = flux.look("09:13:00", bad, "helmreleases")
    assert [one.initiated_by for one in before.history] == ["automated", "automated", "engine-remediation"]
    assert [one.revisions[1] for one in before.history] == [SHA["a"], SHA["b"], SHA["a"]]
    assert [one.revisions[1] for one in deployments(before)] == [SHA["a"], SHA["b"]]
    pushed = moment("09:20:00")
    assert not converged(before, lambda one: one == SHA["c"], pushed, 1, (SHA["b"],))[0]

    flux.cluster.put("gitrepositories", git_repository("c"))
    back = entry("1", "c", "09:00:00", "09:20:30", totalReconciliations=2)
    flux.look("09:20:31", applied("c", [back, apps[0]], name="apps"))
    flux.cluster.put("helmcharts", helm_chart("1.0.0"))
    good = helm_release("1.0.0", shots)
    good["status"]["conditions"] = [
        condition("Ready", "True", "UpgradeSucceeded", "Helm upgrade succeeded", "09:20:40")
    ]
    after = flux.look("09:21:00", good, "helmreleases")
    assert len(deployments(after)) == 2
    assert converged(after, lambda one: one == SHA["c"], pushed, 1, (SHA["b"],)) == (True, "")


def test_a_release_that_flux_tries_again_and_again_is_one_deployment() -> None:
    flux = helm_world()
    shots = [
        snapshot(5, "1.0.0", "09:22:00", action="rollback"),
        snapshot(4, "1.1.0", "09:21:00", status="failed"),
        snapshot(3, "1.0.0", "09:12:00", action="rollback", status="superseded"),
        snapshot(2, "1.1.0", "09:11:00", status="failed"),
        snapshot(1, "1.0.0", "09:00:05", status="superseded"),
    ]
    flux.cluster.put("gitrepositories", git_repository("b"))
    apps = [entry("2", "b", "09:10:00", "09:10:00"), entry("1", "a", "09:00:00", "09:00:00")]
    flux.look("09:10:30", applied("b", apps, name="apps"))
    state = flux.look("09:23:00", helm_release("1.1.0", shots), "helmreleases")
    runs = distinct(deployments(state))
    assert [(one.revisions[1], one.started_at) for one in runs] == [
        (SHA["a"], moment("09:00:05")),
        (SHA["b"], moment("09:11:00")),
    ]


@pytest.mark.parametrize("mode", ["enabled", "warn"])
def test_drift_is_told_and_is_no_deployment(mode: str) -> None:
    flux = helm_world()
    shots = [snapshot(1, "1.0.0", "09:00:05")]
    before = flux.look("09:01:00", helm_release("1.0.0", shots, driftDetection={"mode": mode}), "helmreleases")
    drifted = helm_release("1.0.0", shots, driftDetection={"mode": mode})
    drifted["status"]["conditions"].append(condition("Drifted", "True", "DriftDetected", "replicas changed"))
    after = flux.look("09:30:00", drifted, "helmreleases")
    assert deployments(after) == deployments(before)
    assert "replicas changed" in dict(after.conditions)["Drifted"]
    assert after.self_heal is (mode == "enabled")


def test_a_release_behind_its_kustomization_is_not_synced() -> None:
    flux = helm_world()
    release = helm_release("1.0.0", [snapshot(1, "1.0.0", "09:00:05")])
    assert flux.look("09:01:00", release, "helmreleases").sync.value == "Synced"
    flux.cluster.put("gitrepositories", git_repository("b"))
    assert flux.look("09:02:00", release, "helmreleases").sync.value == "OutOfSync"


def test_a_release_that_nothing_from_git_brings_says_so() -> None:
    flux = helm_world()
    state = flux.look("09:01:00", helm_release("1.0.0", [], owner=""), "helmreleases")
    assert "no commit changes its values" in in_the_way(state)["NotGit"]
    assert [one.chart for one in state.sources] == ["bill"]
    assert state.sources[0].target_revision == "1.0.0"


def test_a_chart_without_a_commit_in_its_version_goes_by_its_kustomization_where_both_are_one_source() -> None:
    flux = helm_world()
    source = {"kind": "GitRepository", "name": "fleet"}
    chart = made(
        "HelmChart",
        "flux-system-bill",
        {"chart": "charts/bill", "sourceRef": source},
        {"artifact": {"revision": "1.0.0"}, "observedSourceArtifactRevision": rev("a")},
    )
    flux.cluster.put("helmcharts", chart)
    spec = {"chart": {"spec": {"chart": "./charts/bill", "sourceRef": source}}}
    state = flux.look("09:01:00", helm_release("1.0.0", [snapshot(1, "1.0.0", "09:00:05")], **spec), "helmreleases")
    assert deployments(state)[0].revisions == (SHA["a"], SHA["a"])
    assert [one.path for one in state.sources] == ["charts/bill", "apps/cart"]


def under_way(letter: str, at_work: str, stage: str, **history: Any) -> dict[str, Any]:
    """As kustomize-controller shows itself, for a part of a second or for many, at each interval and each commit."""
    one = applied(letter, [entry("1", letter, "09:00:00", "09:09:00", totalReconciliations=9, **history)], wait=True)
    message = f"{stage} for revision {rev(at_work)} with a timeout of 1m30s"
    one["status"]["conditions"] = [
        condition("Reconciling", "True", "Progressing", message, "09:10:00"),
        condition("Ready", "Unknown", "Progressing", "Reconciliation in progress", "09:10:00"),
    ]
    one["status"]["lastAttemptedRevision"] = rev(at_work)
    return one


@pytest.mark.parametrize(
    "stage", ["Fetching manifests", "Building manifests", "Detecting drift", "Running health checks"]
)
@pytest.mark.parametrize(
    ("at_work", "busy", "sync"),
    [
        pytest.param("a", False, "Synced", id="the-same-at-each-interval"),
        pytest.param("b", False, "Synced", id="a-commit-to-something-else"),
        pytest.param("c", True, "", id="a-commit-to-its-own-files"),
    ],
)
def test_a_short_run_that_brings_nothing_is_no_operation_and_no_change_of_anything(
    stage: str, at_work: str, busy: bool, sync: str
) -> None:
    flux = Told()
    flux.past.alike = {SHA["a"], SHA["b"]}
    flux.cluster.put("gitrepositories", git_repository(at_work))
    state = flux.look("09:10:02", under_way("a", at_work, stage))
    assert (state.busy, not sync or state.sync == sync) == (busy, True)
    assert busy or state.health is Health.HEALTHY
    assert [one.revisions for one in deployments(state)] == [(SHA["a"],)]


def test_a_run_that_brings_nothing_is_an_operation_where_it_lasts_or_what_runs_is_not_well() -> None:
    flux = Told()
    flux.cluster.put("gitrepositories", git_repository("a"))
    assert flux.look("09:10:40", under_way("a", "a", "Running health checks")).busy
    failed_before = under_way("a", "a", "Building manifests", lastReconciledStatus="HealthCheckFailed")
    assert Told().look("09:10:02", failed_before).busy
