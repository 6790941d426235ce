"""A rollback where data moved: each step waits for what it is for, and no row of a real database is lost."""

from __future__ import annotations

import os
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from app_world import MINUTE, POLICIES, START, World
from databases import Sqlite, postgres, server_program
from fake_forge import FakeForge
from migrating import BACK, DEPLOYMENT, FOLDER, JOB, LIST, RULES, STEPS, WEB, Shop, listing

from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.adapters.registry import OciRegistries, RegistrySettings
from gitops_rollback.sandbox.registry import RegistrySandbox

SECOND = timedelta(seconds=1)
ASKED = START + 2 * MINUTE  # by then the plan waits for a person
PLAIN = RULES.partition("        reverse:")[0]


@pytest.fixture
def shop(world: World, tmp_path: Path) -> Shop:
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"))
    shop.until(shop.one, START, ASKED)
    return shop


def test_nothing_begins_without_a_person_and_then_no_row_is_lost(shop: Shop) -> None:
    assert shop.steps() == []
    assert "MigrationRan" in shop.one.told.reasons
    shop.approve(shop.one)
    shop.until_step(shop.one, 4)
    sold = shop.cluster.orders
    shop.counts.mend("web", shop.world.clock.at)
    shop.go_on(shop.one, 90 * SECOND)

    assert shop.steps() == STEPS
    assert (shop.cluster.version, shop.cluster.replicas) == ("1.0", 3)
    assert shop.cluster.deliverable() == shop.cluster.orders > sold > 60
    record = shop.record(shop.one)
    assert (record.outcome, [step.n for step in record.steps]) == ("verified", [1, 2, 3, 4])


def test_whoever_comes_next_goes_on_between_any_two_steps(world: World, tmp_path: Path) -> None:
    """Each step is pushed by another process on a clone of its own; the journal is elsewhere, the branch says all."""
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"), journal="memory")
    shop.until(shop.one, START, ASKED)
    shop.approve(shop.one)
    for number in (2, 3, 4):
        shop.until_step(world.replica(f"heir-{number}", "memory"), number)
    shop.counts.mend("web", world.clock.at)
    last = world.replica("last", "memory")
    shop.go_on(last, 90 * SECOND)

    assert shop.steps() == STEPS
    assert shop.cluster.deliverable() == shop.cluster.orders > 60
    assert shop.record(last).outcome == "verified"


@pytest.mark.parametrize("number", [2, 4])
def test_a_step_that_the_journal_never_heard_of_is_known_by_what_it_holds(shop: Shop, number: int) -> None:
    """The journal's ref may be refused: the step is pushed alone, and its process may die then."""
    people = shop.world.people
    shop.approve(shop.one)
    shop.until_step(shop.one, number - 1)
    journal = shop.world.head("gitops-rollback-journal")
    shop.until_step(shop.one, number)
    people.git("update-ref", "refs/heads/gitops-rollback-journal", journal)
    shop.until_step(shop.world.replica("heir"), 4)

    assert shop.steps() == STEPS
    assert shop.cluster.deliverable() == shop.cluster.orders


def test_the_plain_revert_loses_what_the_new_code_wrote(world: World, tmp_path: Path) -> None:
    """Why the order matters: with the old code back, its tidying drops the table that the addresses are in."""
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"), rules="")
    shop.until(shop.one, START, ASKED)
    assert shop.steps() == []
    shop.approve(shop.one)
    shop.go_on(shop.one, MINUTE)

    assert shop.steps() == ['Revert "Ship 1.1"']
    assert shop.cluster.deliverable() < shop.cluster.orders - 50


def stuck(shop: Shop, number: int, passed: timedelta = 2 * MINUTE) -> list[str]:
    """The pages of a plan that goes no further than this step, from its last step on."""
    shop.until_step(shop.one, number)
    told = len(shop.one.told.messages)
    shop.go_on(shop.one, passed)
    assert len(shop.steps()) == number
    assert shop.record(shop.one).open
    return [f"{message.reason}: {message.text}" for message in shop.one.told.messages[told:] if message.page]


