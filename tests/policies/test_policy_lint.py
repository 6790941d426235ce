"""Warnings: allowed, and probably not meant. Each defect of the original sketch that a template can have is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gitops_rollback.adapters.policies.promql import selected, template_errors, template_warnings
from gitops_rollback.adapters.policies.reader import ReadPolicy
from gitops_rollback.core.query import render

Reading = Callable[[str, str], ReadPolicy]
ReadingSpec = Callable[[str], ReadPolicy]
QUERY = 'sum(rate(errors_total{service="$SERVICE"}[2m]))'

SEED_TRIGGERS = [
    'sum(rate(http_requests_total{status=~"5..",service="$SERVICE"}[2m])) / sum(rate(r{service="$SERVICE"}[2m]))',
    'sum(kube_pod_container_status_restarts_total{namespace="$NAMESPACE",pod=~"$SERVICE-[a-z0-9]+-[a-z0-9]{5}"})',
    'histogram_quantile(0.99, sum(rate(d_bucket{service="$SERVICE",namespace="$NAMESPACE"}[2m])) by (le))',
    '(1 - sum(rate(a{service="$SERVICE"}[1h])) / sum(rate(b{service="$SERVICE"}[1h]))) / (1 - 0.999)',
]


@pytest.mark.parametrize("template", SEED_TRIGGERS)
def test_defect_replacing_only_the_first_service_leaves_no_literal_variable(template: str) -> None:
    assert template_errors(template) == ()
    assert "$" not in render(template, {"SERVICE": "api", "NAMESPACE": "shop"})


def test_defect_names_unescaped_in_a_regex_match_only_themselves() -> None:
    rendered = render('x{pod=~"$SERVICE-[a-z0-9]+"}', {"SERVICE": "pay.api"})
    assert selected(rendered) == (("pod", "MatchOp.Re", r"pay\.api-[a-z0-9]+"),)


@pytest.mark.parametrize("operator", ["=", "=~", "!=", "!~"])
@pytest.mark.parametrize("quote", ['"', "'", "`"])
def test_a4_a_hostile_application_name_keeps_the_querys_selectors(operator: str, quote: str) -> None:
    template = f"sum(x{{a{operator}{quote}$APPLICATION{quote},b={quote}c{quote}}})"
    shape = [(label, kind) for label, kind, _ in selected(render(template, {"APPLICATION": "web"}))]
    hostile = selected(render(template, {"APPLICATION": 'web"} or vector(1) #'}))
    assert [(label, kind) for label, kind, _ in hostile] == shape


@pytest.mark.parametrize("name", ["pay.api", "a|b", "a.*"])
def test_a5_a_name_in_a_regex_means_itself_only(name: str) -> None:
    ((_, _, regex),) = selected(render('x{pod=~"$SERVICE"}', {"SERVICE": name}))
    assert regex == name.replace(".", r"\.").replace("|", r"\|").replace("*", r"\*")


@pytest.mark.parametrize("regex", ["$SERVICE.*", "$SERVICE-.+", ".*$SERVICE"])
def test_defect_a_template_that_selects_strangers_is_named(read_with: Reading, regex: str) -> None:
    read = read_with(QUERY, f"'sum(x{{pod=~\"{regex}\"}})'")
    assert [(fault.line, fault.col, "also selects longer names" in fault.message) for fault in read.faults] == [
        (13, 14, True)
    ]
    assert read.policy is not None


def test_defect_a_counter_minus_its_own_past_is_named() -> None:
    for template in ("sum(x) - sum(x offset 5m)", "sum(x - x offset 5m)"):
        assert [fix for _, fix in template_warnings(template)] == ["use increase()"]
    assert template_warnings("sum(increase(x[5m]))") == ()


def test_a_comparison_in_the_query_is_named_and_one_with_bool_is_not() -> None:
    assert [fix for _, fix in template_warnings("x > 5")] == ["compare by `threshold`"]
    assert template_warnings("x > bool 5") == ()


def test_a_quotient_of_two_selectors_is_named_and_one_by_a_number_is_not() -> None:
    assert "`bad` and `total`" in template_warnings("sum(rate(a[5m])) / sum(rate(b[5m]))")[0][1]
    assert template_warnings("sum(rate(a[5m])) / 100") == ()


def test_a_file_that_argo_cd_would_apply_is_named(read_with: Reading) -> None:
    read = read_with("# +argocd:skip-file-rendering\n", "")
    assert [(fault.line, "first line" in fault.fix) for fault in read.faults] == [(1, True)]


def test_the_skip_marker_counts_in_a_comment_only(plain: str, read: Callable[[str], ReadPolicy]) -> None:
    text = plain.removeprefix("# +argocd:skip-file-rendering\n").replace(
        "{name: shop}", "{name: shop, labels: {a: %s}}"
    )
    assert len(read(text % '"+argocd:skip-file-rendering"').faults) == 1


def test_a_target_that_is_rolled_back_automatically_says_something_about_its_data(read_with: Reading) -> None:
    read = read_with("      data: {rollback: safe}\n", "")
    assert [(fault.line, fault.col) for fault in read.faults] == [(8, 7)]
    assert "says nothing on its data" in read.faults[0].message


def test_a_policy_that_only_pages_need_not_speak_of_data(plain: str, read: Callable[[str], ReadPolicy]) -> None:
    text = plain.replace("      data: {rollback: safe}\n", "").replace("auto_rollback", "page_and_suggest")
    assert read(text).faults == ()


@pytest.mark.parametrize(
    ("paths", "said", "named"),
    [("infra/**", "", True), ("infra/**", "status: atlantis/apply", False), ("infra/*.yaml", "", False)],
)
def test_a_rule_for_code_that_names_nothing_to_watch_is_named(
    plain: str, read: Callable[[str], ReadPolicy], paths: str, said: str, named: bool
) -> None:
    rule = f"{{name: cloud, type: infrastructure, match: {{paths: ['{paths}']}}, infrastructure: {{{said}}}}}"
    read_policy = read(f"{plain}  strategies: [{rule}]\n")
    assert ["never verified" in fault.message for fault in read_policy.faults] == [True] * named


def test_a_percentage_as_the_limit_of_a_ratio_is_named(read_with: Reading) -> None:
    ratio = read_with(f"      query: {QUERY}\n      comparison: greater_than\n      threshold: 0.05\n",
                      "      bad: a\n      total: b\n      threshold: 5\n")  # fmt: skip
    assert ["a ratio lies between 0 and 1" in fault.message for fault in ratio.faults] == [True]


@pytest.mark.parametrize(("threshold", "named"), [("0.97", False), ("0.98", True), ("1", True)])
def test_a_threshold_that_no_suspect_reaches_is_named(read_spec: ReadingSpec, threshold: str, named: bool) -> None:
    read = read_spec(f"suspects: {{threshold: {threshold}}}")
    assert read.policy is not None
    assert ["no suspect ever reaches" in fault.message for fault in read.faults] == [True] * named


@pytest.mark.parametrize(("severity", "named"), [("auto_rollback", False), ("page_and_suggest", True)])
def test_costs_that_have_nothing_to_decide_are_named(
    plain: str, read: Callable[[str], ReadPolicy], severity: str, named: bool
) -> None:
    faults = read(plain.replace("auto_rollback", severity) + "  decision: cost\n").faults
    assert ["nothing to decide" in fault.message for fault in faults] == [True] * named


def test_a_for_below_the_interval_is_named(read_with: Reading) -> None:
    assert ["shorter than `timing.interval`" in fault.message for fault in read_with("for: 2m", "for: 5s").faults] == [
        True
    ]


def test_one_query_for_several_targets_must_name_the_target(read_with: Reading) -> None:
    two = "    - {name: web, application: {name: web}, data: {rollback: ask}}\n    - name: api\n"
    read = read_with("    - name: api\n", two)
    assert read.faults == ()


def test_a_query_that_is_the_same_for_every_target_is_named(plain: str, read: Callable[[str], ReadPolicy]) -> None:
    two = "    - {name: web, application: {name: web}, data: {rollback: ask}}\n    - name: api\n"
    text = plain.replace("    - name: api\n", two).replace("$SERVICE", "api")
    assert ["the same for every target" in fault.message for fault in read(text).faults] == [True]
