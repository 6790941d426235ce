"""Do flags win over the environment over the file, are all faults told at once, and is no secret ever shown?"""

from __future__ import annotations

import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitops_rollback.app.origins import is_loopback, origin_of, repository_name
from gitops_rollback.app.repositories import git_settings, open_repository
from gitops_rollback.app.settings import Settings, changed
from gitops_rollback.app.settings_input import (
    default_state_dir,
    load_settings,
    prepare_state_dir,
    read_settings_pause,
)
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.stop import stopped

CANARY = "canary-7f3a9e"
REPO = "https://git.example.com/Acme/Config.git"
Write = Callable[[str], str]


@pytest.fixture
def config(tmp_path: Path) -> Write:
    """Write the settings file and give its path."""

    def write(text: str) -> str:
        path = tmp_path / "gitops-rollback.yaml"
        path.write_text(text)
        return str(path)

    return write


def load(flags: dict[str, object] | None = None, **variables: str) -> Settings:
    return load_settings({"HOME": "/home/kim", **variables}, flags)


def faults_of(flags: dict[str, object] | None = None, **variables: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as caught:
        load(flags, **variables)
    return caught.value.message.split("\n")


def test_three_variables_and_one_repository_are_enough() -> None:
    settings = load(
        {"repo": (REPO,)},
        ARGOCD_SERVER="argocd.example.com",
        ARGOCD_AUTH_TOKEN=CANARY,
        PROMETHEUS_URL="https://prom.example.com/p",
    )
    assert [repository.label for repository in settings.repositories] == ["acme/config"]
    assert settings.argocd[0].server == "https://argocd.example.com"
    assert settings.argocd[0].token is not None
    assert settings.argocd[0].token.get_secret_value() == CANARY
    assert (settings.metrics[0].name, settings.metrics[0].url) == ("default", "https://prom.example.com/p")
    assert settings.bind == "127.0.0.1:8080"
    assert settings.state_dir == "/home/kim/.local/state/gitops-rollback"


def test_a_flag_wins_over_the_environment_over_the_file(config: Write) -> None:
    path = config("bind: 127.0.0.1:1\nallowOrigins: [a.example.com]\nstateDir: /file\n")
    settings = load(
        {"config": path, "bind": "127.0.0.1:3"},
        GITOPS_ROLLBACK_BIND="127.0.0.1:2",
        GITOPS_ROLLBACK_STATE_DIR="/environment",
    )
    assert (settings.bind, settings.state_dir, settings.allow_origins) == (
        "127.0.0.1:3",
        "/environment",
        ("a.example.com",),
    )


def test_an_empty_variable_is_not_given(config: Write) -> None:
    assert load({"config": config("bind: 127.0.0.1:1\n")}, GITOPS_ROLLBACK_BIND="").bind == "127.0.0.1:1"


def test_all_faults_of_file_environment_and_flags_are_told_at_once(config: Write) -> None:
    path = config(
        "repositories:\n"
        "  - url: http://git.example.com/a/b.git\n"
        "    brnch: main\n"
        "budgets: {repository: [{max: -1, per: 1x}]}\n"
        "paused: yes\n"
        "metrics: 5\n"
        "notifications: [{url: 'https://user:pw@h.example'}]\n"
    )
    faults = faults_of(
        {"config": path, "bind": "here"}, GITOPS_ROLLBACK_BUDGET_CONTROLLER="many", GITOPS_ROLLBACK_PAUSE="on"
    )
    expected = {
        f"{path}:2:5: repositories.0.url: plain http",
        f"{path}:3:5: repositories.0.brnch: unknown key, did you mean branch?",
        f"{path}:4:25: budgets.repository.0.max: ",
        f"{path}:4:34: budgets.repository.0.per: '1x' is not a duration",
        f"{path}:5:1: paused: must be true or false",
        f"{path}:6:1: metrics: ",
        f"{path}:7:18: notifications.0.url: must not hold credentials",
        "--bind: bind: must be host:port",
        "GITOPS_ROLLBACK_BUDGET_CONTROLLER: budgets.controller: must be spelt like 40/1h",
        "GITOPS_ROLLBACK_PAUSE: must be true or false",
    }
    assert len(faults) == len(expected), faults
    assert all(any(fault.startswith(start) for fault in faults) for start in expected), faults


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: 1\na: 2\n", ":2:1: ", "twice"),
        ("a: &x 1\n", ":1:4: ", "anchors"),
        ("[1]\n", ":1:1: ", "keys and values"),
        ("bind: [", ":1:8: ", "YAML"),
        ("watched: [/etc/passwd]\n", ":1:1: ", "unknown key"),
        ("secrets: [{name: a}]\n", ":1:11: ", "missing"),
        ("secrets: [{name: a, value: x}, {name: A, value: y}]\n", ":1:32: ", "twice"),
        ("notifications: [{url: 'https://h.example', secretRef: {name: a}}]\n", ":1:44: ", "do not offer"),
        ("notifications: [{to: slack, secretRef: {name: a}}]\n", ":1:17: ", "to: slack needs channel"),
        ("notifications: [{to: fax}]\n", ":1:18: ", "slack"),
        ("notifications: [{url: 'https://h.example'}, {url: 'https://h.example'}]\n", ":1:45: ", "twice"),
        ("templates: {verified: {title: '$titel'}}\n", ":1:24: ", "did you mean $title?"),
        ("templates: {held: {text: 'costs $ 5'}}\n", ":1:20: ", "write `$$`"),
        ("handover: {at: ['8:00']}\n", ":1:17: ", "08:00"),
        ("heartbeat: {every: 5m}\n", ":1:13: ", "from 1h to 28d"),
        ("drills: {windows: [{cron: daily, duration: 2h}]}\n", ":1:", "five fields of crontab"),
        ("drills: {windows: [{cron: '0 9 * * *', duration: 15m}]}\n", ":1:", "at least as long as timeout"),
        ("heartbeat: {officeHours: {start: '18:00'}}\n", ":1:", "end must be later than start"),
        ("handover: {at: ['08:00'], timezone: Mars}\n", ":1:27: ", "Europe/London"),
        ("templates: {verifed: {title: x}}\n", ":1:13: ", "is no event"),
        ("allowOrigins: ['a b/c']\n", ":1:16: ", "origins"),
        ("reversibleKinds: [Terraform]\n", ":1:19: ", "infra.contrib.fluxcd.io/Terraform"),
        ("reversibleKinds: [cert-manager.io/Certificate]\n", ":1:19: ", "always asks"),
        ("argocd: [{server: 'https://h.example', tokenFile: /nowhere}]\n", ":1:40: ", "/nowhere cannot be read"),
        ("repositories: [{url: 'file:///srv/a'}]\n", ":1:17: ", "allowFileUrls"),
        ("repositories: [{url: 'ssh://-oProxyCommand=x/a'}]\n", ":1:17: ", "host"),
        ("repositories: [{url: 'ext::sh -c id'}]\n", ":1:17: ", "git"),
        ("repositories: [{url: 'https://h.example/a/b', branch: 'a..b'}]\n", ":1:47: ", "branch"),
        ("hooks: [{kind: flux, name: a, token: short}]\n", ":1:31: ", "16"),
        ("hooks: [{kind: flux, name: A/b, token: 0123456789abcdef}]\n", ":1:22: ", "pattern"),
        ("hooks: [{kind: flux, name: a}]\n", ":1:9: ", "missing"),
        ("hooks: [{kind: gitee, name: a, token: 0123456789abcdef}]\n", ":1:10: ", "gitea"),
        ("chat: {approvers: {alice: U02ABCDEF}}\n", ":1:20: ", "pattern"),
        ("hooks: [{kind: gitlab, name: a, token: whsec_not*base64}]\n", ":1:9: ", "no signing key"),
        ("hooks: [{kind: github, name: a, token: 0123456789abcdef, previousToken: short}]\n", ":1:58: ", "16"),
        (
            "hooks: [{kind: flux, name: a, token: 0123456789abcdef}, {kind: flux, name: a, token: 0123456789abcdef}]\n",
            ":1:57: ",
            "twice",
        ),
        ("flux: {instance: default}\nargocd: [{server: 'https://h.example'}]\n", ":1:8: ", "taken by an Argo CD"),
        (
            "argocdObjects: {instance: a}\nargocd: [{server: 'https://h.example', instance: a}]\n",
            ":1:17: ",
            "taken by an Argo CD",
        ),
        ("kubernetes: {requestTimeout: 0s}\n", ":1:14: ", "greater"),
        ("kubernetes: {kubeconfg: x}\n", ":1:14: ", "did you mean kubeconfig?"),
        ("clock: {start: 0, speed: 2}\nargocd: [{server: 'https://h.example'}]\n", ":1:1: ", "loopback"),
    ],
)
def test_each_fault_of_the_file_has_its_place(config: Write, text: str, place: str, message: str) -> None:
    path = config(text)
    (fault,) = faults_of({"config": path})
    assert fault.startswith(path + place)
    assert message in fault


