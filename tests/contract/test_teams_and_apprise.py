"""Do the other receivers take what they are sent, and does a missing library say what to install?"""

from __future__ import annotations

import json
import sys

import pytest
from canned_http import serving
from notifying import EVIL, a_message, answering, bodies, exchange

from gitops_rollback.adapters.notifiers.apprise_urls import AppriseUrl
from gitops_rollback.adapters.notifiers.sender import Outcome
from gitops_rollback.adapters.notifiers.teams import LARGEST_CARD, Teams
from gitops_rollback.core.errors import SettingsInvalid


def test_teams_gets_one_adaptive_card_that_fits_and_obeys_nobody() -> None:
    with serving(answering(lambda _request: ("202 Accepted", {}))) as server:
        teams = Teams(exchange(server), f"{server.url}/workflows/x?sig=canary")
        long = "\n".join([EVIL * 2] * 400)
        assert teams.send(a_message(title=EVIL, text=long, page=True, guide=(EVIL,) * 40)).outcome is Outcome.DELIVERED
        teams.close()
    (body,) = bodies(server)
    (attachment,) = body["attachments"]
    assert (body["type"], attachment["contentType"]) == ("message", "application/vnd.microsoft.card.adaptive")
    assert (attachment["content"]["type"], attachment["content"]["version"]) == ("AdaptiveCard", "1.4")
    assert len(json.dumps(body)) <= LARGEST_CARD
    assert "[x]" not in json.dumps(body, ensure_ascii=False)
    assert "\\*b\\*" in attachment["content"]["body"][0]["text"]


def test_apprise_sends_to_what_its_url_says() -> None:
    with serving(answering(lambda _request: ("200 OK", {}))) as server:
        told = AppriseUrl(f"json://127.0.0.1:{server.port}/hook").send(a_message(title="Rolled back", page=True))
    assert told.outcome is Outcome.DELIVERED
    (body,) = bodies(server)
    assert (body["title"], body["message"], body["type"]) == ("Rolled back", "because", "warning")


def test_an_apprise_service_that_fails_is_tried_again_and_says_no_secret(capfd: pytest.CaptureFixture[str]) -> None:
    with serving(answering(lambda _request: ("500 Internal Server Error", {}))) as server:
        told = AppriseUrl(f"json://user:canary@127.0.0.1:{server.port}/hook").send(a_message())
    assert told.outcome is Outcome.LATER
    assert "canary" not in told.said + "".join(capfd.readouterr())


def test_an_url_that_apprise_cannot_read_is_a_fault_that_does_not_quote_it() -> None:
    with pytest.raises(SettingsInvalid, match="cannot read the URL") as caught:
        AppriseUrl("nosuch://canary")
    assert "canary" not in str(caught.value)


def test_without_the_library_the_fault_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(SettingsInvalid, match=r"pip install '\.\[notify\]' in a clone"):
        AppriseUrl("json://127.0.0.1")
