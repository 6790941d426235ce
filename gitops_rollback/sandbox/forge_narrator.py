"""Tells what happens at the forge, from what the forge itself has: pull requests, their heads, comments, reviews."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from gitops_rollback.sandbox.forge import ForgeSandbox, Kind, PullRequest
from gitops_rollback.sandbox.people import People

HEADLINES = ("**", "Undoes ", "Now: ", "⚠ ", "/rollback ")  # how a line of a comment begins that tells what it is about
Told = tuple[tuple[object, ...], str, str]  # what makes it new, the kind of the line, its words


class ForgeNarrator:
    """Each `look` says what is new since the last one."""

    def __init__(self, forge: ForgeSandbox, people: People, line: Callable[[str, str], None]) -> None:
        self._forge = forge
        self._people = people
        self._line = line
        self._told: set[tuple[object, ...]] = set()

    def look(self) -> None:
        """Say what is new, in the order in which it comes about for one pull request."""
        with self._forge.machine.lock:
            found = [one for pull in self._forge.state.pulls.values() for one in self._all(pull)]
        for key, kind, text in found:
            if key not in self._told:
                self._told.add(key)
                self._line(kind, text)

    def _all(self, pull: PullRequest) -> Iterator[Told]:
        name = f"{'!' if self._forge.kind is Kind.GITLAB else '#'}{pull.number}"
        opened = f'{name} "{pull.title}" by {pull.author}   {pull.head} into {pull.base}'
        yield ("opened", pull.number), "opened", opened
        if pull.reviewers:
            yield ("asked", pull.number, *pull.reviewers), "asked", f"{name} for a review: {', '.join(pull.reviewers)}"
        subject = self._people.git("log", "-1", "--format=%s   by %cn", pull.head_sha, check=False)
        yield ("head", pull.number, pull.head_sha), "head", f"{name} {pull.head_sha[:7]} {subject}"
        for one in self._forge.state.statuses_of(pull.head_sha).values():
            words = f"{name} {one.sha[:7]} {one.context} is {one.state}: {one.description}"
            yield ("status", one.sha, one.context, one.state, one.description), "status", words
        for comment in pull.comments:
            if not comment.system:
                headline = _headline(comment.body)
                yield ("comment", comment.id, headline), "comment", f"{name} {comment.author}: {headline}"
        for review in pull.reviews:
            words = f"{name} {review.sha[:7]} {review.state} by {review.author}"
            yield ("review", review.id, review.state), "review", words
        if pull.scheduled is not None:
            order = pull.scheduled
            yield ("scheduled", order.at), "scheduled", f"{name} merges once the rules let it, as {order.by} asked"
        if not pull.open:
            by = pull.merged_by or pull.closed_by
            into = f" as {pull.merge_sha[:7]}" if pull.merge_sha else ""
            yield ("end", pull.number, pull.state), pull.state, f"{name} by {by}{into}"


def _headline(body: str) -> str:
    """The last line of a comment that tells what it has come to."""
    lines = [line for line in body.splitlines() if line.strip() and not line.startswith("<!--")]
    return next((line for line in reversed(lines) if line.startswith(HEADLINES)), lines[0] if lines else "")
