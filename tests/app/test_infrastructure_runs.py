"""A change of infrastructure goes back by the policy's way, and is not verified before its run is over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from app_world import MINUTE, POLICIES, START, World, deployment, policy, pushed, running
from fake_forge import FakeForge
from request_story import ALARM, Story

from gitops_rollback.app.requesting import Requests, Wish
from gitops_rollback.cli.asking import plan_document, plan_lines
from gitops_rollback.core.infrastructure import RunObject
from gitops_rollback.core.pull_request import MergeMethod, PullRequestState, StatusState
from gitops_rollback.core.sync import ApplicationState

DATABASE = """\
apiVersion: infra.contrib.fluxcd.io/v1alpha2
kind: Terraform
metadata: {name: db, namespace: shop}
spec: {approvePlan: auto, path: ./infra/db, vars: [{name: connections, value: SIZE}]}
"""
BUCKET = "apiVersion: s3.aws.upbound.io/v1beta1\nkind: Bucket\nmetadata: {name: uploads}\nspec: {forProvider: {a: 1}}\n"
FILES = {"apps/web/db.yaml": DATABASE.replace("SIZE", "100")}
WORSE = {"apps/web/db.yaml": DATABASE.replace("SIZE", "5")}
RULE = """\
  strategies:
    - name: database
      type: infrastructure
      infrastructure: {syncTimeout: 40m MORE}
