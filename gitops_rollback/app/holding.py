"""Keeps an image automation from writing back what is rolled back: in the plan, while it holds, and until its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from gitops_rollback.app.directory import Listing
from gitops_rollback.app.keeping_off import in_git, let_go
from gitops_rollback.app.notices import HELD_IMAGE, Notice
from gitops_rollback.app.subject import Watched
from gitops_rollback.app.trees import content_at, edited
from gitops_rollback.app.view import View
from gitops_rollback.core.action import Release
from gitops_rollback.core.commit import FileChange
from gitops_rollback.core.errors import Reason, RollbackError, StalledError
from gitops_rollback.core.image_holds import (
    HOLD,
    Due,
    HoldAnswer,
    ImageHold,
    Standing,
    held_since,
    holds_of,
    judge_hold,
    standing,
)
from gitops_rollback.core.image_marks import Mark, marks, part_of, unmarked, with_mark, without, written_again
from gitops_rollback.core.message import ReleaseText, release_message
from gitops_rollback.core.plan import PlanOutcome, Reversal
from gitops_rollback.core.rollback import RollbackRecord
from gitops_rollback.core.stop import PauseState, stopped
from gitops_rollback.core.sync import ImageAutomation
from gitops_rollback.core.verification import CheckResult
from gitops_rollback.ports import ConfigRepo

CHECK = "image-hold"


class _Unheld(Exception):
    """No mark is taken off, and why."""


class Holder:
    """Takes marks off a plan's tree; writes objects to the clone, and nothing to anybody else."""

    def __init__(self, repo: ConfigRepo) -> None:
        self._repo = repo

    def held(self, reversal: Reversal, word: str, automations: Sequence[ImageAutomation]) -> Reversal:
        """The same inverse without the marks by which its values would be written back; all of them, or none.

        `word` is what the policy says of that. Unchanged, with the reason in `unheld`, where it cannot be done.
        """
        if word != HOLD or reversal.outcome is not PlanOutcome.CLEAN or reversal.tree is None or not automations:
            return reversal
        try:
            edits = {change.path: self._edit(change, automations) for change in reversal.changes if change.new_blob}
            files = {path: content for path, (content, holds) in edits.items() if holds}
            if not files:
                return reversal
            tree, changes = edited(self._repo, reversal.base, reversal.tree, files)
        except (_Unheld, RollbackError) as error:
            return replace(reversal, unheld=str(error))
        outcome = PlanOutcome.CLEAN if changes else PlanOutcome.EMPTY
        holds = tuple(hold for _, found in edits.values() for hold in found)
        return replace(reversal, outcome=outcome, tree=tree, changes=changes, holds=holds if changes else ())

    def _edit(self, change: FileChange, automations: Sequence[ImageAutomation]) -> tuple[bytes, tuple[ImageHold, ...]]:
        """The file without the marks of what the plan changes in it."""
        before = self._repo.read(change.old_blob) if change.old_blob else None
        after = self._repo.read(change.new_blob or "")
        found = written_again(before, after)
        if found is None:
            raise _Unheld(f"which values of {change.path} are marked cannot be told")
        holds = tuple(self._hold(change.path, before, one, automations) for one in found)
        return without(after, found), holds

    def _hold(self, path: str, before: bytes | None, mark: Mark, automations: Sequence[ImageAutomation]) -> ImageHold:
        """Only what is selected now is held: anything else was never rolled back."""
        images = {image for one in automations if (image := one.selects.get(mark.policy))}
        if len(images) != 1:
            raise _Unheld(f"which image {mark.policy} selects is not known")
        selected = part_of(images.pop(), mark.part)
        if not selected or selected == mark.value:
            raise _Unheld(f"{mark.policy} selects {selected or 'nothing'} for {path}, which is not what is taken back")
        if selected not in _values(before, mark):
            raise _Unheld(f"{mark.policy} selects {selected} by now, which is not what is taken back in {path}")
        return ImageHold(path, mark.field, mark.comment, held=selected, kept=mark.value)


