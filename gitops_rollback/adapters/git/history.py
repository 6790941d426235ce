"""Which commits lie in a range of the mainline, and what did each change?

One `git log` process for a range, for all applications; paths are filtered in Python, but where only some files matter
and the range may be long. Nothing here deepens a clone.
Source: git-log(1): `-z --raw`, `--diff-merges=first-parent`, and `%B` and the like under PRETTY FORMATS.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta

from gitops_rollback.adapters.git.door import LOSSLESS, Git
from gitops_rollback.core.commit import ABSENT_MODE, Commit, FileChange

# Each field but the last ends with NUL, which neither a message nor a path can hold; H marks a record's start.
FORMAT = "H%H%x00%P%x00%T%x00%an <%ae>%x00%cn <%ce>%x00%ct%x00%B"
FIELDS = 7
LOG = (
    "log",
    "--first-parent",
    "--diff-merges=first-parent",
    "--root",
    "--raw",
    "-z",
    "--no-renames",
    "--no-abbrev",
    "--no-show-signature",
    "--no-ext-diff",
    "--no-textconv",
    "--no-color",
    "--no-notes",
    "--no-mailmap",
    "--encoding=UTF-8",
    f"--format={FORMAT}",
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST_SECOND = 253402300799  # the year 9999 ends
MOST_PATHS = 200  # that git is asked about by name


def log(
    git: Git, since: str | None, until: str, limit: int, deadline: float = 120.0, paths: Collection[str] = ()
) -> tuple[Commit, ...]:
    """First-parent commits of (since, until], newest first, at most `limit`; ids must be validated.

    With `paths` only those that change one of these files, and of their changes no others; of more than `MOST_PATHS`
    all commits, with all changes.
    """
    range_ = [until] if since is None else [until, f"^{since}"]
    named = [f":(top,literal){path}" for path in paths] if len(paths) <= MOST_PATHS else []
    output = git.run(*LOG, f"--max-count={limit}", *range_, "--", *named, deadline=deadline, limit=256 << 20).stdout
    return tuple(parse_log(output))


def parse_log(output: bytes) -> Iterator[Commit]:
    """The commits of what `LOG` prints."""
    words = output.split(b"\0")
    at = 0
    while at + FIELDS <= len(words):
        fields = [word.decode(*LOSSLESS) for word in words[at : at + FIELDS]]
        at += FIELDS
        changes = []
        while at + 1 < len(words) and words[at].lstrip(b"\n").startswith(b":"):
            changes.append(_change(words[at].lstrip(b"\n").decode(), words[at + 1].decode(*LOSSLESS)))
            at += 2
        yield Commit(
            sha=fields[0].lstrip("\n")[1:],
            parents=tuple(fields[1].split()),
            tree=fields[2],
            author=fields[3],
            committer=fields[4],
            committed_at=instant(fields[5]),
            message=fields[6].rstrip("\n"),
            changes=tuple(changes),
        )


def _change(meta: str, path: str) -> FileChange:
    """Source: git-diff(1), RAW OUTPUT FORMAT: `:old-mode new-mode old-id new-id status`."""
    old_mode, new_mode, old_blob, new_blob, _ = meta[1:].split(" ")
    return FileChange(
        path,
        old_mode,
        new_mode,
        None if old_mode == ABSENT_MODE else old_blob,
        None if new_mode == ABSENT_MODE else new_blob,
    )


def instant(seconds: str) -> datetime:
    """A commit's time; one that no calendar holds is moved to the nearest that does."""
    try:
        value = int(seconds)
    except ValueError:
        value = 0
    return EPOCH + timedelta(seconds=max(-62135596800, min(value, LAST_SECOND)))


def on_first_parent(git: Git, sha: str, tip: str, deadline: float = 60.0) -> bool:
    """True if `sha` lies on the first-parent line of `tip`; both must exist."""
    if sha == tip:
        return True
    # The line ends at the first commit that `sha` contains: its parent is `sha` itself, or `sha` lies beside the line.
    output = git.text("rev-list", "--first-parent", "--parents", tip, f"^{sha}", "--", deadline=deadline)
    last = output.rsplit("\n", 1)[-1].split()
    return len(last) > 1 and last[1] == sha


def is_ancestor(git: Git, ancestor: str, descendant: str, deadline: float = 60.0) -> bool:
    """As far as the clone's history goes; both must exist here."""
    result = git.run(
        "merge-base", "--is-ancestor", "--end-of-options", ancestor, descendant, ok=(0, 1), deadline=deadline
    )
    return result.code == 0
