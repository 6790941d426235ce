"""`gitops-rollback heartbeat`: a real commit that changes nothing, by the very way that a rollback would take."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from gitops_rollback.app.heartbeats import Heartbeats, Seen
from gitops_rollback.app.requesting import Requests, Wish, found_by
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.subject import Watched
from gitops_rollback.cli.access import caller, duration_option
from gitops_rollback.cli.asking import Asked, opened_requests
from gitops_rollback.cli.main import NO, OK, TIMEOUT
from gitops_rollback.cli.output import print_document, say, shown
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.heartbeat import Beat, Outcome, entry_of, is_automatic
from gitops_rollback.core.journal import format_time

TRIES = 5
LOOK_EVERY_SECONDS = 2.0


def carry_out(ctx: click.Context, application: str | None, timeout: str, output: str, settings: Settings) -> None:
    if settings.observes:
        raise click.UsageError("These settings only observe: nothing is written.")
    patience = duration_option(timeout, "--timeout").total_seconds()
    with opened_requests(settings) as asked:
        one, beats, beat = _begun(asked, application or "")
        if beat.open:
            say(f"{beat.application}: {beat.id} is under way from {beat.base[:12]}")
        beat = _followed(one.requests, beats, beat, time.monotonic() + patience)
    if output == "table":
        mark = "✔" if beat.outcome is Outcome.SEEN else "✖" if not beat.open else "…"
        click.echo(shown(f"{mark} heartbeat of {beat.application}: {beat.words}"))
    else:
        print_document(_document(beat), output)
    ctx.exit(OK if beat.outcome is Outcome.SEEN else TIMEOUT if beat.open else NO)


def _document(beat: Beat) -> dict[str, object]:
    entry = entry_of(beat, beat.begun)
    return {**{name: value for name, value in entry.details.items() if name != "told"}, "reason": beat.reason.value,
            "seconds": beat.phases, "begun": format_time(beat.begun)}  # fmt: skip


def _begun(asked: tuple[Asked, ...], word: str) -> tuple[Asked, Heartbeats, Beat]:
    """In the first repository that has the application. Raises: what the last one raised."""
    failure: RollbackError | None = None
    for one in asked:
        beats = one.requests.reconciler.heartbeats
        if beats is None:
            continue
        try:
            return one, beats, _begin(one.requests, beats, word)
        except StalledError as error:
            if error.reason is not Reason.NO_POLICY:
                raise
            failure = error
    raise failure or click.UsageError("There is no repository.")


def _begin(requests: Requests, beats: Heartbeats, word: str) -> Beat:
    _, by = caller()
    for _ in range(TRIES):
        with requests.repo.exclusive():
            seen = _look(requests)
            newest = beats.newest(seen.view)
            if newest is not None and newest.open:
                return newest  # one at a time: that one is followed
            watched = _watched(word, seen)
            why = beats.why_not(watched, seen)
            if why:
                raise StalledError(watched.name, f"no heartbeat now: {why}", Reason.PAUSED)
            beat = beats.begin(watched, by, seen)
        if beat is not None:
            return beat
    raise StalledError(requests.repo.name, f"somebody was faster {TRIES} times: try again", Reason.PUSH_REJECTED)


def _watched(word: str, seen: Seen) -> Watched:
    """Raises: StalledError `NoPolicy`, with the known ones."""
    if not word:
        automatic = [one for one in seen.listing.watched if is_automatic(one.policy)]
        if automatic:
            return automatic[0]
    return found_by(Wish(word or "(the first automatic one)", ""), seen.listing)


def _look(requests: Requests) -> Seen:
    view, now = requests.reconciler.see_now(), requests.clock.now()
    return Seen(view, requests.reconciler.directory.look(view, now), now, requests.executor)


def _followed(
    requests: Requests, beats: Heartbeats, beat: Beat, end: float, pause: Callable[[float], None] = time.sleep
) -> Beat:
    """Until it has ended, or until `end` in seconds of real time."""
    while beat.open and time.monotonic() < end:
        with requests.repo.exclusive():
            seen = _look(requests)
            newest = beats.newest(seen.view) or beat
            beat = beats.go_on(newest, seen) if newest.open else newest
        if beat.open:
            pause(min(LOOK_EVERY_SECONDS, max(0.0, end - time.monotonic())))
    return beat
