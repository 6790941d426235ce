"""CONTRIBUTING.md shows a metric provider in a package of its own: its three blocks are followed to the letter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from canned_http import Script, canned, serving
from page_packages import METRICS, block, installed

from gitops_rollback.adapters.metrics.installed import Access
from gitops_rollback.adapters.origins import OriginRules
from gitops_rollback.adapters.policies.reader import read_policy
from gitops_rollback.app.queries import after
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.wiring import MetricSources
from gitops_rollback.core.errors import Reason, SettingsInvalid
from gitops_rollback.core.measurement import Answer, Outcome, single
from gitops_rollback.core.policy import MetricSettings, Policy, Severity

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PATIENCE = timedelta(seconds=5)
QUERY = "graphite[2m]: sumSeries(stats.prod.carts.http.5xx)"


@pytest.fixture
def graphite(tmp_path: Path) -> Iterator[None]:
    with installed(tmp_path, METRICS):
        yield


def asked(folder: Path, script: Script) -> Answer:
    """By the whole way: the settings, the policy's metrics, the installed class, real HTTP."""
    path = folder / "gitops-rollback.yaml"
    with serving(script) as server:
        secret = f"secrets: [{{name: key, value: canary-secret-8, origins: ['{server.url}']}}]\n"
        path.write_text(f"allowOrigins: ['{server.url}']\n{secret}")
        sources = MetricSources(load_settings({"HOME": str(folder)}, {"config": str(path)}))
        answer = sources.of(MetricSettings("graphite", server.url, secret="key")).query(QUERY, AT, PATIENCE)
        sources.close()
    if server.requests:
        assert server.requests[0].line.startswith("GET /render?target=sumSeries%28stats.prod.carts.http.5xx%29&from=")
        assert server.requests[0].headers["authorization"] == "Bearer canary-secret-8"
    return answer


def render(*points: tuple[object, datetime]) -> Script:
    datapoints = [[value, int(at.timestamp())] for value, at in points]
    return canned("200 OK", json.dumps([{"target": "sumSeries(...)", "datapoints": datapoints}]).encode())


MINUTE = timedelta(minutes=1)


@pytest.mark.usefixtures("graphite")
@pytest.mark.parametrize(
    ("script", "outcome", "reason", "value"),
    [
        pytest.param(render((1, AT - MINUTE), (7.5, AT), (None, AT)), Outcome.VALUE, None, 7.5, id="the-last-is-null"),
        pytest.param(render((7.5, AT - 3 * MINUTE)), Outcome.NO_DATA, Reason.NO_DATA, None, id="too-old"),
        pytest.param(canned("200 OK", b"[]"), Outcome.NO_DATA, Reason.NO_DATA, None, id="no-series"),
        pytest.param(render(("7", AT)), Outcome.ERROR, Reason.METRICS_UNAVAILABLE, None, id="a-text"),
        pytest.param(canned("200 OK", b"<html>"), Outcome.ERROR, Reason.METRICS_UNAVAILABLE, None, id="a-login-page"),
        pytest.param(canned("200 OK", b"[5]"), Outcome.ERROR, Reason.METRICS_UNAVAILABLE, None, id="another-shape"),
        pytest.param(canned("401 No", b""), Outcome.ERROR, Reason.CREDENTIALS_REJECTED, None, id="refused"),
        pytest.param(canned("429 No", b""), Outcome.ERROR, Reason.QUERY_BUDGET, None, id="too-often"),
        pytest.param(canned("400 No", b""), Outcome.INVALID, Reason.QUERY_INVALID, None, id="wrong-query"),
        pytest.param(canned("503 No", b""), Outcome.ERROR, Reason.METRICS_UNAVAILABLE, None, id="down"),
    ],
)
def test_the_example_answers_as_every_source_must(
    tmp_path: Path, script: Script, outcome: Outcome, reason: Reason | None, value: float | None
) -> None:
    measured = single(asked(tmp_path, script))
    assert (measured.outcome, measured.reason, measured.value) == (outcome, reason, value)
    assert "canary" not in measured.detail


def loaded(text: str) -> Policy:
    read = read_policy(text.encode(), "p.yaml", "a" * 40)
    assert read.policy is not None, read.faults
    return read.policy


@pytest.mark.usefixtures("graphite")
def test_the_policy_of_the_example_loads_and_suggests_at_most() -> None:
    text = block(METRICS, "yaml").replace("threshold: 5", "threshold: 5\n      severity: auto_rollback")
    policy = loaded(text)
    assert (policy.metrics.provider, policy.triggers[0].severity) == ("graphite", Severity.PAGE_AND_SUGGEST)
    assert after(QUERY, timedelta(seconds=119))[0] is None
    assert after(QUERY, timedelta(seconds=120))[0] == QUERY


def test_without_the_package_the_policy_is_refused_and_says_why() -> None:
    read = read_policy(block(METRICS, "yaml").encode(), "p.yaml", "a" * 40)
    assert read.policy is None
    assert "a provider that is not installed here" in str(read.faults)


def test_a_provider_that_breaks_breaks_no_other(tmp_path: Path) -> None:
    head = "def _answered(self, asked, instants, timeout):\n"
    with installed(tmp_path, METRICS, lambda code: code.replace(head, f"{head}        raise KeyError(asked)\n")):
        answer = asked(tmp_path, canned("200 OK", b"[]"))
    assert (answer.outcome, answer.detail) == (Outcome.ERROR, "the installed provider raised KeyError")


def test_a_provider_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    with (
        installed(tmp_path, METRICS, lambda _code: "raise ImportError('canary')"),
        pytest.raises(SettingsInvalid, match="ImportError"),
    ):
        asked(tmp_path, canned("200 OK", b"[]"))
    assert repr(Access("https://a", OriginRules.parse([], []), "canary")).count("canary") == 0
