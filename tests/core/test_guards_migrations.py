"""What ran with the bad deployment decides whether data may have moved."""

from __future__ import annotations

from typing import Any

import pytest
from plan_facts import DEPLOYMENT, FILE, a_commit, a_file, a_live_deployment, a_target, an_operation, facts, live, text

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.facts import OwnFile
from gitops_rollback.core.guards.migrations import judge_data, judge_migrations
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.sync import ResourceResult

BAD = "registry.example/checkout:1.42.0"


def a_hook(kind: str = "Job", *images: str, name: str = "smoke", hook: str = "PreSync") -> ResourceResult:
    return ResourceResult("batch", kind, "shop", name, "Synced", hook_phase="Succeeded", hook_type=hook, images=images)


def a_job(image: str, *, command: str = "[run]", name: str = "smoke", hook: bool = True) -> str:
    annotations = ", annotations: {argocd.argoproj.io/hook: PreSync}" if hook else ""
    return (
        f"apiVersion: batch/v1\nkind: Job\nmetadata: {{name: {name}{annotations}}}\n"
        f"spec: {{template: {{spec: {{containers: [{{name: c, image: {image}, command: {command}}}]}}}}}}\n"
    )


def with_init(image: str, command: str = "[sh]") -> str:
    return DEPLOYMENT + f"      initContainers: [{{name: i, image: {image}, command: {command}}}]\n"


def own(*contents: str) -> tuple[OwnFile, ...]:
    return tuple(OwnFile(f"apps/payments/{index}.yaml", text(content)) for index, content in enumerate(contents))


RAN: dict[str, tuple[dict[str, Any], Reason | None]] = {
    "nothing": ({}, None),
    "hook-of-the-released-image": ({"operation": an_operation(a_hook("Job", BAD))}, Reason.MIGRATION_RAN),
    "hook-of-another-unchanged-image": ({"operation": an_operation(a_hook("Job", "registry.example/smoke:7"))}, None),
    "post-sync-hook-counts-too": (
        {"operation": an_operation(a_hook("Job", BAD, hook="PostSync"))},
        Reason.MIGRATION_RAN,
    ),
    "hook-still-running": ({"operation": an_operation(a_hook("Pod", BAD))}, Reason.MIGRATION_RAN),
    "plain-job-of-the-released-image": ({"operation": an_operation(a_hook("Job", BAD, hook=""))}, Reason.MIGRATION_RAN),
    "hook-that-names-a-tool": (
        {"operation": an_operation(a_hook("Job", "registry.example/flyway:9"))},
        Reason.MIGRATION_RAN,
    ),
    "hook-called-migrate": (
        {"operation": an_operation(a_hook("Job", "registry.example/sh:1", name="db-migrate-x7"))},
        Reason.MIGRATION_RAN,
    ),
    "cannot-see-the-hooks-image": ({"operation": an_operation(a_hook("Job"))}, Reason.MIGRATION_RAN),
    "the-hooks-image-stands-in-its-manifest": (
        {"operation": an_operation(a_hook("Job")), "own_files": own(DEPLOYMENT, a_job("registry.example/smoke:7"))},
        None,
    ),
    "the-hooks-command-names-a-tool": (
        {
            "operation": an_operation(a_hook("Job", "registry.example/smoke:7")),
            "own_files": own(DEPLOYMENT, a_job("registry.example/smoke:7", command="[alembic, upgrade]")),
        },
        Reason.MIGRATION_RAN,
    ),
    "a-hook-that-runs-nothing": ({"operation": an_operation(a_hook("ConfigMap"))}, None),
    "operation-replaced-and-no-hook-in-the-files": ({"operation": None}, None),
    "operation-replaced-and-a-hook-in-the-files": (
        {"operation": None, "own_files": own(DEPLOYMENT, a_job(BAD))},
        Reason.MIGRATION_RAN,
    ),
    "operation-replaced-and-a-plain-job-in-the-files": (
        {"operation": None, "own_files": own(DEPLOYMENT, a_job(BAD, hook=False))},
        Reason.MIGRATION_RAN,
    ),
    "operation-replaced-and-an-unchanged-hook": (
        {"operation": None, "own_files": own(DEPLOYMENT, a_job("registry.example/smoke:7"))},
        None,
    ),
    "operation-replaced-and-templates": (
        {"operation": None, "own_files": own("image: {{ .Values.image }}\n")},
        Reason.MIGRATION_RAN,
    ),
    "operation-replaced-and-no-files": ({"operation": None, "own_files": None}, Reason.MIGRATION_RAN),
    "init-container-of-the-released-image": ({"own_files": own(with_init(BAD))}, Reason.MIGRATION_RAN),
    "init-container-of-another-image": ({"own_files": own(with_init("busybox:1"))}, None),
    "init-container-that-calls-a-tool": (
        {"own_files": own(with_init("busybox:1", "[liquibase, update]"))},
        Reason.MIGRATION_RAN,
    ),
    "a-job-that-did-not-run": (
        {"own_files": own(DEPLOYMENT, a_job(BAD).replace("containers", "initContainers"))},
        None,
    ),
    "a-chart-rendered-in-the-cluster": ({"own_files": own("a: {{ .Values.a }}\n")}, None),
    "files-alone": ({"live": None}, None),
    "init-containers-cannot-be-seen": ({"own_files": None, "live": None}, Reason.MIGRATION_RAN),
}


