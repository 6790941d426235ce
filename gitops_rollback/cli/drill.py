"""`gitops-rollback drill`: something is broken on purpose, and it is timed how it is found and taken back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import click

from gitops_rollback.app.drills import Drills, Wanted
from gitops_rollback.app.heartbeats import Seen
from gitops_rollback.app.requesting import Requests, Wish, found_by
from gitops_rollback.cli.access import caller, duration_option, settings_of
from gitops_rollback.cli.asking import Asked, opened_requests
from gitops_rollback.cli.main import NO, OK
from gitops_rollback.cli.output import print_document, say, shown
from gitops_rollback.core.breaking import Break
from gitops_rollback.core.drill import SIGN, Drill, Outcome, entry_of, running
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.sandbox.demo import Demo
from gitops_rollback.sandbox.practice import practice_story
from gitops_rollback.sandbox.telling import Story

TRIES = 5
LOOK_EVERY = timedelta(seconds=5)
SHORTEST_LOOK_SECONDS = 1.0  # in a sandbox whose time runs fast
CLEAN_UP_SECONDS = 60.0


def carry_out(
    ctx: click.Context,
    application: str,
    how: str,
    people: bool,
    timeout: str,
    sandbox: str | None,
    path: str,
    speed: float,
    out: str,
    output: str,
    cluster: Mapping[str, object],
    repo: tuple[str, ...],
    branch: str | None,
    config: str | None,
) -> None:
    patience = duration_option(timeout, "--timeout")
    if sandbox is not None:
        if people:
            raise click.UsageError("--people is for real: in a sandbox nobody is paged.")
        ctx.exit(practise(practice_story(Path(sandbox), application, Break(how), timeout, path), speed, Path(out)))
    settings = settings_of(repo, branch, config, cluster)
    if settings.observes:
        raise click.UsageError("These settings only observe: nothing is written.")
    wanted = Wanted(Break(how), caller()[1], patience, people)
    with opened_requests(settings) as asked:
        one, drill = _begun(asked, application, wanted)
        say(f"{drill.application}: {SIGN} {drill.id}: {drill.commit[:12]} breaks it by {drill.how.words}")
        drill = Following(one.requests, _drills(one.requests), drill).to_its_end()
    if output == "table":
        click.echo(shown(f"{'✔' if drill.outcome is Outcome.PASSED else '✖'} {drill.application}: {drill.words}"))
    else:
        print_document(document(drill), output)
    ctx.exit(OK if drill.outcome is Outcome.PASSED else NO)


def practise(story: Story, speed: float, out: Path) -> int:
    """The exit code of a drill in the sandbox, which is told on stdout."""
    demo = Demo(story, speed, out.resolve(), lambda line: click.echo(shown(line)))
    try:
        return OK if demo.run() else NO
    finally:
        demo.stop_controller()
        demo.close()


def document(drill: Drill) -> dict[str, object]:
    """The drill as `-o json` prints it."""
    return {**entry_of(drill, drill.begun).details, "seconds": drill.phases}


def _drills(requests: Requests) -> Drills:
    return Drills(requests.repo, requests.reconciler, requests.reconciler.holds, requests.clock)


def _begun(asked: tuple[Asked, ...], word: str, wanted: Wanted) -> tuple[Asked, Drill]:
    """In the first repository that has the application. Raises: what the last one raised."""
    failure: RollbackError | None = None
    for one in asked:
        try:
            return one, _begin(one.requests, word, wanted)
        except StalledError as error:
            if error.reason is not Reason.NO_POLICY:
                raise
            failure = error
    raise failure or click.UsageError("There is no repository.")


def _begin(requests: Requests, word: str, wanted: Wanted) -> Drill:
    drills, started = _drills(requests), requests.clock.now()
    try:
        for _ in range(TRIES):
            with requests.repo.exclusive():
                seen = look(requests)
                drill = drills.begin(found_by(Wish(word, ""), seen.listing), wanted, seen)
            if drill is not None:
                return drill
    except KeyboardInterrupt:
        for mine in running(requests.reconciler.see_now().journal.decisions):  # its push may have landed by then
            if mine.by == wanted.by and mine.begun >= started:
                Following(requests, drills, mine).take_back("stopped by KeyboardInterrupt")
        raise
    raise StalledError(word, f"somebody was faster {TRIES} times: try again", Reason.PUSH_REJECTED)


def look(requests: Requests) -> Seen:
    """What there is now."""
    view, now = requests.reconciler.see_now(), requests.clock.now()
    return Seen(view, requests.reconciler.directory.look(view, now), now, requests.executor)


@dataclass
class Following:
    """A drill that has begun, until nothing of it is left."""

    requests: Requests
    drills: Drills
    drill: Drill
    pause: Callable[[float], None] = time.sleep

    def to_its_end(self) -> Drill:
        """Whatever happens, what was broken is taken back before this returns or raises."""
        seconds = max(SHORTEST_LOOK_SECONDS, self.requests.clock.real_seconds(LOOK_EVERY))
        try:
            while self.drill.open:
                self._step()
                if self.drill.open:
                    self.pause(seconds)
        except BaseException as failure:
            self.take_back(f"stopped by {type(failure).__name__}")
            raise
        return self.drill

    def _step(self) -> None:
        """One look; a remote that does not answer now is asked again, until the deadline at least."""
        try:
            with self.requests.repo.exclusive():
                known = set(self.drill.times)
                self.drill = self.drills.go_on(self.drill, look(self.requests))
        except RollbackError as error:
            if self.requests.clock.now() >= self.drill.deadline:
                raise
            say(f"{error.subject}: {error.message}; it is looked at again")
            return
        for name in self.drill.times:
            if name not in known:
                say(f"{self.drill.times[name]:%H:%M:%S} {SIGN} {name}")

    def take_back(self, why: str) -> None:
        """Clean up now, for a minute of tries; what is left then a running controller does."""
        end = time.monotonic() + CLEAN_UP_SECONDS
        while self.drill.open and time.monotonic() < end:
            try:
                with self.requests.repo.exclusive():
                    self.drill = self.drills.clean_up(self.drill, Outcome.STOPPED, why, look(self.requests))
            except RollbackError as error:
                say(f"{error.subject}: {error.message}; cleaning up is tried again")
                self.pause(SHORTEST_LOOK_SECONDS)
        later = f"NOT taken back: revert {self.drill.commit[:12]}; a controller does at {self.drill.deadline:%H:%M:%S}Z"
        say(f"{SIGN} {self.drill.id}: {later if self.drill.open else 'what it broke is taken back'}")
