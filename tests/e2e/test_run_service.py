"""`run` as a service: probes, settings that change under it, its end, and what it never says."""

from __future__ import annotations

import hashlib
import hmac
import re
import subprocess
import time
import urllib.error
import urllib.request
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx
import pytest
from live_world import SERVICE, Live, environment_of_nobody, living
from otlp_collector import Collected, collector

from gitops_rollback.core.trace import trace_id_of
from gitops_rollback.sandbox.prometheus import PrometheusSandbox
from gitops_rollback.sandbox.stories import release
from gitops_rollback.sandbox.world import run_command

GIT_TOKEN = "canary-git-71d0"
METRICS_TOKEN = "canary-metrics-88e2"
DASHBOARD_TOKEN = "canary-dashboard-41c7"
BOARD = f"dashboard: {{bind: '127.0.0.1:0', login: {{tokens: [{{login: kim, token: {DASHBOARD_TOKEN}}}]}}}}\n"
CONTROL = "gitops-rollback-control:pause.yaml"
APPLICATION = "default/Application/argocd/checkout-api-prod"


def settings_file(live: Live, text: str) -> str:
    """As an editor or Kubernetes replaces it: another file is moved there."""
    path = live.folder / "gitops-rollback.yaml"
    fresh = path.with_suffix(".new")
    fresh.write_text(text)
    fresh.replace(path)
    return str(path)


def test_the_probes_answer_and_name_the_repository_and_what_is_watched(tmp_path: Path) -> None:
    with living(tmp_path) as live:
        live.until(lambda: live.probe("/readyz")[0] == 200, "ready")
        assert live.probe("/healthz") == (200, "ok\n")
        verbose = live.probe("/readyz?verbose")[1]
        assert "[+]shop/config 1 applications watched" in verbose
        release(live.telling)
        live.until(
            lambda: f'trigger_state{{application="{APPLICATION}"' in live.probe("/metrics")[1], "a trigger's metric"
        )
        shown = live.probe("/metrics")[1]
        assert 'gitops_rollback_policies{repository="shop/config",state="valid"} 1.0' in shown
        assert 'gitops_rollback_part_ready{part="shop/config"} 1.0' in shown
        assert 'gitops_rollback_last_tick_timestamp_seconds{repository="shop/config"}' in shown
        assert 'gitops_rollback_engine_last_event_timestamp_seconds{engine="default"}' in shown
        assert live.probe("/nothing")[0] == 404
        live.world.git.status(503, times=1000)
        live.until(lambda: live.probe("/readyz")[0] == 503, "not ready while git does not answer")
        assert live.probe("/healthz")[0] == 200
        assert "[-]shop/config RepositoryUnavailable" in live.probe("/readyz?verbose")[1]
        failed = 'gitops_rollback_tick_failures_total{reason="RepositoryUnavailable",repository="shop/config"}'
        assert failed in live.probe("/metrics")[1]
        live.world.git.release()
        live.until(lambda: live.probe("/readyz")[0] == 200, "ready again")
        assert live.stop_controller() == 0


def test_the_settings_file_is_watched_and_a_broken_one_changes_nothing(tmp_path: Path) -> None:
    with living(tmp_path, controller=False) as live:
        live.more_environment["GITOPS_ROLLBACK_CONFIG"] = settings_file(live, f"budgets: {{repository: 3/1h}}\n{BOARD}")
        live.start_controller()
        settings_file(live, "budgets: {repository: lots}\nbugets: {}\n")
        live.until(lambda: any("refused the new settings" in str(one.get("msg")) for one in live.logged()), "refused")
        said = next(one["error"] for one in live.logged() if "refused the new settings" in str(one.get("msg")))
        assert "gitops-rollback.yaml:1:" in said
        assert "gitops-rollback.yaml:2:" in said
        assert "budgets" in said
        settings_file(live, f"paused: true\nbudgets: {{repository: 3/1h}}\n{BOARD}")
        live.fail()
        live.until(lambda: live.telling.has_decided("Paused"), "it is stopped by the file")
        live.let_pass(timedelta(minutes=1), lambda: live.people.head() != live.telling.bad, "a push while paused")
        settings_file(live, f"budgets: {{repository: 4/1h}}\n{BOARD}")
        live.until_verified()
        assert any(one.get("msg") == "reloaded the settings" for one in live.logged())
        press_pause(live)
        live.until(lambda: 'by: "kim"' in live.people.git("show", CONTROL, check=False), "the press is carried out")
        assert live.stop_controller() == 0


