"""A drill in the sandbox: which application of a clone is copied, with which policy, and what stays outside."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest
import yaml
from config_world import Answer, git

from gitops_rollback.cli.main import USAGE
from gitops_rollback.core.breaking import Break
from gitops_rollback.core.errors import SettingsInvalid
from gitops_rollback.sandbox.clock import ScaledClock
from gitops_rollback.sandbox.practice import practice_story
from gitops_rollback.sandbox.telling import Telling
from gitops_rollback.sandbox.world import World

Cli = Callable[..., Answer]
POLICY = """\
# +argocd:skip-file-rendering
apiVersion: gitops-rollback.dev/v1alpha1
kind: RollbackPolicy
metadata: {name: shop}
spec:
  targets:
    - {name: web, engine: flux, application: {name: web}, dependsOn: [db]}
    - {name: db, engine: flux, application: {name: db}}
  metrics: {url: "http://prometheus.monitoring:9090"}
  triggers:
    - {name: errors, bad: 'bad{s="$SERVICE"}', total: 'all{s="$SERVICE"}', comparison: greater_than, threshold: 1}
    - {name: slow, query: 'rate(done{s="$SERVICE"}[10m])', comparison: less_than, threshold: 10, for: 2m}
    - {name: restarts, query: 'restarts_total{c="$SERVICE"}', comparison: greater_than, threshold: 3, for: 2m}
    - {name: pods, type: crashLoop, severity: auto_rollback}
  delivery: {mode: pull-request}
  notifications: [{events: ["*"], to: webhook, url: "https://hooks.example.net/x"}]
  verification:
    checks:
      - {name: page, type: http, url: "https://shop.example.net/", expectStatus: 200}
      - {name: pods, type: kubernetes, expect: complete}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: NAME}
spec: {template: {spec: {containers: [{name: NAME, image: "reg/NAME:1"}]}}}
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    made = tmp_path / "clone"
    made.mkdir()
    git("init", "-q", "-b", "trunk", cwd=made)
    files = {".gitops-rollback/policies/shop.yaml": POLICY, ".gitops-rollback/policies/other.yaml": "kind: x\n"}
    files |= {f"apps/{name}/{name}.yaml": DEPLOYMENT.replace("NAME", name) for name in ("web", "db")}
    for path, text in files.items():
        (made / path).parent.mkdir(parents=True, exist_ok=True)
        (made / path).write_text(text, "utf-8")
    git("add", "-A", cwd=made)
    git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "First", cwd=made)
    return made


def served(world: World) -> None:
    """Each query of the policy says that all is well, also where its range is cut."""
    for query, value in (('bad{s="web"}', 0.0), ('all{s="web"}', 100.0), ('rate(done{s="web"}[90s])', 21.0)):
        url = f"{world.prometheus.url}/api/v1/query?{urlencode({'query': query})}"
        with urlopen(url, timeout=10) as answer:
            (series,) = json.load(answer)["data"]["result"]
        assert float(series["value"][1]) == value


def test_the_copy_has_the_history_one_application_and_its_policy_without_ways_out(clone: Path, tmp_path: Path) -> None:
    before = git("rev-parse", "HEAD", cwd=clone)
    story = practice_story(clone, "web", Break.CRASH_LOOP, "20m")
    (spec,) = story.applications
    assert (spec.name, spec.path) == ("web", "apps/web")
    world = World(tmp_path / "out", ScaledClock(20.0), story.applications, source=story.source)
    world.start()
    try:
        telling = Telling(world, "web")
        story.prepare(telling)
        story.begin(telling)
        served(world)
    finally:
        world.stop()
    assert world.people.git("rev-parse", "main~1") == before == git("rev-parse", "HEAD", cwd=clone)
    assert world.people.git("ls-tree", "-r", "--name-only", "main", ".gitops-rollback/").split() == [
        ".gitops-rollback/policies/shop.yaml"
    ]
    text = world.people.read(".gitops-rollback/policies/shop.yaml")
    assert "example.net" not in text
    assert "monitoring" not in text
    spec_of = yaml.safe_load(text)["spec"]
    (target,) = spec_of["targets"]
    assert (target["engine"], target["drill"], target["application"]["name"]) == ("argocd", "allowed", "web")
    assert spec_of["delivery"] == {"mode": "push"}
    assert [check["name"] for check in spec_of["verification"]["checks"]] == ["pods"]
    assert [trigger["name"] for trigger in spec_of["triggers"]] == ["errors", "slow", "restarts", "pods"]


@pytest.mark.parametrize(
    ("word", "folder", "why"),
    [
        ("shop", "", "no target of a policy is called so; known: db, web"),
        ("web", "", "say which one to practise on with --path"),
    ],
)
def test_what_cannot_be_copied_is_said(clone: Path, word: str, folder: str, why: str) -> None:
    if word == "web":
        git("mv", "apps/web", "services", cwd=clone)
        git("-c", "user.name=a", "-c", "user.email=a@example.com", "commit", "-qm", "Move it", cwd=clone)
    with pytest.raises(SettingsInvalid, match=why):
        practice_story(clone, word, Break.IMAGE, "20m", folder)


def test_a_folder_that_is_no_clone_is_an_error_of_usage(cli: Cli, tmp_path: Path) -> None:
    answer = cli("drill", "web", "--break", "image", "--sandbox", str(tmp_path))
    assert answer.code == USAGE
    assert "git repository" in answer.err
    assert cli("drill", "web", "--break", "image", "--sandbox", ".", "--people").code == USAGE
