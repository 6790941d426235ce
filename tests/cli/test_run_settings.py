"""Does `run` take every setting from its variable, and does a flag win over it? As a user types it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from config_world import Answer

from gitops_rollback.app.settings import Settings
from gitops_rollback.cli import run

SSH = "git@git.example.com:acme/config.git"
URL = "https://git.example.com/acme/config.git"
Given = Callable[..., Settings]


class Kept:
    """Stands where the service would start, and keeps its settings."""

    settings: Settings

    def __init__(self, settings: Settings, _flags: object) -> None:
        Kept.settings = settings

    def run(self) -> int:
        return 0


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: Callable[..., Answer]) -> Given:
    """The settings that a command line of `run` leads to; variables are named without their prefix."""
    monkeypatch.setattr(run, "_Service", Kept)
    monkeypatch.setattr(run, "configure_logging", lambda *_: None)
    monkeypatch.chdir(tmp_path)

    def running(*arguments: str, **variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name if name.startswith(("ARGOCD", "PROM")) else f"GITOPS_ROLLBACK_{name}", value)
        answer = cli("run", *arguments)
        assert answer.code == 0, answer.err
        return Kept.settings

    return running


def secret(text: Any) -> str:
    return text.get_secret_value() if text else ""


TABLE: list[tuple[str, str, Callable[[Settings], object], object]] = [
    ("REPO", f"{URL} https://git.example.com/acme/other", lambda s: [one.label for one in s.repositories],
     ["acme/config", "acme/other"]),
    ("BRANCH", "live", lambda s: s.repositories[0].branch, "live"),
    ("REPO_ALIAS", "https://a.example/x https://b.example/x", lambda s: s.repositories[0].aliases,
     ("https://a.example/x", "https://b.example/x")),
    ("GIT_USERNAME", "bot", lambda s: s.repositories[0].git.username, "bot"),
    ("GIT_TOKEN", "t0ken", lambda s: secret(s.repositories[0].git.token), "t0ken"),
    ("GIT_TOKEN_FILE", "@file", lambda s: secret(s.repositories[0].git.token), "from a file"),
    ("GIT_CA_FILE", "@file", lambda s: Path(str(s.repositories[0].git.ca_file)).name, "file"),
    ("SIGNING_KEY_FILE", "@file", lambda s: Path(str(s.repositories[0].signing_key_file)).name, "file"),
    ("ALLOW_ORIGINS", "https://a.example,b.example:8443,10.0.0.0/8", lambda s: s.allow_origins,
     ("https://a.example", "b.example:8443", "10.0.0.0/8")),
    ("ALLOW_HTTP", "true", lambda s: s.allow_http, True),
    ("OBSERVE", "true", lambda s: s.observe, True),
    ("STATE_DIR", "/var/lib/x", lambda s: s.state_dir, "/var/lib/x"),
    ("BIND", "0.0.0.0:8080", lambda s: s.bind, "0.0.0.0:8080"),
    ("PAUSE", "true", lambda s: s.paused, True),
    ("BUDGET_APPLICATION", "40/1h", lambda s: [one.max for one in s.budgets.application], [40]),
    ("BUDGET_REPOSITORY", "41/1h", lambda s: [one.max for one in s.budgets.repository], [41]),
    ("BUDGET_CONTROLLER", "42/1h,43/2h", lambda s: [one.max for one in s.budgets.controller], [42, 43]),
    ("SECRET_HOOK", "s3cret", lambda s: secret(s.secret("hook") and s.secret("hook").value), "s3cret"),
    ("SECRET_HOOK_FILE", "@file", lambda s: secret(s.secret("hook") and s.secret("hook").value), "from a file"),
    ("ARGOCD_SERVER", "argocd.example.com", lambda s: s.argocd[0].server, "https://argocd.example.com"),
    ("ARGOCD_AUTH_TOKEN_FILE", "@file", lambda s: secret(s.argocd[0].token), "from a file"),
    ("ARGOCD_CA_FILE", "@file", lambda s: Path(str(s.argocd[0].ca_file)).name, "file"),
    ("ARGOCD_OBJECTS", "false", lambda s: s.uses_kubernetes, False),
    ("FLUX", "true", lambda s: s.flux and (s.flux.enabled, s.flux.instance), (True, "flux")),
    ("FLUX", "false", lambda s: s.uses_kubernetes, False),
    ("KUBECONFIG", "/etc/kube", lambda s: s.kubernetes and s.kubernetes.kubeconfig, "/etc/kube"),
    ("CONTEXT", "prod", lambda s: s.kubernetes and s.kubernetes.context, "prod"),
    ("NAMESPACE", "flux-system, shop", lambda s: s.kubernetes and s.kubernetes.namespaces, ("flux-system", "shop")),
    ("OWN_NAMESPACE", "ops", lambda s: s.kubernetes and s.kubernetes.own_namespace, "ops"),
    ("REQUEST_TIMEOUT", "7s", lambda s: s.kubernetes and s.kubernetes.request_timeout, timedelta(seconds=7)),
    ("EVENTS", "true", lambda s: s.kubernetes and s.kubernetes.events, True),
    ("PROMETHEUS_URL", "https://p.example/prefix", lambda s: s.metrics[0].url, "https://p.example/prefix"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "seen", "expected"), TABLE, ids=[f"{row[0]}={row[1]}"[:30] for row in TABLE])
def test_each_variable_reaches_the_controller(
    given: Given, tmp_path: Path, name: str, value: str, seen: Callable[[Settings], object], expected: object
) -> None:
    (tmp_path / "file").write_text("from a file\n")
    variables = {"REPO": URL, "ARGOCD_SERVER": "argocd.example.com", name: value.replace("@file", f"{tmp_path}/file")}
    assert seen(given(**variables)) == expected


def test_a_key_and_known_hosts_are_for_ssh(given: Given, tmp_path: Path) -> None:
    for name in ("key", "hosts"):
        (tmp_path / name).write_text("x")
    git = given(REPO=SSH, SSH_KEY_FILE=f"{tmp_path}/key", SSH_KNOWN_HOSTS_FILE=f"{tmp_path}/hosts").repositories[0].git
    assert (git.ssh_key_file, git.ssh_known_hosts_file) == (f"{tmp_path}/key", f"{tmp_path}/hosts")


def test_an_offered_secret_is_bound_to_its_origins(given: Given) -> None:
    settings = given(REPO=URL, SECRET_HOOK="x", SECRET_HOOK_ORIGINS="https://a.example,https://b.example:8443")
    assert settings.secrets[0].origins == ("https://a.example", "https://b.example:8443")


def test_the_file_of_the_variable_is_read(given: Given, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"repositories: [{{url: '{URL}', branch: file}}]\nbind: 127.0.0.1:1\n")
    settings = given(CONFIG=f"{tmp_path}/mine.yaml", BIND="127.0.0.1:2")
    assert (settings.repositories[0].branch, settings.bind) == ("file", "127.0.0.1:2")


FLAGS: list[tuple[tuple[str, ...], str, str, Callable[[Any], object], object]] = [
    (("--repo", URL), "REPO", "https://other.example/x/y", lambda s: [one.url for one in s.repositories], [URL]),
    (("--branch", "flag"), "BRANCH", "variable", lambda s: s.repositories[0].branch, "flag"),
    (("--repo-alias", "https://f.example/x"), "REPO_ALIAS", "https://v.example/x",
     lambda s: s.repositories[0].aliases, ("https://f.example/x",)),
    (("--bind", "127.0.0.1:3"), "BIND", "127.0.0.1:2", lambda s: s.bind, "127.0.0.1:3"),
    (("--state-dir", "/flag"), "STATE_DIR", "/variable", lambda s: s.state_dir, "/flag"),
    (("--observe",), "OBSERVE", "false", lambda s: s.observe, True),
    (("--dry-run",), "OBSERVE", "false", lambda s: s.observe, True),
    (("--argocd-objects",), "ARGOCD_OBJECTS", "false", lambda s: s.uses_kubernetes, True),
    (("--no-flux",), "FLUX", "true", lambda s: s.uses_kubernetes, False),
    (("--flux",), "FLUX", "false", lambda s: s.uses_kubernetes, True),
    (("--kubeconfig", "/flag"), "KUBECONFIG", "/variable", lambda s: s.kubernetes.kubeconfig, "/flag"),
    (("--context", "flag"), "CONTEXT", "variable", lambda s: s.kubernetes.context, "flag"),
    (("-n", "a", "--namespace", "b"), "NAMESPACE", "c", lambda s: s.kubernetes.namespaces, ("a", "b")),
    (("--request-timeout", "3s"), "REQUEST_TIMEOUT", "2s", lambda s: s.kubernetes.request_timeout,
     timedelta(seconds=3)),
    (("--allow-origins", "f.example,g.example", "--allow-origins", "h.example"), "ALLOW_ORIGINS", "v.example",
     lambda s: s.allow_origins, ("f.example", "g.example", "h.example")),
]  # fmt: skip


@pytest.mark.parametrize(("flags", "name", "value", "seen", "expected"), FLAGS, ids=[row[0][0] for row in FLAGS])
def test_a_flag_wins_over_its_variable(
    given: Given, flags: tuple[str, ...], name: str, value: str, seen: Callable[[Settings], object], expected: object
) -> None:
    assert seen(given(*flags, **{"REPO": URL, name: value})) == expected


def test_a_wrong_variable_is_told_by_its_own_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: Callable[..., Answer]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITOPS_ROLLBACK_REPO", URL)
    monkeypatch.setenv("GITOPS_ROLLBACK_ALLOW_ORIGINS", "a.example,ftp://b")
    answer = cli("run")
    assert (answer.code, answer.err.startswith("settings: GITOPS_ROLLBACK_ALLOW_ORIGINS: ")) == (2, True)


def test_an_address_that_another_process_has_is_said_as_a_fault_of_the_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: Callable[..., Answer]
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        answer = cli("run", "--repo", URL, "--state-dir", str(tmp_path), "--bind", address)
    assert answer.code == 2
    assert f"{address} for the probes: Address already in use" in answer.err
