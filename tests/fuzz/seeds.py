"""What fuzzing starts from: for each target some inputs that are taken, and the words that its format is made of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plan_facts import DEPLOYMENT
from pods_made import container, deployment, pod, replica_set

from gitops_rollback.core.journal import DecisionEntry, encode_entry, encode_record
from gitops_rollback.core.rollback import Phase, RollbackOutcome, RollbackRecord, StepRecord
from gitops_rollback.core.stop import Pause, encode_pauses

SAMPLES = Path(__file__).resolve().parents[1] / "contract"
ROOT = Path(__file__).resolve().parents[2]
RECORDED = ROOT / "tests" / "contract" / "argocd"
AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

RECORD = RollbackRecord(
    "rb-0123456789abcdef", ("default/Application/argocd/web",), "argocd", "shop/config", "b" * 40, "a" * 40, "p@a",
    ("errors",), ("b" * 40,), Phase.DONE, outcome=RollbackOutcome.VERIFIED, times={"pushed": AT},
    steps=(StepRecord(1, 1, "d" * 40, {"a": "e" * 40, "gone": None}, AT),), evidence={"value": 0.5},
)  # fmt: skip
ENTRY = DecisionEntry(AT, "default/Application/argocd/web", "leave", "Quiet", "b" * 40, "no trigger fires", {"n": 1})
VECTOR = {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1795608000, "1"]}]}}
MATRIX = {
    "status": "success",
    "data": {"resultType": "matrix", "result": [{"metric": {"pod": "a"}, "values": [[1795607940, "1"], [1, "NaN"]]}]},
    "warnings": [],
}
FAILED = {"status": "error", "errorType": "bad_data", "error": "parse error"}
SETTINGS = """repositories:
  - {url: "https://git.example/shop.git", branch: main, policies: p, git: {username: me, token: canary}}
