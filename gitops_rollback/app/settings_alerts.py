"""The settings of where alerts are read, Alertmanager alone or as several peers, and how we show who we are there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr

from gitops_rollback.app.settings_values import Closed, HttpUrl

MOST_PEERS = 8


class MetricAuth(Closed):
    """Bearer (`token`) or basic (`username`, `password`)."""

    token: SecretStr | None = None
    token_file: str | None = None
    username: str = ""
    password: SecretStr | None = None
    password_file: str | None = None


class AlertmanagerPlace(Closed):
    """One Alertmanager; several `urls` are the peers of one cluster, of which one that answers is enough.

    `clusters` () serves all. An application is asked about at each one that serves its cluster, and all must answer.
    `tenant` is the X-Scope-OrgID of Mimir. `watchdog` are the labels of an alert that is always active, such as
    `{alertname: Watchdog}`: while it is gone, no other alert is no word, and neither healthy nor a reason to act.
    """

    name: str = "default"
    urls: Annotated[tuple[HttpUrl, ...], Field(min_length=1, max_length=MOST_PEERS)]
    tenant: str = ""
    auth: MetricAuth = MetricAuth()
    ca_file: str | None = None
    clusters: tuple[str, ...] = ()
    watchdog: dict[str, str] = Field(default_factory=dict, max_length=8)
