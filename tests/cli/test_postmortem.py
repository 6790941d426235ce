"""Is the draft of a post-mortem whole, from the journal alone, and can a commit's words not write in it?"""

from __future__ import annotations

from collections.abc import Callable

from config_world import BAD, ID, OURS, Answer, World, a_record, an_entry

Cli = Callable[..., Answer]


def test_the_draft_holds_what_is_known_and_marks_what_only_people_know(world: World, cli: Cli) -> None:
    verdict = {"trigger": "high-error-rate", "value": 0.079, "threshold": 0.05, "baselineValue": 0.003}
    world.journal(a_record(evidence={"verdicts": [verdict], "suspects": ["bbbb image of checkout-api"]}), an_entry())
    answer = cli("explain", ID, "-o", "markdown")
    assert answer.code == 0, answer.err
    for words in (
        "# Post-mortem (draft): argocd/payments-prod",
        "| time to restore | 7m |",
        "high-error-rate: 0.079 (limit 0.05, before the sync 0.003)",
        f"- `{BAD}`",
        f"commit `{OURS}`",
        "roll-back TriggerFired: high-error-rate fired",
        "guard schedule: ask: friday",
        "_to be written by a person_",
    ):
        assert words in answer.out


def test_a_strangers_words_are_no_markdown(world: World, cli: Cli) -> None:
    world.journal(
        a_record(message="**x** [a](http://evil.example) `b` <!channel> | c"), an_entry(message="# boo\n## bar")
    )
    text = cli("explain", ID, "-o", "markdown").out
    assert "\\*\\*x\\*\\*" in text
    assert "](http" not in text
    assert "\n## bar" not in text


def test_an_application_without_a_rollback_has_none(world: World, cli: Cli) -> None:
    world.journal(an_entry("leave", "Quiet", details={}))
    assert cli("explain", "checkout-api", "-o", "markdown").code == 2


def test_the_runbook_is_made_of_the_policy_and_of_how_it_is_now(world: World, cli: Cli) -> None:
    world.journal(an_entry("hold", "CameBack", details={}))
    text = cli("runbook", "checkout-api").out
    assert text.startswith("# Runbook: checkout-api (argocd/payments-prod)\n")
    assert "hold CameBack" in text
    assert "high-error-rate** rolls back by itself" in text
    assert cli("runbook", "nobody").code == 2
