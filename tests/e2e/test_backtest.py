"""`backtest` and `report` on twelve weeks of a shop: a real Prometheus, a real repository, and the table row by row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from prometheus_process import Written, running, write_history

from gitops_rollback.cli.main import outcome_of
from gitops_rollback.sandbox.git_server import GitServer
from gitops_rollback.sandbox.quarter import BEGAN, ENDED, services, write_repository
from gitops_rollback.sandbox.quarter_demo import tell_quarter
from gitops_rollback.sandbox.services import GOOD, REQUESTS_PER_SECOND, Service

SCRAPED = timedelta(minutes=2)
LAST = ENDED.isoformat()


@dataclass(frozen=True)
class Quarter:
    repository: str
    labels: Mapping[str, str]
    prometheus: str


def written(service: Service) -> tuple[Written, ...]:
    """Two counters, the exact integral of what the service did; asked in order of time."""
    told: dict[datetime, float] = {BEGAN: 0.0}

    def failed(at: datetime) -> float:
        before = max(one for one in told if one <= at)
        if before < at:
            grown = service.mean(at, at - before, lambda behaviour: behaviour.error_ratio)
            more = REQUESTS_PER_SECOND * (at - before).total_seconds() * grown
            so_far = told[before] + more
            told.clear()
            told.update({BEGAN: 0.0, at: so_far})
        return told[at]

    def well(at: datetime) -> float:
        return REQUESTS_PER_SECOND * (at - BEGAN).total_seconds() * (1 - GOOD.error_ratio)

    return (
        Written("http_requests_total", f'service="{service.name}",status="503"', failed),
        Written("http_requests_total", f'service="{service.name}",status="200"', well),
    )


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quarter]:
    folder = tmp_path_factory.mktemp("quarter")
    series = [one for service in services() for one in written(service)]
    write_history(folder, series, BEGAN, ENDED, SCRAPED)
    labels = write_repository(folder / "served" / "shop" / "config.git")
    server = GitServer(folder / "served").start()
    try:
        with running(folder) as url:
            yield Quarter(f"{server.url}/shop/config.git", labels, url)
    finally:
        server.stop()


@pytest.fixture
def settings(quarter: Quarter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GITOPS_ROLLBACK_REPO", quarter.repository)
    monkeypatch.setenv("GITOPS_ROLLBACK_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("PROMETHEUS_URL", quarter.prometheus)


# kind, application, when, which release, what people or the metric did, same tree, minutes sooner
EXPECTED = [
    ("agreed", "checkout-api-prod", "02-17T10:08", "checkout-1.2", "reverted by %(checkout-1.2-back)s", True, 34),
    ("agreed", "storefront-prod", "02-24T14:08", "storefront-1.2", "reverted by %(storefront-1.2-back)s", True, 46),
    ("agreed", "search-prod", "03-03T11:08", "search-1.1", "reverted by %(search-1.1-back)s", False, 52),
    ("we only", "mail-prod", "03-10T13:08", "mail-1.1", "fixed forward by %(mail-1.1.1)s after 16m", None, None),
    ("asked", "checkout-api-prod", "03-18T15:16", "checkout-1.3", "stayed bad for 14m", None, None),
    ("asked", "ledger-api-prod", "03-26T10:08", "ledger-2.0", "stayed bad for 22m", None, None),
]  # fmt: skip
HELD_BY = ["TriggerFired", "TriggerFired", "TriggerFired", "TriggerFired", "MassEvent", "MigrationRan"]


@pytest.mark.usefixtures("settings")
def test_the_table_of_a_quarter_says_what_people_did_and_what_would_have_been_done(
    quarter: Quarter, capsys: pytest.CaptureFixture[str]
) -> None:
    code = outcome_of(["backtest", "--since", "84d", "--until", LAST, "-o", "json"])
    found = json.loads(capsys.readouterr().out)
    assert code == 1  # nobody may be trusted after so few syncs
    names = {sha: label for label, sha in quarter.labels.items()}
    short = {label: sha[:12] for label, sha in quarter.labels.items()}
    expected = [(*row[:4], row[4] % short, *row[5:]) for row in EXPECTED]
    assert [
        (
            row["kind"],
            row["application"].rpartition("/")[2],
            row["at"][5:16],
            names[row["revision"]],
            row["theirs"].partition(", until")[0],
            row["sameTree"],
            None if row["soonerBySeconds"] is None else row["soonerBySeconds"] / 60,
        )
        for row in found["rows"]
    ] == expected
    assert [row["reason"] for row in found["rows"]] == HELD_BY
    assert found["total"] == {"agreed": 3, "they only": 0, "we only": 1, "asked": 2}
    mail = next(one for one in found["applications"] if one["application"].endswith("/mail-prod"))
    assert mail["syncs"] == 3
    assert any(found["rows"][3]["id"] in why for why in mail["missing"])
    assert not found["ready"]
    (limit,) = found["thresholds"]
    assert (limit["trigger"], limit["threshold"]) == ("high-error-rate", 0.05)
    assert "in 3 reverted ones" in limit["because"]


@pytest.mark.usefixtures("settings")
def test_the_table_is_read_by_people(capsys: pytest.CaptureFixture[str]) -> None:
    outcome_of(["backtest", "--since", "7d", "--until", "2026-02-20T00:00:00Z"])
    out = capsys.readouterr().out
    assert "agreed  argocd/checkout-api-prod  2026-02-17 10:08Z  34m" in out
    assert out.splitlines()[-1].startswith(
        "✖ argocd/mail-prod is not ready for auto_rollback: 7 of 14 days were watched"
    )


@pytest.mark.usefixtures("settings")
def test_a_time_without_metrics_is_no_quiet_time(capsys: pytest.CaptureFixture[str]) -> None:
    """A policy may ask for what nobody scraped: then no sync was watched, and that is said."""
    Path("other.yaml").write_text(OTHER)
    code = outcome_of(["backtest", "--since", "84d", "--until", LAST, "--policy", "other.yaml", "-o", "json"])
    (one,) = json.loads(capsys.readouterr().out)["applications"]
    assert (code, one["syncs"], one["blind"] > 0, one["ready"]) == (1, 0, True, False)


@pytest.mark.usefixtures("settings")
def test_a_source_that_does_not_answer_gives_no_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PROMETHEUS_URL", "http://127.0.0.1:9")
    assert outcome_of(["backtest", "--since", "84d", "--until", LAST]) == 6
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("settings")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("backtest", "--since", "soon"), "not a duration"),
        (("backtest", "--until", "yesterday"), "--until"),
        (("backtest", "--policy", "nothing.yaml"), "nothing.yaml: cannot be read"),
        (("report", "--since", "30d"), "run --observe"),
        (("report",), "say what to report"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_what_to_do(
    arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome_of(list(arguments)) == 2
    assert says in capsys.readouterr().err


OTHER = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {name: other}
spec:
  timing: {interval: 2m}
  targets:
    - name: mail
      application: {namespace: argocd, name: mail-prod}
      data: {rollback: safe, because: a test}
  triggers:
    - {name: nothing, query: 'sum(nobody_scraped_this)', threshold: 1, comparison: greater_than, for: 4m}
"""


def test_the_demo_tells_this_quarter_and_judges_its_own_table(tmp_path: Path) -> None:
    lines: list[str] = []
    assert tell_quarter(tmp_path / "out", lines.append), lines
    assert any(line.startswith("agreed ") and "search-prod" in line for line in lines)
