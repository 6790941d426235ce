"""`lint` and `schema` as a user runs them: what stands on stdout, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitops_rollback.cli.main import outcome_of

GOOD = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
spec:
  targets:
    - {name: api, application: {name: api-prod}}
  triggers:
    - {name: errors, query: 'errors{service="$SERVICE"}', threshold: 5}
"""
BAD = """\
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {name: shop}
spec:
  suspend: no
  targets:
    - {name: api, application: {name: api-prod}, data: {rollback: safe}}
  triggers:
    - name: errors
      query: sum(rate(errors_total{service="$SERVICES"}[2m])
      comparison: ">"
      treshold: 12_000
      for: 1:30
"""
ANSWER = """\
bad.yaml:1:1: warning: a recursing Argo CD application would try to apply this file \
(make `# +argocd:skip-file-rendering` the first line)
bad.yaml:5:12: `suspend`: `no` is not a boolean (write true or false, without quotes)
bad.yaml:10:14: `query`: unknown variable $SERVICES; known are $SERVICE, $NAMESPACE, $APPLICATION, $REVISION, \
$PROJECT, $CLUSTER
bad.yaml:11:19: `comparison`: `>` is not known here (write `greater_than`)
bad.yaml:12:7: unknown key `treshold` (did you mean `threshold`?)
bad.yaml:13:12: `for`: `1:30` is not a duration (write `1m30s` or `1h30m`)
"""


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("good.yaml").write_text(GOOD)


def test_all_faults_stand_on_stdout_with_their_places(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(BAD)
    assert outcome_of(["lint", "bad.yaml"]) == 1
    out, err = capsys.readouterr()
    assert out == ANSWER
    assert err == "1 file: 5 errors, 1 warning\n"


def test_a_clean_file_leaves_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome_of(["lint", "good.yaml"]) == 0
    assert capsys.readouterr() == ("", "1 file: 0 errors, 0 warnings\n")


def test_warnings_alone_leave_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.yaml").write_text(GOOD.removeprefix("# +argocd:skip-file-rendering\n"))
    assert outcome_of(["lint", "good.yaml"]) == 0
    assert "warning:" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["lint"], ["lint", "missing.yaml"], ["lint", "empty"], ["lint", "-o", "x", "."]])
def test_what_cannot_be_checked_leaves_with_2(arguments: list[str]) -> None:
    Path("empty").mkdir()
    assert outcome_of(arguments) == 2


def test_a_repository_stands_for_its_policies(capsys: pytest.CaptureFixture[str]) -> None:
    directory = Path(".gitops-rollback/policies/shop")
    directory.mkdir(parents=True)
    Path("deployment.yaml").write_text("kind: Deployment\n")
    (directory / "a.yaml").write_text(GOOD)
    (directory / "README.md").write_text("not YAML: [")
    assert outcome_of(["lint", "."]) == 0
    assert capsys.readouterr().err == "1 file: 0 errors, 0 warnings\n"


def test_below_a_plain_folder_manifests_of_others_are_left_out_and_what_may_be_ours_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = Path("mixed")
    folder.mkdir()
    (folder / "deployment.yaml").write_text("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n")
    (folder / "gitops-rollback.yaml").write_text("repositories: []\n")
    (folder / "good.yaml").write_text(GOOD)
    assert outcome_of(["lint", "mixed"]) == 0
    assert capsys.readouterr().err == "1 file: 0 errors, 0 warnings\n"
    (folder / "misspelt.yaml").write_text(GOOD.replace("gitops-rollback.dev/", "gitops-rolback.dev/"))
    (folder / "nothing.yaml").write_text("spec: {}\n")
    assert outcome_of(["lint", "mixed"]) == 1
    told = capsys.readouterr()
    assert "misspelt.yaml:" in told.out
    assert "nothing.yaml:" in told.out
    assert outcome_of(["lint", "mixed/deployment.yaml"]) == 1  # whoever names a file wants it judged


