"""Does the one next action: the only place that writes to git or to people; with `hands`, to the engine.

Everything here can be repeated: a push is a compare-and-swap, a sync carries our mark, a message has a key. What was
done is only known from the world, so a crash after any line is just a new look.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from gitops_rollback import __version__
from gitops_rollback.app.decided import report_decision
from gitops_rollback.app.hands import EngineHands
from gitops_rollback.app.notices import Notice, entry_about_bypass
from gitops_rollback.app.records import (
    entry_about,
    entry_about_record,
    entry_about_release,
    entry_of,
    event_of,
    incident_time,
    joined_record,
    message_about_entry,
    message_about_joining,
    message_about_notice,
    message_about_record,
    message_about_release,
    message_about_unwritable,
    message_about_waiting,
    next_phase,
    open_record,
    record_of_note,
    released_record,
)
from gitops_rollback.app.retelling import recent_messages, said_again
from gitops_rollback.app.silencing import Teller
from gitops_rollback.app.stepping import landed_record
from gitops_rollback.app.subject import Look, Watched
from gitops_rollback.app.view import View
from gitops_rollback.core.action import Advance, Finish, HoldOn, Join, Land, Note, Release
from gitops_rollback.core.errors import FOR_ALL, LeaseLost, RollbackError
from gitops_rollback.core.journal import due, started
from gitops_rollback.core.policy import Policy
from gitops_rollback.core.refs import Landing as Landing
from gitops_rollback.core.rollback import Phase, RollbackRecord, advance, merge, unpushed
from gitops_rollback.crash_points import crash_point
from gitops_rollback.ports import (
    Clock,
    ConfigRepo,
    DecisionEntry,
    Heads,
    Journal,
    Message,
    Notifier,
    PushOutcome,
    PushResult,
    RefUpdate,
)

JOURNAL_TRIES = 5
BATCH_EVERY = timedelta(minutes=10)
MAX_BATCH = 500
MAX_NEWEST = 30_000


class Executor(EngineHands):
    """One per config repository; used by one thread at a time."""

    def __init__(
        self,
        repo: ConfigRepo,
        journal_repo: ConfigRepo,
        journal: Journal,
        notifier: Notifier,
        clock: Clock,
        announces: bool = True,
        confirm: Callable[[], None] = lambda: None,
        ended: Callable[[RollbackRecord], None] = lambda _: None,
    ) -> None:
        """`journal_repo` is `repo` itself unless the settings put the journal elsewhere.

        A controller `announces` itself by a `started` entry; a person's verb writes nothing but what was asked.
        `confirm` is asked right before each write to a remote or an engine; it raises LeaseLost. `ended` hears of
        each rollback that comes to its end here.
        """
        super().__init__(confirm)
        self._ended = ended
        self._repo, self._journal_repo, self._journal = repo, journal_repo, journal
        self._clock = clock
        self._journal_head: str | None = None
        self._newest: dict[str, DecisionEntry] = {}
        self._said: set[str] = set()  # whose newest decision is this process's own: another replica's changes nothing
        self._batch: list[DecisionEntry] = []
        self._unwritten: dict[str, RollbackRecord] = {}
        self._put: dict[str, RollbackRecord] = {}  # written since the last view: newer than what it shows
        self._flushed_at = clock.monotonic()
        self._told = Teller(notifier, clock)
        self._announces, self._started = announces, not announces
        self._told_again: set[str] = set()
        self._trouble = ""
        self._unread = False  # a push did not succeed, and the remote has not been fetched since
        self._alone = False  # the journal's ref was refused: the next rollback goes without it
        self.read: Heads | None = None  # what the newest fetch found
        self.writable = True

    def see(self, view: View) -> View:
        """Take the heads of a new view; the first one also tells which decisions were written before.

        The first one writes a `started` entry, too: it proves that the journal can be written before it is needed. A
        lost journal is not begun anew. What could not be written yet is part of the view that comes back.
        """
        self._journal_head, self._trouble = view.heads.journal, view.journal.trouble
        self._unread, self.read, self._put = False, view.heads, {}
        self._told.see(view)
        for entry in view.journal.decisions:
            known = self._newest.get(entry.application)
            if entry.application not in self._said and (known is None or known.at < entry.at):
                self._newest[entry.application] = entry
        while len(self._newest) > MAX_NEWEST:
            oldest = next(iter(self._newest))
            self._said.discard(oldest)
            del self._newest[oldest]
        if not self._started:
            self._started = True
            self._write((), (started(self._clock.now(), __version__),))
        return self._with_unwritten(view)

    def _with_unwritten(self, view: View) -> View:
        if not self._unwritten:
            return view
        known = view.journal.records
        mine = {name: merge(known.get(name, record), record) for name, record in self._unwritten.items()}
        return replace(view, journal=replace(view.journal, records={**known, **mine}))

    # People and journal

    def tell_again(self, view: View, one: Watched) -> None:
        """Once for an application: what a process before this one wrote, and may have died before it told."""
        if self._announces and one.name not in self._told_again:
            self._told_again.add(one.name)
            for message in recent_messages(view.journal, one.name, one.policy, self._clock.now()):
                self.tell(message)

    def note(self, note: Note, look: Look) -> None:
        """Keep the decision where it says something new; tell people if it is for them."""
        entry = entry_of(note.decision, look, note.plan, self._clock.now())
        if not due(self._newest.get(look.name), entry):
            return
        self._say(entry)
        self._note(note, look, entry)

    @crash_point("note")
    def _note(self, note: Note, look: Look, entry: DecisionEntry) -> None:
        if not note.decision.act.tells:
            report_decision(note.decision, look)
            self._batch = [*self._batch, entry][-MAX_BATCH:]
            return
        record = record_of_note(note, look, self._clock.now())
        self._write((record,) if record else (), (entry,))
        if note.decision.reason not in FOR_ALL:  # the repository's notice speaks for all of them
            self.tell(message_about_entry(entry, record, look.policy))

    def _say(self, entry: DecisionEntry) -> None:
        self._newest[entry.application] = entry
        self._said.add(entry.application)

    def join(self, join: Join, look: Look) -> None:
        """Add an application to the open rollback of its incident, whose end names it; nobody is paged anew."""
        if look.name in join.record.applications:
            self.note(Note(join.decision), look)
            return
        entry = entry_of(join.decision, look, None, self._clock.now())
        entry = replace(entry, details={**entry.details, "rollback": join.record.id})
        self._say(entry)
        self._write((joined_record(join.record, look),), (entry,))
        if join.record.phase is Phase.AWAITING_APPROVAL:
            self.tell(message_about_joining(join.record, entry, look.policy))

    def announce(self, notice: Notice) -> None:
        """Keep and tell what concerns the whole repository, where it is new, or may not have been told."""
        entry = entry_about(notice, self._clock.now())
        known = self._newest.get(entry.application)
        if due(known, entry) and (known is not None or notice.state):
            self._say(entry)
            self._write((), (entry,))
        elif known is None or not self._announces or not said_again(known, entry.at):
            return
        self.tell(message_about_notice(notice, self._repo.name, self._newest[entry.application].at))

    def flush(self, at_once: bool = False) -> None:
        """Write what was left alone, at most once in ten minutes or `at_once`; never in the way of a rollback."""
        due_now = at_once or self._clock.monotonic() - self._flushed_at >= BATCH_EVERY.total_seconds()
        if self._unwritten or not self.writable or (self._batch and due_now):
            self._write((), ())

    def tell(self, message: Message) -> None:
        """Once for each key."""
        self._told.tell(message)

    @crash_point("write")
    def _write(self, records: Sequence[RollbackRecord], entries: Sequence[DecisionEntry]) -> bool:
        """One journal commit for these, for all that is batched and for what could not be written before.

        What cannot be written is kept, and never stands in the way of telling people.
        """
        self._put.update({record.id: record for record in records})
        pending = {**self._unwritten, **{record.id: record for record in records}}
        lines = [*self._batch, *entries]
        try:
            result = self._push_lines(pending, lines)
        except LeaseLost:
            raise  # another replica writes, and tells people
        except RollbackError as error:
            result = PushResult(PushOutcome.UNKNOWN, {}, str(error))
        if result.outcome is PushOutcome.LANDED:
            self._batch, self._unwritten, self.writable, self._alone = [], {}, True, False
            self._flushed_at = self._clock.monotonic()
            self._told.forget(f"journal/{self._repo.name}")
            return True
        self._unwritten, self._batch = pending, lines[-MAX_BATCH:]
        self.writable = self.writable and not any(entry.action == "started" for entry in self._batch)
        self._page_unwritable(result)
        return False

    def _push_lines(self, pending: Mapping[str, RollbackRecord], lines: Sequence[DecisionEntry]) -> PushResult:
        result = PushResult(PushOutcome.PROTECTED, {}, self._trouble)
        if self._trouble:
            return result
        for _ in range(JOURNAL_TRIES):
            if self._unread:
                heads = self._journal_repo.fetch()
                self._journal_head, self._unread = heads.journal, False
                self.read = heads if self._journal_repo is self._repo else self.read
            commit = self._journal.commit(self._journal_head, pending.values(), lines, self._clock.now())
            if commit == self._journal_head:
                return PushResult(PushOutcome.LANDED, {})
            result = self._push(self._journal_repo, RefUpdate(self._journal.ref, commit, self._journal_head))
            if result.outcome is PushOutcome.LANDED:
                self._journal_head = commit
            if result.outcome is not PushOutcome.REJECTED:
                return result
        return result

    def _push(self, repo: ConfigRepo, *updates: RefUpdate) -> PushResult:
        """After anything but success, or a plain no of a rule, the next word with the remote is a fetch.

        Raises: LeaseLost.
        """
        self._unread = True
        self._confirm()
        result = repo.push(updates)
        outcomes = {result.outcome, *result.refs.values()}
        self._unread = not outcomes <= {PushOutcome.LANDED, PushOutcome.PROTECTED}
        return result

    def _page_unwritable(self, result: PushResult) -> None:
        self.tell(message_about_unwritable(self._repo.name, result.message or result.outcome.value))

    # The branch

    @crash_point("land")
    def land(self, land: Land, look: Look) -> Landing:
        """Push the plan's commit together with its record. REJECTED: somebody was faster, decide anew."""
        now = self._clock.now()
        base, staged = land.plan.reversal.base, land.plan.staged
        tree, message = (staged.tree, staged.message) if staged else (land.plan.reversal.tree, land.plan.message)
        if tree is None:
            return Landing(PushOutcome.PROTECTED, "the plan has no tree")
        if staged and staged.stages.total > 1 and self._alone:  # its record alone says what follows: people are asked
            self.writable = False
            return Landing(PushOutcome.REJECTED, "the journal did not take the record of a plan of several commits")
        if self._unread:
            return Landing(PushOutcome.REJECTED, "the remote has not been read since the last push")
        date = max(self._repo.commit(base).committed_at + timedelta(seconds=1), incident_time(land.decision, now))
        commit = self._repo.write_commit(tree, base, message, date)
        record = landed_record(open_record(land.plan, look, land.decision, now, Phase.PENDING), land.plan, commit, now)
        entry = entry_of(land.decision, look, land.plan, now)
        result = self._push_with_journal(commit, base, entry, record)
        if result.outcome is PushOutcome.LANDED:
            self._say(entry)
            self._put[record.id] = record
            self.tell(message_about_record("started", record, look.policy))
        return self._landing(result, commit, record.id)

    def push_branch(self, branch: str, commit: str, old: str | None, repo: ConfigRepo | None = None) -> PushResult:
        """Push to another branch, of `repo` if given, as plainly as to the one that is followed. Raises: LeaseLost."""
        return self._push(repo or self._repo, RefUpdate(f"refs/heads/{branch}", commit, old))

    def release(self, release: Release, policy: Policy) -> Landing:
        """Push the commit that ends a rollback's holds, together with its record. REJECTED: look anew."""
        now = self._clock.now()
        date = max(self._repo.commit(release.base).committed_at + timedelta(seconds=1), now.replace(microsecond=0))
        commit = self._repo.write_commit(release.tree, release.base, release.commit_message, date)
        entry = entry_about_release(release, now)
        landing = self.push_commit(commit, release.base, entry, released_record(release, commit, now))
        if landing.outcome is PushOutcome.LANDED:
            self._say(entry)
            self.tell(message_about_release(release, policy))
        return landing

    def push_commit(self, commit: str, base: str, entry: DecisionEntry, *records: RollbackRecord) -> Landing:
        """Push a commit that no decision of this look made, together with its line. REJECTED: look anew."""
        if self._unread:
            return Landing(PushOutcome.REJECTED, "the remote has not been read since the last push")
        result = self._push_with_journal(commit, base, entry, *records)
        if result.outcome is PushOutcome.LANDED:
            self._put.update({one.id: one for one in records})
        return self._landing(result, commit, records[0].id if records else "")

    def _landing(self, result: PushResult, commit: str, identity: str = "") -> Landing:
        """How it ended. That the server let us past its rules is kept, whoever gave us the right to."""
        if result.outcome is PushOutcome.LANDED and result.bypassed:
            self.enter(entry_about_bypass(commit, identity, result.bypassed, self._clock.now()))
        return Landing(result.outcome, result.message)

    def _push_with_journal(self, commit: str, base: str, entry: DecisionEntry, *records: RollbackRecord) -> PushResult:
        """One atomic push. Where the journal's ref is refused, the next try goes alone, decided anew on what was read.

        Our very commit may be there already, from a replica with its own entry. A journal elsewhere, or at a server
        without atomic pushes, cannot be part of the push: it comes first, so that no rollback is without its entry.
        """
        lines = [*self._batch, entry]
        note = self._journal.commit(self._journal_head, [*self._unwritten.values(), *records], lines, self._clock.now())
        branch = RefUpdate(f"refs/heads/{self._repo.branch}", commit, base)
        journal = RefUpdate(self._journal.ref, note, self._journal_head)
        if self._journal_repo is not self._repo or not self._repo.atomic:
            return self._push_after_journal(branch, entry, *records)
        alone, self._alone = self._alone, False
        result = self._push(self._repo, *([branch] if alone else [branch, journal]))
        if result.refs.get(journal.ref) is PushOutcome.PROTECTED:
            self._page_unwritable(result)
            self._alone = True
            return replace(result, outcome=PushOutcome.REJECTED)
        if result.outcome is PushOutcome.LANDED and result.refs.get(journal.ref) is PushOutcome.LANDED:
            self._journal_head, self._batch, self._unwritten = note, [], {}
        elif result.outcome is PushOutcome.LANDED:
            self._unwritten, self._batch = {**self._unwritten, **{one.id: one for one in records}}, lines[-MAX_BATCH:]
        return result

    def _push_after_journal(self, branch: RefUpdate, entry: DecisionEntry, *records: RollbackRecord) -> PushResult:
        """The entry says `Pushing` until the branch has it: one whose commit never lands counts for nothing.

        That a hold has ended is seen in the branch, whatever the record of an ended rollback says of it.
        """
        read = self.read
        if not self._write([unpushed(record) for record in records], (entry,)):
            return PushResult(PushOutcome.PROTECTED, {}, "the journal could not be written")
        if self.read != read:
            return PushResult(PushOutcome.REJECTED, {}, "the remote was read again while the journal was written")
        result = self._push(self._repo, branch)
        if result.outcome is PushOutcome.LANDED and records:
            self._write(records, ())
        return result

    # An open rollback

    @crash_point("advance")
    def advance(self, action: Advance) -> None:
        """Write the next phase."""
        self._write(*next_phase(action, self._clock.now()))

    @crash_point("keep")
    def keep(self, record: RollbackRecord, *more: RollbackRecord) -> bool:
        """Write a record as it is, and others with it; False if the journal could not be written."""
        return self._write((record, *more), (entry_about_record(record, self._clock.now()),))

    def put(self, record: RollbackRecord) -> bool:
        """Write a record, without a word about it; False if the journal could not be written."""
        return self._write((record,), ())

    def enter(self, entry: DecisionEntry) -> bool:
        """Write one line; False if the journal could not be written."""
        return self._write((), (entry,))

    def newest(self, view: View) -> Mapping[str, RollbackRecord]:
        """All records of `view`, with what was written since."""
        return {**view.journal.records, **self._put}

    @crash_point("finish")
    def finish(self, action: Finish, policy: Policy) -> None:
        """Write the outcome and tell people."""
        record = advance(
            action.record, Phase.DONE, self._clock.now(),
            outcome=action.outcome, reason=action.reason.value, message=action.message,
        )  # fmt: skip
        self.keep(record, *action.plans)
        self._ended(record)
        self.tell(message_about_record(event_of(action.outcome), record, policy))

    def hold_on(self, action: HoldOn, policy: Policy) -> None:
        """Write why the engine does not apply what is on the branch, and until when, and page."""
        self.keep(action.record)
        self.tell(message_about_waiting(action.record, policy))

    def fail(self, subject: str, error: RollbackError, page: bool) -> None:
        """Tell that something outside did not work: once a day, since it may have been mended and come back."""
        key = f"{subject}/{error.reason.value}/{page}/{self._clock.now():%F}"
        self.tell(Message("failed", subject, "Cannot act", str(error), key, error.reason.value, page=page))
