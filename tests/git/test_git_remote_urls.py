"""Which remotes may be used, and how does git get in?"""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops_rollback.adapters.git.remote import RepositorySettings, access, is_branch_name, require_url
from gitops_rollback.core.errors import SettingsInvalid


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("https://github.com/shop/config.git", "https"),
        ("https://git.example:8443/shop/config", "https"),
        ("ssh://git@github.com/shop/config.git", "ssh"),
        ("ssh://git.example:2222/srv/config.git", "ssh"),
        ("git@github.com:shop/config.git", "ssh"),
        ("git.example:/srv/config.git", "ssh"),
        ("http://127.0.0.1:8080/config.git", "http"),
        ("http://localhost/config.git", "http"),
        ("http://[::1]:8080/config.git", "http"),
    ],
)
def test_usual_urls_are_taken(url: str, scheme: str) -> None:
    assert require_url(url, allow_http=False, allow_file=False) == scheme


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ext::sh -c id",
        "ext::sh",
        "fd::17",
        "file:///srv/config.git",
        "/srv/config.git",
        "../config.git",
        "config.git",
        "-oProxyCommand=x:y",
        "--upload-pack=touch /tmp/x",
        "ssh://-oProxyCommand=x/y",
        "ssh://-user@host/y",
        "ssh://git:token@host/y",
        "git@host:-x",
        "-x@host:y",
        "https://user:token@host/config.git",
        "https://user@host/config.git",
        "https://host/config.git?token=abc",
        "https://host/config.git#x",
        "https://host",
        "https:///config.git",
        "https://-host/config.git",
        "https://host:99999/config.git",
        "http://git.example/config.git",
        "http://127.0.0.1.example/config.git",
        "http://2130706433/config.git",
        "git://host/config.git",
        "ftp://host/config.git",
        "https://host/a b",
        "https://host/a\nb",
        "https://host/\x00",
        "https://ho$(id)st/x",
        "https://host/" + "x" * 2000,
    ],
)
def test_dangerous_urls_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        require_url(url, allow_http=False, allow_file=False)
    assert "token" not in str(caught.value).replace("username and token apart", "")


def test_trials_need_their_own_word() -> None:
    assert require_url("file:///srv/config.git", allow_http=False, allow_file=True) == "file"
    assert require_url("http://git.example/config.git", allow_http=True, allow_file=False) == "http"
    for url in ("file://server/share/config.git", "file://config.git"):
        with pytest.raises(SettingsInvalid):
            require_url(url, allow_http=False, allow_file=True)


@pytest.mark.parametrize("name", ["main", "-h", "release/1.2", "a;b", "ü", "x@y", "a$(id)"])
def test_branch_names_that_git_has(name: str) -> None:
    assert is_branch_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *"@~^:?*[",
        "",
        "a..b",
        "a b",
        "a\\b",
        "/a",
        "a/",
        "a//b",
        ".a",
        "a/.b",
        "a.lock",
        "a.lock/b",
        "a@{1}",
        "a.",
        "a\n",
    ],
)
def test_branch_names_that_git_cannot_have(name: str) -> None:
    assert not is_branch_name(name)


def a_settings(**changes: object) -> RepositorySettings:
    values: dict[str, object] = {
        "name": "shop",
        "url": "https://host/x.git",
        "state_dir": Path("/s"),
        "token": "s3cret",
    }
    return RepositorySettings(**{**values, **changes})


def test_the_token_goes_to_its_own_origin_only() -> None:
    given = access(a_settings())
    assert given.environment["GIT_CONFIG_KEY_0"] == "http.https://host/.extraHeader"
    assert not any("s3cret" in entry for entry in given.config)
    assert "s3cret" in given.secrets
    assert "s3cret" not in repr(a_settings())


def test_only_the_protocol_of_the_url_is_spoken() -> None:
    assert access(a_settings()).environment["GIT_ALLOW_PROTOCOL"] == "https"
    assert access(a_settings(url="git@host:x", token="")).environment["GIT_ALLOW_PROTOCOL"] == "ssh"


@pytest.mark.parametrize(
    "changes", [{"branch": "a b"}, {"journal_branch": "*"}, {"author": "nobody"}, {"author": "a <b>\n"}]
)
def test_settings_that_cannot_work_are_refused_at_the_start(changes: dict[str, object]) -> None:
    with pytest.raises(SettingsInvalid):
        access(a_settings(**changes))
