"""Which commits did a deployment bring to an application, and from where is it judged?"""

from __future__ import annotations

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.paths import Paths
from gitops_rollback.ports import ConfigRepo


def brought(repo: ConfigRepo, previous: str | None, bad: str, own: Paths) -> tuple[Commit, ...]:
    """Commits after `previous` up to `bad` that change the application's own files, newest first.

    Without a known `previous` on the same line only `bad` itself. Raises: ObjectMissing, RepositoryUnavailable.
    """
    if previous is not None and not repo.is_ancestor(previous, bad):
        previous = None
    commits = repo.commits(previous, bad) if previous else (repo.commit(bad),)
    return tuple(commit for commit in commits if own.of(commit.paths))


def judged_from(commits: tuple[Commit, ...], previous: str | None, bad: str) -> str:
    """The revision whose policy judges what `brought` found: the first parent of the oldest one."""
    return commits[-1].parents[0] if commits and commits[-1].parents else previous or bad


def changed_by_suspect(
    repo: ConfigRepo, commits: tuple[Commit, ...], head: str, directory: str, path: str = ""
) -> bool:
    """True if the newest change of the policy file `path` ("": of any in `directory`) up to `head` is one of `commits`.

    What a commit under suspicion made of a policy counts for nothing.
    """
    if not commits or not commits[-1].parents:
        return False
    folder = directory.rstrip("/") + "/"
    for commit in repo.commits(commits[-1].parents[0], head):
        if any(name == path if path else name.startswith(folder) for name in commit.paths):
            return any(commit.sha == suspect.sha for suspect in commits)
    return False
