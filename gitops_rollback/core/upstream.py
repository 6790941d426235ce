"""A rollback in two places: here, where the engine reads, and upstream, where whoever writes this branch reads.

Only the first is quick, and only the second lasts. What is taken back upstream is part of the rollback's record;
whether it stands there is read from git at each look.
Source: safety.md, Another writer; argo-cd v3.5.1 commitserver/commit/hydratorhelper.go (`hydrator.metadata`);
gitops-promoter docs/advanced-usage/custom-hydrator.md and docs/debugging/git-trailers.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gitops_rollback.core.commit import Commit, is_sha
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.paths import matches
from gitops_rollback.core.rollback import UPSTREAM, Phase, RollbackRecord
from gitops_rollback.core.verification import CheckResult

HYDRATE, RENDER, COPY, MERGE = "hydrate", "render", "copy", "merge"  # the habits of a writer
KARGO = "kargo"  # it promotes what is no commit: the second half is a person's
MADE = (HYDRATE, RENDER)  # it makes other files from what it reads
METADATA = "hydrator.metadata"
CHECK = "upstream"
SHOWN = 3  # commits that a line names
MAX_REVERTS = 20

_NAMED = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{7,40}(?![0-9A-Za-z])")
# `<stage>.<ulid>.<first digits of the freight>`, as Kargo names a Promotion.
_PROMOTION = re.compile(r"(?<![0-9A-Za-z-])[a-z0-9][a-z0-9-]*\.01[0-9a-hjkmnp-tv-z]{24}\.[0-9a-f]{7}(?![0-9A-Za-z])")
_PROMOTER = "Pull-request-source-branch"  # a trailer of GitOps Promoter's merges
_NEXT = "-next"


@dataclass(frozen=True)
class Upstream:
    """What is to be undone in `branch`: `reverts`, newest first. `commit` did so, or `done` says that nothing is left.

    `blobs` are what our commit put there. `offered` is the pull request there that waits for people, 0 for none.
    `repository` is the URL of another one that has the branch, "" for our own.
    `waived` is a person's word that it need not be undone there, "" while nobody said so.
    Of KARGO nothing is undone in git: `stage` (`project:stage`) is to carry another Freight than `freight`, such as
    `previous`; both are the first letters of a name.
    """

    habit: str
    branch: str
    reverts: tuple[str, ...]
    commit: str = ""
    blobs: Mapping[str, str | None] = field(default_factory=dict)
    done: bool = False
    offered: int = 0
    repository: str = ""
    stage: str = ""
    freight: str = ""
    previous: str = ""
    waived: str = ""

    @property
    def place(self) -> str:
        """The branch, with the repository where that is another one."""
        return f"{self.branch} of {self.repository}" if self.repository else self.branch

    @property
    def settled(self) -> bool:
        """Nothing is to be pushed there any more."""
        return self.done or bool(self.commit or self.waived)

    @property
    def words(self) -> str:
        """For people: half a sentence."""
        if self.habit == KARGO:
            return f"Freight {self.freight} in Kargo's Stage {self.stage}"
        named = ", ".join(sha[:12] for sha in self.reverts[:SHOWN])
        more = f" and {len(self.reverts) - SHOWN} more" if self.reverts[SHOWN:] else ""
        return f"{named}{more} on {self.place}"

    @property
    def sentence(self) -> str:
        """For people, in commits and plans."""
        if self.habit == KARGO:
            return f"Kargo writes this branch: a person must promote another one than {self.words}, or it comes back."
        how = "is taken back there already" if self.done else "is taken back as well"
        return f"Whatever writes this branch reads {self.place}: {self.words} {how}."

    @property
    def commands(self) -> str:
        """What a person would type for it."""
        if self.habit == KARGO:
            return promote_command(self.stage, self.previous)
        typed = f"git switch {self.branch} && git revert {' '.join(sha[:12] for sha in self.reverts)}"
        return f"in a clone of {self.repository}: {typed}" if self.repository else typed

    @property
    def document(self) -> dict[str, object]:
        """As it stands in the evidence of a record."""
        return {
            "habit": self.habit,
            "branch": self.branch,
            "reverts": list(self.reverts),
            "commit": self.commit,
            "blobs": dict(self.blobs),
            "done": self.done,
            "offered": self.offered,
            "repository": self.repository,
            "stage": self.stage,
            "freight": self.freight,
            "previous": self.previous,
            "waived": self.waived,
        }


def upstream_of(record: RollbackRecord) -> Upstream | None:
    """What of a rollback is to stand upstream; None where nothing is, or nothing that can be read."""
    found = record.evidence.get(UPSTREAM)
    if not isinstance(found, Mapping):
        return None
    habit, branch, reverts = found.get("habit"), found.get("branch"), found.get("reverts")
    commit, blobs = found.get("commit"), found.get("blobs")
    if not isinstance(habit, str) or not isinstance(branch, str) or not isinstance(reverts, list | tuple):
        return None
    shas = tuple(str(sha) for sha in reverts)
    if not branch or not shas or not all(map(is_sha, shas)):
        return None
    known, number = blobs if isinstance(blobs, Mapping) else {}, found.get("offered")
    texts = {name: found.get(name, "") for name in ("repository", "stage", "freight", "previous", "waived")}
    if not all(isinstance(text, str) for text in texts.values()):
        return None
    return Upstream(
        habit=habit,
        branch=branch,
        reverts=shas,
        commit=commit if isinstance(commit, str) and is_sha(commit) else "",
        blobs={str(path): blob if isinstance(blob, str) else None for path, blob in known.items()},
        done=found.get("done") is True,
        offered=number if isinstance(number, int) else 0,
        **{name: str(text) for name, text in texts.items()},
    )


def with_upstream(record: RollbackRecord, upstream: Upstream) -> RollbackRecord:
    """The record with what is known of it now."""
    return replace(record, evidence={**record.evidence, UPSTREAM: upstream.document})


def without_upstream(record: RollbackRecord, by: str, reason: str) -> RollbackRecord:
    """The record once a person says that what stands here is all. Raises: StalledError where nothing waits for that."""
    upstream = upstream_of(record)
    if upstream is None or upstream.settled or record.phase not in (Phase.SYNCING, Phase.VERIFYING):
        message = "it waits for nothing where the writer of its branch reads"
        raise StalledError(record.id, message, Reason.REQUEST_INVALID)
    return with_upstream(record, replace(upstream, waived=f"{by} says that it is not needed there: {reason}"))


def waits_upstream(checks: Iterable[CheckResult]) -> bool:
    """All is good here, and only what is upstream is not known to be taken back."""
    still_open = {check.name for check in checks if check.ok is not True}
    return still_open == {CHECK}


# What the writer read


def dry_sha(content: bytes) -> str:
    """The commit that a `hydrator.metadata` was made from; "" where that does not say so."""
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return ""
    found = said.get("drySha") or said.get("drySHA") if isinstance(said, Mapping) else None
    return found if isinstance(found, str) and is_sha(found) else ""


def named_in(message: str, line: Sequence[Commit]) -> str:
    """Which commit of `line` a message names, in full or by its first digits; "" for none, or several."""
    named = {word for word in _NAMED.findall(message) if not word.isdecimal()}
    found = {commit.sha for commit in line if any(commit.sha.startswith(word) for word in named)}
    return found.pop() if len(found) == 1 else ""


def within(line: Iterable[Commit], paths: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Those commits of `line` that touch `paths`, as SHAs in its order; or why they cannot be taken back alone.

    Without paths it must be one commit alone: which others are of the same change nobody can tell.
    """
    commits = tuple(line)
    touching = [one for one in commits if not paths or any(_read(path, paths) for path in one.paths)]
    if not touching:
        return (), f"no commit there changes {', '.join(paths)}" if paths else "no commit lies between"
    if not paths and len(touching) > 1:
        return (), f"{len(touching)} commits lie between: `promotion.from.paths` can say which of them it reads"
    if len(touching) > MAX_REVERTS:
        return (), f"{len(touching)} commits there are more than are taken back at once"
    for one in touching:
        beyond = next((path for path in one.paths if paths and not _read(path, paths)), None)
        if beyond is not None:
            return (), f"{one.sha[:12]} changes {beyond} as well, which `promotion.from.paths` does not name"
    return tuple(one.sha for one in touching), ""


