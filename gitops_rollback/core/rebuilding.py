"""Records made again from the commits of rollbacks, for a journal that was lost: what their trailers say, and no more.

Source: safety.md, The journal.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord
from gitops_rollback.core.selecting import engine_of

MESSAGE = "made again from its commits, since the journal was lost; how it ended is not known"


def rebuilt(
    commits: Sequence[Commit], known: Collection[str], repository: str, committer: str
) -> tuple[RollbackRecord, ...]:
    """One record for each rollback among `commits` (newest first) that `known` does not name, the oldest first.

    Only what `committer` made counts: anybody can write trailers. None of them passes for verified.
    """
    found: dict[str, list[Commit]] = {}
    for commit in reversed(commits):
        for name in commit.trailers.get("Rollback-Id", ()) if committer in commit.committer else ():
            if name not in known and _names_applications(commit):
                found.setdefault(name, []).append(commit)
    return tuple(_record(name, made, repository) for name, made in found.items())


def _names_applications(commit: Commit) -> bool:
    return bool(commit.trailers.get("Rollback-Application")) and bool(commit.trailers.get("Rollback-Bad-Revision"))


def _record(name: str, commits: Sequence[Commit], repository: str) -> RollbackRecord:
    first, last = commits[0].trailers, commits[-1].trailers
    applications = first["Rollback-Application"]
    steps = tuple(_step(commit, n) for n, commit in enumerate(commits, start=1))
    rung = _one(last.get("Rollback-Rung", ()))
    return RollbackRecord(
        id=name,
        applications=applications,
        engine=_engine(applications[0]),
        repository=repository,
        bad_revision=_one(first["Rollback-Bad-Revision"]),
        restores=_one(first.get("Rollback-Restores", ())),
        policy=_one(first.get("Rollback-Policy", ())),
        triggers=first.get("Rollback-Trigger", ()),
        reverts=tuple(dict.fromkeys(sha for one in commits for sha in one.trailers.get("Rollback-Reverts", ()))),
        phase=Phase.DONE,
        rung=int(rung) if rung.isdecimal() else None,
        steps=steps,
        outcome=RollbackOutcome.UNVERIFIED,
        reason=Reason.JOURNAL_LOST.value,
        message=MESSAGE,
        requested_by=_one(first.get("Rollback-Requested-By", ())) or "controller",
        times={"decided": commits[0].committed_at, "pushed": commits[0].committed_at},
    )


def _engine(application: str) -> str:
    instance, kind, *_ = (*application.split("/"), "")
    return engine_of(kind, instance)


def _step(commit: Commit, n: int) -> StepRecord:
    said, _, of = _one(commit.trailers.get("Rollback-Step", ())).partition("/")
    number, total = (int(said), int(of)) if said.isdecimal() and of.isdecimal() else (n, n)
    blobs = {change.path: change.new_blob for change in commit.changes}
    return StepRecord(number, max(number, total), commit.sha, blobs, commit.committed_at)


def _one(values: Iterable[str]) -> str:
    return next(iter(values), "")
