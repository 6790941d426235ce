"""A story about a controller that owns the traffic: Argo Rollouts has promoted the bad version before it shows."""

from __future__ import annotations

import re
from datetime import datetime

from gitops_rollback.sandbox.services import FAILING
from gitops_rollback.sandbox.stories import (
    DEPLOYMENT,
    NEW_TAG,
    SERVICE,
    release,
    rolled_back,
    until_deployed,
    until_healthy,
)
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling

PAUSE_SECONDS = 60
STEPS = f"""\
  strategy:
    canary:
      steps:
        - {{setWeight: 20}}
        - {{pause: {{duration: {PAUSE_SECONDS}}}}}
        - {{setWeight: 60}}
        - {{pause: {{duration: {PAUSE_SECONDS}}}}}
"""
PLACE = re.compile(r"^spec:\n", re.MULTILINE)


def own_the_rollout(telling: Telling) -> None:
    """checkout-api is an Argo Rollout from now on."""
    people, now = telling.world.people, telling.world.clock.now()
    plain = "apiVersion: apps/v1\nkind: Deployment"
    text = people.read(DEPLOYMENT).replace(plain, "apiVersion: argoproj.io/v1alpha1\nkind: Rollout")
    people.push("Let Argo Rollouts own it", {DEPLOYMENT: PLACE.sub(f"spec:\n{STEPS}", text, 1)}, now)


def promoted_release(telling: Telling) -> None:
    """All steps are passed and the new version is the stable one; then its requests begin to fail."""
    release(telling)
    until_deployed(telling, telling.bad)
    until_healthy(telling)
    telling.world.failing_tags.add(NEW_TAG)
    telling.world.services[SERVICE].behave(FAILING, telling.world.clock.now())


def replayed(telling: Telling) -> list[Claim]:
    records = telling.records()
    words = [one["message"] for record in records for one in record["guards"] if one["guard"] == "promoted"]
    times = records[0]["times"] if records else {}
    known = [datetime.fromisoformat(times[name]) for name in ("pushed", "synced") if name in times]
    passed = (known[-1] - known[0]).total_seconds() if known else 0.0
    said = f"Rollout {SERVICE} takes it through 4 steps again, at least 2m; set `spec.rollbackWindow.revisions`"
    return [
        Claim("it was said before the push what the revert goes through", any(one.startswith(said) for one in words)),
        Claim("the revert went through all steps again", passed >= 2 * PAUSE_SECONDS),
        *rolled_back(telling),
    ]


ROLLOUT_STORIES: tuple[Story, ...] = (
    Story(
        "rollout-promoted",
        "Argo Rollouts has promoted the bad version. The revert replays its steps; that is said, and waited for.",
        prepare=own_the_rollout,
        act=promoted_release,
        ended=lambda telling: telling.is_done("verified"),
        claims=replayed,
        policy=policy().replace("workload: {kind: Deployment", "workload: {kind: Rollout"),
        engines=("argocd",),
    ),
)
