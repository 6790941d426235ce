"""After a push, is it known what landed? By real HTTP, with a server that fails in every way."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from remote_world import JOURNAL, MAIN, Remote, git, wait_until

from gitops_rollback.adapters.git import refusals
from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.core.errors import CredentialsRejected, StalledError
from gitops_rollback.ports import PushOutcome, PushResult, RefUpdate
from gitops_rollback.sandbox.git_server import GitServer, Operation

NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


def a_commit(repo: GitConfigRepo, name: str = "ours") -> RefUpdate:
    """Our commit on the head that is read now."""
    head = repo.fetch().branch
    return RefUpdate(MAIN, repo.write_files(head, {f"{name}.yaml": b"n: 1\n"}, f"Add {name}", NOW), head)


def a_pair(repo: GitConfigRepo) -> tuple[RefUpdate, RefUpdate]:
    """A commit and its journal entry."""
    main = a_commit(repo)
    journal = repo.fetch().journal
    return main, RefUpdate(JOURNAL, repo.write_files(journal, {"records/rb.json": b"{}"}, "Record", NOW), journal)


def outcomes(result: PushResult) -> tuple[PushOutcome, PushOutcome]:
    return result.refs[MAIN], result.refs[JOURNAL]


def test_a_commit_and_its_record_land_together(remote: Remote, repo: GitConfigRepo) -> None:
    main, journal = a_pair(repo)
    assert outcomes(repo.push((main, journal))) == (PushOutcome.LANDED, PushOutcome.LANDED)
    assert (remote.head(MAIN), remote.head(JOURNAL)) == (main.new, journal.new)
    first = remote.server.updates("shop.git")[0]
    assert (first.old, first.new) == (main.old, main.new)


def test_pushing_the_same_commit_again_is_success_and_no_second_update(remote: Remote, repo: GitConfigRepo) -> None:
    update = a_commit(repo)
    assert [repo.push((update,)).outcome for _ in range(2)] == [PushOutcome.LANDED] * 2
    assert len(remote.server.updates("shop.git")) == 1


def test_a_push_of_an_orphan_never_replaces_the_branch(remote: Remote, repo: GitConfigRepo) -> None:
    head = repo.fetch().branch
    orphan = repo.write_files(None, {"x": b"1"}, "Orphan", NOW)
    assert repo.push((RefUpdate(MAIN, orphan, head),)).outcome is PushOutcome.REJECTED
    assert remote.head() == head


@pytest.mark.parametrize("winner", ["main", "gitops-rollback-journal"])
def test_whoever_was_faster_wins_and_neither_ref_moves(remote: Remote, repo: GitConfigRepo, winner: str) -> None:
    remote.commit({"records/old.json": "{}"}, branch="gitops-rollback-journal", on="none")
    main, journal = a_pair(repo)
    theirs = remote.commit({"theirs": "1"}, branch=winner)
    assert PushOutcome.REJECTED in outcomes(repo.push((main, journal)))
    assert remote.head(f"refs/heads/{winner}") == theirs
    assert remote.server.updates("shop.git") == ()


def test_a_commit_that_slips_in_during_our_push_is_kept(remote: Remote, repo: GitConfigRepo) -> None:
    main, journal = a_pair(repo)
    theirs: list[str] = []
    remote.server.before_push = lambda _: theirs.append(remote.commit({"theirs": "1"}))
    result = repo.push((main, journal))
    assert outcomes(result) == (PushOutcome.REJECTED, PushOutcome.REJECTED)
    assert (remote.head(MAIN), remote.head(JOURNAL)) == (theirs[0], None)


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        pytest.param(MAIN, (PushOutcome.PROTECTED, PushOutcome.REJECTED), id="branch-protected"),
        pytest.param(JOURNAL, (PushOutcome.REJECTED, PushOutcome.PROTECTED), id="journal-protected"),
        pytest.param("", (PushOutcome.PROTECTED, PushOutcome.PROTECTED), id="all-protected"),
    ],
)
def test_a_refused_pair_says_which_ref_was_refused(
    remote: Remote, repo: GitConfigRepo, refused: str, expected: tuple[PushOutcome, PushOutcome]
) -> None:
    main, journal = a_pair(repo)
    remote.server.refuse_push("GH006: Protected branch update failed", refused)
    result = repo.push((main, journal))
    assert outcomes(result) == expected
    assert "GH006: Protected branch update failed" in result.message
    assert (remote.head(MAIN), remote.head(JOURNAL)) == (main.old, None)


def test_the_rollback_alone_lands_where_only_the_journal_is_refused(remote: Remote, repo: GitConfigRepo) -> None:
    main, journal = a_pair(repo)
    remote.server.refuse_push("no", JOURNAL)
    assert repo.push((main, journal)).refs[JOURNAL] is PushOutcome.PROTECTED
    assert repo.push((main,)).outcome is PushOutcome.LANDED


def test_a_server_without_atomic_pushes_moves_neither_ref_of_a_pair(remote: Remote, repo: GitConfigRepo) -> None:
    remote.server.atomic = False
    main, journal = a_pair(repo)
    assert repo.push((main, journal)).outcome is PushOutcome.REJECTED
    assert not remote.server.updates("shop.git")
    assert not repo.atomic
    assert repo.push((journal,)).outcome is PushOutcome.LANDED
    assert repo.push((main,)).outcome is PushOutcome.LANDED


def cut(server: GitServer) -> None:
    server.cut_reply()


def replaced_by_502(server: GitServer) -> None:
    server.status(502, on=Operation.PUSH, after=True)


def hanging_reply(server: GitServer) -> None:
    server.hang(on=Operation.PUSH, after=True)


@pytest.mark.parametrize("fault", [cut, replaced_by_502, hanging_reply])
def test_a_push_whose_answer_is_lost_is_found_as_landed(
    remote: Remote, tmp_path: Path, fault: Callable[[GitServer], None]
) -> None:
    repo = remote.open(tmp_path / "state", push_deadline=4.0)
    main, journal = a_pair(repo)
    fault(remote.server)
    before = len(remote.server.requests)
    assert outcomes(repo.push((main, journal))) == (PushOutcome.LANDED, PushOutcome.LANDED)
    after = [request.operation for request in list(remote.server.requests)[before:]]
    assert after.index(Operation.PUSH) < after.index(Operation.ADVERTISE_FETCH)
    assert len(remote.server.updates("shop.git")) == 2


@pytest.mark.parametrize("code", [500, 502, 503, 429])
def test_a_server_error_before_the_push_leaves_it_to_be_tried_again(
    remote: Remote, repo: GitConfigRepo, code: int
) -> None:
    update = a_commit(repo)
    remote.server.status(code, {"Retry-After": "7"}, on=Operation.ADVERTISE_PUSH)
    result = repo.push((update,))
    assert result.outcome is PushOutcome.REJECTED
    assert str(code) in result.message
    assert repo.push((update,)).outcome is PushOutcome.LANDED


def test_a_silent_remote_leaves_the_outcome_unknown(remote: Remote, tmp_path: Path) -> None:
    repo = remote.open(tmp_path / "state", push_deadline=1.0, fetch_deadline=5.0)
    update = a_commit(repo)
    remote.server.hang(on=Operation.PUSH)
    remote.server.status(503, on=Operation.ADVERTISE_FETCH)
    assert repo.push((update,)).outcome is PushOutcome.UNKNOWN


def test_a_push_that_hangs_is_killed_with_all_its_children(remote: Remote, tmp_path: Path) -> None:
    repo = remote.open(tmp_path / "state", push_deadline=1.0)
    update = a_commit(repo)
    remote.server.hang(on=Operation.ADVERTISE_PUSH)
    assert repo.push((update,)).outcome is PushOutcome.REJECTED
    assert processes_about(remote.url) == []


def processes_about(text: str) -> list[str]:
    """Command lines of living processes that mention `text`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if text in words:
            found.append(words)
    return found


