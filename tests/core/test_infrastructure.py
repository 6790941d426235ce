"""What of a change is infrastructure, what its run would destroy, and which rule of the policy is for it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from plan_facts import DEPLOYMENT, a_file, a_reversal, facts, live

from gitops_rollback.core.destroys import destroyed
from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.infrastructure import judge_infrastructure
from gitops_rollback.core.infrastructure import RunObject, Sides, Tool, pieces
from gitops_rollback.core.policy import Delivery, GuardResult, Provisioning, Strategy
from gitops_rollback.core.provision import PROVISION, Provision, delivered, provision_in, provision_of
from gitops_rollback.core.strategies.migration import Sides as Both
from gitops_rollback.core.strategies.planning import chosen

TERRAFORM = """\
apiVersion: infra.contrib.fluxcd.io/v1alpha2
kind: Terraform
metadata: {name: db, namespace: shop}
spec: {approvePlan: auto, path: ./infra/db, MORE}
"""
BUCKET = """\
apiVersion: s3.aws.upbound.io/v1beta1
kind: Bucket
metadata: {name: uploads}
spec: {forProvider: {region: eu-central-1}}
"""
CLAIM = """\
apiVersion: database.example.org/v1alpha1
kind: PostgreSQLInstance
metadata: {name: orders, namespace: shop}
spec: {compositionSelector: {matchLabels: {size: small}}}
"""
COMPOSITION = "apiVersion: apiextensions.crossplane.io/v1\nkind: Composition\nmetadata: {name: pg}\nspec: {a: 1}\n"
STACK = """\
AWSTemplateFormatVersion: "2010-09-09"
Resources:
  Queue: {Type: AWS::SQS::Queue}
  Table:
    Type: AWS::DynamoDB::Table
    Properties:
      Name: !Sub "${AWS::StackName}-orders"
      Password: "{{resolve:secretsmanager:orders}}"
      Keys: !Split [",", !Ref Keys]