def standings(repo: ConfigRepo, holds: Sequence[ImageHold], head: str) -> dict[ImageHold, Standing]:
    """How each is at `head`. Raises: ObjectMissing, and StalledError for a file that is too large."""
    return {hold: standing(hold, content_at(repo, head, hold.path)) for hold in holds}


def hold_checks(repo: ConfigRepo, record: RollbackRecord, head: str) -> tuple[CheckResult, ...]:
    """Is each hold of a rollback in force on the branch, and does the value stand that the rollback put back?"""
    holds = holds_of(record)
    if not holds:
        return ()
    try:
        faults = [why for hold in holds if (why := _fault(hold, content_at(repo, head, hold.path)))]
    except RollbackError as error:
        return (CheckResult(CHECK, None, error.message),)
    kept = "; ".join(f"{hold.field.rpartition(' ')[2]} is {hold.kept}" for hold in holds)
    return (CheckResult(CHECK, False, faults[0]) if faults else CheckResult(CHECK, True, kept),)


def released(repo: ConfigRepo, holds: Sequence[ImageHold], head: str) -> dict[str, bytes]:
    """The files of `head` with the marks put back, by path.

    Raises: StalledError where a mark has no place.
    """
    files: dict[str, bytes] = {}
    for hold in holds:
        content = files.get(hold.path) or content_at(repo, head, hold.path)
        if content is not None and hold.by:
            files[hold.path] = let_go(hold, content)
            continue
        changed = with_mark(content, hold.field, hold.comment) if content is not None else None
        if changed is None:
            message = f"{hold.field} has no place for the mark of {hold.policy}: put it back by hand"
            raise StalledError(hold.path, message, Reason.IMAGE_AUTOMATION)
        files[hold.path] = changed
    return files


def _fault(hold: ImageHold, content: bytes | None) -> str:
    how = standing(hold, content)
    if hold.by:
        return "" if how is Standing.HELD else f"{hold.path}: {hold.field} does not keep {hold.policy} at {hold.kept}"
    if how is not Standing.HELD or content is None:
        is_back = how is Standing.LIFTED and content is not None
        return f"{hold.path}: the mark of {hold.policy} is {'back' if is_back else 'nowhere'}"
    found = unmarked(content, hold.field)
    if found is None or found.value != hold.kept:
        return f"{hold.path}: {hold.field} is {found.value if found else 'gone'}, not {hold.kept}"
    return ""


def _values(before: bytes | None, mark: Mark) -> tuple[str, ...]:
    """What the marked field holds before the plan."""
    found = marks(before) if before is not None else ()
    return tuple(one.value for one in found or () if one.field == mark.field)


