"""Bad policies P1 to P28: a clear answer each, with the exact place, and the process goes on."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gitops_rollback.adapters.policies.loading import PolicyFile, load_policies
from gitops_rollback.adapters.policies.reader import ReadPolicy, read_policy

Reading = Callable[[str, str], ReadPolicy]

WHOLE_FILES = [
    pytest.param(b"", 1, 1, "holds no policy", id="P1-empty"),
    pytest.param(b"# nothing\n\n# at all\n", 1, 1, "holds no policy", id="P2-only-comments"),
    pytest.param(b"a: 1\nb: caf\xe9\n", 2, 7, "not UTF-8", id="P3-latin-1"),
    pytest.param("a: 1".encode("utf-16"), 1, 1, "UTF-16", id="P3-utf-16-with-mark"),
    pytest.param("a: 1".encode("utf-16-le"), 1, 2, "NUL", id="P3-utf-16-without-mark"),
    pytest.param(b"a: 1\nb: x\0y\n", 2, 5, "NUL", id="P4-nul"),
    pytest.param(b'a: "x\\0y"\n', 1, 4, "control character", id="P4-nul-by-escape"),
    pytest.param(b"a:\n\tb: 1\n", 2, 1, "tab", id="P5-tab"),
    pytest.param(b"apiVersion: gitops-rollback.dev/v1alpha1\nkind: RollbackPolicy\nspe", 3, 4, "':'", id="P6-cut"),
    pytest.param(b'a: "cut in the mid', 1, 19, "end of stream", id="P6-cut-in-a-string"),
    pytest.param(b"a: 1\n---\nb: 2\n", 2, 1, "second document", id="P7-two-documents"),
    pytest.param(b"- a\n- b\n", 1, 1, "a list, not a mapping", id="P8-list"),
    pytest.param(b"just words\n", 1, 1, "a single value, not a mapping", id="P8-scalar"),
    pytest.param(b"a: &x 1\nb: 2\n", 1, 4, "anchors", id="P23-anchor"),
    pytest.param(b"a: &x 1\nb: *x\n", 2, 4, "aliases", id="P23-alias"),
    pytest.param(b"a: &x [*x]\n", 1, 4, "anchors", id="P23-recursive-anchor"),
    pytest.param(b"a:\n  <<: {b: 1}\n", 2, 3, "merge keys", id="P23-merge-key"),
    pytest.param(b"a: !!python/object:os.system x\n", 1, 4, "tags", id="P23-python-object"),
    pytest.param(b"%YAML 1.1\n---\na: 1\n", 1, 1, "directives", id="P23-directive"),
    pytest.param(b"[" * 60_000, 1, 33, "nested deeper than 32", id="P23-60kB-of-brackets"),
    pytest.param(b"? " * 30_000, 1, 65, "nested deeper than 32", id="P23-nested-keys"),
    pytest.param(b"%YAML " + b"9" * 9_000 + b".1\n--- a", 1, 1, "out of range", id="P13-10k-digits-in-a-directive"),
    pytest.param(b"a: b\n" * 10_000_000, 1, 1, "more than 65536", id="P24-50MB"),
    pytest.param(b"a: '" + b"x" * 100_000 + b"'", 1, 1, "more than 65536", id="P15-a-text-of-100kB"),
    pytest.param(b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", 1, 1, "LFS", id="P25-lfs-pointer"),
]

BOMB = "".join(f"k{n}: &k{n} {{<<: [*k{n - 1}, *k{n - 1}, *k{n - 1}, *k{n - 1}, *k{n - 1}]}}\n" for n in range(1, 9))


@pytest.mark.parametrize(("text", "line", "col", "word"), WHOLE_FILES)
def test_a_file_that_is_no_policy_is_refused_at_its_place(text: bytes, line: int, col: int, word: str) -> None:
    read = read_policy(text, "p.yaml", "c" * 40)
    assert read.policy is None
    found = [(fault.line, fault.col, fault.message) for fault in read.errors]
    assert [place for place in found if place[:2] == (line, col) and word in place[2]], found


CHANGES = [
    pytest.param("  suspend: false", "  suspend: false\n  suspend: true", 7, 3, "stands twice", id="P9-duplicate"),
    pytest.param("threshold:", "treshold:", 15, 7, "did you mean `threshold`?", id="P10-unknown-key"),
    *(
        pytest.param("suspend: false", f"suspend: {word}", 6, 12, "true or false", id=f"P11-{word}")
        for word in ("no", "off", '"false"', "1", "False", "yes")
    ),
    pytest.param("suspend: false", "suspend: ~", 6, 12, "is empty", id="P11-null"),
    pytest.param("suspend: false", "suspend: [true]", 6, 12, "is a list", id="P11-list"),
    pytest.param("for: 2m", "for: 1:30", 16, 12, "`1m30s` or `1h30m`", id="P12-sexagesimal"),
    pytest.param("for: 2m", "for: 0777", 16, 12, "add a unit", id="P12-octal"),
    pytest.param("for: 2m", "for: 5", 16, 12, "`5s` or `5m`", id="P12-no-unit"),
    pytest.param("for: 2m", "for: 5M", 16, 12, "write `5m`", id="P12-upper-case"),
    pytest.param("for: 2m", "for: -5m", 16, 12, "not a duration", id="P12-negative"),
    pytest.param("for: 2m", "for: 1e9h", 16, 12, "not a duration", id="P12-exponent"),
    pytest.param("for: 2m", "for: 999999999h", 16, 12, "longer than 90 days", id="P12-absurd"),
    pytest.param("for: 2m", "for: 7d", 16, 12, "write `168h`", id="P12-days"),
    pytest.param("for: 2m", "for: 30s2m", 16, 12, "not a duration", id="P12-small-before-large"),
    pytest.param("for: 2m", "for: 0x2m", 16, 12, "not a duration", id="P12-hexadecimal"),
    *(
        pytest.param("threshold: 0.05", f"threshold: {word}", 15, 18, hint, id=f"P13-{name}")
        for name, word, hint in (
            ("nan", ".nan", "not a plain number"),
            ("inf", "-.inf", "not a plain number"),
            ("percent", '"5%"', "5% is 0.05"),
            ("quoted", '"5"', "remove the quotes"),
            ("10k-digits", "9" * 10_000, "not a plain number"),
            ("underscore", "12_000", "write `12000`"),
            ("octal", "0777", "not a plain number"),
            ("hexadecimal", "0x1f", "not a plain number"),
            ("sexagesimal", "1:30", "not a plain number"),
            ("bare-point", ".5", "write `0.5`"),
            ("plus", "+5", "not a plain number"),
            ("word", "five", "not a plain number"),
        )
    ),
    pytest.param("greater_than", '">"', 14, 19, "write `greater_than`", id="P14-symbol"),
    pytest.param("greater_than", "greaterThan", 14, 19, "did you mean `greater_than`?", id="P14-camel-case"),
    pytest.param("greater_than", "above", 14, 19, "known: greater_than, less_than", id="P14-unknown"),
    pytest.param("[2m]))", "[2m])", 13, 14, "not PromQL", id="P15-unbalanced"),
    pytest.param("apiVersion: gitops-rollback.dev/v1alpha1", "apiVersion: gitops-rollback.dev/v2", 2, 13,
                 "update gitops-rollback", id="P26-future"),
    pytest.param("kind: RollbackPolicy", "kind: RollbackPolicies", 3, 7, "did you mean `RollbackPolicy`?", id="kind"),
    pytest.param("for: 2m", "for: 31m", 16, 12, "longer than `timing.window`", id="P17-for-beyond-the-window"),
    pytest.param("for: 2m", "for: 0", 16, 12, "immediate: true", id="for-0"),
    pytest.param("for: 2m", "on: 2m", 16, 7, "reads as a boolean", id="key-called-on"),
    pytest.param("severity: auto_rollback", "severity: auto-rollback", 17, 17, "`auto_rollback`?", id="severity"),
    pytest.param("name: api-prod", 'name: "*"', 9, 46, "no wildcards", id="A2-every-application"),
    pytest.param("name: api-prod", "name: api|b", 9, 46, "not a Kubernetes name", id="A5-regex-in-a-name"),
    pytest.param("name: api\n", "name: 'a\"} or vector(1) #'\n", 8, 13, "Kubernetes name", id="A4-query-in-a-name"),
    pytest.param("data: {rollback: safe}", "paths: [../b]", 10, 15, "not a path inside", id="A2-path-outside"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "line", "col", "word"), CHANGES)
def test_a_wrong_key_or_value_is_refused_at_its_place(
    read_with: Reading, old: str, new: str, line: int, col: int, word: str
) -> None:
    read = read_with(old, new)
    assert read.policy is None
    found = [(fault.line, fault.col, str(fault)) for fault in read.errors]
    assert [place for place in found if place[:2] == (line, col) and word in place[2]], found


QUERIES = [
    pytest.param("''", "empty", id="P15-empty"),
    pytest.param("'\"text\"'", "answers with a string", id="P15-string"),
    pytest.param("'rate(x[5m]'", "not PromQL", id="P15-unbalanced"),
    pytest.param("'x[5m]'", "range of samples", id="P15-matrix"),
    pytest.param("'" + "x + " * 3_000 + "x'", "12001 characters", id="P15-12kB"),
    pytest.param("'" + "(" * 4_000 + "x" + ")" * 4_000 + "'", "nested deeper", id="P15-deep-enough-to-kill-the-parser"),
    pytest.param("'" + "-" * 9_000 + "x'", "nested deeper", id="P15-unary-deep"),
    pytest.param("'x offset -5e999'", "no duration", id="P15-a-duration-that-makes-the-parser-panic"),
    pytest.param("'x{a=\"$FOO\"}'", "unknown variable $FOO; known are $SERVICE", id="P16-unknown-variable"),
    pytest.param("'x{a=\"$__rate_interval\"}'", "unknown variable", id="P16-grafanas"),
    pytest.param("'x{a=~\"(a+\"}'", "regex", id="P22-invalid-regex"),
    pytest.param("'x{a=~\"(?=a)b\"}'", "regex", id="P22-not-RE2"),
    pytest.param("'x{a=~\"(.{900}){900}\"}'", "too large", id="P22-huge-when-compiled"),
]


@pytest.mark.parametrize(("query", "word"), QUERIES)
def test_a_query_that_can_never_work_is_refused(read_with: Reading, query: str, word: str) -> None:
    read = read_with('sum(rate(errors_total{service="$SERVICE"}[2m]))', query)
    assert read.policy is None
    assert [(fault.line, fault.col) for fault in read.errors if word in fault.message] == [(13, 14)]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param('\'x{a="$SERVICE",b="$SERVICE"}\'', id="P16-service-twice"),
        pytest.param("'x{a=~\"(a+)+$\"}'", id="P22-exponential-elsewhere-linear-in-RE2"),
        pytest.param("'x{a=~`\\d+`}'", id="backticks-hold-their-backslash"),
    ],
)
def test_a_query_that_only_looks_bad_is_taken(read_with: Reading, query: str) -> None:
    assert read_with('sum(rate(errors_total{service="$SERVICE"}[2m]))', query).errors == ()


def test_p23_a_merge_bomb_is_refused_before_it_is_built() -> None:
    read = read_policy(b"k0: &k0 {a: 1}\n" + BOMB.encode(), "p.yaml", "c" * 40)
    assert read.policy is None
    assert {"anchors are not allowed", "aliases are not allowed"} <= {fault.message for fault in read.errors}


MODES = [
    pytest.param("120000", "symbolic link", id="P25-A8-symlink"),
    pytest.param("040000", "directory", id="P25-directory"),
    pytest.param("160000", "submodule", id="P25-submodule"),
    pytest.param("100755", "executable", id="P25-executable"),
    pytest.param("100664", "mode 100664", id="P25-odd-mode"),
]


STRATEGY = "  strategies: [{name: s, type: canary, canary: {steps: %s}}]\n"
FIELD = "  strategies: [{name: s, type: canary, canary: %s}]\n"
STRATEGIES = [
    pytest.param(STRATEGY % "[]", 18, "must not be empty", id="P18-no-steps"),
    pytest.param(STRATEGY % f"[{', '.join(['1'] * 1000)}]", 18, "too many items", id="P18-1000-steps"),
    pytest.param(STRATEGY % "[50, 70, 0]", 18, "from 50 to 70", id="P18-rising-weights"),
    pytest.param(STRATEGY % "[50, 50, 0]", 18, "from 50 to 50", id="P18-a-step-that-does-nothing"),
    pytest.param(STRATEGY % "[50, 10]", 18, "leaves traffic on the bad version", id="P18-it-does-not-end-at-0"),
    pytest.param(STRATEGY % "[150, 0]", 18, "more than 100 per cent", id="P18-more-than-all"),
    pytest.param(STRATEGY % "[50, 0]", 18, "names no field to set", id="no-field"),
    pytest.param(FIELD % "{file: a.yaml}", 18, "belong together", id="a-file-without-a-field"),
    pytest.param(FIELD % "{file: a.yaml, field: 'a..b'}", 18, "is no field", id="no-way-to-a-field"),
    pytest.param(FIELD % "{file: a.yaml, field: a, complement: a}", 18, "the very field", id="its-own-complement"),
    pytest.param(FIELD % "{file: a.yaml, field: a, stable: [quiet]}", 18, "no trigger is called", id="no-such-trigger"),
    pytest.param(FIELD % "{file: a.yaml, field: a, mode: jump, steps: [50, 0]}", 18, "one step", id="jump-in-steps"),
    pytest.param("  strategies: [{name: s, type: feature-flag}]\n", 18, "needs `featureFlag`", id="no-flag"),
    pytest.param("  strategies: [{name: s, type: blue-green}]\n", 18, "names no field", id="no-slot"),
]


@pytest.mark.parametrize(("strategy", "line", "word"), STRATEGIES)
def test_a_strategy_that_cannot_be_carried_out_is_refused(plain: str, strategy: str, line: int, word: str) -> None:
    read = read_policy((plain + strategy).encode(), "p.yaml", "c" * 40)
    assert [fault for fault in read.errors if fault.line == line and word in fault.message], read.errors


def test_p21_a_dependency_on_itself_is_refused_where_it_stands(plain: str) -> None:
    text = plain.replace("      data: {rollback: safe}\n", "      data: {rollback: safe}\n      dependsOn: [api]\n")
    read = read_policy(text.encode(), "p.yaml", "c" * 40)
    assert read.policy is None
    ((line, message),) = [(fault.line, fault.message) for fault in read.faults]
    assert "dependsOn" in text.splitlines()[line - 1]
    assert "`api` -> `api`" in message


def test_p21_two_targets_that_need_each_other_are_refused_with_the_way_round(plain: str) -> None:
    other = "    - {name: web, application: {name: web}, data: {rollback: safe}, dependsOn: [api]}\n"
    text = plain.replace(
        "      data: {rollback: safe}\n", f"      data: {{rollback: safe}}\n      dependsOn: [web]\n{other}"
    )
    read = read_policy(text.encode(), "p.yaml", "c" * 40)
    assert read.policy is None
    ((line, message),) = [(fault.line, fault.message) for fault in read.errors]
    assert "dependsOn" in text.splitlines()[line - 1]
    assert "`api` -> `web` -> `api`" in message


@pytest.mark.parametrize(("mode", "word"), MODES)
def test_only_plain_files_are_policies(plain: str, mode: str, word: str) -> None:
    other = plain.replace("api-prod", "other")
    files = [PolicyFile("d/bad.yaml", mode, plain.encode()), PolicyFile("d/good.yaml", "100644", other.encode())]
    found = load_policies(files, "c" * 40)
    assert [policy.path for policy in found.policies] == ["d/good.yaml"]
    assert [(fault.path, fault.line, word in fault.message) for fault in found.errors] == [("d/bad.yaml", 1, True)]


def test_p19_two_policies_for_one_application_are_both_refused_for_it(plain: str) -> None:
    second = plain.replace("    - name: api\n", "    - {name: web, application: {name: web}}\n    - name: api\n")
    found = load_policies([("a.yaml", "100644", plain.encode()), ("b.yaml", "100644", second.encode())], "c" * 40)
    assert [(fault.path, fault.line, fault.col) for fault in found.errors] == [("a.yaml", 9, 20), ("b.yaml", 10, 20)]
    assert "also named by b.yaml:10:20" in found.errors[0].message
    assert "also named by a.yaml:9:20" in found.errors[1].message
    assert [[target.name for target in policy.targets] for policy in found.policies] == [[], ["web"]]
    assert [reference.name for reference in found.refused] == ["api-prod"]


def test_p28_files_that_differ_only_in_case_are_both_refused(plain: str) -> None:
    other = plain.replace("api-prod", "other").encode()
    files = [("d/Policy.yaml", "100644", plain.encode()), ("d/policy.yaml", "100644", other)]
    found = load_policies(files, "c" * 40)
    assert found.policies == ()
    assert [fault.path for fault in found.errors] == ["d/Policy.yaml", "d/policy.yaml"]


def test_p28_of_ten_thousand_files_the_first_thousand_are_read_and_the_rest_is_named(plain: str) -> None:
    text = plain.encode()
    files = [(f"{n:05}.yaml", "100644", text.replace(b"api-prod", b"app-%d" % n)) for n in range(1001)]
    files += [(f"{n:05}.yaml", "100644", b"") for n in range(1001, 10_000)]
    found = load_policies(files, "c" * 40)
    assert len(found.policies) == 1000
    assert [(fault.path, "more than 1000" in fault.message) for fault in found.errors] == [("01000.yaml", True)]


def test_p24_a_file_that_was_too_large_to_read_is_refused() -> None:
    found = load_policies([("big.yaml", "100644", None)], "c" * 40)
    assert "more than 65536 bytes" in found.errors[0].message


def test_all_faults_of_a_file_are_told_at_once_in_its_order(plain: str) -> None:
    bad = plain.replace("suspend: false", "suspend: no").replace("threshold", "treshold").replace("for: 2m", "for: 40m")
    bad = bad.replace("$SERVICE", "$SERVIC").replace("name: api-prod", "name: '*'")
    errors = read_policy(bad.encode(), "p.yaml", "c" * 40).errors
    assert [(fault.line, fault.col) for fault in errors] == [
        (6, 12),
        (9, 46),
        (13, 14),
        (15, 7),
        (16, 12),
    ]


def test_one_bad_policy_does_not_hurt_the_others(plain: str) -> None:
    files = [("bad.yaml", "100644", b"[" * 60_000), ("good.yaml", "100644", plain.encode())]
    found = load_policies(files, "c" * 40)
    assert [policy.name for policy in found.policies] == ["shop"]
    assert found.broken == {"bad.yaml"}


SAME = [
    pytest.param("{namespace: argocd, name: x}", "{name: x}", True, id="no-namespace-means-any"),
    pytest.param("{namespace: argocd, name: x}", "{namespace: other, name: x}", False, id="two-namespaces"),
    pytest.param("{name: x, instance: a}", "{name: x}", True, id="no-instance-means-any"),
    pytest.param("{name: x, instance: a}", "{name: x, instance: b}", False, id="two-instances"),
    pytest.param("{name: x}", "{name: x, kind: ApplicationSet}", False, id="two-kinds"),
]


@pytest.mark.parametrize(("first", "second", "same"), SAME)
def test_p19_two_references_collide_where_they_can_mean_one_application(
    plain: str, first: str, second: str, same: bool
) -> None:
    texts = [plain.replace("{namespace: argocd, name: api-prod}", reference) for reference in (first, second)]
    found = load_policies([(f"{n}.yaml", "100644", text.encode()) for n, text in enumerate(texts)], "c" * 40)
    assert len(found.errors) == (2 if same else 0)


def test_names_that_two_policies_share_only_warn(plain: str) -> None:
    texts = [plain, plain.replace("api-prod", "other")]
    found = load_policies([(f"{n}.yaml", "100644", text.encode()) for n, text in enumerate(texts)], "c" * 40)
    assert found.errors == ()
    assert [fault.message for fault in found.faults] == [
        "policy `shop` is also in 0.yaml",
        "target `api` is also in 0.yaml",
    ]


def test_files_that_are_no_yaml_are_not_policies() -> None:
    found = load_policies([("README.md", "100644", b"["), (".gitkeep", "100644", b"")], "c" * 40)
    assert (found.policies, found.faults) == ((), ())


def test_p22_the_regular_expressions_of_a_file_are_bounded_together(plain: str) -> None:
    heavy = "".join(f"    - {{name: t{n}, query: 'x{{a=~\"(.{{30}}){{30}}\"}}', threshold: 1}}\n" for n in range(20))
    read = read_policy((plain + heavy).encode(), "p.yaml", "c" * 40)
    assert [fault.message for fault in read.errors] == ["the regular expressions of this file are too large together"]
