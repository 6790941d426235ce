"""Which templates may many applications ask by together, and whose is which part of the answer?"""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gitops_rollback.core.grouping import Grouping, grouping_of
from gitops_rollback.core.measurement import Answer, Outcome, Series

AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def grouped(template: str) -> Grouping:
    found = grouping_of(template)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("template", "together", "added"),
    [
        pytest.param(
            'sum(rate(x{service="$SERVICE",code=~"5.."}[2m]))',
            'sum by (service) (rate(x{service=~"a|b",code=~"5.."}[2m]))',
            {"service"},
            id="a-sum",
        ),
        pytest.param('x{service="${SERVICE}"}', 'x{service=~"a|b"}', set(), id="raw-counters-keep-their-labels"),
        pytest.param('{"x", service=~"$SERVICE"}', '{"x", service=~"a|b"}', set(), id="a-quoted-name-a-whole-regex"),
        pytest.param(
            'histogram_quantile(0.99, sum by (le) (rate(b{s="$SERVICE"}[5m])))',
            'histogram_quantile(0.99, sum by (le, s) (rate(b{s=~"a|b"}[5m])))',
            {"s"},
            id="a-quantile",
        ),
        pytest.param(
            '100 * sum(x{s="$SERVICE"}) / sum(y{s="$SERVICE"}) > bool 5 # $SERVICE',
            '100 * sum by (s) (x{s=~"a|b"}) / sum by (s) (y{s=~"a|b"}) > bool 5 # $SERVICE',
            {"s"},
            id="a-quotient",
        ),
        pytest.param('sum(x{s="$SERVICE"}) by ()', 'sum(x{s=~"a|b"}) by (s)', {"s"}, id="the-clause-behind"),
        pytest.param('sum by (s) (x{s="$SERVICE"})', 'sum by (s) (x{s=~"a|b"})', set(), id="grouped-already"),
        pytest.param(
            'sum by (s) (sum(x{s="$SERVICE"}))',
            'sum by (s) (sum by (s) (x{s=~"a|b"}))',
            {"s"},
            id="a-label-that-was-gone",
        ),
        pytest.param('avg without (pod) (x{s="$SERVICE"})', 'avg without (pod) (x{s=~"a|b"})', set(), id="without"),
        pytest.param(
            'time() - -max(x{s="$SERVICE"} offset -5m)',
            'time() - -max by (s) (x{s=~"a|b"} offset -5m)',
            {"s"},
            id="time",
        ),
        pytest.param(
            'max_over_time(sum(rate(x{s="$SERVICE"}[1m]))[5m:30s])',
            'max_over_time(sum by (s) (rate(x{s=~"a|b"}[1m]))[5m:30s])',
            {"s"},
            id="a-subquery",
        ),
    ],
)  # fmt: skip
def test_a_template_that_keeps_its_names_is_grouped(template: str, together: str, added: set[str]) -> None:
    found = grouped(template)
    assert " ".join(found.expression([("b",), ("a",)]).split()) == together
    assert found.added == added


@pytest.mark.parametrize(
    "template",
    [
        pytest.param("up", id="names-nobody"),
        pytest.param('sum(x{pod=~"$SERVICE-.*"})', id="part-of-a-label"),
        pytest.param('x{s!="$SERVICE"}', id="all-but-one"),
        pytest.param('sum(x) / sum(y{s="$SERVICE"})', id="one-side-names-nobody"),
        pytest.param('sum(x{s="$SERVICE"}) / sum(y{app="$SERVICE"})', id="two-labels-for-one-name"),
        pytest.param('x{s="$SERVICE"} / sum(y{s="$SERVICE"})', id="sides-of-other-labels"),
        pytest.param('x{s="$SERVICE"} / on (pod) y{s="$SERVICE"}', id="matched-by-hand"),
        pytest.param('x{s="$SERVICE"} * on (pod) group_left y{s="$SERVICE"}', id="many-to-one"),
        pytest.param('sum(x{s="$SERVICE"}) or vector(0)', id="a-vector-without-labels"),
        pytest.param('absent(x{s="$SERVICE"})', id="absent"),
        pytest.param('scalar(x{s="$SERVICE"})', id="scalar"),
        pytest.param('topk(1, x{s="$SERVICE"})', id="topk"),
        pytest.param('label_replace(x{s="$SERVICE"}, "s", "$1", "pod", "(.*)")', id="label-replace"),
        pytest.param('sum without (s) (x{s="$SERVICE"})', id="without-the-name"),
        pytest.param('rate({__name__="$SERVICE"}[1m])', id="a-metric-s-name"),
        pytest.param('x{s="$SERVICE"} @ 1609746000', id="a-fixed-time"),
        pytest.param("$SERVICE:errors:ratio", id="outside-of-a-string"),
        pytest.param('sum(x{s="$SERVICE"}', id="not-closed"),
        pytest.param('sum(x{s="$SERVICE}', id="a-string-that-is-not-closed"),
        pytest.param("(" * 1000 + 'x{s="$SERVICE"}' + ")" * 1000, id="too-deep"),
        pytest.param("5", id="a-number"),
        pytest.param("", id="nothing"),
    ],
)
def test_a_template_of_which_that_is_not_certain_is_left_alone(template: str) -> None:
    assert grouping_of(template) is None


def test_a_name_stays_data_in_the_regex_and_in_the_string() -> None:
    """An unescaped `.` would let `a.b` be answered with what `a-b` does, and a quote would end the literal."""
    found = grouped('x{s="$SERVICE"}')
    assert found.expression([("a.b|c",), ('d"\\',)]) == 'x{s=~"a\\\\.b\\\\|c|d\\"\\\\\\\\"}'


def test_two_labels_are_one_key_and_all_pairs_but_its_own_are_nobody_s() -> None:
    found = grouped('sum(x{namespace="$NAMESPACE",s="$SERVICE"})')
    assert found.key({"SERVICE": "a", "NAMESPACE": "n"}) == ("n", "a")
    assert found.key({"SERVICE": "a", "NAMESPACE": ""}) is None
    assert found.everything() == 'sum by (namespace, s) (x{namespace!="",s!=""})'
    series = [series_of(1.0, namespace="n", s="a"), series_of(2.0, namespace="m", s="a")]
    parts = found.parts(Answer(Outcome.VALUE, AT, "", tuple(series)))
    assert parts == {("n", "a"): (series_of(1.0),), ("m", "a"): (series_of(2.0),)}


def test_an_answer_that_does_not_say_whose_it_is_is_nobody_s() -> None:
    found = grouped('sum(x{s="$SERVICE"})')
    assert found.parts(Answer(Outcome.VALUE, AT, "", (series_of(1.0),))) is None
    assert found.parts(Answer(Outcome.ERROR, AT, "")) is None
    assert found.parts(Answer(Outcome.VALUE, AT, "", kind="string")) is None
    assert found.parts(Answer(Outcome.VALUE, AT, "")) == {}


def series_of(value: float, **labels: str) -> Series:
    return Series(tuple(sorted(labels.items())), ((AT, value),))
