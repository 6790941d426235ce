"""A rollback of several commits: each pushed, applied and checked before the next, whoever goes on with it."""

from __future__ import annotations

import re

from app_world import MINUTE, POLICIES, START, Replica, World, deployment, policy

from gitops_rollback.core.rollback import RollbackRecord

ROUTE = """\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: web}}
spec:
  http:
    - route:
        - destination: {{host: web, subset: v1}}
          weight: {old}
        - destination: {{host: web, subset: v2}}
          weight: {new}   # the new version
"""
CANARY = """\
  strategies:
    - name: weights
      type: canary
      canary:
        file: apps/web/route.yaml
        field: spec.http[0].route[1].weight
        complement: spec.http[0].route[0].weight
        steps: [50, 25, 10, 0]
        pause: 30s
"""
PATH, WEB = "apps/web/route.yaml", "apps/web/web.yaml"
WEIGHT = re.compile(r"weight: (\d+)")


def shifted(world: World, more: str = CANARY) -> Replica:
    """A bad image is live while 60 per cent of the traffic go to it."""
    first = world.first(
        {
            WEB: deployment("web", "1.0"),
            PATH: ROUTE.format(old=40, new=60),
            f"{POLICIES}/web.yaml": policy("web") + more,
        }
    )
    world.engine.add("web")
    world.engine.deploy("web", first, START - 60 * MINUTE)
    bad = world.people.edit("Ship 1.1", WEB, ":1.0", ":1.1", START - MINUTE)
    one = world.replica()
    one.until(START - 2 * MINUTE, START - MINUTE)
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    return one


def weights(world: World) -> list[tuple[int, int]]:
    """(old, new) at each commit that changed the route, oldest first."""
    shas = world.people.git("log", "--first-parent", "--reverse", "--format=%H", "main", "--", PATH).split()
    found = [WEIGHT.findall(world.people.read(PATH, sha)) for sha in shas]
    return [(int(old), int(new)) for old, new in found]


def steps(world: World) -> list[str]:
    said = world.people.git("log", "--first-parent", "--reverse", "--format=%(trailers:key=Rollback-Step,valueonly)")
    return said.split()


def only_record(one: Replica, at: int) -> RollbackRecord:
    (record,) = one.tick(START + at * MINUTE).view.journal.records.values()
    return record


def test_weights_go_down_step_by_step_and_the_revert_comes_last(world: World) -> None:
    one = shifted(world)

    one.until(START, START + 5 * MINUTE)
    world.metrics.mend("web", START + 5 * MINUTE)
    one.until(START + 5 * MINUTE, START + 12 * MINUTE)

    assert weights(world) == [(40, 60), (50, 50), (75, 25), (90, 10), (100, 0)]
    assert steps(world) == ["1/5", "2/5", "3/5", "4/5", "5/5"]
    assert world.commits()[:5] == [
        'Revert "Ship 1.1"',
        "Roll back web: canary weight 10 -> 0",
        "Roll back web: canary weight 25 -> 10",
        "Roll back web: canary weight 50 -> 25",
        "Roll back web: canary weight 60 -> 50",
    ]
    assert world.people.read(WEB) == deployment("web", "1.0")
    record = only_record(one, 13)
    assert record.outcome == "verified"
    assert len(set(world.people.git("log", "--format=%(trailers:key=Rollback-Id,valueonly)").split())) == 1