def test_while_requests_still_come_nothing_is_reversed(shop: Shop) -> None:
    shop.counts.leak = 0.25
    shop.approve(shop.one)

    pages = stuck(shop, 1)

    assert len(pages) == 1
    assert "GateShut" in pages[0]
    assert "requests: is 0.25 and not 0 yet" in pages[0]
    assert "safe end: go back to the step before: set spec.replicas of apps/web/web.yaml to 3 again" in pages[0]
    shop.counts.leak = 0.0
    shop.until_step(shop.one, 4)
    assert shop.cluster.deliverable() == shop.cluster.orders


def test_a_conflict_between_two_steps_holds_with_the_traffic_stopped_and_says_the_safe_end(shop: Shop) -> None:
    shop.approve(shop.one)
    shop.until_step(shop.one, 2)
    people, now = shop.world.people, shop.world.clock.at
    theirs = people.edit("Another image", WEB, "web:1.1", "web:1.1-fix", now)

    pages = stuck(shop, 3, 20 * MINUTE)  # theirs is one of them

    assert [page.partition(":")[0] for page in pages] == ["Supersedes", "Supersedes"]
    assert "held at step 2: step 3 cannot be made" in pages[0]
    assert "safe end: finish: keep the old version from serving" in pages[0]
    assert shop.world.head() == theirs
    people.edit("The image that was shipped", WEB, "web:1.1-fix", "web:1.1", shop.world.clock.at)
    shop.until_step(shop.one, 6)
    assert shop.cluster.deliverable() == shop.cluster.orders


def test_whoever_reverts_by_hand_between_two_steps_has_taken_over(shop: Shop) -> None:
    """The traffic is not started by itself onto what nobody has looked at, nor is that called verified."""
    shop.approve(shop.one)
    shop.until_step(shop.one, 2)
    gone = dict.fromkeys((f"{FOLDER}/migrate.yaml", f"{FOLDER}/migrate-back.yaml"))
    stopped = DEPLOYMENT.format(version="1.0").replace("replicas: 3", "replicas: 0")
    shop.world.people.push("By hand", {**gone, WEB: stopped, LIST: listing("web.yaml")}, shop.world.clock.at)
    shop.go_on(shop.one, 2 * MINUTE)

    record = shop.record(shop.one)
    assert (record.outcome, record.reason) == ("held", "FieldEdited")
    assert "not done any more: 3. the revert; 4. start traffic" in record.message
    assert shop.cluster.replicas == 0


def test_pods_that_are_left_keep_the_gate_shut(shop: Shop) -> None:
    shop.approve(shop.one)
    shop.cluster.left = 1

    assert "Deployment shop/web: 1 Pod left" in stuck(shop, 1)[0]


def test_a_reverse_that_fails_holds_with_the_traffic_stopped(world: World, tmp_path: Path) -> None:
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"), back="update nothing set at = all")
    shop.until(shop.one, START, ASKED)
    shop.approve(shop.one)

    pages = stuck(shop, 2)

    assert "StepFailed" in pages[0]
    assert "Job shop/migrate-back: failed: " in pages[0]
    assert "safe end: finish: keep the old version from serving" in pages[0]
    assert shop.cluster.replicas == 0
    assert shop.cluster.deliverable() == shop.cluster.orders


def test_a_reverse_that_loses_rows_is_not_followed_by_the_old_code(world: World, tmp_path: Path) -> None:
    forgets = BACK.replace("drop table", "update orders set address = '' where id <= 5; drop table")
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"), back=forgets)
    shop.until(shop.one, START, ASKED)
    shop.approve(shop.one)

    assert "orders: 60, and 65 before" in stuck(shop, 2)[0]
    assert shop.cluster.version == "1.1"


def test_a_person_who_sets_the_same_field_has_the_last_word(shop: Shop) -> None:
    shop.approve(shop.one)
    shop.until_step(shop.one, 2)
    by_hand = shop.world.people.edit("Serve again", WEB, "replicas: 0", "replicas: 2", shop.world.clock.at)
    shop.go_on(shop.one, MINUTE)

    assert shop.world.head() == by_hand
    record = next(one for one in shop.one.tick(shop.world.clock.at).view.journal.records.values() if one.steps)
    assert (record.outcome, record.reason) == ("held", "FieldEdited")
    assert "safe end: finish" in record.message


