"""Does a remote that asks to be left alone get its wish told, though git itself does not keep it?"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from remote_world import Remote

from gitops_rollback.adapters.git.headers import seconds_of
from gitops_rollback.adapters.git.repository import GitConfigRepo
from gitops_rollback.core.errors import RepositoryUnavailable
from gitops_rollback.sandbox.git_server import GitServer, Operation


@pytest.mark.parametrize(("code", "on"), [(503, Operation.ANY), (429, Operation.FETCH)], ids=["first", "later"])
def test_the_wish_comes_with_the_error(
    remote: Remote, repo: GitConfigRepo, server: GitServer, code: int, on: Operation
) -> None:
    repo.fetch()
    remote.commit({"new": "file"})
    server.status(code, {"retry-after": "17"}, on=on, times=4)
    with pytest.raises(RepositoryUnavailable) as caught:
        repo.fetch()
    assert caught.value.retry_after == 17


def test_without_a_wish_there_is_none(remote: Remote, repo: GitConfigRepo, server: GitServer) -> None:
    server.status(503, times=4)
    with pytest.raises(RepositoryUnavailable) as caught:
        repo.fetch()
    assert caught.value.retry_after == 0


@pytest.mark.parametrize("value", ["", "soon", "-5", "1.5", "Thu, 01 Jan 1970 00:00:00 GMT", "Thu, 99 Foo 2099", "²"])
def test_what_makes_no_sense_is_no_wish(value: str) -> None:
    assert seconds_of(value) == 0


def test_a_date_is_a_wish_too() -> None:
    at = datetime.now(UTC) + timedelta(minutes=5)
    assert 290 < seconds_of(format_datetime(at, usegmt=True)) <= 300
    assert seconds_of("9" * 60) < time.time()
