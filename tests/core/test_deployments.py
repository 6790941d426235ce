"""What counts as a deployment, which one is under watch, and which source is ours."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops_rollback.core.deployments import (
    contains_our_operation,
    deployments,
    distinct,
    holes,
    joined,
    remembered,
    revision_in,
    source_index,
    watched,
)
from gitops_rollback.core.sync import (
    ApplicationId,
    ApplicationState,
    DeploymentRecord,
    Health,
    Operation,
    OperationPhase,
    ResourceResult,
    Source,
    SyncStatus,
)

T0 = datetime(2026, 8, 20, 10, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WINDOW = timedelta(minutes=30)
GOOD, BAD, OTHER = "a" * 40, "b" * 40, "c" * 40
SOURCE = Source("https://git.example/config.git", "apps/shop", "main")
APPLIED = ResourceResult("apps", "Deployment", "shop", "web", "Synced")
PRUNED = replace(APPLIED, status="Pruned")
FAILED_TO_APPLY = ResourceResult("apps", "Deployment", "shop", "web", "SyncFailed")


def at(minutes: float) -> datetime:
    return T0 + minutes * MINUTE


def record(
    revision: str, start: float, end: float | None = None, source: Source = SOURCE, **more: int
) -> DeploymentRecord:
    return DeploymentRecord((revision,), (source,), at(start), at(start if end is None else end), **more)


def operation(revision: str = BAD, phase: str = "Running", start: float = 10, **more: object) -> Operation:
    plain = Operation(OperationPhase(phase), (revision,), (SOURCE,), at(start))
    finished = at(start + 1) if plain.phase.ended else None
    return replace(plain, **{"finished_at": finished, "in_progress": not plain.phase.ended, **more})


def state(*history: DeploymentRecord, **more: object) -> ApplicationState:
    plain = ApplicationState(
        id=ApplicationId("default", "Application", "argocd", "shop"),
        uid="u",
        project="web",
        destination="https://kubernetes.default.svc",
        namespace="shop",
        sources=(SOURCE,),
        sync=SyncStatus.SYNCED,
        sync_revisions=(BAD,),
        health=Health.HEALTHY,
        observed_at=at(60),
        history=history,
    )
    return replace(plain, **more)


def told(seen: ApplicationState) -> list[tuple[str, datetime]]:
    return [(one.revisions[0], one.started_at) for one in deployments(seen)]


def test_the_history_is_told_oldest_first_and_each_is_replaced_by_the_next() -> None:
    found = deployments(state(record(GOOD, 0), record(BAD, 10)))
    assert [one.replaced_at for one in found] == [at(10), None]


def test_an_application_never_deployed_has_no_deployment() -> None:
    assert deployments(state()) == ()


def test_a_compared_revision_is_no_deployment() -> None:
    assert told(state(record(GOOD, 0), sync_revisions=(OTHER,))) == [(GOOD, T0)]


def test_a_resync_of_one_revision_has_its_own_record_and_is_one_distinct_state() -> None:
    again = state(record(GOOD, 0, 1), record(GOOD, 5), record(BAD, 10))
    assert told(again) == [(GOOD, T0), (GOOD, at(5)), (BAD, at(10))]
    merged = distinct(deployments(again))
    assert [(one.started_at, one.deployed_at, one.replaced_at) for one in merged] == [
        (T0, at(1), at(10)),
        (at(10), at(10), None),
    ]


def test_equal_revisions_with_other_sources_are_two_deployments() -> None:
    changed = replace(SOURCE, parameters='{"helm":{"parameters":[]}}')
    found = distinct(deployments(state(record(GOOD, 0), record(GOOD, 10, source=changed))))
    assert [one.sources for one in found] == [(SOURCE,), (changed,)]


def test_going_back_to_an_earlier_revision_is_a_deployment() -> None:
    found = distinct(deployments(state(record(GOOD, 0), record(BAD, 10), record(GOOD, 20))))
    assert [one.revisions[0] for one in found] == [GOOD, BAD, GOOD]


# Which last operations are deployments of their own, after a history that ends with GOOD.
OPERATIONS = [
    pytest.param(operation(), True, id="running on a new revision, nothing reported yet"),
    pytest.param(operation(results=(APPLIED,), retry_count=2, finished_at=at(11)), True, id="between two retries"),
    pytest.param(operation(phase="Terminating"), True, id="terminating"),
    pytest.param(operation(phase="Unknown"), True, id="in a phase that we do not know"),
    pytest.param(operation(phase="Failed", results=(APPLIED,)), True, id="failed after it applied"),
    pytest.param(operation(phase="Error", results=(APPLIED, FAILED_TO_APPLY)), True, id="error half way"),
    pytest.param(operation(phase="Failed", results=(PRUNED,)), True, id="failed after a prune"),
    pytest.param(operation(phase="Failed", results=(FAILED_TO_APPLY,)), False, id="failed before anything"),
    pytest.param(operation(phase="Error"), False, id="error without results"),
    pytest.param(operation(phase="Succeeded"), True, id="succeeded where no history is kept"),
    pytest.param(operation(phase="Succeeded", partial=True), True, id="self-heal on a new revision"),
    pytest.param(operation(GOOD, "Succeeded", partial=True), False, id="self-heal on the same revision"),
    pytest.param(operation(GOOD), False, id="running on the same revision"),
    pytest.param(operation(GOOD, "Failed", results=(APPLIED,)), False, id="failed re-sync of the same revision"),
    pytest.param(operation(dry_run=True), False, id="dry run"),
    pytest.param(operation(phase="Succeeded", dry_run=True), False, id="dry run that succeeded"),
    pytest.param(replace(operation(), revisions=()), False, id="revision not resolved yet"),
    pytest.param(operation(""), False, id="revision empty"),
    pytest.param(operation(message="Sync operation blocked by sync window"), False, id="held by a window"),
    pytest.param(
        operation(message="Sync operation blocked by sync window", results=(APPLIED,)), True, id="held half way"
    ),
]


@pytest.mark.parametrize(("last", "counts"), OPERATIONS)
def test_an_operation_outside_the_history_counts_if_it_may_have_changed_the_cluster(
    last: Operation, counts: bool
) -> None:
    found = told(state(record(GOOD, 0), operation=last))
    assert found == [(GOOD, T0), *([(last.revisions[0], at(10))] if counts else [])]


def test_an_operation_that_stands_in_the_history_counts_once() -> None:
    assert told(state(record(GOOD, 0), record(BAD, 10, 11), operation=operation(phase="Succeeded"))) == [
        (GOOD, T0),
        (BAD, at(10)),
    ]


def test_a_failed_deployment_was_never_deployed_and_replaces_the_one_before() -> None:
    first, failed = deployments(state(record(GOOD, 0), operation=operation(phase="Failed", results=(APPLIED,))))
    assert first.replaced_at == at(10)
    assert failed.deployed_at is None
    assert failed.history_id is None


def test_a_deployment_that_the_engine_forgot_is_remembered() -> None:
    failed = state(record(GOOD, 0), operation=operation(phase="Failed", results=(APPLIED,)))
    known = remembered((), failed)
    later = state(record(GOOD, 0), operation=operation(OTHER, start=20))
    assert [one.revisions[0] for one in remembered(known, later)] == [GOOD, BAD, OTHER]
    assert [one.replaced_at for one in remembered(known, later)] == [at(10), at(20), None]


def test_a_trimmed_history_is_remembered_up_to_a_hundred_records() -> None:
    known = tuple(record(f"{number:040x}", number) for number in range(150))
    kept = remembered(known, state(record(BAD, 200)))
    assert len(kept) == 100
    assert kept[-1].revisions == (BAD,)
    assert kept[0].revisions == (f"{51:040x}",)


def test_an_operation_that_was_seen_running_and_changed_nothing_is_forgotten() -> None:
    known = remembered((), state(record(GOOD, 0), operation=operation()))
    assert len(known) == 2
    ended = state(record(GOOD, 0), operation=operation(phase="Failed"))
    assert [one.revisions[0] for one in remembered(known, ended)] == [GOOD]


def test_what_was_remembered_running_is_replaced_by_its_history_entry() -> None:
    known = remembered((), state(record(GOOD, 0), operation=operation()))
    ended = state(record(GOOD, 0), record(BAD, 10, 11, history_id=7), operation=operation(phase="Succeeded"))
    assert [one.history_id for one in remembered(known, ended)] == [None, 7]


def watch(seen: ApplicationState, now: float) -> str | None:
    event = watched(seen, at(now), WINDOW)
    return event.record.revisions[0] if event else None


DEGRADED = state(record(GOOD, 0), record(BAD, 10, 12), health=Health.DEGRADED, health_changed_at=at(13))
RECOVERED = replace(DEGRADED, health=Health.HEALTHY, health_changed_at=at(20))
NEVER_LEFT = replace(DEGRADED, health=Health.HEALTHY, health_changed_at=at(-100))
CRASHING = state(record(GOOD, 0), health=Health.PROGRESSING, operation=operation(results=(APPLIED,)))
RETRYING = replace(CRASHING, health=Health.HEALTHY, operation=operation(results=(APPLIED,), finished_at=at(11)))
FAILED = state(record(GOOD, 0), health_changed_at=at(-1), operation=operation(phase="Failed", results=(APPLIED,)))


@pytest.mark.parametrize(
    ("seen", "last_minute"),
    [
        pytest.param(DEGRADED, 130, id="not Healthy: two hours from the start"),
        pytest.param(RECOVERED, 50, id="Healthy since: a window from then on"),
        pytest.param(NEVER_LEFT, 42, id="never left Healthy: a window after it was deployed"),
        pytest.param(replace(NEVER_LEFT, health_changed_at=None), 42, id="no time of health: the same"),
        pytest.param(replace(RECOVERED, health_changed_at=at(10)), 42, id="Healthy before it was deployed: the same"),
        pytest.param(replace(RECOVERED, health_changed_at=at(115)), 130, id="Healthy late: two hours are the end"),
        pytest.param(replace(NEVER_LEFT, health=Health.UNKNOWN), 130, id="health unknown: it is not Healthy"),
        pytest.param(CRASHING, 130, id="still being deployed: watched from the start"),
        pytest.param(replace(CRASHING, health=Health.HEALTHY), 130, id="Healthy but still being deployed"),
        pytest.param(RETRYING, 130, id="Healthy between two attempts"),
        pytest.param(FAILED, 41, id="failed after it applied: a window after it ended"),
    ],
)
def test_a_deployment_is_watched_from_its_start_until_it_was_healthy_for_the_window(
    seen: ApplicationState, last_minute: int
) -> None:
    assert watch(seen, 10) == BAD
    assert watch(seen, last_minute - 0.01) == BAD
    assert watch(seen, last_minute) is None


def test_a_deployment_that_the_engine_forgot_is_watched_by_its_start() -> None:
    seen = state(record(GOOD, 0), health_changed_at=at(-1), operation=None)
    forgotten = replace(record(BAD, 10), deployed_at=None)
    known = (*deployments(seen), forgotten)
    assert watched(seen, at(39), WINDOW, records=known) is not None
    assert watched(seen, at(40), WINDOW, records=known) is None


def test_the_event_names_what_was_replaced() -> None:
    event = watched(DEGRADED, at(11), WINDOW)
    assert event is not None
    assert event.application.name == "shop"
    assert event.previous is not None
    assert event.previous.revisions == (GOOD,)


def test_a_first_deployment_replaced_nothing() -> None:
    event = watched(state(record(BAD, 10)), at(11), WINDOW)
    assert event is not None
    assert event.previous is None


def test_a_resync_neither_restarts_the_watch_nor_hides_what_was_replaced() -> None:
    event = watched(replace(DEGRADED, history=(*DEGRADED.history, record(BAD, 20))), at(25), WINDOW)
    assert event is not None
    assert event.record.started_at == at(10)
    assert event.previous is not None
    assert event.previous.revisions == (GOOD,)


def test_the_hard_end_is_the_callers() -> None:
    assert watched(DEGRADED, at(19), WINDOW, hard_end=10 * MINUTE) is not None
    assert watched(DEGRADED, at(20), WINDOW, hard_end=10 * MINUTE) is None


def test_nothing_is_watched_without_a_deployment() -> None:
    assert watched(state(), T0, WINDOW) is None


def test_a_clock_that_is_a_little_behind_is_borne_and_a_wrong_one_is_not() -> None:
    assert watch(DEGRADED, 5) == BAD
    assert watch(DEGRADED, 4.9) is None


def test_sources_of_our_repository_are_found_and_charts_never() -> None:
    chart = Source("https://git.example/config.git", chart="web")
    other = Source("https://charts.example")
    sources = (other, SOURCE, chart, replace(SOURCE, path="common"))
    assert source_index(sources, lambda source: source.repo_url == SOURCE.repo_url) == (1, 3)
    assert source_index((), lambda source: True) == ()


def test_a_revision_is_only_what_the_engine_said() -> None:
    both = replace(record(GOOD, 0), revisions=(GOOD, ""))
    assert [revision_in(both, index) for index in (0, 1, 2, -1)] == [GOOD, None, None, None]


def test_our_operation_is_known_by_its_mark_before_and_after_it_starts() -> None:
    mark = {"rollback-id": "rb-1"}
    assert contains_our_operation(state(requested_info=mark), "rb-1")
    assert contains_our_operation(state(operation=operation(info=mark)), "rb-1")
    assert not contains_our_operation(state(operation=operation(info=mark)), "rb-2")
    assert not contains_our_operation(state(operation=operation()), "rb-1")
    assert not contains_our_operation(state(), "rb-1")


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        pytest.param((3, 4, 5), [], id="all-are-known"),
        pytest.param((3, 6, 7), [(0, 1)], id="two-were-trimmed-while-nobody-looked"),
        pytest.param((None, 4, 5), [(0, 1)], id="before-the-oldest-that-is-told"),
        pytest.param((None, 1, 2), [], id="before-the-very-first"),
        pytest.param((None, None), [], id="an-engine-without-numbers"),
        pytest.param((3, None, 4), [], id="a-failed-one-has-no-number"),
        pytest.param((), [], id="nothing-was-deployed"),
    ],
)
def test_what_the_engine_no_longer_tells_is_known_by_its_numbers(
    numbers: tuple[int | None, ...], found: list[tuple[int, int]]
) -> None:
    records = tuple(replace(record(GOOD, minute), history_id=number) for minute, number in enumerate(numbers))
    assert holes(records) == tuple((at(start), at(end)) for start, end in found)


def _by_letter(before: DeploymentRecord, after: DeploymentRecord) -> bool:
    """Revisions of one letter render the same."""
    return before.revisions[0][0] == after.revisions[0][0]


SAME = BAD[0] + "1" * 39


@pytest.mark.parametrize(
    ("history", "left"),
    [
        pytest.param([(GOOD, 0), (BAD, 1), (SAME, 2)], [(GOOD, 0), (BAD, 1)], id="the-last-brought-nothing"),
        pytest.param([(BAD, 1), (SAME, 2), (BAD, 3), (SAME, 4)], [(BAD, 1)], id="all-of-them-are-one"),
        pytest.param([(BAD, 1), (SAME, 2), (GOOD, 3)], [(BAD, 1), (SAME, 2), (GOOD, 3)], id="only-the-newest-run"),
        pytest.param([(GOOD, 0), (BAD, 1), (BAD, 2), (SAME, 3)], [(GOOD, 0), (BAD, 1)], id="synced-again-between"),
        pytest.param([], [], id="never-deployed"),
    ],
)
def test_deployments_that_brought_nothing_belong_to_the_one_before_them(
    history: list[tuple[str, int]], left: list[tuple[str, int]]
) -> None:
    found = joined([record(revision, start) for revision, start in history], _by_letter)
    assert [(one.revisions[0], one.started_at) for one in found] == [(revision, at(start)) for revision, start in left]
    assert [one.replaced_at for one in found] == [*(one.started_at for one in found[1:]), *([None] if found else [])]


def test_a_failed_deployment_is_done_when_the_same_succeeded_under_another_name() -> None:
    failed = replace(record(BAD, 1), deployed_at=None)
    assert joined([failed, record(SAME, 2, 3)], _by_letter) == (replace(failed, deployed_at=at(3)),)


def test_nothing_is_joined_over_what_the_engine_no_longer_tells() -> None:
    gap = [record(BAD, 1, history_id=4), record(SAME, 2, history_id=6)]
    assert len(joined(gap, _by_letter)) == 2
    assert len(joined([gap[0], replace(gap[1], history_id=5)], _by_letter)) == 1
