"""What a drill breaks: one field, spliced, in a file of its own, and so that Pods really do not come up."""

from __future__ import annotations

import json

import pytest
import yaml

from gitops_rollback.core.breaking import Break, wounded
from gitops_rollback.core.policy import Workload

WEB = Workload("Deployment", "shop", "web")
PLAIN = """\
# the shop
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers:
        - name: web
          image: "reg:5000/shop/web:1.0@sha256:00"   # kept
          command:
            - /serve
            - --port=80
          env: [{name: LEVEL, value: info}]
"""
FLOW = json.dumps(yaml.safe_load(PLAIN))
FIRST_KEY = PLAIN.replace("        - name: web\n          image", "        - image").replace(
    "        - image", "        - image"
)
OVERLAY = "resources: [../base]\nnamePrefix: a-\n"
PATCHED = f"{OVERLAY}patches:\n  - path: old.yaml\n"
IMAGES = f"{OVERLAY}images:\n  - name: reg:5000/shop/web\n    digest: sha256:11\n"
VALUES = 'replicas: 2\nimage:\n  repository: reg/web\n  tag: "1.0"\n'
RELEASE = "kind: HelmRelease\nmetadata: {name: web}\nspec:\n  values:\n    image: {repository: reg/web, tag: v1}\n"
BAD = "gitops-rollback-drill-1a2b-missing"


def container(text: str) -> dict[str, object]:
    found = next(yaml.safe_load_all(text))["spec"]["template"]["spec"]["containers"][0]
    assert isinstance(found, dict)
    return found


def broken(how: Break, path: str = "app/web.yaml", text: str = PLAIN, **shared: str) -> str:
    others = [(f"base/{name}.yaml", content.encode()) for name, content in shared.items()]
    wound, why = wounded([(path, text.encode())], others, WEB, how, "1a2b")
    assert wound is not None, why
    assert wound.path == path
    return wound.content.decode()


@pytest.mark.parametrize("text", [PLAIN, FLOW], ids=["block", "json"])
@pytest.mark.parametrize(
    ("how", "field", "value"),
    [
        (Break.IMAGE, "image", f"reg:5000/shop/web:{BAD}"),
        (Break.CONFIG, "envFrom", [{"configMapRef": {"name": BAD}}]),
        (Break.CRASH_LOOP, "command", ["/bin/sh", "-c", "exit 1  # gitops-rollback-drill 1a2b"]),
    ],
)
def test_one_field_of_the_container_changes_and_nothing_else(text: str, how: Break, field: str, value: object) -> None:
    after = broken(how, "app/web.json" if text is FLOW else "app/web.yaml", text)
    assert container(after) == {**container(text), field: value}
    if text is PLAIN:
        assert {"# the shop", "          env: [{name: LEVEL, value: info}]"} <= set(after.splitlines())
    else:
        json.loads(after)


def test_an_overlay_bears_a_patch_where_the_manifest_is_read_by_others_too() -> None:
    for text, before in ((OVERLAY, []), (PATCHED, [{"path": "old.yaml"}])):
        found = yaml.safe_load(broken(Break.CRASH_LOOP, "prod/kustomization.yaml", text, web=PLAIN))
        patch = yaml.safe_load(found.pop("patches").pop(0)["patch"]) if before == [] else None
        if patch is None:
            first, *rest = found["patches"]
            assert rest == before
            patch = yaml.safe_load(first["patch"])
        assert (patch["kind"], patch["metadata"]["name"]) == ("Deployment", "web")
        assert container(yaml.safe_dump(patch))["name"] == "web"


@pytest.mark.parametrize(
    ("path", "text", "line"),
    [
        pytest.param("prod/kustomization.yaml", IMAGES, f"    newTag: {BAD}", id="what sets it last"),
        pytest.param("chart/values-staging.yaml", VALUES, f'  tag: "{BAD}"', id="values"),
        pytest.param("clusters/web.yaml", RELEASE, f"    image: {{repository: reg/web, tag: {BAD}}}", id="HelmRelease"),
    ],
)
def test_the_image_is_broken_where_it_is_set(path: str, text: str, line: str) -> None:
    after = broken(Break.IMAGE, path, text, **({"web": PLAIN} if "images" in text else {}))
    assert set(after.splitlines()) - set(text.splitlines()) == {line}


def test_what_nobody_may_touch_is_said() -> None:
    wound, why = wounded(
        [("chart/values.yaml", VALUES.encode())], [("base/web.yaml", PLAIN.encode())], WEB, Break.CONFIG, "1"
    )
    assert wound is None
    assert "Deployment web stands in no plain manifest among the 1 files that this application alone reads" in why
    assert wounded([("a.yaml", b"{{ if }}: \xff")], [], None, Break.IMAGE, "1")[0] is None
