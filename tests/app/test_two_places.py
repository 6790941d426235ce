"""What another writer brought is taken back in two places where the policy says how; else a person gets both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from app_world import MINUTE, POLICIES, START, TICK, Replica, World, deployment, policy, pushed
from fake_forge import FakeForge

from gitops_rollback.app.executor import Executor
from gitops_rollback.app.requesting import Requests, Wish, landed
from gitops_rollback.cli.asking import plan_lines
from gitops_rollback.core.errors import StalledError
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.sync import Source
from gitops_rollback.core.upstream import upstream_of, without_upstream
from gitops_rollback.ports import PushOutcome, PushResult
from gitops_rollback.sandbox.people import People

FILE, STAGED, SOURCE = "apps/web/web.yaml", "staging/web/web.yaml", "web/web.yaml"
METADATA = "apps/web/hydrator.metadata"
BOT = "promoter[bot] <promoter@example.com>"
LAST = START + 8 * MINUTE


@dataclass
class Place:
    """A world where `habit` brought a bad version. `upstream` is who works on the branch that is read there."""

    world: World
    upstream: People
    branch: str
    file: str
    source: str  # the commit there that is to blame


def _says(world: World, habit: str, branch: str, paths: str, declared: bool) -> str:
    where = ", ".join(part for part in (branch and f"branch: {branch}", paths and f"paths: [{paths}]") if part)
    said = f"  promotion: {{type: {habit}, from: {{{where}}}}}\n" if declared else ""
    return policy("web").replace("spec:\n", f"spec:\n{said}")


def _on(world: World, branch: str) -> People:
    world.people.git("update-ref", f"refs/heads/{branch}", world.head())
    return People(world.bare, branch)


def _metadata(sha: str) -> str:
    return json.dumps({"drySha": sha, "repoURL": "https://git.example/shop"}, indent=2)


def copied(world: World, declared: bool = True) -> Place:
    files = {FILE: deployment("web", "1.0"), STAGED: deployment("web", "1.0")}
    world.first({**files, f"{POLICIES}/web.yaml": _says(world, "copy", "", "staging/", declared)})
    source = world.people.push("Try 2.0 in staging", {STAGED: deployment("web", "2.0")}, START - 40 * MINUTE)
    bad = world.people.push("Promote web", {FILE: deployment("web", "2.0")}, START - MINUTE)
    return _red(world, bad, Place(world, world.people, "main", STAGED, source))


def hydrated(world: World, declared: bool = True) -> Place:
    said = {f"{POLICIES}/web.yaml": _says(world, "hydrate", "dry", "web/", declared)}
    world.first({SOURCE: deployment("web", "1.0"), **said})
    dry = _on(world, "dry")
    before = dry.push("Describe web", {"web/README.md": "The web\n"}, START - 90 * MINUTE)
    good = {FILE: deployment("web", "1.0"), METADATA: _metadata(before)}
    world.people.push("Hydrate web", good, START - 80 * MINUTE, BOT)
    source = dry.push("Release 2.0", {SOURCE: deployment("web", "2.0")}, START - 2 * MINUTE)
    dry.push("Elsewhere", {"other/a.yaml": "a: 1\n"}, START - 2 * MINUTE)
    files = {FILE: deployment("web", "2.0"), METADATA: _metadata(dry.head())}
    bad = world.people.push("Hydrate web", files, START - MINUTE, BOT)
    return _red(world, bad, Place(world, dry, "dry", SOURCE, source), dry.head())


def rendered(world: World, declared: bool = True) -> Place:
    world.first({f"{POLICIES}/web.yaml": _says(world, "render", "dry", "web/", declared)})
    dry = _on(world, "dry")
    before = dry.push("Describe web", {SOURCE: deployment("web", "1.0")}, START - 90 * MINUTE)
    header = "# Generated, do not edit\n"
    render = f"Render web\n\nSource-Commit: {before}\n"
    world.people.push(render, {FILE: header + deployment("web", "1.0")}, START - 80 * MINUTE, BOT)
    source = dry.push("Release 2.0", {SOURCE: deployment("web", "2.0")}, START - 2 * MINUTE)
    render = f"Render web from {source[:10]}"
    bad = world.people.push(render, {FILE: header + deployment("web", "2.0")}, START - MINUTE, BOT)
    return _red(world, bad, Place(world, dry, "dry", SOURCE, source))


def merged(world: World, declared: bool = True) -> Place:
    said = {f"{POLICIES}/web.yaml": _says(world, "merge", "staging", "", declared)}
    world.first({FILE: deployment("web", "1.0"), **said})
    staging = _on(world, "staging")
    for version, at in (("1.1", 90), ("1.2", 80), ("2.0", 1)):
        source = staging.push(f"Release {version}", {FILE: deployment("web", version)}, START - at * MINUTE)
        tree, head = world.people.git("rev-parse", "staging^{tree}"), world.head()
        stamp = f"{int((START - at * MINUTE).timestamp())} +0000"
        text = f"tree {tree}\nparent {head}\nparent {source}\nauthor {BOT} {stamp}\ncommitter {BOT} {stamp}\n\n"
        bad = _stored(world, text + "Merge branch 'staging'\n")
        world.people.git("update-ref", "refs/heads/main", bad)
    return _red(world, bad, Place(world, staging, "staging", FILE, source))


def _stored(world: World, text: str) -> str:
    path = world.folder / "commit"
    path.write_text(text, "utf-8")
    return world.people.git("hash-object", "-t", "commit", "-w", str(path))


def _red(world: World, bad: str, place: Place, dry: str = "") -> Place:
    """The bad version runs, what ran before it was quiet for long, and errors begin."""
    world.engine.add("web")
    good = world.people.git("rev-parse", f"{bad}^1")
    world.engine.deploy("web", good, START - 60 * MINUTE)
    if dry:
        reads = Source(world.url, "web", place.branch)
        world.engine.states["web"] = replace(
            world.engine.states["web"], hydrated=True, dry_source=reads, dry_revision=dry
        )
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE, START + 4 * MINUTE)
    return place


def hydrates(place: Place) -> None:
    """The hydrator looks: nothing of the manifests is new, so all it does is to say what it has read."""
    state = place.world.engine.states["web"]
    place.world.engine.states["web"] = replace(state, dry_revision=place.upstream.head())


def record_of(one: Replica) -> RollbackRecord:
    (record,) = one.reconciler.see_now().journal.records.values()
    return record


def answer_of(one: Replica) -> Mapping[str, str]:
    (answer,) = [guard for guard in record_of(one).guards if guard["guard"] == "another-writer"]
    return answer


def subjects(place: Place) -> list[str]:
    return place.upstream.git("log", "--first-parent", "--format=%s", place.branch).splitlines()


HABITS: Mapping[str, Callable[..., Place]] = {
    "copy": copied,
    "hydrate": hydrated,
    "render": rendered,
    "merge": merged,
}


@pytest.mark.parametrize("habit", HABITS)
def test_it_is_taken_back_here_and_upstream_and_verified_only_then(world: World, habit: str) -> None:
    place = HABITS[habit](world)
    one = world.replica()
    one.until(START, START + 5 * MINUTE)
    assert place.upstream.read(place.file, place.branch).count(":2.0") == 0
    assert ":2.0" not in world.people.read(FILE)
    record = record_of(one)
    assert record.commit is not None
    upstream = upstream_of(record)
    assert upstream is not None
    assert (upstream.reverts, upstream.branch) == ((place.source,), place.branch)
    body = place.upstream.git("log", "-1", "--format=%B", upstream.commit)
    assert f"This reverts commit {place.source}." in body
    assert f"Rollback-Id: {record.id}\n" in body
    assert f"Rollback-Upstream: {place.branch}" in body
    if habit == "hydrate":
        one.until(START + 5 * MINUTE, START + 6 * MINUTE)
        assert record_of(one).open, "the hydrator has not read it yet"
        hydrates(place)
    one.until(START + 6 * MINUTE, LAST)
    assert record_of(one).outcome == "verified"
    assert "is taken back" in record_of(one).message
    assert sum(subject.startswith("Revert ") for subject in subjects(place)) == (2 if habit == "copy" else 1)


@pytest.mark.parametrize("habit", ["copy", "hydrate", "merge"])
def test_without_the_policys_word_a_person_gets_both_commits(world: World, habit: str) -> None:
    place = HABITS[habit](world, declared=False)
    one = world.replica()
    one.until(START, START + 4 * MINUTE)
    assert world.reverts() == 0
    (told,) = [message for message in one.told.messages if message.event == "suggested"]
    assert f"one that takes back {place.source[:12]} on {place.branch}" in told.text
    upstream = upstream_of(record_of(one))
    assert upstream is not None
    assert upstream.reverts == (place.source,)


def test_a_persons_word_is_for_both_commits(world: World) -> None:
    place = hydrated(world, declared=False)
    one = world.replica()
    one.until(START, START + 4 * MINUTE)
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    requests = Requests(one.repo, one.reconciler, executor, world.clock)
    wish = Wish(record_of(one).applications[0], "ann", "see INC-42", waiting=record_of(one).id)
    prepared = requests.prepare(wish)
    (line,) = [line for line in plan_lines(prepared, one.repo) if line.startswith("upstream ")]
    assert f"{place.source[:12]} on dry is taken back as well" in line
    assert landed(requests.carry_out(prepared))
    one.until(START + 4 * MINUTE, START + 5 * MINUTE)
    hydrates(place)
    one.until(START + 5 * MINUTE, LAST)
    assert record_of(one).outcome == "verified"
    body = place.upstream.git("log", "-1", "--format=%B", place.branch)
    assert f"This reverts commit {place.source}." in body
    assert "Rollback-Requested-By: ann" in body


def test_a_hydrator_that_the_engine_does_not_know_says_by_its_git_note_what_it_has_read(world: World) -> None:
    place = hydrated(world)
    world.engine.states["web"] = replace(world.engine.states["web"], hydrated=False, dry_source=None, dry_revision="")
    files = {"hydrator.metadata": _metadata(place.upstream.git("rev-parse", f"{place.source}^"))}
    world.people.push("Hydrate nothing", files, START - 50 * timedelta(seconds=1), BOT)
    one = world.replica()
    one.until(START, START + 5 * MINUTE)
    assert ":2.0" not in place.upstream.read(SOURCE, "dry")
    assert record_of(one).open, "the metadata in the tree is older than the commit that is taken back"
    said = json.dumps({"drySha": place.upstream.head()})
    world.people.git(
        *("-c", "user.name=a", "-c", "user.email=a@example.com"),
        *("notes", "--ref", "hydrator.metadata", "add", "-m", said, world.head()),
    )
    one.until(START + 5 * MINUTE, LAST)
    assert record_of(one).outcome == "verified"
    assert "the hydrator has read that" in record_of(one).message


def test_a_render_job_of_which_nothing_is_known_asks(world: World) -> None:
    rendered(world, declared=False)
    one = world.replica()
    one.until(START, START + 4 * MINUTE)
    assert world.reverts() == 0
    assert "says that it is generated" in answer_of(one)["message"]


DOUBTS: Mapping[str, tuple[Callable[[World], Place], Callable[[Place], object], str]] = {
    "changed since": (
        copied,
        lambda place: place.upstream.push("3.0", {STAGED: deployment("web", "3.0")}, START - 30 * MINUTE),
        "has set the same since",
    ),
    "no such branch": (
        hydrated,
        lambda place: place.world.people.git("update-ref", "-d", "refs/heads/dry"),
        "there is no branch dry",
    ),
}


@pytest.mark.parametrize(("habit", "act", "why"), DOUBTS.values(), ids=DOUBTS)
def test_what_cannot_be_taken_back_upstream_asks(
    world: World, habit: Callable[[World], Place], act: Callable[[Place], object], why: str
) -> None:
    place = habit(world)
    act(place)
    one = world.replica()
    one.until(START, START + 4 * MINUTE)
    assert ":2.0" in world.people.read(FILE)
    assert answer_of(one)["result"] == "ask"
    assert why in answer_of(one)["message"]


@pytest.mark.parametrize("habit", ["copy", "hydrate"])
@pytest.mark.parametrize("died", ["before-upstream", "unwritten"])
def test_a_controller_that_dies_between_the_two_commits_is_taken_over_from(
    world: World, habit: str, died: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = HABITS[habit](world)
    one = world.replica()
    with monkeypatch.context() as dying:
        if died == "before-upstream":
            dying.setattr("gitops_rollback.app.upstreams.Upstreams.due", lambda self, records: ())
        if died == "unwritten":
            dying.setattr(Executor, "keep", lambda self, record, *more: True)
        ticks = one.until(START, START + 2 * MINUTE)
    assert len(pushed(ticks[-1])) == 1
    other = world.replica("two")
    other.until(START + 2 * MINUTE + TICK, START + 5 * MINUTE)
    hydrates(place)
    other.until(START + 5 * MINUTE, LAST)
    assert record_of(other).outcome == "verified"
    assert sum(subject.startswith("Revert ") for subject in subjects(place)) == (2 if habit == "copy" else 1)


@pytest.mark.parametrize("habit", ["hydrate", "copy"])
def test_a_persons_word_that_upstream_is_not_needed_ends_it_by_what_stands_here(
    world: World, habit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = HABITS[habit](world)
    one = world.replica()
    with monkeypatch.context() as before:
        before.setattr("gitops_rollback.app.upstreams.Upstreams.due", lambda self, records: ())
        one.until(START, START + 2 * MINUTE)
    assert record_of(one).open
    executor = one.reconciler.executor
    assert isinstance(executor, Executor)
    requests = Requests(one.repo, one.reconciler, executor, world.clock)
    assert requests.close_record(record_of(one), lambda record, _at: without_upstream(record, "ann", "it was dry"))
    one.until(START + 2 * MINUTE, LAST)
    record = record_of(one)
    assert record.outcome == "verified"
    assert "ann says that it is not needed there: it was dry" in record.message
    assert ":2.0" in place.upstream.read(place.file, place.branch), "nothing is pushed there any more"


def test_nobody_can_say_so_of_what_waits_for_nothing_upstream(world: World) -> None:
    copied(world)
    one = world.replica()
    one.until(START, LAST)
    assert record_of(one).outcome == "verified"
    with pytest.raises(StalledError, match="it waits for nothing"):
        without_upstream(record_of(one), "ann", "late")


def test_what_a_person_took_back_upstream_is_not_done_again(world: World) -> None:
    place = hydrated(world)
    one = world.replica()
    one.until(START, START + 90 * timedelta(seconds=1))
    place.upstream.push("Back to 1.0", {SOURCE: deployment("web", "1.0")}, START + 90 * timedelta(seconds=1))
    hydrates(place)
    one.until(START + 2 * MINUTE, LAST)
    record = record_of(one)
    assert record.outcome == "verified"
    assert subjects(place)[0] == "Back to 1.0"


@pytest.mark.parametrize("habit", ["copy", "merge"])
def test_what_people_commit_beside_the_writer_is_taken_back_here_alone(world: World, habit: str) -> None:
    place = HABITS[habit](world)
    world.metrics.mend("web", START + MINUTE)
    at = START + 40 * MINUTE
    bad = world.people.push("Debug it here", {FILE: deployment("web", "2.0", "debug")}, at - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, at)
    world.metrics.break_from("web", at + MINUTE, at + 4 * MINUTE)
    before = place.upstream.read(place.file, place.branch)
    one.until(at, at + 8 * MINUTE)
    assert [record.outcome for record in one.reconciler.see_now().journal.records.values()] == ["verified"]
    assert world.people.read(FILE) == deployment("web", "2.0")
    assert place.upstream.read(place.file, place.branch) == before


@pytest.mark.parametrize("branch", ["main", "dry"])
def test_what_is_landed_again_upstream_is_paged_and_not_taken_back_again(world: World, branch: str) -> None:
    place = copied(world) if branch == "main" else hydrated(world)
    one = world.replica()
    one.until(START, START + 150 * timedelta(seconds=1))
    place.upstream.push("Again", {place.file: deployment("web", "2.0")}, START + 150 * timedelta(seconds=1))
    one.until(START + 165 * timedelta(seconds=1), LAST)
    record = record_of(one)
    assert (record.outcome, record.reason) == ("unverified", "CameBack")
    assert "is there again" in record.message
    assert subjects(place)[0] == "Again"
    assert one.told.messages[-1].page


def test_what_the_writer_brings_back_here_is_held_and_not_reverted_again(world: World) -> None:
    place = hydrated(world)
    one = world.replica()
    one.until(START, START + 5 * MINUTE)
    hydrates(place)
    one.until(START + 5 * MINUTE, LAST)
    assert record_of(one).outcome == "verified"
    at = START + 60 * MINUTE
    files = {FILE: deployment("web", "2.0"), METADATA: _metadata(place.upstream.head())}
    again = world.people.push("Hydrate web", files, at - MINUTE, BOT)
    world.engine.deploy("web", again, at)
    world.metrics.break_from("web", at + MINUTE)
    one.until(at, at + 4 * MINUTE)
    assert world.head() == again
    assert "CameBack" in one.told.reasons


def test_a_branch_that_refuses_us_upstream_is_paged_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    hydrated(world)
    one = world.replica()
    refused = PushResult(PushOutcome.PROTECTED, {}, "protected branch hook declined")
    monkeypatch.setattr(Executor, "push_branch", lambda self, branch, commit, old, repo=None: refused)
    one.until(START, LAST)
    record = record_of(one)
    assert (record.outcome, record.reason) == ("unverified", "WrittenByAnother")
    pages = [message for message in one.told.messages if message.reason == "BranchProtected"]
    assert len(pages) == 1
    assert "by hand: git switch dry && git revert" in pages[0].text


def test_a_branch_that_takes_no_push_of_ours_gets_a_pull_request(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    place = hydrated(world)
    forge = FakeForge(world)
    world.forge = forge
    one = world.replica()
    push = Executor.push_branch
    refused = PushResult(PushOutcome.PROTECTED, {}, "protected branch hook declined")
    monkeypatch.setattr(
        Executor,
        "push_branch",
        lambda self, branch, commit, old, repo=None: refused if branch == "dry" else push(self, branch, commit, old),
    )
    one.until(START, START + 4 * MINUTE)
    (request,) = forge.requests.values()
    assert (request.base, request.head.endswith("-upstream")) == ("dry", True)
    assert subjects(place)[0] == "Elsewhere"
    (page,) = [message for message in one.told.messages if message.reason == "BranchProtected"]
    assert f"pull request #{request.number} waits there" in page.text
    assert record_of(one).open
    world.people.git("update-ref", "refs/heads/dry", world.head(request.head))
    hydrates(place)
    one.until(START + 4 * MINUTE, START + 6 * MINUTE)
    assert record_of(one).outcome == "verified"
    assert len(forge.requests) == 1


def test_a_pause_holds_the_second_commit_back(world: World) -> None:
    place = hydrated(world)
    one = world.replica()
    one.until(START, START + 90 * timedelta(seconds=1))
    assert record_of(one).commit is not None
    pause = "apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPause\nspec: {all: true}\n"
    world.people.push("Stop", {".gitops-rollback/pause.yaml": pause}, START + 90 * timedelta(seconds=1))
    one.until(START + 105 * timedelta(seconds=1), START + 4 * MINUTE)
    assert subjects(place)[0] == "Elsewhere"


@dataclass
class Promoters:
    """`ports.lookups.Promoters` with one policy for the branch that the application follows."""

    branch: str

    def objects(self) -> tuple[Mapping[str, object], ...]:
        spec = {"activeBranch": self.branch, "proposedBranch": f"{self.branch}-next", "gitRepositoryRef": {"name": "a"}}
        status = {"active": {"dry": {"sha": "5" * 40}}}
        metadata = {"name": "prod", "namespace": "promoter"}
        return ({"kind": "ChangeTransferPolicy", "metadata": metadata, "spec": spec, "status": status},)


@pytest.mark.parametrize(("branch", "asked"), [("main", True), ("staging", False)])
def test_a_branch_that_gitops_promoter_writes_by_its_objects_is_a_persons_matter(
    world: World, branch: str, asked: bool
) -> None:
    """Whoever merged the last of its pull requests by hand left no word of it in the commit."""
    world.promoters = Promoters(branch)
    first = world.first({"apps/web/web.yaml": deployment("web", "1.0"), f"{POLICIES}/web.yaml": policy("web")})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = world.people.push("Promote 1.1", {"apps/web/web.yaml": deployment("web", "1.1")}, START - MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE, START + 4 * MINUTE)
    one = world.replica()
    one.until(START, START + 3 * MINUTE)

    assert world.reverts() == (0 if asked else 1)
    said = [message.text for message in one.told.messages if "revert 555555555555 on the dry branch" in message.text]
    assert bool(said) == asked
