"""After Flagger has promoted the bad version the revert goes without analysis, and the next commit brings that back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, deployment, policy

from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import ApplicationState

WEB, PATH = "apps/web/web.yaml", "apps/web/canary.yaml"
CANARY = """\
apiVersion: flagger.app/v1beta1
kind: Canary
metadata:
  name: web
spec:
  targetRef: {kind: Deployment, name: web}
  analysis: {interval: 1m, stepWeight: 10, maxWeight: 50}
"""
OFF, ON = CANARY.replace("spec:\n", "spec:\n  skipAnalysis: false\n"), "skipAnalysis: true"
SKIPS = """\
  strategies:
    - name: promoted
      type: rolling
      rolling: {skipAnalysis: {file: apps/web/canary.yaml, canary: {namespace: shop, name: web}}}
"""


@dataclass
class Flagger:
    """`ports.Objects` with one Canary, as the real one shows it: hashes, a phase, and since when that is."""

    phase: str = "Succeeded"
    promoted: str = "222"
    since: datetime = START
    seen: bool = True
    asked: list[str] = field(default_factory=list)

    def find(
        self, application: ApplicationState, named: Sequence[RunObject]
    ) -> Mapping[RunObject, Mapping[str, object]]:
        (wanted,) = named
        self.asked.append(f"{wanted.api_version} {wanted.words}")
        status = {"phase": self.phase, "lastTransitionTime": format_time(self.since)}
        status |= {"lastAppliedSpec": self.promoted, "lastPromotedSpec": self.promoted}
        return {wanted: {"status": status, "spec": {}}} if self.seen else {}

    def serves(self, application: ApplicationState, api_version: str, kind: str) -> bool | None:
        return None


def promoted(world: World, flagger: Flagger, canary: str = CANARY, says: str = SKIPS) -> Replica:
    """Flagger has promoted a bad image, and errors begin."""
    world.objects = flagger
    files = {WEB: deployment("web", "1.0"), PATH: canary, f"{POLICIES}/web.yaml": policy("web") + says}
    first = world.first(files)
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = world.people.edit("Ship 1.1", WEB, ":1.0", ":1.1", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    return one


def steps(world: World) -> list[str]:
    said = world.people.git("log", "--first-parent", "--reverse", "--format=%(trailers:key=Rollback-Step,valueonly)")
    return said.split()


def until_pushed(world: World, one: Replica) -> datetime:
    now = START
    while not steps(world):
        one.tick(now)
        now += TICK
        assert now < START + 10 * MINUTE, "nothing was pushed"
    return now


def only_record(one: Replica) -> RollbackRecord:
    (record,) = one.reconciler.see_now().journal.records.values()
    return record


@pytest.mark.parametrize("canary", [CANARY, OFF], ids=["absent", "false"])
def test_the_revert_skips_the_analysis_and_the_next_commit_brings_it_back(world: World, canary: str) -> None:
    flagger = Flagger()
    one = promoted(world, flagger, canary)

    now = until_pushed(world, one)
    assert steps(world) == ["1/2"]
    assert world.people.read(WEB) == deployment("web", "1.0")
    assert ON in world.people.read(PATH)
    one.until(now, now + 2 * MINUTE)
    assert steps(world) == ["1/2"], "the bad version still serves"

    flagger.promoted, flagger.since = "111", now + MINUTE
    world.metrics.mend("web", now + MINUTE)
    one.until(now + 2 * MINUTE, now + 8 * MINUTE)

    assert steps(world) == ["1/2", "2/2"]
    assert world.people.read(PATH) == canary, "to the byte"
    back = "false" if canary == OFF else "none"
    assert world.commits()[:2] == [
        f"Roll back web: Flagger analyses again, skipAnalysis true -> {back}",
        'Revert "Ship 1.1"',
    ]
    body = world.people.git("log", "-1", "--format=%B", "main~1").replace("\n", " ")
    assert "Flagger promotes it without analysis (apps/web/canary.yaml: skipAnalysis)" in body
    assert only_record(one).outcome == "verified"
    assert flagger.asked[0] == "flagger.app/v1beta1 Canary shop/web"


def test_what_was_taken_back_is_known_when_it_comes_back_with_something_else(world: World) -> None:
    flagger = Flagger()
    one = promoted(world, flagger)
    now = until_pushed(world, one)
    flagger.promoted, flagger.since = "111", now + TICK
    world.metrics.mend("web", now)
    one.until(now + TICK, now + 8 * MINUTE)
    assert only_record(one).outcome == "verified"

    now += 40 * MINUTE
    files = {WEB: deployment("web", "1.1"), PATH: CANARY.replace("1m", "2m")}
    world.engine.deploy("web", world.people.push("Try 1.1 again", files, now), now)
    world.metrics.break_from("web", now + MINUTE)
    one.until(now, now + 5 * MINUTE)

    assert world.commits()[0] == "Try 1.1 again"
    assert any(record.reason == "CameBack" for record in one.reconciler.see_now().journal.records.values())


def test_whoever_comes_after_a_crash_between_the_two_commits_goes_on(world: World) -> None:
    flagger = Flagger()
    now = until_pushed(world, promoted(world, flagger))
    flagger.promoted, flagger.since = "111", now + TICK
    world.metrics.mend("web", now)

    heir = world.replica("heir")
    heir.until(now + 2 * TICK, now + 8 * MINUTE)

    assert steps(world) == ["1/2", "2/2"]
    assert world.people.read(PATH) == CANARY
    assert only_record(heir).outcome == "verified"


def test_a_person_who_sets_the_field_meanwhile_has_the_last_word(world: World) -> None:
    flagger = Flagger()
    one = promoted(world, flagger)
    now = until_pushed(world, one)
    world.people.edit("Analyse it after all", PATH, "skipAnalysis: true", "skipAnalysis: false", now)
    flagger.promoted, flagger.since = "111", now + TICK

    one.until(now + TICK, now + 3 * MINUTE)

    assert steps(world) == ["1/2"]
    assert "skipAnalysis: false" in world.people.read(PATH)
    assert only_record(one).reason == "FieldEdited"
    assert one.told.messages[-1].page


@pytest.mark.parametrize(
    ("phase", "why"),
    [("Succeeded", "Flagger has not begun with it yet"), ("Failed", "failed"), ("Progressing", "is not promoted yet")],
)
def test_analysis_stays_off_and_people_are_told_while_the_old_version_does_not_serve(
    world: World, phase: str, why: str
) -> None:
    flagger = Flagger()
    one = promoted(world, flagger)
    now = until_pushed(world, one)
    flagger.phase = phase
    flagger.since = START if phase == "Succeeded" else now + TICK

    one.until(now + TICK, now + 20 * MINUTE)

    assert steps(world) == ["1/2"]
    record = only_record(one)
    assert record.open, "never half without a word"
    pages = [message.text for message in one.told.messages if message.page]
    way = "once Canary shop/web serves the version before, take spec.skipAnalysis of apps/web/canary.yaml out again"
    assert any(why in text and way in text for text in pages)


def test_the_version_that_was_promoted_before_is_not_taken_for_the_one_that_comes_back(world: World) -> None:
    flagger = Flagger()
    one = promoted(world, flagger)
    now = until_pushed(world, one)
    flagger.since = now + TICK  # the bad one again, by another's hand

    one.until(now + TICK, now + 2 * MINUTE)

    assert steps(world) == ["1/2"]


@pytest.mark.parametrize(
    ("phase", "seen", "why"),
    [
        ("Progressing", True, "is Progressing, and has not promoted the bad version"),
        ("Failed", True, "is Failed"),
        ("Succeeded", False, "is not there"),
    ],
)
def test_where_the_bad_version_was_not_promoted_the_revert_is_all(
    world: World, phase: str, seen: bool, why: str
) -> None:
    one = promoted(world, Flagger(phase, seen=seen))
    until_pushed(world, one)

    assert steps(world) == ["1/1"]
    assert world.people.read(PATH) == CANARY
    (said,) = [guard for guard in only_record(one).guards if guard["guard"] == "skip-analysis"]
    assert (said["result"], why in said["message"]) == ("allow", True)


def test_a_file_without_that_canary_is_a_persons_matter(world: World) -> None:
    one = promoted(world, Flagger(), CANARY.replace("name: web\nspec", "name: shop\nspec"))
    one.until(START, START + 4 * MINUTE)

    assert steps(world) == []
    assert only_record(one).reason == "StrategyUnfit"
