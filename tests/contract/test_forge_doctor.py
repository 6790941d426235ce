"""What `doctor` says of a repository's forge and of the rules of its branch."""

from __future__ import annotations

from forge_canned import Reply, answering
from test_forge_gitea import recorded

from gitops_rollback.app.checkup import of_forge


def test_what_is_missing_and_what_the_rules_do_to_a_rollback_is_said() -> None:
    notes = ("version", "who am I", "repository", "branch as the bot sees it", "protections asked by the bot")
    with answering(recorded(*notes)) as canned:
        lacking = list(of_forge(canned.client("gitea"), "owner/config", "main"))
        named = list(of_forge(canned.client("gitea", approvers=("alice",)), "owner/config", "main"))
    assert [(one.part, one.well) for one in lacking] == [
        ("forge of owner/config", False),
        ("rules of main of owner/config", True),
    ]
    assert "forge.approvers" in lacking[0].message
    assert named[0].message == "gitea development knows us as bot, who may write"
    assert named[1].message == (
        "they refuse a push of ours: a rollback waits as a pull request, which needs 1 approvals,"
        " the checks gitops-rollback/plan"
    )
    assert "push whitelist of main" in named[1].remedy


def test_a_forge_that_refuses_us_is_said_with_what_to_look_at_and_none_is_nothing() -> None:
    with answering({"GET /version": Reply({"message": "token is invalid"}, 401)}) as canned:
        (found,) = of_forge(canned.client("gitea"), "owner/config", "main")
    assert (found.well, found.message) == (False, "answers 401: token is invalid")
    assert "`forge` of this repository" in found.remedy
    assert list(of_forge(None, "owner/config", "main")) == []