"""
QUEUE = "  Queue: {Type: AWS::SQS::Queue}\n"
EMPTY = STACK.replace(QUEUE, "")
KEPT = STACK.replace("SQS::Queue}", "SQS::Queue, DeletionPolicy: Retain}")
ALL = "all that Terraform shop/db manages"
CODE = 'resource "aws_db_instance" "orders" {\n  engine = "postgres"\n}\n'
REPLICA = 'resource "aws_db_instance" "replica" {\n  replicate_source_db = aws_db_instance.orders.id\n}\n'


def sides(before: str | None, after: str | None, path: str = "infra/db/main.tf") -> Sides:
    return Sides(path, None if before is None else before.encode(), None if after is None else after.encode())


@pytest.mark.parametrize(
    ("path", "content", "tool"),
    [
        ("infra/main.tf", "a = 1", Tool.TERRAFORM),
        ("infra/main.tofu", "a = 1", Tool.TERRAFORM),
        ("infra/main.tf.json", "{}", Tool.TERRAFORM),
        ("infra/prod.tfvars", "a = 1", Tool.TERRAFORM),
        ("infra/.terraform.lock.hcl", "", Tool.TERRAFORM),
        ("infra/terragrunt.hcl", "", Tool.TERRAFORM),
        ("stacks/orders.yaml", STACK, Tool.CLOUDFORMATION),
        ("stacks/orders.json", '{"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}}', Tool.CLOUDFORMATION),
        ("stacks/orders.template", "Resources: {}", Tool.CLOUDFORMATION),
        ("apps/db.yaml", TERRAFORM, Tool.CONTROLLER),
        ("apps/bucket.yaml", BUCKET, Tool.CROSSPLANE),
        ("apps/claim.yaml", CLAIM, Tool.CROSSPLANE),
        ("apps/composition.yaml", COMPOSITION, Tool.CROSSPLANE),
        ("apps/web.yaml", DEPLOYMENT, None),
        ("apps/values.yaml", "database: {type: postgres}", None),
        ("docs/terraform.md", "main.tf", None),
        ("docs/example.tf", "a = 1", None),
        ("apps/broken.yaml", "a: [", None),
    ],
)
def test_infrastructure_is_recognised_by_name_contents_and_kind(path: str, content: str, tool: Tool | None) -> None:
    for file in (sides(content, content + "\n", path), sides(content, None, path), sides(None, content, path)):
        assert [one.tool for one in pieces([file])] == ([tool] if tool else [])


@pytest.mark.parametrize(
    ("before", "after", "path", "gone"),
    [
        (CODE + REPLICA, CODE, "infra/db/main.tf", ["aws_db_instance.replica of infra/db"]),
        (CODE, None, "infra/db/main.tf", ["aws_db_instance.orders of infra/db"]),
        (CODE, CODE + REPLICA, "infra/db/main.tf", []),
        (CODE, CODE.replace("postgres", "mysql"), "infra/db/main.tf", []),
        (CODE + REPLICA, CODE + "/*\n" + REPLICA + "*/\n", "infra/db/main.tf", ["aws_db_instance.replica of infra/db"]),
        ('a = "/*"\n' + CODE, 'b = "/*"\n' + CODE, "infra/db/main.tf", []),
        (
            "x = <<EOT\n" + REPLICA + "EOT\n" + CODE,
            "x = <<-EOT\n  resource\n  EOT\n" + CODE,
            "infra/db/main.tf",
            [],
        ),
        ('module "net" {}', "", "infra/db/main.tf", ["module.net of infra/db"]),
        (
            "count = 3\n" + CODE,
            "count = 1\n" + CODE,
            "infra/db/main.tf",
            ["instances of what has `count` or `for_each` in infra/db/main.tf"],
        ),
        ('{"resource": {"aws_x": {"a": {}, "b": {}}}}', '{"resource": {"aws_x": {"a": {}}}}', "infra/m.tf.json",
         ["aws_x.b of infra"]),
        (STACK, EMPTY, "s.yaml", ["AWS::SQS::Queue Queue of s.yaml"]),
        (KEPT, EMPTY, "s.yaml", []),
        (STACK, STACK.replace("SQS::Queue", "SNS::Topic"), "s.yaml",
         ["AWS::SQS::Queue Queue of s.yaml, which becomes AWS::SNS::Topic"]),
        (STACK, STACK + "  Queue: {}\n", "s.yaml", ["s.yaml cannot be read, so what would be destroyed is not known"]),
        (BUCKET, None, "b.yaml", ["Bucket uploads"]),
        (BUCKET.replace("spec: {", "spec: {deletionPolicy: Orphan, "), None, "b.yaml", []),
        (BUCKET.replace("spec: {", "spec: {managementPolicies: [Observe], "), None, "b.yaml", []),
        (BUCKET.replace("spec: {", 'spec: {managementPolicies: ["*"], '), None, "b.yaml", ["Bucket uploads"]),
        (BUCKET, BUCKET.replace("central", "west"), "b.yaml", []),
        (CLAIM, None, "c.yaml", ["PostgreSQLInstance shop/orders"]),
        (COMPOSITION, COMPOSITION.replace("1}", "2}"), "c.yaml", ["what Composition pg makes, where it makes less"]),
        (TERRAFORM.replace("MORE", "destroyResourcesOnDeletion: true"), None, "t.yaml", [ALL]),
        (TERRAFORM.replace("MORE", "interval: 1m"), None, "t.yaml", []),
        (TERRAFORM.replace("MORE", "interval: 1m"), TERRAFORM.replace("MORE", "destroy: true"), "t.yaml",
         [f"{ALL}, by `spec.destroy`"]),
    ],
)  # fmt: skip
def test_what_goes_is_destroyed_unless_it_says_that_it_stays(
    before: str | None, after: str | None, path: str, gone: list[str]
) -> None:
    assert list(destroyed([sides(before, after, path)])) == gone


def test_a_block_that_moves_within_its_module_stays() -> None:
    moved = [sides(CODE + REPLICA, CODE), sides("", REPLICA, "infra/db/replica.tf")]
    assert destroyed(moved) == ()
    assert destroyed([moved[0], sides("", REPLICA, "infra/other/replica.tf")]) == (
        "aws_db_instance.replica of infra/db",
    )


@pytest.mark.parametrize("content", [b"\xff\xfe resource", b"#" * (1 << 19)], ids=["no text", "too long"])
def test_code_that_nobody_can_read_may_destroy_anything(content: bytes) -> None:
    (said,) = destroyed([Sides("infra/main.tf", content, b"")])
    assert "cannot be read" in said


@pytest.mark.parametrize(
    ("before", "after", "path", "reason"),
    [
        (DEPLOYMENT, DEPLOYMENT.replace("1.42.0", "1.41.2"), "apps/web.yaml", None),
        (BUCKET, BUCKET.replace("central", "west"), "apps/bucket.yaml", None),
        (BUCKET, None, "apps/bucket.yaml", Reason.DESTROYS),
        (CODE, CODE.replace("postgres", "mysql"), "infra/main.tf", Reason.IRREVERSIBLE),
        (STACK, STACK.replace("orders", "sales"), "stacks/orders.yaml", Reason.IRREVERSIBLE),
        (COMPOSITION, COMPOSITION.replace("1}", "2}"), "apps/composition.yaml", Reason.DESTROYS),
    ],
)
def test_a_person_is_asked_where_something_may_be_destroyed(
    before: str, after: str | None, path: str, reason: Reason | None
) -> None:
    found = judge_infrastructure(facts(files=(a_file(before, after, path),), reversal=a_reversal(path)))
    assert (found.result, found.reason) == (GuardResult.ASK if reason else GuardResult.ALLOW, reason)


@pytest.mark.parametrize(
    ("plan", "asks"),
    [
        ({"pending": "plan-main-1", "isDestroyPlan": True}, True),
        ({"pending": "plan-main-1"}, False),
        ({"lastApplied": "plan-main-1", "isDestroyPlan": True}, False),
        ({"pending": 7}, True),
    ],
)
def test_a_plan_that_waits_and_destroys_asks(plan: dict[str, object], asks: bool) -> None:
    waiting = {
        "apiVersion": "infra.contrib.fluxcd.io/v1alpha2", "kind": "Terraform", "metadata": {"name": "db"},
        "status": {"plan": plan},
    }  # fmt: skip
    changed = a_file(TERRAFORM.replace("MORE", "interval: 1m"), TERRAFORM.replace("MORE", "interval: 2m"))
    found = judge_infrastructure(facts(files=(changed,), live=(live(waiting),)))
    assert (found.reason is Reason.DESTROYS) is asks


def test_files_that_cannot_be_seen_ask() -> None:
    assert judge_infrastructure(facts(files=None)).result is GuardResult.ASK


NAMED = RunObject("infra.contrib.fluxcd.io/v1alpha2", "Terraform", "shop", "db")
RULE = Strategy(
    "database", "infrastructure", paths=("infra/**",),
    provisioning=Provisioning("pull-request", timedelta(minutes=40), (NAMED,), "atlantis/apply"),
)  # fmt: skip
ANY = Strategy("cloud", "infrastructure", provisioning=Provisioning(sync_timeout=timedelta(minutes=20)))
CODE_CHANGED = sides(CODE, CODE + REPLICA)
BUCKET_CHANGED = sides(BUCKET, BUCKET.replace("central", "west"), "apps/bucket.yaml")
WEB_CHANGED = sides(DEPLOYMENT, DEPLOYMENT.replace("1.42.0", "1.41.2"), "apps/web.yaml")


def test_the_first_rule_that_matches_says_how_it_goes_back() -> None:
    found = provision_of([CODE_CHANGED, WEB_CHANGED], [RULE, ANY])
    assert found is not None
    assert (found.rules, found.mode, found.objects) == (("database",), "pull-request", (NAMED,))
    assert (found.statuses, found.by_revision) == (("atlantis/apply",), True)


def test_a_rule_without_match_is_for_what_is_recognised_and_watches_that() -> None:
    found = provision_of([BUCKET_CHANGED, WEB_CHANGED], [ANY])
    assert found is not None
    assert [one.name for one in found.objects] == ["uploads"]
    assert not found.by_revision
    assert provision_of([WEB_CHANGED], [ANY]) is None


def test_what_one_rule_names_does_not_hide_what_another_one_is_for() -> None:
    """Code is watched by the object that its rule names, and the bucket beside it by itself."""
    found = provision_of([CODE_CHANGED, BUCKET_CHANGED], [RULE, ANY])
    assert found is not None
    assert [one.name for one in found.objects] == ["db", "uploads"]


def test_a_rule_without_match_leaves_other_files_to_the_rules_after_it() -> None:
    fixed = Strategy("weights", "canary", paths=("apps/**",))
    after = {one.path: Both(one.after, one.before) for one in (WEB_CHANGED, BUCKET_CHANGED)}
    assert chosen([ANY, fixed], ["apps/web.yaml"], after.__getitem__) == (fixed,)
    assert chosen([ANY, fixed], ["apps/bucket.yaml"], after.__getitem__) == ()


def test_without_a_rule_it_is_only_said() -> None:
    found = provision_of([BUCKET_CHANGED], [])
    assert found is not None
    assert not found.watched
    assert found.words == ("Crossplane: Bucket uploads in apps/bucket.yaml", "no rule of the policy is for it")
    assert delivered(Delivery(), found) == Delivery()


@pytest.mark.parametrize("rules", [[], [ANY], [Strategy("code", "infrastructure", paths=("infra/**",))]])
def test_code_that_nothing_is_named_for_is_said_to_be_seen_by_nobody(rules: list[Strategy]) -> None:
    """The object of a file shows its own run, and not that of code."""
    found = provision_of([CODE_CHANGED, BUCKET_CHANGED, WEB_CHANGED], rules)
    assert found is not None
    assert found.unwatched == ("Terraform or OpenTofu: infra/db/main.tf",)
    assert "nothing shows whether its run is over" in found.words[-1]
    assert provision_in({PROVISION: json.loads(json.dumps(found.document))}) == found


def test_a_file_that_a_rule_alone_calls_infrastructure_asks() -> None:
    other = sides("new s3.Bucket('a')\n", "new s3.Bucket('b')\n", "infra/index.ts")
    plain = sides("resources: []\n", "resources: [a.yaml]\n", "infra/kustomization.yaml")
    found = provision_of([other, plain], [Strategy("code", "infrastructure", paths=("infra/**",))])
    assert found is not None
    assert found.unwatched == ("infra/index.ts",)
    changed = tuple(a_file(*(str(side, "utf-8") for side in one.either), one.path) for one in (other, plain))
    judged = judge_infrastructure(facts(files=changed, provision=found))
    assert (judged.result, judged.reason) == (GuardResult.ASK, Reason.RUN_UNSEEN)


def test_what_the_plan_removes_is_watched_until_it_is_gone() -> None:
    found = provision_of([sides(BUCKET, None, "apps/bucket.yaml")], [ANY])
    assert found is not None
    assert [one.gone for one in found.objects] == [True]


@pytest.mark.parametrize(
    ("mode", "rule", "both"),
    [("push", "", "push"), ("push", "pull-request", "pull-request"), ("suggest", "push", "suggest")],
)
def test_the_more_careful_way_and_the_longer_time_hold(mode: str, rule: str, both: str) -> None:
    for policy, run, longest in ((10, 40, 40), (60, 40, 60)):
        provision = Provision((), ("r",), rule, timedelta(minutes=run))
        found = delivered(Delivery(mode=mode, sync_timeout=timedelta(minutes=policy)), provision)
        assert (found.mode, found.sync_timeout) == (both, timedelta(minutes=longest))


def test_a_record_keeps_it_whole() -> None:
    found = provision_of([CODE_CHANGED, sides(BUCKET, None, "apps/bucket.yaml")], [RULE, ANY])
    assert found is not None
    whole = replace(found, objects=(*found.objects, RunObject("a/v1", "Bucket", "", "b", gone=True)))
    assert provision_in({PROVISION: json.loads(json.dumps(whole.document))}) == whole


@pytest.mark.parametrize(
    "written",
    [None, {}, [], {"found": 1}, {"objects": [["a"]]}, {"mode": "force"}, {"syncTimeoutSeconds": "1"}],
)
def test_what_somebody_else_wrote_into_a_record_is_not_believed(written: object) -> None:
    whole = Provision(("x",)).document
    evidence = {**whole, **written} if isinstance(written, dict) and written else written
    assert provision_in({PROVISION: evidence}) is None
