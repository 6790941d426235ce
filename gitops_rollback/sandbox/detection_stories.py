"""Stories about finding it: a small rise that no limit sees, and trouble that is everybody's."""

from __future__ import annotations

import time
from datetime import timedelta

from gitops_rollback.sandbox.services import FAILING, GOOD_ERROR_RATIO, Behaviour
from gitops_rollback.sandbox.stories import (
    DEPLOYMENT,
    SERVICE,
    decided,
    failing_release,
    nothing_written,
    release,
    rolled_back,
    until_deployed,
    waiting,
)
from gitops_rollback.sandbox.story_texts import policy, policy_of
from gitops_rollback.sandbox.telling import Claim, Story, Telling
from gitops_rollback.sandbox.world import SERVICES

A_LITTLE_WORSE = Behaviour(error_ratio=GOOD_ERROR_RATIO + 0.01)
FOUND_WITHIN = timedelta(minutes=12)
APART = timedelta(minutes=8)
COMPARES = """\
    - name: worse-than-before
      type: regression
      bad: 'http_requests_total{status=~"5..",service="$SERVICE"}'
      total: 'http_requests_total{service="$SERVICE"}'
      severity: page_and_suggest
"""
BY_COST = "  decision: cost\n  costs: {rollbackRisk: high, deploy: 12m}\n"


def release_and_wait(telling: Telling) -> None:
    """A release that is well at first; returns once the engine runs it."""
    release(telling)
    until_deployed(telling, telling.bad)


def a_little_worse(telling: Telling) -> None:
    release_and_wait(telling)
    telling.world.services[SERVICE].behave(A_LITTLE_WORSE, telling.world.clock.now())


def everything_fails(telling: Telling) -> None:
    """A few seconds after an innocent release something fails that all services need."""
    release_and_wait(telling)
    for service in telling.world.services.values():
        service.behave(FAILING, telling.world.clock.now())


def two_in_a_row(telling: Telling) -> None:
    """A setting is changed and deployed; before that is judged to its end, a release comes that fails.

    Were they deployed at once, the onset would fit both, and a person would be asked.
    """
    people, now = telling.world.people, telling.world.clock.now()
    telling.landed["setting"] = people.edit("Log in debug", DEPLOYMENT, "value: info", "value: debug", now)
    telling.refresh()
    until_deployed(telling, telling.landed["setting"])
    time.sleep(telling.world.clock.real_seconds(APART))
    failing_release(telling)


def only_the_second(telling: Telling) -> list[Claim]:
    kept = "value: debug" in telling.world.people.read(DEPLOYMENT)
    return [*rolled_back(telling), Claim("what was deployed just before it is still there", kept)]


def found_by_comparison(telling: Telling) -> list[Claim]:
    """No limit was near, so that only the comparison can have told."""
    told = [entry for entry in telling.decisions() if entry["reason"] == "SuggestOnly"]
    fired = [
        one["trigger"] for entry in told for one in entry["details"].get("verdicts", []) if one["phase"] == "firing"
    ]
    return [
        *nothing_written(telling),
        Claim("the comparison with before was the reason, and no limit", set(fired) == {"worse-than-before"}),
        decided(telling, "SuggestOnly"),
        *waiting(telling),
        Claim(f"it took less than {FOUND_WITHIN // timedelta(minutes=1)} minutes", not telling.settled(FOUND_WITHIN)),
    ]


def a_person_is_cheaper(telling: Telling) -> list[Claim]:
    """The plan stands ready with what each way out would cost."""
    found = [record["evidence"].get("costs", {}) for record in telling.records()]
    dearer = [costs.get("rollback", 0) > costs.get("page", 0) > 0 for costs in found]
    sourced = [all(one["from"] for one in costs.get("inputs", {}).values()) for costs in found]
    return [
        *nothing_written(telling),
        decided(telling, "CheaperOtherwise"),
        *waiting(telling),
        Claim("by the numbers in the record a rollback costs more than a page", dearer == [True]),
        Claim("each number says where it comes from", sourced == [True]),
    ]


DETECTION_STORIES: tuple[Story, ...] = (
    Story(
        "slow-regression",
        "After a release one request in a hundred more fails, far below any limit. It is found in minutes.",
        act=a_little_worse,
        ended=lambda telling: telling.has_decided("SuggestOnly"),
        claims=found_by_comparison,
        policy=policy().replace("  verification:", f"{COMPARES}  verification:"),
        engines=("argocd",),
    ),
    Story(
        "dear-rollback",
        "A release fails a little, and rolling it back is risky. By the policy's costs a person is asked instead.",
        act=failing_release,
        ended=lambda telling: telling.has_decided("CheaperOtherwise"),
        claims=a_person_is_cheaper,
        policy=policy() + BY_COST,
        engines=("argocd",),
    ),
    Story(
        "two-deployments",
        "Two changes are deployed within minutes, and the second fails. That one alone is taken back.",
        act=two_in_a_row,
        ended=lambda telling: telling.is_done("verified"),
        claims=only_the_second,
        policy=policy(),
        engines=("argocd",),
    ),
    Story(
        "shared-incident",
        "Something that all services need fails just after a release. Nobody's commit is blamed, and one page says so.",
        act=everything_fails,
        ended=lambda telling: telling.has_decided("MassEvent"),
        claims=lambda telling: [*nothing_written(telling), decided(telling, "MassEvent")],
        policy=policy_of(SERVICES),
        engines=("argocd",),
    ),
)
