"""`run --observe`: the whole way with hands that write nothing. Decisions are kept as JSON lines, and read back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gitops_rollback.app.diffing import diff_of
from gitops_rollback.app.directory import Listing
from gitops_rollback.app.executor import Landing
from gitops_rollback.app.notices import Notice
from gitops_rollback.app.records import entry_about, entry_of, message_about_entry, message_about_notice
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.view import View
from gitops_rollback.core.action import Advance, Finish, HoldOn, Join, Land, Note, Release, Sync, Terminate
from gitops_rollback.core.decision import Act, Decision
from gitops_rollback.core.errors import FOR_ALL, RollbackError
from gitops_rollback.core.journal import decode_entries, due, encode_entry, newest_entries
from gitops_rollback.core.plan import Plan
from gitops_rollback.core.policy import Policy
from gitops_rollback.ports import Clock, ConfigRepo, DecisionEntry, Heads, Message, Notifier, PushOutcome

MAX_DIFF = 6000  # characters; a line of the file has room for 16 KiB
MAX_READ_BYTES = 8 << 20
MAX_FILE_BYTES = 64 << 20


class ObservingExecutor:
    """Stands where the executor stands. It has no journal, and writes to no repository."""

    writable = True

    def __init__(self, out: Path, repo: ConfigRepo, notifier: Notifier, clock: Clock) -> None:
        """`repo` is only read: a plan is kept with its diff."""
        self._out = out
        self._repo = repo
        self._notifier = notifier
        self._clock = clock
        self._newest = newest_entries(read_back(out))
        self.read: Heads | None = None

    def see(self, view: View) -> View:
        """The journal of a controller that acts is not ours."""
        self.read = view.heads
        return view

    def tell_again(self, view: View, one: Watched) -> None:
        """What was told while observing asks nothing of anybody."""

    def note(self, note: Note, look: Look) -> None:
        """Keep the decision where it says something new."""
        self._keep(note.decision, look, note.plan)

    def join(self, join: Join, look: Look) -> None:
        """Nothing waits for a word while observing."""
        self._keep(join.decision, look, None)

    def land(self, land: Land, look: Look) -> Landing:
        """Say what would have been pushed."""
        self._keep(land.decision, look, land.plan)
        return Landing(PushOutcome.LANDED)

    def release(self, release: Release, policy: Policy) -> None:
        """Not ours to end."""

    def _keep(self, decision: Decision, look: Look, plan: Plan | None) -> None:
        entry = entry_of(decision, look, plan, self._clock.now())
        if not due(self._newest.get(look.name), entry):
            return
        self._newest[look.name] = entry
        self._append(entry, plan)
        if decision.act.tells and decision.reason not in FOR_ALL:
            told = entry if decision.act is not Act.ROLL_BACK else replace(entry, action=Act.ASK.value)
            self.tell(message_about_entry(told, None, look.policy))

    def announce(self, notice: Notice) -> None:
        """Keep and tell what concerns the whole repository, where it says something new."""
        entry = entry_about(notice, self._clock.now())
        known = self._newest.get(entry.application)
        if not due(known, entry) or (known is None and not notice.state):
            return
        self._newest[entry.application] = entry
        self._append(entry, None)
        self.tell(message_about_notice(notice, self._repo.name, entry.at))

    def _append(self, entry: DecisionEntry, plan: Plan | None) -> None:
        if plan is not None:
            more = {"commitMessage": plan.message, "diff": diff_of(plan, self._repo)[:MAX_DIFF]}
            entry = replace(entry, details={**entry.details, **more})
        self._out.parent.mkdir(parents=True, exist_ok=True)
        if self._out.exists() and self._out.stat().st_size > MAX_FILE_BYTES:
            self._out.replace(self._out.with_suffix(".old.jsonl"))
        with self._out.open("ab") as lines:
            lines.write(encode_entry(entry))

    def tell(self, message: Message) -> None:
        self._notifier.tell(message)

    def flush(self, at_once: bool = False) -> None:
        """Nothing is batched."""

    def terminate(self, action: Terminate, listing: Listing) -> None:
        """Not ours to end."""

    def sync(self, action: Sync, listing: Listing) -> None:
        """Not ours to sync."""

    def advance(self, action: Advance) -> None:
        """Not ours to record."""

    def hold_on(self, action: HoldOn, policy: Policy) -> None:
        """Not ours to record."""

    def finish(self, action: Finish, policy: Policy) -> None:
        """Not ours to record."""

    def fail(self, subject: str, error: RollbackError, page: bool) -> None:
        """Tell that something outside did not work."""
        key = f"{subject}/{error.reason.value}"
        self.tell(Message("failed", subject, "Cannot observe", str(error), key, error.reason.value, page=page))


def decisions_file(folder: Path, repository: str) -> Path:
    """Where the decisions about a repository are kept."""
    return folder / f"{repository.replace('/', '-')}.decisions.jsonl"


def read_back(out: Path) -> tuple[DecisionEntry, ...]:
    """The newest lines of an earlier run; torn ones are passed over."""
    if not out.exists():
        return ()
    with out.open("rb") as lines:
        lines.seek(max(0, out.stat().st_size - MAX_READ_BYTES))
        text = lines.read()
    return decode_entries(text)[0]
