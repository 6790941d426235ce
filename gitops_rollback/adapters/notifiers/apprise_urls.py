"""Everything else, by Apprise: a hundred services behind one URL, which is the secret.

Apprise makes its own connections, so the list of allowed origins does not bind them; therefore only the controller's
settings say which URLs there are. Source: Apprise 2, `Apprise.add`, `Apprise.notify`, `AppriseAsset`.
"""

from __future__ import annotations

import importlib
import logging
from typing import Any

from gitops_rollback.adapters.extras import install
from gitops_rollback.adapters.notifiers.sender import Outcome, Receipt
from gitops_rollback.adapters.notifiers.texts import body_lines, quoted
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.ports import Message


class AppriseUrl:
    """One service, by its Apprise URL. Raises: SettingsInvalid where Apprise is missing or cannot read the URL."""

    folds = True

    def __init__(self, url: str) -> None:
        library = _library()
        asset = library.AppriseAsset(app_id="gitops-rollback", storage_mode="memory", secure_logging=True)
        self._kinds = library.NotifyType
        self._text = library.NotifyFormat.TEXT
        self._apprise = library.Apprise(asset=asset)
        if not self._apprise.add(url):
            raise SettingsInvalid("notifications", "apprise: Apprise cannot read the URL that the secret holds")

    def send(self, message: Message) -> Receipt:
        body = "\n".join(body_lines(message)) or quoted(message.title)
        kind = self._kinds.WARNING if message.page else self._kinds.INFO
        kind = self._kinds.SUCCESS if message.event == "verified" else kind
        told = self._apprise.notify(body, quoted(message.title), notify_type=kind, body_format=self._text)
        # What went wrong Apprise says to its log alone, with the URL in it.
        return Receipt(Outcome.DELIVERED, "sent") if told else Receipt(Outcome.LATER, "Apprise could not send it")

    def check(self) -> Receipt | None:
        return None

    def close(self) -> None:
        """Apprise keeps no connection."""


def _library() -> Any:
    try:
        found = importlib.import_module("apprise")
    except ImportError as exc:
        message = f"apprise: the library is not installed; {install('notify')}"
        raise SettingsInvalid("notifications", message) from exc
    logging.getLogger("apprise").disabled = True  # it quotes what services answer, and parts of URLs
    return found