"""
TERRAFORM = frozenset({("infra.contrib.fluxcd.io", "Terraform")})


class Cluster:
    """Its one `Terraform` object, whose run takes as long as a test says."""

    def __init__(self, spec: Mapping[str, Any] | None = None) -> None:
        self.spec = {"approvePlan": "auto"} if spec is None else spec
        self.status: dict[str, Any] = {}
        self.runs("Unknown", "Progressing", observedGeneration=1)

    def runs(self, ready: str, reason: str, **status: Any) -> None:
        condition = {"type": "Ready", "status": ready, "reason": reason, "message": f"{reason}: said so"}
        self.status = {"conditions": [condition], "observedGeneration": 2, **status}

    def find(self, application: ApplicationState, named: Sequence[RunObject]) -> Mapping[RunObject, Any]:
        found = {"metadata": {"generation": 2}, "spec": self.spec, "status": self.status}
        return {one: found for one in named if one.kind == "Terraform"}


def a_story(world: World, files: Mapping[str, str | None], rule: str = RULE.replace("MORE", "")) -> Story:
    """The application `web` with its database; a release changes both, and fails."""
    forge = FakeForge(world)
    world.forge = forge
    running(world, "web", extra=FILES)
    world.people.push("The policy", {f"{POLICIES}/web.yaml": policy("web") + rule}, START - 50 * MINUTE)
    world.engine.deploy("web", world.head(), START - 49 * MINUTE)
    bad = world.people.push("Ship 1.1", {"apps/web/web.yaml": deployment("web", "1.1"), **files}, START - MINUTE)
    one = world.replica()
    world.engine.deploy("web", bad, START)
    world.metrics.break_from("web", START + MINUTE)
    story = Story(world, forge, one, bad)
    one.until(START, ALARM)
    return story


@pytest.fixture
def cluster(world: World) -> Cluster:
    found = Cluster()
    world.objects, world.kinds = found, TERRAFORM
    return found


def test_it_is_reverted_by_itself_and_its_run_is_given_the_time_of_its_rule(world: World, cluster: Cluster) -> None:
    story = a_story(world, WORSE)
    story.cure()
    story.later(1)
    assert world.reverts() == 1
    assert world.engine.states["web"].health == "Healthy", "the engine has been content for long"
    story.one = world.replica("heir")  # whoever comes next watches the same run
    story.one.tick(world.clock.at + 25 * MINUTE)  # far beyond `delivery.syncTimeout`
    assert (story.record.phase, story.record.outcome) == ("Syncing", None)
    cluster.runs("True", "TerraformAppliedSucceed")
    story.later(2)
    assert story.record.outcome == "verified"
    assert "Terraform shop/db TerraformAppliedSucceed" in story.record.message
    assert story.pages == []


@pytest.mark.parametrize(
    ("ready", "reason", "ended"),
    [("Unknown", "Progressing", "SyncTimeout"), ("False", "TFExecApplyFailed", "RunFailed")],
)
def test_a_run_that_does_not_end_well_is_no_rollback_that_was_verified(
    world: World, cluster: Cluster, ready: str, reason: str, ended: str
) -> None:
    story = a_story(world, WORSE)
    story.cure()
    cluster.runs(ready, reason)
    story.later(1)
    for _ in range(4):
        story.one.tick(world.clock.at + 15 * MINUTE)
        story.later(2.5)
    (record,) = pushed(story.one.tick(world.clock.at + MINUTE))
    assert (record.outcome, record.reason) == ("unverified", ended)
    assert f"{reason}: said so" in record.message


def test_a_run_that_an_earlier_rollback_left_open_asks_before_its_object_is_changed_again(
    world: World, cluster: Cluster
) -> None:
    story = a_story(world, WORSE)
    story.cure()
    story.later(1)
    story.one.tick(world.clock.at + 45 * MINUTE)
    story.later(2.5)
    now, (record,) = world.clock.at, pushed(story.one.tick(world.clock.at))
    assert record.outcome == "unverified"
    newer = world.people.push("Ship 1.2", {"apps/web/db.yaml": DATABASE.replace("SIZE", "7")}, now)
    world.engine.deploy("web", newer, now)
    story.later(1)
    of = f"ask: the run that {record.id} caused is not over: Terraform shop/db"
    assert any(of in line for line in plan_lines(_prepared(story), story.one.repo))
    cluster.runs("True", "TerraformAppliedSucceed")
    assert not any("is not over" in line for line in plan_lines(_prepared(story), story.one.repo))


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        (("Unknown", "TerraformPlannedWithChanges", {"plan": {"pending": "plan-main-1"}}), "RunWaits", "plan-main-1"),
        (("False", "TFExecApplyFailed", {}), "RunFailed", "TFExecApplyFailed: said so"),
    ],
)
def test_a_person_is_paged_once_where_the_run_does_not_go_on(
    world: World, cluster: Cluster, status: tuple[str, str, dict[str, Any]], reason: str, words: str
) -> None:
    cluster.spec = {}
    story = a_story(world, WORSE)
    story.cure()
    cluster.runs(status[0], status[1], **status[2])
    story.later(4)
    assert story.pages == [reason]
    assert words in next(one.text for one in story.one.told.messages if one.reason == reason)
    cluster.runs("True", "TerraformAppliedSucceed")
    story.later(2)
    assert story.record.outcome == "verified"


def test_what_would_be_destroyed_asks_with_the_finished_plan(world: World, cluster: Cluster) -> None:
    """The bad commit added a bucket: the settings may let Terraform go by itself, and this all the same asks."""
    world.kinds = TERRAFORM | {("s3.aws.upbound.io", "Bucket")}
    story = a_story(world, {**WORSE, "apps/web/bucket.yaml": BUCKET})
    assert world.reverts() == 0
    assert (story.record.phase, story.record.reason) == ("AwaitingApproval", "DestroysResources")
    assert "Bucket uploads" in story.one.told.messages[-1].text + story.record.message
    cluster.runs("True", "TerraformAppliedSucceed")
    story.forge.land(1, MergeMethod.SQUASH, "octocat")
    story.cure()
    story.later(3)
    assert story.record.outcome == "verified"
    assert "Bucket uploads is gone" in story.record.message


def test_the_rule_delivers_by_pull_request_where_the_policy_pushes(world: World, cluster: Cluster) -> None:
    story = a_story(world, WORSE, RULE.replace("MORE", ", delivery: pull-request"))
    (request,) = story.forge.requests.values()
    assert request.state is PullRequestState.MERGED, "the policy lets it be merged by itself"
    cluster.runs("True", "TerraformAppliedSucceed")
    story.cure()
    story.later(3)
    assert (story.record.outcome, story.record.commit) == ("verified", request.merge_sha)


def test_code_asks_a_person_and_a_commit_status_ends_its_run(world: World, cluster: Cluster) -> None:
    code = {"infra/db/main.tf": 'resource "aws_db_instance" "orders" {}\n'}
    rule = RULE.replace("MORE", ", status: atlantis/apply").replace("type:", "match: {paths: [infra/**]}\n      type:")
    story = a_story(world, code, rule)
    (suspect,) = story.record.evidence["suspects"]
    assert "infra/db/main.tf (code of Terraform db)" in suspect, "no policy has to name what its object runs"
    assert (world.reverts(), story.record.reason) == (0, "DestroysResources")
    head = story.forge.requests[1].head_sha
    merged = story.forge.land(1, MergeMethod.SQUASH, "octocat")
    story.cure()
    story.later(3)
    assert (story.record.phase, story.record.commit) == ("Syncing", merged)
    story.forge.statuses[head, "atlantis/apply"] = StatusState.SUCCESS, "Apply succeeded."
    story.later(2)
    assert story.record.outcome == "verified"
    assert "commit status atlantis/apply Apply succeeded." in story.record.message


@pytest.mark.parametrize("rule", [RULE.replace("MORE", ""), ""], ids=["a rule that names nothing", "no rule"])
def test_code_whose_run_nothing_shows_is_never_called_verified(world: World, rule: str) -> None:
    """The application is well again, and nobody knows what became of the database."""
    story = a_story(world, {"infra/db/main.tf": 'resource "aws_db_instance" "orders" {}\n'}, rule)
    assert world.reverts() == 0
    lines = [line for line in plan_lines(_prepared(story), story.one.repo) if line.startswith("runs ")]
    assert "nothing shows whether its run is over" in lines[-1]
    story.forge.land(1, MergeMethod.SQUASH, "octocat")
    story.cure()
    story.later(8)
    assert (story.record.outcome, story.record.reason) == ("unverified", "RunUnseen")
    assert "infra/db/main.tf" in story.record.message
    assert "RunUnseen" in story.pages


def test_without_the_settings_word_a_person_is_asked_with_what_would_be_watched(world: World) -> None:
    story = a_story(world, WORSE)
    assert (world.reverts(), story.record.reason) == (0, "Irreversible")
    shown = _prepared(story)
    lines = [line for line in plan_lines(shown, story.one.repo) if line.startswith("runs ")]
    assert lines == [
        "runs      the Terraform controller: Terraform shop/db in apps/web/db.yaml",
        "runs      rule database; watched: Terraform shop/db",
    ]
    document = plan_document(shown, story.one.repo)["infrastructure"]
    assert isinstance(document, dict)
    assert document["syncTimeoutSeconds"] == 2400.0


def test_without_a_rule_plan_says_that_there_is_none(world: World) -> None:
    story = a_story(world, WORSE, rule="")
    lines = [line for line in plan_lines(_prepared(story), story.one.repo) if line.startswith("runs ")]
    assert lines[-1] == "runs      no rule of the policy is for it"


def _prepared(story: Story) -> Any:
    executor: Any = story.one.reconciler.executor
    return Requests(story.one.repo, story.one.reconciler, executor, story.world.clock).prepare(
        Wish("web", "ann", "plan")
    )
