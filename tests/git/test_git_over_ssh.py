"""Does the same work over real SSH, with pinned host keys and no prompt? Against a real sshd on loopback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from remote_world import JOURNAL, MAIN, Remote
from ssh_server import SSHD, SshServer, ssh_key, ssh_server

from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.core.errors import CredentialsRejected, StalledError
from gitops_rollback.ports import PushOutcome, RefUpdate

NEEDS_SSHD = pytest.mark.skipif(SSHD is None and "CI" not in os.environ, reason="sshd is not installed")
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SshServer]:
    with ssh_server(tmp_path / "ssh dir") as server:
        yield server


@pytest.fixture
def repo(remote: Remote, sshd: SshServer, tmp_path: Path) -> GitConfigRepo:
    return remote.open(
        tmp_path / "state",
        url=sshd.url(remote.path),
        ssh_key_file=sshd.user_key,
        ssh_known_hosts_file=sshd.known_hosts,
    )


@NEEDS_SSHD
def test_a_pair_lands_over_ssh(remote: Remote, repo: GitConfigRepo) -> None:
    head = repo.fetch().branch
    main = RefUpdate(MAIN, repo.write_files(head, {"x": b"1"}, "x", NOW), head)
    journal = RefUpdate(JOURNAL, repo.write_files(None, {"y": b"1"}, "y", NOW), None)
    assert repo.push((main, journal)).outcome is PushOutcome.LANDED
    assert (remote.head(MAIN), remote.head(JOURNAL)) == (main.new, journal.new)
    assert repo.fetch().branch == main.new


@NEEDS_SSHD
def test_another_host_key_is_refused(repo: GitConfigRepo, sshd: SshServer) -> None:
    repo.fetch()
    sshd.trust(ssh_key(sshd.folder / "other"))
    with pytest.raises(StalledError, match="not the one that we trust"):
        repo.fetch()


@NEEDS_SSHD
def test_an_unknown_host_is_refused(repo: GitConfigRepo, sshd: SshServer) -> None:
    sshd.known_hosts.write_text("")
    with pytest.raises(StalledError, match="not the one that we trust"):
        repo.fetch()


@NEEDS_SSHD
def test_a_revoked_key_is_refused_without_a_prompt(repo: GitConfigRepo, sshd: SshServer) -> None:
    repo.fetch()
    (sshd.folder / "authorized").write_text("")
    with pytest.raises(CredentialsRejected, match="Permission denied"):
        repo.fetch()
