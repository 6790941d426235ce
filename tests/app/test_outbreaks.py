"""Several red applications: one commit, one rollback, and nobody left behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, decision_of, deployment, policy, running, ship

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.outbreaks import ASKED_AS_CONTROL
from gitops_rollback.app.records import open_record
from gitops_rollback.core.measurement import Answer, Outcome
from gitops_rollback.core.rollback import Phase, RollbackOutcome, advance
from gitops_rollback.core.stop import SETTINGS_DOOR, PauseState
from gitops_rollback.core.sync import Health

LATER = START + 3 * MINUTE
CALM = ("calm1", "calm2", "calm3")


def _shared_commit(world: World, *names: str, calm: tuple[str, ...] = CALM) -> Replica:
    """One commit changes all of `names`; each is synced to it at START."""
    running(world, *names, *calm)
    files: dict[str, str | None] = {f"apps/{name}/{name}.yaml": deployment(name, "1.1") for name in names}
    bad = world.people.push("Ship all", files, START - MINUTE)
    one = world.replica()
    for name in names:
        world.engine.deploy(name, bad, START)
    return one


def _break(world: World, *names: str, at: datetime = START + MINUTE) -> None:
    for name in names:
        world.metrics.break_from(name, at)


def test_a_second_application_with_the_same_culprit_is_not_paged_as_a_second_rollback(world: World) -> None:
    """Without a control group the two are no incident; the first one's rollback undoes it for both."""
    one = _shared_commit(world, "cart", "web", calm=())
    _break(world, "cart", "web")
    one.until(START, LATER)
    assert world.reverts() == 1
    assert "AlreadyRolledBack" not in one.told.reasons


def test_who_renders_the_culprit_but_was_never_synced_to_it_is_in_the_control_group(world: World) -> None:
    """The engine compares them to the branch's head, as it does with each application of a repository."""
    running(world, "cart", "web", *CALM)
    files: dict[str, str | None] = {
        f"apps/{name}/{name}.yaml": deployment(name, "1.1") for name in ("cart", "web", *CALM)
    }
    bad = world.people.push("Ship all", files, START - MINUTE)
    one = world.replica()
    for name in ("cart", "web"):
        world.engine.deploy(name, bad, START)
    for name in CALM:
        world.engine.compare(name, bad, START)
    _break(world, "cart", "web")
    one.until(START, LATER)
    assert world.reverts() == 1
    body = world.people.git("log", "-1", "--format=%B", "main")
    assert body.count("Rollback-Application: ") == 2


def _pause(replica: Replica, holds: bool) -> None:
    state = PauseState(SETTINGS_DOOR, unreadable="torn" if holds else "")
    replica.reconciler.surroundings.settings_pause = lambda: state


def test_an_incident_goes_on_where_its_first_application_has_recovered_by_itself(world: World) -> None:
    one = _shared_commit(world, "cart", "pay", "shop", "web")
    _break(world, "cart", "pay", "shop", "web")
    _pause(one, True)
    one.until(START, START + 2 * MINUTE)
    world.metrics.mend("cart", START + 2 * MINUTE)
    one.until(START + 2 * MINUTE, LATER)
    _pause(one, False)
    one.until(LATER, LATER + MINUTE)
    assert world.reverts() == 1
    body = world.people.git("log", "-1", "--format=%B", "main")
    assert any(f"Rollback-Id: {record}\n" in body for record in one.reconciler.see_now().journal.records)


def test_a_persons_no_to_an_incident_counts_for_each_of_its_applications(world: World) -> None:
    one = _shared_commit(world, "cart", "web")
    _break(world, "cart", "web")
    _pause(one, True)
    tick = one.until(START, START + 2 * MINUTE)[-1]
    cart = next(sight for sight in tick.sights if sight.watched.target.name == "cart")
    facts = one.reconciler._facts(cart, tick)
    assert facts.proposal is not None
    assert facts.proposal.plan is not None
    assert cart.look is not None
    assert len(facts.proposal.plan.applications) == 2
    refused = open_record(facts.proposal.plan, cart.look, cart.look.raised, tick.now, Phase.PENDING)
    one.reconciler.see_now()
    assert isinstance(one.reconciler.executor, Executor)
    one.reconciler.executor.keep(advance(refused, Phase.DONE, outcome=RollbackOutcome.REFUSED))
    world.metrics.mend("cart", START + 2 * MINUTE)
    _pause(one, False)
    one.until(START + 2 * MINUTE, START + 15 * MINUTE)
    assert world.reverts() == 0


