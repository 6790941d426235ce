"""Queries as text: variables are filled everywhere and stay data; ranges are found and cut."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_rollback.core.errors import QueryInvalid
from gitops_rollback.core.policy import ApplicationRef, Target, Workload
from gitops_rollback.core.query import (
    cut_ranges,
    format_duration,
    look_back,
    ranges,
    render,
    stranger_selectors,
    used_variables,
    variables_of,
)

MINUTE = timedelta(minutes=1)
NAMES = {"SERVICE": "pay.api", "NAMESPACE": "payments", "APPLICATION": "pay", "REVISION": "5ab3c90"}
HOSTILE = {"SERVICE": 'web"} or vector(1) #'}


def test_every_place_of_every_variable_is_filled() -> None:
    template = 'sum(x{a="$SERVICE"}) / sum(y{a="$SERVICE",n="$NAMESPACE",b="$SERVICE-$REVISION"})'
    assert render(template, NAMES) == 'sum(x{a="pay.api"}) / sum(y{a="pay.api",n="payments",b="pay.api-5ab3c90"})'


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        pytest.param('x{a="$SERVICE"}', 'x{a="pay.api"}', id="equality"),
        pytest.param('x{a!="$SERVICE"}', 'x{a!="pay.api"}', id="inequality"),
        pytest.param('x{a=~"$SERVICE"}', r'x{a=~"pay\\.api"}', id="regex-in-double-quotes"),
        pytest.param("x{a!~'$SERVICE'}", r"x{a!~'pay\\.api'}", id="negated-regex-in-single-quotes"),
        pytest.param("x{a=~`$SERVICE`}", r"x{a=~`pay\.api`}", id="regex-in-backticks"),
        pytest.param('x{a =~ # why\n "$SERVICE"}', 'x{a =~ # why\n "pay\\\\.api"}', id="a-comment-between"),
        pytest.param('x{a=~"${SERVICE}_v2"}', r'x{a=~"pay\\.api_v2"}', id="braces"),
        pytest.param('${APPLICATION}_total{a="b"}', 'pay_total{a="b"}', id="outside-of-quotes"),
        pytest.param('x{a=~"api$"}', 'x{a=~"api$"}', id="an-anchor-is-no-variable"),
        pytest.param('label_replace(x,"a","$1","b","c")', 'label_replace(x,"a","$1","b","c")', id="a-group-is-none"),
        pytest.param("x # it's $FOO", "x # it's $FOO", id="a-comment-stays"),
    ],
)
def test_a_value_is_escaped_for_where_it_stands(template: str, expected: str) -> None:
    assert render(template, NAMES) == expected


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ('x{a="$SERVICE"}', r'x{a="web\"} or vector(1) #"}'),
        ("x{a='$SERVICE'}", """x{a='web"} or vector(1) #'}"""),
        ("x{a=~`$SERVICE`}", r"""x{a=~`web"\} or vector\(1\) #`}"""),
    ],
)
def test_a_hostile_name_stays_inside_its_string(template: str, expected: str) -> None:
    assert render(template, HOSTILE) == expected


@pytest.mark.parametrize(
    ("template", "values", "word"),
    [
        pytest.param("x $FOO", NAMES, "unknown variable $FOO; known are $SERVICE", id="unknown"),
        pytest.param('x{a="$service"}', NAMES, "unknown variable $service", id="unknown-in-lower-case"),
        pytest.param("$SERVICE_total", NAMES, "unknown variable $SERVICE_total", id="name-that-runs-on"),
        pytest.param('x{a="$CLUSTER"}', NAMES, "$CLUSTER has no value here", id="known-but-without-value"),
        pytest.param("$SERVICE", NAMES, "outside quotes", id="a-dot-outside-of-quotes"),
        pytest.param("x $SERVICE", HOSTILE, "outside quotes", id="hostile-outside-of-quotes"),
        pytest.param('x{a=~"[$SERVICE]"}', NAMES, "character class", id="in-a-character-class"),
        pytest.param('x{a=~"[]a$SERVICE]"}', NAMES, "character class", id="in-a-class-that-starts-with-its-end"),
        pytest.param('x{a=~"\\\\$SERVICE"}', NAMES, "backslash", id="after-a-backslash"),
        pytest.param('x{a="$SERVICE}', NAMES, "not closed", id="string-not-closed"),
        pytest.param("x{a=`$SERVICE`}", {"SERVICE": "a`b"}, "backtick", id="backtick-in-backticks"),
    ],
)
def test_what_cannot_be_filled_safely_is_refused(template: str, values: dict[str, str], word: str) -> None:
    with pytest.raises(QueryInvalid) as caught:
        render(template, values)
    assert word in caught.value.message


def test_a_class_that_is_closed_before_the_variable_is_no_obstacle() -> None:
    assert render('x{a=~"[a-z]+-$APPLICATION"}', NAMES) == 'x{a=~"[a-z]+-pay"}'


@given(value=st.text(max_size=30), quote=st.sampled_from("\"'"))
def test_no_value_ends_the_string_that_it_stands_in(value: str, quote: str) -> None:
    rendered = render(f"x{{a={quote}$SERVICE{quote}}}", {"SERVICE": value})
    inner = rendered.removeprefix(f"x{{a={quote}").removesuffix(f"{quote}}}")
    assert "\n" not in inner
    assert quote not in inner.replace("\\\\", "").replace(f"\\{quote}", "")


def test_variables_come_from_the_target_and_an_empty_one_is_left_out() -> None:
    target = Target("api", "argocd", ApplicationRef("argocd", "api-prod"), Workload("Deployment", "shop", "api"))
    assert variables_of(target, namespace="elsewhere", revision="abc") == {
        "SERVICE": "api",
        "NAMESPACE": "shop",
        "APPLICATION": "api-prod",
        "REVISION": "abc",
    }


def test_used_variables_are_named_without_those_of_comments() -> None:
    assert used_variables('x{a="$SERVICE",b=~"${NAMESPACE}x"} # $REVISION') == {"SERVICE", "NAMESPACE"}


@pytest.mark.parametrize(
    ("regex", "strangers"),
    [
        ("$SERVICE.*", True),
        ("$SERVICE-.*", True),
        (".*$SERVICE", True),
        ("$SERVICE[a-z-]+", True),
        ("$SERVICE-[^/]+", True),
        (r"$SERVICE\\S+", True),
        ("$SERVICE.{1,20}", True),
        ("$SERVICE-[a-z0-9]+-[a-z0-9]{5}", False),
        ("$SERVICE", False),
        (".*/$SERVICE:.*", False),
        ("$SERVICE|other.*", False),
        (r"$SERVICE\\.svc", False),
    ],
)
def test_a_template_that_selects_strangers_is_found(regex: str, strangers: bool) -> None:
    assert bool(stranger_selectors(f'x{{pod=~"{regex}"}}')) is strangers


def test_a_wildcard_in_a_plain_string_selects_nobody() -> None:
    assert stranger_selectors('x{pod="$SERVICE.*"}') == ()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("up", ()),
        ("rate(x[5m])", (5 * MINUTE,)),
        ("rate(x[1h30m]) / rate(y[ 90s ])", (90 * MINUTE, 1.5 * MINUTE)),
        ('rate(x{a="[9h]"}[5m]) # [8h]', (5 * MINUTE,)),
        ("max_over_time(rate(x[5m])[1h:1m])", (5 * MINUTE, 60 * MINUTE)),
        ("rate(x[300])", (5 * MINUTE,)),
    ],
)
def test_each_range_is_found_where_it_is_one(expression: str, expected: tuple[timedelta, ...]) -> None:
    assert ranges(expression) == expected


@pytest.mark.parametrize("expression", ["rate(x[5m*2])", "rate(x[$W])", "x[9999999999y]", "rate(x[5m])[1h:1e999]"])
def test_a_range_that_cannot_be_measured_is_an_error(expression: str) -> None:
    with pytest.raises(QueryInvalid):
        ranges(expression)


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("up", timedelta(0)),
        ("rate(x[5m]) / rate(y[1h])", 60 * MINUTE),
        ("rate(x[5m] offset 10m)", 15 * MINUTE),
        ("rate(x[5m] offset -10m)", 5 * MINUTE),
        ("max_over_time(rate(x[5m])[1h:1m] offset 3m)", 68 * MINUTE),
    ],
)
def test_looking_back_adds_up_what_lies_inside_each_other(expression: str, expected: timedelta) -> None:
    assert look_back(expression) == expected


def test_a_fixed_time_has_no_length() -> None:
    with pytest.raises(QueryInvalid):
        look_back("rate(x[5m] @ 1609746000)")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        pytest.param("rate(x[5m]) / rate(y[30s])", "rate(x[90s]) / rate(y[30s])", id="only-the-longer-one"),
        pytest.param("rate(x[90s])", "rate(x[90s])", id="equal-stays"),
        pytest.param('rate(x{a="[5m]"}[5m])', 'rate(x{a="[5m]"}[90s])', id="a-string-stays"),
        pytest.param("up", "up", id="no-range"),
        pytest.param("rate(x[5m] offset 1m)", None, id="an-offset-reads-earlier-data"),
        pytest.param("rate(x[5m] @ end())", "rate(x[90s] @ end())", id="end-is-the-evaluation-time"),
        pytest.param("rate(x[5m] @ 1609746000)", None, id="a-fixed-time"),
        pytest.param("max_over_time(x[5m:1m])", None, id="a-subquery"),
        pytest.param("rate(x[5m*2])", None, id="no-duration"),
    ],
)
def test_verification_reads_only_data_from_after_the_switch(expression: str, expected: str | None) -> None:
    assert cut_ranges(expression, timedelta(seconds=90)) == expected


@pytest.mark.parametrize("longest", [timedelta(0), timedelta(seconds=-5)])
def test_a_range_is_never_cut_to_nothing(longest: timedelta) -> None:
    assert cut_ranges("rate(x[5m])", longest) is None


def test_a_cut_range_is_rounded_down_never_up() -> None:
    assert format_duration(timedelta(seconds=37, microseconds=999_999)) == "37999ms"
