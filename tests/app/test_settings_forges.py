"""Where a repository's forge is, as the settings, the environment and the repository's own URL say it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from gitops_rollback.adapters.clock import ScaledClock, SystemClock
from gitops_rollback.adapters.forges.settings import ForgeSettings
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.wiring_forges import forge_settings, forges_of
from gitops_rollback.core.errors import SettingsInvalid

CANARY = "canary-7f3a"
Write = Callable[[str], str]


@pytest.fixture
def config(tmp_path: Path) -> Write:
    def write(text: str) -> str:
        path = tmp_path / "gitops-rollback.yaml"
        path.write_text(text)
        return str(path)

    return write


def load(url: str = "", config: str = "", **environ: str) -> Settings:
    flags = {"config": config or None, "repo": (url,) if url else None}
    return load_settings({"HOME": "/home/x", **environ}, flags)


def wired(settings: Settings) -> ForgeSettings:
    (repository,) = settings.repositories
    found = forge_settings(repository, SystemClock())
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("url", "variable", "kind", "api", "repository"),
    [
        ("https://github.com/Acme/Deploy.git", "GITHUB_TOKEN", "github", "https://api.github.com", "Acme/Deploy"),
        ("git@github.com:acme/deploy.git", "GH_TOKEN", "github", "https://api.github.com", "acme/deploy"),
        ("https://gitlab.com/a/b/c", "GITLAB_TOKEN", "gitlab", "https://gitlab.com/api/v4", "a/b/c"),
        (
            "ssh://git@gitlab.acme.example:2222/a/b.git",
            "GITLAB_TOKEN",
            "gitlab",
            "https://gitlab.acme.example/api/v4",
            "a/b",
        ),
        ("https://codeberg.org/a/b", "GITEA_TOKEN", "gitea", "https://codeberg.org/api/v1", "a/b"),
    ],
)
def test_a_known_host_and_a_well_known_variable_are_enough(
    url: str, variable: str, kind: str, api: str, repository: str
) -> None:
    found = wired(load(url, **{variable: CANARY}))
    assert (found.kind, found.api, found.repository, found.guessed) == (kind, api, repository, True)
    assert found.token == CANARY
    assert CANARY not in repr(found)


def test_a_token_may_lie_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{CANARY}\n")
    settings = load("git@github.com:acme/deploy", GITHUB_TOKEN_FILE=str(tmp_path / "token"))
    assert wired(settings).token == CANARY
    assert settings.watched == (str(tmp_path / "token"),)
    assert settings.secret_values == (CANARY,)


@pytest.mark.parametrize(
    "url",
    [
        "https://git.acme.example/a/b",
        "https://my-gitlab.example/a/b",
        "https://github.com.evil.example/a/b",
        "https://notgithub.com/a/b",
    ],
)
def test_no_part_of_a_name_makes_a_host_a_forge(url: str) -> None:
    settings = load(url, GITHUB_TOKEN=CANARY, GITLAB_TOKEN=CANARY, GITEA_TOKEN=CANARY)
    assert settings.repositories[0].forge_place is None
    assert settings.secret_values == ()


def test_without_a_token_there_is_no_forge_and_the_one_of_git_will_do() -> None:
    assert load("https://github.com/acme/deploy").repositories[0].forge_place is None
    found = wired(load("https://github.com/acme/deploy", GITOPS_ROLLBACK_GIT_TOKEN=CANARY))
    assert found.token == CANARY


def test_the_settings_say_it_all(config: Write, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(CANARY)
    path = config(
        "repositories:\n"
        "  - url: ssh://git@ssh.acme.example/deploy.git\n"
        "    name: deploy\n"
        "    forge:\n"
        "      kind: gitea\n"
        "      api: https://git.acme.example/forge/api/v1\n"
        "      repository: acme/deploy\n"
        f"      tokenFile: {tmp_path / 'token'}\n"
        "      approvers: [alice, bob]\n"
    )
    settings = load(config=path)
    found = wired(settings)
    assert (found.kind, found.guessed, found.api) == ("gitea", False, "https://git.acme.example/forge/api/v1")
    assert (found.web_url, found.approvers) == ("https://git.acme.example/acme/deploy", ("alice", "bob"))
    assert "https://git.acme.example/forge/api/v1" in settings.own_urls
    assert forges_of(settings, SystemClock()).of("deploy") is not None
    assert forges_of(settings, SystemClock()).of("other") is None


def test_a_variable_serves_a_host_of_any_name_whose_kind_is_said_but_githubs_own_only(config: Write) -> None:
    for kind, variable, taken in (("gitlab", "GITLAB_TOKEN", True), ("github", "GITHUB_TOKEN", False)):
        path = config(f"repositories: [{{url: 'https://git.acme.example/a/b', forge: {{kind: {kind}}}}}]\n")
        if taken:
            assert wired(load(config=path, **{variable: CANARY})).token == CANARY
        else:
            with pytest.raises(SettingsInvalid, match="token, tokenFile or app is missing"):
                load(config=path, **{variable: CANARY})


FAULTS = {
    "{token: x}": "kind is missing",
    "{kind: bitbucket, token: x}": "github",
    "{kind: gitea}": "token, tokenFile or app is missing",
    "{kind: gitea, token: x, repository: a}": "must be the path at the forge",
    "{kind: gitea, token: x, repository: a/b/c}": "is none at this kind of forge",
    "{kind: gitlab, app: {id: 1, privateKey: x}}": "app is for GitHub",
    "{kind: github, token: x, app: {id: 1, privateKey: x}}": "goes without token",
    "{kind: github, app: {id: 1}}": "privateKey: is missing",
    "{kind: github, token: x, apiVersion: new}": "a version of GitHub's API",
    "{kind: github, token: x, api: 'http://ghe.example/api/v3'}": "needs allowHttp",
    "{kind: github, tken: x}": "did you mean token?",
}


@pytest.mark.parametrize(("text", "words"), FAULTS.items())
def test_a_forge_that_cannot_be_asked_is_a_fault_with_its_place(config: Write, text: str, words: str) -> None:
    path = config(f"repositories: [{{url: 'https://git.acme.example/a/b', forge: {text}}}]\n")
    with pytest.raises(SettingsInvalid) as caught:
        load(config=path)
    (fault,) = caught.value.message.splitlines()
    assert words in fault
    assert fault.startswith(f"{path}:1:")


def test_an_app_is_taken_with_its_key_from_a_file(config: Write, tmp_path: Path) -> None:
    (tmp_path / "key.txt").write_text(f"-----{CANARY}-----\n")
    path = config(
        "repositories:\n"
        "  - url: https://github.com/acme/deploy\n"
        "    forge:\n"
        f"      app: {{id: 123, installation: 456, privateKeyFile: {tmp_path / 'key.txt'}}}\n"
    )
    settings = load(config=path, GITHUB_TOKEN="other")
    found = wired(settings)
    assert found.app is not None
    assert (found.app.id, found.app.installation, found.token) == ("123", 456, "")
    assert f"-----{CANARY}-----" in settings.secret_values
    assert CANARY not in repr(settings) + repr(found)


def test_in_a_demo_the_forge_is_given_as_much_of_the_demos_time(config: Write) -> None:
    (repository,) = load("https://github.com/acme/deploy", GITHUB_TOKEN="x").repositories
    fast = forge_settings(repository, ScaledClock(SystemClock().now(), 30.0))
    assert fast is not None
    assert fast.settling == timedelta(seconds=2)