def test_what_serves_nobody_since_a_person_stopped_it_after_the_last_step_is_not_called_verified(shop: Shop) -> None:
    shop.approve(shop.one)
    shop.until_step(shop.one, 4)
    people, now = shop.world.people, shop.world.clock.at
    by_hand = people.edit("Not yet", WEB, "replicas: 3", "replicas: 0", now)
    shop.counts.mend("web", now)
    shop.go_on(shop.one, 90 * SECOND)

    assert shop.world.head() == by_hand
    record = shop.record(shop.one)
    assert (record.outcome, record.reason) == ("held", "FieldEdited")
    assert "spec.replicas is 0 again, and not 3 as we left it: somebody else has stopped the traffic" in record.message
    assert [message.page for message in shop.one.told.messages if message.reason == "FieldEdited"] == [True]


def test_a_person_who_lets_fewer_serve_after_the_last_step_changes_nothing_about_that(shop: Shop) -> None:
    shop.approve(shop.one)
    shop.until_step(shop.one, 4)
    shop.world.people.edit("Two will do", WEB, "replicas: 3", "replicas: 2", shop.world.clock.at)
    shop.counts.mend("web", shop.world.clock.at)
    shop.go_on(shop.one, 90 * SECOND)

    assert shop.record(shop.one).outcome == "verified"


def test_who_suspends_the_policy_with_the_traffic_stopped_hears_until_then_how_it_ends_safely(shop: Shop) -> None:
    shop.approve(shop.one)
    shop.until_step(shop.one, 2)
    file = f"{POLICIES}/web.yaml"
    suspended = shop.world.people.read(file).replace("spec:", "spec:\n  suspend: true", 1)
    shop.world.people.push("Let me look", {file: suspended}, shop.world.clock.at)
    shop.go_on(shop.one, 20 * MINUTE)
    assert len(shop.steps()) == 2 + 1
    told = [message.text for message in shop.one.told.messages if message.reason == "Suspended"]
    assert len(told) == 2  # every quarter of an hour
    assert all("policy web is suspended; safe end: " in text for text in told)


@pytest.mark.parametrize(
    ("rules", "why"),
    [
        (PLAIN, "it declares no reverse of the migration; by hand: stop traffic"),
        (RULES.replace("resources[1]", "resources[7]"), "no such field"),
    ],
    ids=["no reverse", "no such entry"],
)
def test_what_does_not_fit_is_said_and_nothing_is_written(world: World, tmp_path: Path, rules: str, why: str) -> None:
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"), rules=rules)
    shop.until(shop.one, START, ASKED)

    assert shop.steps() == []
    assert why in "\n".join(message.text for message in shop.one.told.messages)


def next_release(shop: Shop, files: dict[str, str]) -> str:
    """1.2 on top of 1.1, with a migration of its own."""
    job = JOB.format(name="again", sql="select 1")
    listed = {WEB: DEPLOYMENT.format(version="1.2"), LIST: listing("web.yaml", "again.yaml")}
    newer = shop.world.people.push("Ship 1.2", {**listed, f"{FOLDER}/again.yaml": job, **files}, START + 10 * SECOND)
    shop.cluster.deploy("web", newer, START + 20 * SECOND)
    shop.until(shop.one, START, ASKED)
    return newer


def test_the_reverse_of_one_release_is_not_offered_for_two(world: World, tmp_path: Path) -> None:
    """What the older one moved would meet code that cannot read it."""
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"))
    newer = next_release(shop, {})

    lines = "\n".join(shop.plan_lines(to=world.people.git("rev-parse", f"{shop.bad}~1").strip()))
    assert f"{newer[:12]}, {shop.bad[:12]} may each have moved data, and Job shop/migrate-back reverses one" in lines
    assert "reverse migration, Job" not in lines