def brought(paths: Mapping[str, str], line: Iterable[Commit]) -> tuple[tuple[Commit, ...], str]:
    """The commits of `line`, newest first, that put these blobs at these paths; or which of them nobody put there."""
    left, found = dict(paths), list[Commit]()
    for commit in line:
        here = {change.path for change in commit.changes if left.get(change.path) == change.new_blob}
        if here:
            found.append(commit)
            left = {path: blob for path, blob in left.items() if path not in here}
    if left:
        return (), f"which commit put the same contents at {min(left)} is not known"
    return tuple(found), ""


def at_source(path: str, folder: str) -> str:
    """The path in `folder` that a copy promotion took `path` from: it differs in that one segment."""
    depth = folder.count("/") + 1
    return "/".join([folder, *path.split("/")[depth:]])


def promote_command(stage: str, previous: str) -> str:
    """What promotes another Freight to a `project:stage`; `previous` are the first letters of its name, "" unknown."""
    project, _, name = stage.rpartition(":")
    command = f"kargo promote --project {project or 'PROJECT'} --stage {name or 'STAGE'} --freight PREVIOUS"
    return f"{command}, whose name begins with {previous}" if previous else command


def kargo_promotion(commit: Commit) -> str:
    """The name of the Kargo Promotion that a commit speaks of; "" for none."""
    found = _PROMOTION.search(commit.message)
    return found[0] if found else ""


def proposed_branch(commit: Commit) -> str:
    """The branch that GitOps Promoter merged by this commit; "" where it was none of its."""
    branch = next(iter(commit.trailers.get(_PROMOTER, ())), "")
    return branch if _NEXT in branch else ""


def _read(path: str, paths: Sequence[str]) -> bool:
    return any(matches(glob, path) for glob in paths)
