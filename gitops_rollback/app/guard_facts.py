"""Looks up what the guards must know about a plan. What cannot be seen stays None, and a guard then asks a person.

Who is asked too soon is woken for a trouble of a second: within the first minute of an alarm what fails for now raises,
and the next look tries again.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from gitops_rollback.app.blame import Blame
from gitops_rollback.app.choosing import WEIGHT_OWNERS
from gitops_rollback.app.coming_back import NOTHING_ASKED, ComingBack, Seeing
from gitops_rollback.app.dependencies import broken_by, needs
from gitops_rollback.app.directory import Listing
from gitops_rollback.app.inputs import Inputs
from gitops_rollback.app.rehearsing import stage_of
from gitops_rollback.app.subject import Look
from gitops_rollback.app.upstream_finding import Rolled, UpstreamFinder, looked_up
from gitops_rollback.app.view import View
from gitops_rollback.app.workloads import NOBODY, images_running, workloads_seen
from gitops_rollback.core.commit import ABSENT_MODE, Commit, FileChange
from gitops_rollback.core.deployments import revision_in, spec_changed
from gitops_rollback.core.errors import ObjectMissing, StalledError
from gitops_rollback.core.guards.facts import (
    BranchFacts,
    Budgets,
    ChangedFile,
    CountedRollback,
    GuardFacts,
    LiveObject,
    OwnFile,
    TakenBack,
    TenantBudget,
    WriterFacts,
)
from gitops_rollback.core.guards.writer import copied_from
from gitops_rollback.core.image_updater import MAIL as UPDATERS_MAIL
from gitops_rollback.core.image_updater import updates_of
from gitops_rollback.core.infrastructure import Sides
from gitops_rollback.core.ownership import ours
from gitops_rollback.core.plan import Reversal
from gitops_rollback.core.provision import provided, provision_of
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.strategies.stages import set_meanwhile, taking_back
from gitops_rollback.core.sync import Operation
from gitops_rollback.core.tenants import Tenancy
from gitops_rollback.core.upstream import METADATA, kargo_promotion, proposed_branch
from gitops_rollback.ports import ConfigRepo, Workloads

MAX_FILES = 300
MAX_FILE_BYTES = 1 << 20
QUARANTINE = timedelta(hours=24)
PATIENCE = timedelta(minutes=1)
WRITERS_SEEN = 10
HISTORY_SEEN = 300
LINKS = ("160000",)
MANIFESTS = (".yaml", ".yml", ".json", ".tpl")
MERGES_OF_A_HABIT = 3
MERGED_BRANCH = re.compile(r"^Merge (?:remote-tracking )?branch '([^']+)'")  # git's own words


@dataclass(frozen=True)
class Limits:
    """What the settings and the other repositories add: limits, and rollbacks counted over all journals.

    `signs`: our commits in this repository bear a signature. `forge`: pull requests can be opened for it. `kinds`,
    (group, kind), may go back and forth besides those that are known to.
    """

    budgets: Budgets
    counted: Callable[[], tuple[CountedRollback, ...]]
    tenancy: Tenancy = field(default_factory=Tenancy)
    signs: bool = False
    forge: bool = False
    kinds: frozenset[tuple[str, str]] = frozenset()


class GuardFactsReader:
    """Gathers facts for one plan at a time; thread-safe, keeps nothing."""

    def __init__(
        self,
        repo: ConfigRepo,
        inputs: Inputs,
        limits: Limits,
        coming: ComingBack = NOTHING_ASKED,
        workloads: Workloads = NOBODY,
    ) -> None:
        self._coming = coming
        self._workloads = workloads
        self._repo = repo
        self._inputs = inputs
        self._limits = limits

    def read(
        self, look: Look, blame: Blame, reversal: Reversal, view: View, listing: Listing, now: datetime
    ) -> GuardFacts:
        """All that can be seen now, on the tree that would be pushed. Raises: TransientError for an alarm so young."""
        fired = look.raised.fired_at
        seen = Seeing(patient=fired is not None and now - fired <= PATIENCE)
        suspects = tuple(suspect.commit for suspect in blame.attribution.undone)
        files, live = seen(lambda: self._changed(reversal.changes)), seen(lambda: self._live(look))
        own_files = seen(lambda: self._own_files(look, seen))
        workloads = workloads_seen(self._workloads, look.target, look.state)
        sides = (Sides(one.path, one.before, one.after) for one in files or ())
        provision = provision_of(sides, look.policy.strategies)
        return GuardFacts(
            now=now,
            policy=provided(look.policy, provision),
            target=look.target,
            reversal=reversal,
            suspects=suspects,
            repository=self._repo.name,
            applications=tuple(
                fed.name
                for fed in listing.fed
                if fed.name == look.name or fed.touches(reversal.paths, view.heads.branch)
            ),
            files=files,
            culprit_files=seen(lambda: tuple(one for each in suspects for one in self._changed(each.changes))),
            provision=provision,
            superseded_files=seen(lambda: self._superseded(reversal)),
            own_files=own_files,
            operation=_operation(look),
            live=live,
            workloads=workloads,
            owners=tuple(
                (one.kind, one.name) for one in look.state.resources if (one.group, one.kind) in WEIGHT_OWNERS
            ),
            running=images_running(workloads),
            asks_registries=self._coming.registry is not None,
            images=self._coming.images_of(files, live, seen),
            charts=self._coming.charts_of(files, own_files or (), seen),
            unserved=self._coming.unserved_by(look.state, files or ()),
            stage=seen(lambda: stage_of(self._repo, look.target, listing, view.journal.records.values())),
            references=self._coming.references_of(look.state, own_files, files, seen),
            ground=blame.ground,
            inputs=seen(lambda: self._inputs.of(view.heads.branch, look.watched.own)),
            taken_back=seen(lambda: self._taken_back(look, view.journal.records.values(), now, seen)),
            branch=self._branch(look, blame, view, seen),
            writer=seen(lambda: self._writer(look, suspects, reversal, view)),
            dependants=seen(lambda: self._dependants(look, suspects, listing, view)),
            broken_by=broken_by(look, listing, view.journal.records.values()),
            forge=self._limits.forge,
            rollbacks=self._limits.counted(),
            budgets=self._limits.budgets,
            claimed_by=listing.claims.get(look.name, ()),
            foreign=self._foreign(look, reversal, listing),
            tenant=self._tenant(look, listing),
            extra_kinds=self._limits.kinds,
        )

    def _foreign(self, look: Look, reversal: Reversal, listing: Listing) -> tuple[str, ...]:
        """Applications and files of other tenants that the plan would change."""
        tenancy = self._limits.tenancy
        others = [
            fed.name
            for fed in listing.fed
            if fed.touches(reversal.paths, reversal.base)
            and tenancy.refusal(look.policy, fed.state.project, fed.state.namespace)
        ]
        return (*others, *tenancy.foreign_paths(look.policy, reversal.paths))

    def _dependants(
        self, look: Look, undone: Sequence[Commit], listing: Listing, view: View
    ) -> tuple[tuple[str, str], ...]:
        """A dependency counts that the policy in force or the head names, so that no change can take it away."""
        needed = needs(listing, look)
        dependants = [other for other in listing.watched if look.name in needed.get(other.name, ())]
        if not dependants or not undone:
            return ()
        records, going = view.journal.records.values(), {commit.sha for commit in undone}
        later = [one for one in self._repo.commits(undone[-1].sha, view.heads.branch) if one.sha not in going]
        since = [one for one in later if not ours(one, records, None)]
        newest = ((other.name, [one.sha for one in since if other.own.of(one.paths)][:1]) for other in dependants)
        return tuple((name, shas[0]) for name, shas in newest if shas)

    def _tenant(self, look: Look, listing: Listing) -> TenantBudget | None:
        tenant = self._limits.tenancy.of(look.policy)
        if tenant is None or tenant.per_day is None:
            return None
        own = [fed.name for fed in listing.fed if tenant.owns(fed.state.project, fed.state.namespace)]
        return TenantBudget(tenant.name, tenant.per_day, frozenset(own))

    def _changed(self, changes: Sequence[FileChange]) -> tuple[ChangedFile, ...]:
        if len(changes) > MAX_FILES:
            raise ObjectMissing("plan", f"{len(changes)} files are more than are read")
        return tuple(self._file(change) for change in changes)

    def _file(self, change: FileChange) -> ChangedFile:
        try:
            before = self._content(change.old_mode, change.old_blob)
            after = self._content(change.new_mode, change.new_blob)
        except StalledError as error:
            return ChangedFile(change.path, None, None, error.message)
        return ChangedFile(change.path, before, after)

    def _content(self, mode: str, blob: str | None) -> bytes | None:
        if blob is None or mode == ABSENT_MODE:
            return None
        return b"" if mode in LINKS else self._repo.read(blob, MAX_FILE_BYTES)

    def _superseded(self, reversal: Reversal) -> tuple[ChangedFile, ...]:
        commits = [self._repo.commit(sha) for sha in reversal.superseded]
        return tuple(one for commit in commits for one in self._changed(commit.changes))

    def _own_files(self, look: Look, seen: Seeing) -> tuple[OwnFile, ...]:
        found: list[OwnFile] = []
        own = look.watched.own
        for pattern in (*own.patterns, *sorted(own.files)):
            wild = any(sign in pattern for sign in "*?") and pattern not in own.files
            under = pattern.strip("/") if not wild else _fixed(pattern)
            for entry in self._repo.files(look.bad_revision, under):
                if not entry.path.endswith(MANIFESTS) or entry.path not in own:
                    continue
                if len(found) == MAX_FILES:
                    raise ObjectMissing(look.name, f"it has more than {MAX_FILES} manifests, which are not all read")
                found.append(OwnFile(entry.path, seen(partial(self._repo.read, entry.blob))))
        return tuple(found)

    def _live(self, look: Look) -> tuple[LiveObject, ...]:
        objects = look.watched.engine.live_objects(look.watched.id, look.state.project)
        return tuple(LiveObject(one.desired, one.live) for one in objects)

    def _taken_back(
        self, look: Look, records: Iterable[RollbackRecord], now: datetime, seen: Seeing
    ) -> tuple[TakenBack, ...]:
        """The state of the inputs ever, the single files of the last 24 hours; those of every application count."""
        found: list[TakenBack] = []
        for record in records:
            commit, at = record.commit, record.times.get("pushed")
            concerns, young = look.name in record.applications, at is not None and now - at <= QUARANTINE
            if commit is None or at is None or not (concerns or young):
                continue
            state = seen(partial(self._inputs.of, record.bad_revision, look.watched.own)) if concerns else None
            # What a fetch did not bring is on no branch of ours, so nothing was taken back by it.
            known = [one for one in taking_back(record) if young and self._repo.has(one)]
            left = set_meanwhile(record) if known else frozenset()
            blobs = {path: blob for each in known for path, blob in self._taken_blobs(each).items() if path not in left}
            found.append(TakenBack(at, record.id, state, blobs))
        return tuple(found)

    def _taken_blobs(self, commit: str) -> Mapping[str, str]:
        changes = self._repo.commit(commit).changes
        return {change.path: change.old_blob for change in changes if change.old_blob is not None}

    def _branch(self, look: Look, blame: Blame, view: View, seen: Seeing) -> BranchFacts:
        source = look.state.sources[look.watched.indexes[0]]
        follows = source.target_revision in ("", "HEAD", self._repo.branch, f"refs/heads/{self._repo.branch}")
        good = blame.attribution.last_good
        return BranchFacts(
            follows=follows,
            decided_by="" if follows else f"targetRevision {source.target_revision} of {look.watched.id.short}",
            spec_changed=spec_changed(look.bad_record, good) if good else None,
            auto_sync=look.state.auto_sync,
            pending=seen(lambda: self._pending(look, view)),
            obstacles=seen(lambda: look.watched.engine.obstacles(look.watched.id, look.state.project)),
            signs=self._limits.signs,
        )

    def _pending(self, look: Look, view: View) -> tuple[str, ...]:
        later = self._repo.commits(look.bad_revision, view.heads.branch)
        records = view.journal.records.values()
        own = look.watched.own
        return tuple(commit.sha for commit in later if own.of(commit.paths) and not ours(commit, records, None))

    def _writer(self, look: Look, suspects: Sequence[Commit], reversal: Reversal, view: View) -> WriterFacts:
        records = view.journal.records.values()
        touching = [
            commit for commit in self._history(view) if _touches(commit, reversal) and not ours(commit, records, None)
        ]
        directories = {posixpath.dirname(path) for path in reversal.paths} | {""}
        hydrated = any(
            self._repo.entry_id(view.heads.branch, posixpath.join(directory, METADATA)) for directory in directories
        )
        signs = WriterFacts(
            hydrated=look.state.hydrated,
            annotations=look.state.annotations,
            root_files=(METADATA,) if hydrated else (),
            next_branch=next((branch for one in suspects if (branch := proposed_branch(one))), ""),
            authors=tuple(commit.author for commit in touching[:WRITERS_SEEN]),
            copied_from=self._copied_from(suspects),
            merged_from=_merged_from(touching[:WRITERS_SEEN]),
            held=_held(look, reversal),
            kargo=_kargo(suspects, touching),
            updates=tuple(update for one in suspects for update in updates_of(one.message)),
            managed=self._coming.managed_of(look.state),
            promoter=self._coming.promoting(self._repo.branch, self._repo.url),
        )
        rolled = Rolled(suspects, reversal.paths, view.heads.branch, look.policy.chart_versions)
        find = partial(UpstreamFinder(self._repo).found, look.policy.promotion, look.state, signs, rolled)
        upstream, why = looked_up(find)
        return replace(signs, upstream=upstream, unreachable=why)

    def _copied_from(self, suspects: Sequence[Commit]) -> str | None:
        """The folder that the suspects' new contents stood in before; None where their parent cannot be read."""
        for commit in suspects:
            if not commit.parents:
                return None
            stood: dict[str, list[str]] = {}
            for entry in self._repo.files(commit.parents[0]):
                stood.setdefault(entry.blob, []).append(entry.path)
            found = copied_from(commit.changes, partial(_paths_of, stood))
            if found:
                return found
        return ""

    def _history(self, view: View) -> tuple[Commit, ...]:
        return self._repo.recent(view.heads.branch, HISTORY_SEEN)


