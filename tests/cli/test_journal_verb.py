"""Does `journal rebuild` bring back what the branch still tells of a lost journal, and nothing that others forged?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from config_world import APP, BAD, GOOD, ID, JOURNAL, Answer, World, a_record, git
from test_audit_verb import push

from gitops_rollback.core.message import RevertText, revert_message

Cli = Callable[..., Answer]
OTHER = "rb-0123456789abcdef"


def message(identity: str, step: str = "1/1") -> str:
    """As the commit of a rollback has it."""
    text = RevertText(
        rollback_id=identity,
        reverts=(),
        why=("It failed.",),
        applications=(APP,),
        policy="payments-prod",
        triggers=("high-error-rate",),
        restores=GOOD,
        bad_revision=BAD,
        rung=1,
        requested_by="controller",
        step=step,
    )
    return revert_message(text)


def roll_back(world: World, identity: str, path: str, step: str = "1/1") -> str:
    return push(world, "refs/heads/main", {path: b"image: web:1\n"}, message(identity, step))


def records(cli: Cli) -> dict[str, Any]:
    return {str(one["id"]): one for one in cli("history", "-o", "json").document}


def test_what_the_branch_tells_is_made_again_once(world: World, cli: Cli) -> None:
    sha = roll_back(world, ID, "app.yaml")
    steps = [roll_back(world, OTHER, f"{n}.yaml", f"{n}/3") for n in (1, 2)]
    shown = cli("journal", "rebuild")
    assert shown.code == 4
    assert f"{ID}  {sha[:12]}" in shown.err
    assert not git("for-each-ref", JOURNAL, cwd=world.path)

    assert cli("journal", "rebuild", "--yes").code == 0
    made = records(cli)
    assert set(made) == {ID, OTHER}
    one = made[ID]
    assert (one["phase"], one["outcome"], one["reason"]) == ("Done", "unverified", "JournalLost")
    assert (one["applications"], one["badRevision"], one["restores"]) == ([APP], BAD, GOOD)
    found = [(step["n"], step["of"], step["commit"]) for step in made[OTHER]["steps"]]
    assert found == [(1, 3, steps[0]), (2, 3, steps[1])]
    assert cli("audit", "verify").code == 0
    again = cli("journal", "rebuild")
    assert (again.code, "knows each of our commits" in again.err) == (0, True)


def test_trailers_on_somebody_elses_commit_make_no_record(world: World, cli: Cli) -> None:
    world.commit({"a.yaml": b"x\n"}, message=message(ID))
    assert cli("journal", "rebuild", "--yes").code == 0
    assert not git("for-each-ref", JOURNAL, cwd=world.path)


def test_what_the_journal_still_knows_stays_as_it_is(world: World, cli: Cli) -> None:
    world.journal(a_record())
    roll_back(world, ID, "app.yaml")
    roll_back(world, OTHER, "b.yaml")
    before = records(cli)[ID]
    assert cli("journal", "rebuild", "--yes").code == 0
    assert records(cli)[ID] == before
    assert set(records(cli)) == {ID, OTHER}