def press_pause(live: Live) -> None:
    """On the dashboard, as whoever has the token: the controller of the newest settings is the one that hears it."""
    url = next(line["dashboard"] for line in live.logged() if line.get("msg") == "started")
    with httpx.Client(base_url=url, headers={"Origin": url}, timeout=20) as browser:
        assert browser.post("/login", data={"token": DASHBOARD_TOKEN}).status_code == 303
        html = browser.get(f"/a/{APPLICATION}").text
        form = next(one for one in html.split("<form")[1:] if 'value="pause"' in one)
        fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
        pressed = browser.post("/act", data={**fields, "button": "pause", "reason": "a look", "lasts": "1h"})
        assert pressed.status_code == 303, pressed.text


def ticks(live: Live) -> float:
    lines = live.probe("/metrics")[1].splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith("gitops_rollback_ticks_total"))


def looked_since(live: Live, before: float) -> bool:
    return ticks(live) > before


def post(live: Live, text: str, token: str) -> int:
    """As Flux's notification-controller does, to the door that the first log line names."""
    address = next(line["hooks"][0] for line in live.logged() if line.get("msg") == "started")
    digest = hmac.new(token.encode(), text.encode(), hashlib.sha256).hexdigest()
    request = urllib.request.Request(address, text.encode(), {"X-Signature": f"sha256={digest}"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_a_webhook_means_a_look_at_once_and_its_token_can_be_changed(tmp_path: Path) -> None:
    hooks = "hooks: [{kind: flux, name: fleet, tokenFile: %s}]\n"
    tokens = [tmp_path / "token", tmp_path / "token-2"]
    for file in tokens:
        file.write_text(f"a-token-of-flux-{file.name}\n")
    live = Live(tmp_path, speed=1.0)
    try:
        live.start_in_real_time()
        live.more_environment["GITOPS_ROLLBACK_CONFIG"] = settings_file(live, hooks % tokens[0])
        live.start_controller()
        live.until(lambda: ticks(live) > 0, "the first look")
        began, looked = time.monotonic(), ticks(live)
        for number in range(3):
            look = partial(looked_since, live, ticks(live))
            assert post(live, f'{{"message": "{number}"}}', "a-token-of-flux-token") == 202
            live.until(look, "a look")
        by_themselves = 1 + (time.monotonic() - began) // 30
        assert ticks(live) - looked > by_themselves
        settings_file(live, hooks % tokens[1])
        live.until(lambda: post(live, "{}", "a-token-of-flux-token-2") == 202, "the new token is known")
        assert post(live, "{}", "a-token-of-flux-token") == 401
        assert "a-token-of-flux" not in everything_said(live)
    finally:
        live.close()


@pytest.mark.parametrize(
    ("settings", "faults"),
    [
        pytest.param({"GITOPS_ROLLBACK_REPO": ""}, ["no config repository"], id="no-repository"),
        pytest.param({"GITOPS_ROLLBACK_REPO": "file:///srv/config.git"}, ["allowFileUrls"], id="file-url"),
        pytest.param({"GITOPS_ROLLBACK_REPO": "http://git.example.com/a.git"}, ["plain http"], id="http-repository"),
        pytest.param({"ARGOCD_SERVER": "http://argocd.example.com"}, ["plain http"], id="http-engine"),
        pytest.param({"PROMETHEUS_URL": "http://10.0.0.7:9090"}, ["plain http"], id="http-metrics"),
        pytest.param(
            {"ARGOCD_SERVER": "http://argocd.example.com", "GITOPS_ROLLBACK_BIND": "nowhere", "PROMETHEUS_URL": "x"},
            ["ARGOCD_SERVER", "bind", "PROMETHEUS_URL"],
            id="all-at-once",
        ),
        pytest.param({"GITOPS_ROLLBACK_CONFIG": "/nowhere.yaml"}, ["/nowhere.yaml"], id="no-file"),
    ],
)
def test_unusable_settings_end_the_start_with_all_faults(
    tmp_path: Path, settings: dict[str, str], faults: list[str]
) -> None:
    good = {
        "GITOPS_ROLLBACK_REPO": "https://git.example.com/shop/config.git",
        "ARGOCD_SERVER": "https://argocd.example.com",
        "ARGOCD_AUTH_TOKEN": "canary.argocd.token",
        "PROMETHEUS_URL": "https://prometheus.example.com",
        "GITOPS_ROLLBACK_STATE_DIR": str(tmp_path / "state"),
    }
    environment = {**environment_of_nobody(), **good, **settings}
    done = subprocess.run(
        run_command(), env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2, done
    assert [fault for fault in faults if fault not in done.stderr] == []
    assert "canary" not in done.stderr + done.stdout


def everything_said(live: Live) -> str:
    """Log, probes, clone, every object of the repository and its branches."""
    objects = live.people.git("cat-file", "--batch-check=%(objectname) %(objecttype)", "--batch-all-objects")
    texts = [
        live.people.git("cat-file", kind, name) for name, kind in map(str.split, objects.splitlines()) if kind != "tree"
    ]
    configs = [file.read_text("utf-8", "replace") for file in (live.folder / "state").rglob("config")]
    return "\n".join([live.log.read_text(), *texts, *configs])


def told_the_collector(collected: Collected) -> str:
    """What a verified rollback leaves there, in one trace under the name of the service; as text."""
    (resource,) = collected.resources()
    assert "rollbacks-eu" in [one.value.string_value for one in resource.resource.attributes]
    spans = [span for scope in resource.scope_spans for span in scope.spans]
    assert [span.name for span in spans] == ["rollback", "detect", "decide", "push", "sync", "verify"]
    (rollback,) = {a.value.string_value for a in spans[0].attributes if a.key == "gitops_rollback.id"}
    assert {span.trace_id.hex() for span in spans} == {trace_id_of(rollback)}
    return str(resource)


def test_no_secret_is_written_or_said_anywhere(tmp_path: Path) -> None:
    with collector() as collected:
        said_without_a_secret(Live(tmp_path), tmp_path, collected)


def said_without_a_secret(live: Live, tmp_path: Path, collected: Collected) -> None:
    live.world.git.user, live.world.git.password = "gitops", GIT_TOKEN
    live.world.prometheus.start()
    live.world.prometheus.stop()
    live.world.prometheus = PrometheusSandbox(live.world.clock, token=METRICS_TOKEN)
    try:
        live.start_world()
        token = tmp_path / "metrics-token"
        token.write_text(METRICS_TOKEN)
        url = live.world.prometheus.url
        text = f"metrics: [{{name: default, url: '{url}', auth: {{tokenFile: '{token}'}}}}]\n"
        live.more_environment |= {
            "GITOPS_ROLLBACK_CONFIG": settings_file(live, text),
            "GITOPS_ROLLBACK_GIT_USERNAME": "gitops",
            "GITOPS_ROLLBACK_GIT_TOKEN": GIT_TOKEN,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url,
            "OTEL_SERVICE_NAME": "rollbacks-eu",
        }
        live.start_controller()
        live.argocd.answer(500, f"proxy: token {live.argocd.token} is odd", times=3)
        live.fail()
        live.until_verified()
        metrics = live.probe("/metrics")[1] + live.probe("/readyz?verbose")[1]
        live.world.git.password = "another"
        live.until(lambda: any(one.get("reason") == "CredentialsRejected" for one in live.logged()), "git says no")
        plan = live.verb("plan", SERVICE)
        said = everything_said(live) + metrics + plan.out + plan.err
        assert live.stop_controller() == 0
        said += told_the_collector(collected)
        assert [secret for secret in (GIT_TOKEN, METRICS_TOKEN, live.argocd.token) if secret in said] == []
    finally:
        live.close()


def test_a_stop_while_git_hangs_ends_soon_and_cleanly(tmp_path: Path) -> None:
    with living(tmp_path) as live:
        live.until(lambda: live.probe("/readyz")[0] == 200, "ready")
        live.world.git.hang(times=100)
        asked = len(live.world.git.requests)
        live.until(lambda: len(live.world.git.requests) > asked, "it asks git")
        assert live.stop_controller() == 0
        live.world.git.release()
