"""Two spellings of one repository's address."""

from __future__ import annotations

import pytest

from gitops_rollback.core.repository_url import path_equal, same_repository

HTTPS = "https://git.example/Team/Config.git"


@pytest.mark.parametrize(
    "other",
    [
        "https://git.example/team/config",
        "https://git.example/team/config/",
        "https://user:token@git.example/team/config.git/",
        "https://oauth2@GIT.example:8443/team/config.git",
        "http://git.example/team/config.git",
        "ssh://git@git.example:2222/team/config.git",
        "git@git.example:team/config.git",
        "git@git.example:/team/config.git",
        "git.example:team/config",
        "  https://git.example/team/config.git\n",
        "https://git.example/team/config?x=1#y",
    ],
)
def test_scheme_user_port_suffix_and_case_make_no_other_repository(other: str) -> None:
    assert same_repository(HTTPS, other)
    assert same_repository(other, HTTPS)
    assert path_equal(HTTPS, other)


@pytest.mark.parametrize(
    "other",
    [
        "https://git.example/team/config2.git",
        "https://git.example/team",
        "https://git.example/",
        "https://git.example",
        "https://github.example/team/config.git",
        "https://git.example.evil.example/team/config.git",
        "https://evil.example/git.example/team/config.git",
        "git@evil.example:git.example/team/config",
        "/team/config.git",
        "",
    ],
)
def test_another_host_or_path_is_another_repository(other: str) -> None:
    assert not same_repository(HTTPS, other)


def test_a_mirror_has_an_equal_path_on_another_host() -> None:
    assert path_equal(HTTPS, "http://127.0.0.1:3080/team/config.git")
    assert not path_equal(HTTPS, "https://git.example/other/config.git")


@pytest.mark.parametrize("url", ["", " ", "https://git.example", "https://git.example/.git"])
def test_an_address_without_a_path_equals_nothing_not_even_itself(url: str) -> None:
    assert not same_repository(url, url)
    assert not path_equal(url, url)


def test_directories_and_numbers_as_hosts_are_compared_too() -> None:
    assert same_repository("file:///srv/config.git", "/srv/config")
    assert same_repository("http://[::1]:3080/config.git", "ssh://git@[::1]/config")
    assert same_repository("git@[::1]:config.git", "http://[::1]:80/config")
    assert not same_repository("http://[::1]/config", "http://[::2]/config")
