"""What does one sync operation do, from its start to its end? Attempts, retries, history, and a comparison after it.

Source: argo-cd v3.5.1 controller/appcontroller.go (processRequestedAppOperation).
"""

from __future__ import annotations

from collections.abc import Generator

from gitops_rollback.sandbox.argocd.attempt import Attempt, Outcome
from gitops_rollback.sandbox.argocd.autosync import pinned, result_sources, revisions_of
from gitops_rollback.sandbox.argocd.progress import Ended, Progress, Surroundings, Terminated
from gitops_rollback.sandbox.argocd.repository import RepositoryError
from gitops_rollback.sandbox.argocd.scheduler import Steps
from gitops_rollback.sandbox.argocd.state import Key, stamp
from gitops_rollback.sandbox.rendering import Json

BLOCKED = "Sync operation blocked by sync window"
_TERMINATED = Outcome("Failed", "Operation terminated")


class OperationRun:
    """One operation of one application."""

    def __init__(self, world: Surroundings, key: Key, operation: Json) -> None:
        self._world = world
        self._key = key
        self._operation = operation
        self._progress = Progress(world, key, operation)

    def steps(self) -> Steps:
        """Run the operation to its end."""
        try:
            self._progress.begin()
            yield self._world.timing.write
            outcome = yield from self._attempt()
            while self._may_retry(outcome):
                outcome = yield from self._retry(outcome)
            yield from self._end(outcome)
        except Ended:
            return
        yield from self._world.ended(self._key, self._progress.manual)

    def _attempt(self) -> Generator[float, None, Outcome]:
        try:
            yield from self._until_window_opens()
            self._progress.check()
            self._resolve()
            spec = self._spec()
            target = self._world.renderer.target(spec, revisions_of(self._progress.sync))
            if target.trouble:
                return Outcome("Error", f"ComparisonError: {target.trouble}")
            self._progress.results = []
            namespace = str(spec["destination"]["namespace"])
            return (yield from Attempt(self._progress, target).steps(namespace))
        except RepositoryError as exc:
            return Outcome("Error", f"ComparisonError: failed to resolve revision: {exc}")
        except Terminated:
            self._end_running_hooks()
            return _TERMINATED

    def _resolve(self) -> None:
        """Without a revision it is the target revision's newest commit, of the sources as they are now."""
        if not revisions_of(self._progress.sync):
            spec = self._progress.application()["spec"]
            found = pinned(spec, self._world.resolve(spec, force=True))
            self._progress.sync = {**self._progress.sync, **found}

    def _spec(self) -> Json:
        """The Application's spec with the sources of the operation."""
        spec, sync = self._progress.application()["spec"], self._progress.sync
        sources = result_sources(sync)
        if sync.get("sources"):
            return {**spec, "sources": sources}
        return {**spec, "source": sources[0] or spec.get("source")}

    def _until_window_opens(self) -> Steps:
        while not self._world.may_sync(self._key, self._progress.manual):
            self._progress.write_state(lambda state: state.update(message=BLOCKED))
            yield 1.0

    def _end_running_hooks(self) -> None:
        for row in self._progress.results:
            if row.get("hookType") and row["hookPhase"] == "Running":
                row.update(hookPhase="Failed", message="Terminated")
                key = (row["group"], row["kind"], row["namespace"], row["name"])
                self._progress.cluster().delete(key)
        self._world.cluster_changed(self._key)

    def _may_retry(self, outcome: Outcome) -> bool:
        limit = int(self._operation.get("retry", {}).get("limit", 0))
        failed = outcome.phase in ("Failed", "Error") and not self._progress.terminating()
        return failed and (limit < 0 or self._progress.retries < limit)

    def _retry(self, outcome: Outcome) -> Generator[float, None, Outcome]:
        """Write that it failed, wait, and try again; the phase stays Running all the time."""
        self._progress.retries += 1
        count, now = self._progress.retries, self._progress.now()
        message = f"{outcome.message}. Retrying attempt #{count} at {now.strftime('%I:%M%p').lstrip('0')}."
        failed = {**self._progress.so_far(message), "finishedAt": stamp(now), "retryCount": count}
        self._progress.write_state(lambda state: state.update(failed))
        try:
            yield from self._progress.nap(self._backoff())
        except Terminated:
            return _TERMINATED
        self._progress.write_state(lambda state: _again(state, count))
        yield self._world.timing.write
        return (yield from self._attempt())

    def _backoff(self) -> float:
        backoff, timing = self._operation.get("retry", {}).get("backoff", {}), self._world.timing
        first = _seconds(backoff.get("duration"), timing.backoff)
        limit = _seconds(backoff.get("maxDuration"), timing.backoff_limit)
        return float(min(first * float(backoff.get("factor") or 2) ** (self._progress.retries - 1), limit))

    def _end(self, outcome: Outcome) -> Steps:
        sync, message = self._progress.sync, outcome.message
        good = outcome.phase == "Succeeded"
        if good and not sync.get("dryRun") and not sync.get("resources"):
            self._progress.append_history()
            yield self._world.timing.write
        if not good and self._progress.retries:
            message = f"{message} (retried {self._progress.retries} times)."
        self._progress.finish(outcome.phase, message)


def _again(state: Json, count: int) -> None:
    state["message"] = f"Retrying operation. Attempt #{count}"
    state.pop("finishedAt", None)


def _seconds(text: object, default: float) -> float:
    """A Go duration of one unit (`5s`, `3m`) in seconds."""
    if not isinstance(text, str) or not text:
        return default
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    return float(text[:-1]) * units[text[-1]] if text[-1] in units else float(text)
