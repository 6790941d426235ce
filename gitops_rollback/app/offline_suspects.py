"""Which commits of a range can be to blame, on any local clone? From git objects alone: no engine and no remote."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.history import instant, log
from gitops_rollback.adapters.git.objects import ObjectReader, tree_of
from gitops_rollback.adapters.git.revisions import Revisions
from gitops_rollback.app.local_clone import tree_in
from gitops_rollback.app.offline import Answer, Identity, RequestInvalid, read_line
from gitops_rollback.core.closure.described import as_value
from gitops_rollback.core.closure.finding import Closure, Scope, of_kustomization, of_objects
from gitops_rollback.core.closure.objects import KINDS
from gitops_rollback.core.closure.tree import Tree, joined
from gitops_rollback.core.commit import Commit
from gitops_rollback.core.errors import RollbackError
from gitops_rollback.core.manifest import KUSTOMIZATION_NAMES
from gitops_rollback.core.manifest_text import Value
from gitops_rollback.core.paths import Paths
from gitops_rollback.core.ranking import rank

MOST_COMMITS = 20_000
MOST_TREES, MOST_FILES = 64, 200_000  # kept between questions
MOST_INPUTS = 2_000  # that are listed in an answer


@dataclass(frozen=True)
class Question:
    """One question: `since` excluded, `at` included. One of `paths`, `kustomization` and `application` is set."""

    at: str
    since: str
    paths: tuple[str, ...] | None = None
    kustomization: str | None = None
    application: Mapping[str, Value] | None = None
    onset: datetime | None = None
    id: Identity = None


class OfflineSuspects:
    """Answers questions on one local repository, and keeps trees and its processes between them until `close`."""

    def __init__(self, git_dir: Path) -> None:
        """Raises: RollbackError if git cannot read `git_dir` as a repository."""
        self._git = Git(git_dir)
        self._git.run("rev-parse", "--git-dir")
        self._reader = ObjectReader(self._git)
        self._revisions = Revisions(self._git, self._reader)
        self._trees: dict[str, Tree] = {}

    def close(self) -> None:
        """End the processes."""
        self._reader.close()

    def answer(self, question: Question) -> Answer:
        """The suspects with every key; `error` instead for what the repository does not hold."""
        try:
            return self._answer(question)
        except RollbackError as error:
            return refusal(str(error), question.id)

    def _answer(self, question: Question) -> Answer:
        at, since = self._revisions.find(question.at), self._revisions.find(question.since)
        commits = log(self._git, since.sha, at.sha, MOST_COMMITS)
        begins = commits[-1].parents[:1] == (since.sha,) if commits else False  # then nothing else need be asked
        if not begins and not self._revisions.is_ancestor(since.sha, at):
            return refusal(f"{since.sha[:12]} is not in the history of {at.sha[:12]}", question.id)
        closure = self._closure(question, at.sha, since.sha, commits)
        ranking = rank(commits, closure.why, question.onset, instant(str(at.committed)))
        listed = [
            {
                "commit": one.commit.sha,
                "probability": round(one.probability, 6),
                "evidence": list(one.evidence),
            }
            for one in ranking.suspects
        ]
        return {
            "id": question.id,
            "suspects": listed,
            "none": round(1 - sum(round(one.probability, 6) for one in ranking.suspects), 6),
            "inputs": [{"path": path, "why": why} for path, why in [*closure.why.items()][:MOST_INPUTS]],
            "scope": closure.scope.value,
        }

    def _closure(self, question: Question, at: str, since: str, commits: tuple[Commit, ...]) -> Closure:
        if question.paths is not None:
            named = Paths(question.paths)
            touched = dict.fromkeys(path for commit in commits for path in commit.paths)
            return Closure(dict.fromkeys(named.of(tuple(touched)), "named by the request"), Scope.PATHS)
        trees = [self._tree(treeish) for treeish in (at, since)]
        if question.kustomization is not None:
            return of_kustomization(trees, _folder(question.kustomization))
        return of_objects(trees, (question.application or {},))

    def _tree(self, treeish: str) -> Tree:
        tree = tree_of(self._reader, treeish)
        known = self._trees.get(tree)
        if known is None:
            known = self._trees[tree] = tree_in(self._git, self._reader, tree)
            while len(self._trees) > MOST_TREES or (len(self._trees) > 1 and self._files() > MOST_FILES):
                self._trees.pop(next(iter(self._trees)))
        return known

    def _files(self) -> int:
        return sum(len(tree.blobs) for tree in self._trees.values())


def parse_question(line: bytes) -> Question:
    """One line of a batch. Raises: RequestInvalid, with the id if there is one."""
    document, id = read_line(line)
    return question_of(document, id)


def question_of(document: Mapping[str, object], id: Identity = None) -> Question:
    """Raises: RequestInvalid."""
    at, since, onset = document.get("at"), document.get("since"), document.get("onset")
    if not isinstance(at, str) or not isinstance(since, str):
        raise RequestInvalid("`at` and `since` must be SHAs in quotes", id)
    kinds = [key for key in ("paths", "kustomization", "application") if document.get(key) is not None]
    if len(kinds) != 1:
        raise RequestInvalid("name one of `paths`, `kustomization` and `application`", id)
    paths, folder, application = (document.get(key) for key in ("paths", "kustomization", "application"))
    if paths is not None and not (isinstance(paths, list) and paths and all(isinstance(one, str) for one in paths)):
        raise RequestInvalid("`paths` must be a list of paths", id)
    if folder is not None and not isinstance(folder, str):
        raise RequestInvalid("`kustomization` must be a folder", id)
    return Question(
        at=at,
        since=since,
        paths=tuple(paths) if isinstance(paths, list) else None,
        kustomization=folder if isinstance(folder, str) else None,
        application=_application(application, id) if application is not None else None,
        onset=_instant(onset, id) if onset is not None else None,
        id=id,
    )


def _folder(named: str) -> str:
    """The folder of a kustomization as it is named, or as its file is."""
    whole = joined("", named)
    folder, _, name = (named if whole is None else whole).rpartition("/")
    return folder if name in KUSTOMIZATION_NAMES else named if whole is None else whole


def _application(document: object, id: Identity) -> Mapping[str, Value]:
    try:
        value = as_value(document)
    except RecursionError as error:
        raise RequestInvalid("`application` is nested too deeply", id) from error
    if not isinstance(value, dict):
        raise RequestInvalid("`application` must be the whole object", id)
    kind = (str(value.get("apiVersion") or "").partition("/")[0], str(value.get("kind") or ""))
    if kind not in KINDS:
        known = ", ".join(sorted(name for _, name in KINDS))
        raise RequestInvalid(f"`application` must be one of {known}, with its apiVersion", id)
    return value


def _instant(text: object, id: Identity) -> datetime:
    try:
        found = datetime.fromisoformat(text) if isinstance(text, str) else None
        known = None if found is None or found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):  # an offset may lead out of the calendar
        known = None
    if known is None:
        raise RequestInvalid("`onset` must be a time as in 2026-11-20T19:30:00Z", id)
    return known


def refusal(message: str, id: Identity = None) -> Answer:
    """The answer to a question that cannot be answered."""
    return {"id": id, "error": message}


def told(answer: Answer) -> list[str]:
    """The answer for people: a line a suspect, likeliest first, then how it was found."""
    if "error" in answer:
        return [str(answer["error"])]
    listed, inputs = answer["suspects"], answer["inputs"]
    suspects = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    rows = [f"{str(one['commit'])[:12]}  {one['probability']:.2f}  {'; '.join(one['evidence'])}" for one in suspects]
    rows.append(f"none of these: {answer['none']}")
    return [*rows, f"{len(inputs) if isinstance(inputs, list) else 0} input files, found by: {answer['scope']}"]