def _operation(look: Look) -> Operation | None:
    """The operation that deployed the bad revision; None once the engine has replaced it by a later one."""
    operation, index = look.state.operation, look.watched.indexes[0]
    if operation is None or operation.started_at != look.event_started:
        return None
    return operation if revision_in(look.bad_record, index) in operation.revisions else None


def _held(look: Look, reversal: Reversal) -> tuple[str, ...]:
    automations = look.state.image_automations if reversal.holds else ()
    updater = (f"<{UPDATERS_MAIL}>",) if any(hold.by for hold in reversal.holds) else ()
    return (*updater, *(f"<{one.author}>" for one in automations if one.author))


def _kargo(suspects: Sequence[Commit], touching: Sequence[Commit]) -> tuple[str, ...]:
    """Kargo's promotions that wrote these paths, the culprit's first; () where the culprit is none of its."""
    mine = {one.sha for one in suspects}
    names = [(one.sha in mine, kargo_promotion(one)) for one in touching]
    culprits = [name for own, name in names if own and name]
    others = [name for own, name in names if not own and name]
    return (*culprits[:1], *others[:1]) if culprits else ()


def _touches(commit: Commit, reversal: Reversal) -> bool:
    return bool(set(commit.paths) & set(reversal.paths))


def _paths_of(stood: Mapping[str, list[str]], blob: str) -> Sequence[str]:
    return stood.get(blob, ())


def _merged_from(touching: Sequence[Commit]) -> str:
    """The one branch that all of the last merges came from, if there were enough of them to call it a habit."""
    merges = [commit for commit in touching if len(commit.parents) > 1]
    named = [MERGED_BRANCH.search(commit.subject) for commit in merges]
    branches = {match[1] for match in named if match is not None}
    habit = len(merges) >= MERGES_OF_A_HABIT and len(branches) == 1 and all(named)
    return branches.pop() if habit else ""


def _fixed(pattern: str) -> str:
    return posixpath.dirname(pattern.split("*")[0].split("?")[0]).strip("/")
