"""Takes what people ask for at a forge: requests as pull requests, and commands as comments on those of ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from gitops_rollback.app.brought_requests import Brought, BroughtPullRequests
from gitops_rollback.app.chat_door import ChatDoor, Presses
from gitops_rollback.app.comment_acts import CommentActs, Looked
from gitops_rollback.app.comment_door import About, CommentDoor
from gitops_rollback.app.executor import Executor
from gitops_rollback.app.page_door import PageDoor
from gitops_rollback.app.receipts import Receipts
from gitops_rollback.app.reconciler import Reconciler
from gitops_rollback.app.request_judging import RequestJudge
from gitops_rollback.app.requested import RequestedRollbacks
from gitops_rollback.app.requesting import Requests
from gitops_rollback.app.tick import Tick
from gitops_rollback.core.press import CheckPress, PagePress, Press
from gitops_rollback.ports.forge import Forge


def take_requests(reconciler: Reconciler, forge: Forge, checks: Presses[CheckPress] | None = None) -> None:
    """What people ask for at `forge` is taken from now on, and what they press below checks there."""
    repo, clock = reconciler.surroundings.repo, reconciler.clock
    judge = RequestJudge(repo, forge, clock)
    asked = RequestedRollbacks(repo, forge, judge, clock, lambda: reconciler.landed())
    brought, box = BroughtPullRequests(forge), checks or Presses[CheckPress]()
    door = CommentDoor(forge, CommentActs(repo, forge, asked.again), judge.login, forge.permission)

    def attend(tick: Tick) -> None:
        executor = reconciler.executor
        if not isinstance(executor, Executor):
            return
        requests = Requests(repo, reconciler, executor, clock)
        asked.attend_all(tick.view, tick.listing, tick.now, requests)
        looked = Looked(tick.view, tick.listing, tick.now, executor)
        talked = [*_planned(asked, looked), *_brought(asked, brought, tick, executor)]
        pressed = box.take()
        for about in {one.number: one for one in reversed(talked)}.values():
            mine = [one for one in pressed if one.number == about.number]
            trouble = asked.guarded(f"comments #{about.number}", executor, partial(door.attend, about, looked, mine))
            for press in mine if trouble else ():
                box.add(press)  # no look tells of it again

    reconciler.requested = attend


def _planned(asked: RequestedRollbacks, looked: Looked) -> Iterator[About]:
    for number, record in asked.talked_about(looked).items():
        why = asked.why(number) if record is None or record.request else ""
        yield About(number, record, looked.watched(record), why)


def _brought(
    asked: RequestedRollbacks, brought: BroughtPullRequests, tick: Tick, executor: Executor
) -> Iterator[About]:
    found: list[Brought] = []
    asked.guarded("brought", executor, lambda: found.extend(brought.find(tick)))
    for one in found:
        yield About(one.number, watched=one.watched, brought=one.commit)


def take_presses(
    reconciler: Reconciler,
    presses: Presses[Press],
    people: Mapping[str, str],
    answer: Callable[[str, str], None],
    forge: Forge | None = None,
) -> ChatDoor:
    """What people press in a chat is carried out from now on, besides what else is asked for."""
    repo = reconciler.surroundings.repo
    door = ChatDoor(repo, people, answer, forge.permission if forge is not None else None, presses)
    _attended_first(reconciler, door.attend)
    return door


def take_pages(
    reconciler: Reconciler,
    presses: Presses[PagePress],
    receipts: Receipts,
    logins: tuple[str, ...],
    forge: Forge | None = None,
) -> PageDoor:
    """What people press on the dashboard is carried out from now on, besides what else is asked for."""
    around = reconciler.surroundings
    door = PageDoor(
        around.repo, receipts, logins, forge, lambda: reconciler.landed(), around.settings_pause, presses=presses
    )
    _attended_first(reconciler, door.attend)
    return door


def _attended_first(reconciler: Reconciler, attend: Callable[[Looked, Requests], None]) -> None:
    """At each look at which something may be written, before what was attended until now."""
    repo, before = reconciler.surroundings.repo, reconciler.requested

    def both(tick: Tick) -> None:
        executor = reconciler.executor
        if isinstance(executor, Executor):
            requests = Requests(repo, reconciler, executor, reconciler.clock)
            attend(Looked(tick.view, tick.listing, tick.now, executor), requests)
        before(tick)

    reconciler.requested = both
