"""Which commits of the deployed range can explain a firing trigger, and may they be undone without a person?

Only what the engine really deployed counts: a commit is placed by the deployment that brought it, not by its own dates.
Source: safety.md, Definitions and Suspects and known ground.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from gitops_rollback.core.certainty import RANGE, Certainty, Weighing
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.contenders import Contender, lead_of
from gitops_rollback.core.deployments import earlier_records, our_revision, spec_changed
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.ground import Ground
from gitops_rollback.core.paths import Paths, is_bystander, shared_paths
from gitops_rollback.core.ranking import NO_TRACES, Traces, rank
from gitops_rollback.core.sync import DeploymentRecord, Source


@dataclass(frozen=True)
class Suspect:
    """A commit that may explain it, with the evidence for people. `record` is the deployment that brought it.

    `own` are the inputs that it changes, `probability` that it did it; None where a person named it.
    """

    commit: Commit
    record: DeploymentRecord
    evidence: tuple[str, ...]
    own: tuple[str, ...] = ()
    probability: float | None = None


@dataclass(frozen=True)
class Attribution:
    """Whom to blame. `suspects` (newest first) would be undone; `automatic` False says why in `reason` and `message`.

    `ranked` are all that may explain it, the likeliest first, also those that are not undone; `others` are the commits
    of the range that are not blamed, each with its sentence. `together` is set where more must go back than is blamed:
    all that would be undone, newest first. `weighing` is how sure it is, None where a person named them.
    """

    suspects: tuple[Suspect, ...]
    automatic: bool
    reason: Reason | None = None
    message: str = ""
    others: tuple[tuple[Commit, str], ...] = ()
    last_good: DeploymentRecord | None = None
    ranked: tuple[Suspect, ...] = ()
    together: tuple[Suspect, ...] = ()
    weighing: Weighing | None = None

    @property
    def undone(self) -> tuple[Suspect, ...]:
        """What the plan would undo, newest first."""
        return self.together or self.suspects


@dataclass(frozen=True)
class RangeFacts:
    """The deployed range of one application, and what is known of the trees in it.

    `inputs` names the tree of the application's inputs after a commit, for each of `commits` that changes them and for
    the last good revision; a suspect without it cannot be judged automatically. `earlier_inputs` are those that were
    live before the last good one. `ground_after` says where undoing exactly these commits (newest first) would end.
    `read` are the files that the application was seen to render from, with the reason for each, all of them unless
    there is a `doubt`; None where nobody looked. `unconcerned` are own files that a commit changes for others alone.
    """

    bad: DeploymentRecord
    records: tuple[DeploymentRecord, ...]  # of the application, oldest first, the bad one included
    last_good: DeploymentRecord | None
    commits: tuple[Commit, ...]  # first-parent commits of (last good, bad], newest first
    onset: datetime
    own: Paths
    applications: tuple[Paths, ...]  # own files of all applications of the repository
    in_repository: Callable[[Source], bool]
    ground_after: Callable[[tuple[Commit, ...]], Ground | None]
    our_commits: frozenset[str] = frozenset()
    inputs: Mapping[str, str] = field(default_factory=dict)
    earlier_inputs: frozenset[str] = frozenset()
    cut: bool = False  # the range holds older commits that were not read
    read: Mapping[str, str] | None = None
    doubt: str = ""
    unconcerned: Mapping[str, Collection[str]] = field(default_factory=dict)
    traces: Mapping[str, Traces] = field(default_factory=dict)  # of the failing Pods, by commit
    certainty: Certainty = field(default_factory=Certainty)

    @property
    def is_followed(self) -> bool:
        """Everything that the application renders from is known."""
        return self.read is not None and not self.doubt

    def own_of(self, commit: Commit) -> tuple[str, ...]:
        """The own files that the commit changes for this application."""
        others = self.unconcerned.get(commit.sha, ())
        return tuple(path for path in self.own.of(commit.paths) if path not in others)

    def inputs_of(self, commit: Commit) -> tuple[str, ...]:
        """As `own_of`, without files that no application renders from."""
        return tuple(path for path in self.own_of(commit) if path in (self.read or ()) or not is_bystander(path))


@dataclass(frozen=True)
class _Sorted:
    """The range taken apart. `held` are our own commits and those that restore an earlier tree."""

    suspects: tuple[Suspect, ...]
    ours: tuple[Suspect, ...]
    restoring: tuple[Suspect, ...]
    shared: tuple[Commit, ...]
    unclear: tuple[Commit, ...]
    others: tuple[tuple[Commit, str], ...]
    outside: bool = False  # the range changes files, and none that the application renders from


@dataclass(frozen=True)
class _Choice:
    """What would be undone, newest first, and where that ends."""

    plan: tuple[Suspect, ...]
    ground: Ground | None
    weighing: Weighing


def attribute(facts: RangeFacts) -> Attribution:
    """Name the suspects of the range, and say whether they may be undone without a person, and if not, why not."""
    good = facts.last_good
    if good is None:
        return _without_last_good(facts)
    if our_revision(facts.bad, facts.in_repository) == our_revision(good, facts.in_repository):
        return _same_revision(facts, good)
    parts = _sort(facts)
    ranked = _ranked(facts, parts.suspects)
    if not parts.suspects:
        reason, message = _nobody(facts, parts)
        return Attribution((), False, reason, message, parts.others, good)
    by_sha = {suspect.commit.sha: suspect for suspect in ranked}
    parts = replace(parts, suspects=tuple(by_sha[suspect.commit.sha] for suspect in parts.suspects))
    choice = _weighed(facts, parts.suspects)
    obstacle, message = _obstacle(facts, parts, choice)
    if facts.cut and obstacle is None:
        obstacle = Reason.UNKNOWN_GROUND
        message = f"the range is longer than the {len(facts.commits)} commits that are read; more may be to blame"
    left = tuple((s.commit, "not the sync closest to the onset") for s in parts.suspects if s not in choice.plan)
    others = parts.others + left
    return Attribution(choice.plan, obstacle is None, obstacle, message, others, good, ranked, weighing=choice.weighing)


def _without_last_good(facts: RangeFacts) -> Attribution:
    bad = our_revision(facts.bad, facts.in_repository)
    earlier = earlier_records(facts.records, facts.bad)
    if bad is not None and any(our_revision(record, facts.in_repository) not in (None, bad) for record in earlier):
        message = "no earlier deployment that may come back lies on the first-parent line of the bad revision"
        return Attribution((), False, Reason.NOT_FIRST_PARENT, message)
    return Attribution((), False, Reason.NO_LAST_GOOD, "the engine lists no earlier deployment to go back to")


def _same_revision(facts: RangeFacts, good: DeploymentRecord) -> Attribution:
    if spec_changed(facts.bad, good):
        message = "the application's own spec changed and not the revision: no commit on this branch can undo it"
        return Attribution((), False, Reason.NO_COMMIT, message, last_good=good)
    return Attribution((), False, Reason.NO_SUSPECT, "the same revision was deployed again", last_good=good)


def _sort(facts: RangeFacts) -> _Sorted:
    brought = _brought_by(facts)
    restores, taken_back = _restorations(facts)
    suspects: list[Suspect] = []
    ours: list[Suspect] = []
    restoring: list[Suspect] = []
    shared: list[Commit] = []
    others: list[tuple[Commit, str]] = []
    for commit in facts.commits:
        record, own = brought[commit.sha], facts.inputs_of(commit)
        candidate = Suspect(commit, record, (), own)
        if record.started_at > facts.onset:
            others.append((commit, "deployed after the onset"))
            continue
        if commit.sha in facts.our_commits:
            if own:  # a rollback of another application explains nothing here
                ours.append(candidate)
            others.append((commit, "our own commit is never a suspect"))
            continue
        if not facts.is_followed and shared_paths(commit.paths, (*facts.applications, facts.own)):
            shared.append(commit)
        if not own:
            others.append((commit, _foreign(facts, commit, commit in shared)))
        elif commit.sha in taken_back:
            others.append((commit, f"taken back by {taken_back[commit.sha][:12]}"))
        elif commit.sha in restores:
            restoring.append(candidate)
            others.append((commit, "restores an earlier tree of the application's inputs"))
        else:
            suspects.append(candidate)
    blind = facts.last_good is None or our_revision(facts.last_good, facts.in_repository) not in facts.inputs
    unclear = tuple(suspect.commit for suspect in suspects if blind or suspect.commit.sha not in facts.inputs)
    in_time = [commit for commit in facts.commits if brought[commit.sha].started_at <= facts.onset]
    changed = any(not is_bystander(path) for commit in in_time for path in commit.paths)
    outside = facts.is_followed and changed and not any(facts.inputs_of(commit) for commit in in_time)
    return _Sorted(tuple(suspects), tuple(ours), tuple(restoring), tuple(shared), unclear, tuple(others), outside)


def _foreign(facts: RangeFacts, commit: Commit, shared: bool) -> str:
    if shared:
        return "changes files outside of every application's own directory"
    if not commit.changes:
        return "changes no file"
    return f"changes none of the application's {'inputs' if facts.is_followed else 'own files'}"


def _brought_by(facts: RangeFacts) -> dict[str, DeploymentRecord]:
    """Each commit of the range with the first deployment that contained it; the bad one brought the rest."""
    place = {commit.sha: index for index, commit in enumerate(facts.commits)}
    brought: dict[str, DeploymentRecord] = {}
    in_time = [record for record in facts.records if record.started_at <= facts.bad.started_at]
    for record in sorted(in_time, key=lambda record: record.started_at):
        revision = our_revision(record, facts.in_repository)
        if revision is None or revision not in place:
            continue
        for commit in facts.commits[place[revision] :]:
            brought.setdefault(commit.sha, record)
    return {commit.sha: brought.get(commit.sha, facts.bad) for commit in facts.commits}


def _restorations(facts: RangeFacts) -> tuple[frozenset[str], dict[str, str]]:
    """Commits after which the inputs equal an earlier tree, and those that they took back (sha -> by which sha)."""
    good = our_revision(facts.last_good, facts.in_repository) if facts.last_good else None
    states: list[str | None] = [facts.inputs.get(good or "")]
    passed: list[Commit] = []
    restores: set[str] = set()
    taken_back: dict[str, str] = {}
    for commit in reversed(facts.commits):
        untouched = states[-1] if not facts.own_of(commit) else None
        state = facts.inputs.get(commit.sha, untouched)
        if state is not None and state != states[-1]:
            if state in states:
                restores.add(commit.sha)
                since = len(states) - 1 - states[::-1].index(state)
                taken_back |= {undone.sha: commit.sha for undone in passed[since:]}
            elif state in facts.earlier_inputs:
                restores.add(commit.sha)
        passed.append(commit)
        states.append(state)
    return frozenset(restores), taken_back


def _ranked(facts: RangeFacts, suspects: Sequence[Suspect]) -> tuple[Suspect, ...]:
    """The suspects with their probabilities and evidence, the likeliest first.

    A committer's clock may be wrong, and the engine's was there: no commit is younger than its own deployment.
    """
    by_sha = {suspect.commit.sha: suspect for suspect in suspects}
    placed = [replace(one.commit, committed_at=min(one.commit.committed_at, one.record.started_at)) for one in suspects]
    inputs = {path for suspect in suspects for path in suspect.own}
    found = rank(placed, inputs, facts.onset, facts.onset, facts.traces).suspects
    return tuple(
        replace(
            by_sha[one.commit.sha],
            probability=one.probability,
            evidence=_evidence(facts, by_sha[one.commit.sha], one.evidence[1:]),
        )
        for one in found
    )


def _evidence(facts: RangeFacts, suspect: Suspect, weighed: Sequence[str]) -> tuple[str, ...]:
    """`weighed` are the sentences of the ranking."""
    named = ", ".join(_with_reason(facts, path) for path in suspect.own[:3])
    more = f" and {len(suspect.own) - 3} more" if len(suspect.own) > 3 else ""
    before = int((facts.onset - suspect.record.started_at).total_seconds())
    deployed = f"deployed at {suspect.record.started_at:%Y-%m-%dT%H:%M:%SZ}, {before} s before the onset"
    sentences = [f"changes {named}{more}", deployed, *weighed]
    if facts.doubt:
        sentences.append(f"not all inputs are known: {facts.doubt}")
    if any("/.gitops-rollback/" in f"/{path}" for path in suspect.commit.paths):
        sentences.append("changes a rollback policy too; the policy before it is the one in force")
    return tuple(sentences)


def _with_reason(facts: RangeFacts, path: str) -> str:
    """Why a file counts, where that is not plain."""
    why = (facts.read or {}).get(path, "")
    return f"{path} ({why})" if why and not why.startswith("source of ") else path


def _nobody(facts: RangeFacts, parts: _Sorted) -> tuple[Reason, str]:
    unsure = f"; {facts.doubt}" if facts.doubt else ""
    if parts.ours:
        return Reason.OUR_OWN_COMMIT, "what failed was deployed by our own commit: a person must look"
    if parts.restoring:
        return Reason.RESTORES_EARLIER_TREE, "the only candidate restores an earlier tree of the application's inputs"
    if parts.shared:
        return Reason.SHARED_INPUTS_CHANGED, f"only files outside of every application's own directory changed{unsure}"
    if parts.outside:
        return Reason.OUTSIDE_INPUTS, "what was deployed changes no file that the application renders from"
    return Reason.NO_SUSPECT, "no commit of the deployed range changes the application's own files before the onset"


def _choose(facts: RangeFacts, suspects: tuple[Suspect, ...]) -> tuple[tuple[Suspect, ...], Ground | None]:
    """One suspect alone; of several, the newest syncs that lead back to known ground, as few of them as do.

    Where none does, those of the sync closest to the onset, for a person to judge.
    """
    syncs = sorted({suspect.record.started_at for suspect in suspects}, reverse=True)
    nearest: tuple[Suspect, ...] = ()
    first: Ground | None = None
    for count in range(1, len(syncs) + 1):
        plan = tuple(suspect for suspect in suspects if suspect.record.started_at in syncs[:count])
        ground = facts.ground_after(tuple(suspect.commit for suspect in plan))
        if ground is Ground.KNOWN:
            return plan, ground
        if count == 1:
            nearest, first = plan, ground
    return nearest, first


def _weighed(facts: RangeFacts, suspects: tuple[Suspect, ...]) -> _Choice:
    """The fewest that would do; below the policy's threshold all of them, if it says so and that is known ground."""
    plan, ground = _choose(facts, suspects)
    weighing = Weighing.of(tuple(suspect.probability or 0.0 for suspect in plan), facts.certainty)
    if not weighing.enough and facts.certainty.below == RANGE and len(plan) < len(suspects):
        whole = facts.ground_after(tuple(suspect.commit for suspect in suspects))
        if whole is Ground.KNOWN:
            return _Choice(suspects, whole, weighing)
    return _Choice(plan, ground, weighing)


