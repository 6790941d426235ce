"""Which commits must go back together with those that are blamed?

A commit names others by the trailer `Rollback-With`, which binds both ways; commits that stand side by side and say
that they came by one pull request are one change. Only what the range holds is looked at, and a name must mean one
commit. None of it widens what is automatic: a person approves the plan that holds them all.
Source: product.md section 10; safety.md, Suspects and known ground.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from gitops_rollback.core.commit import Commit

WITH = "Rollback-With"
MOST = 20  # commits of one plan; for more than that no trailer can vouch
NAMED = re.compile(r"[0-9a-f]{7,64}")
# The words of forges and merge bots: a squash's or rebase's subject, Gitea and Gerrit, marge-bot, git-node.
SUBJECT = re.compile(r"\(([#!]\d{1,10})\)\Z")
TRAILERS = ("Reviewed-on", "Part-of", "PR-URL")


@dataclass(frozen=True)
class Companion:
    """A commit that is not blamed, and why it goes back all the same, as a clause for people."""

    commit: Commit
    why: str


def companions(blamed: Sequence[Commit], line: Sequence[Commit]) -> tuple[Companion, ...]:
    """Those of `line` that must go back with `blamed`, and with each other, in its order (newest first).

    `line` is the mainline since the last good state. More than `MOST` are not looked for to the end.
    """
    places = {commit.sha: place for place, commit in enumerate(line)}
    found: dict[str, Companion] = {}
    pending = [commit for commit in blamed if commit.sha in places]
    known = {commit.sha for commit in blamed}
    while pending and len(known) <= MOST:
        one = pending.pop()
        for other in (*_by_trailer(one, line), *_by_request(one, line, places[one.sha])):
            if other.commit.sha not in known:
                known.add(other.commit.sha)
                found[other.commit.sha] = other
                pending.append(other.commit)
    return tuple(sorted(found.values(), key=lambda other: places[other.commit.sha]))


def in_order(commits: Collection[Commit], line: Sequence[Commit]) -> tuple[Commit, ...]:
    """The commits as they stand in `line`; those that it does not hold come last, in their own order."""
    places = {commit.sha: place for place, commit in enumerate(line)}
    return tuple(sorted(commits, key=lambda commit: places.get(commit.sha, len(places))))


def _by_trailer(one: Commit, line: Sequence[Commit]) -> Iterator[Companion]:
    for name in one.trailers.get(WITH, ()):
        named = _named(name, line)
        if named is not None:
            yield Companion(named, f"{one.sha[:12]} names it by {WITH}")
    for other in line:
        if any(_named(name, line) == one for name in other.trailers.get(WITH, ())):
            yield Companion(other, f"it names {one.sha[:12]} by {WITH}")


def _named(name: str, line: Sequence[Commit]) -> Commit | None:
    """The one commit of the line that a trailer's value means."""
    text = name.strip().lower()
    found = [commit for commit in line if commit.sha.startswith(text)] if NAMED.fullmatch(text) else []
    return found[0] if len(found) == 1 else None


def _by_request(one: Commit, line: Sequence[Commit], place: int) -> Iterator[Companion]:
    """The unbroken row of commits around it that came by the same pull request."""
    request = request_of(one)
    if not request:
        return
    for side in (line[place + 1 :], line[:place][::-1]):
        for other in side:
            if request_of(other) != request:
                break
            yield Companion(other, f"it came by the same pull request as {one.sha[:12]} ({request})")


def request_of(commit: Commit) -> str:
    """The pull request that a mainline commit says it came by; "" if it does not say, or is a merge of all of it."""
    if len(commit.parents) > 1:
        return ""
    said = SUBJECT.search(commit.subject.rstrip())
    if said is not None:
        return said[1]
    return next((value for key in TRAILERS for value in commit.trailers.get(key, ())), "")[:200]
