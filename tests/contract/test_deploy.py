"""Can what lies in `deploy/` be applied as it is, and does it ask for no more rights than the code uses?"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml
from sandbox_kubernetes_world import APPLY, ask, cluster

from gitops_rollback import __version__, adapters
from gitops_rollback.adapters.kubernetes.resources import EVENTS, LEASES, SECRETS, Resource
from gitops_rollback.app.manifests import BASE, manifests_for
from gitops_rollback.app.settings_input import load_settings
from gitops_rollback.cli.plugins import NAMES
from gitops_rollback.sandbox.kubernetes.kinds import KINDS

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "gitops-rollback"
NEWEST, OLDEST = "1.36", "1.27"
WITHOUT_SCHEMA = ("ServiceMonitor", "Kustomization", "Component")
ALL_VALUES = "repositories={https://git.example.com/shop/config.git},rbac.flux=true,rbac.pods=true,rbac.argocd=true,rbac.events=true,rbac.writers=true"


def documents(text: str) -> list[Json]:
    return [one for one in yaml.safe_load_all(text) if one]


def written() -> list[Json]:
    """Every manifest of the base and its components, as it lies there."""
    files = sorted((DEPLOY / "base").glob("*.yaml")) + sorted((DEPLOY / "components").rglob("*.yaml"))
    return [one for file in files for one in documents(file.read_text()) if one["kind"] not in WITHOUT_SCHEMA]


def printed(*command: str) -> list[Json]:
    """What a tool makes of the manifests; skips where the machine does not have it."""
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return documents(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)


def rendered() -> list[Json]:
    more = f"{ALL_VALUES},serviceMonitor=true"
    command = ("helm", "template", "gitops-rollback", str(CHART), "--namespace", "gitops-rollback")
    return printed(*command, "--kube-version", "1.30.0", "--set", more)


def one(found: list[Json], kind: str, name: str = "gitops-rollback") -> Json:
    return next(each for each in found if (each["kind"], each["metadata"]["name"]) == (kind, name))


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_every_manifest_fits_the_schemas_of_kubernetes(version: str) -> None:
    for manifest in written():
        kubernetes_validate.validate(manifest, version, strict=True)


def test_kubectl_builds_the_whole(tmp_path: Path) -> None:
    found = printed("kubectl", "kustomize", "deploy/")
    assert {each["kind"] for each in found} == {
        *("Namespace", "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Service", "Deployment"),
        *("NetworkPolicy", "PodDisruptionBudget"),
    }
    for manifest in found:
        kubernetes_validate.validate(manifest, NEWEST, strict=True)
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    names = ("argocd", "flux", "pods", "events", "servicemonitor")
    wanted = {"resources": ["base"], "components": [f"components/{name}" for name in names]}
    (tmp_path / "deploy" / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    more = printed("kubectl", "kustomize", str(tmp_path / "deploy"))
    assert {each["metadata"]["name"] for each in more if each["kind"] == "ClusterRole"} == {
        *("gitops-rollback-argocd", "gitops-rollback-flux", "gitops-rollback-pods", "gitops-rollback-events")
    }
    (before,), (after,) = ([one["data"] for one in each if one["kind"] == "ConfigMap"] for each in (found, more))
    assert after == {**before, "GITOPS_ROLLBACK_FLUX": "true", "GITOPS_ROLLBACK_EVENTS": "true"}


def test_the_chart_renders_the_same_as_the_base() -> None:
    found = rendered()
    for manifest in found:
        if manifest["kind"] != "ServiceMonitor":
            kubernetes_validate.validate(manifest, NEWEST, strict=True)
    base = {(each["kind"], each["metadata"]["name"]): each for each in written()}
    for key in [key for key in base if key[0] in ("Role", "ClusterRole")]:
        assert one(found, *key)["rules"] == base[key]["rules"]
    ours = base["Deployment", "gitops-rollback"]["spec"]["template"]["spec"]
    theirs = one(found, "Deployment")["spec"]["template"]["spec"]
    for name in ("securityContext", "volumes", "terminationGracePeriodSeconds", "automountServiceAccountToken"):
        assert theirs[name] == ours[name]
    pairs = zip(ours["containers"], theirs["containers"], strict=True)
    for mine, other in pairs:
        same = {name: mine[name] for name in mine if name != "image"}
        assert {name: other[name] for name in same} == same
    policy = base["NetworkPolicy", "gitops-rollback"]["spec"]
    assert one(found, "NetworkPolicy")["spec"]["egress"] == policy["egress"]


def shows_the_dashboard(found: list[Json], folder: Path) -> None:
    """Its Service leads to a port of the container, the NetworkPolicy lets it in, and the settings are settings."""
    (port,) = one(found, "Service", "gitops-rollback-dashboard")["spec"]["ports"]
    spec = one(found, "Deployment")["spec"]["template"]["spec"]
    ports = {each["name"]: each["containerPort"] for each in spec["containers"][0]["ports"]}
    assert ports == {"http": 8080, port["targetPort"]: port["port"]}
    (rule,) = one(found, "NetworkPolicy")["spec"]["ingress"]
    assert {each["port"] for each in rule["ports"]} == set(ports)
    maps = {each["metadata"]["name"]: each["data"] for each in found if each["kind"] == "ConfigMap"}
    (named,) = [each["configMap"]["name"] for each in spec["volumes"] if "configMap" in each]
    (at,) = [each["mountPath"] for each in spec["containers"][0]["volumeMounts"] if each["name"] == "file"]
    (folder / "gitops-rollback.yaml").write_text(maps[named]["gitops-rollback.yaml"])
    (environment,) = [data for data in maps.values() if "GITOPS_ROLLBACK_REPO" in data]
    assert environment["GITOPS_ROLLBACK_CONFIG"] == f"{at}/gitops-rollback.yaml"
    here = {"GITOPS_ROLLBACK_CONFIG": str(folder / "gitops-rollback.yaml"), "GITOPS_ROLLBACK_STATE_DIR": str(folder)}
    known = {name: value for name, value in environment.items() if not name.endswith("_FILE")}
    place = load_settings({**known, **here}, {}).dashboard
    assert place.bind == f"0.0.0.0:{port['port']}"
    assert "gitops-rollback-dashboard.gitops-rollback.svc" in place.hosts


def test_kubectl_builds_the_dashboard(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    wanted = {"resources": ["base"], "components": ["components/dashboard"]}
    (tmp_path / "deploy" / "kustomization.yaml").write_text(yaml.safe_dump(wanted))
    settings = tmp_path / "deploy" / "components" / "dashboard" / "settings.yml"
    settings.write_text(re.sub(r"^# login:(.*?)#   tokens.*", r"  login:\1", settings.read_text(), flags=re.M | re.S))
    settings.write_text(settings.read_text().replace("#   proxy", "    proxy"))
    found = printed("kubectl", "kustomize", str(tmp_path / "deploy"))
    for manifest in found:
        kubernetes_validate.validate(manifest, NEWEST, strict=True)
    shows_the_dashboard(found, tmp_path)


def test_the_chart_brings_the_dashboard(tmp_path: Path) -> None:
    login = "dashboard.login.proxy.trusted={10.20.0.0/16},dashboard.login.proxy.people.mary=mary"
    values = f"{ALL_VALUES},dashboard.enabled=true,dashboard.hosts={{rollback.example.com}},{login}"
    command = ("helm", "template", "gitops-rollback", str(CHART), "--namespace", "gitops-rollback")
    found = printed(*command, "--kube-version", "1.30.0", "--set", values)
    for manifest in found:
        kubernetes_validate.validate(manifest, NEWEST, strict=True)
    shows_the_dashboard(found, tmp_path)


@pytest.mark.parametrize(
    ("values", "engines"),
    [
        ("rbac.flux=true", (False, True)),
        ("rbac.argocd=true,rbac.flux=true", (True, True)),
        ("rbac.argocd=true,settings.ARGOCD_SERVER=argocd.example", (False, False)),
        ("rbac.flux=true,settings.GITOPS_ROLLBACK_FLUX=false", (False, False)),
    ],
)
def test_the_chart_switches_on_what_it_gives_the_rights_for(values: str, engines: tuple[bool, bool]) -> None:
    repositories = "repositories={https://git.example.com/shop/config.git}"
    command = ("helm", "template", "gitops-rollback", str(CHART), "--kube-version", "1.30.0")
    data = one(printed(*command, "--set", f"{repositories},{values}"), "ConfigMap")["data"]
    settings = load_settings(data, {})
    on = [engine is not None and engine.enabled for engine in (settings.argocd_objects, settings.flux)]
    assert tuple(on) == engines


def test_each_right_of_the_components_stands_in_the_chart_under_its_own_switch() -> None:
    template = (CHART / "templates" / "rbac.yaml").read_text()
    for name in ("argocd", "flux", "pods", "writers", "events"):
        rules = re.findall(r"^  - \{.*\}$", (DEPLOY / "components" / name / "rbac.yaml").read_text(), re.MULTILINE)
        block = template.split(f"if .Values.rbac.{name} ")[1].split("{{- end }}")[0]
        assert re.findall(r"^  - \{.*\}$", block, re.MULTILINE) == rules


def test_the_chart_knows_its_values_and_refuses_others() -> None:
    jsonschema = importlib.import_module("jsonschema")
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema["properties"]) == {*values, "global"}
    good = {**values, "repositories": ["https://git.example.com/shop/config.git"]}
    jsonschema.validate(good, schema)
    for bad in (values, {**good, "replica": 3}, {**good, "replicas": 0}, {**good, "rbac": {"everything": True}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(bad, schema)
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert {chart["version"], chart["appVersion"]} == {__version__}


def test_the_pod_meets_the_restricted_standard() -> None:
    found = written()
    spec = one(found, "Deployment")["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in spec["containers"]:
        wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
        assert container["securityContext"] == wanted
        assert {"startupProbe", "livenessProbe", "readinessProbe", "resources"} <= container.keys()
    policy = one(found, "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert all(rule.get("ports") for rule in (*policy["ingress"], *policy["egress"]))
    labels = one(found, "Namespace")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


def granted(found: list[Json]) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for role in found
        if role["kind"] in ("Role", "ClusterRole")
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used() -> Iterator[Resource]:
    """Every kind of object that some adapter asks the Kubernetes API for."""
    for module in pkgutil.walk_packages(adapters.__path__, f"{adapters.__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            values = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else (value,)
            yield from (each for each in values if isinstance(each, Resource))


def test_the_rights_are_those_that_the_code_uses() -> None:
    rights, kinds = granted(written()), {(each.group, each.plural) for each in used()}
    kinds -= {(SECRETS.group, SECRETS.plural)}  # a right that a person may add: none is to their metadata alone
    assert {(group, resource) for group, resource, _ in rights} == kinds
    only_written = {(EVENTS.group, EVENTS.plural)}
    assert all((group, resource, "get") in rights for group, resource in kinds - only_written)
    written_to = {(resource, verb) for _, resource, verb in rights if verb not in ("get", "list", "watch")}
    assert written_to == {
        *((LEASES.plural, "create"), (LEASES.plural, "update"), ("applications", "patch")),
        *(("gitrepositories", "patch"), ("kustomizations", "patch"), ("helmreleases", "patch")),
        (EVENTS.plural, "create"),
    }
    assert not [right for right in rights if "*" in right or "secrets" in right]


def test_the_documents_show_the_rights_of_the_manifests() -> None:
    page = (ROOT / "docs" / "how-to" / "access.md").read_text()
    for file in sorted((DEPLOY / "components").glob("*/rbac.yaml")):
        for rule in documents(file.read_text())[0]["rules"]:
            for resource in rule["resources"]:
                row = f"| {file.parent.name} | `{resource}` | {', '.join(rule['verbs'])} |"
                assert row in page, row


def test_the_settings_of_the_base_are_settings() -> None:
    lines = (DEPLOY / "base" / "settings.env").read_text().splitlines()
    environment = dict(line.split("=", 1) for line in lines)
    files = {name for name in environment if name.endswith("_FILE")}
    mounted = one(written(), "Deployment")["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
    assert all(any(environment[name].startswith(at["mountPath"]) for at in mounted) for name in files)
    settings = load_settings({name: value for name, value in environment.items() if name not in files}, {})
    assert settings.repositories
    assert settings.leader_election.enabled is True


def test_a_kubernetes_api_takes_what_it_serves_of_it() -> None:
    served = {(kind.api_version, kind.kind): kind for kind in KINDS}
    with cluster() as sandbox:
        applied = []
        for manifest in written():
            kind = served.get((manifest["apiVersion"], manifest["kind"]))
            if kind is not None:
                name = manifest["metadata"]["name"]
                path = kind.path("gitops-rollback" if kind.namespaced else "", name)
                answer = ask(sandbox, "PATCH", f"{path}?fieldManager=kubectl&force=true", manifest, APPLY)
                assert answer.status in (200, 201), answer.text
                applied.append(manifest["kind"])
    assert {"Namespace", "Deployment", "Service"} <= set(applied)


def test_the_dockerfile_is_without_a_complaint_and_ends_as_nobody_special() -> None:
    tool = Path(sys.executable).with_name("hadolint")
    told = subprocess.run([tool, str(DEPLOY / "Dockerfile")], capture_output=True, text=True, check=False)
    assert told.stdout + told.stderr == ""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    assert len([line for line in lines if line.startswith("FROM ")]) == 2
    user = one(written(), "Deployment")["spec"]["template"]["spec"]["securityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}" in lines
    for line in lines:
        if line.startswith("COPY ") and "--from" not in line:
            assert all((ROOT / source).exists() for source in line.split()[1:-1])


def test_the_wheel_builds_from_what_the_image_copies(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("gitops_rollback", "fixtures", "deploy/base", "deploy/components"):
        shutil.copytree(ROOT / name, tmp_path / name)
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", "out", "."]
    subprocess.run(build, check=True, capture_output=True, cwd=tmp_path)
    (wheel,) = (tmp_path / "out").glob("gitops_rollback-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert "gitops_rollback/cli/main.py" in names
    assert any(name.startswith("gitops_rollback/sandbox/scenarios/shop/") for name in names)
    assert {f"gitops_rollback/deploy/{name}/rbac.yaml" for name in ("base", "components/flux")} <= set(names)
    assert {f"gitops_rollback/deploy/base/{name}.yaml" for name in BASE} <= set(names)
    (entries,) = (name for name in names if name.endswith("entry_points.txt"))
    programs = zipfile.ZipFile(wheel).read(entries).decode()
    assert all(f"{name} = gitops_rollback.cli.main:main" in programs for name in NAMES.values())


def test_what_init_prints_is_what_kubectl_builds(tmp_path: Path) -> None:
    """But for the labels that kustomize adds, and the digest in the name of its ConfigMap."""
    overlay = {
        "resources": ["../deploy/base"],
        "components": ["../deploy/components/flux", "../deploy/components/pods"],
    }
    (tmp_path / "overlay").mkdir()
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    (tmp_path / "overlay" / "kustomization.yaml").write_text(json.dumps(overlay))
    built = printed("kubectl", "kustomize", str(tmp_path / "overlay"))
    made = documents(manifests_for(("argocd", "flux"), ""))
    names = {(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in made}
    digest = re.compile(r"-[a-z0-9]{10}$")
    wanted = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in built]
    assert names == {(kind, at, digest.sub("", name) if kind == "ConfigMap" else name) for kind, at, name in wanted}
    assert one(made, "ConfigMap")["data"] == next(each["data"] for each in built if each["kind"] == "ConfigMap")
    assert {each["metadata"]["name"]: each["rules"] for each in made if "rules" in each} == {
        each["metadata"]["name"]: each["rules"] for each in built if "rules" in each
    }
