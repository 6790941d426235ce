"""Which applications of the engines does this repository feed, and which policy watches each?

A policy at the head names an application; one that only the judged change removed from the policies is found too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial

from gitops_rollback.app.closures import Closures, Followed
from gitops_rollback.app.deployed import Before, Deployed, PoliciesBefore, marked_revisions
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.target_index import TargetIndex, names
from gitops_rollback.app.view import PolicyStore, View
from gitops_rollback.core.claims import claimed_twice
from gitops_rollback.core.commit import is_sha
from gitops_rollback.core.deployments import HARD_END, deployments, distinct, our_revision, source_index
from gitops_rollback.core.errors import Reason, RollbackError
from gitops_rollback.core.paths import Paths, own_paths
from gitops_rollback.core.policy import Policy, Target
from gitops_rollback.core.repository_url import path_equal, same_repository
from gitops_rollback.core.rollback import Phase
from gitops_rollback.core.selecting import Selectable, filled, selectable, takes_in
from gitops_rollback.core.sync import ApplicationId, ApplicationState, Obstacle, Operation, Source
from gitops_rollback.core.tenants import Tenancy
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import ConfigRepo, Engine


@dataclass(frozen=True)
class Fed:
    """One application that renders from our repository, and its own files there."""

    engine: Engine
    state: ApplicationState
    indexes: tuple[int, ...]
    own: Paths  # by the policy at the head, if it names paths
    rendered: Paths  # the engine's own word, whatever a policy says
    closures: Closures | None = field(default=None, repr=False, compare=False)

    def touches(self, paths: Iterable[str], at: str) -> bool:
        """True if one of `paths` may be an input at the revision `at`.

        No policy can talk a file out of what the engine renders.
        """
        named = tuple(paths)
        if any(path in self.own or path in self.rendered for path in named):
            return True
        why = self.reads(at).why
        return any(path in why for path in named)

    def reads(self, at: str) -> Followed:
        """The files that it renders from at a revision, wherever they lie."""
        return self.closures.beside(self.state, self.indexes, at) if self.closures is not None else Followed()

    @property
    def name(self) -> str:
        return str(self.state.id)


@dataclass(frozen=True)
class Problem:
    """A target or an engine that cannot be watched, and why."""

    subject: str
    reason: Reason
    message: str


@dataclass(frozen=True)
class Listing:
    """All that one look at the engines found for this repository.

    `silent` are those of the `problems` that are an engine's: nobody knows whether an application of it is gone.
    """

    watched: tuple[Watched, ...]
    fed: tuple[Fed, ...]
    problems: tuple[Problem, ...] = ()
    silent: tuple[Problem, ...] = ()
    claims: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # as `core.claims` has them, by full name

    def named(self, application: str) -> tuple[Fed, ...]:
        """The application of this full name; () if it is gone."""
        return tuple(fed for fed in self.fed if fed.name == application)


@dataclass(frozen=True)
class Judged:
    """What a deployment brought to an application without a policy at the head, and the policy from before it."""

    operation: Operation
    before: Before | None = None


class Directory:
    """Lists the engines and joins them with the policies."""

    def __init__(
        self,
        repo: ConfigRepo,
        engines: Sequence[Engine],
        policies: PolicyStore,
        aliases: Sequence[str] = (),
        tenancy: Tenancy | None = None,
        closures: Closures | None = None,
    ) -> None:
        self._closures = closures
        self._tenancy = tenancy or Tenancy()
        self._repo = repo
        self._engines = engines
        self._policies = policies
        self._urls = (repo.url, *aliases)
        self._before = PoliciesBefore(repo, policies, closures)
        self._judged: dict[str, Judged] = {}
        self._named: tuple[Sequence[Policy], TargetIndex] = (), TargetIndex(())
        self._owned: tuple[Listing | None, dict[str, Listing]] = None, {}

    @crash_point("engine-list")
    def look(self, view: View, now: datetime) -> Listing:
        """One engine that does not answer is a problem of its own applications only."""
        if self._closures is not None:
            self._closures.begin()
        named = self._index(view.policies.policies)
        fed: list[Fed] = []
        strangers: list[ApplicationState] = []
        silent: list[Problem] = []
        for engine in self._engines:
            try:
                states = engine.applications()
            except RollbackError as error:
                silent.append(Problem(engine.instance, error.reason, error.message))
                continue
            for state in states:
                indexes = source_index(state.sources, partial(self._feeds_now, state))
                if indexes:
                    fed.append(_fed(engine, state, indexes, named, self._closures))
                else:
                    strangers.append(state)
        self._know(fed, {one.subject for one in silent})
        self._judged = {one.name: self._judged[one.name] for one in fed if one.name in self._judged}
        found = [one for one in (self._watch(fed_one, named, view, now) for fed_one in fed) if one is not None]
        problems = self._unmatched(view, found, strangers, bool(silent))
        watched = tuple(one for one in found if not self._refusal(one))
        problems += [Problem(one.name, Reason.FOREIGN_TENANT, why) for one in found if (why := self._refusal(one))]
        claims = claimed_twice((one.state, tuple(one.state.sources[index] for index in one.indexes)) for one in fed)
        return Listing(watched, tuple(fed), (*silent, *problems), tuple(silent), claims)

    def _index(self, policies: Sequence[Policy]) -> TargetIndex:
        """The same one as long as the policies are: what selectors took in is not asked again at each look."""
        if policies != self._named[0]:
            self._named = policies, TargetIndex(policies)
        return self._named[1]

    def _know(self, fed: Sequence[Fed], silent: Collection[str]) -> None:
        """What selectors look at; of an engine that does not answer, what it said last."""
        known = self._policies.known
        kept = {id: one for id, one in known.applications.items() if id.instance in silent}
        known.applications = kept | {one.state.id: selectable(one.state) for one in fed}

    def _refusal(self, watched: Watched) -> str:
        return self._tenancy.refusal(watched.policy, watched.state.project, watched.state.namespace)

    def _feeds_now(self, state: ApplicationState, source: Source) -> bool:
        return self.feeds(source, state)

    def feeds(self, source: Source, state: ApplicationState) -> bool:
        """True if the source is our repository: by its address, or by its path and a commit that only we would have."""
        if any(same_repository(source.repo_url, url) for url in self._urls):
            return True
        if not any(path_equal(source.repo_url, url) for url in self._urls):
            return False
        revisions = [*state.sync_revisions, *(state.operation.revisions if state.operation else ())]
        return any(is_sha(revision) and self._repo.has(revision) for revision in revisions)

    def policy_at(self, application: str, revisions: Iterable[str]) -> Policy | None:
        """The policy that names the application of this full name, at the first revision where one does."""
        instance, kind, namespace, name = application.split("/", 3)
        wanted = ApplicationId(instance, kind, namespace, name)
        found = (self._policies.naming(revision, wanted) for revision in revisions)
        return next((one[0] for one in found if one is not None), None)

    def feeder(self, watched: Watched) -> Callable[[Source], bool]:
        """Which sources of this application, past ones included, are our repository."""
        return lambda source: self.feeds(source, watched.state)

    def says_the_same(self, application: ApplicationId, revision: str, before: str) -> bool:
        """True if the policies said nothing else of the application at `before`, or `before` is the later one."""
        if self._repo.is_ancestor(revision, before):
            return True
        said = self._policies.said(before, application)
        return said is not None and said == self._policies.said(revision, application)

    def owned_at(self, listing: Listing, revision: str) -> Listing:
        """The listing with each application's own files by the word of the policies at `revision`.

        Found out once for all alarms of a tick: each of them asks about each application.
        """
        whose, known = self._owned
        if whose is not listing:
            known = {}
            self._owned = listing, known
        if revision not in known:
            known[revision] = self._owned_by(listing, revision)
        return known[revision]

    def _owned_by(self, listing: Listing, revision: str) -> Listing:
        def own(fed: Fed) -> Paths:
            found = self._policies.naming(revision, fed.state.id)
            return own_paths(fed.state.sources, fed.indexes, found[1].paths if found else ())

        return replace(listing, fed=tuple(replace(fed, own=own(fed)) for fed in listing.fed))

    def _watch(self, fed: Fed, named: TargetIndex, view: View, now: datetime) -> Watched | None:
        found = (
            named.naming(fed.state.id, self._policies.known.of(fed.state.id))
            or self._removed_by_change(fed, view, now)
            or self._of_open_rollback(fed, view)
        )
        if found is None:
            return None
        policy, target = found
        return Watched(policy, target, fed.engine, fed.state, fed.indexes, fed.own)

    def _of_open_rollback(self, fed: Fed, view: View) -> tuple[Policy, Target] | None:
        """What was pushed is followed to its end, though a person has taken the policy away since."""
        record = view.open_record(fed.name)
        if record is None or record.phase is Phase.AWAITING_APPROVAL:
            return None
        revisions = (record.restores, record.bad_revision, record.commit)
        found = (self._policies.naming(revision, fed.state.id) for revision in revisions if revision)
        return next((one for one in found if one is not None), None)

    def _removed_by_change(self, fed: Fed, view: View, now: datetime) -> tuple[Policy, Target] | None:
        """A change must not escape by deleting its policy; a person who deletes it alone is left alone."""
        operation = fed.state.operation
        if operation is None or now - operation.started_at > HARD_END:
            self._judged.pop(fed.name, None)
            return None
        try:
            before = self._judge(fed, operation, view).before
            if before is None or before.policy is None:
                return None
            suspect = self._before.brought_by_suspect(before.commits, view.heads.branch, fed.state.id)
        except RollbackError:
            return None
        return before.policy if suspect else None

    def _judge(self, fed: Fed, operation: Operation, view: View) -> Judged:
        """What was just deployed, and the policy from before it. The list does not say: ask once a deployment."""
        known = self._judged.get(fed.name)
        if known is not None and known.operation == operation:
            return known
        judged = Judged(operation)
        state = fed.engine.application(fed.state.id, fed.state.project)
        records = distinct(deployments(state)) if state else ()
        feeds = partial(self.feeds, state=fed.state)
        bad = our_revision(records[-1], feeds) if records else None
        if bad is not None:
            deployed = Deployed(fed.state, fed.indexes, records[-1], records, bad, feeds)
            judged = Judged(operation, self._before.of(deployed, marked_revisions(view.journal.records.values())))
        if operation.phase.ended:
            self._judged[fed.name] = judged
        return judged

    def _unmatched(
        self, view: View, watched: Sequence[Watched], strangers: Sequence[ApplicationState], blind: bool
    ) -> list[Problem]:
        """Targets without an application of ours. While an engine does not answer, none can be called missing."""
        problems: list[Problem] = []
        seen, others = _by_name(one.id for one in watched), _by_name(state.id for state in strangers)
        states = {state.id: state for state in strangers}
        for policy in view.policies.policies:
            for target in policy.targets:
                if target.selector is not None:
                    problems += self._of_pattern(policy, target, watched, blind)
                    continue
                key = target.application.kind, target.application.name
                if any(names(target, one) for one in seen.get(key, ())):
                    continue
                known = self._policies.known.applications.values() if policy.sources else ()
                elsewhere = [one for one in known if names(target, one.id) and self._named[1].unserved(one)]
                if elsewhere:
                    problems.append(_unserved(f"{policy.name}/{target.name}", elsewhere[0]))
                    continue
                same = [states[one] for one in others.get(key, ())]
                problems += self._why_unmatched(policy, target, same, blind)
        return problems

    def _of_pattern(
        self, policy: Policy, pattern: Target, watched: Sequence[Watched], blind: bool
    ) -> Iterator[Problem]:
        """A selector that takes in nothing, and each application that it takes in and that is not judged by it."""
        subject, selector = f"{policy.name}/{pattern.name}", pattern.selector
        known = self._policies.known.applications.values()
        taken = [one for one in known if selector is not None and takes_in(selector, one)]
        if not taken and not blind:
            yield Problem(subject, Reason.ENGINE_UNCLEAR, "its selector takes in no application of this repository")
        judged = {one.id for one in watched}
        for one in taken:
            others = [f"{other.name}/{target.name}" for other, target in self._named[1].taking_in(one)]
            if len(others) > 1:
                message = f"selectors of {', '.join(others)} take in {one.id.short}, so none of them judges it"
                yield Problem(str(one.id), Reason.POLICY_INVALID, message)
            elif one.id in judged:
                continue
            elif self._named[1].unserved(one):
                yield _unserved(subject, one)
            elif filled(pattern, one) is None:
                message = f"{one.id.short} has no word for a variable of {subject}, so it is not watched"
                yield Problem(str(one.id), Reason.POLICY_INVALID, message)

    def _why_unmatched(
        self, policy: Policy, target: Target, strangers: Sequence[ApplicationState], blind: bool
    ) -> list[Problem]:
        subject = f"{policy.name}/{target.name}"
        other = next((state for state in strangers if names(target, state.id)), None)
        held = _without_address(other) if other is not None else None
        if held is not None:
            return [Problem(subject, held.reason, f"{held.message}; {held.remedy}")]
        if other is not None:
            urls = ", ".join(source.repo_url for source in other.sources) or "no repository"
            message = f"the application renders from {urls}, this repository is {self._repo.url}"
            return [Problem(subject, Reason.REPOSITORY_MISMATCH, message)]
        if blind:
            return []
        ref = target.application
        message = f"no engine shows an application {ref.namespace}/{ref.name}"
        return [Problem(subject, Reason.ENGINE_UNCLEAR, message)]


def _unserved(subject: str, one: Selectable) -> Problem:
    """Counts of another cluster would say nothing of it."""
    message = f"no metric source of the policy serves {one.cluster or 'its cluster'}, where {one.id.short} runs"
    return Problem(subject, Reason.POLICY_INVALID, message)


def _fed(
    engine: Engine, state: ApplicationState, indexes: tuple[int, ...], named: TargetIndex, closures: Closures | None
) -> Fed:
    found = named.naming(state.id, selectable(state))
    own = own_paths(state.sources, indexes, found[1].paths if found else ())
    return Fed(engine, state, indexes, own, own_paths(state.sources, indexes), closures)


def _without_address(state: ApplicationState) -> Obstacle | None:
    """Why it follows no git repository, so that it has no address that could be ours; None if it follows another one.

    Nobody can mend what else is in its way so that a commit of this repository reached it.
    """
    if any(source.repo_url for source in state.sources):
        found = [one for one in state.obstacles if one.reason is Reason.NOT_GIT]
    else:
        found = [one for one in state.obstacles if one.reason is not Reason.IMAGE_AUTOMATION]
    return found[0] if found else None


def _by_name(applications: Iterable[ApplicationId]) -> dict[tuple[str, str], list[ApplicationId]]:
    found: dict[tuple[str, str], list[ApplicationId]] = {}
    for one in applications:
        found.setdefault((one.kind, one.name), []).append(one)
    return found
