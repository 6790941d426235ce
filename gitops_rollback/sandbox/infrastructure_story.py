"""A story about a release that changes infrastructure: a person reads what the revert destroys, and the run is awaited.

The engine calls the application healthy as soon as the revert is applied; the database is back once Terraform has run.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from gitops_rollback.sandbox.argocd.cloud import RUNS_FOR
from gitops_rollback.sandbox.migration_story import approve
from gitops_rollback.sandbox.rendering import Json
from gitops_rollback.sandbox.stories import NEW_TAG, SERVICE, decided, rolled_back
from gitops_rollback.sandbox.stories import release as ship
from gitops_rollback.sandbox.story_texts import policy
from gitops_rollback.sandbox.telling import Claim, Story, Telling

FOLDER = f"apps/{SERVICE}"
DATABASE, BUCKET, LIST = f"{FOLDER}/database.yaml", f"{FOLDER}/uploads.yaml", f"{FOLDER}/kustomization.yaml"
PATIENCE = timedelta(minutes=1)  # of the policy, for syncs without a run
TERRAFORM = f"""\
apiVersion: infra.contrib.fluxcd.io/v1alpha2
kind: Terraform
metadata: {{name: {SERVICE}-db, labels: {{app.kubernetes.io/part-of: shop}}}}
spec:
  approvePlan: auto
  interval: 1h
  path: ./infra/database
  sourceRef: {{kind: GitRepository, name: modules}}
  vars:
    - {{name: max_connections, value: 400}}
"""
UPLOADS = f"""\
apiVersion: s3.aws.upbound.io/v1beta1
kind: Bucket
metadata: {{name: {SERVICE}-uploads, labels: {{app.kubernetes.io/part-of: shop}}}}
spec:
  forProvider: {{region: eu-central-1}}
"""
RULES = f"""\
  strategies:
    - name: database
      type: infrastructure
      infrastructure: {{syncTimeout: 30m}}
  delivery: {{syncTimeout: {int(PATIENCE.total_seconds())}s}}
"""


def add_database(telling: Telling) -> None:
    """The application has had a database for long, made by Terraform."""
    people = telling.world.people
    listed = f"{people.read(LIST).rstrip()}\n  - database.yaml\n"
    people.push("Let Terraform make the database", {DATABASE: TERRAFORM, LIST: listed}, telling.world.clock.now())


def thrifty_release(telling: Telling) -> None:
    """A release that fails makes the database smaller, and brings a bucket."""
    telling.world.failing_tags.add(NEW_TAG)
    listed = f"{telling.world.people.read(LIST).rstrip()}\n  - uploads.yaml\n"
    smaller = TERRAFORM.replace("value: 400", "value: 20")
    ship(telling, more={DATABASE: smaller, BUCKET: UPLOADS, LIST: listed})


def _awaited(record: Json) -> timedelta:
    """From the push to the moment from which on the checks count."""
    pushed, synced = (record["times"].get(name) for name in ("pushed", "synced"))
    return datetime.fromisoformat(synced) - datetime.fromisoformat(pushed) if pushed and synced else timedelta(0)


def run_awaited(telling: Telling) -> list[Claim]:
    records = telling.records()
    guards = [guard["message"] for one in records for guard in one["guards"] if guard["guard"] == "infrastructure"]
    waited = max((_awaited(one) for one in records), default=timedelta(0))
    said = records[0]["message"] if records else ""
    return [
        decided(telling, "DestroysResources"),
        Claim("the plan named what would be destroyed", any(f"Bucket {SERVICE}-uploads" in one for one in guards)),
        *rolled_back(telling),
        Claim("the run of Terraform was awaited", waited >= RUNS_FOR - timedelta(seconds=30) > PATIENCE),
        Claim("its end is part of the proof", f"Terraform {SERVICE}-db TerraformAppliedSucceed" in said),
        Claim("so is that the bucket is gone", f"Bucket {SERVICE}-uploads is gone" in said),
    ]


INFRASTRUCTURE_STORIES: tuple[Story, ...] = (
    Story(
        "infrastructure",
        "A release changes the database, and fails. A person reads what the revert destroys; its run is awaited.",
        prepare=add_database,
        act=thrifty_release,
        ended=lambda telling: telling.has_decided("DestroysResources") and bool(telling.records()),
        then=approve,
        ended_again=lambda telling: telling.is_done("verified"),
        claims=run_awaited,
        policy=policy(RULES, verify_for="30m"),
        longest=timedelta(minutes=75),
    ),
)
