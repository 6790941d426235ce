"""Writing: what was decided is kept and told, whatever the journal's branch says."""

from __future__ import annotations

from pathlib import Path

from app_world import MINUTE, START, TICK, Replica, World, running, ship

from gitops_rollback.core.errors import CredentialsRejected
from gitops_rollback.core.stop import SETTINGS_DOOR, PauseState
from gitops_rollback.ports import PushResult

LATER = START + 3 * MINUTE
JOURNAL = "refs/heads/gitops-rollback-journal"


def _close_journal(world: World) -> Path:
    """The server takes pushes to every branch but the journal."""
    hook = world.bare / "hooks" / "update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f'#!/bin/sh\n[ "$1" = {JOURNAL} ] && echo protected branch && exit 1\nexit 0\n')
    hook.chmod(0o755)
    return hook


def _broken(world: World) -> Replica:
    """A controller at START, one tick old; web breaks a minute later."""
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    return one


def _break_again(world: World, revision: str) -> None:
    """It was quiet from LATER on, and breaks after this deployment."""
    world.metrics.mend("web", LATER)
    world.engine.deploy("web", revision, LATER + MINUTE)
    world.metrics.break_from("web", LATER + 2 * MINUTE)


def test_a_journal_that_was_closed_at_the_start_only_suggests_and_acts_once_it_is_open(world: World) -> None:
    hook = _close_journal(world)
    one = _broken(world)
    one.until(START, START + MINUTE)
    assert "JournalUnwritable" in one.told.reasons
    assert world.reverts() == 0
    hook.unlink()
    one.until(START + MINUTE, LATER)
    assert world.reverts() == 1


def test_a_rollback_that_went_alone_is_followed_and_gets_its_record_when_the_journal_opens(world: World) -> None:
    one = _broken(world)
    one.tick(START)
    hook = _close_journal(world)
    one.until(START + MINUTE, LATER)
    assert world.reverts() == 1
    assert world.engine.synced
    world.metrics.mend("web", LATER)
    hook.unlink()
    last = one.until(LATER, START + 8 * MINUTE)[-1]
    assert [record.outcome for record in last.view.journal.records.values()] == ["verified"]


def test_a_restart_knows_by_its_commit_what_the_journal_never_took(world: World) -> None:
    one = _broken(world)
    one.tick(START)
    _close_journal(world)
    one.until(START + MINUTE, LATER)
    assert world.reverts() == 1
    (world.bare / "hooks" / "update").unlink()
    again = ship(world, "web", LATER, old="1.0", new="1.1")
    two = world.replica("two")
    _break_again(world, again)
    two.until(LATER + MINUTE, LATER + 5 * MINUTE)
    assert world.reverts() == 1
    assert "JournalLost" in two.told.reasons


def test_a_lost_journal_is_not_begun_anew_in_silence(world: World) -> None:
    one = _broken(world)
    one.until(START, LATER)
    assert world.reverts() == 1
    world.people.git("update-ref", "-d", JOURNAL)
    again = ship(world, "web", LATER, old="1.0", new="1.1")
    two = world.replica("two")
    _break_again(world, again)
    two.until(LATER + MINUTE, LATER + 5 * MINUTE)
    assert world.reverts() == 1
    assert "JournalLost" in two.told.reasons


def test_a_page_is_told_though_the_journal_cannot_be_reached(world: World) -> None:
    one = _broken(world)
    one.tick(START)
    one.reconciler.surroundings.settings_pause = lambda: PauseState(SETTINGS_DOOR, unreadable="torn")
    one.until(START + MINUTE / 4, START + MINUTE)
    broken = _Refusing(one)
    one.until(START + MINUTE, LATER)
    assert broken.asked
    assert "Paused" in one.told.reasons or "PauseUnreadable" in one.told.reasons


class _Refusing:
    """Every push raises, as rejected credentials do."""

    def __init__(self, replica: Replica) -> None:
        self.asked = 0
        replica.reconciler.executor._journal_repo = self
        self._repo = replica.repo

    def push(self, updates: object) -> PushResult:
        self.asked += 1
        raise CredentialsRejected("shop/config", "401")

    def __getattr__(self, name: str) -> object:
        return getattr(self._repo, name)


def test_two_replicas_that_see_different_things_do_not_answer_each_other_at_every_tick(world: World) -> None:
    running(world, "web")
    one, two = world.replica("one"), world.replica("two")
    one.reconciler.surroundings.settings_pause = lambda: PauseState(SETTINGS_DOOR, unreadable="torn")
    for n in range(6):
        one.tick(START + n * TICK)
        two.tick(START + n * TICK + TICK / 3)
    assert one.told.reasons.count("PauseUnreadable") == 1
    assert len(two.told.reasons) <= 1


def test_a_failure_is_paged_once_a_day_though_it_was_only_logged_before(world: World) -> None:
    one = _broken(world)
    one.tick(START)
    error = CredentialsRejected("git", "no")
    before = len(one.told.messages)
    one.reconciler.executor.fail("web", error, page=False)
    for _ in range(3):
        one.reconciler.executor.fail("web", error, page=True)
    assert [message.page for message in one.told.messages[before:]] == [False, True]
    world.clock.at = START + 24 * 60 * MINUTE
    one.reconciler.executor.fail("web", error, page=True)
    assert [message.page for message in one.told.messages[before:]] == [False, True, True]
