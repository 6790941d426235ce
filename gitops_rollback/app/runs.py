"""How do the runs of infrastructure go that a rollback caused? Asks the engine, the cluster and the forge."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gitops_rollback.app.directory import Fed
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.trees import content_at
from gitops_rollback.core.errors import EngineUnavailable, RollbackError
from gitops_rollback.core.infrastructure import RunObject, Sides
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.provision import Provision, provision_in, provision_of
from gitops_rollback.core.rollback import Phase, RollbackRecord
from gitops_rollback.core.runs import Revert, RunSeen, run_by_status, run_of, unseen_run
from gitops_rollback.core.strategies.stages import between, unfinished
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.core.verification import CheckResult
from gitops_rollback.ports import ConfigRepo, Objects
from gitops_rollback.ports.forge import Forge


class ObjectReaders:
    """`ports.Objects` by the application's engine."""

    def __init__(self, by_instance: Mapping[str, Objects]) -> None:
        self._by_instance = by_instance

    def find(
        self, application: ApplicationState, named: Sequence[RunObject]
    ) -> Mapping[RunObject, Mapping[str, object]]:
        """Raises: EngineUnavailable, also where nobody shows the objects of that engine's applications."""
        reader = self._by_instance.get(application.id.instance)
        if reader is None:
            raise EngineUnavailable(application.id.short, "its objects cannot be seen: no Kubernetes API is configured")
        return reader.find(application, named)

    def serves(self, application: ApplicationState, api_version: str, kind: str) -> bool | None:
        """None also where nobody shows the objects of that engine's applications."""
        reader = self._by_instance.get(application.id.instance)
        return reader.serves(application, api_version, kind) if reader is not None else None


UNSEEN = ObjectReaders({})


@dataclass
class Runs:
    """Keeps nothing: whoever comes next sees the same."""

    objects: Objects
    forge: Forge | None = None

    def seen(
        self,
        record: RollbackRecord,
        provision: Provision | None,
        affected: Sequence[Fed],
        contains: Callable[[str], bool],
    ) -> tuple[RunSeen, ...]:
        """One for each that is to be watched; what nobody can tell is not done."""
        if provision is None or record.phase not in (Phase.SYNCING, Phase.VERIFYING):
            return ()
        return tuple(self._seen(provision, record, affected, contains))

    def _seen(
        self, provision: Provision, record: RollbackRecord, affected: Sequence[Fed], contains: Callable[[str], bool]
    ) -> Iterator[RunSeen]:
        revert = Revert(contains, provision.by_revision)
        if provision.objects:
            try:
                found = self._found(provision.objects, affected)
            except RollbackError as error:
                yield from (RunSeen(CheckResult(one.words, None, error.message)) for one in provision.objects)
            else:
                yield from (run_of(one, found.get(one), revert) for one in provision.objects)
        for context in provision.statuses:
            yield self._by_status(context, record)
        yield from map(unseen_run, provision.unwatched)

    def _found(self, named: Sequence[RunObject], affected: Sequence[Fed]) -> dict[RunObject, Mapping[str, object]]:
        """In the clusters of all applications that the commit changed."""
        found: dict[RunObject, Mapping[str, object]] = {}
        for fed in affected:
            found |= self.objects.find(fed.state, named)
        return found

    def _by_status(self, context: str, record: RollbackRecord) -> RunSeen:
        """That of our commit, or of the pull request that brought it: some tools run before the merge."""
        unseen = CheckResult(f"commit status {context}", None, "the settings name no forge that could show it")
        if self.forge is None:
            return RunSeen(unseen)
        newest = record.offer.newest if record.offer is not None else None
        shas = [sha for sha in (record.commit, newest.commit if newest else None) if sha is not None]
        try:
            statuses = (self.forge.status(sha, context) for sha in shas)
            return run_by_status(context, next((one for one in statuses if one is not None), None))
        except RollbackError as error:
            return RunSeen(replace(unseen, message=error.message))


def caused(repo: ConfigRepo, record: RollbackRecord, watched: Sequence[Watched], policy: Policy) -> Provision | None:
    """The infrastructure that the rollback changes; while more of its commits are to come, that of the newest alone.

    What goes back for another one's sake is watched by the rules of its own policy, too. Raises: RollbackError.
    """
    if record.commit is None or not unfinished(record):
        return provision_in(record.evidence)
    _, names = between(record)
    rules = [rule for one in watched if one.name in names for rule in one.policy.strategies]
    before = repo.commit(record.commit).parents[0]
    sides = (
        Sides(path, content_at(repo, before, path), content_at(repo, record.commit, path))
        for path in record.steps[-1].blobs
    )
    return provision_of(sides, (*rules, *policy.strategies))