@pytest.mark.parametrize(("given", "reason"), RAN.values(), ids=RAN)
def test_what_ran_decides_whether_data_moved(given: dict[str, Any], reason: Reason | None) -> None:
    found = judge_migrations(facts(**given))
    assert found.reason is reason, found.message
    assert (found.result is GuardResult.ASK) == (reason is not None)


def test_init_containers_of_rendered_charts_are_seen_in_the_cluster() -> None:
    document = a_live_deployment()
    document["spec"] = {"template": {"spec": {"initContainers": [{"name": "i", "image": BAD}]}}}
    found = judge_migrations(facts(own_files=own("x: {{ .Values.x }}\n"), live=(live(document),)))
    assert found.reason is Reason.MIGRATION_RAN


TAG_ONLY = (a_file("image: {tag: 1.42.0}\n", "image: {tag: 1.41.2}\n", "apps/payments/values.yaml"),)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        pytest.param("registry.example/any:1.42.0", Reason.MIGRATION_RAN, id="the-tag-that-goes-away"),
        pytest.param("registry.example/any:7", None, id="another-tag"),
    ],
)
def test_a_tag_whose_image_only_the_chart_knows_is_matched_by_its_value(image: str, reason: Reason | None) -> None:
    assert judge_migrations(facts(files=TAG_ONLY, operation=an_operation(a_hook("Job", image)))).reason is reason


def test_a_hook_beside_a_file_that_cannot_be_read_asks() -> None:
    template = (a_file("image: {{ .Values.a }}\n", "image: {{ .Values.b }}\n"),)
    operation = an_operation(a_hook("Job", "registry.example/smoke:7"))
    assert judge_migrations(facts(files=template, operation=operation)).reason is Reason.MIGRATION_RAN
    assert judge_migrations(facts(files=None, operation=operation)).reason is Reason.MIGRATION_RAN


def test_what_a_culprit_ran_counts_though_somebody_has_taken_it_off_the_branch_since() -> None:
    operation = an_operation(a_hook("Job", "registry.example/loader:5"))
    brought = a_file(a_job("registry.example/loader:4"), a_job("registry.example/loader:5"), "apps/payments/job.yaml")
    assert judge_migrations(facts(culprit_files=(brought,), operation=operation)).reason is Reason.MIGRATION_RAN
    assert judge_migrations(facts(culprit_files=(), operation=operation)).reason is None


def test_a_migration_in_a_configmap_is_data_at_risk() -> None:
    script = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {001.sql: x}\n"
    found = judge_migrations(facts(files=(a_file(script, script.replace("x}", "y}"), FILE),)))
    assert found.reason is Reason.DATA_AT_RISK


WORDS: dict[str, tuple[dict[str, Any], Reason | None]] = {
    "nothing-said": ({}, None),
    "policy-safe": ({"target": a_target(data_rollback="safe")}, None),
    "policy-ask": ({"target": a_target(data_rollback="ask", data_because="writes orders")}, Reason.DATA_AT_RISK),
    "policy-in-unknown-words": ({"target": a_target(data_rollback="maybe")}, Reason.DATA_AT_RISK),
    "commit-says-no": ({"suspects": (a_commit(message="a\n\nRollback-Safe: false\n"),)}, Reason.TRAILER),
    "commit-says-no-in-the-middle": (
        {"suspects": (a_commit(message="a\n\nrollback-safe:  False\n\nand more prose\n"),)},
        Reason.TRAILER,
    ),
    "commit-says-yes": ({"suspects": (a_commit(message="a\n\nRollback-Safe: true\n"),)}, None),
}


@pytest.mark.parametrize(("given", "reason"), WORDS.values(), ids=WORDS)
def test_team_and_author_may_say_that_data_is_at_risk(given: dict[str, Any], reason: Reason | None) -> None:
    found = judge_data(facts(**given))
    assert found.reason is reason


def test_a_team_that_calls_data_safe_does_not_hide_a_migration() -> None:
    given = facts(target=a_target(data_rollback="safe"), operation=an_operation(a_hook("Job", BAD)))
    assert judge_migrations(given).reason is Reason.MIGRATION_RAN