def test_the_reverse_of_an_earlier_release_is_not_offered_for_one_that_brought_none(
    world: World, tmp_path: Path
) -> None:
    """It would move the data back past what the version that comes back can read."""
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"))
    touched = JOB.format(name="migrate-back", sql=" ".join(BACK.split())) + "# read by ann\n"
    newer = next_release(shop, {f"{FOLDER}/migrate-back.yaml": touched})

    lines = "\n".join(shop.plan_lines(to=shop.bad))
    assert f"Job shop/migrate-back is as it was when {shop.bad[:12]} had moved data" in lines
    assert f"{newer[:12]} brought no reverse of its own; by hand: stop traffic, reverse the migration" in lines
    assert "reverse migration, Job" not in lines


def test_a_release_that_brings_its_reverse_anew_is_offered_it(world: World, tmp_path: Path) -> None:
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"))
    next_release(shop, {f"{FOLDER}/migrate-back.yaml": JOB.format(name="migrate-back", sql="select 2")})

    lines = "\n".join(shop.plan_lines(to=shop.bad))
    assert "step      2/4 reverse migration, Job shop/migrate-back" in lines
    assert "make sure" not in lines


def test_a_list_that_named_an_earlier_migration_names_it_again(world: World, tmp_path: Path) -> None:
    """An entry that stays on the reverse while its file goes back is one that no engine can render."""
    earlier = {f"{FOLDER}/earlier.yaml": JOB.format(name="earlier", sql="select 1")}
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"), earlier=earlier)
    shop.until(shop.one, START, ASKED)
    asked = "\n".join(message.text for message in shop.one.told.messages)
    assert "resources[1] is 'earlier.yaml' again with the revert, and what that runs may run once more" in asked
    shop.approve(shop.one)
    shop.until_step(shop.one, 4)
    shop.counts.mend("web", world.clock.at)
    shop.go_on(shop.one, 90 * SECOND)

    assert shop.steps() == STEPS
    assert world.people.read(LIST) == listing("web.yaml", "earlier.yaml")
    assert shop.record(shop.one).outcome == "verified"


def test_a_switch_that_let_the_reverse_run_is_taken_back_with_the_revert(world: World, tmp_path: Path) -> None:
    """Else the Job would run again by each sync to come, and move data back under the next release."""
    switch = {
        f"{FOLDER}/switch.yaml": "kind: ConfigMap\napiVersion: v1\nmetadata: {name: switch}\ndata: {back: 'no'}\n"
    }
    rules = RULES.replace("kustomization.yaml", "switch.yaml").replace('"resources[1]"', "data.back")
    rules = rules.replace("to: migrate-back.yaml", "to: 'yes'")
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"), rules=rules, earlier=switch)
    shop.until(shop.one, START, ASKED)
    shop.approve(shop.one)
    shop.until_step(shop.one, 2)
    shop.go_on(shop.one, 30 * SECOND)  # the engine has it
    assert "back: 'yes'" in world.people.read(f"{FOLDER}/switch.yaml")
    asked = "\n".join(message.text for message in shop.one.told.messages)
    assert f"make sure that Job shop/migrate-back reverses {shop.bad[:12]}: no file shows it" in asked
    job = yaml.safe_load(JOB.format(name="migrate-back", sql=" ".join(BACK.split())))
    shop.cluster.jobs["migrate-back"], shop.cluster.moved = shop.cluster.run(job, world.clock.at), False
    shop.until_step(shop.one, 4)

    assert world.people.read(f"{FOLDER}/switch.yaml") == switch[f"{FOLDER}/switch.yaml"]


def test_a_plain_revert_that_would_move_data_back_under_traffic_is_refused(world: World, tmp_path: Path) -> None:
    """The list before the release was what half a rollback had left; and the strategy does not fit."""
    half = {f"{FOLDER}/migrate-back.yaml": JOB.format(name="migrate-back", sql="select 1")}
    rules = RULES.replace("field: spec.replicas,", "field: spec.replicas, stopped: 3,")
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"), rules=rules, earlier=half)
    shop.until(shop.one, START, ASKED)

    assert shop.steps() == []
    told = [f"{message.reason}: {message.text}" for message in shop.one.told.messages if message.page]
    assert any("the plain revert lets Job shop/migrate-back run while the traffic comes" in one for one in told)
    assert shop.one.told.messages[-1].event == "refused"


