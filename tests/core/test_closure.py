"""Which files an application renders from, in the layouts that people use."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gitops_rollback.core.closure.finding import Closure, Scope, of_kustomization, of_objects
from gitops_rollback.core.closure.tree import Tree
from gitops_rollback.core.manifest_text import Value, documents

KUSTOMIZATION: dict[str, str] = {
    "apps/web/prod/kustomization.yaml": (
        "resources: [../base, extra.yaml, https://example.com/remote.yaml, missing.yaml]\n"
        "components: [../../../components/tls]\n"
        "patches: [{path: patch.yaml}, {patch: '- op: remove'}]\n"
        "patchesStrategicMerge: [old.yaml, 'kind: Inline\\nmetadata: {}']\n"
        "replacements: [{path: replace.yaml}]\n"
        "configMapGenerator: [{name: c, files: [key=conf/app.ini, conf/b.ini], envs: [.env]}]\n"
        "generators: [secrets.yaml]\n"
        "helmCharts: [{name: local, valuesFile: values.yaml, additionalValuesFiles: [more.yaml]}]\n"
    ),
    "apps/web/prod/extra.yaml": "kind: A\n",
    "apps/web/prod/patch.yaml": "kind: A\n",
    "apps/web/prod/old.yaml": "kind: A\n",
    "apps/web/prod/replace.yaml": "a: 1\n",
    "apps/web/prod/conf/app.ini": "a\n",
    "apps/web/prod/conf/b.ini": "a\n",
    "apps/web/prod/.env": "A=1\n",
    "apps/web/prod/secrets.yaml": "apiVersion: viaduct.ai/v1\nkind: ksops\nfiles: [sealed.enc.yaml]\n",
    "apps/web/prod/sealed.enc.yaml": "sops: {}\n",
    "apps/web/prod/values.yaml": "a: 1\n",
    "apps/web/prod/more.yaml": "a: 1\n",
    "apps/web/prod/charts/local/Chart.yaml": "name: local\ndependencies: [{name: lib, repository: 'file://../lib'}]\n",
    "apps/web/prod/charts/local/templates/a.yaml": "{{ x }}\n",
    "apps/web/prod/charts/lib/templates/b.tpl": "{{ x }}\n",
    "apps/web/base/kustomization.yml": "bases: [../../shared]\n",
    "apps/shared/Kustomization": "resources: [deployment.yaml, ../web/base]\n",
    "apps/shared/deployment.yaml": "kind: A\n",
    "components/tls/kustomization.yaml": "kind: Component\n",
}
UNRELATED = {"apps/web/prod/notes.yaml": "a: 1\n", "apps/api/deployment.yaml": "kind: A\n", "README.md": "#\n"}


def tree(files: Mapping[str, str]) -> Tree:
    return Tree({path: path for path in files}, lambda path: files[path].encode())


def the_object(text: str) -> Mapping[str, Value]:
    found = documents(text)
    assert found
    assert isinstance(found[0], dict)
    return found[0]


def test_a_kustomization_is_followed_to_all_that_it_names() -> None:
    found = of_kustomization([tree({**KUSTOMIZATION, **UNRELATED})], "apps/web/prod")
    assert set(found.why) == set(KUSTOMIZATION)
    assert found.scope is Scope.CLOSURE
    assert found.remote == ("https://example.com/remote.yaml",)
    assert found.why["apps/shared/deployment.yaml"] == "resources of apps/shared/Kustomization"


def test_a_reference_that_only_one_revision_has_counts_all_the_same() -> None:
    before, after = {"a/kustomization.yaml": "resources: [x.yaml]\n"}, {"a/kustomization.yaml": "resources: []\n"}
    files = {"a/x.yaml": "kind: A\n"}
    found = of_kustomization([tree({**after, **files}), tree({**before, **files})], "a")
    assert set(found.why) == {"a/kustomization.yaml", "a/x.yaml"}


def test_what_cannot_be_read_falls_back_to_the_folder_and_says_so() -> None:
    found = of_kustomization([tree({"a/kustomization.yaml": "resources: [{{ x }}]\n", "a/b/c.yaml": "a: 1\n"})], "a")
    assert (found.scope, set(found.why)) == (Scope.DIRECTORY, {"a/kustomization.yaml", "a/b/c.yaml"})
    assert found.unread == ("a/kustomization.yaml",)
    nowhere = of_kustomization([tree(UNRELATED)], "gone")
    assert (nowhere.scope, set(nowhere.why)) == (Scope.REPOSITORY, set(UNRELATED))


ARGO = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: web, namespace: argocd}\nspec:\n"
FLUX = (
    "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {name: web, namespace: flux}\nspec:\n"
)
RELEASE = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: web, namespace: shop}\nspec:\n"
CHART = {
    "charts/web/Chart.yaml": "name: web\n",
    "charts/web/values.yaml": "a: 1\n",
    "charts/web/templates/a.yaml": "a\n",
}


# The object, the files of the tree, and which of them are inputs.
def empty(*paths: str) -> dict[str, str]:
    return dict.fromkeys(paths, "")


SET = (
    "kind: ApplicationSet\nmetadata: {name: fleet}\n"
    "spec: {generators: [{git: {files: [{path: 'clusters/*/c.json'}]}}]}\n"
)
OBJECTS: dict[str, tuple[str, dict[str, str], set[str]]] = {
    "a plain directory": (
        ARGO + "  source: {path: apps/web}\n",
        empty("apps/web/a.yaml", "apps/web/b.jsonnet", "apps/web/sub/c.yaml", "apps/x.yaml"),
        {"apps/web/a.yaml", "apps/web/b.jsonnet"},
    ),
    "a directory that recurses": (
        ARGO + "  source: {path: apps/web, directory: {recurse: true}}\n",
        empty("apps/web/a.yaml", "apps/web/sub/c.yaml", "apps/web/notes.txt"),
        {"apps/web/a.yaml", "apps/web/sub/c.yaml"},
    ),
    "a chart and values beside, above and of another source": (
        ARGO + "  sources:\n"
        "  - {path: charts/web, helm: {valueFiles: [prod.yaml, ../all.yaml, /root.yaml, $v/env/p.yaml]}}\n"
        "  - {ref: v, repoURL: x}\n",
        {**CHART, **empty("charts/web/prod.yaml", "charts/all.yaml", "root.yaml", "env/p.yaml", "env/q.yaml")},
        {*CHART, "charts/web/prod.yaml", "charts/all.yaml", "root.yaml", "env/p.yaml"},
    ),
    "a foreign chart with values from here": (
        ARGO + "  sources:\n"
        "  - {chart: web, repoURL: https://charts, helm: {valueFiles: [$v/env/p.yaml]}}\n  - {ref: v}\n",
        empty("env/p.yaml", "env/q.yaml"),
        {"env/p.yaml"},
    ),
    "its own manifest, and the parameters that an updater wrote": (
        ARGO + "  source: {path: apps/web}\n",
        {
            **empty("apps/web/a.yaml", "apps/web/.argocd-source-web.yaml"),
            "root/web.yaml": ARGO,
            "root/api.yaml": ARGO.replace("web", "api"),
        },
        {"apps/web/a.yaml", "apps/web/.argocd-source-web.yaml", "root/web.yaml"},
    ),
    "the generate-paths annotation": (
        ARGO.replace("d}", "d, annotations: {argocd.argoproj.io/manifest-generate-paths: '.;../common;/root'}}")
        + "  source: {path: apps/web}\n",
        empty("apps/web/a.yaml", "apps/common/b.yaml", "root/c.yaml", "apps/d.yaml"),
        {"apps/web/a.yaml", "apps/common/b.yaml", "root/c.yaml"},
    ),
    "the set that made it, and the files that it reads": (
        ARGO.replace("argocd}", "argocd, ownerReferences: [{kind: ApplicationSet, name: fleet}]}")
        + "  source: {path: apps/web}\n",
        {"sets/fleet.yaml": SET, **empty("apps/web/a.yaml", "clusters/eu/c.json", "clusters/eu/d.json")},
        {"apps/web/a.yaml", "sets/fleet.yaml", "clusters/eu/c.json"},
    ),
    "a set whose template is one": (
        ARGO.replace("argocd}", "argocd, ownerReferences: [{kind: ApplicationSet, name: fleet}]}")
        + "  source: {path: apps/web}\n",
        {
            "sets/fleet.yaml": SET.replace("spec: {", "spec: {template: {metadata: {name: '{{path.basename}}'}}, "),
            **empty("apps/web/a.yaml", "clusters/eu/c.json"),
        },
        {"apps/web/a.yaml", "sets/fleet.yaml", "clusters/eu/c.json"},
    ),
    "its own manifest in a chart of Applications": (
        ARGO + "  source: {path: apps/web}\n",
        {
            **empty("apps/web/a.yaml"),
            "root/templates/web.yaml": "{{- if .Values.web }}\n" + ARGO + "  project: {{ .Values.p }}\n{{- end }}\n",
            "root/templates/api.yaml": "{{- if .Values.web }}\n" + ARGO.replace("web", "api") + "{{- end }}\n",
        },
        {"apps/web/a.yaml", "root/templates/web.yaml"},
    ),
    "jsonnet and what it imports": (
        ARGO + "  source: {path: apps/web, directory: {jsonnet: {libs: [vendor]}}}\n",
        {
            "apps/web/main.jsonnet": "local a = import '../../lib/a.libsonnet'; local v = import \"v.libsonnet\";\n",
            "lib/a.libsonnet": "(importstr 'a.txt') + (import 'a.libsonnet')\n",
            **empty("lib/a.txt", "lib/b.libsonnet", "vendor/v.libsonnet"),
        },
        {"apps/web/main.jsonnet", "lib/a.libsonnet", "lib/a.txt", "vendor/v.libsonnet"},
    ),
    "the Kustomizations that it waits for, but nothing of theirs": (
        FLUX + "  path: apps\n  dependsOn: [{name: base}]\n",
        {
            "apps/a.yaml": "",
            "flux/base.yaml": FLUX.replace("web", "base") + "  path: base\n",
            "base/b.yaml": "",
        },
        {"apps/a.yaml", "flux/base.yaml"},
    ),
    "a release of a chart that an object beside it names": (
        RELEASE + "  chartRef: {kind: OCIRepository, name: app-template}\n",
        {
            "apps/web/release.yaml": RELEASE,
            **dict.fromkeys(
                ("apps/web/oci.yaml", "apps/api/oci.yaml"), "kind: OCIRepository\nmetadata: {name: app-template}\n"
            ),
        },
        {"apps/web/release.yaml", "apps/web/oci.yaml"},
    ),
    "a release of a chart from elsewhere, and where that is": (
        RELEASE + "  chart: {spec: {chart: web, sourceRef: {kind: HelmRepository, name: acme, namespace: flux}}}\n",
        {
            "apps/web/release.yaml": RELEASE,
            "sources/acme.yaml": "kind: HelmRepository\nmetadata: {name: acme, namespace: flux}\n",
            "sources/other.yaml": "kind: HelmRepository\nmetadata: {name: acme, namespace: other}\n",
        },
        {"apps/web/release.yaml", "sources/acme.yaml"},
    ),
    "a release of a chart in git that a HelmChart names": (
        RELEASE + "  chartRef: {kind: HelmChart, name: web}\n",
        {
            **CHART,
            "charts.yaml": "kind: HelmChart\nmetadata: {name: web}\n"
            "spec: {chart: charts/web, sourceRef: {kind: GitRepository, name: g}}\n",
        },
        {*CHART, "charts.yaml"},
    ),
    "a Flux path without a kustomization": (
        FLUX + "  path: ./apps\n",
        {
            "apps/web/kustomization.yaml": "resources: [x.yaml]\n",
            **empty("apps/a.yaml", "apps/web/x.yaml", "apps/web/y.yaml", "apps/sub/z.yml", "apps/n.json"),
        },
        {"apps/a.yaml", "apps/web/kustomization.yaml", "apps/web/x.yaml", "apps/sub/z.yml"},
    ),
    "what Flux substitutes from": (
        FLUX + "  path: apps\n  postBuild:\n    substituteFrom:\n"
        "    - {kind: ConfigMap, name: settings}\n    - {kind: Secret, name: keys}\n",
        {
            "apps/kustomization.yaml": "resources: [a.yaml]\n",
            "apps/a.yaml": "",
            "vars/settings.yaml": "kind: ConfigMap\nmetadata: {name: settings}\n",
            "vars/keys.yaml": "kind: SealedSecret\nmetadata: {name: keys}\n",
            "vars/other.yaml": "kind: ConfigMap\nmetadata: {name: others}\n",
        },
        {"apps/kustomization.yaml", "apps/a.yaml", "vars/settings.yaml", "vars/keys.yaml"},
    ),
    "a release of a chart in git": (
        RELEASE
        + "  chart:\n    spec: {chart: ./charts/web, valuesFiles: [env/p.yaml], sourceRef: {kind: GitRepository}}\n"
        "  valuesFrom: [{kind: ConfigMap, name: web-values}]\n",
        {
            **CHART,
            **empty("env/p.yaml", "apps/web/v.yaml"),
            "apps/web/kustomization.yaml": "configMapGenerator: [{name: web-values, files: [values.yaml=v.yaml]}]\n",
            "apps/web/release.yaml": RELEASE,
        },
        {*CHART, "env/p.yaml", "apps/web/kustomization.yaml", "apps/web/v.yaml", "apps/web/release.yaml"},
    ),
}


@pytest.mark.parametrize(("text", "files", "inputs"), OBJECTS.values(), ids=[*OBJECTS])
def test_an_object_is_followed_to_all_that_it_renders_from(text: str, files: dict[str, str], inputs: set[str]) -> None:
    found: Closure = of_objects([tree(files)], [the_object(text)])
    assert set(found.why) == inputs
    assert found.scope is Scope.CLOSURE


def test_a_path_that_leaves_the_repository_and_a_circle_end() -> None:
    files = {
        "a/kustomization.yaml": "resources: [../b, ../../../etc/passwd]\n",
        "b/kustomization.yaml": "resources: [../a]\n",
    }
    assert set(of_kustomization([tree(files)], "a").why) == set(files)
    outside = of_objects([tree({**files, "x": ""})], [the_object(ARGO + "  source: {path: ../../x}\n")])
    assert outside.scope is Scope.REPOSITORY


def test_the_code_that_a_terraform_object_runs_is_followed_where_it_stands_here() -> None:
    files = {
        "apps/web/kustomization.yaml": "resources: [db.yaml, cache.yaml]\n",
        "apps/web/db.yaml": (
            "apiVersion: infra.contrib.fluxcd.io/v1alpha2\nkind: Terraform\nmetadata: {name: db}\n"
            "spec: {path: ./infra/db, sourceRef: {kind: GitRepository, name: here}}\n"
        ),
        "apps/web/cache.yaml": (
            "apiVersion: infra.contrib.fluxcd.io/v1alpha2\nkind: Terraform\nmetadata: {name: cache}\nspec: {path: ./}\n"
        ),
        "infra/db/main.tf": 'module "net" {\n  source = "../net"\n}\nmodule "far" {\n  source = "a/b/aws"\n}\n',
        "infra/db/files/init.sql": "select 1\n",
        "infra/net/main.tf": 'module "again" {\n  source = "../db"\n}\n',
        "root.tf": "",
    }
    strangers = {"infra/other/main.tf": "", "README.md": ""}
    found = of_kustomization([tree({**files, **strangers})], "apps/web")
    assert set(found.why) == set(files)
    assert found.why["infra/net/main.tf"] == "code of Terraform db"
