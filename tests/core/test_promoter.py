"""What the objects of GitOps Promoter say of a branch, as its controllers write them."""

from __future__ import annotations

from typing import Any

import pytest

from gitops_rollback.core.fields import Unclear
from gitops_rollback.core.promoter import promoting

URL = "https://github.com/shop/config.git"
DRY, NEXT = "5468b78dfef356739559abf1f883cd713794fd97", "0fe9ffb91c01438ebad8fc0854f781c53ecdd6fc"
REPOSITORY = {
    "kind": "GitRepository",
    "metadata": {"name": "config", "namespace": "promoter"},
    "spec": {"github": {"owner": "Shop", "name": "config"}, "scmProviderRef": {"kind": "ScmProvider", "name": "gh"}},
}


def transfer(**status: Any) -> dict[str, Any]:
    """The policy that the strategy's controller makes for production."""
    return {
        "kind": "ChangeTransferPolicy",
        "metadata": {"name": "shop-environment-prod-5f0f2c1b", "namespace": "promoter"},
        "spec": {
            "gitRepositoryRef": {"name": "config"},
            "activeBranch": "environment/prod",
            "proposedBranch": "environment/prod-next",
            "autoMerge": status.pop("autoMerge", True),
            "activeCommitStatuses": [{"key": "argocd-health"}],
            "proposedCommitStatuses": [{"key": "promoter-previous-environment"}],
        },
        "status": {
            "active": {"dry": {"sha": DRY, "commitTime": "2026-11-28T08:00:00Z"}, "hydrated": {"sha": "a" * 40}},
            "proposed": {
                "dry": {"sha": NEXT},
                "hydrated": {"sha": "b" * 40},
                "commitStatuses": [
                    {"key": "promoter-previous-environment", "phase": "pending"},
                    {"key": "scan", "phase": "success"},
                ],
            },
            "pullRequest": {"id": "7", "state": "open", "url": "https://github.com/shop/config/pull/7"},
            **status,
        },
    }


STRATEGY = {
    "kind": "PromotionStrategy",
    "metadata": {"name": "shop", "namespace": "promoter"},
    "spec": {
        "gitRepositoryRef": {"name": "config"},
        "environments": [{"branch": "environment/dev"}, {"branch": "environment/prod", "autoMerge": False}],
    },
    "status": {"environments": [{"branch": "environment/prod", "active": {"dry": {"sha": DRY}}, "proposed": {}}]},
}


def test_what_writes_a_branch_is_named_with_the_commit_that_it_was_made_of() -> None:
    found = promoting([STRATEGY, transfer(), REPOSITORY], "environment/prod", URL)
    assert found is not None
    of = "ChangeTransferPolicy promoter/shop-environment-prod-5f0f2c1b"
    assert found.words == (
        f"GitOps Promoter ({of}) writes environment/prod from environment/prod-next, made of {DRY[:12]}"
    )
    assert found.remedy == (
        f"revert {DRY[:12]} on the dry branch; it comes here once promoter-previous-environment (pending) let it; "
        f"{NEXT[:12]} is proposed now"
    )


def test_a_branch_that_a_person_merges_into_is_so_by_its_strategy_alone() -> None:
    found = promoting([STRATEGY, REPOSITORY], "environment/prod", URL)
    assert found is not None
    assert (found.named, found.proposed) == ("PromotionStrategy promoter/shop", "environment/prod-next")
    assert found.remedy == f"revert {DRY[:12]} on the dry branch; a person merges it here"


def test_where_people_merge_the_pull_request_is_named() -> None:
    found = promoting([transfer(autoMerge=False, proposed={})], "environment/prod", URL)
    assert found is not None
    assert found.remedy.endswith("a person merges it here: https://github.com/shop/config/pull/7")


@pytest.mark.parametrize(
    ("branch", "url", "spec", "found"),
    [
        ("environment/prod", URL, REPOSITORY["spec"], True),
        ("environment/prod", "git@github.com:shop/config.git", REPOSITORY["spec"], True),
        ("environment/prod-next", URL, REPOSITORY["spec"], False),
        ("environment/prod", "https://github.com/shop/other.git", REPOSITORY["spec"], False),
        ("environment/prod", "https://github.com/cart/config.git", REPOSITORY["spec"], False),
        (
            "environment/prod", "https://gitlab.com/a/shop/config",
            {"gitlab": {"namespace": "a/shop", "name": "config"}}, True,
        ),
        (
            "environment/prod", "https://dev.azure.com/org/shop/_git/config",
            {"azureDevOps": {"project": "shop", "name": "config"}}, True,
        ),
        ("environment/prod", URL, {"scmProviderRef": {"name": "gh"}}, True),
    ],
)  # fmt: skip
def test_only_the_branch_of_that_repository_counts(branch: str, url: str, spec: object, found: bool) -> None:
    assert (promoting([transfer(), {**REPOSITORY, "spec": spec}], branch, url) is not None) == found


def test_an_object_that_cannot_be_read_is_no_word_that_nobody_writes() -> None:
    with pytest.raises(Unclear):
        promoting([{**transfer(), "spec": {"activeBranch": 1}}], "environment/prod", URL)
