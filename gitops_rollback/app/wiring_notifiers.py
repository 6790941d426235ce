"""Opens the places that people are told at: one table from a receiver's name to its channel."""

from __future__ import annotations

from collections.abc import Mapping

from gitops_rollback.adapters.http import Http, HttpSettings
from gitops_rollback.adapters.notifiers.apprise_urls import AppriseUrl
from gitops_rollback.adapters.notifiers.exchange import MAX_ANSWER, Exchange
from gitops_rollback.adapters.notifiers.fanout import Fanout
from gitops_rollback.adapters.notifiers.grafana import Grafana
from gitops_rollback.adapters.notifiers.linked import Linked
from gitops_rollback.adapters.notifiers.log import LogNotifier
from gitops_rollback.adapters.notifiers.pagerduty import PagerDuty
from gitops_rollback.adapters.notifiers.routes import Opened, Routes
from gitops_rollback.adapters.notifiers.sender import Channel, Sender
from gitops_rollback.adapters.notifiers.slack import Slack
from gitops_rollback.adapters.notifiers.slack_answers import SlackAnswers
from gitops_rollback.adapters.notifiers.teams import Teams
from gitops_rollback.adapters.notifiers.webhook import AuditHook, Webhook
from gitops_rollback.adapters.pages import Pages
from gitops_rollback.app.audit_stream import AuditStream
from gitops_rollback.app.origins import origin_of
from gitops_rollback.app.settings import Settings
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.core.policy import Notification
from gitops_rollback.core.receivers import RECEIVERS
from gitops_rollback.ports import Notifier


def notifier_of(settings: Settings, events: Channel | None = None) -> Notifier:
    """The log, the places of policies, the settings' own, and `events`; a shadow tells its log alone.

    Raises: SettingsInvalid.
    """
    if settings.shadow:
        return Fanout((LogNotifier(),))
    templates = {event: template.parsed for event, template in settings.templates.items()}
    routes = Routes(own_places(settings), lambda place: channel_of(settings, place), templates)
    on_objects = (Sender(events, "Kubernetes Events"),) if events is not None else ()
    address = settings.dashboard.address
    return Fanout((LogNotifier(), Linked(routes, Pages(address)) if address else routes, *on_objects))


def audit_stream_of(settings: Settings) -> AuditStream:
    """Who gets the audit's lines; nobody from a shadow or one that only observes. Raises: SettingsInvalid."""
    places = () if settings.observes else settings.audit
    senders = []
    for place in places:
        secret = offered(settings, place.secret_ref.name, place.url) if place.secret_ref else ""
        senders.append(Sender(AuditHook(_exchange(settings), place.url, secret), place.name))
    return AuditStream(senders)


def answers_of(settings: Settings) -> SlackAnswers | None:
    """Where a press of a button is answered; None where nobody may press any."""
    return SlackAnswers(_exchange(settings)) if settings.chat.approvers else None


def own_places(settings: Settings) -> list[Opened]:
    """The settings' places, opened. Raises: SettingsInvalid."""
    return [
        Opened(place.label, place.events, channel_of(settings, place.route, own=True))
        for place in settings.notifications
    ]


def offered(settings: Settings, name: str, url: str) -> str:
    """The secret that a policy names, if the settings offer it for that origin. Raises: SettingsInvalid."""
    from_settings = settings.secret(name)
    if from_settings is None:
        raise SettingsInvalid(f"secretRef {name}", "the controller's settings offer no secret of that name")
    if origin_of(url) not in from_settings.origins:
        raise SettingsInvalid(f"secretRef {name}", "this secret may not be sent to that origin")
    return from_settings.value.get_secret_value()


def channel_of(settings: Settings, place: Notification, own: bool = False) -> Channel:
    """The receiver at the wire. `own`: the settings themselves name it, and no policy.

    Raises: SettingsInvalid where its secret is not offered, or not for there, or a library is missing.
    """
    url = place.url or RECEIVERS[place.to].url
    if place.to == "teams":
        url = _secret_url(settings, place.secret)
    if place.to == "apprise":
        return AppriseUrl(_apprise_url(settings, place.secret, own))
    if not url:
        raise SettingsInvalid(f"notification to {place.to}", "needs a url")
    secret = offered(settings, place.secret, url) if place.secret else ""
    match place.to:
        case "slack":
            return Slack(_bearer(settings, secret), place.channel, url)
        case "grafana":
            return Grafana(_bearer(settings, secret), url, place.tags)
        case "pagerduty":
            return PagerDuty(_exchange(settings), secret, url)
        case "teams":
            return Teams(_exchange(settings), secret)
        case _:
            return Webhook(_exchange(settings), url, secret, place.format)


def _secret_url(settings: Settings, name: str) -> str:
    found = settings.secret(name)
    return found.value.get_secret_value() if found else ""


def _apprise_url(settings: Settings, name: str, own: bool) -> str:
    found = settings.secret(name)
    if found is None:
        raise SettingsInvalid(f"secretRef {name}", "the controller's settings offer no secret of that name")
    if not (own or found.apprise):
        raise SettingsInvalid(f"secretRef {name}", "is no Apprise URL for policies; its `apprise: true` is missing")
    return found.value.get_secret_value()


def _exchange(settings: Settings, headers: Mapping[str, str] | None = None) -> Exchange:
    made = HttpSettings(headers=tuple((headers or {}).items()), max_connections=2, max_body=MAX_ANSWER)
    return Exchange(Http(settings.origin_rules, made))


def _bearer(settings: Settings, token: str) -> Exchange:
    return _exchange(settings, {"Authorization": f"Bearer {token}"})
