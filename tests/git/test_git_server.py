"""Is the sandbox's git remote a real one, and does it keep count?"""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from remote_world import MAIN, Remote, git

from gitops_rollback.sandbox.git_server import GitServer, Operation


@pytest.fixture
def work(remote: Remote, tmp_path: Path) -> Path:
    """A person's clone over HTTP."""
    git("clone", "-q", remote.url, str(tmp_path / "work"))
    return tmp_path / "work"


def test_people_clone_and_push_and_each_update_is_recorded(remote: Remote, work: Path) -> None:
    (work / "large").write_bytes(os.urandom(3 << 20))
    git("add", "-A", cwd=work)
    git("commit", "-q", "-m", "Large", cwd=work)
    before = remote.head()
    git("push", "-q", "origin", "HEAD:main", "HEAD:refs/heads/other", cwd=work)
    updates = remote.server.updates("shop.git")
    assert [(change.old, change.ref) for change in updates] == [(before, MAIN), ("0" * 40, "refs/heads/other")]
    assert {change.new for change in updates} == {remote.head()}


def test_a_refused_push_is_not_recorded(remote: Remote, work: Path) -> None:
    git("commit", "-q", "--allow-empty", "-m", "x", cwd=work)
    remote.server.refuse_push("no")
    git("push", "-q", "origin", "HEAD:main", cwd=work, ok=(1,))
    assert remote.server.updates("shop.git") == ()
    remote.server.accept_push()
    git("push", "-q", "origin", "HEAD:main", cwd=work)
    assert len(remote.server.updates("shop.git")) == 1


def test_requests_say_what_they_were_for(remote: Remote, work: Path) -> None:
    git("fetch", "-q", cwd=work)
    assert {request.operation for request in remote.server.requests} == {Operation.ADVERTISE_FETCH, Operation.FETCH}


@pytest.mark.parametrize(
    "path", ["/../secret", "/shop.git/config", "/shop.git/../../etc/passwd", "/gone.git/info/refs"]
)
def test_only_the_repositories_are_served(remote: Remote, server: GitServer, path: str) -> None:
    (server.root.parent / "secret").write_text("secret")
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(f"{server.url}{path}", timeout=10)


def test_a_wrong_password_is_refused(remote: Remote, server: GitServer) -> None:
    server.user, server.password = "bot", "right"
    for url in (remote.url, remote.url.replace("//", "//bot:wrong@")):
        git("ls-remote", url, ok=(128,))
    assert git("ls-remote", remote.url.replace("//", "//bot:right@"), MAIN).startswith(remote.head() or "?")
