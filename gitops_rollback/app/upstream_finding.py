"""What would have to be taken back where the writer of our branch reads? Looked for in git, by the writer's habit.

Nothing is guessed: where it is not clear which commits the writer took over, it is said why.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.guards.facts import WriterFacts
from gitops_rollback.core.plan import PlanOutcome, Reversal
from gitops_rollback.core.policy import ChartVersions
from gitops_rollback.core.promotion import Promotion
from gitops_rollback.core.repository_url import same_repository
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.core.upstream import (
    COPY,
    HYDRATE,
    KARGO,
    MAX_REVERTS,
    MERGE,
    METADATA,
    RENDER,
    Upstream,
    at_source,
    brought,
    dry_sha,
    named_in,
    within,
)
from gitops_rollback.ports import ConfigRepo

AUTHORIZED_STAGE = "kargo.akuity.io/authorized-stage"  # an annotation of the Application
LINE_SEEN = 300  # commits of what the writer reads


class _Unknown(Exception):
    """What would be taken back there is not known, and why."""


class _NotBrought(Exception):
    """The writer has not brought it: somebody committed it here."""


@dataclass(frozen=True)
class Rolled:
    """What is taken back here: `undone` newest first, on the head that is followed."""

    undone: Sequence[Commit]
    paths: Sequence[str]
    head: str
    charts: ChartVersions


@dataclass(frozen=True)
class _Asked:
    """Where to look, and for what: `there` is the repository. `paths` () leaves open what the writer reads."""

    rolled: Rolled
    signs: WriterFacts
    there: ConfigRepo
    tip: str
    branch: str
    paths: tuple[str, ...]
    beside: bool = False  # `there` is another repository than what is rolled back

    @property
    def oldest_parent(self) -> str:
        parents = self.rolled.undone[-1].parents
        if not parents:
            raise _Unknown("the culprit has no parent")
        return parents[0]


@dataclass(frozen=True)
class UpstreamFinder:
    """Writes objects to the clone, and nothing to anybody else."""

    repo: ConfigRepo

    def found(
        self, said: Promotion | None, state: ApplicationState, signs: WriterFacts, rolled: Rolled
    ) -> tuple[Upstream | None, str]:
        """What would be taken back, or why that is not known; neither where nothing says that a writer brought it.

        What the policy `said` goes before what the signs say. Raises: what the repository raises while it cannot be
        read.
        """
        try:
            where = _merged(said, _inferred(state, signs))
            if where is None:
                return None, ""
            if not rolled.undone:
                raise _Unknown("no commit is blamed")
            return self._found(where, signs, rolled), ""
        except _NotBrought:
            return None, ""
        except _Unknown as why:
            return None, str(why)

    def _found(self, where: Promotion, signs: WriterFacts, rolled: Rolled) -> Upstream:
        if where.habit == KARGO:
            return self._promoted(where, signs, rolled)
        there = self.at(where.repository)
        if there is None:
            raise _Unknown(f"{where.repository} is read, which `upstreams` of this repository in the settings lacks")
        if where.repository and not where.branch:
            there.fetch()  # which finds out what it is called
        branch = where.branch or there.branch
        tip = self.tip(branch, rolled.head, where.repository)
        if tip is None:
            raise _Unknown(f"there is no branch {branch}{f' of {where.repository}' if where.repository else ''}")
        asked = _Asked(rolled, signs, there, tip, branch, where.paths, bool(where.repository))
        shas = self._looks[where.habit](asked)
        if not there.is_ancestor(shas[0], tip):
            raise _Unknown(f"{shas[0][:12]} is not on {branch} any more")
        upstream = Upstream(where.habit, branch, shas, repository=there.url if where.repository else "")
        reversal = self.reversal(upstream, tip, rolled.charts)
        if why_not(reversal):
            raise _Unknown(f"{upstream.words}: {why_not(reversal)}")
        return replace(upstream, done=reversal.outcome is PlanOutcome.EMPTY)

    def _promoted(self, where: Promotion, signs: WriterFacts, rolled: Rolled) -> Upstream:
        """What Kargo carried here is known by its Promotion's name alone, and that stands in the commit's message."""
        stage = where.stage or signs.annotations.get(AUTHORIZED_STAGE, "")
        if not signs.kargo:
            raise _Unknown("which Freight brought it is not known: no Promotion's name stands in the commit's message")
        if ":" not in stage:
            raise _Unknown("Kargo's Stage is not known: `promotion.from.stage` can say it, as `project:stage`")
        freight, *others = (name.rpartition(".")[2] for name in signs.kargo)
        shas = tuple(one.sha for one in rolled.undone)
        previous = next((one for one in others if one != freight), "")
        return Upstream(KARGO, self.repo.branch, shas, stage=stage, freight=freight, previous=previous)

    def at(self, repository: str) -> ConfigRepo | None:
        """The repository of this URL, "" for our own; None where the settings do not let us go there."""
        return self.repo.beside(repository) if repository else self.repo

    def place(self, upstream: Upstream) -> ConfigRepo:
        """Where it stands. Raises: StalledError where the settings do not let us go there any more."""
        there = self.at(upstream.repository)
        if there is None:
            message = f"`upstreams` in the settings lacks {upstream.repository}, where the writer of its branch reads"
            raise StalledError(self.repo.name, message, Reason.WRITTEN_BY_ANOTHER)
        return there

    def tip(self, branch: str, head: str, repository: str = "") -> str | None:
        """The head of the branch that the writer reads; `head` is the followed one's."""
        if not repository and branch == self.repo.branch:
            return head
        there = self.at(repository)
        return there.head_of(branch) if there is not None else None

    def reversal(self, upstream: Upstream, tip: str, charts: ChartVersions) -> Reversal:
        """The inverse upstream; EMPTY where nothing of it is left there."""
        return self.place(upstream).reverse(tip, upstream.reverts, charts=charts)

    @property
    def _looks(self) -> Mapping[str, Callable[[_Asked], tuple[str, ...]]]:
        return {HYDRATE: self._hydrated, RENDER: self._rendered, COPY: self._copied, MERGE: self._merges}

    def _hydrated(self, asked: _Asked) -> tuple[str, ...]:
        """Between the dry commits of the culprit and of what stood before it."""
        newest, before = asked.rolled.undone[0].sha, asked.oldest_parent
        read, earlier = (self.dry(sha, asked.rolled.paths) for sha in (newest, before))
        if not read or not earlier:
            return self._rendered(asked)
        noted = self.noted(before)  # what changed no manifest moved the note alone
        if noted and noted != read and asked.there.is_ancestor(noted, read):
            earlier = noted
        if read == earlier:
            raise _Unknown(f"it was made from {read[:12]}, and so was what stood before it")
        return _these(asked.there.commits(earlier, read, LINE_SEEN), asked)

    def noted(self, sha: str) -> str:
        """The dry commit that the hydrator's git note says a commit stands for, the newest such; "" for none."""
        return dry_sha(self.repo.note(METADATA, sha))

    def dry(self, treeish: str, paths: Sequence[str]) -> str:
        """The dry commit that the files beside `paths`, or the whole tree, say they are made from; "" for none."""
        beside = dict.fromkeys([*(posixpath.dirname(path) for path in paths), ""])
        blobs = (self.repo.entry_id(treeish, posixpath.join(each, METADATA)) for each in beside)
        return next((sha for blob in blobs if blob and (sha := dry_sha(self.repo.read(blob)))), "")

    def _rendered(self, asked: _Asked) -> tuple[str, ...]:
        """Between what the messages of two renderings name; on one branch, what lies between the two renderings."""
        undone, paths = asked.rolled.undone, set(asked.rolled.paths)
        earlier = self._touching(asked.oldest_parent, paths)
        if not asked.beside and asked.branch == self.repo.branch:
            previous = next((one.sha for one in earlier), None)
            going = {one.sha for one in undone}
            line = self.repo.commits(previous, undone[0].sha, LINE_SEEN)
            return _these([one for one in line if one.sha not in going], asked)
        line = asked.there.recent(asked.tip, LINE_SEEN)
        read = named_in(undone[0].message, line)
        before = next((sha for one in earlier if (sha := named_in(one.message, line))), "")
        if not read or not before:
            raise _Unknown(f"neither {METADATA} nor its message names the commit of {asked.branch} that it was made of")
        return _these(asked.there.commits(before, read, LINE_SEEN), asked)

    def _touching(self, tip: str, paths: set[str]) -> Iterator[Commit]:
        return (one for one in self.repo.recent(tip, LINE_SEEN) if paths & set(one.paths))

    def _copied(self, asked: _Asked) -> tuple[str, ...]:
        """Whoever put the same contents where they were taken from."""
        folder, here = asked.signs.copied_from or "", not asked.beside and asked.branch == self.repo.branch
        if here and not folder:
            raise _NotBrought
        wanted: dict[str, str] = {}
        for change in (change for one in asked.rolled.undone for change in one.changes):
            if change.new_blob is not None and change.path in asked.rolled.paths:
                wanted.setdefault(at_source(change.path, folder) if here else change.path, change.new_blob)
        commits, why = brought(wanted, asked.there.recent(asked.tip, LINE_SEEN))
        if why:
            raise _Unknown(why)
        return _these(commits, replace(asked, paths=asked.paths or ((f"{folder}/",) if here else ())))

    def _merges(self, asked: _Asked) -> tuple[str, ...]:
        """All that the merges brought."""
        found: list[Commit] = []
        if all(len(one.parents) < 2 for one in asked.rolled.undone):
            raise _NotBrought
        for merge in asked.rolled.undone:
            if len(merge.parents) != 2:
                raise _Unknown(f"{merge.sha[:12]} is no merge of {asked.branch}")
            for one in self.repo.recent(merge.parents[1], LINE_SEEN):
                if self.repo.is_ancestor(one.sha, merge.parents[0]):
                    break
                found.append(one)
        if not asked.paths and 0 < len(found) <= MAX_REVERTS:
            return tuple(one.sha for one in found)
        return _these(found, asked)


