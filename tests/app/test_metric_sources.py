"""Which metric source answers for an application?"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gitops_rollback.adapters.metrics.web import WebSource
from gitops_rollback.adapters.origins import origin_of
from gitops_rollback.app.queries import after
from gitops_rollback.app.settings import Settings
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.wiring import MetricSources
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.policy import MetricSettings

CLUSTERS = """
metrics:
  - {name: east, url: "https://east.example.com", clusters: [in-cluster, east]}
  - {name: west, url: "https://west.example.com", clusters: [west]}
"""


def settings(folder: Path, text: str) -> Settings:
    path = folder / "gitops-rollback.yaml"
    path.write_text(text)
    return load_settings({"HOME": str(folder)}, {"config": str(path)})


@pytest.mark.parametrize(("cluster", "source"), [("east", "east"), ("in-cluster", "east"), ("west", "west")])
def test_each_cluster_is_asked_at_its_own_source(tmp_path: Path, cluster: str, source: str) -> None:
    sources = MetricSources(settings(tmp_path, CLUSTERS))
    assert sources.of(MetricSettings(cluster=cluster)).name == source


def test_a_cluster_that_no_source_serves_is_refused_and_not_summed(tmp_path: Path) -> None:
    sources = MetricSources(settings(tmp_path, CLUSTERS))
    with pytest.raises(SettingsInvalid, match="north"):
        sources.of(MetricSettings(cluster="north"))


def test_a_source_that_names_no_clusters_serves_all(tmp_path: Path) -> None:
    sources = MetricSources(settings(tmp_path, "metrics: [{name: all, url: 'https://prometheus.example.com'}]\n"))
    assert sources.of(MetricSettings(cluster="north")).name == "all"


def test_the_url_of_a_policy_is_one_source_for_all_clusters(tmp_path: Path) -> None:
    sources = MetricSources(settings(tmp_path, CLUSTERS))
    wanted = MetricSettings(url="https://thanos.example.com", provider="thanos")
    assert sources.of(MetricSettings(wanted.provider, wanted.url, cluster="a")) is sources.of(wanted)


DATADOG = """
allowOrigins: ["https://api.datadoghq.eu"]
secrets:
  - {name: api, value: one, origins: ["https://api.datadoghq.eu"]}
  - {name: application, value: two, origins: ["https://api.datadoghq.eu"]}
  - {name: elsewhere, value: three, origins: ["https://api.datadoghq.com"]}
"""


def test_datadog_is_asked_with_both_keys_and_neither_goes_to_another_site(tmp_path: Path) -> None:
    sources = MetricSources(settings(tmp_path, DATADOG))
    wanted = MetricSettings("datadog", "https://api.datadoghq.eu", secret="api", application_secret="application")
    assert sources.of(wanted) is sources.of(wanted)
    for other in (replace(wanted, application_secret="elsewhere"), replace(wanted, secret="elsewhere")):
        with pytest.raises(SettingsInvalid, match="may not be sent"):
            sources.of(other)


def test_a_check_waits_until_the_datadog_bucket_it_reads_began_after_the_rollback() -> None:
    query = "sum:errors{service:checkout-api}.as_rate()"
    assert after(query, timedelta(seconds=149))[0] is None
    assert after(query, timedelta(seconds=150)) == (query, "")


def test_the_variable_names_all_peers_of_one_alertmanager_and_they_may_be_asked(tmp_path: Path) -> None:
    peers = "https://alerts-0.example.com https://alerts-1.example.com"
    found = load_settings({"HOME": str(tmp_path), "ALERTMANAGER_URL": peers})
    assert [(one.name, one.urls) for one in found.alertmanagers] == [("default", tuple(peers.split()))]
    for url in peers.split():
        found.origin_rules.check(origin_of(url))


def test_a_service_at_the_address_of_a_prometheus_is_asked_in_its_own_language(tmp_path: Path) -> None:
    sources = MetricSources(settings(tmp_path, "metrics: [{name: all, url: 'https://all.example.com'}]\n"))
    assert isinstance(sources.of(MetricSettings("web", "https://all.example.com")), WebSource)
    assert sources.of(MetricSettings("prometheus", "https://all.example.com")).name == "all"
