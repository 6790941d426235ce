"""What is told of a HelmRelease while Flux itself tries, fails and goes back: over real HTTP, on the sandbox's Flux."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from engine_doors import PATIENCE, HelmDoor, flux_door, until
from sandbox_flux_world import FLUX, chart, helm_release

from gitops_rollback.core.deployments import deployments
from gitops_rollback.core.sync import REMEDIATION, ApplicationState, Health, SyncStatus
from gitops_rollback.sandbox.kubernetes.kinds import HELM_RELEASE

RETRIED = "  timeout: 20s\n  upgrade: {remediation: {retries: 1}}\n"


@pytest.fixture
def at(tmp_path: Path) -> Iterator[HelmDoor]:
    with flux_door("helm", tmp_path) as made:
        assert isinstance(made, HelmDoor)
        yield made


def push(at: HelmDoor, tag: str, more: str = RETRIED) -> str:
    files = {path: f"{text}{more}" for path, text in helm_release("cart", tag).items()}
    return at.people.push("change", files, at.now())


def fail(at: HelmDoor, more: str = RETRIED) -> str:
    """A release that Flux tries twice, and takes back; the bad revision."""
    at.listed()
    bad = push(at, "slow", more)
    at.ask(bad)

    def has_given_up() -> bool:
        at.listed()
        status = at.kubernetes.store.get(HELM_RELEASE, "cart", FLUX)["status"]
        return any(one["type"] == "Stalled" for one in status["conditions"])

    until(has_given_up, "Flux has given up")
    return bad


def told(state: ApplicationState) -> list[tuple[str, bool, bool]]:
    """Of each release the revision, whether it went well, and whether it was Flux that went back."""
    return [(one.revisions[-1], one.deployed_at is not None, one.initiated_by == REMEDIATION) for one in state.history]


def test_what_flux_goes_back_to_keeps_its_own_revision_over_all_tries(at: HelmDoor) -> None:
    good = push(at, "v2")
    at.fetch(good)
    bad = fail(at)
    (state,) = at.listed()
    assert told(state)[-5:] == [
        (good, True, False),
        (bad, False, False),
        (good, True, True),
        (bad, False, False),
        (good, True, True),
    ]
    assert [one.revisions[-1] for one in deployments(state)][-3:] == [good, bad, bad]
    assert (state.health, state.sync) == (Health.DEGRADED, SyncStatus.OUT_OF_SYNC)


def test_who_starts_anew_takes_no_return_of_fluxs_for_a_release_of_the_bad_commit(at: HelmDoor) -> None:
    at.fetch(push(at, "v2"))
    bad = fail(at)
    anew = [one for one in at.other("", PATIENCE).applications() if one.id == at.app]
    assert [(one.revisions[-1], one.deployed_at) for one in deployments(anew[0])] == [(bad, None)]


def test_the_revert_after_flux_went_back_is_seen_though_no_release_follows(at: HelmDoor) -> None:
    at.fetch(push(at, "v2"))
    fail(at)
    since, revert = at.now(), push(at, "v2")
    newest = at.kubernetes.store.get(HELM_RELEASE, "cart", FLUX)["status"]["history"][0]
    at.fetch(revert)
    until(lambda: at.arrived(revert, since), "the revert has arrived")
    assert at.kubernetes.store.get(HELM_RELEASE, "cart", FLUX)["status"]["history"][0] == newest
    assert at.state().health is Health.HEALTHY


def test_a_release_that_moved_elsewhere_is_a_deployment_though_its_number_is_the_same(at: HelmDoor) -> None:
    (before,) = at.listed()
    files = {path: f"{text}".replace(": fleet\n", ": other\n") for path, text in helm_release("cart", "v1").items()}
    moved = at.people.push("move", files, at.now())
    at.fetch(moved)
    until(lambda: bool(told(at.listed()[0])[1:]), "it is told")
    (state,) = at.listed()
    assert [one[:2] for one in told(state)] == [(before.sync_revisions[-1], True), (moved, True)]


def test_after_an_uninstall_by_flux_the_numbers_begin_anew_and_the_revert_is_one_more(at: HelmDoor) -> None:
    uninstalled = "  upgrade: {remediation: {retries: 1, strategy: uninstall}}\n  timeout: 20s\n"
    at.fetch(push(at, "v2", uninstalled))
    bad = fail(at, uninstalled)
    since, revert = at.now(), push(at, "v2", uninstalled)
    at.fetch(revert)
    until(lambda: at.arrived(revert, since), "the revert has arrived")
    assert [one.revisions[-1] for one in deployments(at.listed()[0])][-2:] == [bad, revert]


def test_a_revert_that_flux_looked_at_after_it_had_gone_back_by_itself_has_arrived(at: HelmDoor) -> None:
    patient = "  timeout: 60s\n  upgrade: {remediation: {remediateLastFailure: true}}\n"
    at.fetch(push(at, "v2", patient))
    at.listed()
    at.ask(push(at, "slow", patient))
    until(lambda: at.listed()[0].health is Health.PROGRESSING, "Flux waits for it")
    since, revert = at.now(), push(at, "v2", patient)
    at.ask(revert)
    until(lambda: at.arrived(revert, since), "the revert has arrived")
    (state,) = at.listed()
    assert [bad for _, ok, bad in told(state) if ok][-1:] == [True]


def test_the_first_release_and_a_new_chart_are_told_by_their_own_commits(at: HelmDoor) -> None:
    first = at.state().sync_revisions[-1]
    second = at.release("v2")
    at.listed()
    bumped = at.people.push("a new chart", chart("cart", version="0.2.0"), at.now())
    at.fetch(bumped)
    until(lambda: len(told(at.listed()[0])) == 3, "the new chart is released")
    assert [one.revisions[-1] for one in deployments(at.listed()[0])] == [first, second, bumped]
