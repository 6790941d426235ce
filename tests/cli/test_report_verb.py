"""`report --since`: observed decisions beside what people did, a person's word about them, and what is then allowed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from config_world import APP, JOURNAL, POLICY, Answer, World, an_entry, git, now

from gitops_rollback.core.clearance import CLEARED
from gitops_rollback.core.journal import DecisionEntry

Cli = Callable[..., Answer]
REGRESSION = """\
    - name: rise
      type: regression
      bad: 'errors_total{service="$SERVICE"}'
      total: 'requests_total{service="$SERVICE"}'
      severity: auto_rollback
  verification:
    checks:
      - {name: few, type: prometheus, query: 'sum(rate(errors_total{service="$SERVICE"}[2m]))', expect: {atMost: 0.5}}
"""


def observed(days: float, action: str, reason: str, revision: str, by: str = "rise") -> DecisionEntry:
    details = {"verdicts": [{"trigger": by, "value": 0.01}]}
    return an_entry(action, reason, at=now() - timedelta(days=days), revision=revision, details=details)


def comparing(world: World) -> None:
    text = POLICY.replace("      data:", '      paths: ["apps/**"]\n      data:') + REGRESSION
    world.commit({".gitops-rollback/policies/payments-prod.yaml": text.encode(), "apps/a.yaml": b"a: 1\n"})


@pytest.fixture
def watched(world: World) -> World:
    """Four weeks with a sync a day, all of them quiet but one, about which nobody did anything."""
    comparing(world)
    quiet = [observed(28 - n, "leave", "Quiet", f"{n:040x}") for n in range(1, 25)]
    world.journal(
        *quiet, observed(2.5, "roll-back", "TriggerFired", "b" * 40), observed(2.4, "leave", "Quiet", "b" * 40)
    )
    return world


def report(cli: Cli, *more: str) -> Any:
    return cli("report", "--since", "30d", *more, "-o", "json").document


def test_what_only_we_would_have_done_waits_for_a_person_s_word(watched: World, cli: Cli) -> None:
    found = report(cli)
    (row,) = found["rows"]
    assert (row["kind"], row["theirs"]) == ("we only", "recovered by itself after 2h24m")
    (one,) = found["applications"]
    assert (one["application"], one["syncs"]) == (APP, 25)
    assert any(row["id"] in why for why in one["missing"])
    assert cli("report", "--since", "30d", "--record").err.count("nothing is recorded") == 1
    answer = cli("report", "--since", "30d", "--confirm", row["id"])
    assert (answer.code, "is confirmed" in answer.err) == (0, True)
    assert not any(row["id"] in why for why in report(cli)["applications"][0]["missing"])
    assert "may act by itself" in cli("report", "--since", "30d", "--record").err
    assert CLEARED in git("log", "-1", "-p", "--format=", JOURNAL, cwd=watched.path)


def test_a_past_that_the_trigger_has_not_judged_says_nothing_for_it(world: World, cli: Cli) -> None:
    comparing(world)
    world.journal(*[observed(28 - n, "leave", "Quiet", f"{n:040x}", by="limit") for n in range(1, 25)])
    told = cli("report", "--since", "30d", "--record").err
    assert "rise has judged 0 of 20 syncs" in told
    assert "may act by itself" not in told


def test_only_a_row_can_be_confirmed(watched: World, cli: Cli) -> None:
    answer = cli("report", "--since", "30d", "--confirm", "rb-0000000000000000")
    assert answer.code == 2
    assert "no row of `we only`; those are: rb-" in answer.err
