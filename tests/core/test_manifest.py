"""What stands in a file, and what becomes of it."""

from __future__ import annotations

import pytest

from gitops_rollback.core.differences import differences
from gitops_rollback.core.images import (
    Image,
    ImageChange,
    changed_scalars,
    image_changes,
    images_of,
    parse_image,
    satisfies,
)
from gitops_rollback.core.manifest import changes, objects, view
from gitops_rollback.core.manifest_text import MAX_BYTES, documents

SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}]}\n"
MULTIPLIED = "\n".join(
    ["x0: &x0 [a, a, a, a, a, a, a, a, a, a]"]
    + [f"x{i}: &x{i} [{', '.join([f'*x{i - 1}'] * 10)}]" for i in range(1, 9)]
)

UNREADABLE = {
    "deep-nesting": "[" * 60_000,
    "deep-block": "\n".join(" " * i + "a:" for i in range(200)),
    "aliases-that-multiply": MULTIPLIED,
    "merge-key": "a: &a {x: 1}\nb:\n  <<: *a\n",
    "self-reference": "a: &a [*a]",
    "template": "image: {{ .Values.image }}",
    "duplicate-key": "a: 1\na: 2",
    "own-tag": "a: !!python/object:os.system x",
    "key-that-is-a-list": "? [a]\n: b",
    "broken": "a: [1",
    "nul": "a: \x00",
    "not-utf-8": b"a: \xff\xfe",
    "surrogate": "a: \ud800",
    "too-large": b"a: " + b"x" * MAX_BYTES,
}


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_safely_is_unread_and_not_empty(content: str | bytes) -> None:
    assert documents(content) is None
    assert objects(content) is None


def test_scalars_stand_as_written() -> None:
    assert documents("a: 1.10\nb: on\nc: ~\nd: '~'\ne: 010\n") == (
        {"a": "1.10", "b": "on", "c": None, "d": "~", "e": "010"},
    )


def test_a_file_of_the_largest_size_and_plain_aliases_is_read() -> None:
    assert documents(b"a: " + b"x" * (MAX_BYTES - 3)) is not None
    assert documents("a: &a {x: 1}\nb: *a\n") == ({"a": {"x": "1"}, "b": {"x": "1"}},)


@pytest.mark.parametrize("content", ["", "---\n---\n", "# only a comment\n"])
def test_an_empty_file_is_read_and_holds_nothing(content: str) -> None:
    assert documents(content) == ()


def keys(content: str | bytes) -> list[str]:
    return [found.key for found in objects(content) or ()]


def test_several_documents_lists_and_json_hold_objects() -> None:
    listed = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: batch/v1, kind: Job, metadata: {generateName: run-}}\n"
    assert keys(SERVICE + "---\n" + listed) == ["/Service/shop/web", "batch/Job//run-*"]
    assert keys('{"apiVersion": "apps/v1",\t"kind": "Deployment", "metadata": {"name": "a"}}') == ["apps/Deployment//a"]


def test_values_and_kustomizations_are_no_objects() -> None:
    kustomization = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n"
    for content in (kustomization, "image: {tag: v1}\n", "apiVersion: v2\nname: chart\n"):
        found = view("values.yaml", content)
        assert found is not None
        assert (found.objects, len(found.plain)) == ((), 1)


def what(before: str, after: str, to: str = "a.yaml") -> list[tuple[str, list[str]]]:
    left, right = objects(before, "a.yaml"), objects(after, to)
    assert left is not None
    assert right is not None
    return [(change.kind.value, [one.dotted for one in change.fields]) for change in changes(left, right)]


CHANGES = {
    "same": (SERVICE, SERVICE + "# a comment\n", []),
    "scalar": (SERVICE, SERVICE.replace("80", "81"), [("changed", ["spec.ports.80", "spec.ports.81"])]),
    "key-gone": (SERVICE, SERVICE.replace("spec: {ports: [{port: 80}]}", "spec: {}"), [("changed", ["spec.ports"])]),
    "removed": (SERVICE, "", [("removed", [])]),
    "added": ("", SERVICE, [("added", [])]),
    "renamed": (SERVICE, SERVICE.replace("name: web", "name: api"), [("renamed", [])]),
    "another-namespace": (SERVICE, SERVICE.replace("shop", "mall"), [("renamed", [])]),
    "another-kind": (SERVICE, SERVICE.replace("Service", "ConfigMap"), [("removed", []), ("added", [])]),
}


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES.values(), ids=CHANGES)
def test_what_becomes_of_an_object(before: str, after: str, expected: list[tuple[str, list[str]]]) -> None:
    assert what(before, after) == expected


