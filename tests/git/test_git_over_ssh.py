"""Does the same work over real SSH, with pinned host keys and no prompt? Against a real sshd on loopback."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from remote_world import JOURNAL, MAIN, Remote, wait_until

from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.core.errors import CredentialsRejected, StalledError
from gitops_rollback.ports import PushOutcome, RefUpdate

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
NEEDS_SSHD = pytest.mark.skipif(SSHD is None and "CI" not in os.environ, reason="sshd is not installed")
NOW = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)


def ssh_key(path: Path) -> Path:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    return path


@dataclass
class SshServer:
    folder: Path
    port: int
    user_key: Path
    known_hosts: Path

    def url(self, path: Path) -> str:
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        return f"ssh://{user}@127.0.0.1:{self.port}{path}"

    def trust(self, host_key: Path) -> None:
        key = host_key.with_suffix(".pub").read_text()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {key}")


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[SshServer]:
    folder = tmp_path / "ssh dir"
    folder.mkdir(mode=0o700)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = SshServer(folder, port, ssh_key(folder / "user"), folder / "known hosts")
    server.trust(ssh_key(folder / "host"))
    (folder / "authorized").write_text((folder / "user.pub").read_text())
    lines = [f"Port {port}", "ListenAddress 127.0.0.1", f'HostKey "{folder}/host"', f'PidFile "{folder}/pid"']
    lines += [f'AuthorizedKeysFile "{folder}/authorized"', "StrictModes no", "PasswordAuthentication no", "UsePAM no"]
    (folder / "config").write_text("\n".join(lines) + "\n")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([SSHD or "sshd", "-D", "-e", "-f", str(folder / "config")], stderr=log)
    wait_until(lambda: answers(port))
    yield server
    process.kill()
    process.wait()


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
