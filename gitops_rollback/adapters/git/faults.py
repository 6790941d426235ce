"""What does git's complaint mean: wait, hold and page, or clone again?

The patterns are the messages of git 2.38 and later with LC_ALL=C, of curl and of OpenSSH. What matches none of them is
taken for a passing fault of the remote.
"""

from __future__ import annotations

import re

from gitops_rollback.adapters.git.disk import FULL, DiskFull
from gitops_rollback.adapters.git.door import GitFailed, RepositoryUnusable
from gitops_rollback.core.errors import (
    CredentialsRejected,
    RepositoryUnavailable,
    RollbackError,
)

CREDENTIALS = re.compile(
    r"Authentication failed|could not read (Username|Password)|terminal prompts disabled|returned error: 40[13]"
    r"|Permission denied \(|[Tt]oo many authentication failures|HTTP Basic: Access denied"
)
UNTRUSTED = re.compile(
    r"Host key verification failed|HOST IDENTIFICATION HAS CHANGED|SSL certificate problem"
    r"|server certificate verification failed|SSL: no alternative certificate|certificate (has|is not yet|verif)"
)
NOT_THERE = re.compile(
    r"returned error: 404|[Rr]epository .*not found|does not appear to be a git repository|not a git repository: "
    r"|REPOSITORY_NOT_FOUND"
)
REDIRECT = re.compile(r"returned error: 30[1278]|unable to update url base from redirection")
CORRUPT = re.compile(
    r"is corrupt|inflate: |packfile .*(cannot be accessed|does not match|truncated|invalid|is far too short)"
    r"|index file .*(too small|corrupt|wrong|invalid)|unable to unpack .* header|garbage at end of loose object"
    r"|non-monotonic index|bad (shallow|grafts?) line|bad config line|hash mismatch|not a git repository|wrong index v"
    r"|failed to (read delta|unpack)|unable to parse (commit|object)|unable to mmap|unknown object type"
    r"|bad object header"
)
CAUSES = (CREDENTIALS, UNTRUSTED, NOT_THERE, REDIRECT)
LOCKED = re.compile(r"Unable to create '[^']*\.lock': File exists")


def meaning(subject: str, failed: GitFailed) -> RollbackError:
    """The error that says what a command which talked to the remote ran into; raise it `from` the failure."""
    text = failed.stderr
    said = _telling(text)
    if FULL.search(text):
        return DiskFull(subject)
    if UNTRUSTED.search(text):
        return RepositoryUnusable(subject, f"the remote is not the one that we trust: {said}")
    if CREDENTIALS.search(text):
        return CredentialsRejected(subject, f"the remote refuses our credentials: {said}")
    if NOT_THERE.search(text):
        return RepositoryUnusable(subject, f"there is no such repository, or we may not see it: {said}")
    if REDIRECT.search(text):
        return RepositoryUnusable(subject, "the remote redirects to another address: put that one into the settings")
    unavailable = RepositoryUnavailable(subject, f"the remote did not answer as git expects: {said}")
    unavailable.retry_after = failed.retry_after
    return unavailable


def is_corrupt(complaint: str) -> bool:
    """True if the complaint is about our own clone's files, so that only a new clone helps."""
    local = "\n".join(line for line in complaint.splitlines() if not line.startswith("remote:"))
    return CORRUPT.search(local) is not None


def is_locked(complaint: str) -> bool:
    """True if a lock file of a git process that was killed stands in the way."""
    return LOCKED.search(complaint) is not None


def _telling(text: str) -> str:
    """The lines that carry the cause, in one: git's last word alone is often only `the remote end hung up`."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    known = [line for line in lines if any(cause.search(line) for cause in CAUSES)]
    marked = [line for line in lines if line.startswith(("fatal:", "error:", "remote:", "ERROR:"))]
    return " / ".join((known or marked or lines)[-3:])[:500] or "no message"
