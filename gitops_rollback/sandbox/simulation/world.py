"""One simulated world: git, engine, metrics and people around the real controller, and all that is known of it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.message import UPSTREAM_TRAILER
from gitops_rollback.core.stop import SETTINGS_DOOR, PauseState
from gitops_rollback.ports import Message, PushOutcome, RefUpdate
from gitops_rollback.sandbox.simulation.cloud import Cloud
from gitops_rollback.sandbox.simulation.cluster import LATELY, Cluster
from gitops_rollback.sandbox.simulation.databases import Databases
from gitops_rollback.sandbox.simulation.engine import ArgoCluster
from gitops_rollback.sandbox.simulation.events import (
    Asked,
    Document,
    Event,
    Given,
    Landed,
    Logged,
    MergeAsked,
    Recorded,
    Released,
    Requested,
    Rollback,
    Stepped,
    SyncAsked,
    Told,
    Upstreamed,
    step_of,
)
from gitops_rollback.sandbox.simulation.files import PolicyText
from gitops_rollback.sandbox.simulation.flux.cluster import FluxCluster
from gitops_rollback.sandbox.simulation.flux.images import Images
from gitops_rollback.sandbox.simulation.forge.pulls import Pull
from gitops_rollback.sandbox.simulation.forge.site import ForgeSite
from gitops_rollback.sandbox.simulation.holds import RELEASES, Holds
from gitops_rollback.sandbox.simulation.landings import Landings, requested
from gitops_rollback.sandbox.simulation.leasing import Leases
from gitops_rollback.sandbox.simulation.metrics import Store
from gitops_rollback.sandbox.simulation.needing import Broke, Needs
from gitops_rollback.sandbox.simulation.objects import Objects
from gitops_rollback.sandbox.simulation.remote import JOURNAL, MAIN, Accepted, Remote
from gitops_rollback.sandbox.simulation.repo import AUTHOR, URL
from gitops_rollback.sandbox.simulation.schedule import Schedule
from gitops_rollback.sandbox.simulation.setup import Setup
from gitops_rollback.sandbox.simulation.slots import Slots
from gitops_rollback.sandbox.simulation.story import Story
from gitops_rollback.sandbox.simulation.traffic import MIGRATION
from gitops_rollback.sandbox.simulation.truth import Truth
from gitops_rollback.sandbox.simulation.whole import whole

PERSON = "A Developer <developer@example.com>"
OURS = ("controller", "operator")  # whose pushes are the product's; an operator's are by one of its verbs
ENGINES: Mapping[str, type[Cluster]] = {one.engine: one for one in (ArgoCluster, FluxCluster)}


@dataclass(frozen=True)
class Violation:
    """A promise that was broken."""

    at: datetime
    promise: str
    text: str


@dataclass
class Pauses:
    """The three doors as they really are. `settings` is asked by the replicas."""

    settings: PauseState = field(default_factory=lambda: PauseState(SETTINGS_DOOR))
    closed: dict[str, datetime] = field(default_factory=dict)  # door -> since when it stops everything
    texts: set[str] = field(default_factory=set)  # blobs that stop everything


class World:
    """Everything there is, but no actor and no replica: those are added from outside. `judge` looks at each step."""

    def __init__(self, seed: int, setup: Setup) -> None:
        self.seed = seed
        self.setup = setup
        self.schedule = Schedule(self.random("schedule"))
        self.story = Story()
        self.objects = Objects()
        self.remote = Remote(self.objects, lambda: self.schedule.now, moved=self._moved)
        self.truth = Truth(self.objects)
        self.store = Store(self.truth, lambda: self.schedule.now)
        made = ENGINES[setup.engine]
        self.cluster: Cluster = made(self.schedule, self.remote, self.truth, self.story, self.random("engine"), URL)
        self.cluster.sync_asked = self._sync_asked
        self.cluster.requested = lambda who, what, identity: self.report(Requested(self.now, who, what, identity))
        self.pauses = Pauses()
        self.leases = Leases()
        self.calm = False
        self.stepped = False  # some clock jumped
        self.clocks: dict[str, list[tuple[datetime, timedelta]]] = {}  # replica -> since when it is off by how much
        self.forced = False  # history was rewritten
        self.news: list[Event] = []
        self.judge: Callable[[], None] = lambda: None
        self.violations: list[Violation] = []
        self.rollbacks: list[Rollback] = []
        self.steps: list[Stepped] = []  # of plans of several commits, all but the first of each
        self.slots = Slots(self.objects, self.cluster.live)
        self.needs: Needs = {}  # application -> those that it depends on, as policies say
        self.broke: list[Broke] = []  # what was well until a rollback took back what it needs
        self.approved: list[Landed] = []  # where no forge is: what a person's word let us push
        self.yes: set[str] = set()  # rollbacks that a person has approved, whether it came through or not
        if setup.strategy == MIGRATION:
            self.cluster.databases = self.store.databases = self._databases()
        self.upstreamed: list[Upstreamed] = []
        self.releases: list[Released] = []
        self.holds = Holds(self.objects)
        self.said: set[str] = set()  # applications whose hold an operator has asked to end
        self.cloud: Cloud | None = None  # where infrastructure is
        self.images: Images | None = None  # where automations write images
        self.forge: ForgeSite | None = None
        self.landings: Landings | None = None
        if setup.forge:
            self.forge = ForgeSite(self.schedule, self.remote, self.random("forge"), setup.forge_rules, self.tell)
            self.landings = Landings(self.objects, self.forge, self.cluster.ran)
        self.records: dict[str, Document] = {}
        self.messages: list[Told] = []
        self.ours: set[str] = set()
        self.policy_texts: dict[str, PolicyText] = {}  # blob -> what it says
        self.taken_back: set[tuple[str, str]] = set()  # (application, inputs) that a person took back
        self.refusing = False  # a rule of the server refused something, at some time
        self.writes: deque[datetime] = deque()  # of the journal, of late
        self.requests: dict[tuple[str, str, str], datetime] = {}  # (replica, object, rollback) -> the newest one
        self.gone: dict[str, datetime] = {}  # image -> since when no registry has it
        self.still: dict[str, list[tuple[datetime, datetime]]] = {}  # when a replica's process stood still
        self.pushing: dict[str, tuple[RefUpdate, ...]] = {}  # what each replica was about to push last
        self.at_calm: list[Callable[[], None]] = []
        self.racing: Callable[[], Mapping[str, bytes]] = lambda: {"docs/notes.md": f"{self.now}\n".encode()}

    @property
    def now(self) -> datetime:
        return self.schedule.now

    @property
    def head(self) -> str:
        return self.remote.refs[MAIN]

    def _databases(self) -> Databases:
        return Databases(self.objects, self.schedule, self.random("databases"), self.tell, self.cluster.settle)

    @property
    def databases(self) -> Databases:
        """Where releases move data. Raises: RuntimeError elsewhere."""
        if self.cluster.databases is None:
            raise RuntimeError("no release of this world moves data")
        return self.cluster.databases

    @property
    def carried(self) -> list[Rollback]:
        """All rollbacks that are on the branch: pushed by ourselves, or landed by pull request; the oldest first."""
        landed = self.landings.all if self.landings is not None else []
        return sorted([*self.rollbacks, *landed, *self.approved], key=lambda one: one.at)

    def random(self, name: str) -> Random:
        """A stream of chances of its own, so that one actor's draws do not move another's."""
        return Random(f"{self.seed}/{name}")

    def tell(self, actor: str, text: str) -> None:
        """One line of the story."""
        self.story.tell(self.now, actor, text)

    def instant(self, who: str, said: datetime) -> datetime:
        """When the clock of the replica `who` showed `said` last."""
        end = self.now
        for since, offset in reversed(self.clocks.get(who, [])):
            if since <= said - offset <= end:
                return said - offset
            end = since
        return said

    # People

    def put(self, policy: PolicyText) -> bytes:
        """The policy's file; what it says is remembered for the oracles."""
        self.policy_texts[self.objects.blob(policy.text)] = policy
        return policy.text

    def policy_at(self, treeish: str, name: str) -> PolicyText | None:
        """What the application's policy says at a commit; None where there is none that can be read."""
        blob = self.objects.files(treeish).get(f".gitops-rollback/policies/{name}.yaml")
        return self.policy_texts.get(blob) if blob else None

    def commit(
        self, who: str, files: Mapping[str, bytes | None], message: str, author: str = PERSON, merge: bool = False
    ) -> str:
        """A person's commit on the branch, pushed at once; `merge` brings it by a merge commit. Its sha."""
        head = self.head
        tree = self.objects.with_files(head, files)
        if merge:
            side = self.objects.commit(tree, (head,), author, f"{message} (side)", self.now)
            sha = self.objects.commit(tree, (head, side), author, f"Merge branch 'feature-{side[:6]}'", self.now)
        else:
            sha = self.objects.commit(tree, (head,), author, message, self.now)
        outcome = self.remote.receive(who, (RefUpdate(MAIN, sha, head),))[MAIN]
        words = "pushes" if outcome is PushOutcome.LANDED else f"cannot push ({outcome.value})"
        self.tell(who, f"{words} {sha[:8]} {message}")
        return sha

    # What is noticed

    def report(self, event: Event) -> None:
        """Something happened: keep it, and let the promises be checked."""
        self.news.append(event)
        self.judge()

    def asked(self, event: Asked) -> None:
        """A replica is about to push."""
        self.pushing[event.who] = event.updates
        self.report(event)

    def _sync_asked(self, who: str, name: str, identity: str) -> None:
        shown = self.cluster.shown.get((who, name), ())
        lately = tuple(one.state for one in shown if self.now - one.at <= LATELY) or tuple(
            one.state for one in shown[-1:]
        )
        self.report(SyncAsked(self.now, who, name, identity, lately))

    def merge_asked(self, who: str, pull: Pull, head: str) -> None:
        """A replica is about to let the forge merge something."""
        self.report(MergeAsked(self.now, who, pull.number, head))

    def told(self, who: str, message: Message) -> None:
        """People hear something."""
        told = Told(self.now, who, message)
        self.messages.append(told)
        self.tell(who, f"tells people: {message.event} {message.reason} {message.title}")
        self.report(told)

    def logged(self, line: str) -> None:
        """A controller writes a line to its log; the story has what matters of it from elsewhere."""
        self.report(Logged(self.now, line))

    def broken(self, promise: str, text: str) -> None:
        """A promise does not hold."""
        self.violations.append(Violation(self.now, promise, text))
        self.tell("PROMISE", f"{promise} is broken: {text}")

    def stands_still(self, who: str, seconds: float) -> None:
        """A replica's process neither looks nor acts for so long."""
        self.still.setdefault(who, []).append((self.now, self.now + timedelta(seconds=seconds)))

    def _moved(self, accepted: Accepted) -> None:
        known, ended, above = len(self.rollbacks), len(self.releases), len(self.upstreamed)
        went_on, given = len(self.steps), len(self.approved)
        if accepted.ref == MAIN and accepted.who.startswith(OURS):
            for commit in self.objects.first_parents(accepted.new):
                if commit.sha == accepted.old:
                    break
                if commit.committer == AUTHOR and RELEASES in commit.trailers:
                    self._released(Released.of(commit, accepted.at, accepted.who))
                elif commit.committer == AUTHOR and UPSTREAM_TRAILER in commit.trailers:
                    self._taken_back_upstream(commit, accepted)
                elif commit.committer == AUTHOR and (first := self._begun(commit)) is not None:
                    self._stepped_on(Stepped(accepted.at, accepted.who, commit, first, *step_of(commit)))
                elif commit.committer == AUTHOR:
                    self._pushed(commit, accepted)
        if self.landings is not None and self.forge is not None:
            self._by_forge(accepted, self.landings)
            self.forge.moved(accepted)
        if accepted.ref == MAIN:
            for text in self.holds.see(accepted, self.rollbacks[known:]):
                self.tell(accepted.who, text)
        self.report(accepted)
        news: list[Event] = [*self.rollbacks[known:], *self.releases[ended:], *self.upstreamed[above:]]
        news += [Given(one.at, one.who, one.commit, one, *step_of(one.commit)) for one in self.approved[given:]]
        news += self.steps[went_on:]
        for ours in news:
            self.report(ours)
        if accepted.ref == JOURNAL:
            self._read_records(accepted)

    def _pushed(self, commit: Commit, accepted: Accepted) -> None:
        """A rollback of ours, by itself or on a person's word."""
        updates = self.pushing.get(accepted.who, ())
        ran = self.cluster.ran
        asked = self.landings.requested(commit, accepted) if self.landings is not None else None
        said = requested(commit, accepted, ran) if self.landings is None else None
        if said is not None:
            self.approved.append(said := whole(said, updates, self.truth))
        if (found := asked or said) is not None:
            self._landed(found)
        else:
            self._rolled_back(whole(Rollback.of(commit, accepted.at, accepted.who, ran), updates, self.truth))

    def _by_forge(self, accepted: Accepted, landings: Landings) -> None:
        """What went by pull request, and what came of it."""
        if accepted.who.startswith(OURS):
            landings.offers(accepted, self.head, AUTHOR)
        elif accepted.ref == MAIN:
            for landed in landings.see(accepted, self.records):
                self._landed(landed)
            self.ours |= landings.ours

    def _carried_out_before(self, landings: Landings, document: Document, accepted: Accepted) -> None:
        base = landings.knows(document, accepted.at)
        if base:
            for landed in landings.see(Accepted(accepted.at, "person", MAIN, base, self.head), self.records):
                self._landed(landed)

    def _landed(self, landed: Landed) -> None:
        self.ours.add(landed.commit.sha)
        names, how = ", ".join(landed.applications), "by itself" if landed.automatic else "by a person's word"
        self.tell(landed.who, f"LANDS {landed.identity} of {names} as {landed.commit.sha[:8]} {how}")

    def _rolled_back(self, rollback: Rollback) -> None:
        self.rollbacks.append(rollback)
        self.ours.add(rollback.commit.sha)
        reverts = ", ".join(sha[:8] for sha in rollback.reverts)
        names = ", ".join(rollback.applications)
        self.tell(rollback.who, f"ROLLS BACK {names}: {rollback.commit.sha[:8]} reverts {reverts}")

    def _begun(self, commit: Commit) -> Rollback | None:
        """The rollback of which this is a later commit."""
        said = commit.trailers.get("Rollback-Id", ("",))
        plans = (one for one in self.carried if one.staged and one.commit.trailers["Rollback-Id"] == said)
        return next(plans, None) if step_of(commit)[0] > 1 else None

    def _stepped_on(self, step: Stepped) -> None:
        self.steps.append(step)
        self.ours.add(step.commit.sha)
        names = ", ".join(step.rollback.applications)
        self.tell(step.who, f"STEPS ON {step.n}/{step.of} of {names}: {step.commit.sha[:8]} {step.commit.subject}")

    def plan(self, rollback: Rollback) -> list[Rollback | Stepped]:
        """Its commits, oldest first."""
        return [rollback, *(one for one in self.steps if one.rollback is rollback)]

    def _taken_back_upstream(self, commit: Commit, accepted: Accepted) -> None:
        said = commit.trailers
        identity, reverts = said.get("Rollback-Id", ("",))[0], said.get("Rollback-Reverts", ())
        self.upstreamed.append(Upstreamed(accepted.at, accepted.who, commit, identity, reverts))
        self.ours.add(commit.sha)
        self.tell(accepted.who, f"TAKES BACK UPSTREAM {', '.join(reverts)}: {commit.sha[:8]} of {identity}")

    def _released(self, release: Released) -> None:
        self.releases.append(release)
        self.ours.add(release.commit.sha)
        names = ", ".join(release.applications)
        self.tell(release.who, f"RELEASES {names}: {release.commit.sha[:8]} ends the holds of {release.rollback}")

    def _read_records(self, accepted: Accepted) -> None:
        before = self.objects.files(accepted.old) if accepted.old else {}
        for path, blob in self.objects.files(accepted.new).items():
            if path.startswith("records/") and before.get(path) != blob:
                document: Document = json.loads(self.objects.blobs[blob])
                old = self.records.get(str(document["id"]))
                self.records[str(document["id"])] = document
                if self.landings is not None:
                    self._carried_out_before(self.landings, document, accepted)
                words = f"{document['id']} {document['phase']} {document['outcome'] or ''} {document['reason']}"
                self.tell(accepted.who, f"records {words}")
                self.report(Recorded(accepted.at, accepted.who, old, document))

    def shown(self, application: str, at: datetime, seconds: float) -> tuple[float | None, ...]:
        """What the metric store shows at the 15-second ticks of the last `seconds` before `at`, oldest first."""
        start = at - timedelta(seconds=at.timestamp() % 15)
        count = int(seconds // 15)
        return tuple(self.store.value(application, start - timedelta(seconds=15 * n)) for n in range(count, -1, -1))
