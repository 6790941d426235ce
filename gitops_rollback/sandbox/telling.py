"""What a story can see of the sandbox's world: git and the engine themselves, never the controller's own words."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gitops_rollback.sandbox.argocd import AppSpec, ArgoCdSandbox
from gitops_rollback.sandbox.rendering import Json
from gitops_rollback.sandbox.world import World

JOURNAL = "gitops-rollback-journal"
CONTROLLER = "gitops-rollback"


@dataclass(frozen=True)
class Claim:
    """One thing that must be true in the end."""

    text: str
    holds: bool


@dataclass
class Telling:
    """What a story sees of the world while it is told. `bad` is the release that goes wrong."""

    world: World
    application: str
    before: str = ""  # the branch's head before the bad release
    bad: str = ""
    acted_at: datetime = datetime(1970, 1, 1, tzinfo=UTC)
    landed: dict[str, str] = field(default_factory=dict)  # further commits of people, by name
    kill_leader: Callable[[], str] = lambda: ""  # kills the replica that leads; its identity, "" if there is none
    killed: str = ""
    exits: list[int] = field(default_factory=list)  # of what a person typed that goes on beside the telling
    command: Callable[[Sequence[str]], int] = lambda _arguments: 1  # what a person types; its exit code

    def records(self) -> list[Json]:
        """All rollback records of the journal, as git has them."""
        people = self.world.people
        names = people.git("ls-tree", "-r", "--name-only", JOURNAL, "records/", check=False).split()
        return [json.loads(people.read(name, JOURNAL)) for name in names]

    def rollbacks(self) -> list[Json]:
        """The records of what was pushed; a plan that only waits for a word is none."""
        return [record for record in self.records() if record["steps"]]

    def decisions(self) -> list[Json]:
        """All decision entries of the journal."""
        people = self.world.people
        names = people.git("ls-tree", "-r", "--name-only", JOURNAL, "decisions/", check=False).split()
        return [json.loads(line) for name in names for line in people.read(name, JOURNAL).splitlines()]

    def has_decided(self, *reasons: str) -> bool:
        return any(entry["reason"] in reasons for entry in self.decisions())

    def is_done(self, *outcomes: str) -> bool:
        """Every record ended, and there is one for each of `outcomes` at least."""
        records = self.records()
        return (
            bool(records)
            and all(one["phase"] == "Done" for one in records)
            and set(outcomes) <= {one["outcome"] for one in records}
        )

    def settled(self, passed: timedelta) -> bool:
        """Story time since the act: for what must *not* happen, there is no moment to wait for."""
        return self.world.clock.now() - self.acted_at >= passed

    def paged(self) -> bool:
        """A decision that a person was told of."""
        return any(entry["action"] in ("page", "ask", "hold", "refuse") for entry in self.decisions())

    def reverts(self) -> list[str]:
        """Commits of the branch by the controller, newest first."""
        since = f"{self.before}..{self.world.followed.branch}"
        log = self.world.people.git("log", "--format=%H %cn", since).splitlines()
        return [line.split()[0] for line in log if line.split(" ", 1)[1] == CONTROLLER]

    def live(self) -> Json:
        """The Application or the Kustomization, as the engine has it."""
        if self.world.flux is not None:
            return self.world.flux.kustomization(self.application)
        return self._argocd().application(self.application)

    def live_revision(self, application: str = "") -> str:
        """The revision that was applied last, to this application or the story's own."""
        if self.world.flux is not None:
            return self.world.flux.seen(application or self.application).applied
        return self._argocd().deployed(application or self.application).revision

    def refresh(self, application: str = "") -> None:
        """What the engine's webhook would do after a push, for one application."""
        if self.world.flux is not None:
            self.world.flux.receive()
            return
        argocd = self._argocd()
        connection = http.client.HTTPConnection("127.0.0.1", argocd.port, timeout=30)
        headers = {"Authorization": f"Bearer {argocd.token}"}
        connection.request(
            "GET",
            f"/api/v1/applications/{application or self.application}?refresh=normal&project=default",
            None,
            headers,
        )
        connection.getresponse().read()
        connection.close()

    def _argocd(self) -> ArgoCdSandbox:
        if self.world.argocd is None:
            raise RuntimeError("the world has not started")
        return self.world.argocd


@dataclass(frozen=True)
class Story:
    """`prepare` before the engine starts, `act` once all is healthy, `ended` says when to stop, `claims` judges."""

    name: str
    summary: str
    act: Callable[[Telling], None]
    ended: Callable[[Telling], bool]
    claims: Callable[[Telling], Sequence[Claim]]
    prepare: Callable[[Telling], None] = lambda _telling: None
    then: Callable[[Telling], None] | None = None  # a second act, once `ended` holds; then `ended_again` ends it
    ended_again: Callable[[Telling], bool] | None = None
    policy: str = ""
    closing: str = ""
    longest: timedelta = timedelta(minutes=45)  # of story time
    engines: tuple[str, ...] = ("argocd", "flux")  # where it can be told
    source: Path | None = None  # a clone whose history is told on, in place of the shop's
    applications: tuple[AppSpec, ...] = ()  # that run then
    begin: Callable[[Telling], None] = lambda _telling: None  # once the world serves, before the controller starts
    services: tuple[str, ...] = ()  # further ones that run in its world
    replicas: int = 1  # of the controller
    forge: str = ""  # which one stands before the repository: github, gitlab, gitea; "" for none
    images: tuple[str, ...] = ()  # in the registry that the settings name; none: they name no registry
    mirrored: tuple[str, ...] = ()  # in a mirror of it
