"""A policy may name a secret; does it go to the origins that it is bound to, and nowhere else?"""

from __future__ import annotations

import pytest

from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.app.wiring import MetricSources, offered
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.policy import MetricSettings

SETTINGS = load_settings(
    {
        "HOME": "/home/kim",
        "GITOPS_ROLLBACK_SECRET_PROM": "s3cret",
        "GITOPS_ROLLBACK_SECRET_PROM_ORIGINS": "https://prom.example.com,https://[2001:db8::1]:9090",
        "GITOPS_ROLLBACK_SECRET_LOOSE": "unbound",
    },
    {"repo": ("https://git.example.com/acme/config.git",)},
)


@pytest.mark.parametrize(
    "url",
    [
        "https://prom.example.com",
        "https://prom.example.com/prefix/api",
        "https://PROM.example.com:443/",
        "https://prom.example.com?x=1",
        "https://[2001:db8::1]:9090/x",
    ],
)
def test_a_secret_goes_to_its_own_origin_however_it_is_spelt(url: str) -> None:
    assert offered(SETTINGS, "prom", url) == "s3cret"


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("prom", "http://prom.example.com/"),
        ("prom", "https://prom.example.com:8443/"),
        ("prom", "https://prom.example.com.evil.example/"),
        ("prom", "https://prom.example.com@evil.example/"),
        ("prom", "https://evil.example/https://prom.example.com/"),
        ("prom", "not a url"),
        ("prom", ""),
        ("loose", "https://prom.example.com/"),
        ("other", "https://prom.example.com/"),
    ],
)
def test_a_secret_goes_nowhere_else(name: str, url: str) -> None:
    with pytest.raises(SettingsInvalid) as caught:
        offered(SETTINGS, name, url)
    assert "s3cret" not in str(caught.value)


def test_a_policy_cannot_send_the_secret_of_the_settings_elsewhere() -> None:
    sources = MetricSources(SETTINGS)
    with pytest.raises(SettingsInvalid):
        sources.of(MetricSettings(url="https://evil.example", secret="prom"))
    sources.close()