def _doubt(choice: _Choice, suspects: Sequence[Suspect], facts: RangeFacts) -> tuple[Reason | None, str]:
    """What the policy's threshold forbids; what goes back by itself below it ends on known ground.

    Without a threshold a deployment that stays must be ten times less likely than what goes back.
    """
    if choice.weighing.enough:
        plan, left = (
            _contenders(group, facts) for group in (choice.plan, [one for one in suspects if one not in choice.plan])
        )
        lead = None if choice.weighing.certainty.threshold else lead_of(plan, left, facts.onset)
        return (None, "") if lead is None or lead.enough else (Reason.SEVERAL_SUSPECTS, lead.sentence)
    said = choice.weighing.sentence
    if choice.weighing.certainty.below != RANGE:
        return Reason.SUSPECT_UNCERTAIN, said
    if choice.ground is Ground.KNOWN and len(choice.plan) == len(suspects):
        return None, f"{said}: the whole range goes back"
    return Reason.SUSPECT_UNCERTAIN, f"{said}, and the whole range does not lead to known ground"


def _contenders(suspects: Iterable[Suspect], facts: RangeFacts) -> list[Contender]:
    """By deployment."""
    found: dict[datetime, Contender] = {}
    for one in suspects:
        since, traced = one.record.started_at, facts.traces.get(one.commit.sha, NO_TRACES).score
        known = found.get(since, Contender(since, one.commit.sha[:12], 0.0, traced))
        share = known.probability + (one.probability or 0.0)
        found[since] = replace(known, probability=share, traced=max(traced, known.traced))
    return list(found.values())


