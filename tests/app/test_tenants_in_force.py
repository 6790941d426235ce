"""A tenant's policy judges that tenant's applications, and no others."""

from __future__ import annotations

from app_world import MINUTE, POLICIES, START, World, running, ship

from gitops_rollback.core.tenants import Tenancy, Tenant

LATER = START + 3 * MINUTE


def test_a_policy_that_names_another_tenants_application_does_nothing_and_says_so(world: World) -> None:
    world.tenancy = Tenancy((Tenant("web", f"{POLICIES}/**", projects=("somebody-elses",)),))
    running(world, "web")
    one = world.replica()
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    tick = one.until(START, LATER)[-1]
    assert world.reverts() == 0
    assert [problem.reason for problem in tick.listing.problems] == ["ForeignTenant"]


def test_the_owning_tenants_policy_acts(world: World) -> None:
    world.tenancy = Tenancy((Tenant("web", f"{POLICIES}/**", paths=("apps/web/**",)),))
    running(world, "web")
    one = world.replica()
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 1


def test_a_plan_beyond_the_tenants_files_waits_for_a_person(world: World) -> None:
    world.tenancy = Tenancy((Tenant("web", f"{POLICIES}/**", paths=("apps/elsewhere/**",)),))
    running(world, "web")
    one = world.replica()
    world.engine.deploy("web", ship(world, "web", START - MINUTE), START)
    world.metrics.break_from("web", START + MINUTE)
    one.until(START, LATER)
    assert world.reverts() == 0
    assert "ForeignTenant" in one.told.reasons
