"""Can the suspect have done the damage, and would its undoing end it? One plan of a ConfigMap, and what it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from plan_facts import DEPLOYMENT, FILE, a_file, a_live_deployment, a_reversal, an_operation, facts, live, text

from gitops_rollback.core.errors import Reason
from gitops_rollback.core.guards.damage import judge_damage
from gitops_rollback.core.guards.facts import ChangedFile, OwnFile
from gitops_rollback.core.images import parse_image
from gitops_rollback.core.policy import GuardResult
from gitops_rollback.core.running_images import RunningImage, running_images
from gitops_rollback.core.sync import ResourceResult

SETTINGS = "apps/payments/settings.yaml"
KUSTOMIZATION = "apps/payments/kustomization.yaml"
LEVELS = "apps/payments/levels.yaml"
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: checkout}\ndata: {LEVEL: LEVEL_IS}\n"
ENV_FROM = "          envFrom: [{configMapRef: {name: checkout}}]\n"
OF_KEY = "          env: [{name: LEVEL, valueFrom: {configMapKeyRef: {name: checkout, key: LEVEL}}}]\n"
VOLUME = "      volumes: [{name: all, configMap: {name: checkout}}]\n"
MOUNTED = "          volumeMounts: [{name: all, mountPath: /etc/checkout}]\n" + VOLUME
PROJECTED = VOLUME.replace("configMap: {name: checkout}", "projected: {sources: [{configMap: {name: checkout}}]}")
IN_PART = "          volumeMounts: [{name: all, mountPath: /etc/a, subPath: a}]\n"
CRON = "apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: night}\nspec:\n  jobTemplate:\n    spec:\n" + "".join(
    f"    {line}\n" for line in (DEPLOYMENT[DEPLOYMENT.index("  template:") :] + ENV_FROM).splitlines()
)
ALLOW, ASK = GuardResult.ALLOW, GuardResult.ASK


def annotated(annotation: str, document: str = DEPLOYMENT + ENV_FROM, what: str = "annotations") -> str:
    return document.replace("namespace: shop}", f"namespace: shop, {what}: {{{annotation}}}}}")


def of_config(*own: str, config: str = CONFIG, also: tuple[ChangedFile, ...] = ()) -> tuple[GuardResult, Reason | None]:
    changed = a_file(config.replace("LEVEL_IS", "debug"), config.replace("LEVEL_IS", "info"), SETTINGS)
    files = (changed, *also)
    found = judge_damage(
        facts(
            reversal=a_reversal(*(one.path for one in files)),
            files=files,
            own_files=tuple(OwnFile(f"apps/payments/{n}.yaml", text(one)) for n, one in enumerate(own)),
            live=(),
        )
    )
    assert bool(found.remedy) == (found.result is ASK)
    return found.result, found.reason


NEEDS_A_RESTART: Mapping[str, str] = {
    "environment": DEPLOYMENT + ENV_FROM,
    "one key of the environment": DEPLOYMENT + OF_KEY,
    "an init container": DEPLOYMENT + "      initContainers: [{name: a, " + ENV_FROM.strip() + "}]\n",
    "mounted in part": DEPLOYMENT + IN_PART + VOLUME,
    "projected in part": DEPLOYMENT + IN_PART + PROJECTED,
    "a reloader that is off": annotated('reloader.stakater.com/auto: "false"'),
    "a reloader of another one": annotated("configmap.reloader.stakater.com/reload: other"),
    "a reloader that looks for a mark": annotated('reloader.stakater.com/search: "true"'),
    "a checksum that stands in git": annotated("checksum/config: 9f86d0"),
}
NEEDS_NONE: Mapping[str, str] = {
    "nobody reads it": DEPLOYMENT,
    "mounted whole": DEPLOYMENT + MOUNTED,
    "the next run reads it": CRON,
    "reloader": annotated('reloader.stakater.com/auto: "true"'),
    "reloader of ConfigMaps": annotated('configmap.reloader.stakater.com/auto: "true"'),
    "reloader by name": annotated('configmap.reloader.stakater.com/reload: "other, checkout"'),
    "wave": annotated('wave.pusher.com/update-on-config-change: "true"'),
    "reloader in the template": (DEPLOYMENT + ENV_FROM).replace(
        "  template:\n", '  template:\n    metadata: {annotations: {reloader.stakater.com/auto: "true"}}\n'
    ),
}


@pytest.mark.parametrize("workload", NEEDS_A_RESTART.values(), ids=NEEDS_A_RESTART)
def test_what_is_read_at_the_start_of_a_pod_alone_asks_for_who_restarts_it(workload: str) -> None:
    assert of_config(workload) == (ASK, Reason.RESTARTS_NOTHING)


@pytest.mark.parametrize("workload", NEEDS_NONE.values(), ids=NEEDS_NONE)
def test_what_is_read_anew_or_reloaded_is_undone_by_the_commit(workload: str) -> None:
    assert of_config(workload) == (ALLOW, None)


def test_a_reloader_finds_a_marked_config_map_and_spares_another() -> None:
    marked = CONFIG.replace("{name: checkout}", '{name: checkout, annotations: {reloader.stakater.com/match: "true"}}')
    spared = marked.replace("/match", "/ignore")
    assert of_config(annotated('reloader.stakater.com/search: "true"'), config=marked) == (ALLOW, None)
    assert of_config(annotated('reloader.stakater.com/auto: "true"'), config=spared) == (ASK, Reason.RESTARTS_NOTHING)


def test_a_plan_that_changes_the_template_of_what_reads_it_restarts_it() -> None:
    new = (DEPLOYMENT + ENV_FROM).replace("/checkout:1.42.0", "/checkout:1.42.0\n          args: [a]")
    assert of_config(new, also=(a_file(new, DEPLOYMENT + ENV_FROM),)) == (ALLOW, None)
    scaled = new.replace("replicas: 3", "replicas: 2")
    assert of_config(new, also=(a_file(new, scaled),)) == (ASK, Reason.RESTARTS_NOTHING)


def test_what_renders_other_objects_is_not_said_to_restart_nothing() -> None:
    assert of_config(DEPLOYMENT + ENV_FROM, also=(a_file("a: 1\n", "a: 2\n", "apps/payments/values.yaml"),))[0] is ALLOW


def test_who_reads_it_must_be_seen() -> None:
    changed = a_file(CONFIG.replace("LEVEL_IS", "debug"), CONFIG.replace("LEVEL_IS", "info"), SETTINGS)
    template = OwnFile("apps/payments/templates/web.yaml", text("a: {{ .Values.a }}\n"))
    plain = facts(files=(changed,), own_files=(template,), live=None)
    blind = judge_damage(plain)
    assert (blind.result, blind.reason) == (ASK, Reason.RESTARTS_NOTHING)
    assert "cannot be seen" in blind.message
    template_of: dict[str, object] = {"spec": {"containers": [{"envFrom": [{"configMapRef": {"name": "checkout"}}]}]}}
    reads = {**a_live_deployment(), "spec": {"template": template_of}}
    assert judge_damage(replace(plain, live=(live(reads),))).result is ASK
    template_of["metadata"] = {"annotations": {"checksum/config": "9f86d0"}}
    assert judge_damage(replace(plain, live=(live(reads),))).result is ALLOW


@pytest.mark.parametrize(
    ("options", "result"),
    [("", ALLOW), ("generatorOptions: {disableNameSuffixHash: true}\n", ASK)],
    ids=["with its hash", "without"],
)
def test_a_generated_config_map_restarts_what_reads_it_by_its_hash(options: str, result: GuardResult) -> None:
    kustomization = f"{options}configMapGenerator:\n  - {{name: checkout, files: [levels.yaml], literals: [A=1]}}\n"
    own = (OwnFile(KUSTOMIZATION, text(kustomization)), OwnFile(FILE, text(DEPLOYMENT + ENV_FROM)))
    by_file = a_file("level: debug\n", "level: info\n", LEVELS)
    by_literal = a_file(kustomization, kustomization.replace("A=1", "A=2"), KUSTOMIZATION)
    assert judge_damage(facts(files=(by_literal,), own_files=own, live=())).result is result
    assert judge_damage(facts(files=(by_file,), own_files=own, live=())).result is result


@pytest.mark.parametrize("what", ["annotations", "labels"])
@pytest.mark.parametrize(
    "told",
    [
        "kustomize.toolkit.fluxcd.io/reconcile: Disabled",
        "kustomize.toolkit.fluxcd.io/ssa: Ignore",
        "kustomize.toolkit.fluxcd.io/ssa: IfNotPresent",
        "argocd.argoproj.io/hook: Skip",
    ],
)
def test_what_the_engine_is_told_to_leave_alone_asks(told: str, what: str) -> None:
    new, old = (annotated(told, one, what) for one in (DEPLOYMENT, DEPLOYMENT.replace("1.42.0", "1.41.2")))
    found = judge_damage(facts(files=(a_file(new, old),)))
    assert (found.result, found.reason) == (ASK, Reason.LEFT_ALONE)
    assert told in found.message
    merged = annotated("kustomize.toolkit.fluxcd.io/ssa: Merge", DEPLOYMENT, what)
    assert judge_damage(facts(files=(a_file(merged, merged.replace("1.42.0", "1.41.2")),))).result is ALLOW


def test_what_a_person_told_the_engine_in_the_cluster_counts_too() -> None:
    held = a_live_deployment()
    held["metadata"] = {
        "name": "checkout", "namespace": "shop", "annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}
    }  # fmt: skip
    assert judge_damage(facts(live=(live(held, a_live_deployment()),))).reason is Reason.LEFT_ALONE
    another = {**held, "metadata": {"name": "another", "annotations": {"kustomize.toolkit.fluxcd.io/ssa": "Ignore"}}}
    assert judge_damage(facts(live=(live(another),))).result is ALLOW


def test_a_deployment_that_changed_no_object_did_no_damage() -> None:
    same = ResourceResult("apps", "Deployment", "shop", "web", "Synced", "deployment.apps/web unchanged")
    new = replace(same, message="deployment.apps/web configured")
    operation = an_operation(same, same)
    assert judge_damage(facts(operation=operation)).reason is Reason.NO_PATH
    assert judge_damage(facts(operation=an_operation(same, new))).result is ALLOW
    assert judge_damage(facts(operation=an_operation(same, replace(same, hook_type="PostSync")))).result is ALLOW
    assert judge_damage(facts(operation=replace(operation, retry_count=1))).result is ALLOW


def test_a_tag_that_moved_is_no_commit() -> None:
    stays = RunningImage(parse_image("registry.example/proxy:latest"), ("sha256:aa", "sha256:bb"))
    found = judge_damage(facts(running=(stays,)))
    assert (found.result, found.reason) == (ASK, Reason.NO_COMMIT)
    assert "the tag moved: registry.example/proxy:latest" in found.message
    undone = RunningImage(parse_image("registry.example/checkout:1.42.0"), ("sha256:aa", "sha256:bb"))
    one = RunningImage(parse_image("registry.example/proxy:latest"), ("sha256:aa",))
    assert judge_damage(facts(running=(undone, one))).result is ALLOW


def test_digests_are_those_of_the_registry_by_the_name_that_the_pod_asks_for() -> None:
    def pod(image: str, running: str) -> dict[str, object]:
        spec = {"containers": [{"name": "web", "image": image}]}
        return {"spec": spec, "status": {"containerStatuses": [{"name": "web", "imageID": running}]}}

    pods = [pod("docker.io/library/nginx:1", f"docker.io/library/nginx@sha256:{one}") for one in "ba"]
    by_hand = pod("nginx:1", "sha256:cc")
    pinned = pod("nginx@sha256:dd", "nginx@sha256:dd")
    starting = {"spec": {"containers": [{"name": "web", "image": "nginx:1"}]}, "status": {}}
    moved, fixed = running_images([*pods, by_hand, pinned, starting])
    assert (str(moved.image), moved.digests, moved.moved) == ("nginx:1", ("sha256:a", "sha256:b"), True)
    assert (str(fixed.image), fixed.moved) == ("nginx@sha256:dd", False)
