"""Is there one incident for each application, which ends by itself, and a change event for each rollback?"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest
from canned_http import Request, serving
from notifying import EVIL, Answer, a_message, answering, bodies, exchange, path_of

from gitops_rollback.adapters.notifiers.folding import folded
from gitops_rollback.adapters.notifiers.pagerduty import DEDUP_KEY, PagerDuty
from gitops_rollback.adapters.notifiers.sender import Outcome, Receipt
from gitops_rollback.ports import Message

ACCEPTED: Answer = ("202 Accepted", {"status": "success", "message": "Event processed", "dedup_key": "x"})
APP = "default/Application/argocd/shop"


def told(*messages: Message, answer: Answer = ACCEPTED) -> tuple[list[tuple[str, Mapping[str, object]]], Receipt]:
    """Path and body of each request, and the last receipt."""
    with serving(answering(lambda _request: answer)) as server:
        channel = PagerDuty(exchange(server), "R0UT1NG", server.url)
        receipts = [channel.send(message) for message in messages]
        channel.close()
    paths = [path_of(request) for request in server.requests]
    return list(zip(paths, bodies(server), strict=True)), receipts[-1]


def test_pages_of_one_application_are_one_incident_that_ends_when_it_is_verified() -> None:
    events, receipt = told(
        a_message("1", event="suggested", page=True),
        a_message("2", event="unverified", page=True),
        a_message("3", event="verified", details={"applications": [APP, "default/Application/argocd/cart"]}),
    )
    assert receipt.outcome is Outcome.DELIVERED
    assert [(body["event_action"], body["dedup_key"]) for _, body in events] == [
        ("trigger", APP),
        ("trigger", APP),
        ("resolve", APP),
        ("resolve", "default/Application/argocd/cart"),
    ]
    assert all(path == "/v2/enqueue" and body["routing_key"] == "R0UT1NG" for path, body in events)
    assert events[0][1]["payload"]["severity"] == "critical"


def test_a_rollback_that_begins_is_a_change_and_wakes_nobody() -> None:
    ((path, body),), _ = told(a_message(event="started", details={"commit": "abc", "reverts": ["def"]}))
    assert path == "/v2/change/enqueue"
    assert body["payload"]["custom_details"]["commit"] == "abc"
    assert "event_action" not in body


def test_what_is_no_page_and_no_end_is_not_sent() -> None:
    assert told(a_message(event="stopped"))[0] == []


def test_what_concerns_a_whole_repository_is_an_incident_of_its_own_and_ends_with_it() -> None:
    events, _ = told(
        a_message("1", event="blind", page=True, topic="shop/config/controller/engine-x"),
        a_message("2", event="stopped", topic="shop/config/controller/engine-x", over=True),
    )
    assert [(body["event_action"], body["dedup_key"]) for _, body in events] == [
        ("trigger", "shop/config/controller/engine-x"),
        ("resolve", "shop/config/controller/engine-x"),
    ]


def test_an_incident_about_many_ends_when_the_last_of_them_is_well() -> None:
    storm = folded([a_message(str(n), event="blind", application=f"app-{n}", page=True) for n in range(2)])
    wells = [a_message(f"w{n}", event="verified", application=f"app-{n}") for n in range(2)]
    events, _ = told(storm, *wells)
    assert [(body["event_action"], body["dedup_key"]) for _, body in events] == [
        ("trigger", storm.topic),
        ("resolve", "app-0"),
        ("resolve", "app-1"),
        ("resolve", storm.topic),
    ]


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("400 Bad Request", Outcome.REFUSED),
        ("403 Forbidden", Outcome.REFUSED),
        ("429 Too Many Requests", Outcome.LATER),
        ("500 Internal Server Error", Outcome.LATER),
    ],
)
def test_only_what_may_pass_is_tried_again(status: str, outcome: Outcome) -> None:
    answer = (status, {"status": "invalid event", "errors": ["Length of 'routing_key' is incorrect"]})
    _, receipt = told(a_message(page=True, event="held"), answer=answer)
    assert receipt.outcome is outcome
    assert ("routing_key" in receipt.said) == (outcome is Outcome.REFUSED)


def test_names_and_texts_of_any_length_fit_and_two_long_names_stay_two() -> None:
    long = "default/Application/argocd/" + "x" * 400
    events, _ = told(
        a_message("1", event="held", page=True, application=long, title="t" * 5000),
        a_message("2", event="held", page=True, application=long + "y", text=EVIL * 100),
    )
    keys = [str(body["dedup_key"]) for _, body in events]
    assert all(len(key) <= DEDUP_KEY for key in keys)
    assert len(set(keys)) == 2
    assert len(events[0][1]["payload"]["summary"]) <= 1024
    assert "<!channel>" not in json.dumps(events)


def test_a_lost_answer_is_made_good_by_the_same_dedup_key() -> None:
    answers = [("500 Internal Server Error", {}), ACCEPTED]

    def answer(_request: Request) -> Answer:
        return answers.pop(0)

    with serving(answering(answer)) as server:
        channel = PagerDuty(exchange(server), "R0UT1NG", server.url)
        message = a_message(event="held", page=True)
        assert channel.send(message).outcome is Outcome.LATER
        assert channel.send(message).outcome is Outcome.DELIVERED
        channel.close()
    assert len({str(body["dedup_key"]) for body in bodies(server)}) == 1