def test_a_link_in_place_of_a_policy_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    Path("link.yaml").symlink_to("good.yaml")
    assert outcome_of(["lint", "link.yaml"]) == 1
    assert "link.yaml:1:1: the policy is a symbolic link" in capsys.readouterr().out


def test_an_executable_policy_is_refused_as_git_would_have_it(capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.yaml").chmod(0o755)
    assert outcome_of(["lint", "good.yaml"]) == 1
    assert "executable" in capsys.readouterr().out


def test_files_that_only_fail_together_are_found(capsys: pytest.CaptureFixture[str]) -> None:
    Path("twin.yaml").write_text(GOOD)
    assert outcome_of(["lint", "good.yaml", "twin.yaml"]) == 1
    assert "good.yaml:6:32: application `api-prod` is also named by twin.yaml:6:32" in capsys.readouterr().out


def test_json_holds_every_fault_with_its_parts(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(BAD)
    assert outcome_of(["lint", "bad.yaml", "-o", "json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert (document["files"], document["errors"], document["warnings"]) == (1, 5, 1)
    assert document["faults"][1] == {
        "path": "bad.yaml",
        "line": 5,
        "column": 12,
        "severity": "error",
        "message": "`suspend`: `no` is not a boolean",
        "fix": "write true or false, without quotes",
    }


def test_github_annotations_escape_what_would_end_them(capsys: pytest.CaptureFixture[str]) -> None:
    Path("a,b%.yaml").write_text(GOOD.replace("threshold: 5", "threshold: 5%"))
    assert outcome_of(["lint", "a,b%.yaml", "-o", "github"]) == 1
    out = capsys.readouterr().out
    assert out.startswith("::error file=a%2Cb%25.yaml,line=8,col=70::`threshold`: `5%25` is not a plain number (")


def test_a_file_far_too_large_is_not_even_read(capsys: pytest.CaptureFixture[str]) -> None:
    with Path("huge.yaml").open("wb") as file:
        file.truncate(50_000_000)
    assert outcome_of(["lint", "huge.yaml"]) == 1
    assert "more than 65536 bytes" in capsys.readouterr().out


REQUEST = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackRequest
spec:
  target: {name: api}
  to: {lastHealthy: true}
  reason: cards fail
"""


def test_a_repository_stands_for_its_requests_too(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("policies", "requests"):
        Path(".gitops-rollback", name).mkdir(parents=True)
    Path(".gitops-rollback/policies/a.yaml").write_text(GOOD)
    Path(".gitops-rollback/requests/b.yaml").write_text(REQUEST)
    assert outcome_of(["lint", "."]) == 0
    assert capsys.readouterr() == ("", "2 files: 0 errors, 0 warnings\n")


def test_a_request_is_known_by_its_kind_and_by_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    place = Path(".gitops-rollback/requests/a.yaml")
    place.parent.mkdir(parents=True)
    place.write_text(REQUEST.replace("RollbackRequest", "RollbackRequests"))
    Path("elsewhere.yaml").write_text(REQUEST.replace("reason", "raeson"))
    assert outcome_of(["lint", "elsewhere.yaml", str(place)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "elsewhere.yaml:7:3: unknown key `raeson` (did you mean `reason`?)",
        f"{place}:3:7: `kind`: `RollbackRequests` is not known here (did you mean `RollbackRequest`?)",
    ]


def test_the_schema_of_a_request_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome_of(["schema", "request"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["title"] == "RollbackRequest"
    assert "what is approved is what lands" in json.dumps(document)


def test_the_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome_of(["schema"]) == 0
    assert json.loads(capsys.readouterr().out)["title"] == "RollbackPolicy"


def test_fix_writes_what_has_one_answer_and_leaves_the_rest_to_a_person(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(BAD)
    assert outcome_of(["lint", "bad.yaml", "--fix"]) == 1
    out, err = capsys.readouterr()
    text = Path("bad.yaml").read_text()
    assert text.startswith("# +argocd:skip-file-rendering\napiVersion")
    assert "      comparison: greater_than\n      threshold: 12000\n      for: 1:30\n" in text
    assert "  suspend: no\n" in text
    assert "fixed bad.yaml:12:7: unknown key `treshold`" in err
    assert [line.split(": ", 1)[0] for line in out.splitlines()] == [
        "bad.yaml:6:12",
        "bad.yaml:11:14",
        "bad.yaml:14:12",
    ]
    assert outcome_of(["lint", "bad.yaml", "--fix"]) == 1
    assert Path("bad.yaml").read_text() == text


def test_fix_writes_no_key_that_stands_there_already(capsys: pytest.CaptureFixture[str]) -> None:
    both = GOOD.replace("threshold: 5", "threshold: 5, treshold: 6")
    Path("good.yaml").write_text(both)
    assert outcome_of(["lint", "good.yaml", "--fix"]) == 1
    assert Path("good.yaml").read_text() == both
    assert "fixed" not in capsys.readouterr().err


COSTLY = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {name: shop}
spec:
  timing: {interval: 30s}
  targets:
    - {name: api, application: {name: api-prod}}
    - {name: web, application: {name: web-prod}}
    - {name: worker, application: {name: worker-prod}}
  triggers:
    - name: errors
      bad: sum(rate(e{service="$SERVICE"}[2m]))
      total: sum(rate(r{service="$SERVICE"}[2m]))
      threshold: 0.1
    - {name: slow, query: 'topk(1, lag{service="$SERVICE"})', threshold: 5}
    - {name: all, query: 'max(max_over_time(queue[7d]))', threshold: 5, severity: log_only}
    - {name: sick, type: health}
"""


def test_cost_says_how_often_a_policy_asks_and_what_reads_too_much(capsys: pytest.CaptureFixture[str]) -> None:
    Path("shop.yaml").write_text(COSTLY)
    assert outcome_of(["lint", "shop.yaml", "--cost"]) == 0
    out = capsys.readouterr().out
    assert "shop.yaml:17:26: warning: every series of `queue` is read each 30s (select by" in out
    assert "shop.yaml:17:26: warning: 7d of samples are read each 30s (let a recording rule" in out
    assert out.splitlines()[-4:] == [
        "shop.yaml: shop, 3 targets, each 30s, for 30m after a sync",
        "  one under watch    4 queries a look, 8 a minute",
        "  all under watch    6 queries a look, 12 a minute",  # one for each of `bad` and `total`, three, and one
        "  asked for each application by itself: slow",
    ]
    assert outcome_of(["lint", "shop.yaml", "--cost", "-o", "json"]) == 0
    (cost,) = json.loads(capsys.readouterr().out)["costs"]
    assert (cost["queriesForAll"], cost["perMinute"], cost["apart"]) == (6, 12.0, ["slow"])


def test_cost_says_where_a_source_would_be_asked_more_often_than_it_may(capsys: pytest.CaptureFixture[str]) -> None:
    targets = "".join(f"    - {{name: s{n}, application: {{name: s{n}}}}}\n" for n in range(200))
    Path("many.yaml").write_text(COSTLY.replace("    - {name: api, application: {name: api-prod}}\n", targets))
    assert outcome_of(["lint", "many.yaml", "--cost"]) == 0
    assert "more than the 600 a minute of `maxQueriesPerMinute`" not in capsys.readouterr().out
    Path("many.yaml").write_text(Path("many.yaml").read_text().replace("30s", "15s"))
    outcome_of(["lint", "many.yaml", "--cost"])
    assert "more than the 600 a minute of `maxQueriesPerMinute`" in capsys.readouterr().out


def test_cost_of_what_cannot_be_read_is_not_told(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bad.yaml").write_text(BAD)
    assert outcome_of(["lint", "bad.yaml", "--cost"]) == 1
    assert "under watch" not in capsys.readouterr().out
