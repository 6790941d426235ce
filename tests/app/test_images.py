"""A rollback to an image that its registry does not have is held, and people are told which image that is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

import pytest
from app_world import MINUTE, START, TICK, Replica, World, running, ship

from gitops_rollback.adapters import registry as module
from gitops_rollback.adapters.chart_repositories import ChartRepositories
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.adapters.registry import OciRegistries, RegistrySettings
from gitops_rollback.app.beforehand import watch_images
from gitops_rollback.app.checkup_images import of_images
from gitops_rollback.core.errors import TransientError
from gitops_rollback.sandbox.registry import RegistrySandbox

BACK, LATER = START + 2 * MINUTE, START + 3 * MINUTE


@pytest.fixture
def registry(world: World) -> Iterator[RegistrySandbox]:
    """One that has the image which ran before, and which the settings name."""
    sandbox = RegistrySandbox()
    sandbox.start()
    sandbox.put("web", "1.0")
    settings = RegistrySettings("registry.example", sandbox.url, sandbox.url)
    asked = OciRegistries([settings], OriginRules.parse([], [sandbox.url]))
    world.registry, world.charts = asked, ChartRepositories([], OriginRules.parse([], []), asked.look_up)
    yield sandbox
    asked.close()
    sandbox.stop()


def broken(world: World, until: datetime = LATER, beside: str = "") -> Replica:
    """A replica that has watched a bad release of web, which hurts from the first minute on.

    `beside`: a file of web that goes from `18.0.0` to `18.1.0` in the same commit.
    """
    path = "apps/web/beside.yaml"
    running(world, "web", extra={path: beside})
    bad = ship(world, "web", START - MINUTE, files={path: beside.replace("18.0.0", "18.1.0")})
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    go_on(one, START, until)
    return one


def go_on(replica: Replica, at: datetime, end: datetime) -> None:
    """A look that fails ends only itself: the next tick looks again."""
    while at <= end:
        with suppress(TransientError):
            replica.tick(at)
        at += TICK


def answer(replica: Replica, guard: str = "image") -> dict[str, str]:
    (record,) = replica.reconciler.see_now().journal.records.values()
    return next(dict(one) for one in record.guards if one["guard"] == guard)


@pytest.mark.parametrize("there", [True, False], ids=["there", "gone"])
def test_a_version_of_a_chart_that_is_gone_is_not_brought_back(
    world: World, registry: RegistrySandbox, there: bool
) -> None:
    chart = "kind: OCIRepository\nspec:\n  url: oci://registry.example/charts/redis\n  ref: {tag: 18.0.0}\n"
    if there:
        registry.put("charts/redis", "18.0.0")
    one = broken(world, beside=chart)
    found = answer(one, "chart")
    assert found["reason"] == ("" if there else "ChartMissing"), found
    assert "redis 18.0.0 of oci://registry.example/charts" in found["message"]
    assert there or not world.reverts()


def test_an_image_that_is_there_comes_back(world: World, registry: RegistrySandbox) -> None:
    one = broken(world)
    assert world.reverts() == 1
    assert answer(one)["message"] == "there: registry.example/web:1.0"


def test_an_image_that_is_gone_is_not_brought_back_and_people_are_told_which(
    world: World, registry: RegistrySandbox
) -> None:
    registry.remove("web", "1.0")
    one = broken(world)
    assert world.reverts() == 0
    assert (answer(one)["reason"], "registry.example/web:1.0" in answer(one)["message"]) == ("ImageMissing", True)
    assert any("registry.example/web:1.0" in message.text for message in one.told.messages)


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's minutes pass in no time, so what is kept for ten seconds would be kept for all of them."""
    monkeypatch.setattr(module, "KEPT_UNKNOWN_SECONDS", 0.0)


@pytest.mark.usefixtures("forgetful")
def test_a_registry_that_is_down_for_a_minute_makes_it_ask(world: World, registry: RegistrySandbox) -> None:
    registry.status = 503
    one = broken(world, until=LATER + MINUTE)
    assert world.reverts() == 0
    assert answer(one)["reason"] == "ImageUnknown"


