"""Where the writer of our branch reads another repository, a rollback lands there, too, if the settings say so."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, replace

import pytest
from app_world import MINUTE, POLICIES, START, Replica, World, deployment, policy

from gitops_rollback.app.executor import Executor
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import Source
from gitops_rollback.core.upstream import upstream_of
from gitops_rollback.ports import PushOutcome, PushResult
from gitops_rollback.sandbox.people import People

FILE, SOURCE, METADATA = "apps/web/web.yaml", "web/web.yaml", "apps/web/hydrator.metadata"
HYDRATOR = "argocd <argocd@example.com>"


@dataclass
class Dry:
    """The repository that the hydrator reads. `source` is the commit there that is to blame."""

    world: World
    people: People
    url: str
    source: str = ""

    def hydrates(self) -> None:
        """The hydrator has read its newest commit; the manifests are as our own commit left them."""
        state = self.world.engine.states["web"]
        self.world.engine.states["web"] = replace(state, dry_revision=self.people.head())


def hydrated(world: World, says: str = "", named: bool = True) -> Dry:
    """Web's branch is written by a hydrator that reads another repository; a bad version runs, and errors begin."""
    bare = world.folder / "dry.git"
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=trunk", str(bare)], check=True)
    dry = Dry(world, People(bare, "trunk"), f"file://{bare}")
    world.upstreams = (dry.url,) if named else ()
    promotion = f"  promotion: {{type: hydrate{says.replace('URL', dry.url)}}}\n"
    world.first({f"{POLICIES}/web.yaml": policy("web").replace("spec:\n", f"spec:\n{promotion}")})
    before = dry.people.push("Release 1.0", {SOURCE: deployment("web", "1.0")}, START - 100 * MINUTE)
    good = _hydrate(world, "1.0", before, 80)
    dry.source = dry.people.push("Release 2.0", {SOURCE: deployment("web", "2.0")}, START - 2 * MINUTE)
    newest = dry.people.push("Elsewhere", {"other/a.yaml": "a: 1\n"}, START - 2 * MINUTE)
    bad = _hydrate(world, "2.0", newest, 1)
    world.engine.add("web")
    world.engine.deploy("web", good, START - 60 * MINUTE)
    state, reads = world.engine.states["web"], Source(dry.url, "web", "HEAD")
    world.engine.states["web"] = replace(state, hydrated=True, dry_source=reads, dry_revision=newest)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE, START + 4 * MINUTE)
    return dry


def _hydrate(world: World, version: str, dry_sha: str, minutes: int) -> str:
    files = {FILE: deployment("web", version), METADATA: json.dumps({"drySha": dry_sha})}
    return world.people.push("Hydrate web", files, START - minutes * MINUTE, HYDRATOR)


def record_of(one: Replica) -> RollbackRecord:
    (record,) = one.reconciler.see_now().journal.records.values()
    return record


def subjects(dry: Dry) -> list[str]:
    return dry.people.git("log", "--first-parent", "--format=%s", dry.people.branch).splitlines()


SAID = {
    "by-the-application": "",
    "by-both": ", from: {repository: 'URL', branch: trunk, paths: [web/]}",
}


@pytest.mark.parametrize("says", SAID.values(), ids=SAID)
def test_it_lands_in_both_repositories_and_is_verified_only_then(world: World, says: str) -> None:
    dry = hydrated(world, says)
    one = world.replica()
    one.until(START, START + 5 * MINUTE)
    assert ":2.0" not in world.people.read(FILE)
    assert subjects(dry)[:2] == ['Revert "Release 2.0"', "Elsewhere"]
    record = record_of(one)
    upstream = upstream_of(record)
    assert upstream is not None
    assert (upstream.repository, upstream.branch, upstream.reverts) == (dry.url, "trunk", (dry.source,))
    body = dry.people.git("log", "-1", "--format=%B", dry.people.branch)
    assert f"This reverts commit {dry.source}." in body
    assert f"Rollback-Id: {record.id}\n" in body
    assert f"Rollback-Upstream: trunk of {dry.url}" in body
    assert record.open, "the hydrator has not read it yet"
    dry.hydrates()
    one.until(START + 5 * MINUTE, START + 8 * MINUTE)
    assert record_of(one).outcome == "verified"
    assert dry.url in record_of(one).message
    assert sum(subject.startswith("Revert ") for subject in subjects(dry)) == 1


def test_a_repository_that_the_settings_do_not_name_is_a_persons_whatever_a_policy_says(world: World) -> None:
    dry = hydrated(world, SAID["by-both"], named=False)
    one = world.replica()
    one.until(START, START + 4 * MINUTE)
    assert (world.reverts(), subjects(dry)[0]) == (0, "Elsewhere")
    (answer,) = [guard for guard in record_of(one).guards if guard["guard"] == "another-writer"]
    assert answer["result"] == "ask"
    assert f"{dry.url} is read, which `upstreams` of this repository in the settings lacks" in answer["message"]


def test_a_policy_that_names_another_one_than_the_application_does_asks(world: World) -> None:
    hydrated(world, ", from: {repository: 'URL/../config.git', branch: trunk}")
    one = world.replica()
    one.until(START, START + 4 * MINUTE)
    assert world.reverts() == 0
    (answer,) = [guard for guard in record_of(one).guards if guard["guard"] == "another-writer"]
    assert "the application says another one" in answer["message"]


def test_who_takes_over_between_the_two_pushes_makes_the_second_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    dry = hydrated(world)
    one = world.replica()
    with monkeypatch.context() as dying:
        dying.setattr(Executor, "keep", lambda self, record, *more: True)
        one.until(START, START + 2 * MINUTE)
    other = world.replica("two")
    other.until(START + 150 * (MINUTE / 60), START + 5 * MINUTE)
    dry.hydrates()
    other.until(START + 5 * MINUTE, START + 8 * MINUTE)
    assert record_of(other).outcome == "verified"
    assert sum(subject.startswith("Revert ") for subject in subjects(dry)) == 1


def test_a_repository_that_refuses_us_is_paged_with_the_commands(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dry = hydrated(world)
    refused = PushResult(PushOutcome.PROTECTED, {}, "protected branch hook declined")
    monkeypatch.setattr(Executor, "push_branch", lambda self, branch, commit, old, repo=None: refused)
    one = world.replica()
    one.until(START, START + 8 * MINUTE)
    assert (record_of(one).outcome, record_of(one).reason) == ("unverified", "WrittenByAnother")
    (page,) = [message for message in one.told.messages if message.reason == "BranchProtected"]
    assert f"by hand: in a clone of {dry.url}: git switch trunk && git revert {dry.source[:12]}" in page.text