def test_a_branch_that_was_rewound_before_our_push_is_told(remote: Remote, repo: GitConfigRepo) -> None:
    update = a_commit(repo)
    older = git("rev-parse", "main~1", cwd=remote.path)
    git("update-ref", MAIN, older, cwd=remote.path)
    assert repo.push((update,)).outcome is PushOutcome.REWOUND


def test_a_branch_that_was_deleted_before_our_push_is_told(remote: Remote, repo: GitConfigRepo) -> None:
    update = a_commit(repo)
    git("update-ref", "-d", MAIN, cwd=remote.path)
    assert repo.push((update,)).outcome is PushOutcome.REWOUND


@pytest.mark.parametrize("alone", [True, False])
def test_a_stale_lock_on_the_server_is_named_and_left_alone(remote: Remote, repo: GitConfigRepo, alone: bool) -> None:
    main, journal = a_pair(repo)
    lock = remote.path / "refs/heads/main.lock"
    lock.touch()
    assert repo.push((main,) if alone else (main, journal)).outcome is PushOutcome.LOCKED
    assert lock.exists()
    assert (remote.head(MAIN), remote.head(JOURNAL)) == (main.old, None)


def test_a_push_that_is_too_large_for_the_server_is_not_tried_for_ever(remote: Remote, repo: GitConfigRepo) -> None:
    update = a_commit(repo)
    remote.server.status(413, on=Operation.PUSH)
    assert repo.push((update,)).outcome is PushOutcome.PROTECTED


