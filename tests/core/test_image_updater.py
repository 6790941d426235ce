"""Argo CD Image Updater: what it wrote by its own words, and what keeps it from writing that again."""

from __future__ import annotations

import pytest

from gitops_rollback.core.image_updater import PREFIX, ImageUpdate, kept_off, updates_of, writes_git, writes_into

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


def test_what_holds_it_names_the_alias_and_the_tag_that_comes_back() -> None:
    words = kept_off([UPDATE], {f"{PREFIX}image-list": "cart=shop/cart:~1, other=shop/other"})
    assert words.startswith(f"`{PREFIX}cart.allow-tags: regexp:^1\\.0\\.0$`")
    assert kept_off([UPDATE], {}).startswith(f"`{PREFIX}allow-tags: ")
    assert "allowTags" in kept_off([], {})