LISTS = {
    "one-of-many-words": ("a: [x, y]", "a: [x]", ["a.y"]),
    "word-replaced": ("a: [x, y]", "a: [x, z]", ["a.[1]"]),
    "named-elements-in-another-order": ("a: [{name: x}, {name: y}]", "a: [{name: y}, {name: x}]", []),
    "named-element-changed": ("a: [{name: x, b: 1}]", "a: [{name: x, b: 2}]", ["a.x.b"]),
    "list-becomes-a-word": ("a: [x]", "a: x", ["a"]),
    "mapping-becomes-a-list": ("a: {b: c}", "a: [b]", ["a"]),
}


@pytest.mark.parametrize(("before", "after", "expected"), LISTS.values(), ids=LISTS)
def test_the_smallest_place_that_differs_is_named(before: str, after: str, expected: list[str]) -> None:
    left, right = documents(before), documents(after)
    assert left is not None
    assert right is not None
    assert [one.dotted for one in differences(left[0], right[0])] == expected


def test_an_object_that_moves_to_another_file_stays() -> None:
    assert what(SERVICE, SERVICE, "b.yaml") == []


IMAGES = [
    ("web", Image("web", "")),
    ("docker.io/library/nginx:1.27", Image("nginx", "1.27")),
    ("host:5000/shop/web", Image("host:5000/shop/web", "")),
    ("host:5000/shop/web:v1@sha256:ab", Image("host:5000/shop/web", "sha256:ab")),
]


@pytest.mark.parametrize(("reference", "expected"), IMAGES)
def test_a_registrys_port_is_no_tag(reference: str, expected: Image) -> None:
    assert parse_image(reference) == expected


PLACES = {
    "container": ("spec: {containers: [{image: a:1}]}", [Image("a", "1")]),
    "kustomization": ("images:\n- {name: a, newName: b, newTag: '2'}\n", [Image("b", "2")]),
    "kustomize-override": ("kustomize: {images: ['a=b:3']}", [Image("b", "3")]),
    "values": ("image: {registry: r.example, repository: a, tag: '4'}", [Image("r.example/a", "4")]),
    "values-without-repository": ("web: {image: {tag: '5'}}", [Image("", "5")]),
    "values-digest": ("image: {repository: a, tag: '4', digest: 'sha256:ab'}", [Image("a", "sha256:ab")]),
    "values-without-tag": ("image: {repository: a}", [Image("a", "")]),
    "values-empty-registry": ("image: {registry: '', repository: a, tag: '4'}", [Image("a", "4")]),
    "repository-of-something-else": ("git: {repository: a}", []),
    "image-tag": ("imageTag: '6'", [Image("", "6")]),
    "none": ("replicas: 3", []),
}


@pytest.mark.parametrize(("content", "expected"), PLACES.values(), ids=PLACES)
def test_images_are_found_where_they_stand(content: str, expected: list[Image]) -> None:
    assert images_of(content) == tuple(expected)


def test_the_images_that_a_change_touches() -> None:
    before, after = "x: {image: a:2}\ny: {image: b:1}\n", "x: {image: a:1}\ny: {image: b:1}\n"
    assert image_changes(before, after) == (ImageChange("a", ("2",), ("1",)),)
    assert image_changes(None, after) == (ImageChange("a", (), ("1",)), ImageChange("b", (), ("1",)))
    assert image_changes(before, "{{ x }}") is None
    assert changed_scalars(before, after) == ("a:2",)
    assert changed_scalars(None, after) == ()
    assert changed_scalars(before, "{{ x }}") is None
    assert changed_scalars("{{ x }}", after) is None


FLOORS = [
    ("1.41.1", ">=1.41.1", True),
    ("v1.42.0", ">=1.41.1", True),
    ("1.41.0", ">=1.41.1", False),
    ("1.41", ">=1.41.0", True),
    ("1.41.1-rc1", ">=1.41.1", False),
    ("1.41.1-rc2", ">1.41.1-rc1", True),
    ("1.9.0", ">=1.10.0", False),
    ("1.43.0", ">=1.41.1,<1.43", False),
    ("1.43.0", "!=1.43.0", False),
    ("latest", ">=1.41.1", None),
    ("1.41.1", ">=main", None),
    ("", ">=1", None),
]


@pytest.mark.parametrize(("version", "constraint", "expected"), FLOORS)
def test_versions_compare_by_number_and_unknown_ones_not_at_all(
    version: str, constraint: str, expected: bool | None
) -> None:
    assert satisfies(version, constraint) is expected
