"""Why can git not undo a commit here, or who did it already; whose later commit is in the way, and what to do then?

Source: git 2.38 and later, `merge-ort.c`: the stable kinds of conflict (`contents`, `modify/delete`, ...).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from gitops_rollback.adapters.git import history
from gitops_rollback.adapters.git.door import Git
from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.merging.matching import Path, written
from gitops_rollback.core.plan import Explanation

SAME_KEY = "it was set again since"
MOST_KEYS = 20  # clashes of one file that are named

LATER_LIMIT = 1000  # commits that are looked through for who changed a path

RENDER = "Undo its sources, and run what generates it."
BY_HAND = "Write the change by hand"
WHY: Mapping[str, str] = {
    "contents": "the same lines, or lines right beside them, were changed again since",
    "add/add": "the commit removed it, and another file stands in its place now",
    "binary": "it is binary, and was changed again since",
    "rename/rename": "it was renamed by the commit, and again since",
    "rename/delete": "one of the two renamed it, the other removed it",
    "file/directory": "a directory stands now where the file belongs, or the other way round",
    "distinct modes": "it became another kind of file since",
    "directory rename suggested": "its directory was moved since",
    "file location": "its directory was moved since",
    "submodule": "the submodule was moved again since",
}


def later_commits(git: Git, since: str, at: str, paths: Collection[str]) -> dict[str, str]:
    """The newest mainline commit of (since, at] that touched each path; paths that none touched are left out.

    Raises: RepositoryUnavailable.
    """
    if since == at or not paths:
        return {}
    found: dict[str, str] = {}
    for commit in history.log(git, since, at, LATER_LIMIT, paths=paths):
        for path in commit.paths:
            if path in paths:
                found.setdefault(path, commit.sha)
    return found


def undone_by(git: Git, culprit: str, at: str, inverse: Collection[FileChange]) -> str | None:
    """The newest mainline commit of (culprit, at] that took the culprit back, by its content or else by its words.

    None if several did it together, or nobody can be named. Raises: RepositoryUnavailable.
    """
    if culprit == at or not inverse:
        return None
    later = history.log(git, culprit, at, LATER_LIMIT)
    by_content = (commit.sha for commit in later if set(inverse) <= set(commit.changes))
    by_words = (commit.sha for commit in later if f"This reverts commit {culprit}" in commit.message)
    return next(by_content, None) or next(by_words, None)


def explain_conflicts(
    conflicts: Mapping[str, tuple[str, ...]], undone: Mapping[str, FileChange], later: Mapping[str, str]
) -> tuple[Explanation, ...]:
    """One explanation a conflicted path. `undone` is what the culprit did, `later` who touched a path since."""
    return tuple(
        Explanation(path, None, later.get(path), _why(kinds, undone.get(path)), _todo(later.get(path)))
        for path, kinds in conflicts.items()
    )


def explain_generated(explained: Sequence[Explanation], generated: Collection[str]) -> tuple[Explanation, ...]:
    """The same explanations; what is generated is made anew and not written by hand."""
    return tuple(
        replace(one, why=f"it is generated, and {one.why}", todo=RENDER) if one.path in generated else one
        for one in explained
    )


def explain_clashes(
    explained: Sequence[Explanation],
    clashes: Mapping[str, tuple[Path, ...]],
    setters: Mapping[tuple[str, Path], Sequence[str]],
) -> tuple[Explanation, ...]:
    """The same explanations, with one for each key that clashes in place of the file's.

    `setters` has the commits that set each key since, newest first.
    """
    found: list[Explanation] = []
    for one in explained:
        keys = clashes.get(str(one.path), ())[:MOST_KEYS]
        for key in keys:
            setter = next(iter(setters.get((str(one.path), key), ())), one.commit)
            found.append(Explanation(one.path, written(key), setter, SAME_KEY, _todo(setter)))
        if not keys:
            found.append(one)
    return tuple(found)


def _why(kinds: tuple[str, ...], undone: FileChange | None) -> str:
    if "modify/delete" in kinds:
        if undone is not None and undone.old_blob is None:
            return "the commit added it, and it was changed since: removing it would lose that"
        return "it was removed since, so there is nothing left to undo in it"
    known = [WHY[kind] for kind in kinds if kind in WHY]
    if known:
        return known[0]
    return f"git cannot merge it ({', '.join(kinds)})" if kinds else "git cannot merge it"


def _todo(later: str | None) -> str:
    return f"{BY_HAND}, or undo {later[:12]} first." if later else f"{BY_HAND}."
