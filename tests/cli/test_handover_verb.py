"""Does `handover` say in one line that there is nothing, and otherwise everything, from git alone?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from config_world import APP, ID, POLICY, Answer, World, a_record, an_entry

from gitops_rollback.core.rollback import Phase

Cli = Callable[..., Answer]


def test_nothing_to_hand_over_is_one_line(world: World, cli: Cli) -> None:
    answer = cli("handover")
    assert answer.code == 0
    assert answer.out.count("\n") == 1
    assert "nothing is open, held, waiting, blind, paused or silenced" in answer.out


def test_what_is_open_paused_and_silenced_is_told(world: World, cli: Cli) -> None:
    world.journal(a_record(phase=Phase.AWAITING_APPROVAL, outcome=None), an_entry("hold", "CameBack"))
    cli("pause", "--all", "--for", "1h", "--reason", "load test")
    cli("silence", "checkout-api", "--for", "2h")
    lines = cli("handover").out
    for words in (
        "waits for a word",
        f"approve {ID}",
        "CameBack",
        "load test",
        "silenced until",
        "ends within the next 12 hours",
    ):
        assert words in lines
    (items,) = cli("handover", "-o", "json").document.values()
    assert {item["section"] for item in items} == {"waits for a word", "held", "paused", "silenced"}
    assert items[0]["applications"] == [APP]


def test_a_team_is_a_tenant_of_the_settings(world: World, cli: Cli, tmp_path: Path) -> None:
    world.journal(an_entry("hold", "CameBack"))
    assert cli("handover", "--team", "payments").code == 2
    (tmp_path / "gitops-rollback.yaml").write_text(
        "tenants:\n"
        "  - {name: payments, policies: '.gitops-rollback/policies/payments*'}\n"
        "  - {name: shop, policies: '.gitops-rollback/policies/shop*'}\n"
    )
    assert "CameBack" in cli("handover", "--team", "payments").out
    assert "nothing is open" in cli("handover", "--team", "shop").out


def test_a_policy_that_is_refused_is_told(world: World, cli: Cli) -> None:
    world.commit({".gitops-rollback/policies/broken.yaml": b"apiVersion: nonsense\n"})
    assert "broken.yaml:1:" in cli("handover").out


def test_a_drill_that_is_overdue_is_told_here_and_by_get(world: World, cli: Cli) -> None:
    assert "drill" not in cli("get").out
    allowed = POLICY.replace("      data:", "      drill: allowed\n      data:").encode()
    world.commit({".gitops-rollback/policies/payments-prod.yaml": allowed})
    assert "gitops-rollback drill Application/argocd/payments-prod makes one" in cli("handover").out
    assert "overdue: it never passed a drill" in cli("get").out
    world.journal(a_record(evidence={"drill": "dr-1"}))
    told = cli("handover").out
    assert "drill is overdue" not in told
    assert f"DRILL: {ID} Verified" in told
    assert "DRILL verified" in cli("history").out
    (row,) = cli("get", "-o", "json").document
    assert row["drill"].startswith("passed 20")
