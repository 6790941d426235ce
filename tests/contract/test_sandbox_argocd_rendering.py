"""What the sandbox renders from a directory: plain YAML, simple kustomizations, and a clear refusal of the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from gitops_rollback.sandbox.rendering import Json, RenderError, images_of, render

DEPLOYMENT = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  template: {spec: {containers: [{name: web, image: "registry.example/web:v1"}]}}
"""


class Files:
    """A revision's files in memory."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = {path: text.encode() for path, text in files.items()}

    def files(self, under: str) -> Sequence[str]:
        return sorted(path for path in self._files if not under or path.startswith(f"{under}/"))

    def read(self, paths: Sequence[str]) -> Mapping[str, bytes]:
        return {path: self._files[path] for path in paths if path in self._files}


def manifests(files: Mapping[str, str], **source: object) -> tuple[Json, ...]:
    return render(Files(files), {"path": "app", **source}, "shop").manifests


def only(files: Mapping[str, str], **source: object) -> Json:
    (manifest,) = manifests(files, **source)
    return manifest


def test_a_directory_without_recursion_reads_its_own_files_only() -> None:
    files = {"app/web.yaml": DEPLOYMENT, "app/more/web.yaml": DEPLOYMENT, "app/readme.md": "no"}
    assert len(manifests(files)) == 1
    assert len(manifests(files, directory={"recurse": True})) == 2


def test_a_file_marked_to_be_skipped_is_not_applied() -> None:
    policy = "# +argocd:skip-file-rendering\napiVersion: x/v1\nkind: RollbackPolicy\nmetadata: {name: p}\n"
    assert only({"app/web.yaml": DEPLOYMENT, "app/policy.yaml": policy})["kind"] == "Deployment"


def test_objects_without_a_namespace_get_the_destination_but_cluster_wide_ones_do_not() -> None:
    role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: r}\n"
    found = {each["kind"]: each["metadata"] for each in manifests({"app/all.yaml": f"{DEPLOYMENT}---\n{role}"})}
    assert found["Deployment"]["namespace"] == "shop"
    assert "namespace" not in found["ClusterRole"]


def test_a_kustomization_sets_images_replicas_and_patches_of_its_base() -> None:
    overlay = """resources: [../base]
images: [{name: registry.example/web, newName: mirror.example/web, newTag: v2}]
replicas: [{name: web, count: 5}]
patches: [{path: env.yaml}]
"""
    patch = """apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec: {template: {spec: {containers: [{name: web, env: [{name: A, value: "1"}]}]}}}
"""
    files = {
        "app/kustomization.yaml": overlay,
        "app/env.yaml": patch,
        "base/kustomization.yaml": "resources: [web.yaml]\n",
        "base/web.yaml": DEPLOYMENT,
    }
    web = only(files)
    assert images_of(web) == ("mirror.example/web:v2",)
    assert web["spec"]["replicas"] == 5
    assert web["spec"]["template"]["spec"]["containers"][0]["env"] == [{"name": "A", "value": "1"}]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        pytest.param("registry.example/web:v7", "registry.example/web:v7", id="tag"),
        pytest.param("registry.example/web=other.example/w:v8", "other.example/w:v8", id="renamed"),
        pytest.param("registry.example/web@sha256:ab", "registry.example/web@sha256:ab", id="digest"),
        pytest.param("registry.example/we:v9", "registry.example/web:v1", id="another-image"),
    ],
)
def test_an_image_of_the_application_overrides_the_kustomization(image: str, expected: str) -> None:
    files = {"app/kustomization.yaml": "resources: [web.yaml]\n", "app/web.yaml": DEPLOYMENT}
    assert images_of(only(files, kustomize={"images": [image]})) == (expected,)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param({"other/a.yaml": DEPLOYMENT}, "app: app path does not exist", id="no-such-path"),
        pytest.param({"app/a.yaml": "a: {b"}, 'Failed to unmarshal "a.yaml"', id="not-yaml"),
        pytest.param({"app/a.yaml": "a: 1\n"}, "Object 'Kind' is missing", id="no-kind"),
        pytest.param({"app/kustomization.yaml": "resources: [gone.yaml]\n"}, "no such file", id="missing-resource"),
        pytest.param({"app/kustomization.yaml": "helmCharts: []\n"}, "does not render", id="unsupported-key"),
        pytest.param({"app/kustomization.yaml": "[]\n"}, "invalid Kustomization", id="not-a-mapping"),
    ],
)
def test_what_cannot_be_rendered_is_refused_in_words(files: Mapping[str, str], words: str) -> None:
    with pytest.raises(RenderError, match=words):
        manifests(files)


def test_a_date_stays_text_since_it_must_become_json() -> None:
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {day: 2026-01-02}\n"
    assert only({"app/a.yaml": text})["data"] == {"day": "2026-01-02"}