@pytest.mark.usefixtures("forgetful")
def test_a_registry_that_is_down_for_a_moment_only_delays(world: World, registry: RegistrySandbox) -> None:
    registry.status = 503
    one = broken(world, until=BACK)
    assert not one.reconciler.see_now().journal.records
    registry.status = 0
    go_on(one, BACK + TICK, LATER)
    assert world.reverts() == 1


def test_without_a_registry_a_rollback_goes_on_and_says_that_nobody_looked(world: World) -> None:
    one = broken(world)
    assert world.reverts() == 1
    assert answer(one)["result"] == "not evaluated"


@pytest.mark.parametrize("gone", [False, True], ids=["there", "gone"])
def test_the_doctor_says_whether_the_images_that_would_come_back_are_there(
    world: World, registry: RegistrySandbox, gone: bool
) -> None:
    running(world, "web", "api")
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    if gone:
        registry.remove("web", "1.0")
    one = world.replica()
    found = [each for each in of_images(one.reconciler, START + MINUTE) if each.part.startswith("images of ")]
    told = {each.part.rpartition("/")[2]: each for each in found}
    web, api = told["web"], told["api"]
    assert (web.well, web.checked, bool(web.remedy)) == (not gone, True, gone)
    assert f"{'gone' if gone else 'there'}: registry.example/web:1.0" in web.message
    assert not api.checked, "nothing was deployed to it before"


def watching(world: World) -> tuple[Replica, dict[str, bool | None]]:
    """A replica that watches the images of a good release of web, and its metric."""
    running(world, "web")
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    one, shown = world.replica(), dict[str, bool | None]()
    watch_images(one.reconciler, lambda name, there: shown.update({name.rpartition("/")[2]: there}))
    return one, shown


def pages(replica: Replica) -> list[tuple[bool, bool]]:
    return [(message.page, message.over) for message in replica.told.messages if "gone-images" in message.topic]


@pytest.mark.usefixtures("forgetful")
def test_an_image_that_goes_and_comes_back_is_told_while_nothing_is_wrong(
    world: World, registry: RegistrySandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_SECONDS", {})
    one, shown = watching(world)
    one.tick(START)
    assert (shown, pages(one)) == ({"web": True}, [])
    registry.remove("web", "1.0")
    one.tick(LATER + 11 * MINUTE)
    assert (shown, pages(one)) == ({"web": False}, [(True, False)])
    text = one.told.messages[-1].text
    assert "could not be rolled back since" in text
    assert "registry.example/web:1.0" in text
    registry.status = 503
    one.tick(LATER + 22 * MINUTE)
    assert (shown, len(pages(one))) == ({"web": None}, 1), "no answer is no proof of anything"
    registry.status = 0
    registry.put("web", "1.0")
    one.tick(LATER + 33 * MINUTE)
    assert (shown, pages(one)) == ({"web": True}, [(True, False), (False, True)])
    assert world.reverts() == 0


@pytest.mark.usefixtures("forgetful")
def test_what_no_registry_answered_is_asked_again_in_a_minute(world: World, registry: RegistrySandbox) -> None:
    registry.status = 503
    one, shown = watching(world)
    one.tick(START)
    assert shown == {"web": None}
    registry.status = 0
    registry.remove("web", "1.0")
    one.tick(START + MINUTE)
    assert (shown, pages(one)) == ({"web": False}, [(True, False)])


def test_an_image_that_is_still_gone_is_not_told_again_by_the_next_replica(
    world: World, registry: RegistrySandbox
) -> None:
    registry.remove("web", "1.0")
    one, _ = watching(world)
    one.tick(START)
    assert pages(one) == [(True, False)]
    two = world.replica("two")
    watch_images(two.reconciler, lambda _name, _there: None)
    two.tick(LATER)
    assert pages(two) == []
