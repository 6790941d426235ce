"""Each kind of forge, with the client under test before it and the means to play the other people."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from forge_canned import Meter
from sandbox_forge_world import REPOSITORY, VALUES, Stage, forge_world

from gitops_rollback.adapters.forges.exchange import Exchange
from gitops_rollback.adapters.forges.settings import ForgeSettings, default_api
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.wiring_forges import client_of
from gitops_rollback.core.pull_request import Mergeability, MergeMethod, PullRequest
from gitops_rollback.ports.forge import Forge
from gitops_rollback.sandbox.forge import BOT, Rules, token_of

FORGES = ("github", "gitlab", "gitea")
MERGE = MergeMethod.MERGE
BRANCH = "gitops-rollback/revert/shop/0123456789ab"
MESSAGE = 'Revert "shop v2"\n\nThis reverts commit abc.\n'
WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass
class ForgeDoor:
    """A forge as the product reaches it; `stage` is what stands behind."""

    kind: str
    stage: Stage
    meter: Meter
    made: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.forge = self.client()

    def client(self, **changes: object) -> Forge:
        """Another client, whose settings differ."""
        url = self.stage.forge.url
        settings = ForgeSettings(
            kind=self.kind,
            api=default_api(self.kind, url) if self.kind in FORGES else url,
            repository=REPOSITORY,
            web_url=f"{url}/{REPOSITORY}",
            token=token_of(BOT),
            settling=timedelta(milliseconds=200),
        )
        exchange = Exchange(replace(settings, **changes), OriginRules.parse([url]), self.meter)
        self.made.append(exchange)
        return client_of(exchange)

    def branch(self, name: str = BRANCH, tag: str = "v1", login: str = BOT) -> str:
        """A branch with one commit on top of main; its head."""
        return self.stage.forge.people.push(login, name, f"shop {tag}", {VALUES: f"tag: {tag}\n"})

    def opened(self, name: str = BRANCH, tag: str = "v1") -> PullRequest:
        """A pull request of ours, about which the forge has made up its mind."""
        self.branch(name, tag)
        return self.settled(self.open(name).number)

    def open(self, name: str = BRANCH, base: str = "main", title: str = MESSAGE.splitlines()[0]) -> PullRequest:
        """A pull request of a branch that is there, opened by whoever can: by us, unless this client only reads."""
        return self.forge.open(name, base, title, "plan")

    def close(self, number: int) -> None:
        """Closed likewise."""
        self.forge.close(number)

    def settled(self, number: int) -> PullRequest:
        return until(lambda: self.forge.get(number), lambda one: one.mergeability is not Mergeability.CHECKING)

    def protect(self, **rules: object) -> None:
        self.stage.forge.protect(Rules(**rules))

    def writes(self) -> list[str]:
        """The requests so far that change something."""
        asked = [one.split("?")[0] for one in self.stage.forge.requests if one.startswith(WRITES)]
        return [one for one in asked if "access_tokens" not in one]


def until(look: Callable[[], PullRequest], holds: Callable[[PullRequest], bool]) -> PullRequest:
    """Look again until it holds, a bounded time."""
    waiting = threading.Event()
    for _ in range(400):
        found = look()
        if holds(found):
            return found
        waiting.wait(0.05)
    raise AssertionError(f"never: it stays {found}")


@contextmanager
def forge_door(kind: str, directory: Path, more: Mapping[str, str] | None = None) -> Iterator[ForgeDoor]:
    with forge_world(directory, kind, more) as stage:
        door = ForgeDoor(kind, stage, Meter())
        try:
            yield door
        finally:
            for exchange in door.made:
                exchange.close()