def test_a_plan_says_the_steps_and_how_long_the_bad_version_wrote(shop: Shop) -> None:
    lines = shop.plan_lines()

    assert "step      2/4 reverse migration, Job shop/migrate-back" in lines
    assert "step      3/4 the revert" in lines
    steps = shop.plan_document()["steps"]
    assert isinstance(steps, list)
    assert [step["title"] for step in steps][2:] == ["the revert", "start traffic, spec.replicas 0 -> 3"]
    assert "wrote     the bad version has been writing for 2m" in lines
    assert any("safe end: go back to the step before" in line for line in lines)


FIXUP = """\
  strategies:
    - name: default
      type: rolling
      dataFixup:
        file: apps/web/kustomization.yaml
        field: "resources[1]"
        to: migrate-back.yaml
        job: {namespace: shop, name: migrate-back}
"""


def test_a_data_fix_up_comes_before_the_old_code_of_any_strategy(world: World, tmp_path: Path) -> None:
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"), rules=FIXUP)
    shop.until(shop.one, START, ASKED)
    shop.approve(shop.one)
    shop.until_step(shop.one, 2)

    assert shop.steps() == ["Roll back web: data fix-up, Job shop/migrate-back", 'Revert "Ship 1.1"']


STORED = "select count(*) from orders where address = 'street ' || id"
MISSING = not server_program("postgres") and "CI" not in os.environ
NEEDS_POSTGRES = pytest.mark.skipif(MISSING, reason="PostgreSQL is not installed")


@NEEDS_POSTGRES
def test_the_rollback_that_deleted_production_data_does_not_on_a_real_postgresql(world: World) -> None:
    with TemporaryDirectory(prefix="pg-") as folder, postgres(Path(folder)) as database:
        shop = Shop(world, database)
        shop.until(shop.one, START, ASKED)
        shop.approve(shop.one)
        shop.until_step(shop.one, 4)
        shop.counts.mend("web", world.clock.at)
        shop.go_on(shop.one, 90 * SECOND)

        assert shop.steps() == STEPS
        assert shop.record(shop.one).outcome == "verified"
        assert database.run(STORED) == [str(shop.cluster.orders)]
        assert shop.cluster.orders > 60


@NEEDS_POSTGRES
def test_the_registry_that_forgot_costs_no_row_of_a_real_postgresql(world: World) -> None:
    """The old image was cleaned away: the traffic is not even stopped, until somebody has put it back."""
    sandbox = RegistrySandbox()
    sandbox.start()
    sandbox.put("web", "1.1")
    settings = RegistrySettings("registry.example", sandbox.url, sandbox.url)
    with (
        TemporaryDirectory(prefix="pg-") as folder,
        postgres(Path(folder)) as database,
        closing(sandbox_client(settings, sandbox)) as asked,
    ):
        world.registry = asked
        shop = Shop(world, database)
        shop.until(shop.one, START, ASKED)
        assert shop.steps() == []
        assert any("registry.example/web:1.0" in message.text for message in shop.one.told.messages)
        sandbox.put("web", "1.0")
        shop.approve(shop.one)
        shop.until_step(shop.one, 4)
        shop.go_on(shop.one, MINUTE)
        assert database.run(STORED) == [str(shop.cluster.orders)]
        assert shop.cluster.orders > 60
    sandbox.stop()


def sandbox_client(settings: RegistrySettings, sandbox: RegistrySandbox) -> OciRegistries:
    return OciRegistries([settings], OriginRules.parse([], [sandbox.url]))


def test_what_goes_in_steps_is_never_one_commit_of_a_pull_request(world: World, tmp_path: Path) -> None:
    forge = FakeForge(world)
    world.forge = forge
    shop = Shop(world, Sqlite(tmp_path / "shop.sqlite"), rules=f"{RULES}  delivery: {{mode: pull-request}}\n")
    shop.until(shop.one, START, ASKED)

    assert "MigrationRan" in shop.one.told.reasons
    assert forge.requests == {}
    shop.approve(shop.one)
    shop.until_step(shop.one, 4)
    assert shop.steps() == STEPS
    assert forge.requests == {}