def test_a_region_that_is_out_is_nobodys_commit_though_only_one_was_deployed(world: World) -> None:
    """The others were not deployed to, so nothing is under watch there; they are red all the same."""
    one = _shared_commit(world, "web", calm=(*CALM, "calm4"))
    one.until(START, START + MINUTE - TICK)
    _break(world, "web", *CALM, "calm4")
    one.until(START + MINUTE, LATER)
    assert world.reverts() == 0
    assert "MassEvent" in one.told.reasons


def test_a_region_that_is_out_is_nobodys_commit_however_many_there_are_in_another_one(world: World) -> None:
    """Who is behind another metric source is well, and says nothing about this one."""
    others = tuple(f"a{number:02}" for number in range(ASKED_AS_CONTROL))
    one = _shared_commit(world, "web", calm=(*others, *CALM, "calm4"))
    elsewhere = {
        f"{POLICIES}/{name}.yaml": policy(name).replace("spec:\n", "spec:\n  metrics: {url: https://b.example}\n", 1)
        for name in others
    }
    world.people.push("Another region", elsewhere, START - 30 * TICK)
    one.until(START, START + MINUTE - TICK)
    _break(world, "web", *CALM, "calm4")
    one.until(START + MINUTE, LATER)
    assert world.reverts() == 0
    assert "MassEvent" in one.told.reasons


def test_what_still_fires_when_an_outage_has_just_ended_is_nobodys_commit_either(world: World) -> None:
    """The others are well again; the one that was deployed lags behind them."""
    one = _shared_commit(world, "web", calm=(*CALM, "calm4"))
    one.until(START, START + MINUTE - TICK)
    _break(world, "web", *CALM, "calm4")
    one.until(START + MINUTE, LATER)
    for name in (*CALM, "calm4"):
        world.metrics.mend(name, LATER)
    one.until(LATER, LATER + 3 * MINUTE)
    assert world.reverts() == 0


def test_a_region_that_stays_out_for_longer_than_anybody_remembers_is_nobodys_commit_either(world: World) -> None:
    """After ten minutes it is news to nobody that the others are red; one that was deployed to is not to blame yet."""
    one = _shared_commit(world, "web", calm=(*CALM, "calm4"))
    one.until(START, START + MINUTE - TICK)
    _break(world, "web", *CALM, "calm4")
    one.until(START + MINUTE, START + 25 * MINUTE)
    assert world.reverts() == 0
    assert "MassEvent" in one.told.reasons


def test_a_region_that_is_out_again_is_nobodys_commit_either(world: World) -> None:
    """Ten minutes ago it was out, too, and it was well in between."""
    one = _shared_commit(world, "web", calm=(*CALM, "calm4"))
    for name in (*CALM, "calm4"):
        world.metrics.break_from(name, START - 11 * MINUTE, START - 5 * MINUTE)
    _break(world, "web", *CALM, "calm4")
    one.until(START, LATER)
    assert world.reverts() == 0
    assert "MassEvent" in one.told.reasons


def test_a_region_that_was_well_for_a_minute_only_is_nobodys_commit_either(world: World) -> None:
    """The others were red before their own deployments, so no commit is blamed for them; its ticks show the calm."""
    others = (*CALM, "calm4")
    one = _shared_commit(world, "web", calm=others)
    for name in others:
        world.engine.deploy(name, ship(world, name, START), START)
        world.metrics.break_from(name, START - 60 * MINUTE, START + TICK)
        world.metrics.break_from(name, START + 5 * TICK)
    _break(world, "web", at=LATER + TICK)
    one.until(START, START + 5 * MINUTE)
    assert world.reverts() == 0
    assert "MassEvent" in one.told.reasons


