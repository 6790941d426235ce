"""Who goes back before a culprit, in which order; and what a record keeps of that."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from plan_facts import a_commit
from test_rollback import a_record

from gitops_rollback.core.rebuilding import rebuilt
from gitops_rollback.core.rollback import Phase, RollbackRecord, StepRecord
from gitops_rollback.core.strategies.cascade import Dependant, Later, dependants, entangled, steps_of
from gitops_rollback.core.strategies.gate import Ahead, passage
from gitops_rollback.core.strategies.migration import Unfit
from gitops_rollback.core.strategies.stages import HOLD, STAGES, Stages, between, must_have, stages_of, taking_back

START = datetime(2026, 11, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
REVERTS = ("c" * 40, "b" * 40, "a" * 40)
BOTH = {"till": {"web"}, "kiosk": {"till", "web"}}
DIAMOND = {"a": {"web"}, "b": {"web"}, "c": {"a", "b"}}


def later(*changes: str) -> list[Later]:
    """Commits `1`, `2`, ... oldest first, each changing the named applications."""
    return [Later(str(number), frozenset(one.split("+"))) for number, one in enumerate(changes, 1)]


@pytest.mark.parametrize(
    ("needs", "changes", "expected"),
    [
        ({}, ["till"], []),
        ({"till": {"web"}}, ["other"], []),
        ({"till": {"web"}}, ["till"], [("till", 1, "1")]),
        ({"till": {"web"}}, ["till", "other", "till"], [("till", 1, "31")]),
        ({"till": {"web"}, "kiosk": {"till"}}, ["till", "kiosk"], [("kiosk", 2, "2"), ("till", 1, "1")]),
        # What it needs had not changed yet when it did, so it cannot need that change.
        ({"till": {"web"}, "kiosk": {"till"}}, ["kiosk", "till"], [("till", 1, "2")]),
        ({"till": {"web"}, "kiosk": {"till"}}, ["kiosk"], []),
        (BOTH, ["kiosk", "till", "kiosk"], [("kiosk", 2, "31"), ("till", 1, "2")]),
        (DIAMOND, ["a", "b", "c"], [("c", 2, "3"), ("a", 1, "1"), ("b", 1, "2")]),
        ({**DIAMOND, "b": {"a"}}, ["a", "b", "c"], [("c", 3, "3"), ("b", 2, "2"), ("a", 1, "1")]),
        # What needs nothing of the culprit may go round in circles.
        ({"x": {"y"}, "y": {"x"}}, ["x", "y"], []),
    ],
    ids=[
        "no edge", "no change", "one", "each of its commits, newest first", "a chain", "before what it needs",
        "through one that stays", "by two ways", "a diamond", "the longest way counts", "a circle elsewhere",
    ],
)  # fmt: skip
def test_who_goes_back_first(
    needs: dict[str, set[str]], changes: list[str], expected: list[tuple[str, int, str]]
) -> None:
    found = dependants({"web"}, needs, later(*changes))
    assert [(one.application, one.depth, "".join(one.commits)) for one in found] == expected


@pytest.mark.parametrize(
    "needs",
    [{"a": {"web", "b"}, "b": {"a"}}, {"a": {"web"}, "web": {"a"}}, {"a": {"web", "c"}, "b": {"a"}, "c": {"b"}}],
    ids=["two", "with the culprit", "three"],
)
def test_a_circle_has_no_order(needs: dict[str, set[str]]) -> None:
    with pytest.raises(Unfit, match="need each other"):
        dependants({"web"}, needs, later("a", "b", "c", "a", "b", "c", "web"))


def test_what_needs_any_of_the_applications_that_one_commit_changed_goes_back_first() -> None:
    needs = {"till": {"api"}, "api": {"web"}, "kiosk": {"web"}}
    found = dependants({"web", "api"}, needs, later("till", "other"))
    assert [(one.application, one.needs, one.commits) for one in found] == [("till", "api", ("1",))]


def test_what_the_culprit_changed_and_somebody_again_since_is_nothing_that_goes_back_by_itself() -> None:
    """Its own change stays where it is, and may need what goes."""
    with pytest.raises(Unfit, match="api was changed with the culprit and again since, and needs web"):
        dependants({"web", "api"}, {"api": {"web"}}, later("api"))


def test_more_than_a_person_could_read_is_no_plan() -> None:
    with pytest.raises(Unfit, match="more than 20 commits"):
        dependants({"web"}, {"a": {"web"}}, later(*["a"] * 21))


def test_one_commit_for_two_applications_goes_back_for_neither_alone() -> None:
    changes = later("a+b", "a")
    found = dependants({"web"}, {"a": {"web"}}, changes)
    assert entangled(found, changes) == "1 changed a and b, so neither goes back alone"
    assert entangled(found, later("a", "a")) == ""


def chain() -> Stages:
    found = (
        Dependant("shop/kiosk", "shop/till", 2, ("c" * 40,)),
        Dependant("shop/till", "shop/web", 1, ("b" * 40,)),
    )
    return Stages(("cascade",), tuple(steps_of(found, "shop/web")), (), on_failed=HOLD)


def test_the_plan_is_kept_whole_and_says_which_commit_is_the_culprits() -> None:
    stages = chain()
    kept = stages_of(replace(on_its_way(), evidence=json.loads(json.dumps(stages.waiting))))
    assert kept == stages
    assert [stages.reverted(n, REVERTS) for n in (1, 2, 3)] == [("c" * 40,), ("b" * 40,), ("a" * 40,)]
    assert stages.words == "1. revert of kiosk, which needs till; 2. revert of till, which needs web; 3. the revert"
    assert (stages.coordinated, stages.carried) == (True, ("shop/kiosk", "shop/till"))


@pytest.mark.parametrize("reverts", [["main"], ["d" * 40]], ids=["a branch", "what the record does not name"])
def test_a_plan_that_somebody_wrote_over_is_none(reverts: list[str]) -> None:
    document = json.loads(json.dumps(chain().document))
    document["steps"][0]["reverts"] = reverts
    assert stages_of(replace(on_its_way(), evidence={STAGES: document})) is None


def test_a_record_made_again_from_its_commits_names_all_that_went_back() -> None:
    trailers = "Rollback-Id: rb-1\nRollback-Application: default/Application/argocd/web\nRollback-Bad-Revision: {0}\n"
    trailers += "Rollback-Reverts: {1}\nRollback-Step: {2}/3"
    made = [
        a_commit(str(n), message=f"Revert\n\n{trailers.format('a' * 40, sha, n)}\n")
        for n, sha in enumerate(REVERTS, start=1)
    ]
    (record,) = rebuilt(tuple(reversed(made)), (), "shop/config", "Ann")
    assert record.reverts == REVERTS
    assert [(step.n, step.of) for step in record.steps] == [(1, 3), (2, 3), (3, 3)]


def on_its_way(*done: int) -> RollbackRecord:
    steps = tuple(StepRecord(n, 3, str(n), {}, START) for n in done)
    return replace(a_record(Phase.SYNCING), steps=steps, reverts=REVERTS, evidence=chain().waiting)


def test_while_it_is_on_its_way_only_the_newest_step_is_looked_at() -> None:
    steps, names = between(on_its_way(1, 2))
    assert ([one.n for one in steps], names) == ([2], ("shop/till",))
    done = on_its_way(1, 2, 3)
    assert between(done) == (done.steps, done.applications)
    assert must_have(done, "shop/kiosk", START + MINUTE) == ("1", START)
    assert must_have(done, "shop/web", START + MINUTE) == ("3", START + MINUTE)
    assert taking_back(done) == ("1", "2", "3")


@pytest.mark.parametrize(
    ("unhealthy", "following", "reason"), [("", 2, None), ("kiosk is Degraded", 0, "StepFailed")], ids=["well", "bad"]
)
def test_what_is_bad_once_it_is_back_holds_the_rest(unhealthy: str, following: int, reason: str | None) -> None:
    way = passage(Ahead(chain(), 1, since=START), unhealthy, MINUTE, START, START + MINUTE)
    assert (way.n, way.reason and way.reason.value) == (following, reason)
    assert "go on until web is back, or land cccccccccccc again" in way.message or not unhealthy
