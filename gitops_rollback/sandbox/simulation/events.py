"""What the promises are checked against: things that happened since the last look, in their order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath

from gitops_rollback.core.commit import Commit
from gitops_rollback.core.sync import ApplicationState
from gitops_rollback.ports import Message, RefUpdate
from gitops_rollback.sandbox.simulation.remote import Accepted

Document = Mapping[str, object]


def short(application: str) -> str:
    """An application's own name, without its engine, kind and namespace."""
    return application.rpartition("/")[2]


def step_of(commit: Commit) -> tuple[int, int]:
    """Which of how many commits of a plan it says it is; (1, 1) for one alone."""
    n, _, of = commit.trailers.get("Rollback-Step", ("1/1",))[0].partition("/")
    return (int(n), int(of)) if n.isdecimal() and of.isdecimal() else (1, 1)


@dataclass(frozen=True)
class Asked:
    """A replica is about to push. `read` are the heads of its last fetch, `last` its last words with the remote."""

    at: datetime
    who: str
    tick: int
    updates: tuple[RefUpdate, ...]
    read: Mapping[str, str]
    last: str  # "fetch", or "push" and how it ended
    refused: frozenset[str]  # the refs that a rule refused in its newest push
    heads: frozenset[str]  # of the branch, as read in this tick
    since_tick: datetime  # when its present tick began


@dataclass(frozen=True)
class Rollback:
    """A commit of the controller on the branch, as its trailers tell it. `applications` are short names."""

    at: datetime
    who: str
    commit: Commit
    applications: tuple[str, ...]
    bad: str
    reverts: tuple[str, ...]
    restores: str
    speaker: str  # of the applications, the one by whose policy it was decided
    before: tuple[str, ...] = ()  # commits of other applications, which go back before the reverted ones

    @property
    def staged(self) -> bool:
        """It is the first of several commits, and the others are `Stepped`."""
        return step_of(self.commit)[1] > 1

    @classmethod
    def of(cls, commit: Commit, at: datetime, who: str, ran: Callable[[str, str], bool]) -> Rollback:
        """What the trailers of our commit say; `ran(name, revision)` is the cluster's word."""
        said = commit.trailers
        names = tuple(short(name) for name in said.get("Rollback-Application", ()))
        bad, restores = said.get("Rollback-Bad-Revision", ("",))[0], said.get("Rollback-Restores", ("",))[0]
        judged_by = PurePosixPath(said.get("Rollback-Policy", ("",))[0].partition("@")[0]).stem
        ran_it = next((name for name in names if ran(name, bad)), names[0] if names else "")
        speaker = judged_by if judged_by in names else ran_it
        return cls(at, who, commit, names, bad, said.get("Rollback-Reverts", ()), restores, speaker)


@dataclass(frozen=True)
class Stepped:
    """A later commit of a rollback that is a plan of several: number `n` of `of`. `rollback` is its first one."""

    at: datetime
    who: str
    commit: Commit
    rollback: Rollback
    n: int
    of: int


@dataclass(frozen=True)
class Upstreamed:
    """A commit of the controller where a promoter reads, for the rollback `identity`; `reverts` are commits there."""

    at: datetime
    who: str
    commit: Commit
    identity: str
    reverts: tuple[str, ...]


@dataclass(frozen=True)
class Landed(Rollback):
    """A plan of ours that is on the branch by the hand of a forge or a person, or on a person's word.

    `number` is its pull request, None where it came by none; `automatic`: nobody's word let it land but ours.
    """

    identity: str = ""
    number: int | None = None
    automatic: bool = False


@dataclass(frozen=True)
class Given:
    """The first commit, of `of`, of a rollback that landed on a person's word, where there is no forge."""

    at: datetime
    who: str
    commit: Commit
    rollback: Landed
    n: int
    of: int


@dataclass(frozen=True)
class MergeAsked:
    """A replica asks the forge to merge a pull request, now or once nothing is missing, if this is its head."""

    at: datetime
    who: str
    number: int
    head: str


@dataclass(frozen=True)
class Released:
    """A commit of ours on the branch that lets image automations write again what a rollback held."""

    at: datetime
    who: str
    commit: Commit
    applications: tuple[str, ...]
    rollback: str  # its id
    by: str

    @classmethod
    def of(cls, commit: Commit, at: datetime, who: str) -> Released:
        """What the trailers of our commit say."""
        said = commit.trailers
        names = tuple(short(name) for name in said.get("Rollback-Application", ()))
        identity, by = said.get("Rollback-Id", ("",))[0], said.get("Rollback-Requested-By", ("",))[0]
        return cls(at, who, commit, names, identity, by)


@dataclass(frozen=True)
class Recorded:
    """A record of the journal appeared or changed on the remote."""

    at: datetime
    who: str
    before: Document | None
    after: Document


@dataclass(frozen=True)
class Told:
    """A message to people."""

    at: datetime
    who: str
    message: Message


@dataclass(frozen=True)
class Logged:
    """A line of some controller's log."""

    at: datetime
    line: str


@dataclass(frozen=True)
class SyncAsked:
    """A replica asks the engine for a sync under this id. `told` is what the engine has told it of the application.

    Of late, that is: it may act on each of these, the newest of which is the last.
    """

    at: datetime
    who: str
    application: str
    identity: str
    told: tuple[ApplicationState, ...]


@dataclass(frozen=True)
class Requested:
    """A replica writes a request for a reconciliation into an object of Flux, under the id of a rollback."""

    at: datetime
    who: str
    object: str
    identity: str


@dataclass(frozen=True)
class Broken:
    """An exception in the product that is none of its own family."""

    at: datetime
    who: str
    error: str


@dataclass(frozen=True)
class Ticked:
    """A tick ended. `calls` is how many port calls it took."""

    at: datetime
    who: str
    calls: int
    seconds: float


Event = (
    Asked
    | Accepted
    | Rollback
    | Stepped
    | Given
    | MergeAsked
    | Released
    | Upstreamed
    | Recorded
    | Told
    | Logged
    | SyncAsked
    | Requested
    | Broken
    | Ticked
)
