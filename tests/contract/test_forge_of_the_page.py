"""CONTRIBUTING.md shows a whole small forge: it is installed as the page says, and what is its own is asked of it."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from forge_canned import HEAD, TOKEN, Canned, Reply, answering
from page_packages import FORGE, block, installed

from gitops_rollback.adapters.clock import SystemClock
from gitops_rollback.adapters.forges.exchange import Exchange
from gitops_rollback.adapters.forges.settings import ForgeSettings
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.wiring_forges import client_of, forges_of
from gitops_rollback.core.errors import CredentialsRejected, ForgeRefused, ForgeUnavailable, SettingsInvalid
from gitops_rollback.core.pull_request import Mergeability, MergeMethod, Permission, PullRequestState
from gitops_rollback.ports.forge import Forge

PULLS = "GET /projects/owner/repos/config/pull-requests"


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path) -> Iterator[None]:
    with installed(tmp_path, FORGE):
        yield


@contextmanager
def bitbucket(replies: Mapping[str, Reply | list[Reply]]) -> Iterator[tuple[Forge, Canned]]:
    with answering(replies) as canned:
        url = canned.server.url
        settings = ForgeSettings("bitbucket", url, "owner/config", url, TOKEN, settling=timedelta())
        canned.exchanges.append(Exchange(settings, OriginRules.parse([url])))
        yield client_of(canned.exchanges[0]), canned


def pull(number: int = 1, head: str = "b", **changes: Any) -> dict[str, Any]:
    found = {
        "id": number,
        "title": "Revert",
        "state": "OPEN",
        "createdDate": 1_795_000_000_000,
        "updatedDate": 1_795_000_000_000,
        "fromRef": {"id": f"refs/heads/{head}", "latestCommit": HEAD, "repository": {"id": 7}},
        "toRef": {"id": "refs/heads/main", "latestCommit": "0" * 40, "repository": {"id": 7}},
        "author": {"user": {"name": "bot"}},
        "links": {"self": [{"href": "https://bitbucket.example.com/1"}]},
    }
    return found | changes


def settings_of(folder: Path, text: str) -> Settings:
    token, path = folder / "token", folder / "gitops-rollback.yaml"
    token.write_text(TOKEN)
    path.write_text(text.replace("/run/secrets/bitbucket", str(token)))
    return load_settings({"HOME": str(folder)}, {"config": str(path)})


def test_the_settings_of_the_page_lead_to_it(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, block(FORGE, "yaml"))
    forges = forges_of(settings, SystemClock())
    forge = forges.of(settings.repositories[0].label)
    forges.close()
    assert forge is not None
    assert (forge.kind, forge.repository) == ("bitbucket", "owner/config")
    assert settings.repositories[0].forge_place.api == "https://bitbucket.example.com/rest/api/latest"


def test_what_is_not_installed_or_has_no_address_is_refused_with_the_word_that_is_wrong(tmp_path: Path) -> None:
    text = block(FORGE, "yaml")
    with pytest.raises(SettingsInvalid, match="must be github, gitlab, gitea, or the name of an installed forge"):
        settings_of(tmp_path, text.replace("kind: bitbucket", "kind: gerrit"))
    with pytest.raises(SettingsInvalid, match="nobody but you knows where the API of bitbucket begins"):
        settings_of(tmp_path, "".join(line for line in text.splitlines(True) if "api:" not in line))


def test_a_forge_that_breaks_or_cannot_be_made_is_told_by_name(tmp_path: Path) -> None:
    head = "def changed_paths(self, number):\n"
    with (
        installed(tmp_path / "a", FORGE, lambda code: code.replace(head, f"{head}        raise KeyError(number)\n")),
        bitbucket({}) as (forge, _),
        pytest.raises(ForgeUnavailable, match="the installed forge raised KeyError"),
    ):
        forge.changed_paths(1)
    with (
        installed(tmp_path / "b", FORGE, lambda _code: "raise ImportError('canary')"),
        pytest.raises(SettingsInvalid, match=r"bitbucket: .* cannot be used: ImportError"),
        bitbucket({}),
    ):
        raise AssertionError("it was made")


def page(*values: object, after: int | None = None) -> Reply:
    return Reply({"values": list(values), "isLastPage": after is None, "nextPageStart": after})


def test_it_has_each_method_of_the_port_with_the_same_parameters() -> None:
    with bitbucket({}) as (forge, _):
        for name, method in inspect.getmembers(Forge, inspect.isfunction):
            if not name.startswith("_"):
                asked = list(inspect.signature(method).parameters)[1:]
                assert list(inspect.signature(getattr(forge, name)).parameters) == asked, name


@pytest.mark.parametrize(
    ("merge", "expected"),
    [
        ({"canMerge": True, "conflicted": False}, Mergeability.READY),
        ({"canMerge": False, "conflicted": False}, Mergeability.BLOCKED),
        ({"canMerge": False, "conflicted": True}, Mergeability.CONFLICT),
        ({}, Mergeability.BLOCKED),
    ],
)
def test_one_is_read_with_what_stands_against_its_merge(merge: dict[str, Any], expected: Mergeability) -> None:
    with bitbucket({f"{PULLS}/1": Reply(pull()), f"{PULLS}/1/merge": Reply(merge)}) as (forge, canned):
        one = forge.get(1)
        assert TOKEN in canned.server.requests[0].headers["authorization"]
    assert (one.number, one.head, one.head_sha, one.base, one.author) == (1, "b", HEAD, "main", "bot")
    assert (one.state, one.mergeability, one.from_fork) == (PullRequestState.OPEN, expected, False)


def test_the_open_one_of_these_branches_is_found_on_any_page_and_none_of_a_fork() -> None:
    fork = pull(9)
    fork["fromRef"] = fork["fromRef"] | {"repository": {"id": 8}}
    pages = [page(fork, pull(5, state="DECLINED"), pull(4, "other"), after=3), page(pull(2))]
    replies = {PULLS: pages, f"{PULLS}/2": Reply(pull(2)), f"{PULLS}/2/merge": Reply({"canMerge": True})}
    with bitbucket(replies) as (forge, canned):
        found = forge.find("b", "main")
        assert "start=3" in canned.asked[1]
    assert found is not None
    assert found.number == 2


def test_a_renamed_file_is_told_by_both_names() -> None:
    change = {"path": {"toString": "new.yaml"}, "srcPath": {"toString": "old.yaml"}}
    with bitbucket({f"{PULLS}/1/changes": page(change)}) as (forge, _):
        assert forge.changed_paths(1) == ("old.yaml", "new.yaml")


def test_what_it_cannot_do_it_refuses_and_writes_nothing() -> None:
    with bitbucket({}) as (forge, canned):
        for ask in (
            lambda: forge.open("b", "main", "t", ""),
            lambda: forge.merge(1, HEAD, MergeMethod.MERGE, ""),
            lambda: forge.comments(1),
            lambda: forge.status(HEAD, "plan"),
            lambda: forge.pull_requests_of(HEAD),
        ):
            with pytest.raises(ForgeRefused) as refused:
                ask()
            assert refused.value.status == 501
        assert forge.permission("owner") is Permission.UNKNOWN
        assert canned.asked == []


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        (Reply({"errors": []}, 404), ForgeRefused),
        (Reply({"errors": []}, 401), CredentialsRejected),
        (Reply(pull(state="SOMETHING")), ForgeUnavailable),
        (Reply("<html>"), ForgeUnavailable),
    ],
)
def test_what_is_no_pull_request_is_never_one(reply: Reply, error: type[Exception]) -> None:
    with bitbucket({f"{PULLS}/1": reply, f"{PULLS}/1/merge": Reply({})}) as (forge, _), pytest.raises(error):
        forge.get(1)
