"""Which policy judges a change, and which files are the application's own?"""

from __future__ import annotations

from app_world import MINUTE, POLICIES, START, World, deployment, policy, running, ship

LATER = START + 3 * MINUTE


def test_a_commit_cannot_escape_by_narrowing_the_paths_of_its_own_policy(world: World) -> None:
    running(world, "web")
    escaping = {f"{POLICIES}/web.yaml": policy("web", paths=["apps/elsewhere/**"])}
    bad = ship(world, "web", START - MINUTE, files=escaping)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 1


def test_a_commit_cannot_make_a_foreign_commit_a_suspect_by_widening_its_paths(world: World) -> None:
    running(world, "web", "cart")
    foreign = ship(world, "cart", START - 2 * MINUTE)
    widening = {f"{POLICIES}/web.yaml": policy("web", paths=["apps/**"])}
    bad = ship(world, "web", START - MINUTE, files=widening)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    tick = one.until(START, LATER)[-1]
    assert all(foreign not in record.reverts for record in tick.view.journal.records.values())
    assert world.reverts() == 1


def test_a_commit_that_took_its_trigger_away_is_judged_by_it_after_a_harmless_second_sync(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE, files={f"{POLICIES}/web.yaml": policy("web", severity="log_only")})
    one = world.replica()
    world.engine.deploy("web", bad, START)
    harmless = world.people.push("Note", {"apps/web/notes.yaml": "kind: ConfigMap\n"}, START + 20 * MINUTE / 60)
    world.engine.deploy("web", harmless, START + 30 * MINUTE / 60)
    world.metrics.break_from("web", START + MINUTE)
    tick = one.until(START + 30 * MINUTE / 60, LATER)[-1]
    look = tick.sights[0].look
    assert look is None or look.policy.triggers[0].severity == "auto_rollback"
    assert one.told.messages, "the weakened policy judged the change that weakened it"


def test_a_commit_cannot_escape_by_deleting_its_policy_below_a_later_foreign_commit(world: World) -> None:
    running(world, "web", "cart")
    ship(world, "web", START - 3 * MINUTE, files={f"{POLICIES}/web.yaml": None})
    world.people.push("Read me", {"README.md": "More\n"}, START - 2 * MINUTE)
    tip = world.people.push("Cart's limit", {f"{POLICIES}/cart.yaml": policy("cart", threshold=0.06)}, START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", tip, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 1


def test_a_policy_that_a_person_takes_away_later_watches_nobody_from_the_next_tick_on(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    one.tick(START)
    world.people.push("Watch web no more", {f"{POLICIES}/web.yaml": None}, START + MINUTE / 2)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START + MINUTE, LATER)
    assert world.reverts() == 0
    assert not one.told.messages


def test_a_person_may_suspend_without_deploying(world: World) -> None:
    running(world, "web")
    bad = ship(world, "web", START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    one.tick(START)
    asking = policy("web", severity="page_and_suggest")
    world.people.push("Only suggest", {f"{POLICIES}/web.yaml": asking}, START + MINUTE / 2)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START + MINUTE, LATER)
    assert world.reverts() == 0
    assert "SuggestOnly" in one.told.reasons


def test_a_preview_application_that_is_gone_leaves_nothing_behind(world: World) -> None:
    running(world, "web", "preview")
    one = world.replica()
    one.tick(START)
    del world.engine.states["preview"]
    one.tick(START + MINUTE)
    kept = one.reconciler.observer
    names = {name for memory in (kept._records, kept._healths) for name in memory}
    assert not any("preview" in name for name in names)


def test_the_image_of_the_world_is_what_ship_changes(world: World) -> None:
    running(world, "web")
    ship(world, "web", START)
    assert world.people.read("apps/web/web.yaml") == deployment("web", "1.1")


def test_a_commit_cannot_end_its_own_watch_by_a_shorter_window(world: World) -> None:
    running(world, "web")
    short = policy("web").replace("window: 30m", "window: 1m")
    bad = ship(world, "web", START - MINUTE, files={f"{POLICIES}/web.yaml": short})
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + 5 * MINUTE)
    one.until(START, START + 8 * MINUTE)
    assert world.reverts() == 1


def test_a_second_edit_of_the_policy_file_does_not_vouch_for_what_a_suspect_wrote_there(world: World) -> None:
    running(world, "web", "cart")
    bad = ship(world, "web", START - 2 * MINUTE, files={f"{POLICIES}/web.yaml": policy("web", severity="log_only")})
    comment = world.people.read(f"{POLICIES}/web.yaml") + "# the shop's front\n"
    world.people.push("Say what it is", {f"{POLICIES}/web.yaml": comment}, START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert {message.reason for message in one.told.messages} - {"LogOnly"}


def test_the_first_policy_of_a_young_application_judges_what_came_after_it(world: World) -> None:
    """Nothing lived for long yet, and when the range began there was no policy that anybody could have weakened."""
    first = world.first({"README.md": "The shop\n", "apps/web/web.yaml": deployment("web", "1.0")})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 6 * MINUTE)
    world.engine.deploy("web", ship(world, "web", START - 5 * MINUTE), START - 4 * MINUTE)
    world.people.push("Watch web", {f"{POLICIES}/web.yaml": policy("web")}, START - 3 * MINUTE)
    bad = ship(world, "web", START - MINUTE, "1.1", "1.2")
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    tick = one.until(START, LATER)[-1]
    assert world.reverts() == 1
    assert [record.reverts for record in tick.view.journal.records.values()] == [(bad,)]


def test_a_commit_that_brings_the_first_policy_is_not_judged_by_it_alone(world: World) -> None:
    first = world.first({"README.md": "The shop\n", "apps/web/web.yaml": deployment("web", "1.0")})
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = ship(world, "web", START - MINUTE, files={f"{POLICIES}/web.yaml": policy("web")})
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 0
    assert "NoPolicyInForce" in one.told.reasons


def test_a_fault_that_began_unseen_under_an_earlier_sync_is_told_though_it_blames_nobody(world: World) -> None:
    """Nobody looked from its beginning until the next release came; that one is not to blame."""
    running(world, "web")
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    world.engine.deploy("web", ship(world, "web", START + 4 * MINUTE, old="1.1", new="1.2"), START + 5 * MINUTE)
    one = world.replica()
    one.until(START + 6 * MINUTE, START + 8 * MINUTE)
    assert world.reverts() == 0
    assert [message.reason for message in one.told.messages if message.page] == ["NotOurs"]
