"""A GitHub App fetches and pushes over HTTPS with its installation's token, which nobody else gets to see."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from sandbox_forge_world import REPOSITORY, VALUES, Stage, forge_world

from gitops_rollback.adapters.git import door
from gitops_rollback.adapters.git.door import Git
from gitops_rollback.adapters.git.login import Login
from gitops_rollback.app.repositories import Opened, git_settings, open_repository
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.core.errors import CredentialsRejected, ForgeUnavailable, RepositoryUnavailable, SettingsInvalid
from gitops_rollback.ports import PushOutcome, RefUpdate
from gitops_rollback.sandbox.forge import Rules
from gitops_rollback.sandbox.forge.github_app import App

BRANCH = "refs/heads/gitops-rollback/revert/argocd-shop/0123456789ab"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@pytest.fixture
def stage(tmp_path: Path, key: rsa.RSAPrivateKey) -> Iterator[Stage]:
    with forge_world(tmp_path, "github") as made:
        numbers = key.public_key().public_numbers()
        made.forge.install_app(App("rollback", "Iv1.abc", 7, numbers.n, numbers.e))
        made.forge.state.settings.private = True
        yield made


def settings_of(stage: Stage, key: rsa.RSAPrivateKey, folder: Path, git: str = "") -> Settings:
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    file = folder / "gitops-rollback.yaml"
    app = f"{{id: Iv1.abc, privateKeyFile: {folder / 'key.pem'}}}"
    entry = f"url: '{stage.forge.url}/{REPOSITORY}.git', forge: {{kind: github, app: {app}}}{git}"
    file.write_text(f"repositories: [{{{entry}}}]\nstateDir: {folder / 'state'}\n")
    return load_settings({"GITOPS_ROLLBACK_CONFIG": str(file), "GITHUB_TOKEN": "not-asked-for"}, {})


@pytest.fixture
def opened(stage: Stage, key: rsa.RSAPrivateKey, tmp_path: Path) -> Iterator[Opened]:
    settings = settings_of(stage, key, tmp_path)
    made = open_repository(settings, settings.repositories[0])
    yield made
    made.repo.close()


def tokens(stage: Stage) -> list[str]:
    return [secret for secret in stage.forge.state.tokens if secret.startswith("ghs_")]


def change(opened: Opened, stage: Stage) -> RefUpdate:
    head = stage.heads["bad"]
    files = {VALUES: b"tag: v1\n"}
    return RefUpdate(BRANCH, opened.repo.write_files(head, files, "Revert\n", datetime.now(UTC)), None)


def test_it_clones_and_pushes_with_one_token_that_stands_in_no_file_and_no_argument(
    opened: Opened, stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []
    start = door._start

    def noted(
        args: Sequence[str], directory: Path, environment: Mapping[str, str], stdin: BinaryIO | int | None
    ) -> subprocess.Popen[bytes]:
        started.extend(args)
        return start(args, directory, environment, stdin)

    monkeypatch.setattr(door, "_start", noted)
    assert opened.repo.fetch().branch == stage.heads["bad"]
    update = change(opened, stage)
    assert opened.repo.push([update]).outcome is PushOutcome.LANDED
    assert opened.repo.head_of(BRANCH.removeprefix("refs/heads/")) == update.new
    (token,) = tokens(stage)
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert any(path.name == "config" for path in files)
    assert not [path for path in files if token.encode() in path.read_bytes()]
    assert "push" in started
    assert not [word for word in started if token in word or "Authorization" in word]


def test_a_token_that_was_taken_back_is_replaced_and_never_shown(opened: Opened, stage: Stage) -> None:
    opened.repo.fetch()
    (first,) = tokens(stage)
    del stage.forge.state.tokens[first]
    with pytest.raises(CredentialsRejected) as caught:
        opened.repo.fetch()
    assert first not in str(caught.value)
    assert opened.repo.fetch().branch == stage.heads["bad"]
    opened.repo.close()  # after which it is still usable
    assert opened.repo.push([change(opened, stage)]).outcome is PushOutcome.LANDED


def test_an_app_that_is_not_installed_and_one_of_no_key_say_what_to_mend(
    opened: Opened, stage: Stage, key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    other = settings_of(stage, rsa.generate_private_key(65537, 2048), tmp_path)
    made = open_repository(other, other.repositories[0])
    with pytest.raises(CredentialsRejected, match=r"forge\.app"):
        made.repo.fetch()
    made.repo.close()
    settings = settings_of(stage, key, tmp_path)
    (tmp_path / "key.pem").write_text("no key")
    broken = load_settings({"GITOPS_ROLLBACK_CONFIG": settings.config_file}, {})
    with pytest.raises(SettingsInvalid, match="no RSA key"):
        open_repository(broken, broken.repositories[0])


def test_who_gives_git_a_token_of_its_own_pushes_with_that(
    stage: Stage, key: rsa.RSAPrivateKey, tmp_path: Path
) -> None:
    settings = settings_of(stage, key, tmp_path, ", git: {username: bot, token: mine}")
    repository = settings.repositories[0]
    own = git_settings(settings, repository, repository.url)
    assert (own.token, own.passwords) == ("mine", None)
    by_app = settings_of(stage, key, tmp_path)
    elsewhere = git_settings(by_app, by_app.repositories[0], "https://git.example.com/acme/journal.git")
    assert (elsewhere.token, elsewhere.passwords) == ("", None)


def test_a_push_past_the_rules_of_the_branch_says_which_they_were(opened: Opened, stage: Stage) -> None:
    opened.repo.fetch()
    update = replace(change(opened, stage), ref="refs/heads/main", old=stage.heads["bad"])
    assert opened.repo.push([change(opened, stage)]).bypassed == ()
    stage.forge.protect(Rules(approvals=1, bypass=frozenset({"rollback[bot]"})))
    result = opened.repo.push([update])
    assert result.outcome is PushOutcome.LANDED
    assert result.bypassed
    assert all(rule in stage_words(stage) for rule in result.bypassed)


def stage_words(stage: Stage) -> str:
    """What the same push would be refused with for anybody else."""
    stage.commit("main", "shop v3", {VALUES: "tag: v3\n"}, base="HEAD")
    stage.git("fetch", "-q", str(stage.forge.server.root / f"{REPOSITORY}.git"), "main")
    stage.commit("late", "shop v3", {VALUES: "tag: v3\n"}, base="FETCH_HEAD")
    return stage.push("writer", "late:refs/heads/main").stderr


class Hourly:
    """Passwords that change, and a forge that may be away."""

    def __init__(self) -> None:
        self.number = 0
        self.away = False

    def current(self) -> str:
        if self.away:
            raise ForgeUnavailable("github owner/config", "gives the App no token")
        self.number += 1
        return self.held()

    def held(self) -> str:
        return f"secret-{self.number}" if self.number else ""

    def refused(self) -> None: ...

    def close(self) -> None: ...


def test_each_command_gets_the_newest_and_a_forge_that_is_away_stops_only_what_speaks_to_it(tmp_path: Path) -> None:
    hourly = Hourly()
    login = Login("https://git.example", "x-access-token", hourly)
    git = Git(tmp_path, login=login)
    git.run("init", "--quiet", "--bare", "--template=")
    assert hourly.number == 0
    seen = [login.environment(speaks)["GIT_CONFIG_VALUE_0"] for speaks in (True, False, True, False, True)]
    assert len(dict.fromkeys(seen)) == 3
    assert "secret-1 secret-3 other" not in git.also().redact("secret-1 secret-3 other")
    assert git.redact("secret-3 other") == "*** other"
    hourly.away = True
    with pytest.raises(RepositoryUnavailable, match="no token"):
        git.run("ls-remote", "https://git.example/a")
    git.run("config", "--get", "core.bare")