def test_a_named_file_must_exist_and_the_default_one_need_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load().config_file == ""
    assert faults_of(GITOPS_ROLLBACK_CONFIG="none.yaml") == ["none.yaml: there is no such file"]


def test_a_secret_comes_from_its_variable_or_its_file_but_not_from_both(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{CANARY}\n")
    settings = load(ARGOCD_SERVER="h.example", ARGOCD_AUTH_TOKEN_FILE=str(file))
    assert settings.secret_values == (CANARY,)
    assert settings.watched == (str(file),)
    faults = faults_of(ARGOCD_SERVER="h.example", ARGOCD_AUTH_TOKEN=CANARY, ARGOCD_AUTH_TOKEN_FILE=str(file))
    assert faults == ["ARGOCD_AUTH_TOKEN: ARGOCD_AUTH_TOKEN_FILE is set too; keep one"]


@pytest.mark.parametrize("text", ["{token: a, tokenFile: /b}", "{tokenFile: /b, token: a}"])
def test_both_forms_of_a_secret_in_the_file_are_a_fault(config: Write, text: str) -> None:
    (fault,) = faults_of({"config": config(f"repositories: [{{url: '{REPO}', git: {text}}}]")})
    assert "token and tokenFile are both set" in fault


def test_the_environment_may_replace_a_secret_of_the_file_by_its_other_form(config: Write, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("new")
    path = config("argocd: [{server: 'https://h.example', token: old}]")
    settings = load({"config": path}, ARGOCD_AUTH_TOKEN_FILE=str(tmp_path / "token"))
    assert settings.secret_values == ("new",)


def test_no_secret_is_in_any_text_about_the_settings(tmp_path: Path, config: Write) -> None:
    path = config(
        f"secrets: [{{name: hook, value: {CANARY}1, origins: ['https://h.example']}}]\n"
        f"metrics: [{{url: 'https://p.example', headers: {{X-Key: {CANARY}2}}, auth: {{password: {CANARY}3}}}}]\n"
    )
    settings = load(
        {"config": path, "repo": (REPO,)},
        GITOPS_ROLLBACK_GIT_TOKEN=f"{CANARY}4",
        ARGOCD_SERVER="h.example",
        ARGOCD_AUTH_TOKEN=f"{CANARY}5",
        GITOPS_ROLLBACK_SECRET_OTHER=f"{CANARY}6",
    )
    assert set(settings.secret_values) == {f"{CANARY}{number}" for number in range(1, 7)}
    shown = [
        repr(settings),
        str(settings),
        settings.model_dump_json(),
        str(settings.model_dump()),
        f"{settings.secrets[0]}",
    ]
    assert CANARY not in "".join(shown)


def test_a_registry_is_asked_where_its_name_says_unless_the_settings_know_better(tmp_path: Path, config: Write) -> None:
    (tmp_path / "password").write_text(f"{CANARY}\n")
    path = config(
        "registries:\n"
        "  - {name: docker.io}\n"
        f"  - {{name: ghcr.io, username: bot, passwordFile: {tmp_path / 'password'}}}\n"
        "  - {name: registry.example, url: 'http://127.0.0.1:5000'}\n"
        "  - {name: gitlab.example:5050, tokenUrl: 'https://gitlab.example'}\n"
    )
    settings = load({"config": path})
    assert [(one.asked_at, one.tokens_from) for one in settings.registries] == [
        ("https://registry-1.docker.io", "https://auth.docker.io"),
        ("https://ghcr.io", "https://ghcr.io"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
        ("https://gitlab.example:5050", "https://gitlab.example"),
    ]
    assert settings.secret_values == (CANARY,)
    assert CANARY not in repr(settings)
    assert {one.host for one in settings.origin_rules.entries} >= {"auth.docker.io", "ghcr.io", "gitlab.example"}


REGISTRY_FAULTS = {
    "{name: a/b}": "must be a registry as images name it",
    "{name: Ghcr.io}": "must be a registry as images name it",
    "{name: hub}": "must be a registry as images name it",
    "{name: ghcr.io, username: bot}": "username and password (or passwordFile) go together",
    "{name: ghcr.io, url: 'http://ghcr.io'}": "needs allowHttp",
    "{name: ghcr.io}, {name: ghcr.io}": "is taken twice",
    "{name: ghcr.io, mirrors: [quay.io/copies]}": "'quay.io/copies' is below no other registry of this list",
    "{name: ghcr.io, mirrors: [ghcr.io/copies]}": "is below no other registry",
}


@pytest.mark.parametrize(("text", "words"), REGISTRY_FAULTS.items())
def test_a_registry_that_cannot_be_asked_is_a_fault(config: Write, text: str, words: str) -> None:
    (fault,) = faults_of({"config": config(f"registries: [{text}]\n")})
    assert words in fault
    assert "gitops-rollback.yaml:1:" in fault


def rendering(command: str, generates: str = "[out/**]", more: str = "") -> str:
    return f"repositories: [{{url: {REPO}, render: [{{command: {command}, generates: {generates}{more}}}]}}]\n"


def test_a_command_is_a_list_of_words_and_has_a_minute(config: Write) -> None:
    settings = load({"config": config(rendering("[kustomize, build, -o, out/all.yaml, base]"))})
    ((render,),) = [repository.render for repository in settings.repositories]
    assert render.parsed.command == ("kustomize", "build", "-o", "out/all.yaml", "base")
    assert (render.parsed.generates, render.parsed.timeout) == (("out/**",), timedelta(minutes=1))
    git = git_settings(settings, settings.repositories[0], REPO)
    assert git.render == (render.parsed,)
    assert git_settings(settings, settings.repositories[0], "https://git.example.com/a/journal").render == ()


def test_a_repository_that_a_writer_reads_is_reached_as_itself_where_the_settings_have_it(config: Write) -> None:
    other, third = "https://git.example.com/shop/dry.git", "https://git.example.com/shop/third.git"
    own = f"{{url: {REPO}, git: {{username: one}}, branch: env/prod, upstreams: ['{other}', '{third}']}}"
    second = f"{{url: {other}, git: {{username: two}}, branch: trunk}}"
    settings = load({"config": config(f"repositories: [{own}, {second}]\n")})
    first, followed = (open_repository(settings, one).repo for one in settings.repositories)
    known, unknown = first.beside("git@git.example.com:shop/dry.git"), first.beside(third)
    assert known is not None
    assert unknown is not None
    assert (known.url, known.branch, unknown.branch) == (other, "trunk", ""), "no branch of the first is meant there"
    assert len({known.directory, unknown.directory, followed.directory}) == 3, "nobody waits for the other's clone"
    assert first.beside("https://git.example.com/shop/nobodys.git") is None


HOLDS = "would run what the config repository holds"
RENDER_FAULTS = {
    "a shell's line": (rendering("kustomize build base > out"), "valid tuple"),
    "nothing": (rendering("[]"), "must name a program"),
    "a program of the tree": (rendering("[./render.sh]"), HOLDS),
    "one further in": (rendering("[hack/render, all]"), HOLDS),
    "a script of the tree": (rendering("[bash, hack/render.sh]"), HOLDS),
    "one for a full path": (
        rendering("[/usr/bin/python3.11, render.py]"),
        "would run what the config repository holds",
    ),
    "a makefile of the tree": (rendering("[make, render]"), HOLDS),
    "no files": (rendering("[helm]", "[]"), "must name the files that the command makes"),
    "all files": (rendering("[helm]", "['**']"), "must not name everything"),
    "all files by nothing": (rendering("[helm]", "['']"), "must not name everything"),
    "files outside": (rendering("[helm]", "[../out/**]"), "must not leave the repository"),
    "no time": (rendering("[helm]", more=", timeout: 0s"), "must be between 1s and 10m"),
    "all day": (rendering("[helm]", more=", timeout: 1h"), "must be between 1s and 10m"),
    "another word": (rendering("[helm]", more=", shell: true"), "unknown key"),
}


@pytest.mark.parametrize(("text", "words"), RENDER_FAULTS.values(), ids=RENDER_FAULTS)
def test_a_command_that_may_not_be_run_is_a_fault(config: Write, text: str, words: str) -> None:
    (fault,) = faults_of({"config": config(text)})
    assert words in fault
    assert "gitops-rollback.yaml:1:" in fault


def test_a_command_holds_no_secret_since_commits_name_it(config: Write) -> None:
    path = config(rendering(f"[helm, template, '--password={CANARY}']"))
    (fault,) = faults_of({"config": path}, GITOPS_ROLLBACK_GIT_TOKEN=CANARY)
    assert "repositories.0.render.0.command: must hold no secret" in fault
    assert CANARY not in fault


@pytest.mark.parametrize("command", ["[/opt/render.sh]", "[bash, /opt/render.sh]", "[make, -f, /opt/Makefile, all]"])
def test_a_script_beside_the_controller_may_be_run(config: Write, command: str) -> None:
    assert load({"config": config(rendering(command))}).repositories[0].render


def test_a_file_that_merely_lies_where_we_start_names_no_command(
    config: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be that of a clone, and so of everybody who may push there."""
    path = config(rendering("[kustomize, build]"))
    monkeypatch.chdir(tmp_path)
    (fault,) = faults_of()
    assert "commands count only where --config or GITOPS_ROLLBACK_CONFIG names the file" in fault
    assert load(GITOPS_ROLLBACK_CONFIG=path).repositories[0].render


def test_no_fault_repeats_a_value_that_may_be_a_secret(config: Write) -> None:
    path = config(
        f"argocd: [{{server: 'https://u:{CANARY}@h.example', token: [{CANARY}]}}]\n"
        f"repositories: [{{url: 'https://{CANARY}@h.example/a/b'}}]\n"
        f"secrets: [{{name: a, value: {{{CANARY}x: 1}}}}]\n"
        f"metrics: [{{url: 'ftp://{CANARY}', auth: {{token: 5, password: [{CANARY}]}}}}]\n"
    )
    text = "\n".join(
        faults_of({"config": path}, GITOPS_ROLLBACK_CLOCK=CANARY, GITOPS_ROLLBACK_BUDGET_REPOSITORY=f"{CANARY}/1h")
    )
    assert CANARY not in text


def test_a_policy_finds_an_offered_secret_in_any_spelling() -> None:
    settings = load(
        GITOPS_ROLLBACK_SECRET_PROM_TOKEN=CANARY,
        GITOPS_ROLLBACK_SECRET_PROM_TOKEN_ORIGINS="https://prom.example.com,http://127.0.0.1:9090",
    )
    secret = settings.secret("prom-token")
    assert secret is not None
    assert secret is settings.secret("PROM_TOKEN")
    assert secret.origins == ("https://prom.example.com", "http://127.0.0.1:9090")
    assert settings.secret("other") is None


def test_origins_for_a_secret_that_is_not_there_are_a_fault() -> None:
    (fault,) = faults_of(GITOPS_ROLLBACK_SECRET_A_ORIGINS="https://h.example")
    assert fault == "GITOPS_ROLLBACK_SECRET_A_ORIGINS: secrets.0.value: is missing"


@pytest.mark.parametrize(
    ("url", "variables", "token", "username"),
    [
        ("https://github.com/a/b", {"GITHUB_TOKEN": "t"}, "t", "x-access-token"),
        ("https://github.com/a/b", {"GH_TOKEN": "t"}, "t", "x-access-token"),
        ("https://github.com.evil.example/a/b", {"GITHUB_TOKEN": "t"}, None, ""),
        ("https://git.example.com/a/b", {"GITHUB_TOKEN": "t", "GITLAB_TOKEN": "t", "GITEA_TOKEN": "t"}, None, ""),
        ("https://gitlab.com/a/b", {"GITLAB_TOKEN": "t"}, "t", "oauth2"),
        ("git@github.com:a/b.git", {"GITHUB_TOKEN": "t"}, None, ""),
        ("https://github.com/a/b", {"GITHUB_TOKEN": "t", "GITOPS_ROLLBACK_GIT_TOKEN": "own"}, "own", ""),
    ],
)
def test_the_token_of_a_forge_goes_to_that_forge_only(
    url: str, variables: dict[str, str], token: str | None, username: str
) -> None:
    git = load({"repo": (url,)}, **variables).repositories[0].git
    assert (git.token.get_secret_value() if git.token else None, git.username) == (token, username)


def test_a_named_repository_keeps_what_the_file_says_of_it(config: Write) -> None:
    path = config(
        "repositories:\n- url: https://o.example/x/y\n"
        f"- {{url: '{REPO}', name: shop, branch: live, git: {{token: t}}}}\n"
    )
    (repository,) = load({"config": path, "repo": (REPO,)}).repositories
    assert (repository.label, repository.branch) == ("shop", "live")
    assert repository.git.token is not None


def test_one_token_for_repositories_of_several_origins_is_a_question_not_a_guess(config: Write) -> None:
    path = config("repositories: [{url: 'https://a.example/x/y'}, {url: 'https://b.example/x/z'}]")
    (fault,) = faults_of({"config": path}, GITOPS_ROLLBACK_GIT_TOKEN=CANARY)
    assert fault.startswith("GITOPS_ROLLBACK_GIT_TOKEN: the repositories have several origins")


def test_two_repositories_of_one_name_are_a_fault() -> None:
    (fault,) = faults_of(GITOPS_ROLLBACK_REPO="https://a.example/x/y https://b.example/x/y.git")
    assert fault == "GITOPS_ROLLBACK_REPO: repositories.1: the name 'x/y' is taken twice"


def test_budgets_have_their_defaults_and_their_short_spelling(config: Write) -> None:
    limits = {limit.per: limit.max for limit in load().budgets.application}
    assert limits == {timedelta(minutes=30): 1, timedelta(hours=24): 2}
    settings = load(
        {"config": config("budgets: {application: [{max: 3, per: 2h}]}")},
        GITOPS_ROLLBACK_BUDGET_REPOSITORY="40/1h, 100/24h",
    )
    assert [(limit.max, limit.per) for limit in settings.budgets.application] == [(3, timedelta(hours=2))]
    assert [(limit.max, limit.per) for limit in settings.budgets.repository] == [
        (40, timedelta(hours=1)),
        (100, timedelta(hours=24)),
    ]
    assert [limit.max for limit in settings.budgets.controller] == [3, 10]


@pytest.mark.parametrize("text", ["40", "x/1h", "-1/1h", "4/", "4/1h,", "4/60"])
def test_an_odd_budget_is_refused(text: str) -> None:
    assert faults_of(GITOPS_ROLLBACK_BUDGET_APPLICATION=text)[0].startswith("GITOPS_ROLLBACK_BUDGET_APPLICATION: ")


@pytest.mark.parametrize(
    ("text", "variable", "is_stopped"),
    [
        ("", "", False),
        ("paused: false\n", "", False),
        ("paused: true\n", "", True),
        ("", "false", False),
        ("paused: true\n", "false", True),
        ("paused: false\n", "true", True),
        ("pausedUntil: 2026-11-25T13:00:00Z\n", "", True),
        ("pausedUntil: 2026-11-25T12:00:00Z\n", "", False),
    ],
)
def test_file_or_variable_stops_and_neither_lifts_the_other(
    config: Write, text: str, variable: str, is_stopped: bool
) -> None:
    now = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    environ = {"GITOPS_ROLLBACK_PAUSE": variable}
    settings = load({"config": config(text)}, **environ)
    none = load().pause
    assert (stopped("a/b/c/d", now, settings.pause, none, none) is not None) is is_stopped
    assert (stopped("a/b/c/d", now, read_settings_pause(settings, environ), none, none) is not None) is is_stopped


@pytest.mark.parametrize("text", ["paused: tru\n", "paused: [\n", "paused: true\nbind: nonsense\n"])
def test_a_broken_new_file_still_stops(config: Write, text: str) -> None:
    settings = load({"config": config("bind: 127.0.0.1:1\n")})
    config(text)
    now = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    none = load().pause
    assert stopped("a/b/c/d", now, read_settings_pause(settings, {}), none, none) is not None


def test_a_file_that_vanished_means_stop(config: Write) -> None:
    path = config("bind: 127.0.0.1:1\n")
    settings = load({"config": path})
    Path(path).unlink()
    assert read_settings_pause(settings, {}).unreadable


@pytest.mark.parametrize(
    ("url", "name", "origin"),
    [
        ("https://git.example.com/Acme/Config.git", "acme/config", "https://git.example.com"),
        ("https://git.example.com:8443/deep/er/acme/config/", "acme/config", "https://git.example.com:8443"),
        ("git@git.example.com:acme/config.git", "acme/config", "ssh://git.example.com"),
        ("ssh://git@git.example.com:2222/config", "config", "ssh://git.example.com:2222"),
        ("file:///srv/acme/config.git", "acme/config", ""),
    ],
)
def test_a_repository_has_a_name_and_an_origin(url: str, name: str, origin: str) -> None:
    assert (repository_name(url), origin_of(url)) == (name, origin)


@pytest.mark.parametrize(
    ("url", "loopback"),
    [
        ("http://127.0.0.1:1", True),
        ("http://[::1]", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("http://localhost:3", True),
        ("file:///srv", True),
        ("git@localhost:a/b", True),
        ("//127.0.0.9", True),
        ("http://127.1", False),
        ("http://2130706433", False),
        ("http://localhost.example.com", False),
        ("http://10.0.0.1", False),
        ("not a url", False),
    ],
)
def test_only_what_is_spelt_as_loopback_is_loopback(url: str, loopback: bool) -> None:
    assert is_loopback(url) is loopback


def test_scaled_time_runs_on_loopback() -> None:
    settings = load(
        {"repo": ("http://127.0.0.1:1/a/b.git",)},
        GITOPS_ROLLBACK_CLOCK="1764000000,30",
        ARGOCD_SERVER="http://127.0.0.1:2",
    )
    assert settings.clock is not None
    assert (settings.clock.start, settings.clock.speed) == (1764000000.0, 30.0)


@pytest.mark.parametrize("text", ["now,30", "1764000000", "1764000000,0", "1764000000,-1", "nan,1", "1,inf"])
def test_an_odd_clock_is_refused(text: str) -> None:
    assert all(fault.startswith("GITOPS_ROLLBACK_CLOCK: ") for fault in faults_of(GITOPS_ROLLBACK_CLOCK=text))


def test_a_reload_tells_what_it_can_change_and_what_waits_for_a_restart(config: Write) -> None:
    old = load({"config": config("bind: 127.0.0.1:1\n")})
    new = load({"config": config("bind: 127.0.0.1:2\npaused: true\n")})
    assert changed(old, new) == (frozenset({"paused"}), frozenset({"bind"}))
    assert changed(old, old) == (frozenset(), frozenset())


def test_the_state_directory_is_ours_alone(tmp_path: Path) -> None:
    settings = load(GITOPS_ROLLBACK_STATE_DIR=str(tmp_path / "a" / "b"))
    assert stat.S_IMODE(prepare_state_dir(settings).stat().st_mode) == 0o700
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsInvalid, match="stateDir"):
        prepare_state_dir(load(GITOPS_ROLLBACK_STATE_DIR=str(tmp_path / "file" / "b")))


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"XDG_STATE_HOME": "/x", "HOME": "/h"}, "/x/gitops-rollback"),
        ({"XDG_STATE_HOME": "relative", "HOME": "/h"}, "/h/.local/state/gitops-rollback"),
        ({}, "/var/lib/gitops-rollback"),
    ],
)
def test_the_state_directory_has_a_default(environ: dict[str, str], path: str) -> None:
    assert default_state_dir(environ) == path


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().paused = True


def test_the_dashboard_answers_to_the_name_of_its_address() -> None:
    environment = {
        "GITOPS_ROLLBACK_DASHBOARD_ADDRESS": "https://rollback.example.com:8443/pages/",
        "GITOPS_ROLLBACK_DASHBOARD_HOSTS": "inside.example",
    }
    assert load_settings(environment).dashboard.names == ("inside.example", "rollback.example.com")
    with pytest.raises(SettingsInvalid, match="address"):
        load_settings({"GITOPS_ROLLBACK_DASHBOARD_ADDRESS": "rollback.example.com"})