def why_not(reversal: Reversal) -> str:
    """Why what is upstream cannot be taken back without a person; "" where it can, or is already."""
    if reversal.outcome not in (PlanOutcome.CLEAN, PlanOutcome.EMPTY):
        first = next((one for one in reversal.explained if one.path), None)
        return f"{first.path}: {first.why}" if first else reversal.message or reversal.outcome.value
    if reversal.superseded:
        return f"{reversal.superseded[0][:12]} has set the same since"
    return reversal.message if reversal.gate_reason is not None else ""


def looked_up(read: Callable[[], tuple[Upstream | None, str]]) -> tuple[Upstream | None, str]:
    """What `read` finds; that it cannot be read now is no fact about the plan's own branch."""
    try:
        return read()
    except RollbackError as error:
        return None, error.message


def _these(line: Sequence[Commit], asked: _Asked) -> tuple[str, ...]:
    shas, why = within(line, asked.paths)
    if why:
        raise _Unknown(f"{asked.branch}: {why}")
    return shas


def _inferred(state: ApplicationState, signs: WriterFacts) -> Promotion | None:
    """What the signs of a writer say of where it reads."""
    dry = state.dry_source
    if dry is not None:
        beside = not any(same_repository(dry.repo_url, one.repo_url) for one in state.sources)
        branch = "" if dry.target_revision in ("", "HEAD") else dry.target_revision
        paths = (f"{dry.path}/",) if dry.path else ()
        return Promotion(HYDRATE, branch.removeprefix("refs/heads/"), paths, dry.repo_url if beside else "")
    if signs.copied_from:
        return Promotion(COPY, "", (f"{signs.copied_from}/",))
    return Promotion(MERGE, signs.merged_from) if signs.merged_from else None


def _merged(said: Promotion | None, seen: Promotion | None) -> Promotion | None:
    """The policy's word, with what it leaves open from what is seen. Raises: _Unknown where the two differ."""
    where = said or seen
    if said is not None and seen is not None and said.habit == seen.habit:
        if said.branch and seen.branch and said.branch != seen.branch:
            raise _Unknown(f"the policy says that {said.branch} is read, and the application says {seen.branch}")
        if said.repository and seen.habit == HYDRATE and not same_repository(said.repository, seen.repository):
            raise _Unknown(f"the policy says that {said.repository} is read, and the application says another one")
        repository = said.repository or seen.repository
        where = Promotion(said.habit, said.branch or seen.branch, said.paths or seen.paths, repository)
    if where is not None and where.habit in (HYDRATE, MERGE) and not (where.branch or where.repository):
        raise _Unknown("which branch is read is not known: `promotion.from.branch` can say so")
    return where