def _obstacle(facts: RangeFacts, parts: _Sorted, choice: _Choice) -> tuple[Reason | None, str]:
    """What forbids to undo the chosen ones without a person, the weightiest first; (None, remark) if nothing does."""
    ground = choice.ground
    nearest = max(suspect.record.started_at for suspect in (*parts.suspects, *parts.ours, *parts.restoring))
    if any(suspect.record.started_at == nearest for suspect in parts.ours):
        return Reason.OUR_OWN_COMMIT, "our own commit was deployed last: a failure after a rollback is for a person"
    if any(suspect.record.started_at == nearest for suspect in parts.restoring) and ground is not Ground.KNOWN:
        return Reason.RESTORES_EARLIER_TREE, "a commit of the same deployment restores an earlier tree"
    if parts.shared:
        names = ", ".join(commit.sha[:12] for commit in parts.shared[:3])
        unsure = f"; {facts.doubt}" if facts.doubt else ""
        return Reason.SHARED_INPUTS_CHANGED, f"{names} changed files outside of every application's directory{unsure}"
    if facts.is_followed and not any(path in (facts.read or ()) for one in parts.suspects for path in one.own):
        return Reason.OUTSIDE_INPUTS, "only files of its directory changed that nothing of it renders"
    if parts.unclear:
        names = ", ".join(commit.sha[:12] for commit in parts.unclear[:3])
        return Reason.UNKNOWN_GROUND, f"the application's inputs around {names} cannot be read"
    if ground is Ground.KNOWN:
        return _doubt(choice, parts.suspects, facts)
    if len(parts.suspects) > 1:
        return (
            Reason.SEVERAL_SUSPECTS,
            f"{len(parts.suspects)} suspects, and no choice of them leads to known ground",
        )
    if ground is Ground.NEW and not choice.weighing.enough:
        return _doubt(choice, parts.suspects, facts)
    if ground is Ground.NEW:
        return None, "one suspect alone is undone; the combination that is left has never run here"
    if ground is Ground.BAD:
        return Reason.UNKNOWN_GROUND, "the state before it was firing when it was replaced, or was taken back"
    return Reason.UNKNOWN_GROUND, "whether the state before it was quiet cannot be told"
