"""What does a request come to now: a plan that may be written onto its branch, or an answer why not, with the place?"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime

from gitops_rollback.app.bounded import keep
from gitops_rollback.app.directory import Listing
from gitops_rollback.app.request_finding import FoundRequest
from gitops_rollback.app.requesting import Prepared, Requests, Wish
from gitops_rollback.app.view import View
from gitops_rollback.core.authority import Asked, Authority, Door, Person, may
from gitops_rollback.core.errors import Reason, StalledError
from gitops_rollback.core.journal import format_time
from gitops_rollback.core.message import for_people
from gitops_rollback.core.plan import PlanOutcome
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.pull_request import Permission
from gitops_rollback.core.request import Execute, RollbackRequest
from gitops_rollback.core.request_text import RequestAnswer, unacknowledged
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord
from gitops_rollback.ports import Clock, ConfigRepo
from gitops_rollback.ports.forge import Forge

PERMISSION_SECONDS = 300.0  # so long a forge's word on a person is believed
PLACES = {
    Reason.NO_POLICY: "target.name",
    Reason.UNKNOWN_REVISION: "to",
    Reason.REQUEST_INVALID: "to",
    Reason.NO_LAST_GOOD: "to",
    Reason.NO_SUSPECT: "to",
}


@dataclass(frozen=True)
class Judged:
    """`may_be_written`: its plan goes onto its branch. `ended`: it has been carried out, and no more comes of it."""

    answer: RequestAnswer
    prepared: Prepared | None = None
    may_be_written: bool = False
    ended: RollbackRecord | None = None


@dataclass
class RequestJudge:
    """Reads, and writes to nobody."""

    repo: ConfigRepo
    forge: Forge
    clock: Clock
    _login: str = ""  # ours, once the forge has said it
    _permissions: dict[str, tuple[float, Permission]] = field(default_factory=dict)

    def judge(
        self,
        found: FoundRequest,
        claimed: dict[str, int],
        view: View,
        listing: Listing,
        now: datetime,
        requests: Requests,
    ) -> Judged:
        """`claimed`: the applications that an older request asks about already, and its number."""
        answer = RequestAnswer(found.path)
        ended = _ended(found.path, requests.executor.newest(view).values())
        if ended is not None:
            return Judged(answer, ended=ended)
        why = self._outside(found, view)
        if why:
            return Judged(replace(answer, why=why))
        request = found.read.request if found.read else None
        if found.read is None or request is None:
            return Judged(replace(answer, faults=found.read.errors if found.read else ()))
        why = self._not_now(found, request, claimed, now)
        if why:
            return Judged(replace(answer, why=why))
        return self.planned(found, request, view, listing, now, requests)

    def _outside(self, found: FoundRequest, view: View) -> str:
        """Why the pull request is none that could be carried out, whatever its file says."""
        if len(found.paths) > 1:
            return f"it holds {len(found.paths)} requests; open one pull request for each"
        if found.others:
            more = f" and {len(found.others) - 1} more" if len(found.others) > 1 else ""
            return f"it changes {for_people(found.others[0])}{more} as well; a request comes alone"
        if self.repo.entry_id(view.heads.branch, found.path) is not None:
            return f"{for_people(found.path)} is on the branch already; a new request is a new file"
        person = Person(found.pull.author, self.permission(found.pull.author))
        request = found.read.request if found.read else None
        later = request is not None and request.execute is Execute.AFTER_MERGE
        # Nothing is written for it before its merge, and whoever merges it has the right to.
        asked = Asked.SHOW if found.pull.from_fork and later else Asked.ACT
        return may(Door.REQUEST, person, asked, Authority(ours=self.login()), found.pull).why

    def login(self) -> str:
        """Ours, as the forge tells it."""
        self._login = self._login or self.forge.facts().login
        return self._login

    def permission(self, login: str) -> Permission:
        """What a person may do there, as the forge said a few minutes ago at most."""
        now, known = self.clock.monotonic(), self._permissions.get(login)
        if known is None or now - known[0] > PERMISSION_SECONDS:
            known = keep(self._permissions, login, (now, self.forge.permission(login)))
        return known[1]

    def _not_now(self, found: FoundRequest, request: RollbackRequest, claimed: dict[str, int], now: datetime) -> str:
        opened = found.pull.created_at or self.repo.commit(found.pull.head_sha).committed_at
        if request.ends(opened) <= now:
            return f"it has expired at {format_time(request.ends(opened).replace(microsecond=0))}, and does nothing"
        number = found.pull.number
        # One from a fork, which anybody may open, keeps nobody else from asking.
        known = claimed.get(request.target.name, number)
        first = known if found.pull.from_fork else claimed.setdefault(request.target.name, number)
        if first != found.pull.number:
            words = f"pull request {first} asks about {request.target.name} already"
            return f"{words}; this one is answered, and not carried out"
        return ""

    def planned(
        self,
        found: FoundRequest,
        request: RollbackRequest,
        view: View,
        listing: Listing,
        now: datetime,
        requests: Requests,
    ) -> Judged:
        """What it comes to on the branch as it is now."""
        wish = Wish(
            request.target.name,
            found.pull.author,
            request.reason,
            request.to,
            policy=request.target.policy,
            path=request.path,
        )
        try:
            prepared = requests.planned(wish, view, listing, now)
        except StalledError as error:
            return Judged(_stalled(found, error))
        plan = prepared.plan
        answer = RequestAnswer(
            found.path,
            plan=plan,
            engine=prepared.look.target.engine,
            acknowledged=request.acknowledge,
            after_merge=request.execute is Execute.AFTER_MERGE,
        )
        no = _unplanned(prepared) or _running(prepared, requests.executor.newest(view).values()) or prepared.stopped
        if not no and plan is not None and plan.coordinated and not answer.after_merge:
            no = IN_STEPS
        if no:
            return Judged(replace(answer, why=no), prepared)
        asking = unacknowledged(plan.guards, request.acknowledge) if plan else ()
        if asking:
            names = ", ".join(one.guard for one in asking)
            first = for_people(asking[0].words)
            answer = replace(answer, why=f"the guards {names} ask ({first}): name them in `acknowledge` to go on")
        return Judged(answer, prepared, may_be_written=not answer.after_merge)


IN_STEPS = (
    "data was moved, so it goes back in steps, which cannot be one commit of a pull request: write "
    "`execute: after-merge`, or say `gitops-rollback rollback`"
)


def _ended(path: str, records: Collection[RollbackRecord]) -> RollbackRecord | None:
    """The record by which a request has been carried out, or is being so."""
    for record in records:
        done = record.phase is Phase.DONE and record.outcome is not RollbackOutcome.SUPERSEDED
        if record.request == path and (record.commit is not None or done):
            return record
    return None


def _stalled(found: FoundRequest, error: StalledError) -> RequestAnswer:
    """What is wrong with the request, at its place; what is wrong elsewhere has none."""
    place = PLACES.get(error.reason)
    if place is None or found.read is None:
        return RequestAnswer(found.path, why=f"{error.subject}: {error.message}")
    return RequestAnswer(found.path, faults=(found.read.fault(place, f"{error.subject} {error.message}"),))


def _unplanned(prepared: Prepared) -> str:
    """Why there is nothing to write; "" where there is."""
    plan, blamed = prepared.plan, prepared.proposal.attribution
    if plan is None:
        return blamed.message or "no plan can be made"
    if plan.reversal.outcome is PlanOutcome.EMPTY:
        return "git already holds what it asks for: there is nothing to do"
    if plan.reversal.outcome is not PlanOutcome.CLEAN:
        first = next((one for one in plan.reversal.explained if one.path), None)
        return f"{first.path}: {first.why}" if first else plan.reversal.message or "it cannot be undone cleanly"
    denied = next((one for one in plan.guards if one.result is GuardResult.DENY), None)
    return f"guard {denied.guard} denies it: {denied.words}" if denied else ""


def _running(prepared: Prepared, records: Collection[RollbackRecord]) -> str:
    """A rollback of the same application that is on its way; its end is waited for."""
    for record in records:
        busy = record.open and record.phase is not Phase.AWAITING_APPROVAL
        if busy and prepared.look.name in record.applications:
            return f"rollback {record.id} of it is under way ({record.phase.value}); this waits for its end"
    return ""