argocd: [{instance: default, server: "https://argocd.example", token: canary}]
metrics: [{name: default, url: "http://127.0.0.1:9090", token: canary}]
budgets: {application: 1/30m, repository: [{max: 4, per: 1h}]}
tenants: [{name: a, projects: [p]}]
notifications: [{url: "https://hooks.example/x", secretRef: {name: hook}}]
secrets: [{name: hook, value: canary, origins: ["https://hooks.example"]}]
paused: false
pausedUntil: 2026-11-25T12:00:00Z
allowHttp: true
"""
QUERY = 'sum(rate(x{service=~"$SERVICE-[a-z]+",a=`$NAMESPACE`}[2m] offset -5m)) by (le) > bool 1 or y @ end()'
COMMIT = (
    b"tree " + b"d" * 40 + b"\nparent " + b"a" * 40 + b"\nauthor A <a@b> 1700000000 +0000\ncommitter A <a@b> "
    b"1700000000 +0000\nencoding ISO-8859-1\n\nSubject\n\nRollback-Id: rb-1\n"
)  # fmt: skip
MESSAGE = b"Subject <!channel>\n\nBody @all [x](http://e)\n\nRollback-Id: rb-1\nRollback-Step: 1/1\n 2\n"
FRAME = b'data: {"result":{"type":"MODIFIED","application":{"metadata":{"name":"shop","namespace":"argocd"}}}} \n\n\n'
WORDS = [
    b"1h30m\0",
    b"https://git.example/a.git\0git@git.example:a",
    b"apps/**/x*\0apps/a/b/xy",
    b"1.2.3-rc1\0>=1.2,<2",
]


def _lines(name: str) -> Iterator[dict[str, object]]:
    for line in (RECORDED / name).read_text().splitlines():
        yield json.loads(line)


def _states() -> list[dict[str, object]]:
    return [line["object"] for line in _lines("states.jsonl") if isinstance(line["object"], dict)]


def _bytes(value: object) -> bytes:
    return json.dumps(value).encode()


def _answers() -> Iterator[bytes]:
    for line in _lines("answers.jsonl"):
        response = line["response"]
        assert isinstance(response, dict)
        yield b"\0\1" + _bytes(response["body"])


POLICIES = [path.read_bytes() for path in sorted((ROOT / "policies").glob("*.yaml"))]
DIFFS = {"items": [{"targetState": _bytes({"kind": "Pod"}).decode(), "liveState": "null"}]}
WINDOWS = {"canSync": True, "activeWindows": [{"kind": "deny"}], "assignedWindows": [{"kind": "allow"}]}


def _flux() -> Iterator[bytes]:
    """The newest word of each object in a recording."""
    for name in ("depends-on", "helm-release-remediated", "suspended-acknowledges"):
        found: dict[tuple[str, str], object] = {}
        for line in (SAMPLES / "flux" / f"{name}.jsonl").read_text().splitlines():
            told = json.loads(line)
            shown = [told["event"]["object"]] if "event" in told else told["list"]["items"]
            found |= {(told["kind"], one["metadata"]["name"]): one for one in shown}
        yield _bytes(list(found.values()))


def _kubernetes() -> Iterator[bytes]:
    for line in (SAMPLES / "kubernetes" / "answers.jsonl").read_text().splitlines():
        response = json.loads(line)["response"]
        if isinstance(response["body"], dict):
            yield bytes([0 if response["status"] < 300 else 5]) + _bytes(response["body"])
    group = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1"}
    named = {"name": "web", "namespace": "shop", "resourceVersion": "7"}
    one = {**group, "kind": "Kustomization", "metadata": named}
    listed = {**group, "kind": "KustomizationList", "metadata": {"resourceVersion": "8"}, "items": [one]}
    yield b"\0" + _bytes(listed)
    yield b"\0" + b"\n".join(_bytes({"type": kind, "object": one}) for kind in ("ADDED", "MODIFIED", "DELETED", ""))


def _pods() -> Iterator[bytes]:
    since = AT - timedelta(seconds=50)
    sets = [replica_set(1, AT - timedelta(days=3)), replica_set(2, since)]
    waits = [container(waiting="ImagePullBackOff", message="Back-off"), container(3, "CrashLoopBackOff", ended=AT)]
    for one in waits:
        yield _bytes({"workload": deployment(), "replica_sets": sets, "pods": [pod("a", since, one)]})


APPLICATION = (
    "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web}\nspec:\n  source:\n    path: base\n"
    "    helm: {valueFiles: [/values/prod.yaml]}\n"
)
RELEASE = (
    "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web}\nspec:\n  chart: {spec: {chart: "
    "charts/a, sourceRef: {kind: GitRepository}}}\n  valuesFrom: [{kind: ConfigMap, name: gen}]\n"
)
CHART = "name: a\ndependencies: [{name: b, repository: 'file://../b'}, {name: c, repository: 'https://c.example'}]\n"
KUSTOMIZATION = (
    "resources: [base, ../up, https://github.com/a/b]\npatches: [{path: base/web.yaml}]\nhelmCharts: [{name: b}]\n"
    "configMapGenerator: [{name: gen, files: [x=base/web.yaml]}]\nimages: [{name: web, newTag: '1'}]\n"
)
GENERATOR = "apiVersion: builtin\nkind: ChartGenerator\nname: b\nvaluesFile: ../values/prod.yaml\n"
LISTED = (
    "kind: A\nspec:\n  containers:\n    - name: web\n      image: web:1.4  # pinned\n    - {name: log, image: 'l:1'}\n"
)
HOOKED = "Content-Type: application/json\nContent-Length: 2\nX-Signature: sha256=00\n"
EVENT = {"metadata": {"commit_status": "update"}, "timestamp": "2026-11-25T12:00:00Z"}
CHALLENGE = 'Bearer realm="https://registry.example/token",service="x",scope="repository:shop/web:pull"'

REQUEST = b"""# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackRequest
spec:
  target: {policy: shop, name: web}
  to: {revert: ["5ab3c90d1c7e6f2b8a9d0e4c3f2b1a0998877665"]}
  reason: cards fail
  acknowledge: [migrations]
  expires: 2h
