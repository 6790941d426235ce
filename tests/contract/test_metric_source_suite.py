"""What is asked of every metric provider: a number only where there is one, and the right word where there is none."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from canned_http import Request, Script, Server, canned, serving
from metric_doors import AT, CLOUDWATCH, CLOUDWATCH_BUCKET, DOORS, SECRET, Door, cloudwatch, ok, rules

from gitops_rollback.adapters.metrics.cloudwatch import CloudwatchSettings, CloudwatchSource
from gitops_rollback.adapters.metrics.sigv4 import Credentials, Signer
from gitops_rollback.core.errors import Reason, SettingsInvalid
from gitops_rollback.core.measurement import Answer, Outcome, single
from gitops_rollback.ports import MetricSource

PATIENCE = timedelta(seconds=5)
MINUTE = timedelta(minutes=1)
DOWN = (Outcome.ERROR, Reason.METRICS_UNAVAILABLE)
NOTHING = (Outcome.NO_DATA, Reason.NO_DATA)
WORTH = {
    "none": NOTHING,
    "null": NOTHING,
    "two": (Outcome.INVALID, Reason.QUERY_INVALID),
    "another-time": DOWN,
    "partial": DOWN,
    "partial-by-word": DOWN,
    "partial-by-fault": DOWN,
    "wrong-query": (Outcome.INVALID, Reason.QUERY_INVALID),
    "refused": (Outcome.ERROR, Reason.CREDENTIALS_REJECTED),
    "refused-by-metric": (Outcome.ERROR, Reason.CREDENTIALS_REJECTED),
    "too-often": (Outcome.ERROR, Reason.QUERY_BUDGET),
    "down": DOWN,
}
# Whatever stands in front of a provider may answer these.
IN_BETWEEN = {
    "login-page": canned("200 OK", b"<html>Please log in"),
    "nothing-at-all": canned("200 OK", b""),
    "huge": canned("200 OK", b" " * (17 << 20)),
    "redirect": canned("301 Moved Permanently", b"", "Location: http://169.254.169.254/"),
    "bad-gateway": canned("502 Bad Gateway", b"upstream"),
    "hangs-up": lambda _connection, _request: None,
}
EACH = [pytest.param(door, name, id=f"{door.name}-{name}") for door in DOORS for name in door.answers if name in WORTH]
PROXIES = [
    pytest.param(door, script, id=f"{door.name}-{name}") for door in DOORS for name, script in IN_BETWEEN.items()
]


@contextmanager
def opened(door: Door, script: Script) -> Iterator[tuple[MetricSource, Server]]:
    with serving(script) as server:
        source = door.source(server.url)
        yield source, server
        source.close()  # what every adapter has, and no port asks for


def asked(door: Door, script: Script, query: str = "") -> Answer:
    with opened(door, script) as (source, _):
        return source.query(query or door.query, AT, PATIENCE)


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_good_answer_is_a_number_of_the_instant_that_was_asked_about(door: Door) -> None:
    measured = single(asked(door, door.answers["number"]))
    assert (measured.outcome, measured.value, measured.at) == (Outcome.VALUE, 0.25, AT)


@pytest.mark.parametrize(("door", "name"), EACH)
def test_whatever_else_it_says_is_no_number_and_has_its_word(door: Door, name: str) -> None:
    measured = single(asked(door, door.answers[name]))
    expected = (Outcome.ERROR, Reason.METRICS_UNAVAILABLE) if (door.name, name) == ("web", "two") else WORTH[name]
    assert (measured.outcome, measured.reason, measured.value) == (*expected, None)
    assert measured.detail
    assert SECRET not in measured.detail


@pytest.mark.parametrize(("door", "script"), PROXIES)
def test_what_answers_in_its_place_is_an_error(door: Door, script: Script) -> None:
    answer = asked(door, script)
    assert (answer.outcome, answer.reason) == DOWN
    assert SECRET not in answer.detail


@pytest.mark.parametrize("door", [one for one in DOORS if "too-often" in one.answers], ids=lambda door: door.name)
def test_who_says_too_often_is_left_alone(door: Door) -> None:
    with opened(door, door.answers["too-often"]) as (source, server):
        answers = [source.query(door.query, AT, PATIENCE).reason for _ in range(3)]
    assert answers == [Reason.QUERY_BUDGET] * 3
    assert len(server.requests) == 1


@pytest.mark.parametrize("door", [one for one in DOORS if one.bucket], ids=lambda door: door.name)
def test_a_range_says_at_each_instant_what_was_known_then(door: Door) -> None:
    with opened(door, door.answers["number"]) as (source, _):
        answer = source.query_range(door.query, AT - 3 * MINUTE, AT, MINUTE, PATIENCE)
    (series,) = answer.series
    assert (answer.kind, series.samples) == ("matrix", ((AT, 0.25),))


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_a_query_of_another_language_is_never_sent(door: Door) -> None:
    others = [one.query for one in DOORS if one is not door]
    with opened(door, door.answers["number"]) as (source, server):
        outcomes = (
            {source.query(query, AT, PATIENCE).outcome for query in others} if door.name != "prometheus" else set()
        )
    assert outcomes <= {Outcome.INVALID}
    assert not server.requests


# What CloudWatch alone does


def test_all_pages_of_an_answer_are_read_and_one_that_never_ends_is_an_error() -> None:
    last = cloudwatch([0.25], CLOUDWATCH_BUCKET)
    first = cloudwatch([], CLOUDWATCH_BUCKET, NextToken="more")

    def paged(connection: socket.socket, request: Request) -> None:
        (last if b"NextToken" in request.body else first)(connection, request)

    assert single(asked(CLOUDWATCH, paged)).value == 0.25
    assert asked(CLOUDWATCH, first).outcome is Outcome.ERROR


def test_the_newest_whole_minute_that_has_had_time_to_arrive_is_asked_for() -> None:
    with opened(CLOUDWATCH, CLOUDWATCH.answers["number"]) as (source, server):
        source.query(CLOUDWATCH.query, AT, PATIENCE)
    (request,) = server.requests
    start = int(CLOUDWATCH_BUCKET.timestamp())
    assert f'"StartTime": {start}, "EndTime": {start + 60}'.encode() in request.body
    assert request.headers["x-amz-target"] == "GraniteServiceVersion20100801.GetMetricData"
    assert "Credential=AKIDEXAMPLE/" in request.headers["authorization"]
    assert "/us-east-1/monitoring/aws4_request" in request.headers["authorization"]


def test_two_series_of_one_label_are_not_one() -> None:
    twin = {
        "Id": "a",
        "Label": "x",
        "Timestamps": [CLOUDWATCH_BUCKET.timestamp()],
        "Values": [1],
        "StatusCode": "Complete",
    }
    assert asked(CLOUDWATCH, ok({"MetricDataResults": [twin, twin]})).outcome is Outcome.ERROR


@pytest.mark.parametrize(
    ("token", "signature"),
    [
        ("", "a02b4e5483f3f5388cb1d3668b87502db9279187d679255210042f998d96cd49"),
        ("TOKEN/+==", "a723674ae7a25245ed64c778a51b1073b7a2266aac9ab00266bacb93b3758b73"),
    ],
)
def test_a_request_is_signed_as_botocore_signs_it(token: str, signature: str) -> None:
    """Both were signed by botocore 1.44.8, with AWS' own example key."""
    key = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token)
    target = {
        "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "GraniteServiceVersion20100801.GetMetricData",
    }
    signer = Signer(key, "eu-central-1", "monitoring", lambda: AT)
    headers = signer.headers("https://monitoring.eu-central-1.amazonaws.com/", b'{"a": 1}', target)
    assert headers["Authorization"].endswith(f"Signature={signature}")


def test_a_secret_that_is_no_pair_is_refused_without_showing_it() -> None:
    settings = CloudwatchSettings("store", "https://monitoring.eu-central-1.amazonaws.com", "just-a-secret")
    with pytest.raises(SettingsInvalid) as refused:
        CloudwatchSource(settings, rules(settings.url))
    assert "just-a-secret" not in str(refused.value)