@dataclass(frozen=True)
class Holds:
    """Looks after the holds of rollbacks that have ended. `settings_pause` is asked anew each time."""

    repo: ConfigRepo
    settings_pause: Callable[[], PauseState]

    def lasting(self, view: View) -> tuple[RollbackRecord, ...]:
        """The rollbacks with holds whose end has not landed yet, oldest first."""
        records = (one for one in view.journal.records.values() if one.commit and not one.open and holds_of(one))
        return tuple(one for one in records if not self._is_released(one, view.heads.branch))

    def look(self, record: RollbackRecord, view: View, listing: Listing, now: datetime) -> Release | Notice | None:
        """What its holds ask for now. Raises: RollbackError."""
        found = standings(self.repo, holds_of(record), view.heads.branch)
        watched = watched_of(record, listing)
        selects = {**selected_by(watched), **in_git(self.repo, holds_of(record), view.heads.branch)}
        answer = judge_hold(record, found, selects, now)
        if answer.due is Due.RELEASE:
            stop = self._stop(watched, view, now)
            if not stop:
                return self.release(record, view, answer.message)
            answer = HoldAnswer(Due.ASK, f"{answer.message}; it is not ended by itself: {stop}")
        return None if answer.due is Due.KEEP else about_hold(record, answer, now)

    def release(self, record: RollbackRecord, view: View, why: str, by: str = "controller") -> Release:
        """The commit that puts back every mark that is still off and has a place.

        Raises: StalledError where there is none, or a place for none.
        """
        head = view.heads.branch
        found = standings(self.repo, holds_of(record), head)
        held = [hold for hold, how in found.items() if how is Standing.HELD]
        held = held or [hold for hold, how in found.items() if how is Standing.GONE]
        if not held:
            raise StalledError(record.id, "every mark is back already", Reason.ALREADY_UNDONE)
        tree, changes = edited(self.repo, head, self.repo.tree(head), released(self.repo, held, head))
        text = ReleaseText(record.id, record.applications, held, f"{why}.", by)
        return Release(record, head, tree, changes, release_message(text), why, by)

    def _is_released(self, record: RollbackRecord, head: str) -> bool:
        step = record.release
        return bool(step and step.commit and self.repo.has(step.commit) and self.repo.is_ancestor(step.commit, head))

    def _stop(self, watched: Watched | None, view: View, now: datetime) -> str:
        """Why nothing is written by itself now; "" if nothing forbids it."""
        if watched is None:
            return "no policy watches the application any more"
        policy = watched.policy
        if policy.image_automation != HOLD or policy.suspend or policy.delivery.mode != "push":
            return f"policy {policy.name} does not let the controller write it"
        return view.journal.trouble or self.paused(watched.name, view, now, watched.target.name)

    def paused(self, application: str, view: View, now: datetime, alias: str = "") -> str:
        """Which door stops every write for it, in words; "" if none does."""
        stop = stopped(application, now, self.settings_pause(), *view.pauses, (alias,) if alias else ())
        return stop.message if stop else ""


def watched_of(record: RollbackRecord, listing: Listing) -> Watched | None:
    """Who speaks for a rollback: the application by whose policy it was decided, else the first still watched.

    Another one of an incident may have a policy that lets nobody act, or acts in another way.
    """
    file = record.policy.rpartition("@")[0]
    found = sorted(
        (one for one in listing.watched if one.name in record.applications),
        key=lambda one: (one.policy.label.rpartition("@")[0] != file, record.applications.index(one.name)),
    )
    return found[0] if found else None


def selected_by(watched: Watched | None) -> dict[str, str]:
    """The image that each policy of the application's automations selects now."""
    automations = watched.state.image_automations if watched else ()
    return {policy: image for one in automations for policy, image in one.selects.items()}


def selected_words(record: RollbackRecord, watched: Watched | None) -> str:
    """What would be written where the marks are put back, for people."""
    selects, lines = selected_by(watched), []
    for hold in holds_of(record):
        if hold.by:
            lines.append(f"{hold.by} may take every tag again that {hold.field} allowed before; {hold.held} is held")
            continue
        value = hold.selected(selects)
        same = ", the very image that was rolled back" if value == hold.held else ""
        lines.append(f"{hold.policy} selects {value or 'what cannot be seen'} now{same}; {hold.held} is held")
    return "; ".join(lines)


def about_hold(record: RollbackRecord, answer: HoldAnswer, now: datetime) -> Notice:
    """Once a day while a person is needed, and once when the mark is back."""
    subject, names = f"{HELD_IMAGE}{record.id}", ", ".join(record.applications)
    if answer.due is Due.OVER:
        title = f"An image is not held any more: {names}"
        return Notice(subject, "resumed", Reason.QUIET, "", title, f"{record.id}: {answer.message}")
    title = f"A held image needs a word: {names}"
    message = (
        f"{record.id}: {answer.message}; to let it be written again: gitops-rollback release {record.applications[0]}"
    )
    # Days of the hold, not of the calendar: who is asked shortly before midnight is not asked again shortly after it.
    day = f"day {(now - held_since(record, now)) // timedelta(days=1)}"
    return Notice(subject, "page", Reason.IMAGE_AUTOMATION, day, title, message, page=True)