def test_a_region_that_was_well_for_a_moment_that_no_look_saw_is_nobodys_commit_either(world: World) -> None:
    """Nothing is under watch in the others, so the metric store alone knows of the 45 seconds."""
    one = _shared_commit(world, "web", calm=(*CALM, "calm4"))
    for name in (*CALM, "calm4"):
        world.metrics.break_from(name, START - 60 * MINUTE, START - 10 * TICK)
        world.metrics.break_from(name, START - 7 * TICK)
    _break(world, "web")
    one.until(START, LATER)
    assert world.reverts() == 0
    assert "MassEvent" in one.told.reasons


def test_an_answer_that_gets_lost_hides_no_outage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = _shared_commit(world, "web", calm=(*CALM, "calm4"))
    _break(world, "web", "calm1", "calm2")
    real, asked = world.metrics.query, set[tuple[str, datetime]]()

    def query(expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        first = "calm" in expression and (expression, at) not in asked
        asked.add((expression, at))
        lost = Answer(Outcome.ERROR, at, expression, detail="connection reset")
        return lost if first and '"calm4"' not in expression else real(expression, at, timeout, priority)

    monkeypatch.setattr(world.metrics, "query", query)
    one.until(START, LATER)
    assert world.reverts() == 0
    assert "MassEvent" in one.told.reasons


def test_nobody_is_rolled_back_while_nobody_can_tell_whether_the_trouble_of_others_is_old(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = _shared_commit(world, "web", calm=CALM)
    _break(world, *CALM, at=START - 60 * MINUTE)
    _break(world, "web")
    real = world.metrics.query_range

    def query_range(expression: str, start: datetime, end: datetime, step: timedelta, timeout: timedelta) -> Answer:
        if "calm" in expression:
            return Answer(Outcome.ERROR, end, expression, detail="connection refused")
        return real(expression, start, end, step, timeout)

    monkeypatch.setattr(world.metrics, "query_range", query_range)
    one.until(START, LATER)
    assert world.reverts() == 0
    monkeypatch.setattr(world.metrics, "query_range", real)
    one.until(LATER, LATER + MINUTE)
    assert world.reverts() == 1


def test_old_troubles_of_others_hold_nobody_back(world: World) -> None:
    one = _shared_commit(world, "web", calm=(*CALM, "calm4"))
    _break(world, *CALM, "calm4", at=START - 60 * MINUTE)
    _break(world, "web")
    one.until(START, LATER)
    assert world.reverts() == 1


def test_an_incident_is_not_verified_by_the_one_of_its_applications_that_is_well(world: World) -> None:
    one = _shared_commit(world, "cart", "web")
    _break(world, "cart", "web")
    one.until(START, START + 2 * MINUTE)
    world.metrics.mend("cart", START + 2 * MINUTE)
    one.until(START + 2 * MINUTE, START + 10 * MINUTE)
    assert world.reverts() == 1
    assert "Verified" not in one.told.reasons
    assert "StillBad" in one.told.reasons


FLEET = tuple(f"f{number}" for number in range(1, 9))
MANY_CALM = tuple(f"calm{number}" for number in range(1, 5))


def _staggered(world: World, apart: timedelta) -> Replica:
    """One commit breaks eight applications one after the other, in steps of `apart`."""
    one = _shared_commit(world, *FLEET, calm=MANY_CALM)
    for number, name in enumerate(FLEET):
        _break(world, name, at=START + MINUTE + number * apart)
    return one


def _mass_events(replica: Replica) -> list[str]:
    return [message.title for message in replica.told.messages if "mass event" in message.title or message.page]


def test_one_commit_whose_applications_turn_red_one_after_the_other_is_no_mass_event(world: World) -> None:
    one = _staggered(world, TICK)
    one.until(START, START + 15 * MINUTE)
    assert world.reverts() == 1
    assert "MassEvent" not in one.told.reasons
    assert "The mass event is over: " not in " ".join(_mass_events(one))


def test_while_more_of_them_turn_red_nothing_is_done_and_the_journal_says_why(world: World) -> None:
    one = _staggered(world, TICK)
    reasons: set[str] = set()
    for number in range(int((3 * MINUTE) / TICK)):
        tick = one.tick(START + number * TICK)
        if tick.outbreak.too_many:
            assert tick.outbreak.spreading
            assert world.reverts() == 0
            reasons |= {decision_of(sight, one, tick) for sight in tick.sights if sight.proposal is not None}
    assert reasons == {"Incident"}


def test_where_no_more_of_them_turn_red_people_are_told_within_a_minute(world: World) -> None:
    """Five of eight are too few for one incident, and the others stay well."""
    one = _shared_commit(world, *FLEET, calm=MANY_CALM)
    _break(world, *FLEET[:5])
    ticks = one.until(START, START + 4 * MINUTE)
    first = next(tick.now for tick in ticks if tick.outbreak.too_many)
    paged = next(tick.now for tick in ticks if tick.outbreak.is_mass_event)
    assert paged - first <= MINUTE + TICK
    assert one.told.reasons.count("MassEvent") == 1
    assert world.reverts() == 0


def test_a_mass_event_that_comes_and_goes_is_one_page(world: World) -> None:
    """Without a common suspect; each tick the last one of the five is well, or red again."""
    names = ("cart", "pay", "shop", "web")
    running(world, *names, *CALM)
    one = world.replica()
    for name in names:
        world.engine.deploy(name, ship(world, name, START - MINUTE), START)
    _break(world, *names)
    view = one.until(START, START + 3 * MINUTE)[-1].view
    assert one.told.reasons.count("MassEvent") == 1
    listing = one.reconciler.directory.look(view, START + 3 * MINUTE)
    for number in range(1, 17):  # four minutes of half a minute each way
        now = START + 3 * MINUTE + number * TICK
        outbreaks = one.reconciler.outbreaks
        red = [] if number % 4 < 2 else [f"default/Application/argocd/{name}" for name in names]
        outbreaks._red = dict.fromkeys(red, (now, frozenset[str]()))
        outbreak = outbreaks.judge((), (), view, listing, now)
        assert not outbreak.calm


def test_a_mass_event_that_was_written_and_never_told_is_told_by_the_next_process(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ("cart", "pay", "shop", "web")
    running(world, *names, *CALM)
    one = world.replica()
    monkeypatch.setattr(one.told, "tell", lambda _: None)  # it dies between the two
    for name in names:
        world.engine.deploy(name, ship(world, name, START - MINUTE), START)
    _break(world, *names)
    one.until(START, START + 5 * MINUTE)

    later = world.replica()
    later.until(START + 5 * MINUTE + TICK, START + 8 * MINUTE)

    assert later.told.reasons.count("MassEvent") == 1


@pytest.mark.parametrize("restarted", [False, True])
def test_the_end_of_a_mass_event_names_once_who_is_still_red(world: World, restarted: bool) -> None:
    """While it lasts one page speaks for all; when it is over nobody else would name those that did not recover."""
    names = ("cart", "pay", "shop", "web")
    running(world, *names, *CALM)
    one = world.replica()
    for name in names:
        world.engine.deploy(name, ship(world, name, START - MINUTE), START)
    _break(world, *names)
    one.until(START, START + 5 * MINUTE)
    later = world.replica() if restarted else one
    later.until(START + 5 * MINUTE + TICK, START + 45 * MINUTE)
    (over,) = [one for one in later.told.messages if "mass event is over" in one.title]
    assert over.page
    assert all(f"default/Application/argocd/{name}" in over.text for name in names)
    assert not any(name in over.text for name in CALM)


def test_an_application_that_turns_red_after_the_rollback_joins_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the culprit, and the engine has not followed: no second record, and it is verified with the others."""
    one = _shared_commit(world, "cart", "pay", "shop", "web", "zoo")
    monkeypatch.setattr(world.engine, "sync", lambda *_: True)
    _break(world, "cart", "pay", "shop", "web")
    one.until(START, START + 2 * MINUTE)
    assert world.reverts() == 1
    _break(world, "zoo", at=START + 2 * MINUTE)
    one.until(START + 2 * MINUTE + TICK, START + 4 * MINUTE)
    (record,) = one.reconciler.see_now().journal.records.values()
    assert "default/Application/argocd/zoo" in record.applications
    assert "AlreadyRolledBack" not in one.told.reasons


def test_an_application_that_turns_red_while_a_plan_waits_joins_it(world: World) -> None:
    """One question for one commit; people hear of one more, and are not paged again."""
    one = _shared_commit(world, "cart", "web")
    files = {f"{POLICIES}/{name}.yaml": policy(name, "page_and_suggest") for name in ("cart", "web")}
    world.people.push("Only suggest", files, START)
    _break(world, "cart")
    one.until(START, START + 2 * MINUTE)
    _break(world, "web", at=START + 2 * MINUTE)
    pages = len([message for message in one.told.messages if message.page])
    one.until(START + 2 * MINUTE + TICK, START + 5 * MINUTE)
    (record,) = one.reconciler.see_now().journal.records.values()
    assert record.phase is Phase.AWAITING_APPROVAL
    assert [name.rpartition("/")[2] for name in record.applications] == ["cart", "web"]
    assert any(message.title.startswith("One more for rb-") for message in one.told.messages)
    assert len([message for message in one.told.messages if message.page]) == pages


def test_who_is_held_does_not_speak_for_others_that_one_commit_broke(world: World) -> None:
    """A person wants the first one left alone, so another asks what shall become of all three."""
    one = _shared_commit(world, "cart", "pay", "web")
    suspended = policy("cart").replace("spec:\n", "spec:\n  suspend: true\n", 1)
    world.people.push("Leave it to me", {f"{POLICIES}/cart.yaml": suspended}, START)
    _break(world, "cart", "pay", "web")
    one.until(START, START + 4 * MINUTE)
    assert world.reverts() == 0
    pages = [message for message in one.told.messages if message.page]
    assert [(page.application.rpartition("/")[2], page.reason) for page in pages] == [
        ("cart", "Suspended"),
        ("pay", "Incident"),
    ]
    assert "it is about argocd/cart, argocd/pay, argocd/web" in pages[1].text


def test_a_persons_no_to_one_application_leaves_no_other_unsaid(world: World) -> None:
    one = _shared_commit(world, "cart", "pay", "web")
    files = {f"{POLICIES}/{name}.yaml": policy(name, "page_and_suggest") for name in ("cart", "pay", "web")}
    world.people.push("Only suggest", files, START)
    _break(world, "cart")
    one.until(START, START + 2 * MINUTE)
    (record,) = one.reconciler.see_now().journal.records.values()
    assert isinstance(one.reconciler.executor, Executor)
    one.reconciler.executor.keep(advance(record, Phase.DONE, outcome=RollbackOutcome.REFUSED))
    _break(world, "pay", "web", at=START + 2 * MINUTE)
    one.until(START + 2 * MINUTE, START + 5 * MINUTE)
    waiting = [one for one in one.reconciler.see_now().journal.records.values() if one.open]
    assert [len(one.applications) for one in waiting] == [3]
    assert world.reverts() == 0


def _hide(world: World, monkeypatch: pytest.MonkeyPatch, *names: str, empty: bool = False) -> list[str]:
    """The metric store fails whenever it is asked about one of `names`, or has no series of it."""
    hidden, real = list(names), world.metrics.query

    def query(expression: str, at: datetime, timeout: timedelta, priority: float = 0.0) -> Answer:
        if not any(f'"{name}"' in expression for name in hidden):
            return real(expression, at, timeout, priority)
        outcome = Outcome.VALUE if empty else Outcome.ERROR
        return Answer(outcome, at, expression, detail="" if empty else "connection refused")

    monkeypatch.setattr(world.metrics, "query", query)
    return hidden


def test_nobody_is_rolled_back_while_a_failing_source_hides_whether_all_are_red(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits, a person is told once that has lasted, and it goes on when the others are seen to be well."""
    one = _shared_commit(world, "web")
    _break(world, "web")
    hidden = _hide(world, monkeypatch, *CALM)
    ticks = one.until(START, LATER)
    web = next(sight for sight in ticks[-1].sights if sight.watched.target.name == "web")
    assert decision_of(web, one, ticks[-1]) == "MetricsUnavailable"
    assert world.reverts() == 0
    assert "MetricsUnavailable" not in one.told.reasons
    one.until(LATER, LATER + 2 * MINUTE)
    assert [message.event for message in one.told.messages if message.reason == "MetricsUnavailable"] == ["held"]
    hidden.clear()
    one.until(LATER + 2 * MINUTE, LATER + 3 * MINUTE)
    assert world.reverts() == 1


def test_a_region_that_is_out_behind_a_failing_source_is_nobodys_commit(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = _shared_commit(world, "web")
    _break(world, "web", *CALM)
    hidden = _hide(world, monkeypatch, *CALM)
    one.until(START, LATER)
    hidden.clear()
    one.until(LATER, LATER + 2 * MINUTE)
    assert world.reverts() == 0
    assert "MassEvent" in one.told.reasons


def test_bystanders_without_traffic_hold_nobody_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = _shared_commit(world, "web")
    _break(world, "web")
    _hide(world, monkeypatch, *CALM, empty=True)
    one.until(START, LATER)
    assert world.reverts() == 1


HEALTH = """  triggers:
    - {name: health, type: health, states: [Degraded], for: 30s, severity: auto_rollback}
"""


@pytest.mark.parametrize("others", [(), CALM])
def test_a_source_that_has_lost_everybody_hides_whether_all_are_red(
    world: World, monkeypatch: pytest.MonkeyPatch, others: tuple[str, ...]
) -> None:
    """The engine's word about one is no reason to act while nobody has data who had some, as by a wrong clock."""
    running(world, "web", *CALM)
    text = policy("web").replace("  triggers:\n", HEALTH)
    world.people.push("Ask the engine, too", {f"{POLICIES}/web.yaml": text}, START - 2 * MINUTE)
    one = world.replica()
    one.until(START - 2 * TICK, START - TICK)
    bad = world.people.push("Ship web", {"apps/web/web.yaml": deployment("web", "1.2")}, START)
    world.engine.deploy("web", bad, START)
    degraded = replace(world.engine.states["web"], health=Health.DEGRADED, health_changed_at=START + TICK)
    world.engine.states["web"] = degraded
    _hide(world, monkeypatch, "web", *others, empty=True)
    one.until(START, LATER)
    assert world.reverts() == (0 if others else 1)
    one.until(LATER, LATER + 2 * MINUTE)
    assert ("MetricsUnavailable" in one.told.reasons) == bool(others)


@pytest.mark.parametrize("calm", [(), CALM[:1]])
def test_so_few_that_they_could_be_no_mass_event_hold_nobody_back(
    world: World, monkeypatch: pytest.MonkeyPatch, calm: tuple[str, ...]
) -> None:
    one = _shared_commit(world, "web", calm=calm)
    _break(world, "web")
    _hide(world, monkeypatch, *calm)
    one.until(START, LATER)
    assert world.reverts() == 1


def test_what_a_person_has_put_back_is_not_booked_as_rolled_back_with_the_others(world: World) -> None:
    """The plan cannot change it any more, and its budget is not touched."""
    one = _shared_commit(world, "cart", "pay", "shop", "web")
    _break(world, "cart", "pay", "shop", "web")
    _pause(one, True)
    one.until(START, START + 2 * MINUTE)
    back: dict[str, str | None] = {"apps/cart/cart.yaml": deployment("cart", "1.0")}
    world.people.push("Put cart back", back, START + 2 * MINUTE)
    one.until(START + 2 * MINUTE, LATER)
    _pause(one, False)
    tick = one.until(LATER, LATER + MINUTE)[-1]
    rolled = [record for record in tick.view.journal.records.values() if record.commit]
    assert len(rolled) == 1
    assert {name.rpartition("/")[2] for name in rolled[0].applications} == {"pay", "shop", "web"}