"""
COMMENT = b"> said `x`\n\n```\nlog\n```\n<!-- a -->\n/rollback pause 2h load test\n"
PRESS = (
    b"payload=%7B%22type%22%3A%22block_actions%22%2C%22user%22%3A%7B%22id%22%3A%22U02ABCDEF%22%7D%2C%22actions%22%3A%5B%7B"
    b"%22action_id%22%3A%22gitops_rollback_diff%22%2C%22value%22%3A%22rb-428a78d56affadb9%22%7D%5D%7D"
)

SEEDS: dict[str, list[bytes]] = {
    "request": [REQUEST],
    "comment": [COMMENT],
    "press": [PRESS],
    "policy": POLICIES,
    "query": [QUERY.encode() + b"\0a.b", b"histogram_quantile(0.9, sum by (le) (rate(x_bucket[5m])))\0x"],
    "metrics": [b"\0" + _bytes(one) for one in (VECTOR, MATRIX)] + [b"\5" + _bytes(FAILED)],
    "application": [_bytes(state) for state in _states()],
    "applications": [_bytes({"items": _states()[:2], "metadata": {}}), _bytes(DIFFS), _bytes(WINDOWS)],
    "engine-answer": list(_answers()),
    "stream": [(RECORDED / "stream.txt").read_bytes(), FRAME],
    "message": [MESSAGE],
    "commit": [COMMIT],
    "log": [b"A <a@b>\xffB <b@c>\xff1700000000\xffSubject\n\nRollback-Id: rb-1\n"],
    "record": [encode_record(RECORD)],
    "decisions": [encode_entry(ENTRY) * 2],
    "pause": [encode_pauses((Pause(None, AT, "me", "why"), Pause("web", None)))],
    "settings": [SETTINGS.encode()],
    "manifest": [DEPLOYMENT.encode() + b"\0" + DEPLOYMENT.replace("1.42.0", "1.41.2").encode()],
    "words": WORDS,
    "flux": list(_flux()),
    "kubernetes": list(_kubernetes()),
    "pods": list(_pods()),
    "hook": [f"{HOOKED}\0{{}}".encode(), b"Authorization: Bearer x\n\0" + _bytes(EVENT)],
    "registry": [
        b"\x03\x00\x05\x05" + CHALLENGE.encode() + b'\0{"token":"abc","errors":[{"code":"MANIFEST_UNKNOWN"}]}',
        b"\x05\x05\0\0\0" + b'{"errors":[{"code":"NAME_UNKNOWN"}]}',
    ],
    "closure": [
        "\0".join([KUSTOMIZATION, "resources: [web.yaml]\n", app, CHART, GENERATOR]).encode()
        for app in (APPLICATION, RELEASE)
    ],
    "chart": ["\0".join([CHART, CHART.replace("../b", "../a"), "dependencies: [{name: a}]\n"]).encode()],
    "merge": [
        "\0".join([LISTED, LISTED.replace("l:1", "l:2"), LISTED.replace("1.4", "1.3")]).encode(),
        "\0".join([DEPLOYMENT, DEPLOYMENT.replace("1.42.0", "1.43.0"), DEPLOYMENT.replace("1.42", "1.41")]).encode(),
    ],
    "images": [LISTED.encode() + b"\0" + LISTED.replace("1.4", "1.3").encode(), b"image: {tag: '2'}\0image: {tag: 1}"],
}

# What no chance would ever spell.
TOKENS: dict[str, list[str]] = {
    "request": [
        "{lastHealthy: true}",
        "{before: 2026-11-23T03:00:00Z}",
        "&a ",
        "? ",
        "0777",
        "\u200b",
        "\x85",
        "after-merge",
    ],
    "comment": [
        "/rollback",
        "\n/rollback stop\n",
        "`",
        "```",
        "~~~",
        "> ",
        "<!--",
        "-->",
        "<pre>",
        "\\",
        "\t",
        "\u200b",
        "@all",
    ],
    "press": ["payload=", "%22", "%5B", "null", "&", "%ud800", "%00", "https://hooks.slack.com/"],
    "policy": [
        "<<",
        "&a ",
        "*a",
        "!!int",
        "%YAML 1.1\n---\n",
        "? ",
        ".nan",
        "0777",
        "1:30",
        "\ufeff",
        "\x85",
        "$SERVICE",
    ],
    "query": [
        "$SERVICE",
        "${NAMESPACE}",
        "=~",
        "!~",
        "offset ",
        "[5m:1m]",
        "@ start()",
        "by (",
        "`",
        '\\"',
        "$X",
        "\\U",
    ],
    "metrics": ['"warnings":["x"]', '"isPartial":true', "NaN", "+Inf", '"histogram"', '"scalar"', '"string"', "1e999"],
    "application": ["null", "[]", "{}", '"\\ud800"', "NaN", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"],
    "applications": ["null", '"items":', '"\\ud800"', "NaN"],
    "engine-answer": ['"code":9', '"message":"hunter2"', "blocked by sync window", "://["],
    "stream": ["data:", "\r\n", ":\n", '"error":', '"http_code":', "DELETED"],
    "message": ["\n\n", ": ", "\x1b[", "\u202e", "\u2028", "\x85", "@", "](", "---"],
    "commit": ["encoding ", "punycode", "idna", "utf-7", "unicode_escape", "utf-16", "zlib", "undefined", "\n\n"],
    "log": [":100644", "\n:", "H" + "e" * 40],
    "record": ['"schema": 2', "9999-12-31T23:59:59-23:59", "null", "NaN", "1e999", '"\\ud800"', "true"],
    "decisions": ['"schema": 2', "0001-01-01T00:00:00+23:59", "null", "NaN", '"\\ud800"', "1e999"],
    "pause": [
        "all: true",
        "until: ",
        "9999-12-31T23:59:59-23:59",
        "0001-01-01T00:00:00+23:59",
        "- name: ",
        "applications:",
    ],
    "settings": ["File: ", "/dev/null", "9999-12-31T23:59:59-23:59", "http://[", "file:///", "://", "1/1h,", "\\x00"],
    "manifest": [
        "---\n",
        "items:",
        "kind: List",
        "&a ",
        "*a",
        "{{",
        "sops:",
        "initContainers:",
        "apiVersion: v1",
        "image:",
    ],
    "words": ["999999999d", "ms", "**", "@sha256:", "[::1]", ":22", ".git", ">=", "!="],
    "flux": ["null", "[]", "{}", '"\\ud800"', "NaN", "9999-12-31T23:59:59-23:59", "main@sha1:", "dependsOn", "999999h"],
    "kubernetes": ["null", "[]", "{}", '"\\ud800"', '"continue":"x"', '"items":', '"code":410', "hunter2", "k:{"],
    "pods": ["null", "[]", "{}", '"\\ud800"', "-1", "1e999", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"],
    "hook": [
        "X-Signature: sha512=",
        "Authorization: Bearer ",
        "Content-Length: -1",
        "Transfer-Encoding: chunked",
        "\n ",
    ],
    "registry": [
        'realm="',
        "Basic ",
        "Bearer ",
        '\\"',
        "https://registry.example@evil",
        "//",
        "\r\n",
        '"token":',
        "[" * 40,
    ],
    "closure": [
        "---\n",
        "&a ",
        "*a",
        "{{",
        "kind: ",
        "path: ",
        "../",
        "./",
        "$ref/",
        "components: [",
        "helm: ",
        "\ud800",
    ],
    "chart": ["---\n", "&a ", "*a", "{{", "file://", "file://../a", "../", "dependencies: ", "://", "\ud800"],
    "merge": [
        "---\n",
        "&a ",
        "*a",
        "- ",
        "? ",
        "|\n",
        ">-\n",
        "  ",
        "\t",
        "\r\n",
        "\ufeff",
        "{",
        "}",
        "# x\n",
        "!!int ",
    ],
    "images": [
        "image: ",
        "repository: ",
        "tag: ",
        "registry: ",
        "digest: ",
        "images: ",
        "@sha256:",
        "newTag: ",
        "\ud800",
    ],
}
