"""What each kind of receiver must be told to find its place: the one table for policies and settings."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from gitops_rollback.core.policy import Notification


@dataclass(frozen=True)
class Receiver:
    """`needs` and `takes` are keys as a policy has them; `url` is the service's own address, where it has one."""

    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    url: str = ""
    hint: str = ""


RECEIVERS = {
    "log": Receiver(),
    "webhook": Receiver(("url",), ("format", "secretRef"), hint="the secret signs each body"),
    "slack": Receiver(("channel", "secretRef"), ("url",), "https://slack.com/api", "the secret is a bot's token"),
    "pagerduty": Receiver(
        ("secretRef",), ("url",), "https://events.pagerduty.com", "the secret is an Events API v2 integration key"
    ),
    "grafana": Receiver(("url", "secretRef"), ("tags",), hint="the secret is a service account's token"),
    "teams": Receiver(("secretRef",), hint="the secret is the URL of the workflow's webhook"),
    "apprise": Receiver(("secretRef",), hint="the secret is an Apprise URL"),
}


def missing_of(to: str, given: frozenset[str]) -> tuple[str, ...]:
    """Keys that a receiver needs and was not given."""
    return tuple(key for key in RECEIVERS[to].needs if key not in given)


def strange_to(to: str, given: frozenset[str]) -> tuple[str, ...]:
    """Keys that mean nothing to this receiver."""
    known = {*RECEIVERS[to].needs, *RECEIVERS[to].takes, "to", "events", "name"}
    return tuple(sorted(given - known))


def place_name(place: Notification) -> str:
    """A place for people, without a path or query, which may be a secret."""
    parts = urlsplit(place.url)
    where = place.channel or (f"{parts.scheme}://{parts.netloc}" if parts.netloc else "")
    if place.to == "teams" or place.to == "apprise":
        where = place.secret
    return f"{place.to} {where}".strip()