@pytest.mark.parametrize("trouble", ["expired", "read-only"])
def test_credentials_that_stop_working_are_an_error_not_a_race(remote: Remote, tmp_path: Path, trouble: str) -> None:
    remote.server.user, remote.server.password = "bot", "s3cret-token"
    repo = remote.open(tmp_path / "state", username="bot", token="s3cret-token")
    update = a_commit(repo)
    if trouble == "expired":
        remote.server.status(401, {"WWW-Authenticate": "Basic"}, on=Operation.ADVERTISE_PUSH, times=9)
    else:
        remote.server.read_only = True
    with pytest.raises(CredentialsRejected) as caught:
        repo.push((update,))
    assert "s3cret" not in str(caught.value)
    assert remote.head() == update.old


def test_a_server_that_lets_us_not_write_is_not_asked_again_at_once(
    remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "FIRST_WAIT", 2.0)
    remote.server.user, remote.server.password = "bot", "s3cret-token"
    repo = remote.open(tmp_path / "state", username="bot", token="s3cret-token")
    update = a_commit(repo)
    remote.server.read_only = True
    with pytest.raises(CredentialsRejected):
        repo.push((update,))
    asked = len(remote.server.requests)
    remote.server.read_only = False
    with pytest.raises(CredentialsRejected):
        repo.push((update,))
    assert len(remote.server.requests) == asked

    def lands() -> bool:
        with suppress(CredentialsRejected):
            return repo.push((update,)).outcome is PushOutcome.LANDED
        return False

    wait_until(lands)


@pytest.mark.parametrize(
    "update",
    [
        RefUpdate("main", "a" * 40, None),
        RefUpdate("refs/tags/v1", "a" * 40, None),
        RefUpdate("refs/heads/a:refs/heads/b", "a" * 40, None),
        RefUpdate("refs/heads/*", "a" * 40, None),
        RefUpdate(MAIN, "", None),
        RefUpdate(MAIN, "+" + "a" * 40, None),
        RefUpdate(MAIN, "HEAD", None),
        RefUpdate(MAIN, "a" * 40, "0" * 39),
    ],
)
def test_only_full_branch_names_and_full_ids_are_pushed(repo: GitConfigRepo, update: RefUpdate) -> None:
    with pytest.raises(StalledError):
        repo.push((update,))


def test_racing_pushers_all_land_and_lose_nothing(remote: Remote, tmp_path: Path) -> None:
    repos = [remote.open(tmp_path / f"state{number}") for number in range(3)]
    landed: list[str] = []

    def push_until_landed(repo: GitConfigRepo, number: int) -> None:
        for attempt in range(12):
            with repo.exclusive():
                update = a_commit(repo, f"by-{number}-{attempt}")
                if repo.push((update,)).outcome is PushOutcome.LANDED:
                    landed.append(update.new)
                    return

    threads = [threading.Thread(target=push_until_landed, args=(repo, n)) for n, repo in enumerate(repos)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    line = git("rev-list", "--first-parent", "main", cwd=remote.path).split()
    assert len(landed) == 3
    assert set(landed) <= set(line)
    assert len(line) == 6


def test_two_repositories_on_one_clone_have_one_pusher(remote: Remote, tmp_path: Path) -> None:
    first, second = (remote.open(tmp_path / "state", push_deadline=0.1) for _ in range(2))
    with first.exclusive(), first.exclusive(), pytest.raises(Exception, match="another process"), second.exclusive():
        pass
    with second.exclusive():
        pass


def test_no_secret_stands_in_an_argument_or_in_the_clone(
    remote: Remote, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = tmp_path / "bin" / "git"
    recorder.parent.mkdir()
    real = subprocess.run(["which", "git"], capture_output=True, text=True, check=True).stdout.strip()
    recorder.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >>{tmp_path}/arguments\nexec {real} "$@"\n')
    recorder.chmod(0o755)
    monkeypatch.setenv("PATH", f"{recorder.parent}:{os.environ['PATH']}")
    remote.server.user, remote.server.password = "bot", "s3cret-token"
    repo = remote.open(tmp_path / "state", username="bot", token="s3cret-token")
    assert repo.push((a_commit(repo),)).outcome is PushOutcome.LANDED
    assert "push" in (tmp_path / "arguments").read_text()
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    secrets = (b"s3cret", b"Ym90OnMzY3JldC10b2tlbg")
    assert not [path for path in (*kept, tmp_path / "arguments") if any(s in path.read_bytes() for s in secrets)]


def test_a_pull_request_branch_is_looked_at_too(remote: Remote, repo: GitConfigRepo) -> None:
    update = a_commit(repo)
    ref = "refs/heads/gitops-rollback/application/shop-a/0123456789ab"
    remote.server.cut_reply()
    assert repo.push((RefUpdate(ref, update.new, None),)).outcome is PushOutcome.LANDED
    wait_until(lambda: remote.head(ref) == update.new)
