"""Does an audit find what somebody changed, dropped or forged, and nothing where all is as we wrote it?"""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from config_world import APP, ID, JOURNAL, Answer, World, a_record, an_entry, git, now

from gitops_rollback.adapters.git.remote import RepositorySettings
from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.core.audit import COLUMNS
from gitops_rollback.core.rollback import Phase, StepRecord
from gitops_rollback.ports import RefUpdate

Cli = Callable[..., Answer]


def push(world: World, ref: str, files: Mapping[str, bytes | None], message: str) -> str:
    """A commit by the controller's own identity."""
    repo = GitConfigRepo(RepositorySettings("config", world.url, world.state.with_name("pusher")))
    heads = repo.fetch()
    head = heads.journal if ref == JOURNAL else heads.branch
    sha = repo.write_files(head, files, message, now())
    repo.push([RefUpdate(ref, sha, head)])
    repo.close()
    return sha


def rolled_back(world: World, planned: str = "") -> None:
    """A rollback as it really is: a commit on the branch, and the record that names it and what was `planned`."""
    sha = push(world, "refs/heads/main", {"app.yaml": b"image: web:1\n"}, f"Revert x\n\nRollback-Id: {ID}\n")
    blob = git("rev-parse", f"{sha}:app.yaml", cwd=world.path)
    world.journal(a_record(steps=(StepRecord(1, 1, sha, {"app.yaml": planned or blob}, now()),)), an_entry())


def paths_of(world: World, folder: str) -> list[str]:
    return git("ls-tree", "-r", "--name-only", JOURNAL, folder, cwd=world.path).split()


def faults(cli: Cli) -> list[str]:
    answer = cli("audit", "verify", "-o", "json")
    (found,) = answer.document.values()
    assert answer.code == (1 if found["faults"] else 0)
    return found["faults"]


def test_what_we_wrote_fits_together(world: World, cli: Cli) -> None:
    rolled_back(world)
    world.journal(an_entry("verified", "Verified"))
    answer = cli("audit", "verify")
    assert answer.code == 0
    assert "signed was not looked at" in answer.err
    assert answer.out.startswith("✔ config: all fits (2 journal commits, 1 records, 2 commits)")


def test_a_commit_with_our_trailer_and_no_record_is_found(world: World, cli: Cli) -> None:
    rolled_back(world)
    sha = push(world, "refs/heads/main", {"b.yaml": b"1\n"}, "Revert y\n\nRollback-Id: rb-forged\n")
    (fault,) = faults(cli)
    assert fault.startswith(f"commit {sha[:12]}")
    assert "rb-forged, and no record names it" in fault


def test_a_record_whose_commit_is_not_on_the_branch_is_found(world: World, cli: Cli) -> None:
    world.journal(a_record())
    assert ["not on the branch" in fault for fault in faults(cli)] == [True]


def test_a_commit_that_does_not_hold_what_was_planned_is_found(world: World, cli: Cli) -> None:
    rolled_back(world, "d" * 40)
    assert any("app.yaml" in fault and "not what the record planned" in fault for fault in faults(cli))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path, _text: {path: None}, "deletes decisions/"),
        (lambda path, text: {path: text.replace(b"TriggerFired", b"SomethingEls")}, "changes what decisions/"),
        (lambda _path, _text: {"notes.txt": b"x"}, "notes.txt, which is neither"),
    ],
    ids=["deleted", "changed", "added"],
)
def test_a_journal_that_somebody_changed_is_found(
    world: World, cli: Cli, change: Callable[[str, bytes], Mapping[str, bytes | None]], words: str
) -> None:
    rolled_back(world)
    path = next(path for path in paths_of(world, "decisions/") if path.endswith("payments-prod.jsonl"))
    push(world, JOURNAL, change(path, world.show(JOURNAL, path).encode() + b"\n"), "Record one decision\n")
    assert [words in fault for fault in faults(cli)] == [True]


def test_a_journal_commit_by_somebody_else_is_found(world: World, cli: Cli) -> None:
    rolled_back(world)
    world.commit({"decisions/2026-11/25/x.jsonl": b""}, JOURNAL.removeprefix("refs/heads/"))
    assert any("is by A Person" in fault for fault in faults(cli))


def test_a_record_that_was_taken_back_is_found(world: World, cli: Cli) -> None:
    rolled_back(world)
    (path,) = paths_of(world, "records/")
    document = json.loads(world.show(JOURNAL, path))
    document.update(phase=Phase.PENDING.value, outcome=None, steps=[])
    push(world, JOURNAL, {path: json.dumps(document).encode()}, "Record\n")
    found = faults(cli)
    assert any("takes rb-428a78d56affadb9 back from Done to Pending" in fault for fault in found)
    assert any("forgets the commit" in fault for fault in found)


def test_a_commit_that_none_of_the_named_keys_signed_is_found(world: World, cli: Cli, tmp_path: Path) -> None:
    keys = [tmp_path / "ours", tmp_path / "another"]
    for key in keys:
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    allowed = [key.with_suffix(".allowed") for key in keys]
    for key, file in zip(keys, allowed, strict=True):
        file.write_text(f"gitops-rollback@localhost {key.with_suffix('.pub').read_text()}")
    repo = GitConfigRepo(
        RepositorySettings("config", world.url, world.state.with_name("signer"), signing_key_file=keys[0])
    )
    repo.fetch()
    journal = repo.write_files(None, {}, "Record one decision\n", now())
    repo.push([RefUpdate(JOURNAL, journal, None)])
    repo.close()
    good = cli("audit", "verify", "--allowed-signers", str(allowed[0]))
    assert (good.code, good.err) == (0, ""), good.out
    bad = cli("audit", "verify", "--allowed-signers", str(allowed[1]))
    assert bad.code == 1
    assert f"commit {journal[:12]} bears no good signature" in bad.out
    push(world, JOURNAL, {}, "Record one decision\n")
    assert "it is not signed" in cli("audit", "verify", "--allowed-signers", str(allowed[0])).out
    assert cli("audit", "verify", "--allowed-signers", "nowhere").code == 2


def test_each_decision_is_a_line_of_a_stable_form(world: World, cli: Cli) -> None:
    guards = [{"guard": "schedule", "result": "deny"}, {"guard": "budget", "result": "allow"}]
    world.journal(
        a_record(), an_entry(), an_entry("leave", "Quiet"),
        an_entry("released", "ImageAutomation", details={"by": "kim"}),
        an_entry("refuse", "Schedule", details={"rollback": ID, "guards": guards}),
    )  # fmt: skip
    lines = [json.loads(line) for line in cli("history", "--decisions", "-o", "jsonl").out.splitlines()]
    assert [list(line) for line in lines] == [list(COLUMNS)] * 3
    by_action = {line["action"]: line for line in lines}
    assert by_action["roll-back"]["by"] == "controller"
    assert by_action["roll-back"]["policy"] == "policies/payments-prod.yaml@aaaaaaaaaaaa"
    assert by_action["released"]["by"] == "kim"
    assert (by_action["refuse"]["rule"], by_action["refuse"]["application"]) == ("schedule", APP)
    assert all(len(line["evidence"]) == 64 for line in lines)
    header, *rows = csv.reader(io.StringIO(cli("history", "--decisions", "-o", "csv").out))
    assert (header, len(rows)) == (list(COLUMNS), 3)
    assert cli("history", "--decisions", "--since", "1m", "-o", "jsonl").out == ""
    assert cli("history", "--decisions", "--stats").code == 2
