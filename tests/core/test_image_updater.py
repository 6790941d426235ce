"""Argo CD Image Updater: what it wrote by its own words, and what keeps it from writing that again."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_rollback.core.fields import Unclear
from gitops_rollback.core.image_updater import (
    PREFIX,
    ImageUpdate,
    Managed,
    decided_elsewhere,
    kept_off,
    managed_by,
    updates_of,
    writes_git,
    writes_into,
)

MESSAGE = "build: automatic update of cart\n\nupdates image shop/cart tag '1.0.0' to '1.1.0'\n"
UPDATE = ImageUpdate("shop/cart", "1.0.0", "1.1.0")


@pytest.mark.parametrize(
    ("message", "expected"),
    [(MESSAGE, (UPDATE,)), ("Update image shop/cart tag", ()), ("Quote: updates image a tag '1' to '2'", ())],
)
def test_its_usual_message_tells_which_tags(message: str, expected: tuple[ImageUpdate, ...]) -> None:
    assert updates_of(message) == expected


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("apps/cart/.argocd-source-cart.yaml", True),
        ("apps/cart/.argocd-source-team_cart.yaml", True),
        ("apps/cart/.argocd-source.yaml", False),  # a person's own
        ("apps/cart/values.yaml", False),
    ],
)
def test_its_own_files_are_known(path: str, found: bool) -> None:
    assert writes_into([path]) == (path if found else "")


@pytest.mark.parametrize(
    ("annotations", "expected"),
    [
        ({"image-list": "cart=shop/cart", "write-back-method": "git"}, True),
        ({"image-list": "shop/cart", "write-back-method": "git:secret:argocd/creds"}, True),
        ({"image-list": "shop/cart"}, False),  # into the Application itself
        ({"write-back-method": "git"}, False),
    ],
)
def test_write_back_to_git_is_told_by_annotations(annotations: dict[str, str], expected: bool) -> None:
    assert writes_git({f"{PREFIX}{name}": value for name, value in annotations.items()}) is expected


def updater(reference: dict[str, Any], **spec: Any) -> dict[str, Any]:
    named = {"name": "shop", "namespace": "argocd"}
    return {"kind": "ImageUpdater", "metadata": named, "spec": {"applicationRefs": [reference], **spec}}


def tier(name: str) -> dict[str, Any]:
    return {"matchLabels": {"tier": name}}


IMAGES = [{"alias": "cart", "imageName": "docker.io/shop/cart:~1.2"}]
GIT = {"writeBackConfig": {"method": "git:secret:argocd/creds"}}
WAY = "commonUpdateSettings.allowTags` of ImageUpdater argocd/shop"
OF_ALL = Managed("shop/cart", f"`spec.images[alias=cart].{WAY}")
OWN = Managed("shop/cart", f"`spec.applicationRefs[0].images[alias=cart].{WAY}")


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (updater({"namePattern": "cart-*", "images": IMAGES, **GIT}), (OWN,)),
        (updater({"namePattern": "cart-*", "images": IMAGES}, **GIT), (OWN,)),
        (updater({"namePattern": "*"}, images=IMAGES, **GIT), (OF_ALL,)),
        (updater({"namePattern": "*", "images": IMAGES, "labelSelectors": tier("web")}, **GIT), (OWN,)),
        (updater({"namePattern": "*", "images": IMAGES, "labelSelectors": tier("db")}, **GIT), ()),
        (updater({"namePattern": "*", "images": IMAGES, "writeBackConfig": {"method": "argocd"}}, **GIT), ()),
        (updater({"namePattern": "*", "images": IMAGES}), ()),  # into the Application, where nothing is said
        (updater({"namePattern": "[^a-c]*", "images": IMAGES}, **GIT), ()),
        (updater({"namePattern": "*", "images": IMAGES}, namespace="teams", **GIT), ()),
        (
            updater({"namePattern": "*", "useAnnotations": True, "images": IMAGES}),
            (Managed("shop/cart", f"`{PREFIX}cart.allow-tags` of the Application"),),
        ),
    ],
    ids=["own method", "method of all", "images of all", "by label", "other label", "argocd", "unsaid", "other name",
         "other namespace", "by annotations"],
)  # fmt: skip
def test_its_objects_say_which_images_it_keeps_up_to_date(found: dict[str, Any], expected: tuple[Managed, ...]) -> None:
    annotations = {f"{PREFIX}image-list": "cart=shop/cart:~1", f"{PREFIX}write-back-method": "git"}

    assert managed_by([found], "argocd", "cart-prod", {"tier": "web"}, annotations) == expected


def test_an_object_that_is_not_as_it_should_be_is_not_read_as_one_that_manages_nothing() -> None:
    with pytest.raises(Unclear):
        managed_by([updater({"namePattern": 1})], "argocd", "cart", {}, {})


def test_what_holds_it_names_the_alias_and_the_tag_that_comes_back() -> None:
    words = kept_off([UPDATE], {f"{PREFIX}image-list": "cart=shop/cart:~1, other=shop/other"})
    assert words.startswith(f"`{PREFIX}cart.allow-tags: regexp:^1\\.0\\.0$`")
    assert kept_off([UPDATE], {}).startswith(f"`{PREFIX}allow-tags: ")
    assert "allowTags" in kept_off([], {})


IN_ALL, IN_OWN = "spec.images[alias=cart]", "spec.applicationRefs[0].images[alias=cart]"
TAGS = "commonUpdateSettings.allowTags"
NOTED = Managed("shop/cart", f"`{PREFIX}cart.allow-tags` of the Application")


@pytest.mark.parametrize(
    ("managed", "field", "elsewhere"),
    [
        (OWN, f"ImageUpdater/shop: {IN_OWN}.{TAGS}", False),
        (OWN, f"{IN_OWN}.{TAGS}", False),
        (OWN, f"ImageUpdater/shop: spec.applicationRefs[namePattern=cart-*].images[0].{TAGS}", False),
        (OWN, f"ImageUpdater/other: {IN_OWN}.{TAGS}", True),
        (OWN, f"ImageUpdater/shop: {IN_OWN.replace('cart', 'web')}.{TAGS}", True),
        (OWN, f"ImageUpdater/shop: {IN_OWN.replace('0', '1')}.{TAGS}", True),
        (OWN, f"ImageUpdater/shop: {IN_ALL}.{TAGS}", True),
        (OF_ALL, f"ImageUpdater/shop: {IN_ALL}.{TAGS}", False),
        (OWN, f'Application/cart: metadata.annotations["{PREFIX}cart.allow-tags"]', True),
        (NOTED, f"ImageUpdater/shop: {IN_OWN}.{TAGS}", True),
        (NOTED, f'Application/cart: metadata.annotations["{PREFIX}cart.allow-tags"]', False),
        (Managed("shop/web", OWN.place), f"ImageUpdater/other: {IN_OWN}.{TAGS}", False),
    ],
)  # fmt: skip
def test_a_field_that_it_never_looks_at_keeps_it_off_nothing(managed: Managed, field: str, elsewhere: bool) -> None:
    assert decided_elsewhere("shop/cart", field, [managed]) == (managed.place if elsewhere else "")
