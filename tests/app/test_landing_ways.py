"""The same rollback landed at each forge in each way that it knows: found as done, and never a suspect.

The forges are the sandbox's, asked by the real clients over HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from app_world import MINUTE, START, World, deployment, running, ship
from fake_forge import FakeForge
from request_story import ALARM, FILE, SUGGESTED, Story

from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.wiring_forges import forges_of
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.forge import BOT, Access, ForgeSandbox, Rules, token_of
from gitops_rollback.sandbox.git_server import GitServer

KINDS = ("github", "gitlab", "gitea")
PAGES = "https://rollback.example.com"  # where people reach the dashboard


@contextmanager
def a_forge(world: World, kind: str) -> Iterator[ForgeSandbox]:
    """Before the world's repository; the controller asks it with the bot's token."""
    server = GitServer(world.folder.parent).start()
    forge = ForgeSandbox(kind, server, f"{world.folder.name}/shop", ScaledClock(), {"mara": Access.WRITE})
    forge.start()
    address = f"{server.url}/{world.folder.name}/shop.git"
    config = world.folder / "config.yaml"
    repository = f"  - {{url: {address}, name: shop/config, forge: {{kind: {kind}}}}}\n"
    config.write_text(f"dashboard: {{address: {PAGES}}}\nrepositories:\n{repository}")
    environment = {"GITOPS_ROLLBACK_REPO": address, "GITOPS_ROLLBACK_GIT_TOKEN": token_of(BOT)}
    settings = load_settings(environment, {"config": str(config)})
    forges = forges_of(settings, world.clock)
    world.forge = forges.of(settings.repositories[0].label)
    assert world.forge is not None
    try:
        yield forge
    finally:
        forges.close()
        forge.stop()
        server.stop()
        assert server.failures == []


def by_button(method: str) -> Callable[[World, ForgeSandbox], None]:
    return lambda _world, forge: forge.people.merge("mara", 1, method) and None


def once_ready(world: World, forge: ForgeSandbox) -> None:
    """A person schedules it while a review is missing, and another one gives it."""
    forge.protect(Rules(approvals=1))
    forge.people.merge_when_ready("mara", 1)
    forge.people.approve("mara", 1)


def by_queue(world: World, forge: ForgeSandbox) -> None:
    forge.protect(Rules(queue=True))
    forge.people.merge_when_ready("mara", 1)
    forge.machine.settle()  # it is in the queue now
    forge.people.run_queue()


def by_hand(world: World, forge: ForgeSandbox) -> None:
    """Somebody does the same in a commit of his own."""
    world.people.push("Back to 1.0", {FILE: deployment("web", "1.0")}, ALARM)
    forge.machine.notice("mara")


WAYS: dict[str, Callable[[World, ForgeSandbox], None]] = {
    "merge": by_button("merge"),
    "squash": by_button("squash"),
    "rebase": by_button("rebase"),
    "scheduled": once_ready,
    "by-hand": by_hand,
}
CASES = [(kind, way) for kind in KINDS for way in WAYS] + [("github", "queue")]


@pytest.mark.parametrize(("kind", "way"), CASES, ids=[f"{kind}-{way}" for kind, way in CASES])
def test_it_is_found_as_done_once_and_verified(world: World, kind: str, way: str) -> None:
    with a_forge(world, kind) as forge:
        first = running(world, "web", extra={})
        world.people.push("Ask", {".gitops-rollback/policies/web.yaml": SUGGESTED}, START - 50 * MINUTE)
        world.engine.deploy("web", world.head(), START - 49 * MINUTE)
        bad = ship(world, "web", START - MINUTE)
        one = world.replica()
        world.engine.deploy("web", bad, START)
        world.metrics.break_from("web", START + MINUTE)
        story = Story(world, FakeForge(world), one, bad)
        one.until(START, START + 2 * MINUTE)
        assert list(forge.state.pulls) == [1]
        (by_queue if way == "queue" else WAYS[way])(world, forge)
        story.cure()
        story.later(3)
        record = story.record
        assert (record.outcome, record.reason) == ("verified", "Verified")
        assert record.commit is not None
        assert world.people.git("merge-base", "--is-ancestor", record.commit, "main") == ""
        assert world.people.read(FILE) == world.people.read(FILE, first)
        assert len(forge.state.pulls) == 1
        assert not forge.state.open_pulls()
        assert world.reverts() <= 1
        pull, page = forge.state.pulls[1], f"[{record.id}]({PAGES}/r/{record.id})"
        assert page in pull.body
        assert f"[Verified]({PAGES}/reasons#Verified)" in "".join(one.body for one in pull.comments)
        assert {one.url for one in forge.state.statuses} == {f"{PAGES}/r/{record.id}"}
